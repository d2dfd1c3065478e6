//! What a table of SQLite consists of and what becomes of each part; what of one is refused, or is named because it stays behind.

use std::fmt::Display;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::dump::{self, Shape};
use super::{Tables, schema, sql};
use crate::components::parts::{Fate, Part, part};
use crate::domain::admission::Said;
use crate::domain::{Note, Trouble, TroubleKind};

/// Everything that a data set of tables consists of.
pub const PARTS: &[Part] = &[
    part("rows, of tables with and without rowids", Fate::Carried, "every value to the bit, rowids too"),
    part(
        "columns, constraints, generated columns",
        Fate::Carried,
        "as the statement that makes the table; generated values are computed anew",
    ),
    part("indexes", Fate::Carried, "as their statements"),
    part("triggers of the table", Fate::Carried, "as their statements; nothing that Understudy writes fires them"),
    part("AUTOINCREMENT's last number", Fate::Carried, "as it is"),
    part("foreign keys", Fate::Carried, "as the table's statement has them; the table that they lead to is a data set of its own"),
    part("views that read from the table", Fate::Named("views"), "make them at the secondary"),
    part(
        "virtual tables and their shadow tables, views, tables of SQLite's own",
        Fate::Refused("not-a-table"),
        "they are no ordinary tables",
    ),
    part("a table whose columns hide every name of the rowid", Fate::Refused("rowid-hidden"), "rename a column"),
    part(
        "a schema with functions that do more than compute, or that makes something else",
        Fate::Refused("schema-unfit"),
        "it is tried in memory before a byte moves",
    ),
    part("statistics of ANALYZE", Fate::LeftOut, "run ANALYZE at the secondary"),
    part(
        "settings of the database: encoding, page size, user_version, journal mode",
        Fate::LeftOut,
        "they belong to the secondary's database",
    ),
];

/// What of a table is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum TablesRefusal {
    /// It is something else.
    NotATable {
        /// What it is.
        sort: String,
    },
    /// No name of the rowid can be read.
    RowidHidden,
    /// What makes it does more than that.
    SchemaUnfit {
        /// What.
        why: String,
    },
}

impl TablesRefusal {
    /// The refusal of a table.
    pub fn trouble(&self, table: impl Display) -> Trouble {
        let (reason, next) = match self {
            TablesRefusal::NotATable { sort } => (format!("it is a {sort}, not an ordinary table"), "name the tables that hold the data"),
            TablesRefusal::RowidHidden => ("its columns hide every name of the rowid".to_owned(), "rename a column"),
            TablesRefusal::SchemaUnfit { why } => (why.clone(), schema::NEXT),
        };
        Trouble::new(TroubleKind::Refused, table, reason).next(next).coded(self)
    }
}

/// What the owner of a table should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum TablesNote {
    /// Views read from it.
    Views {
        /// Their names.
        names: Vec<String>,
    },
    /// Writers wait while it is dumped.
    WritersWait {
        /// The database's journal mode.
        mode: String,
    },
}

impl TablesNote {
    /// As it is told about `object`.
    pub fn about(&self, object: &str) -> Note {
        let (reason, next) = match self {
            TablesNote::Views { names } => {
                (format!("views read from it and are not copied: {}", names.join(", ")), "make them at the secondary")
            }
            TablesNote::WritersWait { mode } => {
                (format!("its database is in {mode} mode, so that writers wait while it is dumped; WAL avoids that"), "")
            }
        };
        Note::new(self, object, reason, next)
    }
}

/// What is to be said of a table.
pub fn notes(connection: &Connection, table: &str) -> Result<Vec<TablesNote>, Trouble> {
    let failed = |e| sql(table, "look for what reads from it", e);
    let mut notes = Vec::new();
    let mut query = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY name").map_err(failed)?;
    let views = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).map_err(failed)?;
    let views = views.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let names: Vec<String> = views.into_iter().filter(|(_, text)| names_table(text, table)).map(|(name, _)| name).collect();
    if !names.is_empty() {
        notes.push(TablesNote::Views { names });
    }
    let mode: String =
        connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(|e| sql(table, "read the journal mode", e))?;
    if mode != "wal" {
        notes.push(TablesNote::WritersWait { mode });
    }
    Ok(notes)
}

impl Tables {
    /// Everything that a policy's check is told of a table; nothing of one that is not there.
    pub(super) fn survey_table(&self, set: &str) -> Result<Said, Trouble> {
        if !self.database.exists() {
            return Ok(Said::default());
        }
        let connection = self.reader()?;
        if Shape::read(&connection, set)?.is_none() {
            return Ok(Said::default());
        }
        schema::trial(set, &dump::schema(&connection, set)?)?;
        Ok(Said { notes: self.notes_of(&connection, set)?, ..Said::default() })
    }

    /// What its owner should know.
    pub(super) fn notes_of(&self, connection: &Connection, set: &str) -> Result<Vec<Note>, Trouble> {
        Ok(notes(connection, set)?.iter().map(|note| note.about(&self.depot.object(set))).collect())
    }
}

/// Whether a statement has a table's name as a word of its own.
fn names_table(text: &str, table: &str) -> bool {
    let (text, table) = (text.to_lowercase(), table.to_lowercase());
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(&table).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + table.len()..].chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::components::parts::codes;

    #[test]
    fn a_view_that_reads_from_the_table_is_named_and_no_other() {
        let connection = Connection::open_in_memory().expect("a database");
        connection
            .execute_batch(
                "CREATE TABLE orders (id); CREATE TABLE \"odd orders\" (id); CREATE VIEW v AS SELECT * FROM Orders; CREATE VIEW x AS SELECT 1;
                 CREATE VIEW w AS SELECT * FROM \"odd orders\"; CREATE VIEW y AS SELECT 1 AS orders_old;",
            )
            .expect("made");
        let told = notes(&connection, "orders").expect("read");
        assert_eq!(told[0], TablesNote::Views { names: vec!["v".into(), "w".into()] }, "rather one too many than one in silence");
        assert_eq!(notes(&connection, "odd orders").expect("read")[0], TablesNote::Views { names: vec!["w".into()] });
        assert_eq!(notes(&connection, "none").expect("read"), [TablesNote::WritersWait { mode: "memory".into() }]);
    }

    #[test]
    fn every_code_stands_in_the_table() {
        let refusals = [
            TablesRefusal::NotATable { sort: String::new() },
            TablesRefusal::RowidHidden,
            TablesRefusal::SchemaUnfit { why: String::new() },
        ];
        let mut told: BTreeSet<String> = refusals.iter().map(|refusal| refusal.trouble("t").code().to_owned()).collect();
        told.insert(TablesNote::Views { names: Vec::new() }.about("tables:t").code);
        assert_eq!(told, codes(PARTS).into_iter().map(str::to_owned).collect());
        assert_eq!(TablesNote::WritersWait { mode: String::new() }.about("tables:t").code, "writers-wait");
    }
}
