//! HMaster, the metastore or an agent killed at a stage of a run: it is resumed or fails cleanly with a plain reason, and the next is right.

use std::process::Child;
use std::time::Duration;

use crate::mixed::Mixed;
use crate::pair::At;
use crate::support::contract::Side;

/// Where a run is when it is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Arm,
    Capture,
    Transfer,
    Commit,
    Apply,
    Seal,
}

const STAGES: [Stage; 6] = [Stage::Arm, Stage::Capture, Stage::Transfer, Stage::Commit, Stage::Apply, Stage::Seal];

/// The stages at which this one is killed: this one, or all where the environment says so.
fn stages(one: Stage) -> Vec<Stage> {
    if std::env::var("UNDERSTUDY_KILLS").is_ok_and(|kills| kills == "all") { STAGES.into() } else { vec![one] }
}

/// Starts a run; gives it back when it is at the stage.
fn run_until(mixed: &Mixed, stage: Stage) -> Child {
    let target = &mixed.secondary.agent;
    let since = target.log().len();
    let (mut run, mut lines) = mixed.controller.begin(&["run", "orders"]);
    let mut told = |what: &str| assert!(lines.any(|line| line.contains(what)), "the run never told: {what}");
    match stage {
        Stage::Arm => told("run "),
        Stage::Capture => told("both agents are ready"),
        Stage::Transfer => told("captured"),
        Stage::Commit => target.tells(since, "order=\"commit\""),
        // Its phases are quick; one that is over already is struck when it is sealed.
        Stage::Apply => while target.phases_done().is_none_or(|done| done == 0) && run.try_wait().unwrap().is_none() {},
        Stage::Seal => told("sealed as"),
    }
    run
}

/// It ended by itself: sealed, or failed with an object, a reason and a next step in plain words.
fn ends_well(mixed: &Mixed, run: &mut Child, what: &str) {
    let code = run.wait().unwrap().code();
    if code == Some(0) {
        println!("{what}: resumed and sealed");
        return;
    }
    assert_eq!(code, Some(1), "{what}");
    let runs = mixed.controller.done(&["runs", "orders", "--limit", "1"]);
    let error = &runs[0]["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    assert!(!text("object").is_empty() && !text("reason").is_empty(), "{what}: {runs:#}");
    assert!(["Some(", "Err(", "Trouble {"].iter().all(|debug| !text("reason").contains(debug)), "{what}: {error:#}");
    println!("{what}: failed cleanly: {}: {} (next: {})", text("object"), text("reason"), text("next_step"));
}

/// Kills a daemon of one side at each stage and starts it again.
async fn daemon_killed(mixed: &Mixed, at: &At, daemon: &str, one: Stage, number: &mut usize) {
    for stage in stages(one) {
        *number += 1;
        mixed.work(*number).await;
        let mut run = run_until(mixed, stage);
        at.kill(daemon);
        at.start(daemon).await;
        ends_well(mixed, &mut run, &format!("{daemon} of the {} killed in {stage:?}", at.cluster()));
        mixed.run_is_right().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_hmaster_ends_in_a_resumed_or_a_cleanly_failed_run() {
    let Some(mixed) = Mixed::sealed().await else { return };
    let mut number = 0;
    daemon_killed(&mixed, &mixed.primary, "hbase", Stage::Capture, &mut number).await;
    daemon_killed(&mixed, &mixed.secondary, "hbase", Stage::Commit, &mut number).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_metastore_ends_in_a_resumed_or_a_cleanly_failed_run() {
    let Some(mixed) = Mixed::sealed().await else { return };
    let mut number = 0;
    daemon_killed(&mixed, &mixed.primary, "hive", Stage::Arm, &mut number).await;
    daemon_killed(&mixed, &mixed.secondary, "hive", Stage::Apply, &mut number).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_ends_in_a_resumed_or_a_cleanly_failed_run() {
    let Some(mut mixed) = Mixed::sealed().await else { return };
    let mut number = 0;
    for (side, one) in [(Side::Source, Stage::Transfer), (Side::Target, Stage::Apply)] {
        for stage in stages(one) {
            number += 1;
            mixed.work(number).await;
            let mut run = run_until(&mixed, stage);
            let at = if side == Side::Source { &mut mixed.primary } else { &mut mixed.secondary };
            at.agent.kill();
            // Long enough to be missed, short enough to be waited for.
            tokio::time::sleep(Duration::from_millis(500)).await;
            at.agent.start();
            ends_well(&mixed, &mut run, &format!("agent at the {side:?} killed in {stage:?}"));
            mixed.run_is_right().await;
        }
    }
}
