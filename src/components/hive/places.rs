//! Where the data of a data set lies: the directory trees that are captured. Pure.
//!
//! A database's own directory is one tree, so that a renamed table is a renamed directory; what lies outside it is a tree each,
//! the outermost counting. Which directories are snapshotted is another question (see `roots`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::model::{Metadata, database};
use super::names::SetName;
use super::notes::HiveRefusal;
use super::reads::Role;
pub(super) use crate::components::hdfs::is_inside;
use crate::domain::Digest;

/// One directory with all that is below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tree {
    /// Its name in manifests: `data/ID/…`.
    pub id: String,
    /// Its path in HDFS.
    pub path: String,
}

impl Tree {
    /// The tree at a path.
    pub fn at(path: &str) -> Tree {
        Tree { id: Digest::of_bytes(path.as_bytes()).to_string()[..16].to_owned(), path: path.to_owned() }
    }
}

/// The path of a location in the file system `fs` (`hdfs://authority`); `None` when it is elsewhere.
///
/// Locations are plain texts, not escaped. Port 8020 is what HDFS takes where none is named.
pub fn path_in(location: &str, fs: &str) -> Option<String> {
    let (authority, path) = match location.split_once("://") {
        None if location.starts_with('/') => ("", location),
        None => ("", location.strip_prefix("hdfs:").filter(|path| path.starts_with('/'))?),
        Some(("hdfs", rest)) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        Some(_) => return None,
    };
    let same = |authority: &str| authority.strip_suffix(":8020").unwrap_or(authority).to_ascii_lowercase();
    if !authority.is_empty() && same(authority) != same(fs.strip_prefix("hdfs://").unwrap_or(fs)) {
        return None;
    }
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    Some(format!("/{}", names.join("/")))
}

/// The paths that lie in no other of them.
fn outermost(paths: BTreeSet<String>) -> Vec<String> {
    let has_outer = |path: &str| {
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if paths.contains(parent) {
                return true;
            }
            above = parent;
        }
        false
    };
    paths.iter().filter(|path| !has_outer(path)).cloned().collect()
}

/// The trees of a data set, by id: every place that its tables read from is in one. A place in another file system is the error.
pub fn trees(metadata: &Metadata, set: &SetName, fs: &str, warehouse: &str) -> Result<Vec<Tree>, HiveRefusal> {
    let mut paths = BTreeSet::new();
    if let Some(path) = database_path(metadata, fs).filter(|path| set.table.is_none() && !is_inside(warehouse, path)) {
        paths.insert(path);
    }
    for (name, table) in &metadata.tables {
        for read in table.reads() {
            match path_in(&read.place, fs) {
                Some(path) => drop(paths.insert(path)),
                // Nobody but Spark reads there.
                None if read.role == Role::Path && !table.is_sparks() => {}
                None => return Err(HiveRefusal::OtherFileSystem { table: name.clone(), place: read.place, fs: fs.to_owned() }),
            }
        }
    }
    let mut trees: Vec<Tree> = outermost(paths).iter().map(|path| Tree::at(path)).collect();
    trees.sort();
    Ok(trees)
}

/// The directory of the data set's database.
pub fn database_path(metadata: &Metadata, fs: &str) -> Option<String> {
    path_in(metadata.database.as_ref()?.text(database::LOCATION)?, fs)
}

#[cfg(test)]
mod tests {
    use super::super::model::{Partition, Table, partition, storage, table};
    use super::super::thrift::{Struct, Value};
    use super::*;

    const FS: &str = "hdfs://nn:8020";

    fn located(kind: &str, location: &str, parts: &[&str]) -> Table {
        let storage = |location: &str| Value::from(Struct::of([(storage::LOCATION, location.into())]));
        let partitions = parts.iter().map(|location| {
            let body = Struct::of([(partition::STORAGE, storage(location))]);
            ((*location).to_owned(), Partition { body, ..Partition::default() })
        });
        let body = Struct::of([(table::STORAGE, storage(location)), (table::TYPE, kind.into())]);
        Table { body, partitions: partitions.collect(), ..Table::default() }
    }

    fn paths(set: &str, tables: &[Table]) -> Result<Vec<String>, HiveRefusal> {
        let set = SetName::parse(set).expect("a name");
        let place = format!("hdfs://nn{}", set.database.replace("sales", "/warehouse/sales.db").replace("default", "/warehouse"));
        let metadata = Metadata {
            database: Some(Struct::of([(database::LOCATION, place.as_str().into())])),
            tables: tables.iter().enumerate().map(|(n, table)| (n.to_string(), table.clone())).collect(),
            ..Metadata::default()
        };
        let mut paths: Vec<String> = trees(&metadata, &set, FS, "/warehouse")?.into_iter().map(|tree| tree.path).collect();
        paths.sort();
        Ok(paths)
    }

    #[test]
    fn a_database_is_its_directory_and_what_lies_outside() {
        let orders = located("MANAGED_TABLE", "hdfs://nn/warehouse/sales.db/orders", &["hdfs://nn:8020/elsewhere/day=1"]);
        let logs = located("EXTERNAL_TABLE", "hdfs://nn:8020/logs/", &["/logs/day=1", "hdfs://nn/logs-old/day=0"]);
        let view = located("VIRTUAL_VIEW", "s3a://bucket/nothing", &[]);
        let all = [orders.clone(), logs.clone(), view];
        assert_eq!(paths("sales", &all).expect("all here"), ["/elsewhere/day=1", "/logs", "/logs-old/day=0", "/warehouse/sales.db"]);
        assert_eq!(paths("sales.orders", &[orders]).expect("all here"), ["/elsewhere/day=1", "/warehouse/sales.db/orders"]);
        assert_eq!(
            paths("default", &[logs]).expect("all here"),
            ["/logs", "/logs-old/day=0"],
            "the warehouse is not the default database's"
        );
        let elsewhere = paths("sales", &[located("EXTERNAL_TABLE", "s3a://bucket/x", &[])]).expect_err("another file system");
        assert!(elsewhere.code() == "other-file-system" && elsewhere.reason().contains("s3a://bucket/x"), "{elsewhere:?}");
    }
}
