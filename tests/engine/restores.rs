//! Restores beside the live data, as the engine asks for them: by which agent, of which name, and how they are said to have ended.

use understudy::controller::command::RestoreReport;
use understudy::controller::{Command, Reply};
use understudy::domain::restore::RestoreEnding;
use understudy::domain::{PointId, RestoreId, TroubleKind};
use understudy::protocol::UnfinishedRestore;

use crate::sim::PAIR;
use crate::stand::Stand;

async fn restore(stand: &Stand, point: PointId, at: Option<&str>) -> RestoreReport {
    let data_set = "files:invoices".parse().expect("a name");
    let at = at.map(str::to_owned);
    let command = Command::Restore { point, data_set, only: None, place: "old".into(), at, by: "ana".into() };
    match stand.ask(command).await {
        Reply::Restored(report) => report,
        other => panic!("{other:?}"),
    }
}

fn half_made(point: PointId, under_way: bool) -> UnfinishedRestore {
    UnfinishedRestore {
        restore: RestoreId(uuid::Uuid::now_v7()),
        pair: PAIR.parse().expect("a name"),
        service: "orders".parse().expect("a name"),
        point,
        data_set: "files:invoices".parse().expect("a name"),
        only: None,
        place: "old".into(),
        under_way,
    }
}

#[tokio::test]
async fn an_agent_of_an_earlier_version_is_named_and_not_asked_and_one_that_is_half_made_goes_on_under_its_id() {
    let stand = Stand::paired().await;
    let point = stand.run().await.recovery_point;
    stand.world.west().is_old = true;
    let old = restore(&stand, point, None).await;
    let code = old.error.as_ref().map(|trouble| trouble.code().to_owned());
    assert_eq!((old.ending, code.as_deref(), old.restore), (RestoreEnding::Refused, Some("agent-too-old"), None));
    stand.world.west().is_old = false;

    let unknown = restore(&stand, PointId(uuid::Uuid::nil()), None).await;
    assert_eq!((unknown.ending, unknown.error.map(|trouble| trouble.kind)), (RestoreEnding::Refused, Some(TroubleKind::NotFound)));
    let nowhere = restore(&stand, point, Some("north")).await;
    assert_eq!((nowhere.ending, nowhere.cluster), (RestoreEnding::Refused, None));

    let begun = half_made(point, false);
    stand.world.west().restores.push(begun.clone());
    let whole = restore(&stand, point, Some("secondary")).await;
    assert_eq!(
        (whole.ending, whole.restore, whole.cluster.as_ref().map(|c| c.as_str())),
        (RestoreEnding::Restored, Some(begun.restore), Some("west"))
    );
}

#[tokio::test]
async fn a_pair_with_a_restore_under_way_is_not_dissolved_and_leftovers_remove_what_is_half_made() {
    let stand = Stand::paired().await;
    let point = stand.run().await.recovery_point;
    let pair: understudy::domain::PairName = PAIR.parse().expect("a name");
    stand.world.west().restores = vec![half_made(point, true)];
    let unpair = || Command::Unpair { pair: pair.clone(), confirm: PAIR.into(), by: "ana".into() };
    let Reply::Refused(trouble) = stand.ask(unpair()).await else { panic!("it was dissolved") };
    assert_eq!(trouble.code(), "restore-reads", "{trouble}");
    let leftovers = |remove| Command::Leftovers { pair: pair.clone(), remove, unknown: false, confirm: None, by: "ana".into() };
    let Reply::Leftovers(none) = stand.ask(leftovers(true)).await else { panic!("no list") };
    assert_eq!((none.half_made().count(), stand.world.west().restores.len()), (0, 1), "one that is being worked on is no leftover");

    stand.world.west().restores[0].under_way = false;
    let Reply::Leftovers(listed) = stand.ask(leftovers(false)).await else { panic!("no list") };
    assert_eq!((listed.half_made().count(), stand.world.west().restores.len()), (1, 1), "it is only shown");
    let Reply::Leftovers(gone) = stand.ask(leftovers(true)).await else { panic!("no list") };
    assert_eq!((gone.removed(), stand.world.west().restores.len()), (1, 0));
    assert!(matches!(stand.ask(unpair()).await, Reply::Unpaired(_)));
}
