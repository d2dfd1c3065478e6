//! An engine on a test stand: its state directory, two simulated agents, short time limits.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use uuid::Uuid;

use understudy::controller::command::{AgentRequest, CheckState, PairRequest};
use understudy::controller::fn_waker::Waker;
use understudy::controller::{
    Command, DiskWork, EngineHandle, EngineSpec, Host, Limits, RealHost, Reply, Snapshot, WatchMode, WatchSettings, start_with,
};
use understudy::domain::{RunId, RunReport, Service, Trouble, TroubleKind};

use crate::sim::{PAIR, SimConnector, World};

/// Whatever is waited for comes within this, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

pub struct Stand {
    pub world: Arc<World>,
    pub watch: WatchSettings,
    pub limits: Limits,
    handle: Option<EngineHandle>,
    dir: TempDir,
}

/// A state directory in memory, where the machine has a place for that: what is tried here is the engine and not the disk.
fn state_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A policy with two data sets.
pub fn service(name: &str) -> Service {
    toml::from_str(&format!("name = {name:?}\npair = {PAIR:?}\ndata_sets = ['tables:orders', 'files:invoices']")).unwrap()
}

fn watch() -> WatchSettings {
    WatchSettings {
        interval: Duration::from_millis(20),
        time_limit: Duration::from_millis(500),
        failures: 3,
        fault_after: Duration::from_millis(200),
        settle: Duration::from_millis(400),
        unstable_times: 3,
        unstable_window: Duration::from_secs(8),
        mode: WatchMode::Prompt,
    }
}

fn limits() -> Limits {
    Limits {
        call: Duration::from_secs(1),
        poll: Duration::from_millis(20),
        patience: Duration::from_secs(2),
        abort_patience: Duration::from_millis(300),
        backoff: Duration::from_millis(10),
        backoff_most: Duration::from_millis(50),
        stall: Duration::from_secs(20),
        lead: Duration::from_secs(180),
        noted: Duration::ZERO,
        decision: Duration::from_secs(240),
    }
}

/// The machine that we run on, with a clock that can be stepped.
struct SteppedHost(Arc<World>);

impl Host for SteppedHost {
    fn now(&self) -> DateTime<Utc> {
        RealHost.now() + TimeDelta::seconds(self.0.faults.engine_off_secs())
    }

    fn id(&self) -> Uuid {
        RealHost.id()
    }

    fn chance(&self) -> u64 {
        RealHost.chance()
    }

    fn disk(&self, work: DiskWork) -> BoxFuture<'static, Result<(), Trouble>> {
        if self.0.faults.takes_room() {
            return RealHost.disk(work);
        }
        Box::pin(async { Err(Trouble::new(TroubleKind::Exhausted, "engine's store", "the disk is full")) })
    }
}

async fn engine(dir: &Path, world: &Arc<World>) -> Result<EngineHandle, Trouble> {
    let spec = EngineSpec { state: dir.to_owned(), watch: watch(), training: false, route: None, waker: Waker::default() };
    start_with(spec, Arc::new(SimConnector(world.clone())), limits(), Arc::new(SteppedHost(world.clone()))).await
}

fn pair_request() -> PairRequest {
    let agent = |name: &str| AgentRequest { address: format!("{name}:7443"), code: Some("code".into()) };
    PairRequest { name: PAIR.parse().unwrap(), primary: agent("east"), secondary: agent("west") }
}

async fn pair_up(handle: &EngineHandle, policy: Service) {
    let Reply::PairChecks(checks) = handle.ask(Command::Pair(pair_request())).await else { panic!("not paired") };
    assert!(checks.checks.iter().all(|c| c.state != CheckState::Failed), "{checks:?}");
    let Reply::ServiceChecked(check) = handle.ask(Command::SaveService(Box::new(policy))).await else { panic!("not saved") };
    assert!(check.checks.iter().all(|c| c.state != CheckState::Failed), "{check:?}");
    let mut snapshots = handle.snapshots();
    let shown = snapshots.wait_for(|s| s.pairs.first().is_some_and(|p| !p.services.is_empty()));
    tokio::time::timeout(LIMIT, shown).await.unwrap().unwrap();
}

impl Stand {
    /// Paired, with the service `orders`.
    pub async fn paired() -> Stand {
        Stand::paired_with(service("orders")).await
    }

    pub async fn paired_with(policy: Service) -> Stand {
        let stand = Stand::empty(World::new()).await;
        pair_up(stand.handle(), policy).await;
        stand
    }

    /// Paired, with an `engine.toml` beside the state.
    pub async fn paired_with_file(policy: Service, engine_toml: &str) -> Stand {
        let mut stand = Stand::empty(World::new()).await;
        std::fs::write(stand.state().join("engine.toml"), engine_toml).unwrap();
        stand.restart().await;
        pair_up(stand.handle(), policy).await;
        stand
    }

    /// An engine that knows nothing yet.
    pub async fn empty(world: Arc<World>) -> Stand {
        let dir = state_dir();
        let handle = engine(dir.path(), &world).await.unwrap();
        Stand { world, watch: watch(), limits: limits(), handle: Some(handle), dir }
    }

