//! The components of a cluster, all behind one trait: capture · changes · read · stage · apply · fence · health.
//!
//! A component knows one data set at a time, by its path in the component (`invoices`, `/data/orders`, a table's name).
//! Everything it makes is named after the recovery point, so that every call may be repeated. It keeps no state of its
//! own beside what it stores in its cluster or its store directory; the agent's ledger remembers the rest.

pub mod admission;
mod depot;
pub mod diff;
pub mod files;
pub mod hbase;
pub mod hdfs;
pub mod hive;
mod objects;
pub mod parts;
mod pool;
pub mod restores;
pub mod tables;

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::Stream;

use crate::domain::admission::Said;
use crate::domain::backup::plan::ApplyPlan;
use crate::domain::user_data::{UserDataChange, UserDataKey};
use crate::domain::{
    ChangeSet, ComponentInfo, ComponentKind, ComponentName, Digest, DrillId, Entry, Manifest, Note, PastFence, PointId, ProbeReport,
    Trouble, TroubleKind,
};
use crate::protocol::{CatalogueItem, OwnSnapshot};

/// Bytes on their way; ends after the last, or with the trouble that stopped it.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Trouble>> + Send>>;

/// One data set, captured. `lo` and `hi` are this process's monotonic clock.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Read before the cut could begin.
    pub lo: Instant,
    /// Read after it was certainly over.
    pub hi: Instant,
    /// The server's own stamp of the cut, where it gives one.
    pub server_time: Option<DateTime<Utc>>,
    /// Files open for writing then, as far as the component can tell; a bounded list.
    pub open_files: Vec<String>,
    /// The server's own number of its last change at the cut, where it counts them (Hive's event id).
    pub event_id: Option<i64>,
}

/// Which piece of which staged file: the file's index in the change set, and the piece's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Index into [`ChangeSet::changes`](crate::domain::ChangeSet).
    pub file: u32,
    /// Piece number, from 0.
    pub piece: u32,
}

/// Remembers which phases of an apply are over, durably, so that a crash in the middle goes on there.
pub trait PhaseJournal: Send + Sync {
    /// How many phases are over.
    fn done(&self) -> Result<u32, Trouble>;
    /// Notes that phases up to `count` are over; durable when it returns.
    fn advance(&self, count: u32) -> Result<(), Trouble>;
}

