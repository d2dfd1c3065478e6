//! The rules of identity: an event folded into a pair's state, a state turned into the next effects.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Decision, DecisionOutcome, Effect, Event, IllegalEvent, PairPhase, PairState};
use crate::domain::{ClusterName, Epoch, PointId, RunId, ServiceName, Trouble};

/// Folds one event. `Paired` comes first and only once; a decision is illegal while another is carried out.
pub fn apply(state: Option<&PairState>, event: &Event) -> Result<PairState, IllegalEvent> {
    let illegal = || IllegalEvent { event: event.name(), phase: state.map_or("nothing", |state| state.phase.name()) };
    let Some(state) = state else {
        return match event {
            Event::Paired { primary, secondary, epoch } if primary != secondary => Ok(PairState {
                primary: primary.clone(),
                secondary: secondary.clone(),
                epoch: *epoch,
                phase: PairPhase::Replicating,
                last_outcome: None,
            }),
            _ => Err(illegal()),
        };
    };
    let mut new = state.clone();
    match (&state.phase, event) {
        (PairPhase::Replicating, Event::Suspected { at }) => new.phase = PairPhase::Suspect { since: *at },
        (PairPhase::Replicating | PairPhase::Suspect { .. }, Event::FaultDeclared { at }) => {
            new.phase = PairPhase::AwaitingDecision { since: *at };
        }
        (PairPhase::Suspect { .. } | PairPhase::AwaitingDecision { .. }, Event::Recovered { .. }) => new.phase = PairPhase::Replicating,
        (phase, Event::FaultDeclared { at }) if phase.may_be_lost() && phase.lost().is_none() => new.phase = phase.with_lost(Some(*at)),
        (phase, Event::Recovered { .. }) if phase.lost().is_some() => new.phase = phase.with_lost(None),
        (_, Event::Decided { decision }) if may_decide(state, decision) => new.decided(decision),
        (_, Event::ConflictEnded { decision }) if may_end_conflict(state, decision) => {
            new.last_outcome = None;
            new.promote(decision.clone());
        }
        (PairPhase::Fencing { decision }, Event::Fenced { final_runs, .. }) => new.await_runs(decision.clone(), final_runs.clone()),
        (PairPhase::FinalRuns { decision, waiting }, Event::FinalRunSealed { service, point }) if waiting.contains_key(service) => {
            new.final_run_sealed(decision.clone(), waiting.clone(), service, *point);
        }
        (PairPhase::Fencing { decision } | PairPhase::FinalRuns { decision, .. }, Event::PlannedFailed { trouble }) => {
            new.phase = PairPhase::Unfencing { decision: decision.clone(), trouble: trouble.clone(), lost: None };
        }
        // The secondary has said that it did not take the new epoch and by its rules will not: the old one holds again.
        (PairPhase::Promoting { decision, .. }, Event::PlannedFailed { trouble }) if decision.planned && decision.from == state.primary => {
            new.epoch = Epoch(decision.epoch.0.saturating_sub(1));
            new.phase = PairPhase::Unfencing { decision: decision.clone(), trouble: trouble.clone(), lost: None };
        }
        (PairPhase::Replicating | PairPhase::Suspect { .. }, Event::FenceLeft { decision, trouble })
            if decision.planned && turns_round(state, decision) =>
        {
            new.phase = PairPhase::Unfencing { decision: decision.clone(), trouble: trouble.clone(), lost: None };
        }
        (PairPhase::Unfencing { trouble, .. }, Event::Unfenced { .. }) => {
            new.phase = PairPhase::Replicating;
            new.last_outcome = Some(DecisionOutcome::Aborted { trouble: trouble.clone() });
        }
        (PairPhase::Promoting { decision, .. }, Event::Promoted { at, failed, instead }) => {
            (new.primary, new.secondary) = (decision.to.clone(), decision.from.clone());
            new.last_outcome = Some(DecisionOutcome::Promoted);
            let mut resumed = (**decision).clone();
            resumed.resume_from(instead);
            new.phase = after_promotion(&resumed, *at, failed);
        }
        (PairPhase::ActiveAlone { old_primary_fenced: false, .. }, Event::OldPrimaryFenced { .. }) => {
            if let PairPhase::ActiveAlone { old_primary_fenced, .. } = &mut new.phase {
                *old_primary_fenced = true;
            }
        }
        // What could not be brought up was tried again; what is up stays so.
        (PairPhase::ActiveAlone { failed: before, decision, .. }, Event::Promoted { at, failed: now, instead })
            if !before.is_empty() && now.keys().all(|service| before.contains_key(service)) =>
        {
            if decision.take_back {
                new.phase = after_promotion(decision, *at, now);
            } else if let PairPhase::ActiveAlone { failed, decision, .. } = &mut new.phase {
                failed.clone_from(now);
                decision.resume_from(instead);
            }
        }
        (PairPhase::ActiveAlone { decision, held: true, .. }, Event::PromotionCommitted { promote, .. }) => {
            let decision = Box::new(Decision { hold: false, promote: *promote, ..(**decision).clone() });
            new.phase = PairPhase::Promoting { decision, lost: None };
        }
        (PairPhase::ActiveAlone { decision: made_by, .. }, Event::TakeBackBegan { decision })
            if decision.take_back && made_by.live.is_none() && turns_round(state, decision) =>
        {
            let before = Box::new(state.phase.with_lost(None));
            new.phase = PairPhase::TakingBack { decision: decision.clone(), before, lost: state.phase.lost() };
        }
        (PairPhase::TakingBack { decision, .. }, Event::StoodBack { .. }) => new.promote(decision.clone()),
        (PairPhase::TakingBack { before, lost, .. }, Event::TakeBackFailed { trouble }) => {
            new.phase = before.with_lost(*lost);
            if let PairPhase::ActiveAlone { kept_back, .. } = &mut new.phase {
                *kept_back = Some(trouble.clone());
            }
        }
        // A service that is not up at the new primary would be copied over the old primary's good data.
        (
            PairPhase::ActiveAlone { decision, since, old_primary_fenced: true, failed, held: false, lost: None, .. },
            Event::ReversalBegan { reversal },
        ) if failed.is_empty() => {
            new.phase = PairPhase::Reversing { decision: decision.clone(), since: *since, reversal: reversal.clone() };
        }
        (PairPhase::Reversing { .. }, Event::Reversed { .. }) => new.phase = PairPhase::Replicating,
        (PairPhase::Reversing { decision, since, .. }, Event::ReversalFailed { trouble }) => {
            new.phase = PairPhase::ActiveAlone {
                decision: decision.clone(),
                since: *since,
                old_primary_fenced: true,
                failed: BTreeMap::new(),
                unreversed: Some(trouble.clone()),
                held: false,
                kept_back: None,
                lost: None,
            };
        }
        _ => return Err(illegal()),
    }
    Ok(new)
}

