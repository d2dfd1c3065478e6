//! From changes to a target's new state: the new manifest, and the order in which the live tree gets there.
//!
//! Phases run one after the other; within a phase every step may be repeated, so that a journal of phases is
//! enough to go on after a crash (see `Component::apply`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::domain::{Change, ChangeSet, Entry, Manifest, Node, RelPath, Trouble, TroubleKind};

/// One step of [`ApplyPlan::detach`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detach {
    /// Move `from` aside, into the staging's parking place `slot`.
    Park {
        /// Where it is.
        from: RelPath,
        /// Its parking place.
        slot: u32,
    },
    /// Remove a file or a subtree.
    Delete {
        /// Where it is.
        path: RelPath,
    },
}

/// One step of [`ApplyPlan::attach`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attach {
    /// Make a directory, or leave it where it already is.
    Directory(Entry),
    /// Bring what is parked in `slot` to its new place.
    Unpark {
        /// The parking place.
        slot: u32,
        /// Where it belongs.
        to: RelPath,
    },
}

/// How a live tree gets from the base point's state to the new one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApplyPlan {
    /// First: renames out of the way and deletions, deepest first, so that a subtree is left before it goes.
    pub detach: Vec<Detach>,
    /// Second: directories and renamed subtrees into place, shallowest first.
    pub attach: Vec<Attach>,
    /// Third: files (number in the change set, with digest) and links into place, replacing what is there.
    pub place: Vec<(u32, Entry)>,
    /// Last: metadata of everything touched, deepest first, so that directory times and modes stay.
    pub metadata: Vec<Entry>,
}

/// The manifest after `changes`; an error names the first change that does not fit the base.
pub fn fold(base: &Manifest, changes: &ChangeSet) -> Result<Manifest, Trouble> {
    let mut entries = Moves::of(base, changes)?.carry(base)?;
    let mut put = BTreeSet::new();
    for change in &changes.changes {
        if let Change::Put(entry) = change {
            if !put.insert(&entry.path) {
                return Err(misfit(&entry.path, "is put twice"));
            }
            if entries.get(&entry.path).is_some_and(|old| is_directory(old) != is_directory(entry)) {
                return Err(misfit(&entry.path, "changes between a directory and something else without a deletion"));
            }
            entries.insert(entry.path.clone(), entry.clone());
        }
    }
    for change in &changes.changes {
        if let Change::Meta(entry) = change {
            let old = entries.get_mut(&entry.path).ok_or_else(|| misfit(&entry.path, "gets new metadata but is not there"))?;
            if !same_shape(&old.node, &entry.node) {
                return Err(misfit(&entry.path, "has other content, though only its metadata is said to differ"));
            }
            old.meta = entry.meta.clone();
        }
    }
    match entries.values().find(|entry| !has_parent(&entries, entry)) {
        Some(orphan) => Err(misfit(&orphan.path, "has no directory to be in")),
        None => Ok(Manifest { entries }),
    }
}

/// The order in which the live tree gets from `base` to the state `fold` gives. `changes` carry digests by now.
pub fn plan_apply(base: &Manifest, changes: &ChangeSet) -> Result<ApplyPlan, Trouble> {
    let new = fold(base, changes)?;
    let moves = Moves::of(base, changes)?;
    let carried = moves.carry(base)?;
    let mut plan = ApplyPlan::default();
    let mut touched = BTreeSet::new();
    for (number, change) in (0u32..).zip(&changes.changes) {
        match change {
            Change::Rename { from, to } => {
                plan.detach.push(Detach::Park { from: from.clone(), slot: number });
                plan.attach.push(Attach::Unpark { slot: number, to: to.clone() });
                touched.extend([to.parent(), Some(to.clone())].into_iter().flatten());
                touched.extend(from.parent().and_then(|parent| moves.target(&parent)));
            }
            Change::Delete { path } => {
                plan.detach.push(Detach::Delete { path: path.clone() });
                touched.extend(path.parent().and_then(|parent| moves.target(&parent)));
            }
            Change::Put(entry) => {
                if !is_directory(entry) {
                    plan.place.push((number, entry.clone()));
                } else if !carried.contains_key(&entry.path) {
                    plan.attach.push(Attach::Directory(entry.clone()));
                }
                touched.extend([entry.path.parent(), Some(entry.path.clone())].into_iter().flatten());
            }
            Change::Meta(entry) => {
                touched.insert(entry.path.clone());
            }
        }
    }
    plan.detach.sort_by_cached_key(|step| Reverse(step.path().depth()));
    plan.attach.sort_by_cached_key(|step| step.path().depth());
    // A parent that was deleted and not made again is not in the new tree, and needs nothing.
    plan.metadata = touched.iter().filter_map(|path| new.entries.get(path).cloned()).collect();
    plan.metadata.sort_by_cached_key(|entry| Reverse(entry.path.depth()));
    Ok(plan)
}

