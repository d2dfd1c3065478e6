//! A console: the real engine on a simulated host and network. Killed, it can touch nothing any more, at whichever await it stands: no
//! disk, no message; its tasks are then dropped, and a new engine starts on what is on the disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use understudy::controller::fn_waker::Waker;
use understudy::controller::{
    Command, Connector, DiskWork, EngineHandle, EngineSpec, Host, Limits, Reply, Snapshot, WatchSettings, start_with,
};
use understudy::domain::switchover::machine::{Decision, Event};
use understudy::domain::*;
use understudy::protocol::*;
use understudy::store::controller::{Enrolled, Store};

use crate::net::{Way, call};
use crate::seen::Seen;
use crate::site;
use crate::world::{CONSOLE, World, cluster, pair};

/// How long the tasks of a killed engine may take to be dropped (they have nothing to wait for).
const GONE: Duration = Duration::from_secs(60);

/// Blows after so many touches of the outside, or at once; from then on nothing gets out.
#[derive(Debug, Default)]
pub struct Fuse {
    left: AtomicI64,
    dead: AtomicBool,
    pub blown: CancellationToken,
}

impl Fuse {
    /// Blows at this many touches from now.
    pub fn light(&self, touches: i64) {
        self.left.store(touches, Ordering::SeqCst);
    }

    pub fn blow(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.blown.cancel();
    }

    /// One touch of the outside; never returns once it has blown.
    async fn touch(&self) {
        if self.left.load(Ordering::SeqCst) > 0 && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.blow();
        }
        if self.dead.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

/// One life of a console: what its engine runs on.
struct Life {
    world: Arc<World>,
    fuse: Arc<Fuse>,
    name: &'static str,
    state: PathBuf,
    disk_full: Arc<AtomicBool>,
    /// The last id's millisecond, and how many were drawn.
    ids: Mutex<(u64, u64)>,
    /// Decisions seen to be durable before they were sent.
    durable: Mutex<Vec<DecisionId>>,
}

struct SimHost(Arc<Life>);

impl Host for SimHost {
    fn now(&self) -> DateTime<Utc> {
        self.0.world.with(|s| s.wall(CONSOLE))
    }

    fn id(&self) -> Uuid {
        let (wall, chance) = self.0.world.with(|s| (s.wall(CONSOLE), s.rng.next()));
        let mut ids = self.0.ids.lock().unwrap();
        *ids = (ids.0.max(u64::try_from(wall.timestamp_millis()).unwrap()), ids.1 + 1);
        let mut tail = [0; 10];
        tail[..4].copy_from_slice(&u32::try_from(ids.1).unwrap().to_be_bytes());
        tail[4..].copy_from_slice(&chance.to_be_bytes()[..6]);
        uuid::Builder::from_unix_timestamp_millis(ids.0, &tail).into_uuid()
    }

    // Of its own, so that it takes nothing from what else a seed draws.
    fn chance(&self) -> u64 {
        self.0.world.with(|s| s.terms.next())
    }

    fn disk(&self, work: DiskWork) -> BoxFuture<'static, Result<(), Trouble>> {
        let life = self.0.clone();
        Box::pin(async move {
            life.fuse.touch().await;
            if life.disk_full.load(Ordering::SeqCst) {
                return Err(Trouble::new(TroubleKind::Exhausted, "engine's store", "database or disk is full").next("make room"));
            }
            work();
            life.fuse.touch().await;
            Ok(())
        })
    }
}

struct SimConnector(Arc<Life>);

fn which(address: &str) -> usize {
    usize::from(address == site::address(1))
}

#[async_trait]
impl Connector for SimConnector {
    fn connect(&self, agent: &Enrolled) -> Result<Arc<dyn AgentApi>, Trouble> {
        Ok(Arc::new(Link { life: self.0.clone(), i: which(&agent.address) }))
    }

