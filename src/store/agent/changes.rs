//! Whether what the agent answers strangers and applications from has changed, by this process or another one (`understudy-agent adopt` beside
//! a serving agent): one number in the ledger, which triggers raise. Reading it waits for no write that is under way, and the many writes of
//! a transfer leave it alone.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::domain::{Trouble, TroubleKind};

use super::StoreError;

/// The statements that raise the number when a row of the table comes, changes or goes.
macro_rules! raised_by {
    ($($table:literal),+) => {
        concat!(
            "CREATE TABLE known(one INTEGER PRIMARY KEY CHECK(one = 1), version INTEGER NOT NULL) STRICT;\nINSERT INTO known VALUES(1, 1);\n",
            $(
                "CREATE TRIGGER known_", $table, "_comes AFTER INSERT ON ", $table, " BEGIN UPDATE known SET version = version + 1; END;\n",
                "CREATE TRIGGER known_", $table, "_changes AFTER UPDATE ON ", $table, " BEGIN UPDATE known SET version = version + 1; END;\n",
                "CREATE TRIGGER known_", $table, "_goes AFTER DELETE ON ", $table, " BEGIN UPDATE known SET version = version + 1; END;\n",
            )+
        )
    };
}

/// Every table that the agent's memory (`agent::known`) is read from.
pub(super) const SCHEMA: &str =
    raised_by!("controllers", "former_controllers", "pair_controllers", "pairs", "active_services", "policies", "codes");

/// A connection that only looks.
pub struct ChangeWatch(Mutex<Connection>);

impl ChangeWatch {
    /// Watches a ledger file that is there.
    pub fn open(path: &Path) -> Result<ChangeWatch, Trouble> {
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
            // Who looks does not wait: a failed look is a change that may have been.
            connection.busy_timeout(Duration::ZERO)?;
            Ok(connection)
        };
        let connection = open().map_err(|e| Trouble::new(TroubleKind::Failed, path.display(), format!("cannot watch the ledger: {e}")))?;
        Ok(ChangeWatch(Mutex::new(connection)))
    }

    /// A number that is another one after each commit that changes keys, pairs, policies or the code, and the same while there is none.
    pub fn version(&self) -> Result<i64, Trouble> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version =
            || -> Result<i64, StoreError> { Ok(connection.prepare_cached("SELECT version FROM known")?.query_row([], |row| row.get(0))?) };
        version().map_err(Trouble::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::agent::{CodePurpose, Ledger};

    #[test]
    fn every_change_of_what_is_answered_from_memory_is_seen_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ledger.db");
        let (ours, theirs) = (Ledger::open(&path).expect("created"), Ledger::open(&path).expect("opened"));
        let watch = ChangeWatch::open(&path).expect("watched");
        let mut seen = watch.version().expect("seen");
        for ledger in [&ours, &theirs, &ours, &theirs] {
            assert_eq!(watch.version().expect("seen"), seen, "nothing happened");
            ledger.pairs().expect("read");
            assert_eq!(watch.version().expect("seen"), seen, "reading changes nothing");
            ledger.issue_code(CodePurpose::Enrol, &[7; 32], chrono::Utc::now()).expect("written");
            ledger.note_dropped(crate::domain::RunId(uuid::Uuid::now_v7()), crate::domain::PointId(uuid::Uuid::now_v7())).expect("written");
            let now = watch.version().expect("seen");
            assert_eq!(now, seen + 1, "the code, and not what a run noted");
            seen = now;
        }
    }
}
