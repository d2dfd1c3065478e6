//! What plans promise: on a model of a live tree, a plan leads to what `fold` says, also over crashes.

use proptest::prelude::*;

use super::*;
use crate::domain::Digest;

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a good path")
}

fn dir(text: &str) -> Entry {
    Entry { path: path(text), node: Node::Directory, meta: Default::default() }
}

fn file(text: &str, content: u64) -> Entry {
    let node = Node::File { bytes: content % 5, digest: Some(Digest::of_bytes(&content.to_be_bytes())) };
    Entry { path: path(text), node, meta: Default::default() }
}

fn rename(from: &str, to: &str) -> Change {
    Change::Rename { from: path(from), to: path(to) }
}

fn delete(from: &str) -> Change {
    Change::Delete { path: path(from) }
}

/// A live tree and its parking places, changed only as a file system would allow.
#[derive(Debug, Clone)]
struct Live {
    tree: BTreeMap<RelPath, Entry>,
    parked: BTreeMap<u32, BTreeMap<RelPath, Entry>>,
    /// Content in staging by number, until it is placed.
    staged: BTreeSet<u32>,
}

/// Where an execution stops, as a power cut would stop it.
struct PowerCut;

impl Live {
    fn new(base: &Manifest, plan: &ApplyPlan) -> Live {
        let staged = plan.place.iter().map(|(number, _)| *number).collect();
        Live { tree: base.entries.clone(), parked: BTreeMap::new(), staged }
    }

    fn cut_out(&mut self, root: &RelPath) -> BTreeMap<RelPath, Entry> {
        let (inside, outside) = std::mem::take(&mut self.tree).into_iter().partition(|(path, _)| path.is_under(root));
        self.tree = outside;
        inside
    }

    /// Anything that changes a directory's names changes its times too.
    fn disturb_parent(&mut self, path: &RelPath) {
        let parent = path.parent().expect("the root stays where it is");
        let parent = self.tree.get_mut(&parent).expect("a parent is there");
        assert_eq!(parent.node, Node::Directory, "{} is no directory", parent.path);
        parent.meta.modified_ns = -1;
    }

    fn detach(&mut self, step: &Detach) {
        match step {
            Detach::Park { from, slot } => {
                if !self.parked.contains_key(slot) {
                    let subtree = self.cut_out(from);
                    assert!(subtree.contains_key(from), "{from} is not there to be parked");
                    self.parked.insert(*slot, subtree.into_values().map(|e| (moved(&e.path, from), e)).collect());
                    self.disturb_parent(from);
                }
            }
            Detach::Delete { path } => {
                if !self.cut_out(path).is_empty() {
                    self.disturb_parent(path);
                }
            }
        }
    }

    fn attach(&mut self, step: &Attach) {
        match step {
            Attach::Directory(entry) => {
                if let Some(there) = self.tree.get(&entry.path) {
                    assert_eq!(there.node, Node::Directory, "{} is in the way", entry.path);
                } else {
                    self.disturb_parent(&entry.path);
                    self.tree.insert(entry.path.clone(), Entry { meta: Default::default(), ..entry.clone() });
                }
            }
            Attach::Unpark { slot, to } => {
                if let Some(subtree) = self.parked.remove(slot) {
                    assert!(!self.tree.contains_key(to), "{to} is in the way of what was parked");
                    self.disturb_parent(to);
                    for (rest, entry) in subtree {
                        let path = rest.rebase(&RelPath::root(), to).expect("everything is below the root");
                        self.tree.insert(path.clone(), Entry { path, ..entry });
                    }
                }
            }
        }
    }

    fn place(&mut self, number: u32, entry: &Entry) {
        if self.staged.remove(&number) {
            let there = self.tree.get(&entry.path);
            assert!(there.is_none_or(|there| there.node != Node::Directory), "a file cannot replace directory {}", entry.path);
            self.disturb_parent(&entry.path);
            self.tree.insert(entry.path.clone(), Entry { meta: Default::default(), ..entry.clone() });
        }
    }

    fn set_metadata(&mut self, entry: &Entry) {
        self.tree.get_mut(&entry.path).expect("what gets metadata is there").meta = entry.meta.clone();
    }

