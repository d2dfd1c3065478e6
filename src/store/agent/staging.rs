//! What runs under way have made at this agent: staging at the target, and the plans of both ends.
//!
//! A row is written before the first effect it stands for, so that whatever a crash leaves behind has a name here and can
//! be removed. A dropped point leaves a tombstone: a delayed instruction for it changes nothing.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use uuid::{Builder, Uuid};

use super::Ledger;
use super::rows::{collect, json, parse};
use super::{StoreError, to_json};
use crate::domain::{DataSet, DataSetName, Digest, PairName, PointId, RunId, ServiceName, Trouble, TroubleKind};

/// How long a dropped run is remembered.
pub const TOMBSTONE_DAYS: u64 = 30;

/// The tables of this page.
pub(super) const SCHEMA: &str = "
    CREATE TABLE armed (
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        run TEXT NOT NULL,
        data_sets TEXT NOT NULL,
        PRIMARY KEY (pair, service)
    ) STRICT;
    CREATE TABLE staging (
        point TEXT PRIMARY KEY,
        run TEXT NOT NULL UNIQUE,
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        data_sets TEXT NOT NULL,
        verified INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE plans (
        point TEXT NOT NULL,
        data_set TEXT NOT NULL,
        base TEXT,
        body BLOB NOT NULL,
        PRIMARY KEY (point, data_set)
    ) STRICT;
    CREATE TABLE pieces (
        point TEXT NOT NULL,
        data_set TEXT NOT NULL,
        file INTEGER NOT NULL,
        piece INTEGER NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (point, data_set, file, piece)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE held (
        point TEXT NOT NULL,
        data_set TEXT NOT NULL,
        file INTEGER NOT NULL,
        PRIMARY KEY (point, data_set, file)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE dropped (point TEXT PRIMARY KEY) STRICT;
    CREATE TABLE dropped_runs (run TEXT PRIMARY KEY) STRICT;
";

/// A service armed at the target: whose staging is let in.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmedRow {
    /// The run.
    pub run: RunId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// Its data sets.
    pub data_sets: Vec<DataSet>,
}

/// Staging of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct StagingRow {
    /// The point.
    pub point: PointId,
    /// Whose it is.
    pub armed: ArmedRow,
    /// Every piece of every data set was read back and is right.
    pub verified: bool,
}

/// The plan of a data set's transfer, as text (see `transfer::changes`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// The point whose state the changes are told against.
    pub base: Option<PointId>,
    /// The change set.
    pub body: Vec<u8>,
}

/// A piece in staging, with the digest of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PieceRow {
    /// File number.
    pub file: u32,
    /// Piece number.
    pub piece: u32,
    /// Of what was written.
    pub digest: Digest,
}

impl Ledger {
    // ---- plans, at both ends ----

    /// Keeps the plan of a data set; another one than before forgets what was staged for it and that it was verified.
    pub fn keep_plan(&self, point: PointId, set: &DataSetName, plan: &PlanRow) -> Result<(), Trouble> {
        self.write(|transaction| {
            refuse_dropped(transaction, point)?;
            let (id, name) = (point.to_string(), set.to_string());
            transaction.execute(
                "INSERT OR REPLACE INTO plans (point, data_set, base, body) VALUES (?1, ?2, ?3, ?4)",
                params![id, name, plan.base.map(|base| base.to_string()), plan.body],
            )?;
            for table in ["pieces", "held"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE point = ?1 AND data_set = ?2"), [&id, &name])?;
            }
            transaction.execute("UPDATE staging SET verified = 0 WHERE point = ?1", [&id])?;
            Ok(())
        })
    }

    /// The plan of a data set.
    pub fn plan(&self, point: PointId, set: &DataSetName) -> Result<Option<PlanRow>, Trouble> {
        self.read(|c| {
            Ok(c.query_row(
                "SELECT base, body FROM plans WHERE point = ?1 AND data_set = ?2",
                [point.to_string(), set.to_string()],
                |row| {
                    let base = row.get::<_, Option<String>>(0)?.map(|_| parse(row, 0, str::parse)).transpose()?;
                    Ok(PlanRow { base, body: row.get(1)? })
                },
            )
            .optional()?)
        })
    }

