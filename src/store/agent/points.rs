//! Recovery points that this agent holds: the commit's record, manifests, how far an apply is, which point is live.
//!
//! A row in `points` is the record that counts: with it the point exists and the agent finishes it alone; without it
//! nothing of the run does. It is written in one transaction with the manifests.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Ledger;
use super::captures::CaptureRow;
use super::rows::{collect, json, parse};
use super::{StoreError, from_json, rules, to_json};
use crate::domain::{
    DataSetName, Digest, Epoch, Identity, Manifest, PairName, PointId, RecoveryPoint, Service, ServiceName, Trouble, TroubleKind,
};

/// The tables of this page.
pub(super) const SCHEMA: &str = "
    CREATE TABLE points (
        point TEXT PRIMARY KEY,
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        record TEXT NOT NULL,
        policy TEXT NOT NULL,
        sealed INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX points_of_service ON points (pair, service);
    CREATE TABLE manifests (
        point TEXT NOT NULL REFERENCES points (point) ON DELETE CASCADE,
        data_set TEXT NOT NULL,
        digest TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (point, data_set)
    ) STRICT;
    CREATE TABLE phases (
        point TEXT NOT NULL REFERENCES points (point) ON DELETE CASCADE,
        data_set TEXT NOT NULL,
        done INTEGER NOT NULL,
        PRIMARY KEY (point, data_set)
    ) STRICT;
    CREATE TABLE applied (
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        point TEXT,
        PRIMARY KEY (pair, service)
    ) STRICT;
";

/// A point as the ledger holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct PointRow {
    /// The point.
    pub record: RecoveryPoint,
    /// The policy it was made under.
    pub policy: Service,
    /// False from the commit until it is applied and sealed.
    pub sealed: bool,
}

/// A manifest as text, with the digest it was stored under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    /// Of the manifest when it was committed.
    pub digest: Digest,
    /// JSON lines.
    pub body: Vec<u8>,
}

impl StoredManifest {
    /// A manifest as it is stored.
    pub fn of(manifest: &Manifest) -> StoredManifest {
        StoredManifest { digest: manifest.digest(), body: manifest.to_json_lines() }
    }
}

impl Ledger {
    /// Writes the record that counts, with a manifest for each data set. Repeated for the same point it changes nothing. Refused, in the
    /// same transaction, unless this agent is secondary at the record's epoch: a promotion and a commit exclude each other.
    pub fn commit_point(
        &self,
        record: &RecoveryPoint,
        policy: &Service,
        manifests: &[(DataSetName, StoredManifest)],
    ) -> Result<(), Trouble> {
        self.write(|transaction| {
            check_secondary(transaction, record)?;
            rules::may_commit(record.id, record.base, newest(transaction, record)?)?;
            insert_point(transaction, record, policy, manifests)
        })
    }

    /// Takes over a point of the other cluster, whose state this one's live data has: sealed and live here, in one transaction. Refused
    /// unless this agent is secondary at the record's epoch.
    pub fn adopt_point(
        &self,
        record: &RecoveryPoint,
        policy: &Service,
        manifests: &[(DataSetName, StoredManifest)],
    ) -> Result<(), Trouble> {
        self.write(|transaction| {
            check_secondary(transaction, record)?;
            for table in ["points", "captures"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE point = ?1"), [record.id.to_string()])?;
            }
            insert_point(transaction, record, policy, manifests)?;
            transaction.execute("UPDATE points SET sealed = 1 WHERE point = ?1", [record.id.to_string()])?;
            set_applied(transaction, &record.pair, &record.service, Some(record.id))
        })
    }

    /// A committed or sealed point.
    pub fn point(&self, point: PointId) -> Result<Option<PointRow>, Trouble> {
        self.read(|c| {
            Ok(c.query_row("SELECT record, policy, sealed FROM points WHERE point = ?1", [point.to_string()], point_row).optional()?)
        })
    }

    /// All points of a service, oldest first (ids are UUIDv7: their order is that of time).
    pub fn points_of(&self, pair: &PairName, service: &ServiceName) -> Result<Vec<PointRow>, Trouble> {
        self.point_rows("WHERE pair = ?1 AND service = ?2", &[pair.as_str(), service.as_str()])
    }

