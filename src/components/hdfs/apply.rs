//! Brings a live tree from one point to the next, phase by phase; every step may be repeated after a crash.
//!
//! What moves waits in a parking directory *inside* the data set's root: HDFS then sees a rename within one snapshottable
//! tree, and a restore after a crash finds what is parked by the snapshot difference alone. The parking directory is gone
//! before anything is sealed. A step that finds its source gone asks whether its result is there, which tells "done
//! before the crash" from "not what the last point left".

use std::collections::BTreeSet;

use super::Hdfs;
use super::data::{staged, staging};
use super::error::HdfsError;
use super::listing::{AT_ONCE, full, list, walk};
use super::metadata::set_xattr;
use super::status::{FENCE_XATTR, FileKind, FileStatus, Found, MARK_XATTR, TrueRights, hex_of, look, status, status_if_there};
use super::webhdfs::Operation;
use crate::components::pool::Pool;
use crate::components::{PhaseJournal, Slot};
use crate::domain::backup::plan::{ApplyPlan, Attach, Detach};
use crate::domain::{Entry, Manifest, Node, PIECE_BYTES, PointId, RelPath, Trouble, TroubleKind, piece_count};

/// Sources of one CONCAT; a request's line has an end.
const CONCAT_AT_ONCE: u32 = 200;

/// One apply under way.
pub(super) struct Apply<'a> {
    pub(super) hdfs: &'a Hdfs,
    pub(super) set: &'a str,
    pub(super) point: PointId,
}

impl Hdfs {
    pub(in crate::components) async fn apply_plan(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        self.check_privileges(set, manifest.entries.values())?;
        let apply = Apply { hdfs: self, set, point };
        let done = journal.done()?;
        if done < 1 {
            self.prepare_target(set, manifest).await?;
            apply.detach(&plan.detach).await?;
            journal.advance(1)?;
        }
        if done < 2 {
            apply.attach(&plan.attach, manifest).await?;
            journal.advance(2)?;
        }
        if done < 3 {
            apply.place(&plan.place).await?;
            journal.advance(3)?;
        }
        if done < 4 {
            apply.metadata(&plan.metadata).await?;
            journal.advance(4)?;
        }
        Ok(())
    }

    /// Makes the root exist, ours, fenced, with its true rights (the manifest's) kept in its attribute.
    async fn prepare_target(&self, set: &str, manifest: &Manifest) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        self.make_root(set).await.map_err(about)?;
        // Of another component's trees it knows which directory is snapshotted.
        if self.tag.is_empty() {
            self.ready_root(set).await?;
        }
        let root = self.mark_ours(set).await?;
        if let Some(entry) = manifest.entries.get(&RelPath::root()) {
            let rights = serde_json::to_vec(&TrueRights::of(&entry.meta)).map_err(|e| self.refused(set, &e.to_string()))?;
            let known = root.own.contains_key(FENCE_XATTR);
            self.web.run(set_xattr(set, FENCE_XATTR, &hex_of(&rights), known)).await.map_err(about)?;
        }
        self.close_root(set, &root).await.map_err(about)
    }

    /// Marks a root as ours, which every target's must be: a run refuses to bring its data into a tree that is somebody else's.
    pub(super) async fn mark_ours(&self, set: &str) -> Result<Found, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let root = look(&self.web, set, RelPath::root()).await.map_err(about)?;
        if !root.own.contains_key(MARK_XATTR) {
            self.web.run(set_xattr(set, MARK_XATTR, &hex_of(b"1"), false)).await.map_err(about)?;
        }
        Ok(root)
    }
}

