//! Databases as people have them: every place that a table reads from arrives, and what does not is refused or named.

use std::collections::BTreeSet;

use understudy::components::hive::HiveRefusal;
use understudy::domain::{Manifest, PastFence, PointId, TroubleKind};

use crate::changes::{assert_same, put};
use crate::support::contract::{Side, World};
use crate::support::ferry::{Staged, run};
use crate::support::hive_judge::hive;
use crate::support::hive_world::HiveWorld;

fn base(staged: &Staged) -> Option<(PointId, &Manifest)> {
    Some((staged.point, &staged.manifest))
}

/// One of everything odd; what lies outside the database's directory is below the directory that is returned.
async fn odd(world: &HiveWorld) -> String {
    let (database, fs, source) = (world.database.as_str(), world.hdfs.side(Side::Source)[1].clone(), Side::Source);
    let outside = format!("/ext-{database}");
    let at = |place: &str| format!("{fs}{outside}/{place}");
    // Spark makes a table's placeholder, and removes its directory.
    let placeholder = format!("{}/spark-__PLACEHOLDER__", world.directory());
    hive(source, &["create-spark", database, "spark", &format!("{fs}{placeholder}"), &at("spark")]);
    world.hdfs.delete(source, &placeholder).await;
    put(world, &format!("{outside}/spark/part-0"), "rows of Spark's").await;
    // The empty value, with a file and statistics of its own.
    hive(source, &["add-partition", database, "items", "", ""]);
    put(world, &format!("{}/items/name=__HIVE_DEFAULT_PARTITION__/data", world.directory()), "of nobody").await;
    hive(source, &["partition-statistics", database, "items", "name=__HIVE_DEFAULT_PARTITION__", "content"]);
    // A partition with a place of its own, and a view with partitions.
    hive(source, &["add-partition", database, "items", &at("far"), "far"]);
    put(world, &format!("{outside}/far/data"), "far away").await;
    hive(source, &["create-partitioned-view", database, "seen", "select content, name from items"]);
    hive(source, &["add-partition", database, "seen", "", "far"]);
    // Addresses, and texts that look like one.
    hive(source, &["create-external", database, "texts", &at("texts")]);
    for (key, value) in [
        ("avro.schema.url", format!("{fs}/schemas-{database}/t.avsc")),
        ("two", format!("{fs}{outside}/texts/a,{fs}{outside}/texts/b")),
        ("json", format!("{{\"at\":\"{fs}/x\"}}")),
        ("description", format!("{fs}/x was its place")),
    ] {
        hive(source, &["set-parameter", database, "texts", key, &value]);
    }
    hive(source, &["create-function", database, "shout", &format!("{fs}/jars-{database}/shout.jar")]);
    hive(source, &["create-external", database, "brief", &at("brief")]);
    put(world, &format!("{outside}/brief/data"), "soon gone").await;
    outside
}

