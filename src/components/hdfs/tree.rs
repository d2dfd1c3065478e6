//! What other components keep in HDFS: trees that are captured by snapshots of a directory above them, each data set's under
//! names of its own.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Hdfs;
use super::apply::Apply;
use super::capture::PREFIX;
use super::changes::{prints, report};
use super::data::staged;
use super::diff::{Moves, within};
use super::error::HdfsError;
use super::listing::{AT_ONCE, list, walk_whole};
use super::status::{FENCE_XATTR, MARK_XATTR, look, status, status_if_there};
use super::webhdfs::Operation;
use crate::components::pool::Pool;
use crate::components::{ByteStream, Slot};
use crate::domain::{Change, ChangeSet, Digest, Entry, Manifest, PointId, RelPath, Trouble};

/// A tree as it was at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::components) struct Cut {
    /// The directory that the snapshot is of.
    root: String,
    /// The tree below it.
    inner: RelPath,
    /// The tree's path in the snapshot.
    pub(super) path: String,
}

impl Hdfs {
    /// Whether there is a directory.
    pub(in crate::components) async fn is_directory(&self, path: &str) -> Result<bool, Trouble> {
        let found = status_if_there(&self.web, path).await.map_err(|error| error.about(self.object(path)))?;
        Ok(found.is_some_and(|status| status.is_directory()))
    }

    /// Whether there is anything at all.
    pub(in crate::components) async fn is_there(&self, path: &str) -> Result<bool, Trouble> {
        let found = status_if_there(&self.web, path).await.map_err(|error| error.about(self.object(path)))?;
        Ok(found.is_some())
    }

    /// Takes a point's snapshot of a directory; the NameNode's own time of it.
    pub(in crate::components) async fn cut(&self, root: &str, point: PointId) -> Result<Option<DateTime<Utc>>, Trouble> {
        let cut = Operation::put("CREATESNAPSHOT", root).with("snapshotname", self.snapshot_name(point));
        self.web.run(cut).await.map_err(|error| error.about(self.object(root)))?;
        let stamp = status(&self.web, &self.snapshot_path(root, point)).await;
        Ok(stamp.ok().and_then(|status| DateTime::from_timestamp_millis(status.modification_time)))
    }

    /// Drops a point's snapshots, of whatever directories they are.
    pub(in crate::components) async fn uncut(&self, point: PointId) -> Result<(), Trouble> {
        let roots = self.snapshottable().await?;
        let mut pool = Pool::new(AT_ONCE);
        for root in &roots {
            pool.add(async move { if self.has_snapshot(root, point).await? { self.release_snapshot(root, point).await } else { Ok(()) } })
                .await?;
        }
        pool.finish().await
    }

    /// Tag and point of every snapshot that has a tag.
    pub(in crate::components) async fn tagged_cuts(&self) -> Result<BTreeSet<(String, PointId)>, Trouble> {
        let mut cuts = BTreeSet::new();
        for root in self.snapshottable().await? {
            let names = list(&self.web, &format!("{}/.snapshot", root.trim_end_matches('/'))).await;
            for name in names.map_err(|error| error.about(self.object(&root)))? {
                let parts = name.path_suffix.strip_prefix(PREFIX).and_then(|name| name.split_once('.'));
                cuts.extend(parts.and_then(|(point, tag)| Some((tag.to_owned(), point.parse().ok()?))));
            }
        }
        Ok(cuts)
    }

    /// Writes one piece into the staging of this tag.
    pub(in crate::components) async fn stage_tagged(
        &self,
        point: PointId,
        slot: Slot,
        entry: &Entry,
        bytes: ByteStream,
    ) -> Result<Digest, Trouble> {
        self.write_piece(&staged(&self.tag, point, slot), entry, bytes).await
    }

