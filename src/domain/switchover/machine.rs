//! The identity machine of one pair. Only a person's command moves it from *awaiting decision* to *promoting*.
//!
//! ```text
//! replicating ⇄ suspect → awaiting decision → promoting → active alone → (old primary seen) fencing → active alone, old fenced
//!                                               promoting, held → active alone, held → (a person looked and commits) promoting …
//! active alone → (a person; nothing written since) taking back → promoting the old primary, from what it holds → replicating
//! active alone or promoting, lost → (a person) promoting the other one, from what it holds → active alone: the lost one's writes are kept there
//! replicating → planned: fencing → final run → promoting …   (any failure before the promotion, and its refusal, lifts the fence)
//! replicating → (a fence found that another controller left) → lifting the fence → replicating
//! active alone, old fenced → (a person; after a planned one by itself) reversing → replicating, the other way round
//! ```

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{ClusterName, DataSetName, DecisionId, Epoch, InstructionId, PointId, RunId, ServiceName, Trouble};

mod fold;

pub use fold::{apply, next};

/// A person's decision to change identities, with what they were shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Its id.
    pub id: DecisionId,
    /// The epoch it creates.
    pub epoch: Epoch,
    /// Who decided.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The cluster that gets the primary identity.
    pub to: ClusterName,
    /// The cluster that loses it.
    pub from: ClusterName,
    /// Planned switchover (true) or after a fault.
    pub planned: bool,
    /// What each service resumes from.
    pub points: BTreeMap<ServiceName, PointId>,
    /// What they were shown: evidence, points, losses, in words.
    pub shown: Vec<String>,
    /// The promote instruction.
    pub promote: InstructionId,
    /// The demote (fence) instruction for the old primary.
    pub demote: InstructionId,
    /// Lifts that fence again when a planned switchover fails before its promotion.
    pub unfence: InstructionId,
    /// The services are brought up and stay closed until a person has looked at them and commits the promotion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold: bool,
    /// A promotion is taken back: `from` stands back once it has proven that nothing was written there since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub take_back: bool,
    /// `to`, which was primary until `from` was promoted at this time, goes on from its own live data: no point is brought up, and what
    /// was written at `from` since is not there. So it is when a promotion is taken back, and when `from` was lost while it was alone or
    /// still being promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<DateTime<Utc>>,
    /// What the person declared of the fences that could not be read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declaration>,
}

/// A person's word that nobody writes where no fence could be read back. It proves nothing, and is kept for that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// How they know, in their words.
    pub words: String,
    /// The data sets without a proven fence, as they are called at the old primary.
    pub unproven: Vec<DataSetName>,
}

/// Reverse replication: the old primary becomes the target. It keeps what was written there after the common points and goes back to
/// them, so that only differences have to be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reversal {
    /// The instruction to the old primary.
    pub id: InstructionId,
    /// Who asked for it; of a planned switchover: who decided that.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The newest point that both clusters have of each service.
    pub points: BTreeMap<ServiceName, PointId>,
    /// Under which id the old primary keeps what it has written since.
    pub keep: BTreeMap<ServiceName, PointId>,
}

/// Where a pair is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum PairPhase {
    /// All well.
    Replicating,
    /// Signs of a fault at the primary.
    Suspect {
        /// Since.
        since: DateTime<Utc>,
    },
    /// The fault prompt is shown; only a person leads out of it, or the fault's own end.
    AwaitingDecision {
        /// Since.
        since: DateTime<Utc>,
    },
    /// Planned: the old primary is being fenced.
    Fencing {
        /// By whose decision.
        decision: Box<Decision>,
    },
    /// Planned: the final runs, service by service.
    FinalRuns {
        /// By whose decision.
        decision: Box<Decision>,
        /// Services still to be sealed, with the run that does it.
        waiting: BTreeMap<ServiceName, RunId>,
    },
    /// Planned and failed before the promotion: the fence is being lifted.
    Unfencing {
        /// By whose decision.
        decision: Box<Decision>,
        /// What failed.
        trouble: Trouble,
        /// Since when the old primary is faulty, its fence still up: the prompt is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<DateTime<Utc>>,
    },
    /// A cluster is being promoted; repeated until it says so.
    Promoting {
        /// By whose decision.
        decision: Box<Decision>,
        /// Since when that cluster is faulty: the prompt is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<DateTime<Utc>>,
    },
    /// The new primary serves, unprotected; the old one is fenced when it is seen.
    ActiveAlone {
        /// By whose decision.
        decision: Box<Decision>,
        /// Since when.
        since: DateTime<Utc>,
        /// The old primary said that it is fenced.
        old_primary_fenced: bool,
        /// Services that could not be brought up, with the reason.
        failed: BTreeMap<ServiceName, Trouble>,
        /// Why the last attempt to reverse the replication came to nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unreversed: Option<Trouble>,
        /// The services are up and closed: a person looks at them first.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        held: bool,
        /// Why the promotion could not be taken back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept_back: Option<Trouble>,
        /// Since when it is faulty itself: the prompt is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<DateTime<Utc>>,
    },
    /// The new primary proves that nothing was written there since, and stands back.
    TakingBack {
        /// The decision to take the promotion back.
        decision: Box<Decision>,
        /// Where the pair goes on when that cannot be done.
        before: Box<PairPhase>,
        /// Since when the new primary is faulty: the prompt is shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lost: Option<DateTime<Utc>>,
    },
    /// The old primary, fenced, is made the target of the other direction.
    Reversing {
        /// The decision that made the present primary.
        decision: Box<Decision>,
        /// Since when that one is alone.
        since: DateTime<Utc>,
        /// What is done.
        reversal: Box<Reversal>,
    },
}

