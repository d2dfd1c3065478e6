//! The contract's world on two real Hive metastores, each test in a database of its own: items are partitions with a file each.
//! Made and looked at by Apache's own client and plain WebHDFS.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use understudy::components::Component;
use understudy::components::hdfs::{HOME, HdfsConfig, Limits};
use understudy::components::hive::{Hive, HiveConfig, MetastoreLimits};
use understudy::domain::Digest;

use super::contract::{Side, World};
use super::hdfs_world::{APPLICATION, HdfsWorld};
use super::hive_judge::{hive, try_hive};

pub struct HiveWorld {
    pub hdfs: HdfsWorld,
    /// `thrift://…` of source and target.
    metastores: [String; 2],
    /// The data set; its neighbour is `o…`.
    pub database: String,
    stores: tempfile::TempDir,
    _undisturbed: Undisturbed,
}

/// Tests that break metastores hold it alone.
static DISTURBED: RwLock<()> = RwLock::const_new(());

enum Undisturbed {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

impl HiveWorld {
    /// Two metastores and a new database's name, nothing made yet; `None`, said aloud, where there are no metastores.
    pub async fn bare() -> Option<HiveWorld> {
        HiveWorld::under(Undisturbed::Shared { _guard: DISTURBED.read().await }).await
    }

    /// The contract's world for a test that breaks metastores: no other test of this program runs meanwhile.
    pub async fn alone() -> Option<HiveWorld> {
        Some(HiveWorld::under(Undisturbed::Alone { _guard: DISTURBED.write().await }).await?.filled().await)
    }

    async fn under(undisturbed: Undisturbed) -> Option<HiveWorld> {
        let told = |name: &str| std::env::var(format!("HADOOP_LAB_{name}_METASTORE")).ok();
        let (Some(source), Some(target)) = (told("PRIMARY"), told("SECONDARY")) else {
            println!("skipped: no Hive (HADOOP_LAB_PRIMARY_METASTORE is not set). Run: tests/hadoop/cluster.py up --with hive");
            return None;
        };
        let database = format!("c{}", uuid::Uuid::now_v7().simple());
        Some(HiveWorld {
            hdfs: HdfsWorld::new().await?,
            metastores: [source, target],
            database,
            stores: tempfile::tempdir().expect("a folder"),
            _undisturbed: undisturbed,
        })
    }

    pub async fn new() -> Option<HiveWorld> {
        Some(HiveWorld::bare().await?.filled().await)
    }

    /// With the data set, its table and a neighbour on both sides.
    async fn filled(self) -> HiveWorld {
        for side in [Side::Source, Side::Target] {
            hive(side, &["create-database", &self.other(), ""]);
            hive(side, &["create-items", &self.other(), "theirs"]);
        }
        hive(Side::Source, &["create-database", &self.database, ""]);
        hive(Side::Source, &["create-items", &self.database, "items"]);
        for path in [self.directory(), self.items()] {
            self.hdfs.put(Side::Source, &path, &[("op", "SETOWNER"), ("owner", APPLICATION), ("group", "retail")]).await;
        }
        self
    }

    /// The component of one side, opened afresh.
    pub fn component(&self, side: Side) -> Hive {
        let [webhdfs, fs, user] = self.hdfs.side(side).clone();
        let name: understudy::domain::ComponentName = "hive".parse().expect("a name");
        let hdfs = HdfsConfig { name: name.clone(), fs: None, conf: None, webhdfs: vec![webhdfs], user, limits: Limits::default() };
        let metastore = vec![self.metastores[usize::from(side == Side::Target)].clone()];
        let (warehouse, store) = (format!("{fs}/warehouse"), self.store(side));
        Hive::new(&HiveConfig { name, metastore, warehouse, store, limits: MetastoreLimits::default(), hdfs }).expect("a component")
    }

    fn store(&self, side: Side) -> std::path::PathBuf {
        self.stores.path().join(format!("{side:?}"))
    }

    fn other(&self) -> String {
        format!("o{}", self.database)
    }

    /// The database's directory.
    pub fn directory(&self) -> String {
        format!("/warehouse/{}.db", self.database)
    }

    fn items(&self) -> String {
        format!("{}/items", self.directory())
    }

    /// An item's partition value, and the directory that Hive makes of it.
    fn value(&self, name: &str) -> (String, String) {
        match name {
            "a" | "b" => (format!("{name} 票/%"), format!("{}/name={name} 票%2F%25", self.items())),
            name => (name.to_owned(), format!("{}/name={name}", self.items())),
        }
    }

    /// Everything that Apache's client tells of a database, the file system's own name aside.
    pub fn told(&self, side: Side, database: &str) -> BTreeMap<String, String> {
        let fs = &self.hdfs.side(side)[1];
        serde_json::from_str(&hive(side, &["describe", database, fs, "FS"])).expect("JSON")
    }

