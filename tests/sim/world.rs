//! Everything that is simulated, behind one lock that nobody holds while waiting: true time, the parties' clocks, both sites, the
//! network, what is true (the ledger of truth that no party sees), and the event log.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use understudy::domain::{ClusterName, PairName, Service};

use crate::net::Net;
use crate::rng::Rng;
use crate::site::Site;
use crate::truth::Truth;

/// Whose clock.
pub const CONSOLE: usize = 2;

pub fn cluster(index: usize) -> &'static ClusterName {
    static NAMES: OnceLock<[ClusterName; 2]> = OnceLock::new();
    &NAMES.get_or_init(|| ["east", "west"].map(|name| name.parse().unwrap()))[index]
}

/// Index of a cluster.
pub fn index(name: &ClusterName) -> usize {
    usize::from(name == cluster(1))
}

pub fn policy() -> &'static Service {
    static POLICY: OnceLock<Service> = OnceLock::new();
    POLICY.get_or_init(|| {
        let text = "name = 'orders'\npair = 'p'\ndata_sets = ['files:orders']\nschedule = '*/2 * * * *'\nrpo_target_minutes = 5\n\
                    keep = { all_hours = 0, daily_days = 1 }";
        toml::from_str(text).unwrap()
    })
}

pub fn pair() -> &'static PairName {
    &policy().pair
}

/// See the module.
pub struct State {
    begun: Instant,
    pub rng: Rng,
    /// The chance of consoles' terms.
    pub terms: Rng,
    /// Whether somebody holds a promotion for a look, commits it or takes it back.
    pub whims: Rng,
    pub sites: [Site; 2],
    pub net: Net,
    pub truth: Truth,
    /// How far each party's wall clock is off: east, west, console.
    pub clock_off: [TimeDelta; 3],
    /// Faults injected, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// No fault begins any more.
    pub calm: bool,
    pub log: Vec<String>,
    /// How many seconds it lasted.
    pub ended: f64,
    /// The first promise that was broken.
    pub broken: Option<String>,
}

impl State {
    /// Seconds since the world began, as nobody in it can tell.
    pub fn elapsed(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// It ends here.
    pub fn set_end(&mut self) {
        self.ended = self.elapsed();
    }

    /// A party's wall clock.
    pub fn wall(&self, party: usize) -> DateTime<Utc> {
        let begun = DateTime::from_timestamp(1_795_219_200, 0).unwrap();
        begun + TimeDelta::from_std(self.begun.elapsed()).unwrap() + self.clock_off[party]
    }

    pub fn note(&mut self, line: impl std::fmt::Display) {
        self.log.push(format!("{:10.3} {line}", self.elapsed()));
    }

    /// One more fault of a kind.
    pub fn fault(&mut self, kind: &'static str, line: impl std::fmt::Display) {
        *self.faults.entry(kind).or_default() += 1;
        self.note(format_args!("FAULT {kind}: {line}"));
    }

    /// A promise is broken: the first one counts.
    pub fn breaks(&mut self, why: impl std::fmt::Display) {
        let line = format!("BROKEN {why}");
        self.note(&line);
        self.broken.get_or_insert(line);
    }

    /// Breaks unless it holds.
    pub fn promise(&mut self, holds: bool, why: impl FnOnce() -> String) {
        if !holds {
            self.breaks(why());
        }
    }

    pub fn log_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.log.hash(&mut hasher);
        hasher.finish()
    }
}

/// Shared by everything in the simulation.
pub struct World(Mutex<State>);

impl World {
    pub fn new(seed: u64) -> Arc<World> {
        let state = State {
            begun: Instant::now(),
            rng: Rng::new(seed),
            terms: Rng::new(!seed),
            whims: Rng::new(seed.rotate_left(32) | 1),
            sites: [Site::new(0), Site::new(1)],
            net: Net::default(),
            truth: Truth::default(),
            clock_off: [TimeDelta::zero(); 3],
            faults: BTreeMap::new(),
            calm: false,
            log: Vec::new(),
            ended: 0.0,
            broken: None,
        };
        Arc::new(World(Mutex::new(state)))
    }

    /// Looks and changes; the promises are checked after it.
    pub fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap();
        work(&mut state)
    }

    pub fn is_broken(&self) -> bool {
        self.with(|s| s.broken.is_some())
    }

    /// Lets a while pass.
    pub async fn pause(&self, lo_ms: u64, hi_ms: u64) {
        let pause = self.with(|s| s.rng.millis(lo_ms, hi_ms));
        tokio::time::sleep(pause).await;
    }
}
