//! The promises that every component keeps, on real storage: a directory tree, a SQLite database, two HDFS clusters, two HBase
//! clusters and two Hive metastores where there are any.
#![cfg(feature = "agent")]

#[allow(unused)]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use support::contract::{Side, World};
use support::hbase_world::HbaseWorld;
use support::hdfs_world::HdfsWorld;
use support::hive_world::HiveWorld;
use understudy::components::Component;
use understudy::components::files::{Files, Privilege, make_removable};
use understudy::components::tables::Tables;

component_contract!(files, FilesWorld::new());
component_contract!(tables, TablesWorld::new());
component_contract!(hdfs, HdfsWorld::new().await);
component_contract!(hbase, HbaseWorld::new().await);
component_contract!(hive, HiveWorld::new().await);

fn side_name(side: Side) -> &'static str {
    match side {
        Side::Source => "source",
        Side::Target => "target",
    }
}

/// All files below a folder but the names of data sets and the marks of pinned content.
fn kept_below(folder: &Path) -> Vec<String> {
    let mut kept = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() != "name" && entry.file_name() != "fence.json" {
                kept.push(entry.path().display().to_string());
            }
        }
    }
    kept.sort();
    kept
}

// ---- files ----

struct FilesWorld {
    dir: tempfile::TempDir,
}

impl FilesWorld {
    fn new() -> Option<FilesWorld> {
        let world = FilesWorld { dir: tempfile::tempdir().expect("a folder") };
        for side in [Side::Source, Side::Target] {
            fs::create_dir_all(world.root(side).join("other")).expect("made");
            fs::write(world.root(side).join("other/file"), "somebody's").expect("written");
        }
        fs::create_dir(world.data(Side::Source)).expect("made");
        fs::set_permissions(world.data(Side::Source), fs::Permissions::from_mode(0o2775)).expect("set");
        Some(world)
    }

    fn root(&self, side: Side) -> PathBuf {
        self.dir.path().join(side_name(side)).join("root")
    }

    fn store(&self, side: Side) -> PathBuf {
        self.dir.path().join(side_name(side)).join("store")
    }

    fn data(&self, side: Side) -> PathBuf {
        self.root(side).join("data set")
    }

    /// Items alternate between the root and directories below it.
    fn place(&self, side: Side, name: &str) -> PathBuf {
        match name {
            "a" | "b" => self.data(side).join("発票 %41").join(name),
            "d" | "e" => self.data(side).join("deep/er").join(name),
            name => self.data(side).join(name),
        }
    }
}

impl Drop for FilesWorld {
    fn drop(&mut self) {
        make_removable(self.dir.path()).expect("removable");
    }
}

fn describe(path: &Path, content: bool) -> String {
    let found = fs::symlink_metadata(path).expect("there");
    let what = if found.is_dir() {
        "directory".to_owned()
    } else if found.is_symlink() {
        format!("link to {}", fs::read_link(path).expect("a link").display())
    } else if content {
        format!("{:?}", fs::read_to_string(path).expect("text"))
    } else {
        "file".to_owned()
    };
    format!("{what} {:o} {}:{} {}.{:09}", found.mode(), found.uid(), found.gid(), found.mtime(), found.mtime_nsec())
}

fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|sort| sort.is_dir()) {
                folders.push(path.clone());
            }
            found.insert(path.strip_prefix(root).expect("below").display().to_string(), describe(&path, true));
        }
    }
    found
}

#[async_trait]
impl World for FilesWorld {
    fn open(&self, side: Side) -> Arc<dyn Component> {
        let files = Files::new("files".parse().expect("a name"), self.root(side), self.store(side)).expect("opened");
        // One of its files is setuid for a while.
        Arc::new(files.allowing(support::as_root().into_iter().chain([Privilege::Setid])))
    }

    fn set(&self) -> String {
        "data set".into()
    }

    async fn write(&self, side: Side, name: &str, content: &str) {
        let place = self.place(side, name);
        fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        fs::write(&place, content).expect("written");
        if name == "e" {
            drop(fs::remove_file(self.data(side).join("link")));
            symlink("/nowhere/at all", self.data(side).join("link")).expect("linked");
            fs::create_dir_all(self.data(side).join("empty")).expect("made");
        }
    }

    async fn write_as_application(&self, side: Side, name: &str, content: &str) -> Result<(), String> {
        fs::write(self.data(side).join(name), content).map_err(|e| e.to_string())
    }

