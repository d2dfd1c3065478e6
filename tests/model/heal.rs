//! No wedge: from any world, once all are up, everything that was sent has arrived and a person does what they are told to do, one
//! cluster serves, everybody agrees on it, and no identity change is unfinished.

use std::collections::HashSet;

use understudy::controller::exchange;
use understudy::domain::Identity;
use understudy::domain::switchover::machine::{PairPhase, next};
use understudy::route::{Choice, choose};

use crate::world::{Budget, Move, World};

/// Rounds in which somebody does something; far fewer are needed.
const ROUNDS: usize = 12;

/// Whether all is well under this controller.
fn is_well(world: &World, who: usize) -> bool {
    let controller = &world.controllers[who];
    let idle = controller.is_in_command() && controller.state.as_ref().is_some_and(|state| next(state).is_empty());
    let said: Vec<_> = world.agents.iter().filter_map(|agent| agent.says()).collect();
    let Choice::Active { cluster: active, epoch, .. } = choose(&said) else { return false };
    let serving = world.agents.iter().find(|agent| agent.here == active).unwrap();
    let agreed =
        world.agents.iter().all(|agent| agent.facts.claim.epoch == epoch && agent.facts.confirmed && agent.facts.conflict.is_none());
    idle && agreed && !serving.data_fenced && serving.facts.claim.identity == Identity::Primary
}

/// Heals a world; what it did when that does not lead anywhere. Worlds on the way of one that healed need no second look.
pub fn heal(world: &World, healed: &mut HashSet<u64>) -> Result<(), Vec<String>> {
    if lead_out(&mut Way { world: world.clone(), steps: None }, healed) {
        return Ok(());
    }
    // Once more, writing down what happens.
    let mut way = Way { world: world.clone(), steps: Some(Vec::new()) };
    lead_out(&mut way, &mut HashSet::new());
    let mut steps = way.steps.unwrap_or_default();
    for agent in &way.world.agents {
        let said = agent.says().map(|said| said.reason).unwrap_or_default();
        steps.push(format!("… and {} stays {} of epoch {}: {said}", agent.here, agent.facts.claim.identity, agent.facts.claim.epoch));
    }
    Err(steps)
}

/// A world on its way, and what happened when that is wanted.
struct Way {
    world: World,
    steps: Option<Vec<String>>,
}

impl Way {
    fn take(&mut self, step: Move) {
        let Some(new) = self.world.after(step) else { return };
        if let Some(steps) = &mut self.steps
            && new.mark() != self.world.mark()
        {
            steps.push(self.world.says(step));
        }
        self.world = new;
    }

    fn arrive(&mut self, mine: impl Fn(usize) -> bool) {
        for n in (0..self.world.sent.len()).rev() {
            if mine(self.world.sent[n].from) {
                self.take(Move::Arrives(n));
            }
        }
    }

    fn work(&mut self) {
        for i in 0..2 {
            while let Some(job) = self.world.agents[i].ready().first() {
                self.take(Move::Works(i, *job));
            }
        }
    }
}

fn lead_out(way: &mut Way, healed: &mut HashSet<u64>) -> bool {
    let holds = false;
    way.world.budget = Budget { crashes: 0, stops: 9, decisions: 9, give_ups: 0, adoptions: 9, rivals: 0, windows: 9, holds, forgeries: 0 };
    // The thief of the key is gone, with what it sent.
    let honest = way.world.sent.iter().filter(|message| !message.is_forged()).cloned().collect();
    way.world.sent = std::sync::Arc::new(honest);
    // Two controllers that run would oust each other; the person closes one, as that one's message says.
    let who = usize::from(way.world.controllers[1].up);
    (0..2).filter(|i| !way.world.agents[*i].up).collect::<Vec<_>>().into_iter().for_each(|i| way.take(Move::AgentStarts(i)));
    if way.world.controllers[1 - who].up {
        way.take(Move::Stops(1 - who));
    }
    if !way.world.controllers[who].up {
        way.take(Move::Starts(who));
    }
    way.arrive(|_| true);
    way.work();
    let mut passed = Vec::new();
    for _ in 0..ROUNDS {
        let begun = way.world.mark();
        passed.push(begun);
        if !healed.contains(&begun) {
            settle(way, who);
            if !is_well(&way.world, who) {
                person(way, who);
                continue;
            }
        }
        healed.extend(passed);
        return true;
    }
    false
}

/// Programs do what they do by themselves, until nothing changes any more.
fn settle(way: &mut Way, who: usize) {
    for _ in 0..ROUNDS {
        let before = way.world.mark();
        for i in 0..2 {
            [Move::Asks(i), Move::Learns(i), Move::Fences(i), Move::Looks(who, i)].into_iter().for_each(|step| way.take(step));
            way.take(Move::Confirms(who, i));
        }
        way.take(Move::Sends(who));
        way.arrive(|from| from == who);
        way.work();
        way.take(Move::Reads(who));
        if way.world.mark() == before {
            return;
        }
    }
}

/// What the console's words tell a person to do.
fn person(way: &mut Way, who: usize) {
    let controller = &way.world.controllers[who];
    let commands = way.world.agents.iter().all(|agent| agent.facts.controllers.contains(controller.key));
    let contended = exchange::contended(&controller.claims()).is_some();
    let primary = (0..2).find(|i| way.world.agents[*i].facts.claim.identity == Identity::Primary);
    let stuck = controller.state.as_ref().is_none_or(|state| !next(state).is_empty());
    let held = controller.state.as_ref().is_some_and(|state| matches!(state.phase, PairPhase::ActiveAlone { held: true, .. }));
    let replicating = controller.state.as_ref().is_some_and(|state| matches!(state.phase, PairPhase::Replicating));
    // A controller that never heard of a planned switchover cannot lift its fence; another switchover does.
    let had_rival = way.world.controllers[1].state.is_some();
    if controller.ousted {
        way.take(Move::Stops(who));
        way.take(Move::Starts(who));
        (0..2).for_each(|i| way.take(Move::Looks(who, i)));
    } else if commands && held && !contended {
        way.take(Move::Commits(who));
    } else if commands && contended {
        way.take(Move::EndsConflict { who, to: primary.unwrap_or_default() });
    } else if commands && !stuck && replicating && had_rival {
        way.take(Move::Decides { who, planned: true });
    } else {
        way.take(Move::Adopts { who, agents: [true, true] });
    }
}
