//! One site: a cluster with its data, and the agent beside it. What is durable is told from what a crash takes away; who may do what is
//! judged by the product's own rules, in the agent that `tests/model` explores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use understudy::agent::guard::body_digest;
use understudy::domain::backup::machine::CaptureReport;
use understudy::domain::*;
use understudy::protocol::*;
use understudy::store::agent::{Admission, FenceState, InstructionState, PairFacts};

use crate::agent::Agent;
use crate::jobs;
use crate::net::{Way, travel};
use crate::truth;
use crate::world::{State, World, cluster, pair, policy};

/// The rows of the service at a cluster, or in a capture.
pub type Rows = BTreeSet<u64>;

/// Between two looks at the other side, at the fence and at the own components.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How long a look at the other side may take.
const LOOK_LIMIT: Duration = Duration::from_secs(3);

/// A capture at the source.
#[derive(Debug, Clone)]
pub struct Captured {
    pub run: RunId,
    pub rows: Arc<Rows>,
    /// `None`: taken, and its report not noted yet.
    pub report: Option<CaptureReport>,
}

/// What arrived of a point that is not committed.
#[derive(Debug, Clone)]
pub struct Staged {
    pub run: RunId,
    pub base: Option<PointId>,
    /// Rows added and removed against the base; `None`: not all of it has arrived.
    pub change: Option<(Rows, Rows)>,
    pub verified: bool,
}

/// A point from its commit on.
#[derive(Debug, Clone)]
pub struct Point {
    pub record: RecoveryPoint,
    pub change: (Rows, Rows),
    pub rows: Arc<Rows>,
    pub sealed: bool,
}

/// A job under way.
#[derive(Debug, Clone)]
pub struct UnderWay {
    pub run: Option<RunId>,
    pub cancel: CancellationToken,
    pub over: CancellationToken,
    pub progress: Progress,
}

pub struct Site {
    pub agent: Agent,
    // The cluster, durable.
    pub live: Arc<Rows>,
    pub captures: BTreeMap<PointId, Captured>,
    pub armed: BTreeSet<RunId>,
    pub staging: BTreeMap<PointId, Staged>,
    pub points: BTreeMap<PointId, Point>,
    /// By the common point: what was written after it, and under which id.
    pub kept: BTreeMap<PointId, (PointId, Arc<Rows>)>,
    pub dropped: BTreeSet<RunId>,
    pub applied: Option<PointId>,
    /// By which decision the service's fence was lifted last, or began to be.
    pub opened: Option<DecisionId>,
    pub services: Vec<Service>,
    // Faults.
    pub cluster_up: bool,
    pub hung: bool,
    pub disk_full: bool,
    // Lost when the agent stops.
    pub life: u64,
    pub stop: CancellationToken,
    pub under_way: BTreeMap<InstructionId, UnderWay>,
    pub identity: Arc<tokio::sync::Mutex<()>>,
    pub gate: Arc<tokio::sync::Mutex<()>>,
    pub probe: Option<ProbeReport>,
    pub peer: PeerView,
}

impl Site {
    /// Paired: east is primary of epoch 1.
    pub fn new(i: usize) -> Site {
        let identity = if i == 0 { Identity::Primary } else { Identity::Secondary };
        let claim = Claim { identity, epoch: Epoch(1), decision: DecisionId::founding(pair(), Epoch(1), cluster(0)) };
        let peer = PeerSpec {
            cluster: cluster(1 - i).clone(),
            address: address(1 - i),
            key: key(1 - i),
            route: String::new(),
            components: components(true),
        };
        let mut facts = PairFacts {
            pair: pair().clone(),
            claim,
            confirmed: true,
            conflict: None,
            fence: FenceState::default(),
            peer,
            active: BTreeMap::new(),
            controllers: ["console".to_owned()].into(),
        };
        if i == 0 {
            facts.active.insert(policy().name.clone(), None);
        }
        Site {
            agent: Agent::new(facts, cluster(i).clone(), policy()),
            live: Arc::default(),
            captures: BTreeMap::new(),
            armed: BTreeSet::new(),
            staging: BTreeMap::new(),
            points: BTreeMap::new(),
            kept: BTreeMap::new(),
            dropped: BTreeSet::new(),
            applied: None,
            opened: None,
            services: vec![policy().clone()],
            cluster_up: true,
            hung: false,
            disk_full: false,
            life: 0,
            stop: CancellationToken::new(),
            under_way: BTreeMap::new(),
            identity: Arc::default(),
            gate: Arc::default(),
            probe: None,
            peer: unseen(i),
        }
    }

    pub fn is_up(&self) -> bool {
        self.agent.up
    }

    /// An application may write here now.
    pub fn takes_writes(&self) -> bool {
        self.cluster_up && !self.agent.data_fenced
    }

    /// The newest sealed point.
    pub fn newest(&self) -> Option<&Point> {
        self.points.values().rev().find(|point| point.sealed)
    }

