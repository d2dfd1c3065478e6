//! What a person (or a plan, or the command line) can ask of the engine.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::maintenance::MaintenanceRequest;
use crate::domain::{ClusterName, ComponentName, DataSetName, DrillId, PairName, Plan, PointId, RunId, Service, ServiceName};

mod checks;
mod going;
mod identity;
mod pages;
mod prune;
mod refusal;
mod reply;
mod reports;
mod requests;
mod restores;
mod steps;

pub use checks::{AgentFound, Check, CheckState, ComponentMatch, PairChecks, ServiceCheck};
pub use going::{ClusterGoing, Going, Removal, ServiceGoing};
pub use identity::{
    AdjustOutcome, AdjustReport, FenceLine, ReversalOutcome, ReversalReport, Runbook, RunbookStep, ServiceEnding, ServiceResumed,
    ServiceTurned, StepReport, Verb,
};
pub use prune::{PruneEnding, PruneReport, PrunedPoint};
pub use refusal::Refusal;
pub(super) use refusal::Refused;
pub use reply::Reply;
pub use reports::{ClusterLeftovers, CopyKept, DrillChecks, Kept, KeptCopied, Leftovers, MaintenanceReport, StatusReport};
pub use requests::{AgentRequest, PairRequest};
pub use restores::{RestoreEvidence, RestoreReport};
pub use steps::IdentityStep;

