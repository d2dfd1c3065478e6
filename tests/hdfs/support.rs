//! What the tests on real HDFS share: the two clusters, a plain WebHDFS client of their own to make and to compare
//! trees (so that nothing is checked by the code under test), and one backup run made of the component's own calls.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::StreamExt;
use futures_util::stream::{self, TryStreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use understudy::components::hdfs::{Hdfs, HdfsConfig, Limits};
use understudy::components::{Component, PhaseJournal, Slot};
use understudy::domain::backup::plan::{fold, plan_apply};
use understudy::domain::{Change, ChangeSet, Digest, Manifest, Node, PointId, Trouble, piece_count};

/// One of the two clusters, as `tests/hadoop/cluster.py env` tells it.
pub struct Cluster {
    pub name: &'static str,
    pub webhdfs: String,
    pub fs: String,
    pub user: String,
    http: reqwest::Client,
}

/// Tests that break daemons hold it alone.
static DISTURBED: RwLock<()> = RwLock::const_new(());

/// Both clusters, undisturbed as long as the guard lives; `None`, said aloud, where there are none.
pub async fn clusters(test: &str) -> Option<(Cluster, Cluster, RwLockReadGuard<'static, ()>)> {
    let (primary, secondary) = found(test)?;
    Some((primary, secondary, DISTURBED.read().await))
}

/// The same for a test that breaks them.
pub async fn clusters_to_break(test: &str) -> Option<(Cluster, Cluster, RwLockWriteGuard<'static, ()>)> {
    let (primary, secondary) = found(test)?;
    Some((primary, secondary, DISTURBED.write().await))
}

fn found(test: &str) -> Option<(Cluster, Cluster)> {
    // Another test of this process may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    match (cluster("primary"), cluster("secondary")) {
        (Some(primary), Some(secondary)) => Some((primary, secondary)),
        _ => {
            println!(
                "{test}: skipped: no HDFS (HADOOP_LAB_PRIMARY_WEBHDFS is not set). Run: tests/hadoop/cluster.py up; eval \"$(tests/hadoop/cluster.py env)\""
            );
            None
        }
    }
}

fn cluster(name: &'static str) -> Option<Cluster> {
    let told = |key: &str| std::env::var(format!("HADOOP_LAB_{}_{key}", name.to_uppercase())).ok();
    let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    Some(Cluster { name, webhdfs: told("WEBHDFS")?, fs: told("FS")?, user: told("USER")?, http })
}

impl Cluster {
    /// The component under test, beside this cluster.
    pub fn component(&self, limits: Limits) -> Hdfs {
        let config = HdfsConfig {
            name: "hdfs".parse().expect("a name"),
            fs: Some(self.fs.clone()),
            conf: None,
            webhdfs: vec![self.webhdfs.clone()],
            user: self.user.clone(),
            limits,
        };
        Hdfs::new(&config).expect("a component")
    }

    /// A plain WebHDFS call that must succeed.
    pub async fn call(&self, method: &str, path: &str, query: &[(&str, &str)]) -> Vec<u8> {
        let (status, body) = self.try_call(&self.user, method, path, query).await;
        assert!((200..300).contains(&status), "{method} {path} {query:?}: HTTP {status} {}", String::from_utf8_lossy(&body));
        body
    }

    /// One as any user; HTTP status and body.
    pub async fn try_call(&self, user: &str, method: &str, path: &str, query: &[(&str, &str)]) -> (u16, Vec<u8>) {
        let enc = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let path: String = path.split('/').map(enc).collect::<Vec<_>>().join("/");
        let query: String = query.iter().map(|(key, value)| format!("&{key}={}", enc(value))).collect();
        let method: reqwest::Method = method.parse().expect("a method");
        let answer = self.http.request(method, format!("{}{path}?user.name={user}{query}", self.webhdfs)).send().await.expect("an answer");
        (answer.status().as_u16(), answer.bytes().await.expect("a body").to_vec())
    }

    /// Starts its NameNode again with these settings beside its own; with none: as it was.
    pub async fn with_settings(&self, settings: &[&str]) {
        let told = std::env::var("HADOOP_LAB_SET").expect("HADOOP_LAB_SET names the command that changes settings");
        let mut words = told.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        words.extend([self.name].iter().chain(settings).map(|word| (*word).to_owned()));
        let status = tokio::process::Command::new(&words[0]).args(&words[1..]).status().await.expect("the launcher runs");
        assert!(status.success(), "{words:?}");
    }

    pub async fn put(&self, path: &str, query: &[(&str, &str)]) {
        self.call("PUT", path, query).await;
    }

    pub async fn rename(&self, from: &str, to: &str) {
        self.put(from, &[("op", "RENAME"), ("destination", to), ("renameoptions", "NONE")]).await;
    }

