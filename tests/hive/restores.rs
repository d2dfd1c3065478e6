//! A database, and one table of it, restored beside the live one, as Apache's own client reads them.

use std::collections::BTreeMap;

use understudy::components::restores::Restoring;
use understudy::domain::RestoreId;
use understudy::domain::restore::{RestoreNote, RestoreProof};

use crate::changes::{assert_same, put};
use crate::support::contract::{Side, World};
use crate::support::ferry::{Journal, Staged, run};
use crate::support::hive_judge::hive;
use crate::support::hive_world::HiveWorld;

async fn restore(world: &HiveWorld, point: &Staged, only: Option<&str>, place: &str) -> RestoreProof {
    let (component, set) = (world.open(Side::Target), &world.database);
    let restores = component.restores().expect("it can");
    let place = restores.place(set, only, place).expect("a place");
    restores.free(&place).await.expect("nothing is there");
    let (restore, journal, manifest, point) = (RestoreId(uuid::Uuid::now_v7()), Journal::sound(), &point.manifest, point.point);
    let what = Restoring { restore, set, only, point, manifest, place: &place, journal: &journal };
    restores.bring(what).await.expect("restored")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_everything_is_restored_beside_the_live_database_whole_and_table_by_table() {
    let Some(world) = HiveWorld::bare().await else { return };
    let (database, source, secondary) = (world.database.clone(), Side::Source, Side::Target);
    let outside = format!("/ext-{database}");
    hive(source, &["create-database", &database, ""]);
    hive(source, &["fixture", &database, &format!("{}{outside}", world.hdfs.side(source)[1])]);
    put(&world, &format!("{}/orders/day=1/place=a%2Fb c/part 0", world.directory()), "1\u{1}2\n").await;
    put(&world, &format!("{outside}/orders of day 2/part-0"), "3\u{1}4\n").await;
    put(&world, &format!("{outside}/logs/today.log"), "x\n").await;
    let target = world.open(secondary);
    let point = run(world.open(source).as_ref(), &target, &database, None).await;
    let places = [world.directory(), format!("{outside}/logs"), format!("{outside}/orders of day 2")];
    let mut before = world.told(secondary, &database);
    for place in &places {
        before.extend(world.hdfs.tree(secondary, place).await);
    }

    let place = format!("{database}_old");
    let proof = restore(&world, &point, None, &place).await;
    assert_eq!((proof.place.as_str(), proof.digest), (place.as_str(), point.manifest.digest()));
    assert!(matches!(&proof.notes[..], [RestoreNote::Renamed { names }] if !names.is_empty()), "{:?}", proof.notes);
    // The same in production's words: constraints, what lay outside, the directory, the name.
    let (own, fs) = (format!("/warehouse/{place}.db"), &world.hdfs.side(secondary)[1]);
    let (far, constraint) = (format!("{own}/outside"), format!("{place}_"));
    let words = ["describe", &place, fs, "FS", &far, "", &own, &world.directory(), &constraint, "", &place, &database];
    let told: BTreeMap<String, String> = serde_json::from_str(&hive(secondary, &words)).expect("JSON");
    assert_same(&world.told(source, &database), &told);
    for live in &places {
        let at = if *live == world.directory() { own.clone() } else { format!("{far}{live}") };
        let mut copied = world.hdfs.tree(secondary, &at).await;
        copied.retain(|path, _| *live != world.directory() || !path.starts_with(&far));
        let copied = copied.into_iter().map(|(path, what)| (path.replacen(&at, live, 1), what)).collect();
        assert_same(&world.hdfs.tree(secondary, live).await, &copied);
    }

    let leads = world.hdfs.tree(secondary, &own).await;
    let closed = |path: &&String| path.starts_with(&far) && leads[*path].contains("\"700\"");
    assert_eq!(leads.keys().find(closed), None, "its owner can reach what lay outside");

    // One table, into the database that is there now, under another name; its keys lead to tables that did not come with it.
    let again = format!("{place}.orders_again");
    let proof = restore(&world, &point, Some("Orders"), &again).await;
    assert!(proof.notes.iter().any(|note| matches!(note, RestoreNote::KeysLeftOut { .. })), "{:?}", proof.notes);
    let raw: BTreeMap<String, String> = serde_json::from_str(&hive(secondary, &["describe", &place])).expect("JSON");
    let table = &raw["table orders_again"];
    assert!(table.contains(&format!("{own}/orders_again")) && !table.contains("understudy."), "{table}");
    let held = world.hdfs.tree(secondary, &format!("{own}/orders_again")).await;
    assert!(
        held.keys().any(|path| path.ends_with("part 0")) && held.keys().any(|path| path.ends_with("orders of day 2/part-0")),
        "{held:?}"
    );
    hive(secondary, &["set-parameter", &place, "orders_again", "comment", "its owner's"]);

    let restores = target.restores().expect("it can");
    for (only, to, code) in [
        (None, place.as_str(), "place-exists"),
        (None, "understudy_drill_00000000000000000000000000000000_x", "place-is-ours"),
        (None, again.as_str(), "place-invalid"),
        (Some("orders"), again.as_str(), "place-exists"),
        (Some("orders"), "nosuch_database.orders", "no-parent"),
    ] {
        let asked = match restores.place(&database, only, to) {
            Ok(place) => restores.free(&place).await,
            Err(trouble) => Err(trouble),
        };
        assert_eq!(asked.expect_err("refused").code(), code, "{to}");
    }
    let mut after = world.told(secondary, &database);
    for place in &places {
        after.extend(world.hdfs.tree(secondary, place).await);
    }
    assert_same(&before, &after);
    let drift = target.drift(&database, Some((point.point, &point.manifest))).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");
}
