//! One table as a small virtual tree, cut out of one read transaction.
//!
//! ```text
//! schema.sql                      the table, its indexes and triggers, each statement closed by ";\n"
//! sequence                        AUTOINCREMENT's last number, where there is one
//! rows/8000000000000002.jsonl     4,096 rowids a file: later only files that changed are copied
//! ordered/0000000000.jsonl        a WITHOUT ROWID table: 4,096 rows a file, in key order
//! ```
//! A row is a JSON array, its rowid first. Values are exact: integers as numbers, text as strings, `{"r":bits}` a real by its
//! bits, `{"b":hex}` a blob, `{"t":hex}` text that is not UTF-8.

use std::fmt::Write as _;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use super::notes::TablesRefusal;
use super::{FENCE, quoted, sql};
use crate::domain::{Digest, Entry, Manifest, Metadata, Node, RelPath, Trouble, TroubleKind};

/// Rowids (or rows) a file.
pub const CHUNK_ROWS: i64 = 4_096;

/// Takes the content of one file of the tree and returns its digest and length.
pub type Keep<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(Digest, u64), Trouble>;

/// What a table is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub table: String,
    /// Stored columns, in order, without generated ones.
    pub columns: Vec<String>,
    /// A name under which the rowid can be read; `None` for a WITHOUT ROWID table.
    pub rowid: Option<&'static str>,
    /// Columns of the primary key, in key order.
    pub key: Vec<String>,
}

impl Shape {
    /// Reads it; `None` when there is no such table. What cannot be captured is refused by name.
    pub fn read(connection: &Connection, table: &str) -> Result<Option<Shape>, Trouble> {
        let failed = |e| sql(table, "read its schema", e);
        let kind: Option<(String, bool)> = connection
            .query_row("SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1", [table], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()
            .map_err(failed)?;
        let Some((kind, without_rowid)) = kind else { return Ok(None) };
        if kind != "table" || table.starts_with("sqlite_") {
            let sort = if kind == "table" { "table of SQLite's own".to_owned() } else { kind };
            return Err(TablesRefusal::NotATable { sort }.trouble(table));
        }
        let mut columns = Vec::new();
        let mut key = Vec::new();
        let mut query = connection.prepare("SELECT name, hidden, pk FROM pragma_table_xinfo(?1)").map_err(failed)?;
        let rows = query.query_map([table], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?, r.get::<_, i64>(2)?))).map_err(failed)?;
        for row in rows {
            let (name, hidden, pk) = row.map_err(failed)?;
            if pk > 0 {
                key.push((pk, name.clone()));
            }
            if hidden == 0 {
                columns.push(name);
            }
        }
        key.sort();
        let free = |name: &&str| !columns.iter().any(|column| column.eq_ignore_ascii_case(name));
        let rowid = if without_rowid { None } else { ["rowid", "_rowid_", "oid"].into_iter().find(free) };
        if !without_rowid && rowid.is_none() {
            return Err(TablesRefusal::RowidHidden.trouble(table));
        }
        Ok(Some(Shape { table: table.to_owned(), columns, rowid, key: key.into_iter().map(|(_, name)| name).collect() }))
    }
}

/// Dumps a table; `keep` takes each file's content. A table that does not exist is `NotFound`.
pub fn dump(connection: &Connection, table: &str, keep: Keep<'_>) -> Result<Manifest, Trouble> {
    let shape = Shape::read(connection, table)?.ok_or_else(|| {
        Trouble::new(TroubleKind::NotFound, table, "there is no such table").next("name a table that exists, or remove it from the service")
    })?;
    let mut entries = vec![directory("")?];
    let schema = schema(connection, table)?;
    let mut file = |path: String, content: &[u8], entries: &mut Vec<Entry>| -> Result<(), Trouble> {
        let (digest, bytes) = keep(content)?;
        entries.push(Entry { path: rel(path)?, node: Node::File { bytes, digest: Some(digest) }, meta: Metadata::default() });
        Ok(())
    };
    file("schema.sql".into(), schema.as_bytes(), &mut entries)?;
    if let Some(last) = sequence(connection, table)? {
        file("sequence".into(), last.to_string().as_bytes(), &mut entries)?;
    }
    let folder = if shape.rowid.is_some() { "rows" } else { "ordered" };
    entries.push(directory(folder)?);
    rows(connection, &shape, &mut |chunk, content| file(format!("{folder}/{chunk}.jsonl"), content, &mut entries))?;
    Ok(Manifest { entries: entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect() })
}

/// The rowids of a chunk by its file's name, both ends included; `None` for any other name.
pub fn chunk_range(path: &RelPath) -> Option<(i64, i64)> {
    let name = path.as_str().strip_prefix("rows/")?.strip_suffix(".jsonl")?;
    let chunk = (u64::from_str_radix(name, 16).ok()? ^ (1 << 63)).cast_signed();
    let first = chunk.checked_mul(CHUNK_ROWS)?;
    Some((first, first + (CHUNK_ROWS - 1)))
}

