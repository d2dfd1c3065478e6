//! What of a recovery point is in a drill's space, or beside the live data, and under which names. Pure.
//!
//! Every location lies below the space, and what cannot lie there refuses the drill (or the restore) by name: nothing that is written to its
//! tables reaches production. Views and functions of the database name the drill's own; other databases they name as they did.

use super::handlers::{lead, refuse_led};
use super::model::{ConstraintKind, DRILL, KEY_NAME, Metadata, RESTORE, Table, database, partition, table};
use super::names::{SetName, drill_constraint, drill_database, restored_constraint};
use super::places::{is_inside, path_in};
use super::reads::places_of;
use super::rewrite::Rewrite;
use super::thrift::{Struct, Value};
use super::views::turned;
use crate::domain::{DrillId, RestoreId};

/// What Spark keeps of a view: the database that bare names are of.
const SPARK_DATABASE: &str = "view.default.database";
/// Likewise, later versions: `….0` is a catalog and `….1` the database.
const SPARK_NAMESPACE: &str = "view.catalogAndNamespace.part.1";

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Drill(DrillId),
    Restore(RestoreId),
}

/// Where one data set is in a drill, or beside the live one.
pub struct Space {
    owner: Owner,
    from: SetName,
    /// The data set's name there.
    pub set: SetName,
    fs: String,
    place: String,
    rewrite: Rewrite,
}

impl Space {
    /// Of a data set of production with its data in `trees`, below the directory `place` of the file system `fs`.
    pub fn new(drill: DrillId, from: &SetName, fs: &str, place: &str, trees: Vec<String>) -> Space {
        let database = drill_database(drill, &from.database);
        let rewrite = Rewrite::into_space(from, &database, fs, place, trees);
        let set = SetName { database, ..from.clone() };
        Space { owner: Owner::Drill(drill), from: from.clone(), set, fs: fs.to_owned(), place: place.to_owned(), rewrite }
    }

    /// Of a data set, or one table of it, restored as `set` into the directory `place`: `places` tells where each directory goes.
    pub fn beside(restore: RestoreId, from: &SetName, set: SetName, fs: &str, place: &str, places: Vec<(String, String)>) -> Space {
        let copied = places.iter().map(|(old, _)| old.clone()).collect();
        let rewrite = Rewrite::into_places(from, set.clone(), fs, places, copied);
        Space { owner: Owner::Restore(restore), from: from.clone(), set, fs: fs.to_owned(), place: place.to_owned(), rewrite }
    }

    /// Where a directory of production's is there.
    pub fn path(&self, path: &str) -> String {
        self.rewrite.path(path)
    }

    /// The metadata there; or which table cannot be, and why.
    pub fn metadata(&self, production: &Metadata) -> Result<Metadata, (SetName, String)> {
        let mut own = self.rewrite.metadata(production);
        let (mark, id) = match self.owner {
            Owner::Drill(drill) => (DRILL, drill.to_string()),
            Owner::Restore(restore) => (RESTORE, restore.to_string()),
        };
        own.marks = [(mark.to_owned(), id)].into();
        for (name, found) in &mut own.tables {
            let table = SetName { table: Some(name.clone()), ..self.from.clone() };
            let led = match self.owner {
                Owner::Drill(drill) => lead(found, &table, drill),
                Owner::Restore(_) => refuse_led(found),
            };
            led.and_then(|()| self.check(found)).map_err(|reason| (table, reason))?;
            found.constraints = std::mem::take(&mut found.constraints).into_iter().map(|one| self.constraint(one)).collect();
            if found.is_view() {
                let known = |name: &str| production.tables.contains_key(name) || production.functions.contains_key(name);
                self.view(&mut found.body, known);
            }
        }
        let outside = [database::LOCATION, database::MANAGED_LOCATION]
            .iter()
            .filter_map(|id| own.database.as_ref()?.text(*id))
            .find(|location| !self.is_inside(location));
        match outside {
            Some(location) => Err((SetName { table: None, ..self.from.clone() }, self.leads_out(location))),
            None => Ok(own),
        }
    }

