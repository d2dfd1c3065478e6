//! The main job on two real HDFS clusters, with real agent and engine processes. One story, told in order.
//!
//! It needs `HADOOP_LAB_PRIMARY_FS`, `…_WEBHDFS`, `…_USER` and the same of `SECONDARY`, as `tests/hadoop` prints them, and
//! `HADOOP_LAB_FAULT`, the command that kills, hangs and starts daemons. Without them it says so and passes: see `.ci/hadoop`.
#![cfg(feature = "agent")]

mod stand;

use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdfs_native::Client;
use serde_json::Value;
use stand::Dir;
use stand::hdfs::{self, BOS_OWN, Cluster, Listing, Web, content, differences, make, path, write};
use stand::processes::{Agent, Controller, plan};
use stand::{http, provider, until};

const FILES: usize = 2_000;

struct Story {
    primary: Agent,
    secondary: Agent,
    controller: Controller,
    from: Arc<Client>,
    from_web: Web,
    to: Arc<Client>,
    to_web: Web,
    /// The secondary's file system, for ordinary users' own clients.
    to_fs: String,
    root: String,
    // Last, so that nothing runs in it any more when it goes.
    _dir: Dir,
}

impl Story {
    async fn identical(&self, when: &str) {
        let (one, other) = (self.source().await, self.target().await);
        let found = differences(&one, &other);
        assert!(found.is_empty(), "{when}: {found:#?}");
    }

    async fn source(&self) -> Listing {
        hdfs::listing(&self.from, &self.from_web, &self.root).await
    }

    async fn target(&self) -> Listing {
        hdfs::listing(&self.to, &self.to_web, &self.root).await
    }

    /// A run that seals. One that was broken off before is resumed first, and ends by itself.
    async fn run(&self) -> Value {
        let report = until("the end of the run before", Duration::from_secs(120), || async {
            let said = self.controller.say(&["run", "orders"]);
            let waits = said.code() == 3 && said.stderr.contains("still under way");
            assert!(waits || said.code() == 0, "{}\nprimary: {}\nsecondary: {}", said.stderr, self.primary.log(), self.secondary.log());
            (!waits).then_some(said.json)
        })
        .await;
        assert_eq!(report["outcome"], "sealed", "{report:#}");
        println!("run: {} {}", report["timings_ms"], report["data_sets"]);
        report
    }

    /// The service's policy with the copy started by the other side; the pair stands already.
    fn pull_from_now_on(&self) {
        let (one, other) = (self.primary.listen, self.secondary.listen);
        self.controller.apply(&format!(
            "[[pair]]\nname = \"p\"\nprimary = {{ agent = \"{one}\" }}\nsecondary = {{ agent = \"{other}\" }}\n\n[[service]]\nname = \"orders\"\n\
             pair = \"p\"\ndata_sets = [\"hdfs:{}\"]\ncopy = \"pull\"\n",
            self.root
        ));
    }

    /// What the user `bo` may do at the secondary: read a file of hers, write into a folder of hers.
    async fn bo_is_served(&self) -> Result<(), String> {
        let bo = hdfs::client(&self.to_fs, "bo");
        let read = bo.read(&format!("{}/{}", self.root, path(70))).await.map_err(|e| e.to_string())?;
        let bytes = read.read_range(0, read.file_length()).await.map_err(|e| e.to_string())?;
        assert_eq!(bytes, content(70, 70));
        let mine = format!("{}/{BOS_OWN}/written", self.root);
        let mut writer = bo.create(&mine, hdfs_native::WriteOptions::default()).await.map_err(|e| e.to_string())?;
        writer.write_bytes(content(1, 10)).await.map_err(|e| e.to_string())?;
        writer.close().await.map_err(|e| e.to_string())
    }

    /// Starts a run and calls `strike` when it tells of `step`.
    fn run_until(&mut self, step: &str, strike: impl FnOnce(&mut Story, &mut Child)) -> Child {
        let (mut run, mut lines) = self.controller.begin(&["run", "orders"]);
        assert!(lines.any(|line| line.to_lowercase().contains(step)), "the run never told of step {step}");
        strike(self, &mut run);
        run
    }

    /// Renames, deletions, appends, overwrites of the same length, permission-only changes and a moved folder.
    async fn change(&self) {
        let at = |name: String| format!("{}/{name}", self.root);
        let client = &self.from;
        client.rename(&at(path(8)), &at("plain/renamed 8".into()), false).await.unwrap();
        client.rename(&at("a/b".into()), &at("plain/moved folder".into()), false).await.unwrap();
        client.delete(&at(path(20)), false).await.unwrap();
        write(client, &at(path(33)), content(99_999, 33)).await; // of the same length
        let mut append = client.append(&at(path(38))).await.unwrap();
        append.write_bytes(content(7, 1_000)).await.unwrap();
        append.close().await.unwrap();
        client.set_permission(&at(path(44)), 0o604).await.unwrap();
        client.mkdirs(&at("new empty".into()), 0o700, true).await.unwrap();
        write(client, &at("new file".into()), content(5, 5_000)).await;
    }
}

async fn rights(client: &Client, path: &str) -> (u16, String, String) {
    let status = client.get_file_info(path).await.unwrap();
    (status.permission, status.owner, status.group)
}

