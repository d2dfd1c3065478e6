//! Drills as the engine runs them: clocked, failed, stopped, cleaned for as long as it takes, taken up after a kill, signed off once.

use understudy::controller::command::CheckState;
use understudy::controller::snapshot::DrillView;
use understudy::controller::{Command, Reply, Snapshot};
use understudy::domain::drill::machine::Phase;
use understudy::domain::drill::report::{DrillOutcome, DrillReport};
use understudy::domain::*;

use crate::crash::killed_at_every_call;
use crate::sim::PAIR;
use crate::stand::{Stand, service};

fn policy(checks: &[&str]) -> Service {
    let check = |name: &&str| toml::from_str(&format!("name = {name:?}\ncommand = ['true']")).unwrap();
    Service { checks: checks.iter().map(check).collect(), rto_target_minutes: Some(5), ..service("orders") }
}

fn command() -> Command {
    Command::Drill { service: "orders".parse().unwrap(), point: None, by: "ana".into() }
}

async fn start(stand: &Stand) -> DrillId {
    match stand.ask(command()).await {
        Reply::DrillStarted(drill) => drill,
        other => panic!("{other:?}"),
    }
}

fn refused(reply: Reply) -> Trouble {
    match reply {
        Reply::Refused(trouble) if !trouble.next_step.is_empty() => trouble,
        other => panic!("not refused with a next step: {other:?}"),
    }
}

fn find(snapshot: &Snapshot, drill: DrillId) -> Option<&DrillView> {
    snapshot.drills.iter().find(|view| view.report.drill == drill)
}

async fn ended(stand: &Stand, drill: DrillId) -> DrillReport {
    let over = |s: &Snapshot| find(s, drill).is_some_and(|view| view.report.phase == Phase::Ended);
    find(&*stand.until("the drill's end", over).await, drill).unwrap().report.clone()
}

#[tokio::test]
async fn a_drill_is_clocked_against_its_target_and_signed_off_once() {
    let mut stand = Stand::paired_with(policy(&["first", "second"])).await;
    stand.run().await;
    let report = {
        let drill = start(&stand).await;
        ended(&stand, drill).await
    };
    assert_eq!((report.outcome, report.within_target, report.clean), (Some(DrillOutcome::Passed), Some(true), true));
    assert!(report.checks.len() == 2 && report.signed.is_none() && report.by == "ana");
    assert_eq!(stand.world.west().done.iter().filter(|order| order.ends_with("drill")).collect::<Vec<_>>(), [&"drill", &"end-drill"]);
    let sign = |remark: &str| Command::SignOffDrill { drill: report.drill, by: "bo".into(), remark: remark.into() };
    assert_eq!(refused(stand.ask(sign(" ")).await).kind, TroubleKind::Invalid);
    let Reply::Drills(signed) = stand.ask(sign("all there")).await else { panic!("not signed") };
    assert_eq!(signed[0].signed.as_ref().map(|s| (s.by.as_str(), s.remark.as_str())), Some(("bo", "all there")));
    assert!(matches!(stand.ask(sign("again")).await, Reply::Refused(trouble) if trouble.reason.contains("bo")));
    stand.restart().await;
    let Reply::Drills(kept) = stand.ask(Command::Drills { service: None, limit: 10 }).await else { panic!("no history") };
    assert_eq!(kept, signed, "the history survives");
}

#[tokio::test]
async fn a_check_that_does_not_hold_fails_the_drill_and_its_space_is_cleaned_all_the_same() {
    let stand = Stand::paired_with(policy(&["first", "bad second"])).await;
    stand.run().await;
    let drill = start(&stand).await;
    let report = ended(&stand, drill).await;
    assert_eq!((report.outcome, report.rto_ms, report.clean), (Some(DrillOutcome::Failed), None, true));
    assert!(stand.world.west().drills.is_empty());
}

