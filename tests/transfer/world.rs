//! Two sites whose clusters and ledgers outlive their processes, and an engine that carries a run through, however often the
//! processes die.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::Utc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use understudy::agent::clock::HostClock;
use understudy::agent::jobs::{Job, PeerLink, Site, abandon, arm, capture, commit, drop as dropping, transfer, verify};
use understudy::components::Component;
use understudy::domain::backup::machine::CaptureReport;
use understudy::domain::*;
use understudy::protocol::*;
use understudy::store::agent::{CodePurpose, Ledger, NewController};
use understudy::transfer::{self as plane, Limits, PeerOf};
use uuid::Uuid;

use crate::relay::{Fault, Relay};
use crate::watched::{Fuse, Watched};

/// What outlives every crash: both ledgers' files and both clusters.
pub struct World {
    pub dir: TempDir,
    pub service: Service,
    pub primary: Vec<Arc<dyn Component>>,
    pub secondary: Vec<Arc<dyn Component>>,
    /// Whether callers are taken for the peer of another pair.
    pub strangers: AtomicBool,
    /// Time limits of both ends.
    pub limits: Limits,
}

/// A directory in memory where the host has one: what dies here are processes, not machines, and an fsync need not wait for a disk.
pub fn scratch() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a directory")
}

/// One life of both agents' processes.
pub struct Life {
    pub runtime: Runtime,
    pub primary: Agent,
    pub secondary: Agent,
    pub relay: Relay,
    limits: Limits,
}

pub struct Agent {
    pub site: Arc<Site>,
    peer: PeerLink,
    pair: PairName,
}

/// What the engine remembers of a run.
#[derive(Clone)]
pub struct Run {
    pub run: RunId,
    pub point: PointId,
    base: Option<Option<PointId>>,
    captured: Option<CaptureReport>,
    pub counts: Option<Vec<SetCounts>>,
    verified: bool,
    pub sealed: Option<RecoveryPoint>,
}

pub const EPOCH: Epoch = Epoch(1);

impl Run {
    pub fn new() -> Run {
        let (run, point) = (RunId(Uuid::now_v7()), PointId(Uuid::now_v7()));
        Run { run, point, base: None, captured: None, counts: None, verified: false, sealed: None }
    }

    pub fn counts(&self) -> &[SetCounts] {
        self.counts.as_deref().unwrap_or_default()
    }
}

impl World {
    pub fn new(service: Service, primary: Vec<Arc<dyn Component>>, secondary: Vec<Arc<dyn Component>>) -> World {
        understudy::protocol::tls::install_provider();
        World { dir: scratch(), service, primary, secondary, strangers: AtomicBool::new(false), limits: limits() }
    }

    /// Starts both processes. `fault` sits between them, `fuse` inside their components.
    pub fn start(&self, fuse: &Arc<Fuse>, fault: Fault) -> Life {
        self.start_with(fuse, fault, true)
    }

    /// Likewise, with a committed point that cannot be finished.
    pub fn start_stuck(&self, fuse: &Arc<Fuse>, fault: Fault) -> Life {
        self.start_with(fuse, fault, false)
    }

    fn start_with(&self, fuse: &Arc<Fuse>, fault: Fault, finishes: bool) -> Life {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let primary = self.site("a", Identity::Primary, &self.primary, fuse);
        let secondary = self.site("b", Identity::Secondary, &self.secondary, fuse);
        let (to_a, to_b, relay) = runtime.block_on(async {
            let (a, b) = (self.serve(primary.clone()).await, self.serve(secondary.clone()).await);
            let relay = Relay::new(fault);
            (relay.before(a).await, relay.before(b).await, relay)
        });
        runtime.block_on(commit::resume(&primary)).expect("the primary starts");
        let resumed = runtime.block_on(commit::resume(&secondary));
        assert_eq!(resumed.is_ok(), finishes, "the secondary starts: {resumed:?}");
        let pair = self.service.pair.clone();
        let link = |cluster: &str, at: SocketAddr| PeerLink {
            cluster: cluster.parse().expect("a name"),
            base: format!("http://{at}"),
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
        };
        Life {
            primary: Agent { site: primary, peer: link("b", to_b), pair: pair.clone() },
            secondary: Agent { site: secondary, peer: link("a", to_a), pair },
            runtime,
            relay,
            limits: self.limits,
        }
    }

