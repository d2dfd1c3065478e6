//! Rows to values, for the pages of the ledger that keep records as JSON and ids as text.

use std::fmt::Display;

use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;

use super::StoreError;

/// A column of JSON text.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    parse(row, column, |text| serde_json::from_str(text))
}

/// A column of text that is something else written out.
pub(super) fn parse<T, E: Display>(row: &Row<'_>, column: usize, read: impl Fn(&str) -> Result<T, E>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, e.to_string().into()))
}

/// All rows, or the first error.
pub(super) fn collect<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> Result<Vec<T>, StoreError> {
    Ok(rows.collect::<rusqlite::Result<Vec<T>>>()?)
}