fn cluster<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status.pointer("/pairs/0/clusters")?.as_array()?.iter().find(|cluster| cluster["name"] == name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_real_clusters_from_pairing_to_the_secondary_serving() {
    let (Some(from), Some(to)) = (Cluster::from_environment("PRIMARY"), Cluster::from_environment("SECONDARY")) else {
        eprintln!("skipped: HADOOP_LAB_PRIMARY_FS and the like are not set; .ci/hadoop starts two real clusters and sets them");
        return;
    };
    provider();
    let dir = Dir::new();
    let mut story = Story {
        primary: Agent::with(dir.path(), "shenzhen", &from.component()),
        secondary: Agent::with(dir.path(), "guiyang", &to.component()),
        controller: Controller::new(dir.path(), "controller"),
        from: hdfs::client(&from.fs, &from.user),
        from_web: Web::new(&from.webhdfs, &from.user),
        to: hdfs::client(&to.fs, &to.user),
        to_web: Web::new(&to.webhdfs, &to.user),
        to_fs: to.fs.clone(),
        root: format!("/e2e-{}/orders", std::process::id()),
        _dir: dir,
    };
    let began = Instant::now();
    let step = |what: &str| println!("{:5.1} s: {what}", began.elapsed().as_secs_f32());
    make(&story.from, &story.from_web, &story.root, FILES).await;
    step("the tree is made");
    story.primary.start();
    story.secondary.start();
    story.controller.apply(&plan(&story.primary, &story.secondary, &format!("[\"hdfs:{}\"]", story.root)));

    step("paired");
    let first = story.run().await;
    step("the first run is sealed");
    assert_eq!(first["data_sets"][0]["copied_files"], FILES as u64, "{first:#}");
    story.identical("after the first run").await;
    step("and identical");
    story.bo_is_served().await.expect_err("the secondary is fenced");

    story.change().await;
    let second = story.run().await;
    let set = &second["data_sets"][0];
    assert!(set["copied_files"].as_u64().unwrap() <= 5, "only what changed is copied: {second:#}");
    assert!(set["renamed"].as_u64().unwrap() >= 2 && set["deleted"].as_u64().unwrap() >= 1, "{second:#}");
    story.identical("after the second run").await;
    step("the second run is sealed and identical");

    story.pull_from_now_on();
    killed(&mut story).await;
    step("each program was killed and is right again");
    faulty(&mut story).await;
    step("the secondary serves");
}

/// `kill -9` of either agent and of the engine during a run.
async fn killed(story: &mut Story) {
    for (round, victim) in ["primary", "secondary", "engine"].into_iter().enumerate() {
        for number in 100..160 {
            write(&story.from, &format!("{}/{}", story.root, path(number)), content(round * 1_000 + number, 20_000)).await;
        }
        let mut run = story.run_until("transfer", |story, run| match victim {
            "primary" => {
                story.primary.kill();
                story.primary.start();
            }
            "secondary" => {
                story.secondary.kill();
                story.secondary.start();
            }
            _ => run.kill().unwrap(),
        });
        let status = run.wait().unwrap();
        assert!(victim == "engine" || matches!(status.code(), Some(0 | 1)), "{victim} killed: {status}");
        story.run().await;
        story.identical(&format!("after the run that followed the kill of {victim}")).await;
    }
}

/// The primary's NameNode hung and killed: status says which and nothing switches; then a person adjusts the identity.
async fn faulty(story: &mut Story) {
    let (mut engine, mut lines) = story.controller.begin(&["engine"]);
    // A `status` before that holds the state directory itself, and the engine is refused.
    assert!(lines.any(|line| line.contains("engine ready")), "the engine does not start");
    let seen = |word: &'static str, controller: &Controller| {
        let status = controller.say(&["status"]).json;
        let shenzhen = cluster(&status, "shenzhen")?.clone();
        let told = shenzhen["health"] == "faulty" && shenzhen["evidence"].to_string().to_lowercase().contains(word);
        assert_ne!(status.pointer("/pairs/0/active"), Some(&Value::from("guiyang")), "nothing switches by itself: {status:#}");
        told.then_some(())
    };
    let healthy = |controller: &Controller| (cluster(&controller.say(&["status"]).json, "shenzhen")?["health"] == "healthy").then_some(());
    let limit = Duration::from_secs(120);
    until("a healthy primary", limit, || async { healthy(&story.controller) }).await;
    hdfs::fault(&["primary", "namenode", "hang"]);
    until("a hung NameNode", limit, || async { seen("answer", &story.controller) }).await;
    hdfs::fault(&["primary", "namenode", "resume"]);
    until("the primary's recovery", limit, || async { healthy(&story.controller) }).await;
    let last = story.source().await;
    let root = rights(&story.from, &story.root).await;
    hdfs::fault(&["primary", "namenode", "kill"]);
    until("a dead NameNode", limit, || async { seen("refuse", &story.controller) }).await;

    let report = story.controller.done(&["adjust-identity", "p", "--to", "guiyang", "--confirm", "guiyang"]);
    assert_eq!(report["outcome"], "promoted", "{report:#}");
    let found = differences(&last, &story.target().await);
    assert!(found.is_empty(), "the secondary serves the last recovery point: {found:#?}");
    assert_eq!(rights(&story.to, &story.root).await, root, "the root's modes are the true ones");
    story.bo_is_served().await.unwrap();
    let active = format!("http://{}/v1/active/p/orders", story.secondary.route);
    assert_eq!(http(Duration::from_secs(3)).get(active).send().await.unwrap().status(), 200);
    engine.kill().unwrap();
    engine.wait().unwrap();
    hdfs::fault(&["primary", "namenode", "start"]);
}