    async fn serve(&self, site: Arc<Site>) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let pair = if self.strangers.load(Ordering::SeqCst) { "other".parse().expect("a name") } else { self.service.pair.clone() };
        let caller = PeerOf { cluster: "peer".parse().expect("a name"), pairs: vec![pair] };
        let router = plane::router_within(site, self.limits).layer(axum::Extension(caller));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        address
    }

    fn site(&self, name: &str, identity: Identity, components: &[Arc<dyn Component>], fuse: &Arc<Fuse>) -> Arc<Site> {
        let ledger = Ledger::open(&self.dir.path().join(format!("{name}.db"))).expect("a ledger");
        let claim = Claim { identity, epoch: EPOCH, decision: DecisionId(Uuid::nil()) };
        let other = if name == "a" { "b" } else { "a" };
        let peer = PeerSpec {
            cluster: other.parse().expect("a name"),
            address: "127.0.0.1:1".into(),
            key: String::new(),
            route: String::new(),
            components: Vec::new(),
        };
        ledger.begin_start().expect("a start");
        let console = NewController { key: "test", name: "", address: "" };
        ledger.issue_code(CodePurpose::Enrol, &[7; 32], chrono::Utc::now() + chrono::TimeDelta::minutes(1)).expect("a code");
        ledger.redeem_code(chrono::Utc::now(), console, |_| true).expect("enrolled");
        ledger.join(&self.service.pair, claim, &peer, "test", Term(1)).expect("a member");
        let watched = |inner: &Arc<dyn Component>| {
            let watched: Arc<dyn Component> = Arc::new(Watched { inner: inner.clone(), fuse: fuse.clone() });
            (inner.name().clone(), watched)
        };
        Arc::new(Site {
            cluster: name.parse().expect("a name"),
            components: components.iter().map(watched).collect::<BTreeMap<_, _>>(),
            ledger: Arc::new(ledger),
            state: self.dir.path().to_owned(),
            clock: Arc::new(HostClock),
            gates: Default::default(),
            restores: Default::default(),
            letting_go: Default::default(),
            drills: Default::default(),
            tries: Default::default(),
            identity: tokio::sync::Mutex::default(),
            thaw_guard: None,
        })
    }
}

impl Agent {
    pub fn job(&self) -> Job {
        Job {
            site: self.site.clone(),
            pair: self.pair.clone(),
            epoch: EPOCH,
            term: Term(1),
            peer: Some(self.peer.clone()),
            progress: watch::Sender::new(Progress::default()),
            cancel: CancellationToken::new(),
        }
    }
}

fn limits() -> Limits {
    Limits {
        idle: Duration::from_secs(5),
        answer: Duration::from_secs(60),
        give_up: Duration::from_secs(10),
        first_pause: Duration::from_millis(10),
        longest_pause: Duration::from_millis(100),
    }
}

