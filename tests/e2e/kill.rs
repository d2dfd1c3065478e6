//! Invariant 7: a crash at any step, of any program, ends in the same state as no crash, or in a clean abort that says so.
//!
//! Each test kills one program with SIGKILL at every step of a backup run in turn, starts it again, and then wants the next run
//! to be right: sealed, and the trees and tables identical.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, plan};
use crate::stand::trees::{assert_same, change, listing, make};

/// What a run says when it begins, and after each step.
const STEPS: [&str; 6] = ["run ", "both agents are ready", "captured", "copied", "read back", "sealed as"];

/// Two agents, a controller, and a service over a tree and a table, once sealed.
struct Stand {
    east: Agent,
    west: Agent,
    controller: Controller,
    // Last, so that nothing runs in it any more when it goes.
    _dir: Dir,
}

impl Stand {
    fn new() -> Stand {
        let dir = Dir::new();
        let (mut east, mut west) = (Agent::local(dir.path(), "east"), Agent::local(dir.path(), "west"));
        make(&east.dir.join("files/docs"), 150);
        let db = rusqlite::Connection::open(east.dir.join("orders.db")).unwrap();
        db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (1, 'first')").unwrap();
        east.start();
        west.start();
        let controller = Controller::new(dir.path(), "controller");
        controller.apply(&plan(&east, &west, "[\"files:docs\", \"tables:orders\"]"));
        let stand = Stand { east, west, controller, _dir: dir };
        stand.run_is_right();
        stand
    }

    /// Something new to back up.
    fn work(&self, round: usize) {
        change(&self.east.dir.join("files/docs"), round);
        let db = rusqlite::Connection::open(self.east.dir.join("orders.db")).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        db.execute("INSERT INTO orders (what) VALUES (?1)", [format!("round {round}")]).unwrap();
    }

    /// A run that seals, after which both sides hold the same.
    fn run_is_right(&self) {
        let end = Instant::now() + Duration::from_secs(90);
        let report = loop {
            let said = self.controller.say(&["run", "orders"]);
            // The run before is resumed first; it ends by itself.
            if said.code() == 3 && said.stderr.contains("still under way") && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            assert_eq!(said.code(), 0, "{}", said.stderr);
            break said.json;
        };
        assert_eq!(report["outcome"], "sealed", "{report}");
        assert_same(&listing(&self.east.dir.join("files/docs")), &listing(&self.west.dir.join("files/docs")));
        assert_eq!(rows(&self.east.dir), rows(&self.west.dir));
    }

    /// Starts a run and calls `strike` when it has told of `step`; gives back the run's process.
    fn run_until(&mut self, step: &str, strike: impl FnOnce(&mut Stand, &mut std::process::Child)) -> std::process::Child {
        let (mut run, mut lines) = self.controller.begin(&["run", "orders"]);
        assert!(lines.any(|line| line.contains(step)), "the run never told: {step}");
        strike(self, &mut run);
        run
    }

    /// Starts a run; gives back its process when the secondary has taken the commit, which is one instruction with apply and seal.
    fn run_until_commit(&self) -> std::process::Child {
        let since = self.west.log().len();
        let (run, _) = self.controller.begin(&["run", "orders"]);
        self.west.tells(since, "order=\"commit\"");
        run
    }
}

fn rows(dir: &Path) -> Vec<(i64, String)> {
    let db = rusqlite::Connection::open_with_flags(dir.join("orders.db"), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = db.prepare("SELECT id, what FROM orders ORDER BY id").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_engine_killed_at_every_step() {
    let mut stand = Stand::new();
    for (round, step) in STEPS.into_iter().enumerate() {
        stand.work(round);
        let mut run = stand.run_until(step, |_, run| run.kill().unwrap());
        run.wait().unwrap();
        stand.run_is_right();
    }
    stand.work(STEPS.len());
    let mut run = stand.run_until_commit();
    run.kill().unwrap();
    run.wait().unwrap();
    stand.run_is_right();
}

#[test]
fn the_primary_s_agent_killed_at_every_step() {
    let mut stand = Stand::new();
    for (round, step) in STEPS.into_iter().enumerate() {
        stand.work(round);
        let mut run = stand.run_until(step, |stand, _| {
            stand.east.kill();
            stand.east.start();
        });
        // It resumed, or it says that it did not: either way it ended by itself.
        assert!(matches!(run.wait().unwrap().code(), Some(0 | 1)), "killed at {step}");
        stand.run_is_right();
    }
    stand.work(STEPS.len());
    let mut run = stand.run_until_commit();
    stand.east.kill();
    stand.east.start();
    assert_eq!(run.wait().unwrap().code(), Some(0), "the commit needs nothing of the primary");
    stand.run_is_right();
}

#[test]
fn the_secondary_s_agent_killed_at_every_step() {
    let mut stand = Stand::new();
    for (round, step) in STEPS.into_iter().enumerate() {
        stand.work(round);
        let mut run = stand.run_until(step, |stand, _| {
            stand.west.kill();
            stand.west.start();
        });
        assert!(matches!(run.wait().unwrap().code(), Some(0 | 1)), "killed at {step}");
        stand.run_is_right();
    }
}

/// From the commit's record on the secondary finishes alone: killed after each phase of the apply, it finishes when it starts again.
#[test]
fn the_secondary_s_agent_killed_after_every_phase_of_the_apply() {
    let mut stand = Stand::new();
    let mut struck = Vec::new();
    for (round, phases) in (0..=4).enumerate() {
        stand.work(20 + round);
        let mut run = stand.run_until_commit();
        loop {
            match stand.west.phases_done() {
                Some(done) if done >= phases => {
                    struck.push(done);
                    break;
                }
                // It was too quick for us.
                _ if run.try_wait().unwrap().is_some() => break,
                _ => {}
            }
        }
        stand.west.kill();
        stand.west.start();
        assert_eq!(run.wait().unwrap().code(), Some(0), "what is committed is sealed, {phases} phases were done");
        stand.run_is_right();
    }
    println!("killed after so many phases of the apply: {struck:?}");
    assert!(struck.len() >= 3, "the apply was too quick to be met: {struck:?}");
}
