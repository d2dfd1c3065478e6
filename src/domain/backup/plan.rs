//! From changes to a target's new state: the new manifest, and the order in which the live tree gets there.
//!
//! Phases run one after the other; within a phase every step may be repeated, so that a journal of phases is
//! enough to go on after a crash (see `Component::apply`).

use serde::{Deserialize, Serialize};

use crate::domain::{ChangeSet, Entry, Manifest, RelPath, Trouble};

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
pub fn fold(_base: &Manifest, _changes: &ChangeSet) -> Result<Manifest, Trouble> {
    unimplemented!("helper: domain")
}

/// The order in which the live tree gets from `base` to the state `fold` gives. `changes` carry digests by now.
pub fn plan_apply(_base: &Manifest, _changes: &ChangeSet) -> Result<ApplyPlan, Trouble> {
    unimplemented!("helper: domain")
}
