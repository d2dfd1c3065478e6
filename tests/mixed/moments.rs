//! What a recovery point says of its moment, held against the correlated workload: every order acknowledged before R is in it, in each
//! component; none begun after S is in any. Beyond the promise the same is held for each data set's own window.
//!
//! `UNDERSTUDY_POINTS=50` judges so many recovery points (10 unless told).

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::mixed::Mixed;
use crate::orders::{Orders, PARTS, Written, held};
use crate::stand::until;

fn points() -> usize {
    std::env::var("UNDERSTUDY_POINTS").map_or(10, |told| told.parse().expect("UNDERSTUDY_POINTS is a number"))
}

/// A moment out of a report.
fn time(of: &Value, key: &str) -> DateTime<Utc> {
    of[key].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{key} of {of:#}"))
}

/// How the orders lie about one window, and what contradicts it.
#[derive(Debug, Default)]
struct Verdict {
    before: usize,
    within: usize,
    after: usize,
    lies: Vec<String>,
}

/// Holds a window against one component's orders.
fn judge(
    name: &str,
    (lo, hi): (DateTime<Utc>, DateTime<Utc>),
    part: usize,
    orders: &[(usize, [Written; 3])],
    held: &BTreeSet<usize>,
) -> Verdict {
    let mut verdict = Verdict::default();
    for (number, parts) in orders {
        let Written { begun, acknowledged } = parts[part];
        let there = held.contains(number);
        if acknowledged.is_some_and(|at| at < lo) {
            verdict.before += 1;
            if !there {
                verdict.lies.push(format!("order {number} is not in {name}: acknowledged {acknowledged:?}, before {lo}"));
            }
        } else if begun > hi {
            verdict.after += 1;
            if there {
                verdict.lies.push(format!("order {number} is in {name}: begun {begun}, after {hi}"));
            }
        } else {
            verdict.within += 1;
        }
    }
    let known: BTreeSet<usize> = orders.iter().map(|(number, _)| *number).collect();
    verdict.lies.extend(held.difference(&known).map(|number| format!("nobody wrote order {number}, which is in {name}")));
    verdict
}

/// Holds a whole report against the orders; how they lie about R and S.
fn judge_report(report: &Value, orders: &[(usize, [Written; 3])], held: &[BTreeSet<usize>; 3]) -> Verdict {
    let (first, last) = (time(&report["captured"], "first"), time(&report["captured"], "last"));
    let mut whole = Verdict::default();
    for (part, kind) in PARTS.into_iter().enumerate() {
        let set = report["data_sets"].as_array().unwrap().iter().find(|set| set["name"].as_str().unwrap().starts_with(kind)).unwrap();
        let own = (time(set, "lo"), time(set, "hi"));
        assert!(first <= own.0 && own.1 <= last, "R and S hold every window: {report:#}");
        let (of_point, of_set) = (judge(kind, (first, last), part, orders, &held[part]), judge(kind, own, part, orders, &held[part]));
        whole.before += of_point.before;
        whole.within += of_point.within;
        whole.after += of_point.after;
        whole.lies.extend(of_point.lies.into_iter().chain(of_set.lies));
    }
    whole
}

#[test]
fn a_window_that_is_wrong_is_told() {
    let at = |secs: i64| DateTime::<Utc>::UNIX_EPOCH + chrono::TimeDelta::seconds(secs);
    let order = |number: usize, begun: i64| (number, [Written { begun: at(begun), acknowledged: Some(at(begun + 1)) }; 3]);
    let orders = [order(1, 0), order(2, 10), order(3, 20)];
    let lies = |lo: i64, hi: i64, held: &[usize]| judge("hdfs:", (at(lo), at(hi)), 0, &orders, &held.iter().copied().collect()).lies.len();
    assert_eq!(lies(5, 15, &[1, 2]), 0, "the second was written within the window: there or not");
    assert_eq!(lies(5, 15, &[1]), 0);
    assert_eq!(lies(15, 16, &[1]), 1, "the second is missing though it was acknowledged before");
    assert_eq!(lies(5, 15, &[1, 3]), 1, "the third is there though it was begun after");
    assert_eq!(lies(5, 15, &[1, 4]), 1, "nobody wrote the fourth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_recovery_point_is_wrong_about_its_moment() {
    let Some(mut mixed) = Mixed::sealed().await else { return };
    let orders = Orders::new();
    let mut skews = Vec::new();
    let mut last = Value::Null;
    for point in 1..=points() {
        let flow = orders.flow(&mixed);
        // Something is acknowledged before the first moment.
        let so_far = orders.so_far().len();
        until("the first orders", Duration::from_secs(60), || async { (orders.so_far().len() > so_far + 6).then_some(()) }).await;
        last = mixed.controller.done(&["run", "orders"]);
        flow.end().await;
        assert_eq!(last["outcome"], "sealed", "{last:#}");
        let id = last["recovery_point"].as_str().unwrap();
        let at = &mixed.secondary;
        let clone = at.clone_of(&mixed.table, id).await;
        let held = held(at, &mixed, &clone).await;
        at.hbase.rows.tell(&["drop", &clone]).await;
        let verdict = judge_report(&last, &orders.so_far(), &held);
        assert!(verdict.lies.is_empty(), "point {point}: {:#?}\n{last:#}", verdict.lies);
        assert!(verdict.before > 0 && verdict.after > 0, "a point that nothing speaks for or against says nothing: {verdict:?}");
        let skew = last["captured"]["skew_ms"].as_u64().unwrap();
        println!(
            "point {point}: skew {skew} ms; parts of orders before R {}, between {}, after S {}",
            verdict.before, verdict.within, verdict.after
        );
        skews.push(skew);
    }
    skews.sort_unstable();
    println!(
        "{} recovery points, none wrong; skew {} ms in the middle, {} ms at most",
        skews.len(),
        skews[skews.len() / 2],
        skews[skews.len() - 1]
    );

    // The site is lost after more orders; what the secondary then serves is what its last point said.
    let flow = orders.flow(&mixed);
    let engine = mixed.controller.engine(&[]);
    // A client of HBase's would wait for the lost site for minutes.
    flow.end().await;
    mixed.lose_primary();
    let report = mixed.promote_secondary().await;
    assert_eq!(report["services"][0]["recovery_point"], last["recovery_point"], "{report:#}");
    let served = held(&mixed.secondary, &mixed, &mixed.table).await;
    let verdict = judge_report(&last, &orders.so_far(), &served);
    assert!(verdict.lies.is_empty(), "after the failover: {:#?}\n{last:#}", verdict.lies);
    engine.kill();
    mixed.primary_returns().await;
}
