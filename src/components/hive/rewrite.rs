//! From the primary's metadata to the secondary's, and from there into a drill's space: names, locations and every other address of the
//! file system. Pure.
//!
//! View texts stay as they are written: they name tables, not places. (A drill's are another matter: see `space`.)

use serde::{Deserialize, Serialize};

use super::model::{Metadata, Partition, Table, database, function, partition, storage, table};
use super::names::{SetName, usual_database};
use super::places::{Tree, is_inside, path_in};
use super::reads::{PATH, addresses, is_prose};
use super::thrift::{Struct, Value};

/// Where a data set's metadata comes from; travels with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Of this file; 1.
    pub format: u32,
    /// The data set's name there.
    pub set: String,
    /// Its file system, `hdfs://authority`.
    pub fs: String,
    /// The warehouse's path in it.
    pub warehouse: String,
    /// The path of the database's directory.
    pub database: String,
    /// The captured trees.
    pub trees: Vec<Tree>,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The data set's name there.
    pub set: SetName,
    /// Its file system.
    pub fs: String,
    /// The warehouse's path in it.
    pub warehouse: String,
}

/// The way from one to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    from: SetName,
    to: SetName,
    from_fs: String,
    to_fs: String,
    /// Directories there and here, the deepest first.
    places: Vec<(String, String)>,
    /// Into a drill's space: the directories that are copied. What lies elsewhere and is only read, as a jar, stays where it is.
    copied: Option<Vec<String>>,
}

/// Parameters that lead to what nobody writes.
const READ_ONLY: &str = "avro.schema.url";

