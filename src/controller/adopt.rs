//! A new console with an empty state directory: everything is rebuilt from what agents hold. The secondary's agent alone is enough.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Identity, PairName, PointId, Service, ServiceName, Trouble, TroubleKind};
use crate::protocol::PairRecord;
use crate::store::controller::{Enrolled, KeptPair, PairedAgent, PairedClusters};

use super::command::AgentRequest;
use super::engine::Engine;
use super::instruct::within;
use super::model::PairModel;
use super::snapshot::Level;
use super::{Reply, exchange, pairing, watch};

/// One agent's record of a pair, and who told it.
struct Told {
    agent: Enrolled,
    record: PairRecord,
}

/// Takes over what one agent knows, by the code that `understudy-agent adopt` printed on its host.
pub(super) async fn adopt(engine: &Arc<Engine>, request: &AgentRequest) -> Result<Reply, Trouble> {
    // A console whose key was cut off comes back in this way, and in no other.
    if request.code.is_none() || engine.read(|m| m.cut_off.is_empty()) {
        engine.check_in_command()?;
    }
    let _one_at_a_time = engine.configuring.lock().await;
    let has = |pair: &PairModel| pair.paired.agents.iter().any(|agent| agent.enrolled.address == request.address.trim());
    // Asked before the code is used up.
    for pair in engine.read(|m| m.pairs.iter().filter(|(_, pair)| has(pair)).map(|(name, _)| name.clone()).collect::<Vec<_>>()) {
        refuse_while_at_work(engine, &pair)?;
    }
    let found = pairing::find_by_code(engine, request).await?;
    let mut agents = vec![found.enrolled.clone()];
    // The other agent, if it was adopted already, knows as much or more.
    let known = engine.read(|m| m.pairs.values().flat_map(|p| p.paired.agents.clone()).map(|a| a.enrolled).collect::<Vec<_>>());
    agents.extend(known.into_iter().filter(|a| a.key != found.enrolled.key));
    take_over(engine, &agents).await.map(Reply::Changes)
}

/// Rebuilds every pair that these agents tell of. Agents that do not answer are left out; the highest epoch told wins.
pub(super) async fn take_over(engine: &Arc<Engine>, agents: &[Enrolled]) -> Result<Vec<String>, Trouble> {
    let mut told: BTreeMap<PairName, Vec<Told>> = BTreeMap::new();
    let mut trouble = None;
    for agent in agents {
        match within(engine.limits.call, agent, engine.link(agent)?.records()).await {
            Ok(records) => {
                for record in records.pairs {
                    told.entry(record.pair.clone()).or_default().push(Told { agent: agent.clone(), record });
                }
            }
            Err(failed) => trouble = Some(failed),
        }
    }
    if told.is_empty() {
        return Err(match trouble {
            Some(trouble) => trouble,
            None => nothing_to_adopt(engine, agents).await,
        });
    }
    for name in told.keys() {
        refuse_while_at_work(engine, name)?;
    }
    let mut lines = Vec::new();
    for (name, told) in told {
        lines.extend(rebuild(engine, &name, &told).await?);
    }
    Ok(lines)
}

/// No agent tells us of a pair: it is in none, or another controller commands those that it is in.
async fn nothing_to_adopt(engine: &Engine, agents: &[Enrolled]) -> Trouble {
    for agent in agents {
        let pairs = engine.look(agent).await.map(|status| status.pairs).unwrap_or_default();
        if let Some(pair) = pairs.first() {
            return Trouble::new(
                TroubleKind::Refused,
                format!("pair {}", pair.pair),
                format!("another controller commands it at {}", agent.cluster),
            )
            .next("to take it over, run `understudy-agent adopt` on that agent's host and `understudy adopt` with its code");
        }
    }
    Trouble::new(TroubleKind::NotFound, "the agents", "they are in no pair: there is nothing to adopt").next("pair them instead")
}

/// A pair that is rebuilt under a run, or under a change of identity, of this very engine would pull the ground from under it. Not so a
/// run that is being committed: who is not in command cannot hear how that ends, and has to adopt to hear of it.
fn refuse_while_at_work(engine: &Engine, pair: &PairName) -> Result<(), Trouble> {
    let run = engine.read(|m| {
        let mut runs = m.runs.values().filter(|r| r.state.spec.service.pair == *pair);
        runs.find(|r| !r.has_ended() && !r.state.phase.is_committing()).map(|r| (r.state.spec.run, r.state.spec.service.name.clone()))
    });
    let changing = engine.read(|m| {
        let own = m.pairs.get(pair).filter(|p| !exchange::may_rebuild(&p.state, p.held_by.as_ref()));
        own.map(|p| p.state.phase.name())
    });
    if let Some(phase) = changing {
        let reason = format!("an identity change is under way here: {phase}");
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), reason).next("wait for its end, then adopt again"));
    }
    match run {
        Some((run, service)) => {
            Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), format!("run {run} of {service} is still under way here"))
                .next("wait for its end, or cancel it, then adopt again"))
        }
        None => Ok(()),
    }
}

