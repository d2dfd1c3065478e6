//! Bringing a table to a manifest's state in one transaction: all of it or nothing, as often as it is repeated. The schema, which came
//! from the other cluster, is tried in memory before the transaction begins (`schema`).

use std::io::{BufRead, BufReader, Read};

use rusqlite::types::Value;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde_json::Value as Json;

use super::dump::{Shape, chunk_range};
use super::schema::{self, SCHEMA_BYTES, Watch};
use super::{admit, fence, quoted, sql};
use crate::domain::{Digest, Entry, Manifest, Node, RelPath, Trouble, TroubleKind};

/// Opens the content of a file of the tree.
pub type Open<'a> = &'a dyn Fn(&Digest) -> Result<Box<dyn Read>, Trouble>;

/// What has to be brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// The table is made anew, with all rows.
    Whole,
    /// Only these files changed or went.
    Chunks(Vec<RelPath>),
}

/// Decides from the paths that changed. Anything but chunks of rowids means the whole table.
pub fn work(changed: impl IntoIterator<Item = RelPath>, exists: bool) -> Work {
    let mut chunks = Vec::new();
    for path in changed {
        match path.as_str() {
            "" | "rows" | "ordered" | "sequence" => {}
            _ if chunk_range(&path).is_some() => chunks.push(path),
            _ => return Work::Whole,
        }
    }
    if exists { Work::Chunks(chunks) } else { Work::Whole }
}

/// Carries it out and leaves the table fenced. `connection` has triggers and foreign keys switched off.
pub fn load(connection: &mut Connection, table: &str, work: &Work, manifest: &Manifest, open: Open<'_>) -> Result<(), Trouble> {
    let failed = |e| sql(table, "bring in its new state", e);
    let schema = match work {
        Work::Whole => Some(schema_of(table, manifest, open)?),
        Work::Chunks(_) => None,
    };
    if let Some(schema) = &schema {
        schema::trial(table, schema)?;
    }
    let watch = Watch::over(connection).map_err(failed)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    match (work, schema) {
        (Work::Chunks(chunks), _) => {
            for path in chunks {
                chunk(&transaction, table, path, manifest, open)?;
            }
        }
        (Work::Whole, schema) => whole(&transaction, &watch, table, &schema.unwrap_or_default(), manifest, open)?,
    }
    set_sequence(&transaction, table, manifest, open)?;
    fence::raise(&transaction, table)?;
    transaction.commit().map_err(failed)
}

/// The schema of a manifest, as text that nobody has looked at yet.
pub fn schema_of(table: &str, manifest: &Manifest, open: Open<'_>) -> Result<String, Trouble> {
    let entry = manifest.entries.values().find(|entry| entry.path.as_str() == "schema.sql");
    let entry = entry.ok_or_else(|| corrupt(table, "its recovery point has no schema"))?;
    let mut text = String::new();
    let read = content(table, entry, open)?.take(SCHEMA_BYTES + 1).read_to_string(&mut text);
    read.map_err(|e| corrupt(table, format!("its schema cannot be read: {e}")))?;
    if text.len() as u64 > SCHEMA_BYTES {
        return Err(corrupt(table, format!("its schema has more than {SCHEMA_BYTES} bytes")));
    }
    Ok(text)
}

fn whole(
    transaction: &Transaction<'_>,
    watch: &Watch,
    table: &str,
    schema: &str,
    manifest: &Manifest,
    open: Open<'_>,
) -> Result<(), Trouble> {
    let failed = |e| sql(table, "make it anew", e);
    transaction.execute(&format!("DROP TABLE IF EXISTS main.{}", quoted(table)), []).map_err(failed)?;
    make(transaction, watch, table, schema, manifest, open)
}

/// Makes a table that is not there, whole, with a schema that was tried.
pub fn fill(
    transaction: &Transaction<'_>,
    watch: &Watch,
    table: &str,
    schema: &str,
    manifest: &Manifest,
    open: Open<'_>,
) -> Result<(), Trouble> {
    make(transaction, watch, table, schema, manifest, open)?;
    set_sequence(transaction, table, manifest, open)
}

fn make(
    transaction: &Transaction<'_>,
    watch: &Watch,
    table: &str,
    schema: &str,
    manifest: &Manifest,
    open: Open<'_>,
) -> Result<(), Trouble> {
    schema::make(transaction, watch, table, schema)?;
    for entry in manifest.entries.values().filter(|entry| entry.path.as_str().ends_with(".jsonl")) {
        insert(transaction, table, entry, open)?;
    }
    Ok(())
}

