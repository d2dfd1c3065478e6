//! Drift: where a live data set is not what its last sealed point left, and what may be a first target.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Hdfs;
use super::changes::same_bytes;
use super::diff::{Moves, content_is_open};
use super::error::HdfsError;
use super::listing::{AT_ONCE, full, list, walk_whole};
use super::roots::{Cut, is_inside};
use super::status::{MARK_XATTR, look, same_metadata, status_if_there};
use crate::domain::{Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, piece_count, piece_range};

/// Lines of a drift report.
const DRIFT_LINES: usize = 20;
/// How the live tree differs from a sealed point.
pub(super) struct Drift {
    pub(super) moves: Moves,
    /// Old path, and whether the content (not only the metadata) is other.
    wrong: Vec<(RelPath, bool)>,
}

impl Drift {
    pub(super) fn is_none(&self) -> bool {
        self.moves.is_empty() && self.wrong.is_empty()
    }

    /// The wrong entries, and every directory the report names: putting things back moves its time.
    pub(super) fn wrong_with_directories(&self, manifest: &Manifest) -> Vec<(RelPath, bool)> {
        let is_directory = |path: &RelPath| manifest.entries.get(path).is_some_and(|entry| entry.node == Node::Directory);
        let named = self.moves.questions().modified.into_iter().map(|(old, _)| old).filter(is_directory);
        let mut all: BTreeMap<RelPath, bool> = named.map(|path| (path, false)).collect();
        all.extend(self.wrong.iter().cloned());
        all.into_iter().collect()
    }

    pub(super) fn lines(&self) -> Vec<String> {
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
pub(super) fn below<'a>(manifest: &'a Manifest, path: &RelPath) -> Vec<&'a Entry> {
    let near = manifest.entries.range(path.clone()..).take_while(|(name, _)| name.as_str().starts_with(path.as_str()));
    near.map(|(_, entry)| entry).filter(|entry| entry.path.is_under(path)).collect()
}

impl Hdfs {
    pub(in crate::components) async fn drift_of(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        match expected {
            None => self.first_target(set).await,
            Some((point, manifest)) => {
                let there = status_if_there(&self.web, set).await.map_err(|error| error.about(self.object(set)))?;
                match self.find_cut(set, point).await? {
                    None => Ok(vec![format!("its sealed snapshot of point {point} is gone")]),
                    Some(_) if !there.is_some_and(|status| status.is_directory()) => Ok(vec!["its directory is gone".to_owned()]),
                    Some(cut) => Ok(self.compare(&cut, manifest).await?.lines()),
                }
            }
        }
    }

    /// A first target must be absent, empty or ours.
    pub(in crate::components) async fn first_target(&self, set: &str) -> Result<Vec<String>, Trouble> {
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

    /// The same around directories that are ours: what leads to one of them is as well.
    pub(in crate::components) async fn first_target_around(&self, set: &str, own: &BTreeSet<String>) -> Result<(), Trouble> {
        let inside: Vec<&String> = own.iter().filter(|own| *own != set && is_inside(own, set)).collect();
        if inside.is_empty() {
            return self.first_target(set).await.map(drop);
        }
        let mut open = vec![set.to_owned()];
        while let Some(directory) = open.pop() {
            for found in list(&self.web, &directory).await.map_err(|error| error.about(self.object(set)))? {
                let path = format!("{}/{}", directory.trim_end_matches('/'), found.path_suffix);
                if inside.iter().any(|own| **own == path) {
                    continue;
                }
                if !inside.iter().any(|own| is_inside(own, &path)) {
                    let reason = format!("{path}, which is not ours, would be in it");
                    return Err(self.refused(set, &reason).next("choose an empty target, or move it away"));
                }
                open.push(path);
            }
        }
        Ok(())
    }

    /// Holds the live tree against a sealed point; the manifest's metadata (with adjusted user data) is what counts.
    pub(super) async fn compare(&self, cut: &Cut, manifest: &Manifest) -> Result<Drift, Trouble> {
        let (set, sealed) = (&cut.tree, &cut.path);
        let about = |error: HdfsError| error.about(self.object(set));
        let mut moves = self.moves(cut, None).await.map_err(about)?;
        let arrived = moves.questions().arrived;
        for old in moves.replaced() {
            let now = moves.new_at(&old);
            if self.same_subtree(set, sealed, &old, &now, &arrived, manifest).await? {
                moves.forget_replaced(&old);
            }
        }
        let modified = stream::iter(moves.questions().modified);
        let wrong: Vec<Option<(RelPath, bool)>> =
            modified.map(|(old, now)| self.is_wrong(set, sealed, old, now, manifest)).buffered(AT_ONCE).try_collect().await?;
        Ok(Drift { moves, wrong: wrong.into_iter().flatten().collect() })
    }

    /// Whether an entry that a difference report calls modified is not what the manifest says, and whether in its content.
    async fn is_wrong(
        &self,
        set: &str,
        sealed: &str,
        old: RelPath,
        now: RelPath,
        manifest: &Manifest,
    ) -> Result<Option<(RelPath, bool)>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let want = manifest.entries.get(&old);
        let live_path = full(set, &now);
        let live = look(&self.web, &live_path, now).await.map_err(about)?.entry;
        let Some(want) = want else { return Ok(Some((old, true))) };
        let content = match (&want.node, &live.node) {
            (Node::File { .. }, Node::File { .. }) if content_is_open(want, &live) => {
                // Of what was open for writing when it was captured here, our own snapshot may tell less than the point holds, once a
                // NameNode was started anew.
                let same = same_bytes(&self.web, &full(sealed, &old), &live_path).await.map_err(about)?;
                !same && !self.has_digest(&live_path, want).await?
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

    /// Whether what is at `now` is equal to what was sealed at `old`. A restore puts back equal content under new inodes, which
    /// a difference report calls new.
    async fn same_subtree(
        &self,
        set: &str,
        sealed: &str,
        old: &RelPath,
        now: &RelPath,
        arrived: &BTreeSet<RelPath>,
        manifest: &Manifest,
    ) -> Result<bool, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let live = walk_whole(&self.web, set, now, arrived).await.map_err(about)?;
        let want = below(manifest, old);
        if live.len() != want.len() {
            return Ok(false);
        }
        for found in live {
            let place = found.entry.path.rebase(now, old).and_then(|path| manifest.entries.get(&path));
            let Some(want) = place else { return Ok(false) };
            let kind = std::mem::discriminant(&want.node) == std::mem::discriminant(&found.entry.node);
            if !kind || want.bytes() != found.entry.bytes() || !same_metadata(&want.meta, &found.entry.meta) {
                return Ok(false);
            }
            let (was, is) = (full(sealed, &want.path), full(set, &found.entry.path));
            if want.bytes() > 0 && !same_bytes(&self.web, &was, &is).await.map_err(about)? && !self.has_digest(&is, want).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a live file's bytes have the manifest's digest: HDFS's own checksums depend on where blocks end.
    async fn has_digest(&self, path: &str, want: &Entry) -> Result<bool, Trouble> {
        let Node::File { bytes, digest: Some(digest) } = want.node else { return Ok(false) };
        let mut pieces = Vec::new();
        for piece in 0..piece_count(bytes) {
            let (offset, length) = piece_range(bytes, piece);
            let mut stream = self.read_range(self.object(path), path, offset, length).await?;
            let mut hasher = blake3::Hasher::new();
            while let Some(chunk) = stream.next().await {
                hasher.update(&chunk?);
            }
            pieces.push(Digest(*hasher.finalize().as_bytes()));
        }
        Ok(Digest::of_pieces(&pieces) == digest)
    }
}
