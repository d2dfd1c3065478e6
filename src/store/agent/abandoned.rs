//! The committed points that persons gave up. A row is written before the first effect, so that a crash at any step goes on taking the point
//! back and never seals it; it stays after the end, so that whoever asks again hears the same.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::captures::CaptureRow;
use super::points::set_applied;
use super::rows::{json, parse};
use super::staging::drop_run;
use super::{Ledger, StoreError, from_micros, to_json, to_micros};
use crate::domain::{PairName, PointId, RunId, ServiceName, Trouble, TroubleKind};

/// The table of this page.
pub(super) const SCHEMA: &str = "
    CREATE TABLE abandoned (
        point TEXT PRIMARY KEY,
        run TEXT NOT NULL,
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        who TEXT NOT NULL,
        at INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('begun', 'over')),
        back_to TEXT,
        leftovers TEXT NOT NULL DEFAULT '[]'
    ) STRICT;
";

/// Points that were taken back and are still remembered.
const REMEMBERED: u32 = 1_000;

/// A committed point that a person gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbandonedRow {
    /// The point.
    pub point: PointId,
    /// Its run.
    pub run: RunId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// How it ended; `None` while it is being taken back.
    pub over: Option<TakenBack>,
}

/// How a point was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenBack {
    /// The sealed point that the live data is back at.
    pub back_to: Option<PointId>,
    /// What could not be brought back or removed, in words.
    pub leftovers: Vec<String>,
}

impl Ledger {
    /// Notes that a committed point is given up, and returns what is noted, which is what the first who asked said. Refused for a point that
    /// is sealed, in the same transaction: a seal and this exclude each other.
    pub fn begin_abandon(&self, row: &AbandonedRow) -> Result<AbandonedRow, Trouble> {
        self.write(|t| {
            if let Some(known) = abandoned(t, row.point)? {
                return Ok(known);
            }
            let id = row.point.to_string();
            let held = "SELECT sealed FROM points WHERE point = ?1 AND pair = ?2 AND service = ?3";
            let sealed = t.query_row(held, params![id, row.pair.as_str(), row.service.as_str()], |r| r.get::<_, bool>(0)).optional()?;
            match sealed {
                Some(false) => {}
                Some(true) => {
                    return Err(Trouble::new(TroubleKind::Refused, format!("point {id}"), "it is sealed")
                        .next("there is nothing to give up: it is a recovery point like any other")
                        .into());
                }
                None => {
                    let reason = "it is not committed here";
                    return Err(Trouble::new(TroubleKind::NotFound, format!("point {id}"), reason).next("see `understudy runs`").into());
                }
            }
            t.execute(
                "INSERT INTO abandoned (point, run, pair, service, who, at, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'begun')",
                params![id, row.run.to_string(), row.pair.as_str(), row.service.as_str(), row.by, to_micros(row.at)],
            )?;
            Ok(AbandonedRow { over: None, ..row.clone() })
        })
    }

    /// Whether, and how, a point was given up.
    pub fn abandoned(&self, point: PointId) -> Result<Option<AbandonedRow>, Trouble> {
        self.read(|c| abandoned(c, point))
    }

    /// Takes a point that was given up off the list, with what the live data is back at: its snapshots are leftovers to be released then,
    /// and nothing of its run is let in any more. All at once.
    pub fn end_abandon(&self, leftover: &CaptureRow, back: &TakenBack) -> Result<(), Trouble> {
        self.write(|t| {
            let id = leftover.point.to_string();
            if t.query_row("SELECT 1 FROM points WHERE point = ?1", [&id], |_| Ok(())).optional()?.is_none() {
                // Its pair was left meanwhile, or a promotion dropped it.
                return Err(Trouble::new(TroubleKind::NotFound, format!("point {id}"), "it is held here no more").into());
            }
            super::captures::upsert_capture(t, leftover)?;
            for table in ["manifests", "phases", "points"] {
                t.execute(&format!("DELETE FROM {table} WHERE point = ?1"), [&id])?;
            }
            set_applied(t, &leftover.pair, &leftover.service, back.back_to)?;
            drop_run(t, leftover.run, leftover.point)?;
            t.execute(
                "UPDATE abandoned SET state = 'over', back_to = ?2, leftovers = ?3 WHERE point = ?1",
                params![id, back.back_to.map(|point| point.to_string()), to_json(&back.leftovers)?],
            )?;
            t.execute(
                "DELETE FROM abandoned WHERE state = 'over' AND point NOT IN
                 (SELECT point FROM abandoned WHERE state = 'over' ORDER BY point DESC LIMIT ?1)",
                [REMEMBERED],
            )?;
            Ok(())
        })
    }
}

/// Refuses to seal a point that was given up.
pub(super) fn refuse_abandoned(c: &Connection, point: PointId) -> Result<(), StoreError> {
    match abandoned(c, point)? {
        None => Ok(()),
        Some(row) => Err(row.refusal().into()),
    }
}

