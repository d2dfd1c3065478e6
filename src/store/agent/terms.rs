//! The highest term of a controller that was seen, pair by pair: what orders the starts of one console, and consoles on copies of one state.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::domain::{Term, Trouble};

use super::{Ledger, StoreError};

/// Terms are kept a pair: what one pair's controller sends says nothing about another's. A term that an earlier version let somebody drive
/// to the top is cut to what is left room above.
pub(super) const SCHEMA: &str = "
ALTER TABLE pairs ADD COLUMN term INTEGER NOT NULL DEFAULT 0;
UPDATE pairs SET term = min(coalesce((SELECT CAST(value AS INTEGER) FROM facts WHERE name = 'term'), 0), 2305843009213693952);
DELETE FROM facts WHERE name = 'term';
";

impl Ledger {
    /// The highest controller term seen: in the pairs that the controller with this key commands, or in all of them.
    pub fn term(&self, controller: Option<&str>) -> Result<Term, Trouble> {
        let sql = "SELECT max(term) FROM pairs WHERE ?1 IS NULL OR pair IN (SELECT pair FROM pair_controllers WHERE key = ?1)";
        let term = self.read(|c| Ok(c.query_row(sql, [controller], |r| r.get::<_, Option<i64>>(0))?))?;
        Ok(Term(term.unwrap_or_default().unsigned_abs()))
    }
}

/// The highest term seen in a pair; none in one that this agent is no member of.
pub(super) fn term_in(c: &Connection, pair: &str) -> Result<Term, StoreError> {
    let term = c.query_row("SELECT term FROM pairs WHERE pair = ?1", [pair], |r| r.get::<_, i64>(0)).optional()?;
    Ok(Term(term.unwrap_or_default().unsigned_abs()))
}

pub(super) fn set_term(t: &Transaction<'_>, pair: &str, term: Term) -> Result<(), StoreError> {
    t.execute("UPDATE pairs SET term = ?2 WHERE pair = ?1", params![pair, to_term(term)])?;
    Ok(())
}

/// [`Term::MAX`] fits.
pub(super) fn to_term(term: Term) -> i64 {
    i64::try_from(term.0).unwrap_or(i64::MAX)
}
