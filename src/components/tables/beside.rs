//! A table of a point beside the live one, under a name of its own in the same database.
//!
//! ```text
//! schema of the point ─ tried in memory, renamed there by SQLite itself ─ one transaction: made, filled, dumped again and compared ─ committed
//! ```
//! All of it or nothing, so that nothing is ever half-made. Its indexes get names of their own, and triggers are left out: they would act on
//! the live data when somebody writes to it.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::dump::{self, Shape};
use super::live::digest_of;
use super::schema::{self, Watch};
use super::{FENCE, LOOK, Tables, WORK, db, load, quoted, sql};
use crate::components::restores::{Clearing, Restores, Restoring};
use crate::domain::restore::{RestoreNote, RestoreProof, RestoreRefusal};
use crate::domain::{ComponentKind, Digest, Entry, Manifest, Node, Trouble, TroubleKind};

/// What a place has to be.
const WANTED: &str = "a table that does not exist yet, for example orders_old";

#[async_trait]
impl Restores for Tables {
    fn place(&self, set: &str, only: Option<&str>, place: &str) -> Result<String, Trouble> {
        let object = self.depot.object(set);
        if only.is_some() {
            return Err(RestoreRefusal::NoParts { kind: ComponentKind::Tables }.trouble(object));
        }
        let lower = place.to_ascii_lowercase();
        if place.is_empty() || place.contains(['/', '\0']) || place.len() > 128 {
            return Err(RestoreRefusal::PlaceInvalid { place: place.to_owned(), wanted: WANTED.to_owned() }.trouble(object));
        }
        if lower.starts_with(FENCE) || lower.starts_with("sqlite_") {
            let ours = "a name that only SQLite or this program gives".to_owned();
            return Err(RestoreRefusal::PlaceIsOurs { place: place.to_owned(), ours }.trouble(object));
        }
        Ok(place.to_owned())
    }

    async fn free(&self, place: &str) -> Result<(), Trouble> {
        self.work(LOOK, place, |this, place| if this.database.exists() { refuse_there(&this.reader()?, place) } else { Ok(()) }).await
    }

    async fn bring(&self, what: Restoring<'_>) -> Result<RestoreProof, Trouble> {
        let (place, manifest) = (what.place.to_owned(), what.manifest.clone());
        let begun = what.journal.done()? > 0;
        what.journal.advance(1)?;
        self.work(WORK, what.set, move |this, set| this.restore_to(set, &place, &manifest, begun)).await
    }

    async fn clear(&self, _what: Clearing<'_>) -> Result<(), Trouble> {
        // What was not committed is not there.
        Ok(())
    }
}

fn refuse_there(connection: &Connection, place: &str) -> Result<(), Trouble> {
    let text = "SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE LIMIT 1";
    let found = connection.query_row(text, [place], |_| Ok(())).optional().map_err(|e| sql(place, "look for it", e))?;
    found.map_or(Ok(()), |()| Err(RestoreRefusal::PlaceExists { place: place.to_owned() }.trouble(place)))
}

/// A table's statements under its new name.
struct Renamed {
    text: String,
    notes: Vec<RestoreNote>,
}

impl Tables {
    fn restore_to(&self, set: &str, place: &str, manifest: &Manifest, begun: bool) -> Result<RestoreProof, Trouble> {
        let open = |digest: &Digest| Ok(Box::new(self.depot.objects.open(digest)?) as Box<dyn std::io::Read>);
        let renamed = renamed(set, place, &load::schema_of(set, manifest, &open)?)?;
        let proof = RestoreProof {
            place: format!("{}, table {place}", self.database.display()),
            files: manifest.files(),
            bytes: manifest.bytes(),
            digest: manifest.digest(),
            notes: renamed.notes,
        };
        let failed = |e| sql(set, "restore it", e);
        let mut connection = self.writer()?;
        let watch = Watch::over(&mut connection).map_err(failed)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        if begun && Shape::read(&transaction, place)?.is_some() && compare(&transaction, place, manifest, &renamed.text)? {
            // Committed before a crash.
            return Ok(proof);
        }
        refuse_there(&transaction, place)?;
        load::fill(&transaction, &watch, place, &renamed.text, manifest, &open)?;
        if !compare(&transaction, place, manifest, &renamed.text)? {
            let reason = "what was made is not what the point holds";
            return Err(Trouble::new(TroubleKind::Corrupt, set, reason).next("choose another recovery point"));
        }
        transaction.commit().map_err(failed)?;
        Ok(proof)
    }
}

