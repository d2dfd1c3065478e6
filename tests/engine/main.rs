//! What the engine promises, held against two agents in memory: the same engine, another connector.

mod adopting;
mod certificates;
mod crash;
mod drills;
mod leftovers;
mod policies;
mod removal;
mod restores;
mod retention;
mod sim;
mod stand;
mod stuck;
mod truth;
mod watching;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{TimeDelta, Utc};

use sim::PAIR;
use stand::{Stand, service};
use understudy::controller::command::{AdjustOutcome, AdjustReport, AgentRequest};
use understudy::controller::snapshot::{ServiceState, Snapshot};
use understudy::controller::{Command, Reply};
use understudy::domain::backup::machine::Phase;
use understudy::domain::*;

/// A command to make `to` primary.
fn adjust(to: &str, planned: bool, generation: Option<u64>) -> Command {
    Command::AdjustIdentity {
        pair: PAIR.parse().unwrap(),
        to: to.parse().unwrap(),
        confirm: to.into(),
        planned,
        hold: false,
        declared: Some("its power is off".into()),
        points: BTreeMap::new(),
        generation,
        by: "ana".into(),
    }
}

fn adjusted(reply: Reply) -> AdjustReport {
    match reply {
        Reply::Adjusted(report) => report,
        other => panic!("{other:?}"),
    }
}

fn refused(reply: Reply) -> Trouble {
    match reply {
        Reply::Refused(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

fn has_prompt(snapshot: &Snapshot) -> bool {
    snapshot.pairs.first().and_then(|pair| pair.fault.as_ref()).is_some_and(|f| f.can_adjust)
}

/// East goes dark for everybody.
fn lose_east(stand: &Stand) {
    stand.world.east().up = false;
    stand.world.east().seen_by_peer = false;
}

#[tokio::test]
async fn a_run_is_sealed_and_shown() {
    let stand = Stand::paired().await;
    let report = stand.run().await;
    assert_eq!(report.outcome, Some(RunOutcome::Sealed), "{report:?}");
    assert_eq!(report.captured.unwrap().grade, Grade::Bounded);
    assert_eq!(report.data_sets.iter().map(|s| s.copied_bytes).sum::<u64>(), 60);
    let snapshot = stand.until("the point is shown", |s| !s.points.is_empty()).await;
    assert_eq!(snapshot.points[0].id, report.recovery_point);
    let view = stand.until("it reads protected", |s| s.pairs[0].services[0].state == ServiceState::Protected).await;
    assert_eq!(view.pairs[0].active.as_ref().unwrap().as_str(), "east");
    assert!(stand.world.east().done.ends_with(&["arm", "capture", "push", "sync-users"]), "{:?}", stand.world.east().done);
}

#[tokio::test]
async fn a_run_with_a_dead_agent_fails_within_the_stated_limit() {
    let stand = Stand::paired().await;
    stand.world.west().up = false;
    let begun = std::time::Instant::now();
    let report = stand.run().await;
    assert_eq!(report.outcome, Some(RunOutcome::Failed));
    assert_eq!(report.error.unwrap().kind, TroubleKind::Unreachable);
    assert!(begun.elapsed() < stand.limits.dead_agent(), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_agent_that_comes_back_in_time_costs_nothing() {
    let stand = Stand::paired().await;
    stand.world.west().up = false;
    let run = stand.start_run().await;
    tokio::time::sleep(stand.limits.patience / 4).await;
    stand.world.west().up = true;
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Sealed));
}

#[tokio::test]
async fn a_cancel_before_the_commit_leaves_nothing_behind() {
    let stand = Stand::paired().await;
    stand.world.east().held.insert("push");
    let run = stand.start_run().await;
    stand.until("it transfers", |s| s.runs.iter().any(|r| r.phase == Phase::Transfer && r.can_cancel)).await;
    assert_eq!(stand.ask(Command::CancelRun { run }).await, Reply::Done);
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Cancelled));
    assert!(stand.world.east().captures.is_empty() && stand.world.west().staging.is_empty());
    assert!(refused(stand.ask(Command::CancelRun { run }).await).reason.contains("ended"));
}

#[tokio::test]
async fn a_cancel_after_the_commit_is_refused() {
    let stand = Stand::paired().await;
    stand.world.west().held.insert("commit");
    let run = stand.start_run().await;
    stand.until("the record is written", |s| s.runs.iter().any(|r| r.phase == Phase::Finish)).await;
    let trouble = refused(stand.ask(Command::CancelRun { run }).await);
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    stand.world.west().held.clear();
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Sealed));
}

