//! The metadata of one data set: the metastore's own structs, held whole, with names for the few fields that are looked at.
//!
//! Field numbers are those of `hive_metastore.thrift`, version 3.1.

use std::collections::BTreeMap;

use super::thrift::{Struct, Value};

/// Parameters of ours on databases and tables; never part of a data set.
pub const OWN: &str = "understudy.";
/// On what we keep as a secondary: the data set.
pub const MARK: &str = "understudy.set";
/// On what a drill has here: its id.
pub const DRILL: &str = "understudy.drill";
/// On what a restore has here that is not whole: its id.
pub const RESTORE: &str = "understudy.restore";
/// On what is fenced.
pub const FENCE: &str = "understudy.fence";

/// The catalog: there is only the default one in most metastores, and others are not captured.
pub const CATALOG: &str = "hive";

/// Fields of a `Database`.
pub mod database {
    pub const NAME: i16 = 1;
    pub const LOCATION: i16 = 3;
    pub const PARAMETERS: i16 = 4;
    pub const PRIVILEGES: i16 = 5;
    pub const CREATE_TIME: i16 = 9;
    /// Of later versions: where managed tables go.
    pub const MANAGED_LOCATION: i16 = 10;
}

/// Fields of a `Table`.
pub mod table {
    pub const NAME: i16 = 1;
    pub const DATABASE: i16 = 2;
    pub const CREATE_TIME: i16 = 4;
    pub const STORAGE: i16 = 7;
    pub const PARTITION_KEYS: i16 = 8;
    pub const PARAMETERS: i16 = 9;
    /// A view's text as it was written, and with every name in full.
    pub const VIEW_TEXTS: [i16; 2] = [10, 11];
    pub const TYPE: i16 = 12;
    pub const PRIVILEGES: i16 = 13;
    /// Write id, whether statistics comply, column statistics, access rights and ids: told by the server, never kept.
    pub const TOLD: [i16; 9] = [PRIVILEGES, 14, 19, 20, 21, 22, 23, 24, 25];
}

/// Fields of a `Partition`.
pub mod partition {
    pub const VALUES: i16 = 1;
    pub const DATABASE: i16 = 2;
    pub const TABLE: i16 = 3;
    pub const STORAGE: i16 = 6;
    pub const PARAMETERS: i16 = 7;
    /// As for tables.
    pub const TOLD: [i16; 5] = [8, 10, 11, 12, 13];
}

/// Fields of a `StorageDescriptor`.
pub mod storage {
    pub const COLUMNS: i16 = 1;
    pub const LOCATION: i16 = 2;
    pub const INPUT_FORMAT: i16 = 3;
    pub const SERDE: i16 = 7;
    pub const PARAMETERS: i16 = 10;
    pub const SKEWED: i16 = 11;
    /// Of the serde inside.
    pub const SERDE_PARAMETERS: i16 = 3;
    /// Of the skew inside: values to locations.
    pub const SKEWED_LOCATIONS: i16 = 3;
}

/// Fields of a `Function`.
pub mod function {
    pub const DATABASE: i16 = 2;
    pub const CREATE_TIME: i16 = 6;
    pub const RESOURCES: i16 = 8;
    /// Of a resource inside.
    pub const URI: i16 = 2;
}

/// Of a foreign key's columns: the name of the key that it leads to.
pub const KEY_NAME: i16 = 11;

/// The kinds of constraints, in the order in which they can be made: a foreign key needs the key that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConstraintKind {
    /// A primary key.
    Primary,
    /// A unique key.
    Unique,
    /// No NULL.
    NotNull,
    /// A default value.
    Default,
    /// A check.
    Check,
    /// A foreign key.
    Foreign,
}

impl ConstraintKind {
    /// All of them.
    pub const ALL: [ConstraintKind; 6] = [
        ConstraintKind::Primary,
        ConstraintKind::Unique,
        ConstraintKind::NotNull,
        ConstraintKind::Default,
        ConstraintKind::Check,
        ConstraintKind::Foreign,
    ];

    /// The number of the field with the constraint's name.
    pub fn name_field(self) -> i16 {
        match self {
            ConstraintKind::Primary | ConstraintKind::NotNull => 5,
            ConstraintKind::Unique | ConstraintKind::Default | ConstraintKind::Check => 6,
            ConstraintKind::Foreign => 10,
        }
    }

    /// The number of the field with the catalog's name.
    pub fn catalog_field(self) -> i16 {
        match self {
            ConstraintKind::Primary => 9,
            ConstraintKind::Foreign => 15,
            ConstraintKind::Unique | ConstraintKind::NotNull | ConstraintKind::Default | ConstraintKind::Check => 1,
        }
    }

    /// The number of the field with the name of the table's own column.
    pub fn column_field(self) -> i16 {
        match self {
            ConstraintKind::Primary => 3,
            ConstraintKind::Foreign => 6,
            ConstraintKind::Unique | ConstraintKind::NotNull | ConstraintKind::Default | ConstraintKind::Check => 4,
        }
    }

    /// The numbers of the fields with a database's name.
    pub fn database_fields(self) -> &'static [i16] {
        match self {
            ConstraintKind::Primary => &[1],
            ConstraintKind::Foreign => &[1, 4],
            ConstraintKind::Unique | ConstraintKind::NotNull | ConstraintKind::Default | ConstraintKind::Check => &[2],
        }
    }

    /// The numbers of the fields with the name of the table beside each.
    pub fn table_fields(self) -> &'static [i16] {
        match self {
            ConstraintKind::Primary => &[2],
            ConstraintKind::Foreign => &[2, 5],
            ConstraintKind::Unique | ConstraintKind::NotNull | ConstraintKind::Default | ConstraintKind::Check => &[3],
        }
    }
}

