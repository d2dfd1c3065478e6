//! Reports of what changes a pair: what each service came to, and every step, also those not carried out.

use serde::{Deserialize, Serialize};

use super::{Check, IdentityStep, Refusal};
use crate::domain::switchover::machine::Declaration;
use crate::domain::{ClusterName, DataSetName, Epoch, PairName, PointId, ServiceName, Trouble};

/// What became of one service in an identity change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceEnding {
    /// It is up, from its recovery point.
    #[default]
    Resumed,
    /// It is up, from what was live there.
    WentOn,
    /// It could not be brought up: applications are kept out of it. Asked for again, it is tried again.
    NotUp,
}

/// What one service resumed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceResumed {
    /// The service.
    pub name: ServiceName,
    /// Its point; `None`: it had none, or could not be brought up.
    pub recovery_point: Option<PointId>,
    /// It goes on from what is live there, and from no point.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// Seconds of writes that are lost, counted to the last sign of life of the primary: from the point's R, or, where it goes on from
    /// what is live, from when that one became primary.
    pub lost_secs: Option<u64>,
    /// What became of it.
    #[serde(default)]
    pub ending: ServiceEnding,
    /// Why it could not be brought up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
}

/// One step of an identity change, also those not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepReport {
    /// What.
    pub step: String,
    /// `done`, `failed`, `not executed`.
    pub state: String,
    /// Evidence or reason.
    pub detail: String,
    /// The same as a code, with the clusters concerned; `None`: told by an engine of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<IdentityStep>,
}

impl StepReport {
    /// What became of a step.
    pub fn new(what: IdentityStep, state: impl Into<String>, detail: impl Into<String>) -> StepReport {
        StepReport { step: what.to_string(), state: state.into(), detail: detail.into(), what: Some(what) }
    }
}

/// One data set's fence at the cluster that loses the primary identity, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceLine {
    /// The cluster.
    pub cluster: ClusterName,
    /// The data set, as it is called there.
    pub data_set: DataSetName,
    /// Its agent read the fence back. False also for whatever cannot be asked.
    pub proven: bool,
    /// What was read back, or why nothing was.
    pub evidence: String,
}

/// `adjust-identity --json`, `commit-promotion --json`, `take-back --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdjustReport {
    /// The pair.
    pub pair: PairName,
    /// The epoch now.
    pub epoch: Epoch,
    /// The primary now.
    pub primary: ClusterName,
    /// Service by service.
    pub services: Vec<ServiceResumed>,
    /// How it ended.
    pub outcome: AdjustOutcome,
    /// Step by step.
    pub steps: Vec<StepReport>,
    /// The services are up and closed: the promotion waits to be committed, or to be taken back.
    #[serde(default)]
    pub held: bool,
    /// The fences at the cluster that lost the identity, when this was told.
    #[serde(default)]
    pub fences: Vec<FenceLine>,
    /// What the person declared of those that were not proven when they decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declaration>,
    /// Why it was refused or aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
    /// The refusal's code, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

impl AdjustReport {
    /// The services that could not be brought up.
    pub fn not_up(&self) -> impl Iterator<Item = &ServiceResumed> {
        self.services.iter().filter(|service| service.ending == ServiceEnding::NotUp)
    }
}

/// `reverse-replication --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReversalReport {
    /// The pair.
    pub pair: PairName,
    /// The epoch, which a reversal does not change.
    pub epoch: Epoch,
    /// The primary.
    pub primary: ClusterName,
    /// The cluster that stands by, or should.
    pub secondary: ClusterName,
    /// Service by service; empty unless it was reversed.
    pub services: Vec<ServiceTurned>,
    /// How it ended.
    pub outcome: ReversalOutcome,
    /// Step by step.
    pub steps: Vec<StepReport>,
    /// Why it was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
    /// The refusal's code, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// One service whose replication was reversed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceTurned {
    /// The service.
    pub name: ServiceName,
    /// The point that both clusters have: from it on only differences are copied. `None`: the next run copies everything.
    pub recovery_point: Option<PointId>,
    /// Names the snapshots that keep what the old primary had written after that point; `None`: nothing.
    pub kept: Option<PointId>,
}

/// How a reversal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReversalOutcome {
    /// The old primary stands by.
    Reversed,
    /// Not yet; it can be tried again.
    Failed,
    /// Not begun.
    Refused,
}

/// How an identity change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdjustOutcome {
    /// The new primary serves.
    Promoted,
    /// A promotion was taken back: the old primary goes on.
    #[serde(rename = "taken-back")]
    TakenBack,
    /// Undone before the promotion, or (taking back) not possible: who was primary goes on.
    Aborted,
    /// Not begun.
    Refused,
}

/// What changes a pair, each by a runbook of its own. The fourth, the test, is a drill: see [`DrillChecks`](super::DrillChecks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Both clusters are well: the other one becomes primary, and nothing is lost.
    Planned,
    /// The primary is lost: the other one goes on from its last recovery points.
    Adjust,
    /// The old primary, fenced, becomes the target.
    Reverse,
    /// The promotion is taken back while nothing was written.
    TakeBack,
}

impl Verb {
    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Verb::Planned => "planned switchover",
            Verb::Adjust => "adjust identity",
            Verb::Reverse => "reverse replication",
            Verb::TakeBack => "take back",
        }
    }
}

/// One step of a runbook, before it is begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookStep {
    /// What.
    pub step: String,
    /// Who does it.
    pub who: String,
    /// What must hold before it begins; else the runbook ends here.
    pub guard: String,
    /// How long it should take, in seconds, by what it took before; `None`: not known.
    pub planned_secs: Option<u64>,
}

/// `runbook --json`: what would be done, and whether it may be begun now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runbook {
    /// The pair.
    pub pair: PairName,
    /// What it is for.
    pub verb: Verb,
    /// The facts it rests on: begun with them, it is refused when they have changed.
    pub generation: u64,
    /// The cluster whose name a person types.
    pub confirm: ClusterName,
    /// The pre-flight lines.
    pub checks: Vec<Check>,
    /// The steps.
    pub steps: Vec<RunbookStep>,
    /// It may be begun: the command, given now, would not be refused.
    pub ready: bool,
    /// The refusal's code, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}
