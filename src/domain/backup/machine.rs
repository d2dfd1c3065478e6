//! The backup run's machine: `apply` folds events, `next` decides effects. Used at run time and at recovery alike.
//!
//! ```text
//! arm → (wait for the moment) capture → transfer → verify → commit ⇒ apply → seal
//!   └──────────── a cancel or a failure before the commit: abort ┘   └ abandon, by a person ⇒ abort   (no other way back after it)
//! ```
//! Commit, apply and seal are one instruction: the secondary finishes alone once it has committed. Where it cannot, the run is stuck until the
//! cause is gone or a person abandons the point.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::unfinished::{Abandonment, Stuck, Work};
use crate::domain::{
    CapturedSpan, ClusterName, Epoch, InstructionId, Note, PointDataSet, PointId, RecoveryPoint, RunId, Service, Timings, Trouble, Window,
};

mod fold;

pub use fold::{apply, next, will_not_commit};

/// A step of a run. `Commit` covers apply and seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Both agents ready, epoch and clock checked.
    Arm,
    /// Third instruction, to the primary.
    Capture,
    /// First (push, to the primary) or second (pull, to the secondary) instruction.
    Transfer,
    /// At the secondary.
    Verify,
    /// At the secondary: commit, apply, seal.
    Commit,
    /// At the secondary: bring the live data back and drop a committed point.
    Abandon,
    /// At both: drop what the run made.
    Abort,
}

/// Instruction ids of a run, drawn once at its start so that a step repeated after a crash is the same instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepIds {
    /// Arm at the primary.
    pub arm_primary: InstructionId,
    /// Arm at the secondary.
    pub arm_secondary: InstructionId,
    /// Capture.
    pub capture: InstructionId,
    /// Push or pull.
    pub transfer: InstructionId,
    /// Verify.
    pub verify: InstructionId,
    /// Commit, apply, seal.
    pub commit: InstructionId,
    /// Abort at the primary.
    pub abort_primary: InstructionId,
    /// Abort at the secondary.
    pub abort_secondary: InstructionId,
}

/// Why a run was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartedBy {
    /// Its schedule.
    Schedule,
    /// A person.
    Person,
    /// A planned switchover's last run.
    Switchover,
    /// The training lab.
    Lab,
}

/// Everything a run is, fixed at its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The run.
    pub run: RunId,
    /// The point it makes.
    pub point: PointId,
    /// The policy as it was then.
    pub service: Service,
    /// The moment asked for.
    pub moment: DateTime<Utc>,
    /// Under which epoch.
    pub epoch: Epoch,
    /// The cluster with the primary identity.
    pub from: ClusterName,
    /// The cluster with the secondary identity.
    pub to: ClusterName,
    /// The instruction ids.
    pub ids: StepIds,
    /// Why.
    pub started_by: StartedBy,
}

/// One data set as the primary's agent captured it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapturedSet {
    /// When it was cut.
    pub window: Window,
    /// The server's own stamp.
    pub server_time: Option<DateTime<Utc>>,
    /// Open files.
    pub open_files: Vec<String>,
    /// The server's own number of its last change at the cut, where it counts them (Hive's event id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<i64>,
}

/// What a capture instruction brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureReport {
    /// In the service's order.
    pub sets: Vec<CapturedSet>,
    /// The freeze hook held the writers from before the first capture until after the last.
    pub frozen: bool,
    /// Wall and monotonic clock disagreed during the capture by more than a millisecond.
    pub clock_stepped: bool,
}

