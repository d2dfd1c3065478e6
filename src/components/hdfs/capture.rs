//! Snapshots: made ready, taken, told apart, dropped.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::Hdfs;
use super::config::parse_settings;
use super::error::HdfsError;
use super::listing::list;
use super::status::{FileStatus, status, status_if_there};
use super::webhdfs::Operation;
use crate::components::Capture;
use crate::domain::{Note, PointId, Trouble, TroubleKind};
use crate::protocol::OwnSnapshot;

/// What every snapshot of ours is called before its point's id.
pub(super) const PREFIX: &str = "understudy-";
/// How long telling the open files may hold up the answer to a capture.
const OPEN_FILES_LIMIT: Duration = Duration::from_secs(10);
/// Open files named in a point.
const OPEN_FILES_NAMED: usize = 100;

#[derive(Deserialize)]
struct SnapshottableAnswer {
    /// `null` where there is none.
    #[serde(rename = "SnapshottableDirectoryList", default)]
    directories: Option<Vec<Snapshottable>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshottable {
    dir_status: FileStatus,
    parent_full_path: String,
}

impl Hdfs {
    /// The name of a point's snapshot. With a tag, several data sets have snapshots of one directory for one point.
    pub(super) fn snapshot_name(&self, point: PointId) -> String {
        if self.tag.is_empty() { format!("{PREFIX}{point}") } else { format!("{PREFIX}{point}.{}", self.tag) }
    }

    /// The path of a point's snapshot.
    pub(super) fn snapshot_path(&self, set: &str, point: PointId) -> String {
        format!("{}/.snapshot/{}", set.trim_end_matches('/'), self.snapshot_name(point))
    }

    pub(super) async fn arm_set(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let root = status(&self.web, set).await.map_err(about)?;
        if !root.is_directory() {
            return Err(self.refused(set, "it is a file; HDFS can snapshot directories only").next("name the directory that holds it"));
        }
        self.allow_snapshots(set).await?;
        self.source_notes(set, &root).await
    }

    /// Makes a directory snapshottable; well when it is. A snapshottable parent or child is refused by HDFS, which names it.
    pub(in crate::components) async fn allow_snapshots(&self, set: &str) -> Result<(), Trouble> {
        self.web.run(Operation::put("ALLOWSNAPSHOT", set)).await.map_err(|error| {
            let nested = error.is("SnapshotException");
            let trouble = error.about(self.object(set));
            if nested {
                trouble.next("HDFS does not nest snapshottable directories: choose the outer one, or disallow snapshots there")
            } else {
                trouble
            }
        })
    }

    pub(super) async fn capture_set(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        let cut = Operation::put("CREATESNAPSHOT", set).with("snapshotname", self.snapshot_name(point));
        let lo = Instant::now();
        self.web.run(cut).await.map_err(|error| error.about(self.object(set)))?;
        let hi = Instant::now();
        // The snapshot stands: what follows only describes it.
        let stamp = status(&self.web, &self.snapshot_path(set, point)).await;
        let server_time = stamp.ok().and_then(|status| DateTime::<Utc>::from_timestamp_millis(status.modification_time));
        Ok(Capture { lo, hi, server_time, open_files: self.open_files(set).await, event_id: None })
    }

    /// Files open for writing, from the NameNode's own check of the tree. Where that fails, the list says so.
    pub(in crate::components) async fn open_files(&self, set: &str) -> Vec<String> {
        match self.web.open_for_write(set, OPEN_FILES_LIMIT).await {
            Ok(files) => {
                let mut named: Vec<String> = files.iter().take(OPEN_FILES_NAMED).cloned().collect();
                if files.len() > OPEN_FILES_NAMED {
                    named.push(format!("and {} more", files.len() - OPEN_FILES_NAMED));
                }
                named
            }
            Err(error) => vec![format!("unknown: the NameNode could not tell open files ({error})")],
        }
    }

    pub(in crate::components) async fn release_snapshot(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let drop = Operation::delete("DELETESNAPSHOT", set).with("snapshotname", self.snapshot_name(point)).heavy();
        match self.web.run(drop).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) if error.is("SnapshotException") && !self.has_snapshot(set, point).await? => Ok(()),
            Err(error) => Err(error.about(self.object(set))),
        }
    }

    /// Whether a point's snapshot is here.
    pub(in crate::components) async fn has_snapshot(&self, set: &str, point: PointId) -> Result<bool, Trouble> {
        let found = status_if_there(&self.web, &self.snapshot_path(set, point)).await;
        found.map(|status| status.is_some()).map_err(|error| error.about(self.object(set)))
    }

    pub(super) async fn own_snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        let about = |error: HdfsError| error.about(self.object("/"));
        let mut own = Vec::new();
        for path in self.snapshottable().await? {
            let names = list(&self.web, &format!("{}/.snapshot", path.trim_end_matches('/'))).await.map_err(about)?;
            let points = names.iter().filter_map(|status| status.path_suffix.strip_prefix(PREFIX)?.parse::<PointId>().ok());
            own.extend(points.map(|point| OwnSnapshot { component: self.name.clone(), path: path.clone(), point }));
        }
        Ok(own)
    }

    /// Every directory that can have snapshots, as far as the agent's user may know.
    pub(in crate::components) async fn snapshottable(&self) -> Result<Vec<String>, Trouble> {
        let asked = self.web.json::<SnapshottableAnswer>(Operation::get("GETSNAPSHOTTABLEDIRECTORYLIST", "/")).await;
        let directories = asked.map_err(|error| error.about(self.object("/")))?.directories.unwrap_or_default();
        let path = |one: Snapshottable| format!("{}/{}", one.parent_full_path.trim_end_matches('/'), one.dir_status.path_suffix);
        Ok(directories.into_iter().map(path).collect())
    }

    /// A setting of the NameNode as it runs; `None` where it cannot be read.
    pub(super) async fn setting(&self, name: &str) -> Option<String> {
        let page = self.web.page(&format!("/conf?name={name}&format=xml"), self.web.limits().call).await.ok()?;
        parse_settings(&page).ok()?.remove(name)
    }

    pub(in crate::components) fn refused(&self, set: &str, reason: &str) -> Trouble {
        Trouble::new(TroubleKind::Refused, self.object(set), reason)
    }
}