impl Apply<'_> {
    fn parking(&self) -> String {
        format!("{}/.understudy-parked-{}", self.set.trim_end_matches('/'), self.point)
    }

    fn about(&self, error: HdfsError) -> Trouble {
        error.about(self.hdfs.object(self.set))
    }

    fn unlike(&self, path: &str, what: &str) -> Trouble {
        Trouble::new(TroubleKind::Corrupt, self.hdfs.object(path), what)
            .next("the live tree is not what the last point left: restore it first")
    }

    async fn detach(&self, steps: &[Detach]) -> Result<(), Trouble> {
        let is_deletion = |step: &Detach| matches!(step, Detach::Delete { .. });
        if steps.iter().any(|step| !is_deletion(step)) {
            let make = Operation::put("MKDIRS", &self.parking()).with("permission", "700");
            self.hdfs.web.run(make).await.map_err(|error| self.about(error))?;
        }
        // The order matters between moves and deletions only.
        for wave in steps.chunk_by(|one, next| is_deletion(one) && is_deletion(next)) {
            let mut pool = Pool::new(AT_ONCE);
            for step in wave {
                pool.add(self.detach_one(step)).await?;
            }
            pool.finish().await?;
        }
        Ok(())
    }

    async fn detach_one(&self, step: &Detach) -> Result<(), Trouble> {
        match step {
            Detach::Park { from, slot } => {
                let to = format!("{}/{slot}", self.parking());
                self.step(&full(self.set, from), &to, "it is neither in its place nor parked").await
            }
            Detach::Delete { path } => self.delete(&full(self.set, path)).await,
        }
    }

    async fn delete(&self, path: &str) -> Result<(), Trouble> {
        let delete = Operation::delete("DELETE", path).with("recursive", "true").heavy();
        self.hdfs.web.boolean(delete).await.map(drop).map_err(|error| self.about(error))
    }

    async fn attach(&self, steps: &[Attach], manifest: &Manifest) -> Result<(), Trouble> {
        let is_directory = |step: &Attach| matches!(step, Attach::Directory(_));
        if steps.iter().any(|step| matches!(step, Attach::Directory(entry) if entry.path.is_root())) {
            self.remove_strangers(manifest).await?;
        }
        for wave in steps.chunk_by(|one, next| is_directory(one) && is_directory(next)) {
            let mut pool = Pool::new(AT_ONCE);
            for step in wave {
                pool.add(self.attach_one(step)).await?;
            }
            pool.finish().await?;
        }
        self.delete(&self.parking()).await
    }

    async fn attach_one(&self, step: &Attach) -> Result<(), Trouble> {
        match step {
            Attach::Directory(entry) => {
                let make = Operation::put("MKDIRS", &full(self.set, &entry.path)).with("permission", "700");
                self.hdfs.web.run(make).await.map_err(|error| self.about(error))
            }
            Attach::Unpark { slot, to } => {
                let from = format!("{}/{slot}", self.parking());
                self.step(&from, &full(self.set, to), "it is neither parked nor in its new place").await
            }
        }
    }

    /// Moves `from` to `to`, where nothing is; well when that was done before.
    async fn step(&self, from: &str, to: &str, neither: &str) -> Result<(), Trouble> {
        match self.hdfs.rename(from, to, false).await {
            Ok(()) => Ok(()),
            Err(error) if error.is_missing() || error.is("FileAlreadyExistsException") => {
                let source = status_if_there(&self.hdfs.web, from).await.map_err(|error| self.about(error))?;
                let target = status_if_there(&self.hdfs.web, to).await.map_err(|error| self.about(error))?;
                match (source, target) {
                    (None, Some(_)) => Ok(()),
                    (None, None) => Err(self.unlike(from, neither)),
                    (Some(_), _) => Err(self.unlike(to, &error.to_string())),
                }
            }
            Err(error) => Err(self.about(error)),
        }
    }

    /// Of a full copy over something of ours: whatever the manifest does not know goes. What went is returned.
    pub(super) async fn remove_strangers(&self, manifest: &Manifest) -> Result<Vec<RelPath>, Trouble> {
        let parking = self.parking();
        let there = walk(&self.hdfs.web, self.set, &RelPath::root(), &BTreeSet::new()).await.map_err(|error| self.about(error))?;
        let fits = |path: &RelPath, status: &FileStatus| {
            manifest.entries.get(path).is_some_and(|entry| match entry.node {
                Node::Directory => status.kind == FileKind::Directory,
                Node::File { .. } => status.kind == FileKind::File,
                Node::Link { .. } => status.kind == FileKind::Symlink,
            })
        };
        let strangers: Vec<RelPath> = there
            .into_iter()
            .filter(|(path, status)| !fits(path, status) && !full(self.set, path).starts_with(&parking))
            .map(|(path, _)| path)
            .collect();
        let mut pool = Pool::new(AT_ONCE);
        for path in &strangers {
            pool.add(async { self.delete(&full(self.set, path)).await }).await?;
        }
        pool.finish().await?;
        Ok(strangers)
    }

    async fn place(&self, files: &[(u32, Entry)]) -> Result<(), Trouble> {
        let mut pool = Pool::new(AT_ONCE);
        for (file, entry) in files {
            pool.add(self.place_one(*file, entry)).await?;
        }
        pool.finish().await
    }

    async fn place_one(&self, file: u32, entry: &Entry) -> Result<(), Trouble> {
        let to = full(self.set, &entry.path);
        if let Node::Link { target } = &entry.node {
            return self.place_link(&to, target).await;
        }
        let first = staged(self.hdfs.key(self.set), self.point, Slot { file, piece: 0 });
        match self.hdfs.join_pieces(self.set, self.point, file, entry).await {
            Ok(()) => self.hdfs.rename(&first, &to, true).await.map_err(|error| self.about(error)),
            // Only a rename takes a staged file away: it was placed before a crash.
            Err(error) if error.is_missing() => match status_if_there(&self.hdfs.web, &to).await.map_err(|error| self.about(error))? {
                Some(status) if status.length == entry.bytes() && status.kind == FileKind::File => Ok(()),
                _ => Err(self.unlike(&to, "its staged content is gone and it is not in place")),
            },
            Err(error) => Err(self.about(error)),
        }
    }

    /// A link is replaced: its text cannot be changed.
    async fn place_link(&self, to: &str, target: &str) -> Result<(), Trouble> {
        self.delete(to).await?;
        let make = Operation::put("CREATESYMLINK", to).with("destination", target).with("createParent", "true");
        self.hdfs.web.run(make).await.map_err(|error| self.about(error))
    }

    async fn metadata(&self, entries: &[Entry]) -> Result<(), Trouble> {
        // Nothing here moves another entry's times, so the order does not matter.
        let mut pool = Pool::new(AT_ONCE);
        for entry in entries {
            pool.add(self.hdfs.set_metadata(self.set, entry)).await?;
        }
        pool.finish().await
    }
}

