//! Snapshots: made ready, taken, told apart, dropped.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::Hdfs;
use super::error::HdfsError;
use super::listing::list;
use super::roots::tree_of;
use super::status::{FileStatus, status};
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
    pub(super) async fn arm_set(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let root = status(&self.web, set).await.map_err(about)?;
        if !root.is_directory() {
            return Err(self.refused(set, "it is a file; HDFS can snapshot directories only").next("name the directory that holds it"));
        }
        self.ready_root(set).await?;
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
        let cut = self.next_cut(set, point).await?;
        let lo = Instant::now();
        self.take_snapshot(&cut.root, &cut.name).await?;
        let hi = Instant::now();
        // The snapshot stands: what follows only describes it.
        Ok(Capture {
            lo,
            hi,
            server_time: self.taken_at(&cut.root, &cut.name).await,
            open_files: self.open_files(set).await,
            event_id: None,
        })
    }

    /// The NameNode's own time of a snapshot.
    pub(super) async fn taken_at(&self, root: &str, name: &str) -> Option<DateTime<Utc>> {
        let stamp = status(&self.web, &format!("{}/.snapshot/{name}", root.trim_end_matches('/'))).await;
        stamp.ok().and_then(|status| DateTime::<Utc>::from_timestamp_millis(status.modification_time))
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

    pub(super) async fn own_snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        let about = |error: HdfsError| error.about(self.object("/"));
        let mut own = Vec::new();
        for path in self.snapshottable().await? {
            let names = list(&self.web, &format!("{}/.snapshot", path.trim_end_matches('/'))).await.map_err(about)?;
            let told = names.iter().filter_map(|status| tree_of(&path, &status.path_suffix));
            own.extend(told.map(|(point, tree)| OwnSnapshot { component: self.name.clone(), path: tree, point }));
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
        self.settings().await.remove(name)
    }

    pub(in crate::components) fn refused(&self, set: &str, reason: &str) -> Trouble {
        Trouble::new(TroubleKind::Refused, self.object(set), reason)
    }
}
