//! The watch over simulated agents: damping, maintenance, and an engine that only observes.

use std::time::Duration;

use understudy::controller::command::{AdjustOutcome, MaintenanceReport};
use understudy::controller::snapshot::Snapshot;
use understudy::controller::{Command, Reply};
use understudy::domain::maintenance::MaintenanceRequest;
use understudy::domain::watch::Verdict;
use understudy::domain::*;

use crate::sim::PAIR;
use crate::stand::{Stand, service};
use crate::{adjust, adjusted, has_prompt, lose_east, refused};

fn find_east(stand: &Stand) {
    stand.world.east().up = true;
    stand.world.east().seen_by_peer = true;
}

/// How many lines of activity contain this.
fn told(snapshot: &Snapshot, words: &str) -> usize {
    snapshot.activity.iter().filter(|line| line.text.contains(words)).count()
}

fn begin(secs: u64, pause_runs: bool) -> Command {
    let request = MaintenanceRequest { secs, reason: "disks are changed".into(), pause_runs, by: "ana".into() };
    Command::BeginMaintenance { pair: PAIR.parse().unwrap(), request }
}

fn end() -> Command {
    Command::EndMaintenance { pair: PAIR.parse().unwrap(), by: "wei".into() }
}

async fn in_maintenance(stand: &Stand, pause_runs: bool) {
    let Reply::Maintenance(MaintenanceReport { maintenance: Some(_), .. }) = stand.ask(begin(3_600, pause_runs)).await else {
        panic!("not begun");
    };
}

/// An `engine.toml` whose alerts are lines of a file, and the file.
fn alerts(stand_dir: &std::path::Path) -> (String, std::path::PathBuf) {
    let file = stand_dir.join("alerts");
    (format!("[alert]\ncommand = ['sh', '-c', 'cat >> {0}; echo >> {0}']\n", file.display()), file)
}

