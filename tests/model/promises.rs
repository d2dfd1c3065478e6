//! What must hold in every world, and of every step.

use std::hash::{DefaultHasher, Hasher};

use understudy::domain::Identity;
use understudy::protocol::route::RouteReply;
use understudy::route::{Choice, choose};

use crate::agent::Agent;
use crate::world::{Move, World, cluster};

/// What is broken in a world, if anything.
pub fn broken(world: &World) -> Option<String> {
    let [east, west] = &world.agents;
    let one_epoch = east.facts.claim.epoch == west.facts.claim.epoch;
    let serves = |agent: &Agent| agent.says().is_some_and(|said| said.active.as_ref() == Some(&said.says));
    if one_epoch && serves(east) && serves(west) {
        return Some(format!("both clusters serve as primary of epoch {}", east.facts.claim.epoch));
    }
    if one_epoch && [east, west].iter().all(|agent| agent.facts.claim.identity == Identity::Primary) {
        return Some(format!("both clusters are primary of epoch {}", east.facts.claim.epoch));
    }
    for agent in [east, west] {
        if agent.facts.conflict.is_some() && agent.says().is_some_and(|said| said.active.is_some()) {
            return Some(format!("{} names an active cluster though two decisions contend", agent.here));
        }
    }
    route(&[east.says(), west.says()].into_iter().flatten().collect::<Vec<_>>())
}

/// The route over whichever agents an application reached.
fn route(said: &[RouteReply]) -> Option<String> {
    let newest = said.iter().map(|reply| reply.claim.epoch).max()?;
    let decisions = said.iter().filter(|reply| reply.claim.epoch == newest).map(|reply| reply.claim.decision);
    let contended = decisions.collect::<std::collections::BTreeSet<_>>().len() > 1;
    let mut chosen = Vec::new();
    for reached in [said, &said[..1], &said[said.len() - 1..]] {
        let known = reached.iter().map(|reply| reply.claim.epoch).max()?;
        if let Choice::Active { cluster, epoch, .. } = choose(reached) {
            if epoch < known {
                return Some(format!("the route says {cluster} of epoch {epoch} though it knows of epoch {known}"));
            }
            let own_word = reached.iter().find(|reply| reply.says == cluster);
            if own_word.is_some_and(|reply| reply.active.as_ref() != Some(&cluster)) {
                return Some(format!("the route leads to {cluster}, which says that it may not be used"));
            }
            chosen.push((epoch, cluster));
        }
    }
    if contended && matches!(choose(said), Choice::Active { .. }) {
        return Some(format!("the route leads somewhere though two decisions made epoch {newest}"));
    }
    chosen.sort();
    chosen.dedup();
    chosen.windows(2).find(|two| two[0].0 == two[1].0).map(|two| format!("routes lead to both clusters at epoch {}", two[0].0))
}

/// What a step did that no step may.
pub fn wrong(before: &World, step: Move, after: &World) -> Option<String> {
    for (i, (old, new)) in before.agents.iter().zip(&after.agents).enumerate() {
        if new.facts.claim.epoch < old.facts.claim.epoch || new.term < old.term {
            return Some(format!("{} went back from epoch {}, term {}", cluster(i), old.facts.claim.epoch, old.term));
        }
        let one_decision = new.facts.claim.epoch > old.facts.claim.epoch || new.facts.claim == old.facts.claim;
        if !one_decision {
            return Some(format!("{} changed its claim within epoch {}", cluster(i), old.facts.claim.epoch));
        }
    }
    for (old, new) in before.controllers.iter().zip(&after.controllers) {
        if old.key == new.key && new.term < old.term && old.up {
            return Some(format!("the {} went back from term {}", old.key, old.term));
        }
    }
    let (message, decision) = before.delivery(step)?;
    let (old, new) = (&before.agents[message.to], &after.agents[message.to]);
    let unchanged = durable(old) == durable(new) && old.ready().len() == new.ready().len();
    let stranger = !old.facts.controllers.contains(message.key);
    if (message.instruction.term < old.term || stranger) && !unchanged {
        return Some("a controller that was ousted changed something".into());
    }
    let claim = old.facts.claim;
    let resolves = decision.is_some_and(|d| d.epoch > claim.epoch || d.id == claim.decision);
    let term_only = old.facts == new.facts && old.ready().len() == new.ready().len();
    if old.facts.conflict.is_some() && !resolves && !term_only {
        return Some("an instruction changed something while two decisions contend".into());
    }
    (decision.is_some_and(|d| d.epoch < claim.epoch) && !term_only && !unchanged)
        .then(|| "a decision of an older epoch was followed".into())
}

fn durable(agent: &Agent) -> u64 {
    let mut hasher = DefaultHasher::new();
    agent.hash_durable(&mut hasher);
    hasher.finish()
}