    /// One phase from its start; the power goes after `steps` of it.
    fn phase(&mut self, plan: &ApplyPlan, phase: usize, steps: usize) -> Result<(), PowerCut> {
        let total = [plan.detach.len(), plan.attach.len(), plan.place.len(), plan.metadata.len()][phase];
        for index in 0..total.min(steps) {
            match phase {
                0 => self.detach(&plan.detach[index]),
                1 => self.attach(&plan.attach[index]),
                2 => self.place(plan.place[index].0, &plan.place[index].1),
                _ => self.set_metadata(&plan.metadata[index]),
            }
        }
        if steps <= total { Err(PowerCut) } else { Ok(()) }
    }

    /// The whole plan. A phase that a power cut stopped starts again from its beginning.
    fn execute(&mut self, plan: &ApplyPlan, cuts: &[(usize, usize)]) {
        for phase in 0..4 {
            for (_, steps) in cuts.iter().filter(|(at, _)| *at == phase) {
                drop(self.phase(plan, phase, *steps));
            }
            assert!(self.phase(plan, phase, usize::MAX).is_ok());
        }
    }
}

fn moved(path: &RelPath, from: &RelPath) -> RelPath {
    path.rebase(from, &RelPath::root()).expect("it is below")
}

fn assert_leads_there(base: &Manifest, changes: &ChangeSet, cuts: &[(usize, usize)]) -> Manifest {
    let new = fold(base, changes).expect("the changes fit");
    let plan = plan_apply(base, changes).expect("the changes fit");
    let mut live = Live::new(base, &plan);
    live.execute(&plan, cuts);
    assert_eq!(live.tree, new.entries);
    assert!(live.parked.is_empty(), "something stays parked");
    new
}

/// A tree that people work on, which remembers what every entry was when the base was taken: what a snapshot difference can tell.
#[derive(Debug, Clone)]
struct Worked {
    now: BTreeMap<RelPath, (Entry, Option<RelPath>)>,
    base: Manifest,
    ticks: i64,
}

/// What somebody does; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Act {
    Create(usize, u8, u64),
    MakeDirectory(usize, u8),
    Link(usize, u8),
    Overwrite(usize, u64),
    Rename(usize, usize, u8),
    Swap(usize, usize),
    Delete(usize),
    Chmod(usize, u32),
}

fn act() -> impl Strategy<Value = Act> {
    let any = 0usize..1000;
    prop_oneof![
        3 => (any.clone(), 0u8..6, 0u64..50).prop_map(|(a, n, c)| Act::Create(a, n, c)),
        3 => (any.clone(), 0u8..6).prop_map(|(a, n)| Act::MakeDirectory(a, n)),
        1 => (any.clone(), 0u8..6).prop_map(|(a, n)| Act::Link(a, n)),
        2 => (any.clone(), 0u64..50).prop_map(|(a, c)| Act::Overwrite(a, c)),
        6 => (any.clone(), any.clone(), 0u8..6).prop_map(|(a, b, n)| Act::Rename(a, b, n)),
        2 => (any.clone(), any.clone()).prop_map(|(a, b)| Act::Swap(a, b)),
        2 => any.clone().prop_map(Act::Delete),
        1 => (any, 0u32..0o7777).prop_map(|(a, m)| Act::Chmod(a, m)),
    ]
}

impl Worked {
    fn on(base: Manifest) -> Worked {
        let now = base.entries.iter().map(|(path, entry)| (path.clone(), (entry.clone(), Some(path.clone())))).collect();
        Worked { now, base, ticks: 0 }
    }

    fn pick(&self, number: usize, wanted: impl Fn(&Entry) -> bool) -> Option<RelPath> {
        let fitting: Vec<_> = self.now.values().map(|(entry, _)| entry).filter(|entry| wanted(entry)).collect();
        (!fitting.is_empty()).then(|| fitting[number % fitting.len()].path.clone())
    }

    fn touch(&mut self, path: &RelPath) {
        self.ticks += 1;
        if let Some((entry, _)) = path.parent().and_then(|parent| self.now.get_mut(&parent)) {
            entry.meta.modified_ns = self.ticks;
        }
    }

    fn insert_new(&mut self, parent: usize, name: u8, node: Node) {
        let parent = self.pick(parent, is_directory).expect("the root is a directory");
        let path = parent.join(&format!("n{name}")).expect("a good name");
        if !self.now.contains_key(&path) {
            self.touch(&path);
            let entry = Entry { path: path.clone(), node, meta: Default::default() };
            self.now.insert(path, (entry, None));
        }
    }

