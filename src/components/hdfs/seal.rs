//! Sealed points: the secondary's own snapshots, and the way back to one.

use std::collections::{BTreeMap, BTreeSet};

use super::Hdfs;
use super::data::staged;
use super::diff::back;
use super::drift::below;
use super::error::HdfsError;
use super::listing::{full, walk};
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
            self.set_metadata(set, root).await.map_err(about)?;
        }
        self.drop_staging(set, point).await
    }

    /// Whether the live tree has exactly the manifest's entries, kinds, lengths, modes and owners.
    async fn check_tree(&self, set: &str, manifest: &Manifest) -> Result<(), Trouble> {
        let live = walk(&self.web, set, &RelPath::root(), &BTreeSet::new()).await.map_err(|error| error.about(self.object(set)))?;
        let live: BTreeMap<RelPath, _> = live.into_iter().collect();
        let wrong = |path: &RelPath, what: &str| {
            Trouble::new(TroubleKind::Corrupt, self.object(&full(set, path)), format!("after the apply {what}"))
                .next("run a full copy of the data set")
        };
        for (path, entry) in &manifest.entries {
            let status = live.get(path).ok_or_else(|| wrong(path, "it is missing"))?;
            let found = status.entry(path.clone()).map_err(|error| error.about(self.object(set)))?;
            let kind = std::mem::discriminant(&found.node) == std::mem::discriminant(&entry.node);
            if !kind || found.bytes() != entry.bytes() {
                return Err(wrong(path, &format!("it is {:?}", found.node)));
            }
            let rights = |entry: &Entry| (entry.meta.mode, entry.meta.owner.clone(), entry.meta.group.clone());
            if !path.is_root() && !matches!(entry.node, Node::Link { .. }) && rights(&found) != rights(entry) {
                return Err(wrong(path, &format!("its rights are {:?} instead of {:?}", rights(&found), rights(entry))));
            }
        }
        match live.keys().find(|path| !manifest.entries.contains_key(*path)) {
            Some(path) => Err(wrong(path, "it is there though the point does not have it")),
            None => Ok(()),
        }
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