#[tokio::test]
async fn a_second_run_of_a_service_waits_for_the_first() {
    let stand = Stand::paired().await;
    stand.world.east().held.insert("capture");
    stand.start_run().await;
    let trouble = refused(stand.ask(Command::Run { service: service("orders").name, at: None }).await);
    assert!(trouble.reason.contains("under way"), "{trouble}");
}

#[tokio::test]
async fn clocks_that_are_too_far_apart_stop_a_capture() {
    let stand = Stand::paired().await;
    stand.world.faults.step_east_clock(90_000);
    let report = stand.run().await;
    assert_eq!(report.outcome, Some(RunOutcome::Failed));
    assert!(report.error.unwrap().object.contains("clocks"));
    assert!(stand.world.east().captures.is_empty());
}

#[tokio::test]
async fn a_lost_primary_is_told_with_evidence_and_only_a_person_changes_identities() {
    let stand = Stand::paired().await;
    let point = stand.run().await.recovery_point;
    lose_east(&stand);
    let snapshot = stand.until("the prompt", has_prompt).await;
    let prompt = snapshot.pairs[0].fault.clone().unwrap();
    assert_eq!((prompt.faulty.as_str(), prompt.survivor.as_str()), ("east", "west"));
    assert!(prompt.observed.iter().any(|o| o.who.contains("west")), "the second vantage point: {:?}", prompt.observed);
    assert_eq!(prompt.resume[0].point.as_ref().unwrap().id, point);
    assert_eq!(stand.world.west().claim.unwrap().identity, Identity::Secondary, "nothing switches by itself");

    let report = adjusted(stand.ask(adjust("west", false, Some(snapshot.generation))).await);
    assert_eq!(report.outcome, AdjustOutcome::Promoted, "{report:?}");
    assert_eq!(report.services[0].recovery_point, Some(point));
    assert!(report.steps.iter().any(|s| s.state == "not executed"), "the old primary is not seen yet: {:?}", report.steps);
    assert_eq!(stand.world.west().claim.unwrap().identity, Identity::Primary);
    let decision = stand.world.west().decisions[0].clone();
    assert!(decision.by == "ana" && !decision.shown.is_empty(), "recorded with who and what they were shown");

    let alone = stand.until("unprotected", |s| s.pairs[0].services[0].state == ServiceState::Unprotected).await;
    assert!(alone.pairs[0].services[0].unprotected_since.is_some() && alone.pairs[0].active.as_ref().unwrap().as_str() == "west");
    let trouble = refused(stand.ask(Command::Run { service: service("orders").name, at: None }).await);
    assert!(trouble.reason.contains("suspended"), "{trouble}");

    stand.world.east().up = true;
    stand.world.east().seen_by_peer = true;
    stand.until("the old primary is fenced", |s| s.pairs[0].phase.contains("is fenced") && !s.pairs[0].phase.contains("as soon")).await;
    assert_eq!(stand.world.east().claim.unwrap().identity, Identity::Secondary);
}