async fn alerted(file: &std::path::Path, words: &str) -> bool {
    for _ in 0..100 {
        if std::fs::read_to_string(file).unwrap_or_default().contains(words) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn a_prompt_stays_until_the_primary_has_been_well_for_a_while_and_then_goes() {
    let stand = Stand::paired().await;
    stand.run().await;
    lose_east(&stand);
    stand.until("the prompt", has_prompt).await;
    find_east(&stand);
    let seen = stand.until("it answers again", |s| s.pairs[0].clusters[0].health == Health::Healthy).await;
    let prompt = seen.pairs[0].fault.clone().expect("one good look does not withdraw the prompt");
    assert!(prompt.cause == Verdict::Healthy && !prompt.can_adjust && prompt.refused.contains("again since"), "{prompt:?}");
    assert_eq!(
        adjusted(stand.ask(adjust("west", false, None)).await).outcome,
        AdjustOutcome::Refused,
        "a healthy primary keeps its identity"
    );
    let over = stand.until("the prompt is withdrawn", |s| s.pairs[0].fault.is_none()).await;
    assert_eq!(over.pairs[0].phase, "replicating");
}

#[tokio::test]
async fn a_cluster_that_is_unwell_again_and_again_is_unstable_told_once_and_never_faulty() {
    let stand = Stand::paired().await;
    let seen_at = |s: &Snapshot| s.pairs[0].clusters[0].health;
    for _ in 0..6 {
        stand.world.east().health = Health::Faulty;
        stand.until("unwell", |s| seen_at(s) != Health::Healthy).await;
        stand.world.east().health = Health::Healthy;
        // An unstable one is not shown as healthy however it looks just now: a few looks are waited for.
        tokio::time::sleep(stand.watch.interval * 8).await;
    }
    let snapshot = stand.until("unstable", |s| s.pairs[0].clusters[0].evidence.iter().any(|line| line.contains("times unwell"))).await;
    assert_eq!(seen_at(&snapshot), Health::Suspect, "{:?}", snapshot.pairs[0].clusters[0].evidence);
    let prompt = snapshot.pairs[0].fault.clone().expect("a person is told");
    assert!(!prompt.can_adjust && prompt.verdict.contains("unstable: "), "{prompt:?}");
    assert_eq!(told(&snapshot, "is unstable"), 1, "{:?}", snapshot.activity);
    assert_eq!((told(&snapshot, "signs of a fault"), told(&snapshot, "is faulty: open")), (1, 0), "{:?}", snapshot.activity);
    let over = stand.until("it has settled", |s| s.pairs[0].fault.is_none()).await;
    assert_eq!(seen_at(&over), Health::Healthy);
}

#[tokio::test]
async fn in_a_maintenance_nobody_is_prompted_the_truth_is_shown_and_its_end_prompts_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (file, lines) = alerts(dir.path());
    let stand = Stand::paired_with_file(service("orders"), &file).await;
    stand.run().await;
    in_maintenance(&stand, false).await;
    lose_east(&stand);
    let held = stand.until("the fault is held back", |s| s.pairs[0].held_fault.is_some()).await;
    let pair = &held.pairs[0];
    assert_eq!((pair.fault.as_ref(), pair.clusters[0].health), (None, Health::Faulty), "what is true is shown");
    assert!(pair.maintenance.as_ref().is_some_and(|m| m.by == "ana" && m.reason == "disks are changed"));
    assert!(!pair.clusters[0].agent_answers && pair.phase.contains("suspect"), "{}", pair.phase);
    assert_eq!(told(&held, "held back (maintenance until"), 1, "{:?}", held.activity);
    let error = adjusted(stand.ask(adjust("west", false, None)).await).error.unwrap();
    assert!(error.reason.contains("maintenance until") && error.next_step.contains("--end"), "{error}");
    assert!(!std::fs::read_to_string(&lines).unwrap_or_default().contains("fault"), "nobody is alerted");

    assert_eq!(stand.ask(end()).await, Reply::Maintenance(MaintenanceReport { pair: PAIR.parse().unwrap(), maintenance: None }));
    let shown = stand.handle().snapshot();
    assert!(stand.until("the prompt", has_prompt).await.at - shown.at < chrono::TimeDelta::seconds(5), "at once");
    assert!(alerted(&lines, "\"fault\"").await, "and now they are");
    assert_eq!(adjusted(stand.ask(adjust("west", false, None)).await).outcome, AdjustOutcome::Promoted);
}

#[tokio::test]
async fn a_fault_known_before_a_maintenance_is_told_again_after_it() {
    let stand = Stand::paired().await;
    stand.run().await;
    lose_east(&stand);
    stand.until("the prompt", has_prompt).await;
    in_maintenance(&stand, false).await;
    let held = stand.until("the prompt is held back", |s| s.pairs[0].fault.is_none() && s.pairs[0].held_fault.is_some()).await;
    assert_eq!(held.pairs[0].clusters[0].health, Health::Faulty);
    stand.ask(end()).await;
    let shown = stand.until("the prompt, and the word", |s| has_prompt(s) && told(s, "is faulty still") > 0).await;
    assert_eq!(told(&shown, "is faulty still"), 1, "{:?}", shown.activity);
}

#[tokio::test]
async fn a_maintenance_is_kept_and_ends_by_its_time_and_a_fault_that_stands_is_prompted_then() {
    let mut stand = Stand::paired().await;
    stand.run().await;
    in_maintenance(&stand, false).await;
    stand.restart().await;
    let kept = stand.handle().snapshot().pairs[0].maintenance.clone().expect("kept over a restart");
    assert_eq!((kept.by.as_str(), kept.until - kept.since), ("ana", chrono::TimeDelta::hours(1)));
    lose_east(&stand);
    stand.until("held back", |s| s.pairs[0].held_fault.is_some()).await;
    stand.step_clock(chrono::TimeDelta::minutes(61));
    let over = stand.until("the prompt", has_prompt).await;
    assert!(over.pairs[0].maintenance.is_none() && told(&over, "maintenance is over") == 1, "{:?}", over.activity);
    stand.restart().await;
    assert!(stand.handle().snapshot().pairs[0].maintenance.is_none(), "and does not come back");
}

#[tokio::test]
async fn a_maintenance_needs_an_end_a_reason_and_a_pair_and_an_end_needs_a_maintenance() {
    let stand = Stand::paired().await;
    assert_eq!(refused(stand.ask(begin(8 * 86_400, false)).await).kind, TroubleKind::Invalid);
    assert_eq!(refused(stand.ask(begin(0, false)).await).kind, TroubleKind::Invalid);
    assert_eq!(refused(stand.ask(end()).await).kind, TroubleKind::Refused);
    let Command::BeginMaintenance { request, .. } = begin(3_600, false) else { unreachable!() };
    let nowhere = Command::BeginMaintenance { pair: "nope".parse().unwrap(), request };
    assert_eq!(refused(stand.ask(nowhere).await).kind, TroubleKind::NotFound);
    assert!(stand.handle().snapshot().pairs[0].maintenance.is_none());
}

#[tokio::test]
async fn backups_go_on_in_a_maintenance_unless_it_pauses_them_and_what_is_left_out_counts_as_missed() {
    let stand = Stand::paired().await;
    let first = stand.run().await;
    in_maintenance(&stand, true).await;
    let mut policy = service("orders");
    policy.schedule = Some("* * * * *".into());
    policy.rpo_target_minutes = Some(1);
    assert!(matches!(stand.ask(Command::SaveService(Box::new(policy))).await, Reply::ServiceChecked(_)));
    let left_out = |s: &Snapshot| s.pairs[0].services[0].missed.iter().any(|(_, why)| why.contains("left out: maintenance until"));
    let snapshot = stand.until("a moment is left out", left_out).await;
    let (pair, service) = (&snapshot.pairs[0], &snapshot.pairs[0].services[0]);
    assert!(service.next_moment >= pair.maintenance.as_ref().map(|m| m.until), "{service:?}");
    assert!(service.rpo_secs.is_some() && service.last_point == Some(first.recovery_point), "the RPO is shown as it is");
    assert_eq!(snapshot.runs.len(), 1, "nothing was started by itself");
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed), "a person may");
    in_maintenance(&stand, false).await;
    stand.until("the schedule goes on", |s| s.pairs[0].services[0].next_moment < s.pairs[0].maintenance.as_ref().map(|m| m.until)).await;
}

