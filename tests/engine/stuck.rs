//! A committed point that its secondary cannot seal: why is shown at once, it goes on by itself, and a person can give it up.

use understudy::controller::snapshot::ServiceState;
use understudy::controller::{Command, Reply};
use understudy::domain::backup::machine::Phase;
use understudy::domain::unfinished::Work;
use understudy::domain::{PointId, RecoveryPoint, RunId, RunOutcome, Trouble, TroubleKind};

use super::stand::Stand;
use super::{adjust, adjusted, has_prompt, lose_east, refused};

fn refusal() -> Trouble {
    Trouble::new(TroubleKind::Refused, "files:orders", "the directory above it has snapshots of its own").next("disallow snapshots there")
}

async fn stuck(stand: &Stand) -> RunId {
    stand.world.west().stuck = Some(refusal());
    let run = stand.start_run().await;
    stand.until("it is stuck", |s| s.runs.iter().any(|r| r.run == run && r.report.stuck.is_some())).await;
    run
}

fn abandon(run: RunId, confirm: &str) -> Command {
    Command::AbandonRun { run, confirm: confirm.into(), by: "ana".into() }
}

#[tokio::test]
async fn a_permanent_refusal_is_shown_at_once_with_the_trouble_itself_and_the_run_seals_when_its_cause_is_gone() {
    let mut stand = Stand::paired().await;
    let run = stuck(&stand).await;
    let snapshot = stand.handle().snapshot();
    let view = snapshot.runs.iter().find(|r| r.run == run).unwrap();
    let told = view.report.stuck.as_ref().unwrap();
    let wanted = refusal().at(&"west".parse().unwrap());
    assert_eq!((&told.trouble, told.work, view.phase, view.report.outcome), (&wanted, Work::Seal, Phase::Finish, None));
    let service = &snapshot.pairs[0].services[0];
    assert_eq!(
        (service.state, service.stuck.as_ref().map(|s| (s.run, s.stuck.trouble.clone()))),
        (ServiceState::Stuck, Some((run, wanted)))
    );
    assert!(view.can_abandon && !view.can_cancel);
    let commits = |stand: &Stand| stand.world.west().done.iter().filter(|order| **order == "commit").count();
    let before = commits(&stand);
    for refusal in [
        stand.ask(Command::CancelRun { run }).await,
        stand.ask(Command::Unpair { pair: "sz-gy".parse().unwrap(), confirm: "sz-gy".into(), by: "ana".into() }).await,
        stand.ask(Command::Run { service: "orders".parse().unwrap(), at: None }).await,
    ] {
        let trouble = refused(refusal);
        assert!(trouble.kind == TroubleKind::Refused && trouble.next_step.contains("abandon"), "{trouble}");
    }
    // What is known of it outlives the engine.
    stand.restart().await;
    stand.until("it is still stuck", |s| s.pairs[0].services.iter().any(|service| service.state == ServiceState::Stuck)).await;
    stand.world.west().stuck = None;
    let report = stand.ended(run).await;
    assert_eq!((report.outcome, report.stuck), (Some(RunOutcome::Sealed), None));
    assert_eq!(commits(&stand), before, "the secondary went on by itself, and was only asked");
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed));
}

#[tokio::test]
async fn a_point_is_given_up_by_the_typed_name_of_its_service_and_the_next_run_and_unpairing_work() {
    let stand = Stand::paired().await;
    let first = stand.run().await;
    let run = stuck(&stand).await;
    for typed in ["", "west", "ORDERS"] {
        let trouble = refused(stand.ask(abandon(run, typed)).await);
        assert!(trouble.kind == TroubleKind::Refused && trouble.next_step.contains("--confirm orders"), "{typed:?}: {trouble}");
    }
    assert_eq!(refused(stand.ask(abandon(first.run, "orders")).await).kind, TroubleKind::Refused, "it is sealed");
    assert_eq!(stand.ask(abandon(run, "orders")).await, Reply::Done);
    let report = stand.ended(run).await;
    let told = report.abandoned.expect("who and when");
    assert_eq!((report.outcome, told.by.as_str(), told.back_to), (Some(RunOutcome::Abandoned), "ana", Some(first.recovery_point)));
    assert_eq!(stand.ask(abandon(run, "orders")).await, Reply::Done, "asked again it is the same");
    let (points, unsealed) = {
        let west = stand.world.west();
        (west.points.len(), west.unsealed.len())
    };
    let captures = stand.world.east().captures.len();
    assert_eq!((points, unsealed, captures), (1, 0, 1), "the point is gone at both clusters, and the one before it is not");
    stand.world.west().stuck = None;
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed));
    let unpaired = stand.ask(Command::Unpair { pair: "sz-gy".parse().unwrap(), confirm: "sz-gy".into(), by: "ana".into() }).await;
    assert_eq!(unpaired, Reply::Unpaired(Vec::new()));
}