/// What to do now; empty while only a person, or a cluster that is not seen, can move the pair on. Decides, never acts.
pub fn next(state: &PairState) -> Vec<Effect> {
    match &state.phase {
        PairPhase::Replicating | PairPhase::Suspect { .. } | PairPhase::AwaitingDecision { .. } => Vec::new(),
        PairPhase::Fencing { decision } => vec![Effect::Demote(decision.clone())],
        PairPhase::FinalRuns { waiting, .. } => vec![Effect::WatchFinalRuns(waiting.clone())],
        PairPhase::Unfencing { decision, .. } => vec![Effect::Unfence(decision.clone())],
        PairPhase::Promoting { decision, .. } => vec![Effect::Promote(decision.clone())],
        PairPhase::TakingBack { decision, .. } => vec![Effect::StandBack(decision.clone())],
        PairPhase::ActiveAlone { decision, old_primary_fenced, failed, unreversed, held, lost, .. } => {
            let mut effects = Vec::new();
            if !failed.is_empty() {
                effects.push(Effect::BringUp(decision.clone()));
            }
            if !old_primary_fenced {
                effects.push(Effect::Demote(decision.clone()));
            } else if decision.planned && !held && failed.is_empty() && unreversed.is_none() && lost.is_none() {
                effects.push(Effect::BeginReversal(decision.clone()));
            }
            effects
        }
        PairPhase::Reversing { decision, reversal, .. } => vec![Effect::Reverse(decision.clone(), reversal.clone())],
    }
}

