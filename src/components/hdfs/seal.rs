//! Sealed points: the secondary's own snapshots, what has drifted from one since, and the way back to one.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Hdfs;
use super::capture::{snapshot_name, snapshot_path};
use super::changes::{report, same_bytes};
use super::data::staged;
use super::diff::{Moves, back, content_is_open};
use super::error::HdfsError;
use super::listing::{AT_ONCE, full, list, walk};
use super::pool::Pool;
use super::status::{MARK_XATTR, look, same_metadata, status_if_there};
use super::webhdfs::Operation;
use crate::components::{PhaseJournal, Slot};
use crate::domain::backup::plan::plan_apply;
use crate::domain::{Change, ChangeSet, Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind, piece_count};

/// Lines of a drift report.
const DRIFT_LINES: usize = 20;
/// Files copied back at once in a restore.
const RESTORED_AT_ONCE: usize = 32;

/// How the live tree differs from a sealed point.
struct Drift {
    moves: Moves,
    /// Old path, and whether the content (not only the metadata) is other.
    wrong: Vec<(RelPath, bool)>,
}

impl Drift {
    fn is_none(&self) -> bool {
        self.moves.is_empty() && self.wrong.is_empty()
    }

    /// The wrong entries, and every directory the report names: putting things back moves its time.
    fn wrong_with_directories(&self, manifest: &Manifest) -> Vec<(RelPath, bool)> {
        let is_directory = |path: &RelPath| manifest.entries.get(path).is_some_and(|entry| entry.node == Node::Directory);
        let named = self.moves.questions().modified.into_iter().map(|(old, _)| old).filter(is_directory);
        let mut all: BTreeMap<RelPath, bool> = named.map(|path| (path, false)).collect();
        all.extend(self.wrong.iter().cloned());
        all.into_iter().collect()
    }

    fn lines(&self) -> Vec<String> {
        let renames = self.moves.renames().map(|(from, to)| format!("{from} was moved to {to}"));
        let created = self.moves.creations().map(|path| format!("{path} is new"));
        let deleted = self.moves.deletions().map(|path| format!("{path} is gone"));
        let name = |path: &RelPath| if path.is_root() { "the root".to_owned() } else { path.to_string() };
        let wrong =
            self.wrong.iter().map(|(path, content)| format!("{} has other {}", name(path), if *content { "content" } else { "metadata" }));
        renames.chain(created).chain(deleted).chain(wrong).take(DRIFT_LINES).collect()
    }
}

/// The entries at and below a path. All of them start with its text, so they lie close together.
fn below<'a>(manifest: &'a Manifest, path: &RelPath) -> Vec<&'a Entry> {
    let near = manifest.entries.range(path.clone()..).take_while(|(name, _)| name.as_str().starts_with(path.as_str()));
    near.map(|(_, entry)| entry).filter(|entry| entry.path.is_under(path)).collect()
}

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
        let about = |error: HdfsError| error.about(self.object(set));
        if !self.has_snapshot(set, point).await? {
            self.check_tree(set, manifest).await?;
            self.allow_snapshots(set).await?;
            let cut = Operation::put("CREATESNAPSHOT", set).with("snapshotname", snapshot_name(point));
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

    pub(super) async fn drift_of(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        match expected {
            None => self.first_target(set).await,
            Some((point, _)) if !self.has_snapshot(set, point).await? => Ok(vec![format!("its sealed snapshot of point {point} is gone")]),
            Some((point, manifest)) => Ok(self.compare(set, point, manifest).await?.lines()),
        }
    }

    /// A first target must be absent, empty or ours.
    async fn first_target(&self, set: &str) -> Result<Vec<String>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let Some(root) = status_if_there(&self.web, set).await.map_err(about)? else { return Ok(Vec::new()) };
        if root.enc_bit {
            return Err(self.refused(set, "it lies in an encryption zone, into which staged files cannot be moved"));
        }
        if !root.is_directory() {
            return Err(self.refused(set, "it is a file that is not ours").next("choose another target"));
        }
        if look(&self.web, set, RelPath::root()).await.map_err(about)?.own.contains_key(MARK_XATTR) {
            return Ok(Vec::new());
        }
        let inside = list(&self.web, set).await.map_err(about)?;
        if inside.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<&str> = inside.iter().take(5).map(|status| status.path_suffix.as_str()).collect();
        Err(self
            .refused(set, &format!("it holds {} entries that are not ours: {}", inside.len(), names.join(", ")))
            .next("choose an empty target, or move these away"))
    }

    /// Holds the live tree against a sealed point; the manifest's metadata (with adjusted user data) is what counts.
    async fn compare(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<Drift, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let moves = Moves::new(report(&self.web, set, &snapshot_name(point), "").await.map_err(about)?);
        let sealed = snapshot_path(set, point);
        let wrong: Vec<Option<(RelPath, bool)>> = stream::iter(moves.questions().modified)
            .map(|(old, now)| {
                let sealed = &sealed;
                async move {
                    let want = manifest.entries.get(&old);
                    let live_path = full(set, &now);
                    let live = look(&self.web, &live_path, now).await?.entry;
                    let Some(want) = want else { return Ok(Some((old, true))) };
                    let content = match (&want.node, &live.node) {
                        (Node::File { .. }, Node::File { .. }) if content_is_open(want, &live) => {
                            !same_bytes(&self.web, &full(sealed, &old), &live_path).await?
                        }
                        _ => want.bytes() != live.bytes(),
                    };
                    let mut meta = live.meta;
                    if old.is_root() {
                        // Snapshots move the root's time.
                        meta.modified_ns = want.meta.modified_ns;
                    }
                    Ok((content || !same_metadata(&meta, &want.meta)).then_some((old, content)))
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
            .map_err(about)?;
        Ok(Drift { moves, wrong: wrong.into_iter().flatten().collect() })
    }

    pub(super) async fn restore_set(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        if !self.has_snapshot(set, point).await? {
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), format!("its sealed snapshot of point {point} is not here")));
        }
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
        let root = snapshot_path(set, point);
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
            digests.push(self.write_piece(&staged(set, point, Slot { file, piece }), entry, bytes).await?);
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
