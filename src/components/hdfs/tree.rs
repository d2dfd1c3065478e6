//! What other components keep in HDFS: trees that are captured by snapshots of a directory above them, each data set's under
//! names of its own.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Hdfs;
use super::apply::Apply;
use super::capture::PREFIX;
use super::data::staged;
use super::error::HdfsError;
use super::listing::{AT_ONCE, list};
use super::roots::Cut;
use super::status::{FENCE_XATTR, MARK_XATTR, look, status_if_there};
use super::webhdfs::Operation;
use crate::components::pool::Pool;
use crate::components::{ByteStream, Slot};
use crate::domain::{Digest, Entry, Manifest, PointId, RelPath, Trouble};

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

    /// Takes a point's snapshot of a directory, under our tag; the NameNode's own time of it.
    pub(in crate::components) async fn cut(&self, root: &str, point: PointId) -> Result<Option<DateTime<Utc>>, Trouble> {
        let name = self.tagged_name(point);
        self.take_snapshot(root, &name).await?;
        Ok(self.taken_at(root, &name).await)
    }

    /// Drops a point's snapshots under our tag, of whatever directories they are.
    pub(in crate::components) async fn uncut(&self, point: PointId) -> Result<(), Trouble> {
        let (roots, name) = (self.snapshottable().await?, self.tagged_name(point));
        let mut pool = Pool::new(AT_ONCE);
        for root in &roots {
            let (path, name) = (format!("{}/.snapshot/{name}", root.trim_end_matches('/')), &name);
            pool.add(async move {
                match status_if_there(&self.web, &path).await.map_err(|error| error.about(self.object(root)))? {
                    Some(_) => self.drop_snapshot(root, name).await,
                    None => Ok(()),
                }
            })
            .await?;
        }
        pool.finish().await
    }

    /// Drops all snapshots under our tag of one directory, which then need not have any.
    pub(in crate::components) async fn clear_root(&self, root: &str) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(root));
        let tag = format!(".{}", self.tag);
        for name in list(&self.web, &format!("{}/.snapshot", root.trim_end_matches('/'))).await.map_err(about)? {
            if name.path_suffix.starts_with(PREFIX) && name.path_suffix.ends_with(&tag) {
                self.drop_snapshot(root, &name.path_suffix).await?;
            }
        }
        self.give_up(root).await
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

    /// The bytes of one piece of a file as it was then.
    pub(in crate::components) async fn read_cut(&self, cut: &Cut, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        self.read_piece(&cut.tree, &cut.path, entry, piece).await
    }

    /// Removes a tree that we keep as a secondary and that nobody has a use for: one that bears our mark, is closed by our fence and has no
    /// snapshot of its own left. Snapshots of a directory above it keep what they hold. Anything else stays; whether it went.
    pub(in crate::components) async fn remove_closed(&self, tree: &str) -> Result<bool, Trouble> {
        let about = |error: HdfsError| error.about(self.object(tree));
        self.check_set(tree)?;
        if status_if_there(&self.web, tree).await.map_err(about)?.is_none() {
            return Ok(false);
        }
        let root = look(&self.web, tree, RelPath::root()).await.map_err(about)?;
        let ours = root.own.contains_key(MARK_XATTR) && root.own.contains_key(FENCE_XATTR);
        if !ours
            || !self.is_closed(&root)
            || self.known_roots(&[tree.to_owned()]).await?.iter().any(|root| root.path == tree && root.snapshots > 0)
        {
            return Ok(false);
        }
        match self.web.boolean(Operation::delete("DELETE", tree).with("recursive", "true").heavy()).await {
            Ok(gone) => Ok(gone),
            // A directory inside has snapshots: somebody counts on it.
            Err(error) if error.is("SnapshotException") => Ok(false),
            Err(error) => Err(about(error)),
        }
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
