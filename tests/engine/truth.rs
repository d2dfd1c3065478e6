//! Promotions and their reports: what is not up is said to be so, what is waited for is not forgotten, and the clusters are the right ones.

use chrono::{TimeDelta, Utc};

use understudy::controller::command::{AdjustOutcome, AdjustReport, IdentityStep, Refusal, ReversalOutcome, Runbook, ServiceEnding, Verb};
use understudy::controller::snapshot::{Level, Snapshot};
use understudy::controller::{Command, Reply};
use understudy::domain::*;

use crate::sim::{PAIR, cluster};
use crate::stand::{Stand, service};
use crate::{adjust, adjusted, has_prompt, lose_east, refused};

/// A policy with data sets of its own.
fn another(name: &str) -> Service {
    let text = format!("name = {name:?}\npair = {PAIR:?}\ndata_sets = ['tables:{name}', 'files:{name}']");
    toml::from_str(&text).unwrap()
}

async fn save(stand: &Stand, policy: Service) {
    let saved = stand.ask(Command::SaveService(Box::new(policy))).await;
    assert!(matches!(saved, Reply::ServiceChecked(_)), "{saved:?}");
}

async fn sealed(stand: &Stand, name: &str) -> PointId {
    let Reply::Started(run) = stand.ask(Command::Run { service: name.parse().unwrap(), at: None }).await else { panic!("not started") };
    let report = stand.ended(run).await;
    assert_eq!(report.outcome, Some(RunOutcome::Sealed), "{report:?}");
    report.recovery_point
}

fn step(report: &AdjustReport, what: &IdentityStep) -> (String, String) {
    let step = report.steps.iter().find(|step| step.what.as_ref() == Some(what)).unwrap_or_else(|| panic!("{what:?}: {:?}", report.steps));
    (step.state.clone(), step.detail.clone())
}

async fn runbook(stand: &Stand, verb: Verb) -> Runbook {
    match stand.ask(Command::Runbook { pair: PAIR.parse().unwrap(), verb }).await {
        Reply::Runbook(runbook) => runbook,
        other => panic!("{other:?}"),
    }
}

