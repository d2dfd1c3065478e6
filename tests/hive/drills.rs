//! A drill's databases as Apache's own client reads them: what was captured, under the drill's names, and nothing that leads out.

use std::collections::BTreeMap;
use std::time::Instant;

use understudy::components::hdfs::HOME;
use understudy::domain::{DrillId, TroubleKind};

use crate::changes::{assert_same, put};
use crate::support::contract::{Side, World};
use crate::support::ferry::{finish, run, stage};
use crate::support::hive_judge::{hive, try_hive};
use crate::support::hive_world::{HiveWorld, drill_space};

fn drill() -> DrillId {
    DrillId(uuid::Uuid::now_v7())
}

/// Everything that production has at the secondary: metadata by Apache's client, files by plain WebHDFS.
async fn production(world: &HiveWorld, places: &[String]) -> BTreeMap<String, String> {
    let mut all = world.told(Side::Target, &world.database);
    for place in places {
        all.extend(world.hdfs.tree(Side::Target, place).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_everything_is_in_a_drill_what_it_was_and_nothing_done_there_reaches_production() {
    let Some(world) = HiveWorld::bare().await else { return };
    let (database, source, secondary) = (world.database.clone(), Side::Source, Side::Target);
    let outside = format!("/ext-{database}");
    hive(source, &["create-database", &database, ""]);
    hive(source, &["fixture", &database, &format!("{}{outside}", world.hdfs.side(source)[1])]);
    hive(source, &["add-partitions", &database, "orders", "3", "103"]);
    put(&world, &format!("{}/orders/day=1/place=a%2Fb c/part 0", world.directory()), "1\u{1}2\n").await;
    put(&world, &format!("{outside}/orders of day 2/part-0"), "3\u{1}4\n").await;
    put(&world, &format!("{outside}/logs/today.log"), "x\n").await;
    let target = world.open(secondary);
    let staged = run(world.open(source).as_ref(), &target, &database, None).await;
    let places = [world.directory(), format!("{outside}/logs"), format!("{outside}/orders of day 2")];
    let before = production(&world, &places).await;

    let own = drill();
    let began = Instant::now();
    let place = target.rehearse(&database, staged.point, &staged.manifest, own).await.expect("brought up");
    println!("brought up in {:.1} s", began.elapsed().as_secs_f32());
    assert_eq!(place, format!("understudy_drill_{}_{database}", own.0.simple()));
    let space = drill_space(&place);
    // Metadata: the same in the drill's words but for what is only read and was not copied, which stays where it is.
    let told = world.told_in_drill(&place);
    assert_same(&world.told(source, &database), &told);
    // As it really is: every place of data in the space, every name the drill's.
    let raw: BTreeMap<String, String> = serde_json::from_str(&hive(secondary, &["describe", &place])).expect("JSON");
    for (name, told) in &raw {
        for location in told.split("hdfs://").skip(1).map(|rest| rest.split([',', '}', ']']).next().unwrap_or_default()) {
            let read_only = location.ends_with("/logs.avsc") || location.ends_with("/shout.jar");
            assert!(location.contains(&space) != read_only, "{name}: {location}");
        }
    }
    assert!(raw["table late_orders"].contains(&format!("from `{place}`.`orders`")), "{}", raw["table late_orders"]);
    assert!(raw["table orders"].contains(&format!("understudy_drill_{}_fk_", own.0.simple())), "{}", raw["table orders"]);
    // Data.
    for place in &places {
        let then = world.hdfs.tree(secondary, place).await;
        let copied = world.hdfs.tree(secondary, &format!("{space}{place}")).await;
        assert_same(&then, &copied.into_iter().map(|(path, what)| (path.replacen(&space, "", 1), what)).collect());
    }

    // Whatever is done there: rows, partitions, a table that leads to production and would take its data along, tables dropped with theirs.
    let file = format!("{space}{}/orders/day=1/place=a%2Fb c/part 0", world.directory());
    world.hdfs.create(secondary, &world.hdfs.side(secondary)[2], &file, "scribbled").await.expect("written");
    hive(secondary, &["add-partitions", &place, "orders", "103", "105"]);
    hive(secondary, &["set-parameter", &place, "customers", "comment", "scribbled"]);
    hive(secondary, &["drop-partition", &place, "orders", "2", "大阪"]);
    hive(secondary, &["drop-table", &place, "types"]);
    let production_s = format!("{}{}", world.hdfs.side(secondary)[1], world.directory());
    hive(secondary, &["create-external", &place, "trap", &format!("{production_s}/orders")]);
    hive(secondary, &["set-parameter", &place, "trap", "EXTERNAL", "FALSE"]);
    assert_same(&before, &production(&world, &places).await);
    let drift = target.drift(&database, Some((staged.point, &staged.manifest))).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");

    // Begun anew it is the point again: that is whole as well.
    target.rehearse(&database, staged.point, &staged.manifest, own).await.expect("brought up again");
    assert_same(&told, &world.told_in_drill(&place));
    hive(secondary, &["create-external", &place, "trap", &format!("{production_s}/orders")]);
    hive(secondary, &["set-parameter", &place, "trap", "EXTERNAL", "FALSE"]);
    let listed = target.rehearsals().await.expect("listed").into_iter().filter(|(of, _)| *of == own).map(|(_, what)| what);
    assert_eq!(listed.collect::<Vec<_>>(), [format!("database {place}"), space.clone()]);
    let offered = target.catalogue("").await.expect("listed");
    assert!(
        offered.iter().any(|item| item.path == database) && offered.iter().all(|item| item.path != place),
        "a drill is nothing to back up"
    );
    hive(secondary, &["drop-table", &place, "customers"]);
    let began = Instant::now();
    for _ in 0..2 {
        target.clear_rehearsal(own).await.expect("removed");
    }
    println!("removed in {:.1} s", began.elapsed().as_secs_f32());
    assert!(try_hive(secondary, &["has-partition", &place, "orders", "x"]).is_err(), "no database");
    assert!(world.hdfs.tree(secondary, &format!("{HOME}/drills")).await.keys().all(|path| !path.contains(&own.to_string())));
    assert!(target.rehearsals().await.expect("listed").iter().all(|(of, _)| *of != own));
    assert_same(&before, &production(&world, &places).await);
    target.restore(&database, staged.point, &staged.manifest).await.expect("the point is whole");
    assert_same(&before, &production(&world, &places).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_one_database_meet_in_one_drill_and_what_is_half_removed_goes() {
    let Some(world) = HiveWorld::new().await else { return };
    world.write(Side::Source, "a", "one").await;
    hive(Side::Source, &["create-items", &world.database, "others"]);
    let sets = ["items", "others"].map(|table| format!("{}.{table}", world.database));
    let (source, target, own) = (world.open(Side::Source), world.open(Side::Target), drill());
    let mut places = Vec::new();
    for set in &sets {
        target.fence(set).await.expect("fenced");
        let staged = stage(source.as_ref(), &target, set, None).await;
        finish(&target, set, &staged).await;
        // Twice: the second begins anew and leaves the other table alone.
        for _ in 0..2 {
            places.push(target.rehearse(set, staged.point, &staged.manifest, own).await.expect("brought up"));
        }
    }
    let database = format!("understudy_drill_{}_{}", own.0.simple(), world.database);
    places.dedup();
    assert_eq!(places, [format!("{database}.items"), format!("{database}.others")]);
    let told = world.told_in_drill(&database);
    let names: Vec<&String> = told.keys().collect();
    assert_eq!(names, ["database", "partition items [a 票/%]", "table items", "table others"]);
    let known = world.told(Side::Target, &world.database);
    assert_eq!(told["table items"], known["table items"]);

    // The files are gone already, as after a crash or by somebody's hand: the database still goes, and the other way round.
    let space = drill_space(&database);
    world.hdfs.delete(Side::Target, &space).await;
    assert!(target.rehearsals().await.expect("listed").contains(&(own, format!("database {database}"))));
    target.clear_rehearsal(own).await.expect("removed");
    assert!(target.rehearsals().await.expect("listed").iter().all(|(of, _)| *of != own));
    world.hdfs.create(Side::Target, &world.hdfs.side(Side::Target)[2], &format!("{space}/left"), "x").await.expect("written");
    assert!(target.rehearsals().await.expect("listed").contains(&(own, space)));
    target.clear_rehearsal(own).await.expect("removed");
    assert!(target.rehearsals().await.expect("listed").iter().all(|(of, _)| *of != own));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_without_its_point_or_of_rows_kept_elsewhere_is_refused_by_name_and_leaves_nothing() {
    let Some(world) = HiveWorld::new().await else { return };
    world.write(Side::Source, "a", "one").await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    let gone = run(source.as_ref(), &target, &set, None).await;
    hive(Side::Source, &["create-items", &set, "outside"]);
    hive(Side::Source, &["set-parameter", &set, "outside", "storage_handler", "org.example.KafkaStorageHandler"]);
    let staged = run(source.as_ref(), &target, &set, Some((gone.point, &gone.manifest))).await;
    let own = drill();
    let trouble = target.rehearse(&set, staged.point, &staged.manifest, own).await.expect_err("refused");
    assert!(trouble.kind == TroubleKind::Refused && trouble.object.contains(&format!("{set}.outside")), "{trouble}");
    assert!(trouble.reason.contains("KafkaStorageHandler") && !trouble.next_step.is_empty(), "{trouble}");
    // A snapshot that somebody removed.
    let snapshots = world.hdfs.json(Side::Target, &format!("{}/.snapshot", world.directory()), "LISTSTATUS").await;
    let names = snapshots["FileStatuses"]["FileStatus"].as_array().expect("listed").iter();
    let name = names.filter_map(|one| one["pathSuffix"].as_str()).find(|name| name.contains(&gone.point.to_string())).expect("there");
    world.hdfs.drop_snapshot(Side::Target, &world.directory(), name).await;
    let trouble = target.rehearse(&set, gone.point, &gone.manifest, own).await.expect_err("it is not here");
    assert!(trouble.kind == TroubleKind::NotFound && trouble.object.contains(&set) && !trouble.next_step.is_empty(), "{trouble}");
    assert!(target.rehearsals().await.expect("listed").iter().all(|(of, _)| *of != own));
}
