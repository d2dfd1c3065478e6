//! Pairing: enrol with both agents, check everything that a pair needs, tell each agent who the other is.

use std::net::ToSocketAddrs;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::switchover::machine::Event;
use crate::domain::unfinished::{self, Stuck};
use crate::domain::{ClusterName, Epoch, Identity, PairName, Trouble, TroubleKind};
use crate::protocol::{AgentStatus, JoinOrder, Order, Outcome, PeerSpec, host};
use crate::store::controller::{Enrolled, KeptPair, PairedAgent, PairedClusters};

use super::command::{AgentFound, AgentRequest, CheckState, PairChecks, PairRequest};
use super::engine::Engine;
use super::instruct::Errand;
use super::model::PairModel;
use super::snapshot::Level;
use super::{Reply, adopt, going, identity, pair_checks, restores, watch};

/// How long a component may take to tell what it is; an agent gives it about as long (`agent::local`).
const SETTLING: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// One agent as it just answered.
pub(super) struct Found {
    /// How to reach it.
    pub enrolled: Enrolled,
    /// What it said.
    pub status: AgentStatus,
    /// Round trip.
    pub took_ms: u64,
}

impl Found {
    /// For people.
    pub fn shown(&self) -> AgentFound {
        AgentFound {
            cluster: self.enrolled.cluster.clone(),
            site: self.status.site.clone(),
            key: self.enrolled.key.clone(),
            took_ms: self.took_ms,
            components: self.status.components.clone(),
        }
    }
}

/// Reaches an agent: by the key pinned earlier, else by its code. An enrolment is kept, so that a code is used once only.
pub(super) async fn find(engine: &Engine, request: &AgentRequest) -> Result<Found, Trouble> {
    let address = request.address.trim().to_owned();
    let lookup = address.clone();
    let known = engine.store(move |s| s.enrolled(&lookup)).await?;
    if let Some(enrolled) = known {
        match timed_look(engine, &enrolled).await {
            Ok((status, took_ms)) => return Ok(Found { enrolled, status, took_ms }),
            // It may have been set up anew: a new code enrols us again. Without one, that is what to tell.
            Err(trouble) if request.code.is_none() => return Err(trouble),
            Err(_) => {}
        }
    }
    let code = request.code.as_deref().map(str::trim).filter(|code| !code.is_empty()).ok_or_else(|| {
        Trouble::new(TroubleKind::Refused, format!("agent {address}"), "it does not know this controller yet")
            .next("run `understudy-agent enrol` on its host and enter the code that it prints")
    })?;
    let enrolled = engine.connector.enrol(&address, code).await?;
    let kept = enrolled.clone();
    engine.store(move |s| s.keep_enrolled(&kept)).await?;
    let (status, took_ms) = timed_look(engine, &enrolled).await?;
    Ok(Found { enrolled, status, took_ms })
}

/// Finds an agent to adopt. The code that `understudy-agent adopt` printed is used also by a controller that the agent knew before:
/// it, and no acquaintance, makes the pairs there ours.
pub(super) async fn find_by_code(engine: &Engine, request: &AgentRequest) -> Result<Found, Trouble> {
    let address = request.address.trim();
    let Some(code) = request.code.as_deref().map(str::trim).filter(|code| !code.is_empty()) else { return find(engine, request).await };
    let enrolled = match engine.connector.enrol(address, code).await {
        Ok(enrolled) => enrolled,
        // The code was used by an attempt whose answer was lost: then the agent knows us, and tells its records.
        Err(trouble) => {
            let known = AgentRequest { address: address.to_owned(), code: None };
            return find(engine, &known).await.map_err(|_| trouble);
        }
    };
    let kept = enrolled.clone();
    engine.store(move |s| s.keep_enrolled(&kept)).await?;
    // Adopting raised the term there, above whatever was sent before: we take a higher one, as at a first meeting.
    engine.forget_meeting(&enrolled);
    let (status, took_ms) = timed_look(engine, &enrolled).await?;
    Ok(Found { enrolled, status, took_ms })
}

