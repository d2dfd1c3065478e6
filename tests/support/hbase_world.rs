//! The contract's world on two real HBase clusters, each test in a namespace of its own. Made and looked at by HBase's Java client. At
//! the secondary there is no live table before a promotion: what its newest snapshot holds is looked at through a passing clone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use tokio::sync::OnceCell;
use understudy::components::Component;
use understudy::components::hbase::{Hbase, HbaseConfig, RpcLimits};
use understudy::components::hdfs::HOME;
use understudy::domain::Digest;

use super::contract::{Side, World};
use super::rows::Rows;

/// An ordinary user of the cluster.
const APPLICATION: &str = "shop";
/// A region for most items, so that a change of one is a change of few files.
const SPLITS: &str = "b,c,d,e,f,g";
/// Attributes that a fence may change.
const FENCE: [&str; 2] = ["READONLY=", "UNDERSTUDY_FENCE="];

/// Where one cluster is, as `tests/hadoop/cluster.py env` tells it.
#[derive(Clone)]
pub struct HbaseCluster {
    pub master: String,
    pub web: String,
    pub fs: String,
    pub webhdfs: String,
    pub user: String,
    pub rows: Rows,
}

impl HbaseCluster {
    /// The component under test, beside this cluster.
    pub fn component(&self) -> Hbase {
        let config = HbaseConfig {
            name: "hbase".parse().expect("a name"),
            masters: vec![self.master.clone()],
            web: vec![self.web.clone()],
            root: format!("{}/hbase", self.fs),
            conf: None,
            webhdfs: vec![self.webhdfs.clone()],
            user: self.user.clone(),
            limits: RpcLimits::default(),
        };
        Hbase::new(&config).expect("a component")
    }
}

fn cluster(name: &str) -> Option<HbaseCluster> {
    let told = |key: &str| std::env::var(format!("HADOOP_LAB_{}_{key}", name.to_uppercase())).ok();
    let (master, web, fs, webhdfs, user) = (told("HBASE")?, told("HBASE_WEB")?, told("FS")?, told("WEBHDFS")?, told("USER")?);
    Some(HbaseCluster { master, web, fs, webhdfs, user, rows: Rows::start(name) })
}

/// Both clusters, each with one Java client for all tests of this program; `None`, said aloud, where there are none.
pub async fn clusters() -> Option<[HbaseCluster; 2]> {
    static CLUSTERS: OnceCell<Option<[HbaseCluster; 2]>> = OnceCell::const_new();
    // Another test of this process may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    let found = CLUSTERS.get_or_init(|| async { Some([cluster("primary")?, cluster("secondary")?]) }).await.clone();
    if found.is_none() {
        println!("skipped: no HBase (HADOOP_LAB_PRIMARY_HBASE is not set). Run: tests/hadoop/cluster.py up --with hbase");
    }
    found
}

pub struct HbaseWorld {
    sides: [HbaseCluster; 2],
    namespace: String,
    clones: AtomicU32,
}

impl HbaseWorld {
    /// `None` where there are no clusters.
    pub async fn new() -> Option<HbaseWorld> {
        let namespace = format!("contract_{}", uuid::Uuid::now_v7().simple());
        let world = HbaseWorld { sides: clusters().await?, namespace, clones: AtomicU32::new(0) };
        for side in [Side::Source, Side::Target] {
            world.tell(side, &["namespace", &world.namespace]).await;
            world.tell(side, &["create", &world.other(), "f", ""]).await;
            world.tell(side, &["put", &world.other(), "row", "f", "somebody's"]).await;
        }
        world.tell(Side::Source, &["create", &world.set(), "f,g", SPLITS]).await;
        Some(world)
    }

    fn other(&self) -> String {
        format!("{}:other", self.namespace)
    }

    fn side(&self, side: Side) -> &HbaseCluster {
        &self.sides[usize::from(side == Side::Target)]
    }

    async fn tell(&self, side: Side, fields: &[&str]) -> Vec<String> {
        self.side(side).rows.tell(fields).await
    }

    async fn exists(&self, side: Side, table: &str) -> bool {
        self.tell(side, &["exists", table]).await == ["true"]
    }