async fn same(world: &HiveWorld, outside: &str) {
    let told = |side| {
        let mut told = world.told(side, &world.database);
        told.remove("table texts");
        told
    };
    assert_same(&told(Side::Source), &told(Side::Target));
    for place in [world.directory(), format!("{outside}/spark"), format!("{outside}/far"), format!("{outside}/brief")] {
        assert_same(&world.hdfs.tree(Side::Source, &place).await, &world.hdfs.tree(Side::Target, &place).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_place_that_a_table_reads_from_arrives_and_the_rest_is_named() {
    let Some(world) = HiveWorld::new().await else { return };
    let (database, set) = (world.database.clone(), world.set());
    let outside = odd(&world).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let [from, to] = [Side::Source, Side::Target].map(|side| world.hdfs.side(side)[1].clone());

    source.fence(&set).await.expect("fenced, with the empty value too");
    source.unfence(&set, None).await.expect("unfenced");
    let first = run(source.as_ref(), &target, &set, None).await;
    same(&world, &outside).await;
    assert_eq!(hive(Side::Target, &["serde-parameter", &database, "spark", "path"]), format!("{to}{outside}/spark"));
    let text = |key: &str| hive(Side::Target, &["parameter", &database, "texts", key]);
    assert_eq!(text("two"), format!("{to}{outside}/texts/a,{to}{outside}/texts/b"));
    assert_eq!(text("json"), format!("{{\"at\":\"{from}/x\"}}"));
    assert_eq!(text("description"), format!("{from}/x was its place"));

    let notes = source.survey(&set).await.expect("noted").notes;
    let said: Vec<(&str, &str)> = notes.iter().map(|note| (note.code.as_str(), note.object.as_str())).collect();
    let object = format!("hive:{database}");
    let of_policy = ["drop-database-keeps-files", "snapshots-wider"];
    let expected: Vec<(&str, &str)> =
        ["not-copied", "not-copied", "text-left-alone"].into_iter().chain(of_policy).map(|code| (code, object.as_str())).collect();
    assert_eq!(said, expected, "{notes:#?}");
    let warnings = source.arm(&set).await.expect("armed");
    for note in notes.iter().filter(|note| !of_policy.contains(&note.code.as_str())) {
        assert!(warnings.contains(note), "{note:?} is not said in a run: {warnings:#?}");
    }

    let again = run(source.as_ref(), &target, &set, base(&first)).await;
    assert!(again.changes.changes.is_empty(), "nothing changed: {:?}", again.changes.changes);
}

/// It stays for as long as a recovery point needs it, and no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_directory_of_a_dropped_table_goes_with_the_last_point_that_has_it() {
    let Some(world) = HiveWorld::new().await else { return };
    let (database, set, source, target) = (world.database.clone(), world.set(), world.open(Side::Source), world.open(Side::Target));
    world.write(Side::Source, "a", "one").await;
    let outside = format!("/ext-{database}");
    let fs = world.hdfs.side(Side::Source)[1].clone();
    for table in ["brief", "lasting"] {
        hive(Side::Source, &["create-external", &database, table, &format!("{fs}{outside}/{table}")]);
        put(&world, &format!("{outside}/{table}/data"), table).await;
    }
    let beside = format!("{outside}/theirs/data");
    world.hdfs.create(Side::Target, &world.hdfs.side(Side::Target)[2], &beside, "not ours").await.expect("written");
    let first = run(source.as_ref(), &target, &set, None).await;
    hive(Side::Source, &["drop-table", &database, "brief"]);
    source.release(&set, first.point).await.expect("released");
    world.hdfs.delete(Side::Source, &format!("{outside}/brief")).await;
    let second = run(source.as_ref(), &target, &set, None).await;
    let third = run(source.as_ref(), &target, &set, base(&second)).await;

    target.release(&set, second.point).await.expect("released");
    target.restore(&set, first.point, &first.manifest).await.expect("the point that has it can be brought back");
    let brief = format!("{outside}/brief/data");
    assert!(world.hdfs.tree(Side::Target, &outside).await.contains_key(&brief));
    target.restore(&set, third.point, &third.manifest).await.expect("restored");
    for _ in 0..2 {
        target.release(&set, first.point).await.expect("released, also when it is asked again");
    }
    let left: BTreeSet<String> = world.hdfs.tree(Side::Target, &outside).await.into_keys().collect();
    let lasting = [format!("{outside}/lasting"), format!("{outside}/lasting/data")];
    let theirs = [format!("{outside}/theirs"), beside];
    assert_eq!(left, lasting.into_iter().chain(theirs).collect(), "its directory went, and nothing else");
    assert_eq!(target.drift(&set, base(&third)).await.expect("compared"), Vec::<String>::new());
    target.release(&set, third.point).await.expect("released");
    assert!(world.hdfs.tree(Side::Target, &outside).await.len() == 4, "the last point leaves the live data");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_whose_files_name_other_files_are_refused_by_name_with_what_to_do() {
    let Some(world) = HiveWorld::new().await else { return };
    let (database, side) = (world.database.as_str(), Side::Source);
    let fs = world.hdfs.side(side)[1].clone();
    let inside = |name: &str| format!("{fs}{}/{name}", world.directory());
    for table in ["berg", "handled", "links", "local", "pattern"] {
        hive(side, &["create-external", database, table, &inside(table)]);
    }
    hive(side, &["set-parameter", database, "berg", "table_type", "ICEBERG"]);
    hive(side, &["set-parameter", database, "berg", "metadata_location", &inside("berg/metadata/00000.metadata.json")]);
    hive(side, &["set-parameter", database, "handled", "storage_handler", "org.apache.iceberg.mr.hive.HiveIcebergStorageHandler"]);
    hive(side, &["set-input-format", database, "links", "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat"]);
    for (table, path) in [("local", "file:/tmp/x".to_owned()), ("pattern", inside("pattern/day=*"))] {
        hive(side, &["set-parameter", database, table, "spark.sql.sources.provider", "parquet"]);
        hive(side, &["set-serde-parameter", database, table, "path", &path]);
    }
    put(&world, &format!("{}/one/file.csv", world.directory()), "1").await;
    hive(side, &["create-spark", database, "single", &inside("single"), &inside("one/file.csv")]);

    let table = |name: &str| name.to_owned();
    let source = world.open(side);
    for refusal in [
        HiveRefusal::Iceberg { table: table("berg") },
        HiveRefusal::Iceberg { table: table("handled") },
        HiveRefusal::SymlinkManifest { table: table("links"), partition: None },
        HiveRefusal::OtherFileSystem { table: table("local"), place: "file:/tmp/x".into(), fs: fs.clone() },
        HiveRefusal::PlaceIsPattern { table: table("pattern"), place: inside("pattern/day=*") },
        HiveRefusal::PlaceIsFile { table: table("single"), place: format!("{}/one/file.csv", world.directory()) },
    ] {
        let set = format!("{database}.{}", refusal.table());
        let armed = source.arm(&set).await.expect_err("refused");
        let of_policy = source.survey(&set).await.err();
        // Files are looked at when a run is armed.
        let asked = if refusal.code() == "place-is-file" { vec![armed] } else { vec![armed, of_policy.expect("refused at once")] };
        for trouble in asked {
            assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
            let wanted = refusal.trouble(format!("hive:{set}"));
            assert_eq!((trouble.object, trouble.reason, trouble.next_step), (wanted.object, wanted.reason, wanted.next_step));
        }
    }
    let whole = source.survey(database).await.expect_err("the database has them");
    assert_eq!(whole.object, format!("hive:{database}.berg"));
    let listed = source.catalogue(database).await.expect("listed");
    let berg = listed.iter().find(|item| item.path == format!("{database}.berg")).expect("shown");
    assert!(!berg.selectable, "{berg:?}");
}

/// A metastore changes properties, and drops what has no directory of its own, whatever rights directories have; superusers write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_past_a_fence_of_hive_or_hdfs_is_found_against_the_final_capture() {
    let Some(world) = HiveWorld::new().await else { return };
    let (database, set, outside) = (world.database.clone(), world.set(), format!("/ext-{}", world.database));
    let fs = world.hdfs.side(Side::Source)[1].clone();
    world.write(Side::Source, "a", "one").await;
    hive(Side::Source, &["create-external", &database, "brief", &format!("{fs}{outside}/brief")]);
    put(&world, &format!("{outside}/brief/data"), "rows").await;
    let (source, files, directory) = (world.open(Side::Source), world.hdfs.open(Side::Source), world.hdfs.set());
    put(&world, &format!("{directory}/file"), "captured").await;
    for (component, set) in [(&source, &set), (&files, &directory)] {
        let evidence = component.fence(set).await.expect("fenced");
        assert!(evidence.contains("a planned switchover looks for"), "{evidence}");
    }
    let at = crate::support::ferry::point();
    for (component, set) in [(&source, &set), (&files, &directory)] {
        component.arm(set).await.expect("armed");
        component.capture(set, at).await.expect("the final capture");
        assert_eq!(component.past_fence(set, at).await.expect("looked"), [], "nothing came");
        let never = component.past_fence(set, crate::support::ferry::point()).await.expect("looked");
        assert!(matches!(never.as_slice(), [PastFence::Unknown { .. }]), "{never:?}");
    }
    let table = |name: &str| name.to_owned();
    hive(Side::Source, &["set-parameter", &database, "items", "label", "other"]);
    hive(Side::Source, &["drop-table", &database, "brief"]);
    put(&world, &format!("{}/items/name=a/more", world.directory()), "a superuser's").await;
    let came = source.past_fence(&set, at).await.expect("looked");
    // The whole directory came.
    let directory_that_came = format!("{}/items/name=a", world.directory());
    let wanted = [
        PastFence::TableGone { table: table("brief") },
        PastFence::TableChanged { table: table("items") },
        PastFence::FileCame { path: directory_that_came },
    ];
    assert_eq!(came, wanted);
    put(&world, &format!("{directory}/file"), "overwritten by a superuser").await;
    let came = files.past_fence(&directory, at).await.expect("looked");
    assert!(came.iter().any(|one| matches!(one, PastFence::FileCame { path } if path.ends_with("/file"))), "{came:?}");
    put(&world, &format!("{directory}/later"), "made by a superuser").await;
    let came = files.past_fence(&directory, at).await.expect("looked");
    assert!(came.contains(&PastFence::FileCame { path: format!("{directory}/later") }), "{came:?}");
}
