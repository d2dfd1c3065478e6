//! What real HDFS clusters do to a backup: Hadoop configuration directories, NameNodes that are gone, quotas, safe mode.
//!
//! Needs what `tests/e2e_hadoop.rs` needs, says so where it is missing, and leaves the clusters as it found them.
#![cfg(feature = "agent")]

mod stand;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdfs_native::Client;
use serde_json::Value;
use stand::hdfs::{self, Cluster, Web, content, differences, fault, write};
use stand::processes::{Agent, Controller, Said, plan};
use stand::{Dir, provider};

struct Stand {
    primary: Agent,
    secondary: Agent,
    controller: Controller,
    from: (Arc<Client>, Web),
    to: (Arc<Client>, Web),
    root: String,
    // Last, so that nothing runs in it any more when it goes.
    _dir: Dir,
}

fn clusters() -> Option<(Cluster, Cluster)> {
    let both = Cluster::from_environment("PRIMARY").zip(Cluster::from_environment("SECONDARY"));
    if both.is_none() {
        eprintln!("skipped: HADOOP_LAB_PRIMARY_FS and the like are not set; .ci/hadoop starts two real clusters and sets them");
    }
    both
}

impl Stand {
    /// A tree of three small files and one of a mebibyte, backed up once by agents with these components.
    async fn sealed(name: &str, primary: &str, secondary: &str, (from, to): &(Cluster, Cluster)) -> Stand {
        provider();
        let dir = Dir::new();
        let mut stand = Stand {
            primary: Agent::with(dir.path(), "shenzhen", primary),
            secondary: Agent::with(dir.path(), "guiyang", secondary),
            controller: Controller::new(dir.path(), "controller"),
            from: (hdfs::client(&from.fs, &from.user), Web::new(&from.webhdfs, &from.user)),
            to: (hdfs::client(&to.fs, &to.user), Web::new(&to.webhdfs, &to.user)),
            root: format!("/e2e-{}-{name}/orders", std::process::id()),
            _dir: dir,
        };
        stand.from.0.mkdirs(&stand.root, 0o755, true).await.unwrap();
        for number in 0..3 {
            stand.write(number, 100).await;
        }
        stand.write(3, 1 << 20).await;
        stand.primary.start();
        stand.secondary.start();
        stand.controller.apply(&plan(&stand.primary, &stand.secondary, &format!("[\"hdfs:{}\"]", stand.root)));
        stand.run_is_right().await;
        stand
    }

    async fn write(&self, number: usize, bytes: usize) {
        let seed = usize::try_from(chrono::Utc::now().timestamp_micros()).unwrap();
        write(&self.from.0, &format!("{}/file {number}", self.root), content(seed, bytes)).await;
    }

    fn say(&self) -> Said {
        self.controller.say(&["run", "orders"])
    }

    /// A run that seals, after which both trees are the same.
    async fn run_is_right(&self) {
        let said = self.say();
        assert_eq!(said.code(), 0, "{}\n{}", said.stderr, self.secondary.log());
        let (one, other) = (self.listing(&self.from).await, self.listing(&self.to).await);
        let found = differences(&one, &other);
        assert!(found.is_empty(), "{found:#?}");
    }

    async fn listing(&self, (client, web): &(Arc<Client>, Web)) -> hdfs::Listing {
        hdfs::listing(client, web, &self.root).await
    }

    fn points(&self) -> usize {
        self.controller.done(&["points", "orders"]).as_array().unwrap().len()
    }
}

