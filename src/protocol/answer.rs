//! Answers to instructions: where one is, and what it brought.

use serde::{Deserialize, Serialize};

use crate::domain::backup::machine::CaptureReport;
use crate::domain::drill::report::DrillRan;
use crate::domain::{InstructionId, RecoveryPoint, Trouble};

use super::{
    AbandonReport, ArmReport, CopiedKept, DrillEnded, Holdings, LeaveReport, LeftoversReport, Progress, PromoteReport, Restored,
    ReverseReport, TransferReport, UsersReport, VerifyReport,
};

/// Where an instruction is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "is")]
pub enum AnswerState {
    /// Being done.
    Running(Progress),
    /// Done.
    Done(Box<Outcome>),
    /// Failed; the same instruction sent again tries again where the trouble is worth retrying.
    Failed(Trouble),
}

/// The answer to an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Which instruction.
    pub id: InstructionId,
    /// Where it is.
    pub state: AnswerState,
}

/// What a done instruction brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "with")]
pub enum Outcome {
    /// Nothing to tell.
    Done,
    /// Of `Arm`.
    Armed(ArmReport),
    /// Of `Capture`.
    Captured(CaptureReport),
    /// Of `Push` and `Pull`.
    Transferred(TransferReport),
    /// Of `Verify`.
    Verified(VerifyReport),
    /// Of `Commit`.
    Sealed(Box<RecoveryPoint>),
    /// Of `Abandon`.
    Abandoned(AbandonReport),
    /// Of `Abort` and `Prune`: what could not be removed.
    Dropped(Vec<String>),
    /// Of `SyncUsers`, `ReadUsers`, `AdjustUsers`.
    Users(UsersReport),
    /// Of `Promote`.
    Promoted(PromoteReport),
    /// Of `Demote`: how the fence was read back, data set by data set, in words.
    Fenced(Vec<String>),
    /// Of `Leave`.
    Left(LeaveReport),
    /// Of `Holdings`.
    Holdings(Holdings),
    /// Of `Reverse`.
    Reversed(ReverseReport),
    /// Of `Leftovers`.
    Leftovers(LeftoversReport),
    /// Of `Drill`.
    Drilled(DrillRan),
    /// Of `EndDrill`.
    DrillEnded(DrillEnded),
    /// Of `Restore`.
    Restored(Restored),
    /// Of `EndRestore`: what could not be removed, in words.
    RestoreEnded(Vec<String>),
    /// Of `CopyKept`.
    CopiedKept(CopiedKept),
}
