//! Whose keys the agent obeys: enrolled controllers, what each may do, and the keys that were cut off.
//!
//! ```text
//! code redeemed → may join a pair for some minutes → commands that pair → adopted away, or revoked: cut off, at once and for good
//! ```
//! An enrolled key that commands no pair and holds no fresh code may do nothing. Invariant 15: a key that was cut off can do nothing. It is
//! asked for in the transaction that judges an instruction, so that no instruction slips in beside a revocation.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Ledger, StoreError, from_micros, to_micros};
use crate::domain::{PairName, Trouble, TroubleKind};

pub(super) const KEYS: &str = "
ALTER TABLE controllers ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE controllers ADD COLUMN address TEXT NOT NULL DEFAULT '';
ALTER TABLE controllers ADD COLUMN seen_at INTEGER;
ALTER TABLE controllers ADD COLUMN may_join_until INTEGER;
CREATE TABLE former_controllers(key TEXT PRIMARY KEY, name TEXT NOT NULL, cut_off_at INTEGER NOT NULL, why TEXT NOT NULL) STRICT;
";

/// How long after its code was redeemed a controller may join its first pair.
const JOIN_MINUTES: i64 = 15;
/// The shortest beginning of a key by which it may be named.
const SHORTEST_PREFIX: usize = 8;

/// A controller that has just redeemed a code.
#[derive(Debug, Clone, Copy)]
pub struct NewController<'a> {
    /// SHA-256 of its SubjectPublicKeyInfo, hex.
    pub key: &'a str,
    /// As its certificate calls it: a label for people that proves nothing.
    pub name: &'a str,
    /// The address that it enrolled from.
    pub address: &'a str,
}

/// A controller's pinned key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerRecord {
    /// SHA-256 of its SubjectPublicKeyInfo, hex.
    pub key: String,
    /// As its certificate called it when it enrolled; empty for a key enrolled by an earlier version.
    pub name: String,
    /// The address that it enrolled from; empty for a key enrolled by an earlier version.
    pub address: String,
    /// When it enrolled.
    pub enrolled_at: DateTime<Utc>,
    /// When it last asked for anything, to within half a minute.
    pub seen_at: Option<DateTime<Utc>>,
    /// Until when it may join its first pair.
    pub may_join_until: Option<DateTime<Utc>>,
    /// The pairs that it commands.
    pub pairs: Vec<PairName>,
}

impl ControllerRecord {
    /// What it may do at this time.
    pub fn standing(&self, now: DateTime<Utc>) -> Standing {
        Standing::of_enrolled(!self.pairs.is_empty(), self.may_join_until, now)
    }
}

/// A key that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerKey {
    /// SHA-256 of its SubjectPublicKeyInfo, hex.
    pub key: String,
    /// As its certificate called it.
    pub name: String,
    /// When.
    pub cut_off_at: DateTime<Utc>,
    /// How.
    pub why: CutOff,
}

/// How a key was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOff {
    /// Another controller adopted this agent.
    Adopted,
    /// A person on the agent's host revoked it.
    Revoked,
}

impl CutOff {
    fn stored(self) -> &'static str {
        match self {
            CutOff::Adopted => "adopted",
            CutOff::Revoked => "revoked",
        }
    }
}

/// What a revocation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The key.
    pub key: String,
    /// The pairs that nobody commands any more.
    pub orphaned: Vec<PairName>,
}

/// What the agent knows of the key that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// It is enrolled.
    pub enrolled: bool,
    /// It commands a pair.
    pub commands: bool,
    /// It has redeemed a code lately and has not joined a pair with it yet.
    pub may_join: bool,
}

impl Standing {
    /// Of a key that commands a pair.
    pub const IN_COMMAND: Standing = Standing { enrolled: true, commands: true, may_join: false };