/// One component beside one agent.
///
/// Every call carries its own time limit and returns `Unreachable` when it is exceeded. Blocking work runs on a blocking thread.
#[async_trait]
pub trait Component: Send + Sync {
    /// Its name in data sets.
    fn name(&self) -> &ComponentName;
    /// Its sort.
    fn kind(&self) -> ComponentKind;
    /// What it is, what it can hold, which rights are missing.
    async fn describe(&self) -> Result<ComponentInfo, Trouble>;
    /// How it is doing; never fails, a failure is the report.
    async fn probe(&self) -> ProbeReport;
    /// What is inside a place; the empty path is the component itself.
    async fn catalogue(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble>;

    // ---- as the source ----

    /// What this cluster says of a data set of its own when a policy is made, at one look and cheap enough to be asked then: where its files
    /// are, what of it is not carried, and what will matter at a promotion. Refuses by name what could never be captured. Nothing is said of
    /// one that is not there yet.
    async fn survey(&self, _set: &str) -> Result<Said, Trouble> {
        Ok(Said::default())
    }
    /// Everything slow that a capture needs, done before the moment. Refuses by name what cannot be captured. Returns what a survey notes,
    /// and what only a run sees.
    async fn arm(&self, set: &str) -> Result<Vec<Note>, Trouble>;
    /// Cuts the data set. Repeated for the same point it is refused (`Refused`): a second cut would be another moment.
    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble>;
    /// What differs between a captured point and `base` (everything, as `Put`s with parents first, when `None`).
    /// `Refused` when the base is no longer held: a full copy is needed then, and a person may want to know.
    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble>;
    /// The bytes of one piece of a captured file.
    async fn read(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble>;
    /// Drops a capture; well when there is none.
    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble>;
    /// All captures and sealed snapshots of ours here.
    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble>;

    /// Whether captured data sets can be [copied out](Component::copy_out): those that no tool of their own reads.
    fn copies_out(&self) -> bool {
        matches!(self.kind(), ComponentKind::Files | ComponentKind::Tables)
    }
    /// Copies a captured data set, whole, into a directory of this host: below `to`, which may not exist yet. Its content is held against
    /// its digests on the way. Nothing live and nothing captured is changed.
    async fn copy_out(&self, set: &str, _point: PointId, _to: &Path) -> Result<(), Trouble> {
        let reason = format!("data sets of {} are not copied out by this version", self.kind());
        Err(Trouble::new(TroubleKind::Refused, format!("{}:{set}", self.name()), reason).next("read its snapshot with its own tools"))
    }
    /// Whether a place of this host lies in the component's live data, or in what it keeps.
    fn has_place(&self, _place: &Path) -> bool {
        false
    }

    // ---- as the target ----

    /// Where the live data set is not what `expected` says (the last sealed point's manifest), in words, at most 20 lines. `expected`
    /// `None`: the first run; anything there that is not ours is `Refused`, naming it.
    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble>;
    /// Refuses by name what could not, or must not, be brought into place here after the commit, before any byte is staged: an owner whom
    /// this cluster does not know, for example. `after` is what the changes make of the base.
    async fn admit(&self, _set: &str, _changes: &ChangeSet, _after: &Manifest) -> Result<(), Trouble> {
        Ok(())
    }
    /// What it can say of a target beyond [`admit`](Component::admit), and of where its data sets lie.
    fn admission(&self) -> Option<&dyn admission::Admission> {
        None
    }
    /// Refuses by name staged content that this cluster would not bring into place, once it was read back and before the commit: a schema
    /// that does more than make its table, for example. Nothing live is touched.
    async fn examine(&self, _set: &str, _point: PointId, _changes: &ChangeSet) -> Result<(), Trouble> {
        Ok(())
    }
    /// Whether content with this digest is already held for good, so that it need not be sent.
    async fn holds(&self, digest: &Digest) -> Result<bool, Trouble>;
    /// Writes one piece into staging, replacing what an earlier attempt left, and returns the digest of what it wrote.
    async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble>;
    /// Reads a staged piece back from the storage.
    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble>;
    /// Makes everything staged survive a power cut.
    async fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble>;
    /// Keeps the commit's record on the cluster itself, beside the data (the ledger has it too). `record` is JSON.
    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble>;
    /// Brings the live data set from its last point to the new one, phase by phase. The data set stays fenced throughout: its
    /// root's true mode, owner and ACL are the manifest's, not the live tree's.
    async fn apply(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble>;
    /// Takes the secondary's own snapshot of the applied state and drops the staging. Repeatable.
    async fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble>;
    /// Drops staging of a point that was not committed; well when there is none.
    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble>;
    /// Brings the live data set back to a sealed point that need not be the newest (for a promotion).
    async fn restore(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble>;

    /// Takes back what a point brought that was committed, is not sealed and was given up: the live data set goes back to `last`, the point
    /// sealed before it, still fenced. Where there is none, what the point brought goes: the target is absent or empty then, open, and not
    /// ours. What is not ours is left alone. Repeatable; snapshot and staging of the point are dropped by `release` and `discard`.
    async fn take_back(&self, set: &str, point: PointId, _manifest: &Manifest, last: Option<(PointId, &Manifest)>) -> Result<(), Trouble> {
        match last {
            Some((last, sealed)) => self.restore(set, last, sealed).await,
            None => {
                let reason = format!("what point {point} brought cannot be taken away by this version");
                Err(Trouble::new(TroubleKind::Refused, format!("{}:{set}", self.name()), reason).next("empty the target by hand"))
            }
        }
    }

    /// Makes the live data set of the point applied last, still fenced, where a component keeps only its snapshot until a promotion.
    /// Well when it is there; one that is there is not changed.
    async fn make_live(&self, _set: &str, _point: PointId, _manifest: &Manifest) -> Result<(), Trouble> {
        Ok(())
    }

    /// For a source that becomes a target: brings the live data set, fenced, back to a point that was captured here, and from then on
    /// that point is as if it had been sealed here. `manifest` is the other cluster's of the same point. Repeatable.
    async fn rebase(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.restore(set, point, manifest).await?;
        self.seal(set, point, manifest).await
    }

    // ---- fence ----

    /// Keeps ordinary users from writing, and reads that back; returns the evidence in words. Well when already fenced.
    async fn fence(&self, set: &str) -> Result<String, Trouble>;
    /// Lifts the fence: the root's mode, owner and ACL become those of `root` (the manifest's), or what they were before the fence when `None`.
    async fn unfence(&self, set: &str, root: Option<&Entry>) -> Result<(), Trouble>;
    /// Whether it is fenced now, with the evidence in words, which name what the fence does not stop.
    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble>;
    /// What came past the fence since `point` was captured under it, at most 20 findings: asked of the source of a planned switchover right
    /// before the other cluster is promoted. Nothing where the fence stops whatever is not the superuser's.
    async fn past_fence(&self, _set: &str, _point: PointId) -> Result<Vec<PastFence>, Trouble> {
        Ok(Vec::new())
    }

    // ---- drills: a space of its own for each, beside production ----

    /// Brings a sealed point's data set up in the drill's space as a copy of its own, writable: nothing done there changes the point or
    /// the live data set. Begun anew when an earlier attempt left something. Returns the place.
    async fn rehearse(&self, set: &str, _point: PointId, _manifest: &Manifest, _drill: DrillId) -> Result<String, Trouble> {
        let reason = format!("data sets of {} cannot be brought up for a drill by this version", self.kind());
        Err(Trouble::new(TroubleKind::Refused, format!("{}:{set}", self.name()), reason).next("drill the services that have none of it"))
    }

    /// Removes the space of a drill; well when there is none.
    async fn clear_rehearsal(&self, _drill: DrillId) -> Result<(), Trouble> {
        Ok(())
    }

    /// Every space of a drill that is here, with its place.
    async fn rehearsals(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        Ok(Vec::new())
    }

    /// The first value of a query's first row, asked read-only of a drill's space, within `limit`.
    async fn ask_rehearsal(&self, _drill: DrillId, _query: &str, _limit: Duration) -> Result<String, Trouble> {
        Err(Trouble::new(TroubleKind::Refused, format!("component {}", self.name()), "it cannot be asked in SQL").next("use a command"))
    }

    // ---- restores: for good, beside production ----

    /// What it can restore beside the live data.
    fn restores(&self) -> Option<&dyn restores::Restores> {
        None
    }

    // ---- user data ----

    /// Users, groups, permissions and tenants kept here, `sets` being the data sets concerned. At a secondary with a sealed manifest
    /// the true permissions are the manifest's: `sealed` has them by data set.
    async fn read_users(&self, sets: &[String], sealed: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble>;
    /// Refuses a change of user data that must not be made here, before the first of its request is carried out. Changes nothing. That its
    /// place is one of the pair's is known already.
    async fn may_adjust(&self, _change: &UserDataChange) -> Result<(), Trouble> {
        Ok(())
    }
    /// Carries out one change; for permissions of a data set it also returns the entries whose metadata is now another, to be
    /// kept with the sealed manifest.
    async fn adjust_user(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble>;
}