impl Rewrite {
    /// Decides it; the reason when the origin's data set and the target's do not fit.
    pub fn new(origin: &Origin, target: &Target) -> Result<Rewrite, &'static str> {
        let from = SetName::parse(&origin.set)?;
        let to = target.set.clone();
        if from.table.is_some() != to.table.is_some() {
            return Err("a database is backed up to a database, a table to a table");
        }
        let usual = usual_database(&origin.warehouse, &from.database);
        let moved = from.database != to.database;
        let database = match origin.database == usual || moved {
            true => usual_database(&target.warehouse, &to.database),
            false => origin.database.clone(),
        };
        let mut places = vec![(origin.warehouse.clone(), target.warehouse.clone()), (origin.database.clone(), database.clone())];
        if let (Some(old), Some(new)) = (&from.table, &to.table) {
            places.push((format!("{}/{old}", origin.database), format!("{database}/{new}")));
        }
        places.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        Ok(Rewrite { from, to, from_fs: origin.fs.clone(), to_fs: target.fs.clone(), places, copied: None })
    }

    /// From production at the secondary into a drill's database, every place of it below `space` in the same file system.
    pub fn into_space(set: &SetName, database: &str, fs: &str, space: &str, copied: Vec<String>) -> Rewrite {
        let to = SetName { database: database.to_owned(), ..set.clone() };
        Rewrite::into_places(set, to, fs, vec![(String::new(), space.to_owned())], copied)
    }

    /// From a data set to another name beside it, its directories to others in the same file system.
    pub fn into_places(set: &SetName, to: SetName, fs: &str, mut places: Vec<(String, String)>, copied: Vec<String>) -> Rewrite {
        places.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        Rewrite { from: set.clone(), to, from_fs: fs.to_owned(), to_fs: fs.to_owned(), places, copied: Some(copied) }
    }

    /// Where a path of the primary is at the secondary.
    pub fn path(&self, path: &str) -> String {
        let found = self.places.iter().find(|(old, _)| is_inside(path, old));
        found.map_or_else(|| path.to_owned(), |(old, new)| format!("{new}{}", &path[old.len()..]))
    }

    /// A location at the secondary; one in no file system of the primary's stays.
    fn location(&self, location: &str) -> String {
        let Some(path) = path_in(location, &self.from_fs) else { return location.to_owned() };
        let path = self.path(&path);
        if location.starts_with('/') { path } else { format!("{}{path}", self.to_fs) }
    }

    /// The same of what is only read.
    fn read_only(&self, location: &str) -> String {
        let stays = self
            .copied
            .as_ref()
            .is_some_and(|copied| path_in(location, &self.from_fs).is_some_and(|path| !copied.iter().any(|tree| is_inside(&path, tree))));
        if stays { location.to_owned() } else { self.location(location) }
    }

    fn relocate(&self, fields: &mut Struct, id: i16) {
        if let Some(new) = fields.text(id).map(|old| self.location(old)) {
            fields.set(id, new.as_str());
        }
    }

    /// Values that are whole addresses of the primary's file system: `avro.schema.url`, Spark's `path` and their like. Of a longer text
    /// nothing is known, and what is written for people is theirs.
    fn parameters(&self, fields: &mut Struct, id: i16) {
        let mut all = fields.texts(id);
        let mut touched = false;
        for (key, value) in &mut all {
            let named = addresses(value);
            // A path alone is an address where a place is meant.
            let old = if named.is_empty() && key.eq_ignore_ascii_case(PATH) { vec![value.as_str()] } else { named };
            if old.is_empty() || is_prose(key) {
                continue;
            }
            let turned = |one: &&str| if key.eq_ignore_ascii_case(READ_ONLY) { self.read_only(one) } else { self.location(one) };
            let new = old.iter().map(turned).collect::<Vec<_>>().join(",");
            touched |= new != *value;
            *value = new;
        }
        if touched {
            fields.set(id, Value::from(&all));
        }
    }

    fn storage(&self, body: &mut Struct, id: i16) {
        let Some(storage) = body.part_mut(id) else { return };
        self.relocate(storage, storage::LOCATION);
        self.parameters(storage, storage::PARAMETERS);
        if let Some(serde) = storage.part_mut(storage::SERDE) {
            self.parameters(serde, storage::SERDE_PARAMETERS);
        }
        if let Some(skew) = storage.part_mut(storage::SKEWED)
            && let Some(Value::Map(_, _, locations)) = skew.0.get_mut(&storage::SKEWED_LOCATIONS)
        {
            for place in locations.values_mut() {
                if let Some(text) = place.as_text() {
                    *place = self.location(text).as_str().into();
                }
            }
        }
    }

    fn rename(&self, fields: &mut Struct, database: i16, table: Option<i16>) {
        if fields.text(database) != Some(&self.from.database) {
            return;
        }
        fields.set(database, &self.to.database);
        if let (Some(id), Some(old), Some(new)) = (table, &self.from.table, &self.to.table)
            && fields.text(id) == Some(old)
        {
            fields.set(id, new);
        }
    }

    /// All of a data set's metadata as it is to be at the secondary.
    pub fn metadata(&self, metadata: &Metadata) -> Metadata {
        let mut new = metadata.clone();
        if let Some(body) = &mut new.database {
            self.relocate(body, database::LOCATION);
            self.relocate(body, database::MANAGED_LOCATION);
            self.parameters(body, database::PARAMETERS);
            self.rename(body, database::NAME, None);
        }
        for body in new.functions.values_mut() {
            self.rename(body, function::DATABASE, None);
            if let Some(Value::List(_, resources)) = body.0.get_mut(&function::RESOURCES) {
                for resource in resources {
                    if let Value::Struct(resource) = resource
                        && let Some(new) = resource.text(function::URI).map(|old| self.read_only(old))
                    {
                        resource.set(function::URI, new.as_str());
                    }
                }
            }
        }
        new.tables = new.tables.into_values().map(|table| self.table(table)).collect();
        new
    }

    fn table(&self, mut found: Table) -> (String, Table) {
        let body = &mut found.body;
        self.rename(body, table::DATABASE, Some(table::NAME));
        self.parameters(body, table::PARAMETERS);
        // A view's storage names no place.
        if !found.is_view() {
            self.storage(&mut found.body, table::STORAGE);
        }
        for ((kind, _), columns) in &mut found.constraints {
            for column in columns {
                for (database, table) in kind.database_fields().iter().zip(kind.table_fields()) {
                    self.rename(column, *database, Some(*table));
                }
            }
        }
        for Partition { body, .. } in found.partitions.values_mut() {
            self.rename(body, partition::DATABASE, Some(partition::TABLE));
            self.parameters(body, partition::PARAMETERS);
            self.storage(body, partition::STORAGE);
        }
        (found.body.text(table::NAME).unwrap_or_default().to_owned(), found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn rewrite(from: &str, to: &str, database: &str) -> Rewrite {
        let origin = Origin {
            format: 1,
            set: from.into(),
            fs: "hdfs://a:9820".into(),
            warehouse: "/warehouse".into(),
            database: database.into(),
            trees: Vec::new(),
        };
        let target = Target { set: SetName::parse(to).expect("a name"), fs: "hdfs://b:9820".into(), warehouse: "/user/hive".into() };
        Rewrite::new(&origin, &target).expect("it fits")
    }

    #[test]
    fn places_follow_the_warehouse_the_database_and_the_table() {
        let same = rewrite("sales", "sales", "/warehouse/sales.db");
        assert_eq!(same.location("hdfs://a:9820/warehouse/sales.db/t/day=1"), "hdfs://b:9820/user/hive/sales.db/t/day=1");
        assert_eq!(same.location("hdfs://a:9820/ext/x y"), "hdfs://b:9820/ext/x y");
        assert_eq!(same.location("hdfs://a:9820/warehouse-2/x"), "hdfs://b:9820/warehouse-2/x");
        assert_eq!(same.location("s3a://bucket/x"), "s3a://bucket/x");
        let other = rewrite("sales.t", "copy.u", "/warehouse/sales.db");
        assert_eq!(other.location("hdfs://a:9820/warehouse/sales.db/t/day=1"), "hdfs://b:9820/user/hive/copy.db/u/day=1");
        assert_eq!(other.location("/warehouse/sales.db/tt"), "/user/hive/copy.db/tt");
        let custom = rewrite("sales", "sales", "/data/sales");
        assert_eq!(custom.location("hdfs://a:9820/data/sales/t"), "hdfs://b:9820/data/sales/t");
    }

    #[test]
    fn a_drill_has_every_place_below_its_space_and_leaves_jars_and_schemas_that_are_not_copied() {
        let set = SetName::parse("sales").expect("a name");
        let own = Rewrite::into_space(&set, "drill", "hdfs://b:9820", "/space", vec!["/w/sales.db".into()]);
        assert_eq!(own.location("hdfs://b:9820/w/sales.db/t"), "hdfs://b:9820/space/w/sales.db/t");
        assert_eq!(own.location("/ext/x"), "/space/ext/x");
        assert_eq!(own.location("s3a://bucket/x"), "s3a://bucket/x");
        assert_eq!(own.read_only("hdfs://b:9820/jars/x.jar"), "hdfs://b:9820/jars/x.jar");
        assert_eq!(own.read_only("hdfs://b:9820/w/sales.db/x.jar"), "hdfs://b:9820/space/w/sales.db/x.jar");
        let parameters =
            [("path", "/w/sales.db/t"), ("root", "/etc"), ("avro.schema.url", "hdfs://b:9820/s.avsc"), ("x", "hdfs://b:9820/x")];
        let all: BTreeMap<_, _> = parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let mut fields = Struct::of([(1, Value::from(&all)), (2, "hdfs://b:9820/managed".into())]);
        own.parameters(&mut fields, 1);
        let told: Vec<String> = fields.texts(1).into_values().collect();
        assert_eq!(told, ["hdfs://b:9820/s.avsc", "/space/w/sales.db/t", "/etc", "hdfs://b:9820/space/x"]);
        let database = Struct::of([(database::LOCATION, "/w/sales.db".into()), (database::MANAGED_LOCATION, "/managed/sales.db".into())]);
        let moved = own.metadata(&Metadata { database: Some(database), ..Metadata::default() }).database.expect("a database");
        assert_eq!(moved.text(database::MANAGED_LOCATION), Some("/space/managed/sales.db"));
    }

    #[test]
    fn a_path_alone_and_several_addresses_are_turned_and_texts_for_people_are_theirs() {
        let to = rewrite("sales", "sales", "/warehouse/sales.db");
        let pairs = [
            ("path", "/warehouse/sales.db/t", "/user/hive/sales.db/t"),
            ("PATH", "hdfs:/warehouse/sales.db/t", "hdfs://b:9820/user/hive/sales.db/t"),
            ("two", "hdfs://a:9820/warehouse/x, hdfs://c/y", "hdfs://b:9820/user/hive/x,hdfs://c/y"),
            ("with a comma", "hdfs://a:9820/x,y", "hdfs://b:9820/x,y"),
            ("comment", "hdfs://a:9820/x was its place", "hdfs://a:9820/x was its place"),
            ("json", "{\"a\":\"hdfs://a:9820/x\"}", "{\"a\":\"hdfs://a:9820/x\"}"),
            ("root", "/warehouse/sales.db/t", "/warehouse/sales.db/t"),
        ];
        let texts =
            |of: fn(&(&str, &str, &str)) -> String| pairs.iter().map(|pair| (pair.0.to_owned(), of(pair))).collect::<BTreeMap<_, _>>();
        let mut fields = Struct::of([(1, Value::from(&texts(|pair| pair.1.to_owned())))]);
        to.parameters(&mut fields, 1);
        assert_eq!(fields.texts(1), texts(|pair| pair.2.to_owned()));
    }

    #[test]
    fn every_address_moves_and_view_texts_stay() {
        let to = rewrite("sales", "copy", "/warehouse/sales.db");
        let parameters = |pairs: &[(&str, &str)]| {
            Value::from(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>())
        };
        let skew = Value::Map(
            super::super::thrift::Kind::List,
            super::super::thrift::Kind::Bytes,
            [(Value::texts(&["1".to_owned()]), "hdfs://a:9820/warehouse/sales.db/t/x=1".into())].into(),
        );
        let storage = Struct::of([
            (storage::LOCATION, "hdfs://a:9820/warehouse/sales.db/t".into()),
            (storage::SERDE, Struct::of([(storage::SERDE_PARAMETERS, parameters(&[("path", "hdfs://a:9820/ext/p")]))]).into()),
            (storage::SKEWED, Struct::of([(storage::SKEWED_LOCATIONS, skew)]).into()),
        ]);
        let body = Struct::of([
            (table::NAME, "t".into()),
            (table::DATABASE, "sales".into()),
            (table::STORAGE, storage.into()),
            (table::PARAMETERS, parameters(&[("avro.schema.url", "hdfs://a:9820/schemas/t.avsc"), ("comment", "about hdfs://a:9820")])),
        ]);
        let view = Struct::of([(table::NAME, "v".into()), (table::TYPE, "VIRTUAL_VIEW".into()), (10, "select * from sales.t".into())]);
        let old = Metadata {
            tables: [("t".to_owned(), body), ("v".to_owned(), view)].map(|(name, body)| (name, Table { body, ..Table::default() })).into(),
            ..Metadata::default()
        };
        let new = to.metadata(&old);
        let told = format!("{:?}", new.tables["t"].body.to_bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        for wanted in
            ["hdfs://b:9820/schemas/t.avsc", "hdfs://b:9820/ext/p", "hdfs://b:9820/user/hive/copy.db/t/x=1", "about hdfs://a:9820"]
        {
            assert!(told.contains(wanted), "{wanted} is not in {told}");
        }
        assert_eq!(new.tables["t"].body.text(table::DATABASE), Some("copy"));
        assert_eq!(new.tables["v"].body.text(10), Some("select * from sales.t"));
    }
}
