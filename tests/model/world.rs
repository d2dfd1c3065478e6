//! The whole model: two agents, a controller, its rival, what was sent, and what is left of the budget of faults.
//!
//! What was sent once may arrive at any later time, any number of times, in any order, or never: that is loss, repetition, delay and
//! reordering in one. Steps of the person are moves like any other.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use understudy::agent::guard::{body_digest, founding_decision};
use understudy::controller::exchange::{self, WayBack};
use understudy::domain::switchover::machine::{self, Decision, Effect, Event, PairState};
use understudy::domain::*;
use understudy::protocol::{Instruction, Order, PairRecord, PeerSpec, StorePoliciesOrder};
use understudy::store::agent::{FenceState, InstructionState, PairFacts};

use crate::agent::Agent;
use crate::controller::Controller;

pub fn at() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

/// East, west.
pub fn cluster(index: usize) -> &'static ClusterName {
    static NAMES: OnceLock<[ClusterName; 2]> = OnceLock::new();
    &NAMES.get_or_init(|| ["east", "west"].map(|name| name.parse().unwrap()))[index]
}

pub fn policy() -> &'static Service {
    static POLICY: OnceLock<Service> = OnceLock::new();
    POLICY.get_or_init(|| toml::from_str("name = 'orders'\npair = 'p'\ndata_sets = ['files:orders']").unwrap())
}

fn pair() -> &'static PairName {
    &policy().pair
}

fn index(name: &ClusterName) -> usize {
    usize::from(name == cluster(1))
}

/// An instruction on its way.
#[derive(Debug)]
pub struct Message {
    pub instruction: Arc<Instruction>,
    pub digest: Digest,
    pub key: &'static str,
    pub from: usize,
    pub to: usize,
}

impl Message {
    /// The controller's word that an identity still holds: drawn afresh each time, it arrives once or never.
    pub fn is_word(&self) -> bool {
        matches!(self.instruction.order, Order::StorePolicies(_))
    }

    fn decision(&self) -> Option<&Decision> {
        match &self.instruction.order {
            Order::Promote(promote) => Some(&promote.decision),
            Order::Demote(demote) | Order::Unfence(demote) => Some(&demote.decision),
            _ => None,
        }
    }

    fn mark(&self) -> (InstructionId, u64, usize, Digest) {
        (self.instruction.id, self.instruction.term.0, self.from, self.digest)
    }
}

/// What may still go wrong, or be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    pub crashes: u8,
    pub stops: u8,
    pub decisions: u8,
    pub give_ups: u8,
    pub adoptions: u8,
    pub rivals: u8,
}

#[derive(Clone)]
pub struct World {
    pub agents: [Arc<Agent>; 2],
    pub controllers: [Arc<Controller>; 2],
    pub sent: Arc<Vec<Arc<Message>>>,
    pub budget: Budget,
    /// Decisions drawn so far.
    drawn: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    AgentDies(usize),
    AgentStarts(usize),
    Arrives(usize),
    Works(usize, usize),
    Asks(usize),
    Learns(usize),
    Fences(usize),
    Stops(usize),
    Starts(usize),
    /// A controller on a copy of the first one's state: as it was at first, or as it is now.
    StartsOnCopy {
        old: bool,
    },
    Looks(usize, usize),
    Sends(usize),
    Reads(usize),
    GivesUp(usize),
    Confirms(usize, usize),
    Decides {
        who: usize,
        planned: bool,
    },
    EndsConflict {
        who: usize,
        to: usize,
    },
    Adopts {
        who: usize,
        agents: [bool; 2],
    },
}

impl World {
    /// Paired: east is primary of epoch 1, everything is confirmed; the rival is not there yet.
    pub fn paired(budget: Budget) -> World {
        let paired = Event::Paired { primary: cluster(0).clone(), secondary: cluster(1).clone(), epoch: Epoch(1) };
        let state = machine::apply(None, &paired).unwrap();
        let mut first = Controller::new("controller", Some(state), Term(0));
        first.start();
        let founding = founding_decision(pair(), Epoch(1), cluster(0));
        let claim = |identity| Claim { identity, epoch: Epoch(1), decision: founding };
        let agents = [Identity::Primary, Identity::Secondary].into_iter().enumerate().map(|(i, identity)| member(i, claim(identity)));
        let agents: Vec<_> = agents.map(Arc::new).collect();
        let mut world = World {
            agents: [agents[0].clone(), agents[1].clone()],
            controllers: [Arc::new(first), Arc::new(Controller::new("rival", None, Term(0)))],
            sent: Arc::default(),
            budget,
            drawn: 0,
        };
        (0..2).for_each(|i| world.look(0, i));
        world
    }

