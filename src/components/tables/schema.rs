//! A table's schema as text that came from the other cluster: it is tried, never trusted.
//!
//! ```text
//! text → SQLite prepares one statement after the other, the watch refuses all but CREATE of this very table, its indexes and triggers
//!      → in a database in memory first (`trial`): exactly the table, its indexes and its triggers must be there afterwards
//!      → then in the target's transaction (`make`), under the same watch
//! ```
//! Triggers are made and never fired: our writing switches them off. Views and virtual tables are refused, for no capture has any.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Batch, Connection};

use super::FENCE;
use super::db::{harden, sql};
use super::dump::Shape;
use super::notes::TablesRefusal;
use crate::domain::{Trouble, TroubleKind};

/// The longest schema taken, in bytes.
pub const SCHEMA_BYTES: u64 = 4 << 20;
/// Characters of a statement that are shown.
const SHOWN: usize = 80;
/// SQLite's own flag of a function that does nothing but compute.
const INNOCUOUS: i64 = 0x0020_0000;
/// What SQLite asks about its list of what there is by.
const CATALOGUE: [&str; 2] = ["sqlite_master", "sqlite_schema"];

/// What is left to do for whoever meets a refused schema.
pub const NEXT: &str =
    "look at the table's schema at the primary; if it is an ordinary table there, the primary's agent sends what it did not capture";

/// Stands between a schema's statements and a connection. Outside a schema it refuses only what no work of ours does.
#[derive(Clone)]
pub struct Watch {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The table whose schema runs now.
    table: Option<String>,
    /// Functions that only compute.
    functions: BTreeSet<String>,
    /// Whether the statement creates something of the table's.
    creates: bool,
    /// The first thing that was refused, in words.
    refused: Option<String>,
}

impl Watch {
    /// Sets it up on a connection, for good.
    pub fn over(connection: &mut Connection) -> rusqlite::Result<Watch> {
        let functions = {
            let mut query = connection.prepare("SELECT DISTINCT lower(name) FROM pragma_function_list WHERE flags & ?1")?;
            query.query_map([INNOCUOUS], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        let watch = Watch { state: Arc::new(Mutex::new(State { functions, ..State::default() })) };
        let state = watch.state.clone();
        connection.authorizer(Some(move |asked: AuthContext<'_>| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = match &state.table {
                Some(table) => permits(table, &state.functions, &asked),
                None => ordinary(&asked),
            };
            match answer {
                Ok(creates) => {
                    state.creates |= creates;
                    Authorization::Allow
                }
                Err(what) => {
                    state.refused.get_or_insert(what);
                    Authorization::Deny
                }
            }
        }))?;
        Ok(watch)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, table: &str) {
        let mut state = self.lock();
        (state.table, state.creates, state.refused) = (Some(table.to_owned()), false, None);
    }

    fn end(&self) {
        self.lock().table = None;
    }

    /// Whether the statement before created something, and what was refused; both are then forgotten.
    fn take(&self) -> (bool, Option<String>) {
        let mut state = self.lock();
        (std::mem::take(&mut state.creates), state.refused.take())
    }
}

/// Whether a schema of `table` may do so: `Ok(true)` creates something of the table's, `Ok(false)` is what SQLite does along the way.
fn permits(table: &str, functions: &BTreeSet<String>, asked: &AuthContext<'_>) -> Result<bool, String> {
    use AuthAction::{CreateIndex, CreateTable, CreateTrigger, Function, Insert, Read, Reindex, Update};
    let own = |name: &str| name.eq_ignore_ascii_case(table);
    let catalogue = |name: &str| CATALOGUE.iter().any(|known| name.eq_ignore_ascii_case(known));
    let here = asked.database_name == Some("main");
    match &asked.action {
        CreateTable { table_name } if here && own(table_name) => Ok(true),
        // SQLite makes this one by itself for AUTOINCREMENT.
        CreateTable { table_name } if here && *table_name == "sqlite_sequence" => Ok(false),
        CreateTrigger { trigger_name, table_name } if here && own(table_name) && !is_fence(trigger_name) => Ok(true),
        CreateIndex { table_name, .. } if here && own(table_name) => Ok(true),
        Reindex { .. } if here => Ok(false),
        Insert { table_name } | Update { table_name, .. } if here && catalogue(table_name) => Ok(false),
        Read { table_name, .. } if here && (own(table_name) || catalogue(table_name)) => Ok(false),
        Function { function_name } if functions.contains(&function_name.to_ascii_lowercase()) => Ok(false),
        _ => Err(told(asked)),
    }
}

/// Whether work of our own may do so.
fn ordinary(asked: &AuthContext<'_>) -> Result<bool, String> {
    match &asked.action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } | AuthAction::CreateVtable { .. } => Err(told(asked)),
        AuthAction::Function { function_name } if function_name.eq_ignore_ascii_case("load_extension") => Err(told(asked)),
        _ => Ok(false),
    }
}

fn is_fence(name: &str) -> bool {
    name.get(..FENCE.len()).is_some_and(|start| start.eq_ignore_ascii_case(FENCE))
}

