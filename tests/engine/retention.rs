//! Retention: what a policy no longer keeps goes before a run needs its room, when the policy says so, and when a person asks.

use understudy::controller::command::{PruneEnding, PruneReport};
use understudy::controller::{Command, Reply};
use understudy::domain::retention::Fate;
use understudy::domain::*;

use crate::sim::PAIR;
use crate::stand::{Stand, service};
use crate::{adjust, adjusted, has_prompt, lose_east, refused};

async fn prune(stand: &Stand, dry_run: bool) -> PruneReport {
    match stand.ask(Command::Prune { service: "orders".parse().unwrap(), dry_run, by: "ana".into() }).await {
        Reply::Pruned(report) => report,
        other => panic!("{other:?}"),
    }
}

fn fates(report: &PruneReport) -> Vec<(PointId, Fate)> {
    report.points.iter().map(|one| (one.point, one.fate)).collect()
}

/// As many sealed points as wanted, oldest first.
async fn sealed(stand: &Stand, count: usize) -> Vec<PointId> {
    let mut points = Vec::new();
    for _ in 0..count {
        let report = stand.run().await;
        assert_eq!(report.outcome, Some(RunOutcome::Sealed), "{report:?}");
        points.push(report.recovery_point);
    }
    points
}

/// The policy keeps the newest point only, and neither agent could be asked to drop the others.
async fn keeps_less(stand: &Stand) {
    let broken = Trouble::new(TroubleKind::Refused, "retention", "not now");
    stand.world.east().failing.insert("prune", broken);
    let policy = Service { keep: Keep { all_hours: 0, daily_days: 0 }, ..service("orders") };
    assert!(matches!(stand.ask(Command::SaveService(Box::new(policy))).await, Reply::ServiceChecked(_)));
    stand.world.east().failing.clear();
}

fn held(stand: &Stand) -> Vec<PointId> {
    stand.world.west().points.iter().map(|point| point.id).collect()
}

#[tokio::test]
async fn a_policy_that_keeps_less_is_carried_out_when_it_is_saved() {
    let stand = Stand::paired().await;
    let points = sealed(&stand, 3).await;
    assert_eq!(held(&stand), points, "it keeps all of the last 24 hours");
    let policy = Service { keep: Keep { all_hours: 0, daily_days: 0 }, ..service("orders") };
    stand.ask(Command::SaveService(Box::new(policy))).await;
    assert_eq!(held(&stand), points[2..], "gone when the answer came");
    assert!(stand.world.east().captures.iter().eq(&points[2..]));
    stand.until("the one that is left", |s| s.points.len() == 1).await;
}

#[tokio::test]
async fn a_run_that_lacks_room_is_given_what_the_policy_no_longer_keeps_before_it_takes_any() {
    let stand = Stand::paired().await;
    let points = sealed(&stand, 3).await;
    keeps_less(&stand).await;
    assert_eq!(held(&stand), points);
    stand.world.west().room = 1;
    let report = stand.run().await;
    assert_eq!(report.outcome, Some(RunOutcome::Sealed), "{report:?}");
    let done = stand.world.west().done.clone();
    let pruned = done.iter().rposition(|order| *order == "prune").unwrap();
    assert!(done.contains(&"commit") && pruned > 0, "{done:?}");
    stand.until("the newest alone", |s| s.points.len() == 1 && s.points[0].id == report.recovery_point).await;
}

#[tokio::test]
async fn a_person_sees_what_would_go_and_why_the_rest_stays_and_then_it_goes() {
    let stand = Stand::paired().await;
    let points = sealed(&stand, 3).await;
    assert_eq!(prune(&stand, false).await.ending, PruneEnding::NothingToDrop);
    keeps_less(&stand).await;
    let shown = prune(&stand, true).await;
    let expected = [(points[0], Fate::Goes), (points[1], Fate::Goes), (points[2], Fate::Newest)];
    assert_eq!((shown.ending, fates(&shown)), (PruneEnding::WouldDrop, expected.to_vec()));
    assert_eq!(held(&stand), points, "nothing went");
    let report = prune(&stand, false).await;
    assert_eq!((report.ending, fates(&report)), (PruneEnding::Dropped, expected.to_vec()));
    assert_eq!(held(&stand), points[2..]);
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed), "the base of the next run was there");
}

#[tokio::test]
async fn a_point_that_a_drill_has_brought_up_and_the_base_of_a_run_stay() {
    let stand = Stand::paired().await;
    let points = sealed(&stand, 3).await;
    keeps_less(&stand).await;
    stand.world.west().held.insert("drill");
    let command = Command::Drill { service: "orders".parse().unwrap(), point: Some(points[0]), by: "ana".into() };
    assert!(matches!(stand.ask(command).await, Reply::DrillStarted(_)));
    let report = prune(&stand, false).await;
    let expected = [(points[0], Fate::Drill), (points[1], Fate::Goes), (points[2], Fate::Newest)];
    assert_eq!(fates(&report), expected);
    assert_eq!(held(&stand), [points[0], points[2]]);
    stand.world.east().held.insert("push");
    let run = stand.start_run().await;
    stand.until("it copies", |s| s.runs.iter().any(|r| r.run == run && r.phase == backup::machine::Phase::Transfer)).await;
    assert_eq!(fates(&prune(&stand, false).await), [(points[0], Fate::Drill), (points[2], Fate::Base)]);
    stand.world.east().held.clear();
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Sealed));
}

#[tokio::test]
async fn nothing_is_dropped_while_one_cluster_runs_alone() {
    let stand = Stand::paired().await;
    let points = sealed(&stand, 2).await;
    keeps_less(&stand).await;
    lose_east(&stand);
    stand.until("the prompt", has_prompt).await;
    adjusted(stand.ask(adjust("west", false, None)).await);
    let command = Command::Prune { service: "orders".parse().unwrap(), dry_run: false, by: "ana".into() };
    let trouble = refused(stand.ask(command).await);
    assert!(trouble.kind == TroubleKind::Refused && trouble.next_step.contains("replicates"), "{trouble}");
    assert_eq!(held(&stand), points);
    let nobody = Command::Prune { service: "nobody".parse().unwrap(), dry_run: true, by: "ana".into() };
    assert_eq!(refused(stand.ask(nobody).await).kind, TroubleKind::NotFound);
    assert_eq!(stand.handle().snapshot().pairs[0].name.as_str(), PAIR);
}
