//! A small model of an HDFS tree writes the reports; whatever happens to a tree, the changes lead from the old state to
//! the new one, and back.

use proptest::prelude::*;

use super::*;
use crate::domain::{Digest, Metadata};

/// An inode of the model. Number 0 is the root.
#[derive(Debug, Clone, PartialEq)]
struct Inode {
    parent: u32,
    name: String,
    /// `None` is a directory.
    content: Option<u32>,
    mode: u32,
}

#[derive(Debug, Clone, Default)]
struct Tree {
    inodes: BTreeMap<u32, Inode>,
    next: u32,
}

#[derive(Debug, Clone)]
enum Step {
    Create { parent: usize, name: u8, directory: bool },
    Move { what: usize, into: usize, name: u8 },
    Delete { what: usize },
    Edit { what: usize, content: u32 },
    Chmod { what: usize, mode: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<usize>(), 0..6u8, any::<bool>()).prop_map(|(parent, name, directory)| Step::Create { parent, name, directory }),
        4 => (any::<usize>(), any::<usize>(), 0..6u8).prop_map(|(what, into, name)| Step::Move { what, into, name }),
        2 => any::<usize>().prop_map(|what| Step::Delete { what }),
        2 => (any::<usize>(), 0..9u32).prop_map(|(what, content)| Step::Edit { what, content }),
        1 => (any::<usize>(), 0..3u32).prop_map(|(what, mode)| Step::Chmod { what, mode }),
    ]
}

impl Tree {
    fn new() -> Tree {
        let root = Inode { parent: 0, name: String::new(), content: None, mode: 7 };
        Tree { inodes: BTreeMap::from([(0, root)]), next: 1 }
    }

    fn path(&self, id: u32) -> RelPath {
        let inode = &self.inodes[&id];
        if id == 0 { RelPath::root() } else { self.path(inode.parent).join(&inode.name).expect("a good name") }
    }

    fn entry(&self, id: u32) -> Entry {
        let inode = &self.inodes[&id];
        let node = match inode.content {
            None => Node::Directory,
            // Different contents of one length are what a report cannot tell apart.
            Some(content) => Node::File { bytes: 1 + u64::from(content % 3), digest: Some(Digest::of_bytes(&content.to_le_bytes())) },
        };
        Entry { path: self.path(id), node, meta: Metadata { mode: inode.mode, ..Metadata::default() } }
    }

    fn manifest(&self) -> BTreeMap<RelPath, Entry> {
        self.inodes.keys().map(|id| (self.path(*id), self.entry(*id))).collect()
    }

    fn at(&self, path: &RelPath) -> u32 {
        *self.inodes.keys().find(|id| self.path(**id) == *path).unwrap_or_else(|| panic!("nothing at {path:?}"))
    }

    fn pick(&self, index: usize, directory: bool) -> u32 {
        let fit: Vec<u32> = self.inodes.iter().filter(|(_, i)| !directory || i.content.is_none()).map(|(id, _)| *id).collect();
        fit[index % fit.len()]
    }

    fn is_under(&self, id: u32, above: u32) -> bool {
        id == above || (id != 0 && self.is_under(self.inodes[&id].parent, above))
    }

    /// The tree at a directory, as a tree of its own.
    fn below(&self, root: u32) -> Tree {
        let inside = self.inodes.iter().filter(|(id, _)| self.is_under(**id, root));
        let own = |id: u32| if id == root { 0 } else { id };
        let inode = |inode: &Inode| Inode { parent: own(inode.parent), ..inode.clone() };
        let mut tree = Tree { inodes: inside.map(|(id, i)| (own(*id), inode(i))).collect(), next: self.next };
        tree.inodes.entry(0).and_modify(|root| (root.parent, root.name) = (0, String::new()));
        tree
    }

    fn is_free(&self, parent: u32, name: &str) -> bool {
        !self.inodes.iter().any(|(id, inode)| *id != 0 && inode.parent == parent && inode.name == name)
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Create { parent, name, directory } => {
                let (parent, name) = (self.pick(*parent, true), format!("n{name}"));
                if self.is_free(parent, &name) {
                    let content = (!directory).then_some(self.next);
                    self.inodes.insert(self.next, Inode { parent, name, content, mode: 7 });
                    self.next += 1;
                }
            }
            Step::Move { what, into, name } => {
                let (what, into, name) = (self.pick(*what, false), self.pick(*into, true), format!("n{name}"));
                if what != 0 && !self.is_under(into, what) && self.is_free(into, &name) {
                    let inode = self.inodes.get_mut(&what).expect("it is there");
                    (inode.parent, inode.name) = (into, name);
                }
            }
            Step::Delete { what } => {
                let what = self.pick(*what, false);
                if what != 0 {
                    let gone: Vec<u32> = self.inodes.keys().filter(|id| self.is_under(**id, what)).copied().collect();
                    self.inodes.retain(|id, _| !gone.contains(id));
                }
            }
            Step::Edit { what, content } => {
                let what = self.pick(*what, false);
                if let Some(now) = &mut self.inodes.get_mut(&what).expect("it is there").content {
                    *now = *content;
                }
            }
            Step::Chmod { what, mode } => {
                let what = self.pick(*what, false);
                self.inodes.get_mut(&what).expect("it is there").mode = *mode;
            }
        }
    }
}

