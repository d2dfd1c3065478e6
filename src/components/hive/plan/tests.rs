//! A small model of a metastore carries plans out: whatever it has, it ends with what it should have, and no step is refused on the way.

use proptest::prelude::*;

use super::*;
use crate::components::hive::model::{MARK, partition};

/// What a table is made of: columns, partition columns or not, a parameter, a view or not, partitions (parameter, statistics),
/// statistics of its own, a constraint of each of two kinds.
type Shape = (Vec<u8>, bool, u8, bool, BTreeMap<u8, (u8, bool)>, bool, (Option<u8>, Option<u8>));

fn shape() -> impl Strategy<Value = Shape> {
    let partitions = proptest::collection::btree_map(0..4u8, (0..2u8, any::<bool>()), 0..4);
    let constraints = (proptest::option::of(0..2u8), proptest::option::of(0..2u8));
    (proptest::collection::vec(0..2u8, 0..3), any::<bool>(), 0..2u8, proptest::bool::weighted(0.2), partitions, any::<bool>(), constraints)
}

fn parameters(value: u8) -> Value {
    Value::from(&BTreeMap::from([("p".to_owned(), value.to_string())]))
}

fn table_of(name: &str, (columns, partitioned, parameter, view, partitions, statistics, constraints): Shape) -> Table {
    let column = |(n, kind): (usize, u8)| Struct::of([(1, format!("c{n}").as_str().into()), (2, kind.to_string().as_str().into())]);
    let columns: Vec<Struct> = columns.into_iter().enumerate().map(column).collect();
    let keys: Vec<Struct> = if partitioned && !view { vec![Struct::of([(1, "k".into())])] } else { Vec::new() };
    let body = Struct::of([
        (table::NAME, name.into()),
        (table::TYPE, if view { "VIRTUAL_VIEW" } else { "MANAGED_TABLE" }.into()),
        (table::PARAMETERS, parameters(parameter)),
        (table::STORAGE, Struct::of([(storage::COLUMNS, columns.into())]).into()),
        (table::PARTITION_KEYS, keys.into()),
    ]);
    let some = |there: bool| if there { Statistics::from([("c0".to_owned(), Struct::of([(1, "c0".into())]))]) } else { Statistics::new() };
    let part = |(n, (parameter, statistics)): (u8, (u8, bool))| {
        let body = Struct::of([(partition::PARAMETERS, parameters(parameter))]);
        (format!("k={n}"), Partition { body, statistics: some(statistics) })
    };
    let mut all = BTreeMap::new();
    if let Some(value) = constraints.0 {
        all.insert((ConstraintKind::Primary, format!("pk_{name}")), vec![Struct::of([(3, value.to_string().as_str().into())])]);
    }
    if let Some(value) = constraints.1 {
        all.insert((ConstraintKind::Foreign, format!("fk_{name}")), vec![Struct::of([(3, value.to_string().as_str().into())])]);
    }
    Table {
        body,
        constraints: all,
        statistics: some(statistics && !partitioned && !view),
        partitions: if partitioned && !view { partitions.into_iter().map(part).collect() } else { BTreeMap::new() },
    }
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let tables = proptest::collection::btree_map(0..3u8, shape(), 0..3);
    let functions = proptest::collection::btree_map(0..2u8, 0..2u8, 0..2);
    (proptest::option::of(0..2u8), tables, functions, any::<bool>()).prop_map(|(database, tables, functions, marked)| {
        let marks = if marked { BTreeMap::from([(MARK.to_owned(), "x".to_owned())]) } else { BTreeMap::new() };
        let Some(parameter) = database else { return Metadata::default() };
        Metadata {
            database: Some(Struct::of([(database::NAME, "d".into()), (database::PARAMETERS, parameters(parameter))])),
            tables: tables.into_iter().map(|(n, shape)| (format!("t{n}"), table_of(&format!("t{n}"), shape))).collect(),
            functions: functions
                .into_iter()
                .map(|(n, value)| (format!("f{n}"), Struct::of([(3, value.to_string().as_str().into())])))
                .collect(),
            marks,
        }
    })
}

