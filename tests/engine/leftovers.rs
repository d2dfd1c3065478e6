//! Leftovers as the engine sees them: what it counts on is none, and nothing is removed while a run is under way.

use understudy::controller::command::Leftovers;
use understudy::controller::{Command, Reply};
use understudy::domain::*;
use uuid::{NoContext, Timestamp, Uuid};

use crate::sim::PAIR;
use crate::stand::Stand;

async fn ask(stand: &Stand, remove: bool) -> Result<Leftovers, Trouble> {
    with(stand, remove, false, None).await
}

async fn with(stand: &Stand, remove: bool, unknown: bool, confirm: Option<&str>) -> Result<Leftovers, Trouble> {
    let confirm = confirm.map(str::to_owned);
    match stand.ask(Command::Leftovers { pair: PAIR.parse().unwrap(), remove, unknown, confirm, by: "ana".into() }).await {
        Reply::Leftovers(found) => Ok(found),
        Reply::Refused(trouble) => Err(trouble),
        other => panic!("{other:?}"),
    }
}

fn points(found: &Leftovers) -> Vec<PointId> {
    found.found().map(|(_, found)| found.snapshot.point).collect()
}

#[tokio::test]
async fn what_a_sealed_point_or_a_run_under_way_has_made_is_no_leftover() {
    let stand = Stand::paired().await;
    stand.run().await;
    let orphan = PointId(Uuid::new_v7(Timestamp::from_unix(NoContext, 1_000_000, 0)));
    stand.world.east().captures.insert(orphan);
    stand.world.east().held.insert("push");
    let run = stand.start_run().await;
    stand.until("it transfers", |s| s.runs.iter().any(|r| r.run == run && r.phase == backup::machine::Phase::Transfer)).await;
    assert_eq!(points(&ask(&stand, false).await.unwrap()), [orphan]);

    let trouble = ask(&stand, true).await.unwrap_err();
    assert!(trouble.kind == TroubleKind::Refused && trouble.reason.contains("under way") && !trouble.next_step.is_empty(), "{trouble}");
    stand.world.east().held.clear();
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Sealed));
    assert_eq!(ask(&stand, true).await.unwrap().removed(), 1);
    assert!(points(&ask(&stand, false).await.unwrap()).is_empty());
    assert_eq!(stand.world.east().captures.len(), 2, "both sealed points' captures stand");
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_told_and_the_other_is_listed() {
    let stand = Stand::paired().await;
    let orphan = PointId(Uuid::new_v7(Timestamp::from_unix(NoContext, 1_000_000, 0)));
    stand.world.east().captures.insert(orphan);
    stand.world.west().up = false;
    let found = ask(&stand, false).await.unwrap();
    assert_eq!(points(&found), [orphan]);
    let failed: Vec<&String> = found.failed().collect();
    assert!(failed.len() == 1 && failed[0].contains("west could not be asked"), "{failed:?}");
}

#[tokio::test]
async fn unknown_leftovers_go_only_with_the_name_of_the_pair_and_it_is_noted_who_said_so() {
    let stand = Stand::paired().await;
    let orphan = PointId(Uuid::new_v7(Timestamp::from_unix(NoContext, 1_000_000, 0)));
    stand.world.east().captures.insert(orphan);
    for typed in [None, Some("east"), Some("")] {
        let trouble = with(&stand, true, true, typed).await.unwrap_err();
        assert!(trouble.kind == TroubleKind::Refused && trouble.next_step.contains("--unknown --confirm"), "{trouble}");
        assert!(stand.world.east().captures.contains(&orphan), "nothing is removed");
    }
    assert_eq!(with(&stand, true, true, Some(PAIR)).await.unwrap().removed(), 1);
    stand.until("who said so", |s| s.activity.iter().any(|line| line.text.contains("removed by ana, unknown ones too"))).await;
}
