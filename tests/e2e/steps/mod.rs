//! Invariant 7 as one table: every verb × every boundary between its steps × every fault × everyone whom it can meet.
//!
//! A row brings a world to where its verb can begin, begins it, strikes at the boundary, ends the fault once it is told, and wants one of two ends:
//! exactly as without the fault, or a clean abort that says so, after which the verb repeated succeeds. Then: both clusters hold the same, one
//! takes writes and the other is fenced, never were two routes open, and nothing is left over.
//!
//! ```text
//! cargo test --test e2e steps                                    a sample: each verb and each fault
//! UNDERSTUDY_STEPS=all cargo test --test e2e steps -- --nocapture    all rows, one line each, and a summary
//! UNDERSTUDY_STEPS='drill kill, reverse full' …                   the rows whose line holds all these words, or all those
//! ```

mod ends;
mod faults;
mod seen;
mod verbs;
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use faults::{Fault, Strike, Victim};
use seen::Begun;
use verbs::{Boundary, How, VERBS, Verb};
use world::{LIMIT, Place, World};

/// Rows at once: for the most part they wait.
const AT_ONCE: usize = 6;
const SAMPLE_AT_ONCE: usize = 2;

/// One row.
#[derive(Clone, Copy)]
struct Row {
    verb: Verb,
    boundary: Boundary,
    strike: Strike,
}

/// How a row came out.
enum Verdict {
    Held(How),
    /// It cannot be tried here, and why.
    Skipped(String),
    Broken(String),
}

impl Row {
    fn words(&self) -> String {
        let (place, what) = self.boundary;
        let Strike { fault, victim } = self.strike;
        format!("{:?} | {place:?} {} | {fault:?} {victim:?}", self.verb, what.join(" ").replace("order=", "").replace('"', ""))
            .to_lowercase()
    }

    /// See the module.
    fn play(&self) -> Verdict {
        let mut world = match World::new(self.strike.needs()) {
            Ok(world) => world,
            Err(why) => return Verdict::Skipped(why),
        };
        self.verb.prepare(&mut world);
        let before = [world.data(Place::East), world.data(Place::West)];
        let since = [Place::East, Place::West].map(|place| world.agent(place).log().len());
        let mut begun = Begun::new(&world.controller, self.verb.command());
        self.reach(&world, since, &mut begun);
        let strike_since = match self.strike.victim {
            Victim::East => world.east.log().len(),
            _ => world.west.log().len(),
        };
        self.strike.strike(&mut world, &mut begun);
        self.until_told(&world, strike_since, &mut begun);
        self.strike.heal(&mut world);
        let how = ends::settle(self.verb, &world, &mut begun, &before);
        if self.strike.fault == Fault::Kill && self.strike.victim != Victim::East {
            // A person's decision stands, and the rest is done without whoever died; only captures cannot outlive their agent.
            assert_eq!(how, How::Done, "killed, it must go on");
        }
        ends::all_is_well(self.verb, &mut world);
        assert!(!world.routes.saw_both(), "two routes were open at once");
        Verdict::Held(how)
    }

