//! Which constraints of a data set a secondary can keep. Pure.
//!
//! A metastore of version 3.1 loses what its own constraints say when a table's columns are altered: it then tells a primary key without
//! a column, and a foreign key with a column of another table. None of that can be made again anywhere, so it is left out and said.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{ConstraintKind, Metadata, Table};
use super::names::SetName;
use super::notes::{HiveNote, Unmakeable};
use super::thrift::Struct;

/// Of a foreign key's column: the table that it leads to, and the column there.
const KEY_DATABASE: i16 = 1;
const KEY_TABLE: i16 = 2;
const KEY_COLUMN: i16 = 3;

/// Takes out the constraints that a secondary could not keep; says which and why.
pub fn take_out(metadata: &mut Metadata, set: &SetName) -> Vec<HiveNote> {
    let mut told = Vec::new();
    for (name, table) in &mut metadata.tables {
        let whole: BTreeSet<_> =
            table.constraints.iter().filter(|(key, columns)| is_whole(table, key.0, columns)).map(|(key, _)| key.clone()).collect();
        table.constraints.retain(|key, _| {
            let kept = whole.contains(key);
            if !kept {
                told.push(left_out(name, &key.1, Unmakeable::ColumnsLost));
            }
            kept
        });
    }
    // What a foreign key may lead to: a key that is kept.
    let keys: BTreeMap<String, Table> =
        metadata.tables.iter().filter(|(_, table)| has_key(table)).map(|(name, table)| (name.clone(), table.clone())).collect();
    for (name, table) in &mut metadata.tables {
        table.constraints.retain(|(kind, key), columns| {
            let why =
                if *kind == ConstraintKind::Foreign { columns.iter().find_map(|column| leads_nowhere(column, set, &keys)) } else { None };
            told.extend(why.map(|why| left_out(name, key, why)));
            why.is_none()
        });
    }
    told
}

fn left_out(table: &str, constraint: &str, why: Unmakeable) -> HiveNote {
    HiveNote::ConstraintLeftOut { table: table.to_owned(), constraint: constraint.to_owned(), why }
}

/// Whether each of its columns is one of the table. A check may be one of the whole table, without a column.
fn is_whole(table: &Table, kind: ConstraintKind, columns: &[Struct]) -> bool {
    columns.iter().all(|column| match column.text(kind.column_field()) {
        Some(column) => table.has_column(column),
        None => kind == ConstraintKind::Check,
    })
}

fn has_key(table: &Table) -> bool {
    table.constraints.keys().any(|(kind, _)| matches!(kind, ConstraintKind::Primary | ConstraintKind::Unique))
}

fn leads_nowhere(column: &Struct, set: &SetName, keys: &BTreeMap<String, Table>) -> Option<Unmakeable> {
    let inside = column.text(KEY_DATABASE) == Some(&set.database);
    match column.text(KEY_TABLE).filter(|_| inside).and_then(|table| keys.get(table)) {
        None => Some(Unmakeable::LeadsOutside),
        Some(there) if !column.text(KEY_COLUMN).is_some_and(|column| there.has_column(column)) => Some(Unmakeable::LeadsToLostColumns),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Constraints, storage, table};
    use super::super::thrift::Value;
    use super::*;

    fn table_of(columns: &[&str], constraints: Constraints) -> Table {
        let columns: Vec<Struct> = columns.iter().map(|name| Struct::of([(1, (*name).into()), (2, "int".into())])).collect();
        let storage = Struct::of([(storage::COLUMNS, Value::from(columns))]);
        Table { body: Struct::of([(table::STORAGE, storage.into())]), constraints, ..Table::default() }
    }

    fn primary(column: Option<&str>) -> (ConstraintKind, String, Vec<Struct>) {
        let mut body = Struct::of([(1, "sales".into()), (2, "customers".into())]);
        column.into_iter().for_each(|column| body.set(3, column));
        (ConstraintKind::Primary, "pk".into(), vec![body])
    }

    fn foreign(table: &str, column: &str) -> (ConstraintKind, String, Vec<Struct>) {
        let body = Struct::of([(1, "sales".into()), (2, table.into()), (3, column.into()), (6, "Customer".into())]);
        (ConstraintKind::Foreign, "fk".into(), vec![body])
    }

    fn count(metadata: &Metadata) -> usize {
        metadata.tables.values().map(|table| table.constraints.len()).sum()
    }

    fn left(key: (ConstraintKind, String, Vec<Struct>), lead: (ConstraintKind, String, Vec<Struct>)) -> (Vec<HiveNote>, usize) {
        let with = |(kind, name, columns)| Constraints::from([((kind, name), columns)]);
        let tables = [("customers", table_of(&["id"], with(key))), ("orders", table_of(&["id", "customer"], with(lead)))];
        let mut metadata = Metadata { tables: tables.map(|(name, table)| (name.to_owned(), table)).into(), ..Metadata::default() };
        let before = count(&metadata);
        let told = take_out(&mut metadata, &SetName::parse("sales").expect("a name"));
        assert_eq!(told.len() + count(&metadata), before, "each is kept or told");
        (told, count(&metadata))
    }

    #[test]
    fn a_constraint_without_its_column_goes_and_so_does_what_leads_to_it() {
        assert_eq!(left(primary(Some("id")), foreign("customers", "ID")), (vec![], 2));
        let (told, kept) = left(primary(None), foreign("customers", "id"));
        assert_eq!(
            (kept, told),
            (0, vec![left_out("customers", "pk", Unmakeable::ColumnsLost), left_out("orders", "fk", Unmakeable::LeadsOutside)])
        );
        assert_eq!(left(primary(Some("gone")), foreign("customers", "id")).1, 0);
        assert_eq!(left(primary(Some("id")), foreign("customers", "day")).1, 1, "a column that the other table does not have");
        assert_eq!(left(primary(Some("id")), foreign("elsewhere", "id")).1, 1, "a table outside the data set");
    }

    #[test]
    fn a_check_may_have_no_column() {
        let check = |column: Option<&str>| {
            let mut body = Struct::of([(5, "a > b".into())]);
            column.into_iter().for_each(|column| body.set(4, column));
            (ConstraintKind::Check, "cc".to_owned(), vec![body])
        };
        assert_eq!(left(check(None), primary(Some("id"))).1, 2);
        assert_eq!(left(check(Some("gone")), primary(Some("id"))).1, 1);
    }
}
