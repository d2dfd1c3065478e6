//! Recovery points: what was captured when, how far apart, and how good that is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::unfinished::{Abandonment, Stuck};
use super::{ClusterName, DataSetName, Digest, Epoch, Note, PairName, PointId, RunId, ServiceName, Trouble};

/// `[lo, hi]` certainly contains every instant at which any part of a data set was cut.
///
/// Both ends come from one monotonic clock of the capturing agent, laid over one reading of its wall clock,
/// so that differences between data sets need no clock synchronisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Not earlier than this.
    pub lo: DateTime<Utc>,
    /// Not later than this.
    pub hi: DateTime<Utc>,
}

/// How good a recovery point's one moment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// The freeze hook held the writers throughout.
    Quiesced,
    /// The skew is within the policy's limit.
    Bounded,
    /// The skew is above it: kept and flagged.
    Wide,
    /// The clock stepped or a data set is missing: never promoted.
    Invalid,
}

/// When a service was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedSpan {
    /// R: every write acknowledged before it is in the point.
    pub first: DateTime<Utc>,
    /// S: no write begun after it is.
    pub last: DateTime<Utc>,
    /// S − R in milliseconds, rounded up.
    pub skew_ms: u64,
    /// What that amounts to.
    pub grade: Grade,
}

/// One data set's part of a recovery point and of its run's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointDataSet {
    /// At the cluster it was captured on.
    pub name: DataSetName,
    /// At the cluster it was sealed on.
    pub to: DataSetName,
    /// When it was cut.
    #[serde(flatten)]
    pub window: Window,
    /// The server's own stamp of the cut, where it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_time: Option<DateTime<Utc>>,
    /// Files that were open for writing: their tails are not certain.
    pub open_files: Vec<String>,
    /// The server's own number of its last change at the cut, where it counts them (Hive's event id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<i64>,
    /// Files in the point.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files copied for this point.
    pub copied_files: u64,
    /// Bytes copied for it.
    pub copied_bytes: u64,
    /// Renames carried over as renames.
    pub renamed: u64,
    /// Files and subtrees deleted.
    pub deleted: u64,
    /// Digest of the data set's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
}

/// Milliseconds that each step of a run took; `None` where it did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timings {
    /// Both agents made ready.
    pub arm: Option<u64>,
    /// From the moment until the last snapshot.
    pub capture: Option<u64>,
    /// Bytes into staging.
    pub transfer: Option<u64>,
    /// Staged bytes read back and hashed.
    pub verify: Option<u64>,
    /// Made durable, recorded.
    pub commit: Option<u64>,
    /// Brought into place.
    pub apply: Option<u64>,
    /// The secondary's own snapshots, shown.
    pub seal: Option<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunOutcome {
    /// As one recovery point.
    Sealed,
    /// Dropped on a person's word, before the commit.
    Cancelled,
    /// Dropped, with the reason.
    Failed,
    /// Given up by a person after its commit, because the secondary could not finish it.
    Abandoned,
}

/// A run as `run --json`, `runs --json` and `points --json` print it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// The service.
    pub service: ServiceName,
    /// The run.
    pub run: RunId,
    /// Its recovery point (sealed only when `outcome` says so).
    pub recovery_point: PointId,
    /// The moment asked for.
    pub moment: DateTime<Utc>,
    /// When the captures happened; absent before.
    pub captured: Option<CapturedSpan>,
    /// Data set by data set.
    pub data_sets: Vec<PointDataSet>,
    /// Step by step.
    pub timings_ms: Timings,
    /// How it ended; absent while it runs.
    pub outcome: Option<RunOutcome>,
    /// Why it failed.
    pub error: Option<Trouble>,
    /// The pair.
    pub pair: PairName,
    /// Under which epoch.
    pub epoch: Epoch,
    /// The cluster it was captured on.
    pub from: ClusterName,
    /// The cluster it is sealed on.
    pub to: ClusterName,
    /// When it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_at: Option<DateTime<Utc>>,
    /// It is committed, and the secondary cannot finish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
    /// A person gave it up after its commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abandoned: Option<Abandonment>,
    /// What was said of its data sets, of a sealed point with what the secondary said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

/// A sealed recovery point, as the secondary agent's ledger holds it: the whole truth needed to promote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPoint {
    /// Its id.
    pub id: PointId,
    /// The run that made it.
    pub run: RunId,
    /// The service.
    pub service: ServiceName,
    /// The pair.
    pub pair: PairName,
    /// The epoch it was made under.
    pub epoch: Epoch,
    /// The cluster it was captured on.
    pub from: ClusterName,
    /// The cluster that holds it.
    pub to: ClusterName,
    /// The moment asked for.
    pub moment: DateTime<Utc>,
    /// When the captures happened.
    pub captured: CapturedSpan,
    /// Data set by data set, in the service's order.
    pub data_sets: Vec<PointDataSet>,
    /// The point whose state this one's changes were told against; `None` for a full copy.
    pub base: Option<PointId>,
    /// Milliseconds by step.
    pub timings_ms: Timings,
    /// When it was sealed; `None` while committed and not yet sealed.
    pub sealed_at: Option<DateTime<Utc>>,
    /// What its run said of its data sets: what was not carried, and what will matter at a promotion. Empty where an earlier version made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl RecoveryPoint {
    /// The same state at the cluster it was captured on, under the epoch in which that one becomes the target. What was copied to the
    /// other cluster then is not told again.
    pub fn reversed(&self, epoch: Epoch) -> RecoveryPoint {
        let turned = |set: &PointDataSet| PointDataSet {
            name: set.to.clone(),
            to: set.name.clone(),
            copied_files: 0,
            copied_bytes: 0,
            renamed: 0,
            deleted: 0,
            ..set.clone()
        };
        RecoveryPoint {
            epoch,
            from: self.to.clone(),
            to: self.from.clone(),
            data_sets: self.data_sets.iter().map(turned).collect(),
            base: None,
            ..self.clone()
        }
    }

    /// As the run that sealed it reports it.
    pub fn report(&self) -> RunReport {
        RunReport {
            service: self.service.clone(),
            run: self.run,
            recovery_point: self.id,
            moment: self.moment,
            captured: Some(self.captured),
            data_sets: self.data_sets.clone(),
            timings_ms: self.timings_ms,
            outcome: Some(RunOutcome::Sealed),
            error: None,
            pair: self.pair.clone(),
            epoch: self.epoch,
            from: self.from.clone(),
            to: self.to.clone(),
            sealed_at: self.sealed_at,
            stuck: None,
            abandoned: None,
            notes: self.notes.clone(),
        }
    }
}
