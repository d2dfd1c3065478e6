//! A capture is one moment, whatever goes on in the metastore meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use understudy::components::Component;
use understudy::domain::Health;

use crate::support::contract::{Side, World};
use crate::support::ferry::{finish, point, stage_captured};
use crate::support::hive_world::HiveWorld;

/// Between two writes.
const BREATH: std::time::Duration = std::time::Duration::from_millis(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn partitions_made_during_the_captures_are_wholly_in_a_point_or_not_at_all() {
    let Some(world) = HiveWorld::new().await else { return };
    let world = Arc::new(world);
    let (done, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    // Numbered writes: the file first, then its partition, as a loading job does.
    let writer = {
        let (world, done, stop) = (world.clone(), done.clone(), stop.clone());
        tokio::spawn(async move {
            for number in 1.. {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                world.write(Side::Source, &format!("n{number}"), &number.to_string()).await;
                done.store(number, Ordering::SeqCst);
                // A capture needs an instant without a change; on a busy machine it finds none between writes that follow at once.
                tokio::time::sleep(BREATH).await;
            }
        })
    };
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    target.fence(&set).await.expect("fenced");
    let mut points = Vec::new();
    for _ in 0..10 {
        let point = point();
        source.arm(&set).await.expect("armed");
        let before = done.load(Ordering::SeqCst);
        let capture = source.capture(&set, point).await.expect("captured");
        let after = done.load(Ordering::SeqCst) + 1;
        println!("window {} ms, event {:?}, writes {before} to {after}", (capture.hi - capture.lo).as_millis(), capture.event_id);
        assert!(capture.event_id.is_some());
        points.push((point, before, after));
    }
    stop.store(true, Ordering::SeqCst);
    writer.await.expect("written");
    assert!(points.windows(2).any(|pair| pair[0].1 < pair[1].1), "nothing was written meanwhile");

    let mut last: Option<crate::support::ferry::Staged> = None;
    for (point, before, after) in points {
        let base = last.as_ref().map(|last| (last.point, &last.manifest));
        let staged = stage_captured(source.as_ref(), &set, point, &target, &set, base).await;
        finish(&target, &set, &staged).await;
        let told = world.told(Side::Target, &world.database);
        let partitions: BTreeSet<u32> =
            told.keys().filter_map(|key| key.strip_prefix("partition items [n")?.strip_suffix(']')?.parse().ok()).collect();
        let tree = world.hdfs.tree(Side::Target, &world.directory()).await;
        for number in &partitions {
            let file = tree.iter().find(|(path, _)| path.ends_with(&format!("/name=n{number}/data")));
            assert!(file.is_some_and(|(_, told)| told.ends_with(&format!(" {number}"))), "partition n{number} has no data in its point");
        }
        assert!(
            (1..=before).all(|number| partitions.contains(&number)),
            "a write acknowledged before the capture is missing: {partitions:?}"
        );
        assert!(partitions.iter().all(|number| *number <= after), "a write begun after the capture is in it: {partitions:?}, {after}");
        last = Some(staged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_probe_says_that_the_metastore_answers() {
    let Some(world) = HiveWorld::bare().await else { return };
    let report = world.component(Side::Source).probe().await;
    assert!(report.health == Health::Healthy && report.evidence.contains("answers with"), "{report:?}");
    let info = world.component(Side::Source).describe().await.expect("described");
    assert!(!info.version.is_empty() && info.address.starts_with("thrift://"), "{info:?}");
}