    async fn remove(&self, side: Side, name: &str) {
        fs::remove_file(self.place(side, name)).expect("removed");
    }

    async fn rename(&self, side: Side, from: &str, to: &str) {
        fs::rename(self.place(side, from), self.place(side, to)).expect("renamed");
    }

    async fn relabel(&self, side: Side, name: &str) -> bool {
        let place = self.place(side, name);
        let mode = fs::metadata(&place).expect("there").mode() & 0o7777;
        fs::set_permissions(&place, fs::Permissions::from_mode(mode ^ 0o4040)).expect("set");
        true
    }

    async fn live(&self, side: Side) -> BTreeMap<String, String> {
        let sort = |line: String| match line.strip_prefix("directory") {
            Some(rest) => format!("directory {}", rest.rsplit(' ').next().unwrap_or_default()),
            None => line,
        };
        self.exact(side).await.into_iter().map(|(path, line)| (path, sort(line))).collect()
    }

    async fn exact(&self, side: Side) -> BTreeMap<String, String> {
        let mut live = tree(&self.data(side));
        if !live.is_empty() {
            live.insert(String::new(), describe(&self.data(side), false));
        }
        live
    }

    async fn outside(&self, side: Side) -> BTreeMap<String, String> {
        let all = tree(&self.root(side));
        let outside = all.into_iter().filter(|(path, _)| !path.starts_with("data set"));
        outside.collect()
    }

    async fn kept(&self, side: Side) -> Vec<String> {
        kept_below(&self.store(side))
    }

    async fn in_drill(&self, place: &str) -> BTreeMap<String, String> {
        let sort = |line: String| match line.strip_prefix("directory") {
            Some(rest) => format!("directory {}", rest.rsplit(' ').next().unwrap_or_default()),
            None => line,
        };
        let mut all = tree(Path::new(place));
        all.insert(String::new(), describe(Path::new(place), false));
        all.into_iter().map(|(path, line)| (path, sort(line))).collect()
    }

    async fn write_in_drill(&self, place: &str, name: &str, content: &str) {
        let place = match name {
            "a" => Path::new(place).join("発票 %41/a"),
            name => Path::new(place).join(name),
        };
        fs::write(place, content).expect("written");
    }

    fn place(&self, _: Side, name: &str) -> String {
        format!("other/{name}")
    }

    async fn restored(&self, side: Side, place: &str) -> BTreeMap<String, String> {
        self.in_drill(&self.root(side).join(place).display().to_string()).await
    }

    async fn write_restored(&self, side: Side, place: &str, name: &str, content: &str) {
        self.write_in_drill(&self.root(side).join(place).display().to_string(), name, content).await;
    }

    async fn ways_out(&self, side: Side) -> Vec<String> {
        // Lies beside the root, so that it is not part of the outside that must not change.
        let elsewhere = self.dir.path().join("elsewhere");
        fs::create_dir_all(elsewhere.join("inner")).expect("made");
        symlink(&elsewhere, self.root(side).join("way out")).expect("linked");
        vec!["way out".into(), "way out/inner".into(), "/".into(), "other/file".into()]
    }
}

// ---- tables ----

struct TablesWorld {
    dir: tempfile::TempDir,
}

impl TablesWorld {
    fn new() -> Option<TablesWorld> {
        let world = TablesWorld { dir: tempfile::tempdir().expect("a folder") };
        for side in [Side::Source, Side::Target] {
            fs::create_dir_all(world.dir.path().join(side_name(side))).expect("made");
            world.sql(side, "PRAGMA journal_mode = wal; CREATE TABLE other (x); INSERT INTO other VALUES ('somebody''s')");
        }
        world.sql(Side::Source, "CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT NOT NULL, content TEXT NOT NULL)");
        world.sql(Side::Source, "CREATE INDEX by_name ON orders (name)");
        Some(world)
    }

    fn database(&self, side: Side) -> PathBuf {
        self.dir.path().join(side_name(side)).join("data.db")
    }

    fn connection(&self, side: Side) -> rusqlite::Connection {
        let db = rusqlite::Connection::open(self.database(side)).expect("opened");
        db.busy_timeout(std::time::Duration::from_secs(20)).expect("set");
        db
    }

    fn sql(&self, side: Side, text: &str) {
        self.connection(side).execute_batch(text).expect("done");
    }

    fn rows(&self, side: Side, query: &str) -> BTreeMap<String, String> {
        rows_of(&self.connection(side), query)
    }
}

