//! Cached points, moments that came and went, user data as last seen, and what happened.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use crate::domain::user_data::UserDataChange;
use crate::domain::{PairName, PointId, RecoveryPoint, ServiceName, Trouble};

use super::{Store, from_json, micros, to_json};

/// Lines of activity kept.
const ACTIVITY_KEPT: u32 = 5_000;
/// Moments kept a service.
const MOMENTS_KEPT: u32 = 1_000;

/// What became of a moment of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MomentState {
    /// A run was started for it.
    Started,
    /// Nobody was there, or nothing could be started.
    Missed,
    /// The run before it was still under way.
    Overlapped,
}

impl MomentState {
    fn as_str(self) -> &'static str {
        match self {
            MomentState::Started => "started",
            MomentState::Missed => "missed",
            MomentState::Overlapped => "overlapped",
        }
    }
}

/// One moment and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MomentRecord {
    /// The service.
    pub service: ServiceName,
    /// The moment.
    pub at: DateTime<Utc>,
    /// What became of it.
    pub state: MomentState,
    /// Why, for people; empty when it was started.
    pub reason: String,
}

/// User data as both sides were last compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsersRecord {
    /// When.
    pub at: DateTime<Utc>,
    /// Differences found and not applied.
    pub differences: Vec<UserDataChange>,
    /// Counts at the primary: users, groups, permissions, tenants.
    pub counts: [u64; 4],
}

impl Store {
    /// Caches a sealed point.
    pub fn save_point(&self, point: &RecoveryPoint) -> Result<(), Trouble> {
        self.sql(|c| keep_point(c, point)).map(drop)
    }

    /// Forgets pruned points.
    pub fn remove_points(&self, points: &[PointId]) -> Result<(), Trouble> {
        self.sql(|c| {
            let transaction = c.transaction()?;
            for point in points {
                transaction.execute("DELETE FROM point WHERE id = ?1", [point.to_string()])?;
            }
            transaction.commit()
        })
    }

    /// All cached points, newest first.
    pub fn points(&self) -> Result<Vec<RecoveryPoint>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare("SELECT body FROM point ORDER BY id DESC")?;
            query.query_map([], |row| row.get::<_, String>(0))?.map(|body| from_json(&body?)).collect()
        })
    }

    /// Notes what became of a moment; the first note of a moment stays. True when this was the first.
    pub fn note_moment(&self, record: &MomentRecord) -> Result<bool, Trouble> {
        self.sql(|c| {
            let transaction = c.transaction()?;
            let new = transaction.execute(
                "INSERT OR IGNORE INTO moment(service, at, state, reason) VALUES(?1, ?2, ?3, ?4)",
                params![record.service.as_str(), micros(record.at), record.state.as_str(), record.reason],
            )?;
            transaction.execute(
                "DELETE FROM moment WHERE service = ?1 AND at < (SELECT at FROM moment WHERE service = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
                params![record.service.as_str(), MOMENTS_KEPT],
            )?;
            transaction.commit()?;
            Ok(new > 0)
        })
    }

    /// The newest moment of a service that anything is known of.
    pub fn last_moment(&self, service: &ServiceName) -> Result<Option<DateTime<Utc>>, Trouble> {
        let newest: Option<i64> =
            self.sql(|c| c.query_row("SELECT max(at) FROM moment WHERE service = ?1", [service.as_str()], |row| row.get(0)))?;
        Ok(newest.and_then(DateTime::from_timestamp_micros))
    }

    /// Up to when a service's moments are known: the newest one recorded, or when its present policy was saved; `None` without a policy.
    pub fn schedule_known_until(&self, service: &ServiceName) -> Result<Option<DateTime<Utc>>, Trouble> {
        let saved: Option<i64> = self
            .sql(|c| c.query_row("SELECT max(at) FROM policy WHERE service = ?1 AND current = 1", [service.as_str()], |row| row.get(0)))?;
        let saved = saved.and_then(DateTime::from_timestamp_micros);
        Ok(saved.max(self.last_moment(service)?.filter(|_| saved.is_some())))
    }

    /// When a service's policy came in force, whatever was changed in it since; `None` without a policy.
    pub fn in_force_since(&self, service: &ServiceName) -> Result<Option<DateTime<Utc>>, Trouble> {
        let saved: Option<i64> = self.sql(|c| {
            c.query_row(
                "SELECT min(at) FROM policy WHERE service = ?1 AND EXISTS (SELECT 1 FROM policy WHERE service = ?1 AND current = 1)",
                [service.as_str()],
                |row| row.get(0),
            )
        })?;
        Ok(saved.and_then(DateTime::from_timestamp_micros))
    }

    /// The newest missed and overlapped moments of a service, newest first.
    pub fn missed_moments(&self, service: &ServiceName, limit: u32) -> Result<Vec<(DateTime<Utc>, String)>, Trouble> {
        self.sql(|c| {
            let mut query =
                c.prepare("SELECT at, reason FROM moment WHERE service = ?1 AND state <> 'started' ORDER BY at DESC LIMIT ?2")?;
            query
                .query_map(params![service.as_str(), limit], |row| {
                    Ok((DateTime::from_timestamp_micros(row.get(0)?).unwrap_or_default(), row.get(1)?))
                })?
                .collect()
        })
    }

    /// Keeps one line of what happened (any serde type), and drops the oldest beyond a bound.
    pub fn add_activity<T: Serialize>(&self, at: DateTime<Utc>, line: &T) -> Result<(), Trouble> {
        self.sql(|c| {
            c.execute("INSERT INTO activity(at, body) VALUES(?1, ?2)", params![micros(at), to_json(line)?])?;
            let newest = c.last_insert_rowid();
            c.execute("DELETE FROM activity WHERE id <= ?1", [newest - i64::from(ACTIVITY_KEPT)])
        })
        .map(drop)
    }

    /// The newest lines, newest first.
    pub fn activity<T: serde::de::DeserializeOwned>(&self, limit: u32) -> Result<Vec<T>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare("SELECT body FROM activity ORDER BY id DESC LIMIT ?1")?;
            query.query_map([limit], |row| row.get::<_, String>(0))?.map(|body| from_json(&body?)).collect()
        })
    }

    /// Keeps what comparing user data brought.
    pub fn save_users(&self, pair: &PairName, users: &UsersRecord) -> Result<(), Trouble> {
        self.sql(|c| {
            c.execute(
                "INSERT INTO users(pair, body) VALUES(?1, ?2) ON CONFLICT(pair) DO UPDATE SET body = excluded.body",
                params![pair.as_str(), to_json(users)?],
            )
        })
        .map(drop)
    }

    /// What comparing user data last brought.
    pub fn users(&self, pair: &PairName) -> Result<Option<UsersRecord>, Trouble> {
        use rusqlite::OptionalExtension;
        self.sql(|c| {
            let body: Option<String> =
                c.query_row("SELECT body FROM users WHERE pair = ?1", [pair.as_str()], |row| row.get(0)).optional()?;
            body.map(|text| from_json(&text)).transpose()
        })
    }
}

/// See [`Store::save_point`].
pub(super) fn keep_point(c: &Connection, point: &RecoveryPoint) -> rusqlite::Result<usize> {
    c.execute(
        "INSERT INTO point(id, service, body) VALUES(?1, ?2, ?3) ON CONFLICT(id) DO UPDATE SET body = excluded.body",
        params![point.id.to_string(), point.service.as_str(), to_json(point)?],
    )
}