    pub async fn delete(&self, path: &str) {
        self.call("DELETE", path, &[("op", "DELETE"), ("recursive", "true")]).await;
    }

    fn native(&self) -> hdfs_native::Client {
        hdfs_native::ClientBuilder::new().with_url(&self.fs).with_user(&self.user).build().expect("a client")
    }

    /// Writes many files at once; each replaces what is there.
    pub async fn write(&self, files: Vec<(String, Vec<u8>)>) {
        let client = self.native();
        stream::iter(files)
            .for_each_concurrent(64, |(path, content)| {
                let client = client.clone();
                async move {
                    let options = hdfs_native::WriteOptions::default().overwrite(true);
                    let mut writer = client.create(&path, options).await.expect("a new file");
                    writer.write_bytes(content.into()).await.expect("written");
                    writer.close().await.expect("closed");
                }
            })
            .await;
    }

    pub async fn append(&self, path: &str, content: Vec<u8>) {
        let mut writer = self.native().append(path).await.expect("an append");
        writer.write_bytes(content.into()).await.expect("written");
        writer.close().await.expect("closed");
    }

    async fn json(&self, path: &str, op: &str) -> Value {
        serde_json::from_slice(&self.call("GET", path, &[("op", op), ("encoding", "hex")]).await).expect("JSON")
    }

    /// Every entry below a path with all that must arrive: kind, length, rights, times, replication, ACL, attributes, content hash.
    pub async fn tree(&self, root: &str) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut waiting = vec![String::new()];
        while let Some(below) = waiting.pop() {
            let listed = self.json(&format!("{root}{below}"), "LISTSTATUS").await;
            for status in listed["FileStatuses"]["FileStatus"].as_array().expect("statuses").clone() {
                let path = format!("{below}/{}", status["pathSuffix"].as_str().expect("a name"));
                if status["type"] == "DIRECTORY" {
                    waiting.push(path.clone());
                }
                all.insert(path, status);
            }
        }
        let described = stream::iter(all).map(|(path, status)| async move {
            let words = self.describe(&format!("{root}{path}"), &status).await;
            (path, words)
        });
        described.buffer_unordered(16).collect().await
    }

    async fn describe(&self, path: &str, status: &Value) -> String {
        let mut words: Vec<String> = ["type", "length", "owner", "group", "permission", "modificationTime", "replication"]
            .iter()
            .map(|key| format!("{key}={}", status[*key]))
            .collect();
        if status["aclBit"] == true {
            words.push(format!("acl={}", self.json(path, "GETACLSTATUS").await["AclStatus"]["entries"]));
        }
        let attributes = self.json(path, "GETXATTRS").await;
        let attributes: BTreeMap<&str, &Value> =
            attributes["XAttrs"].as_array().expect("a list").iter().map(|a| (a["name"].as_str().expect("a name"), &a["value"])).collect();
        words.push(format!("xattrs={attributes:?}"));
        if status["type"] == "FILE" {
            words.push(format!("blake3={}", self.content_hash(path).await));
        }
        words.join(" ")
    }

    /// Read by hdfs-native, which the component does not read with.
    async fn content_hash(&self, path: &str) -> String {
        let reader = self.native().read(path).await.unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut hasher = blake3::Hasher::new();
        let mut chunks = Box::pin(reader.read_range_stream(0, reader.file_length()));
        while let Some(chunk) = chunks.try_next().await.expect("bytes") {
            hasher.update(&chunk);
        }
        hasher.finalize().to_string()
    }
}

/// Removes a data set of an earlier run with its snapshots.
pub async fn fresh(cluster: &Cluster, set: &str) {
    let component = cluster.component(Limits::default());
    for own in component.snapshots().await.expect("snapshots").iter().filter(|own| own.path == set) {
        component.release(set, own.point).await.expect("released");
    }
    cluster.delete(set).await;
}

/// A fresh id.
pub fn point() -> PointId {
    PointId(uuid::Uuid::now_v7())
}

/// Phases in memory; breaks off after `stop_after` advances, like a crash.
#[derive(Default)]
pub struct Journal {
    done: Mutex<u32>,
    pub stop_after: Option<u32>,
}

impl PhaseJournal for Journal {
    fn done(&self) -> Result<u32, Trouble> {
        Ok(*self.done.lock().expect("a lock"))
    }
    fn advance(&self, count: u32) -> Result<(), Trouble> {
        if self.stop_after.is_some_and(|stop| count > stop) {
            return Err(Trouble::new(understudy::domain::TroubleKind::Cancelled, "test", "the agent is killed here"));
        }
        *self.done.lock().expect("a lock") = count;
        Ok(())
    }
}