    /// The same of a drill's database, in production's words: its space, its name and those of its constraints.
    pub fn told_in_drill(&self, place: &str) -> BTreeMap<String, String> {
        let fs = &self.hdfs.side(Side::Target)[1];
        let space = format!("{fs}{}", drill_space(place));
        let constraint = &place[.."understudy_drill_".len() + 33];
        let words = ["describe", place, &space, "FS", fs, "FS", place, &self.database, constraint, ""];
        serde_json::from_str(&hive(Side::Target, &words)).expect("JSON")
    }
}

/// Where a drill's database has its files, as the database's name tells.
pub fn drill_space(database: &str) -> String {
    let id = database.strip_prefix("understudy_drill_").and_then(|rest| rest.get(..32)).expect("a drill's database");
    format!("{HOME}/drills/{}/hive", id.parse::<uuid::Uuid>().expect("its id"))
}

/// All files below a folder but the names of data sets.
fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() != "name" {
                found.push(entry.path().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[async_trait]
impl World for HiveWorld {
    fn open(&self, side: Side) -> Arc<dyn Component> {
        Arc::new(self.component(side))
    }

    fn set(&self) -> String {
        self.database.clone()
    }

    async fn write(&self, side: Side, name: &str, content: &str) {
        let (value, directory) = self.value(name);
        self.hdfs.create(side, &self.hdfs.side(side)[2], &format!("{directory}/data"), content).await.expect("written");
        let partition = directory.rsplit('/').next().expect("a name");
        if hive(side, &["has-partition", &self.database, "items", partition]) == "false" {
            hive(side, &["add-partition", &self.database, "items", "", &value]);
        }
    }

    async fn write_as_application(&self, side: Side, name: &str, content: &str) -> Result<(), String> {
        self.hdfs.create(side, APPLICATION, &format!("{}/{name}", self.items()), content).await?;
        // Through the metastore too: a table of its own.
        try_hive(side, &["create-table-as", APPLICATION, &self.database, &format!("made_{name}")]).map(|_| ())
    }

    async fn remove(&self, side: Side, name: &str) {
        hive(side, &["drop-partition", &self.database, "items", &self.value(name).0]);
    }

    async fn rename(&self, side: Side, from: &str, to: &str) {
        let (to, directory) = self.value(to);
        if hive(side, &["has-partition", &self.database, "items", directory.rsplit('/').next().expect("a name")]) == "true" {
            hive(side, &["drop-partition", &self.database, "items", &to]);
        }
        hive(side, &["rename-partition", &self.database, "items", &self.value(from).0, &to]);
    }

    async fn relabel(&self, side: Side, name: &str) -> bool {
        hive(side, &["set-partition-parameter", &self.database, "items", "label", "other", &self.value(name).0]);
        true
    }

    async fn live(&self, side: Side) -> BTreeMap<String, String> {
        let mut live = self.hdfs.tree(side, &self.directory()).await;
        live.extend(self.told(side, &self.database));
        live
    }

    async fn exact(&self, side: Side) -> BTreeMap<String, String> {
        let mut live = self.live(side).await;
        let root = self.hdfs.json(side, &self.directory(), "GETFILESTATUS").await;
        let rights = ["owner", "group", "permission"].map(|key| root["FileStatus"][key].to_string());
        live.insert(String::new(), rights.join(" "));
        live
    }

    async fn outside(&self, side: Side) -> BTreeMap<String, String> {
        let mut outside = self.hdfs.tree(side, &format!("/warehouse/{}.db", self.other())).await;
        outside.extend(self.told(side, &self.other()));
        outside
    }

    async fn kept(&self, side: Side) -> Vec<String> {
        let own = Digest::of_bytes(format!("hive:{}", self.database).as_bytes()).to_string();
        let staged = self.hdfs.tree(side, HOME).await.into_keys().filter(|path| path.contains(&own[..16]) && path.contains('.'));
        files_below(&self.store(side)).into_iter().chain(staged).collect()
    }

    async fn in_drill(&self, place: &str) -> BTreeMap<String, String> {
        let space = drill_space(place);
        let mut held = self.hdfs.tree(Side::Target, &format!("{space}{}", self.directory())).await;
        held = held.into_iter().map(|(path, what)| (path.replacen(&space, "", 1), what)).collect();
        held.extend(self.told_in_drill(place));
        held
    }

    async fn write_in_drill(&self, place: &str, name: &str, content: &str) {
        let (value, directory) = self.value(name);
        let path = format!("{}{directory}/data", drill_space(place));
        self.hdfs.create(Side::Target, &self.hdfs.side(Side::Target)[2], &path, content).await.expect("written");
        let partition = directory.rsplit('/').next().expect("a name");
        if hive(Side::Target, &["has-partition", place, "items", partition]) == "false" {
            hive(Side::Target, &["add-partition", place, "items", "", &value]);
        }
    }

    fn place(&self, _: Side, name: &str) -> String {
        format!("{}_{name}", self.database)
    }

    async fn restored(&self, side: Side, place: &str) -> BTreeMap<String, String> {
        let (own, fs) = (format!("/warehouse/{place}.db"), &self.hdfs.side(side)[1]);
        let mut held = self.hdfs.tree(side, &own).await;
        held = held.into_iter().map(|(path, what)| (path.replacen(&own, &self.directory(), 1), what)).collect();
        let words = ["describe", place, fs, "FS", &own, &self.directory(), place, &self.database];
        let told: BTreeMap<String, String> = serde_json::from_str(&hive(side, &words)).expect("JSON");
        held.extend(told);
        held
    }

    async fn write_restored(&self, side: Side, place: &str, name: &str, content: &str) {
        let (value, directory) = self.value(name);
        let path = format!("{}/data", directory.replacen(&self.directory(), &format!("/warehouse/{place}.db"), 1));
        self.hdfs.create(side, &self.hdfs.side(side)[2], &path, content).await.expect("written");
        let partition = directory.rsplit('/').next().expect("a name");
        if hive(side, &["has-partition", place, "items", partition]) == "false" {
            hive(side, &["add-partition", place, "items", "", &value]);
        }
    }

    async fn ways_out(&self, _: Side) -> Vec<String> {
        let missing = format!("{}.nosuch", self.database);
        vec!["nosuch".into(), missing, format!("{}.items.x", self.database), "/warehouse/x.db".into(), "a*".into()]
    }
}
