//! From a snapshot difference report to changes. Pure: what must be asked of the cluster comes out of [`Moves::questions`],
//! the answers go into [`decide`].
//!
//! What a report means (seen on Hadoop 3.4.2): every path is the older snapshot's, except the target of a rename, which is
//! the newer one's. What is new inside a renamed directory is told under the directory's *old* path. Below something new or
//! deleted nothing is told, except renames into something new; what moved out of a deleted directory is told as new.
//! A move across the root is a creation or a deletion. The order says nothing.
//!
//! What a report leaves out: HDFS compares lengths, rights and attributes, never times. A file cut and appended to its old
//! length, or a time that was set, is silent. So both trees are listed as well, and [`Moves::hear`] adds what differs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::status::same_metadata;
use crate::domain::{Change, ChangeSet, Entry, Node, RelPath};

/// One line of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Content, metadata or, of a directory, children.
    Modified(RelPath),
    /// New; its parent's path is the older one's.
    Created(RelPath),
    /// Gone.
    Deleted(RelPath),
    /// Moved within the root.
    Renamed {
        /// In the older snapshot.
        from: RelPath,
        /// In the newer one.
        to: RelPath,
    },
}

/// A report, sorted so that old paths can be followed to new ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    renamed: BTreeMap<RelPath, RelPath>,
    modified: BTreeSet<RelPath>,
    created: BTreeSet<RelPath>,
    deleted: BTreeSet<RelPath>,
}

/// What the cluster must be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Questions {
    /// Old and new path of everything whose metadata, and perhaps content, changed; the root is always among them.
    pub modified: Vec<(RelPath, RelPath)>,
    /// New paths of new files and subtrees.
    pub created: Vec<RelPath>,
    /// New paths that are told apart and so are no part of a created subtree.
    pub arrived: BTreeSet<RelPath>,
}

/// One modified entry, looked at in both snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modified {
    /// In the older snapshot.
    pub before: Entry,
    /// In the newer one.
    pub after: Entry,
    /// Whether the content is known to be the same.
    pub same_content: bool,
}

/// The part of a report that is about the tree at `inner`; `None` when the tree itself, or anything across its border, was moved,
/// so that the report cannot be cut there.
pub fn within(report: Vec<Difference>, inner: &RelPath) -> Option<Vec<Difference>> {
    if inner.is_root() {
        return Some(report);
    }
    let rebased = |path: &RelPath| path.rebase(inner, &RelPath::root());
    let mut part = Vec::new();
    for difference in report {
        part.extend(match difference {
            Difference::Modified(path) => rebased(&path).map(Difference::Modified),
            Difference::Created(path) | Difference::Deleted(path) if inner.is_under(&path) => return None,
            Difference::Created(path) => rebased(&path).map(Difference::Created),
            Difference::Deleted(path) => rebased(&path).map(Difference::Deleted),
            Difference::Renamed { from, to } if inner.is_under(&from) || inner.is_under(&to) => return None,
            Difference::Renamed { from, to } => match (rebased(&from), rebased(&to)) {
                (Some(from), Some(to)) => Some(Difference::Renamed { from, to }),
                (None, None) => None,
                _ => return None,
            },
        });
    }
    Some(part)
}

/// A report of a tree of which nothing is known but what was in it and what is: all of it went, and all of it is new.
pub fn replaced<'a>(before: impl Iterator<Item = &'a RelPath>, after: impl Iterator<Item = &'a RelPath>) -> Vec<Difference> {
    let topmost = |path: &&RelPath| path.parent().is_some_and(|above| above.is_root());
    let gone = before.filter(topmost).cloned().map(Difference::Deleted);
    gone.chain(after.filter(topmost).cloned().map(Difference::Created)).collect()
}

impl Moves {
    /// Sorts a report.
    pub fn new(report: impl IntoIterator<Item = Difference>) -> Moves {
        let mut moves = Moves::default();
        for difference in report {
            match difference {
                Difference::Modified(path) => drop(moves.modified.insert(path)),
                Difference::Created(path) => drop(moves.created.insert(path)),
                Difference::Deleted(path) => drop(moves.deleted.insert(path)),
                Difference::Renamed { from, to } => drop(moves.renamed.insert(from, to)),
            }
        }
        moves
    }

    /// Adds what the report is silent about. Both listings tell path, inode number and whatever of a status may differ.
    pub fn hear<P: PartialEq>(&mut self, old: Vec<(RelPath, u64, P)>, new: Vec<(RelPath, u64, P)>) {
        let new: HashMap<u64, (RelPath, P)> = new.into_iter().map(|(path, id, print)| (id, (path, print))).collect();
        for (path, id, print) in old {
            // An inode that is elsewhere than its moves say is told as something new, whole.
            if new.get(&id).is_some_and(|(now, other)| *other != print && *now == self.now_at(&path)) {
                self.modified.insert(path);
            }
        }
    }

    /// What was deleted and is there again under the same name in the same directory, by old path.
    pub fn replaced(&self) -> Vec<RelPath> {
        self.deleted.intersection(&self.created).cloned().collect()
    }

    /// Forgets a replacement that turned out to be equal.
    pub fn forget_replaced(&mut self, old: &RelPath) {
        self.deleted.remove(old);
        self.created.remove(old);
    }

    /// Where something that was at `old` is now, provided it was not deleted: its own move, or else that of its nearest moved parent.
    pub fn now_at(&self, old: &RelPath) -> RelPath {
        let mut above = Some(old.clone());
        while let Some(place) = above {
            if let Some(to) = self.renamed.get(&place)
                && let Some(now) = old.rebase(&place, to)
            {
                return now;
            }
            above = place.parent();
        }
        old.clone()
    }

