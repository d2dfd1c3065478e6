//! From the metadata that a metastore has to the metadata that it should have: the steps, in an order that the metastore takes. Pure.
//!
//! A metastore sets some things itself when something is made (statistics change parameters, for instance), so that one plan may
//! not be enough: whoever carries it out looks again and plans again, until nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::model::{ConstraintKind, Metadata, Partition, Statistics, Table, database, function, put_marks, storage, table};
use super::thrift::{Struct, Value};

/// One step. Data is never touched by any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Makes the database.
    CreateDatabase(Struct),
    /// Gives it other properties.
    AlterDatabase(Struct),
    /// Takes a constraint away.
    DropConstraint { table: String, name: String },
    /// Takes a table or view away.
    DropTable { table: String },
    /// Makes one.
    CreateTable { table: String, body: Struct },
    /// Gives one other properties or more columns.
    AlterTable { table: String, body: Struct },
    /// Takes partitions away, by name.
    DropPartitions { table: String, names: Vec<String> },
    /// Makes partitions.
    AddPartitions { table: String, bodies: BTreeMap<String, Struct> },
    /// Gives partitions other properties.
    AlterPartitions { table: String, bodies: BTreeMap<String, Struct> },
    /// Takes a column's statistics away, of the table or of a partition.
    ForgetStatistics { table: String, partition: Option<String>, column: String },
    /// Sets column statistics of a table.
    TableStatistics { table: String, columns: Vec<Struct> },
    /// Sets column statistics of partitions.
    PartitionStatistics { table: String, partitions: BTreeMap<String, Vec<Struct>> },
    /// Makes a constraint, a struct for each column.
    AddConstraint { table: String, kind: ConstraintKind, name: String, columns: Vec<Struct> },
    /// Takes a function away.
    DropFunction { name: String },
    /// Makes one.
    CreateFunction { name: String, body: Struct },
}

/// The steps from `live` to `want`. `whole` when the data set is the whole database and not one table.
pub fn steps(live: &Metadata, want: &Metadata, whole: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    database_steps(live, want, whole, &mut steps);
    let nothing = Table::default();
    let marks = if whole { &BTreeMap::new() } else { &want.marks };
    let other_marks = !whole && live.marks != want.marks;
    let mut replaced: BTreeSet<&String> = BTreeSet::new();
    for (name, now) in &live.tables {
        match want.tables.get(name) {
            Some(then) if is_alterable(now, then) => {}
            then => {
                steps.push(Step::DropTable { table: name.clone() });
                replaced.extend(then.map(|_| name));
            }
        }
    }
    // Views after the tables that they read.
    let order = |(_, table): &(&String, &Table)| table.is_view();
    let mut wanted: Vec<(&String, &Table)> = want.tables.iter().collect();
    wanted.sort_by_key(order);
    let pairs: Vec<(&String, Option<&Table>, &Table)> =
        wanted.into_iter().map(|(name, then)| (name, live.tables.get(name).filter(|_| !replaced.contains(name)), then)).collect();
    for (name, now, then) in &pairs {
        let mut body = then.body.clone();
        put_marks(&mut body, table::PARAMETERS, marks);
        match now {
            None => steps.push(Step::CreateTable { table: (*name).clone(), body }),
            Some(now) if bare(&now.body) != bare(&then.body) || other_marks => {
                steps.push(Step::AlterTable { table: (*name).clone(), body });
            }
            Some(_) => {}
        }
        partition_steps(name, now.unwrap_or(&nothing), then, &mut steps);
        statistics_steps(name, now.unwrap_or(&nothing), then, &mut steps);
    }
    constraint_steps(&pairs, &mut steps);
    function_steps(live, want, &mut steps);
    steps
}

/// Less what a metastore sets whatever it is told.
fn bare(body: &Struct) -> Struct {
    let mut body = body.clone();
    body.take(table::CREATE_TIME);
    body
}

