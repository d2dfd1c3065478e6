//! What differs between two captures of a data set. Pure.
//!
//! Renames are told by inode: a file that kept its inode and its content, or a directory that kept its inode and a child, moved.
//! Without inodes (0) a move is a deletion and a `Put`, whose content the other side already holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::{Change, ChangeSet, Entry, Node, RelPath};

use super::depot::{Captured, Seen};

/// Everything, parents first.
pub fn everything(now: &Captured) -> ChangeSet {
    ChangeSet { changes: now.values().map(|seen| Change::Put(seen.entry.clone())).collect() }
}

/// The changes from `base` to `now`: renames, deletions, then the rest with parents first.
pub fn changes(base: &Captured, now: &Captured) -> ChangeSet {
    let moved = Moves::find(base, now);
    let mut changes: Vec<Change> = moved.to.iter().map(|(to, from)| Change::Rename { from: from.clone(), to: to.clone() }).collect();
    changes.extend(moved.deleted(base, now).into_iter().map(|path| Change::Delete { path }));
    for (path, seen) in now {
        match moved.origins.get(path).and_then(|origin| base.get(origin)) {
            Some(before) if same_content(&before.entry, &seen.entry) => {
                if before.entry.meta != seen.entry.meta {
                    changes.push(Change::Meta(seen.entry.clone()));
                }
            }
            _ => changes.push(Change::Put(seen.entry.clone())),
        }
    }
    ChangeSet { changes }
}

/// Same kind and same content.
pub fn same_content(a: &Entry, b: &Entry) -> bool {
    match (&a.node, &b.node) {
        (Node::File { bytes, digest }, Node::File { bytes: others, digest: other }) => {
            bytes == others && digest.is_some() && digest == other
        }
        (a, b) => a == b,
    }
}

fn same_kind(a: &Entry, b: &Entry) -> bool {
    std::mem::discriminant(&a.node) == std::mem::discriminant(&b.node)
}

struct Moves {
    /// New place → old place, of what was moved itself (not of what moved along with its directory).
    to: BTreeMap<RelPath, RelPath>,
    /// New place → the entry of the base that it is now, where there is one.
    origins: BTreeMap<RelPath, RelPath>,
}

impl Moves {
    fn find(base: &Captured, now: &Captured) -> Moves {
        let (old, new) = (by_inode(base), by_inode(now));
        let mut moves = Moves { to: BTreeMap::new(), origins: BTreeMap::new() };
        // Parents come before their children, so that a child knows where its directory came from.
        for (path, seen) in now {
            let along = path.parent().map_or(Some(RelPath::root()), |parent| moves.origins.get(&parent)?.join(path.name()).ok());
            let along = along.filter(|old| base.get(old).is_some_and(|before| same_kind(&before.entry, &seen.entry)));
            let before = old.get(&seen.inode).filter(|_| new.get(&seen.inode) == Some(&path)).copied();
            let moved = before.filter(|old| along.as_ref() != Some(*old) && is_moved(base, now, old, path));
            if let Some(old) = moved {
                moves.to.insert(path.clone(), old.clone());
            }
            if let Some(origin) = moved.cloned().or(along) {
                moves.origins.insert(path.clone(), origin);
            }
        }
        moves.settle();
        moves
    }

    /// Whatever moved away is not what is now in its old place, nor is what lies below that.
    fn settle(&mut self) {
        let gone: BTreeSet<&RelPath> = self.to.values().collect();
        let mut settled: BTreeMap<RelPath, RelPath> = BTreeMap::new();
        for (path, origin) in std::mem::take(&mut self.origins) {
            let stayed = !gone.contains(&origin) && path.parent().is_none_or(|parent| settled.contains_key(&parent));
            if stayed || self.to.contains_key(&path) {
                settled.insert(path, origin);
            }
        }
        self.origins = settled;
    }

    /// The topmost places of the base that are gone.
    fn deleted(&self, base: &Captured, now: &Captured) -> Vec<RelPath> {
        let kept: BTreeSet<&RelPath> = self.origins.iter().filter(|(path, _)| now.contains_key(*path)).map(|(_, origin)| origin).collect();
        let mut gone: BTreeSet<&RelPath> = BTreeSet::new();
        let mut topmost = Vec::new();
        for path in base.keys() {
            if kept.contains(path) {
                continue;
            }
            gone.insert(path);
            if !path.parent().is_some_and(|parent| gone.contains(&parent)) {
                topmost.push(path.clone());
            }
        }
        topmost
    }
}

/// The only path of each inode; hard links are left out.
fn by_inode(captured: &Captured) -> HashMap<u64, &RelPath> {
    let mut found: HashMap<u64, Option<&RelPath>> = HashMap::new();
    for (path, seen) in captured.iter().filter(|(path, seen)| seen.inode != 0 && !path.is_root()) {
        found.entry(seen.inode).and_modify(|known| *known = None).or_insert(Some(path));
    }
    found.into_iter().filter_map(|(inode, path)| Some((inode, path?))).collect()
}

