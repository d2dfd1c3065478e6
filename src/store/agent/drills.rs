//! The drills of this agent. A row is written before the first effect it stands for, so that whatever a crash leaves behind has a name
//! here; it stays after the end, so that a start that comes late begins nothing.

use rusqlite::{OptionalExtension, params};

use super::rows::{collect, parse};
use super::{Ledger, StoreError};
use crate::domain::{DrillId, PairName, PointId, ServiceName, Trouble, TroubleKind};

/// The table of this page.
pub(super) const SCHEMA: &str = "
    CREATE TABLE drills (
        id TEXT PRIMARY KEY,
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        point TEXT,
        state TEXT NOT NULL CHECK (state IN ('begun', 'ending', 'over'))
    ) STRICT;
";

/// Drills that are over and still remembered.
const REMEMBERED: u32 = 1_000;

/// A drill that may have something in its space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillRow {
    /// It.
    pub drill: DrillId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// The point it brings up; none when it was ended before it began.
    pub point: Option<PointId>,
}

impl Ledger {
    /// Notes that a drill begins, or goes on after a crash. Refused once its end was asked for.
    pub fn begin_drill(&self, row: &DrillRow) -> Result<(), Trouble> {
        let id = row.drill.to_string();
        self.write(|t| {
            let state: Option<String> = t.query_row("SELECT state FROM drills WHERE id = ?1", [&id], |r| r.get(0)).optional()?;
            match state.as_deref() {
                None => {
                    let point = row.point.map(|point| point.to_string());
                    t.execute(
                        "INSERT INTO drills (id, pair, service, point, state) VALUES (?1, ?2, ?3, ?4, 'begun')",
                        params![id, row.pair.as_str(), row.service.as_str(), point],
                    )?;
                    Ok(())
                }
                Some("begun") => Ok(()),
                Some(_) => Err(StoreError::Trouble(
                    Trouble::new(TroubleKind::Refused, format!("drill {id}"), "its end was asked for already").next("start a new drill"),
                )),
            }
        })
    }

    /// Notes that a drill is to be removed; from now on it cannot begin.
    pub fn note_drill_ending(&self, drill: DrillId, pair: &PairName, service: &ServiceName) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute(
                "INSERT INTO drills (id, pair, service, point, state) VALUES (?1, ?2, ?3, NULL, 'ending')
                 ON CONFLICT(id) DO UPDATE SET state = 'ending' WHERE state = 'begun'",
                params![drill.to_string(), pair.as_str(), service.as_str()],
            )?;
            Ok(())
        })
    }

    /// Notes that a listing showed nothing of it.
    pub fn note_drill_over(&self, drill: DrillId) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("UPDATE drills SET state = 'over' WHERE id = ?1", [drill.to_string()])?;
            t.execute(
                "DELETE FROM drills WHERE state = 'over' AND id NOT IN (SELECT id FROM drills WHERE state = 'over' ORDER BY id DESC LIMIT ?1)",
                [REMEMBERED],
            )?;
            Ok(())
        })
    }

    /// The drills that may have something in their space, oldest first.
    pub fn drills(&self) -> Result<Vec<DrillRow>, Trouble> {
        self.read(|c| {
            let mut select = c.prepare("SELECT id, pair, service, point FROM drills WHERE state <> 'over' ORDER BY id")?;
            let rows = select.query_map([], |row| {
                let point = if row.get::<_, Option<String>>(3)?.is_some() { Some(parse(row, 3, str::parse)?) } else { None };
                Ok(DrillRow {
                    drill: parse(row, 0, str::parse)?,
                    pair: parse(row, 1, str::parse)?,
                    service: parse(row, 2, str::parse)?,
                    point,
                })
            })?;
            collect(rows)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_that_was_ended_never_begins_however_late_its_start_comes() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("opened");
        let row = |number| DrillRow {
            drill: DrillId(uuid::Uuid::from_u128(number)),
            pair: "p".parse().expect("a name"),
            service: "s".parse().expect("a name"),
            point: Some(PointId(uuid::Uuid::from_u128(9))),
        };
        let (one, other) = (row(1), row(2));
        ledger.begin_drill(&one).expect("begun");
        ledger.begin_drill(&one).expect("goes on after a crash");
        assert_eq!(ledger.drills(), Ok(vec![one.clone()]));
        ledger.note_drill_ending(one.drill, &one.pair, &one.service).expect("ending");
        assert_eq!(ledger.drills(), Ok(vec![one.clone()]), "it may have left something");
        ledger.note_drill_over(one.drill).expect("over");
        ledger.note_drill_ending(one.drill, &one.pair, &one.service).expect("asked again");
        assert_eq!(ledger.drills(), Ok(Vec::new()));
        ledger.note_drill_ending(other.drill, &other.pair, &other.service).expect("before it began");
        for late in [one, other] {
            assert_eq!(ledger.begin_drill(&late).map_err(|trouble| trouble.kind), Err(TroubleKind::Refused));
        }
    }
}