/// What one run left.
pub struct Ran {
    pub point: PointId,
    pub manifest: Manifest,
    pub changes: ChangeSet,
}

impl Ran {
    /// The files that were copied.
    pub fn copied(&self) -> Vec<&str> {
        let files = self.changes.changes.iter().filter_map(|change| match change {
            Change::Put(entry) if entry.is_file() => Some(entry.path.as_str()),
            _ => None,
        });
        files.collect()
    }
}

/// One run: capture, changes, staging read back and hashed, apply, seal. `crash` breaks the apply off after each phase first.
pub async fn run(from: &Hdfs, from_set: &str, to: &Hdfs, to_set: &str, base: Option<&Ran>, crash: bool) -> Ran {
    let point = point();
    assert_eq!(from.arm(from_set).await.expect("armed"), []);
    let expected = base.map(|ran| (ran.point, &ran.manifest));
    assert_eq!(to.drift(to_set, expected).await.expect("no refusal"), Vec::<String>::new(), "the target drifted");
    let fence = to.fence(to_set).await.expect("fenced");
    assert!(fence.contains("0700") && fence.contains("superuser"), "{fence}");

    let capture = from.capture(from_set, point).await.expect("captured");
    assert!(capture.lo <= capture.hi && capture.server_time.is_some());
    let mut changes = from.changes(from_set, point, base.map(|ran| ran.point)).await.expect("changes");
    transfer(from, from_set, to, to_set, point, &mut changes).await;
    to.sync_staging(to_set, point).await.expect("synced");

    let before = base.map(|ran| ran.manifest.clone()).unwrap_or_default();
    let manifest = fold(&before, &changes).expect("it fits the base");
    let plan = plan_apply(&before, &changes).expect("a plan");
    to.keep_record(to_set, point, r#"{"point":1}"#).await.expect("kept");
    if crash {
        // Every phase is done once without being noted, and so done again.
        for stop in 0..4 {
            let journal = Journal { stop_after: Some(stop), done: Mutex::new(stop) };
            to.apply(to_set, point, &plan, &manifest, &journal).await.expect_err("the crash");
        }
    }
    to.apply(to_set, point, &plan, &manifest, &Journal { done: Mutex::new(if crash { 3 } else { 0 }), stop_after: None })
        .await
        .expect("applied");
    to.seal(to_set, point, &manifest).await.expect("sealed");
    to.seal(to_set, point, &manifest).await.expect("sealed again");
    assert_eq!(to.drift(to_set, Some((point, &manifest))).await.expect("no refusal"), Vec::<String>::new());
    Ran { point, manifest, changes }
}

/// Moves every new file's bytes into staging and reads them back; digests go into the changes.
async fn transfer(from: &Hdfs, from_set: &str, to: &Hdfs, to_set: &str, point: PointId, changes: &mut ChangeSet) {
    let files: Vec<_> = changes
        .changes
        .iter()
        .enumerate()
        .filter_map(|(index, change)| match change {
            Change::Put(entry) if entry.is_file() => Some((index, entry.clone())),
            _ => None,
        })
        .collect();
    let digests: Vec<(usize, Digest)> = stream::iter(files)
        .map(|(index, entry)| async move {
            let mut pieces = Vec::new();
            for piece in 0..piece_count(entry.bytes()) {
                let slot = Slot { file: u32::try_from(index).expect("few files"), piece };
                let bytes = from.read(from_set, point, &entry, piece).await.expect("read");
                let written = to.stage(to_set, point, slot, &entry, bytes).await.expect("staged");
                let mut back = to.read_staged(to_set, point, slot, &entry).await.expect("read back");
                let mut hasher = blake3::Hasher::new();
                while let Some(chunk) = back.try_next().await.expect("bytes") {
                    hasher.update(&chunk);
                }
                assert_eq!(written, Digest(*hasher.finalize().as_bytes()), "{}", entry.path);
                pieces.push(written);
            }
            (index, Digest::of_pieces(&pieces))
        })
        .buffer_unordered(96)
        .collect()
        .await;
    for (index, of) in digests {
        if let Change::Put(entry) = &mut changes.changes[index]
            && let Node::File { digest, .. } = &mut entry.node
        {
            *digest = Some(of);
        }
    }
}

/// Fails with the first differences, not with two whole trees.
pub fn assert_same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    let paths: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let wrong: Vec<String> = paths
        .into_iter()
        .filter(|path| one.get(*path) != other.get(*path))
        .map(|path| format!("{path:?}\n  source {:?}\n  target {:?}", one.get(path), other.get(path)))
        .collect();
    assert!(wrong.is_empty(), "{} of {} entries differ:\n{}", wrong.len(), one.len(), wrong[..wrong.len().min(5)].join("\n"));
}