/// What happened to a run; appended to the store before the next effect starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// It began.
    Started {
        /// What it is.
        spec: Box<RunSpec>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Both agents are ready; changes will be told against `base` (none: everything is copied).
    Armed {
        /// When.
        at: DateTime<Utc>,
        /// The last sealed point, whose state the target was proven to have.
        base: Option<PointId>,
        /// What the primary said of the data sets.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<Note>,
    },
    /// The data sets are captured.
    Captured {
        /// When.
        at: DateTime<Utc>,
        /// What came of it.
        report: CaptureReport,
    },
    /// All bytes are in staging.
    Transferred {
        /// When.
        at: DateTime<Utc>,
        /// Counts by data set.
        sets: Vec<PointDataSet>,
    },
    /// All staged bytes were read back and are right.
    Verified {
        /// When.
        at: DateTime<Utc>,
    },
    /// The secondary wrote the record that counts; seen before the seal when it takes long.
    Committed {
        /// When.
        at: DateTime<Utc>,
    },
    /// The recovery point is sealed.
    Sealed {
        /// When.
        at: DateTime<Utc>,
        /// The whole point.
        point: Box<RecoveryPoint>,
    },
    /// It was committed, and the secondary does not hold its point any more: it was dropped since, and how it ended was never told here.
    PointGone {
        /// When this was seen.
        at: DateTime<Utc>,
        /// In words.
        trouble: Trouble,
    },
    /// The secondary cannot finish it just now, or cannot take it back.
    Stuck {
        /// When this was seen.
        at: DateTime<Utc>,
        /// What it cannot do.
        work: Work,
        /// Why.
        trouble: Trouble,
    },
    /// A person gives the committed point up.
    AbandonRequested {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        by: String,
        /// The instruction's id.
        id: InstructionId,
    },
    /// The secondary has taken it back: the point is gone.
    Abandoned {
        /// When.
        at: DateTime<Utc>,
        /// The sealed point that the live data is back at; none: the target is empty, or what is there is told in `leftovers`.
        back_to: Option<PointId>,
        /// What could not be brought back or removed, in words.
        leftovers: Vec<String>,
    },
    /// A person wants it dropped.
    CancelRequested {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        by: String,
    },
    /// A step failed for good (its retries are used up).
    StepFailed {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        step: Step,
        /// Why.
        trouble: Trouble,
    },
    /// Nothing of it is left, or what is left is listed in `leftovers`.
    Dropped {
        /// When.
        at: DateTime<Utc>,
        /// What could not be removed, in words.
        leftovers: Vec<String>,
    },
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Arming.
    Arm,
    /// Waiting for the moment, capturing.
    Capture,
    /// Transferring.
    Transfer,
    /// Verifying.
    Verify,
    /// Committing; whether the record was written is not known until the secondary says so.
    Commit,
    /// Committed; the secondary applies and seals.
    Finish,
    /// Committed and given up by a person; the secondary brings its live data back.
    Abandon,
    /// Dropping.
    Abort,
    /// Sealed.
    Sealed,
    /// Dropped on a person's word.
    Cancelled,
    /// Dropped: after a failure, or by somebody else before its seal was told here.
    Failed,
    /// Given up by a person after its commit.
    Abandoned,
}

/// A run's state, folded from its events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// What it is.
    pub spec: RunSpec,
    /// Where it is.
    pub phase: Phase,
    /// The point whose state the target has.
    pub base: Option<PointId>,
    /// When the captures happened, with its grade.
    pub captured: Option<CapturedSpan>,
    /// Data set by data set, as far as known.
    pub sets: Vec<PointDataSet>,
    /// Milliseconds by step.
    pub timings: Timings,
    /// When the present phase began.
    pub phase_since: DateTime<Utc>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Why it is being, or was, dropped.
    pub trouble: Option<Trouble>,
    /// A person cancelled it.
    pub cancelled_by: Option<String>,
    /// The sealed point.
    pub point: Option<Box<RecoveryPoint>>,
    /// What an abort could not remove.
    pub leftovers: Vec<String>,
    /// The secondary cannot finish it, or take it back.
    #[serde(default)]
    pub stuck: Option<Stuck>,
    /// A person gave it up after its commit.
    #[serde(default)]
    pub abandoned: Option<Abandoning>,
    /// What the primary said of the data sets when the run was armed.
    #[serde(default)]
    pub notes: Vec<Note>,
}

/// A committed point that is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandoning {
    /// By whom, when, and what it is back at.
    pub told: Abandonment,
    /// The instruction's id.
    pub id: InstructionId,
}

/// What to do next. Ids in `spec.ids` make each idempotent on the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Carry out a step.
    Do(Step),
}

/// An event that cannot follow the state; a bug or a damaged store, never a person's mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} cannot follow phase {phase:?}")]
pub struct IllegalEvent {
    /// The event's name.
    pub event: &'static str,
    /// Where the run was; `None` before its start.
    pub phase: Option<Phase>,
}

#[cfg(test)]
mod tests;