    /// Why the live data may be more than what the service was brought up from; `None`: it is that.
    pub fn written_since(&self) -> Option<&'static str> {
        let name = &policy().name;
        let facts = &self.agent.facts;
        let decided = self.agent.decisions.iter().find(|known| known.id == facts.claim.decision);
        let point = facts.active.get(name).copied().flatten().or_else(|| decided?.points.get(name).copied());
        match point.filter(|point| self.applied == Some(*point)).and_then(|point| self.points.get(&point)) {
            Some(point) if point.rows == self.live => None,
            Some(_) => Some("it was written to since the promotion"),
            None if facts.active.contains_key(name) => Some("it does not run here from a recovery point"),
            None => None,
        }
    }

    /// Anything of a point is here.
    pub fn holds_any_of(&self, point: PointId) -> bool {
        self.points.contains_key(&point) || self.staging.contains_key(&point) || self.captures.contains_key(&point)
    }

    fn status(&self, i: usize, now: DateTime<Utc>) -> AgentStatus {
        let facts = &self.agent.facts;
        let said = self.agent.says();
        let active = said.is_some_and(|said| said.active.as_ref() == Some(cluster(i)));
        let service = |service: &Service| ServiceStatus {
            service: service.name.clone(),
            last_point: self.newest().map(|point| point.record.id),
            active,
        };
        AgentStatus {
            cluster: cluster(i).clone(),
            site: format!("site of {}", cluster(i)),
            version: "simulated".into(),
            protocol: PROTOCOL_VERSION,
            host: vec![format!("host of {}", cluster(i))],
            term: self.agent.term,
            now,
            clock_source: "simulated".into(),
            certificate_until: now + TimeDelta::days(90),
            certificate: None,
            components: components(self.cluster_up),
            probes: self.probe.iter().cloned().collect(),
            peer_address: String::new(),
            route_address: String::new(),
            pairs: vec![PairStatus {
                pair: pair().clone(),
                claim: facts.claim,
                confirmed: facts.confirmed && facts.conflict.is_none(),
                fenced: facts.fence.held,
                fence_evidence: Vec::new(),
                peer: self.peer.clone(),
                services: self.services.iter().map(service).collect(),
            }],
            unfinished: None,
            restores: None,
        }
    }

    fn records(&self, i: usize, caller: &str) -> Records {
        let facts = &self.agent.facts;
        let record = || PairRecord {
            pair: pair().clone(),
            claim: facts.claim,
            peer: facts.peer.clone(),
            services: self.services.clone(),
            points: self.points.values().map(|point| point.record.clone()).collect(),
            user_data: None,
            decisions: self.agent.decisions.clone(),
            kept: Vec::new(),
        };
        let pairs = if facts.controllers.contains(caller) { vec![record()] } else { Vec::new() };
        Records { cluster: cluster(i).clone(), pairs }
    }
}

pub fn address(i: usize) -> String {
    format!("192.0.2.{}:7443", i + 1)
}

pub fn key(i: usize) -> String {
    format!("key of {}", cluster(i))
}

fn unseen(i: usize) -> PeerView {
    PeerView {
        cluster: cluster(1 - i).clone(),
        address: address(1 - i),
        agent_seen: None,
        agent_failures: 0,
        claim: None,
        probes: Vec::new(),
        clock_offset_ms: None,
    }
}

fn components(up: bool) -> Vec<ComponentInfo> {
    vec![ComponentInfo {
        name: "files".parse().unwrap(),
        kind: ComponentKind::Files,
        version: String::new(),
        address: "/srv/files".into(),
        probe_addresses: Vec::new(),
        free_bytes: Some(1 << 40),
        storage: String::new(),
        copies: 1,
        used_bytes: Some(1 << 20),
        described: up,
        kerberos: false,
        missing_rights: Vec::new(),
    }]
}

fn probe(up: bool, at: DateTime<Utc>) -> ProbeReport {
    let (health, evidence) = if up { (Health::Healthy, "answers") } else { (Health::Faulty, "connection refused") };
    ProbeReport { component: "files".parse().unwrap(), at, health, evidence: evidence.into(), took_ms: 1, note: None }
}

/// The agent's program dies where it stands.
pub fn crash(s: &mut State, i: usize) {
    let site = &mut s.sites[i];
    site.agent.crash();
    site.life += 1;
    site.stop.cancel();
    site.under_way.clear();
    (site.probe, site.peer, site.hung) = (None, unseen(i), false);
    (site.identity, site.gate) = (Arc::default(), Arc::default());
}

/// It starts: it looks round, finishes what was committed, and waits for somebody to confirm its identity.
pub fn start(world: &Arc<World>, i: usize) {
    let stop = world.with(|s| {
        let site = &mut s.sites[i];
        site.agent.up = true;
        site.stop = CancellationToken::new();
        s.note(format_args!("the agent of {} starts", cluster(i)));
        s.sites[i].stop.clone()
    });
    let tasks =
        [Box::pin(watch_home(world.clone(), i)) as futures_util::future::BoxFuture<'static, ()>, Box::pin(watch_peer(world.clone(), i))];
    for task in tasks.into_iter().chain([Box::pin(jobs::resume(world.clone(), i)) as _]) {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::select! { biased; () = stop.cancelled() => {}, () = task => {} }
        });
    }
}

