//! Which directories are snapshotted, so that what captures a data set never makes an application's DROP fail. Pure.
//!
//! HDFS neither deletes nor renames a directory that has snapshots. So the snapshots of a table or partition are on a directory above it:
//!
//! | the place | its snapshots are on |
//! |---|---|
//! | one with snapshots at it or above it | that directory: HDFS nests none, and a pair of an earlier version goes on |
//! | in the directory of its database | the database's directory |
//! | in another database's directory | that database's directory |
//! | elsewhere | the directory that holds it |
//! | the database's directory itself | that directory: snapshots of the warehouse would hold what every other database deletes |
//!
//! The directory above is not taken where it is everybody's: the root, one that holds the warehouse or our own files, or `/user`, `/tmp` and
//! their like. Then, and where a directory beside has snapshots of its own, they are on the place itself, which is said by name. An owner who
//! allows snapshots of a directory (`hdfs dfsadmin -allowSnapshot`) before the first run decides it.
//!
//! What a wider directory costs: files that anybody deletes in it keep their space while a recovery point is held, and dropping a snapshot
//! walks through all of it (measured on Hadoop 3.4.2, 5,000 other entries: 130 to 220 ms instead of 14). A difference is asked for the tree
//! alone (see `hdfs::changes`), whatever changed beside it: 4 to 27 ms there, and 140 to 470 for the whole directory.

use std::collections::{BTreeMap, BTreeSet};

use super::places::is_inside;
use crate::components::hdfs::{HOME, Known, meet};

/// Directories that are everybody's, as clusters have them.
const SHARED: [&str; 7] = ["/user", "/tmp", "/home", "/apps", "/system", "/var", "/hbase"];

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Estate<'a> {
    /// The warehouse's path.
    pub warehouse: &'a str,
    /// The path of the data set's database.
    pub database: Option<&'a str>,
    /// Directories that may have snapshots: all that meet a tree or the directory above one.
    pub known: &'a [Known],
    /// Whether older captures of the data set may go where they are in the way, as at the source.
    pub may_drop: bool,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roots {
    /// For every tree the directory to be snapshotted.
    pub of: BTreeMap<String, String>,
    /// Trees above which no directory may be taken, wherever others have snapshots.
    pub alone: BTreeSet<String>,
    /// Directories of ours without a snapshot that are in the way.
    pub give_up: BTreeSet<String>,
    /// Directories that only this data set has snapshots of, and that are in the way.
    pub drop: BTreeSet<String>,
    /// Trees that cannot be captured, and the directory inside them that has snapshots.
    pub blocked: BTreeMap<String, String>,
}

/// The directory above, where it is not everybody's.
fn above<'a>(place: &'a str, estate: &Estate<'_>) -> Option<&'a str> {
    let (above, _) = place.rsplit_once('/').filter(|(above, _)| !above.is_empty())?;
    let everybodys = SHARED.contains(&above) || is_inside(estate.warehouse, above) || is_inside(HOME, above);
    (!everybodys).then_some(above)
}

/// Where a tree's snapshots would best be, wherever others are.
fn wished(tree: &str, estate: &Estate<'_>) -> String {
    if let Some(database) = estate.database.filter(|database| is_inside(tree, database)) {
        return database.to_owned();
    }
    // A table of another database may be dropped as well, the database itself hardly.
    let other = tree.strip_prefix(estate.warehouse).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.split_once('/'));
    match other {
        Some((other, _)) => format!("{}/{other}", estate.warehouse),
        None => above(tree, estate).unwrap_or(tree).to_owned(),
    }
}

