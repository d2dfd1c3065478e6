//! What a table reads from: every place that its metadata names, by format. Pure.
//!
//! A table's own location is not the whole of it: partitions and skewed values may lie elsewhere, and Spark reads from the serde parameter
//! `path`, whatever the location says.

use serde::{Deserialize, Serialize};

use super::model::{Table, partition, storage, table};
use super::thrift::{Struct, Value};

/// Where Spark keeps a table's data, beside its location.
pub const PATH: &str = "path";
/// What Spark keeps of a table that it reads itself: the format.
const PROVIDER: &str = "spark.sql.sources.provider";
/// How the location ends that Spark gives to a table whose data is elsewhere. Nobody reads it.
const PLACEHOLDER: &str = "-__PLACEHOLDER__";
/// Files of this format are lists of whole addresses.
const SYMLINKS: &str = "SymlinkTextInputFormat";
/// Letters that make a path a pattern.
const PATTERN: [char; 4] = ['*', '?', '[', '{'];

/// What a place is to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The location of the table or of a partition.
    Location,
    /// Spark's `path`.
    Path,
    /// Of a skewed value.
    Skew,
}

/// One place that a table reads from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// As it is written.
    pub place: String,
    /// Of this partition; `None`: of the table.
    pub partition: Option<String>,
    /// What it is.
    pub role: Role,
}

/// Formats that keep metadata of their own beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Apache Iceberg: its metadata names every file by its whole address.
    Iceberg,
    /// Apache Hudi: bootstrapped tables and pending plans name whole addresses.
    Hudi,
    /// Delta Lake: shallow clones name whole addresses.
    Delta,
    /// Apache Paimon: external paths are whole addresses.
    Paimon,
}

impl Format {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Format::Iceberg => "Iceberg",
            Format::Hudi => "Hudi",
            Format::Delta => "Delta",
            Format::Paimon => "Paimon",
        }
    }
}

impl Table {
    /// Whether Spark reads it by itself.
    pub fn is_sparks(&self) -> bool {
        self.parameter(PROVIDER).is_some()
    }

    /// The format, where it is one that keeps metadata of its own.
    pub fn format(&self) -> Option<Format> {
        let lower = |name: &str| self.parameter(name).unwrap_or_default().to_lowercase();
        let (kind, provider, handler) = (lower("table_type"), lower(PROVIDER), lower("storage_handler"));
        let input = self.body.part(table::STORAGE).and_then(|storage| storage.text(storage::INPUT_FORMAT)).unwrap_or_default();
        let is = |name: &str| kind == name || provider == name || handler.contains(name);
        if is("iceberg") || self.parameter("metadata_location").is_some() {
            Some(Format::Iceberg)
        } else if is("hudi") || input.contains("org.apache.hudi.") || input.contains("com.uber.hoodie.") {
            Some(Format::Hudi)
        } else if is("delta") {
            Some(Format::Delta)
        } else {
            is("paimon").then_some(Format::Paimon)
        }
    }

    /// What keeps its rows, when that is no directory: the handler's short name, or Spark's provider.
    pub fn rows_elsewhere(&self) -> Option<String> {
        if let Some(handler) = self.parameter("storage_handler") {
            return self.format().is_none().then(|| handler.rsplit('.').next().unwrap_or(&handler).to_owned());
        }
        let unread = self.location().is_some_and(|location| self.is_placeholder(location));
        let provider = self.parameter(PROVIDER).filter(|_| unread)?;
        self.reads().is_empty().then_some(provider)
    }

    /// A partition whose files, or (`Some(None)`) the table's own, are lists of addresses.
    pub fn symlinks(&self) -> Option<Option<String>> {
        let links = |body: &Struct| body.text(storage::INPUT_FORMAT).is_some_and(|input| input.ends_with(SYMLINKS));
        if self.body.part(table::STORAGE).is_some_and(links) {
            return Some(None);
        }
        let mut parts = self.partitions.iter();
        parts.find(|(_, part)| part.body.part(partition::STORAGE).is_some_and(links)).map(|(name, _)| Some(name.clone()))
    }

    /// A place of Spark's that is a pattern and no directory.
    pub fn pattern(&self) -> Option<Read> {
        self.reads().into_iter().find(|read| read.role == Role::Path && self.is_sparks() && read.place.contains(PATTERN))
    }

    fn is_placeholder(&self, location: &str) -> bool {
        location.ends_with(PLACEHOLDER) && self.is_sparks()
    }

    /// Every place that it reads from. A view reads from none.
    pub fn reads(&self) -> Vec<Read> {
        if self.is_view() {
            return Vec::new();
        }
        let own = self.body.part(table::STORAGE).map(|body| (None, body));
        let parts = self.partitions.iter().filter_map(|(name, part)| Some((Some(name), part.body.part(partition::STORAGE)?)));
        let mut all = Vec::new();
        for (partition, body) in own.into_iter().chain(parts) {
            for (place, role) in places_of(body) {
                if role != Role::Location || !self.is_placeholder(&place) {
                    all.push(Read { place, partition: partition.cloned(), role });
                }
            }
        }
        all
    }
}

/// Every place that one storage names.
pub fn places_of(body: &Struct) -> Vec<(String, Role)> {
    let location = body.text(storage::LOCATION).map(|place| (place.to_owned(), Role::Location));
    let paths = serde_parameters(body).into_iter().filter(|(key, _)| key.eq_ignore_ascii_case(PATH)).map(|(_, places)| places);
    let path = paths.flat_map(|places| {
        let named: Vec<String> = addresses(&places).into_iter().map(str::to_owned).collect();
        if named.is_empty() { vec![places] } else { named }
    });
    let path = path.map(|place| (place, Role::Path));
    let mut all: Vec<(String, Role)> = location.into_iter().chain(path).collect();
    if let Some(Value::Map(_, _, skewed)) = body.part(storage::SKEWED).and_then(|skew| skew.get(storage::SKEWED_LOCATIONS)) {
        all.extend(skewed.values().filter_map(Value::as_text).map(|place| (place.to_owned(), Role::Skew)));
    }
    all.retain(|(place, _)| !place.is_empty());
    all
}