    /// Notes which run of a service is let in; an earlier one no longer is.
    pub fn note_armed(&self, row: &ArmedRow) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute(
                "INSERT OR REPLACE INTO armed (pair, service, run, data_sets) VALUES (?1, ?2, ?3, ?4)",
                params![row.pair.as_str(), row.service.as_str(), row.run.to_string(), to_json(&row.data_sets)?],
            )?;
            Ok(())
        })
    }

    /// The service a run is armed for.
    pub fn armed(&self, run: RunId) -> Result<Option<ArmedRow>, Trouble> {
        self.read(|c| {
            Ok(c.query_row("SELECT pair, service, run, data_sets FROM armed WHERE run = ?1", [run.to_string()], |row| armed_row(row, 0))
                .optional()?)
        })
    }

    /// Opens staging for a point of an armed run. Well when it is open; a run has one point. Refused once the point was dropped.
    pub fn open_staging(&self, point: PointId, armed: &ArmedRow) -> Result<(), Trouble> {
        self.write(|t| {
            refuse_dropped(t, point)?;
            t.execute(
                "INSERT INTO staging (point, run, pair, service, data_sets) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (point) DO NOTHING",
                params![point.to_string(), armed.run.to_string(), armed.pair.as_str(), armed.service.as_str(), to_json(&armed.data_sets)?],
            )?;
            Ok(())
        })
    }

    /// Staging of a point.
    pub fn staging(&self, point: PointId) -> Result<Option<StagingRow>, Trouble> {
        Ok(self.staging_rows("WHERE point = ?1", &[&point.to_string()])?.into_iter().next())
    }

    /// All staging of a service, oldest first.
    pub fn stagings_of(&self, pair: &PairName, service: &ServiceName) -> Result<Vec<StagingRow>, Trouble> {
        self.staging_rows("WHERE pair = ?1 AND service = ?2", &[pair.as_str(), service.as_str()])
    }

    /// All staging at this agent, oldest first.
    pub fn all_staging(&self) -> Result<Vec<StagingRow>, Trouble> {
        self.staging_rows("", &[])
    }

    /// Notes that all of a point's staging was read back and is right, or that this no longer holds.
    pub fn note_verified(&self, point: PointId, verified: bool) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("UPDATE staging SET verified = ?2 WHERE point = ?1", params![point.to_string(), verified])?;
            Ok(())
        })
    }

    /// Notes pieces as staged, in one transaction.
    pub fn note_pieces(&self, point: PointId, set: &DataSetName, pieces: &[PieceRow]) -> Result<(), Trouble> {
        self.write(|transaction| {
            refuse_dropped(transaction, point)?;
            let (id, name) = (point.to_string(), set.to_string());
            let mut insert =
                transaction.prepare("INSERT OR REPLACE INTO pieces (point, data_set, file, piece, digest) VALUES (?1, ?2, ?3, ?4, ?5)")?;
            for piece in pieces {
                insert.execute(params![id, name, piece.file, piece.piece, piece.digest.0])?;
            }
            drop(insert);
            Ok(())
        })
    }

    /// The pieces staged.
    pub fn pieces(&self, point: PointId, set: &DataSetName) -> Result<Vec<PieceRow>, Trouble> {
        self.read(|connection| {
            let mut select = connection.prepare("SELECT file, piece, digest FROM pieces WHERE point = ?1 AND data_set = ?2")?;
            let rows = select.query_map([point.to_string(), set.to_string()], |row| {
                Ok(PieceRow { file: row.get(0)?, piece: row.get(1)?, digest: Digest(row.get(2)?) })
            })?;
            collect(rows)
        })
    }

    /// Whether one piece is staged, with its digest.
    pub fn piece(&self, point: PointId, set: &DataSetName, file: u32, piece: u32) -> Result<Option<Digest>, Trouble> {
        self.read(|c| {
            Ok(c.query_row(
                "SELECT digest FROM pieces WHERE point = ?1 AND data_set = ?2 AND file = ?3 AND piece = ?4",
                params![point.to_string(), set.to_string(), file, piece],
                |row| Ok(Digest(row.get(0)?)),
            )
            .optional()?)
        })
    }

    /// Forgets a piece that did not stand being read back; it is wanted again, and the point is not verified.
    pub fn forget_piece(&self, point: PointId, set: &DataSetName, file: u32, piece: u32) -> Result<(), Trouble> {
        self.write(|connection| {
            connection.execute(
                "DELETE FROM pieces WHERE point = ?1 AND data_set = ?2 AND file = ?3 AND piece = ?4",
                params![point.to_string(), set.to_string(), file, piece],
            )?;
            connection.execute("UPDATE staging SET verified = 0 WHERE point = ?1", [point.to_string()])?;
            Ok(())
        })
    }

    /// Notes which files of a plan are held already, instead of what was noted before.
    pub fn note_held(&self, point: PointId, set: &DataSetName, files: &[u32]) -> Result<(), Trouble> {
        self.write(|transaction| {
            refuse_dropped(transaction, point)?;
            let (id, name) = (point.to_string(), set.to_string());
            transaction.execute("DELETE FROM held WHERE point = ?1 AND data_set = ?2", [&id, &name])?;
            let mut insert = transaction.prepare("INSERT INTO held (point, data_set, file) VALUES (?1, ?2, ?3)")?;
            for file in files {
                insert.execute(params![id, name, file])?;
            }
            drop(insert);
            Ok(())
        })
    }

    /// The files of a plan that are held already.
    pub fn held(&self, point: PointId, set: &DataSetName) -> Result<Vec<u32>, Trouble> {
        self.read(|connection| {
            let mut select = connection.prepare("SELECT file FROM held WHERE point = ?1 AND data_set = ?2")?;
            let rows = select.query_map([point.to_string(), set.to_string()], |row| row.get(0))?;
            collect(rows)
        })
    }

    /// Whether any run under way here counts on content that is held already.
    pub fn any_held(&self) -> Result<bool, Trouble> {
        self.read(|c| Ok(c.query_row("SELECT EXISTS (SELECT 1 FROM held)", [], |row| row.get(0))?))
    }

    /// Forgets staging that was discarded.
    pub fn forget_staging(&self, point: PointId) -> Result<(), Trouble> {
        self.write(|transaction| {
            delete_staging(transaction, &point.to_string())?;
            Ok(())
        })
    }

    /// From now on nothing of this run and point is let in. Tombstones of runs begun more than [`TOMBSTONE_DAYS`] before are removed: a
    /// capture for so old a moment is refused anyway, and without one nothing of a run is let in.
    pub fn note_dropped(&self, run: RunId, point: PointId) -> Result<(), Trouble> {
        self.write(|transaction| drop_run(transaction, run, point))
    }

    /// Whether a point was dropped.
    pub fn is_dropped(&self, point: PointId) -> Result<bool, Trouble> {
        self.exists("SELECT 1 FROM dropped WHERE point = ?1", &point.to_string())
    }

    /// Whether a run was dropped.
    pub fn is_run_dropped(&self, run: RunId) -> Result<bool, Trouble> {
        self.exists("SELECT 1 FROM dropped_runs WHERE run = ?1", &run.to_string())
    }

    fn exists(&self, select: &str, value: &str) -> Result<bool, Trouble> {
        self.read(|c| Ok(c.query_row(select, [value], |_| Ok(())).optional()?.is_some()))
    }

    fn staging_rows(&self, filter: &str, values: &[&str]) -> Result<Vec<StagingRow>, Trouble> {
        self.read(|connection| {
            let text = format!("SELECT pair, service, run, data_sets, point, verified FROM staging {filter} ORDER BY point");
            let mut select = connection.prepare(&text)?;
            let rows = select.query_map(rusqlite::params_from_iter(values), |row| {
                Ok(StagingRow { point: parse(row, 4, str::parse)?, armed: armed_row(row, 0)?, verified: row.get(5)? })
            })?;
            collect(rows)
        })
    }
}

