//! The whole model: two agents, a controller, its rival, what was sent, and what is left of the budget of faults.
//!
//! What was sent once may arrive at any later time, any number of times, in any order, or never: that is loss, repetition, delay and
//! reordering in one. Steps of the person are moves like any other.

mod acts;
mod words;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use understudy::agent::guard::body_digest;
use understudy::controller::exchange::{self, WayBack};
use understudy::domain::switchover::machine::{self, Decision, Effect, Event, PairState};
use understudy::domain::*;
use understudy::protocol::{DemoteOrder, Instruction, JoinOrder, Order, PairRecord, PeerSpec, PromoteOrder, StorePoliciesOrder};
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

/// The upper half of the ids of forged instructions.
const FORGED: u64 = 77;

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

    pub fn is_forged(&self) -> bool {
        self.instruction.id.0.as_u64_pair().0 == FORGED
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
    /// Commits and take-backs of promotions.
    pub windows: u8,
    /// Decisions hold their services for a look.
    pub holds: bool,
    /// What a controller that was cut off sends all the same.
    pub forgeries: u8,
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
    /// An application writes at a cluster that serves it.
    Writes(usize),
    Commits(usize),
    TakesBack(usize),
    /// The first controller, cut off at an agent, or whoever stole its key, sends it what it likes.
    Forges {
        to: usize,
        what: Forgery,
    },
}

/// What may be forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    JoinsAPairOfItsOwn,
    Promotes,
    Fences,
    Leaves,
}

impl World {
    /// Paired: east is primary of epoch 1, everything is confirmed; the rival is not there yet.
    pub fn paired(budget: Budget) -> World {
        let paired = Event::Paired { primary: cluster(0).clone(), secondary: cluster(1).clone(), epoch: Epoch(1) };
        let state = machine::apply(None, &paired).unwrap();
        let mut first = Controller::new("controller", Some(state), Term(0));
        first.start();
        let founding = DecisionId::founding(pair(), Epoch(1), cluster(0));
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
        // Each keeps the decision that it follows.
        let decision = Decision { id: one, ..world.decision(Epoch(2), cluster(1).clone(), true) };
        west.keep(&decision);
        east.keep(&Decision { id: other, ..decision.clone() });
        world.agents = [Arc::new(east), Arc::new(west)];
        // The first controller knows of the one; it has started again and remembers nothing that it was told.
        let decision = Box::new(decision);
        let happened = [Event::Decided { decision }, Event::Fenced { at: at(), final_runs: [].into() }];
        for event in happened.into_iter().chain([Event::Promoted { at: at(), failed: [].into(), instead: [].into() }]) {
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
            moves.extend((self.budget.windows > 0).then_some(Move::Writes(i)));
        }
        moves.extend((0..self.sent.len()).map(Move::Arrives));
        for to in (0..2).filter(|to| self.budget.forgeries > 0 && !self.agents[*to].facts.controllers.contains(self.controllers[0].key)) {
            let all = [Forgery::JoinsAPairOfItsOwn, Forgery::Promotes, Forgery::Fences, Forgery::Leaves];
            moves.extend(all.map(|what| Move::Forges { to, what }));
        }
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
            if self.budget.windows > 0 {
                moves.extend([Move::Commits(who), Move::TakesBack(who)]);
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
            Move::Writes(i) => new.agent(i).write(),
            Move::Commits(who) => new.commits(who),
            Move::TakesBack(who) => new.takes_back(who),
            Move::Forges { to, what } => new.forges(to, what),
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
        let Err(trouble) = self.agent(message.to).take(&message.instruction, message.digest, message.key) else { return true };
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
    Agent::new(facts, cluster(i).clone(), policy())
}
