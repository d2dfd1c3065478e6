//! HBase on a real estate, with real agents: an HFile that is bulk-loaded after the final capture of a planned switchover, and a disabled
//! table that goes there and back. A sealed run follows every step.

use std::time::Duration;

use serde_json::Value;

use crate::pair::Pair;
use crate::support::rows::Rows;

fn signal(pid: i32, what: &str) {
    let sent = std::process::Command::new("kill").args([what, &pid.to_string()]).status().expect("kill runs");
    assert!(sent.success(), "{what} to {pid}");
}

/// Waits until the final capture of a table is there, and loads an HFile into it while the secondary's agent, and with it the final run,
/// stands still.
async fn loads_after_the_final_capture(rows: Rows, table: String, before: usize, agent: i32) {
    while rows.tell(&["snapshots", &table]).await.len() == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    signal(agent, "-STOP");
    let loaded = rows.ask(&["bulk-load", &table, "f", "loaded", "x"]).await;
    signal(agent, "-CONT");
    loaded.expect("HBase takes a bulk load into a read-only table: else the fence stops more than its evidence says");
}

fn switch(pair: &Pair, to: &str) -> (i32, Value) {
    let said = pair.controller.say(&["adjust-identity", "p", "--to", to, "--confirm", to, "--planned"]);
    (said.code(), said.json)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bulk_load_past_the_fence_undoes_a_switchover_and_a_disabled_table_goes_there_and_back() {
    let Some(mut pair) = Pair::without_hive().await else { return };
    let own = uuid::Uuid::now_v7().simple().to_string();
    let (open, off) = (format!("estate_{own}:open"), format!("estate_{own}:off"));
    let rows = pair.primary.hbase.rows.clone();
    rows.tell(&["namespace", &format!("estate_{own}")]).await;
    for table in [&open, &off] {
        rows.tell(&["create", table, "f", "m"]).await;
        rows.tell(&["fill", table, "f", "0", "40", "50"]).await;
    }
    rows.tell(&["disable", &off]).await;
    pair.begin(&format!("[\"hbase:{open}\", \"hbase:{off}\"]"));
    let run = |pair: &Pair| {
        let report = pair.controller.done(&["run", "orders"]);
        assert_eq!(report["outcome"], "sealed", "{report:#}");
    };
    run(&pair);
    let engine = pair.controller.engine(&[]);

    // A client of its own, which knows the table before the switchover begins.
    let loader = Rows::start("primary");
    let before = loader.tell(&["snapshots", &open]).await.len();
    let loads = tokio::spawn(loads_after_the_final_capture(loader, open.clone(), before, pair.secondary.agent.pid()));
    let (code, report) = tokio::task::block_in_place(|| switch(&pair, "guiyang"));
    tokio::time::timeout(Duration::from_secs(10), loads).await.expect("it loaded").expect("in time");
    assert_eq!((code, &report["outcome"]), (1, &Value::from("aborted")), "{report:#}");
    let reason = report.pointer("/error/reason").and_then(Value::as_str).unwrap_or_default();
    let object = report.pointer("/error/object").and_then(Value::as_str).unwrap_or_default();
    assert!(object.contains(&open) && reason.contains("past its fence"), "{report:#}");
    rows.tell(&["put", &open, "after", "f", "the fence is lifted"]).await;
    assert_eq!(rows.tell(&["state", &off]).await, ["disabled"]);

    let both = [pair.primary.hbase.rows.clone(), pair.secondary.hbase.rows.clone()];
    for to in ["guiyang", "shenzhen"] {
        let (code, report) = tokio::task::block_in_place(|| switch(&pair, to));
        assert_eq!((code, &report["outcome"]), (0, &Value::from("promoted")), "{report:#}");
        let active = &both[usize::from(to == "guiyang")];
        active.tell(&["put", &open, to, "f", "is primary"]).await;
        run(&pair);
        let held = [both[0].tell(&["digest", &open]).await, both[1].tell(&["digest", &open]).await];
        assert_eq!(held[0], held[1], "the open table at both, {to} being primary");
        for (at, rows) in ["shenzhen", "guiyang"].into_iter().zip(&both) {
            assert_eq!(rows.tell(&["state", &off]).await, ["disabled"], "at {at}, {to} being primary");
        }
    }
    let cells: usize = both[0].tell(&["digest", &open]).await[0].parse().expect("a number");
    assert_eq!(cells, 40 + 1 + 3, "every row that HBase took is there");
    for rows in &both {
        rows.tell(&["enable", &off]).await;
        assert_eq!(rows.tell(&["digest", &off]).await[0], "40");
    }
    engine.kill();
}
