//! The contract's world on two real HDFS clusters, each test in a directory of its own. Made and looked at over plain
//! WebHDFS, not by the component under test.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use understudy::components::Component;
use understudy::components::hdfs::{HOME, Hdfs, HdfsConfig, Limits};
use understudy::domain::Digest;

use super::contract::{Side, World};

/// An ordinary user of the cluster.
pub const APPLICATION: &str = "shop";

pub struct HdfsWorld {
    http: reqwest::Client,
    /// WebHDFS, RPC and superuser of source and target.
    sides: [[String; 3]; 2],
    home: String,
}

impl HdfsWorld {
    /// `None`, said aloud, where there are no clusters.
    pub async fn new() -> Option<HdfsWorld> {
        let told = |name: &str| {
            let key = |key: &str| std::env::var(format!("HADOOP_LAB_{name}_{key}")).ok();
            Some([key("WEBHDFS")?, key("FS")?, key("USER")?])
        };
        let (Some(source), Some(target)) = (told("PRIMARY"), told("SECONDARY")) else {
            println!("skipped: no HDFS (HADOOP_LAB_PRIMARY_WEBHDFS is not set). Run: tests/hadoop/cluster.py up");
            return None;
        };
        // Another test of this process may have installed it.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        let world = HdfsWorld { http, sides: [source, target], home: format!("/contract/{}", uuid::Uuid::now_v7()) };
        for side in [Side::Source, Side::Target] {
            world.put(side, &format!("{}/other/theirs", world.home), &[("op", "MKDIRS")]).await;
        }
        world.put(Side::Source, &world.set(), &[("op", "MKDIRS")]).await;
        world.put(Side::Source, &world.set(), &[("op", "SETOWNER"), ("owner", APPLICATION), ("group", "retail")]).await;
        Some(world)
    }

    /// The directory that is this test's own at both clusters.
    pub fn home(&self) -> &str {
        &self.home
    }

    pub fn side(&self, side: Side) -> &[String; 3] {
        &self.sides[usize::from(side == Side::Target)]
    }

    async fn call(&self, side: Side, user: &str, method: &str, path: &str, query: &[(&str, &str)], body: &str) -> (u16, String) {
        let enc = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let path: String = path.split('/').map(enc).collect::<Vec<_>>().join("/");
        let query: String = query.iter().map(|(key, value)| format!("&{key}={}", enc(value))).collect();
        let url = format!("{}{path}?user.name={user}{query}", self.side(side)[0]);
        let method: reqwest::Method = method.parse().expect("a method");
        let answer = self.http.request(method, url).body(body.to_owned()).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a body"))
    }

    pub async fn put(&self, side: Side, path: &str, query: &[(&str, &str)]) {
        let user = &self.side(side)[2];
        let (status, body) = self.call(side, user, "PUT", path, query, "").await;
        assert!((200..300).contains(&status), "{path} {query:?}: {status} {body}");
    }

    /// Removes what is there with all below.
    pub async fn delete(&self, side: Side, path: &str) {
        let (status, body) = self.call(side, &self.side(side)[2], "DELETE", path, &[("op", "DELETE"), ("recursive", "true")], "").await;
        assert!(status == 200 && body.contains("true"), "{path}: {status} {body}");
    }

    pub async fn drop_snapshot(&self, side: Side, path: &str, name: &str) {
        let query = [("op", "DELETESNAPSHOT"), ("snapshotname", name)];
        let (status, body) = self.call(side, &self.side(side)[2], "DELETE", path, &query, "").await;
        assert_eq!(status, 200, "{path}: {body}");
    }

    pub async fn json(&self, side: Side, path: &str, op: &str) -> Value {
        let (status, body) = self.call(side, &self.side(side)[2], "GET", path, &[("op", op)], "").await;
        if status == 404 { Value::Null } else { serde_json::from_str(&body).expect("JSON") }
    }

    pub async fn create(&self, side: Side, user: &str, path: &str, content: &str) -> Result<(), String> {
        let query = [("op", "CREATE"), ("overwrite", "true")];
        match self.call(side, user, "PUT", path, &query, content).await {
            (200..300, _) => Ok(()),
            (_, body) => Err(body),
        }
    }

    /// The path of a place, which a drill tells with its file system.
    fn path_of(&self, place: &str) -> String {
        place.strip_prefix(self.side(Side::Target)[1].trim_end_matches('/')).expect("on the secondary's file system").to_owned()
    }

    fn item(&self, name: &str) -> String {
        match name {
            "a" | "b" => format!("{}/発票 %41+/{name}", self.set()),
            "d" | "e" => format!("{}/deep/er/{name}", self.set()),
            name => format!("{}/{name}", self.set()),
        }
    }