async fn rebuild(engine: &Arc<Engine>, name: &PairName, told: &[Told]) -> Result<Vec<String>, Trouble> {
    let newest = told
        .iter()
        .max_by_key(|t| t.record.claim.epoch)
        .ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("pair {name}"), "no agent told of it"))?;
    let peer = &newest.record.peer.cluster;
    if exchange::is_untold(&newest.agent.cluster, &newest.record, told.iter().flat_map(|t| &t.record.decisions)) {
        let reason = format!(
            "{} only gave way to {peer} and was not told the decision of epoch {}",
            newest.agent.cluster, newest.record.claim.epoch
        );
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {name}"), reason)
            .next(format!("adopt the agent of {peer} as well; if that one is lost for good, unpair, and pair the clusters anew")));
    }
    let paired = PairedClusters { name: name.clone(), agents: agents(engine, told, newest), paired_at: engine.now() };
    let down = down(engine, told, newest).await;
    let decisions = told.iter().flat_map(|t| t.record.decisions.iter().map(|decision| (&t.agent.cluster, decision)));
    let stands_by = exchange::stands_by(&newest.agent.cluster, &newest.record, told.iter().flat_map(|t| &t.record.points));
    let events = exchange::history(&newest.agent.cluster, &newest.record, decisions, stands_by, down);
    let services: Vec<Service> = newest.record.services.clone();
    let mut points: Vec<_> = told.iter().flat_map(|t| t.record.points.clone()).filter(|p| p.sealed_at.is_some()).collect();
    // A common point that both hold counts as the one of the later epoch: that of the direction in force.
    points.sort_by_key(|point| point.epoch);
    let lines = vec![format!(
        "pair {name}: epoch {}, {} services, {} recovery points",
        newest.record.claim.epoch,
        services.len(),
        points.iter().map(|p| p.id).collect::<std::collections::BTreeSet<PointId>>().len()
    )];
    watch::end(engine, name);
    let kept = pairing::keep_pair(engine, KeptPair { paired, events, services, points }).await;
    // Also where it could not be kept: what was known before is watched on.
    watch::begin(engine, name);
    kept?;
    watch::look_at_both(engine, name).await;
    engine.note(Level::Warning, name.as_str(), format!("adopted from {} agents", told.len())).await;
    Ok(lines)
}

/// The services that the cluster with the primary identity does not say are up; all of them when it says nothing. One that is up after
/// all costs a question: bringing it up again changes nothing.
async fn down(engine: &Engine, told: &[Told], newest: &Told) -> BTreeMap<ServiceName, Trouble> {
    let primary = told.iter().find(|t| t.record.claim.identity == Identity::Primary && t.record.claim == newest.record.claim);
    let status = match primary {
        Some(primary) => engine.look(&primary.agent).await.ok(),
        None => None,
    };
    let services: Vec<_> =
        status.into_iter().flat_map(|s| s.pairs).filter(|p| p.pair == newest.record.pair).flat_map(|p| p.services).collect();
    let is_up = |name: &ServiceName| services.iter().any(|service| service.service == *name && service.active);
    let trouble = |name: &ServiceName| Trouble::new(TroubleKind::Failed, format!("service {name}"), "it is not known to be up there");
    let names = newest.record.services.iter().map(|service| &service.name);
    names.filter(|name| !is_up(name)).map(|name| (name.clone(), trouble(name))).collect()
}

/// Both agents, in the order primary, secondary of the newest claim. Who did not answer is the one that we know already, or as its
/// peer's record has it.
fn agents(engine: &Engine, told: &[Told], newest: &Told) -> [PairedAgent; 2] {
    let own = PairedAgent { enrolled: newest.agent.clone(), components: Vec::new() };
    let peer = &newest.record.peer;
    let known = engine.read(|m| m.pairs.get(&newest.record.pair).and_then(|p| p.agent(&peer.cluster)).map(|a| a.enrolled.clone()));
    let other = told.iter().map(|t| t.agent.clone()).chain(known).find(|agent| agent.key == peer.key).unwrap_or_else(|| Enrolled {
        address: peer.address.clone(),
        key: peer.key.clone(),
        cluster: peer.cluster.clone(),
        site: String::new(),
    });
    let other = PairedAgent { enrolled: other, components: peer.components.clone() };
    match newest.record.claim.identity {
        Identity::Primary => [own, other],
        Identity::Secondary | Identity::Unknown => [other, own],
    }
}
