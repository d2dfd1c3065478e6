//! One agent of the model: what is durable, what a crash takes away, and each ledger write of its jobs as one step. The simulation
//! (`tests/sim`) puts data under the very same one.
//!
//! Every decision is the product's own: the guard, the ledger's rules, the peer's lesson, what may be said to applications.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use understudy::agent::guard::{Asked, judge};
use understudy::agent::peer::{Lesson, learn};
use understudy::agent::serving;
use understudy::domain::switchover::machine::Decision;
use understudy::domain::*;
use understudy::protocol::route::RouteReply;
use understudy::protocol::{Instruction, Order, Outcome, PromoteReport, ReverseReport};
use understudy::store::agent::{Admission, AdmissionFacts, FenceState, InstructionRecord, InstructionState, PairFacts, Standing, rules};

/// See the module.
#[derive(Clone)]
pub struct Agent {
    pub here: ClusterName,
    /// Its only service.
    pub policy: &'static Service,
    pub up: bool,
    // Durable.
    pub facts: PairFacts,
    pub term: Term,
    pub records: BTreeMap<InstructionId, InstructionRecord>,
    pub decisions: Vec<Decision>,
    /// The data itself stands under a fence.
    pub data_fenced: bool,
    /// An application has written since the promotion here.
    pub written: bool,
    /// Keys that an adoption cut off.
    pub former: BTreeSet<String>,
    /// Pairs that it joined beside its own.
    pub strange_pairs: u8,
    // Lost in a crash.
    jobs: Vec<(Arc<Instruction>, u8)>,
    /// The peer's claim on its way, with ours when it was asked.
    heard: Option<(Claim, Claim)>,
    /// A fence that is put on beside the watch.
    fencing: Option<Claim>,
}

impl Agent {
    pub fn new(facts: PairFacts, here: ClusterName, policy: &'static Service) -> Agent {
        let data_fenced = facts.claim.identity == Identity::Secondary;
        Agent {
            here,
            policy,
            up: true,
            facts,
            term: Term(1),
            records: BTreeMap::new(),
            decisions: Vec::new(),
            data_fenced,
            written: false,
            former: BTreeSet::new(),
            strange_pairs: 0,
            jobs: Vec::new(),
            heard: None,
            fencing: None,
        }
    }

    pub fn crash(&mut self) {
        self.up = false;
        self.facts.confirmed = false;
        self.jobs.clear();
        (self.heard, self.fencing) = (None, None);
        for record in self.records.values_mut().filter(|record| record.state == InstructionState::Running) {
            record.state = InstructionState::Interrupted;
        }
    }

    /// An instruction is judged, and entered when it may start.
    pub fn admit(&mut self, instruction: &Instruction, digest: Digest, key: &str) -> Result<Admission, Trouble> {
        let seen = self.records.get(&instruction.id).cloned();
        let commands = self.facts.controllers.contains(key);
        // The worst case: a key that was cut off is enrolled still, as an earlier version left it.
        let caller = Standing { enrolled: true, commands, may_join: false };
        let pair = (instruction.pair == self.facts.pair).then(|| self.facts.clone());
        let facts = AdmissionFacts { caller, term: self.term, pair, seen, elsewhere: Vec::new(), own: self.sets() };
        let asked = Asked { here: &self.here, caller: key, digest, dotted: &BTreeSet::new() };
        let admission = judge(instruction, asked, &facts)?;
        let admitted = facts.admitted(instruction, digest, &admission);
        self.term = admitted.term;
        match admitted.pair {
            Some(facts) => self.facts = facts,
            None => self.strange_pairs += 1,
        }
        if matches!(admission, Admission::Start { .. }) {
            self.records.insert(instruction.id, admitted.seen.expect("it runs"));
        }
        Ok(admission)
    }

