//! The training lab's scenario without a window, both ways, by the real binary; and that it leaves nothing behind.
#![cfg(feature = "lab")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::stand::{children, runs, until};
use serde_json::Value;

/// Runs a scenario; its exit status and its report.
fn site_loss(dir: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let report = dir.join("report.json");
    let told = Command::new(env!("CARGO_BIN_EXE_understudy"))
        .args(["lab", "--scenario", "site-loss", "--report"])
        .arg(&report)
        .args(more)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("no report ({error}); the lab said: {said}"));
    println!("{said}");
    (told.status.code(), serde_json::from_str(&text).unwrap())
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no check {name:?} in {report}"))
}

#[test]
fn with_one_moment_for_the_service_every_check_holds() {
    let dir = tempfile::tempdir().unwrap();
    let (status, report) = site_loss(dir.path(), &[]);
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["held"], true, "{report:#}");
    }
    assert_eq!((status, &report["outcome"]), (Some(0), &Value::from("held")));
    for measured in ["rpo_ms", "rto_ms"] {
        assert!(report[measured].as_u64().unwrap() > 0, "{measured} in {report:#}");
    }
    let parts: u64 = ["detect_ms", "decide_ms", "switch_ms"].iter().map(|part| report[part].as_u64().unwrap()).sum();
    assert!(report["rto_ms"].as_u64().unwrap().abs_diff(parts) <= 5, "the RTO is the sum of its parts: {report:#}");
}

#[test]
fn with_a_moment_for_each_component_orders_lose_their_invoices_and_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (status, report) = site_loss(dir.path(), &["--consistency", "per-component"]);
    assert_eq!((status, &report["outcome"]), (Some(1), &Value::from("broken")));
    let check = check(&report, "every order has its invoice");
    assert_eq!(check["held"], false, "{report:#}");
    let count: u64 = check["detail"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(count >= 50, "{report:#}");
}

#[tokio::test]
async fn a_killed_lab_leaves_no_site_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut lab = Command::new(env!("CARGO_BIN_EXE_understudy"))
        .args(["lab", "--dir"])
        .arg(dir.path().join("lab"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = i32::try_from(lab.id()).unwrap();
    let sites = until("both sites", Duration::from_secs(30), || async { Some(children(pid)).filter(|sites| sites.len() == 2) }).await;
    lab.kill().unwrap();
    lab.wait().unwrap();
    until("the sites' end", Duration::from_secs(10), || async { (!sites.iter().any(|site| runs(*site))).then_some(()) }).await;
}
