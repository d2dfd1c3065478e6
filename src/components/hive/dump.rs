//! Reads the metadata of a data set out of a metastore. What vanishes while it is read is left out: the events tell that it did.

use std::collections::BTreeMap;

use super::metastore::Metastore;
use super::model::{
    CATALOG, ConstraintKind, Constraints, Metadata, Partition, Statistics, Table, database, partition, partition_values, table, take_marks,
    told_in_name,
};
use super::names::SetName;
use super::thrift::{Method, Session, SessionError, Struct, Value};
use crate::domain::Trouble;

/// Tables asked for at once.
const TABLES_AT_ONCE: usize = 100;
/// Partitions asked for at once.
const PARTITIONS_AT_ONCE: usize = 500;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Everything.
    All,
    /// What says where the data is: no functions, constraints and statistics.
    Places,
    /// The same with functions: what a policy is told about.
    Policy,
    /// Where the data is, without partitions.
    Tables,
}

impl Metastore {
    /// Everything of a data set, with no promise about the moment.
    pub async fn dump(&self, object: &str, set: &SetName, depth: Depth) -> Result<Metadata, Trouble> {
        let set = set.clone();
        self.run(object, move |session| whole(session, &set, depth)).await
    }
}

/// See [`Metastore::dump`].
pub fn whole(session: &mut Session, set: &SetName, depth: Depth) -> Result<Metadata, SessionError> {
    let mut metadata = Metadata::default();
    base(session, set, depth, &mut metadata)?;
    let names = table_names(session, set, &metadata)?;
    update_tables(session, set, depth, &names, &mut metadata)?;
    Ok(metadata)
}

/// The database and its functions, again.
pub fn base(session: &mut Session, set: &SetName, depth: Depth, metadata: &mut Metadata) -> Result<(), SessionError> {
    metadata.database = session.database(&set.database)?;
    metadata.functions.clear();
    if let Some(body) = &mut metadata.database {
        body.take(database::PRIVILEGES);
        let marks = take_marks(body, database::PARAMETERS);
        if set.table.is_none() {
            metadata.marks = marks;
            if matches!(depth, Depth::All | Depth::Policy) {
                for name in session.functions(&set.database)? {
                    if let Some(body) = session.function(&set.database, &name)? {
                        metadata.functions.insert(name, body);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The tables that belong to the data set now.
pub fn table_names(session: &mut Session, set: &SetName, metadata: &Metadata) -> Result<Vec<String>, SessionError> {
    match (&metadata.database, &set.table) {
        (None, _) => Ok(Vec::new()),
        (Some(_), Some(table)) => Ok(vec![table.clone()]),
        (Some(_), None) => session.tables(&set.database),
    }
}

/// Reads these tables again; those that are gone go.
pub fn update_tables(
    session: &mut Session,
    set: &SetName,
    depth: Depth,
    names: &[String],
    metadata: &mut Metadata,
) -> Result<(), SessionError> {
    for names in names.chunks(TABLES_AT_ONCE) {
        for name in names {
            metadata.tables.remove(name);
        }
        for mut body in session.tables_named(&set.database, names)? {
            let Some(name) = body.text(table::NAME).map(str::to_owned) else { continue };
            table::TOLD.iter().for_each(|id| drop(body.take(*id)));
            let marks = take_marks(&mut body, table::PARAMETERS);
            if set.table.is_some() {
                metadata.marks = marks;
            }
            let mut found = Table { body, ..Table::default() };
            match fill(session, &set.database, &name, depth, &mut found) {
                Ok(()) => drop(metadata.tables.insert(name, found)),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn fill(session: &mut Session, database: &str, name: &str, depth: Depth, found: &mut Table) -> Result<(), SessionError> {
    let columns = found.columns();
    if depth == Depth::All {
        found.constraints = constraints(session, database, name)?;
        if !found.is_view() && !columns.is_empty() && !found.is_partitioned() {
            let request = Struct::of([(1, database.into()), (2, name.into()), (3, Value::texts(&columns))]);
            found.statistics = by_column(session.asked(Method("get_table_statistics_req", MISSING), request)?);
        }
    }
    // A view may have partitions too: names without a place.
    if !found.is_partitioned() || depth == Depth::Tables {
        return Ok(());
    }
    let names = session.partition_names(database, name)?;
    for names in names.chunks(PARTITIONS_AT_ONCE) {
        let by_values: BTreeMap<Vec<String>, &String> = names.iter().map(|name| (partition_values(name), name)).collect();
        for mut body in session.partitions_named(database, name, names)? {
            partition::TOLD.iter().for_each(|id| drop(body.take(*id)));
            let values = told_in_name(body.items(partition::VALUES));
            let own =
                by_values.get(&values).ok_or_else(|| SessionError::Answer(format!("a partition {values:?} that was not asked for")))?;
            found.partitions.insert((*own).clone(), Partition { body, statistics: Statistics::new() });
        }
        if depth == Depth::All && !columns.is_empty() && !found.is_view() {
            let request = [(1, database.into()), (2, name.into()), (3, Value::texts(&columns)), (4, Value::texts(names))];
            let mut answer = session.asked_struct(Method("get_partitions_statistics_req", MISSING), Struct::of(request))?;
            let Some(Value::Map(_, _, all)) = answer.take(1) else { continue };
            for (name, statistics) in all {
                if let Some(partition) = name.as_text().and_then(|name| found.partitions.get_mut(name)) {
                    partition.statistics = by_column(statistics.into_structs());
                }
            }
        }
    }
    Ok(())
}

const MISSING: &[&str] = &["NoSuchObjectException", "MetaException"];

fn by_column(statistics: Vec<Struct>) -> Statistics {
    statistics.into_iter().filter_map(|one| Some((one.text(1)?.to_owned(), one))).collect()
}

fn constraints(session: &mut Session, database: &str, name: &str) -> Result<Constraints, SessionError> {
    let mut found = Constraints::new();
    let with_catalog = || Struct::of([(1, CATALOG.into()), (2, database.into()), (3, name.into())]);
    for kind in ConstraintKind::ALL {
        let (method, request) = match kind {
            ConstraintKind::Primary => ("get_primary_keys", Struct::of([(1, database.into()), (2, name.into()), (3, CATALOG.into())])),
            ConstraintKind::Foreign => ("get_foreign_keys", Struct::of([(3, database.into()), (4, name.into()), (5, CATALOG.into())])),
            ConstraintKind::Unique => ("get_unique_constraints", with_catalog()),
            ConstraintKind::NotNull => ("get_not_null_constraints", with_catalog()),
            ConstraintKind::Default => ("get_default_constraints", with_catalog()),
            ConstraintKind::Check => ("get_check_constraints", with_catalog()),
        };
        for mut column in session.asked(Method(method, &["MetaException", "NoSuchObjectException"]), request)? {
            let name = column.text(kind.name_field()).unwrap_or_default().to_owned();
            // A metastore tells the catalog at one time and not at another, and wants it told.
            column.0.entry(kind.catalog_field()).or_insert_with(|| CATALOG.into());
            found.entry((kind, name)).or_default().push(column);
        }
    }
    found.values_mut().for_each(|columns| columns.sort());
    Ok(found)
}
