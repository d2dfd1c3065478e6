//! Two agents in memory, with faults: what the engine meets, without a network or a disk behind it.
//!
//! They keep the promises that real agents keep (an id is carried out once, old terms and epochs change nothing, an abort leaves
//! nothing), so that a broken engine shows in what they end up with.

mod cluster;
mod faults;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use understudy::controller::Connector;
use understudy::domain::admission::{AskedAs, Said};
use understudy::domain::*;
use understudy::protocol::*;
use understudy::store::controller::Enrolled;

use cluster::SimCluster;
use faults::Faults;

/// The pair that the tests make.
pub const PAIR: &str = "sz-gy";

/// A data set that its component has something to say about.
pub const NOTED: &str = "noted";

/// What it has to say.
fn noted(component: &str) -> Note {
    Note::new(&serde_json::json!({ "code": "not-copied" }), format!("{component}:{NOTED}"), "its jar is elsewhere", "copy it")
}

/// Both clusters, and what goes wrong on the way to them.
pub struct World {
    pub east: Mutex<SimCluster>,
    pub west: Mutex<SimCluster>,
    pub faults: Faults,
    /// The engine's own certificate.
    pub own: Mutex<OwnCertificate>,
}

/// What the engine's connector keeps.
#[derive(Default)]
pub struct OwnCertificate {
    /// `None`: it has none.
    pub status: Option<CertificateStatus>,
    /// How often it was asked to renew it.
    pub renewals: u32,
    /// Why it cannot.
    pub trouble: Option<Trouble>,
}

/// A certificate that ends after so many days.
pub fn certificate(days: i64) -> CertificateStatus {
    CertificateStatus { issued_at: None, valid_until: Utc::now() + TimeDelta::days(days), renewal_failure: None }
}

pub fn cluster(name: &str) -> ClusterName {
    name.parse().unwrap()
}

impl World {
    pub fn new() -> Arc<World> {
        let site = |name: &str| Mutex::new(SimCluster::new(cluster(name)));
        Arc::new(World { east: site("east"), west: site("west"), faults: Faults::default(), own: Mutex::default() })
    }

    pub fn east(&self) -> MutexGuard<'_, SimCluster> {
        self.east.lock().unwrap()
    }

    pub fn west(&self) -> MutexGuard<'_, SimCluster> {
        self.west.lock().unwrap()
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

    fn certificate(&self) -> Option<CertificateStatus> {
        self.0.own.lock().unwrap().status.clone()
    }

    fn renew(&self, now: DateTime<Utc>) -> Result<bool, Trouble> {
        let mut own = self.0.own.lock().unwrap();
        own.renewals += 1;
        let trouble = own.trouble.clone();
        let status = own.status.as_mut().unwrap();
        let since = status.renewal_failure.as_ref().map_or(now, |failure| failure.since);
        status.renewal_failure = trouble.clone().map(|trouble| RenewalFailure { since, trouble });
        match trouble {
            Some(trouble) => Err(trouble),
            None => {
                (status.issued_at, status.valid_until) = (Some(now), now + TimeDelta::days(90));
                Ok(true)
            }
        }
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
    ProbeReport { component: "files".parse().unwrap(), at: Utc::now(), health, evidence: evidence.into(), took_ms: 1, note: None }
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
            storage: String::new(),
            copies: 1,
            used_bytes: Some(1 << 20),
            described: true,
            kerberos: false,
            missing_rights: Vec::new(),
        })
        .into()
}

#[async_trait]
impl AgentApi for SimAgent {
    async fn instruct(&self, instruction: &Instruction) -> Result<Answer, Trouble> {
        // Lost on its way, or carried out with its answer lost: every second call number tells which.
        self.world.faults.maybe_freeze().await;
        let answer = self.site()?.take(instruction);
        self.world.faults.maybe_freeze().await;
        answer
    }

    async fn answer(&self, id: InstructionId, wait: Duration) -> Result<Answer, Trouble> {
        self.world.faults.maybe_freeze().await;
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
        let mut site = self.site()?;
        site.go_on();
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
            certificate_until: site.certificate.valid_until,
            certificate: Some(site.certificate.clone()),
            components: components(),
            probes: vec![ProbeReport { note: site.note, ..probe(site.health, "its own probe") }],
            peer_address: String::new(),
            route_address: String::new(),
            pairs: pairs.into_iter().collect(),
            unfinished: (!site.is_old).then(|| site.unfinished()),
            restores: (!site.is_old).then(|| site.restores.clone()),
        })
    }

    async fn clock(&self) -> Result<ClockReply, Trouble> {
        drop(self.site()?);
        let off = if self.is_east { self.world.faults.clock_off_ms() } else { 0 };
        let now = Utc::now().timestamp_nanos_opt().unwrap() + off * 1_000_000;
        Ok(ClockReply { received_ns: now, sent_ns: now })
    }

    async fn catalogue(&self, _component: &str, _path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        Ok(Vec::new())
    }

    async fn look(&self, component: &str, path: &str, asked_as: AskedAs) -> Result<Said, Trouble> {
        self.site()?.looks.push((format!("{component}:{path}"), asked_as));
        let notes = if path == NOTED && asked_as == AskedAs::Source { vec![noted(component)] } else { Vec::new() };
        Ok(Said { notes, ..Said::default() })
    }

    async fn run_notes(&self, _run: RunId) -> Result<Vec<Note>, Trouble> {
        Ok(if self.site()?.is_old { Vec::new() } else { vec![noted("files")] })
    }

    async fn records(&self) -> Result<Records, Trouble> {
        let site = self.site()?;
        let record = |claim| PairRecord {
            pair: PAIR.parse().unwrap(),
            claim,
            peer: site.peer.clone().unwrap(),
            services: site.services.clone(),
            points: site.points.iter().chain(&site.unsealed).cloned().collect(),
            user_data: None,
            decisions: site.decisions.clone(),
            kept: Vec::new(),
        };
        Ok(Records { cluster: site.name.clone(), pairs: site.claim.map(record).into_iter().collect() })
    }
}
