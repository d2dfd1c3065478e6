//! A backup never hurts production: what an application drops is gone, at the source while it is protected and at the secondary after
//! a promotion, and our own snapshots never stand in the way of what the next point is made of.

use std::sync::Arc;

use understudy::components::Component;
use understudy::components::admission::Occasion;
use understudy::domain::{Manifest, PointId, TroubleKind};

use crate::changes::{assert_same, put};
use crate::support::contract::{Side, World};
use crate::support::ferry::{Staged, finish, run, stage};
use crate::support::hive_judge::hive;
use crate::support::hive_world::HiveWorld;

fn base(staged: &Staged) -> Option<(PointId, &Manifest)> {
    Some((staged.point, &staged.manifest))
}

/// Directories of one side, below a place or at it, that may have snapshots.
async fn roots(world: &HiveWorld, side: Side, below: &str) -> Vec<String> {
    let listed = world.hdfs.json(side, "/", "GETSNAPSHOTTABLEDIRECTORYLIST").await;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let path = |one: &serde_json::Value| {
        format!("{}/{}", text(&one["parentFullPath"]).trim_end_matches('/'), text(&one["dirStatus"]["pathSuffix"]))
    };
    let all = listed["SnapshottableDirectoryList"].as_array().cloned().unwrap_or_default();
    all.iter().map(path).filter(|path| path == below || path.starts_with(&format!("{below}/"))).collect()
}

async fn codes(component: &Arc<dyn Component>, set: &str) -> Vec<String> {
    component.survey(set).await.expect("noted").notes.into_iter().map(|note| note.code).collect()
}

/// An external table with a file.
async fn external(world: &HiveWorld, table: &str, place: &str) {
    let fs = &world.hdfs.side(Side::Source)[1];
    hive(Side::Source, &["create-external", &world.database, table, &format!("{fs}{place}")]);
    put(world, &format!("{place}/data"), &format!("rows of {table}")).await;
}