/// See [`Ledger::note_dropped`].
pub(super) fn drop_run(connection: &Connection, run: RunId, point: PointId) -> Result<(), StoreError> {
    connection.execute("INSERT OR IGNORE INTO dropped (point) VALUES (?1)", [point.to_string()])?;
    connection.execute("INSERT OR IGNORE INTO dropped_runs (run) VALUES (?1)", [run.to_string()])?;
    connection.execute("DELETE FROM armed WHERE run = ?1", [run.to_string()])?;
    for (table, column, id) in [("dropped", "point", point.0), ("dropped_runs", "run", run.0)] {
        if let Some(oldest) = days_before(id) {
            connection.execute(&format!("DELETE FROM {table} WHERE {column} < ?1"), [oldest.to_string()])?;
        }
    }
    Ok(())
}

/// The first id of the day [`TOMBSTONE_DAYS`] before one was made: such ids rise with time. `None` for an id without a time.
fn days_before(id: Uuid) -> Option<Uuid> {
    let (secs, _) = id.get_timestamp()?.to_unix();
    let millis = secs.checked_sub(TOMBSTONE_DAYS * 24 * 3600)? * 1000;
    Some(Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
}

/// Deletes all that staging of a point left in the ledger.
pub(super) fn delete_staging(connection: &Connection, point: &str) -> Result<(), StoreError> {
    for table in ["staging", "plans", "pieces", "held"] {
        connection.execute(&format!("DELETE FROM {table} WHERE point = ?1"), [point])?;
    }
    Ok(())
}

fn armed_row(row: &Row<'_>, first: usize) -> rusqlite::Result<ArmedRow> {
    Ok(ArmedRow {
        pair: parse(row, first, str::parse)?,
        service: parse(row, first + 1, str::parse)?,
        run: parse(row, first + 2, str::parse)?,
        data_sets: json(row, first + 3)?,
    })
}

/// Asked in the transaction that writes. A request that was given up may still be on its way to the disk when its run is dropped: what it
/// wrote then would be left for ever, and content that it counts as held would never be collected.
fn refuse_dropped(transaction: &Transaction<'_>, point: PointId) -> Result<(), StoreError> {
    let asked = transaction.query_row("SELECT 1 FROM dropped WHERE point = ?1", [point.to_string()], |_| Ok(())).optional()?;
    asked.map_or(Ok(()), |()| Err(dropped(point).into()))
}

/// What is answered to whatever comes for a point that was dropped.
pub fn dropped(point: PointId) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("point {point}"), "its run was dropped").next("start a new run")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids made so many days after a day in 2026.
    fn ids(day: u64) -> (RunId, PointId) {
        let id = |n| Builder::from_unix_timestamp_millis((1_790_000_000 + day * 86_400) * 1000, &[n; 10]).into_uuid();
        (RunId(id(1)), PointId(id(2)))
    }

    #[test]
    fn nothing_is_written_of_a_point_that_was_dropped() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("created");
        let ((run, point), set) = (ids(1), "files:docs".parse().expect("a name"));
        let (pair, service) = ("p".parse().expect("a name"), "s".parse().expect("a name"));
        ledger.note_dropped(run, point).expect("noted");
        let late = Err(dropped(point));
        assert_eq!(ledger.open_staging(point, &ArmedRow { run, pair, service, data_sets: Vec::new() }), late);
        assert_eq!(ledger.keep_plan(point, &set, &PlanRow { base: None, body: Vec::new() }), late);
        assert_eq!(ledger.note_pieces(point, &set, &[]), late);
        assert_eq!(ledger.note_held(point, &set, &[1]), late);
        assert_eq!((ledger.all_staging(), ledger.any_held()), (Ok(Vec::new()), Ok(false)));
    }

    #[test]
    fn a_dropped_run_is_remembered_for_a_month_and_then_forgotten() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("created");
        for day in [0, 1, 20, 31] {
            let (run, point) = ids(day);
            ledger.note_dropped(run, point).expect("noted");
        }
        for (day, kept) in [(0, false), (1, true), (20, true), (31, true)] {
            let (run, point) = ids(day);
            assert_eq!((ledger.is_run_dropped(run), ledger.is_dropped(point)), (Ok(kept), Ok(kept)), "day {day}");
        }
    }
}