#[tokio::test]
async fn a_point_that_an_agent_took_back_at_its_start_is_told_with_what_the_live_data_is_back_at() {
    let stand = Stand::paired().await;
    let first = stand.run().await;
    for unheard in 1..=3 {
        let run = stuck(&stand).await;
        stand.world.west().stopped_during.insert("abandon", unheard);
        assert_eq!(stand.ask(abandon(run, "orders")).await, Reply::Done);
        let report = stand.ended(run).await;
        assert_eq!(report.abandoned.and_then(|told| told.back_to), Some(first.recovery_point), "{unheard} requests were not heard");
    }
}

#[tokio::test]
async fn a_wish_that_was_stored_is_carried_out_by_the_engine_s_next_start() {
    let mut stand = Stand::paired().await;
    let run = stuck(&stand).await;
    stand.world.west().held.insert("abandon");
    assert_eq!(stand.ask(abandon(run, "orders")).await, Reply::Done);
    stand.halt().await;
    stand.world.west().held.clear();
    stand.start().await;
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Abandoned));
}

#[tokio::test]
async fn an_agent_of_an_earlier_version_is_not_asked_for_what_it_cannot_do() {
    let stand = Stand::paired().await;
    let run = stuck(&stand).await;
    stand.world.west().is_old = true;
    let trouble = refused(stand.ask(abandon(run, "orders")).await);
    assert!(trouble.kind == TroubleKind::Refused && trouble.object.contains("west") && trouble.reason.contains("version"), "{trouble}");
    stand.world.west().stuck = None;
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Sealed), "and is told to finish, as ever");
}

/// Another console began it: this one knows it by what the agent says alone.
#[tokio::test]
async fn a_stuck_point_of_another_console_is_shown_and_can_be_given_up() {
    let stand = Stand::paired().await;
    let first = stand.run().await;
    let foreign = {
        let mut west = stand.world.west();
        let (id, run) = (PointId(uuid::Uuid::now_v7()), RunId(uuid::Uuid::now_v7()));
        let foreign = RecoveryPoint { id, run, sealed_at: None, ..west.points[0].clone() };
        west.stuck = Some(refusal());
        west.unsealed.push(foreign.clone());
        foreign
    };
    let told = |s: &understudy::controller::Snapshot| s.pairs[0].services[0].stuck.as_ref().is_some_and(|stuck| stuck.run == foreign.run);
    stand.until("it is told", told).await;
    assert_eq!(refused(stand.ask(abandon(foreign.run, "west")).await).kind, TroubleKind::Refused);
    assert_eq!(stand.ask(abandon(foreign.run, "orders")).await, Reply::Done);
    stand.until("it is gone", |s| s.pairs[0].services[0].stuck.is_none()).await;
    assert_eq!(stand.world.west().points.iter().map(|point| point.id).collect::<Vec<_>>(), [first.recovery_point]);
}

#[tokio::test]
async fn a_stuck_point_keeps_nobody_from_failing_over_to_the_one_before_it() {
    let stand = Stand::paired().await;
    let first = stand.run().await;
    let run = stuck(&stand).await;
    lose_east(&stand);
    stand.until("a person may decide", has_prompt).await;
    let report = adjusted(stand.ask(adjust("west", false, None)).await);
    assert_eq!(report.services[0].recovery_point, Some(first.recovery_point), "{report:?}");
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Failed), "the promotion dropped what was never sealed");
}
