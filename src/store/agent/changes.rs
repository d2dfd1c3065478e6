//! Whether the ledger changed, by this process or another one (`understudy-agent adopt` beside a serving agent): a look at memory that both
//! share, without a read of the file and without waiting for a write that is under way.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::domain::{Trouble, TroubleKind};

use super::StoreError;

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

    /// A number that is another one after each commit of any other connection, and the same while there is none.
    pub fn version(&self) -> Result<i64, Trouble> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version =
            || -> Result<i64, StoreError> { Ok(connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?) };
        version().map_err(Trouble::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::agent::{CodePurpose, Ledger};

    #[test]
    fn every_commit_of_any_connection_is_seen_and_nothing_else() {
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
            let now = watch.version().expect("seen");
            assert_ne!(now, seen);
            seen = now;
        }
    }
}