/// The changes between two whole manifests: deletions of what went, then puts and metadata, parents first.
///
/// A file whose digest is unknown on either side counts as changed.
pub fn diff(base: &Manifest, new: &Manifest) -> ChangeSet {
    let gone = |old: &Entry| new.entries.get(&old.path).is_none_or(|now| is_directory(old) != is_directory(now));
    // Only the top of what went: a subtree goes with its root.
    let is_top = |old: &Entry| old.path.parent().and_then(|parent| base.entries.get(&parent)).is_none_or(|parent| !gone(parent));
    let mut changes: Vec<Change> =
        base.entries.values().filter(|old| gone(old) && is_top(old)).map(|old| Change::Delete { path: old.path.clone() }).collect();
    changes.extend(new.entries.values().filter_map(|now| match base.entries.get(&now.path) {
        Some(old) if same_content(&old.node, &now.node) => (old.meta != now.meta).then(|| Change::Meta(now.clone())),
        _ => Some(Change::Put(now.clone())),
    }));
    ChangeSet { changes }
}

impl Detach {
    /// Where it is in the old tree.
    pub fn path(&self) -> &RelPath {
        match self {
            Detach::Park { from, .. } => from,
            Detach::Delete { path } => path,
        }
    }
}

impl Attach {
    /// Where it belongs in the new tree.
    pub fn path(&self) -> &RelPath {
        match self {
            Attach::Directory(entry) => &entry.path,
            Attach::Unpark { to, .. } => to,
        }
    }
}

/// Where each path of the base goes: the deepest rename or deletion at or above it decides.
struct Moves<'a> {
    by_path: HashMap<&'a str, Option<&'a RelPath>>,
}

impl<'a> Moves<'a> {
    fn of(base: &Manifest, changes: &'a ChangeSet) -> Result<Moves<'a>, Trouble> {
        let mut by_path = HashMap::new();
        for change in &changes.changes {
            let (from, to) = match change {
                Change::Rename { from, to } => (from, Some(to)),
                Change::Delete { path } => (path, None),
                Change::Put(_) | Change::Meta(_) => continue,
            };
            if from.is_root() || to.is_some_and(RelPath::is_root) {
                return Err(misfit(from, "is renamed or deleted, but the root of a data set stays where it is"));
            }
            if !base.entries.contains_key(from) {
                return Err(misfit(from, "is renamed or deleted, but the base does not have it"));
            }
            if by_path.insert(from.as_str(), to).is_some() {
                return Err(misfit(from, "is renamed or deleted twice"));
            }
        }
        Ok(Moves { by_path })
    }

    /// Where a path of the base is in the new tree; `None` when it was deleted.
    fn target(&self, path: &RelPath) -> Option<RelPath> {
        let mut prefix = path.as_str();
        while !prefix.is_empty() {
            if let Some(to) = self.by_path.get(prefix) {
                let rest = &path.as_str()[prefix.len()..];
                return to.and_then(|to| RelPath::new(format!("{to}{rest}")).ok());
            }
            prefix = prefix.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        Some(path.clone())
    }

    /// The base's entries at their new places; two at one place are refused.
    fn carry(&self, base: &Manifest) -> Result<BTreeMap<RelPath, Entry>, Trouble> {
        let mut carried = BTreeMap::new();
        for entry in base.entries.values() {
            let Some(path) = self.target(&entry.path) else { continue };
            if carried.insert(path.clone(), Entry { path: path.clone(), ..entry.clone() }).is_some() {
                return Err(misfit(&path, "would hold two things of the base at once"));
            }
        }
        Ok(carried)
    }
}

fn misfit(path: &RelPath, reason: &str) -> Trouble {
    let name = if path.is_root() { "the root" } else { path.as_str() };
    Trouble::new(TroubleKind::Corrupt, "changes", format!("{name:?} {reason}"))
        .next("the changes do not fit their base: start a run again, it will copy everything if need be")
}

fn is_directory(entry: &Entry) -> bool {
    entry.node == Node::Directory
}

fn has_parent(entries: &BTreeMap<RelPath, Entry>, entry: &Entry) -> bool {
    entry.path.parent().is_none_or(|parent| entries.get(&parent).is_some_and(is_directory))
}

/// Whether two nodes may have the same content, as far as can be told without digests.
fn same_shape(old: &Node, new: &Node) -> bool {
    match (old, new) {
        (Node::File { bytes: old, .. }, Node::File { bytes: new, .. }) => old == new,
        _ => old == new,
    }
}

/// Whether two nodes certainly have the same content.
fn same_content(old: &Node, new: &Node) -> bool {
    old == new && !matches!(new, Node::File { digest: None, .. })
}

#[cfg(test)]
mod tests;
