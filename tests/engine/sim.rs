//! Two agents in memory, with faults: what the engine meets, without a network or a disk behind it.
//!
//! They keep the promises that real agents keep (an id is carried out once, old terms and epochs change nothing, an abort leaves
//! nothing), so that a broken engine shows in what they end up with.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use understudy::controller::Connector;
use understudy::domain::backup::machine::{CaptureReport, CapturedSet};
use understudy::domain::switchover::machine::Decision;
use understudy::domain::user_data::UserData;
use understudy::domain::*;
use understudy::protocol::*;
use understudy::store::controller::Enrolled;

/// The pair that the tests make.
pub const PAIR: &str = "sz-gy";

/// One cluster's whole state.
pub struct SimCluster {
    pub name: ClusterName,
    /// Its agent answers the controller.
    pub up: bool,
    /// Its agent answers the other agent.
    pub seen_by_peer: bool,
    /// What the other agent finds when it probes its components; `None`: they cannot be probed from there.
    pub probed_by_peer: Option<Health>,
    /// What its own probes say.
    pub health: Health,
    /// Enrolled controllers would be listed here; the sim only counts enrolments.
    pub enrolments: u32,
    pub term: Term,
    pub claim: Option<Claim>,
    pub confirmed: bool,
    pub fenced: bool,
    pub peer: Option<PeerSpec>,
    pub services: Vec<Service>,
    pub points: Vec<RecoveryPoint>,
    /// Captures held (primary).
    pub captures: BTreeSet<PointId>,
    /// Points in staging (secondary).
    pub staging: BTreeSet<PointId>,
    pub decisions: Vec<Decision>,
    /// Orders carried out, in order, by name.
    pub done: Vec<&'static str>,
    /// Orders answered with `Running` until they are let go.
    pub held: BTreeSet<&'static str>,
    /// Orders that fail.
    pub failing: BTreeMap<&'static str, Trouble>,
    answers: HashMap<InstructionId, (Instruction, Option<AnswerState>)>,
}

/// Both clusters, and a bomb for the engine.
pub struct World {
    pub east: Mutex<SimCluster>,
    pub west: Mutex<SimCluster>,
    calls: AtomicUsize,
    /// From this call on nothing is answered: the moment at which the engine is killed.
    freeze_at: AtomicUsize,
    clock_off_ms: Mutex<i64>,
}

pub fn cluster(name: &str) -> ClusterName {
    name.parse().unwrap()
}

impl World {
    pub fn new() -> Arc<World> {
        let site = |name: &str| {
            Mutex::new(SimCluster {
                name: cluster(name),
                up: true,
                seen_by_peer: true,
                probed_by_peer: None,
                health: Health::Healthy,
                enrolments: 0,
                term: Term(0),
                claim: None,
                confirmed: true,
                fenced: false,
                peer: None,
                services: Vec::new(),
                points: Vec::new(),
                captures: BTreeSet::new(),
                staging: BTreeSet::new(),
                decisions: Vec::new(),
                done: Vec::new(),
                held: BTreeSet::new(),
                failing: BTreeMap::new(),
                answers: HashMap::new(),
            })
        };
        Arc::new(World {
            east: site("east"),
            west: site("west"),
            calls: AtomicUsize::new(0),
            freeze_at: AtomicUsize::new(usize::MAX),
            clock_off_ms: Mutex::new(0),
        })
    }

