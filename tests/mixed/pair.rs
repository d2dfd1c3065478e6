//! Two real clusters over HDFS, HBase and Hive, with a real agent beside each and a controller.

use std::time::Duration;

use serde_json::Value;

use crate::stand::hdfs::{self, Cluster};
use crate::stand::processes::{Agent, Controller, plan};
use crate::stand::{Dir, provider, until};
use crate::support::contract::Side;
use crate::support::hbase_world::{HbaseCluster, clusters};
use crate::support::hive_judge::try_hive;

/// One side of it.
pub struct At {
    pub side: Side,
    pub agent: Agent,
    pub hdfs: Cluster,
    pub hbase: HbaseCluster,
}

/// Both of them.
pub struct Pair {
    pub primary: At,
    pub secondary: At,
    pub controller: Controller,
    // Last, so that nothing runs in it any more when it goes.
    _dir: Dir,
}

fn metastore(side: &str) -> Option<String> {
    std::env::var(format!("HADOOP_LAB_{side}_METASTORE")).ok()
}

impl At {
    fn new(dir: &Dir, side: Side, name: &str, hdfs: Cluster, hbase: HbaseCluster, metastore: Option<&str>) -> At {
        let (fs, web, user) = (&hdfs.fs, &hdfs.webhdfs, &hdfs.user);
        let mut components = format!(
            "{}\n[[component]]\nkind = \"hbase\"\nmaster = \"{}\"\nweb = \"{}\"\nroot = \"{fs}/hbase\"\nwebhdfs = \"{web}\"\nuser = \"{user}\"\n",
            hdfs.component(),
            hbase.master,
            hbase.web
        );
        if let Some(metastore) = metastore {
            components += &format!(
                "\n[[component]]\nkind = \"hive\"\nmetastore = \"{metastore}\"\nwarehouse = \"{fs}/warehouse\"\nwebhdfs = \"{web}\"\nuser = \"{user}\"\n"
            );
        }
        At { side, agent: Agent::with(dir.path(), name, &components), hdfs, hbase }
    }

    /// The launcher's name of its cluster.
    pub fn cluster(&self) -> &'static str {
        match self.side {
            Side::Source => "primary",
            Side::Target => "secondary",
        }
    }

    /// Kills a daemon of its cluster: `hbase`, `hive`, `namenode`.
    pub fn kill(&self, daemon: &str) {
        hdfs::fault(&[self.cluster(), daemon, "kill"]);
    }

    /// A table made from HBase's snapshot of a recovery point, by HBase's own client. Whoever asks drops it.
    pub async fn clone_of(&self, table: &str, point: &str) -> String {
        let snapshots = self.hbase.rows.tell(&["snapshots", table]).await;
        let snapshot =
            snapshots.iter().find(|name| name.contains(point)).unwrap_or_else(|| panic!("no snapshot of {point}: {snapshots:?}"));
        let clone = format!("{table}_looked_at");
        self.hbase.rows.tell(&["clone", &clone, snapshot]).await;
        clone
    }

    /// Starts it again, and lets the clients of this test notice.
    pub async fn start(&self, daemon: &str) {
        hdfs::fault(&[self.cluster(), daemon, "start"]);
        if daemon == "hive" {
            // The judge's own connection went with the server.
            drop(try_hive(self.side, &["event-id"]));
        }
    }
}

impl Pair {
    /// `None`, said aloud, where there are no clusters. The agents are not started.
    pub async fn new() -> Option<Pair> {
        let (Some(from), Some(to)) = (metastore("PRIMARY"), metastore("SECONDARY")) else {
            println!("skipped: no HDFS, HBase or Hive. Run: tests/hadoop/cluster.py up --with hbase,hive");
            return None;
        };
        Pair::over(Some([from, to])).await
    }

    /// Likewise over HDFS and HBase alone.
    pub async fn without_hive() -> Option<Pair> {
        Pair::over(None).await
    }

    async fn over(metastores: Option<[String; 2]>) -> Option<Pair> {
        let [from, to] = clusters().await?;
        let (from_hdfs, to_hdfs) = Cluster::from_environment("PRIMARY").zip(Cluster::from_environment("SECONDARY"))?;
        provider();
        let dir = Dir::new();
        let [from_hive, to_hive] = metastores.map_or([None, None], |both| both.map(Some));
        Some(Pair {
            primary: At::new(&dir, Side::Source, "shenzhen", from_hdfs, from, from_hive.as_deref()),
            secondary: At::new(&dir, Side::Target, "guiyang", to_hdfs, to, to_hive.as_deref()),
            controller: Controller::new(dir.path(), "controller"),
            _dir: dir,
        })
    }

    /// Starts the agents, pairs them, and makes the service `orders` over these data sets.
    pub fn begin(&mut self, sets: &str) {
        self.primary.agent.start();
        self.secondary.agent.start();
        self.controller.apply(&plan(&self.primary.agent, &self.secondary.agent, sets));
    }

    /// The whole site is gone at once: agent, metastore, HBase, NameNode.
    pub fn lose_primary(&mut self) {
        self.primary.agent.kill();
        for daemon in ["hive", "hbase", "namenode"] {
            self.primary.kill(daemon);
        }
    }

    /// Waits until the engine that runs calls the primary faulty, and makes the secondary primary; the report.
    pub async fn promote_secondary(&self) -> Value {
        until("a faulty primary", Duration::from_secs(120), || async {
            let status = self.controller.say(&["status"]).json;
            let clusters = status.pointer("/pairs/0/clusters")?.as_array()?.clone();
            clusters.iter().any(|cluster| cluster["name"] == "shenzhen" && cluster["health"] == "faulty").then_some(())
        })
        .await;
        let report = self.controller.done(&["adjust-identity", "p", "--to", "guiyang", "--confirm", "guiyang"]);
        assert_eq!(report["outcome"], "promoted", "{report:#}");
        report
    }

    /// Starts the lost site's servers again, for the tests to come.
    pub async fn primary_returns(&self) {
        for daemon in ["namenode", "hbase", "hive"] {
            self.primary.start(daemon).await;
        }
    }
}