    /// Where something new, told under `old`'s parent, is.
    pub fn new_at(&self, old: &RelPath) -> RelPath {
        let Some(parent) = old.parent() else { return old.clone() };
        self.now_at(&parent).join(old.name()).unwrap_or_else(|_| old.clone())
    }

    /// What must be asked.
    pub fn questions(&self) -> Questions {
        let mut modified: Vec<_> = self.modified.iter().map(|old| (old.clone(), self.now_at(old))).collect();
        if !self.modified.contains(&RelPath::root()) {
            modified.push((RelPath::root(), RelPath::root()));
        }
        let arrived = self.renamed.values().cloned().collect();
        Questions { modified, created: self.created.iter().map(|old| self.new_at(old)).collect(), arrived }
    }

    /// Renames that move something; one back to where it would be anyway says nothing.
    pub fn renames(&self) -> impl Iterator<Item = (&RelPath, &RelPath)> {
        self.renamed.iter().filter(|(from, to)| self.new_at(from) != **to)
    }

    /// What went, by old path.
    pub fn deletions(&self) -> impl Iterator<Item = &RelPath> {
        self.deleted.iter()
    }

    /// What is new, by new path.
    pub fn creations(&self) -> impl Iterator<Item = RelPath> + '_ {
        self.created.iter().map(|old| self.new_at(old))
    }

    /// Whether nothing but the root itself is reported.
    pub fn is_empty(&self) -> bool {
        self.renamed.is_empty() && self.created.is_empty() && self.deleted.is_empty() && self.modified.iter().all(RelPath::is_root)
    }
}

/// Whether the content of a modified file must be asked for: HDFS says the same of new bytes and of a new mode.
pub fn content_is_open(before: &Entry, after: &Entry) -> bool {
    matches!((&before.node, &after.node), (Node::File { bytes: b, .. }, Node::File { bytes: a, .. }) if a == b && *a > 0)
}

/// The changes, from a report and the answers to its questions. `created` has every entry of every created subtree.
pub fn decide(moves: &Moves, modified: Vec<Modified>, created: Vec<Entry>) -> ChangeSet {
    let mut changes: Vec<Change> = Vec::new();
    changes.extend(moves.renames().map(|(from, to)| Change::Rename { from: from.clone(), to: to.clone() }));
    changes.extend(moves.deletions().map(|path| Change::Delete { path: path.clone() }));
    let mut new: Vec<Entry> = created;
    new.sort_by(|a, b| a.path.cmp(&b.path));
    changes.extend(new.into_iter().map(Change::Put));
    for Modified { before, after, same_content } in modified {
        let content = match (&before.node, &after.node) {
            (Node::File { bytes: b, .. }, Node::File { bytes: a, .. }) => a != b || (!same_content && *a > 0),
            (one, other) => one != other,
        };
        if content {
            changes.push(Change::Put(after));
        } else if !same_labels(&before, &after) || is_folder_below_the_root(&after) {
            changes.push(Change::Meta(after));
        }
    }
    ChangeSet { changes }
}

/// A snapshot does not keep a folder's time: what is made in the folder later moves it in the snapshot too. So the older
/// snapshot shows the new time, and only the report tells that the folder has changed.
fn is_folder_below_the_root(entry: &Entry) -> bool {
    entry.node == Node::Directory && !entry.path.is_root()
}

/// Whether an entry's metadata is as it was. A snapshot moves its root's time, which so says nothing.
fn same_labels(before: &Entry, after: &Entry) -> bool {
    let mut was = before.meta.clone();
    if after.path.is_root() {
        was.modified_ns = after.meta.modified_ns;
    }
    same_metadata(&was, &after.meta)
}

/// The changes that lead back: from the newer state to the older, whose entries `sealed` finds by old path.
///
/// `wrong` lists the old paths of entries that are there and not as they should be, and whether their content must come again.
pub fn back<'a>(moves: &Moves, wrong: &[(RelPath, bool)], sealed: impl Fn(&RelPath) -> Vec<&'a Entry>) -> ChangeSet {
    let mut changes: Vec<Change> = Vec::new();
    changes.extend(moves.renames().map(|(from, to)| Change::Rename { from: to.clone(), to: from.clone() }));
    changes.extend(moves.creations().map(|path| Change::Delete { path }));
    let mut put: BTreeMap<&RelPath, &Entry> = BTreeMap::new();
    for gone in moves.deletions() {
        // What moved out of a deleted directory comes back as a rename, with all below it.
        let moved = |path: &RelPath| moves.renamed.keys().any(|from| from.is_under(gone) && path.is_under(from));
        put.extend(sealed(gone).into_iter().filter(|entry| !moved(&entry.path)).map(|entry| (&entry.path, entry)));
    }
    let mut meta: BTreeMap<&RelPath, &Entry> = BTreeMap::new();
    for (path, content) in wrong {
        let entries = sealed(path);
        if let Some(entry) = entries.into_iter().find(|entry| entry.path == *path) {
            let side = if *content { &mut put } else { &mut meta };
            side.insert(&entry.path, entry);
        }
    }
    meta.retain(|path, _| !put.contains_key(path));
    changes.extend(put.into_values().cloned().map(Change::Put));
    changes.extend(meta.into_values().cloned().map(Change::Meta));
    ChangeSet { changes }
}

#[cfg(test)]
mod tests;