    /// Another engine on a copy of the state directory.
    pub async fn copied_state(&self) -> Stand {
        let dir = tempfile::tempdir().unwrap();
        for file in ["engine.db", "engine.db-wal"] {
            let from = self.dir.path().join(file);
            if from.exists() {
                std::fs::copy(from, dir.path().join(file)).unwrap();
            }
        }
        let handle = engine(dir.path(), &self.world).await.unwrap();
        let stand = Stand { world: self.world.clone(), watch: watch(), limits: limits(), handle: Some(handle), dir };
        stand.until("ready", |s| s.ready).await;
        stand
    }

    pub fn handle(&self) -> &EngineHandle {
        self.handle.as_ref().unwrap()
    }

    /// Steps the clock of the engine's own host.
    pub fn step_clock(&self, by: TimeDelta) {
        self.world.faults.step_engine_clock(by.num_seconds());
    }

    pub fn state(&self) -> &Path {
        self.dir.path()
    }

    /// A second engine on the same state directory.
    pub async fn start_another(&self) -> Result<EngineHandle, Trouble> {
        engine(self.dir.path(), &self.world).await
    }

    pub async fn restart(&mut self) {
        self.halt().await;
        self.start().await;
    }

    pub async fn halt(&mut self) {
        self.handle.take().unwrap().stop(LIMIT).await;
    }

    /// Starts the engine again after a halt.
    pub async fn start(&mut self) {
        self.handle = Some(engine(self.dir.path(), &self.world).await.unwrap());
        self.until("ready", |s| s.ready).await;
    }

    pub async fn stop(mut self) {
        self.halt().await;
    }

    pub async fn ask(&self, command: Command) -> Reply {
        tokio::time::timeout(LIMIT, self.handle().ask(command)).await.expect("no reply in time")
    }

    /// Waits for a snapshot of which something holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        self.until_within(LIMIT, what, holds).await
    }

    /// Likewise, for what is much work.
    pub async fn until_within(&self, limit: Duration, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = self.handle().snapshots();
        let seen = tokio::time::timeout(limit, snapshots.wait_for(|s| holds(s))).await;
        match seen {
            Ok(Ok(snapshot)) => snapshot.clone(),
            _ => panic!("never came: {what}\n{:#?}", self.handle().snapshot()),
        }
    }

    pub async fn start_run(&self) -> RunId {
        match self.ask(Command::Run { service: "orders".parse().unwrap(), at: None }).await {
            Reply::Started(run) => run,
            other => panic!("{other:?}"),
        }
    }

    pub async fn ended(&self, run: RunId) -> RunReport {
        let over = |s: &Snapshot| s.runs.iter().any(|r| r.run == run && r.report.outcome.is_some());
        let snapshot = self.until("the run's end", over).await;
        snapshot.runs.iter().find(|r| r.run == run).unwrap().report.clone()
    }

    pub async fn run(&self) -> RunReport {
        let run = self.start_run().await;
        self.ended(run).await
    }
}

/// An engine with a runtime of its own, so that it can be killed as a process is: at once, wherever it is.
pub struct Site {
    pub world: Arc<World>,
    runtime: Option<tokio::runtime::Runtime>,
    handle: Option<EngineHandle>,
    dir: TempDir,
    restarted: bool,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl Site {
    /// Paired, with one sealed point.
    pub fn paired(world: Arc<World>) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime();
        let handle = runtime.block_on(async {
            let handle = engine(dir.path(), &world).await.unwrap();
            pair_up(&handle, service("orders")).await;
            let command = Command::Run { service: "orders".parse().unwrap(), at: None };
            assert!(matches!(handle.ask(command).await, Reply::Started(_)));
            let mut snapshots = handle.snapshots();
            // Everything that follows the seal too, so that only what the test does meets its kill.
            let quiet = |s: &Arc<Snapshot>| !s.points.is_empty() && s.pairs[0].users.at.is_some();
            tokio::time::timeout(LIMIT, snapshots.wait_for(quiet)).await.unwrap().unwrap();
            handle
        });
        Site { world, runtime: Some(runtime), handle: Some(handle), dir, restarted: false }
    }

    /// Gives a command; nobody waits for its reply.
    pub fn tell(&self, command: Command) {
        drop(self.handle.as_ref().unwrap().ask_later(command));
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.handle.as_ref().unwrap().snapshot()
    }

    pub fn is_restarted(&self) -> bool {
        self.restarted && self.snapshot().ready
    }

    pub fn wait(&self, holds: impl Fn(&Site) -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if holds(self) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Drops every task where it stands, and starts a new engine on what is on the disk.
    pub fn kill_and_restart(mut self) -> Site {
        self.runtime.take().unwrap().shutdown_timeout(LIMIT);
        self.handle = None;
        self.world.faults.thaw();
        let runtime = runtime();
        self.handle = Some(runtime.block_on(engine(self.dir.path(), &self.world)).unwrap());
        self.runtime = Some(runtime);
        self.restarted = true;
        self
    }

    pub fn stop(mut self) {
        let handle = self.handle.take().unwrap();
        let runtime = self.runtime.take().unwrap();
        runtime.block_on(handle.stop(LIMIT));
        runtime.shutdown_timeout(LIMIT);
    }
}
