//! Metadata as files of a manifest, and back. Equal metadata is equal bytes, so that a table that did not change costs nothing.
//!
//! ```text
//! metadata/origin.json              where it comes from
//! metadata/database                 the database
//! metadata/functions/NAME           a function
//! metadata/tables/NAME              a table or view with its constraints and statistics
//! metadata/partitions/NAME/1c       the partitions whose names' hashes end so: a new one changes one file of 64
//! data/TREE/…                       the data (see `places`)
//! ```

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::model::{ConstraintKind, Metadata, Partition, Statistics, Table};
use super::rewrite::Origin;
use super::thrift::{Struct, Value};
use crate::domain::{Digest, RelPath, Trouble, TroubleKind};

/// The directory of the metadata.
pub const METADATA: &str = "metadata";
/// The directory of the data.
pub const DATA: &str = "data";
/// The file that says where it comes from.
pub const ORIGIN: &str = "metadata/origin.json";
/// Files that a table's partitions are spread over.
const BUCKETS: u8 = 64;
/// What a name may hold as a file's name.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// The files, by path.
pub fn write(origin: &Origin, metadata: &Metadata) -> Result<BTreeMap<RelPath, Vec<u8>>, Trouble> {
    let mut files = BTreeMap::new();
    let mut add = |path: String, bytes: Vec<u8>| -> Result<(), Trouble> {
        let path = RelPath::new(path).map_err(|e| Trouble::new(TroubleKind::Invalid, "metadata", e))?;
        files.insert(path, bytes);
        Ok(())
    };
    add(ORIGIN.to_owned(), serde_json::to_vec_pretty(origin).map_err(|e| unwritable(&e))?)?;
    if let Some(database) = &metadata.database {
        add(format!("{METADATA}/database"), bytes(database)?)?;
    }
    for (name, function) in &metadata.functions {
        add(format!("{METADATA}/functions/{}", file_name(name)), bytes(function)?)?;
    }
    for (name, table) in &metadata.tables {
        let constraint = |((kind, name), columns): (&(ConstraintKind, String), &Vec<Struct>)| {
            Struct::of([(1, Value::I8(*kind as i8)), (2, name.into()), (3, columns.clone().into())])
        };
        let constraints: Vec<Struct> = table.constraints.iter().map(constraint).collect();
        let whole = Struct::of([(1, table.body.clone().into()), (2, constraints.into()), (3, statistics(&table.statistics))]);
        add(format!("{METADATA}/tables/{}", file_name(name)), bytes(&whole)?)?;
        let mut buckets: BTreeMap<u8, Vec<Struct>> = BTreeMap::new();
        for (name, partition) in &table.partitions {
            let whole = Struct::of([(1, name.into()), (2, partition.body.clone().into()), (3, statistics(&partition.statistics))]);
            buckets.entry(Digest::of_bytes(name.as_bytes()).0[0] % BUCKETS).or_default().push(whole);
        }
        for (bucket, partitions) in buckets {
            add(format!("{METADATA}/partitions/{}/{bucket:02x}", file_name(name)), bytes(&Struct::of([(1, partitions.into())]))?)?;
        }
    }
    Ok(files)
}

/// The metadata in the files that `read` gives; `paths` are all there are.
pub fn read<'a>(
    paths: impl IntoIterator<Item = &'a RelPath>,
    mut read: impl FnMut(&RelPath) -> Result<Vec<u8>, Trouble>,
) -> Result<(Origin, Metadata), Trouble> {
    let mut metadata = Metadata::default();
    let mut origin = None;
    let mut partitions: Vec<(String, Struct)> = Vec::new();
    for path in paths {
        let damaged = || Trouble::new(TroubleKind::Corrupt, path, "the metadata in it is damaged").next("run a full copy of the data set");
        let content = read(path)?;
        if path.as_str() == ORIGIN {
            origin = Some(serde_json::from_slice(&content).map_err(|_| damaged())?);
            continue;
        }
        let mut fields = Struct::from_bytes(&content).map_err(|_| damaged())?;
        let names: Vec<String> =
            path.as_str().split('/').skip(1).map(|name| percent_decode_str(name).decode_utf8_lossy().into_owned()).collect();
        match names.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["database"] => metadata.database = Some(fields),
            ["functions", name] => drop(metadata.functions.insert((*name).to_owned(), fields)),
            ["tables", name] => drop(metadata.tables.insert((*name).to_owned(), table(&mut fields).ok_or_else(damaged)?)),
            ["partitions", name, _] => {
                let all = fields.take(1).map(Value::into_structs).unwrap_or_default();
                partitions.extend(all.into_iter().map(|one| ((*name).to_owned(), one)));
            }
            _ => return Err(damaged()),
        }
    }
    let damaged =
        || Trouble::new(TroubleKind::Corrupt, METADATA, "its files do not belong together").next("run a full copy of the data set");
    for (name, mut one) in partitions {
        let table = metadata.tables.get_mut(&name).ok_or_else(damaged)?;
        let name = one.text(1).ok_or_else(damaged)?.to_owned();
        let statistics = read_statistics(&mut one);
        let Some(Value::Struct(body)) = one.take(2) else { return Err(damaged()) };
        table.partitions.insert(name, Partition { body, statistics });
    }
    Ok((origin.ok_or_else(damaged)?, metadata))
}

