//! The one code with which the next controller may enrol, or take over.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::domain::{Trouble, TroubleKind};

use super::controllers::{NewController, enrol, hand_over_to};
use super::terms::{set_term, term_in};
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

impl Ledger {
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

    /// Judges the proof of the present code and, when `is_right` says so, uses the code up and makes the controller known, all in one. Where
    /// the code is for adopting, every other controller is cut off in the same transaction.
    pub fn redeem_code(
        &self,
        now: DateTime<Utc>,
        controller: NewController<'_>,
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
            enrol(t, controller, now)?;
            if purpose == CodePurpose::Adopt {
                hand_over_to(t, controller.key, now)?;
                // What any controller sent before, also this one, is over.
                let pairs = t.prepare("SELECT pair FROM pairs")?.query_map([], |r| r.get(0))?.collect::<Result<Vec<String>, _>>()?;
                for pair in pairs {
                    let name =
                        pair.parse().map_err(|_| Trouble::new(TroubleKind::Corrupt, "agent ledger", "a pair's name cannot be read"))?;
                    set_term(t, &pair, rules::term_of_adoption(&name, term_in(t, &pair)?)?)?;
                }
            }
            Ok(CodeCheck::Accepted(purpose))
        })
    }
}