    fn of_enrolled(commands: bool, may_join_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Standing {
        Standing { enrolled: true, commands, may_join: may_join_until.is_some_and(|until| now < until) }
    }

    /// Whether it may look at this agent at all.
    pub fn may_look(self) -> bool {
        self.enrolled && (self.commands || self.may_join)
    }
}

impl Ledger {
    /// The enrolled controllers, oldest first.
    pub fn controllers(&self) -> Result<Vec<ControllerRecord>, Trouble> {
        self.read(|c| {
            let mut query =
                c.prepare("SELECT key, name, address, enrolled_at, seen_at, may_join_until FROM controllers ORDER BY enrolled_at, key")?;
            let rows = query.query_map([], |r| {
                Ok(ControllerRecord {
                    key: r.get(0)?,
                    name: r.get(1)?,
                    address: r.get(2)?,
                    enrolled_at: from_micros(r.get(3)?),
                    seen_at: r.get::<_, Option<i64>>(4)?.map(from_micros),
                    may_join_until: r.get::<_, Option<i64>>(5)?.map(from_micros),
                    pairs: Vec::new(),
                })
            })?;
            let mut records = rows.collect::<Result<Vec<_>, _>>()?;
            for record in &mut records {
                record.pairs = pairs_of(c, &record.key)?;
            }
            Ok(records)
        })
    }