async fn timed_look(engine: &Engine, agent: &Enrolled) -> Result<(AgentStatus, u64), Trouble> {
    let begun = Instant::now();
    let status = engine.look(agent).await?;
    Ok((status, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

/// An agent that has just started has not heard of all its components yet: looks again until it has, for some seconds.
async fn settled(engine: &Engine, mut found: Found) -> Result<Found, Trouble> {
    let begun = Instant::now();
    while found.status.components.iter().any(|c| !c.described) && begun.elapsed() < SETTLING {
        tokio::time::sleep(LOOK_AGAIN).await;
        (found.status, found.took_ms) = timed_look(engine, &found.enrolled).await?;
    }
    Ok(found)
}

/// Finds both agents and checks everything; nothing is paired yet.
pub(super) async fn check(engine: &Engine, request: &PairRequest) -> Result<(Found, Found, PairChecks), Trouble> {
    let (primary, secondary) = tokio::try_join!(find(engine, &request.primary), find(engine, &request.secondary))?;
    if primary.enrolled.key == secondary.enrolled.key || primary.enrolled.cluster == secondary.enrolled.cluster {
        return Err(Trouble::new(
            TroubleKind::Invalid,
            format!("pair {}", request.name),
            format!("both agents are {}", primary.enrolled.cluster),
        )
        .next("name the agents of two clusters, each with a name of its own"));
    }
    let (primary, secondary) = tokio::try_join!(settled(engine, primary), settled(engine, secondary))?;
    let checks = pair_checks::all(engine, request, &primary, &secondary).await;
    Ok((primary, secondary, checks))
}

/// Pairs, or takes a pair over that both agents already form.
pub(super) async fn pair(engine: &Arc<Engine>, request: &PairRequest) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let _one_at_a_time = engine.configuring.lock().await;
    let (primary, secondary, checks) = check(engine, request).await?;
    if checks.checks.iter().chain(checks.components.iter().map(|c| &c.check)).any(|c| c.state == CheckState::Failed) {
        return Ok(Reply::PairChecks(checks));
    }
    if is_member(&primary.status, &request.name) && is_member(&secondary.status, &request.name) {
        if !engine.read(|m| m.pairs.contains_key(&request.name)) {
            adopt::take_over(engine, &[primary.enrolled, secondary.enrolled]).await?;
        }
        return Ok(Reply::PairChecks(checks));
    }
    let epoch = [&primary, &secondary].iter().flat_map(|f| &f.status.pairs).filter(|p| p.pair == request.name).map(|p| p.claim.epoch).max();
    let epoch = epoch.unwrap_or(Epoch(1));
    tokio::try_join!(
        join(engine, &request.name, epoch, &primary, &secondary, Identity::Primary),
        join(engine, &request.name, epoch, &secondary, &primary, Identity::Secondary),
    )?;
    keep(engine, &request.name, epoch, [primary, secondary]).await?;
    watch::begin(engine, &request.name);
    watch::look_at_both(engine, &request.name).await;
    engine.note(Level::Info, request.name.as_str(), "paired").await;
    Ok(Reply::PairChecks(checks))
}

/// Whether an agent is in the pair.
pub(super) fn is_member(status: &AgentStatus, pair: &PairName) -> bool {
    status.pairs.iter().any(|p| &p.pair == pair)
}

/// Tells one agent who the other is.
async fn join(engine: &Engine, pair: &PairName, epoch: Epoch, agent: &Found, peer: &Found, identity: Identity) -> Result<(), Trouble> {
    let or = |told: &str, otherwise: &str| if told.is_empty() { otherwise.to_owned() } else { told.to_owned() };
    let peer = PeerSpec {
        cluster: peer.enrolled.cluster.clone(),
        address: or(&peer.status.peer_address, &peer.enrolled.address),
        key: peer.enrolled.key.clone(),
        route: peer.status.route_address.clone(),
        components: peer.status.components.clone(),
    };
    let order = Order::Join(JoinOrder { identity, peer });
    let patience = Some(engine.limits.abort_patience);
    let errand = Errand { id: engine.fresh(), pair, epoch, agent: &agent.enrolled, order, patience };
    engine.carry_out(errand, |_| ()).await.map(drop)
}

async fn keep(engine: &Arc<Engine>, name: &PairName, epoch: Epoch, found: [Found; 2]) -> Result<(), Trouble> {
    let names: [ClusterName; 2] = found.each_ref().map(|f| f.enrolled.cluster.clone());
    let agents = found.map(|f| PairedAgent { components: f.status.components.clone(), enrolled: f.enrolled });
    let paired = PairedClusters { name: name.clone(), agents, paired_at: engine.now() };
    let [primary, secondary] = names;
    let events = vec![Event::Paired { primary, secondary, epoch }];
    keep_pair(engine, KeptPair { paired, events, services: Vec::new(), points: Vec::new() }).await
}

/// Keeps a pair, in place of what was known of it before: durable, all of it at once, then seen.
pub(super) async fn keep_pair(engine: &Arc<Engine>, kept: KeptPair) -> Result<(), Trouble> {
    let state = identity::fold(&kept.paired.name, &kept.events)?;
    let (stored, now) = (kept.clone(), engine.now());
    engine.store(move |s| s.keep_pair(&stored, now)).await?;
    engine.change(|m| {
        let KeptPair { paired, events, services, points } = kept;
        // A pair adopted once more is in maintenance as before.
        let maintenance = m.pairs.get(&paired.name).and_then(|p| p.maintenance.clone());
        // What is told is the whole of it: a policy that another console removed is in force no more, nor is a point that it dropped.
        m.services.retain(|_, service| service.pair != paired.name || services.iter().any(|told| told.name == service.name));
        for known in m.points.values_mut() {
            known.retain(|point| point.pair != paired.name || points.iter().any(|told| told.id == point.id));
        }
        m.services.extend(services.into_iter().map(|service| (service.name.clone(), service)));
        points.into_iter().for_each(|point| m.add_point(point));
        m.pairs.insert(paired.name.clone(), PairModel { maintenance, ..PairModel::new(paired, state, &events) });
    });
    Ok(())
}

/// A pair that nobody made, or that was dissolved.
pub(super) fn unknown_pair(pair: &PairName) -> Trouble {
    Trouble::new(TroubleKind::NotFound, format!("pair {pair}"), "there is no such pair").next("see `understudy status`")
}

/// The agents of a pair that may be dissolved now: no run and no drill of it is under way.
pub(super) fn may_unpair(engine: &Engine, pair: &PairName) -> Result<[PairedAgent; 2], Trouble> {
    engine.check_in_command()?;
    let agents = engine.read(|m| m.pairs.get(pair).map(|p| p.paired.agents.clone())).ok_or_else(|| unknown_pair(pair))?;
    let running = engine.read(|m| {
        let mut runs = m.runs.values().filter(|r| &r.state.spec.service.pair == pair);
        runs.find(|r| !r.has_ended()).map(|r| (r.state.spec.run, r.state.spec.service.name.clone(), r.state.stuck.clone()))
    });
    if let Some((run, service, stuck)) = running {
        let refused = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {pair}"), reason);
        return Err(match stuck {
            None => refused(format!("run {run} is under way")).next("cancel it or wait for its end"),
            Some(Stuck { work, trouble, .. }) => {
                refused(format!("run {run} is stuck: {trouble}")).next(unfinished::way_out(run, service, work))
            }
        });
    }
    let drilling =
        engine.read(|m| m.drills.values().find(|d| d.state.is_under_way() && d.state.spec.pair == *pair).map(|d| d.state.spec.drill));
    if let Some(drill) = drilling {
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), format!("drill {drill} is under way"))
            .next("stop it or wait for its end"));
    }
    Ok(agents)
}

