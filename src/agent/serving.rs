//! What this agent may say to applications: whether a service may be used here, and which cluster is active. Pure.

use crate::domain::{ClusterName, DataSet, Identity, Service};
use crate::store::agent::PairFacts;

/// Whether applications may use the service here; the reason when not.
pub fn may_serve(pair: &PairFacts, policy: &Service) -> Result<(), String> {
    may_say(pair)?;
    if pair.claim.identity != Identity::Primary {
        return Err(format!("this cluster is {}", pair.claim.identity));
    }
    if !pair.active.contains_key(&policy.name) {
        return Err("its promotion here is not complete".into());
    }
    let fenced = |set: &DataSet| pair.fence.sets.contains(&set.from) || pair.fence.sets.contains(&set.to);
    if pair.fence.wanted && policy.data_sets.iter().any(fenced) {
        return Err(match pair.fence.proving {
            true => "it is fenced while it is proven that nothing was written here".into(),
            false => "it is fenced for a planned switchover".into(),
        });
    }
    Ok(())
}

/// The active cluster as this agent, of cluster `here`, may tell it; the reason when it may not.
pub fn active(pair: &PairFacts, policy: &Service, here: &ClusterName) -> Result<ClusterName, String> {
    match pair.claim.identity {
        Identity::Primary => may_serve(pair, policy).map(|()| here.clone()),
        // The other one, as far as this side knows; whether its promotion is complete only it can say.
        Identity::Secondary => may_say(pair).map(|()| pair.peer.cluster.clone()),
        Identity::Unknown => Err("this cluster's identity is not known".into()),
    }
}

/// Whether this agent may say anything at all about who is active.
fn may_say(pair: &PairFacts) -> Result<(), String> {
    if let Some(conflict) = &pair.conflict {
        return Err(conflict.clone());
    }
    if !pair.confirmed {
        return Err("this agent has started and nobody has confirmed its identity yet".into());
    }
    Ok(())
}
