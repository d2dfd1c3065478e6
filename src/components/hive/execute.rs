//! Carries a plan's steps out on a metastore, and looks again until nothing is left to do.

use std::collections::BTreeMap;

use super::dump::{Depth, whole};
use super::metastore::Metastore;
use super::model::{CATALOG, ConstraintKind, Metadata};
use super::names::SetName;
use super::plan::{Step, steps};
use super::thrift::{Method, Session, SessionError, Struct, Value};
use crate::domain::{Trouble, TroubleKind};

/// Partitions in one request.
const PARTITIONS_AT_ONCE: usize = 500;
/// Times that a plan is made. The first makes, the second mends what the metastore set itself; a third finds nothing.
const ROUNDS: usize = 4;

impl Metastore {
    /// Brings a data set's metadata to `want`. Repeatable.
    pub async fn bring_to(&self, object: &str, set: &SetName, want: Metadata) -> Result<(), Trouble> {
        let owned = set.clone();
        let left = self
            .run(object, move |session| {
                let mut left = Vec::new();
                for _ in 0..ROUNDS {
                    let live = whole(session, &owned, Depth::All)?;
                    left = steps(&live, &want, owned.table.is_none());
                    if left.is_empty() {
                        return Ok(None);
                    }
                    left.iter().try_for_each(|step| carry_out(session, &owned.database, step))?;
                }
                Ok(left.first().map(ToString::to_string))
            })
            .await?;
        match left {
            None => Ok(()),
            Some(words) => Err(Trouble::new(TroubleKind::Failed, object, format!("the metastore does not take what it is told: {words}"))
                .next("see whether something else changes the metadata, or a setting of the metastore does")),
        }
    }
}

impl Metastore {
    /// Takes databases away with all that is in them, and no file, wherever their tables say that their data is. Well for one that is not
    /// there.
    pub async fn drop_databases(&self, object: &str, databases: Vec<String>) -> Result<(), Trouble> {
        self.run(object, move |session| databases.iter().try_for_each(|database| drop_database(session, database))).await
    }

    /// Takes one table away, and no file; well when it is not there, nor its database.
    pub async fn drop_table(&self, object: &str, database: &str, table: &str) -> Result<(), Trouble> {
        let (database, step) = (database.to_owned(), Step::DropTable { table: table.to_owned() });
        self.run(object, move |session| carry_out(session, &database, &step)).await
    }
}

/// Table by table, for a call that drops all of them is silent for as long as it takes.
fn drop_database(session: &mut Session, database: &str) -> Result<(), SessionError> {
    if session.database(database)?.is_none() {
        return Ok(());
    }
    for table in session.tables(database)? {
        carry_out(session, database, &Step::DropTable { table })?;
    }
    let (deleting_data, cascading) = (false.into(), true.into());
    let method = Method("drop_database", &["NoSuchObjectException", "InvalidOperationException", "MetaException"]);
    unless_gone(session.order(method, [(1, database.into()), (2, deleting_data), (3, cascading)]))
}

/// Keeps the metastore from counting files by itself: the numbers come with the metadata.
fn quietly() -> Value {
    Struct::of([(1, Value::from(&BTreeMap::from([("DO_NOT_UPDATE_STATS".to_owned(), "true".to_owned())])))]).into()
}

const EXISTS: &[&str] = &["AlreadyExistsException", "InvalidObjectException", "MetaException", "NoSuchObjectException"];
const MISSING: &[&str] = &["NoSuchObjectException", "MetaException"];
const INVALID: &[&str] = &["InvalidOperationException", "MetaException"];
const STATISTICS: &[&str] = &["NoSuchObjectException", "InvalidObjectException", "MetaException", "InvalidInputException"];