impl AbandonedRow {
    /// Why nothing is finished of it any more.
    pub fn refusal(&self) -> Trouble {
        Trouble::new(TroubleKind::Refused, format!("point {}", self.point), format!("{} gave it up", self.by)).next("start a new run")
    }
}

fn abandoned(c: &Connection, point: PointId) -> Result<Option<AbandonedRow>, StoreError> {
    let select = "SELECT point, run, pair, service, who, at, state, back_to, leftovers FROM abandoned WHERE point = ?1";
    Ok(c.query_row(select, [point.to_string()], row_of).optional()?)
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<AbandonedRow> {
    let over = if row.get::<_, String>(6)? == "over" {
        let back_to = row.get::<_, Option<String>>(7)?.map(|_| parse(row, 7, str::parse)).transpose()?;
        Some(TakenBack { back_to, leftovers: json(row, 8)? })
    } else {
        None
    };
    Ok(AbandonedRow {
        point: parse(row, 0, str::parse)?,
        run: parse(row, 1, str::parse)?,
        pair: parse(row, 2, str::parse)?,
        service: parse(row, 3, str::parse)?,
        by: row.get(4)?,
        at: from_micros(row.get(5)?),
        over,
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::{CapturedSpan, Epoch, Grade, RecoveryPoint, Timings};
    use crate::store::agent::CaptureState;

    fn point(number: u128) -> RecoveryPoint {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        RecoveryPoint {
            id: PointId(uuid::Uuid::from_u128(number)),
            run: RunId(uuid::Uuid::from_u128(number + 100)),
            service: "orders".parse().expect("a name"),
            pair: "p".parse().expect("a name"),
            epoch: Epoch(1),
            from: "east".parse().expect("a name"),
            to: "west".parse().expect("a name"),
            moment: now,
            captured: CapturedSpan { first: now, last: now, skew_ms: 0, grade: Grade::Bounded },
            data_sets: Vec::new(),
            base: None,
            timings_ms: Timings::default(),
            sealed_at: None,
            notes: Vec::new(),
        }
    }

    fn given_up(point: &RecoveryPoint, by: &str) -> AbandonedRow {
        let (pair, service) = (point.pair.clone(), point.service.clone());
        AbandonedRow { point: point.id, run: point.run, pair, service, by: by.into(), at: point.moment, over: None }
    }

    fn committed(ledger: &Ledger, point: &RecoveryPoint) {
        let policy = "name = \"orders\"\npair = \"p\"\ndata_sets = [\"files:docs\"]";
        let policy: crate::domain::Service = toml::from_str(policy).expect("a policy");
        let insert = "INSERT INTO points (point, pair, service, record, policy) VALUES (?1, 'p', 'orders', ?2, ?3)";
        let row = |t: &rusqlite::Transaction<'_>| Ok(t.execute(insert, params![point.id.to_string(), to_json(point)?, to_json(&policy)?])?);
        ledger.write(row).expect("committed");
    }

    #[test]
    fn a_point_is_sealed_or_given_up_and_never_both() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("created");
        let (sealed, lost) = (point(1), point(2));
        assert_eq!(ledger.begin_abandon(&given_up(&lost, "ana")).map_err(|e| e.kind), Err(TroubleKind::NotFound), "it is not committed");
        committed(&ledger, &sealed);
        committed(&ledger, &lost);
        ledger.seal_point(&sealed).expect("sealed");
        assert_eq!(ledger.begin_abandon(&given_up(&sealed, "ana")).map_err(|e| e.kind), Err(TroubleKind::Refused));
        assert_eq!(ledger.abandoned(sealed.id), Ok(None));

        ledger.begin_abandon(&given_up(&lost, "ana")).expect("given up");
        assert_eq!(ledger.begin_abandon(&given_up(&lost, "bo")).expect("asked again").by, "ana", "the first who asked");
        assert_eq!(ledger.seal_point(&lost).map_err(|e| e.kind), Err(TroubleKind::Refused), "not even by work that was under way");
        assert_eq!(ledger.newest_sealed(&lost.pair, &lost.service).expect("read").map(|point| point.id), Some(sealed.id));

        let leftover = CaptureRow {
            point: lost.id,
            run: lost.run,
            pair: lost.pair.clone(),
            service: lost.service.clone(),
            data_sets: Vec::new(),
            state: CaptureState::Leftover,
        };
        let back = TakenBack { back_to: Some(sealed.id), leftovers: vec!["a directory".into()] };
        ledger.end_abandon(&leftover, &back).expect("taken back");
        assert!(ledger.point(lost.id).expect("read").is_none() && ledger.is_run_dropped(lost.run) == Ok(true));
        assert_eq!(ledger.applied_point(&lost.pair, &lost.service), Ok(Some(sealed.id)));
        assert_eq!(ledger.begin_abandon(&given_up(&lost, "bo")).expect("the same answer").over, Some(back));
        assert_eq!(ledger.seal_point(&lost).map_err(|e| e.kind), Err(TroubleKind::Refused), "however late");
    }
}