#[tokio::test]
async fn what_cannot_be_brought_up_fails_and_is_cleaned() {
    let stand = Stand::paired_with(policy(&["first"])).await;
    stand.run().await;
    let trouble = Trouble::new(TroubleKind::Exhausted, "files:invoices", "no space");
    stand.world.west().failing.insert("drill", trouble);
    let drill = start(&stand).await;
    let report = ended(&stand, drill).await;
    assert_eq!((report.outcome, report.clean), (Some(DrillOutcome::Failed), true));
    assert!(report.error.as_ref().is_some_and(|error| error.reason.contains("no space")), "{report:?}");
    assert!(report.checks.iter().all(|check| check.evidence.is_empty()));
}

#[tokio::test]
async fn a_drill_has_not_ended_before_its_space_is_clean() {
    let stand = Stand::paired_with(policy(&["first"])).await;
    stand.run().await;
    let trouble = Trouble::new(TroubleKind::Failed, "files", "it does not answer");
    stand.world.west().failing.insert("end-drill", trouble);
    let drill = start(&stand).await;
    let view = stand.until("why it is not clean", |s| find(s, drill).is_some_and(|v| v.doing.contains("does not answer"))).await;
    let view = find(&view, drill).unwrap();
    assert!(!view.report.clean && view.report.phase == Phase::Cleaning && view.report.outcome == Some(DrillOutcome::Passed));
    assert!(refused(stand.ask(command()).await).reason.contains("under way"));
    assert!(
        refused(stand.ask(Command::Unpair { pair: PAIR.parse().unwrap(), confirm: PAIR.into(), by: "ana".into() }).await)
            .reason
            .contains("under way")
    );
    stand.world.west().failing.clear();
    assert!(ended(&stand, drill).await.clean);
}

#[tokio::test]
async fn a_stop_cleans_at_once_and_a_second_one_is_refused() {
    let stand = Stand::paired_with(policy(&["first"])).await;
    stand.run().await;
    stand.world.west().held.insert("drill");
    let drill = start(&stand).await;
    stand.until("it is at work", |s| find(s, drill).is_some_and(|view| view.doing == "drill")).await;
    let stop = || Command::StopDrill { drill, by: "bo".into() };
    assert_eq!(stand.ask(stop()).await, Reply::Done);
    assert_eq!(ended(&stand, drill).await.outcome, Some(DrillOutcome::Stopped));
    assert!(matches!(stand.ask(stop()).await, Reply::Refused(_)));
}

#[tokio::test]
async fn the_pre_flight_lines_refuse_what_cannot_be_drilled() {
    let stand = Stand::paired_with(policy(&[])).await;
    let check = || Command::CheckDrill { service: "orders".parse().unwrap(), point: None };
    let Reply::DrillChecked(none) = stand.ask(check()).await else { panic!("no lines") };
    assert!(none.point.is_none() && none.checks.iter().any(|c| c.name == "Recovery point" && c.state == CheckState::Failed));
    assert!(refused(stand.ask(command()).await).reason.contains("none is sealed"));
    stand.run().await;
    let Reply::DrillChecked(some) = stand.ask(check()).await else { panic!("no lines") };
    assert!(some.checks.iter().all(|c| c.state != CheckState::Failed), "{some:?}");
    assert!(some.checks.iter().any(|c| c.name == "Checks" && c.state == CheckState::Warning), "{some:?}");
    stand.world.west().up = false;
    stand.until("west is silent", |s| s.pairs[0].clusters.iter().any(|c| !c.agent_answers)).await;
    assert!(refused(stand.ask(command()).await).reason.contains("west"));
}

#[test]
fn a_drill_survives_a_kill_at_every_call() {
    killed_at_every_call(
        |site| site.tell(command()),
        // Killed before it was stored, nothing has begun.
        |site| match site.snapshot().drills.first() {
            Some(view) => view.report.phase == Phase::Ended,
            None => !site.world.faults.is_frozen() && site.is_restarted(),
        },
        |site, call| {
            assert!(site.world.west().drills.is_empty(), "call {call}: something is left");
            if let Some(view) = site.snapshot().drills.first() {
                assert_eq!(view.report.outcome, Some(DrillOutcome::Passed), "call {call}: {view:?}");
            }
        },
    );
}