async fn reverse(stand: &Stand) -> understudy::controller::command::ReversalReport {
    let command = Command::ReverseReplication { pair: PAIR.parse().unwrap(), confirm: "east".into(), generation: None, by: "ana".into() };
    match stand.ask(command).await {
        Reply::Reversed(report) => report,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_brought_up_stands_in_the_report_and_is_tried_again_when_it_is_asked_for_again() {
    let stand = Stand::paired().await;
    save(&stand, another("bills")).await;
    let (orders, bills) = (sealed(&stand, "orders").await, sealed(&stand, "bills").await);
    let why = Trouble::new(TroubleKind::Refused, "hbase:shop:orders", "its coprocessor's jar is not at west");
    stand.world.west().broken.insert("bills".parse().unwrap(), why);
    lose_east(&stand);
    stand.until("the prompt", has_prompt).await;
    let (up, told) = (IdentityStep::BringUp { cluster: cluster("west") }, IdentityStep::PointApplications { cluster: cluster("west") });
    for command in [adjust("west", false, None), adjust("west", false, None), adjust("west", true, None)] {
        let report = adjusted(stand.ask(command).await);
        assert_eq!((report.outcome, report.primary.as_str(), report.epoch), (AdjustOutcome::Promoted, "west", Epoch(2)), "{report:?}");
        let services: Vec<_> = report.services.iter().map(|one| (one.name.as_str(), one.ending, one.recovery_point)).collect();
        assert_eq!(services, [("bills", ServiceEnding::NotUp, None), ("orders", ServiceEnding::Resumed, Some(orders))]);
        assert!(report.not_up().all(|one| one.error.as_ref().is_some_and(|why| why.reason.contains("jar"))), "{report:?}");
        assert_eq!(step(&report, &up), ("failed".into(), "not up: bills".into()));
        assert_eq!(step(&report, &told).0, "done", "the other service is up");
        let page = report.page().to_markdown();
        assert!(page.contains("NOT UP: bills") && !page.contains("nothing"), "{page}");
    }
    assert_eq!(stand.world.west().claim.unwrap().epoch, Epoch(2), "the decision is the same one");
    stand.world.west().broken.clear();
    let report = adjusted(stand.ask(adjust("west", false, None)).await);
    assert!(report.not_up().next().is_none() && report.services[0].recovery_point == Some(bills), "{report:?}");
    assert_eq!(step(&report, &up).0, "done");
    let error = adjusted(stand.ask(adjust("west", false, None)).await).error.unwrap();
    assert!(error.reason.contains("already"), "now there is nothing to change: {error}");
}

#[tokio::test]
async fn a_planned_switchover_of_250_services_waits_for_the_one_that_begins_first_and_ends_last_and_history_goes_further_back() {
    let stand = Stand::paired_with(another("a-first")).await;
    sealed(&stand, "a-first").await;
    for number in 0..249 {
        save(&stand, another(&format!("svc-{number:03}"))).await;
    }
    stand.world.west().slow = Some("a-first".parse().unwrap());
    let asked = stand.handle().ask_later(adjust("west", true, None));
    let limit = std::time::Duration::from_secs(200);
    stand.until_within(limit, "all others are sealed", |s| s.pairs[0].phase.contains("final runs, 1 to go")).await;
    stand.world.west().slow = None;
    let report = adjusted(asked.await.unwrap());
    assert_eq!(report.outcome, AdjustOutcome::Promoted, "{:?}", report.error);
    assert_eq!(report.services.iter().filter(|one| one.ending == ServiceEnding::Resumed).count(), 250);

    stand.until_within(limit, "in memory are the newest", |s| s.runs.len() <= 200).await;
    let page = async |service: Option<&str>, limit, before| {
        let service = service.map(|name| name.parse().unwrap());
        match stand.ask(Command::Runs { service, limit, before }).await {
            Reply::Runs(runs) => runs,
            other => panic!("{other:?}"),
        }
    };
    let all = page(None, 1_000, None).await;
    assert_eq!(all.len(), 251, "the store has them all");
    assert!(all.windows(2).all(|pair| pair[0].run > pair[1].run), "newest first");
    let first = page(None, 100, None).await;
    let second = page(None, 100, Some(first[99].run)).await;
    assert_eq!([&first[..], &second[..]].concat(), all[..200], "page by page");
    let of_one = page(Some("a-first"), 500, None).await;
    assert_eq!(of_one.iter().map(|run| run.service.as_str()).collect::<Vec<_>>(), ["a-first"; 2]);
    assert_eq!(page(Some("a-first"), 1, Some(of_one[0].run)).await, of_one[1..]);
    assert!(page(Some("a-first"), 1, Some(of_one[1].run)).await.is_empty(), "nothing before the first");
    assert_eq!(stand.ask(Command::RunReport { run: all[250].run }).await, Reply::Runs(vec![all[250].clone()]));
    let nobody = Command::Runs { service: Some("nobody".parse().unwrap()), limit: 1, before: None };
    assert_eq!(refused(stand.ask(nobody).await).kind, TroubleKind::NotFound);
}

#[tokio::test]
async fn the_report_of_a_planned_switchover_names_the_clusters_as_they_were() {
    let stand = Stand::paired().await;
    stand.run().await;
    let report = adjusted(stand.ask(adjust("west", true, None)).await);
    assert_eq!((report.outcome, report.primary.as_str()), (AdjustOutcome::Promoted, "west"), "{report:?}");
    let east = || cluster("east");
    let west = || cluster("west");
    let steps: Vec<_> = report.steps.iter().map(|step| (step.what.clone().unwrap(), step.state.as_str())).collect();
    assert_eq!(
        steps,
        [
            (IdentityStep::Fence { cluster: east() }, "done"),
            (IdentityStep::FinalRuns, "done"),
            (IdentityStep::TakeEpoch { cluster: west() }, "done"),
            (IdentityStep::BringUp { cluster: west() }, "done"),
            (IdentityStep::PointApplications { cluster: west() }, "done"),
            (IdentityStep::StepDown { cluster: east() }, "done"),
            (IdentityStep::Reverse { standby: east(), primary: west() }, "done"),
        ]
    );
    stand.until("the roles have turned", |s| s.pairs[0].phase == "replicating" && s.pairs[0].clusters[0].name.as_str() == "west").await;
    assert_eq!(report.steps[4].step, "point applications to west");
}

#[tokio::test]
async fn a_runbook_says_that_a_reversal_may_be_begun_exactly_when_the_command_is_not_refused() {
    let stand = Stand::paired().await;
    stand.run().await;
    lose_east(&stand);
    stand.until("the prompt", has_prompt).await;
    adjusted(stand.ask(adjust("west", false, None)).await);
    stand.world.east().up = true;
    stand.world.east().seen_by_peer = true;
    stand.until("it may stand by", |s| s.pairs[0].reversible.is_some()).await;
    // Now the cluster that it would stand by for is faulty itself, and its agent answers.
    stand.world.west().health = Health::Faulty;
    stand.until("the new primary is lost", |s| s.pairs[0].phase.contains("ran alone and is faulty")).await;
    let shown = runbook(&stand, Verb::Reverse).await;
    assert!(!shown.ready && matches!(shown.refusal, Some(Refusal::PrimaryFaulty { .. })), "{shown:?}");
    assert!(stand.handle().snapshot().pairs[0].reversible.is_none(), "nor does the console offer it");
    let report = reverse(&stand).await;
    assert_eq!((report.outcome, &report.refusal), (ReversalOutcome::Refused, &shown.refusal), "{report:?}");
    assert!(!report.error.unwrap().to_string().contains("cannot follow"), "no name of an event");
    stand.world.west().health = Health::Healthy;
    stand.until("well again", |s| s.pairs[0].reversible.is_some()).await;
    assert!(runbook(&stand, Verb::Reverse).await.ready);
    let report = reverse(&stand).await;
    assert_eq!((report.outcome, report.primary.as_str(), report.secondary.as_str()), (ReversalOutcome::Reversed, "west", "east"));
}

#[tokio::test]
async fn a_planned_switchover_is_refused_as_its_runbook_says_while_clocks_are_apart_a_run_goes_on_or_nothing_is_sealed() {
    let stand = Stand::paired().await;
    let agree = async |code: &str| {
        let shown = runbook(&stand, Verb::Planned).await;
        let report = adjusted(stand.ask(adjust("west", true, None)).await);
        assert_eq!((shown.ready, report.outcome, &shown.refusal), (false, AdjustOutcome::Refused, &report.refusal), "{code}: {shown:?}");
        let told = serde_json::to_value(report.refusal).unwrap();
        assert_eq!(told["code"], code, "{told}");
        assert!(!stand.world.east().fenced, "{code}: nothing was begun");
    };
    agree("no-recovery-point").await;
    stand.run().await;
    stand.world.faults.step_east_clock(90_000);
    agree("clocks-apart").await;
    stand.world.faults.step_east_clock(0);
    stand.until("clocks agree", |s| s.pairs[0].clock.good).await;
    stand.world.east().held.insert("capture");
    let run = stand.start_run().await;
    agree("run-under-way").await;
    stand.world.east().held.clear();
    stand.ended(run).await;
    assert!(runbook(&stand, Verb::Planned).await.ready);
    assert_eq!(adjusted(stand.ask(adjust("west", true, None)).await).outcome, AdjustOutcome::Promoted);
}

fn noted(snapshot: &Snapshot, words: &str) -> Vec<Level> {
    snapshot.activity.iter().filter(|line| line.text.contains(words)).map(|line| line.level).collect()
}

#[tokio::test]
async fn a_fault_of_the_secondary_and_its_end_are_in_the_activity_once_each() {
    let stand = Stand::paired().await;
    stand.run().await;
    stand.world.west().health = Health::Faulty;
    stand.until("told", |s| !noted(s, "the secondary is not well: west is faulty").is_empty()).await;
    tokio::time::sleep(stand.watch.interval * 5).await;
    stand.world.west().health = Health::Healthy;
    let over = stand.until("over", |s| !noted(s, "west is well again").is_empty()).await;
    assert_eq!(noted(&over, "the secondary is not well"), [Level::Fault], "once: {:?}", over.activity);
    assert!(over.pairs[0].fault.is_none(), "nobody is prompted of it");
}

#[tokio::test]
async fn a_wrong_monitoring_address_is_a_sign_and_neither_prompts_nor_locks_a_reversal() {
    let stand = Stand::paired().await;
    stand.run().await;
    {
        let mut east = stand.world.east();
        (east.note, east.probed_by_peer) = (Some(ProbeNote::MonitoringAddressWrong), Some(Health::Faulty));
    }
    stand.until("the sign", |s| noted(s, "east: files: its own probe") == [Level::Warning]).await;
    tokio::time::sleep(stand.watch.fault_after * 2).await;
    let seen = stand.handle().snapshot();
    let east = &seen.pairs[0].clusters[0];
    assert_eq!(
        (east.health, seen.pairs[0].fault.as_ref(), seen.pairs[0].phase.as_str()),
        (Health::Healthy, None, "replicating"),
        "{east:?}"
    );
    assert_eq!(east.probes[0].note, Some(ProbeNote::MonitoringAddressWrong));
    assert_eq!(noted(&seen, "its own probe").len(), 1, "told once");
    assert_eq!(adjusted(stand.ask(adjust("west", true, None)).await).outcome, AdjustOutcome::Promoted);
    stand.until("it turned round", |s| s.pairs[0].phase == "replicating").await;
}

#[tokio::test]
async fn a_service_that_was_never_backed_up_misses_its_target_too_and_a_run_for_a_moment_that_is_over_is_refused() {
    let mut policy = service("orders");
    policy.rpo_target_minutes = Some(5);
    let stand = Stand::paired_with(policy).await;
    let at = Some(Utc::now() - TimeDelta::hours(1));
    let trouble = refused(stand.ask(Command::Run { service: "orders".parse().unwrap(), at }).await);
    assert!(trouble.kind == TroubleKind::Invalid && !trouble.next_step.is_empty(), "{trouble}");
    assert!(stand.handle().snapshot().runs.is_empty(), "and no run is on record");
    stand.step_clock(TimeDelta::minutes(6));
    stand.until("told", |s| noted(s, "it was never backed up").len() == 1).await;
}

#[tokio::test]
async fn a_policy_that_another_console_removed_is_not_in_force_here_any_more() {
    let mut stand = Stand::paired().await;
    save(&stand, another("bills")).await;
    sealed(&stand, "orders").await;
    sealed(&stand, "bills").await;
    let other = stand.copied_state().await;
    assert_eq!(other.ask(Command::RemoveService { service: "bills".parse().unwrap() }).await, Reply::Done);
    assert_eq!(adjusted(other.ask(adjust("west", true, None)).await).outcome, AdjustOutcome::Promoted);
    other.until("it turned round", |s| s.pairs[0].phase == "replicating").await;
    other.stop().await;
    stand.restart().await;
    let followed = |s: &Snapshot| s.ready && s.pairs[0].epoch == Epoch(2) && s.pairs[0].services.len() == 1;
    stand.until("the policies that are in force", followed).await;
    let Reply::Plan(plan) = stand.ask(Command::ExportPlan).await else { panic!("no plan") };
    assert_eq!(plan.services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>(), ["orders"]);
}

#[tokio::test]
async fn policies_that_another_console_changed_are_followed_though_no_identity_changed() {
    let mut stand = Stand::paired().await;
    save(&stand, another("bills")).await;
    sealed(&stand, "orders").await;
    let other = stand.copied_state().await;
    assert_eq!(other.ask(Command::RemoveService { service: "bills".parse().unwrap() }).await, Reply::Done);
    save(&other, another("media")).await;
    other.stop().await;
    stand.restart().await;
    let names = |s: &Snapshot| s.pairs[0].services.iter().map(|service| service.name.to_string()).collect::<Vec<_>>();
    stand.until("what both agents hold", |s| names(s) == ["media", "orders"]).await;
    stand.restart().await;
    assert_eq!(names(&stand.handle().snapshot()), ["media", "orders"], "durably");
    assert_eq!(stand.world.east().services.len(), 2);
}
