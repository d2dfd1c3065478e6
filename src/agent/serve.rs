//! Starting and stopping an agent: as a library function, so that the training lab runs the very same agent.
//!
//! ```text
//! state folder (locked) → ports → key → ledger (nothing confirmed, nothing running) → components → finish committed points → serve → watch
//! ```

use std::fs::{File, TryLockError};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::attempts::Attempts;
use super::clock::Clock;
use super::config::AgentConfig;
use super::jobs::{Site, ThawGuard, commit, copy_kept, drill, gate, restore};
use super::known::Memory;
use super::links::Links;
use super::manager::Manager;
use super::seen::Seen;
use super::server::{self, App};
use super::status::Facts;
use super::unfinished::{self, Tries};
use super::views::Views;
use super::{enrolment, local, open, peer, route, seen};
use crate::domain::{Trouble, TroubleKind};
use crate::protocol::host;
use crate::protocol::serve::{self, PLAIN_PLACES, SECURE_PLACES, STOP_LIMIT, descriptors};
use crate::protocol::tls::{self, OwnKey};
use crate::store::agent::Ledger;

/// How long committed points are waited for before the agent serves.
const FINISH_LIMIT: Duration = Duration::from_secs(20);
/// Open files beside connections: the ledger, components and their connections, pieces on their way.
const FILES: usize = 512;

/// An agent that serves. Dropped, it goes on serving; [`RunningAgent::stop`] ends it.
pub struct RunningAgent {
    address: SocketAddr,
    route_address: SocketAddr,
    own: Arc<OwnKey>,
    manager: Arc<Manager>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
    /// One agent a state folder.
    lock: File,
}

impl RunningAgent {
    /// Where it listens for the controller and its peer.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers the route.
    pub fn route_address(&self) -> SocketAddr {
        self.route_address
    }

    /// Its key: SHA-256 of the SubjectPublicKeyInfo, hex.
    pub fn fingerprint(&self) -> &str {
        self.own.fingerprint()
    }

    /// Ends it: jobs are interrupted, requests under way get a few seconds.
    pub async fn stop(self) {
        self.stop.cancel();
        self.manager.stopped().await;
        for task in self.tasks {
            // A task that ended early has said why in the log.
            drop(tokio::time::timeout(STOP_LIMIT * 2, task).await);
        }
        // Unlocked by word: a program that is being started at this instant shares the open file until it runs.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the state folder's lock could not be given back");
        }
    }
}

/// Starts an agent on the current tokio runtime and returns once it listens.
pub async fn serve(config: AgentConfig, clock: Arc<dyn Clock>) -> Result<RunningAgent, Trouble> {
    serve_guarded(config, clock, None).await
}

/// The same with a guard that thaws should this process die.
pub async fn serve_guarded(config: AgentConfig, clock: Arc<dyn Clock>, thaw_guard: Option<ThawGuard>) -> Result<RunningAgent, Trouble> {
    tls::install_provider();
    descriptors::ensure((SECURE_PLACES.all() + PLAIN_PLACES.all() + FILES) as u64)?;
    config.prepare_state()?;
    let lock = lock_state(&config.state)?;
    let (listener, route_listener) = (listen(config.listen)?, listen(config.route_listen()?)?);
    let (address, route_address) = (bound(&listener)?, bound(&route_listener)?);
    let own = OwnKey::load_or_create(&config.state, config.name.as_str(), clock.now())?;
    let ledger_path = enrolment::ledger_path(&config.state);
    let ledger = Ledger::open(&ledger_path)?;
    let memory = Arc::new(Memory::open(&ledger_path)?);
    ledger.begin_start()?;
    let interrupted = ledger.interrupt_running(clock.now())?;
    let components = open::components(&config)?;
    let (cluster, ledger, gates, drills) = (config.name.clone(), Arc::new(ledger), gate::Gates::default(), gate::Gates::default());
    let (tries, identity) = (Tries::default(), tokio::sync::Mutex::default());
    let (restores, letting_go) = (gate::Gates::default(), tokio::sync::Mutex::default());
    let state = config.state.clone();
    let site = Site { cluster, components, ledger, state, clock, gates, drills, restores, letting_go, tries, identity, thaw_guard };
    let site = Arc::new(site);
    tracing::info!(cluster = %site.cluster, fingerprint = own.fingerprint(), interrupted, "starting; no identity is confirmed yet");

    drill::tell_unfinished(&site)?;
    restore::tell_unfinished(&site)?;
    copy_kept::clear_broken_off(&config.state);
    finish_committed(&site).await;

    let stop = CancellationToken::new();
    let links = Arc::new(Links::new(own.clone()));
    let views = Arc::new(Views::default());
    let manager = Manager::new(site.clone(), links.clone(), stop.child_token());
    let facts = Facts {
        site: config.site.clone(),
        host: host::marks(),
        peer_address: config.advertise.clone().unwrap_or_default(),
        route_address: config.advertise_route.clone().unwrap_or_else(|| route_address.to_string()),
    };
    let (site_too, manager_too, views_too, own_too) = (site.clone(), manager.clone(), views.clone(), own.clone());
    let (attempts, seen) = (Mutex::new(Attempts::default()), Arc::new(Seen::default()));
    let seen_too = seen.clone();
    let app = App { site: site_too, manager: manager_too, views: views_too, own: own_too, facts, memory, attempts, seen: seen_too };
    let app = Arc::new(app);
    let tasks = vec![
        tokio::spawn(https(listener, app.clone(), stop.clone())?),
        tokio::spawn(plain(route_listener, app, stop.clone())?),
        tokio::spawn(local::watch(site.clone(), own.clone(), views.clone(), stop.clone())),
        tokio::spawn(seen::keep(site.clone(), seen, stop.clone())),
        tokio::spawn(unfinished::keep(site.clone(), stop.clone())),
        tokio::spawn(peer::watch(site, links, views, stop.clone())),
    ];
    tracing::info!(%address, %route_address, "serving");
    Ok(RunningAgent { address, route_address, own, manager, stop, tasks, lock })
}

