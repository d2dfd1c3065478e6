//! A metastore that is dead, hung or killed in the middle: told in words, and finished when it is back.

use std::process::Command;
use std::time::Duration;

use understudy::components::Component;
use understudy::domain::{Health, ProbeReport, TroubleKind};

use crate::support::contract::{Side, World};
use crate::support::ferry::{Journal, stage};
use crate::support::hive_judge::try_hive;
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