/// An inode number is used again after a deletion, so that it alone proves nothing.
fn is_moved(base: &Captured, now: &Captured, old: &RelPath, new: &RelPath) -> bool {
    let (Some(before), Some(after)) = (base.get(old), now.get(new)) else { return false };
    if after.entry.node != Node::Directory || before.entry.node != Node::Directory {
        return same_content(&before.entry, &after.entry);
    }
    let below = |dir: &RelPath, all: &'_ Captured| -> BTreeSet<(String, u64)> {
        // `a-b` sorts between `a` and `a/b`.
        let children = all.range(dir.clone()..).skip(1).take_while(|(path, _)| path.as_str().starts_with(dir.as_str()));
        let children = children.filter(|(path, _)| path.parent().as_ref() == Some(dir));
        children.map(|(path, seen): (&RelPath, &Seen)| (path.name().to_owned(), seen.inode)).collect()
    };
    !below(old, base).is_disjoint(&below(new, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, Metadata};

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    /// `name/` is a directory; `name=content` a file.
    fn captured(entries: &[(&str, u64)]) -> Captured {
        let all = entries.iter().map(|(text, inode)| {
            let (name, node) = match text.split_once('=') {
                Some((name, content)) => {
                    (name, Node::File { bytes: content.len() as u64, digest: Some(Digest::of_bytes(content.as_bytes())) })
                }
                None => (text.trim_end_matches('/'), Node::Directory),
            };
            let entry = Entry { path: path(name), node, meta: Metadata::default() };
            (path(name), Seen { entry, inode: *inode, changed_ns: 0 })
        });
        all.chain([(
            RelPath::root(),
            Seen { entry: Entry { path: RelPath::root(), node: Node::Directory, meta: Metadata::default() }, inode: 1, changed_ns: 0 },
        )])
        .collect()
    }

    fn told(base: &[(&str, u64)], now: &[(&str, u64)]) -> Vec<String> {
        let told = changes(&captured(base), &captured(now)).changes;
        told.iter()
            .map(|change| match change {
                Change::Rename { from, to } => format!("{from} -> {to}"),
                Change::Delete { path } => format!("- {path}"),
                Change::Put(entry) => format!("+ {}", entry.path),
                Change::Meta(entry) => format!("m {}", entry.path),
            })
            .collect()
    }

    #[test]
    fn nothing_changed_nothing_told() {
        assert!(told(&[("a/", 2), ("a/f=x", 3)], &[("a/", 2), ("a/f=x", 3)]).is_empty());
    }

    #[test]
    fn a_moved_directory_is_one_rename_and_what_changed_below_is_told_apart() {
        let base = [("a/", 2), ("a/f=x", 3), ("a/g=y", 4), ("a-b=z", 9)];
        assert_eq!(told(&base, &[("b/", 2), ("b/f=x", 3), ("b/g=new", 4), ("a-b=z", 9)]), ["a -> b", "+ b/g"]);
        assert_eq!(told(&base, &[("b/", 2), ("b/f=x", 3), ("a-b=z", 9)]), ["a -> b", "- a/g"]);
        assert_eq!(told(&base, &[("b/", 2), ("b/f=x", 3), ("h=y", 4), ("a-b=z", 9)]), ["a -> b", "a/g -> h"]);
    }

    #[test]
    fn a_new_directory_in_the_place_of_a_moved_one_is_new_with_all_below() {
        let now = [("a/", 8), ("a/f=x", 9), ("b/", 2), ("b/f=x", 3)];
        assert_eq!(told(&[("a/", 2), ("a/f=x", 3)], &now), ["a -> b", "+ a", "+ a/f"]);
    }

    #[test]
    fn swapped_files_are_two_renames() {
        assert_eq!(told(&[("a=1", 2), ("b=2", 3)], &[("a=2", 3), ("b=1", 2)]), ["b -> a", "a -> b"]);
    }

    #[test]
    fn a_file_moved_over_another_deletes_that_one() {
        assert_eq!(told(&[("a=1", 2), ("b=2", 3)], &[("b=1", 2)]), ["a -> b", "- b"]);
    }

    #[test]
    fn an_inode_used_again_is_no_rename() {
        assert_eq!(told(&[("a=1", 2)], &[("b=other", 2)]), ["- a", "+ b"]);
        assert_eq!(told(&[("d/", 2), ("d/x=1", 3)], &[("e/", 2), ("e/y=2", 4)]), ["- d", "+ e", "+ e/y"]);
    }

    #[test]
    fn another_kind_in_the_same_place_is_a_deletion_and_a_put() {
        assert_eq!(told(&[("a=1", 2)], &[("a/", 3)]), ["- a", "+ a"]);
    }

    #[test]
    fn what_left_a_deleted_directory_is_moved_out_of_it() {
        assert_eq!(told(&[("d/", 2), ("d/x=1", 3)], &[("x=1", 3)]), ["d/x -> x", "- d"]);
    }

    #[test]
    fn a_file_that_came_in_place_of_a_moved_one_is_put() {
        assert_eq!(told(&[("a=1", 2)], &[("a=new", 7), ("b=1", 2)]), ["a -> b", "+ a"]);
    }
}
