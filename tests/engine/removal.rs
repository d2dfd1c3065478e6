//! A pair is dissolved only by its name, after what goes with it was shown; a silent cluster is told as such.

use understudy::controller::command::{Going, Removal};
use understudy::controller::{Command, Reply};
use understudy::domain::*;

use crate::sim::PAIR;
use crate::stand::Stand;

fn pair() -> PairName {
    PAIR.parse().unwrap()
}

async fn going(stand: &Stand) -> Going {
    match stand.ask(Command::WouldGo { pair: pair(), removal: Removal::Pair }).await {
        Reply::WouldGo(going) => going,
        other => panic!("{other:?}"),
    }
}

async fn unpair(stand: &Stand, confirm: &str) -> Reply {
    stand.ask(Command::Unpair { pair: pair(), confirm: confirm.into(), by: "ana".into() }).await
}

#[tokio::test]
async fn a_pair_stands_until_its_exact_name_is_typed_and_what_goes_is_told_before() {
    let stand = Stand::paired().await;
    stand.run().await;
    stand.run().await;
    let told = going(&stand).await;
    let [orders] = &told.services[..] else { panic!("{told:?}") };
    assert_eq!((orders.points, orders.oldest < orders.newest), (2, true), "each point once, also where both clusters hold it");
    for cluster in &told.clusters {
        let held = if cluster.cluster.as_str() == "east" { stand.world.east().captures.len() } else { stand.world.west().captures.len() };
        assert_eq!(cluster.snapshots.values().sum::<u64>(), held as u64, "{told:?}");
    }
    for typed in ["", "east", "orders", &PAIR.to_uppercase()] {
        let Reply::Refused(trouble) = unpair(&stand, typed).await else { panic!("it went by {typed:?}") };
        assert!(trouble.kind == TroubleKind::Refused && trouble.next_step == told.command(), "{trouble}");
    }
    assert!(!stand.world.east().done.contains(&"leave") && !stand.world.west().done.contains(&"leave"), "nobody was asked to leave");
    assert_eq!(unpair(&stand, PAIR).await, Reply::Unpaired(Vec::new()));
    let seen = stand.until("no pair", |s| s.pairs.is_empty()).await;
    assert!(seen.activity.iter().any(|line| line.text.contains("unpaired by ana")), "{:?}", seen.activity);
}

#[tokio::test]
async fn what_a_silent_cluster_holds_is_told_as_unknown_with_the_points_that_the_engine_knows() {
    let stand = Stand::paired().await;
    stand.run().await;
    stand.world.west().up = false;
    let told = going(&stand).await;
    assert_eq!(told.services[0].points, 1, "{told:?}");
    let west = told.clusters.iter().find(|cluster| cluster.cluster.as_str() == "west").unwrap();
    assert!(west.unknown.is_some() && west.last_seen.is_some(), "{west:?}");
    let lines = told.lines(&|at| at.to_rfc3339());
    assert!(lines.iter().any(|line| line.starts_with("west: what it holds is not known, last seen 20")), "{lines:?}");
}