    /// All points of a pair, oldest first.
    pub fn points_of_pair(&self, pair: &PairName) -> Result<Vec<PointRow>, Trouble> {
        self.point_rows("WHERE pair = ?1", &[pair.as_str()])
    }

    /// Points committed and not yet sealed: what a starting agent finishes.
    pub fn unsealed_points(&self) -> Result<Vec<PointRow>, Trouble> {
        self.point_rows("WHERE sealed = 0", &[])
    }

    /// The newest sealed point of a service.
    pub fn newest_sealed(&self, pair: &PairName, service: &ServiceName) -> Result<Option<RecoveryPoint>, Trouble> {
        let rows = self.points_of(pair, service)?;
        Ok(rows.into_iter().rev().find(|row| row.sealed).map(|row| row.record))
    }

    /// The manifest of a data set in a point.
    pub fn manifest(&self, point: PointId, set: &DataSetName) -> Result<Option<StoredManifest>, Trouble> {
        self.read(|c| {
            Ok(c.query_row(
                "SELECT digest, body FROM manifests WHERE point = ?1 AND data_set = ?2",
                params![point.to_string(), set.to_string()],
                |row| Ok(StoredManifest { digest: parse(row, 0, |text| Digest::try_from(text.to_owned()))?, body: row.get(1)? }),
            )
            .optional()?)
        })
    }

    /// Replaces a manifest and the point's record, which holds its digest: user data changed the metadata of a sealed point.
    pub fn amend_manifest(&self, record: &RecoveryPoint, set: &DataSetName, manifest: &StoredManifest) -> Result<(), Trouble> {
        self.write(|transaction| {
            transaction.execute(
                "UPDATE manifests SET digest = ?3, body = ?4 WHERE point = ?1 AND data_set = ?2",
                params![record.id.to_string(), set.to_string(), manifest.digest.to_string(), manifest.body],
            )?;
            transaction.execute("UPDATE points SET record = ?2 WHERE point = ?1", params![record.id.to_string(), to_json(record)?])?;
            Ok(())
        })
    }

    /// How many phases of an apply are over.
    pub fn phases_done(&self, point: PointId, set: &DataSetName) -> Result<u32, Trouble> {
        let done = self.read(|c| {
            Ok(c.query_row(
                "SELECT done FROM phases WHERE point = ?1 AND data_set = ?2",
                params![point.to_string(), set.to_string()],
                |row| row.get(0),
            )
            .optional()?)
        })?;
        Ok(done.unwrap_or(0))
    }

    /// Notes that phases up to `done` are over; never goes back.
    pub fn advance_phases(&self, point: PointId, set: &DataSetName, done: u32) -> Result<(), Trouble> {
        self.write(|t| {
            t.execute(
                "INSERT INTO phases (point, data_set, done) VALUES (?1, ?2, ?3)
                 ON CONFLICT (point, data_set) DO UPDATE SET done = max(done, excluded.done)",
                params![point.to_string(), set.to_string(), done],
            )?;
            Ok(())
        })
    }

    /// Marks a point sealed and live, and forgets its staging, all at once. Refused once a person has given it up.
    pub fn seal_point(&self, record: &RecoveryPoint) -> Result<(), Trouble> {
        self.write(|transaction| {
            super::abandoned::refuse_abandoned(transaction, record.id)?;
            let id = record.id.to_string();
            let sealed =
                transaction.execute("UPDATE points SET record = ?2, sealed = 1 WHERE point = ?1", params![id, to_json(record)?])?;
            if sealed == 0 {
                // A promotion drops what was not sealed before it, also beside the work on it.
                return Err(Trouble::new(TroubleKind::NotFound, format!("point {id}"), "it is held here no more").into());
            }
            set_applied(transaction, &record.pair, &record.service, Some(record.id))?;
            super::staging::delete_staging(transaction, &id)?;
            Ok(())
        })
    }

