//! The restores of this agent beside the live data. A row is written before the first effect it stands for, so that whatever a crash leaves
//! behind has a name here; it stays after the end, so that whoever asks again hears the same.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::captures::CaptureState;
use super::rows::{collect, json, parse};
use super::{Ledger, StoreError, from_json, to_json, to_micros};
use crate::domain::restore::RestoreRefusal;
use crate::domain::{ClusterName, DataSetName, PairName, PointId, RestoreId, ServiceName, Trouble, TroubleKind};
use crate::protocol::Restored;

/// The table of this page.
pub(super) const SCHEMA: &str = "
    CREATE TABLE restores (
        id TEXT PRIMARY KEY,
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        point TEXT NOT NULL,
        data_set TEXT NOT NULL,
        part TEXT,
        place TEXT NOT NULL,
        who TEXT NOT NULL,
        at INTEGER NOT NULL,
        phases INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL CHECK (state IN ('begun', 'ending', 'over', 'gone')),
        told TEXT
    ) STRICT;
";

/// Restores that ended and are still remembered.
const REMEMBERED: u32 = 1_000;

/// A restore that was begun here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRow {
    /// It.
    pub restore: RestoreId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// The point that it reads.
    pub point: PointId,
    /// The data set, by its name here.
    pub data_set: DataSetName,
    /// Only this part of it.
    pub only: Option<String>,
    /// Where to, as the component spells it.
    pub place: String,
    /// Who asked.
    pub by: String,
}

/// How a restore stands when it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreBegun {
    /// It begins, or goes on after a crash.
    GoesOn,
    /// It ended: this was told.
    Over(Restored),
}

impl Ledger {
    /// Notes that a restore begins, or goes on after a crash. Refused, in the same transaction, unless this agent holds the point, and while
    /// another one has the place.
    pub fn begin_restore(&self, row: &RestoreRow, here: &ClusterName, at: DateTime<Utc>) -> Result<RestoreBegun, Trouble> {
        self.write(|t| {
            if let Some(begun) = known(t, row)? {
                return Ok(begun);
            }
            let taken = open(t)?.into_iter().find(|other| other.data_set.component == row.data_set.component && other.place == row.place);
            if let Some(other) = taken {
                let refusal = RestoreRefusal::PlaceTaken { place: row.place.clone(), restore: other.restore };
                return Err(refusal.trouble(&row.data_set).into());
            }
            if !is_held(t, row)? {
                return Err(RestoreRefusal::NotHeld { cluster: here.clone(), point: row.point }.trouble(&row.data_set).into());
            }
            t.execute(
                "INSERT INTO restores (id, pair, service, point, data_set, part, place, who, at, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'begun')",
                params![
                    row.restore.to_string(),
                    row.pair.as_str(),
                    row.service.as_str(),
                    row.point.to_string(),
                    row.data_set.to_string(),
                    row.only,
                    row.place,
                    row.by,
                    to_micros(at)
                ],
            )?;
            Ok(RestoreBegun::GoesOn)
        })
    }

    /// Whether a restore was begun here and is not whole.
    pub fn restore(&self, restore: RestoreId) -> Result<Option<RestoreRow>, Trouble> {
        Ok(self.restores()?.into_iter().find(|row| row.restore == restore))
    }

    /// Whether a restore with this id was begun here, however it ended.
    pub fn knows_restore(&self, restore: RestoreId) -> Result<bool, Trouble> {
        let known = "SELECT 1 FROM restores WHERE id = ?1";
        self.read(|c| Ok(c.query_row(known, [restore.to_string()], |_| Ok(())).optional()?.is_some()))
    }

    /// The restores that are not whole, oldest first.
    pub fn restores(&self) -> Result<Vec<RestoreRow>, Trouble> {
        self.read(open)
    }

    /// How many phases of it are over.
    pub fn restore_phases(&self, restore: RestoreId) -> Result<u32, Trouble> {
        self.read(|c| {
            let found = c.query_row("SELECT phases FROM restores WHERE id = ?1", [restore.to_string()], |row| row.get(0)).optional()?;
            Ok(found.unwrap_or(0))
        })
    }

