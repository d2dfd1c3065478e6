//! The user data that was last brought to this cluster: the third side of every comparison.

use rusqlite::{OptionalExtension, params};

use super::{Ledger, to_json};
use crate::domain::user_data::UserData;
use crate::domain::{PairName, Trouble};

/// The table of this page.
pub(super) const SCHEMA: &str = "
    CREATE TABLE applied_users (
        pair TEXT PRIMARY KEY,
        body TEXT NOT NULL
    ) STRICT;
";

impl Ledger {
    /// What was last applied here; `None` before the first sync.
    pub fn applied_users(&self, pair: &PairName) -> Result<Option<UserData>, Trouble> {
        self.read(|c| {
            let body: Option<String> =
                c.query_row("SELECT body FROM applied_users WHERE pair = ?1", [pair.as_str()], |row| row.get(0)).optional()?;
            Ok(body.map(|text| serde_json::from_str(&text)).transpose()?)
        })
    }

    /// Remembers what was applied.
    pub fn note_applied_users(&self, pair: &PairName, users: &UserData) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("INSERT OR REPLACE INTO applied_users (pair, body) VALUES (?1, ?2)", params![pair.as_str(), to_json(users)?])?;
            Ok(())
        })
    }
}
