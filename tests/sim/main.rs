//! A seeded simulation of the whole engine: the real scheduler, runs, watch, identity driver, retention, adoption and store, on a host
//! whose time stands still while anybody has something to do, between two agents that follow the product's own rules.
//!
//! ```text
//! cargo test --test sim                                   some seeds
//! SIM_SEEDS=5000 cargo test --test sim -- --nocapture     so many
//! SIM_SECONDS=60 cargo test --test sim -- --nocapture     as many as fit, from seed 1 on
//! SIM_FROM=2001  …                                        from another seed on, with either of them
//! SIM_SEED=17    cargo test --test sim -- --nocapture     exactly that one, with its whole log
//! ```
//! The same seed gives the same log, line by line.

#[allow(dead_code, reason = "the model queues jobs itself")]
#[path = "../model/agent.rs"]
mod agent;
mod app;
mod console;
mod faults;
mod jobs;
mod net;
mod persons;
mod rng;
mod seen;
mod site;
#[path = "../model/together.rs"]
mod together;
mod truth;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use console::Console;
use faults::Consoles;
use world::World;

/// Seeds unless the environment says otherwise.
const SEEDS: u64 = 12;
/// Seeds that found something once: always lived through (`tests/BUGS.md`).
const KNOWN: [u64; 33] = [
    41, 71, 154, 269, 276, 466, 551, 603, 642, 703, 874, 1077, 1131, 1198, 1541, 1729, 2709, 2956, 4044, 5968, 6710, 8017, 8516, 10405,
    10724, 10767, 21143, 30204, 30597, 31536, 33266, 51678, 52726,
];
/// Simulated seconds of faults.
const STORM_SECS: (u64, u64) = (300, 1500);
/// Lines of the log that a failure prints.
const TAIL: usize = 60;
/// Rounds of half a minute in which all must come to rest.
const ROUNDS: u32 = 60;
/// After so many of them people adopt the agents, as the words say where nothing else is left.
const PATIENT_ROUNDS: u32 = 12;

/// What came of one seed.
struct Story {
    seed: u64,
    hours: f64,
    faults: BTreeMap<&'static str, u64>,
    promotions: u64,
    /// Held for a look, taken back, gone on with from live data.
    windows: [u64; 3],
    reversals: u64,
    points: u64,
    rows: u64,
    lost_rows: u64,
    broken: Option<String>,
    log: Vec<String>,
    hash: u64,
}

/// Lives through one seed.
fn live(seed: u64) -> Story {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let shared = Path::new("/dev/shm");
    let dir = if shared.is_dir() { tempfile::tempdir_in(shared).unwrap() } else { tempfile::tempdir().unwrap() };
    let world = runtime.block_on(async {
        let world = World::new(seed);
        go_through(&world, dir.path()).await;
        world
    });
    drop(runtime);
    world.with(|s| Story {
        seed,
        hours: s.ended / 3600.0,
        faults: s.faults.clone(),
        promotions: s.truth.promotions,
        windows: [s.truth.holds, s.truth.taken_back, s.truth.went_on],
        reversals: s.truth.reversals,
        points: s.truth.points_sealed,
        rows: s.truth.rows,
        lost_rows: s.truth.lost_rows,
        broken: s.broken.clone(),
        hash: s.log_hash(),
        log: std::mem::take(&mut s.log),
    })
}

