//! The engine's core: what its tasks share, the loop that takes commands, and the publisher of snapshots.
//!
//! The loop never waits for a command's work: each runs as a task of its own. Facts live in the [`Model`] behind one short lock;
//! whatever must survive is in the store before it is in the model.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::shown::shown_text;
use crate::domain::{DrillId, PairName, RunId, Term, Trouble, TroubleKind};
use crate::protocol::AgentApi;
use crate::store::controller::{Enrolled, Store};

use super::connect::Connector;
use super::exchange::{self, Meeting};
use super::host::{Host, on_disk};
use super::limits::Limits;
use super::model::Model;
use super::runs::PersonAsks;
use super::snapshot::{ActivityLine, Level, Snapshot};
use super::{WatchSettings, fn_waker::Waker, view};

/// Between two snapshots: 10 a second at most.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// Ages are shown, so that a snapshot is never older than this.
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// What the engine's tasks share.
pub(super) struct Engine {
    /// Its clock, ids and disk.
    pub(super) host: Arc<dyn Host>,
    begun: Instant,
    /// Durable memory.
    store: Arc<Store>,
    /// How agents are reached.
    pub connector: Arc<dyn Connector>,
    /// How clusters are watched.
    pub settings: WatchSettings,
    /// How long things may take.
    pub limits: Limits,
    /// It belongs to the training lab.
    pub training: bool,
    /// Who is told of a fault.
    pub alerts: super::alerts::Alerts,
    /// Called after every snapshot.
    waker: Waker,
    term: AtomicU64,
    model: Mutex<Model>,
    news: Notify,
    stop: CancellationToken,
    tasks: TaskTracker,
    links: Mutex<HashMap<String, Arc<dyn AgentApi>>>,
    /// The agents met since the start, by key, with the term that each told last.
    greeted: Mutex<HashMap<String, Term>>,
    /// Where a run under way takes what persons want of it.
    pub asks: Mutex<HashMap<RunId, mpsc::Sender<PersonAsks>>>,
    /// Where a drill under way is stopped.
    pub drill_stops: Mutex<HashMap<DrillId, CancellationToken>>,
    /// Wakes a pair's identity driver.
    pub drivers: Mutex<HashMap<PairName, Driver>>,
    /// One identity event is appended at a time.
    pub appending: tokio::sync::Mutex<()>,
    /// One event of a drill is appended at a time.
    pub appending_drill: tokio::sync::Mutex<()>,
    /// One run or drill starts at a time.
    pub starting: tokio::sync::Mutex<()>,
    /// One pairing, policy change or adoption at a time.
    pub configuring: tokio::sync::Mutex<()>,
}

/// A pair's tasks.
#[derive(Clone)]
pub(super) struct Driver {
    /// Wakes the identity driver.
    pub wake: Arc<Notify>,
    /// Ends the pair's tasks.
    pub stop: CancellationToken,
}

/// Locks, whatever a panic elsewhere left: every change under these locks is whole in itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an engine is made of.
pub(super) struct Parts {
    pub host: Arc<dyn Host>,
    pub store: Arc<Store>,
    pub connector: Arc<dyn Connector>,
    pub settings: WatchSettings,
    pub limits: Limits,
    pub training: bool,
    pub alerts: super::alerts::Alerts,
    pub waker: Waker,
    pub term: Term,
    pub model: Model,
}