/// A decision turns the pair round, under an epoch above every one known here. (The engine asks the agents too, and may know a
/// higher one.) A healthy primary loses its identity by a planned switchover only. Where one was lost while it was alone or still being
/// promoted, the other cluster holds no newer point of its data: it goes on from what is live there.
fn may_decide(state: &PairState, decision: &Decision) -> bool {
    let undecided = match &state.phase {
        PairPhase::Replicating => decision.planned,
        PairPhase::Suspect { .. } | PairPhase::AwaitingDecision { .. } => true,
        phase if phase.asked().is_some_and(|asked| decision.epoch <= asked) => false,
        PairPhase::Unfencing { lost, .. } => lost.is_some() && decision.live.is_none() && !decision.planned,
        phase => phase.lost().is_some() && decision.live.is_some() && !decision.planned && !decision.hold,
    };
    undecided && turns_round(state, decision)
}

fn turns_round(state: &PairState, decision: &Decision) -> bool {
    decision.epoch > state.epoch && decision.to == *state.other() && decision.from == *state.serving()
}

impl Decision {
    /// Takes note of the points that services have resumed from instead: the newest that both clusters have.
    pub fn resume_from(&mut self, instead: &BTreeMap<ServiceName, PointId>) {
        self.points.extend(instead.iter().map(|(service, point)| (service.clone(), *point)));
    }
}

/// Where a pair goes on once the new primary says that it is. The old one of a promotion that was taken back stands by already: it
/// took the secondary identity by this very decision, with nothing written there since.
fn after_promotion(decision: &Decision, at: DateTime<Utc>, failed: &BTreeMap<ServiceName, Trouble>) -> PairPhase {
    if decision.take_back && failed.is_empty() {
        return PairPhase::Replicating;
    }
    PairPhase::ActiveAlone {
        decision: Box::new(decision.clone()),
        since: at,
        old_primary_fenced: decision.take_back,
        failed: failed.clone(),
        unreversed: None,
        held: decision.hold,
        kept_back: None,
        lost: None,
    }
}

/// Two decisions of one epoch leave it to a person which cluster is right, also the one that is primary already: what they say is
/// carried out under an epoch above both. Whether there is a conflict only the agents' claims tell; the engine asks them first.
fn may_end_conflict(state: &PairState, decision: &Decision) -> bool {
    use PairPhase::{Fencing, FinalRuns, TakingBack, Unfencing};
    let fence_under_way = matches!(state.phase, Fencing { .. } | FinalRuns { .. } | Unfencing { .. } | TakingBack { .. });
    let of_this_pair = [&decision.to, &decision.from].map(|cluster| [&state.primary, &state.secondary].contains(&cluster));
    !fence_under_way && !decision.planned && decision.epoch > state.epoch && decision.to != decision.from && of_this_pair == [true, true]
}

impl PairState {
    /// The cluster that serves, or is being promoted to: the one whose loss a person is asked about.
    pub fn serving(&self) -> &ClusterName {
        match &self.phase {
            PairPhase::Promoting { decision, .. } => &decision.to,
            _ => &self.primary,
        }
    }

    /// The other one.
    pub fn other(&self) -> &ClusterName {
        if *self.serving() == self.primary { &self.secondary } else { &self.primary }
    }

    fn decided(&mut self, decision: &Decision) {
        self.last_outcome = None;
        let decision = Box::new(decision.clone());
        if decision.planned {
            self.phase = PairPhase::Fencing { decision };
        } else {
            self.promote(decision);
        }
    }

    /// From here there is no way back, unless the secondary itself says that it has not made the new epoch durable and will not.
    fn promote(&mut self, decision: Box<Decision>) {
        self.epoch = decision.epoch;
        self.phase = PairPhase::Promoting { decision, lost: None };
    }

    fn await_runs(&mut self, decision: Box<Decision>, waiting: BTreeMap<ServiceName, RunId>) {
        if waiting.is_empty() {
            self.promote(decision);
        } else {
            self.phase = PairPhase::FinalRuns { decision, waiting };
        }
    }