    pub fn east(&self) -> MutexGuard<'_, SimCluster> {
        self.east.lock().unwrap()
    }

    pub fn west(&self) -> MutexGuard<'_, SimCluster> {
        self.west.lock().unwrap()
    }

    /// From `call` instructions and answers on, nothing comes back.
    pub fn freeze_after(&self, calls: usize) {
        self.calls.store(0, Ordering::SeqCst);
        self.freeze_at.store(calls, Ordering::SeqCst);
    }

    pub fn thaw(&self) {
        self.freeze_at.store(usize::MAX, Ordering::SeqCst);
    }

    pub fn is_frozen(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.freeze_at.load(Ordering::SeqCst)
    }

    pub fn step_east_clock(&self, millis: i64) {
        *self.clock_off_ms.lock().unwrap() = millis;
    }

    /// Counts a call that matters. `before` true: the call is lost on its way; false: its answer is.
    async fn maybe_freeze(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.freeze_at.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

/// How the engine reaches them.
pub struct SimConnector(pub Arc<World>);

#[async_trait]
impl Connector for SimConnector {
    fn connect(&self, agent: &Enrolled) -> Result<Arc<dyn AgentApi>, Trouble> {
        Ok(Arc::new(SimAgent { world: self.0.clone(), is_east: agent.address.starts_with("east") }))
    }

    async fn enrol(&self, address: &str, code: &str) -> Result<Enrolled, Trouble> {
        let agent = SimAgent { world: self.0.clone(), is_east: address.starts_with("east") };
        let mut site = agent.site()?;
        if code != "code" {
            return Err(Trouble::new(TroubleKind::Refused, format!("agent {address}"), "the code is wrong"));
        }
        site.enrolments += 1;
        Ok(Enrolled { address: address.into(), key: format!("key of {}", site.name), cluster: site.name.clone(), site: "a site".into() })
    }

    fn key(&self) -> String {
        "our key".into()
    }
}

struct SimAgent {
    world: Arc<World>,
    is_east: bool,
}

impl SimAgent {
    fn site(&self) -> Result<MutexGuard<'_, SimCluster>, Trouble> {
        let site = if self.is_east { self.world.east() } else { self.world.west() };
        if site.up { Ok(site) } else { Err(Trouble::new(TroubleKind::Unreachable, format!("agent {}", site.name), "connection refused")) }
    }

    fn peer_view(&self) -> PeerView {
        let peer = if self.is_east { self.world.west() } else { self.world.east() };
        let seen = peer.seen_by_peer;
        PeerView {
            cluster: peer.name.clone(),
            address: format!("{}:7443", peer.name),
            agent_seen: seen.then(Utc::now),
            agent_failures: if seen { 0 } else { 9 },
            claim: peer.claim,
            probes: peer.probed_by_peer.map(|health| probe(health, "probed from outside")).into_iter().collect(),
            clock_offset_ms: Some((0.0, 1.0)),
        }
    }
}

fn probe(health: Health, evidence: &str) -> ProbeReport {
    ProbeReport { component: "files".parse().unwrap(), at: Utc::now(), health, evidence: evidence.into(), took_ms: 1 }
}

fn components() -> Vec<ComponentInfo> {
    [("files", ComponentKind::Files), ("tables", ComponentKind::Tables)]
        .map(|(name, kind)| ComponentInfo {
            name: name.parse().unwrap(),
            kind,
            version: String::new(),
            address: format!("/srv/{name}"),
            probe_addresses: Vec::new(),
            free_bytes: Some(1 << 40),
            used_bytes: Some(1 << 20),
            kerberos: false,
            missing_rights: Vec::new(),
        })
        .into()
}

#[async_trait]
impl AgentApi for SimAgent {
    async fn instruct(&self, instruction: &Instruction) -> Result<Answer, Trouble> {
        // Lost on its way, or carried out with its answer lost: every second call number tells which.
        self.world.maybe_freeze().await;
        let answer = {
            let peer_services = Vec::new();
            let mut site = self.site()?;
            site.take(instruction, peer_services)
        };
        self.world.maybe_freeze().await;
        answer
    }

