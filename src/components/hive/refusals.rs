//! What a Hive data set cannot be: every refusal, with its code and its words. Codes are promises; the words may change.

use serde::{Deserialize, Serialize};

use crate::domain::{Trouble, TroubleKind};

/// Why a data set cannot be captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum HiveRefusal {
    /// Which of its files count is kept in the metastore's transaction tables.
    Transactional {
        /// The table.
        table: String,
    },
    /// Which transactions it has seen is kept there too.
    MaterializedView {
        /// The table.
        table: String,
    },
    /// Its own metadata names every file by its whole address.
    Iceberg {
        /// The table.
        table: String,
    },
    /// Its files are lists of whole addresses.
    SymlinkManifest {
        /// The table.
        table: String,
        /// The partition; `None`: the table itself.
        partition: Option<String>,
    },
    /// It reads from another file system.
    OtherFileSystem {
        /// The table.
        table: String,
        /// The place, as it is written or as a path.
        place: String,
        /// The file system that is copied.
        fs: String,
    },
    /// It reads from a pattern of paths.
    PlaceIsPattern {
        /// The table.
        table: String,
        /// The place, as it is written or as a path.
        place: String,
    },
    /// It reads from a file that is no directory.
    PlaceIsFile {
        /// The table.
        table: String,
        /// The place, as it is written or as a path.
        place: String,
    },
    /// A directory inside a place has snapshots that have to stay.
    SnapshotsInside {
        /// The place here.
        place: String,
        /// The directory.
        root: String,
    },
    /// The metastore keeps no log of changes: it concerns every table.
    NoEventLog,
}

