//! A run against an agent that is dead, or hangs, ends with 1 in about a minute and never later than its stated limit; the next is right.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use understudy::controller::Limits;

use crate::stand::Dir;
use crate::stand::processes::{Agent, paired};
use crate::stand::trees::make;

/// What a command takes beside the run: the first look at both agents, and stopping.
const BESIDE: Duration = Duration::from_secs(15);

fn signal(agent: &Agent, signal: Signal) {
    kill_process(Pid::from_raw(agent.pid()).unwrap(), signal).unwrap();
}

fn silent(side: &str, hung: bool) {
    let dir = Dir::new();
    let (mut east, mut west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    controller.done(&["run", "orders"]);
    let victim = if side == "east" { &mut east } else { &mut west };
    if hung {
        signal(victim, Signal::STOP)
    } else {
        victim.kill()
    }
    let begun = Instant::now();
    let said = controller.say(&["run", "orders"]);
    let took = begun.elapsed();
    let case = format!("{side} {}", if hung { "hung" } else { "dead" });
    assert_eq!((said.code(), &said.json["outcome"]), (1, &"failed".into()), "{case}: {}", said.stderr);
    assert!(said.trouble().0.contains(side), "{case}: {}", said.stderr);
    assert!(took <= Limits::default().dead_agent() + BESIDE, "{case}: it took {took:?}");
    let victim = if side == "east" { &mut east } else { &mut west };
    if hung {
        signal(victim, Signal::CONT)
    } else {
        victim.start()
    }
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed", "{case}");
    println!("{case}: told after {} s", took.as_secs());
}

#[test]
fn a_run_with_a_dead_or_hung_agent_ends_with_1_in_about_a_minute() {
    let cases = [("east", false), ("east", true), ("west", false), ("west", true)];
    let waiting: Vec<_> = cases.into_iter().map(|(side, hung)| std::thread::spawn(move || silent(side, hung))).collect();
    for one in waiting {
        one.join().unwrap();
    }
}