/// A command. Those that change identities carry the generation of the snapshot the person saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "command", content = "with")]
pub enum Command {
    /// Connect to an agent that is not paired yet (its code is not used up) or is, and tell what is there.
    TestAgent {
        /// `host:port`.
        address: String,
        /// The enrolment code.
        code: Option<String>,
    },
    /// Enrol (or reuse) both agents and check everything that pairing needs; nothing is paired yet.
    CheckPair(PairRequest),
    /// Pair.
    Pair(PairRequest),
    /// Take over what an agent holds, by the code that `understudy-agent adopt` printed: pairs, policies, points, epoch.
    Adopt(AgentRequest),
    /// Dissolve a pair: our snapshots go on both sides.
    Unpair {
        /// Which.
        pair: PairName,
        /// Its name, as the person typed it.
        confirm: String,
        /// Who.
        by: String,
    },
    /// What a removal would take away now; nothing is removed.
    WouldGo {
        /// The pair.
        pair: PairName,
        /// Of what.
        removal: Removal,
    },
    /// What is inside a component of the pair's primary.
    Catalogue {
        /// The pair.
        pair: PairName,
        /// The component; `None` lists the components.
        component: Option<ComponentName>,
        /// The place; empty is the component itself.
        path: String,
    },
    /// Check a policy and say what it means; saves nothing.
    CheckService(Box<Service>),
    /// Create or change a service's policy.
    SaveService(Box<Service>),
    /// Forget a service; its points stay until pruned by hand.
    RemoveService {
        /// Which.
        service: ServiceName,
    },
    /// Bring in a plan.
    ApplyPlan {
        /// The plan.
        plan: Plan,
        /// Only say what would change.
        dry_run: bool,
    },
    /// The plan that would bring this state about.
    ExportPlan,
    /// Start a backup run.
    Run {
        /// Which service.
        service: ServiceName,
        /// When; `None` is now.
        at: Option<DateTime<Utc>>,
    },
    /// Drop a run; refused from its commit on.
    CancelRun {
        /// Which.
        run: RunId,
    },
    /// Give a committed point up that its secondary cannot seal: the live data goes back, the point goes.
    AbandonRun {
        /// Which run's.
        run: RunId,
        /// The service's name, as the person typed it.
        confirm: String,
        /// Who.
        by: String,
    },
    /// Make `to` the primary: after a fault, or planned.
    AdjustIdentity {
        /// The pair.
        pair: PairName,
        /// The cluster to get the primary identity.
        to: ClusterName,
        /// Its name as the person typed it; must equal `to`.
        confirm: String,
        /// Planned switchover: fence, final run, promote.
        planned: bool,
        /// Bring the services up and keep them closed until a person has looked at them: see `CommitPromotion` and `TakeBack`.
        #[serde(default)]
        hold: bool,
        /// After a fault: how the person knows that nobody writes at the old primary, whose fence cannot be read back. Kept with the
        /// decision.
        #[serde(default)]
        declared: Option<String>,
        /// Sealed points to resume from in place of the newest ones, by service. Not for a planned switchover.
        #[serde(default)]
        points: BTreeMap<ServiceName, PointId>,
        /// The snapshot the person saw; refused when the facts have changed since. `None` from the command line.
        generation: Option<u64>,
        /// Who.
        by: String,
    },
    /// Open the services of a held promotion to applications.
    CommitPromotion {
        /// The pair.
        pair: PairName,
        /// The name of the new primary, as the person typed it.
        confirm: String,
        /// The snapshot the person saw; refused when the facts have changed since. `None` from the command line.
        generation: Option<u64>,
        /// Who.
        by: String,
    },
    /// Take a promotion back: the new primary proves that nothing was written there and stands back, the old one goes on from what it
    /// holds.
    TakeBack {
        /// The pair.
        pair: PairName,
        /// The name of the old primary, as the person typed it.
        confirm: String,
        /// The snapshot the person saw; refused when the facts have changed since. `None` from the command line.
        generation: Option<u64>,
        /// Who.
        by: String,
    },
    /// What one of the verbs would do now, and whether it may be begun; nothing is begun.
    Runbook {
        /// The pair.
        pair: PairName,
        /// Which.
        verb: Verb,
    },
    /// Make the old primary, fenced, the target of the new one.
    ReverseReplication {
        /// The pair.
        pair: PairName,
        /// The name of the cluster that is to stand by, as the person typed it.
        confirm: String,
        /// The snapshot the person saw; refused when the facts have changed since. `None` from the command line.
        generation: Option<u64>,
        /// Who.
        by: String,
    },
    /// Begin a maintenance of a pair, or put another in its place.
    BeginMaintenance {
        /// The pair.
        pair: PairName,
        /// How long, and why.
        #[serde(flatten)]
        request: MaintenanceRequest,
    },
    /// End the maintenance of a pair.
    EndMaintenance {
        /// The pair.
        pair: PairName,
        /// Who.
        by: String,
    },
    /// List the snapshots of ours on both clusters that nobody counts on, and perhaps remove them.
    Leftovers {
        /// The pair.
        pair: PairName,
        /// Remove them; refused while a run of the pair is under way.
        remove: bool,
        /// Also those of the pair's data sets that the agents do not know to have made: then the pair's name must be typed.
        unknown: bool,
        /// The name of the pair, as the person typed it.
        confirm: Option<String>,
        /// Who.
        by: String,
    },
    /// The pre-flight lines of a drill; nothing is begun.
    CheckDrill {
        /// Which service.
        service: ServiceName,
        /// Which recovery point; `None` is the newest.
        point: Option<PointId>,
    },
    /// Start a drill: bring a recovery point up beside production, make the owner's checks, clean up.
    Drill {
        /// Which service.
        service: ServiceName,
        /// Which recovery point; `None` is the newest.
        point: Option<PointId>,
        /// Who.
        by: String,
    },
    /// Stop a drill that is being brought up or checked.
    StopDrill {
        /// Which.
        drill: DrillId,
        /// Who.
        by: String,
    },
    /// Note that a person has looked at a drill that has ended.
    SignOffDrill {
        /// Which.
        drill: DrillId,
        /// Who.
        by: String,
        /// What they have to say.
        remark: String,
    },
    /// The drills, newest first.
    Drills {
        /// Of one service only.
        service: Option<ServiceName>,
        /// At most so many.
        limit: u32,
    },
    /// List what old primaries wrote after the common points and keep, and perhaps remove one.
    Kept {
        /// The pair.
        pair: PairName,
        /// Remove this one: then the pair's name must be typed.
        remove: Option<PointId>,
        /// The name of the pair, as the person typed it.
        confirm: Option<String>,
        /// Copy one out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        copy: Option<CopyKept>,
        /// Who.
        by: String,
    },
    /// Compare (and, unless dry, bring over) users, permissions and tenants.
    SyncUsers {
        /// The pair.
        pair: PairName,
        /// Only compare.
        dry_run: bool,
        /// The controller reads both sides and adjusts, instead of the fourth instruction to the primary.
        by_controller: bool,
    },
    /// The sealed points of a service, newest first.
    Points {
        /// Which.
        service: ServiceName,
    },
    /// The runs, newest first, also those of long ago.
    Runs {
        /// Of one service only.
        service: Option<ServiceName>,
        /// At most so many.
        limit: u32,
        /// Only those begun before this one: the next page.
        #[serde(default)]
        before: Option<RunId>,
    },
    /// One run, also one of long ago.
    RunReport {
        /// Which.
        run: RunId,
    },
    /// Drop the recovery points that a service's policy no longer keeps.
    Prune {
        /// Which.
        service: ServiceName,
        /// Only say what would go.
        dry_run: bool,
        /// Who.
        by: String,
    },
    /// Bring a data set of a sealed point up beside the live data, for good.
    Restore {
        /// The recovery point.
        point: PointId,
        /// The data set, by its name at either cluster.
        data_set: DataSetName,
        /// Only this directory or table in it.
        only: Option<String>,
        /// Where to, in the data set's component.
        place: String,
        /// A cluster's name, `primary` or `secondary`; `None` is the cluster that sealed the point.
        at: Option<String>,
        /// Who.
        by: String,
    },
    /// Everything, once (for the socket).
    Snapshot,
}

#[cfg(test)]
mod tests;