fn table(fields: &mut Struct) -> Option<Table> {
    let statistics = read_statistics(fields);
    let mut found = Table { statistics, ..Table::default() };
    for mut constraint in fields.take(2)?.into_structs() {
        let number = constraint.number(1)?;
        let kind = ConstraintKind::ALL.into_iter().find(|kind| i64::from(*kind as i8) == number)?;
        let name = constraint.text(2)?.to_owned();
        found.constraints.insert((kind, name), constraint.take(3)?.into_structs());
    }
    let Value::Struct(body) = fields.take(1)? else { return None };
    found.body = body;
    Some(found)
}

fn statistics(all: &Statistics) -> Value {
    all.values().cloned().collect::<Vec<_>>().into()
}

fn read_statistics(fields: &mut Struct) -> Statistics {
    let all = fields.take(3).map(Value::into_structs).unwrap_or_default();
    all.into_iter().filter_map(|one| Some((one.text(1)?.to_owned(), one))).collect()
}

fn file_name(name: &str) -> String {
    utf8_percent_encode(name, NAME).to_string()
}

fn bytes(fields: &Struct) -> Result<Vec<u8>, Trouble> {
    fields.to_bytes().map_err(|e| unwritable(&e))
}

fn unwritable(error: &dyn std::error::Error) -> Trouble {
    Trouble::new(TroubleKind::Failed, METADATA, format!("it cannot be written down: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn sample(partitions: usize) -> (Origin, Metadata) {
        let origin = Origin {
            format: 1,
            set: "sales".into(),
            fs: "hdfs://a".into(),
            warehouse: "/w".into(),
            database: "/w/sales.db".into(),
            trees: vec![super::super::places::Tree::at("/w/sales.db")],
        };
        let one = |name: String| {
            let statistics = Statistics::from([("c".to_owned(), Struct::of([(1, "c".into())]))]);
            (name.clone(), Partition { body: Struct::of([(1, Value::texts(&[name]))]), statistics })
        };
        let table = Table {
            body: Struct::of([(1, "orders".into())]),
            constraints: [((ConstraintKind::Foreign, "fk".to_owned()), vec![Struct::of([(10, "fk".into())])])].into(),
            statistics: Statistics::new(),
            partitions: (0..partitions).map(|n| one(format!("day={n}/place=大 阪"))).collect(),
        };
        let metadata = Metadata {
            database: Some(Struct::of([(1, "sales".into())])),
            tables: [("orders".to_owned(), table)].into(),
            functions: [("f".to_owned(), Struct::of([(1, "f".into())]))].into(),
            ..Metadata::default()
        };
        (origin, metadata)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (origin, metadata) = sample(300);
        let files = write(&origin, &metadata).expect("written");
        let back = read(files.keys(), |path| Ok(files[path].clone())).expect("read");
        assert_eq!(back, (origin, metadata));
    }

    #[test]
    fn one_new_partition_changes_one_file() {
        let (origin, before) = sample(2_000);
        let after = sample(2_001).1;
        let (before, after) = (write(&origin, &before).expect("written"), write(&origin, &after).expect("written"));
        let changed: BTreeSet<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).map(|(path, _)| path).collect();
        assert!(changed.len() == 1 && after.len() < 70, "{changed:?} of {}", after.len());
    }

    #[test]
    fn a_damaged_or_missing_file_is_told() {
        let (origin, metadata) = sample(3);
        let files = write(&origin, &metadata).expect("written");
        for broken in files.keys() {
            let told = read(files.keys(), |path| Ok(if path == broken { vec![12, 0] } else { files[path].clone() }));
            assert_eq!(told.expect_err("damaged").kind, TroubleKind::Corrupt, "{broken}");
        }
        let without = files.keys().filter(|path| !path.as_str().contains("tables/"));
        assert!(read(without, |path| Ok(files[path].clone())).is_err());
    }
}