    async fn answer(&self, id: InstructionId, wait: Duration) -> Result<Answer, Trouble> {
        self.world.maybe_freeze().await;
        let begun = tokio::time::Instant::now();
        loop {
            let answer = self.site()?.answer(id)?;
            if !matches!(answer.state, AnswerState::Running(_)) || begun.elapsed() >= wait {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn status(&self) -> Result<AgentStatus, Trouble> {
        let peer = self.peer_view();
        let site = self.site()?;
        let pairs = site.claim.map(|claim| PairStatus {
            pair: PAIR.parse().unwrap(),
            claim,
            confirmed: site.confirmed,
            fenced: site.fenced,
            fence_evidence: Vec::new(),
            peer,
            services: site
                .services
                .iter()
                .map(|s| ServiceStatus {
                    service: s.name.clone(),
                    last_point: site.points.last().map(|p| p.id),
                    active: claim.identity == Identity::Primary,
                })
                .collect(),
        });
        Ok(AgentStatus {
            cluster: site.name.clone(),
            site: "a site".into(),
            version: "sim".into(),
            protocol: 1,
            host: vec![format!("host of {}", site.name)],
            term: site.term,
            now: Utc::now(),
            clock_source: "sim".into(),
            certificate_until: Utc::now() + TimeDelta::days(90),
            components: components(),
            probes: vec![probe(site.health, "its own probe")],
            peer_address: String::new(),
            route_address: String::new(),
            pairs: pairs.into_iter().collect(),
        })
    }

    async fn clock(&self) -> Result<ClockReply, Trouble> {
        drop(self.site()?);
        let off = if self.is_east { *self.world.clock_off_ms.lock().unwrap() } else { 0 };
        let now = Utc::now().timestamp_nanos_opt().unwrap() + off * 1_000_000;
        Ok(ClockReply { received_ns: now, sent_ns: now })
    }

    async fn catalogue(&self, _component: &str, _path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        Ok(Vec::new())
    }

    async fn records(&self) -> Result<Records, Trouble> {
        let site = self.site()?;
        let record = |claim| PairRecord {
            pair: PAIR.parse().unwrap(),
            claim,
            peer: site.peer.clone().unwrap(),
            services: site.services.clone(),
            points: site.points.clone(),
            user_data: None,
            decisions: site.decisions.clone(),
        };
        Ok(Records { cluster: site.name.clone(), pairs: site.claim.map(record).into_iter().collect() })
    }
}

impl SimCluster {
    fn take(&mut self, instruction: &Instruction, _: Vec<Service>) -> Result<Answer, Trouble> {
        let outdated = |reason: String| Err(Trouble::new(TroubleKind::Outdated, format!("agent {}", self.name), reason));
        if instruction.term < self.term {
            return outdated(format!("term {} is over", instruction.term));
        }
        self.term = instruction.term;
        let id = instruction.id;
        if let Some((before, _)) = self.answers.get(&id) {
            assert_eq!(before.order, instruction.order, "an id was used again for another order");
            return self.answer(id);
        }
        let epoch = self.claim.map(|c| c.epoch).unwrap_or_default();
        let decides = matches!(instruction.order, Order::Join(_) | Order::Promote(_) | Order::Demote(_) | Order::Unfence(_));
        if instruction.epoch < epoch {
            return outdated(format!("epoch {} is over", instruction.epoch));
        }
        if instruction.epoch > epoch && !decides {
            return Err(Trouble::new(TroubleKind::Refused, format!("agent {}", self.name), "it was not told of that epoch"));
        }
        self.answers.insert(id, (instruction.clone(), None));
        self.answer(id)
    }

    fn answer(&mut self, id: InstructionId) -> Result<Answer, Trouble> {
        let Some((instruction, state)) = self.answers.get(&id).cloned() else {
            return Err(Trouble::new(TroubleKind::NotFound, format!("instruction {id}"), "it never arrived"));
        };
        if let Some(state) = state {
            return Ok(Answer { id, state });
        }
        let name = instruction.order.name();
        if self.held.contains(name) {
            let committed = name == "commit";
            return Ok(Answer { id, state: AnswerState::Running(Progress { doing: name.into(), committed, ..Progress::default() }) });
        }
        if let Some(trouble) = self.failing.get(name).cloned() {
            self.answers.remove(&id);
            return Ok(Answer { id, state: AnswerState::Failed(trouble) });
        }
        let outcome = self.carry_out(&instruction.order, instruction.epoch);
        self.done.push(name);
        let state = AnswerState::Done(Box::new(outcome));
        self.answers.insert(id, (instruction, Some(state.clone())));
        Ok(Answer { id, state })
    }

    fn carry_out(&mut self, order: &Order, epoch: Epoch) -> Outcome {
        match order {
            Order::Join(join) => {
                self.claim = Some(Claim { identity: join.identity, epoch, decision: DecisionId(Uuid::nil()) });
                self.peer = Some(join.peer.clone());
                Outcome::Done
            }
            Order::Leave => {
                self.claim = None;
                Outcome::Left(LeaveReport { removed: 1, leftovers: Vec::new() })
            }
            Order::StorePolicies(policies) => {
                self.services = policies.services.clone();
                self.confirmed = true;
                Outcome::Done
            }
            Order::Arm(_) => Outcome::Armed(ArmReport {
                last_point: self.points.last().map(|p| p.id),
                held_points: self.captures.iter().copied().collect(),
                drift: Vec::new(),
                warnings: Vec::new(),
            }),
            Order::Capture(capture) => {
                assert!(self.captures.insert(capture.point), "a point was captured twice");
                Outcome::Captured(captured(capture.service.data_sets.len()))
            }
            Order::Push(t) | Order::Pull(t) => Outcome::Transferred(TransferReport {
                sets: t
                    .data_sets
                    .iter()
                    .map(|_| SetCounts { files: 3, bytes: 30, copied_files: 3, copied_bytes: 30, ..SetCounts::default() })
                    .collect(),
            }),
            Order::Verify(v) => {
                self.staging.insert(v.point);
                Outcome::Verified(VerifyReport { files: 3, bytes: 30 })
            }
            Order::Commit(commit) => {
                self.staging.remove(&commit.point.id);
                let point = RecoveryPoint { sealed_at: Some(Utc::now()), ..commit.point.clone() };
                self.points.push(point.clone());
                Outcome::Sealed(Box::new(point))
            }
            Order::Abort(abort) => {
                self.staging.remove(&abort.point);
                self.captures.remove(&abort.point);
                Outcome::Dropped(Vec::new())
            }
            Order::Prune(prune) => {
                self.points.retain(|p| !prune.points.contains(&p.id));
                self.captures.retain(|p| !prune.points.contains(p));
                Outcome::Dropped(Vec::new())
            }
            Order::SyncUsers(_) | Order::ReadUsers | Order::AdjustUsers(_) => Outcome::Users(UsersReport {
                read: Some(UserData { read_at: DateTime::UNIX_EPOCH, items: BTreeMap::new() }),
                last_applied: None,
                changes: Vec::new(),
                applied: 0,
                failed: Vec::new(),
            }),
            Order::Promote(promote) => self.promote(&promote.decision),
            Order::Demote(demote) => {
                self.fenced = true;
                if !demote.fence_only {
                    let decision = &demote.decision;
                    self.claim = Some(Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id });
                }
                Outcome::Fenced(vec!["files: read back".into()])
            }
            Order::Unfence(_) => {
                self.fenced = false;
                Outcome::Done
            }
        }
    }

    fn promote(&mut self, decision: &Decision) -> Outcome {
        assert!(self.claim.is_some_and(|c| c.epoch < decision.epoch), "a promotion does not raise the epoch");
        let held = |id: &PointId| self.points.iter().any(|p| p.id == *id && p.sealed_at.is_some());
        assert!(decision.points.values().all(held), "a point that is not sealed here was to be promoted");
        self.claim = Some(Claim { identity: Identity::Primary, epoch: decision.epoch, decision: decision.id });
        self.decisions.push(decision.clone());
        self.fenced = false;
        Outcome::Promoted(PromoteReport { epoch: decision.epoch, services: decision.points.clone(), failed: BTreeMap::new() })
    }
}

fn captured(sets: usize) -> CaptureReport {
    let now = Utc::now();
    let window = Window { lo: now, hi: now + TimeDelta::milliseconds(2) };
    CaptureReport {
        sets: (0..sets).map(|_| CapturedSet { window, server_time: None, open_files: Vec::new() }).collect(),
        frozen: false,
        clock_stepped: false,
    }
}