    fn final_run_sealed(
        &mut self,
        mut decision: Box<Decision>,
        mut waiting: BTreeMap<ServiceName, RunId>,
        service: &ServiceName,
        point: PointId,
    ) {
        waiting.remove(service);
        decision.points.insert(service.clone(), point);
        self.await_runs(decision, waiting);
    }
}

impl PairPhase {
    /// Whether the primary runs without a secondary, and nothing but a person's decision changes that.
    pub fn is_alone(&self) -> bool {
        matches!(self, PairPhase::ActiveAlone { .. } | PairPhase::TakingBack { .. })
    }

    /// Whether the primary runs, or comes up, with nobody standing by: should it be lost, the other one goes on from what is live there.
    pub fn is_unprotected(&self) -> bool {
        self.is_alone() || matches!(self, PairPhase::Promoting { .. })
    }

    /// Whether the cluster that serves, or is to, may be lost in the middle of it, which leaves only a person's decision to go on by.
    pub fn may_be_lost(&self) -> bool {
        self.is_unprotected() || matches!(self, PairPhase::Unfencing { .. })
    }

    /// The epoch that a cluster may have been asked to take though the pair is not at it.
    pub fn asked(&self) -> Option<Epoch> {
        match self {
            PairPhase::TakingBack { decision, .. } | PairPhase::Unfencing { decision, .. } => Some(decision.epoch),
            _ => None,
        }
    }

    /// Since when such a cluster is faulty.
    pub fn lost(&self) -> Option<DateTime<Utc>> {
        match self {
            PairPhase::ActiveAlone { lost, .. }
            | PairPhase::TakingBack { lost, .. }
            | PairPhase::Unfencing { lost, .. }
            | PairPhase::Promoting { lost, .. } => *lost,
            _ => None,
        }
    }

    fn with_lost(&self, since: Option<DateTime<Utc>>) -> PairPhase {
        let mut phase = self.clone();
        if let PairPhase::ActiveAlone { lost, .. }
        | PairPhase::TakingBack { lost, .. }
        | PairPhase::Unfencing { lost, .. }
        | PairPhase::Promoting { lost, .. } = &mut phase
        {
            *lost = since;
        }
        phase
    }

    /// Its name for people, without what it carries.
    pub fn name(&self) -> &'static str {
        match self {
            PairPhase::Replicating => "replicating",
            PairPhase::Suspect { .. } => "suspect",
            PairPhase::AwaitingDecision { .. } => "awaiting decision",
            PairPhase::Fencing { .. } => "fencing",
            PairPhase::FinalRuns { .. } => "final runs",
            PairPhase::Unfencing { .. } => "lifting the fence",
            PairPhase::Promoting { .. } => "promoting",
            PairPhase::ActiveAlone { held: true, .. } => "held for a look",
            PairPhase::ActiveAlone { .. } => "active alone",
            PairPhase::TakingBack { .. } => "taking back",
            PairPhase::Reversing { .. } => "reversing",
        }
    }
}

impl Event {
    /// Its name, as it is stored.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Paired { .. } => "paired",
            Event::Suspected { .. } => "suspected",
            Event::FaultDeclared { .. } => "fault-declared",
            Event::Recovered { .. } => "recovered",
            Event::Decided { .. } => "decided",
            Event::ConflictEnded { .. } => "conflict-ended",
            Event::Fenced { .. } => "fenced",
            Event::FinalRunSealed { .. } => "final-run-sealed",
            Event::PlannedFailed { .. } => "planned-failed",
            Event::FenceLeft { .. } => "fence-left",
            Event::Unfenced { .. } => "unfenced",
            Event::Promoted { .. } => "promoted",
            Event::OldPrimaryFenced { .. } => "old-primary-fenced",
            Event::PromotionCommitted { .. } => "promotion-committed",
            Event::TakeBackBegan { .. } => "take-back-began",
            Event::StoodBack { .. } => "stood-back",
            Event::TakeBackFailed { .. } => "take-back-failed",
            Event::ReversalBegan { .. } => "reversal-began",
            Event::Reversed { .. } => "reversed",
            Event::ReversalFailed { .. } => "reversal-failed",
        }
    }
}
