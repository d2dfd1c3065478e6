//! Whom the agent obeys: enrolled controllers, and the one code with which the next may enrol.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::domain::Trouble;

use super::identity::{set_fact, term};
use super::{Ledger, from_json, from_micros, rules, to_json, to_micros};

pub(super) const SCHEMA: &str = "
CREATE TABLE controllers(key TEXT PRIMARY KEY, enrolled_at INTEGER NOT NULL) STRICT;
CREATE TABLE codes(one INTEGER PRIMARY KEY CHECK(one = 1), purpose TEXT NOT NULL, key BLOB NOT NULL,
    expires_at INTEGER NOT NULL, attempts INTEGER NOT NULL) STRICT;
";

/// What a code allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodePurpose {
    /// A controller may make new pairs here.
    Enrol,
    /// A controller takes over the pairs that are here; those before it lose them.
    Adopt,
}

/// How the proof of a code was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeCheck {
    /// Right: the code is used up and the controller is known.
    Accepted(CodePurpose),
    /// There is no code, or it is used or expired.
    NoCode,
    /// Wrong. The code stays good: a stranger's guesses must not take it from the person who has it.
    Wrong,
}

/// The present code as the agent keeps it. A secret: it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeKey {
    /// What both ends hash with.
    pub key: [u8; 32],
    /// From when on it is good for nothing.
    pub expires_at: DateTime<Utc>,
}

/// A controller's pinned key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerRecord {
    /// SHA-256 of its SubjectPublicKeyInfo, hex.
    pub key: String,
    /// When it enrolled.
    pub enrolled_at: DateTime<Utc>,
}

impl Ledger {
    /// Controllers' keys.
    pub fn controllers(&self) -> Result<Vec<ControllerRecord>, Trouble> {
        self.read(|c| {
            let mut query = c.prepare("SELECT key, enrolled_at FROM controllers ORDER BY enrolled_at")?;
            let rows = query.query_map([], |r| Ok(ControllerRecord { key: r.get(0)?, enrolled_at: from_micros(r.get(1)?) }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Issues a code; the one before it is void.
    pub fn issue_code(&self, purpose: CodePurpose, key: &[u8; 32], expires_at: DateTime<Utc>) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute(
                "INSERT OR REPLACE INTO codes(one, purpose, key, expires_at, attempts) VALUES(1, ?1, ?2, ?3, 0)",
                params![to_json(&purpose)?, key, to_micros(expires_at)],
            )?;
            Ok(())
        })
    }

    /// The present code, also an expired one.
    pub fn code(&self) -> Result<Option<CodeKey>, Trouble> {
        self.read(|c| {
            let code = c
                .query_row("SELECT key, expires_at FROM codes", [], |r| Ok(CodeKey { key: r.get(0)?, expires_at: from_micros(r.get(1)?) }));
            Ok(code.optional()?)
        })
    }

    /// Judges the proof of the present code and, when `is_right` says so, uses the code up and makes the controller known, all in one.
    pub fn redeem_code(
        &self,
        now: DateTime<Utc>,
        controller: &str,
        is_right: impl FnOnce(&[u8; 32]) -> bool,
    ) -> Result<CodeCheck, Trouble> {
        self.write(|t| {
            let code = t
                .query_row("SELECT purpose, key, expires_at FROM codes", [], |r| {
                    Ok((r.get::<_, String>(0)?, r.get::<_, [u8; 32]>(1)?, from_micros(r.get(2)?)))
                })
                .optional()?;
            let Some((purpose, key, expires_at)) = code else { return Ok(CodeCheck::NoCode) };
            if now >= expires_at {
                t.execute("DELETE FROM codes", [])?;
                return Ok(CodeCheck::NoCode);
            }
            if !is_right(&key) {
                return Ok(CodeCheck::Wrong);
            }
            let purpose = from_json(&purpose)?;
            t.execute("DELETE FROM codes", [])?;
            t.execute("INSERT OR IGNORE INTO controllers(key, enrolled_at) VALUES(?1, ?2)", params![controller, to_micros(now)])?;
            if purpose == CodePurpose::Adopt {
                // What any controller sent before, also this one, is over.
                set_fact(t, "term", &to_json(&rules::term_of_adoption(term(t)?))?)?;
                t.execute("DELETE FROM pair_controllers", [])?;
                t.execute("INSERT INTO pair_controllers(pair, key) SELECT pair, ?1 FROM pairs", [controller])?;
            }
            Ok(CodeCheck::Accepted(purpose))
        })
    }
}
