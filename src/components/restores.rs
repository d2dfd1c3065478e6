//! Restoring beside the live data: a data set of a point brought up in a place that a person chose, compared, and left to its owner.
//!
//! ```text
//! place as it is spelled → not there yet → made aside, where nobody takes it for the place → compared → journal 1 → into place
//!                                            └ a crash begins this anew ───────────────────┘   └ and goes on here
//! ```
//! A question of its own beside [`Component`](super::Component). Nothing but the place, and what is made aside for it, is written.

use async_trait::async_trait;

use super::PhaseJournal;
use crate::domain::restore::RestoreProof;
use crate::domain::{Manifest, PointId, RestoreId, Trouble};

/// One restore.
#[derive(Clone, Copy)]
pub struct Restoring<'a> {
    /// Names what is made aside.
    pub restore: RestoreId,
    /// The data set, by its name here.
    pub set: &'a str,
    /// Only this part of it.
    pub only: Option<&'a str>,
    /// The point that it is of.
    pub point: PointId,
    /// The whole data set's manifest.
    pub manifest: &'a Manifest,
    /// Where to, as [`place`](Restores::place) spells it.
    pub place: &'a str,
    /// One phase: what was made aside is whole and compared.
    pub journal: &'a dyn PhaseJournal,
}

/// A restore that is not whole, and is to be one no more.
#[derive(Clone, Copy)]
pub struct Clearing<'a> {
    /// Names what was made aside.
    pub restore: RestoreId,
    /// The data set, by its name here.
    pub set: &'a str,
    /// The point that it is of.
    pub point: PointId,
    /// Where to, as [`place`](Restores::place) spells it.
    pub place: &'a str,
    /// Phases of its journal that are over.
    pub phases: u32,
}

/// A component that can restore beside the live data.
#[async_trait]
pub trait Restores: Send + Sync {
    /// A place that a person named for a data set (or a part of it), as the component spells it. What is no place, what is ours, and a part
    /// that cannot be restored alone is refused. Looks at nothing.
    fn place(&self, set: &str, only: Option<&str>, place: &str) -> Result<String, Trouble>;

    /// The directories that a place's files would be in, as `hdfs://AUTHORITY/PATH`; none where no other component could have them.
    async fn directories(&self, _place: &str) -> Result<Vec<String>, Trouble> {
        Ok(Vec::new())
    }

    /// Refuses a place that is there, or has nothing to lie in.
    async fn free(&self, place: &str) -> Result<(), Trouble>;

    /// Brings it up, compares it whole and puts it into place: open, with the owners and rights that the manifest says. Repeatable; a place
    /// that somebody else made meanwhile is refused and not touched.
    async fn bring(&self, what: Restoring<'_>) -> Result<RestoreProof, Trouble>;

    /// Removes what a restore that is not whole has left; what is not its own is not touched.
    async fn clear(&self, what: Clearing<'_>) -> Result<(), Trouble>;
}