const OBSERVING: &str = "[watch]\nmode = 'observe'\ntime_limit_secs = 0.5\nfault_after_secs = 1\nsettle_secs = 1\n";

#[tokio::test]
async fn an_engine_that_only_observes_writes_down_what_it_would_have_prompted_and_changes_no_identity() {
    let stand = Stand::paired_with_file(service("orders"), OBSERVING).await;
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed), "backups as always");
    lose_east(&stand);
    let snapshot = stand.until("what would have been prompted", |s| s.pairs[0].held_fault.is_some()).await;
    assert!(snapshot.observing && snapshot.pairs[0].fault.is_none() && snapshot.pairs[0].clusters[0].health == Health::Faulty);
    tokio::time::sleep(Duration::from_millis(700)).await;
    let snapshot = stand.handle().snapshot();
    assert_eq!(told(&snapshot, "would have prompted: east is faulty"), 1, "once: {:?}", snapshot.activity);
    let line = snapshot.activity.iter().find(|line| line.text.contains("would have prompted")).unwrap();
    assert!(line.text.contains("agent of west: has not seen"), "with its evidence: {}", line.text);
    let error = adjusted(stand.ask(adjust("west", false, None)).await).error.unwrap();
    assert!(error.reason.contains("only observes") && error.next_step.contains("engine.toml"), "{error}");

    find_east(&stand);
    let over = stand.until("it is over", |s| s.pairs[0].held_fault.is_none()).await;
    assert_eq!(told(&over, "the prompt would have gone: east is well again, after"), 1, "{:?}", over.activity);
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Refused, "nor planned");
    assert_eq!(stand.world.west().claim.unwrap().identity, Identity::Secondary);
}