async fn go_through(world: &Arc<World>, dir: &Path) {
    let consoles = ["console", "second console"].map(|name| {
        let state = dir.join(name.replace(' ', "-"));
        std::fs::create_dir(&state).unwrap();
        Console::new(world, name, state)
    });
    let [first, rival] = consoles;
    let consoles = Arc::new(Consoles { first: first.clone(), rival });
    (0..2).for_each(|i| site::start(world, i));
    assert!(first.start(0).await);
    persons::pair_up(&first).await;
    tokio::spawn(app::run(world.clone()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    tokio::spawn(faults::storm(world.clone(), consoles.clone()));
    tokio::spawn(persons::busy(world.clone(), consoles.clone()));
    let storm = world.with(|s| s.rng.secs(STORM_SECS.0, STORM_SECS.1));
    let ends = tokio::time::Instant::now() + storm;
    while tokio::time::Instant::now() < ends && !world.is_broken() {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    world.with(|s| {
        s.calm = true;
        s.note("CALM: no fault begins any more");
    });
    // What has begun lasts ten minutes at most.
    let mut last = Duration::from_secs(600);
    for round in 0..ROUNDS {
        tokio::time::sleep(last).await;
        last = Duration::from_secs(30);
        if world.is_broken() || persons::tidy_up(world, &first).await {
            break;
        }
        if round >= PATIENT_ROUNDS && round % PATIENT_ROUNDS == 0 {
            persons::adopt(world, &first).await;
        }
        if round + 1 == ROUNDS {
            let why = persons::unwell(world, &first);
            world.with(|s| s.breaks(format_args!("invariant 7: nothing comes to rest: {why}")));
        }
    }
    consoles.rival.kill().await;
    first.kill().await;
    world.with(|s| s.set_end());
}

fn wish(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// What came of many seeds.
#[derive(Default)]
struct Sum {
    seeds: u64,
    hours: f64,
    faults: BTreeMap<&'static str, u64>,
    promotions: u64,
    windows: [u64; 3],
    reversals: u64,
    points: u64,
    rows: u64,
    lost_rows: u64,
    /// Seeds that broke a promise, with the end of their logs.
    broken: BTreeMap<u64, String>,
}

impl Sum {
    fn add(&mut self, story: Story) {
        (self.seeds, self.hours) = (self.seeds + 1, self.hours + story.hours);
        (self.promotions, self.reversals) = (self.promotions + story.promotions, self.reversals + story.reversals);
        self.windows.iter_mut().zip(story.windows).for_each(|(sum, count)| *sum += count);
        (self.points, self.rows, self.lost_rows) = (self.points + story.points, self.rows + story.rows, self.lost_rows + story.lost_rows);
        story.faults.iter().for_each(|(kind, count)| *self.faults.entry(kind).or_default() += count);
        if let Some(why) = story.broken {
            let until = story.log.iter().position(|line| line.ends_with(&why)).map_or(story.log.len(), |at| at + 1);
            let tail = story.log[until.saturating_sub(TAIL)..until].join("\n");
            self.broken.insert(story.seed, format!("{why}\nthe log until then:\n{tail}\n"));
        }
    }

    fn print(&self, real: f64) {
        let Sum { seeds, hours, points, promotions, reversals, rows, lost_rows, windows: [held, taken_back, live], .. } = self;
        self.broken.iter().for_each(|(seed, why)| println!("seed {seed}: {why}"));
        println!(
            "{seeds} seeds, {hours:.1} simulated hours, {points} recovery points sealed, {promotions} promotions ({held} held for a look, {taken_back} taken back, {live} from live data), {reversals} reversals, {rows} rows acknowledged"
        );
        let total: u64 = self.faults.values().sum();
        println!("{lost_rows} rows lost, all by decisions after a fault; {total} faults injected:");
        self.faults.iter().for_each(|(kind, count)| println!("  {count:6} {kind}"));
        println!("{} violations; {real:.1} s, {:.2} simulated hours a second", self.broken.len(), hours / real);
    }
}

#[test]
fn every_seed_keeps_the_promises_and_comes_to_rest() {
    let one = wish("SIM_SEED");
    let seconds = wish("SIM_SECONDS").map(Duration::from_secs);
    let first = one.or(wish("SIM_FROM")).unwrap_or(1);
    let count = match (one, seconds) {
        (Some(_), _) => 1,
        (None, Some(_)) => u64::MAX - first,
        (None, None) => wish("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let begun = Instant::now();
    // Seeds know nothing of each other: what one gives does not depend on how many are lived through at a time.
    let (next, sum) = (AtomicU64::new(first), Mutex::new(Sum::default()));
    let work = || {
        while seconds.is_none_or(|limit| begun.elapsed() < limit) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            let story = live(seed);
            if one.is_some() {
                println!("{}", story.log.join("\n"));
            }
            sum.lock().unwrap().add(story);
        }
    };
    if one.is_none() {
        KNOWN.into_iter().filter(|seed| *seed < first || *seed - first >= count).for_each(|seed| sum.lock().unwrap().add(live(seed)));
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let sum = sum.into_inner().unwrap();
    sum.print(begun.elapsed().as_secs_f64());
    assert!(sum.broken.is_empty(), "broken by seeds {:?}; SIM_SEED=n repeats one", sum.broken.keys().collect::<Vec<_>>());
}

#[test]
fn the_same_seed_gives_the_same_log() {
    for seed in [3, 8] {
        let (one, other) = (live(seed), live(seed));
        if one.hash != other.hash {
            let differ = one.log.iter().zip(&other.log).position(|(a, b)| a != b);
            let at = differ.unwrap_or(one.log.len().min(other.log.len()));
            panic!("seed {seed} differs at line {at}:\n  {:?}\n  {:?}", one.log.get(at), other.log.get(at));
        }
    }
}