    /// An instruction arrives, for the first or the tenth time. A controller's word is over at once and leaves nothing behind.
    pub fn take(&mut self, instruction: &Arc<Instruction>, digest: Digest, key: &str) -> Result<(), Trouble> {
        let starts = matches!(self.admit(instruction, digest, key)?, Admission::Start { .. });
        if matches!(instruction.order, Order::StorePolicies(_)) {
            self.records.remove(&instruction.id);
        } else if starts && matches!(instruction.order, Order::Promote(_) | Order::Demote(_) | Order::Unfence(_) | Order::Reverse(_)) {
            self.jobs.push((instruction.clone(), 0));
        }
        Ok(())
    }

    /// Jobs that may take a step: changes of identity go one at a time.
    pub fn ready(&self) -> Vec<usize> {
        match self.jobs.iter().position(|(_, step)| *step > 0) {
            Some(begun) => vec![begun],
            None => (0..self.jobs.len()).collect(),
        }
    }

    /// The next durable step of a job.
    pub fn work(&mut self, job: usize) {
        let (instruction, step) = self.jobs[job].clone();
        let ended = match (&instruction.order, step) {
            (Order::Promote(promote), step) => self.promote(&promote.decision, step),
            (Order::Demote(demote), step) if demote.fence_only => self.fence(&demote.decision, step),
            (Order::Demote(demote), step) if demote.decision.take_back => self.stand_back(&demote.decision, step),
            (Order::Demote(demote), 0) => self.step_down(&demote.decision),
            (Order::Demote(_), step) => self.put_on(step - 1),
            (Order::Unfence(unfence), step) => self.unfence(&unfence.decision, step),
            (Order::Reverse(_), step) => self.become_target(step),
            _ => unreachable!("only changes of identity become jobs"),
        };
        let state = match ended {
            Ok(None) => {
                self.jobs[job].1 += 1;
                return;
            }
            Ok(Some(outcome)) => InstructionState::Done(Box::new(outcome)),
            Err(trouble) => InstructionState::Failed(trouble),
        };
        self.jobs.remove(job);
        self.records.get_mut(&instruction.id).expect("it was entered").state = state;
    }

    fn promote(&mut self, decision: &Decision, step: u8) -> Result<Option<Outcome>, Trouble> {
        let service = &self.policy.name;
        let report = PromoteReport { epoch: decision.epoch, services: BTreeMap::new(), failed: BTreeMap::new() };
        match step {
            1 if self.facts.is_past(decision.epoch) => Ok(Some(Outcome::Promoted(report))),
            0 => {
                let claim = Claim { identity: Identity::Primary, epoch: decision.epoch, decision: decision.id };
                self.facts = self.facts.take(claim)?;
                self.keep(decision);
                Ok(None)
            }
            1 => {
                self.open_left();
                if self.is_held(decision) {
                    return Ok(None);
                }
                if !self.facts.active.contains_key(service) || decision.live.is_some() {
                    (self.data_fenced, self.written) = (false, decision.live.is_some());
                }
                Ok(None)
            }
            2 if self.is_held(decision) => Ok(None),
            2 => {
                // A service that is refused is told in the report and does not fail the promotion.
                if let Ok(active) = self.facts.activate(decision.epoch, service, None) {
                    self.facts = active;
                }
                Ok(None)
            }
            _ => {
                let closed = if self.is_held(decision) { self.sets() } else { Vec::new() };
                self.facts = self.facts.settle_fence(decision.epoch, &closed);
                Ok(Some(Outcome::Promoted(report)))
            }
        }
    }

    /// A person is still to look at what it brings up.
    pub fn is_held(&self, decision: &Decision) -> bool {
        decision.hold && !self.decisions.iter().any(|known| known.id == decision.id && !known.hold)
    }