/// A pair's identity state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairState {
    /// The cluster with the primary identity (as far as the controller knows; agents' records are the truth).
    pub primary: ClusterName,
    /// The other.
    pub secondary: ClusterName,
    /// The highest epoch known.
    pub epoch: Epoch,
    /// Where it is.
    pub phase: PairPhase,
    /// How the last decision ended.
    pub last_outcome: Option<DecisionOutcome>,
}

/// How a decision ended, as `adjust-identity --json` says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub enum DecisionOutcome {
    /// The new primary serves.
    Promoted,
    /// Planned, and undone before the promotion.
    Aborted {
        /// Why.
        trouble: Trouble,
    },
}

/// What happened to a pair's identities; appended before effects start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// Paired at this epoch.
    Paired {
        /// The primary.
        primary: ClusterName,
        /// The secondary.
        secondary: ClusterName,
        /// The epoch the agents agreed on.
        epoch: Epoch,
    },
    /// Signs of a fault at the primary.
    Suspected {
        /// When.
        at: DateTime<Utc>,
    },
    /// The fault is proven: the prompt is shown. Of a primary that is alone as well, of one whose fence is being lifted, and of a cluster
    /// that is being promoted.
    FaultDeclared {
        /// When.
        at: DateTime<Utc>,
    },
    /// The primary is well again, and nobody had decided.
    Recovered {
        /// When.
        at: DateTime<Utc>,
    },
    /// A person decided.
    Decided {
        /// What.
        decision: Box<Decision>,
    },
    /// A person decided between two decisions of one epoch: this one is above both.
    ConflictEnded {
        /// What; its `to` may be either cluster.
        decision: Box<Decision>,
    },
    /// Planned: the fence on the old primary was read back.
    Fenced {
        /// When.
        at: DateTime<Utc>,
        /// The final runs that were started.
        final_runs: BTreeMap<ServiceName, RunId>,
    },
    /// Planned: a final run sealed, and is what the service resumes from.
    FinalRunSealed {
        /// The service.
        service: ServiceName,
        /// Its point.
        point: PointId,
    },
    /// Planned: something failed before the promotion, or the secondary refused it by a rule and holds no new epoch.
    PlannedFailed {
        /// Why.
        trouble: Trouble,
    },
    /// Planned by another controller, which put the fence on and left it: it is lifted, and the promotion can never come any more.
    FenceLeft {
        /// The decision that it was for.
        decision: Box<Decision>,
        /// What became of it.
        trouble: Trouble,
    },
    /// Planned and failed: the fence is lifted.
    Unfenced {
        /// When.
        at: DateTime<Utc>,
    },
    /// The new primary says that it is.
    Promoted {
        /// When.
        at: DateTime<Utc>,
        /// Services that could not be brought up.
        failed: BTreeMap<ServiceName, Trouble>,
        /// What services resumed from where the decided point was held no more.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        instead: BTreeMap<ServiceName, PointId>,
    },
    /// The old primary says that it is fenced at the new epoch.
    OldPrimaryFenced {
        /// When.
        at: DateTime<Utc>,
    },
    /// A person has looked at the services of a held promotion: applications may use them.
    PromotionCommitted {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        by: String,
        /// The instruction that opens them.
        promote: InstructionId,
    },
    /// A person takes the promotion back.
    TakeBackBegan {
        /// What.
        decision: Box<Decision>,
    },
    /// The new primary has proven that nothing was written there, and stands back.
    StoodBack {
        /// When.
        at: DateTime<Utc>,
    },
    /// It does not: something was written there, or it cannot be proven. It goes on as it did.
    TakeBackFailed {
        /// Why.
        trouble: Trouble,
    },
    /// A person wants the replication reversed, or a planned switchover comes to it.
    ReversalBegan {
        /// What is to be done.
        reversal: Box<Reversal>,
    },
    /// The old primary is a target now.
    Reversed {
        /// When.
        at: DateTime<Utc>,
        /// Of which services it kept what it had written after the common point, and under which id.
        kept: BTreeMap<ServiceName, PointId>,
    },
    /// It could not be made one; nothing that was not kept is lost, and it can be tried again.
    ReversalFailed {
        /// Why.
        trouble: Trouble,
    },
}

/// What to do next; each idempotent by its instruction id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Fence the old primary (planned: before the final runs; after a fault: as soon as it answers).
    Demote(Box<Decision>),
    /// Lift that fence.
    Unfence(Box<Decision>),
    /// Watch the final runs.
    WatchFinalRuns(BTreeMap<ServiceName, RunId>),
    /// Promote the secondary.
    Promote(Box<Decision>),
    /// Have the new primary prove that nothing was written there, and stand back.
    StandBack(Box<Decision>),
    /// Bring up, at the new primary, what the promotion could not.
    BringUp(Box<Decision>),
    /// A planned switchover goes on by itself: begin to reverse the replication.
    BeginReversal(Box<Decision>),
    /// Make the old primary the target.
    Reverse(Box<Decision>, Box<Reversal>),
}

/// An event that cannot follow the state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} cannot follow {phase}")]
pub struct IllegalEvent {
    /// The event's name.
    pub event: &'static str,
    /// The phase's name; "nothing" before pairing.
    pub phase: &'static str,
}

#[cfg(test)]
mod tests;