/// Whether a metastore can bring one to the other without making it anew: of columns it only lets more follow.
fn is_alterable(now: &Table, then: &Table) -> bool {
    let columns = |table: &Table| -> Vec<Value> {
        let columns = table.body.part(table::STORAGE).map(|storage| storage.items(storage::COLUMNS)).unwrap_or_default();
        columns
            .iter()
            .filter_map(Value::as_struct)
            .map(|column| Value::from(Struct::of([1, 2].map(|id| (id, column.text(id).unwrap_or_default().into())))))
            .collect()
    };
    let keys = |table: &Table| table.body.items(table::PARTITION_KEYS).to_vec();
    now.is_view() == then.is_view() && keys(now) == keys(then) && columns(then).starts_with(&columns(now))
}

fn database_steps(live: &Metadata, want: &Metadata, whole: bool, steps: &mut Vec<Step>) {
    let Some(then) = &want.database else { return };
    let mut body = then.clone();
    if whole {
        put_marks(&mut body, database::PARAMETERS, &want.marks);
    }
    let bare = |body: &Struct| {
        let mut body = body.clone();
        body.take(database::CREATE_TIME);
        // No parameters and an empty list of them are the same.
        if body.texts(database::PARAMETERS).is_empty() {
            body.take(database::PARAMETERS);
        }
        body
    };
    match &live.database {
        None => steps.push(Step::CreateDatabase(body)),
        // A table's data set leaves a database that is there as it is: others may own it.
        Some(now) if whole && (bare(now) != bare(then) || live.marks != want.marks) => steps.push(Step::AlterDatabase(body)),
        Some(_) => {}
    }
}

fn partition_steps(name: &str, now: &Table, then: &Table, steps: &mut Vec<Step>) {
    let table = || name.to_owned();
    let gone: Vec<String> = now.partitions.keys().filter(|name| !then.partitions.contains_key(*name)).cloned().collect();
    let bodies = |wanted: &dyn Fn(&String, &Partition) -> bool| -> BTreeMap<String, Struct> {
        then.partitions.iter().filter(|(name, part)| wanted(name, part)).map(|(name, part)| (name.clone(), part.body.clone())).collect()
    };
    let new = bodies(&|name, _| !now.partitions.contains_key(name));
    let other = bodies(&|name, part| now.partitions.get(name).is_some_and(|now| now.body != part.body));
    if !gone.is_empty() {
        steps.push(Step::DropPartitions { table: table(), names: gone });
    }
    if !new.is_empty() {
        steps.push(Step::AddPartitions { table: table(), bodies: new });
    }
    if !other.is_empty() {
        steps.push(Step::AlterPartitions { table: table(), bodies: other });
    }
}

/// The columns whose statistics are other, as they should be.
fn other_statistics(now: &Statistics, then: &Statistics) -> Vec<Struct> {
    then.iter().filter(|(column, one)| now.get(*column) != Some(*one)).map(|(_, one)| one.clone()).collect()
}

fn statistics_steps(name: &str, now: &Table, then: &Table, steps: &mut Vec<Step>) {
    let table = || name.to_owned();
    let mut forget = |partition: Option<&String>, now: &Statistics, then: &Statistics| {
        for column in now.keys().filter(|column| !then.contains_key(*column)) {
            steps.push(Step::ForgetStatistics { table: table(), partition: partition.cloned(), column: column.clone() });
        }
    };
    forget(None, &now.statistics, &then.statistics);
    let mut parts = BTreeMap::new();
    for (name, part) in &then.partitions {
        let known = now.partitions.get(name).map(|now| now.statistics.clone()).unwrap_or_default();
        forget(Some(name), &known, &part.statistics);
        let other = other_statistics(&known, &part.statistics);
        if !other.is_empty() {
            parts.insert(name.clone(), other);
        }
    }
    let other = other_statistics(&now.statistics, &then.statistics);
    if !other.is_empty() {
        steps.push(Step::TableStatistics { table: table(), columns: other });
    }
    if !parts.is_empty() {
        steps.push(Step::PartitionStatistics { table: table(), partitions: parts });
    }
}

