//! Sealed points: the secondary's own snapshots, and the way back to one.
//!
//! What a run touched was read again, whole, when its metadata was set (see [`super::metadata`]). Before the snapshot everything else is
//! held against what a listing shows; metadata that differs is set again, so that a point that was committed is sealed as it was captured.

use std::collections::{BTreeMap, BTreeSet};

use super::Hdfs;
use super::data::staged;
use super::diff::back;
use super::drift::below;
use super::listing::{AT_ONCE, full, walk};
use super::roots::Cut;
use super::status::status_if_there;
use super::unlike::{Unlike, unlike_listed};
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
    pub(super) async fn seal_set(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        if self.find_cut(set, point).await?.is_none() {
            self.check_tree(set, manifest).await?;
            self.ready_root(set).await?;
            let cut = self.next_cut(set, point).await?;
            self.take_snapshot(&cut.root, &cut.name).await?;
        }
        self.after_snapshot(set, manifest).await?;
        self.drop_staging(set, point).await
    }

    /// A snapshot changes its root's time.
    async fn after_snapshot(&self, set: &str, manifest: &Manifest) -> Result<(), Trouble> {
        match manifest.entries.get(&RelPath::root()) {
            Some(root) => self.set_metadata(set, root).await,
            None => Ok(()),
        }
    }

    /// Seals trees of one data set of another component: all of them are looked at before the first snapshot, and each of `roots` has one.
    pub(in crate::components) async fn seal_trees(
        &self,
        trees: &[(String, Manifest)],
        roots: &BTreeMap<String, String>,
        point: PointId,
    ) -> Result<(), Trouble> {
        let mut open = BTreeSet::new();
        for (tree, manifest) in trees {
            if self.find_cut(tree, point).await?.is_none() {
                self.check_tree(tree, manifest).await?;
                open.insert(roots.get(tree).unwrap_or(tree));
            }
        }
        for root in open {
            self.allow_shared(root).await?;
            self.cut(root, point).await?;
        }
        for (tree, manifest) in trees {
            self.after_snapshot(tree, manifest).await?;
        }
        Ok(())
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
        let cut = self.sealed_cut(set, point).await?;
        self.check_privileges(set, manifest.entries.values())?;
        // Where snapshots are above it an application may have removed the directory itself.
        if status_if_there(&self.web, set).await.map_err(|error| error.about(self.object(set)))?.is_none() {
            self.make_root(set).await.map_err(|error| error.about(self.object(set)))?;
        }
        // A source that becomes a target, or one that stands by again, may already be what the point holds, and was not marked.
        self.mark_ours(set).await?;
        let drift = self.compare(&cut, manifest).await?;
        if drift.is_none() {
            return Ok(());
        }
        let changes = back(&drift.moves, &drift.wrong_with_directories(manifest), |path| below(manifest, path));
        self.drop_staging(set, point).await?;
        self.stage_from_snapshot(&cut, point, &changes).await?;
        let live = walk(&self.web, set, &RelPath::root(), &BTreeSet::new()).await.map_err(|error| error.about(self.object(set)))?;
        let mut base = Manifest::default();
        for (path, status) in live {
            let entry = status.entry(path.clone()).map_err(|error| error.about(self.object(set)))?;
            base.entries.insert(path, entry);
        }
        let plan = plan_apply(&base, &changes)?;
        self.apply_plan(set, point, &plan, manifest, &Passing).await?;
        self.drop_staging(set, point).await?;
        let left = self.compare(&cut, manifest).await?.lines();
        match left.first() {
            None => Ok(()),
            Some(line) => Err(Trouble::new(TroubleKind::Corrupt, self.object(set), format!("after restoring point {point}, {line}"))),
        }
    }

    /// Copies the content that must come back out of the sealed snapshot into staging, held against the manifest's digests.
    async fn stage_from_snapshot(&self, cut: &Cut, point: PointId, changes: &ChangeSet) -> Result<(), Trouble> {
        let mut pool = Pool::new(RESTORED_AT_ONCE);
        for (change, file) in changes.changes.iter().zip(0u32..) {
            if let Change::Put(entry) = change
                && entry.is_file()
            {
                pool.add(self.stage_one(cut, point, file, entry)).await?;
            }
        }
        pool.finish().await
    }

    async fn stage_one(&self, cut: &Cut, point: PointId, file: u32, entry: &Entry) -> Result<(), Trouble> {
        let set = &cut.tree;
        let mut digests: Vec<Digest> = Vec::new();
        for piece in 0..piece_count(entry.bytes()) {
            let bytes = self.read_cut(cut, entry, piece).await?;
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