impl Life {
    /// Kills both processes.
    pub fn kill(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(2));
    }

    /// Carries a run on from where it is until it is sealed, as the engine does.
    pub fn drive(&self, service: &Service, run: &mut Run) -> Result<RecoveryPoint, Trouble> {
        self.runtime.block_on(self.steps(service, run))
    }

    pub async fn steps(&self, service: &Service, run: &mut Run) -> Result<RecoveryPoint, Trouble> {
        self.until_transferred(service, run).await?;
        self.seal(service, run).await
    }

    pub async fn until_transferred(&self, service: &Service, run: &mut Run) -> Result<(), Trouble> {
        let (a, b) = (&self.primary, &self.secondary);
        if run.base.is_none() {
            run.base = Some(self.arm(service, run).await?);
        }
        let base = run.base.flatten();
        if run.captured.is_none() {
            let order = CaptureOrder { run: run.run, point: run.point, service: service.clone(), moment: Utc::now() };
            let Outcome::Captured(report) = capture::run(&a.job(), order).await? else { panic!("no capture report") };
            run.captured = Some(report);
        }
        if run.counts.is_none() {
            let order = TransferOrder {
                run: run.run,
                point: run.point,
                service: service.name.clone(),
                data_sets: service.data_sets.clone(),
                base,
                copy: service.copy,
            };
            let at = if service.copy == CopyMode::Push { a } else { b };
            let Outcome::Transferred(report) = transfer::run_within(&at.job(), order, self.limits).await? else { panic!("no counts") };
            run.counts = Some(report.sets);
        }
        Ok(())
    }

    async fn arm(&self, service: &Service, run: &Run) -> Result<Option<PointId>, Trouble> {
        let order = ArmOrder { run: run.run, service: service.name.clone(), data_sets: service.data_sets.clone() };
        let Outcome::Armed(b) = arm::run(&self.secondary.job(), order.clone()).await? else { panic!("not armed") };
        let Outcome::Armed(a) = arm::run(&self.primary.job(), order).await? else { panic!("not armed") };
        assert_eq!(b.drift, Vec::<String>::new());
        Ok(b.last_point.filter(|point| a.held_points.contains(point)))
    }

    pub async fn verify(&self, service: &Service, run: &mut Run) -> Result<(), Trouble> {
        if !run.verified {
            let order = VerifyOrder { run: run.run, point: run.point, service: service.name.clone() };
            verify::run(&self.secondary.job(), order).await?;
            run.verified = true;
        }
        Ok(())
    }

    pub async fn seal(&self, service: &Service, run: &mut Run) -> Result<RecoveryPoint, Trouble> {
        let b = &self.secondary;
        self.verify(service, run).await?;
        let Outcome::Sealed(point) = commit::run(&b.job(), self.commit_order(service, run)).await? else { panic!("not sealed") };
        run.sealed = Some(*point.clone());
        Ok(*point)
    }

    pub fn commit_order(&self, service: &Service, run: &Run) -> CommitOrder {
        let captured = run.captured.clone().expect("captured");
        let data_sets = service.data_sets.iter().zip(&captured.sets).zip(run.counts()).map(|((set, cut), counts)| PointDataSet {
            name: set.from.clone(),
            to: set.to.clone(),
            window: cut.window,
            server_time: cut.server_time,
            open_files: cut.open_files.clone(),
            event_id: cut.event_id,
            files: counts.files,
            bytes: counts.bytes,
            copied_files: counts.copied_files,
            copied_bytes: counts.copied_bytes,
            renamed: counts.renamed,
            deleted: counts.deleted,
            manifest: None,
        });
        let point = RecoveryPoint {
            id: run.point,
            run: run.run,
            service: service.name.clone(),
            pair: service.pair.clone(),
            epoch: EPOCH,
            from: self.primary.site.cluster.clone(),
            to: self.secondary.site.cluster.clone(),
            moment: Utc::now(),
            captured: CapturedSpan { first: Utc::now(), last: Utc::now(), skew_ms: 0, grade: Grade::Bounded },
            data_sets: data_sets.collect(),
            base: run.base.flatten(),
            timings_ms: Timings::default(),
            sealed_at: None,
            notes: Vec::new(),
        };
        CommitOrder { point, service: service.clone() }
    }

    /// Gives a committed point up.
    pub async fn abandon(&self, service: &Service, run: &Run) -> Result<AbandonReport, Trouble> {
        let order = AbandonOrder { run: run.run, point: run.point, service: service.name.clone(), by: "ana".into(), at: Utc::now() };
        let Outcome::Abandoned(report) = abandon::run(&self.secondary.job(), order).await? else { panic!("not taken back") };
        Ok(report)
    }

    /// Drops a run at both agents, as the engine does.
    pub async fn abort(&self, service: &Service, run: &Run) -> Result<Vec<String>, Trouble> {
        let order = AbortOrder { run: run.run, point: run.point, service: service.name.clone(), data_sets: service.data_sets.clone() };
        let mut leftovers = Vec::new();
        for agent in [&self.secondary, &self.primary] {
            let Outcome::Dropped(left) = dropping::abort(&agent.job(), order.clone()).await? else { panic!("not dropped") };
            leftovers.extend(left);
        }
        Ok(leftovers)
    }
}