fn chunk(transaction: &Transaction<'_>, table: &str, path: &RelPath, manifest: &Manifest, open: Open<'_>) -> Result<(), Trouble> {
    let failed = |e| sql(table, "replace rows", e);
    let shape = shape(transaction, table)?;
    let (Some((first, last)), Some(rowid)) = (chunk_range(path), shape.rowid) else {
        return Err(corrupt(table, format!("{path} is no part of it")));
    };
    let text = format!("DELETE FROM main.{} WHERE {rowid} BETWEEN ?1 AND ?2", quoted(table));
    transaction.execute(&text, [first, last]).map_err(failed)?;
    match manifest.entries.get(path) {
        Some(entry) => insert(transaction, table, entry, open),
        None => Ok(()),
    }
}

fn insert(transaction: &Transaction<'_>, table: &str, entry: &Entry, open: Open<'_>) -> Result<(), Trouble> {
    let failed = |e| sql(table, "insert rows", e);
    let shape = shape(transaction, table)?;
    let columns: Vec<_> = shape.rowid.map(str::to_owned).into_iter().chain(shape.columns.iter().map(|c| quoted(c))).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let text = format!("INSERT INTO main.{} ({}) VALUES ({marks})", quoted(table), columns.join(", "));
    let mut statement = transaction.prepare_cached(&text).map_err(failed)?;
    let skipped = usize::from(shape.rowid.is_none());
    for line in BufReader::new(content(table, entry, open)?).lines() {
        let line = line.map_err(|e| corrupt(table, format!("{} cannot be read: {e}", entry.path)))?;
        let values: Vec<Json> = serde_json::from_str(&line).map_err(|e| corrupt(table, format!("{}: {e}", entry.path)))?;
        let values = values.iter().skip(skipped).map(|json| value(json).ok_or_else(|| corrupt(table, format!("{}: {json}", entry.path))));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        statement.execute(rusqlite::params_from_iter(values)).map_err(failed)?;
    }
    Ok(())
}

fn set_sequence(transaction: &Transaction<'_>, table: &str, manifest: &Manifest, open: Open<'_>) -> Result<(), Trouble> {
    let Some(entry) = manifest.entries.values().find(|entry| entry.path.as_str() == "sequence") else { return Ok(()) };
    let mut text = String::new();
    let read = content(table, entry, open)?.take(admit::SEQUENCE_BYTES).read_to_string(&mut text);
    read.map_err(|e| corrupt(table, format!("its sequence cannot be read: {e}")))?;
    let last: i64 = text.parse().map_err(|e| corrupt(table, format!("its sequence is {text:?}: {e}")))?;
    let failed = |e| sql(table, "set its AUTOINCREMENT number", e);
    transaction.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table]).map_err(failed)?;
    transaction.execute("INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)", (table, last)).map(|_| ()).map_err(failed)
}

fn shape(transaction: &Transaction<'_>, table: &str) -> Result<Shape, Trouble> {
    Shape::read(transaction, table)?.ok_or_else(|| corrupt(table, "its schema does not make it"))
}

fn content(table: &str, entry: &Entry, open: Open<'_>) -> Result<Box<dyn Read>, Trouble> {
    match &entry.node {
        Node::File { digest: Some(digest), .. } => open(digest),
        _ => Err(corrupt(table, format!("{} has no digest", entry.path))),
    }
}

fn corrupt(table: &str, why: impl std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Corrupt, table, why).next("choose another recovery point, or run a full copy")
}

/// A value as the dump wrote it.
fn value(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Number(number) => Value::Integer(number.as_i64()?),
        Json::String(text) => Value::Text(text.clone()),
        Json::Object(tagged) => match tagged.iter().next()? {
            (tag, Json::String(bits)) if tag == "r" => Value::Real(f64::from_bits(u64::from_str_radix(bits, 16).ok()?)),
            (tag, Json::String(hex)) if tag == "b" => Value::Blob(unhex(hex)?),
            // SQLite casts a blob bound to a text column as it is; text that is not UTF-8 cannot be bound as text from here.
            (tag, Json::String(hex)) if tag == "t" => Value::Blob(unhex(hex)?),
            _ => return None,
        },
        _ => return None,
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