    /// Fences, proves that nothing was written, and stands back; or opens again what was open.
    fn stand_back(&mut self, decision: &Decision, step: u8) -> Result<Option<Outcome>, Trouble> {
        let claim = Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id };
        match step {
            _ if step < 3 && self.facts.claim == claim => Ok(None),
            0 | 1 => {
                self.prove(step);
                Ok(None)
            }
            2 if self.written => {
                self.open_left();
                Err(Trouble::new(TroubleKind::Refused, &self.facts.pair, "it was written to"))
            }
            2 => match self.facts.stand_back_first(claim, &self.sets()) {
                Ok(facts) => {
                    self.facts = facts;
                    self.keep(decision);
                    Ok(None)
                }
                Err(trouble) => {
                    self.open_left();
                    Err(trouble)
                }
            },
            _ => self.put_on(1),
        }
    }

    /// What was open before it began to prove that nothing was written, unless it has stood back since.
    pub fn open_left(&mut self) -> bool {
        if !self.facts.opens_again() {
            return false;
        }
        let open = self.facts.active.contains_key(&self.policy.name);
        self.data_fenced = !open;
        let closed = if open { Vec::new() } else { self.sets() };
        self.facts = self.facts.keep_fenced(&closed);
        true
    }

    /// An application writes, where it is let.
    pub fn write(&mut self) -> bool {
        let may = self.up && !self.data_fenced && !self.written && serving::active(&self.facts, self.policy, &self.here).is_ok();
        self.written |= may;
        may
    }

    pub fn fence(&mut self, decision: &Decision, step: u8) -> Result<Option<Outcome>, Trouble> {
        if step == 0 {
            rules::may_still_fence(decision, self.records.get(&decision.unfence))?;
            self.keep(decision);
        }
        let fenced = self.put_on(step)?;
        self.facts.fence.planned = Some(self.facts.claim.epoch);
        Ok(fenced)
    }

    pub fn step_down(&mut self, decision: &Decision) -> Result<Option<Outcome>, Trouble> {
        let claim = Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id };
        self.facts = self.facts.stand_back(claim, &self.sets())?;
        self.keep(decision);
        Ok(None)
    }

    /// The intention is durable before the data is touched, and what was read back after it.
    pub fn put_on(&mut self, step: u8) -> Result<Option<Outcome>, Trouble> {
        self.facts.fence = FenceState { held: step > 0, ..FenceState::of(&self.sets()) };
        self.data_fenced |= step > 0;
        Ok((step > 0).then(|| Outcome::Fenced(Vec::new())))
    }

    /// Likewise, to prove that nothing was written here.
    pub fn prove(&mut self, step: u8) {
        self.facts.fence = FenceState { held: step > 0, proving: true, ..FenceState::of(&self.sets()) };
        self.data_fenced |= step > 0;
    }

    /// It fences what it is about to bring back, whatever was read back before.
    fn become_target(&mut self, step: u8) -> Result<Option<Outcome>, Trouble> {
        if self.facts.claim.identity != Identity::Secondary {
            return Err(Trouble::new(TroubleKind::Refused, &self.facts.pair, "this is done by the secondary only"));
        }
        self.data_fenced = true;
        Ok((step > 0).then(|| Outcome::Reversed(ReverseReport { services: BTreeMap::new() })))
    }

    pub fn unfence(&mut self, decision: &Decision, step: u8) -> Result<Option<Outcome>, Trouble> {
        match step {
            0 if decision.from != self.here || self.facts.claim.identity != Identity::Primary => {
                Err(Trouble::new(TroubleKind::Refused, &self.facts.pair, "only a primary's own fence is lifted this way"))
            }
            0 => {
                if let Some(fence) = self.records.get_mut(&decision.demote) {
                    fence.state = InstructionState::Failed(rules::fence_given_up(decision));
                }
                Ok(None)
            }
            1 => {
                self.data_fenced = false;
                Ok(None)
            }
            _ => {
                self.facts.fence = FenceState::default();
                Ok(Some(Outcome::Done))
            }
        }
    }

    pub fn keep(&mut self, decision: &Decision) {
        match self.decisions.iter_mut().find(|known| known.id == decision.id) {
            // A held promotion that is committed comes without its hold.
            Some(known) if known.hold && !decision.hold => *known = decision.clone(),
            Some(_) => {}
            None => self.decisions.push(decision.clone()),
        }
    }

    /// The peer's claim is asked for; it may arrive much later.
    pub fn hear(&mut self, theirs: Claim) {
        self.heard = Some((self.facts.claim, theirs));
    }

    /// It has arrived.
    pub fn learn(&mut self) -> bool {
        let Some((ours, theirs)) = self.heard.take() else { return false };
        match learn(&ours, &theirs) {
            Lesson::Nothing | Lesson::Incredible(_) => {}
            Lesson::Confirms => self.facts = self.facts.confirm_compared(ours),
            Lesson::Conflict(why) => self.facts = self.facts.contend(ours, &why),
            Lesson::GiveWay(claim) if self.facts.claim.identity == Identity::Primary => {
                if let Ok(facts) = self.facts.stand_back(claim, &self.sets()) {
                    self.fencing = Some(facts.claim);
                    self.facts = facts;
                }
            }
            Lesson::GiveWay(claim) => {
                if let Ok(facts) = self.facts.take(Claim { identity: Identity::Secondary, ..claim }) {
                    self.facts = facts;
                }
            }
        }
        true
    }

    /// Whether a claim of the peer is on its way.
    pub fn has_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// The fence that giving way began, or that the watch of the fence finds wanting; or one that a take-back has left.
    pub fn keep_fence(&mut self) -> bool {
        if self.jobs.iter().any(|(_, step)| *step > 0) {
            return false;
        }
        if self.open_left() {
            return true;
        }
        let wanting = self.facts.claim.identity == Identity::Secondary && self.facts.fence.wanted && !self.facts.fence.held;
        let Some(claim) = self.fencing.take().or(wanting.then_some(self.facts.claim)) else { return false };
        if self.facts.stands_back_by(claim) {
            self.facts.fence = FenceState { held: true, ..FenceState::of(&self.sets()) };
            self.data_fenced = true;
        }
        true
    }

    /// `understudy-agent adopt` on its host, and the code used by the controller with this key.
    pub fn adopt(&mut self, key: &str) {
        self.former.extend(std::mem::replace(&mut self.facts.controllers, [key.to_owned()].into()));
        self.former.remove(key);
        self.term = rules::term_of_adoption(&self.facts.pair, self.term).expect("terms are small here");
    }

    /// What it says to applications.
    pub fn says(&self) -> Option<RouteReply> {
        let active = serving::active(&self.facts, self.policy, &self.here);
        self.up.then(|| RouteReply {
            pair: self.facts.pair.clone(),
            service: self.policy.name.clone(),
            says: self.here.clone(),
            claim: self.facts.claim,
            reason: active.as_ref().err().cloned().unwrap_or_default(),
            active: active.ok(),
            components: BTreeMap::new(),
        })
    }

    pub fn sets(&self) -> Vec<DataSetName> {
        self.policy.data_sets.iter().map(|set| set.from.clone()).collect()
    }

    pub fn hash_durable(&self, hasher: &mut impl Hasher) {
        let PairFacts { claim, confirmed, conflict, fence, active, controllers, .. } = &self.facts;
        (claim.identity, claim.epoch.0, claim.decision, confirmed, conflict.is_some(), controllers, &self.former).hash(hasher);
        (fence.wanted, fence.held, fence.proving, active.len(), self.term.0, self.data_fenced, self.written, self.strange_pairs)
            .hash(hasher);
        self.decisions.iter().for_each(|decision| (decision.id, decision.hold).hash(hasher));
        for (id, record) in &self.records {
            let state = match &record.state {
                InstructionState::Running => 0,
                InstructionState::Interrupted => 1,
                InstructionState::Done(_) => 2,
                InstructionState::Failed(trouble) => 3 + trouble.kind as u8,
            };
            (id, state).hash(hasher);
        }
    }
}

impl Hash for Agent {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.hash_durable(hasher);
        self.up.hash(hasher);
        self.fencing.map(|claim| (claim.epoch.0, claim.decision)).hash(hasher);
        self.jobs.iter().for_each(|(instruction, step)| (instruction.id, step).hash(hasher));
        for claim in self.heard.iter().flat_map(|(ours, theirs)| [ours, theirs]) {
            (claim.identity, claim.epoch.0, claim.decision).hash(hasher);
        }
    }
}