impl Hdfs {
    /// Joins a file's pieces into its first. CONCAT is atomic, so the first piece's length says how many are joined.
    pub(in crate::components) async fn join_pieces(&self, set: &str, point: PointId, file: u32, entry: &Entry) -> Result<(), HdfsError> {
        let first = &staged(self.key(set), point, Slot { file, piece: 0 });
        let pieces = piece_count(entry.bytes());
        let length = status(&self.web, first).await?.length;
        if pieces == 1 || length == entry.bytes() {
            return Ok(());
        }
        let mut next = u32::try_from(length.div_ceil(PIECE_BYTES)).unwrap_or(u32::MAX).max(1);
        while next < pieces {
            let until = pieces.min(next.saturating_add(CONCAT_AT_ONCE));
            let sources: Vec<String> = (next..until).map(|piece| staged(self.key(set), point, Slot { file, piece })).collect();
            self.web.run(Operation::post("CONCAT", first).with("sources", sources.join(","))).await?;
            next = until;
        }
        Ok(())
    }

    /// Renames with a server's full answer; `overwrite` replaces a file in one atomic step.
    pub(in crate::components) async fn rename(&self, from: &str, to: &str, overwrite: bool) -> Result<(), HdfsError> {
        let options = if overwrite { "OVERWRITE" } else { "NONE" };
        self.web.run(Operation::put("RENAME", from).with("destination", to).with("renameoptions", options)).await
    }

    /// Drops a point's staging; well when there is none.
    pub(in crate::components) async fn drop_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let own = staging(self.key(set), point);
        self.web.boolean(Operation::delete("DELETE", &own).with("recursive", "true").heavy()).await.map_err(about)?;
        let Some((parent, _)) = own.rsplit_once('/') else { return Ok(()) };
        match list(&self.web, parent).await {
            Ok(left) if left.is_empty() => {
                // Another data set may stage there at this moment: HDFS then refuses, which is as well.
                match self.web.boolean(Operation::delete("DELETE", parent)).await {
                    Err(error) if !error.is_remote() => Err(about(error)),
                    _ => Ok(()),
                }
            }
            Ok(_) => Ok(()),
            Err(error) if error.is_missing() => Ok(()),
            Err(error) => Err(about(error)),
        }
    }
}