    /// Every entry below a directory, with metadata and content.
    pub async fn tree(&self, side: Side, root: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut waiting = vec![root.to_owned()];
        while let Some(directory) = waiting.pop() {
            let listed = self.json(side, &directory, "LISTSTATUS").await;
            for status in listed["FileStatuses"]["FileStatus"].as_array().cloned().unwrap_or_default() {
                let path = format!("{directory}/{}", status["pathSuffix"].as_str().expect("a name"));
                let keys = ["type", "length", "owner", "group", "permission", "modificationTime", "replication"];
                let mut words: Vec<String> = keys.iter().map(|key| status[*key].to_string()).collect();
                if status["type"] == "DIRECTORY" {
                    waiting.push(path.clone());
                } else {
                    words.push(self.call(side, &self.side(side)[2], "GET", &path, &[("op", "OPEN")], "").await.1);
                }
                found.insert(path, words.join(" "));
            }
        }
        found
    }
}

#[async_trait]
impl World for HdfsWorld {
    fn open(&self, side: Side) -> Arc<dyn Component> {
        let [webhdfs, fs, user] = self.side(side).clone();
        let name = "hdfs".parse().expect("a name");
        let config = HdfsConfig { name, fs: Some(fs), conf: None, webhdfs: vec![webhdfs], user, limits: Limits::default() };
        Arc::new(Hdfs::new(&config).expect("a component"))
    }

    fn set(&self) -> String {
        format!("{}/data set", self.home)
    }

    async fn write(&self, side: Side, name: &str, content: &str) {
        self.create(side, &self.side(side)[2], &self.item(name), content).await.expect("written");
    }

    async fn write_as_application(&self, side: Side, name: &str, content: &str) -> Result<(), String> {
        self.create(side, APPLICATION, &format!("{}/{name}", self.set()), content).await
    }

    async fn remove(&self, side: Side, name: &str) {
        let query = [("op", "DELETE")];
        assert!(self.call(side, &self.side(side)[2], "DELETE", &self.item(name), &query, "").await.1.contains("true"));
    }

    async fn rename(&self, side: Side, from: &str, to: &str) {
        let to = self.item(to);
        self.put(side, &self.item(from), &[("op", "RENAME"), ("destination", &to), ("renameoptions", "OVERWRITE")]).await;
    }

    async fn relabel(&self, side: Side, name: &str) -> bool {
        self.put(side, &self.item(name), &[("op", "SETPERMISSION"), ("permission", "1604")]).await;
        true
    }

    async fn live(&self, side: Side) -> BTreeMap<String, String> {
        self.tree(side, &self.set()).await
    }

    async fn exact(&self, side: Side) -> BTreeMap<String, String> {
        let mut live = self.live(side).await;
        let root = self.json(side, &self.set(), "GETFILESTATUS").await;
        let rights = ["owner", "group", "permission"].map(|key| root["FileStatus"][key].to_string());
        live.insert(String::new(), rights.join(" "));
        live
    }

    async fn outside(&self, side: Side) -> BTreeMap<String, String> {
        let mut all = self.tree(side, &self.home).await;
        all.retain(|path, _| !path.starts_with(&self.set()));
        all
    }

    async fn kept(&self, side: Side) -> Vec<String> {
        let own = Digest::of_bytes(self.set().as_bytes()).to_string();
        self.tree(side, HOME).await.into_keys().filter(|path| path.contains(&own[..16]) && path.contains('.')).collect()
    }

    async fn in_drill(&self, place: &str) -> BTreeMap<String, String> {
        let place = self.path_of(place);
        let held = self.tree(Side::Target, &place).await;
        held.into_iter().map(|(path, what)| (path.replacen(&place, &self.set(), 1), what)).collect()
    }

    async fn write_in_drill(&self, place: &str, name: &str, content: &str) {
        let path = self.item(name).replacen(&self.set(), &self.path_of(place), 1);
        self.create(Side::Target, &self.side(Side::Target)[2], &path, content).await.expect("written");
    }

    fn place(&self, _: Side, name: &str) -> String {
        format!("{}/other/{name}", self.home)
    }

    async fn restored(&self, side: Side, place: &str) -> BTreeMap<String, String> {
        self.tree(side, place).await.into_iter().map(|(path, what)| (path.replacen(place, &self.set(), 1), what)).collect()
    }

    async fn write_restored(&self, side: Side, place: &str, name: &str, content: &str) {
        let path = self.item(name).replacen(&self.set(), place, 1);
        self.create(side, &self.side(side)[2], &path, content).await.expect("written");
    }

    async fn ways_out(&self, _: Side) -> Vec<String> {
        let inside = format!("{}/.snapshot/x", self.set());
        vec!["/".into(), HOME.into(), format!("{HOME}/staging"), inside, "/.reserved/raw/contract".into(), "relative".into()]
    }
}
