//! A metastore that is dead, hung or killed in the middle: told in words, and finished when it is back.

use std::process::Command;
use std::time::Duration;

use understudy::components::Component;
use understudy::domain::{DrillId, Health, ProbeReport, TroubleKind};

use crate::support::contract::{Side, World};
use crate::support::ferry::{Journal, run, stage};
use crate::support::hive_judge::{hive, try_hive};
use crate::support::hive_world::HiveWorld;

fn fault(cluster: &str, what: &str) {
    let command = std::env::var("HADOOP_LAB_FAULT").expect("HADOOP_LAB_FAULT, as cluster.py env tells it");
    let mut words = command.split_whitespace();
    let done = Command::new(words.next().expect("a program")).args(words).args([cluster, "hive", what]).status().expect("started");
    assert!(done.success(), "{cluster} {what}");
    if what == "start" {
        // The judge's own connection went with the server.
        drop(try_hive(if cluster == "primary" { Side::Source } else { Side::Target }, &["event-id"]));
    }
}

/// The kernel may still take a connection for a process that is just dying, and reset it.
async fn until_dead(component: &dyn Component) -> ProbeReport {
    let mut told = component.probe().await;
    for _ in 0..40 {
        if told.evidence.contains("not running") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        told = component.probe().await;
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_and_a_hung_metastore_read_differently() {
    let Some(world) = HiveWorld::alone().await else { return };
    let source = world.open(Side::Source);
    assert_eq!(source.probe().await.health, Health::Healthy);
    fault("primary", "hang");
    let hung = source.probe().await;
    fault("primary", "resume");
    assert!(hung.health == Health::Faulty && hung.evidence.contains("hangs") && hung.took_ms < 12_000, "{hung:?}");
    fault("primary", "kill");
    let dead = until_dead(source.as_ref()).await;
    let trouble = source.arm(&world.set()).await.expect_err("nobody answers");
    fault("primary", "start");
    assert!(dead.health == Health::Faulty && dead.evidence.contains("not running"), "{dead:?}");
    assert!(trouble.kind == TroubleKind::Unreachable && !trouble.next_step.is_empty(), "{trouble}");
    assert_eq!(source.probe().await.health, Health::Healthy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_whose_metastore_was_killed_goes_on_when_it_is_back() {
    let Some(world) = HiveWorld::alone().await else { return };
    for name in ["a", "d"] {
        world.write(Side::Source, name, "content").await;
    }
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    target.fence(&set).await.expect("fenced");
    let staged = stage(source.as_ref(), &target, &set, None).await;
    fault("secondary", "kill");
    let journal = Journal::sound();
    let broken = target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal).await.expect_err("nobody answers");
    fault("secondary", "start");
    assert!(broken.is_worth_retrying(), "{broken}");
    let target = world.open(Side::Target);
    target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal.restarted()).await.expect("goes on");
    target.seal(&set, staged.point, &staged.manifest).await.expect("sealed");
    assert_eq!(world.live(Side::Target).await, world.live(Side::Source).await);
}

/// In the middle of the metadata: the data is copied, some tables and partitions are made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_whose_metastore_was_killed_is_begun_anew_or_removed() {
    let Some(world) = HiveWorld::alone().await else { return };
    world.write(Side::Source, "a", "content").await;
    hive(Side::Source, &["create-orders", &world.database, "orders"]);
    hive(Side::Source, &["add-partitions", &world.database, "orders", "1", "601"]);
    let (target, set, own) = (world.open(Side::Target), world.set(), DrillId(uuid::Uuid::now_v7()));
    let staged = run(world.open(Side::Source).as_ref(), &target, &set, None).await;
    let database = format!("understudy_drill_{}_{set}", own.0.simple());
    let tables = || try_hive(Side::Target, &["partitions", &database, "orders"]);

    let bringing = {
        let (target, set, manifest) = (target.clone(), set.clone(), staged.manifest.clone());
        tokio::spawn(async move { target.rehearse(&set, staged.point, &manifest, own).await })
    };
    while tables().is_err() {
        assert!(!bringing.is_finished(), "it was quicker than this test");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fault("secondary", "kill");
    let broken = bringing.await.expect("it ends").expect_err("nobody answers");
    assert!(broken.is_worth_retrying(), "{broken}");
    let told = target.clear_rehearsal(own).await.expect_err("nothing is said to be removed that was not looked at");
    assert_eq!(told.kind, TroubleKind::Unreachable, "{told}");
    fault("secondary", "start");
    let target = world.open(Side::Target);
    let left = || async { target.rehearsals().await.expect("listed").into_iter().filter(|(of, _)| *of == own).count() };
    assert_eq!(left().await, 2, "a database and its files");
    let place = target.rehearse(&set, staged.point, &staged.manifest, own).await.expect("begun anew");
    assert_eq!(world.in_drill(&place).await, world.live(Side::Target).await);
    target.clear_rehearsal(own).await.expect("removed");
    assert_eq!(left().await, 0);
}