/// A partition and a table with places of their own, beside a directory of files that is a data set of HDFS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_application_drops_is_gone_while_protected_and_after_a_promotion() {
    let Some(world) = HiveWorld::new().await else { return };
    let (database, set, outside) = (world.database.clone(), world.set(), format!("/ext-{}", world.database));
    let fs = world.hdfs.side(Side::Source)[1].clone();
    world.write(Side::Source, "a", "one").await;
    hive(Side::Source, &["add-partition", &database, "items", &format!("{fs}{outside}/far"), "far"]);
    put(&world, &format!("{outside}/far/data"), "far away").await;
    external(&world, "brief", &format!("{outside}/brief")).await;
    let landing = format!("{outside}/landing");
    put(&world, &format!("{landing}/file"), "landed").await;

    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let (files, copies) = (world.hdfs.open(Side::Source), world.hdfs.open(Side::Target));
    let first = run(source.as_ref(), &target, &set, None).await;
    // HDFS nests no snapshots: the directory of files shares those above it.
    let landed = run(files.as_ref(), &copies, &landing, None).await;
    put(&world, &format!("{landing}/more"), "landed later").await;
    let later = run(files.as_ref(), &copies, &landing, base(&landed)).await;
    assert_eq!(later.copied, ["more"]);
    for (component, held) in [(&files, [landed.point, later.point]), (&copies, [landed.point, later.point])] {
        let own = component.snapshots().await.expect("listed").into_iter().filter(|own| own.path == landing);
        let mut points: Vec<PointId> = own.map(|own| own.point).collect();
        points.sort();
        assert_eq!(points, held);
    }
    copies.restore(&landing, landed.point, &landed.manifest).await.expect("restored");
    assert_eq!(copies.drift(&landing, base(&landed)).await.expect("compared"), Vec::<String>::new());
    assert_eq!(codes(&files, &landing).await, ["snapshots-wider"]);
    assert_eq!(codes(&files, world.hdfs.home()).await, ["root-stays"]);
    for side in [Side::Source, Side::Target] {
        assert_eq!(roots(&world, side, &outside).await, std::slice::from_ref(&outside));
    }
    assert_eq!(codes(&source, &set).await, ["drop-database-keeps-files", "snapshots-wider"]);

    // At the source, protected.
    let gone = async |side| {
        hive(side, &["drop-partition", &database, "items", "far"]);
        // A metastore of version 3.1 leaves an external table's files to the application.
        hive(side, &["drop-table", &database, "brief"]);
        world.hdfs.delete(side, &format!("{outside}/brief")).await;
        let left = world.hdfs.tree(side, &outside).await;
        assert!(left.keys().all(|path| path.starts_with(&landing)), "{side:?}: {left:?}");
    };
    gone(Side::Source).await;
    let second = run(source.as_ref(), &target, &set, base(&first)).await;
    assert_same(&world.told(Side::Source, &database), &world.told(Side::Target, &database));

    // At the secondary, promoted to the point that has them.
    target.restore(&set, first.point, &first.manifest).await.expect("restored");
    copies.unfence(&landing, None).await.expect("opened");
    target.unfence(&set, None).await.expect("opened");
    gone(Side::Target).await;
    hive(Side::Target, &["drop-table", &database, "items"]);
    hive(Side::Target, &["create-items", &database, "items"]);
    let anew = world.hdfs.tree(Side::Target, &world.directory()).await;
    assert!(anew.keys().all(|path| !path.ends_with("/data")), "a table that is made again shows no old rows: {anew:?}");

    // Taken back, all of it is there again.
    target.fence(&set).await.expect("fenced");
    assert!(!target.drift(&set, base(&first)).await.expect("compared").is_empty());
    for point in [&first, &second] {
        target.restore(&set, point.point, &point.manifest).await.expect("restored");
        assert_eq!(target.drift(&set, base(point)).await.expect("compared"), Vec::<String>::new());
    }
    // With the last snapshot a directory that we allowed is as it was.
    for (component, set, point) in
        [(&source, &set, &first), (&source, &set, &second), (&files, &landing, &landed), (&files, &landing, &later)]
    {
        component.release(set, point.point).await.expect("released");
    }
    assert_eq!(roots(&world, Side::Source, &outside).await, [""; 0]);
    assert_eq!(roots(&world, Side::Source, &world.directory()).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_above_or_below_another_one_is_sealed_and_a_pair_of_an_earlier_version_goes_on() {
    let Some(world) = HiveWorld::new().await else { return };
    let (database, set, outside) = (world.database.clone(), world.set(), format!("/ext-{}", world.database));
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let same = async |places: &[&String]| {
        assert_same(&world.told(Side::Source, &database), &world.told(Side::Target, &database));
        for place in places {
            let [here, there] = [Side::Source, Side::Target].map(|side| world.hdfs.tree(side, place));
            assert_same(&here.await, &there.await);
        }
    };
    // An earlier version has its snapshots on the place itself, at both clusters.
    let old = format!("{outside}/old/place");
    external(&world, "old", &old).await;
    world.hdfs.put(Side::Source, &old, &[("op", "ALLOWSNAPSHOT")]).await;
    world.hdfs.put(Side::Target, &old, &[("op", "MKDIRS")]).await;
    world.hdfs.put(Side::Target, &old, &[("op", "ALLOWSNAPSHOT")]).await;
    world.hdfs.put(Side::Target, &old, &[("op", "CREATESNAPSHOT"), ("snapshotname", "earlier")]).await;
    let (outer, inner) = (format!("{outside}/x"), format!("{outside}/x/deep"));
    external(&world, "inner", &inner).await;
    let first = run(source.as_ref(), &target, &set, None).await;
    put(&world, &format!("{old}/more"), "more rows").await;
    let second = run(source.as_ref(), &target, &set, base(&first)).await;
    assert!(second.copied.iter().any(|path| path.ends_with("/more")) && second.copied.len() < 4, "{:?}", second.copied);
    same(&[&old, &inner]).await;
    for side in [Side::Source, Side::Target] {
        assert_eq!(roots(&world, side, &old).await, std::slice::from_ref(&old));
    }
    assert!(codes(&source, &set).await.contains(&"drop-keeps-files".to_owned()));
    let told = target.admission().expect("it can tell").obstacles(&set, Occasion::Run).await.expect("asked");
    assert!(told.refusals.is_empty() && told.notes.iter().map(|note| &note.code).eq(["drop-keeps-files"]), "{told:?}");

    // Above, and dropped again: what was a tree lies in another, and the other way round.
    external(&world, "outer", &outer).await;
    let third = run(source.as_ref(), &target, &set, base(&second)).await;
    same(&[&old, &outer]).await;
    hive(Side::Source, &["drop-table", &database, "outer"]);
    let fourth = run(source.as_ref(), &target, &set, base(&third)).await;
    same(&[&old, &inner]).await;
    for point in [&third, &first, &fourth] {
        target.restore(&set, point.point, &point.manifest).await.expect("restored");
        assert_eq!(target.drift(&set, base(point)).await.expect("compared"), Vec::<String>::new());
    }
    target.unfence(&set, None).await.expect("opened");
    for place in [&outer, &inner] {
        let status = world.hdfs.json(Side::Target, place, "GETFILESTATUS").await;
        assert_eq!(status["FileStatus"]["permission"], "755", "{place} is open to its users");
    }
    target.fence(&set).await.expect("fenced");

    // Two levels above: captures at the source go; what is sealed stays, and the table is refused before anything is committed.
    let high = format!("{outside}/y/z/low");
    external(&world, "low", &high).await;
    let fifth = run(source.as_ref(), &target, &set, base(&fourth)).await;
    external(&world, "high", &format!("{outside}/y")).await;
    let point = crate::support::ferry::point();
    let warnings = source.arm(&set).await.expect("armed");
    assert!(warnings.iter().any(|warning| warning.reason.contains(&format!("{outside}/y/z"))), "{warnings:?}");
    source.capture(&set, point).await.expect("captured");
    let changes = source.changes(&set, point, Some(fifth.point)).await.expect("told").changes;
    let of_high = |change: &understudy::domain::Change| format!("{change:?}").contains("high");
    assert!(changes.iter().any(of_high), "{changes:?}");
    let origin = changes.iter().zip(0..).find_map(|(change, file)| match change {
        understudy::domain::Change::Put(entry) if entry.path.as_str() == "metadata/origin.json" => Some((file, entry)),
        _ => None,
    });
    let (file, entry) = origin.expect("it says where it comes from");
    let bytes = source.read(&set, point, entry, 0).await.expect("read");
    let slot = understudy::components::Slot { file, piece: 0 };
    let refused = target.stage(&set, point, slot, entry, bytes).await.expect_err("refused");
    assert_eq!((refused.kind, refused.code()), (TroubleKind::Refused, "snapshots-inside"), "{refused}");
    assert_eq!(target.drift(&set, base(&fifth)).await.expect("compared"), Vec::<String>::new());
}

/// Its snapshots are on the database's directory, at both clusters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_table_goes_there_and_back() {
    let Some(world) = HiveWorld::new().await else { return };
    world.write(Side::Source, "a", "one").await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), format!("{}.items", world.database));
    let first = run(source.as_ref(), &target, &set, None).await;
    let before = world.live(Side::Source).await;
    world.write(Side::Source, "later", "written after the point").await;
    source.rebase(&set, first.point, &first.manifest).await.expect("it is the target now");
    assert_eq!(source.drift(&set, base(&first)).await.expect("compared"), Vec::<String>::new());
    source.unfence(&set, None).await.expect("opened");
    assert_same(&before, &world.live(Side::Source).await);

    source.fence(&set).await.expect("fenced");
    target.unfence(&set, None).await.expect("opened");
    world.write(Side::Target, "b", "at the new primary").await;
    let back = stage(target.as_ref(), &source, &set, base(&first)).await;
    assert_eq!(back.copied.iter().filter(|path| path.starts_with("data/")).count(), 1, "{:?}", back.copied);
    finish(&source, &set, &back).await;
    let tree = async |side| {
        let mut tree = world.hdfs.tree(side, &world.directory()).await;
        assert!(tree.remove(&format!("{}/items", world.directory())).is_some(), "one of the two is closed");
        tree
    };
    assert_same(&tree(Side::Target).await, &tree(Side::Source).await);
    hive(Side::Target, &["drop-table", &world.database, "items"]);
    let left = world.hdfs.tree(Side::Target, &world.directory()).await;
    assert!(left.is_empty(), "DROP TABLE at the new primary removes the data: {left:?}");
}