fn rows_of(db: &rusqlite::Connection, query: &str) -> BTreeMap<String, String> {
    let Ok(mut query) = db.prepare(query) else { return BTreeMap::new() };
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("asked");
    rows.map(|row| row.expect("a row")).collect()
}

const ROWS: &str = "SELECT name, id || ' ' || content FROM orders";
const SCHEMA: &str = "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'orders' AND sql IS NOT NULL AND name NOT LIKE 'understudy%'";

/// Far enough from each other that a component which keeps rows in portions has each in its own.
fn row_id(name: &str) -> i64 {
    name.bytes().fold(0, |id, byte| id * 31 + i64::from(byte)) * 10_000
}

#[async_trait]
impl World for TablesWorld {
    fn open(&self, side: Side) -> Arc<dyn Component> {
        let store = self.dir.path().join(side_name(side)).join("store");
        Arc::new(Tables::new("tables".parse().expect("a name"), self.database(side), store))
    }

    fn set(&self) -> String {
        "orders".into()
    }

    async fn write(&self, side: Side, name: &str, content: &str) {
        let row = (row_id(name), name, content);
        self.connection(side).execute("INSERT OR REPLACE INTO orders VALUES (?1, ?2, ?3)", row).expect("written");
    }

    async fn write_as_application(&self, side: Side, name: &str, content: &str) -> Result<(), String> {
        let row = (row_id(name), name, content);
        self.connection(side).execute("INSERT INTO orders VALUES (?1, ?2, ?3)", row).map(|_| ()).map_err(|e| e.to_string())
    }

    async fn remove(&self, side: Side, name: &str) {
        self.connection(side).execute("DELETE FROM orders WHERE name = ?1", [name]).expect("removed");
    }

    async fn rename(&self, side: Side, from: &str, to: &str) {
        self.remove(side, to).await;
        let row = (row_id(to), to, from);
        self.connection(side).execute("UPDATE orders SET id = ?1, name = ?2 WHERE name = ?3", row).expect("renamed");
    }

    async fn relabel(&self, _: Side, _: &str) -> bool {
        false
    }

    async fn live(&self, side: Side) -> BTreeMap<String, String> {
        let mut live = self.rows(side, ROWS);
        live.extend(self.rows(side, SCHEMA));
        live
    }

    async fn in_drill(&self, place: &str) -> BTreeMap<String, String> {
        let db = rusqlite::Connection::open(place).expect("opened");
        let mut held = rows_of(&db, ROWS);
        held.extend(rows_of(&db, SCHEMA));
        held
    }

    async fn write_in_drill(&self, place: &str, name: &str, content: &str) {
        let db = rusqlite::Connection::open(place).expect("opened");
        db.execute("INSERT OR REPLACE INTO orders VALUES (?1, ?2, ?3)", (row_id(name), name, content)).expect("written");
    }

    async fn exact(&self, side: Side) -> BTreeMap<String, String> {
        self.live(side).await
    }

    async fn outside(&self, side: Side) -> BTreeMap<String, String> {
        let mut outside = self.rows(side, "SELECT rowid || '', x FROM other");
        outside.extend(self.rows(side, "SELECT name, tbl_name FROM sqlite_schema WHERE tbl_name <> 'orders'"));
        outside
    }

    async fn kept(&self, side: Side) -> Vec<String> {
        kept_below(&self.dir.path().join(side_name(side)).join("store"))
    }

    fn place(&self, _: Side, name: &str) -> String {
        format!("orders {name}")
    }

    async fn restored(&self, side: Side, place: &str) -> BTreeMap<String, String> {
        let mut held = self.rows(side, &ROWS.replace("FROM orders", &format!("FROM \"{place}\"")));
        let schema = self.rows(side, &SCHEMA.replace("'orders'", &format!("'{place}'")));
        let named = |text: &str| text.replace(&format!("{place}_by_name"), "by_name").replace(place, "orders").replace('"', "");
        held.extend(schema.into_iter().map(|(name, text)| (named(&name), named(&text))));
        held
    }

    async fn write_restored(&self, side: Side, place: &str, name: &str, content: &str) {
        let row = (row_id(name), name, content);
        self.connection(side).execute(&format!("INSERT OR REPLACE INTO \"{place}\" VALUES (?1, ?2, ?3)"), row).expect("written");
    }

    async fn ways_out(&self, _: Side) -> Vec<String> {
        vec!["sqlite_schema".into(), "orders; DROP TABLE other".into()]
    }
}