/// The parameters of a storage's serde.
pub fn serde_parameters(body: &Struct) -> std::collections::BTreeMap<String, String> {
    body.part(storage::SERDE).map(|serde| serde.texts(storage::SERDE_PARAMETERS)).unwrap_or_default()
}

/// The addresses that a parameter's value consists of, as they are written; none for any other text, though it may name one.
pub fn addresses(value: &str) -> Vec<&str> {
    let is_one = |text: &str| text.starts_with("hdfs://") && text.matches("://").count() == 1;
    if is_one(value) {
        return vec![value];
    }
    let several: Vec<&str> = value.split(',').map(str::trim_start).collect();
    if several.iter().all(|one| is_one(one)) { several } else { Vec::new() }
}

/// A parameter that people write for people.
pub fn is_prose(key: &str) -> bool {
    ["comment", "description", "note", "notes"].iter().any(|prose| key.eq_ignore_ascii_case(prose))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn texts(pairs: &[(&str, &str)]) -> Value {
        Value::from(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>())
    }

    fn table_with(parameters: &[(&str, &str)], location: &str, inner: &[(&str, &str)], input: &str) -> Table {
        let serde = Struct::of([(storage::SERDE_PARAMETERS, texts(inner))]);
        let kept =
            Struct::of([(storage::LOCATION, location.into()), (storage::INPUT_FORMAT, input.into()), (storage::SERDE, serde.into())]);
        Table { body: Struct::of([(table::PARAMETERS, texts(parameters)), (table::STORAGE, kept.into())]), ..Table::default() }
    }

    fn places(table: &Table) -> Vec<String> {
        table.reads().into_iter().map(|read| read.place).collect()
    }

    #[test]
    fn sparks_table_is_read_where_its_path_says_and_its_placeholder_is_no_place() {
        let spark = ("spark.sql.sources.provider", "parquet");
        let there = "hdfs://a/w/s.db/t-__PLACEHOLDER__";
        assert_eq!(places(&table_with(&[spark], there, &[("path", "hdfs://a/data/t")], "")), ["hdfs://a/data/t"]);
        assert_eq!(places(&table_with(&[spark], "hdfs://a/w/t", &[("PATH", "/data/t")], "")), ["hdfs://a/w/t", "/data/t"]);
        assert_eq!(places(&table_with(&[], there, &[], "")), [there], "only Spark makes one");
        let jdbc = table_with(&[("spark.sql.sources.provider", "jdbc")], there, &[], "");
        assert_eq!((places(&jdbc), jdbc.rows_elsewhere()), (vec![], Some("jdbc".to_owned())));
        let two = table_with(&[spark], there, &[("path", "hdfs://a/x, hdfs://a/y")], "");
        assert_eq!(places(&two), ["hdfs://a/x", "hdfs://a/y"]);
        let wild = table_with(&[spark], there, &[("path", "hdfs://a/data/day=*")], "").pattern().expect("a pattern");
        assert_eq!(wild.place, "hdfs://a/data/day=*");
    }

    #[test]
    fn formats_are_known_by_whatever_names_them() {
        let format = |parameters: &[(&str, &str)], input: &str| table_with(parameters, "hdfs://a/t", &[], input).format();
        for parameters in [
            &[("table_type", "ICEBERG")][..],
            &[("metadata_location", "hdfs://a/t/metadata/1.json")],
            &[("storage_handler", "org.apache.iceberg.mr.hive.HiveIcebergStorageHandler")],
            &[("spark.sql.sources.provider", "iceberg")],
        ] {
            assert_eq!(format(parameters, ""), Some(Format::Iceberg), "{parameters:?}");
        }
        assert_eq!(format(&[], "org.apache.hudi.hadoop.HoodieParquetInputFormat"), Some(Format::Hudi));
        assert_eq!(format(&[("spark.sql.sources.provider", "DELTA")], ""), Some(Format::Delta));
        assert_eq!(format(&[("spark.sql.sources.provider", "parquet")], ""), None);
        let delta = table_with(&[("storage_handler", "io.delta.hive.DeltaStorageHandler")], "hdfs://a/t", &[], "");
        assert_eq!((delta.format(), delta.rows_elsewhere()), (Some(Format::Delta), None), "its rows are in its directory");
        let kafka = table_with(&[("storage_handler", "org.apache.hadoop.hive.kafka.KafkaStorageHandler")], "hdfs://a/t", &[], "");
        assert_eq!(kafka.rows_elsewhere().as_deref(), Some("KafkaStorageHandler"));
        let links = table_with(&[], "hdfs://a/t", &[], "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat");
        assert_eq!((links.symlinks(), kafka.symlinks()), (Some(None), None));
    }

    #[test]
    fn a_text_is_an_address_several_or_none() {
        assert_eq!(addresses("hdfs://a/x, y"), ["hdfs://a/x, y"]);
        assert_eq!(addresses("hdfs://a/x,hdfs://a/y"), ["hdfs://a/x", "hdfs://a/y"]);
        assert_eq!(addresses("hdfs://a/x, hdfs://b/y"), ["hdfs://a/x", "hdfs://b/y"]);
        for text in ["see hdfs://a/x", "hdfs://a/x;hdfs://a/y", "hdfs://a/x,s3a://b/y", "/x", "", "{\"a\":\"hdfs://a/x\"}"] {
            assert!(addresses(text).is_empty(), "{text}");
        }
    }
}
