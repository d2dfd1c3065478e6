//! Sealed points: the secondary's own snapshots, and the way back to one.
//!
//! What a run touched was read again, whole, when its metadata was set (see [`super::metadata`]). Before the snapshot everything else is
//! held against what a listing shows; metadata that differs is set again, so that a point that was committed is sealed as it was captured.

use std::collections::{BTreeMap, BTreeSet};

use super::Hdfs;
use super::data::staged;
use super::diff::back;
use super::drift::below;
use super::error::HdfsError;
use super::listing::{AT_ONCE, full, walk};
use super::unlike::{Unlike, unlike_listed};
use super::webhdfs::Operation;
use crate::components::pool::Pool;
use crate::components::{PhaseJournal, Slot};
use crate::domain::backup::plan::plan_apply;
use crate::domain::{Change, ChangeSet, Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind, piece_count};

/// Files copied back at once in a restore.
const RESTORED_AT_ONCE: usize = 32;

/// Remembers phases while one restore runs; after a crash a restore starts over from the difference.
#[derive(Default)]
struct Passing;

impl PhaseJournal for Passing {
    fn done(&self) -> Result<u32, Trouble> {
        Ok(0)
    }
    fn advance(&self, _count: u32) -> Result<(), Trouble> {
        Ok(())
    }
}

impl Hdfs {
    pub(in crate::components) async fn seal_set(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        if !self.has_snapshot(set, point).await? {
            self.check_tree(set, manifest).await?;
            self.allow_snapshots(set).await?;
            let cut = Operation::put("CREATESNAPSHOT", set).with("snapshotname", self.snapshot_name(point));
            self.web.run(cut).await.map_err(about)?;
        }
        // A snapshot changes its root's time.
        if let Some(root) = manifest.entries.get(&RelPath::root()) {
            self.set_metadata(set, root).await?;
        }
        self.drop_staging(set, point).await
    }

    /// Holds a listing of the live tree against the manifest: every entry, no other, and all that a listing shows of each.
    pub(super) async fn check_tree(&self, set: &str, manifest: &Manifest) -> Result<(), Trouble> {
        let live = walk(&self.web, set, &RelPath::root(), &BTreeSet::new()).await.map_err(|error| error.about(self.object(set)))?;
        let live: BTreeMap<RelPath, _> = live.into_iter().collect();
        let wrong = |path: &RelPath, unlike: &Unlike| Err(unlike.about(self.object(&full(set, path))));
        let mut relabelled = Vec::new();
        for (path, entry) in &manifest.entries {
            let Some(status) = live.get(path) else { return wrong(path, &Unlike::EntryMissing) };
            match unlike_listed(status, entry).map_err(|error| error.about(self.object(set)))? {
                None => {}
                Some(unlike) if unlike.is_metadata() => {
                    tracing::warn!(path = %self.object(&full(set, path)), ?unlike, "its metadata is set again");
                    relabelled.push(entry);
                }
                Some(unlike) => return wrong(path, &unlike),
            }
        }
        if let Some(path) = live.keys().find(|path| !manifest.entries.contains_key(*path)) {
            return wrong(path, &Unlike::EntryStrange);
        }
        let mut pool = Pool::new(AT_ONCE);
        for entry in relabelled {
            pool.add(self.set_metadata(set, entry)).await?;
        }
        pool.finish().await
    }

    pub(in crate::components) async fn restore_set(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        if !self.has_snapshot(set, point).await? {
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), format!("its sealed snapshot of point {point} is not here")));
        }
        self.check_privileges(set, manifest.entries.values())?;
        // A source that becomes a target, or one that stands by again, may already be what the point holds, and was not marked.
        self.mark_ours(set).await?;
        let drift = self.compare(set, point, manifest).await?;
        if drift.is_none() {
            return Ok(());
        }
        let changes = back(&drift.moves, &drift.wrong_with_directories(manifest), |path| below(manifest, path));
        self.drop_staging(set, point).await?;
        self.stage_from_snapshot(set, point, &changes).await?;
        let live = walk(&self.web, set, &RelPath::root(), &BTreeSet::new()).await.map_err(|error| error.about(self.object(set)))?;
        let mut base = Manifest::default();
        for (path, status) in live {
            let entry = status.entry(path.clone()).map_err(|error| error.about(self.object(set)))?;
            base.entries.insert(path, entry);
        }
        let plan = plan_apply(&base, &changes)?;
        self.apply_plan(set, point, &plan, manifest, &Passing).await?;
        self.drop_staging(set, point).await?;
        let left = self.compare(set, point, manifest).await?.lines();
        match left.first() {
            None => Ok(()),
            Some(line) => Err(Trouble::new(TroubleKind::Corrupt, self.object(set), format!("after restoring point {point}, {line}"))),
        }
    }

    /// Copies the content that must come back out of the sealed snapshot into staging, held against the manifest's digests.
    async fn stage_from_snapshot(&self, set: &str, point: PointId, changes: &ChangeSet) -> Result<(), Trouble> {
        let root = self.snapshot_path(set, point);
        let mut pool = Pool::new(RESTORED_AT_ONCE);
        for (change, file) in changes.changes.iter().zip(0u32..) {
            if let Change::Put(entry) = change
                && entry.is_file()
            {
                pool.add(self.stage_one(set, point, &root, file, entry)).await?;
            }
        }
        pool.finish().await
    }

    async fn stage_one(&self, set: &str, point: PointId, root: &str, file: u32, entry: &Entry) -> Result<(), Trouble> {
        let mut digests: Vec<Digest> = Vec::new();
        for piece in 0..piece_count(entry.bytes()) {
            let bytes = self.read_piece(set, root, entry, piece).await?;
            digests.push(self.write_piece(&staged(self.key(set), point, Slot { file, piece }), entry, bytes).await?);
        }
        match entry.node {
            Node::File { digest: Some(digest), .. } if digest != Digest::of_pieces(&digests) => {
                let reason = "its content in the sealed snapshot is not what was sealed";
                Err(Trouble::new(TroubleKind::Corrupt, self.object(&full(set, &entry.path)), reason))
            }
            _ => Ok(()),
        }
    }
}