#[tokio::test]
async fn an_agent_that_is_down_while_its_cluster_serves_offers_no_button() {
    let stand = Stand::paired().await;
    stand.run().await;
    lose_east(&stand);
    stand.world.east().probed_by_peer = Some(Health::Healthy);
    let snapshot = stand.until("the prompt without a button", |s| s.pairs[0].fault.is_some()).await;
    let prompt = snapshot.pairs[0].fault.clone().unwrap();
    assert!(!prompt.can_adjust && prompt.refused.contains("agent"), "{prompt:?}");
    tokio::time::sleep(stand.watch.fault_after * 2).await;
    let report = adjusted(stand.ask(adjust("west", false, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Refused, "{report:?}");
    assert!(report.steps.iter().all(|s| s.state == "not executed"));
    assert_eq!(stand.world.west().claim.unwrap().identity, Identity::Secondary);
}

#[tokio::test]
async fn a_controller_that_is_cut_off_itself_accuses_nobody() {
    let stand = Stand::paired().await;
    stand.run().await;
    stand.world.east().up = false;
    stand.world.west().up = false;
    stand.until("both unknown", |s| s.pairs[0].clusters.iter().all(|c| c.health == Health::Unknown)).await;
    tokio::time::sleep(stand.watch.fault_after * 2).await;
    assert!(!has_prompt(&stand.handle().snapshot()));
}

#[tokio::test]
async fn a_decision_on_stale_facts_a_wrong_name_or_the_present_primary_is_refused() {
    let stand = Stand::paired().await;
    stand.run().await;
    let stale = stand.handle().snapshot().generation;
    lose_east(&stand);
    stand.until("the prompt", has_prompt).await;
    let why = |reply| adjusted(reply).error.unwrap().reason;
    assert!(why(stand.ask(adjust("west", false, Some(stale))).await).contains("facts have changed"));
    let Command::AdjustIdentity { pair, to, planned, hold, declared, points, generation, by, .. } = adjust("west", false, None) else {
        unreachable!()
    };
    let wrong = Command::AdjustIdentity { pair, to, confirm: "east".into(), planned, hold, declared, points, generation, by };
    assert!(why(stand.ask(wrong).await).contains("typed"));
    assert!(why(stand.ask(adjust("east", false, None)).await).contains("already"));
    assert_eq!(stand.world.west().claim.unwrap().epoch, Epoch(1));
}

#[tokio::test]
async fn a_healthy_primary_is_changed_by_a_planned_switchover_only_and_loses_nothing() {
    let stand = Stand::paired().await;
    let first = stand.run().await.recovery_point;
    let report = adjusted(stand.ask(adjust("west", false, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Refused);
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Promoted, "{report:?}");
    let resumed = &report.services[0];
    assert!(resumed.recovery_point != Some(first) && resumed.lost_secs == Some(0), "a final run was made: {resumed:?}");
    assert_eq!(stand.world.west().claim.unwrap().epoch, Epoch(2));
    stand.until("the old primary stands by", |_| stand.world.east().claim.unwrap().identity == Identity::Secondary).await;
}

#[tokio::test]
async fn a_planned_switchover_that_fails_lifts_the_fence() {
    let stand = Stand::paired().await;
    stand.run().await;
    let broken = Trouble::new(TroubleKind::Corrupt, "files:invoices", "a staged piece is damaged");
    stand.world.west().failing.insert("verify", broken);
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Aborted, "{report:?}");
    assert!(report.error.unwrap().reason.contains("damaged"));
    assert!(!stand.world.east().fenced);
    assert_eq!(stand.world.east().claim.unwrap().identity, Identity::Primary);
    stand.world.west().failing.clear();
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed), "backups go on");
}

#[tokio::test]
async fn a_planned_promotion_that_the_secondary_refuses_for_good_is_undone() {
    let stand = Stand::paired().await;
    stand.run().await;
    let refused = Trouble::new(TroubleKind::Refused, "pair sz-gy", "another controller commands this pair here");
    stand.world.west().failing.insert("promote", refused);
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Aborted, "{report:?}");
    assert!(report.error.unwrap().reason.contains("another controller"));
    assert!(!stand.world.east().fenced, "its writers go on");
    assert_eq!(stand.world.west().claim.unwrap().epoch, Epoch(1));
    stand.world.west().failing.clear();
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed), "backups go on");
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Promoted, "a later decision is carried out: {report:?}");
}

#[tokio::test]
async fn what_came_past_the_fence_after_the_final_runs_undoes_a_planned_switchover() {
    let stand = Stand::paired().await;
    stand.run().await;
    let passed = Trouble::new(TroubleKind::Refused, "files:invoices", "past its fence, after its final capture: /x came");
    stand.world.east().passed = Some(passed);
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Aborted, "{report:?}");
    assert!(report.error.unwrap().reason.contains("past its fence"), "it says what came");
    assert!(!stand.world.east().fenced, "its writers go on");
    assert_eq!(stand.world.west().claim.unwrap().epoch, Epoch(1), "nothing was promoted");
    stand.world.east().passed = None;
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Promoted, "{report:?}");
    assert_eq!(stand.world.east().looked, 1, "once, right before the promotion");
}