/// What a metastore does with a step; it refuses what a real one refuses.
fn carry_out(live: &mut Metadata, step: Step) {
    use super::super::model::take_marks;
    match step {
        Step::CreateDatabase(mut body) | Step::AlterDatabase(mut body) => {
            live.marks = take_marks(&mut body, database::PARAMETERS);
            live.database = Some(body);
        }
        Step::DropConstraint { table, name } => {
            let all = &mut live.tables.get_mut(&table).expect("its table").constraints;
            let before = all.len();
            all.retain(|(_, known), _| *known != name);
            assert_eq!(all.len() + 1, before, "a constraint that is not there");
        }
        Step::DropTable { table } => drop(live.tables.remove(&table).expect("a table to drop")),
        Step::CreateTable { table, body } => {
            assert!(live.database.is_some(), "a table needs a database");
            assert!(live.tables.insert(table, Table { body, ..Table::default() }).is_none(), "a table that is there");
        }
        Step::AlterTable { table, body } => {
            let known = live.tables.get_mut(&table).expect("a table to alter");
            assert!(is_alterable(known, &Table { body: body.clone(), ..Table::default() }), "a change that a metastore refuses");
            known.body = body;
        }
        Step::DropPartitions { table, names } => {
            let parts = &mut live.tables.get_mut(&table).expect("its table").partitions;
            names.iter().for_each(|name| drop(parts.remove(name).expect("a partition to drop")));
        }
        Step::AddPartitions { table, bodies } => {
            let parts = &mut live.tables.get_mut(&table).expect("its table").partitions;
            for (name, body) in bodies {
                assert!(parts.insert(name, Partition { body, ..Partition::default() }).is_none(), "a partition that is there");
            }
        }
        Step::AlterPartitions { table, bodies } => {
            let parts = &mut live.tables.get_mut(&table).expect("its table").partitions;
            bodies.into_iter().for_each(|(name, body)| parts.get_mut(&name).expect("a partition to alter").body = body);
        }
        Step::ForgetStatistics { table, partition, column } => {
            let table = live.tables.get_mut(&table).expect("its table");
            let statistics = match partition {
                None => Some(&mut table.statistics),
                Some(name) => table.partitions.get_mut(&name).map(|part| &mut part.statistics),
            };
            drop(statistics.map(|statistics| statistics.remove(&column)));
        }
        Step::TableStatistics { table, columns } => {
            let statistics = columns.into_iter().map(|one| (one.text(1).expect("a column").to_owned(), one));
            live.tables.get_mut(&table).expect("its table").statistics.extend(statistics);
        }
        Step::PartitionStatistics { table, partitions } => {
            let parts = &mut live.tables.get_mut(&table).expect("its table").partitions;
            for (name, columns) in partitions {
                let statistics = columns.into_iter().map(|one| (one.text(1).expect("a column").to_owned(), one));
                parts.get_mut(&name).expect("its partition").statistics.extend(statistics);
            }
        }
        Step::AddConstraint { table, kind, name, columns } => {
            let others = live.tables.values().flat_map(|table| table.constraints.keys());
            assert!(kind != ConstraintKind::Primary || others.clone().all(|(_, known)| *known != name), "a constraint that is there");
            live.tables.get_mut(&table).expect("its table").constraints.insert((kind, name), columns);
        }
        Step::DropFunction { name } => drop(live.functions.remove(&name).expect("a function to drop")),
        Step::CreateFunction { name, body } => assert!(live.functions.insert(name, body).is_none(), "a function that is there"),
    }
}

proptest! {
    #[test]
    fn any_metastore_ends_with_what_it_should_have(mut live in metadata(), want in metadata()) {
        prop_assume!(want.database.is_some());
        for step in steps(&live, &want, true) {
            carry_out(&mut live, step);
        }
        prop_assert_eq!(steps(&live, &want, true), vec![]);
        prop_assert_eq!(live, want);
    }

    #[test]
    fn nothing_to_do_is_no_step(same in metadata()) {
        prop_assert_eq!(steps(&same, &same, true), vec![]);
        prop_assert_eq!(steps(&same, &same, false), vec![]);
    }
}

#[test]
fn a_column_of_another_type_makes_the_table_anew_and_one_more_column_does_not() {
    let table = |columns: &[u8]| table_of("t", (columns.to_vec(), false, 0, false, BTreeMap::new(), false, (None, None)));
    let of = |table: Table| Metadata { database: Some(Struct::default()), tables: [("t".to_owned(), table)].into(), ..Metadata::default() };
    let told = |now: &[u8], then: &[u8]| -> Vec<String> {
        steps(&of(table(now)), &of(table(then)), true).iter().map(ToString::to_string).collect()
    };
    assert_eq!(told(&[0], &[0, 1]), ["table t has other properties"]);
    assert_eq!(told(&[0, 1], &[1]), ["table t should not be there as it is", "table t is missing"]);
}