fn of_conf(cluster: &Cluster) -> String {
    format!("[[component]]\nkind = \"hdfs\"\nconf = {:?}\nuser = \"{}\"\n", cluster.conf, cluster.user)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_directory_and_a_list_whose_first_name_node_is_gone_do_as_well_as_addresses() {
    let Some(both) = clusters() else { return };
    let (_, to) = &both;
    // Nothing listens at port 9.
    let list = format!(
        "[[component]]\nkind = \"hdfs\"\nfs = \"{}\"\nwebhdfs = [\"http://127.0.0.1:9\", \"{}\"]\nuser = \"{}\"\n",
        to.fs, to.webhdfs, to.user
    );
    let stand = Stand::sealed("conf", &of_conf(&both.0), &list, &both).await;
    stand.write(1, 200).await;
    stand.run_is_right().await;
    let status = stand.controller.done(&["status"]);
    for cluster in status["pairs"][0]["clusters"].as_array().unwrap() {
        assert_eq!(cluster["health"], "healthy", "{cluster:#}");
        let component = &cluster["components"][0];
        assert!(component["version"].as_str().unwrap().starts_with('3') && component["free_bytes"].is_number(), "{component:#}");
    }
}

/// The same HDFS under two names.
fn twice(cluster: &Cluster) -> String {
    format!("{}\n{}", cluster.component(), cluster.component().replace("kind = \"hdfs\"", "kind = \"hdfs\"\nname = \"lake\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_at_the_secondary_refuses_a_run_before_its_commit_and_the_last_point_stands() {
    let Some(both) = clusters() else { return };
    let stand = Stand::sealed("quota", &twice(&both.0), &twice(&both.1), &both).await;
    let above = stand.root.rsplit_once('/').unwrap().0.to_owned();
    let before = stand.listing(&stand.to).await;
    // A block counts in full while it is written; what stands is a little more than a mebibyte.
    stand.to.1.set_space_quota(&above, Some(2 << 20)).await;
    stand.write(4, 3 << 20).await;
    let said = stand.say();
    assert_eq!((said.code(), &said.json["outcome"]), (1, &Value::from("failed")), "{}", said.stderr);
    let (told, next) = said.trouble();
    assert!(told.contains(&above) && told.contains("quota") && next.contains("quota"), "{told} ({next})");
    assert_eq!(stand.points(), 1);
    let found = differences(&before, &stand.listing(&stand.to).await);
    assert!(found.is_empty(), "the last point stands untouched: {found:#?}");
    assert_eq!(said.json["error"]["facts"]["code"], "quota-of-space", "{}", said.json);
    stand.to.1.set_space_quota(&above, None).await;
    stand.run_is_right().await;

    // What can never be brought into place is refused when its policy is looked at: nothing is saved.
    let landing = format!("{above}-landing/d");
    for client in [&stand.from.0, &stand.to.0] {
        client.mkdirs(&format!("{landing}/orders"), 0o755, true).await.unwrap();
    }
    let look = |sets: &str| {
        let plan = format!("[[service]]\nname = \"landing\"\npair = \"p\"\ndata_sets = {sets}\n");
        let file = stand.controller.write_plan(&plan);
        stand.controller.say(&["apply", file.to_str().unwrap(), "--dry-run"])
    };
    let said = look(&format!("[\"hdfs:{landing}\", \"lake:{landing}/orders\"]"));
    let (told, _) = said.trouble();
    assert!(said.code() == 3 && told.contains(&format!("hdfs:{landing}")) && told.contains(&format!("lake:{landing}/orders")), "{told}");
    stand.to.1.allow_snapshots(&format!("{above}-landing")).await;
    let said = look(&format!("[{{ from = \"hdfs:{landing}\", to = \"hdfs:{landing}/orders\" }}]"));
    let (told, next) = said.trouble();
    assert!(said.code() == 3 && told.contains(&format!("{above}-landing")) && next.contains("-disallowSnapshot"), "{told} ({next})");
    assert_eq!(stand.controller.done(&["status"])["pairs"][0]["services"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_mode_at_either_side_ends_a_run_with_its_reason_and_one_that_ends_in_time_costs_nothing() {
    let Some(both) = clusters() else { return };
    let stand = Stand::sealed("safemode", &both.0.component(), &both.1.component(), &both).await;
    for side in ["primary", "secondary"] {
        stand.write(1, 300).await;
        let points = stand.points();
        fault(&[side, "namenode", "safemode-enter"]);
        let begun = Instant::now();
        let said = stand.say();
        let took = begun.elapsed();
        fault(&[side, "namenode", "safemode-leave"]);
        assert_eq!((said.code(), &said.json["outcome"]), (1, &Value::from("failed")), "{side}: {}", said.stderr);
        assert!(said.trouble().0.contains("safe mode"), "{side}: {}", said.stderr);
        assert!(took < Duration::from_secs(100), "{side}: {took:?}");
        assert_eq!(stand.points(), points, "{side}");
        stand.run_is_right().await;

        stand.write(2, 400).await;
        fault(&[side, "namenode", "safemode-enter"]);
        let (mut run, _) = stand.controller.begin(&["run", "orders"]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        fault(&[side, "namenode", "safemode-leave"]);
        assert_eq!(run.wait().unwrap().code(), Some(0), "{side}: left in time");
        stand.run_is_right().await;
    }
}
