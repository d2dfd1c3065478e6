//! What the component says, and how soon, when daemons die, hang or refuse to write.

use std::time::{Duration, Instant};

use futures_util::stream;
use understudy::components::hdfs::{Hdfs, Limits, probe::probe_addresses};
use understudy::components::{ByteStream, Component, Slot};
use understudy::domain::{Entry, Health, Metadata, Node, ProbeReport, RelPath, Trouble, TroubleKind};

use super::support::{Cluster, clusters_to_break, fresh, point};

const SET: &str = "/it/faults";
const PROBE_LIMIT: Duration = Duration::from_secs(3);

fn limits() -> Limits {
    let secs = Duration::from_secs;
    Limits { connect: secs(2), call: secs(4), heavy: secs(8), idle: secs(4) }
}

/// Breaks or mends a daemon with the launcher.
async fn fault(cluster: &Cluster, daemon: &str, what: &str) {
    let told = std::env::var("HADOOP_LAB_FAULT").expect("checked before");
    let mut words = told.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    words.extend([cluster.name, daemon, what].map(str::to_owned));
    let status = tokio::process::Command::new(&words[0]).args(&words[1..]).status().await.expect("the launcher runs");
    assert!(status.success(), "{words:?}");
}

/// Probes as the other agent would, from addresses alone, until the evidence has these words.
async fn probe_until(addresses: &[String], health: Health, words: &str) -> ProbeReport {
    let deadline = Instant::now() + Duration::from_secs(60);
    let name = "hdfs".parse().expect("a name");
    loop {
        let asked = Instant::now();
        let report = probe_addresses(&name, addresses, PROBE_LIMIT).await;
        assert!(asked.elapsed() < PROBE_LIMIT + Duration::from_secs(2), "the probe took {:?}", asked.elapsed());
        if report.health == health && report.evidence.contains(words) {
            return report;
        }
        assert!(Instant::now() < deadline, "wanted {health} with {words:?}, got {report:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn content() -> ByteStream {
    Box::pin(stream::iter([Ok(bytes::Bytes::from_static(b"content"))]))
}

fn entry() -> Entry {
    let node = Node::File { bytes: 7, digest: None };
    Entry { path: RelPath::new("file").expect("a path"), node, meta: Metadata::default() }
}

/// Every sort of call, the way an agent makes them.
async fn every_call(hdfs: &Hdfs) -> Vec<(&'static str, Result<(), Trouble>)> {
    let id = point();
    let slot = Slot { file: 0, piece: 0 };
    vec![
        ("describe", hdfs.describe().await.map(drop)),
        ("catalogue", hdfs.catalogue("").await.map(drop)),
        ("arm", hdfs.arm(SET).await.map(drop)),
        ("capture", hdfs.capture(SET, id).await.map(drop)),
        ("changes", hdfs.changes(SET, id, None).await.map(drop)),
        ("stage", hdfs.stage(SET, id, slot, &entry(), content()).await.map(drop)),
        ("read staged", hdfs.read_staged(SET, id, slot, &entry()).await.map(drop)),
        ("fence", hdfs.fence(SET).await.map(drop)),
        ("unfence", hdfs.unfence(SET, None).await),
        ("snapshots", hdfs.snapshots().await.map(drop)),
        ("discard", hdfs.discard(SET, id).await),
        ("release", hdfs.release(SET, id).await),
    ]
}

/// All calls end in time, and those that fail say that nobody answered.
async fn nothing_hangs(hdfs: &Hdfs, each: Duration) {
    let began = Instant::now();
    let answers = every_call(hdfs).await;
    let calls = u32::try_from(answers.len()).expect("few");
    assert!(began.elapsed() < each * calls, "{calls} calls took {:?}", began.elapsed());
    for (call, answer) in answers {
        let trouble = answer.expect_err(call);
        assert_eq!(trouble.kind, TroubleKind::Unreachable, "{call}: {trouble}");
    }
}

/// Within a minute: a DataNode that was away takes a while to be trusted with a block again.
async fn all_works(hdfs: &Hdfs) {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let failed: Vec<_> = every_call(hdfs).await.into_iter().filter_map(|(call, answer)| Some((call, answer.err()?))).collect();
        if failed.is_empty() {
            return;
        }
        assert!(std::time::Instant::now() < end, "still failing: {failed:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_hung_and_safe_mode_are_told_apart_and_nothing_hangs() {
    let Some((primary, _, _alone)) = clusters_to_break("faults").await else { return };
    if std::env::var("HADOOP_LAB_FAULT").is_err() {
        println!("faults: skipped: HADOOP_LAB_FAULT is not set, so no daemon can be broken");
        return;
    }
    let hdfs = primary.component(limits());
    fresh(&primary, SET).await;
    primary.put(SET, &[("op", "MKDIRS")]).await;
    let info = hdfs.describe().await.expect("described");
    assert!(info.version.starts_with('3') && info.free_bytes > Some(0) && !info.kerberos, "{info:?}");
    assert!(info.copies == 1 && info.storage.starts_with("hdfs://"), "{info:?}");
    assert_eq!(info.missing_rights, Vec::<String>::new());
    let there = info.probe_addresses;
    probe_until(&there, Health::Healthy, "active").await;
    all_works(&hdfs).await;

    fault(&primary, "namenode", "hang").await;
    probe_until(&there, Health::Faulty, "hangs").await;
    nothing_hangs(&hdfs, Duration::from_secs(10)).await;
    fault(&primary, "namenode", "resume").await;
    probe_until(&there, Health::Healthy, "active").await;
    all_works(&hdfs).await;

    fault(&primary, "namenode", "safemode-enter").await;
    probe_until(&there, Health::Suspect, "safe mode").await;
    let refused = hdfs.capture(SET, point()).await.expect_err("no snapshot in safe mode");
    assert!(refused.is_worth_retrying() && refused.reason.contains("safe mode"), "{refused}");
    fault(&primary, "namenode", "safemode-leave").await;

    fault(&primary, "namenode", "kill").await;
    probe_until(&there, Health::Faulty, "not running").await;
    nothing_hangs(&hdfs, Duration::from_secs(6)).await;
    fault(&primary, "namenode", "start").await;
    probe_until(&there, Health::Healthy, "active").await;
    all_works(&hdfs).await;

    fault(&primary, "datanode", "kill").await;
    let began = Instant::now();
    let trouble = hdfs.stage(SET, point(), Slot { file: 0, piece: 0 }, &entry(), content()).await.expect_err("no DataNode");
    assert!(trouble.is_worth_retrying() && began.elapsed() < Duration::from_secs(20), "{trouble} after {:?}", began.elapsed());
    probe_until(&there, Health::Faulty, "no live DataNode").await;
    fault(&primary, "datanode", "start").await;
    probe_until(&there, Health::Healthy, "active").await;
    all_works(&hdfs).await;
}
