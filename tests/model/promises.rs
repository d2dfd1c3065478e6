//! What no step of the model may do.

use std::hash::{DefaultHasher, Hasher};

use crate::agent::Agent;
use crate::world::{Move, World, cluster};

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
    if let Some(agent) = after.agents.iter().find(|agent| agent.strange_pairs > 0) {
        return Some(format!("{} joined a pair of somebody whose key commands nothing", agent.here));
    }
    for new in &after.agents {
        let by = new.decisions.iter().find(|known| known.id == new.facts.claim.decision);
        if by.is_some_and(|decision| decision.hold) && new.says().is_some_and(|said| said.active.as_ref() == Some(&new.here)) {
            return Some(format!("{} serves before a person has committed its promotion", new.here));
        }
    }
    for (old, new) in before.agents.iter().zip(&after.agents) {
        let by = new.decisions.iter().find(|known| known.id == new.facts.claim.decision);
        let stood_back = old.facts.claim != new.facts.claim && by.is_some_and(|decision| decision.take_back && decision.from == new.here);
        if stood_back && old.written {
            return Some(format!("what was written at {} was taken back", new.here));
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