    /// Rows and descriptor of a table.
    async fn table(&self, side: Side, table: &str) -> BTreeMap<String, String> {
        let rows = self.tell(side, &["rows", table]).await;
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for cell in rows.chunks(2) {
            all.entry(cell[0].clone()).or_default().push_str(&cell[1]);
        }
        let mut lines = self.tell(side, &["descriptor", table]).await;
        lines.extend(self.tell(side, &["regions", table]).await.into_iter().map(|start| format!("region from {start:?}")));
        all.extend(lines.into_iter().map(|line| (format!("descriptor {line}"), String::new())));
        all
    }

    /// The live table, or what our newest snapshot of it holds.
    async fn whole(&self, side: Side) -> BTreeMap<String, String> {
        if self.exists(side, &self.set()).await {
            return self.table(side, &self.set()).await;
        }
        let Some(newest) = self.snapshots(side).await.pop() else { return BTreeMap::new() };
        let clone = format!("{}:clone_{}", self.namespace, self.clones.fetch_add(1, Ordering::Relaxed));
        self.tell(side, &["clone", &clone, &newest]).await;
        let held = self.table(side, &clone).await;
        self.tell(side, &["drop", &clone]).await;
        held
    }

    async fn snapshots(&self, side: Side) -> Vec<String> {
        self.tell(side, &["snapshots", &self.set()]).await
    }
}

#[async_trait]
impl World for HbaseWorld {
    fn open(&self, side: Side) -> Arc<dyn Component> {
        Arc::new(self.side(side).component())
    }

    fn set(&self) -> String {
        format!("{}:or.ders", self.namespace)
    }

    async fn write(&self, side: Side, name: &str, content: &str) {
        self.tell(side, &["put", &self.set(), name, "f", content]).await;
    }

    async fn write_as_application(&self, side: Side, name: &str, content: &str) -> Result<(), String> {
        self.side(side).rows.ask(&["put-as", &self.set(), APPLICATION, name, "g", content]).await.map(drop)
    }

    async fn remove(&self, side: Side, name: &str) {
        self.tell(side, &["delete", &self.set(), name, "f"]).await;
    }

    async fn rename(&self, side: Side, from: &str, to: &str) {
        self.write(side, to, from).await;
        self.remove(side, from).await;
    }

    async fn relabel(&self, _: Side, _: &str) -> bool {
        false
    }

    async fn live(&self, side: Side) -> BTreeMap<String, String> {
        let mut live = self.whole(side).await;
        live.retain(|line, _| !FENCE.iter().any(|own| line.strip_prefix("descriptor ").is_some_and(|line| line.starts_with(own))));
        live
    }

    async fn exact(&self, side: Side) -> BTreeMap<String, String> {
        self.whole(side).await
    }

    async fn outside(&self, side: Side) -> BTreeMap<String, String> {
        let mut all = self.table(side, &self.other()).await;
        let tables = self.tell(side, &["tables", &self.namespace]).await;
        all.extend(tables.into_iter().filter(|table| *table != self.set()).map(|table| (format!("table {table}"), String::new())));
        all
    }

    async fn kept(&self, side: Side) -> Vec<String> {
        let own = Digest::of_bytes(self.set().as_bytes()).to_string();
        let files = self.tell(side, &["files", HOME]).await;
        let mut kept: Vec<String> = files.into_iter().filter(|path| path.contains(&own[..16])).collect();
        kept.extend(self.snapshots(side).await);
        kept
    }

    async fn in_drill(&self, place: &str) -> BTreeMap<String, String> {
        let mut held = self.table(Side::Target, place).await;
        held.retain(|line, _| !FENCE.iter().any(|own| line.strip_prefix("descriptor ").is_some_and(|line| line.starts_with(own))));
        held
    }

    async fn write_in_drill(&self, place: &str, name: &str, content: &str) {
        self.tell(Side::Target, &["put", place, name, "f", content]).await;
    }

    fn place(&self, _: Side, name: &str) -> String {
        format!("{}:{name}", self.namespace)
    }

    async fn restored(&self, side: Side, place: &str) -> BTreeMap<String, String> {
        let mut held = self.table(side, place).await;
        held.retain(|line, _| !FENCE.iter().any(|own| line.strip_prefix("descriptor ").is_some_and(|line| line.starts_with(own))));
        held
    }

    async fn write_restored(&self, side: Side, place: &str, name: &str, content: &str) {
        self.tell(side, &["put", place, name, "f", content]).await;
    }

    async fn ways_out(&self, _: Side) -> Vec<String> {
        let inside = format!("{}:a/../../x", self.namespace);
        vec!["hbase:meta".into(), "default".into(), "orders".into(), inside, format!("{}:.tmp", self.namespace)]
    }
}
