//! What the engine answers to a command.

use serde::{Deserialize, Serialize};

use super::{
    AdjustReport, AgentFound, DrillChecks, Going, Kept, KeptCopied, Leftovers, MaintenanceReport, PairChecks, PruneReport, RestoreReport,
    ReversalReport, Runbook, ServiceCheck,
};
use crate::domain::drill::report::DrillReport;
use crate::domain::user_data::UserDataChange;
use crate::domain::{DrillId, Plan, RecoveryPoint, RunId, RunReport, Trouble};
use crate::protocol::CatalogueItem;

/// What a command brought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reply", content = "with")]
pub enum Reply {
    /// Done.
    Done,
    /// Of `TestAgent`.
    Agent(AgentFound),
    /// Of `CheckPair`; `Pair` is refused while one is not ok.
    PairChecks(PairChecks),
    /// Of `Catalogue`.
    Catalogue(Vec<CatalogueItem>),
    /// Of `CheckService` and `SaveService`.
    ServiceChecked(ServiceCheck),
    /// Of `ApplyPlan` and `Adopt`: what changes, in words.
    Changes(Vec<String>),
    /// Of `ExportPlan`.
    Plan(Plan),
    /// Of `Run`.
    Started(RunId),
    /// Of `AdjustIdentity`, `CommitPromotion` and `TakeBack`, when it ended.
    Adjusted(AdjustReport),
    /// Of `Runbook`.
    Runbook(Runbook),
    /// Of `ReverseReplication`, when it ended.
    Reversed(ReversalReport),
    /// Of `BeginMaintenance` and `EndMaintenance`.
    Maintenance(MaintenanceReport),
    /// Of `SyncUsers`.
    Users {
        /// The differences found.
        changes: Vec<UserDataChange>,
        /// How many were applied.
        applied: u64,
        /// What could not be.
        failed: Vec<String>,
        /// Differences in data sets that were never sealed: their first recovery point brings them along.
        #[serde(default)]
        waiting: u64,
    },
    /// Of `Leftovers`.
    Leftovers(Leftovers),
    /// Of `CheckDrill`.
    DrillChecked(DrillChecks),
    /// Of `Drill`.
    DrillStarted(DrillId),
    /// Of `SignOffDrill` (that one) and `Drills`.
    Drills(Vec<DrillReport>),
    /// Of `Kept`: what is kept now, oldest first.
    Kept(Vec<Kept>),
    /// Of `Kept`, where one is copied out.
    KeptCopied(KeptCopied),
    /// Of `Points`.
    Points(Vec<RecoveryPoint>),
    /// Of `Runs` and `RunReport`.
    Runs(Vec<RunReport>),
    /// Of `Prune`.
    Pruned(PruneReport),
    /// Of `Restore`, when it ended.
    Restored(RestoreReport),
    /// Of `Snapshot`.
    Snapshot(Box<crate::controller::Snapshot>),
    /// Of `WouldGo`.
    WouldGo(Going),
    /// Of `Unpair`: what could not be removed.
    Unpaired(Vec<String>),
    /// It could not be done; nothing was changed.
    Refused(Trouble),
}