/// Dissolves a pair whose name was typed: our snapshots go on both sides; what could not be removed is listed.
pub(super) async fn unpair(engine: &Arc<Engine>, pair: &PairName, confirm: &str, by: &str) -> Result<Reply, Trouble> {
    let _one_at_a_time = engine.configuring.lock().await;
    let agents = may_unpair(engine, pair)?;
    going::confirmed(pair, Some(confirm), &format!("understudy unpair {pair} --confirm {pair}"))?;
    restores::refuse_under_way(engine, pair, agents.each_ref().map(|agent| &agent.enrolled.cluster)).await?;
    let epoch = engine.epoch(pair);
    let mut leftovers = Vec::new();
    for agent in &agents {
        let patience = Some(engine.limits.abort_patience);
        let errand = Errand { id: engine.fresh(), pair, epoch, agent: &agent.enrolled, order: Order::Leave, patience };
        match engine.carry_out(errand, |_| ()).await {
            Ok(Outcome::Left(report)) => leftovers.extend(report.leftovers),
            Ok(_) => {}
            // It has left already: an unpairing before this one was cut short.
            Err(trouble) if trouble.kind == TroubleKind::NotFound => {}
            Err(trouble) => leftovers.push(format!("everything of ours at {}: {trouble}", agent.enrolled.cluster)),
        }
    }
    let name = pair.clone();
    engine.store(move |s| s.forget_pair(&name)).await?;
    watch::end(engine, pair);
    engine.change(|m| {
        m.pairs.remove(pair);
        let gone: Vec<_> = m.services_of(pair).map(|s| s.name.clone()).collect();
        for service in gone {
            m.services.remove(&service);
            m.points.remove(&service);
            m.missed.remove(&service);
        }
    });
    let level = if leftovers.is_empty() { Level::Info } else { Level::Warning };
    engine.note(level, pair.as_str(), format!("unpaired by {by}; {} things left behind", leftovers.len())).await;
    Ok(Reply::Unpaired(leftovers))
}

/// Whether this host is none of the primary's: by the primary's machine id and addresses; unknown until it was seen.
pub(super) fn isolated(pair: &PairModel) -> Option<bool> {
    let status = pair.watch_of(&pair.state.primary)?.status.as_ref()?;
    (!status.host.is_empty()).then(|| !shares_host(&status.host))
}

/// Whether any of an agent's host marks is ours. Ours are read once: a host seldom changes its own.
pub(super) fn shares_host(theirs: &[String]) -> bool {
    static OURS: OnceLock<Vec<String>> = OnceLock::new();
    host::is_shared(OURS.get_or_init(host::marks), theirs)
}

/// Whether an address of the form `host:port` is on this host's loopback.
pub(super) fn is_loopback(address: &str) -> bool {
    address.to_socket_addrs().is_ok_and(|mut all| all.any(|a| a.ip().is_loopback()))
}