/// Directories that are to be asked about before the decision.
pub fn relevant<'a>(trees: impl Iterator<Item = &'a str>, estate: &Estate<'_>) -> Vec<String> {
    trees.flat_map(|tree| [tree.to_owned(), wished(tree, estate)]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Decides it.
pub fn choose<'a>(trees: impl Iterator<Item = &'a str>, estate: &Estate<'_>) -> Roots {
    let mut roots = Roots::default();
    let mut fresh = BTreeSet::new();
    for tree in trees {
        let wished = wished(tree, estate);
        if wished == tree && estate.database != Some(tree) {
            roots.alone.insert(tree.to_owned());
        }
        let stays = |known: &&Known| !known.is_free() || known.path != tree;
        if let Some(held) = estate.known.iter().filter(stays).find(|known| is_inside(tree, &known.path)) {
            roots.of.insert(tree.to_owned(), held.path.clone());
            continue;
        }
        let in_way = |root: &str| {
            let inside: Vec<&Known> = estate.known.iter().filter(|known| known.path != root && is_inside(&known.path, root)).collect();
            inside.into_iter().filter(|known| !known.is_free()).collect::<Vec<_>>()
        };
        let may_go = |known: &Known| known.mine && estate.may_drop && is_inside(&known.path, tree);
        let root = if in_way(&wished).into_iter().all(may_go) { wished } else { tree.to_owned() };
        for known in in_way(&root) {
            if may_go(known) {
                roots.drop.insert(known.path.clone());
            } else {
                roots.blocked.insert(tree.to_owned(), known.path.clone());
            }
        }
        if !roots.blocked.contains_key(tree) {
            fresh.insert(root.clone());
        }
        roots.of.insert(tree.to_owned(), root);
    }
    // Of two that would be nested the outer one holds both.
    for root in roots.of.values_mut() {
        if let Some(outer) = fresh.iter().find(|outer| is_inside(root, outer)) {
            root.clone_from(outer);
        }
    }
    let taken: BTreeSet<&String> = roots.of.values().collect();
    let in_way = |known: &&Known| known.is_free() && taken.iter().any(|root| **root != known.path && meet(root, &known.path));
    roots.give_up = estate.known.iter().filter(in_way).map(|known| known.path.clone()).collect();
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(path: &str) -> Known {
        Known { path: path.into(), snapshots: 1, mine: false, points: Vec::new(), ours: true, shared: true }
    }

    fn free(path: &str) -> Known {
        Known { snapshots: 0, ..held(path) }
    }

    fn theirs(path: &str) -> Known {
        Known { ours: false, shared: false, ..held(path) }
    }

    /// By its owner, who has taken none yet.
    fn allowed(path: &str) -> Known {
        Known { snapshots: 0, ..theirs(path) }
    }

    fn mine(path: &str) -> Known {
        Known { mine: true, ..held(path) }
    }

    fn chosen(trees: &[&str], known: &[Known], may_drop: bool) -> Roots {
        choose(trees.iter().copied(), &Estate { warehouse: "/user/hive/w", database: Some("/user/hive/w/s.db"), known, may_drop })
    }

    fn of(tree: &str, known: &[Known]) -> String {
        chosen(&[tree], known, false).of[tree].clone()
    }

    #[test]
    fn snapshots_are_where_applications_do_not_delete() {
        for (tree, root) in [
            ("/user/hive/w/s.db", "/user/hive/w/s.db"),
            ("/user/hive/w/s.db/t", "/user/hive/w/s.db"),
            ("/user/hive/w/s.db/t/day=1", "/user/hive/w/s.db"),
            ("/user/hive/w/other.db/t/day=1", "/user/hive/w/other.db"),
            ("/user/hive/w/t", "/user/hive/w/t"),
            ("/lake/orders", "/lake"),
            ("/lake/raw/orders", "/lake/raw"),
            ("/user/ann/orders", "/user/ann"),
        ] {
            assert_eq!(of(tree, &[]), root, "{tree}");
        }
        for everybodys in ["/orders", "/user/ann", "/tmp/orders", "/user/hive/orders", "/user/orders"] {
            assert_eq!(of(everybodys, &[]), everybodys);
        }
        let default = Estate { warehouse: "/w", database: Some("/w"), known: &[], may_drop: false };
        assert_eq!(choose(["/w/t"].into_iter(), &default).of["/w/t"], "/w", "the default database's directory is the warehouse");
    }

    #[test]
    fn what_has_snapshots_decides_and_what_is_free_makes_way() {
        assert_eq!(of("/lake/orders", &[held("/lake/orders")]), "/lake/orders", "a pair of an earlier version goes on");
        assert_eq!(of("/lake/orders", &[theirs("/lake/orders")]), "/lake/orders", "the owner decided it");
        assert_eq!(of("/lake/raw/orders", &[held("/lake")]), "/lake");
        assert_eq!(of("/lake/raw/orders", &[free("/lake")]), "/lake", "somebody may be about to take one");
        assert_eq!(of("/lake/orders", &[held("/lake/beside")]), "/lake/orders");
        let way = chosen(&["/lake/orders"], &[free("/lake/orders"), free("/lake/beside")], false);
        assert_eq!((way.of["/lake/orders"].as_str(), way.give_up.len()), ("/lake", 2));
        let one = chosen(&["/lake/a/x", "/lake/b"], &[], false);
        assert!(one.of.values().all(|root| root == "/lake"), "{one:?}");
    }

    #[test]
    fn a_table_above_another_one_is_captured_and_only_own_captures_go_for_it() {
        let above = |known: &[Known], may_drop| chosen(&["/lake"], known, may_drop);
        assert_eq!(above(&[mine("/lake/a")], true).drop, ["/lake/a".to_owned()].into());
        for (known, may_drop) in [(mine("/lake/a"), false), (held("/lake/a"), true), (theirs("/lake/a"), true)] {
            let told = above(&[known], may_drop);
            assert_eq!((told.blocked["/lake"].as_str(), told.drop.len()), ("/lake/a", 0));
        }
        assert_eq!(above(&[mine("/lake")], true).drop, [].into(), "it was a tree's wider directory already");
    }

    fn place() -> impl Strategy<Value = String> {
        let usual =
            proptest::collection::vec(0..3u8, 1..5).prop_map(|names| names.iter().map(|name| format!("/{name}")).collect::<String>());
        prop_oneof![usual.clone(), usual.prop_map(|below| format!("/user/hive/w{below}"))]
    }

    /// As HDFS has them: none in another.
    fn estate() -> impl Strategy<Value = Vec<Known>> {
        proptest::collection::vec((place(), 0..5u8), 0..4).prop_map(|all| {
            let mut known: Vec<Known> = Vec::new();
            for (path, kind) in all {
                if known.iter().all(|one| !meet(&one.path, &path)) {
                    known.push([held, free, theirs, mine, allowed][usize::from(kind)](&path));
                }
            }
            known
        })
    }

    proptest! {
        #[test]
        fn every_tree_is_in_a_directory_that_hdfs_takes_and_nothing_of_others_goes(
            places in proptest::collection::btree_set(place(), 1..5),
            known in estate(),
            may_drop in any::<bool>(),
        ) {
            // Trees are the outermost.
            let trees: Vec<&str> = places.iter().filter(|one| places.iter().all(|other| other == *one || !is_inside(one, other))).map(String::as_str).collect();
            let told = chosen(&trees, &known, may_drop);
            for path in told.give_up.iter().chain(&told.drop) {
                let gone = known.iter().find(|one| one.path == *path).expect("a known one");
                prop_assert!((gone.snapshots == 0 && gone.ours) || (gone.mine && may_drop && told.drop.contains(path)));
            }
            let left: Vec<&Known> = known.iter().filter(|one| !told.give_up.contains(&one.path) && !told.drop.contains(&one.path)).collect();
            for tree in trees {
                let root = &told.of[tree];
                prop_assert!(is_inside(tree, root), "{tree} in {root}");
                if told.blocked.contains_key(tree) {
                    continue;
                }
                let others = told.of.iter().filter(|(tree, _)| !told.blocked.contains_key(*tree)).map(|(_, root)| root);
                for other in left.iter().map(|one| &one.path).chain(others) {
                    prop_assert!(other == root || !meet(other, root), "{other} and {root}");
                }
                prop_assert!(root != "/" || known.iter().any(|one| one.path == "/"));
                // On the tree itself only where there is no other way.
                let nothing = Estate { warehouse: "/user/hive/w", database: Some("/user/hive/w/s.db"), known: &[], may_drop };
                let wished = wished(tree, &nothing);
                if root == tree && wished != tree {
                    prop_assert!(known.iter().any(|one| !one.is_free() && meet(&one.path, &wished)));
                }
            }
        }
    }
}