    /// The keys that were cut off, newest first.
    pub fn former_controllers(&self) -> Result<Vec<FormerKey>, Trouble> {
        self.read(|c| {
            let mut query = c.prepare("SELECT key, name, cut_off_at, why FROM former_controllers ORDER BY cut_off_at DESC, key")?;
            let rows = query.query_map([], |r| {
                let why = if r.get::<_, String>(3)? == CutOff::Adopted.stored() { CutOff::Adopted } else { CutOff::Revoked };
                Ok(FormerKey { key: r.get(0)?, name: r.get(1)?, cut_off_at: from_micros(r.get(2)?), why })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Notes when controllers last asked for anything.
    pub fn note_seen(&self, seen: &[(String, DateTime<Utc>)]) -> Result<(), Trouble> {
        self.write(|t| {
            let mut update = t.prepare("UPDATE controllers SET seen_at = ?2 WHERE key = ?1")?;
            for (key, at) in seen {
                update.execute(params![key, to_micros(*at)])?;
            }
            Ok(())
        })
    }

    /// Cuts a key off: it is no controller any more and commands no pair. `named` is the key, or a beginning of it that no other enrolled
    /// key has.
    pub fn revoke(&self, named: &str, at: DateTime<Utc>) -> Result<Revoked, Trouble> {
        let object = format!("key {named}");
        let next = "`understudy-agent controllers` lists the keys";
        let named = named.trim().to_ascii_lowercase();
        if named.len() < SHORTEST_PREFIX || !named.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let reason = format!("it is no key: give the key, or its first {SHORTEST_PREFIX} digits or more");
            return Err(Trouble::new(TroubleKind::Invalid, object, reason).next(next));
        }
        self.write(|t| {
            let keys = t
                .prepare("SELECT key FROM controllers WHERE substr(key, 1, length(?1)) = ?1")?
                .query_map([&named], |r| r.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            let key = match keys.as_slice() {
                [key] => key.clone(),
                [] => return Err(Trouble::new(TroubleKind::NotFound, object, "no enrolled controller has it").next(next).into()),
                _ => return Err(Trouble::new(TroubleKind::Invalid, object, "several enrolled keys begin so").next(next).into()),
            };
            let pairs = pairs_of(t, &key)?;
            cut_off(t, &key, CutOff::Revoked, at)?;
            let commanded = |pair: &PairName| {
                t.query_row("SELECT count(*) FROM pair_controllers WHERE pair = ?1", [pair.as_str()], |r| r.get::<_, u32>(0))
            };
            let mut orphaned = Vec::new();
            for pair in pairs {
                if commanded(&pair)? == 0 {
                    orphaned.push(pair);
                }
            }
            Ok(Revoked { key, orphaned })
        })
    }
}

/// Makes a controller known that has redeemed a code: from now on it may join a pair for some minutes.
pub(super) fn enrol(t: &Transaction<'_>, new: NewController<'_>, at: DateTime<Utc>) -> Result<(), StoreError> {
    let until = at + TimeDelta::minutes(JOIN_MINUTES);
    t.execute(
        "INSERT INTO controllers(key, name, address, enrolled_at, may_join_until) VALUES(?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(key) DO UPDATE SET name = excluded.name, address = excluded.address, enrolled_at = excluded.enrolled_at,
         may_join_until = excluded.may_join_until",
        params![new.key, new.name, new.address, to_micros(at), to_micros(until)],
    )?;
    t.execute("DELETE FROM former_controllers WHERE key = ?1", [new.key])?;
    Ok(())
}

/// Cuts off every controller but this one, and lets this one command all pairs.
pub(super) fn hand_over_to(t: &Transaction<'_>, key: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
    let others = t
        .prepare("SELECT key FROM controllers WHERE key <> ?1")?
        .query_map([key], |r| r.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for other in others {
        cut_off(t, &other, CutOff::Adopted, at)?;
    }
    t.execute("DELETE FROM pair_controllers", [])?;
    t.execute("INSERT INTO pair_controllers(pair, key) SELECT pair, ?1 FROM pairs", [key])?;
    Ok(())
}

fn cut_off(t: &Transaction<'_>, key: &str, why: CutOff, at: DateTime<Utc>) -> Result<(), StoreError> {
    t.execute(
        "INSERT OR REPLACE INTO former_controllers(key, name, cut_off_at, why) SELECT key, name, ?2, ?3 FROM controllers WHERE key = ?1",
        params![key, to_micros(at), why.stored()],
    )?;
    t.execute("DELETE FROM pair_controllers WHERE key = ?1", [key])?;
    t.execute("DELETE FROM controllers WHERE key = ?1", [key])?;
    Ok(())
}

/// What a key may do now.
pub(super) fn standing(c: &Connection, key: &str, now: DateTime<Utc>) -> Result<Standing, StoreError> {
    let row = c
        .query_row(
            "SELECT may_join_until, EXISTS(SELECT 1 FROM pair_controllers WHERE pair_controllers.key = controllers.key)
             FROM controllers WHERE key = ?1",
            [key],
            |r| Ok((r.get::<_, Option<i64>>(0)?.map(from_micros), r.get(1)?)),
        )
        .optional()?;
    Ok(match row {
        Some((until, commands)) => Standing::of_enrolled(commands, until, now),
        None => Standing::default(),
    })
}

fn pairs_of(c: &Connection, key: &str) -> Result<Vec<PairName>, StoreError> {
    let names = c
        .prepare("SELECT pair FROM pair_controllers WHERE key = ?1 ORDER BY pair")?
        .query_map([key], |r| r.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let damaged = || Trouble::new(TroubleKind::Corrupt, "agent ledger", "a pair's name cannot be read");
    names.iter().map(|name| name.parse().map_err(|_| StoreError::Trouble(damaged()))).collect()
}

/// Why a key that is not enrolled gets nothing.
pub fn not_enrolled(object: impl std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Refused, object, "the caller's key is not enrolled here")
        .next("pair with a code from `understudy-agent enrol`, or take over with one from `understudy-agent adopt`")
}

/// Why an enrolled key that commands no pair gets nothing.
pub fn needs_code(kind: TroubleKind, object: impl std::fmt::Display) -> Trouble {
    Trouble::new(kind, object, "the caller's key commands no pair here, and it has no fresh code")
        .next("run `understudy-agent enrol` on the agent's host and enter the code that it prints")
}

/// Why a key that was cut off gets nothing. The kind is that of a controller that was ousted: it commands nothing any more.
pub fn is_cut_off(object: impl std::fmt::Display, former: &FormerKey) -> Trouble {
    let how = match former.why {
        CutOff::Adopted => "another controller took over",
        CutOff::Revoked => "its key was revoked on the agent's host",
    };
    Trouble::new(TroubleKind::Outdated, object, format!("this controller was cut off: {how}"))
        .next("close this console; or, if this one is to command, take over with a code from `understudy-agent adopt`")
}