/// Finishes committed points before serving; one whose component hangs is finished beside serving.
async fn finish_committed(site: &Arc<Site>) {
    let own = site.clone();
    let work = tokio::spawn(async move {
        if let Err(trouble) = commit::resume(&own).await {
            tracing::error!(%trouble, "a committed point could not be finished yet; it is tried again by itself");
        }
    });
    if tokio::time::timeout(FINISH_LIMIT, work).await.is_err() {
        tracing::warn!("committed points take long to finish; serving meanwhile");
    }
}

/// Held as long as the agent lives; the system gives it back when the process dies.
fn lock_state(state: &Path) -> Result<File, Trouble> {
    let path = state.join("lock");
    let failed = |e: std::io::Error| Trouble::new(TroubleKind::Failed, path.display(), e);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Trouble::new(TroubleKind::Refused, state.display(), "another agent uses this state folder")
            .next("stop it first, or give this agent a `state` of its own")),
        Err(TryLockError::Error(e)) => Err(failed(e)),
    }
}

fn listen(at: SocketAddr) -> Result<TcpListener, Trouble> {
    let failed = |e: std::io::Error| {
        Trouble::new(TroubleKind::Failed, at, format!("cannot listen there: {e}"))
            .next("is another agent running? see `listen` and `route` in agent.toml")
    };
    let listener = TcpListener::bind(at).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn bound(listener: &TcpListener) -> Result<SocketAddr, Trouble> {
    listener.local_addr().map_err(|e| Trouble::new(TroubleKind::Failed, "listener", e))
}

fn https(listener: TcpListener, app: Arc<App>, stop: CancellationToken) -> Result<impl Future<Output = ()>, Trouble> {
    let (listener, config) = (for_tokio(listener)?, tls::server_config(app.own.clone())?);
    let own_app = app.clone();
    let known = move |key: Arc<str>| {
        let app = own_app.clone();
        async move {
            match app.memory.now().await {
                Ok(known) => Some(known.holds(&key, app.site.clock.now())),
                Err(trouble) => {
                    tracing::warn!(%trouble, "who calls cannot be looked up");
                    None
                }
            }
        }
    };
    Ok(serve::secure(listener, config, server::router(app), known, stop))
}

fn plain(listener: TcpListener, app: Arc<App>, stop: CancellationToken) -> Result<impl Future<Output = ()>, Trouble> {
    Ok(serve::plain(for_tokio(listener)?, route::router(app), stop))
}

fn for_tokio(listener: TcpListener) -> Result<tokio::net::TcpListener, Trouble> {
    tokio::net::TcpListener::from_std(listener).map_err(|e| Trouble::new(TroubleKind::Failed, "listener", e))
}