/// Constraints by kind and name; each has a struct for every column.
pub type Constraints = BTreeMap<(ConstraintKind, String), Vec<Struct>>;
/// `ColumnStatisticsObj` by column.
pub type Statistics = BTreeMap<String, Struct>;

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Partition {
    /// The `Partition`.
    pub body: Struct,
    /// Its column statistics.
    pub statistics: Statistics,
}

/// A table or view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// The `Table`.
    pub body: Struct,
    /// Its constraints.
    pub constraints: Constraints,
    /// Its column statistics.
    pub statistics: Statistics,
    /// Its partitions by name (`day=2026-11-21/shop=3`).
    pub partitions: BTreeMap<String, Partition>,
}

/// All metadata of a data set. Of a table's data set: its database, and the table alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The `Database`; `None` when there is none.
    pub database: Option<Struct>,
    /// Tables and views by name.
    pub tables: BTreeMap<String, Table>,
    /// Functions by name.
    pub functions: BTreeMap<String, Struct>,
    /// Our own parameters: those of the database, or those of the one table.
    pub marks: BTreeMap<String, String>,
}

impl Table {
    /// MANAGED_TABLE, EXTERNAL_TABLE, VIRTUAL_VIEW, MATERIALIZED_VIEW.
    pub fn kind(&self) -> &str {
        self.body.text(table::TYPE).unwrap_or_default()
    }

    /// Whether it is a view, which has no data.
    pub fn is_view(&self) -> bool {
        self.kind() == "VIRTUAL_VIEW"
    }

    /// A parameter, its name in any case.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.body.texts(table::PARAMETERS).into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether it has partition columns.
    pub fn is_partitioned(&self) -> bool {
        !self.body.items(table::PARTITION_KEYS).is_empty()
    }

    /// The columns that statistics are kept of.
    pub fn columns(&self) -> Vec<String> {
        let columns = self.body.part(table::STORAGE).map(|storage| storage.items(storage::COLUMNS)).unwrap_or_default();
        columns.iter().filter_map(|column| column.as_struct()?.text(1).map(str::to_owned)).collect()
    }

    /// Whether it has a column of that name, partition columns included.
    pub fn has_column(&self, name: &str) -> bool {
        let columns = self.body.part(table::STORAGE).map(|storage| storage.items(storage::COLUMNS)).unwrap_or_default();
        let mut all = columns.iter().chain(self.body.items(table::PARTITION_KEYS));
        all.any(|column| column.as_struct().and_then(|column| column.text(1)).is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }

    /// Its own location, if it has one.
    pub fn location(&self) -> Option<&str> {
        self.body.part(table::STORAGE).and_then(|storage| storage.text(storage::LOCATION)).filter(|location| !location.is_empty())
    }
}

/// Takes our own parameters out of a struct's; what was taken.
pub fn take_marks(body: &mut Struct, parameters: i16) -> BTreeMap<String, String> {
    let (own, theirs) = body.texts(parameters).into_iter().partition::<BTreeMap<_, _>, _>(|(key, _)| key.starts_with(OWN));
    if !own.is_empty() {
        body.set(parameters, Value::from(&theirs));
    }
    own
}

/// Puts our own parameters into a struct's.
pub fn put_marks(body: &mut Struct, parameters: i16, marks: &BTreeMap<String, String>) {
    if !marks.is_empty() {
        let mut all = body.texts(parameters);
        all.extend(marks.clone());
        body.set(parameters, Value::from(&all));
    }
}

/// What a metastore calls the empty value in a partition's name. The value itself it keeps as the empty text.
const EMPTY_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// Values as a partition's name tells them: no two partitions of a table have the same.
pub fn told_in_name(values: &[Value]) -> Vec<String> {
    let value = |value: &Value| value.as_text().filter(|text| !text.is_empty()).unwrap_or(EMPTY_VALUE).to_owned();
    values.iter().map(value).collect()
}

/// The values of a partition's name, `a=1/b=x%2Fy`.
pub fn partition_values(name: &str) -> Vec<String> {
    let value = |part: &str| {
        let escaped = part.split_once('=').map_or(part, |(_, value)| value);
        percent_encoding::percent_decode_str(escaped).decode_utf8_lossy().into_owned()
    };
    name.split('/').map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partitions_name_tells_its_values() {
        assert_eq!(partition_values("day=2026-11-21/shop=a%2Fb c/place=大阪"), ["2026-11-21", "a/b c", "大阪"]);
        assert_eq!(partition_values("k=a%3Db"), ["a=b"]);
        let values = ["", "__HIVE_DEFAULT_PARTITION__", "x"].map(Value::from);
        assert_eq!(told_in_name(&values), partition_values("a=__HIVE_DEFAULT_PARTITION__/b=__HIVE_DEFAULT_PARTITION__/c=x"));
    }

    #[test]
    fn our_own_parameters_are_told_apart() {
        let all = BTreeMap::from([("a", "1"), (MARK, "x"), (FENCE, "y")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let mut body = Struct::of([(9, Value::from(&all))]);
        let own = take_marks(&mut body, 9);
        assert_eq!((own.len(), body.texts(9).len()), (2, 1));
        put_marks(&mut body, 9, &own);
        assert_eq!(body.texts(9), all);
    }
}