/// The report as Hadoop writes it.
fn report(old: &Tree, new: &Tree) -> Vec<Difference> {
    fn told(old: &Tree, new: &Tree, id: u32) -> bool {
        id == 0 || (new.inodes.contains_key(&id) && told(old, new, old.inodes[&id].parent))
    }
    let mut lines = Vec::new();
    for (id, before) in &old.inodes {
        if *id != 0 && !told(old, new, before.parent) {
            continue;
        }
        let Some(after) = new.inodes.get(id) else {
            lines.push(Difference::Deleted(old.path(*id)));
            continue;
        };
        if (before.parent, &before.name) != (after.parent, &after.name) {
            lines.push(Difference::Renamed { from: old.path(*id), to: new.path(*id) });
        }
        let children = |tree: &Tree| -> BTreeMap<u32, String> {
            tree.inodes.iter().filter(|(child, i)| **child != 0 && i.parent == *id).map(|(child, i)| (*child, i.name.clone())).collect()
        };
        // Contents of one length look the same to HDFS.
        if old.entry(*id).bytes() != new.entry(*id).bytes() || before.mode != after.mode || children(old) != children(new) {
            lines.push(Difference::Modified(old.path(*id)));
        }
    }
    for (id, inode) in &new.inodes {
        let known = old.inodes.get(id).is_some_and(|before| told(old, new, before.parent));
        if *id != 0 && !known && old.inodes.contains_key(&inode.parent) && told(old, new, inode.parent) {
            lines.push(Difference::Created(old.path(inode.parent).join(&inode.name).expect("a good name")));
        }
    }
    lines
}

fn moves_between(old: &Tree, new: &Tree) -> Moves {
    let listing = |tree: &Tree| tree.inodes.iter().map(|(id, inode)| (tree.path(*id), u64::from(*id), inode.content)).collect();
    let mut moves = Moves::new(report(old, new));
    moves.hear(listing(old), listing(new));
    moves
}

/// What a target does with changes, without any order: the deepest move or deletion above a path decides.
fn folded(base: &BTreeMap<RelPath, Entry>, changes: &ChangeSet) -> BTreeMap<RelPath, Entry> {
    let mut fates: BTreeMap<&RelPath, Option<&RelPath>> = BTreeMap::new();
    for change in &changes.changes {
        match change {
            Change::Rename { from, to } => drop(fates.insert(from, Some(to))),
            Change::Delete { path } => drop(fates.insert(path, None)),
            Change::Put(_) | Change::Meta(_) => {}
        }
    }
    let mut state = BTreeMap::new();
    for entry in base.values() {
        let fate = fates.iter().filter(|(from, _)| entry.path.is_under(from)).max_by_key(|(from, _)| from.depth());
        let path = match fate {
            None => entry.path.clone(),
            Some((_, None)) => continue,
            Some((from, Some(to))) => entry.path.rebase(from, to).expect("it is below"),
        };
        state.insert(path.clone(), Entry { path, ..entry.clone() });
    }
    for change in &changes.changes {
        match change {
            Change::Put(entry) => drop(state.insert(entry.path.clone(), entry.clone())),
            Change::Meta(entry) => state.get_mut(&entry.path).expect("it is there").meta = entry.meta.clone(),
            Change::Rename { .. } | Change::Delete { .. } => {}
        }
    }
    state
}

