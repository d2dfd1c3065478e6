//! What the agent was told: one row an instruction, with the digest of its body, so that an id means one thing for ever.
//!
//! ```text
//! (new) → running → done | failed          a start of the agent turns running into interrupted
//! interrupted, failed (worth retrying) → running, when the same instruction is sent again
//! ```

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::domain::{ComponentName, DataSetName, Digest, InstructionId, PairName, Service, Term, Trouble, TroubleKind};
use crate::protocol::{Instruction, Outcome};

use super::controllers::{Standing, standing};
use super::identity::{PairFacts, keep_facts, pair_facts};
use super::terms::{set_term, term_in};
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
    /// What the key that asks may do.
    pub caller: Standing,
    /// Highest term seen in the pair; none counts before this agent is a member.
    pub term: Term,
    /// The pair, if we are a member.
    pub pair: Option<PairFacts>,
    /// The same id, if it was seen before.
    pub seen: Option<InstructionRecord>,
    /// The data sets of this agent's other pairs.
    pub elsewhere: Vec<Elsewhere>,
    /// The data sets of this pair's own policies.
    pub own: Vec<DataSetName>,
}

/// The data sets that another pair holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The other pair.
    pub pair: PairName,
    /// Under the names of both sides, since a reversal turns them round.
    pub sets: Vec<DataSetName>,
}

impl Elsewhere {
    /// The data set of the other pair that shares a place with this one. `dotted`: the components whose paths are parted by dots.
    pub fn holding(&self, set: &DataSetName, dotted: &BTreeSet<ComponentName>) -> Option<&DataSetName> {
        let separator = if dotted.contains(&set.component) { '.' } else { '/' };
        self.sets.iter().find(|theirs| set.shares_place(theirs, separator))
    }
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
    /// Nothing starts. Its term is further above the known one than an agent follows at once: from now on this one is known.
    Rise(Term),
}

impl Ledger {
    /// Judges an instruction of the controller with this key on the facts of one moment and, when it may start, remembers it as running
    /// together with its term.
    pub fn admit(
        &self,
        instruction: &Instruction,
        caller: &str,
        digest: Digest,
        at: DateTime<Utc>,
        judge: impl FnOnce(&AdmissionFacts) -> Result<Admission, Trouble>,
    ) -> Result<Admission, Trouble> {
        self.write(|t| {
            let pair = instruction.pair.as_str();
            let (own, elsewhere) = held_sets(t, &instruction.pair)?;
            let facts = AdmissionFacts {
                caller: standing(t, caller, at)?,
                term: term_in(t, pair)?,
                pair: pair_facts(t, pair)?,
                seen: record(t, instruction.id)?,
                elsewhere,
                own,
            };
            let admission = judge(&facts)?;
            let admitted = facts.admitted(instruction, digest, &admission);
            if admitted.term != facts.term {
                set_term(t, pair, admitted.term)?;
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

/// The data sets of a pair's policies, and those of every other pair here.
pub(super) fn held_sets(c: &Connection, pair: &PairName) -> Result<(Vec<DataSetName>, Vec<Elsewhere>), StoreError> {
    let (mut own, mut elsewhere) = (Vec::new(), Vec::<Elsewhere>::new());
    let mut query = c.prepare("SELECT pair, body FROM policies ORDER BY pair, service")?;
    for row in query.query_map([], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))? {
        let (name, body) = row?;
        let sets = from_json::<Service>(&body)?.data_sets.into_iter().flat_map(|set| [set.from, set.to]);
        if name == pair.as_str() {
            own.extend(sets);
            continue;
        }
        let damaged = |_| Trouble::new(TroubleKind::Corrupt, "agent ledger", "a pair's name cannot be read");
        match elsewhere.last_mut().filter(|last| last.pair.as_str() == name) {
            Some(last) => last.sets.extend(sets),
            None => elsewhere.push(Elsewhere { pair: name.parse().map_err(damaged)?, sets: sets.collect() }),
        }
    }
    Ok((own, elsewhere))
}

impl Ledger {
    /// The data sets that this agent's other pairs hold.
    pub fn elsewhere(&self, pair: &PairName) -> Result<Vec<Elsewhere>, Trouble> {
        self.read(|c| Ok(held_sets(c, pair)?.1))
    }
}

fn record(c: &Connection, id: InstructionId) -> Result<Option<InstructionRecord>, StoreError> {
    let row = c
        .query_row("SELECT digest, state FROM instructions WHERE id = ?1", [id.to_string()], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?))
        })
        .optional()?;
    row.map(|(digest, state)| {
        let digest = Digest::try_from(digest).map_err(|e| Trouble::new(TroubleKind::Corrupt, "agent ledger", e))?;
        Ok(InstructionRecord { digest, state: from_json(&state)? })
    })
    .transpose()
}
