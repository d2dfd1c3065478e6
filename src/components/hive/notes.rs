//! What a Hive data set cannot be, and what of it is not as it was at the secondary: every refusal and note, with its code and its words.
//!
//! Codes are promises: a code keeps its meaning. Words are made here, at the edge, and are read back by nobody.

use serde::{Deserialize, Serialize};

use super::reads::Format;
use crate::domain::{Trouble, TroubleKind};
use crate::protocol::Note;

/// Why a table cannot be captured.
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
            HiveRefusal::SnapshotsInside { .. } => "",
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
            HiveRefusal::PlaceIsFile { .. } => {
                "put the file into a directory of its own and name that, or leave the table out of the service"
            }
            HiveRefusal::SnapshotsInside { .. } => {
                "delete the snapshots of that directory and disallow them there, or give the table another place: `hdfs lsSnapshot` shows \
                 them, and those called understudy-… are recovery points that go with their pair"
            }
        }
    }

    /// The trouble this is, about `object`.
    pub fn trouble(&self, object: impl std::fmt::Display) -> Trouble {
        Trouble::new(TroubleKind::Refused, object, self.reason()).next(self.next_step()).coded(self)
    }
}

/// What has a parameter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// The database.
    Database(String),
    /// A table or view, or partitions of one.
    Table(String),
    /// A function.
    Function(String),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Database(name) => write!(f, "database {name}"),
            Owner::Table(name) => write!(f, "table {name}"),
            Owner::Function(name) => write!(f, "function {name}"),
        }
    }
}

/// At which cluster snapshots of ours are on a table's own directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotsAt {
    /// Here, at the source.
    Source,
    /// At the secondary, and so after its promotion.
    Secondary,
    /// At both.
    Both,
}

/// What a data set's owner should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum HiveNote {
    /// The rows are in no directory.
    RowsElsewhere {
        /// The table.
        table: String,
        /// The handler, or Spark's format.
        handler: String,
    },
    /// An address that is turned to the secondary, though what it names is not copied.
    NotCopied {
        /// What has it.
        owner: Owner,
        /// Its name.
        key: String,
        /// The place, as it is written or as a path.
        place: String,
        /// Of so many partitions; 0: not of partitions.
        partitions: usize,
    },
    /// A text that names the primary's file system and is left as it is.
    TextLeftAlone {
        /// What has it.
        owner: Owner,
        /// Its name.
        key: String,
    },
    /// A format whose own metadata travels as it is.
    FormatMayNamePlaces {
        /// The table.
        table: String,
        /// The format.
        format: Format,
    },
    /// Snapshots of ours are on the very directory of a table or partition: deleting it fails.
    DropKeepsFiles {
        /// The table.
        table: String,
        /// The partition; `None`: the table itself.
        partition: Option<String>,
        /// The place, as it is written or as a path.
        place: String,
        /// Further places of the table.
        more: usize,
        /// Where.
        at: SnapshotsAt,
    },
    /// Snapshots of ours are on the database's directory: dropping the database leaves its files.
    DropDatabaseKeepsFiles {
        /// The database.
        database: String,
        /// The place, as it is written or as a path.
        place: String,
    },
    /// Snapshots of ours are on a directory that holds more than the data set.
    SnapshotsWider {
        /// The directory.
        root: String,
        /// A place of the data set in it.
        place: String,
        /// Further places of the data set in it.
        more: usize,
    },
    /// Captures of before went, because a place above theirs has to be captured.
    CapturesDropped {
        /// The directory that had them.
        root: String,
    },
    /// More than are told.
    More {
        /// How many.
        count: usize,
    },
}