/// What was asked for, in words: the names come from the other cluster, so they are shown quoted.
fn told(asked: &AuthContext<'_>) -> String {
    match &asked.action {
        AuthAction::Attach { filename } => format!("it attaches the file {filename:?}"),
        AuthAction::Transaction { operation } => format!("it ends or begins a transaction ({operation:?})"),
        AuthAction::Pragma { pragma_name, .. } => format!("it sets the pragma {pragma_name:?}"),
        AuthAction::Function { function_name } => format!("it calls the function {function_name:?}"),
        AuthAction::CreateTrigger { trigger_name, .. } if is_fence(trigger_name) => {
            format!("it makes the trigger {trigger_name:?}, which is the name of a fence of ours")
        }
        AuthAction::CreateVtable { table_name, module_name } => format!("it makes the virtual table {table_name:?} ({module_name:?})"),
        other => format!("it asks for {other:?}").chars().take(3 * SHOWN).collect(),
    }
}

/// What a schema makes, as it was found in the trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Names of the indexes and triggers.
    pub names: BTreeSet<String>,
    /// Whether the table counts its rowids up (AUTOINCREMENT).
    pub counts: bool,
}

/// Tries a schema in a database in memory. Nothing else is touched.
pub fn trial(table: &str, text: &str) -> Result<Trial, Trouble> {
    let failed = |e| sql(table, "try its schema in memory", e);
    let mut scratch = Connection::open_in_memory().map_err(failed)?;
    harden(&scratch).map_err(failed)?;
    let watch = Watch::over(&mut scratch).map_err(failed)?;
    make(&scratch, &watch, table, text)?;
    let refused = |why: String| TablesRefusal::SchemaUnfit { why }.trouble(table);
    if Shape::read(&scratch, table).map_err(|trouble| refused(trouble.reason))?.is_none() {
        return Err(refused("its schema does not make it".into()));
    }
    let mut query = scratch.prepare("SELECT type, name, tbl_name, sql IS NOT NULL FROM sqlite_schema").map_err(failed)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).map_err(failed)?;
    let mut trial = Trial { names: BTreeSet::new(), counts: false };
    for row in rows {
        let (sort, name, of, named): (String, String, String, bool) = row.map_err(failed)?;
        match sort.as_str() {
            "table" if name == table => {}
            "table" if name == "sqlite_sequence" => trial.counts = true,
            "index" if of.eq_ignore_ascii_case(table) && !named => {}
            "index" | "trigger" if of.eq_ignore_ascii_case(table) => drop(trial.names.insert(name)),
            _ => return Err(refused(format!("its schema also makes the {sort} {name:?}"))),
        }
    }
    Ok(trial)
}

/// Refuses a schema whose indexes or triggers have the name of something else in the target's database.
pub fn check_names(connection: &Connection, table: &str, trial: &Trial) -> Result<(), Trouble> {
    let failed = |e| sql(table, "look for the names of its indexes and triggers", e);
    let text = "SELECT tbl_name FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND tbl_name <> ?2 COLLATE NOCASE LIMIT 1";
    let mut query = connection.prepare(text).map_err(failed)?;
    for name in &trial.names {
        let mut rows = query.query([name.as_str(), table]).map_err(failed)?;
        if let Some(row) = rows.next().map_err(failed)? {
            let of: String = row.get(0).map_err(failed)?;
            let reason = format!("its index or trigger {name:?} has the name of one of {of:?} in this database");
            return Err(Trouble::new(TroubleKind::Refused, table, reason).next("rename one of them, then run again"));
        }
    }
    Ok(())
}

/// Runs a schema, each statement prepared and carried out alone, under the watch.
pub fn make(connection: &Connection, watch: &Watch, table: &str, text: &str) -> Result<(), Trouble> {
    if text.contains('\0') {
        // SQLite would read no further.
        return Err(TablesRefusal::SchemaUnfit { why: "its schema holds a NUL".into() }.trouble(table));
    }
    watch.begin(table);
    let made = statements(connection, watch, table, text);
    watch.end();
    made
}

fn statements(connection: &Connection, watch: &Watch, table: &str, text: &str) -> Result<(), Trouble> {
    let mut batch = Batch::new(connection, text);
    let (mut number, mut before) = (0_u32, String::new());
    loop {
        number += 1;
        let at = || match before.as_str() {
            "" => format!("statement {number} of its schema"),
            before => format!("statement {number} of its schema (after {before:?})"),
        };
        let refused = |reason: &str| TablesRefusal::SchemaUnfit { why: format!("{} is refused: {reason}", at()) }.trouble(table);
        let prepared = batch.next();
        let (creates, denied) = watch.take();
        if let Some(what) = denied {
            return Err(refused(&what));
        }
        let Some(mut statement) = prepared.map_err(|e| refused(&e.to_string()))? else { return Ok(()) };
        if !creates {
            return Err(refused("it creates nothing of the table"));
        }
        let done = statement.execute([]);
        if let (_, Some(what)) = watch.take() {
            return Err(refused(&what));
        }
        done.map_err(|e| refused(&e.to_string()))?;
        before = statement.expanded_sql().unwrap_or_default().trim().chars().take(SHOWN).collect();
    }
}

#[cfg(test)]
mod tests;