    async fn enrol(&self, address: &str, code: &str) -> Result<Enrolled, Trouble> {
        let i = which(address);
        let adopts = code == "adopt";
        let link = Link { life: self.0.clone(), i };
        let told = link.ask(false, move |world, key| {
            world.with(|s| {
                if adopts {
                    s.sites[i].agent.adopt(key)
                }
            });
            Ok(())
        });
        // A connection that breaks is told of by TLS sooner than a call.
        let late = || Trouble::new(TroubleKind::Unreachable, format!("agent {}", cluster(i)), "no answer");
        tokio::time::timeout(Duration::from_secs(5), told).await.unwrap_or_else(|_| Err(late()))?;
        Ok(Enrolled { address: address.into(), key: site::key(i), cluster: cluster(i).clone(), site: format!("site of {}", cluster(i)) })
    }

    fn key(&self) -> String {
        "console".into()
    }
}

/// The way to one agent.
struct Link {
    life: Arc<Life>,
    i: usize,
}

impl Link {
    async fn ask<T: Send + 'static>(
        &self,
        repeats: bool,
        handler: impl Fn(&Arc<World>, &str) -> Result<T, Trouble> + Send + Sync + 'static,
    ) -> Result<T, Trouble> {
        self.life.fuse.touch().await;
        let handler = Arc::new(handler);
        let answer = call(&self.life.world, Way::Console(self.i), self.i, repeats, move |world| {
            let handler = handler.clone();
            async move { handler(&world, "console") }
        });
        let answer = answer.await;
        self.life.fuse.touch().await;
        answer
    }

    /// Invariants 2 and 6: what is sent of a decision is durable at the console.
    fn check_durable(&self, decision: &Decision) {
        if self.life.durable.lock().unwrap().contains(&decision.id) {
            return;
        }
        let events = Store::open(&self.life.state).and_then(|store| store.pair_events(pair()));
        let is_it = |event: &Event| match event {
            Event::Decided { decision: d }
            | Event::ConflictEnded { decision: d }
            | Event::TakeBackBegan { decision: d }
            | Event::FenceLeft { decision: d, .. } => d.id == decision.id,
            _ => false,
        };
        let durable = events.as_ref().is_ok_and(|events| events.iter().any(is_it));
        self.life.world.with(|s| s.promise(durable, || format!("invariant 2: decision {} was sent before it was durable", decision.id)));
        self.life.durable.lock().unwrap().push(decision.id);
    }
}

#[async_trait]
impl AgentApi for Link {
    async fn instruct(&self, instruction: &Instruction) -> Result<Answer, Trouble> {
        match &instruction.order {
            Order::Promote(promote) => self.check_durable(&promote.decision),
            Order::Demote(demote) | Order::Unfence(demote) => self.check_durable(&demote.decision),
            _ => {}
        }
        let (i, told) = (self.i, instruction.clone());
        self.ask(true, move |world, key| site::instruct(world, i, &told, key)).await
    }

