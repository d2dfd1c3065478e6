//! What the agent was told: one row an instruction, with the digest of its body, so that an id means one thing for ever.
//!
//! ```text
//! (new) → running → done | failed          a start of the agent turns running into interrupted
//! interrupted, failed (worth retrying) → running, when the same instruction is sent again
//! ```

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::domain::{Digest, InstructionId, Term, Trouble};
use crate::protocol::{Instruction, Outcome};

use super::identity::{PairFacts, keep_facts, pair_facts, set_fact, term};
use super::{Ledger, StoreError, from_json, to_json, to_micros};

pub(super) const SCHEMA: &str = "
CREATE TABLE instructions(
    id TEXT PRIMARY KEY, pair TEXT NOT NULL, what TEXT NOT NULL, digest TEXT NOT NULL, state TEXT NOT NULL,
    received_at INTEGER NOT NULL, changed_at INTEGER NOT NULL) STRICT;
CREATE INDEX instructions_by_time ON instructions(received_at);
";

/// Where an instruction is, durably.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "is")]
pub enum InstructionState {
    /// Being done in this start of the agent.
    Running,
    /// It was being done when the agent stopped.
    Interrupted,
    /// Done.
    Done(Box<Outcome>),
    /// Failed.
    Failed(Trouble),
}

impl InstructionState {
    /// Whether the same instruction, sent again, starts again.
    pub fn may_run_again(&self) -> bool {
        match self {
            InstructionState::Interrupted => true,
            InstructionState::Failed(trouble) => trouble.may_pass(),
            InstructionState::Running | InstructionState::Done(_) => false,
        }
    }
}

/// One instruction as remembered.
#[derive(Debug, Clone, PartialEq)]
pub struct InstructionRecord {
    /// Digest of its body without the term (a controller that started again sends the same instruction under its new term).
    pub digest: Digest,
    /// Where it is.
    pub state: InstructionState,
}

/// What a judge may look at: the ledger's facts, all of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct AdmissionFacts {
    /// Highest term seen.
    pub term: Term,
    /// The pair, if we are a member.
    pub pair: Option<PairFacts>,
    /// The same id, if it was seen before.
    pub seen: Option<InstructionRecord>,
}

/// What becomes of an instruction.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission {
    /// It is new, or runs again: start it. `confirm`: the controller's word confirms our claim.
    Start {
        /// See above.
        confirm: bool,
    },
    /// Seen before: this is where it is.
    Repeat(InstructionState),
}

impl Ledger {
    /// Judges an instruction on the facts of one moment and, when it may start, remembers it as running together with its term.
    pub fn admit(
        &self,
        instruction: &Instruction,
        digest: Digest,
        at: DateTime<Utc>,
        judge: impl FnOnce(&AdmissionFacts) -> Result<Admission, Trouble>,
    ) -> Result<Admission, Trouble> {
        self.write(|t| {
            let pair = instruction.pair.as_str();
            let facts = AdmissionFacts { term: term(t)?, pair: pair_facts(t, pair)?, seen: record(t, instruction.id)? };
            let admission = judge(&facts)?;
            let admitted = facts.admitted(instruction, digest, &admission);
            if admitted.term != facts.term {
                set_fact(t, "term", &to_json(&admitted.term)?)?;
            }
            if let (Some(old), Some(new)) = (&facts.pair, &admitted.pair) {
                keep_facts(t, old, new)?;
            }
            if let (Admission::Start { .. }, Some(record)) = (&admission, &admitted.seen) {
                t.execute(
                    "INSERT INTO instructions(id, pair, what, digest, state, received_at, changed_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?6)
                     ON CONFLICT(id) DO UPDATE SET state = excluded.state, changed_at = excluded.changed_at",
                    params![
                        instruction.id.to_string(),
                        pair,
                        instruction.order.name(),
                        record.digest.to_string(),
                        to_json(&record.state)?,
                        to_micros(at)
                    ],
                )?;
            }
            Ok(admission)
        })
    }

    /// Where an instruction is; `None` when it never arrived.
    pub fn instruction(&self, id: InstructionId) -> Result<Option<InstructionRecord>, Trouble> {
        self.read(|c| record(c, id))
    }

    /// Notes how an instruction ended (or that it was interrupted). Durable before anybody is told.
    pub fn end_instruction(&self, id: InstructionId, state: &InstructionState, at: DateTime<Utc>) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute(
                "UPDATE instructions SET state = ?2, changed_at = ?3 WHERE id = ?1",
                params![id.to_string(), to_json(state)?, to_micros(at)],
            )?;
            Ok(())
        })
    }

    /// At the start of the agent: what was running is interrupted. Returns how many were.
    pub fn interrupt_running(&self, at: DateTime<Utc>) -> Result<usize, Trouble> {
        self.write(|t| {
            let [running, interrupted] = [to_json(&InstructionState::Running)?, to_json(&InstructionState::Interrupted)?];
            Ok(t.execute(
                "UPDATE instructions SET state = ?2, changed_at = ?3 WHERE state = ?1",
                params![running, interrupted, to_micros(at)],
            )?)
        })
    }

    /// Forgets instructions that ended before `before`; their ids are far too old to come again under a valid term and epoch.
    pub fn forget_instructions(&self, before: DateTime<Utc>) -> Result<usize, Trouble> {
        self.write(|t| {
            let running = to_json(&InstructionState::Running)?;
            Ok(t.execute("DELETE FROM instructions WHERE received_at < ?1 AND state <> ?2", params![to_micros(before), running])?)
        })
    }
}

fn record(c: &Connection, id: InstructionId) -> Result<Option<InstructionRecord>, StoreError> {
    let row = c
        .query_row("SELECT digest, state FROM instructions WHERE id = ?1", [id.to_string()], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?))
        })
        .optional()?;
    row.map(|(digest, state)| {
        let digest = Digest::try_from(digest).map_err(|e| Trouble::new(crate::domain::TroubleKind::Corrupt, "agent ledger", e))?;
        Ok(InstructionRecord { digest, state: from_json(&state)? })
    })
    .transpose()
}