    fn is_inside(&self, location: &str) -> bool {
        path_in(location, &self.fs).is_some_and(|path| is_inside(&path, &self.place))
    }

    fn leads_out(&self, location: &str) -> String {
        format!(
            "its data is at {location}, which is not among what is copied in {}: what is written to it here would be written there",
            self.fs
        )
    }

    /// Whether all that is written to a table stays in the space.
    fn check(&self, found: &Table) -> Result<(), String> {
        if found.is_view() {
            return Ok(());
        }
        let parts = found.partitions.values().filter_map(|part| part.body.part(partition::STORAGE));
        let all = found.body.part(table::STORAGE).into_iter().chain(parts).flat_map(places_of).map(|(place, _)| place);
        all.filter(|location| !self.is_inside(location)).take(1).try_for_each(|location| Err(self.leads_out(&location)))
    }

    fn constraint_named(&self, name: &str) -> String {
        match self.owner {
            Owner::Drill(drill) => drill_constraint(drill, name),
            Owner::Restore(_) => restored_constraint(&self.set, name),
        }
    }

    fn constraint(&self, ((kind, name), mut columns): ((ConstraintKind, String), Vec<Struct>)) -> ((ConstraintKind, String), Vec<Struct>) {
        let lead = (kind == ConstraintKind::Foreign).then_some(KEY_NAME);
        for column in &mut columns {
            for id in std::iter::once(kind.name_field()).chain(lead) {
                if let Some(new) = column.text(id).map(|old| self.constraint_named(old)) {
                    column.set(id, new.as_str());
                }
            }
        }
        columns.sort();
        ((kind, self.constraint_named(&name)), columns)
    }