    /// Waits for the boundary.
    fn reach(&self, world: &World, since: [usize; 2], begun: &mut Begun) {
        let (place, parts) = self.boundary;
        let since = since[usize::from(place == Place::West)];
        let end = Instant::now() + LIMIT;
        let met = |line: &str| parts.iter().all(|part| line.contains(part));
        while !world.agent(place).log()[since..].lines().any(met) {
            let gone = begun.ended().is_some_and(|code| code != 0);
            assert!(!gone && Instant::now() < end, "it never came to this boundary; it said: {}", begun.words());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the fault is told or the verb has ended under it.
    fn until_told(&self, world: &World, log_since: usize, begun: &mut Begun) {
        let end = Instant::now() + LIMIT;
        let mut engine_said = String::new();
        while begun.ended().is_none() && !self.strike.is_told(world, log_since, &mut engine_said) {
            assert!(Instant::now() < end, "nobody is told of it, and nothing ends; it said: {}", begun.words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn judge(self) -> Verdict {
        // A thread of its own: what breaks ends the row and no other.
        match std::thread::spawn(move || self.play()).join() {
            Ok(verdict) => verdict,
            Err(panic) => {
                let words = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                Verdict::Broken(words.unwrap_or_default())
            }
        }
    }
}

fn every_row() -> Vec<Row> {
    let mut rows = Vec::new();
    for verb in VERBS {
        for boundary in verb.boundaries() {
            let strikes = faults::all().into_iter().filter(|strike| verb.meets(*strike));
            rows.extend(strikes.map(|strike| Row { verb, boundary: *boundary, strike }));
        }
    }
    rows
}

/// Each verb, each fault and each sort of victim at least once; and `kill -9` of all three where identities change.
fn sample() -> Vec<Row> {
    use {Fault as F, Verb as V, Victim as P};
    let table = [
        (V::Run, 9, F::Kill, P::West),
        (V::Run, 4, F::Kill, P::Console),
        (V::Run, 5, F::Silence, P::EngineWest),
        (V::Run, 8, F::Full, P::West),
        (V::Run, 2, F::Behind, P::East),
        (V::Planned, 0, F::Kill, P::East),
        (V::Planned, 11, F::Kill, P::East),
        (V::Planned, 7, F::Kill, P::West),
        (V::Planned, 9, F::Kill, P::West),
        (V::Planned, 0, F::Kill, P::Console),
        (V::Planned, 7, F::Kill, P::Console),
        (V::Planned, 9, F::Kill, P::Console),
        (V::Planned, 6, F::Kill, P::Engine),
        (V::Planned, 7, F::Ahead, P::West),
        (V::Adjust, 1, F::Full, P::Engine),
        (V::Adjust, 2, F::Kill, P::East),
        (V::Hold, 2, F::Kill, P::West),
        (V::Commit, 1, F::Kill, P::Engine),
        (V::TakeBack, 3, F::Kill, P::West),
        (V::Reverse, 0, F::Kill, P::East),
        (V::Reverse, 1, F::Kill, P::East),
        (V::Reverse, 3, F::Kill, P::East),
        (V::Reverse, 0, F::Kill, P::Engine),
        (V::Reverse, 2, F::Cut, P::Agents),
        (V::Drill, 1, F::Kill, P::West),
        (V::Drill, 2, F::Stop, P::West),
        (V::Drill, 0, F::Behind, P::Engine),
        (V::Drill, 1, F::Kill, P::Command),
    ];
    let row = |(verb, at, fault, victim): (Verb, usize, Fault, Victim)| Row {
        verb,
        boundary: verb.boundaries()[at],
        strike: Strike { fault, victim },
    };
    table.into_iter().map(row).collect()
}

/// Which rows are asked for, and how many at once.
fn asked() -> (Vec<Row>, usize) {
    match std::env::var("UNDERSTUDY_STEPS") {
        Err(_) => (sample(), SAMPLE_AT_ONCE),
        Ok(all) if all == "all" => (every_row(), AT_ONCE),
        Ok(words) => {
            let mut rows = every_row();
            let meets = |row: &Row, words: &str| words.split_whitespace().all(|word| row.words().contains(word));
            rows.retain(|row| words.split(',').any(|words| meets(row, words)));
            (rows, AT_ONCE)
        }
    }
}

#[test]
fn every_verb_survives_every_fault_at_every_step() {
    let (rows, at_once) = asked();
    assert!(!rows.is_empty(), "no row has these words");
    let (queue, counts, broken) = (Mutex::new(VecDeque::from(rows)), Mutex::new(BTreeMap::<String, u32>::new()), Mutex::new(Vec::new()));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let Some(row) = queue.lock().unwrap().pop_front() else { return };
                    let since = Instant::now();
                    let (word, detail) = match row.judge() {
                        Verdict::Held(How::Done) => ("as without the fault", String::new()),
                        Verdict::Held(How::Aborted(said)) => ("aborted, said so, repeated", said),
                        Verdict::Skipped(why) => ("skipped", why),
                        Verdict::Broken(why) => {
                            broken.lock().unwrap().push(format!("{}: {why}", row.words()));
                            ("BROKEN", why)
                        }
                    };
                    *counts.lock().unwrap().entry(word.to_owned()).or_default() += 1;
                    let detail: String = detail.replace('\n', " / ").chars().take(160).collect();
                    println!("{} | {word} | {:.1} s {detail}", row.words(), since.elapsed().as_secs_f32());
                }
            });
        }
    });
    println!("{:?} in {} s", counts.into_inner().unwrap(), begun.elapsed().as_secs());
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{} rows are broken:\n{}", broken.len(), broken.join("\n"));
}