    fn rename(&mut self, from: &RelPath, to: &RelPath) {
        self.touch(from);
        self.touch(to);
        let moving: Vec<_> = self.now.keys().filter(|path| path.is_under(from)).cloned().collect();
        let taken: Vec<_> = moving.iter().filter_map(|path| self.now.remove(path)).collect();
        for (entry, origin) in taken {
            let path = entry.path.rebase(from, to).expect("it is below");
            self.now.insert(path.clone(), (Entry { path, ..entry }, origin));
        }
    }

    fn perform(&mut self, act: &Act) {
        let movable = |entry: &Entry| !entry.path.is_root();
        match act {
            Act::Create(parent, name, content) => self.insert_new(*parent, *name, file("x", *content).node),
            Act::MakeDirectory(parent, name) => self.insert_new(*parent, *name, Node::Directory),
            Act::Link(parent, name) => self.insert_new(*parent, *name, Node::Link { target: "../x".into() }),
            Act::Overwrite(which, content) => {
                if let Some((entry, _)) = self.pick(*which, Entry::is_file).and_then(|path| self.now.get_mut(&path)) {
                    entry.node = file("x", *content).node;
                }
            }
            Act::Rename(which, parent, name) => {
                let Some(from) = self.pick(*which, movable) else { return };
                let Some(parent) = self.pick(*parent, |entry| is_directory(entry) && !entry.path.is_under(&from)) else { return };
                let to = parent.join(&format!("n{name}")).expect("a good name");
                if !from.is_under(&to) {
                    self.now.retain(|path, _| !path.is_under(&to));
                    self.rename(&from, &to);
                }
            }
            Act::Swap(one, other) => {
                let (Some(one), Some(other)) = (self.pick(*one, movable), self.pick(*other, movable)) else { return };
                if !one.is_under(&other) && !other.is_under(&one) {
                    let aside = path("aside");
                    self.rename(&one, &aside);
                    self.rename(&other, &one);
                    self.rename(&aside, &other);
                }
            }
            Act::Delete(which) => {
                if let Some(path) = self.pick(*which, movable) {
                    self.touch(&path);
                    self.now.retain(|kept, _| !kept.is_under(&path));
                }
            }
            Act::Chmod(which, mode) => {
                if let Some((entry, _)) = self.pick(*which, |_| true).and_then(|path| self.now.get_mut(&path)) {
                    entry.meta.mode = *mode;
                }
            }
        }
    }

    /// As a snapshot difference tells it: by what each thing was, its renames only where its directory did not bring it along.
    fn difference(&self) -> ChangeSet {
        let place: BTreeMap<_, _> = self.now.iter().filter_map(|(path, (_, origin))| Some((origin.clone()?, path.clone()))).collect();
        let mut changes = Vec::new();
        for old in self.base.entries.keys().filter(|old| !old.is_root()) {
            let parent = old.parent().expect("not the root");
            match (place.get(old), place.get(&parent)) {
                (Some(to), Some(at)) if at.join(old.name()).as_ref() == Ok(to) => {}
                (Some(to), _) => changes.push(Change::Rename { from: old.clone(), to: to.clone() }),
                (None, Some(_)) => changes.push(Change::Delete { path: old.clone() }),
                // It went with its directory.
                (None, None) => {}
            }
        }
        for (entry, origin) in self.now.values() {
            match origin.as_ref().and_then(|origin| self.base.entries.get(origin)) {
                Some(old) if old.node == entry.node && old.meta == entry.meta => {}
                Some(old) if old.node == entry.node => changes.push(Change::Meta(entry.clone())),
                _ => changes.push(Change::Put(entry.clone())),
            }
        }
        ChangeSet { changes }
    }

    fn manifest(&self) -> Manifest {
        Manifest::from_entries(self.now.values().map(|(entry, _)| entry.clone()))
    }
}