    /// West came back from an image of its disk: primary of epoch 2 by one decision, while east stands back for another of epoch 2.
    pub fn contended(budget: Budget) -> World {
        let mut world = World::paired(budget);
        let [one, other] = [1, 2].map(|n| DecisionId(Uuid::from_u64_pair(9, n)));
        let mut east = member(0, Claim { identity: Identity::Secondary, epoch: Epoch(2), decision: other });
        east.data_fenced = true;
        let mut west = member(1, Claim { identity: Identity::Primary, epoch: Epoch(2), decision: one });
        west.data_fenced = false;
        west.facts.active.insert(policy().name.clone(), None);
        world.agents = [Arc::new(east), Arc::new(west)];
        // The first controller knows of the one; it has started again and remembers nothing that it was told.
        let decision = Box::new(Decision { id: one, ..world.decision(Epoch(2), cluster(1).clone(), true) });
        let happened = [Event::Decided { decision }, Event::Fenced { at: at(), final_runs: [].into() }];
        for event in happened.into_iter().chain([Event::Promoted { at: at(), failed: [].into() }]) {
            assert!(world.controller(0).append(&event));
        }
        world.budget = budget;
        world.controller(0).stop();
        world.controller(0).start();
        (1..2).for_each(|i| world.look(0, i));
        world
    }

    pub fn agent(&mut self, index: usize) -> &mut Agent {
        Arc::make_mut(&mut self.agents[index])
    }

    pub fn controller(&mut self, index: usize) -> &mut Controller {
        Arc::make_mut(&mut self.controllers[index])
    }

