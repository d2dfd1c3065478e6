//! Schedules with real processes: a moment that passed without a run is recorded and told once, and never made up for in a burst.

use std::time::Duration;

use serde_json::Value;

use crate::stand::processes::{Controller, paired, re_plan};
use crate::stand::trees::make;
use crate::stand::{Dir, until};

fn service(controller: &Controller) -> Value {
    controller.done(&["status"])["pairs"][0]["services"][0].clone()
}

fn missed(controller: &Controller) -> Vec<(String, String)> {
    let missed = service(controller)["missed"].clone();
    let pair = |one: &Value| (one[0].as_str().unwrap().to_owned(), one[1].as_str().unwrap().to_owned());
    missed.as_array().unwrap().iter().map(pair).collect()
}

#[tokio::test]
async fn what_passed_while_the_engine_was_down_is_recorded_and_one_run_at_most_is_started() {
    let dir = Dir::new();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    // Two moments an hour, none of them near: what runs now is no more than the newest of them.
    let minutes = chrono::Utc::now().format("%M").to_string().parse::<u32>().unwrap();
    let far = [(minutes + 15) % 60, (minutes + 45) % 60];
    controller.apply(&re_plan(&east, &west, "[\"files:docs\"]", &format!("schedule = \"{},{} * * * *\"", far[0], far[1])));
    controller.age_schedules(6 * 3_600);
    let engine = controller.engine(&[]);
    let told =
        until("what was missed", Duration::from_secs(20), || async { Some(missed(&controller)).filter(|missed| missed.len() >= 12) }).await;
    assert_eq!(told.len(), 12, "six hours, two moments an hour: {told:?}");
    assert!(told.iter().all(|(_, why)| why.contains("missed") && why.contains("no engine")), "{told:?}");
    assert!(told.is_sorted_by(|a, b| a.0 > b.0), "newest first: {told:?}");
    assert_eq!(controller.done(&["runs"]), Value::Array(Vec::new()), "never made up for");
    engine.kill();

    // Started again, the same moments are not told again.
    let _engine = controller.engine(&[]);
    assert_eq!(missed(&controller), told);

    // One that falls due now, after hours without an engine: one run, not one for each.
    controller.apply(&re_plan(&east, &west, "[\"files:docs\"]", "schedule = \"* * * * *\""));
    until("the run", Duration::from_secs(60), || async {
        let runs = controller.done(&["runs"]);
        let runs = runs.as_array()?;
        assert!(runs.len() <= 1, "a burst: {runs:?}");
        runs.iter().any(|run| run["outcome"] == "sealed").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_moment_that_falls_into_a_run_is_recorded_as_overlapped() {
    let dir = Dir::new();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    let _engine = controller.engine(&[]);
    let later = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).to_rfc3339();
    let (mut run, _) = controller.begin(&["run", "orders", "--at", &later]);
    until("the run", Duration::from_secs(20), || async { (controller.done(&["runs"]).as_array()?.len() == 1).then_some(()) }).await;
    let soon = (chrono::Utc::now() + chrono::TimeDelta::seconds(2)).to_rfc3339();
    controller.apply(&re_plan(&east, &west, "[\"files:docs\"]", &format!("moment = \"{soon}\"")));
    let told = until("the overlapped moment", Duration::from_secs(20), || async { missed(&controller).first().cloned() }).await;
    assert!(told.1.contains("overlapped") && told.1.contains("still under way"), "{told:?}");
    let runs = controller.done(&["runs"]);
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs:#}");

    controller.done(&["cancel", runs[0]["run"].as_str().unwrap()]);
    assert_eq!(run.wait().unwrap().code(), Some(1), "a run that was cancelled is not done");
    assert_eq!(missed(&controller).len(), 1, "and the moment is not made up for");
    assert_eq!(controller.done(&["runs"]).as_array().unwrap().len(), 1);
}