/// Lets SQLite rename the table in memory, where its schema was tried.
fn renamed(table: &str, place: &str, text: &str) -> Result<Renamed, Trouble> {
    let failed = |e| sql(table, "rename its schema in memory", e);
    schema::trial(table, text)?;
    let mut scratch = Connection::open_in_memory().map_err(failed)?;
    db::harden(&scratch).map_err(failed)?;
    let watch = Watch::over(&mut scratch).map_err(failed)?;
    schema::make(&scratch, &watch, table, text)?;
    let listed = |sort: &str| -> rusqlite::Result<Vec<String>> {
        let mut query = scratch.prepare("SELECT name FROM sqlite_schema WHERE type = ?1 AND sql IS NOT NULL ORDER BY name")?;
        query.query_map([sort], |row| row.get(0))?.collect()
    };
    let (triggers, indexes) = (listed("trigger").map_err(failed)?, listed("index").map_err(failed)?);
    for trigger in &triggers {
        scratch.execute_batch(&format!("DROP TRIGGER main.{}", quoted(trigger))).map_err(failed)?;
    }
    scratch.execute_batch(&format!("ALTER TABLE main.{} RENAME TO {}", quoted(table), quoted(place))).map_err(failed)?;
    let mut text = String::new();
    let mut query = scratch
        .prepare("SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND sql IS NOT NULL ORDER BY type = 'index', name")
        .map_err(failed)?;
    let rows = query.query_map([place], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(failed)?;
    let mut names = Vec::new();
    for row in rows {
        let (sort, name, statement): (String, String, String) = row.map_err(failed)?;
        if sort == "index" {
            let own = format!("{place}_{name}");
            text.push_str(
                &index_named(&statement, &own)
                    .ok_or_else(|| Trouble::new(TroubleKind::Refused, table, format!("its index {name:?} cannot be given another name")))?,
            );
            names.push((name, own));
        } else {
            text.push_str(&statement);
        }
        text.push_str(";\n");
    }
    debug_assert_eq!(names.len(), indexes.len(), "each index of the table");
    let mut notes = Vec::new();
    if !names.is_empty() {
        notes.push(RestoreNote::Renamed { names });
    }
    if !triggers.is_empty() {
        notes.push(RestoreNote::TriggersLeftOut { names: triggers });
    }
    Ok(Renamed { text, notes })
}

/// An index's statement, as SQLite keeps it, with another name: `CREATE [UNIQUE] INDEX name ON …`.
fn index_named(statement: &str, name: &str) -> Option<String> {
    let start = ["CREATE UNIQUE INDEX ", "CREATE INDEX "].into_iter().find(|start| statement.starts_with(start))?;
    let rest = &statement[start.len()..];
    let close = match rest.chars().next()? {
        '[' => Some(']'),
        quote @ ('"' | '`' | '\'') => Some(quote),
        _ => None,
    };
    let after = match close {
        None => rest.find(|c: char| c.is_whitespace())?,
        Some(close) => {
            let mut at = 1;
            loop {
                at += rest[at..].find(close)? + close.len_utf8();
                // Written twice it is a sign of the name.
                if close == ']' || !rest[at..].starts_with(close) {
                    break at;
                }
                at += close.len_utf8();
            }
        }
    };
    Some(format!("{start}{}{}", quoted(name), &rest[after..]))
}

/// Whether a table is what the manifest says, under another name.
fn compare(connection: &Connection, place: &str, manifest: &Manifest, text: &str) -> Result<bool, Trouble> {
    let found = dump::dump(connection, place, &mut |content| Ok((digest_of(content), content.len() as u64)))?;
    let parts = |manifest: &Manifest| {
        let own = |entry: &&Entry| entry.path.as_str() != "schema.sql";
        manifest.entries.values().filter(own).map(|entry| (entry.path.clone(), entry.node.clone())).collect::<Vec<(_, Node)>>()
    };
    Ok(parts(&found) == parts(manifest) && dump::schema(connection, place)? == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_its_indexes_get_new_names_however_they_are_quoted_and_triggers_stay_out() {
        let text = "CREATE TABLE [or ders] (id INTEGER PRIMARY KEY AUTOINCREMENT, up REFERENCES [or ders](id), name TEXT DEFAULT 'or ders');\n\
                    CREATE UNIQUE INDEX \"by \"\"name\" ON [or ders] (name);\n\
                    CREATE INDEX by_up ON [or ders] (up) WHERE up > 3;\n\
                    CREATE TRIGGER t AFTER INSERT ON [or ders] BEGIN DELETE FROM other; END;\n";
        let renamed = renamed("or ders", "old", text).expect("renamed");
        let own = Connection::open_in_memory().expect("opened");
        own.execute_batch(&renamed.text).expect("it makes a table");
        assert_eq!(dump::schema(&own, "old").expect("read"), renamed.text);
        let wrong = own.execute_batch("INSERT INTO old VALUES (1, NULL, 'a'), (2, 1, 'b'); DELETE FROM old");
        wrong.expect("an ordinary table");
        assert!(renamed.text.contains("DEFAULT 'or ders'") && renamed.text.contains("REFERENCES \"old\""), "{}", renamed.text);
        assert_eq!(
            renamed.notes,
            [
                RestoreNote::Renamed { names: vec![("by \"name".into(), "old_by \"name".into()), ("by_up".into(), "old_by_up".into())] },
                RestoreNote::TriggersLeftOut { names: vec!["t".into()] }
            ]
        );
    }
}