    async fn answer(&self, id: InstructionId, wait: Duration) -> Result<Answer, Trouble> {
        self.life.fuse.touch().await;
        let i = self.i;
        let answer = call(&self.life.world, Way::Console(i), i, false, move |world| async move {
            let begun = tokio::time::Instant::now();
            loop {
                let answer = site::answer_now(&world, i, id)?;
                if !matches!(answer.state, AnswerState::Running(_)) || begun.elapsed() >= wait {
                    return Ok(answer);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let answer = answer.await;
        self.life.fuse.touch().await;
        answer
    }

    async fn status(&self) -> Result<AgentStatus, Trouble> {
        let i = self.i;
        self.ask(false, move |world, _| Ok(site::status(world, i))).await
    }

    async fn clock(&self) -> Result<ClockReply, Trouble> {
        let i = self.i;
        self.ask(false, move |world, _| {
            let now = world.with(|s| s.wall(i)).timestamp_nanos_opt().unwrap();
            Ok(ClockReply { received_ns: now, sent_ns: now })
        })
        .await
    }

    async fn catalogue(&self, _component: &str, _path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        Ok(Vec::new())
    }

    async fn records(&self) -> Result<Records, Trouble> {
        let i = self.i;
        self.ask(false, move |world, key| Ok(site::records(world, i, key))).await
    }
}

/// A console on its state directory, running or not.
pub struct Console {
    pub world: Arc<World>,
    pub name: &'static str,
    pub state: PathBuf,
    pub disk_full: Arc<AtomicBool>,
    /// A fault has it in its hands: one at a time.
    pub dying: AtomicBool,
    running: Mutex<Option<(EngineHandle, Arc<Fuse>)>>,
}

pub fn watch() -> WatchSettings {
    WatchSettings { interval: Duration::from_secs(4), ..WatchSettings::default() }
}

impl Console {
    pub fn new(world: &Arc<World>, name: &'static str, state: PathBuf) -> Arc<Console> {
        Arc::new(Console {
            world: world.clone(),
            name,
            state,
            disk_full: Arc::default(),
            dying: AtomicBool::new(false),
            running: Mutex::default(),
        })
    }

    /// The fuse of the running engine.
    pub fn fuse(&self) -> Option<Arc<Fuse>> {
        self.running.lock().unwrap().as_ref().map(|(_, fuse)| fuse.clone())
    }

    pub fn is_running(&self) -> bool {
        self.fuse().is_some_and(|fuse| !fuse.blown.is_cancelled())
    }

    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.running.lock().unwrap().as_ref().filter(|(_, fuse)| !fuse.blown.is_cancelled()).map(|(handle, _)| handle.snapshot())
    }

    /// Starts an engine, killed after so many touches of the outside unless that is 0. False: it did not come up.
    pub async fn start(self: &Arc<Self>, touches: i64) -> bool {
        let fuse = Arc::new(Fuse::default());
        fuse.light(touches);
        let life = Arc::new(Life {
            world: self.world.clone(),
            fuse: fuse.clone(),
            name: self.name,
            state: self.state.clone(),
            disk_full: self.disk_full.clone(),
            ids: Mutex::default(),
            durable: Mutex::default(),
        });
        let spec = EngineSpec { state: self.state.clone(), watch: watch(), training: false, route: None, waker: Waker::default() };
        let starting = start_with(spec, Arc::new(SimConnector(life.clone())), Limits::default(), Arc::new(SimHost(life.clone())));
        let started = tokio::select! { biased; () = fuse.blown.cancelled() => None, started = starting => Some(started) };
        match started {
            Some(Ok(handle)) => {
                self.world.with(|s| s.note(format_args!("{} starts", life.name)));
                tokio::spawn(Seen::default().follow(self.world.clone(), self.name, handle.snapshots(), fuse.blown.clone()));
                *self.running.lock().unwrap() = Some((handle, fuse));
                true
            }
            Some(Err(trouble)) => {
                self.world.with(|s| s.note(format_args!("{} does not start: {trouble}", life.name)));
                false
            }
            None => false,
        }
    }

    /// Kills the engine if it still runs, and waits until its tasks are gone.
    pub async fn kill(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some((handle, fuse)) = running {
            fuse.blow();
            self.world.with(|s| s.note(format_args!("{} is dead", self.name)));
            handle.stop(GONE).await;
        }
    }

    /// A person gives a command; `None` when the engine dies over it.
    pub async fn ask(&self, command: Command) -> Option<Reply> {
        let (handle, fuse) = self.running.lock().unwrap().clone()?;
        tokio::select! { biased; () = fuse.blown.cancelled() => None, reply = handle.ask(command) => Some(reply) }
    }
}

/// A copy of a state directory as it is on the disk now.
pub fn copy_state(from: &Path, to: &Path) {
    for file in ["engine.db", "engine.db-wal"] {
        if from.join(file).exists() {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
}
