//! Round after round on two real clusters of HDFS and HBase, under an application that follows the route: planned switchover, the primary
//! lost, the other one promoted, the lost one back, resynchronised and made the target, switchover back to it.
//!
//! No order that was acknowledged is lost, but for those of which the fault's report said so: and these are found in what the lost site
//! kept. `UNDERSTUDY_ROUNDS=3` goes round three times; once unless told.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::pair::{At, Pair};
use crate::shop::{Acknowledged, Shop, USER};
use crate::stand::hdfs::{self, Web};
use crate::stand::until;

/// The last sign of life of a primary is as old as the watch's interval and time limit, and the fault report counts to whole seconds.
const SIGN_OF_LIFE: TimeDelta = TimeDelta::seconds(8);

struct Rounds {
    pair: Pair,
    directory: String,
    table: String,
    /// Of which orders reports said that they are lost.
    lost: BTreeSet<usize>,
}

fn name(at: &At) -> &'static str {
    if at.cluster() == "primary" { "shenzhen" } else { "guiyang" }
}

fn text<'a>(of: &'a Value, pointer: &str) -> &'a str {
    of.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} of {of:#}"))
}

impl Rounds {
    async fn made() -> Option<Rounds> {
        let pair = Pair::without_hive().await?;
        let own = uuid::Uuid::now_v7().simple().to_string();
        let rounds =
            Rounds { pair, directory: format!("/rounds-{own}/orders"), table: format!("rounds_{own}:orders"), lost: BTreeSet::new() };
        let at = &rounds.pair.primary;
        let client = hdfs::client(&at.hdfs.fs, &at.hdfs.user);
        client.mkdirs(&rounds.directory, 0o755, true).await.unwrap();
        client.set_owner(&rounds.directory, Some(USER), None).await.unwrap();
        at.hbase.rows.tell(&["namespace", &format!("rounds_{own}")]).await;
        at.hbase.rows.tell(&["create", &rounds.table, "f", "2,4,6,8"]).await;
        Some(rounds)
    }

    fn at(&self, cluster: &str) -> &At {
        if cluster == "shenzhen" { &self.pair.primary } else { &self.pair.secondary }
    }

    fn run(&self) -> Value {
        let report = self.pair.controller.done(&["run", "orders"]);
        assert_eq!(report["outcome"], "sealed", "{report:#}");
        report
    }

    /// The numbers that a cluster serves, as files and as rows, by Apache's own clients.
    async fn held(&self, at: &At, below: &str, table: &str) -> [BTreeSet<usize>; 2] {
        let number = |name: &String| name.rsplit(' ').next()?.parse().ok();
        let files = Web::new(&at.hdfs.webhdfs, &at.hdfs.user).names(&format!("{}{below}", self.directory)).await;
        let rows: Vec<String> = at.hbase.rows.tell(&["rows", table]).await.into_iter().step_by(2).collect();
        [files.iter().filter_map(number).collect(), rows.iter().filter_map(number).collect()]
    }

    /// Every order acknowledged by now is there, but for those that a report counted as lost.
    async fn nothing_is_missing(&self, at: &At, orders: &Acknowledged, what: &str) {
        for (kind, held) in ["files", "rows"].into_iter().zip(self.held(at, "", &self.table).await) {
            let missing: Vec<_> = orders.keys().filter(|number| !held.contains(number) && !self.lost.contains(number)).collect();
            assert!(
                missing.is_empty(),
                "{what}: {} acknowledged orders are missing in the {kind} of {}: {missing:?}",
                missing.len(),
                name(at)
            );
        }
    }

    /// A planned switchover: what was acknowledged before it is there after it, and the old primary stands by.
    async fn switch(&self, shop: &Shop, to: &str) {
        shop.sells(20).await;
        let report = self.pair.controller.done(&["adjust-identity", "p", "--to", to, "--confirm", to, "--planned"]);
        assert_eq!(report["outcome"], "promoted", "{report:#}");
        let steps = report["steps"].as_array().unwrap();
        assert!(steps.iter().all(|step| step["state"] == "done"), "{report:#}");
        shop.sells(20).await;
        self.nothing_is_missing(self.at(to), &shop.acknowledged(), "after the planned switchover").await;
        println!("planned switchover to {to}: {} orders acknowledged, none missing", shop.acknowledged().len());
    }

    /// The primary is lost with everything; the other one takes over from the last recovery point. What is missing then was told.
    async fn fault(&mut self, shop: &Shop, of: &str) -> BTreeSet<usize> {
        let report = self.run();
        let resume_from: DateTime<Utc> = text(&report, "/captured/first").parse().unwrap();
        shop.sells(20).await;
        let at = if of == "shenzhen" { &mut self.pair.primary } else { &mut self.pair.secondary };
        at.agent.kill();
        for daemon in ["hbase", "namenode"] {
            at.kill(daemon);
        }
        let before = shop.acknowledged();
        let survivor = if of == "shenzhen" { "guiyang" } else { "shenzhen" };
        until("a faulty primary", Duration::from_secs(120), || async {
            let status = self.pair.controller.say(&["status"]).json;
            let clusters = status.pointer("/pairs/0/clusters")?.as_array()?.clone();
            clusters.iter().any(|cluster| cluster["name"] == of && cluster["health"] == "faulty").then_some(())
        })
        .await;
        let promoted = self.pair.controller.done(&["adjust-identity", "p", "--to", survivor, "--confirm", survivor]);
        assert_eq!(promoted["outcome"], "promoted", "{promoted:#}");
        assert_eq!(promoted.pointer("/services/0/recovery_point"), report.get("recovery_point"), "{promoted:#}");
        let told = TimeDelta::seconds(promoted.pointer("/services/0/lost_secs").and_then(Value::as_i64).expect("what is lost is told"));

        let held = self.held(self.at(survivor), "", &self.table).await;
        let lost: BTreeSet<usize> =
            before.keys().copied().filter(|number| !self.lost.contains(number) && held.iter().any(|held| !held.contains(number))).collect();
        assert!(!lost.is_empty(), "nothing was written after the last recovery point: this proves nothing");
        for number in &lost {
            let age = before[number] - resume_from;
            assert!(age >= TimeDelta::zero(), "order {number} was acknowledged before {resume_from}, and is lost");
            assert!(age <= told + SIGN_OF_LIFE, "order {number} was acknowledged {age} after {resume_from}; the report told {told}");
        }
        println!("{of} lost: {} of {} orders lost, the report told the last {told}", lost.len(), before.len());
        self.lost.extend(&lost);
        shop.sells(20).await;
        lost
    }