    /// Notes that phases up to `done` are over; never goes back.
    pub fn advance_restore(&self, restore: RestoreId, done: u32) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("UPDATE restores SET phases = max(phases, ?2) WHERE id = ?1", params![restore.to_string(), done])?;
            Ok(())
        })
    }

    /// Notes that it is whole: from now on it is its owner's.
    pub fn end_restore(&self, restore: RestoreId, told: &Restored) -> Result<(), Trouble> {
        self.write(|t| {
            let text = to_json(told)?;
            t.execute(
                "UPDATE restores SET state = 'over', told = ?2 WHERE id = ?1 AND state = 'begun'",
                params![restore.to_string(), text],
            )?;
            forget_old(t)
        })
    }

    /// Notes that what is half-made of it is to be removed; from now on it does not go on. `None`: there is nothing to remove.
    pub fn note_restore_ending(&self, restore: RestoreId) -> Result<Option<RestoreRow>, Trouble> {
        self.write(|t| {
            let id = restore.to_string();
            let state: Option<(String, String)> =
                t.query_row("SELECT state, place FROM restores WHERE id = ?1", [&id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            match state {
                Some((state, place)) if state == "over" => {
                    Err(RestoreRefusal::AlreadyWhole { place }.trouble(format!("restore {id}")).into())
                }
                Some((state, _)) if state != "gone" => {
                    t.execute("UPDATE restores SET state = 'ending' WHERE id = ?1", [&id])?;
                    Ok(open(t)?.into_iter().find(|row| row.restore == restore))
                }
                _ => Ok(None),
            }
        })
    }

    /// Notes that nothing of it is left.
    pub fn note_restore_gone(&self, restore: RestoreId) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("UPDATE restores SET state = 'gone' WHERE id = ?1 AND state <> 'over'", [restore.to_string()])?;
            forget_old(t)
        })
    }
}

fn forget_old(t: &Transaction<'_>) -> Result<(), StoreError> {
    t.execute(
        "DELETE FROM restores WHERE state IN ('over', 'gone') AND id NOT IN
         (SELECT id FROM restores WHERE state IN ('over', 'gone') ORDER BY id DESC LIMIT ?1)",
        [REMEMBERED],
    )?;
    Ok(())
}

/// What is known of a restore with this id; another one under it is refused.
fn known(t: &Transaction<'_>, row: &RestoreRow) -> Result<Option<RestoreBegun>, StoreError> {
    let id = row.restore.to_string();
    let found = t.query_row("SELECT state, told, point, data_set, part, place FROM restores WHERE id = ?1", [&id], |found| {
        let same = found.get::<_, String>(2)? == row.point.to_string()
            && found.get::<_, String>(3)? == row.data_set.to_string()
            && found.get::<_, Option<String>>(4)? == row.only
            && found.get::<_, String>(5)? == row.place;
        Ok((found.get::<_, String>(0)?, found.get::<_, Option<String>>(1)?, same))
    });
    let refused = |kind, reason: &str| StoreError::Trouble(Trouble::new(kind, format!("restore {id}"), reason).next("ask anew"));
    match found.optional()? {
        None => Ok(None),
        Some((_, _, false)) => Err(refused(TroubleKind::Invalid, "its id was used before for another one")),
        Some((state, told, true)) => match (state.as_str(), told) {
            ("over", Some(told)) => Ok(Some(RestoreBegun::Over(from_json(&told)?))),
            ("begun", _) => Ok(Some(RestoreBegun::GoesOn)),
            _ => Err(refused(TroubleKind::Refused, "it was removed, or is being removed")),
        },
    }
}

/// Whether the point is sealed here, or captured here with the data set.
fn is_held(c: &Connection, row: &RestoreRow) -> Result<bool, StoreError> {
    let point = row.point.to_string();
    let of_service = params![point, row.pair.as_str(), row.service.as_str()];
    let sealed = "SELECT 1 FROM points WHERE point = ?1 AND pair = ?2 AND service = ?3 AND sealed = 1";
    if c.query_row(sealed, of_service, |_| Ok(())).optional()?.is_some() {
        return Ok(true);
    }
    let captured = "SELECT state, data_sets FROM captures WHERE point = ?1 AND pair = ?2 AND service = ?3";
    let found: Option<(CaptureState, Vec<DataSetName>)> =
        c.query_row(captured, of_service, |found| Ok((json(found, 0)?, json(found, 1)?))).optional()?;
    Ok(found.is_some_and(|(state, sets)| matches!(state, CaptureState::Done(_)) && sets.contains(&row.data_set)))
}

