//! Tables whose rows are not in HDFS, in a drill. Pure.
//!
//! A table of HBase's is led to what the drill has of it, by the name that the drill's HBase gives it: where the service has it as a
//! data set that is its clone, and else there is none and a query says so. Any other handler refuses the drill.

use std::collections::BTreeMap;

use super::model::{Table, storage, table};
use super::names::{DEFAULT, SetName};
use super::reads::Format;
use super::thrift::{Struct, Value};
use crate::components::hbase::drill_table;
use crate::domain::DrillId;

/// HBase's, by the end of its name.
const HBASE: &str = ".HBaseStorageHandler";
/// Which table of HBase's it is; what `DATABASE.TABLE` says where it is not told.
const NAME: &str = "hbase.table.name";
/// Which one is written.
const OUTPUT: &str = "hbase.mapred.output.outputtable";

/// Refuses a table whose rows are elsewhere: what would be restored of it would lead to the live ones.
pub fn refuse_led(found: &Table) -> Result<(), String> {
    let leads_out = found.format().is_none_or(|format| format == Format::Iceberg);
    let Some(handler) = found.parameter("storage_handler").filter(|_| leads_out) else { return Ok(()) };
    let short = handler.rsplit('.').next().unwrap_or(&handler);
    Err(format!("it keeps its rows elsewhere ({short}), and would lead to the live ones"))
}

/// Leads a table that is `set` in production to what the drill has of it; or why that cannot be.
pub fn lead(found: &mut Table, set: &SetName, drill: DrillId) -> Result<(), String> {
    // Formats with a handler keep their rows in the table's own directory; but Iceberg's metadata, in a point of an earlier version, may
    // lead to production.
    let leads_out = found.format().is_none_or(|format| format == Format::Iceberg);
    let Some(handler) = found.parameter("storage_handler").filter(|_| leads_out) else { return Ok(()) };
    if !handler.ends_with(HBASE) {
        let short = handler.rsplit('.').next().unwrap_or(&handler);
        return Err(format!("it keeps its rows elsewhere ({short}): what a drill writes to it would be written there"));
    }
    let mut own = found.body.texts(table::PARAMETERS);
    let inner = serde(&mut found.body).map(|serde| serde.texts(storage::SERDE_PARAMETERS)).unwrap_or_default();
    let usual = match &set.table {
        Some(table) if set.database == DEFAULT => table.clone(),
        _ => set.to_string(),
    };
    own.entry(NAME.to_owned()).or_insert_with(|| inner.get(NAME).cloned().unwrap_or(usual));
    found.body.set(table::PARAMETERS, Value::from(&renamed(own, drill)));
    if let Some(serde) = serde(&mut found.body) {
        serde.set(storage::SERDE_PARAMETERS, Value::from(&renamed(inner, drill)));
    }
    Ok(())
}

fn serde(body: &mut Struct) -> Option<&mut Struct> {
    body.part_mut(table::STORAGE)?.part_mut(storage::SERDE)
}

fn renamed(mut parameters: BTreeMap<String, String>, drill: DrillId) -> BTreeMap<String, String> {
    for key in [NAME, OUTPUT] {
        if let Some(name) = parameters.get_mut(key) {
            *name = drill_table(drill, name);
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(handler: &str, own: &[(&str, &str)], inner: &[(&str, &str)]) -> Result<[BTreeMap<String, String>; 2], String> {
        let texts = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut own: BTreeMap<String, String> = texts(own);
        own.insert("storage_handler".to_owned(), handler.to_owned());
        let serde = Struct::of([(storage::SERDE_PARAMETERS, Value::from(&texts(inner)))]);
        let kept = Struct::of([(storage::SERDE, serde.into())]);
        let body = Struct::of([(table::PARAMETERS, Value::from(&own)), (table::STORAGE, kept.into())]);
        let mut found = Table { body, ..Table::default() };
        lead(&mut found, &SetName::parse("sales.orders").expect("a name"), DrillId(uuid::Uuid::nil()))?;
        let inner = serde_of(&found);
        Ok([found.body.texts(table::PARAMETERS), inner])
    }

    fn serde_of(found: &Table) -> BTreeMap<String, String> {
        let serde = found.body.part(table::STORAGE).and_then(|storage| storage.part(storage::SERDE));
        serde.map(|serde| serde.texts(storage::SERDE_PARAMETERS)).unwrap_or_default()
    }

    #[test]
    fn a_table_of_hbases_is_the_drills_whatever_way_it_is_named_and_written() {
        let handler = "org.apache.hadoop.hive.hbase.HBaseStorageHandler";
        let clone = |name: &str| format!("understudy_drill_{}:{name}", uuid::Uuid::nil().simple());
        let [own, inner] =
            led(handler, &[(NAME, "shop:orders"), (OUTPUT, "shop:orders")], &[("hbase.columns.mapping", ":key,f:a")]).expect("led");
        assert_eq!((&own[NAME], &own[OUTPUT]), (&clone("shop.orders"), &clone("shop.orders")));
        assert_eq!(inner["hbase.columns.mapping"], ":key,f:a");
        let [own, inner] = led(handler, &[], &[(NAME, "orders")]).expect("led");
        assert_eq!((&own[NAME], &inner[NAME]), (&clone("default.orders"), &clone("default.orders")));
        assert_eq!(led(handler, &[], &[]).expect("led")[0][NAME], clone("default.sales.orders"));
        assert!(
            led("org.apache.iceberg.mr.hive.HiveIcebergStorageHandler", &[], &[])
                .expect_err("refused")
                .contains("(HiveIcebergStorageHandler)")
        );
    }
}