    /// The lost site comes back: fenced, it keeps what it had, becomes the target, and gets only what differs.
    async fn returns(&mut self, shop: &Shop, of: &str, lost: &BTreeSet<usize>) {
        let at = self.at(of);
        for daemon in ["namenode", "hbase"] {
            at.start(daemon).await;
        }
        let at = if of == "shenzhen" { &mut self.pair.primary } else { &mut self.pair.secondary };
        at.agent.start();
        until("the fence of the lost site", Duration::from_secs(180), || async {
            let status = self.pair.controller.say(&["status"]).json;
            text(&status, "/pairs/0/phase").ends_with(&format!("{of} is fenced")).then_some(())
        })
        .await;
        let reversed = self.pair.controller.done(&["reverse-replication", "p", "--confirm", of]);
        assert_eq!(reversed["outcome"], "reversed", "{reversed:#}\n{}", self.at(of).agent.log());
        let kept = text(&reversed, "/services/0/kept").to_owned();

        // What was acknowledged and lost is in what the site kept.
        let at = self.at(of);
        let clone = at.clone_of(&self.table, &kept).await;
        let found = self.held(at, &format!("/.snapshot/understudy-{kept}"), &clone).await;
        at.hbase.rows.tell(&["drop", &clone]).await;
        for (kind, found) in ["files", "rows"].into_iter().zip(&found) {
            let gone: Vec<_> = lost.difference(found).collect();
            assert!(gone.is_empty(), "lost orders that are not among the kept {kind}: {gone:?}");
        }
        let run = self.run();
        for set in run["data_sets"].as_array().unwrap() {
            println!(
                "  resync {}: copied {} of {} files, {} of {} bytes",
                set["name"], set["copied_files"], set["files"], set["copied_bytes"], set["bytes"]
            );
        }
        let directory = &run["data_sets"][0];
        let written_since = shop.acknowledged().len() + 100;
        let copied = directory["copied_files"].as_u64().unwrap() as usize;
        assert!(copied < written_since && copied < directory["files"].as_u64().unwrap() as usize, "only differences: {directory:#}");
    }

    /// Both clusters hold the same: directories as listed, tables cell by cell.
    async fn are_identical(&self, primary: &str) {
        let standby = if primary == "shenzhen" { "guiyang" } else { "shenzhen" };
        let point = text(&self.run(), "/recovery_point").to_owned();
        let mut told = Vec::new();
        for cluster in [primary, standby] {
            let at = self.at(cluster);
            let (client, web) = (hdfs::client(&at.hdfs.fs, &at.hdfs.user), Web::new(&at.hdfs.webhdfs, &at.hdfs.user));
            let files = hdfs::listing(&client, &web, &format!("{}/.snapshot/understudy-{point}", self.directory)).await;
            let clone = at.clone_of(&self.table, &point).await;
            let rows = at.hbase.rows.tell(&["digest", &clone]).await;
            at.hbase.rows.tell(&["drop", &clone]).await;
            told.push((files, rows));
        }
        let differences = hdfs::differences(&told[0].0, &told[1].0);
        assert!(differences.is_empty(), "{differences:#?}");
        assert_eq!(told[0].1, told[1].1, "the tables differ");
        println!("identical at the end: {} entries, table {:?}", told[0].0.len(), told[0].1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_acknowledged_order_is_lost_but_those_that_the_fault_report_counted() {
    let count = std::env::var("UNDERSTUDY_ROUNDS").map_or(1, |told| told.parse().expect("UNDERSTUDY_ROUNDS is a number"));
    let Some(mut rounds) = Rounds::made().await else { return };
    let sets = format!("[\"hdfs:{}\", \"hbase:{}\"]", rounds.directory, rounds.table);
    rounds.pair.begin(&sets);
    rounds.run();
    let engine = rounds.pair.controller.engine(&[]);
    let shop = Shop::open([&rounds.pair.primary, &rounds.pair.secondary], &rounds.directory, &rounds.table);
    let mut primary = "shenzhen";
    for round in 1..=count {
        let other = if primary == "shenzhen" { "guiyang" } else { "shenzhen" };
        println!("round {round}");
        rounds.switch(&shop, other).await;
        let lost = rounds.fault(&shop, other).await;
        rounds.returns(&shop, other, &lost).await;
        rounds.switch(&shop, other).await;
        primary = other;
    }
    let orders = shop.close().await;
    rounds.nothing_is_missing(rounds.at(primary), &orders, "at the end").await;
    rounds.are_identical(primary).await;
    println!("{} orders acknowledged, {} of them lost with a site and kept there", orders.len(), rounds.lost.len());
    engine.kill();
}