/// Constraints go before anything else changes, foreign keys first, and come after everything else, foreign keys last.
fn constraint_steps(pairs: &[(&String, Option<&Table>, &Table)], steps: &mut Vec<Step>) {
    let mut drops = Vec::new();
    let mut adds = Vec::new();
    for (table, now, then) in pairs {
        for (key, columns) in now.iter().flat_map(|now| &now.constraints) {
            if then.constraints.get(key) != Some(columns) {
                drops.push((key.0, Step::DropConstraint { table: (*table).clone(), name: key.1.clone() }));
            }
        }
        for (key, columns) in &then.constraints {
            if now.is_none_or(|now| now.constraints.get(key) != Some(columns)) {
                let add = Step::AddConstraint { table: (*table).clone(), kind: key.0, name: key.1.clone(), columns: columns.clone() };
                adds.push((key.0, add));
            }
        }
    }
    drops.sort_by_key(|(kind, _)| std::cmp::Reverse(*kind));
    adds.sort_by_key(|(kind, _)| *kind);
    // The database's own step stays first.
    let first = usize::from(matches!(steps.first(), Some(Step::CreateDatabase(_) | Step::AlterDatabase(_))));
    steps.splice(first..first, drops.into_iter().map(|(_, step)| step));
    steps.extend(adds.into_iter().map(|(_, step)| step));
}

fn function_steps(live: &Metadata, want: &Metadata, steps: &mut Vec<Step>) {
    let bare = |body: &Struct| {
        let mut body = body.clone();
        body.take(function::CREATE_TIME);
        body
    };
    for (name, now) in &live.functions {
        if want.functions.get(name).is_none_or(|then| bare(then) != bare(now)) {
            steps.push(Step::DropFunction { name: name.clone() });
        }
    }
    for (name, then) in &want.functions {
        if live.functions.get(name).is_none_or(|now| bare(then) != bare(now)) {
            steps.push(Step::CreateFunction { name: name.clone(), body: then.clone() });
        }
    }
}

/// What a step says about the metastore as it is found: where it is not what it should be.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let few = |f: &mut fmt::Formatter<'_>, names: &mut dyn Iterator<Item = &String>, table: &str, what: &str| {
            let first = names.next().map(String::as_str).unwrap_or_default();
            match names.count() {
                0 => write!(f, "partition {first} of table {table} {what}"),
                more => write!(f, "partition {first} of table {table} and {more} more: {what}"),
            }
        };
        match self {
            Step::CreateDatabase(_) => write!(f, "the database is missing"),
            Step::AlterDatabase(_) => write!(f, "the database has other properties"),
            Step::DropConstraint { table, name } => write!(f, "table {table} has a constraint {name} that it should not have"),
            Step::DropTable { table } => write!(f, "table {table} should not be there as it is"),
            Step::CreateTable { table, .. } => write!(f, "table {table} is missing"),
            Step::AlterTable { table, .. } => write!(f, "table {table} has other properties"),
            Step::DropPartitions { table, names } => few(f, &mut names.iter(), table, "should not be there"),
            Step::AddPartitions { table, bodies } => few(f, &mut bodies.keys(), table, "is missing"),
            Step::AlterPartitions { table, bodies } => few(f, &mut bodies.keys(), table, "has other properties"),
            Step::ForgetStatistics { table, column, .. } => {
                write!(f, "table {table} has statistics of column {column} that it should not have")
            }
            Step::TableStatistics { table, .. } => write!(f, "table {table} has other column statistics"),
            Step::PartitionStatistics { table, partitions } => few(f, &mut partitions.keys(), table, "has other column statistics"),
            Step::AddConstraint { table, name, .. } => write!(f, "constraint {name} of table {table} is missing"),
            Step::DropFunction { name } => write!(f, "function {name} should not be there as it is"),
            Step::CreateFunction { name, .. } => write!(f, "function {name} is missing"),
        }
    }
}

#[cfg(test)]
mod tests;
