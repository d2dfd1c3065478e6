//! What of a Hive data set is not as it was at the secondary: every note, with its code and its words (refusals: `refusals`).
//!
//! Codes are promises: a code keeps its meaning. Words are made here, at the edge, and are read back by nobody.

use serde::{Deserialize, Serialize};

use super::reads::Format;
use crate::domain::Note;

pub use super::refusals::HiveRefusal;

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

/// Why a constraint could be made nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unmakeable {
    /// The metastore has lost its columns.
    ColumnsLost,
    /// It leads to a table outside the data set, or without a key.
    LeadsOutside,
    /// The metastore has lost the columns that it leads to.
    LeadsToLostColumns,
}

impl std::fmt::Display for Unmakeable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unmakeable::ColumnsLost => "the metastore itself has lost its columns",
            Unmakeable::LeadsOutside => "it leads to a table outside the data set, or to one without a key",
            Unmakeable::LeadsToLostColumns => "the metastore itself has lost the columns that it leads to",
        })
    }
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
    /// A constraint that could be made nowhere.
    ConstraintLeftOut {
        /// The table.
        table: String,
        /// Its name.
        constraint: String,
        /// Why.
        why: Unmakeable,
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
    /// Not every directory was looked at for what HDFS does not carry.
    TreesPartlyLookedAt {
        /// Directories that were.
        looked_at: usize,
        /// All of them.
        trees: usize,
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
            HiveNote::ConstraintLeftOut { .. } => "constraint-left-out",
            HiveNote::SnapshotsWider { .. } => "snapshots-wider",
            HiveNote::CapturesDropped { .. } => "captures-dropped",
            HiveNote::TreesPartlyLookedAt { .. } => "trees-partly-looked-at",
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
            HiveNote::ConstraintLeftOut { table, constraint, why } => {
                format!("constraint {constraint} of table {table} is not copied: {why}")
            }
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
            HiveNote::TreesPartlyLookedAt { looked_at, trees } => format!(
                "encryption zones, erasure coding and storage policies were looked for in {looked_at} of the {trees} directories that its tables \
                 read from"
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
            HiveNote::ConstraintLeftOut { .. } => "add it at the secondary after a promotion if something needs it",
            HiveNote::SnapshotsWider { .. } => {
                "plan space for it, or move the tables into a directory of their own; snapshots that were allowed on a table's own directory \
                 before the first run are taken there"
            }
            HiveNote::CapturesDropped { .. } => "let this run be sealed before a switchover: until then a way back needs a full copy",
            HiveNote::TreesPartlyLookedAt { .. } => {
                "look for them in the rest yourself (hdfs crypto -listZones, hdfs ec -getPolicy, hdfs storagepolicies -getStoragePolicy)"
            }
            HiveNote::More { .. } => "",
        }
    }

    /// As it is told about `object`.
    pub fn told(&self, object: &str) -> Note {
        Note::new(self, object, self.words(), self.next_step())
    }
}

#[cfg(test)]
mod tests;