    /// Everything that may happen next.
    pub fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (i, agent) in self.agents.iter().enumerate() {
            if !agent.up {
                moves.push(Move::AgentStarts(i));
                continue;
            }
            moves.extend((self.budget.crashes > 0).then_some(Move::AgentDies(i)));
            moves.extend(agent.ready().into_iter().map(|job| Move::Works(i, job)));
            moves.extend(self.agents[1 - i].up.then_some(Move::Asks(i)));
            moves.extend(agent.has_heard().then_some(Move::Learns(i)));
            moves.push(Move::Fences(i));
        }
        moves.extend((0..self.sent.len()).map(Move::Arrives));
        for (who, controller) in self.controllers.iter().enumerate() {
            if !controller.up {
                let may = controller.state.is_some() || (who == 1 && self.budget.rivals > 0);
                moves.extend(may.then_some(Move::Starts(who)));
                if who == 1 && self.budget.rivals > 0 {
                    moves.extend([true, false].map(|old| Move::StartsOnCopy { old }));
                }
                continue;
            }
            moves.extend((self.budget.stops > 0).then_some(Move::Stops(who)));
            let waits = controller.errand.is_some();
            moves.push(if waits { Move::Reads(who) } else { Move::Sends(who) });
            moves.extend((waits && self.budget.give_ups > 0).then_some(Move::GivesUp(who)));
            for i in 0..2 {
                moves.extend(self.agents[i].up.then_some(Move::Looks(who, i)));
                moves.extend(controller.told[i].is_some_and(|(_, confirmed)| !confirmed).then_some(Move::Confirms(who, i)));
                moves.extend((self.budget.decisions > 0).then_some(Move::EndsConflict { who, to: i }));
            }
            if self.budget.decisions > 0 {
                moves.extend([true, false].map(|planned| Move::Decides { who, planned }));
            }
            if self.budget.adoptions > 0 {
                moves.extend([[true, true], [true, false], [false, true]].map(|agents| Move::Adopts { who, agents }));
            }
        }
        moves
    }

    /// The world after a move; `None` when nothing comes of it.
    pub fn after(&self, step: Move) -> Option<World> {
        let mut new = self.clone();
        let happened = match step {
            Move::AgentDies(i) => {
                new.budget.crashes -= 1;
                new.agent(i).crash();
                true
            }
            Move::AgentStarts(i) => {
                new.agent(i).up = true;
                true
            }
            Move::Arrives(n) => new.arrives(n),
            Move::Works(i, job) => {
                new.agent(i).work(job);
                true
            }
            Move::Asks(i) => {
                let theirs = self.agents[1 - i].facts.claim;
                new.agent(i).hear(theirs);
                self.agents[1 - i].up
            }
            Move::Learns(i) => new.agent(i).learn(),
            Move::Fences(i) => new.agent(i).keep_fence(),
            Move::Stops(who) => {
                new.budget.stops -= 1;
                new.controller(who).stop();
                true
            }
            Move::Starts(who) => {
                new.budget.rivals = self.budget.rivals.saturating_sub(u8::from(self.controllers[who].state.is_none()));
                new.controller(who).start();
                true
            }
            Move::StartsOnCopy { old } => {
                new.budget.rivals -= 1;
                let origin = if old { World::paired(self.budget).controllers[0].clone() } else { self.controllers[0].clone() };
                let mut copy = Controller::new(origin.key, origin.state.clone(), origin.term);
                copy.start();
                *new.controller(1) = copy;
                true
            }
            Move::Looks(who, i) => {
                new.look(who, i);
                self.agents[i].up
            }
            Move::Sends(who) => new.sends(who),
            Move::Reads(who) => new.reads(who),
            Move::GivesUp(who) => new.gives_up(who),
            Move::Confirms(who, i) => new.confirms(who, i),
            Move::Decides { who, planned } => new.decides(who, planned),
            Move::EndsConflict { who, to } => new.ends_conflict(who, to),
            Move::Adopts { who, agents } => new.adopts(who, agents),
        };
        happened.then_some(new)
    }

    pub fn look(&mut self, who: usize, i: usize) {
        let agent = self.agents[i].clone();
        if agent.up {
            self.controller(who).look(i, &agent);
        }
    }

    fn arrives(&mut self, n: usize) -> bool {
        let message = self.sent[n].clone();
        if !self.agents[message.to].up {
            return false;
        }
        if message.is_word() {
            Arc::make_mut(&mut self.sent).remove(n);
        }
        let Err(trouble) = self.agent(message.to).take(&message) else { return true };
        let sender = &self.controllers[message.from];
        let awaited = sender.errand.as_ref().is_some_and(|(_, letter)| letter.id == message.instruction.id);
        if sender.up && sender.term == message.instruction.term && awaited {
            self.controller(message.from).refused = Some(trouble);
        }
        true
    }

    fn send(&mut self, from: usize, to: usize, id: InstructionId, epoch: Epoch, order: Order) -> bool {
        let (term, key) = (self.controllers[from].term, self.controllers[from].key);
        let instruction = Instruction { id, pair: pair().clone(), term, epoch, order };
        let digest = body_digest(&instruction).unwrap();
        let message = Message { instruction: Arc::new(instruction), digest, key, from, to };
        match self.sent.binary_search_by_key(&message.mark(), |known| known.mark()) {
            Ok(_) => false,
            Err(place) => {
                Arc::make_mut(&mut self.sent).insert(place, Arc::new(message));
                true
            }
        }
    }

    fn sends(&mut self, who: usize) -> bool {
        let controller = &self.controllers[who];
        if !controller.is_in_command() || controller.errand.is_some() {
            return false;
        }
        let Some((effect, letter)) = controller.wants() else { return false };
        let to = index(&letter.to);
        if !controller.met[to] {
            return false;
        }
        self.controller(who).errand = Some((effect, Arc::new(letter.clone())));
        self.send(who, to, letter.id, letter.epoch, letter.order);
        true
    }

    /// The answer to the errand under way.
    fn reads(&mut self, who: usize) -> bool {
        let Some((effect, letter)) = self.controllers[who].errand.clone() else { return false };
        if let Some(trouble) = self.controller(who).refused.take() {
            return self.fails(who, &effect, &letter.to, &trouble);
        }
        let agent = self.agents[index(&letter.to)].clone();
        let record = agent.records.get(&letter.id).filter(|_| agent.up && self.controllers[who].up);
        match record.map(|record| &record.state) {
            Some(InstructionState::Done(_)) => self.controller(who).done(&effect),
            Some(InstructionState::Failed(trouble)) => self.fails(who, &effect, &letter.to, trouble),
            _ => false,
        }
    }

    fn fails(&mut self, who: usize, effect: &Effect, to: &ClusterName, trouble: &Trouble) -> bool {
        if trouble.kind == TroubleKind::Outdated {
            self.look(who, index(to));
        }
        self.controller(who).errand = None;
        self.controller(who).held = Some(trouble.clone());
        let Some(state) = self.controllers[who].state.clone().filter(|_| self.controllers[who].is_in_command()) else { return true };
        let undone = match (exchange::way_back(&state, effect, trouble), effect) {
            (WayBack::Now, _) => true,
            (WayBack::IfNotTaken, Effect::Promote(decision)) => {
                self.look(who, index(to));
                let agent = &self.agents[index(to)];
                agent.up && exchange::has_not_taken(decision, [agent.facts.claim].into_iter())
            }
            _ => false,
        };
        if undone {
            self.controller(who).append(&Event::PlannedFailed { trouble: trouble.clone() });
        }
        true
    }

    /// Nobody answered within the errand's patience.
    fn gives_up(&mut self, who: usize) -> bool {
        let Some((effect, letter)) = self.controllers[who].errand.clone() else { return false };
        self.budget.give_ups -= 1;
        self.fails(who, &effect, &letter.to, &Trouble::new(TroubleKind::Unreachable, &letter.to, "silence"))
    }

    fn confirms(&mut self, who: usize, i: usize) -> bool {
        let controller = &self.controllers[who];
        let (Some(state), Some((told, false)), true) = (&controller.state, controller.told[i], controller.is_in_command()) else {
            return false;
        };
        if !exchange::may_confirm(state, &controller.claims(), cluster(i), told) {
            return false;
        }
        let epoch = exchange::highest(state, &controller.claims());
        let id = InstructionId(Uuid::from_u64_pair(5, 2 * epoch.0 + i as u64));
        self.send(who, i, id, epoch, Order::StorePolicies(StorePoliciesOrder { services: vec![policy().clone()] }))
    }

    /// What a person's command needs first: a fresh look at both.
    fn looks_round(&mut self, who: usize, to: &ClusterName) -> Option<PairState> {
        (0..2).for_each(|i| self.look(who, i));
        let controller = &self.controllers[who];
        controller.state.clone().filter(|_| controller.is_in_command() && self.agents[index(to)].up)
    }

    fn decides(&mut self, who: usize, planned: bool) -> bool {
        let Some(to) = self.controllers[who].state.as_ref().map(|state| state.secondary.clone()) else { return false };
        let Some(state) = self.looks_round(who, &to) else { return false };
        let claims = self.controllers[who].claims();
        if exchange::contended(&claims).is_some() || (planned && !self.agents[1 - index(&to)].up) {
            return false;
        }
        if !planned && machine::apply(Some(&state), &Event::FaultDeclared { at: at() }).is_ok() {
            self.controller(who).append(&Event::FaultDeclared { at: at() });
        }
        let decision = self.decision(exchange::highest(&state, &claims).next(), to, planned);
        self.controller(who).append(&Event::Decided { decision: Box::new(decision) })
    }

    fn ends_conflict(&mut self, who: usize, to: usize) -> bool {
        let Some(state) = self.looks_round(who, cluster(to)) else { return false };
        let claims = self.controllers[who].claims();
        if exchange::contended(&claims).is_none() {
            return false;
        }
        let decision = self.decision(exchange::highest(&state, &claims).next(), cluster(to).clone(), false);
        self.controller(who).append(&Event::ConflictEnded { decision: Box::new(decision) })
    }

    fn decision(&mut self, epoch: Epoch, to: ClusterName, planned: bool) -> Decision {
        self.budget.decisions = self.budget.decisions.saturating_sub(1);
        self.drawn += 1;
        // The low bit is the exchange's, for the second of two ids.
        let id = |kind| InstructionId(Uuid::from_u64_pair(kind, self.drawn << 1));
        let from = cluster(1 - index(&to)).clone();
        Decision {
            id: DecisionId(Uuid::from_u64_pair(1, self.drawn)),
            epoch,
            by: "ana".into(),
            at: at(),
            to,
            from,
            planned,
            points: [].into(),
            shown: Vec::new(),
            promote: id(2),
            demote: id(3),
            unfence: id(4),
        }
    }

    /// `understudy-agent adopt` on the hosts of some agents, and `understudy adopt` here.
    fn adopts(&mut self, who: usize, agents: [bool; 2]) -> bool {
        let asked: Vec<usize> = (0..2).filter(|i| agents[*i]).collect();
        if !self.controllers[who].is_in_command() || asked.iter().any(|i| !self.agents[*i].up) {
            return false;
        }
        let own = &self.controllers[who];
        if own.state.as_ref().is_some_and(|state| !exchange::may_rebuild(state, own.held.as_ref())) {
            return false;
        }
        self.budget.adoptions = self.budget.adoptions.saturating_sub(1);
        let key = self.controllers[who].key;
        for i in &asked {
            self.agent(*i).adopt(key);
            self.controller(who).met[*i] = false;
            self.look(who, *i);
        }
        let (agents, told): (_, Vec<_>) = (&self.agents, (0..2).filter(|i| self.agents[*i].up).collect());
        let told: Vec<&Agent> = told.into_iter().map(|i| &*agents[i]).filter(|a| a.facts.controllers.contains(key)).collect();
        let Some(newest) = told.iter().max_by_key(|agent| agent.facts.claim.epoch) else { return false };
        let record = PairRecord {
            pair: pair().clone(),
            claim: newest.facts.claim,
            peer: newest.facts.peer.clone(),
            services: Vec::new(),
            points: Vec::new(),
            user_data: None,
            decisions: Vec::new(),
        };
        let events = exchange::history(&newest.here, &record, told.iter().flat_map(|agent| &agent.decisions));
        self.controller(who).state = None;
        events.iter().all(|event| self.controller(who).append(event))
    }

    /// A mark of everything that tells two worlds apart.
    pub fn mark(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.agents, &self.controllers, self.budget).hash(&mut hasher);
        self.sent.iter().for_each(|message| message.mark().hash(&mut hasher));
        hasher.finish()
    }

    pub fn says(&self, step: Move) -> String {
        match step {
            Move::Arrives(n) => self.sent[n].to_string(),
            other => other.to_string(),
        }
    }

    /// The decision of the message that a move delivers, if it delivers one, and who gets it.
    pub fn delivery(&self, step: Move) -> Option<(&Message, Option<&Decision>)> {
        let Move::Arrives(n) = step else { return None };
        Some((&self.sent[n], self.sent[n].decision()))
    }
}

