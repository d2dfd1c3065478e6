//! What cannot be captured, or must not be overwritten, is refused by name and with the reason.

use understudy::components::admission::{self, Occasion};
use understudy::domain::TroubleKind;

use crate::support::contract::{Side, World};
use crate::support::ferry::{point, run, stage};
use crate::support::hive_judge::hive;
use crate::support::hive_world::HiveWorld;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transactional_table_is_refused_by_name() {
    let Some(world) = HiveWorld::new().await else { return };
    hive(Side::Source, &["create-transactional", &world.database, "ledger"]);
    let source = world.open(Side::Source);
    let table = format!("{}.ledger", world.database);
    for set in [&world.database, &table] {
        let trouble = source.arm(set).await.expect_err("refused");
        assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
        assert!(trouble.object.contains(&table) && trouble.reason.contains("transactional"), "{trouble}");
        assert!(source.capture(set, point()).await.is_err(), "nor can it be captured unarmed");
    }
    let listed = source.catalogue(&world.database).await.expect("listed");
    let ledger = listed.iter().find(|item| item.path == table).expect("shown");
    assert!(!ledger.selectable && ledger.label.contains("transactional"), "{ledger:?}");
    source.arm(&format!("{}.items", world.database)).await.expect("its neighbour is well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_in_another_file_system_is_refused_by_name() {
    let Some(world) = HiveWorld::new().await else { return };
    let elsewhere = tempfile::tempdir().expect("a folder");
    let location = format!("file:{}", elsewhere.path().display());
    hive(Side::Source, &["create-external", &world.database, "local", &location]);
    let trouble = world.open(Side::Source).arm(&world.database).await.expect_err("refused");
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    assert!(trouble.reason.contains("local") && trouble.reason.contains("file:"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_location_that_is_somebody_elses_at_the_target_is_refused_before_anything_is_committed() {
    let Some(world) = HiveWorld::new().await else { return };
    let place = format!("/ext-{}/taken", world.database);
    hive(Side::Source, &["create-external", &world.database, "away", &format!("{}{place}", world.hdfs.side(Side::Source)[1])]);
    world.hdfs.create(Side::Target, &world.hdfs.side(Side::Target)[2], &format!("{place}/theirs"), "x").await.expect("written");
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let task = tokio::spawn(async move {
        let set = world.set();
        target.fence(&set).await.expect("fenced");
        let point = point();
        source.arm(&set).await.expect("armed");
        source.capture(&set, point).await.expect("captured");
        let changes = source.changes(&set, point, None).await.expect("changes");
        for (file, change) in (0_u32..).zip(&changes.changes) {
            let understudy::domain::Change::Put(entry) = change else { continue };
            if entry.path.as_str() == "metadata/origin.json" {
                let bytes = source.read(&set, point, entry, 0).await.expect("read");
                let slot = understudy::components::Slot { file, piece: 0 };
                let trouble = target.stage(&set, point, slot, entry, bytes).await.expect_err("refused");
                assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
                assert!(trouble.object.contains(&place), "{trouble}");
                return;
            }
        }
        panic!("the point does not say where it comes from");
    });
    task.await.expect("done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_in_the_secondarys_metastore_is_told_in_words() {
    let Some(world) = HiveWorld::new().await else { return };
    world.write(Side::Source, "a", "one").await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let staged = {
        let set = world.set();
        target.fence(&set).await.expect("fenced");
        let staged = stage(source.as_ref(), &target, &set, None).await;
        crate::support::ferry::finish(&target, &set, &staged).await;
        staged
    };
    hive(Side::Target, &["set-parameter", &world.database, "items", "comment", "changed by hand"]);
    let drift = target.drift(&world.set(), Some((staged.point, &staged.manifest))).await.expect("compared");
    assert_eq!(drift, ["table items has other properties"]);
    target.restore(&world.set(), staged.point, &staged.manifest).await.expect("restored");
    assert_eq!(target.drift(&world.set(), Some((staged.point, &staged.manifest))).await.expect("compared"), Vec::<String>::new());
}

/// Both where the plan's places are known, and where they are first told by a piece of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_at_the_target_is_told_before_the_files_of_a_tree_are_staged() {
    let Some(world) = HiveWorld::new().await else { return };
    let (set, place, source, target) = (world.set(), world.directory(), world.open(Side::Source), world.open(Side::Target));
    world.write(Side::Source, "a", "one").await;
    let first = run(source.as_ref(), &target, &set, None).await;
    let quota = async |space: &str| {
        let asked = [("op", "SETQUOTA"), ("namespacequota", "-1"), ("storagespacequota", space)];
        world.hdfs.put(Side::Target, &place, &asked).await;
    };
    world.write(Side::Source, "b", "more").await;
    let id = point();
    source.arm(&set).await.expect("armed");
    source.capture(&set, id).await.expect("captured");
    let told = async |base: Option<&understudy::domain::Manifest>, changes: &understudy::domain::ChangeSet| {
        let nothing = understudy::domain::Manifest::default();
        let after = understudy::domain::backup::plan::fold(base.unwrap_or(&nothing), changes).expect("it fits");
        admission::admit(target.as_ref(), &set, Occasion::Plan { point: id, changes, after: &after }).await
    };
    let changes = source.changes(&set, id, Some(first.point)).await.expect("changes");
    quota("1").await;
    assert_eq!(told(Some(&first.manifest), &changes).await.expect_err("refused").code(), "quota-of-space");
    let expected = admission::admit(target.as_ref(), &set, Occasion::Run).await.expect("a run may begin: it may bring nothing");
    assert!(expected.iter().all(|note| note.code != "snapshot-root-nested"), "{expected:?}");
    quota("-1").await;
    told(Some(&first.manifest), &changes).await.expect("it fits again");
    source.release(&set, id).await.expect("released");
}