impl HiveRefusal {
    /// The code, as JSON has it.
    pub fn code(&self) -> &'static str {
        match self {
            HiveRefusal::Transactional { .. } => "transactional",
            HiveRefusal::MaterializedView { .. } => "materialized-view",
            HiveRefusal::Iceberg { .. } => "iceberg",
            HiveRefusal::SymlinkManifest { .. } => "symlink-manifest",
            HiveRefusal::OtherFileSystem { .. } => "other-file-system",
            HiveRefusal::PlaceIsPattern { .. } => "place-is-pattern",
            HiveRefusal::PlaceIsFile { .. } => "place-is-file",
            HiveRefusal::SnapshotsInside { .. } => "snapshots-inside",
            HiveRefusal::NoEventLog => "no-event-log",
        }
    }

    /// The table that it is about.
    pub fn table(&self) -> &str {
        match self {
            HiveRefusal::Transactional { table }
            | HiveRefusal::MaterializedView { table }
            | HiveRefusal::Iceberg { table }
            | HiveRefusal::SymlinkManifest { table, .. }
            | HiveRefusal::OtherFileSystem { table, .. }
            | HiveRefusal::PlaceIsPattern { table, .. }
            | HiveRefusal::PlaceIsFile { table, .. } => table,
            HiveRefusal::SnapshotsInside { .. } | HiveRefusal::NoEventLog => "",
        }
    }

    /// Why, in a few words.
    pub fn in_short(&self) -> &'static str {
        match self {
            HiveRefusal::Transactional { .. } => "it is transactional (ACID)",
            HiveRefusal::MaterializedView { .. } => "it is a materialized view",
            HiveRefusal::Iceberg { .. } => "it is an Iceberg table",
            HiveRefusal::SymlinkManifest { .. } => "it is read through symlink manifests",
            HiveRefusal::OtherFileSystem { .. } => "its data is in another file system",
            HiveRefusal::PlaceIsPattern { .. } => "it is read from a pattern of paths",
            HiveRefusal::PlaceIsFile { .. } => "it is read from a single file",
            HiveRefusal::SnapshotsInside { .. } => "a directory inside it has snapshots of its own",
            HiveRefusal::NoEventLog => "the metastore keeps no log of changes",
        }
    }

    /// Why.
    pub fn reason(&self) -> String {
        let short = self.in_short();
        match self {
            HiveRefusal::Transactional { .. } => {
                format!("{short}: which of its files count is kept in the metastore's transaction tables, which this version does not copy")
            }
            HiveRefusal::MaterializedView { .. } => format!("{short}: which transactions it has seen is not copied by this version"),
            HiveRefusal::Iceberg { .. } => {
                format!("{short}: its metadata files name every file by its whole address, and a copy would still read from this cluster")
            }
            HiveRefusal::SymlinkManifest { partition, .. } => {
                let of = partition.as_ref().map(|name| format!(" of partition {name}")).unwrap_or_default();
                format!(
                    "{short} (SymlinkTextInputFormat): the files{of} name other files by their whole addresses, which are not copied along"
                )
            }
            HiveRefusal::OtherFileSystem { table, place, fs } => format!("table {table} keeps data at {place}, which is not in {fs}"),
            HiveRefusal::PlaceIsPattern { place, .. } => format!("{short}, {place}: a data set is made of whole directories"),
            HiveRefusal::PlaceIsFile { place, .. } => format!("{short}, {place}: HDFS takes snapshots of directories only"),
            HiveRefusal::SnapshotsInside { place, root } => {
                format!("its data is at {place}, where {root} has snapshots of its own, which HDFS does not nest")
            }
            HiveRefusal::NoEventLog => format!("{short}, so that nobody could tell whether one fell into a capture"),
        }
    }

    /// What to do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            HiveRefusal::Transactional { .. } => "leave the table out of the service, or convert it to an external table",
            HiveRefusal::MaterializedView { .. } => {
                "leave the view out of the service (name its database's tables one by one), and make it anew at the secondary"
            }
            HiveRefusal::Iceberg { .. } => {
                "leave the table out of the service (name its database's other tables one by one), and copy it by Iceberg's own means: \
                 rewrite_table_path, then register_table at the secondary"
            }
            HiveRefusal::SymlinkManifest { .. } => {
                "leave the table out of the service, back up the directories that its manifests name, and make the manifests anew at the \
                 secondary"
            }
            HiveRefusal::OtherFileSystem { .. } => {
                "leave that table out of the service: only data in the warehouse's file system is copied"
            }
            HiveRefusal::PlaceIsPattern { .. } => "give the table a directory as its path, or leave it out of the service",
            HiveRefusal::SnapshotsInside { .. } => {
                "delete the snapshots of that directory and disallow them there, or give the table another place: `hdfs lsSnapshot` shows \
                 them, and those called understudy-… are recovery points that go with their pair"
            }
            HiveRefusal::NoEventLog => {
                "set metastore.transactional.event.listeners to org.apache.hive.hcatalog.listener.DbNotificationListener and restart it"
            }
            HiveRefusal::PlaceIsFile { .. } => {
                "put the file into a directory of its own and name that, or leave the table out of the service"
            }
        }
    }

    /// The trouble this is, about `object`.
    pub fn trouble(&self, object: impl std::fmt::Display) -> Trouble {
        Trouble::new(TroubleKind::Refused, object, self.reason()).next(self.next_step()).coded(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_in_json_and_in_the_refusal_is_the_code() {
        let table = || "t".to_owned();
        let refusals = [
            HiveRefusal::Transactional { table: table() },
            HiveRefusal::MaterializedView { table: table() },
            HiveRefusal::Iceberg { table: table() },
            HiveRefusal::SymlinkManifest { table: table(), partition: None },
            HiveRefusal::OtherFileSystem { table: table(), place: "s3a://x".into(), fs: "hdfs://a".into() },
            HiveRefusal::PlaceIsPattern { table: table(), place: "/x/*".into() },
            HiveRefusal::PlaceIsFile { table: table(), place: "/x".into() },
        ];
        for refusal in refusals {
            assert_eq!(refusal.trouble("hive:s.t").code(), refusal.code());
            assert_eq!(refusal.table(), "t");
        }
        assert_eq!(HiveRefusal::NoEventLog.trouble("hive:s").code(), "no-event-log");
    }
}