fn answers(moves: &Moves, old: &Tree, new: &Tree) -> (Vec<Modified>, Vec<Entry>) {
    let questions = moves.questions();
    let look = |(before, after): &(RelPath, RelPath)| {
        let (before, after) = (old.at(before), new.at(after));
        let same_content = old.inodes[&before].content == new.inodes[&after].content;
        Modified { before: old.entry(before), after: new.entry(after), same_content }
    };
    let modified = questions.modified.iter().map(look).collect();
    let inside = |entry: &Entry| {
        let within = questions.created.iter().any(|start| entry.path.is_under(start));
        let arrived = questions.arrived.iter().any(|start| entry.path.is_under(start));
        // An arrival inside something new is skipped, and something new inside an arrival is told by itself.
        let nearest = |starts: &mut dyn Iterator<Item = &RelPath>| starts.filter(|s| entry.path.is_under(s)).map(RelPath::depth).max();
        within && (!arrived || nearest(&mut questions.created.iter()) > nearest(&mut questions.arrived.iter()))
    };
    (modified, new.manifest().into_values().filter(inside).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn changes_lead_to_the_new_state_and_back(before in prop::collection::vec(step(), 0..25), after in prop::collection::vec(step(), 0..25)) {
        let mut old = Tree::new();
        before.iter().for_each(|step| old.take(step));
        let mut new = old.clone();
        after.iter().for_each(|step| new.take(step));
        let moves = moves_between(&old, &new);
        let (modified, created) = answers(&moves, &old, &new);

        let there = decide(&moves, modified.clone(), created);
        prop_assert_eq!(folded(&old.manifest(), &there), new.manifest());

        let wrong: Vec<(RelPath, bool)> = modified.iter().map(|m| (m.before.path.clone(), !m.same_content)).collect();
        let sealed = old.manifest();
        let home = back(&moves, &wrong, |path| sealed.values().filter(|entry| entry.path.is_under(path)).collect());
        prop_assert_eq!(folded(&new.manifest(), &home), old.manifest());
    }

    #[test]
    fn a_tree_cut_out_of_a_report_leads_to_its_new_state(
        before in prop::collection::vec(step(), 0..25),
        after in prop::collection::vec(step(), 0..8),
        which in any::<usize>(),
    ) {
        let mut old = Tree::new();
        before.iter().for_each(|step| old.take(step));
        let mut new = old.clone();
        after.iter().for_each(|step| new.take(step));
        let root = old.pick(which, true);
        let Some(part) = within(report(&old, &new), &old.path(root)) else { return Ok(()) };
        prop_assert_eq!(old.path(root), new.path(root), "a tree that moved cannot be cut out");
        let (old, new) = (old.below(root), new.below(root));
        let listing = |tree: &Tree| tree.inodes.iter().map(|(id, inode)| (tree.path(*id), u64::from(*id), inode.content)).collect();
        let mut moves = Moves::new(part);
        moves.hear(listing(&old), listing(&new));
        let (modified, created) = answers(&moves, &old, &new);
        prop_assert_eq!(folded(&old.manifest(), &decide(&moves, modified, created)), new.manifest());
    }

    #[test]
    fn a_tree_that_was_made_anew_leads_to_what_is_there_now_and_back(
        before in prop::collection::vec(step(), 0..25),
        after in prop::collection::vec(step(), 0..25),
    ) {
        let (mut old, mut new) = (Tree::new(), Tree::new());
        before.iter().for_each(|step| old.take(step));
        after.iter().for_each(|step| new.take(step));
        let paths = |tree: &Tree| tree.inodes.keys().map(|id| tree.path(*id)).collect::<Vec<_>>();
        let moves = Moves::new(replaced(paths(&old).iter(), paths(&new).iter()));
        let (modified, created) = answers(&moves, &old, &new);
        prop_assert_eq!(folded(&old.manifest(), &decide(&moves, modified.clone(), created)), new.manifest());
        let wrong: Vec<(RelPath, bool)> = modified.iter().map(|m| (m.before.path.clone(), !m.same_content)).collect();
        let sealed = old.manifest();
        let home = back(&moves, &wrong, |path| sealed.values().filter(|entry| entry.path.is_under(path)).collect());
        prop_assert_eq!(folded(&new.manifest(), &home), old.manifest());
    }

    #[test]
    fn only_new_content_is_copied(before in prop::collection::vec(step(), 0..25), after in prop::collection::vec(step(), 0..15)) {
        let mut old = Tree::new();
        before.iter().for_each(|step| old.take(step));
        let mut new = old.clone();
        after.iter().filter(|step| !matches!(step, Step::Delete { .. })).for_each(|step| new.take(step));
        let moves = moves_between(&old, &new);
        let (modified, created) = answers(&moves, &old, &new);
        for change in decide(&moves, modified, created).changes {
            if let Change::Put(entry) = change {
                let id = new.at(&entry.path);
                let same = old.inodes.get(&id).is_some_and(|inode| inode.content == new.inodes[&id].content);
                prop_assert!(!same, "{:?} is copied and need not be", entry.path);
            }
        }
    }
}

#[test]
fn the_report_of_a_real_cluster_is_understood() {
    // From Hadoop 3.4.2: dir → newdir, big/in → newdir/cd/in (cd is new), new files told under old paths.
    let path = |text: &str| RelPath::new(text).expect("a path");
    let renamed = |from: &str, to: &str| Difference::Renamed { from: path(from), to: path(to) };
    let moves = Moves::new([
        renamed("dir", "newdir"),
        renamed("dir/sub", "other/sub2"),
        renamed("big/in", "newdir/cd/in"),
        Difference::Created(path("dir/cd")),
        Difference::Created(path("dir/sub/new")),
        Difference::Modified(path("dir/sub/c")),
        Difference::Deleted(path("dir/a")),
    ]);
    assert_eq!(moves.now_at(&path("dir/sub/c")), path("other/sub2/c"));
    assert_eq!(moves.creations().collect::<Vec<_>>(), [path("newdir/cd"), path("other/sub2/new")]);
    assert!(moves.questions().arrived.contains(&path("newdir/cd/in")));
}