#[tokio::test]
async fn a_planned_promotion_that_may_have_happened_is_never_undone() {
    let stand = Stand::paired().await;
    stand.run().await;
    stand.world.west().held.insert("promote");
    let asked = stand.handle().ask_later(adjust("west", true, None));
    stand.until("promoting", |s| s.pairs[0].phase.contains("promoting")).await;
    // By another decision it has the new epoch already; ours is refused from now on.
    let other = Claim { identity: Identity::Primary, epoch: Epoch(2), decision: DecisionId(uuid::Uuid::from_u128(5)) };
    {
        let mut west = stand.world.west();
        west.claim = Some(other);
        west.failing.insert("promote", Trouble::new(TroubleKind::Refused, "pair sz-gy", "another decision has already made epoch 2"));
        west.held.clear();
    }
    let told = async {
        loop {
            let error = adjusted(stand.ask(adjust("west", true, None)).await).error.unwrap();
            if error.reason.contains("the promotion under way is refused") {
                break error;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
    assert!(error.next_step.contains("understudy-agent adopt"), "{error}");
    assert!(stand.world.east().fenced && stand.handle().snapshot().pairs[0].phase.contains("promoting"), "nothing is undone");
    drop(asked);
}

#[tokio::test]
async fn retention_drops_on_both_sides_and_never_the_newest_point() {
    let mut policy = service("orders");
    policy.keep = Keep { all_hours: 0, daily_days: 0 };
    let stand = Stand::paired_with(policy).await;
    let first = stand.run().await.recovery_point;
    let second = stand.run().await.recovery_point;
    stand.until("one point is left", |s| s.points.len() == 1 && s.points[0].id == second).await;
    assert!(!stand.world.east().captures.contains(&first) && stand.world.east().captures.contains(&second));
    assert_eq!(stand.world.west().points.len(), 1);
}

#[tokio::test]
async fn moments_in_the_past_are_recorded_and_never_made_up_for_in_a_burst() {
    let mut policy = service("orders");
    policy.schedule = Some("* * * * *".into());
    let stand = Stand::paired_with(policy).await;
    // The lead covers several moments at once: the newest is run, the others have passed.
    let snapshot = stand.until("a run ended", |s| s.runs.iter().any(|r| r.report.outcome.is_some())).await;
    assert_eq!(snapshot.runs.len(), 1, "one run, never a burst");
    let missed = stand.until("the others are told", |s| !s.pairs[0].services[0].missed.is_empty()).await;
    assert!(missed.pairs[0].services[0].missed.len() <= 3);
    assert!(missed.activity.iter().any(|l| l.text.contains("missed")));
}

#[tokio::test]
async fn a_controller_that_a_later_one_ousted_is_told_so_and_commands_nothing() {
    let mut stand = Stand::paired().await;
    let other = stand.copied_state().await;
    let report = other.run().await;
    assert_eq!(report.outcome, Some(RunOutcome::Sealed), "the copy started later and commands");
    stand.until("it is told", |s| s.activity.iter().any(|l| l.text.contains("another controller took over"))).await;
    assert_eq!(refused(stand.ask(Command::Run { service: service("orders").name, at: None }).await).kind, TroubleKind::Outdated);
    other.stop().await;
    stand.restart().await;
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed), "started again it takes a higher term");
}

#[tokio::test]
async fn one_engine_holds_a_state_directory_and_others_attach() {
    let stand = Stand::paired().await;
    let second = stand.start_another().await.unwrap_err();
    assert_eq!(second.kind, TroubleKind::Refused, "{second}");
    let attached = understudy::controller::attach(stand.state()).await.unwrap();
    assert_eq!(attached.snapshot().pairs.len(), 1);
    let Reply::Started(run) = attached.ask(Command::Run { service: service("orders").name, at: None }).await else { panic!("not started") };
    let mut snapshots = attached.snapshots();
    let ended = snapshots.wait_for(|s| s.runs.iter().any(|r| r.run == run && r.report.outcome.is_some()));
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_plan_applied_twice_changes_nothing_the_second_time() {
    let stand = Stand::paired().await;
    let Reply::Plan(plan) = stand.ask(Command::ExportPlan).await else { panic!("no plan") };
    assert_eq!(stand.ask(Command::ApplyPlan { plan, dry_run: false }).await, Reply::Changes(Vec::new()));
}

#[tokio::test]
async fn a_run_for_a_later_moment_waits_for_it_and_can_be_cancelled() {
    let stand = Stand::paired().await;
    let at = Some(Utc::now() + TimeDelta::hours(9));
    let Reply::Started(run) = stand.ask(Command::Run { service: service("orders").name, at }).await else { panic!("not started") };
    assert_eq!(stand.ask(Command::CancelRun { run }).await, Reply::Done);
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Cancelled));
}
