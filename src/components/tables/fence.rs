//! The fence of a table: triggers of our own that stop every write, whoever makes it.
//!
//! Our own writing switches triggers off for its connection, so that the fence stays up throughout.

use rusqlite::{Connection, TransactionBehavior};

use super::dump::Shape;
use super::{FENCE, quoted, sql};
use crate::domain::Trouble;

const REASON: &str = "fenced by understudy: this cluster has the secondary identity";

/// The writes a fence stops.
const WRITES: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

/// Puts the fence up; well when it is. Nothing to do where there is no table.
pub fn raise(connection: &Connection, table: &str) -> Result<bool, Trouble> {
    if Shape::read(connection, table)?.is_none() {
        return Ok(false);
    }
    for write in WRITES {
        let name = quoted(&format!("{FENCE}{}_{table}", write.to_lowercase()));
        let text = format!(
            "CREATE TRIGGER IF NOT EXISTS main.{name} BEFORE {write} ON {} BEGIN SELECT RAISE(ABORT, '{REASON}'); END",
            quoted(table)
        );
        connection.execute_batch(&text).map_err(|e| sql(table, "fence it", e))?;
    }
    Ok(true)
}

/// Takes the fence down; well when there is none.
pub fn lower(connection: &Connection, table: &str) -> Result<(), Trouble> {
    for write in WRITES {
        let text = format!("DROP TRIGGER IF EXISTS main.{}", quoted(&format!("{FENCE}{}_{table}", write.to_lowercase())));
        connection.execute_batch(&text).map_err(|e| sql(table, "lift its fence", e))?;
    }
    Ok(())
}

/// Takes a table of ours away: one under our fence that holds rows. An empty one may have been there before, and is opened.
pub fn vacate(connection: &Connection, table: &str) -> Result<(), Trouble> {
    let failed = |e| sql(table, "take it away", e);
    if Shape::read(connection, table)?.is_none() {
        return Ok(());
    }
    let count = format!("SELECT count(*) FROM main.sqlite_schema WHERE type = 'trigger' AND name LIKE '{FENCE}%' AND tbl_name = ?1");
    let fenced: i64 = connection.query_row(&count, [table], |row| row.get(0)).map_err(failed)?;
    let rows = format!("SELECT EXISTS (SELECT 1 FROM main.{})", quoted(table));
    let filled: bool = connection.query_row(&rows, [], |row| row.get(0)).map_err(failed)?;
    if fenced > 0 && filled {
        return connection.execute_batch(&format!("DROP TABLE main.{}", quoted(table))).map_err(failed);
    }
    lower(connection, table)
}

/// Reads the fence back by a write that must fail, in a transaction that is rolled back. `connection` has triggers on.
pub fn read_back(connection: &mut Connection, table: &str) -> Result<(bool, String), Trouble> {
    let Some(shape) = Shape::read(connection, table)? else {
        return Ok((true, "there is no such table yet: nothing can be written to it".into()));
    };
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| sql(table, "read its fence back", e))?;
    let marks = vec!["NULL"; shape.columns.len()].join(", ");
    let columns: Vec<_> = shape.columns.iter().map(|c| quoted(c)).collect();
    let attempt = transaction.execute(&format!("INSERT INTO main.{} ({}) VALUES ({marks})", quoted(table), columns.join(", ")), []);
    let found = match attempt {
        Err(e) if e.to_string().contains(REASON) => (true, "an insert was refused by the fence's trigger".into()),
        // Another error before the trigger had its say proves nothing: look for the triggers themselves.
        Err(e) => (false, format!("an insert failed for another reason ({e}); the fence is not proven")),
        Ok(_) => (false, "an insert was accepted (and rolled back)".into()),
    };
    transaction.rollback().map_err(|e| sql(table, "read its fence back", e))?;
    Ok(found)
}
