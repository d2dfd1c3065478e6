//! Trees on a real HDFS: made, changed and listed with its own client, apart from the code under test.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use hdfs_native::acl::AclEntry;
use hdfs_native::{Client, ClientBuilder, WriteOptions};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// Path → permission, owner, group, modification time, length, replication, ACL and extended attributes, BLAKE3 of the content.
pub type Listing = BTreeMap<String, (u16, String, String, u64, usize, Option<u32>, String, String)>;

/// A cluster that the launcher started.
pub struct Cluster {
    /// `hdfs://host:port`.
    pub fs: String,
    /// `http://host:port` of its NameNode.
    pub webhdfs: String,
    /// Its Hadoop configuration directory.
    pub conf: String,
    /// Its superuser.
    pub user: String,
}

impl Cluster {
    /// `PRIMARY` or `SECONDARY`, as `tests/hadoop` and the like export them.
    pub fn from_environment(side: &str) -> Option<Cluster> {
        let value = |key: &str| std::env::var(format!("HADOOP_LAB_{side}_{key}")).ok();
        let webhdfs = value("WEBHDFS")?.trim_end_matches("/webhdfs/v1").to_owned();
        Some(Cluster { fs: value("FS")?, webhdfs, conf: value("CONF").unwrap_or_default(), user: value("USER")? })
    }

    /// An agent's component of it.
    pub fn component(&self) -> String {
        format!("[[component]]\nkind = \"hdfs\"\nfs = \"{}\"\nwebhdfs = \"{}\"\nuser = \"{}\"\n", self.fs, self.webhdfs, self.user)
    }
}

/// Does something to a daemon: CLUSTER DAEMON WHAT.
pub fn fault(what: &[&str]) {
    let launcher = std::env::var("HADOOP_LAB_FAULT").expect("HADOOP_LAB_FAULT names the command that injects faults");
    let mut words = launcher.split_whitespace();
    let status = std::process::Command::new(words.next().unwrap()).args(words).args(what).status().unwrap();
    assert!(status.success(), "{launcher} {what:?}: {status}");
}

/// A client of the cluster at `fs` that acts as `user`.
pub fn client(fs: &str, user: &str) -> Arc<Client> {
    Arc::new(ClientBuilder::new().with_url(fs).with_user(user).build().expect("an HDFS client"))
}

/// What hdfs-native cannot do: extended attributes, by WebHDFS.
pub struct Web {
    address: String,
    user: String,
    http: reqwest::Client,
}

impl Web {
    /// The NameNode at `address` (`http://host:port`), asked as `user`.
    pub fn new(address: &str, user: &str) -> Web {
        Web { address: address.into(), user: user.into(), http: super::http(std::time::Duration::from_secs(30)) }
    }

    async fn call(&self, method: reqwest::Method, path: &str, query: &str) -> Value {
        let path: Vec<String> = path.split('/').map(|name| utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()).collect();
        let url = format!("{}/webhdfs/v1{}?user.name={}&{query}", self.address, path.join("/"), self.user);
        let answer = self.http.request(method, url).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path:?} {query}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Sets an extended attribute.
    pub async fn set_xattr(&self, path: &str, name: &str, value: &str) {
        let query = format!("op=SETXATTR&xattr.name={name}&xattr.value={value}&flag=CREATE");
        self.call(reqwest::Method::PUT, path, &query).await;
    }

    /// The names in a directory.
    pub async fn names(&self, path: &str) -> Vec<String> {
        let answer = self.call(reqwest::Method::GET, path, "op=LISTSTATUS").await;
        let all = answer["FileStatuses"]["FileStatus"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|status| status["pathSuffix"].as_str().map(str::to_owned)).collect()
    }

    /// Makes a directory snapshottable.
    pub async fn allow_snapshots(&self, path: &str) {
        self.call(reqwest::Method::PUT, path, "op=ALLOWSNAPSHOT").await;
    }

    /// Takes a snapshot.
    pub async fn snapshot(&self, path: &str, name: &str) {
        self.call(reqwest::Method::PUT, path, &format!("op=CREATESNAPSHOT&snapshotname={name}")).await;
    }

    /// Sets a directory's space quota in bytes, or lifts it.
    pub async fn set_space_quota(&self, path: &str, bytes: Option<u64>) {
        let quota = bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap());
        self.call(reqwest::Method::PUT, path, &format!("op=SETQUOTA&namespacequota=9223372036854775807&storagespacequota={quota}")).await;
    }

    async fn xattrs(&self, path: &str) -> BTreeMap<String, String> {
        let answer = self.call(reqwest::Method::GET, path, "op=GETXATTRS&encoding=hex").await;
        let told = answer["XAttrs"].as_array().expect("a list").iter();
        told.map(|one| (one["name"].as_str().unwrap().to_owned(), one["value"].to_string())).collect()
    }
}