fn member(i: usize, claim: Claim) -> Agent {
    let name = cluster(1 - i).clone();
    let peer = PeerSpec { cluster: name, address: String::new(), key: String::new(), route: String::new(), components: vec![] };
    let mut facts = PairFacts {
        pair: pair().clone(),
        claim,
        confirmed: true,
        conflict: None,
        fence: FenceState::default(),
        peer,
        active: [].into(),
        controllers: ["controller".to_owned()].into(),
    };
    if claim.identity == Identity::Primary {
        facts.active.insert(policy().name.clone(), None);
    }
    Agent::new(facts, cluster(i).clone())
}

fn controller_name(who: usize) -> &'static str {
    ["the controller", "the rival"][who]
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (order, from, to) = (self.instruction.order.name(), controller_name(self.from), cluster(self.to));
        write!(f, "{order} of {from} (term {}, epoch {}) arrives at {to}", self.instruction.term, self.instruction.epoch)?;
        self.decision().map_or(Ok(()), |d| write!(f, ", by decision {} for epoch {}", d.id.0.as_u64_pair().1, d.epoch))
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = |who: &usize| controller_name(*who);
        match self {
            Move::AgentDies(i) => write!(f, "the agent of {} dies", cluster(*i)),
            Move::AgentStarts(i) => write!(f, "the agent of {} starts", cluster(*i)),
            Move::Arrives(n) => write!(f, "message {n} arrives"),
            Move::Works(i, job) => write!(f, "{} takes a step of its job {job}", cluster(*i)),
            Move::Asks(i) => write!(f, "{} asks its peer", cluster(*i)),
            Move::Learns(i) => write!(f, "{} learns what its peer told", cluster(*i)),
            Move::Fences(i) => write!(f, "{} puts its fence on", cluster(*i)),
            Move::Stops(c) => write!(f, "{} stops", who(c)),
            Move::Starts(c) => write!(f, "{} starts", who(c)),
            Move::StartsOnCopy { old } => write!(f, "a rival starts on {} copy of the state", if *old { "the first" } else { "a" }),
            Move::Looks(c, i) => write!(f, "{} looks at {}", who(c), cluster(*i)),
            Move::Sends(c) => write!(f, "{} sends what is due", who(c)),
            Move::Reads(c) => write!(f, "{} reads the answer", who(c)),
            Move::GivesUp(c) => write!(f, "{} gives up waiting", who(c)),
            Move::Confirms(c, i) => write!(f, "{} sends {} its word", who(c), cluster(*i)),
            Move::Decides { who: c, planned } => write!(f, "a person decides at {}{}", who(c), if *planned { ", planned" } else { "" }),
            Move::EndsConflict { who: c, to } => write!(f, "a person at {} says that {} is right", who(c), cluster(*to)),
            Move::Adopts { who: c, agents } => {
                let named: Vec<_> = (0..2).filter(|i| agents[*i]).map(|i| cluster(i).as_str()).collect();
                write!(f, "{} adopts {}", who(c), named.join(" and "))
            }
        }
    }
}