    /// The point whose state the live data sets of a service have; `None` while a restore is under way, and before the first.
    pub fn applied_point(&self, pair: &PairName, service: &ServiceName) -> Result<Option<PointId>, Trouble> {
        let found = self.read(|c| {
            Ok(c.query_row("SELECT point FROM applied WHERE pair = ?1 AND service = ?2", [pair.as_str(), service.as_str()], |row| {
                row.get::<_, Option<String>>(0)?.map(|_| parse(row, 0, |text| text.parse())).transpose()
            })
            .optional()?)
        })?;
        Ok(found.flatten())
    }

    /// Notes it; `None` before a restore begins.
    pub fn note_applied(&self, pair: &PairName, service: &ServiceName, point: Option<PointId>) -> Result<(), Trouble> {
        self.write(|t| set_applied(t, pair, service, point))
    }

    /// Takes a point off the list and notes its snapshots as leftovers to be released, all at once.
    pub fn retire_point(&self, leftover: &CaptureRow) -> Result<(), Trouble> {
        self.write(|transaction| {
            super::captures::upsert_capture(transaction, leftover)?;
            for table in ["manifests", "phases", "points"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE point = ?1"), [leftover.point.to_string()])?;
            }
            Ok(())
        })
    }

    fn point_rows(&self, filter: &str, values: &[&str]) -> Result<Vec<PointRow>, Trouble> {
        self.read(|connection| {
            let mut select = connection.prepare(&format!("SELECT record, policy, sealed FROM points {filter} ORDER BY point"))?;
            let rows = select.query_map(rusqlite::params_from_iter(values), point_row)?;
            collect(rows)
        })
    }
}

fn check_secondary(connection: &Connection, record: &RecoveryPoint) -> Result<(), StoreError> {
    let claim: Option<(String, i64)> = connection
        .query_row("SELECT identity, epoch FROM pairs WHERE pair = ?1", [record.pair.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match claim {
        Some((identity, epoch))
            if from_json::<Identity>(&identity)? == Identity::Secondary && u64::try_from(epoch).ok().map(Epoch) == Some(record.epoch) =>
        {
            Ok(())
        }
        _ => Err(Trouble::new(TroubleKind::Outdated, format!("point {}", record.id), "identities have changed since its run began").into()),
    }
}

/// The newest other point held of the record's service, sealed or not.
fn newest(connection: &Connection, record: &RecoveryPoint) -> Result<Option<PointId>, StoreError> {
    let newest = connection
        .query_row(
            "SELECT point FROM points WHERE pair = ?1 AND service = ?2 AND point <> ?3 ORDER BY point DESC LIMIT 1",
            [record.pair.as_str(), record.service.as_str(), &record.id.to_string()],
            |row| parse(row, 0, |text| text.parse()),
        )
        .optional()?;
    Ok(newest)
}

pub(super) fn set_applied(
    connection: &Connection,
    pair: &PairName,
    service: &ServiceName,
    point: Option<PointId>,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO applied (pair, service, point) VALUES (?1, ?2, ?3) ON CONFLICT (pair, service) DO UPDATE SET point = excluded.point",
        params![pair.as_str(), service.as_str(), point.map(|point| point.to_string())],
    )?;
    Ok(())
}

/// A point with its manifests; one that is there stays as it is.
fn insert_point(
    transaction: &Transaction<'_>,
    record: &RecoveryPoint,
    policy: &Service,
    manifests: &[(DataSetName, StoredManifest)],
) -> Result<(), StoreError> {
    let fresh = transaction.execute(
        "INSERT OR IGNORE INTO points (point, pair, service, record, policy) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![record.id.to_string(), record.pair.as_str(), record.service.as_str(), to_json(record)?, to_json(policy)?],
    )?;
    if fresh == 1 {
        let mut insert = transaction.prepare("INSERT INTO manifests (point, data_set, digest, body) VALUES (?1, ?2, ?3, ?4)")?;
        for (set, manifest) in manifests {
            insert.execute(params![record.id.to_string(), set.to_string(), manifest.digest.to_string(), manifest.body])?;
        }
    }
    Ok(())
}

fn point_row(row: &Row<'_>) -> rusqlite::Result<PointRow> {
    Ok(PointRow { record: json(row, 0)?, policy: json(row, 1)?, sealed: row.get(2)? })
}
