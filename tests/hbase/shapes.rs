//! Tables of every shape, and what happens to them while they are copied.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use understudy::components::Component;
use understudy::domain::TroubleKind;

use super::support::ferry::{finish, point, run, stage};
use super::world::{copied, files, shop};

const TWENTY_REGIONS: &str = "b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_regions_arrive_and_the_second_run_copies_only_new_hfiles() {
    let Some((shop, _guard)) = shop().await else { return };
    shop.create("f", TWENTY_REGIONS).await;
    shop.fill("f", 0, 4_000, 500).await;
    let first = run(&shop.source, &shop.target, &shop.set, None).await;
    shop.fill("f", 26 * 200, 1, 500).await;
    let second = run(&shop.source, &shop.target, &shop.set, Some((first.point, &first.manifest))).await;
    println!("copied first {:?} files and bytes, then {:?}", copied(&first), copied(&second));
    assert_eq!(copied(&first).0, 20);
    assert_eq!(copied(&second).0, 1, "one row, one region, one new HFile");
    assert!(copied(&second).1 < copied(&first).1 / 20);
    shop.promote(&second).await;
    assert_eq!(shop.at_secondary().await, shop.at_primary().await);
    let regions = shop.secondary.rows.tell(&["regions", &shop.set]).await;
    assert_eq!(regions, shop.primary.rows.tell(&["regions", &shop.set]).await, "pre-splits are kept");
    let own = |lines: Vec<String>| {
        lines.into_iter().filter(|line| !line.starts_with("READONLY") && !line.starts_with("UNDERSTUDY")).collect::<Vec<_>>()
    };
    let (here, there) =
        (shop.primary.rows.tell(&["descriptor", &shop.set]).await, shop.secondary.rows.tell(&["descriptor", &shop.set]).await);
    assert_eq!(own(here), own(there), "so is the descriptor");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn splits_and_compactions_in_the_middle_of_a_copy_change_nothing_of_what_was_captured() {
    let Some((shop, _guard)) = shop().await else { return };
    shop.create("f", "h,p").await;
    shop.fill("f", 0, 1_500, 400).await;
    shop.primary_does(&["flush"]).await;
    shop.fill("f", 500, 800, 300).await;
    let then = shop.at_primary().await;
    let (set, at) = (shop.set.clone(), point());
    shop.source.arm(&set).await.expect("armed");
    shop.source.capture(&set, at).await.expect("captured");
    let changes = shop.source.changes(&set, at, None).await.expect("changes");
    // Now every file that was captured moves: into the archive, under other regions' references.
    shop.primary_does(&["split", "m"]).await;
    shop.primary_does(&["compact"]).await;
    shop.fill("f", 9_000, 500, 100).await;
    for entry in files(&changes) {
        let mut bytes = shop.source.read(&set, at, &entry, 0).await.expect("found again where it went");
        let mut length = 0;
        while let Some(portion) = bytes.next().await {
            length += portion.expect("bytes").len() as u64;
        }
        assert_eq!(length, entry.bytes());
    }
    // A point right after a split refers to halves of its parent's files.
    shop.primary_does(&["split", "c"]).await;
    let halves = stage(&shop.source, &shop.target, &set, None).await;
    let now = shop.at_primary().await;
    assert_ne!(now, then);
    finish(&shop.target, &set, &halves).await;
    shop.promote(&halves).await;
    assert_eq!(shop.at_secondary().await, now);
    shop.source.release(&set, at).await.expect("released");
    assert_eq!(shop.source.changes(&set, at, None).await.expect_err("gone").kind, TroubleKind::NotFound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_and_recreated_table_is_another_table_of_the_same_name() {
    let Some((shop, _guard)) = shop().await else { return };
    shop.create("f", "m").await;
    shop.fill("f", 0, 300, 200).await;
    let first = run(&shop.source, &shop.target, &shop.set, None).await;
    let then = shop.at_primary().await;
    shop.primary_does(&["drop"]).await;
    let gone = shop.source.arm(&shop.set).await.expect_err("no such table");
    assert_eq!((gone.kind, gone.reason.as_str()), (TroubleKind::NotFound, "there is no such table"));
    shop.create("f,g", "").await;
    shop.fill("g", 0, 10, 50).await;
    let second = run(&shop.source, &shop.target, &shop.set, Some((first.point, &first.manifest))).await;
    shop.promote(&second).await;
    assert_eq!(shop.at_secondary().await, shop.at_primary().await);
    shop.target.restore(&shop.set, first.point, &first.manifest).await.expect("the dropped table, back");
    assert_eq!(shop.at_secondary().await, then);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_families_mob_cells_and_nine_mebibyte_cells_arrive() {
    let Some((shop, _guard)) = shop().await else { return };
    shop.create("f,empty,m:mob", "k").await;
    shop.fill("f", 0, 3, 9 << 20).await;
    shop.fill("m", 0, 40, 5_000).await;
    shop.fill("m", 100, 40, 100).await;
    let staged = run(&shop.source, &shop.target, &shop.set, None).await;
    shop.promote(&staged).await;
    assert_eq!(shop.at_secondary().await, shop.at_primary().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_table_arrives_and_a_cloned_one_brings_the_hfiles_of_its_origin() {
    let Some((shop, _guard)) = shop().await else { return };
    shop.create("f", "").await;
    let staged = run(&shop.source, &shop.target, &shop.set, None).await;
    assert_eq!(copied(&staged).0, 0);
    shop.promote(&staged).await;
    assert_eq!(shop.at_secondary().await[0], "0");
    // The primary's table is dropped and comes back as a clone of another one: all its files are links.
    let origin = format!("{}_origin", shop.set);
    shop.primary.rows.tell(&["create", &origin, "f", "m"]).await;
    shop.primary.rows.tell(&["fill", &origin, "f", "0", "200", "100"]).await;
    let at = point();
    shop.source.capture(&origin, at).await.expect("captured");
    shop.primary_does(&["drop"]).await;
    let snapshot = shop.primary.rows.tell(&["snapshots", &origin]).await.remove(0);
    shop.primary.rows.tell(&["clone", &shop.set, &snapshot]).await;
    let linked = run(&shop.source, &shop.target, &shop.set, Some((staged.point, &staged.manifest))).await;
    assert!(linked.copied.iter().all(|path| path.contains("orders_origin")), "{:?}", linked.copied);
    assert_eq!(shop.at_secondary().await, shop.at_primary().await, "the live table of a promotion that was given up follows");
    shop.source.release(&origin, at).await.expect("released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_acknowledged_before_the_window_is_in_and_none_begun_after_it_is() {
    let Some((shop, _guard)) = shop().await else { return };
    shop.create("f", "0002,0004,0006,0008").await;
    let set = shop.set.clone();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let some_more = async || {
        let wanted = acknowledged.load(Ordering::SeqCst) + 5;
        while acknowledged.load(Ordering::SeqCst) < wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let writer = {
        let (rows, set, acknowledged) = (shop.primary.rows.clone(), set.clone(), acknowledged.clone());
        tokio::spawn(async move {
            let mut written: Vec<(String, Instant, Instant)> = Vec::new();
            for number in 0.. {
                let row = format!("{:04}x{number:06}", number % 10);
                let begun = Instant::now();
                if rows.ask(&["put", &set, &row, "f", "x"]).await.is_err() {
                    break;
                }
                written.push((row, begun, Instant::now()));
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            written
        })
    };
    shop.source.arm(&set).await.expect("armed");
    some_more().await;
    let at = point();
    let window = shop.source.capture(&set, at).await.expect("captured");
    println!("window {:?}", window.hi - window.lo);
    assert!(window.server_time.is_some());
    some_more().await;
    // The writer ends when a fence comes down, which also shows that one does.
    let evidence = shop.source.fence(&set).await.expect("fenced");
    assert!(evidence.contains("refused"), "{evidence}");
    let written = writer.await.expect("it wrote");
    let snapshot = shop.primary.rows.tell(&["snapshots", &set]).await.remove(0);
    let clone = format!("{set}_clone");
    shop.primary.rows.tell(&["clone", &clone, &snapshot]).await;
    let rows = shop.primary.rows.tell(&["rows", &clone]).await;
    let held: std::collections::BTreeSet<&String> = rows.iter().step_by(2).collect();
    let (before, after): (Vec<_>, Vec<_>) =
        (written.iter().filter(|row| row.2 < window.lo).collect(), written.iter().filter(|row| row.1 > window.hi).collect());
    assert!(!before.is_empty() && !after.is_empty(), "{} rows written, none on one side of the window", written.len());
    assert!(before.iter().all(|row| held.contains(&row.0)), "a row acknowledged before the window is missing");
    assert!(after.iter().all(|row| !held.contains(&row.0)), "a row begun after the window is there");
    shop.source.unfence(&set, None).await.expect("unfenced");
    shop.source.release(&set, at).await.expect("released");
}