    fn view(&self, body: &mut Struct, known: impl Fn(&str) -> bool) {
        for id in table::VIEW_TEXTS {
            if let Some(new) = body.text(id).map(|old| turned(old, &self.from.database, &self.set.database, &known)) {
                body.set(id, new.as_str());
            }
        }
        let mut parameters = body.texts(table::PARAMETERS);
        let of_it =
            |(key, value): (&String, &String)| [SPARK_DATABASE, SPARK_NAMESPACE].contains(&key.as_str()) && *value == self.from.database;
        if parameters.iter().any(of_it) {
            parameters.iter_mut().filter(|(key, value)| of_it((key, value))).for_each(|(_, value)| value.clone_from(&self.set.database));
            body.set(table::PARAMETERS, Value::from(&parameters));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{function, storage};
    use super::*;
    use std::collections::BTreeMap;

    const FS: &str = "hdfs://b:9820";

    fn texts(pairs: &[(&str, &str)]) -> Value {
        Value::from(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>())
    }

    fn stored(location: &str, serde: &[(&str, &str)]) -> Value {
        let serde = Struct::of([(storage::SERDE_PARAMETERS, texts(serde))]);
        Struct::of([(storage::LOCATION, location.into()), (storage::SERDE, serde.into())]).into()
    }

    fn sales(tables: Vec<(&str, Table)>) -> Metadata {
        let place = format!("{FS}/w/sales.db");
        Metadata {
            database: Some(Struct::of([(database::NAME, "sales".into()), (database::LOCATION, place.as_str().into())])),
            tables: tables.into_iter().map(|(name, table)| (name.to_owned(), table)).collect(),
            functions: [("shout".to_owned(), Struct::of([(function::DATABASE, "sales".into())]))].into(),
            ..Metadata::default()
        }
    }

    fn orders(location: &str, parameters: &[(&str, &str)], serde: &[(&str, &str)]) -> Table {
        let body = [
            (table::NAME, "orders".into()),
            (table::DATABASE, "sales".into()),
            (table::STORAGE, stored(location, serde)),
            (table::PARAMETERS, texts(parameters)),
        ];
        Table { body: Struct::of(body), ..Table::default() }
    }

    fn space() -> Space {
        let set = SetName::parse("sales").expect("a name");
        Space::new(DrillId(uuid::Uuid::nil()), &set, FS, "/understudy/drills/x/hive", vec!["/w/sales.db".into()])
    }

    fn refusal(table: Table) -> String {
        let (object, reason) = space().metadata(&sales(vec![("orders", table)])).expect_err("refused");
        assert_eq!(object.to_string(), "sales.orders");
        reason
    }

    #[test]
    fn names_places_constraints_and_views_are_the_drills() {
        let mut kept = orders(&format!("{FS}/w/sales.db/orders"), &[], &[]);
        let key = Struct::of([(1, "sales".into()), (2, "orders".into()), (4, "sales".into()), (10, "fk".into()), (KEY_NAME, "pk".into())]);
        kept.constraints = [((ConstraintKind::Foreign, "fk".to_owned()), vec![key])].into();
        let text = |text: &str| Value::from(text);
        let view = Struct::of([
            (table::NAME, "v".into()),
            (table::DATABASE, "sales".into()),
            (table::TYPE, "VIRTUAL_VIEW".into()),
            (table::PARAMETERS, texts(&[(SPARK_NAMESPACE, "sales"), ("comment", "sales")])),
            (table::VIEW_TEXTS[0], text("select shout(id) from orders")),
            (table::VIEW_TEXTS[1], text("select `sales`.`shout`(`orders`.`id`) from `sales`.`orders`, hr.people")),
        ]);
        let own = space();
        let told = own.metadata(&sales(vec![("orders", kept), ("v", Table { body: view, ..Table::default() })])).expect("it can");
        let name = own.set.database.clone();
        let body = told.database.as_ref().expect("a database");
        assert_eq!(body.text(database::NAME), Some(name.as_str()));
        assert_eq!(body.text(database::LOCATION), Some("hdfs://b:9820/understudy/drills/x/hive/w/sales.db"));
        assert_eq!(told.tables["orders"].location(), Some("hdfs://b:9820/understudy/drills/x/hive/w/sales.db/orders"));
        assert_eq!(told.functions["shout"].text(function::DATABASE), Some(name.as_str()));
        assert!(told.marks.contains_key(DRILL), "it is no data set's");
        let ((_, constraint), columns) = told.tables["orders"].constraints.first_key_value().expect("a constraint");
        assert_eq!(columns[0].text(10), Some(constraint.as_str()));
        assert!(constraint.ends_with("_fk") && columns[0].text(KEY_NAME).is_some_and(|key| key.ends_with("_pk") && key != "pk"));
        assert_eq!((columns[0].text(1), columns[0].text(4)), (Some(name.as_str()), Some(name.as_str())));
        let view = &told.tables["v"].body;
        assert_eq!(view.text(table::VIEW_TEXTS[0]), Some("select shout(id) from orders"));
        let then = format!("select `{name}`.`shout`(`orders`.`id`) from `{name}`.`orders`, hr.people");
        assert_eq!(view.text(table::VIEW_TEXTS[1]), Some(then.as_str()));
        assert_eq!(view.texts(table::PARAMETERS), BTreeMap::from([(SPARK_NAMESPACE.to_owned(), name), ("comment".into(), "sales".into())]));
    }

    #[test]
    fn what_would_be_written_outside_the_space_refuses_the_drill_by_name() {
        let inside = format!("{FS}/w/sales.db/orders");
        assert!(refusal(orders("s3a://bucket/orders", &[], &[])).contains("s3a://bucket/orders"));
        assert!(refusal(orders(&inside, &[], &[("path", "hdfs://a:9820/w/sales.db/orders")])).contains("hdfs://a:9820"));
        let handler = "org.apache.hadoop.hive.kafka.KafkaStorageHandler";
        assert!(refusal(orders(&inside, &[("storage_handler", handler)], &[])).contains("(KafkaStorageHandler)"));
        let mut parts = orders(&inside, &[], &[]);
        let body = Struct::of([(partition::STORAGE, stored("file:/tmp/x", &[]))]);
        parts.partitions = [("day=1".to_owned(), super::super::model::Partition { body, ..Default::default() })].into();
        assert!(refusal(parts).contains("file:/tmp/x"));
        assert!(space().metadata(&sales(vec![("orders", orders(&inside, &[], &[("path", "/w/sales.db/orders")]))])).is_ok());
    }
}