fn grown(acts: &[Act]) -> Manifest {
    let mut worked = Worked::on(Manifest::from_entries([dir("")]));
    acts.iter().for_each(|act| worked.perform(act));
    worked.manifest()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_leads_to_the_new_tree_whatever_was_done_and_wherever_the_power_went(
        before in proptest::collection::vec(act(), 0..40),
        during in proptest::collection::vec(act(), 0..25),
        cuts in proptest::collection::vec((0usize..4, 0usize..12), 0..6),
        shuffle in any::<u64>(),
    ) {
        let base = grown(&before);
        let mut worked = Worked::on(base.clone());
        during.iter().for_each(|act| worked.perform(act));
        let mut changes = worked.difference();
        // Changes come in no particular order.
        let length = changes.changes.len().max(1);
        changes.changes.rotate_left(usize::try_from(shuffle % length as u64).expect("small"));
        let new = assert_leads_there(&base, &changes, &cuts);
        prop_assert_eq!(new, worked.manifest());
    }

    #[test]
    fn the_difference_of_two_manifests_leads_from_one_to_the_other(
        one in proptest::collection::vec(act(), 0..40),
        other in proptest::collection::vec(act(), 0..40),
        cuts in proptest::collection::vec((0usize..4, 0usize..12), 0..4),
    ) {
        let (one, other) = (grown(&one), grown(&other));
        let changes = diff(&one, &other);
        prop_assert_eq!(&assert_leads_there(&one, &changes, &cuts), &other);
        prop_assert!(diff(&other, &other).changes.is_empty());
    }
}

fn base() -> Manifest {
    Manifest::from_entries([dir(""), dir("a"), file("a/x", 1), dir("b"), file("b/y", 2), dir("b/c"), file("b/c/z", 3)])
}

fn changed(changes: Vec<Change>) -> Manifest {
    assert_leads_there(&base(), &ChangeSet { changes }, &[(0, 1), (1, 1), (1, 2), (2, 1)])
}

#[test]
fn a_swap_of_two_directories_is_two_renames() {
    let new = changed(vec![rename("a", "b"), rename("b", "a")]);
    assert_eq!(new, Manifest::from_entries([dir(""), dir("b"), file("b/x", 1), dir("a"), file("a/y", 2), dir("a/c"), file("a/c/z", 3)]));
}

#[test]
fn a_directory_and_its_own_inner_directory_can_trade_places() {
    let new = changed(vec![rename("b/c", "b"), rename("b", "b/c")]);
    assert_eq!(new, Manifest::from_entries([dir(""), dir("a"), file("a/x", 1), dir("b"), file("b/z", 3), dir("b/c"), file("b/c/y", 2)]));
}

#[test]
fn what_is_saved_from_a_deleted_directory_survives_it() {
    let new = changed(vec![delete("b"), rename("b/c/z", "a/z"), delete("b/c")]);
    assert_eq!(new, Manifest::from_entries([dir(""), dir("a"), file("a/x", 1), file("a/z", 3)]));
}

#[test]
fn a_file_may_replace_a_directory_that_went() {
    let new = changed(vec![delete("b"), Change::Put(file("b", 7)), rename("a", "d"), Change::Put(dir("a"))]);
    assert_eq!(new, Manifest::from_entries([dir(""), dir("d"), file("d/x", 1), file("b", 7), dir("a")]));
}

#[test]
fn changes_that_do_not_fit_their_base_are_refused_by_name() {
    for (change, name) in [
        (rename("nope", "x"), "nope"),
        (delete("nope"), "nope"),
        (rename("a", "b"), "\"b\""),
        (rename("a", "q/a"), "q/a"),
        (rename("", "q"), "root"),
        (Change::Put(file("q/r", 1)), "q/r"),
        (Change::Put(file("b", 1)), "\"b\""),
        (Change::Put(dir("a/x")), "a/x"),
        (Change::Meta(file("nope", 1)), "nope"),
        (Change::Meta(file("a/x", 2)), "a/x"),
        (Change::Put(dir("a/x/y")), "a/x/y"),
    ] {
        let changes = ChangeSet { changes: vec![change] };
        let trouble = fold(&base(), &changes).expect_err(name);
        assert!(trouble.reason.contains(name), "{trouble}");
        assert_eq!(plan_apply(&base(), &changes), Err(trouble));
    }
    let twice = ChangeSet { changes: vec![rename("a/x", "p"), rename("a/x", "q")] };
    assert!(fold(&base(), &twice).expect_err("twice").reason.contains("twice"));
}
