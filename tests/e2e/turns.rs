//! Who holds a state directory, who waits for whom, and what is known when nobody can be asked.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use understudy::controller::is_held;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, paired};

/// An engine's process, `kill -9`ed when it goes.
struct Engine(Child);

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Two agents that were paired and backed up once; the point's id.
fn backed_up(dir: &Dir) -> (Agent, Agent, Controller, String) {
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    std::fs::create_dir_all(east.dir.join("files/docs")).unwrap();
    std::fs::write(east.dir.join("files/docs/one"), "one").unwrap();
    let report = controller.done(&["run", "orders"]);
    let point = report["recovery_point"].as_str().expect("a point").to_owned();
    (east, west, controller, point)
}

#[test]
fn without_an_engine_and_without_agents_status_tells_what_was_sealed_last() {
    let dir = Dir::new();
    let (mut east, mut west, controller, point) = backed_up(&dir);
    east.kill();
    west.kill();
    let status = controller.done(&["status"]);
    let (pair, service) = (&status["pairs"][0], &status["pairs"][0]["services"][0]);
    assert_eq!(service["last_point"], point.as_str(), "{status}");
    assert!(service["rpo_secs"].as_u64().is_some_and(|secs| secs < 600), "{status}");
    assert_eq!((&pair["name"], &service["name"]), (&"p".into(), &"orders".into()));
    let points = controller.done(&["points", "orders"]);
    assert_eq!(points[0]["recovery_point"], point.as_str(), "{points}");
    assert_eq!(controller.done(&["runs"])[0]["outcome"], "sealed");
    let words = controller.text(&["status"]);
    assert!(words.contains("service orders") && words.contains("last point of") && words.contains("s behind"), "{words}");
}

#[test]
fn an_engine_waits_for_a_short_command_and_a_second_engine_is_told_who_is_there() {
    let dir = Dir::new();
    let (east, west, controller, _) = backed_up(&dir);
    let signal = |signal| [&east, &west].map(|agent| kill_process(Pid::from_raw(agent.pid()).unwrap(), signal).unwrap());
    // A status that asks agents that hang takes its time; on a busy machine the engine may come too late for it all the same.
    signal(Signal::STOP);
    let waited = (0..5).find_map(|_| {
        let (mut status, _) = controller.begin(&["status"]);
        let end = Instant::now() + Duration::from_secs(10);
        while !is_held(&controller.state) {
            assert!(Instant::now() < end && status.try_wait().unwrap().is_none(), "the status never held the state directory");
        }
        let (engine, mut lines) = controller.begin(&["engine"]);
        let engine = Engine(engine);
        let word = lines.find(|line| line.contains("waiting") || line.contains("engine ready")).expect("a word");
        if word.contains("engine ready") {
            status.wait().unwrap();
            return None;
        }
        assert!(word.contains(&format!("process {}", status.id())), "it says who holds it: {word}");
        Some((status, engine, lines))
    });
    let (mut status, engine, mut lines) = waited.expect("the engine waited for a status");
    assert!(lines.any(|line| line.contains("engine ready")), "it never began");
    status.wait().unwrap();
    signal(Signal::CONT);

    let second = controller.say(&["engine"]);
    assert_eq!(second.code(), 3, "{}", second.stderr);
    assert!(second.stderr.contains(&format!("process {}", engine.0.id())), "{}", second.stderr);
}