fn open(c: &Connection) -> Result<Vec<RestoreRow>, StoreError> {
    let columns = "id, pair, service, point, data_set, part, place, who";
    let mut select = c.prepare(&format!("SELECT {columns} FROM restores WHERE state IN ('begun', 'ending') ORDER BY id"))?;
    let rows = select.query_map([], row_of)?;
    collect(rows)
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<RestoreRow> {
    Ok(RestoreRow {
        restore: parse(row, 0, str::parse)?,
        pair: parse(row, 1, str::parse)?,
        service: parse(row, 2, str::parse)?,
        point: parse(row, 3, str::parse)?,
        data_set: parse(row, 4, str::parse)?,
        only: row.get(5)?,
        place: row.get(6)?,
        by: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Digest;
    use crate::domain::restore::{ComparedWith, RestoreProof};

    fn row(number: u128, place: &str) -> RestoreRow {
        RestoreRow {
            restore: RestoreId(uuid::Uuid::from_u128(number)),
            pair: "p".parse().expect("a name"),
            service: "s".parse().expect("a name"),
            point: PointId(uuid::Uuid::from_u128(9)),
            data_set: "files:docs".parse().expect("a name"),
            only: None,
            place: place.into(),
            by: "ana".into(),
        }
    }

    fn told() -> Restored {
        let proof = RestoreProof { place: "/x".into(), files: 1, bytes: 2, digest: Digest::of_bytes(b"x"), notes: Vec::new() };
        Restored { compared_with: ComparedWith::Manifest, proof }
    }

    #[test]
    fn one_restore_has_a_place_until_it_is_whole_or_gone_and_a_point_is_held_for_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("opened");
        let (here, now) = ("west".parse().expect("a name"), Utc::now());
        let begin = |row: &RestoreRow| ledger.begin_restore(row, &here, now);
        let code = |row: &RestoreRow| begin(row).expect_err("refused").code().to_owned();
        let (one, other) = (row(1, "docs-old"), row(2, "docs-old"));
        assert_eq!(code(&one), "not-held");
        let insert = "INSERT INTO points (point, pair, service, record, policy, sealed) VALUES (?1, 'p', 's', '', '', 1)";
        ledger.write(|t| Ok(t.execute(insert, [one.point.to_string()])?)).expect("sealed");
        assert_eq!(begin(&one), Ok(RestoreBegun::GoesOn));
        assert_eq!(begin(&one), Ok(RestoreBegun::GoesOn), "after a crash");
        assert_eq!(begin(&RestoreRow { place: "elsewhere".into(), ..one.clone() }).map_err(|t| t.kind), Err(TroubleKind::Invalid));
        assert_eq!(code(&other), "place-taken");
        assert_eq!(ledger.restores(), Ok(vec![one.clone()]));
        ledger.advance_restore(one.restore, 1).expect("noted");
        assert_eq!(ledger.restore_phases(one.restore), Ok(1));
        ledger.end_restore(one.restore, &told()).expect("whole");
        assert_eq!((ledger.restores(), begin(&one)), (Ok(Vec::new()), Ok(RestoreBegun::Over(told()))));
        assert_eq!(ledger.note_restore_ending(one.restore).expect_err("it is its owner's").code(), "already-whole");

        assert_eq!(begin(&other), Ok(RestoreBegun::GoesOn));
        assert_eq!(ledger.note_restore_ending(other.restore), Ok(Some(other.clone())));
        assert_eq!(begin(&other).map_err(|t| t.kind), Err(TroubleKind::Refused), "it is being removed");
        assert_eq!(ledger.restores().map(|rows| rows.len()), Ok(1), "until it is gone");
        ledger.note_restore_gone(other.restore).expect("gone");
        assert_eq!((ledger.restores(), ledger.note_restore_ending(other.restore)), (Ok(Vec::new()), Ok(None)));
    }
}
