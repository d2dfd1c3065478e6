//! The engine's memory: its term, pairs, policies, events of runs and of identities, cached points, what happened.
//!
//! Events are appended before their effects start and are never changed. Points, agents' records and user data are caches: the
//! agents' ledgers are the truth, and `adopt` rebuilds from them.

mod drills;
mod events;
mod facts;
mod pairs;
mod schema;
#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::domain::{Trouble, TroubleKind};

pub use facts::{MomentRecord, MomentState, UsersRecord};
pub use pairs::{Enrolled, KeptPair, PairedAgent, PairedClusters};

/// The store of one engine. `synchronous=FULL`: what a method has stored survives a power cut when it returns.
pub struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens (or makes) `engine.db` in a state directory, which becomes 0700, and brings its schema up to date.
    pub fn open(state: &Path) -> Result<Store, Trouble> {
        let path = state.join("engine.db");
        let io =
            |e: std::io::Error| Trouble::new(TroubleKind::Failed, path.display(), e).next("check the state directory's rights and space");
        fs::create_dir_all(state).map_err(io)?;
        fs::set_permissions(state, fs::Permissions::from_mode(0o700)).map_err(io)?;
        // SQLite gives its journal the database's mode, so that the database is made first, for us alone.
        fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io)?;
        let sql = |e: rusqlite::Error| broken(&path, &e);
        let mut connection = Connection::open(&path).map_err(sql)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(sql)?;
        connection.pragma_update(None, "synchronous", "full").map_err(sql)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(sql)?;
        connection.busy_timeout(std::time::Duration::from_secs(5)).map_err(sql)?;
        schema::migrate(&mut connection).map_err(|reason| {
            Trouble::new(TroubleKind::Refused, path.display(), reason).next("use the version of Understudy that wrote it, or a newer one")
        })?;
        Ok(Store { path, connection: Mutex::new(connection) })
    }

    /// The connection. A panic while it was held left no half-done work: every write is one transaction.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sql<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Trouble> {
        work(&mut self.lock()).map_err(|e| broken(&self.path, &e))
    }
}

fn broken(path: &Path, error: &rusqlite::Error) -> Trouble {
    let kind = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => TroubleKind::Exhausted,
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => TroubleKind::Corrupt,
        _ => TroubleKind::Failed,
    };
    Trouble::new(kind, path.display(), format!("the engine's store failed: {error}")).next("check the disk of the state directory")
}

/// A value as its JSON text. Our own types always serialise; an error is kept all the same.
fn to_json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

/// A value from its JSON text.
fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e)))
}

/// A time as SQLite sorts it: microseconds since 1970.
fn micros(at: chrono::DateTime<chrono::Utc>) -> i64 {
    at.timestamp_micros()
}
