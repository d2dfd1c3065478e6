//! What the cleaner, a dead master and a hung one do to a run, and what is said about them.

use std::time::{Duration, Instant};

use understudy::components::Component;
use understudy::components::hbase::probe::probe_addresses;
use understudy::domain::{Health, ProbeReport, TroubleKind};

use super::support::ferry::{Journal, finish, point, stage};
use super::support::hbase_world::HbaseCluster;
use super::world::{Shop, shop, shop_to_break};

/// Breaks or mends a daemon with the launcher.
async fn fault(cluster: &str, what: &str) {
    let told = std::env::var("HADOOP_LAB_FAULT").expect("HADOOP_LAB_FAULT, as cluster.py env tells it");
    let mut words = told.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    words.extend([cluster, "hbase", what].map(str::to_owned));
    let status = tokio::process::Command::new(&words[0]).args(&words[1..]).status().await.expect("the launcher runs");
    assert!(status.success(), "{words:?}");
}

/// Waits until the cleaner went round: a file that nobody refers to is gone.
async fn the_cleaner_came(cluster: &HbaseCluster) {
    let name = uuid::Uuid::now_v7().simple().to_string();
    let place = format!("/hbase/archive/data/default/decoy/{name}/f");
    cluster.rows.tell(&["touch", &format!("{place}/{name}")]).await;
    let deadline = Instant::now() + Duration::from_secs(120);
    while !cluster.rows.tell(&["files", &place]).await.is_empty() {
        assert!(Instant::now() < deadline, "the cleaner does not come");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Probes until the evidence has these words: a process that was killed is gone a moment before its sockets are.
async fn probe_until(addresses: &[String], words: &str) -> ProbeReport {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let report = probe_addresses(&"hbase".parse().expect("a name"), addresses, Duration::from_secs(3)).await;
        if report.evidence.contains(words) {
            return report;
        }
        assert!(Instant::now() < deadline, "wanted {words:?}, got {report:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn filled(shop: &Shop) {
    shop.create("f,g", "g,p").await;
    shop.fill("f", 0, 900, 300).await;
    shop.fill("g", 0, 90, 300).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cleaner_and_a_master_killed_in_the_middle_take_nothing_away() {
    let Some((shop, _guard)) = shop_to_break().await else { return };
    filled(&shop).await;
    let set = shop.set.clone();
    let then = shop.at_primary().await;
    let staged = stage(&shop.source, &shop.target, &set, None).await;
    the_cleaner_came(&shop.secondary).await;
    // The snapshot is shown, none of its files is there yet, and a starting master looks at everything.
    let journal = Journal::breaking(1, false);
    shop.target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal).await.expect_err("the crash");
    fault("secondary", "kill").await;
    fault("secondary", "start").await;
    the_cleaner_came(&shop.secondary).await;
    let trouble = shop.target.seal(&set, staged.point, &staged.manifest).await.expect_err("half a point is not sealed");
    assert_eq!(trouble.kind, TroubleKind::Corrupt, "{trouble}");
    // The files are moved in, and the power goes before that is noted.
    let journal = Journal::breaking(2, true);
    shop.target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal).await.expect_err("the crash");
    fault("secondary", "kill").await;
    fault("secondary", "start").await;
    the_cleaner_came(&shop.secondary).await;
    shop.target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal.restarted()).await.expect("goes on");
    finish(&shop.target, &set, &staged).await;
    the_cleaner_came(&shop.secondary).await;
    shop.promote(&staged).await;
    assert_eq!(shop.at_secondary().await, then);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_master_is_told_from_a_dead_one_and_calls_end_in_time() {
    let Some((shop, _guard)) = shop_to_break().await else { return };
    let name = "hbase".parse().expect("a name");
    let limit = Duration::from_secs(3);
    let addresses = [shop.secondary.web.clone()];
    let up = probe_addresses(&name, &addresses, limit).await;
    assert_eq!(up.health, Health::Healthy, "{}", up.evidence);
    fault("secondary", "hang").await;
    let hung = probe_addresses(&name, &addresses, limit).await;
    let asked = Instant::now();
    let trouble = shop.target.describe().await.expect_err("nobody answers");
    let took = asked.elapsed();
    fault("secondary", "resume").await;
    assert!(hung.health == Health::Faulty && hung.evidence.contains("hangs"), "{}", hung.evidence);
    assert!(trouble.kind == TroubleKind::Unreachable && took < Duration::from_secs(60), "{trouble} after {took:?}");
    fault("secondary", "kill").await;
    let dead = probe_until(&addresses, "not running").await;
    let trouble = shop.target.snapshots().await.expect_err("nobody is there");
    fault("secondary", "start").await;
    assert_eq!(dead.health, Health::Faulty, "{}", dead.evidence);
    assert_eq!(trouble.kind, TroubleKind::Unreachable, "{trouble}");
    shop.target.snapshots().await.expect("the new master is found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_that_is_broken_off_leaves_no_snapshot_once_released() {
    let Some((shop, _guard)) = shop().await else { return };
    filled(&shop).await;
    for pause_ms in [0, 20, 60, 200] {
        let at = point();
        let capture = shop.source.capture(&shop.set, at);
        // The agent dies at some moment of it; the master does not know.
        let broken = tokio::time::timeout(Duration::from_millis(pause_ms), capture).await;
        println!("after {pause_ms} ms: {}", if broken.is_ok() { "complete" } else { "broken off" });
        shop.source.release(&shop.set, at).await.expect("released");
        assert!(shop.primary.rows.tell(&["snapshots", &shop.set]).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hfile_taken_from_the_secondary_is_told_and_never_promoted() {
    let Some((shop, _guard)) = shop().await else { return };
    filled(&shop).await;
    let staged = super::support::ferry::run(&shop.source, &shop.target, &shop.set, None).await;
    let lost = format!("/hbase/{}", staged.copied[0]);
    shop.secondary.rows.tell(&["remove", &lost]).await;
    let drift = shop.target.drift(&shop.set, Some((staged.point, &staged.manifest))).await.expect("compared");
    assert!(drift.len() == 1 && drift[0].contains("is gone"), "{drift:?}");
    let trouble = shop.target.make_live(&shop.set, staged.point, &staged.manifest).await.expect_err("never promoted");
    assert_eq!(trouble.kind, TroubleKind::Corrupt, "{trouble}");
    assert_eq!(shop.secondary.rows.tell(&["exists", &shop.set]).await, ["false"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_lists_namespaces_and_tables_of_users_only() {
    let Some((shop, _guard)) = shop().await else { return };
    filled(&shop).await;
    let info = shop.source.describe().await.expect("described");
    assert!(info.version.starts_with("2.") && !info.kerberos && info.missing_rights.is_empty(), "{info:?}");
    assert!(info.free_bytes.is_some() && info.used_bytes.is_some(), "{info:?}");
    let (namespace, table) = shop.set.split_once(':').expect("a table");
    let namespaces = shop.source.catalogue("").await.expect("listed");
    assert!(namespaces.iter().any(|item| item.path == namespace && item.expandable && !item.selectable));
    assert!(namespaces.iter().all(|item| item.path != "hbase"), "HBase's own are nobody's data set");
    let tables = shop.source.catalogue(namespace).await.expect("listed");
    let found = tables.iter().find(|item| item.path == shop.set).expect("the table");
    assert!(found.label == table && found.selectable && !found.expandable && found.bytes.is_some(), "{found:?}");
    assert_eq!(shop.source.catalogue("nosuch").await.expect_err("no such namespace").kind, TroubleKind::NotFound);
}
