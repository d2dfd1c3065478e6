//! The agent's ledger: who it is, whom it obeys, what it was told and did, what it holds.
//!
//! One SQLite file, `ledger.db` in the agent's state directory. Each submodule owns its tables and adds methods to
//! [`Ledger`] through its private `read` and `write`; its schema is one line in `MIGRATIONS`.

mod abandoned;
mod captures;
mod changes;
mod codes;
mod controllers;
mod drills;
mod identity;
mod instructions;
mod notes;
mod points;
mod restores;
mod rows;
pub mod rules;
mod staging;
mod terms;
mod users;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Trouble, TroubleKind};

pub use abandoned::{AbandonedRow, TakenBack};
pub use captures::{CaptureRow, CaptureState};
pub use changes::ChangeWatch;
pub use codes::{CodeCheck, CodeKey, CodePurpose};
pub use controllers::{ControllerRecord, CutOff, FormerKey, NewController, Revoked, Standing, is_cut_off, needs_code, not_enrolled};
pub use drills::DrillRow;
pub use identity::{FenceState, PairFacts};
pub use instructions::{Admission, AdmissionFacts, Elsewhere, InstructionRecord, InstructionState};
pub use points::{PointRow, StoredManifest};
pub use restores::{RestoreBegun, RestoreRow};
pub use staging::{ArmedRow, PieceRow, PlanRow, StagingRow, TOMBSTONE_DAYS, dropped};

/// Schema steps, oldest first; `user_version` counts those applied. Append only, once released: never edit or reorder a step.
const MIGRATIONS: &[(&str, &str)] = &[
    ("identity", identity::SCHEMA),
    ("codes", codes::SCHEMA),
    ("instructions", instructions::SCHEMA),
    ("points", points::SCHEMA),
    ("captures", captures::SCHEMA),
    ("staging", staging::SCHEMA),
    ("users", users::SCHEMA),
    ("drills", drills::SCHEMA),
    ("terms", terms::SCHEMA),
    ("keys", controllers::KEYS),
    ("known", changes::SCHEMA),
    ("abandoned", abandoned::SCHEMA),
    ("restores", restores::SCHEMA),
    ("notes", notes::SCHEMA),
];

/// How long a write waits for another process (`understudy-agent enrol` beside a serving agent).
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// The ledger of one agent. `synchronous=FULL`: what a method has stored survives a power cut when it returns.
pub struct Ledger {
    /// One connection; every method is short.
    connection: Mutex<Connection>,
}

impl Ledger {
    /// Opens or creates the ledger file and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Ledger, Trouble> {
        let object = path.display();
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, OpenFlags::default())?;
            connection.busy_timeout(BUSY_LIMIT)?;
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        };
        let mut connection = open().map_err(|e| Trouble::new(TroubleKind::Failed, &object, format!("cannot open the ledger: {e}")))?;
        migrate(&mut connection).map_err(|e| Trouble { object: object.to_string(), ..e })?;
        Ok(Ledger { connection: Mutex::new(connection) })
    }

    /// Runs short queries.
    pub(crate) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, Trouble> {
        query(&self.lock()).map_err(Trouble::from)
    }

    /// Runs a short transaction; durable when it returns `Ok`, without effect otherwise.
    pub(crate) fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, Trouble> {
        let mut connection = self.lock();
        let result = (|| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = change(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        result.map_err(|e: StoreError| Trouble::from(e))
    }

    /// A panic in another method rolled its transaction back: the connection is still good.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies the schema steps that this file has not seen, each in its own transaction.
fn migrate(connection: &mut Connection) -> Result<(), Trouble> {
    let version = |c: &Connection| c.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).map_err(StoreError::from);
    let seen = version(connection)?;
    if seen as usize > MIGRATIONS.len() {
        return Err(Trouble::new(
            TroubleKind::Refused,
            "ledger",
            format!("it was written by a newer version (schema {seen}, this program knows {})", MIGRATIONS.len()),
        )
        .next("run the newer program"));
    }
    for (number, (name, sql)) in (0_u32..).zip(MIGRATIONS) {
        let step = |c: &mut Connection| -> Result<(), StoreError> {
            let transaction = c.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Read again under the write lock: another process may have done it meanwhile.
            if version(&transaction)? <= number {
                transaction.execute_batch(sql)?;
                transaction.pragma_update(None, "user_version", number + 1)?;
            }
            transaction.commit()?;
            Ok(())
        };
        step(connection).map_err(|e| Trouble::new(TroubleKind::Failed, "ledger", format!("schema step {name} failed: {e}")))?;
    }
    Ok(())
}

/// What can go wrong inside a query.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// SQLite refused.
    #[error("{0}")]
    Sql(#[from] rusqlite::Error),
    /// A stored text is not what was stored.
    #[error("a stored record cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// A rule of the ledger itself.
    #[error("{0}")]
    Trouble(#[from] Trouble),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        use rusqlite::{Error::SqliteFailure, ErrorCode};
        match error {
            StoreError::Trouble(trouble) => trouble,
            StoreError::Sql(SqliteFailure(e, _)) if e.code == ErrorCode::DiskFull => {
                Trouble::new(TroubleKind::Exhausted, "agent ledger", "the disk of the state directory is full").next("free space there")
            }
            // A quota or a limit on file sizes shows as this, and so does a failing disk.
            StoreError::Sql(SqliteFailure(e, _)) if e.code == ErrorCode::SystemIoFailure => {
                Trouble::new(TroubleKind::Failed, "agent ledger", "the disk of the state directory takes no more, or fails")
                    .next("free space there; if there is some, look at the disk itself")
            }
            StoreError::Sql(e) => Trouble::new(TroubleKind::Failed, "agent ledger", e),
            e @ StoreError::Json(_) => Trouble::new(TroubleKind::Corrupt, "agent ledger", e),
        }
    }
}

/// An instant as it is stored: whole microseconds since 1970, so that columns sort and compare.
pub(crate) fn to_micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// An instant as it was stored.
pub(crate) fn from_micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// A record as it is stored.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    Ok(serde_json::to_string(value)?)
}

/// A record as it was stored.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    Ok(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_opens_again_and_refuses_a_newer_schema() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger.db");
        drop(Ledger::open(&path).expect("created"));
        let ledger = Ledger::open(&path).expect("opened again");
        ledger.write(|t| Ok(t.pragma_update(None, "user_version", 99)?)).expect("written");
        drop(ledger);
        let refused = Ledger::open(&path).err().expect("refused");
        assert_eq!(refused.kind, TroubleKind::Refused);
    }

    #[test]
    fn a_failed_change_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("created");
        let result: Result<(), Trouble> = ledger.write(|t| {
            t.execute("INSERT INTO facts(name, value) VALUES('term', '7')", [])?;
            Err(Trouble::new(TroubleKind::Refused, "test", "no").into())
        });
        assert_eq!(result.err().map(|t| t.kind), Some(TroubleKind::Refused));
        let rows: i64 = ledger.read(|c| Ok(c.query_row("SELECT count(*) FROM facts", [], |r| r.get(0))?)).expect("read");
        assert_eq!(rows, 0);
    }
}
