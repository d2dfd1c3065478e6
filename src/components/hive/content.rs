//! What a Hive data set consists of, and what becomes of each part.

use crate::components::parts::{Fate, Part, part};

/// Everything that a database or a table of Hive consists of.
pub const PARTS: &[Part] = &[
    part("database: properties, owner, comment", Fate::Carried, "as the metastore's own struct, places turned to the secondary"),
    part(
        "tables: columns, partition columns, storage, parameters",
        Fate::Carried,
        "likewise; a table is made anew where a metastore cannot alter it",
    ),
    part("views", Fate::Carried, "texts stay as they are written"),
    part("partitions, also of views and with an empty value", Fate::Carried, "values, places, parameters"),
    part("primary, foreign, unique, NOT NULL, default and check constraints", Fate::Carried, "as the metastore's own structs"),
    part(
        "a constraint whose columns the metastore has lost, or that leads out of the data set",
        Fate::Named("constraint-left-out"),
        "it could be made nowhere; every run says which",
    ),
    part("column statistics of tables and partitions", Fate::Carried, "as they are"),
    part("functions", Fate::Carried, "class and resources, places turned to the secondary"),
    part("files at the location of a table or partition", Fate::Carried, "whole directories, with rights, ACLs, attributes and times"),
    part("files at Spark's serde parameter path", Fate::Carried, "whole directories"),
    part("files of skewed values with a place of their own", Fate::Carried, "whole directories"),
    part("addresses in parameters, also several apart by commas", Fate::Carried, "turned to the secondary"),
    part("comments and descriptions", Fate::Carried, "left as they are, whatever they name"),
    part("transactional (ACID) tables", Fate::Refused("transactional"), "the metastore's transaction tables are not copied"),
    part("materialized views", Fate::Refused("materialized-view"), "likewise"),
    part("Iceberg tables", Fate::Refused("iceberg"), "their metadata names every file by its whole address"),
    part("symlink manifests", Fate::Refused("symlink-manifest"), "they name other files by their whole addresses"),
    part("data in another file system", Fate::Refused("other-file-system"), "only the warehouse's file system is copied"),
    part("a path that is a pattern", Fate::Refused("place-is-pattern"), "a data set is made of whole directories"),
    part("a place that is a single file", Fate::Refused("place-is-file"), "HDFS takes snapshots of directories only"),
    part(
        "rows that a storage handler or Spark keeps elsewhere",
        Fate::Named("rows-elsewhere"),
        "HBase's table can be a data set of its own",
    ),
    part(
        "Avro schemas, jars of functions and other files outside the data set",
        Fate::Named("not-copied"),
        "the address is turned, the file is not copied",
    ),
    part("longer texts that name the primary's file system", Fate::Named("text-left-alone"), "left as they are"),
    part(
        "Hudi, Delta and Paimon tables",
        Fate::Named("format-may-name-places"),
        "files are carried; a whole address in their own metadata is not turned",
    ),
    part(
        "DROP of a table or partition whose place is the only one that can have snapshots",
        Fate::Named("drop-keeps-files"),
        "snapshots are on the directory, so that HDFS keeps it; elsewhere they are on a directory above",
    ),
    part(
        "other files in the directory that is snapshotted",
        Fate::Named("snapshots-wider"),
        "what is deleted there keeps its space while a recovery point is held; said by the policy",
    ),
    part(
        "captures from before a table was given a place above another one",
        Fate::Named("captures-dropped"),
        "they go at the source, and that table is copied whole; said by the run",
    ),
    part(
        "encryption, erasure coding and storage policies of more than 1,000 places outside the database's directory",
        Fate::CarriedAndNamed("trees-partly-looked-at"),
        "the files are carried; what of them is not carried was looked for in 1,000 places only",
    ),
    part("a place inside which another directory has snapshots", Fate::Refused("snapshots-inside"), "HDFS does not nest them"),
    part("DROP DATABASE", Fate::Named("drop-database-keeps-files"), "snapshots are on its directory; said by the policy"),
    part("catalogs other than hive", Fate::LeftOut, "only the default catalog is read"),
    part("roles and grants", Fate::LeftOut, "grant them at the secondary"),
    part("resource plans, scheduled queries, tokens, the metastore's log of changes", Fate::LeftOut, "they belong to the cluster"),
    part("a metastore without a log of changes", Fate::Refused("no-event-log"), "nobody could tell whether a change fell into a capture"),
    part(
        "files: their rights, ACLs, attributes, erasure coding, storage policies, encryption",
        Fate::Carried,
        "as with HDFS: see its table, which holds for each directory of a data set",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::components::parts::codes;

    #[test]
    fn every_refusal_and_note_stands_in_the_table() {
        let source = concat!(include_str!("notes.rs"), include_str!("refusals.rs"));
        let code = |line: &str| line.split("=> \"").nth(1).and_then(|rest| rest.strip_suffix("\",")).map(str::to_owned);
        let arms = source.lines().filter(|line| line.contains("=> \"")).filter_map(code);
        let told: BTreeSet<String> =
            arms.filter(|code| !code.is_empty() && !code.contains(' ') && code != "more" && !code.contains("{")).collect();
        assert_eq!(codes(PARTS).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), told);
    }
}
