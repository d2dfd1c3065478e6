//! Connections to the database, and its errors in words.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::{BUSY, Tables};
use crate::domain::{Trouble, TroubleKind};

impl Tables {
    /// For reading only.
    pub(super) fn reader(&self) -> Result<Connection, Trouble> {
        open(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
    }

    /// As an ordinary application has it: triggers on.
    pub(super) fn ordinary(&self) -> Result<Connection, Trouble> {
        open(&self.database, OpenFlags::default())
    }

    /// For our own writing: neither the application's triggers nor our fence react to it.
    pub(super) fn writer(&self) -> Result<Connection, Trouble> {
        writer_of(&self.database)
    }
}

/// Likewise of any database of ours.
pub(super) fn writer_of(database: &Path) -> Result<Connection, Trouble> {
    let connection = open(database, OpenFlags::default())?;
    let set_up = || {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")
    };
    set_up().map_err(|e| sql(&database.display().to_string(), "prepare it for writing", e))?;
    Ok(connection)
}

/// Opens a database; a missing file is `NotFound` unless it may be created.
pub(super) fn open(path: &Path, flags: OpenFlags) -> Result<Connection, Trouble> {
    let object = path.display().to_string();
    if flags.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) && !path.exists() {
        return Err(Trouble::new(TroubleKind::NotFound, object, "there is no such database").next("check `database` in agent.toml"));
    }
    let connection = Connection::open_with_flags(path, flags).map_err(|e| sql(&object, "open it", e))?;
    connection.busy_timeout(BUSY).and_then(|()| harden(&connection)).map_err(|e| sql(&object, "open it", e))?;
    Ok(connection)
}

/// What every connection of ours goes without: other files beside its own, and a schema's power over more than its data. The database's
/// schema came from applications and from the other cluster.
pub(super) fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
    Ok(())
}

/// An error of SQLite in words.
pub(super) fn sql(object: &str, doing: &str, error: rusqlite::Error) -> Trouble {
    use rusqlite::ErrorCode::{
        ConstraintViolation, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull, NotADatabase, PermissionDenied, ReadOnly, Unknown,
    };
    let (kind, next) = match error.sqlite_error_code() {
        Some(DiskFull) => (TroubleKind::Exhausted, "free space there, then try again"),
        Some(DatabaseCorrupt | NotADatabase) => (TroubleKind::Corrupt, "check the database file"),
        Some(PermissionDenied | ReadOnly) => (TroubleKind::Refused, "give the agent's user the right to do so"),
        Some(DatabaseBusy | DatabaseLocked) => (TroubleKind::Failed, "another program holds the database; try again"),
        // A statement that is wrong for this database, or a rule of its own: the same statement fails again.
        Some(ConstraintViolation | Unknown) => (TroubleKind::Refused, "look at what else is in that database"),
        _ => (TroubleKind::Failed, ""),
    };
    Trouble::new(kind, object, format!("cannot {doing}: {error}")).next(next)
}

/// A name as SQL quotes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