impl Engine {
    pub fn new(parts: Parts) -> Arc<Engine> {
        Arc::new(Engine {
            host: parts.host,
            begun: Instant::now(),
            store: parts.store,
            connector: parts.connector,
            settings: parts.settings,
            limits: parts.limits,
            training: parts.training,
            alerts: parts.alerts,
            waker: parts.waker,
            term: AtomicU64::new(parts.term.0),
            model: Mutex::new(parts.model),
            news: Notify::new(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            links: Mutex::default(),
            greeted: Mutex::default(),
            asks: Mutex::default(),
            drill_stops: Mutex::default(),
            drivers: Mutex::default(),
            appending: tokio::sync::Mutex::default(),
            appending_drill: tokio::sync::Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            configuring: tokio::sync::Mutex::default(),
        })
    }

    /// Reads facts. Short; nothing waits inside.
    pub fn read<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&lock(&self.model))
    }

    /// Changes facts and lets everybody know.
    pub fn change<T>(&self, change: impl FnOnce(&mut Model) -> T) -> T {
        let mut model = lock(&self.model);
        let result = change(&mut model);
        model.settle();
        drop(model);
        self.news.notify_one();
        result
    }

    /// Nanoseconds of the monotonic clock since the engine's start.
    pub fn monotonic_ns(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    /// Uses the store where waiting for the disk hurts nobody.
    pub async fn store<T: Send + 'static>(&self, work: impl FnOnce(&Store) -> Result<T, Trouble> + Send + 'static) -> Result<T, Trouble> {
        let store = self.store.clone();
        on_disk(&*self.host, move || work(&store)).await
    }

    /// Starts a task that ends with the engine.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! { biased; () = stop.cancelled() => {}, () = task => {} }
        });
    }

    /// Notes what happened, durably and on the screen. A full disk must not hide it, so that the store's trouble is only logged.
    pub async fn note(&self, level: Level, about: impl Into<String>, text: impl Into<String>) {
        let line = ActivityLine { at: self.now(), level, text: shown_text(text.into()), about: shown_text(about.into()) };
        match level {
            Level::Info => tracing::info!(about = %line.about, "{}", line.text),
            _ => tracing::warn!(about = %line.about, "{}", line.text),
        }
        self.change(|m| m.add_activity(line.clone()));
        if let Err(trouble) = self.store(move |s| s.add_activity(line.at, &line)).await {
            tracing::warn!(%trouble, "a line of activity could not be stored");
        }
    }

    /// Our term.
    pub fn term(&self) -> Term {
        Term(self.term.load(Ordering::SeqCst))
    }

    /// The connection to an agent, kept for later calls.
    pub fn link(&self, agent: &Enrolled) -> Result<Arc<dyn AgentApi>, Trouble> {
        let name = format!("{}#{}", agent.address, agent.key);
        if let Some(link) = lock(&self.links).get(&name) {
            return Ok(link.clone());
        }
        let link = self.connector.connect(agent)?;
        lock(&self.links).insert(name, link.clone());
        Ok(link)
    }

    /// Takes notice of the term an agent knows. The first time we meet it we take a higher one; a higher one later means that
    /// another controller commands now, and that we are ousted.
    pub async fn meet(&self, agent: &Enrolled, known: Term) -> Result<(), Trouble> {
        let first = !self.has_met(agent);
        match exchange::meet(first, self.term(), known, self.host.chance()) {
            Meeting::Take(term) => {
                self.store(move |s| s.take_term(term)).await?;
                self.term.fetch_max(term.0, Ordering::SeqCst);
            }
            Meeting::Ousted if self.read(|m| m.ousted.is_none()) => {
                self.change(|m| m.ousted = Some(known));
                self.note(Level::Fault, "", ousted(&agent.cluster.to_string(), known).to_string()).await;
            }
            Meeting::InCommand | Meeting::Ousted => {}
        }
        if first {
            self.change(|m| m.elsewhere.extend((known > m.before).then(|| agent.key.clone())));
        }
        // Only now: an agent met with a term that could not be stored is met again.
        lock(&self.greeted).insert(agent.key.clone(), known);
        if self.read(|m| m.cut_off.contains(&agent.key)) {
            self.change(|m| m.cut_off.remove(&agent.key));
        }
        Ok(())
    }

    /// The term that an agent told last; the lowest before it was met.
    pub fn term_known_to(&self, agent: &Enrolled) -> Term {
        lock(&self.greeted).get(&agent.key).copied().unwrap_or_default()
    }

    /// An agent says that our key was cut off there: another controller adopted it, or a person revoked the key.
    pub async fn cut_off(&self, agent: &Enrolled, why: &Trouble) {
        if self.change(|m| m.cut_off.insert(agent.key.clone())) {
            self.note(Level::Fault, "", format!("{why}; {} obeys this console no more", agent.cluster)).await;
        }
    }

    /// Whether an agent was met since the engine's start.
    pub fn has_met(&self, agent: &Enrolled) -> bool {
        lock(&self.greeted).contains_key(&agent.key)
    }

    /// The next look at an agent is a first meeting again, and whoever ousted us there is over: a person has given it to us.
    pub fn forget_meeting(&self, agent: &Enrolled) {
        lock(&self.greeted).remove(&agent.key);
        if self.read(|m| m.ousted.is_some() || !m.cut_off.is_empty()) {
            self.change(|m| {
                m.ousted = None;
                m.cut_off.clear();
            });
        }
    }

    /// Refuses when another controller commands the agents now.
    pub fn check_in_command(&self) -> Result<(), Trouble> {
        match self.read(|m| (m.ousted, m.cut_off.is_empty())) {
            (Some(term), _) => Err(ousted("the agents", term)),
            (None, true) => Ok(()),
            (None, false) => {
                Err(Trouble::new(TroubleKind::Outdated, "the agents", "this console was cut off: its key was adopted away or revoked")
                    .next("close this console; or, if this one is to command, take over with a code from `understudy-agent adopt`"))
            }
        }
    }

    /// Refuses what a person decided on facts that have changed since: `seen` is the generation they saw, `None` whatever holds.
    pub fn check_seen(&self, pair: &PairName, seen: Option<u64>) -> Result<(), Trouble> {
        match seen {
            Some(seen) if seen != self.read(|m| m.generation) => {
                Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), "the facts have changed since you looked")
                    .next("look again and decide again"))
            }
            _ => Ok(()),
        }
    }

    /// Waits until the model tells something; the caller bounds the wait.
    pub async fn until<T>(&self, told: impl Fn(&Model) -> Option<T>) -> T {
        loop {
            if let Some(told) = self.read(&told) {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The newest snapshot of what is known.
    pub fn picture(&self) -> Snapshot {
        self.read(|m| view::snapshot(m, self.now()))
    }

    /// Wakes a pair's identity driver.
    pub fn wake_driver(&self, pair: &PairName) {
        if let Some(driver) = lock(&self.drivers).get(pair) {
            driver.wake.notify_one();
        }
    }

    /// Ends all tasks; what they were doing goes on at the next start.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The token that ends the engine's tasks.
    pub fn stopper(&self) -> CancellationToken {
        self.stop.clone()
    }
}

fn ousted(who: &str, term: Term) -> Trouble {
    Trouble::new(TroubleKind::Outdated, who, format!("another controller took over (term {term}); this one commands nothing any more"))
        .next("close this console; or, if this one is to command, start it again")
}

/// Publishes a snapshot after every change, at most 10 a second, and at least one a second because ages are shown.
pub(super) async fn publish(engine: Arc<Engine>, to: Arc<watch::Sender<Arc<Snapshot>>>) {
    loop {
        tokio::select! { biased; () = engine.news.notified() => {}, () = tokio::time::sleep(REFRESH_EVERY) => {} }
        to.send_replace(Arc::new(engine.picture()));
        engine.waker.wake();
        tokio::time::sleep(PUBLISH_EVERY).await;
    }
}