async fn watch_home(world: Arc<World>, i: usize) {
    loop {
        world.with(|s| {
            let now = s.wall(i);
            let site = &mut s.sites[i];
            if site.hung {
                return;
            }
            site.probe = Some(probe(site.cluster_up, now));
            if site.cluster_up && !site.disk_full && site.identity.try_lock().is_ok() {
                site.agent.keep_fence();
            }
            truth::check(s);
        });
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn watch_peer(world: Arc<World>, i: usize) {
    loop {
        if !world.with(|s| s.sites[i].hung) {
            let told = tokio::time::timeout(LOOK_LIMIT, ask_peer(&world, i)).await.ok().flatten();
            world.with(|s| {
                let (now, cut, up) = (s.wall(i), s.net.agents.cut, s.sites[1 - i].cluster_up);
                let site = &mut s.sites[i];
                site.peer.probes = vec![probe(up && !cut, now)];
                match told {
                    Some(claim) => {
                        (site.peer.agent_seen, site.peer.agent_failures, site.peer.claim) = (Some(now), 0, Some(claim));
                        if !site.disk_full {
                            site.agent.learn();
                        }
                    }
                    None => site.peer.agent_failures += 1,
                }
                truth::check(s);
            });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The other's claim, with ours noted when it was asked.
async fn ask_peer(world: &Arc<World>, i: usize) -> Option<Claim> {
    tokio::time::sleep(travel(world, Way::Agents)?).await;
    let claim = world.with(|s| {
        let peer = &s.sites[1 - i];
        let claim = (peer.is_up() && !peer.hung).then_some(peer.agent.facts.claim)?;
        s.sites[i].agent.hear(claim);
        Some(claim)
    })?;
    tokio::time::sleep(travel(world, Way::Agents)?).await;
    Some(claim)
}

/// `GET status`.
pub fn status(world: &World, i: usize) -> AgentStatus {
    world.with(|s| s.sites[i].status(i, s.wall(i)))
}

/// `GET records`.
pub fn records(world: &World, i: usize, caller: &str) -> Records {
    world.with(|s| s.sites[i].records(i, caller))
}

/// An instruction arrives.
pub fn instruct(world: &Arc<World>, i: usize, instruction: &Instruction, caller: &str) -> Result<Answer, Trouble> {
    let digest = body_digest(instruction)?;
    let id = instruction.id;
    let admission = world.with(|s| {
        let site = &mut s.sites[i];
        if site.disk_full {
            return Err(full(i));
        }
        // What runs here is known in memory; what ran before is interrupted.
        if let Some(record) = site.agent.records.get_mut(&id)
            && record.state == InstructionState::Running
            && !site.under_way.contains_key(&id)
        {
            record.state = InstructionState::Interrupted;
        }
        let admitted = site.agent.admit(instruction, digest, caller);
        let line = match &admitted {
            Ok(Admission::Start { .. }) => "starts".to_owned(),
            Ok(Admission::Repeat(_)) => "again".to_owned(),
            Ok(Admission::Rise(term)) => format!("not yet: term {term} is known now"),
            Err(trouble) => format!("refused: {trouble}"),
        };
        let (order, term, epoch) = (instruction.order.name(), instruction.term, instruction.epoch);
        s.note(format_args!("{} of {caller} (term {term}, epoch {epoch}, {id}) at {}: {line}", order, cluster(i)));
        truth::check(s);
        admitted
    })?;
    if let Admission::Rise(term) = admission {
        return Err(Trouble::new(TroubleKind::Failed, format!("agent {}", cluster(i)), format!("it knows term {term} now")));
    }
    if matches!(admission, Admission::Start { .. }) {
        jobs::start(world, i, instruction.clone(), caller.to_owned());
    }
    answer_now(world, i, id)
}

/// Where an instruction is.
pub fn answer_now(world: &World, i: usize, id: InstructionId) -> Result<Answer, Trouble> {
    world.with(|s| {
        let site = &s.sites[i];
        if let Some(job) = site.under_way.get(&id) {
            return Ok(Answer { id, state: AnswerState::Running(job.progress.clone()) });
        }
        let record = site.agent.records.get(&id);
        let record = record.ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("instruction {id}"), "it never arrived here"))?;
        let state = match &record.state {
            InstructionState::Done(outcome) => AnswerState::Done(outcome.clone()),
            InstructionState::Failed(trouble) => AnswerState::Failed(trouble.clone()),
            InstructionState::Running | InstructionState::Interrupted => AnswerState::Failed(Trouble::new(
                TroubleKind::Failed,
                format!("agent {}", cluster(i)),
                "it stopped while this was being done",
            )),
        };
        Ok(Answer { id, state })
    })
}

pub fn full(i: usize) -> Trouble {
    Trouble::new(TroubleKind::Exhausted, format!("agent {}", cluster(i)), "its disk is full").next("make room")
}