    /// A tree as it was at a point: in a snapshot of itself or of a directory above. `None` where there is none, or the tree was not there.
    pub(in crate::components) async fn find_cut(&self, tree: &str, point: PointId) -> Result<Option<Cut>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(tree));
        let mut root = tree;
        loop {
            let inner = RelPath::new(tree[root.len()..].trim_start_matches('/')).map_err(|e| self.refused(tree, &e.to_string()))?;
            let path = super::listing::full(&self.snapshot_path(root, point), &inner);
            if status_if_there(&self.web, &path).await.map_err(about)?.is_some() {
                return Ok(Some(Cut { root: if root.is_empty() { "/".to_owned() } else { root.to_owned() }, inner, path }));
            }
            match root.rsplit_once('/') {
                Some((above, _)) => root = above,
                None => return Ok(None),
            }
        }
    }

    /// Everything in a tree as it was then, parents first.
    pub(in crate::components) async fn all_of(&self, cut: &Cut) -> Result<ChangeSet, Trouble> {
        let found = walk_whole(&self.web, &cut.path, &RelPath::root(), &BTreeSet::new()).await;
        let found = found.map_err(|error| error.about(self.object(&cut.path)))?;
        Ok(ChangeSet { changes: found.into_iter().map(|found| Change::Put(found.entry)).collect() })
    }

    /// What changed in a tree from one point to a later one; `None` when that cannot be told and all of it must be copied.
    pub(in crate::components) async fn changed(&self, old: &Cut, new: &Cut) -> Result<Option<ChangeSet>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(&new.path));
        let name = |cut: &Cut| {
            let below = cut.path.split_once("/.snapshot/").map_or("", |(_, below)| below);
            below.split('/').next().unwrap_or_default().to_owned()
        };
        if old.root != new.root || old.inner != new.inner {
            return Ok(None);
        }
        let report = report(&self.web, &new.root, &name(old), &name(new)).await.map_err(about)?;
        let Some(report) = within(report, &new.inner) else { return Ok(None) };
        let mut moves = Moves::new(report);
        let (before, after) = futures_util::try_join!(prints(&self.web, &old.path), prints(&self.web, &new.path)).map_err(about)?;
        moves.hear(before, after);
        self.changes_between(&moves, &old.path, &new.path).await.map(Some).map_err(about)
    }

    /// The bytes of one piece of a file as it was then.
    pub(in crate::components) async fn read_cut(&self, tree: &str, cut: &Cut, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        self.read_piece(tree, &cut.path, entry, piece).await
    }

    /// Removes a tree that we keep as a secondary and that nobody has a use for: one that bears our mark, is closed by our fence and has no
    /// snapshot left. Anything else stays; whether it went.
    pub(in crate::components) async fn remove_closed(&self, tree: &str) -> Result<bool, Trouble> {
        let about = |error: HdfsError| error.about(self.object(tree));
        self.check_set(tree)?;
        if status_if_there(&self.web, tree).await.map_err(about)?.is_none() {
            return Ok(false);
        }
        let root = look(&self.web, tree, RelPath::root()).await.map_err(about)?;
        let ours = root.own.contains_key(MARK_XATTR) && root.own.contains_key(FENCE_XATTR);
        if !ours || !self.is_closed(&root) || !self.is_free_of_snapshots(tree).await? {
            return Ok(false);
        }
        match self.web.boolean(Operation::delete("DELETE", tree).with("recursive", "true").heavy()).await {
            Ok(gone) => Ok(gone),
            // A directory inside has snapshots: somebody counts on it.
            Err(error) if error.is("SnapshotException") => Ok(false),
            Err(error) => Err(about(error)),
        }
    }

    /// Whether nobody has a snapshot of this very directory, nor of one above it.
    async fn is_free_of_snapshots(&self, tree: &str) -> Result<bool, Trouble> {
        let above = |root: &String| tree == root || tree.starts_with(&format!("{}/", root.trim_end_matches('/')));
        for root in self.snapshottable().await?.iter().filter(|root| above(root)) {
            let held = list(&self.web, &format!("{}/.snapshot", root.trim_end_matches('/'))).await;
            if root != tree || !held.map_err(|error| error.about(self.object(root)))?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes from an applied tree what somebody put there who was to make directories where they are missing, as a metastore does.
    pub(in crate::components) async fn tidy(&self, tree: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let gone = Apply { hdfs: self, set: tree, point }.remove_strangers(manifest).await?;
        let parents: BTreeSet<RelPath> = gone.iter().filter_map(RelPath::parent).collect();
        for entry in parents.iter().filter_map(|parent| manifest.entries.get(parent)) {
            self.set_metadata(tree, entry).await?;
        }
        Ok(())
    }
}
