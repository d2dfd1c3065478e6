//! Fences: the live table read-only, and a write that a region server refused. What the table's `READONLY` truly is goes along in the
//! table's own descriptor, under [`MARK`]: so it survives every restart, and a snapshot of a fenced table tells it too.

use super::Hbase;
use super::client::State;
use super::manifest::schema_in;
use super::names::Table;
use super::rows::{Answer, PROBE_USER};
use super::rpc::RpcError;
use super::rpc::snapshot::{BytesPair, TableSchema};
use crate::domain::{Entry, Trouble, TroubleKind};

/// The attribute by which HBase knows a read-only table.
const READONLY: &[u8] = b"READONLY";
/// Ours: there while the table is fenced, its value what `READONLY` was before, or [`ABSENT`].
const MARK: &[u8] = b"UNDERSTUDY_FENCE";
const ABSENT: &[u8] = b"absent";
/// What HBase does not stop at a read-only table: it never looks at the flag when it loads an HFile (2.6.1), and HDFS knows of no tables.
const NOT_STOPPED: &str =
    "not stopped: bulk loads and files put into its directory; a planned switchover looks for both before it promotes";
/// The same of one that nobody serves.
const NOT_STOPPED_OF_DISABLED: &str = "not stopped: files put into its directory; a planned switchover looks for them before it promotes";
/// What is said where there is nothing to fence.
const NO_TABLE: &str = "there is no live table of that name, so nothing can be written to it; a promotion makes it, fenced";

fn value<'a>(schema: &'a TableSchema, key: &[u8]) -> Option<&'a [u8]> {
    schema.attributes.iter().find(|pair| pair.first == key).map(|pair| pair.second.as_slice())
}

fn set(schema: &mut TableSchema, key: &[u8], value: Option<&[u8]>) {
    schema.attributes.retain(|pair| pair.first != key);
    schema.attributes.extend(value.map(|value| BytesPair { first: key.to_vec(), second: value.to_vec() }));
}

/// Whether a table takes no writes.
pub fn is_read_only(schema: &TableSchema) -> bool {
    value(schema, READONLY).is_some_and(|flag| flag.eq_ignore_ascii_case(b"true"))
}

/// Whether a descriptor is that of a table fenced by us.
pub fn is_fenced(schema: &TableSchema) -> bool {
    is_read_only(schema) && value(schema, MARK).is_some()
}

/// The descriptor as the table's owners know it.
pub fn true_schema(schema: &TableSchema) -> TableSchema {
    let mut own = schema.clone();
    if let Some(before) = value(schema, MARK) {
        set(&mut own, READONLY, (before != ABSENT).then_some(before));
        set(&mut own, MARK, None);
    }
    own
}

/// The same, fenced.
pub fn fenced_schema(schema: &TableSchema) -> TableSchema {
    let own = true_schema(schema);
    let before = value(&own, READONLY).unwrap_or(ABSENT).to_vec();
    let mut fenced = own;
    set(&mut fenced, READONLY, Some(b"true"));
    set(&mut fenced, MARK, Some(&before));
    fenced
}

impl Hbase {
    pub(super) async fn fence_set(&self, set: &str, table: &Table) -> Result<String, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        match self.client.schema(table).await.map_err(about)? {
            Some(schema) if !is_fenced(&schema) => self.client.modify(table, fenced_schema(&schema)).await.map_err(about)?,
            _ => {}
        }
        match self.read_fence(set, table).await? {
            (true, evidence) => Ok(evidence),
            (false, evidence) => Err(Trouble::new(TroubleKind::Failed, self.object(set), format!("the fence does not hold: {evidence}"))
                .next("see whether somebody else alters the table")),
        }
    }

    pub(super) async fn read_fence(&self, set: &str, table: &Table) -> Result<(bool, String), Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let Some(schema) = self.client.schema(table).await.map_err(about)? else { return Ok((true, NO_TABLE.into())) };
        if !is_fenced(&schema) {
            let flag = if is_read_only(&schema) { "read-only, but not by us" } else { "not read-only" };
            return Ok((false, format!("not fenced: the table is {flag}")));
        }
        if self.client.state(table).await.map_err(about)? == State::Disabled {
            return Ok((true, format!("the table is read-only and disabled; {NOT_STOPPED_OF_DISABLED}")));
        }
        let family = schema.column_families.first().map(|family| family.name.clone()).unwrap_or_default();
        match self.client.try_write(table, &family).await.map_err(about)? {
            Answer::Refused(words) => {
                Ok((true, format!("the table is read-only; a write as {PROBE_USER} was refused ({words}); {NOT_STOPPED}")))
            }
            Answer::Taken => Ok((false, format!("the table is read-only, and yet a write as {PROBE_USER} would be taken"))),
        }
    }

    pub(super) async fn unfence_set(&self, set_name: &str, table: &Table, root: Option<&Entry>) -> Result<(), Trouble> {
        let about = |error: RpcError| error.about(self.object(set_name));
        let Some(live) = self.client.schema(table).await.map_err(about)? else { return Ok(()) };
        let mut own = true_schema(&live);
        if let Some(root) = root {
            let told = schema_in(root).map_err(|reason| Trouble::new(TroubleKind::Corrupt, self.object(set_name), reason))?;
            set(&mut own, READONLY, value(&told, READONLY));
        }
        if own == live {
            return Ok(());
        }
        self.client.modify(table, own).await.map_err(about)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(flag: Option<&str>) -> TableSchema {
        let mut schema = TableSchema::default();
        set(&mut schema, b"OWNER", Some(b"ana"));
        set(&mut schema, READONLY, flag.map(str::as_bytes));
        schema
    }

    #[test]
    fn a_lifted_fence_leaves_the_descriptor_as_it_was() {
        for flag in [None, Some("true"), Some("false")] {
            let own = with(flag);
            let fenced = fenced_schema(&own);
            assert!(is_fenced(&fenced) && !is_fenced(&own), "{flag:?}");
            assert_eq!(fenced_schema(&fenced), fenced, "fencing twice is fencing once");
            assert_eq!(true_schema(&fenced), own);
            assert_eq!(true_schema(&own), own);
        }
    }

    #[test]
    fn a_fence_that_somebody_opened_still_knows_the_true_flag() {
        let mut opened = fenced_schema(&with(None));
        set(&mut opened, READONLY, Some(b"false"));
        assert!(!is_fenced(&opened));
        assert_eq!(true_schema(&fenced_schema(&opened)), with(None));
    }
}
