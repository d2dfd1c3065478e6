//! What must hold between two agents at every instant, for the model and the simulation alike.

use understudy::domain::Identity;
use understudy::protocol::route::RouteReply;
use understudy::route::{Choice, choose};

use crate::agent::Agent;

/// What is broken between two agents, if anything.
pub fn broken(east: &Agent, west: &Agent) -> Option<String> {
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
