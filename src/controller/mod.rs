//! The engine: takes commands, runs backups on their schedules, watches both clusters, publishes snapshots of its state.
//!
//! It never touches a cluster and never names egui. Out: `watch::Receiver<Arc<Snapshot>>`; in: a bounded channel of
//! [`Command`] with a reply. Both are serde types, so that a console, a socket and the command line share them.

mod abandon;
mod adjust;
mod admissible;
mod adopt;
mod alerts;
mod alone;
mod bounds;
mod catch_up;
mod certificates;
mod chosen;
mod clock;
pub mod command;
mod commands;
mod connect;
mod diagnose;
mod drills;
mod engine;
pub mod exchange;
mod executed;
mod fences;
mod going;
mod handle;
mod host;
mod identity;
mod instruct;
mod kept;
mod leftovers;
mod limits;
mod lock;
mod maintenance;
mod model;
mod pair_checks;
mod pairing;
mod plan;
mod points;
mod policies;
mod prompt;
mod ready;
mod restores;
mod retention;
mod reverse;
mod route;
mod run_spec;
mod runbook;
mod runs;
mod scheduler;
mod services;
mod settings;
pub mod snapshot;
mod socket;
mod start;
mod steps;
mod users;
mod view;
mod watch;
mod window;
mod withheld;

pub use command::{Command, Reply};
pub use connect::Connector;
pub use handle::{Asked, EngineHandle};
pub use host::{DiskWork, Host, RealHost};
pub use limits::Limits;
pub use lock::is_held;
pub use settings::watch_settings;
pub use snapshot::Snapshot;
pub use socket::attach;
pub use start::{start, start_with};

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// What an engine is started with.
#[derive(Debug, Clone)]
pub struct EngineSpec {
    /// Its state directory; created 0700. One engine a directory.
    pub state: PathBuf,
    /// How it watches the clusters, where `engine.toml` in the state directory does not say otherwise.
    pub watch: WatchSettings,
    /// It belongs to the training lab, where captures at several moments may be shown.
    pub training: bool,
    /// Where it serves the route over plain HTTP, `host:port`; `None`: not at all.
    pub route: Option<String>,
    /// Called after every new snapshot (the console asks for a repaint). Cheap, never blocks.
    pub waker: fn_waker::Waker,
}

/// A waker that can be cloned and printed.
pub mod fn_waker {
    use std::fmt;
    use std::sync::Arc;

    /// Something to call when there is news.
    #[derive(Clone, Default)]
    pub struct Waker(Option<Arc<dyn Fn() + Send + Sync>>);

    impl Waker {
        /// From a closure.
        pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Waker {
            Waker(Some(Arc::new(wake)))
        }
        /// Calls it.
        pub fn wake(&self) {
            if let Some(wake) = &self.0 {
                wake();
            }
        }
    }

    impl fmt::Debug for Waker {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Waker")
        }
    }
}

/// How the clusters are watched. The defaults suit production; the training lab is quicker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSettings {
    /// Between two looks at an agent.
    pub interval: Duration,
    /// Time limit of one look.
    pub time_limit: Duration,
    /// Looks in a row that must fail before *suspect* becomes *faulty*.
    pub failures: u32,
    /// And for at least this long.
    pub fault_after: Duration,
    /// Well for so long without a break before a fault is over and its prompt goes.
    pub settle: Duration,
    /// So many times unwell …
    pub unstable_times: u32,
    /// … within so long make a cluster *unstable*.
    pub unstable_window: Duration,
    /// What becomes of a fault.
    pub mode: WatchMode,
}

/// What becomes of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchMode {
    /// A person is prompted, and may decide.
    #[default]
    Prompt,
    /// It is only written down what would have been prompted; no identity is changed from here.
    Observe,
}

impl Default for WatchSettings {
    fn default() -> Self {
        WatchSettings {
            interval: Duration::from_secs(2),
            time_limit: Duration::from_secs(3),
            failures: 5,
            fault_after: Duration::from_secs(20),
            settle: Duration::from_secs(30),
            unstable_times: 3,
            unstable_window: Duration::from_secs(600),
            mode: WatchMode::Prompt,
        }
    }
}
