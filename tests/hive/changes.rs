//! One of everything arrives, and whatever changes then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use understudy::components::Component;
use understudy::domain::{Manifest, PointId};

use crate::support::contract::{Side, World};
use crate::support::ferry::{Staged, finish, run, stage_as};
use crate::support::hive_judge::hive;
use crate::support::hive_world::HiveWorld;

/// Fails with the first differences, not with two whole databases.
pub fn assert_same(source: &BTreeMap<String, String>, target: &BTreeMap<String, String>) {
    let keys: std::collections::BTreeSet<_> = source.keys().chain(target.keys()).collect();
    let wrong: Vec<String> = keys
        .into_iter()
        .filter(|key| source.get(*key) != target.get(*key))
        .map(|key| format!("{key}\n  source {:?}\n  target {:?}", source.get(key), target.get(key)))
        .collect();
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), source.len(), wrong[..wrong.len().min(3)].join("\n"));
}

/// Metadata by Apache's client, data by plain WebHDFS.
async fn same(world: &HiveWorld, outside: &str) {
    assert_same(&world.told(Side::Source, &world.database), &world.told(Side::Target, &world.database));
    for place in [world.directory(), format!("{outside}/logs"), format!("{outside}/orders of day 2")] {
        assert_same(&world.hdfs.tree(Side::Source, &place).await, &world.hdfs.tree(Side::Target, &place).await);
    }
}

pub async fn put(world: &HiveWorld, path: &str, content: &str) {
    world.hdfs.create(Side::Source, &world.hdfs.side(Side::Source)[2], path, content).await.expect("written");
}

fn base(staged: &Staged) -> Option<(PointId, &Manifest)> {
    Some((staged.point, &staged.manifest))
}