fn carry_out(session: &mut Session, database: &str, step: &Step) -> Result<(), SessionError> {
    let in_table = |table: &String| [(1, database.into()), (2, table.into())];
    match step {
        Step::CreateDatabase(body) => session.order(Method("create_database", EXISTS), [(1, body.clone().into())]),
        Step::AlterDatabase(body) => {
            let method = Method("alter_database", &["MetaException", "NoSuchObjectException"]);
            session.order(method, [(1, database.into()), (2, body.clone().into())])
        }
        Step::DropConstraint { table, name } => {
            let request = Struct::of([(1, database.into()), (2, table.into()), (3, name.into()), (4, CATALOG.into())]);
            unless_gone(session.order(Method("drop_constraint", MISSING), [(1, request.into())]))
        }
        Step::DropTable { table } => {
            let [database, table] = in_table(table);
            let method = Method("drop_table_with_environment_context", MISSING);
            unless_gone(session.order(method, [database, table, (3, false.into()), (4, quietly())]))
        }
        Step::CreateTable { body, .. } => {
            session.order(Method("create_table_with_environment_context", EXISTS), [(1, body.clone().into()), (2, quietly())])
        }
        Step::AlterTable { table, body } => {
            let [database, table] = in_table(table);
            let method = Method("alter_table_with_environment_context", INVALID);
            session.order(method, [database, table, (3, body.clone().into()), (4, quietly())])
        }
        Step::DropPartitions { table, names } => names.chunks(PARTITIONS_AT_ONCE).try_for_each(|names| {
            let [database, table] = in_table(table);
            let named = Struct::of([(1, Value::texts(names))]);
            let request = [database, table, (3, named.into()), (4, false.into()), (5, true.into()), (8, false.into()), (9, CATALOG.into())];
            session.order(Method("drop_partitions_req", MISSING), [(1, Struct::of(request).into())])
        }),
        Step::AddPartitions { table, bodies } => in_chunks(bodies, |bodies| {
            let [database, table] = in_table(table);
            let request = [database, table, (3, bodies.into()), (4, true.into()), (5, false.into())];
            let method = Method("add_partitions_req", &["InvalidObjectException", "AlreadyExistsException", "MetaException"]);
            session.order(method, [(1, Struct::of(request).into())])
        }),
        Step::AlterPartitions { table, bodies } => in_chunks(bodies, |bodies| {
            let [database, table] = in_table(table);
            let method = Method("alter_partitions_with_environment_context", INVALID);
            session.order(method, [database, table, (3, bodies.into()), (4, quietly())])
        }),
        Step::ForgetStatistics { table, partition, column } => {
            let [database, table] = in_table(table);
            unless_gone(match partition {
                None => session.order(Method("delete_table_column_statistics", MISSING), [database, table, (3, column.into())]),
                Some(name) => {
                    let method = Method("delete_partition_column_statistics", MISSING);
                    session.order(method, [database, table, (3, name.into()), (4, column.into())])
                }
            })
        }
        Step::TableStatistics { table, columns } => {
            let about = Struct::of([(1, true.into()), (2, database.into()), (3, table.into())]);
            let statistics = Struct::of([(1, about.into()), (2, columns.clone().into())]);
            session.order(Method("update_table_column_statistics", STATISTICS), [(1, statistics.into())])
        }
        Step::PartitionStatistics { table, partitions } => {
            let of = |name: &String, columns: &Vec<Struct>| {
                let about = Struct::of([(1, false.into()), (2, database.into()), (3, table.into()), (4, name.into())]);
                Struct::of([(1, about.into()), (2, columns.clone().into())])
            };
            let all = partitions.iter().map(|(name, columns)| (name.clone(), of(name, columns))).collect();
            in_chunks(&all, |all| {
                let request = Struct::of([(1, all.into()), (2, false.into())]);
                session.order(Method("set_aggr_stats_for", STATISTICS), [(1, request.into())])
            })
        }
        Step::AddConstraint { kind, columns, .. } => {
            let method = match kind {
                ConstraintKind::Primary => "add_primary_key",
                ConstraintKind::Foreign => "add_foreign_key",
                ConstraintKind::Unique => "add_unique_constraint",
                ConstraintKind::NotNull => "add_not_null_constraint",
                ConstraintKind::Default => "add_default_constraint",
                ConstraintKind::Check => "add_check_constraint",
            };
            session.order(Method(method, MISSING), [(1, Struct::of([(1, columns.clone().into())]).into())])
        }
        Step::DropFunction { name } => {
            unless_gone(session.order(Method("drop_function", MISSING), [(1, database.into()), (2, name.into())]))
        }
        Step::CreateFunction { body, .. } => session.order(Method("create_function", EXISTS), [(1, body.clone().into())]),
    }
}

fn unless_gone(done: Result<(), SessionError>) -> Result<(), SessionError> {
    match done {
        Err(error) if error.is_missing() => Ok(()),
        done => done,
    }
}

fn in_chunks(bodies: &BTreeMap<String, Struct>, mut send: impl FnMut(Vec<Struct>) -> Result<(), SessionError>) -> Result<(), SessionError> {
    let all: Vec<Struct> = bodies.values().cloned().collect();
    all.chunks(PARTITIONS_AT_ONCE).try_for_each(|chunk| send(chunk.to_vec()))
}