/// Files written at once: closing one takes half a second of waiting.
const AT_ONCE: usize = 64;

/// The sizes of the first files; all others are small.
const SIZES: [usize; 8] = [0, 1, 200 << 20, (64 << 20) + 1, 64 << 20, 4096, 10 << 20, 0];

const FOLDERS: [&str; 6] = ["plain", "with space", "per%cent", "quo'te\"", "ünïcødé ☃", "a/b/c"];

/// A folder that only the user `bo` may write into.
pub const BOS_OWN: &str = "bo's own";

/// The path of file `number`, relative to the tree.
pub fn path(number: usize) -> String {
    format!("{}/file {number} %41 ö+&.bin", FOLDERS[number % FOLDERS.len()])
}

/// Bytes that differ for every seed.
pub fn content(seed: usize, bytes: usize) -> Bytes {
    let mut block = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut block);
    block.into()
}

/// Writes one file.
pub async fn write(client: &Client, path: &str, bytes: Bytes) {
    let options = WriteOptions::default().overwrite(true);
    let mut writer = client.create(path, options).await.unwrap();
    writer.write_bytes(bytes).await.unwrap();
    writer.close().await.unwrap();
}

/// A tree of so many files with awkward names, modes, ACLs, extended attributes and sizes from 0 to 200 MiB.
pub async fn make(client: &Arc<Client>, web: &Web, root: &str, files: usize) {
    // A parent gets the mode of what is made below it.
    client.mkdirs(root, 0o755, true).await.unwrap();
    client.mkdirs(&format!("{root}/empty"), 0o750, true).await.unwrap();
    client.mkdirs(&format!("{root}/{BOS_OWN}"), 0o750, true).await.unwrap();
    client.set_owner(&format!("{root}/{BOS_OWN}"), Some("bo"), Some("retail")).await.unwrap();
    futures_util::stream::iter(0..files)
        .for_each_concurrent(AT_ONCE, |number| async move {
            let path = format!("{root}/{}", path(number));
            let bytes = SIZES.get(number).copied().unwrap_or(number % 5_000);
            write(client, &path, content(number, bytes)).await;
            if number % 3 == 0 {
                client.set_permission(&path, [0o600, 0o640, 0o755][number / 3 % 3]).await.unwrap();
            }
            if number % 50 == 0 {
                client.modify_acl_entries(&path, vec![AclEntry::new("user", "access", "r-x", Some("ana".into()))]).await.unwrap();
            }
            if number % 70 == 0 {
                client.set_owner(&path, Some("bo"), Some("retail")).await.unwrap();
            }
            if number % 90 == 0 {
                web.set_xattr(&path, "user.origin", "%22till%20%E2%98%83%22").await;
            }
            if number % 110 == 0 {
                client.set_replication(&path, 2).await.unwrap();
            }
        })
        .await;
    client
        .modify_acl_entries(&format!("{root}/plain"), vec![AclEntry::new("group", "default", "r--", Some("audit".into()))])
        .await
        .unwrap();
}

/// Everything below `root`. The root's own metadata is the fence's business and is left out.
pub async fn listing(client: &Arc<Client>, web: &Web, root: &str) -> Listing {
    let statuses = client.list_status(root, true).await.unwrap();
    futures_util::stream::iter(statuses)
        .map(|status| async move {
            let acl = client.get_acl_status(&status.path).await.unwrap();
            let mut acl: Vec<String> = acl.entries.iter().map(|entry| format!("{entry:?}")).collect();
            acl.sort();
            acl.push(format!("{:?}", web.xattrs(&status.path).await));
            let hash = if status.isdir { String::new() } else { hash(client, &status.path, status.length).await };
            let name = status.path.strip_prefix(root).unwrap().to_owned();
            let replication = status.replication.filter(|_| !status.isdir);
            let facts =
                (status.permission, status.owner, status.group, status.modification_time, status.length, replication, acl.join(","), hash);
            (name, facts)
        })
        .buffer_unordered(32)
        .collect()
        .await
}

async fn hash(client: &Client, path: &str, length: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    if length > 0 {
        let reader = client.read(path).await.unwrap();
        let mut bytes = std::pin::pin!(reader.read_range_stream(0, length));
        while let Some(piece) = bytes.next().await {
            hasher.update(&piece.unwrap());
        }
    }
    hasher.finalize().to_string()
}

/// Where two trees differ, at most ten lines.
pub fn differences(one: &Listing, other: &Listing) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name))
        .take(10)
        .map(|name| format!("{name}: {:?} / {:?}", one.get(name), other.get(name)))
        .collect()
}
