//! A hundred days of uptime, and clocks that are years off, with real processes and libfaketime: nobody is cut off.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::stand::processes::{Agent, Controller, faked_by, plan};
use crate::stand::trees::make;
use crate::stand::{Dir, until};

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

/// Steps the clocks that a file tells, at once.
fn step(clock: &Path, by: &str) {
    let fresh = clock.with_extension("new");
    std::fs::write(&fresh, by).unwrap();
    std::fs::rename(&fresh, clock).unwrap();
}

/// The agents' entries in the status.
fn clusters(status: &Value) -> &Vec<Value> {
    status["pairs"][0]["clusters"].as_array().unwrap()
}

/// Waits until the engine has seen both agents after an instant, by its own clock.
async fn seen_after(controller: &Controller, after: DateTime<Utc>) -> Value {
    until("both agents answer", Duration::from_secs(60), || async {
        let status = controller.done(&["status"]);
        let seen = |cluster: &Value| cluster["agent_answers"] == true && instant(&cluster["last_seen"]).is_some_and(|at| at > after);
        clusters(&status).iter().all(seen).then_some(status)
    })
    .await
}

#[tokio::test]
async fn after_a_hundred_days_of_uptime_both_agents_are_seen_and_a_run_seals() {
    let dir = Dir::new();
    let [agents, console] = ["agents.clock", "console.clock"].map(|name| dir.path().join(name));
    let (Some(by_agents), Some(by_console)) = (faked_by(&agents), faked_by(&console)) else {
        eprintln!("skipped: libfaketime is not installed (Debian: apt install faketime); .ci/run installs it");
        return;
    };
    step(&agents, "+0");
    step(&console, "+0");
    let (mut east, mut west) = (Agent::local(dir.path(), "east"), Agent::local(dir.path(), "west"));
    make(&east.dir.join("files/docs"), 3);
    east.start_in(&by_agents);
    west.start_in(&by_agents);
    let controller = Controller::new(dir.path(), "controller");
    controller.apply(&plan(&east, &west, "[\"files:docs\"]"));
    let _engine = controller.engine_in(&[], &by_console);
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    let status = controller.done(&["status"]);
    let ends = |status: &Value| instant(&status["certificate"]["valid_until"]).unwrap();
    let first = ends(&status);
    assert_eq!(clusters(&status)[0]["certificate"]["valid_until"], clusters(&status)[0]["certificate_until"]);

    // More than a certificate's life; nobody is started again but one agent, so that there are handshakes.
    let later = Utc::now() + TimeDelta::days(99);
    step(&agents, "+100d");
    step(&console, "+100d");
    west.kill();
    west.start_in(&by_agents);
    seen_after(&controller, later).await;
    let status = until("all three are renewed", Duration::from_secs(60), || async {
        let status = controller.done(&["status"]);
        let issued = |of: &Value| instant(&of["certificate"]["issued_at"]).is_some_and(|at| at > later);
        (issued(&status) && clusters(&status).iter().all(issued)).then_some(status)
    })
    .await;
    assert!(ends(&status) > first + TimeDelta::days(99), "{status:#}");
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");

    // The console's clock alone is eleven years ahead, and an agent meets it anew.
    step(&console, "+4000d");
    east.kill();
    east.start_in(&by_agents);
    seen_after(&controller, Utc::now() + TimeDelta::days(3_999)).await;
}
