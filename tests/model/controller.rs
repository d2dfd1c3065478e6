//! One controller of the model. What it sends and what it makes of answers is the product's own: the identity machine and the exchange.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use understudy::controller::exchange::{self, Letter, Meeting};
use understudy::domain::switchover::machine::{self, Effect, Event, PairPhase, PairState, Reversal};
use understudy::domain::*;
use uuid::Uuid;

use crate::agent::Agent;
use crate::world::{at, cluster};

/// See the module.
#[derive(Clone)]
pub struct Controller {
    pub key: &'static str,
    pub up: bool,
    // Durable.
    pub term: Term,
    pub state: Option<PairState>,
    // Lost when it stops.
    pub ousted: bool,
    pub met: [bool; 2],
    /// The claims last told, and whether each was confirmed.
    pub told: [Option<(Claim, bool)>; 2],
    pub errand: Option<(Effect, Arc<Letter>)>,
    /// What holds the present effect.
    pub held: Option<Trouble>,
    /// The errand's refusal, come back.
    pub refused: Option<Trouble>,
}

impl Controller {
    pub fn new(key: &'static str, state: Option<PairState>, term: Term) -> Controller {
        Controller { key, up: false, term, state, ousted: false, met: [false; 2], told: [None; 2], errand: None, held: None, refused: None }
    }

    pub fn stop(&mut self) {
        *self = Controller::new(self.key, self.state.take(), self.term);
    }

    pub fn start(&mut self) {
        (self.up, self.term) = (true, Term(self.term.0 + 1));
    }

    pub fn is_in_command(&self) -> bool {
        self.up && !self.ousted
    }

    /// One look at an agent.
    pub fn look(&mut self, index: usize, agent: &Agent) {
        if agent.former.contains(self.key) {
            // It is told nothing but that it was cut off.
            self.ousted = true;
            return;
        }
        match exchange::meet(!self.met[index], self.term, agent.term, 0) {
            Meeting::Take(term) => self.term = self.term.max(term),
            Meeting::Ousted => self.ousted = true,
            Meeting::InCommand => {}
        }
        self.met[index] = true;
        self.told[index] = Some((agent.facts.claim, agent.facts.confirmed && agent.facts.conflict.is_none()));
    }

    pub fn claims(&self) -> Vec<(&'static ClusterName, Claim)> {
        (0..2).filter_map(|index| self.told[index].map(|(claim, _)| (cluster(index), claim))).collect()
    }

    /// Folds an event if it may follow.
    pub fn append(&mut self, event: &Event) -> bool {
        let next = machine::apply(self.state.as_ref(), event);
        (self.errand, self.held, self.refused) = (None, None, None);
        let legal = next.is_ok();
        self.state = next.ok().or(self.state.take());
        self.goes_on();
        legal
    }

    /// After a planned switchover the engine begins the reversal by itself.
    fn goes_on(&mut self) {
        let Some(state) = &self.state else { return };
        if let [Effect::BeginReversal(decision)] = machine::next(state).as_slice() {
            let id = InstructionId(Uuid::from_u128(decision.promote.0.as_u128() ^ 1));
            let reversal = Reversal { id, by: decision.by.clone(), at: at(), points: [].into(), keep: [].into() };
            self.state = machine::apply(Some(state), &Event::ReversalBegan { reversal: Box::new(reversal) }).ok();
        }
    }

    /// The next effect, as a letter.
    pub fn wants(&self) -> Option<(Effect, Letter)> {
        let state = self.state.as_ref()?;
        let effect = machine::next(state).into_iter().next()?;
        let letter = exchange::letter(state, &effect)?;
        Some((effect, letter))
    }

    /// The event that the end of an effect brings.
    pub fn done(&mut self, effect: &Effect) -> bool {
        let fencing = matches!(self.state.as_ref().map(|s| &s.phase), Some(PairPhase::Fencing { .. }));
        self.append(&match effect {
            Effect::Demote(_) if fencing => Event::Fenced { at: at(), final_runs: [].into() },
            Effect::Demote(_) => Event::OldPrimaryFenced { at: at() },
            Effect::StandBack(_) => Event::StoodBack { at: at() },
            Effect::Unfence(_) => Event::Unfenced { at: at() },
            Effect::Reverse(..) => Event::Reversed { at: at(), kept: [].into() },
            _ => Event::Promoted { at: at(), failed: [].into(), instead: [].into() },
        })
    }
}

impl Hash for Controller {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.key, self.up, self.term.0, self.ousted, self.met).hash(hasher);
        if let Some(state) = &self.state {
            (&state.primary, state.epoch.0, state.phase.name(), state.phase.lost().is_some()).hash(hasher);
            match &state.phase {
                PairPhase::Fencing { decision } | PairPhase::Unfencing { decision, .. } | PairPhase::Promoting { decision, .. } => {
                    (decision.id, decision.promote, state.secondary == decision.to).hash(hasher);
                }
                PairPhase::ActiveAlone { decision, old_primary_fenced, unreversed, held, kept_back, .. } => {
                    (decision.id, old_primary_fenced, unreversed.is_some(), held, kept_back.is_some()).hash(hasher);
                }
                PairPhase::TakingBack { decision, .. } => decision.id.hash(hasher),
                PairPhase::Reversing { reversal, .. } => reversal.id.hash(hasher),
                _ => {}
            }
        }
        for (claim, confirmed) in self.told.iter().flatten() {
            (claim.identity, claim.epoch.0, claim.decision, confirmed).hash(hasher);
        }
        (self.told[0].is_some(), self.errand.as_ref().map(|(_, letter)| letter.id)).hash(hasher);
        self.held.as_ref().map(|trouble| trouble.kind as u8).hash(hasher);
        self.refused.as_ref().map(|trouble| trouble.kind as u8).hash(hasher);
    }
}
