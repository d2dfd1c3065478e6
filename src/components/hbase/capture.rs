//! Snapshots: taken with everything flushed, told apart by their names, dropped; and what two of them differ in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::Hbase;
use super::client::State;
use super::fence::is_read_only;
use super::files::HFile;
use super::manifest::{differences, hfile_at};
use super::names::{Table, point_of, snapshot_name};
use super::notes::unread;
use super::rpc::RpcError;
use super::rpc::snapshot::SnapshotDescription;
use crate::components::Capture;
use crate::domain::{Change, ChangeSet, Note, PointId, Trouble, TroubleKind};
use crate::protocol::OwnSnapshot;

/// How often a snapshot under way is asked after: each time adds to the capture's window.
const ASKED_EVERY: Duration = Duration::from_millis(20);
/// Tries of one snapshot: a region server that is interrupted, or a region that moves, makes HBase give one up.
const TRIES: u32 = 2;
/// What HBase says of a snapshot that it gave up, or forgot because its master was started anew in the middle.
const GIVEN_UP: [&str; 2] = ["HBaseSnapshotException", "UnknownSnapshotException"];
/// A snapshot that lives until it is deleted; 0 would mean the server's default, which may be short.
const FOR_EVER: i64 = -2;
/// The kind of snapshot that writes everything in memory out first.
const FLUSH: i32 = 1;
/// The kind that takes the files as they are: all there is of a read-only table, which refuses to be flushed.
const AS_IT_IS: i32 = 2;
/// The layout of snapshots since HBase 0.99.
const LAYOUT: i32 = 2;

/// Names of the snapshots whose request is on its way. A request outlives who made it, so that a release can wait for its answer:
/// a master that still reads it knows nothing of the snapshot yet, and would make it after the release.
#[derive(Debug, Default)]
pub(super) struct Requested(Mutex<BTreeSet<String>>);

impl Requested {
    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contains(&self, name: &str) -> bool {
        self.names().contains(name)
    }
}

impl Hbase {
    /// A point's snapshot, as calls and files name it.
    pub(super) fn description(&self, set: &str, table: &Table, point: PointId) -> SnapshotDescription {
        SnapshotDescription {
            name: snapshot_name(set, point),
            table: Some(table.text()),
            creation_time: Some(0),
            kind: Some(FLUSH),
            version: Some(LAYOUT),
            owner: None,
            ttl: Some(FOR_EVER),
        }
    }

