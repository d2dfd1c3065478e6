//! What this agent captured for its services, and which of them it froze for that.
//!
//! A row is written before the first effect it stands for, so that whatever a crash leaves behind has a name here and can
//! be removed.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::rows::{collect, json, parse};
use super::{Ledger, StoreError, to_json};
use crate::domain::backup::machine::CaptureReport;
use crate::domain::{DataSetName, PairName, PointId, RunId, Service, ServiceName, Trouble};
use crate::protocol::KeptWrites;

/// The tables of this page.
pub(super) const SCHEMA: &str = "
    CREATE TABLE captures (
        point TEXT PRIMARY KEY,
        run TEXT NOT NULL,
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        data_sets TEXT NOT NULL,
        state TEXT NOT NULL
    ) STRICT;
    CREATE TABLE freezes (point TEXT PRIMARY KEY, policy TEXT NOT NULL) STRICT;
";

/// One capture of a service at this agent.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureRow {
    /// The point it is for.
    pub point: PointId,
    /// Its run.
    pub run: RunId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// The data sets, by their names here.
    pub data_sets: Vec<DataSetName>,
    /// How far it came.
    pub state: CaptureState,
}

/// How far a capture came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "with")]
pub enum CaptureState {
    /// Begun: halves of it may exist.
    Taking,
    /// Whole, with its report.
    Done(CaptureReport),
    /// To be released; what could not be is tried again when the service is armed next.
    Leftover,
    /// Likewise, because taking it failed for this: whoever asks again hears the same.
    Failed(Trouble),
    /// What a cluster wrote after it was lost as primary, kept for its owners: nothing of ours drops it.
    Kept(KeptWrites),
}

impl CaptureRow {
    /// What is kept of a cluster's own writes; `None` for every other capture.
    pub fn kept(&self) -> Option<&KeptWrites> {
        match &self.state {
            CaptureState::Kept(kept) => Some(kept),
            _ => None,
        }
    }
}

impl Ledger {
    /// Notes that a capture begins, or how far it is now.
    pub fn note_capture(&self, row: &CaptureRow) -> Result<(), Trouble> {
        self.write(|transaction| upsert_capture(transaction, row))
    }

    /// A capture.
    pub fn capture(&self, point: PointId) -> Result<Option<CaptureRow>, Trouble> {
        let found = self.capture_rows("WHERE point = ?1", &[&point.to_string()])?;
        Ok(found.into_iter().next())
    }

    /// All captures of a service, oldest first.
    pub fn captures_of(&self, pair: &PairName, service: &ServiceName) -> Result<Vec<CaptureRow>, Trouble> {
        self.capture_rows("WHERE pair = ?1 AND service = ?2", &[pair.as_str(), service.as_str()])
    }

    /// What a pair's services wrote here after the common points, kept for their owners, oldest first.
    pub fn kept(&self, pair: &PairName) -> Result<Vec<KeptWrites>, Trouble> {
        let rows = self.capture_rows("WHERE pair = ?1", &[pair.as_str()])?;
        Ok(rows.iter().filter_map(CaptureRow::kept).cloned().collect())
    }

    /// All captures of all services, oldest first.
    pub fn all_captures(&self) -> Result<Vec<CaptureRow>, Trouble> {
        self.capture_rows("", &[])
    }

    /// Forgets a capture that is released, and its plans.
    pub fn forget_capture(&self, point: PointId) -> Result<(), Trouble> {
        self.write(|transaction| {
            for table in ["captures", "plans"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE point = ?1"), [point.to_string()])?;
            }
            Ok(())
        })
    }

    /// Notes, before a freeze hook runs, that the writers will have to be thawed.
    pub fn note_freeze(&self, point: PointId, policy: &Service) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("INSERT OR REPLACE INTO freezes (point, policy) VALUES (?1, ?2)", params![point.to_string(), to_json(policy)?])?;
            Ok(())
        })
    }

    /// Freezes nobody is known to have lifted.
    pub fn freezes(&self) -> Result<Vec<(PointId, Service)>, Trouble> {
        self.read(|connection| {
            let mut select = connection.prepare("SELECT point, policy FROM freezes ORDER BY point")?;
            let rows = select.query_map([], |row| Ok((parse(row, 0, str::parse)?, json(row, 1)?)))?;
            collect(rows)
        })
    }

    /// Notes that they were thawed.
    pub fn forget_freeze(&self, point: PointId) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute("DELETE FROM freezes WHERE point = ?1", [point.to_string()])?;
            Ok(())
        })
    }

    fn capture_rows(&self, filter: &str, values: &[&str]) -> Result<Vec<CaptureRow>, Trouble> {
        self.read(|connection| {
            let text = format!("SELECT point, run, pair, service, data_sets, state FROM captures {filter} ORDER BY point");
            let mut select = connection.prepare(&text)?;
            let rows = select.query_map(rusqlite::params_from_iter(values), |row| {
                Ok(CaptureRow {
                    point: parse(row, 0, str::parse)?,
                    run: parse(row, 1, str::parse)?,
                    pair: parse(row, 2, str::parse)?,
                    service: parse(row, 3, str::parse)?,
                    data_sets: json(row, 4)?,
                    state: json(row, 5)?,
                })
            })?;
            collect(rows)
        })
    }
}

/// Writes a capture's row, or how far it is now.
pub(super) fn upsert_capture(connection: &Connection, row: &CaptureRow) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO captures (point, run, pair, service, data_sets, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (point) DO UPDATE SET state = excluded.state",
        params![
            row.point.to_string(),
            row.run.to_string(),
            row.pair.as_str(),
            row.service.as_str(),
            to_json(&row.data_sets)?,
            to_json(&row.state)?
        ],
    )?;
    Ok(())
}