async fn timed(world: &HiveWorld, what: &str, target: &Arc<dyn Component>, base: Option<(PointId, &Manifest)>) -> Staged {
    let began = Instant::now();
    let staged = run(world.open(Side::Source).as_ref(), target, &world.database, base).await;
    println!(
        "{what}: {} files copied, {} changes, {:.1} s",
        staged.copied.len(),
        staged.changes.changes.len(),
        began.elapsed().as_secs_f32()
    );
    staged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_everything_with_two_thousand_partitions_arrives_and_follows_every_change() {
    let Some(world) = HiveWorld::bare().await else { return };
    let (database, source) = (world.database.clone(), Side::Source);
    let outside = format!("/ext-{database}");
    let fs = world.hdfs.side(source)[1].clone();
    hive(source, &["create-database", &database, ""]);
    hive(source, &["fixture", &database, &format!("{fs}{outside}")]);
    hive(source, &["add-partitions", &database, "orders", "3", "2003"]);
    put(&world, &format!("{}/orders/day=1/place=a%2Fb c/part 0", world.directory()), "1\u{1}2\n").await;
    put(&world, &format!("{outside}/orders of day 2/part-0"), "3\u{1}4\n").await;
    put(&world, &format!("{outside}/logs/today.log"), "x\n").await;
    let target = world.open(Side::Target);

    let first = timed(&world, "first run", &target, None).await;
    same(&world, &outside).await;
    let again = timed(&world, "nothing changed", &target, base(&first)).await;
    assert!(again.changes.changes.is_empty(), "{:?}", again.changes.changes);

    for words in [
        vec!["add-partitions", &database, "orders", "2003", "2005"],
        vec!["drop-partition", &database, "orders", "4", "place 4%:"],
        vec!["set-partition-parameter", &database, "orders", "reviewed", "yes", "1", "a/b c"],
        vec!["add-column", &database, "logs", "city", "string"],
        vec!["retype-column", &database, "types", "c_int", "string"],
        vec!["set-parameter", &database, "logs", "comment", "another"],
        vec!["create-items", &database, "items"],
        vec!["add-partition", &database, "items", "", "one"],
    ] {
        hive(source, &words);
    }
    put(&world, &format!("{}/items/name=one/data", world.directory()), "content").await;
    let second = timed(&world, "five partitions, two columns, a new table", &target, base(&again)).await;
    same(&world, &outside).await;
    assert!(second.copied.len() < 20, "{:?}", second.copied);
    assert!(second.copied.iter().any(|path| path.ends_with("/items/name=one/data")), "{:?}", second.copied);

    hive(source, &["rename-table", &database, "items", "things"]);
    hive(source, &["drop-table", &database, "types"]);
    let third = timed(&world, "a renamed and a dropped table", &target, base(&second)).await;
    same(&world, &outside).await;
    assert!(
        third.copied.iter().all(|path| path.starts_with("metadata/")),
        "a renamed table's data is not copied again: {:?}",
        third.copied
    );

    target.restore(&database, first.point, &first.manifest).await.expect("restored");
    assert_eq!(target.drift(&database, base(&first)).await.expect("compared"), Vec::<String>::new());
    target.restore(&database, third.point, &third.manifest).await.expect("restored");
    same(&world, &outside).await;
}

/// A metastore of version 3.1 forgets the columns of a table's constraints when a column is added.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constraints_whose_columns_the_metastore_lost_are_left_out_and_said() {
    let Some(world) = HiveWorld::bare().await else { return };
    let (database, source) = (world.database.clone(), Side::Source);
    hive(source, &["create-database", &database, ""]);
    hive(source, &["fixture", &database, &format!("{}/ext-{database}", world.hdfs.side(source)[1])]);
    let target = world.open(Side::Target);
    let first = timed(&world, "with constraints", &target, None).await;
    let customers = |side| world.told(side, &database)["table customers"].clone();
    assert!(customers(Side::Target).contains("SQLPrimaryKey") && customers(Side::Target) == customers(source));
    hive(source, &["add-column", &database, "customers", "city", "string"]);
    let lost = !customers(source).contains("column_name=id");
    let warnings = world.open(source).arm(&database).await.expect("armed");
    let told = warnings.iter().filter(|note| note.code == "constraint-left-out").count();
    assert_eq!(told > 0, lost, "{warnings:?}");
    let second = timed(&world, "an added column", &target, base(&first)).await;
    assert!(customers(Side::Target).contains("name=city"), "the column is there");
    assert_eq!(customers(Side::Target).contains("SQLPrimaryKey"), !lost);
    assert_eq!(target.drift(&database, base(&second)).await.expect("compared"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_goes_to_another_name_and_leaves_its_neighbours_alone() {
    let Some(world) = HiveWorld::new().await else { return };
    let database = &world.database;
    world.write(Side::Source, "a", "one").await;
    hive(Side::Source, &["create-items", database, "neighbour"]);
    hive(Side::Source, &["create-database", &format!("{database}_copy"), ""]);
    hive(Side::Target, &["create-database", &format!("{database}_copy"), ""]);
    let (from, to) = (format!("{database}.items"), format!("{database}_copy.things"));
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));

    let mut last: Option<Staged> = None;
    for name in ["b", "c"] {
        target.fence(&to).await.expect("fenced");
        let expected = last.as_ref().map(|last| (last.point, &last.manifest));
        assert_eq!(target.drift(&to, expected).await.expect("compared"), Vec::<String>::new());
        let staged = stage_as(source.as_ref(), &from, &target, &to, expected).await;
        finish(&target, &to, &staged).await;
        last = Some(staged);
        world.write(Side::Source, name, "more").await;
    }
    let told = world.told(Side::Target, &format!("{database}_copy"));
    let names: Vec<&String> = told.keys().collect();
    assert_eq!(names, ["database", "partition things [a 票/%]", "partition things [b 票/%]", "table things"]);
    let table = &told["table things"];
    assert!(
        table.contains(&format!("FS/warehouse/{database}_copy.db/things")) && !table.contains(&format!("{database}.db/items")),
        "{table}"
    );
    let copied = world.hdfs.tree(Side::Target, &format!("/warehouse/{database}_copy.db/things")).await;
    assert!(copied.keys().any(|path| path.ends_with("/name=a 票%2F%25/data")), "{copied:?}");

    // A neighbour can be dropped with its data while captures of the table are held.
    hive(Side::Source, &["drop-table", database, "neighbour"]);
    let left = world.hdfs.tree(Side::Source, &world.directory()).await;
    assert!(left.keys().all(|path| !path.contains("/neighbour")), "{left:?}");
    hive(Side::Source, &["drop-table", database, "items"]);
    let left = world.hdfs.tree(Side::Source, &world.directory()).await;
    assert!(left.is_empty(), "DROP TABLE removes the data of a captured table: {left:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tables_of_one_database_are_captured_and_released_apart() {
    let Some(world) = HiveWorld::new().await else { return };
    let database = &world.database;
    world.write(Side::Source, "a", "one").await;
    hive(Side::Source, &["create-items", database, "others"]);
    let (one, other) = (format!("{database}.items"), format!("{database}.others"));
    let source = world.open(Side::Source);
    let point = crate::support::ferry::point();
    for set in [&one, &other] {
        source.arm(set).await.expect("armed");
        source.capture(set, point).await.expect("captured for the same point");
    }
    source.release(&other, point).await.expect("released");
    let held: Vec<String> =
        source.snapshots().await.expect("listed").into_iter().filter(|own| own.point == point).map(|own| own.path).collect();
    assert_eq!(held, std::slice::from_ref(&one));
    assert!(!source.changes(&one, point, None).await.expect("still held").changes.is_empty());
    source.release(&one, point).await.expect("released");
}
