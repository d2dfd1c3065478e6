//! Where the reply to a command goes.

use crate::domain::{ComponentName, PairName, ServiceName};

/// One of the two sides of a pair to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// It gets the primary identity.
    Primary,
    /// It gets the secondary identity.
    Secondary,
}

/// The part of the console that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Pairing: test of one agent.
    Test(Side),
    /// Pairing: the checks.
    PairChecks,
    /// Pairing itself.
    Pair,
    /// What a removal would take away.
    Going,
    /// Dissolving a pair.
    Unpair,
    /// The policy form's tree: a component and a place in it.
    Catalogue(Option<ComponentName>, String),
    /// The policy form: the check of its n-th state.
    PolicyCheck(u64),
    /// The policy form: saving; then perhaps a first run.
    PolicySave(ServiceName, bool),
    /// A run asked for.
    Run(ServiceName),
    /// A run's cancel.
    Cancel,
    /// A committed point given up.
    Abandon,
    /// A service's removal.
    Remove(ServiceName),
    /// An identity change.
    Adjust(PairName),
    /// A reversal of the replication.
    Reverse,
    /// A verb's runbook, before it is begun.
    Runbook,
    /// A maintenance begun, changed or ended.
    Maintenance,
    /// User data: compare only, or apply.
    Users(bool),
    /// Leftovers: a look or a removal.
    Leftovers,
    /// The pre-flight lines of a drill.
    DrillChecks,
    /// A drill asked for.
    Drill,
    /// A restore beside the live data.
    Restore,
    /// A drill's stop.
    StopDrill,
    /// A drill's sign-off.
    SignOff,
    /// A plan's changes.
    PlanChanges,
    /// A plan's application.
    PlanApply,
    /// The plan to export.
    PlanExport,
}