    pub(super) async fn arm_set(&self, set: &str, table: &Table) -> Result<Vec<Note>, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let schema = self.client.schema(table).await.map_err(about)?;
        let schema = schema.ok_or_else(|| Trouble::new(TroubleKind::NotFound, self.object(set), "there is no such table"))?;
        let state = self.client.state(table).await.map_err(about)?;
        // What is in memory now is written out now, so that the capture finds little left to write.
        if state == State::Enabled && !is_read_only(&schema) {
            self.client.flush(table).await.map_err(about)?;
        }
        // What cannot be read of what is not carried anyway holds no backup up.
        Ok(match self.notes_of(set, table, &schema, state).await {
            Ok(notes) => notes,
            Err(trouble) => vec![unread(&self.object(set), &trouble)],
        })
    }

    pub(super) async fn capture_set(&self, set: &str, table: &Table, point: PointId) -> Result<Capture, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let read_only = self.is_read_only(set, table).await?;
        let kind = Some(if read_only { AS_IT_IS } else { FLUSH });
        let wanted = SnapshotDescription { kind, ..self.description(set, table, point) };
        let mut tries = 0;
        let (lo, hi) = loop {
            tries += 1;
            let lo = Instant::now();
            match self.take(&wanted).await {
                Ok(()) => break (lo, Instant::now()),
                // Given up by HBase for a passing reason of its own, with nothing left of it: the next try is a cut with its own window.
                Err(error) if GIVEN_UP.iter().any(|class| error.is(class)) && tries < TRIES => {}
                Err(error) => return Err(about(error)),
            }
        };
        if read_only && !self.is_read_only(set, table).await? {
            return Err(Trouble::new(TroubleKind::Failed, self.object(set), "the table was made writable in the middle of its capture")
                .next("start a new run"));
        }
        Ok(Capture { lo, hi, server_time: self.server_time(set, point).await, open_files: Vec::new(), event_id: None })
    }

    /// Takes a snapshot, and returns when it is complete.
    async fn take(&self, wanted: &SnapshotDescription) -> Result<(), RpcError> {
        let limit = self.client.limits().procedure;
        let deadline = Instant::now() + limit;
        self.request(wanted).await?;
        loop {
            match self.client.snapshot_done(wanted).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error),
            }
            if Instant::now() > deadline {
                return Err(RpcError::Silent(limit));
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    /// Asks for a snapshot, in a task that goes on to the answer whatever becomes of the caller.
    async fn request(&self, wanted: &SnapshotDescription) -> Result<(), RpcError> {
        let (client, requested, wanted) = (Arc::clone(&self.client), Arc::clone(&self.requested), wanted.clone());
        requested.names().insert(wanted.name.clone());
        let asked = tokio::spawn(async move {
            let answer = client.snapshot(wanted.clone()).await;
            requested.names().remove(&wanted.name);
            answer
        });
        asked.await.unwrap_or_else(|gone| Err(RpcError::Broken(gone.to_string())))
    }

    /// The master's own stamp of a snapshot, which it does not tell with the answer; `None` where it cannot be read.
    async fn server_time(&self, set: &str, point: PointId) -> Option<DateTime<Utc>> {
        let told = self.description_at(set, point).await.ok()??;
        told.creation_time.filter(|millis| *millis > 0).and_then(DateTime::from_timestamp_millis)
    }

    async fn is_read_only(&self, set: &str, table: &Table) -> Result<bool, Trouble> {
        let schema = self.client.schema(table).await.map_err(|error| error.about(self.object(set)))?;
        Ok(schema.is_some_and(|schema| is_read_only(&schema)))
    }

    pub(super) async fn changes_of(&self, set: &str, table: &Table, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        let Some(new) = self.manifest_at(set, table, point).await? else {
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), format!("its snapshot of point {point} is not here")));
        };
        let changes = match base {
            None => ChangeSet { changes: new.entries.values().cloned().map(Change::Put).collect() },
            Some(base) => match self.manifest_at(set, table, base).await? {
                Some(old) => differences(&old, &new),
                None => {
                    let reason = format!("its snapshot of the base point {base} is no longer held");
                    return Err(Trouble::new(TroubleKind::Refused, self.object(set), reason).next("make a full copy"));
                }
            },
        };
        let to_copy: BTreeMap<HFile, u64> = changes
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Put(entry) => hfile_at(&entry.path).map(|file| (file, entry.bytes())),
                _ => None,
            })
            .collect();
        let missing = self.missing(&to_copy).await.map_err(|error| error.about(self.object(set)))?;
        match missing.into_values().next() {
            None => Ok(changes),
            Some(first) => Err(Trouble::new(TroubleKind::Corrupt, self.object(set), format!("of its snapshot, {first}"))
                .next("check the table with HBase's own tools (hbck2), then make a new point")),
        }
    }

    /// Deletes a point's snapshot; one that is just being taken is waited for.
    pub(super) async fn release_snapshot(&self, set: &str, table: &Table, point: PointId) -> Result<(), Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let own = self.description(set, table, point);
        let deadline = Instant::now() + self.client.limits().procedure;
        loop {
            let requested = self.requested.contains(&own.name);
            match self.client.delete_snapshot(own.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is("SnapshotDoesNotExistException") => {}
                Err(error) => return Err(about(error)),
            }
            match self.client.snapshot_done(&own).await {
                Err(error) if requested && error.is("UnknownSnapshotException") => {}
                Err(error) if error.is("UnknownSnapshotException") => return Ok(()),
                Err(error) if !error.is_passing() => return Err(about(error)),
                _ => {}
            }
            if Instant::now() > deadline {
                return Err(about(RpcError::Silent(self.client.limits().procedure)));
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    }

    pub(super) async fn own_snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        let all = self.client.snapshots().await.map_err(|error| error.about(self.object("")))?;
        let own = all.into_iter().filter_map(|snapshot| {
            let path = Table::of_text(snapshot.table.as_deref()?).set();
            let point = point_of(&snapshot.name, &path)?;
            Some(OwnSnapshot { component: self.name.clone(), path, point })
        });
        Ok(own.collect())
    }
}