/// Names sort as their rowids do, negative ones first.
pub fn chunk_name(rowid: i64) -> String {
    format!("{:016x}", rowid.div_euclid(CHUNK_ROWS).cast_unsigned() ^ (1 << 63))
}

/// Every statement that makes the table, without our fence.
pub fn schema(connection: &Connection, table: &str) -> Result<String, Trouble> {
    let failed = |e| sql(table, "read its schema", e);
    let mut query = connection
        .prepare(
            "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL AND name NOT LIKE ?2
             ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, name",
        )
        .map_err(failed)?;
    let statements = query.query_map([table, &format!("{FENCE}%")], |row| row.get::<_, String>(0)).map_err(failed)?;
    let mut text = String::new();
    for statement in statements {
        text.push_str(&statement.map_err(failed)?);
        text.push_str(";\n");
    }
    Ok(text)
}

fn sequence(connection: &Connection, table: &str) -> Result<Option<i64>, Trouble> {
    let failed = |e| sql(table, "read its AUTOINCREMENT number", e);
    let exists: bool =
        connection.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'", [], |row| row.get(0)).map_err(failed)?;
    if !exists {
        return Ok(None);
    }
    connection.query_row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table], |row| row.get(0)).optional().map_err(failed)
}

/// Takes a chunk's name and text.
type ChunkDone<'a> = &'a mut dyn FnMut(&str, &[u8]) -> Result<(), Trouble>;

/// Reads all rows in order and hands over one chunk after the other.
fn rows(connection: &Connection, shape: &Shape, chunk_done: ChunkDone<'_>) -> Result<(), Trouble> {
    let failed = |e| sql(&shape.table, "read its rows", e);
    let columns: Vec<_> = shape.columns.iter().map(|c| quoted(c)).collect();
    let order = match shape.rowid {
        Some(rowid) => rowid.to_owned(),
        None => shape.key.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", "),
    };
    let first = shape.rowid.unwrap_or("NULL");
    let text = format!("SELECT {first}, {} FROM main.{} ORDER BY {order}", columns.join(", "), quoted(&shape.table));
    let mut query = connection.prepare(&text).map_err(failed)?;
    let mut rows = query.query([]).map_err(failed)?;
    let (mut name, mut content, mut count) = (String::new(), String::new(), 0i64);
    while let Some(row) = rows.next().map_err(failed)? {
        let chunk = match shape.rowid {
            Some(_) => chunk_name(row.get(0).map_err(failed)?),
            None => format!("{:010}", count / CHUNK_ROWS),
        };
        if chunk != name {
            if !content.is_empty() {
                chunk_done(&name, content.as_bytes())?;
            }
            name = chunk;
            content.clear();
        }
        line(&mut content, row, shape.columns.len() + 1).map_err(failed)?;
        count += 1;
    }
    if content.is_empty() { Ok(()) } else { chunk_done(&name, content.as_bytes()) }
}

/// Appends one row as a JSON array.
fn line(out: &mut String, row: &Row<'_>, columns: usize) -> rusqlite::Result<()> {
    for column in 0..columns {
        out.push(if column == 0 { '[' } else { ',' });
        match row.get_ref(column)? {
            ValueRef::Null => out.push_str("null"),
            ValueRef::Integer(number) => push(out, format_args!("{number}")),
            ValueRef::Real(number) => push(out, format_args!("{{\"r\":\"{:016x}\"}}", number.to_bits())),
            ValueRef::Blob(bytes) => push(out, format_args!("{{\"b\":\"{}\"}}", hex(bytes))),
            ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => push(out, format_args!("{}", serde_json::Value::from(text))),
                Err(_) => push(out, format_args!("{{\"t\":\"{}\"}}", hex(bytes))),
            },
        }
    }
    out.push_str("]\n");
    Ok(())
}

/// Writing into a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        push(&mut text, format_args!("{byte:02x}"));
    }
    text
}

fn rel(path: String) -> Result<RelPath, Trouble> {
    RelPath::new(path).map_err(|e| Trouble::new(TroubleKind::Invalid, "table", e))
}

fn directory(path: &str) -> Result<Entry, Trouble> {
    Ok(Entry { path: rel(path.to_owned())?, node: Node::Directory, meta: Metadata::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunks_name_tells_its_rowids_whatever_their_sign() {
        for rowid in [i64::MIN, -4_097, -4_096, -1, 0, 1, 4_095, 4_096, 1 << 40, i64::MAX] {
            let (first, last) = chunk_range(&rel(format!("rows/{}.jsonl", chunk_name(rowid))).expect("a path")).expect("a chunk");
            assert!(first <= rowid && rowid <= last && last - first == CHUNK_ROWS - 1, "{rowid}: {first}..{last}");
        }
        assert!(chunk_name(-1) < chunk_name(0) && chunk_name(0) < chunk_name(4_096));
        assert_eq!(chunk_range(&rel("schema.sql".into()).expect("a path")), None);
    }
}