impl HiveNote {
    /// The code, as JSON has it.
    pub fn code(&self) -> &'static str {
        match self {
            HiveNote::RowsElsewhere { .. } => "rows-elsewhere",
            HiveNote::NotCopied { .. } => "not-copied",
            HiveNote::TextLeftAlone { .. } => "text-left-alone",
            HiveNote::FormatMayNamePlaces { .. } => "format-may-name-places",
            HiveNote::DropKeepsFiles { .. } => "drop-keeps-files",
            HiveNote::DropDatabaseKeepsFiles { .. } => "drop-database-keeps-files",
            HiveNote::SnapshotsWider { .. } => "snapshots-wider",
            HiveNote::CapturesDropped { .. } => "captures-dropped",
            HiveNote::More { .. } => "more",
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            HiveNote::RowsElsewhere { table, handler } => {
                format!("table {table} keeps its rows elsewhere ({handler}): they are not copied with it")
            }
            HiveNote::NotCopied { owner, key, place, partitions } => {
                let of = if *partitions == 0 { String::new() } else { format!(" of {partitions} partitions") };
                format!(
                    "{owner}: {key}{of} leads to {place}, which is outside the data set and not copied; the secondary's leads to its own"
                )
            }
            HiveNote::TextLeftAlone { owner, key } => {
                format!("{owner}: {key} names this cluster's file system within a longer text, and stays as it is at the secondary")
            }
            HiveNote::FormatMayNamePlaces { table, format } => {
                let where_told = match format {
                    Format::Iceberg => "metadata files",
                    Format::Hudi => "bootstrap index and pending plans",
                    Format::Delta => "log, in a shallow clone,",
                    Format::Paimon => "manifests, with external paths,",
                };
                format!(
                    "table {table} is a {} table: its files are copied as they are, and a whole address in its {where_told} still leads to \
                     this cluster",
                    format.name()
                )
            }
            HiveNote::DropKeepsFiles { table, partition, place, more, at } => {
                let of = partition.as_ref().map(|name| format!(" partition {name}")).unwrap_or_default();
                let others = if *more == 0 { String::new() } else { format!(" (and {more} more places of the table)") };
                let site = match at {
                    SnapshotsAt::Source => "at this cluster",
                    SnapshotsAt::Secondary => "at the secondary, also after its promotion",
                    SnapshotsAt::Both => "at this cluster, and at the secondary after its promotion",
                };
                format!(
                    "table {table}{of}: snapshots are on its own directory {place}{others} {site}; a DROP with data removes the metadata \
                     there and leaves the files, and the directory cannot be removed or renamed"
                )
            }
            HiveNote::DropDatabaseKeepsFiles { database, place } => format!(
                "database {database}: snapshots are on its directory {place}; DROP DATABASE leaves the files at either cluster while a \
                 recovery point is held"
            ),
            HiveNote::SnapshotsWider { root, place, more } => {
                let others = if *more == 0 { String::new() } else { format!(" and {more} more places") };
                format!(
                    "snapshots for {place}{others} are on {root}, so that a DROP removes the files; whatever else is deleted in {root} keeps \
                     its space, too, while a recovery point is held"
                )
            }
            HiveNote::CapturesDropped { root } => format!(
                "a table was given a place above {root}, where HDFS nests no snapshots: earlier captures there go, and that table is copied \
                 whole"
            ),
            HiveNote::More { count } => format!("{count} more notes are not shown"),
        }
    }

    /// What to do about it; empty where there is nothing to add.
    pub fn next_step(&self) -> &'static str {
        match self {
            HiveNote::RowsElsewhere { handler, .. } if handler.starts_with("HBase") => {
                "add its HBase table to the service as a data set of its own"
            }
            HiveNote::RowsElsewhere { .. } => "see that the secondary's system holds those rows too",
            HiveNote::NotCopied { .. } => {
                "copy it to the same place at the secondary, or add its directory to the service as a data set of hdfs"
            }
            HiveNote::TextLeftAlone { .. } => "change it by hand after a promotion if something reads it",
            HiveNote::FormatMayNamePlaces { .. } => "drill the service, and read the table with the format's own client",
            HiveNote::DropKeepsFiles { .. } => {
                "give it a place in the directory of its database or in a directory beside others, with no snapshots yet; until then remove \
                 its files, not the directory, before the drop"
            }
            HiveNote::DropDatabaseKeepsFiles { .. } => "drop the tables first",
            HiveNote::SnapshotsWider { .. } => {
                "plan space for it, or move the tables into a directory of their own; snapshots that were allowed on a table's own directory \
                 before the first run are taken there"
            }
            HiveNote::CapturesDropped { .. } => "let this run be sealed before a switchover: until then a way back needs a full copy",
            HiveNote::More { .. } => "",
        }
    }

    /// As the policy check tells it.
    pub fn told(&self, object: &str) -> Note {
        Note { code: self.code().to_owned(), object: object.to_owned(), reason: self.words(), next_step: self.next_step().to_owned() }
    }
}

#[cfg(test)]
mod tests;
