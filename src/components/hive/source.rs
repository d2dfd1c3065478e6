//! Captures as the transfer reads them: kept in the store, told as changes, read piece by piece.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use super::Hive;
use super::capture::{ARMED_FOR, State};
use super::constraints::take_out;
use super::model::Metadata;
use super::names::SetName;
use super::paper::{self, DATA, METADATA, ORIGIN};
use super::places::Tree;
use super::rewrite::Origin;
use crate::components::ByteStream;
use crate::components::depot::{Captured, Seen, blocking};
use crate::components::hdfs::{Cut, Hdfs};
use crate::domain::backup::plan;
use crate::domain::{Change, ChangeSet, Entry, Manifest, Metadata as Labels, Node, PointId, RelPath, Trouble, TroubleKind};
use crate::protocol::OwnSnapshot;

/// Captures whose trees are remembered.
const REMEMBERED: usize = 16;

/// A capture's trees by id: where they are, and where in the snapshots.
pub type Cuts = BTreeMap<String, (Tree, Cut)>;

/// What a metadata file or one of our own directories has for labels: always the same.
fn labels(mode: u32) -> Labels {
    Labels { mode, ..Labels::default() }
}

fn directory(path: RelPath) -> Entry {
    Entry { path, node: Node::Directory, meta: labels(0o700) }
}

/// The tree's id and the path in it, of an entry below `data/`.
pub fn in_tree(path: &RelPath) -> Option<(String, RelPath)> {
    let below = path.as_str().strip_prefix(DATA)?.strip_prefix('/')?;
    let (id, rest) = below.split_once('/').unwrap_or((below, ""));
    Some((id.to_owned(), RelPath::new(rest).ok()?))
}

/// A tree's own place in the manifest.
pub fn tree_root(id: &str) -> Result<RelPath, Trouble> {
    RelPath::new(format!("{DATA}/{id}")).map_err(|e| Trouble::new(TroubleKind::Corrupt, "metadata", e))
}

/// A tree's changes as the data set's.
fn told_in(id: &str, changes: ChangeSet) -> Result<Vec<Change>, Trouble> {
    let root = tree_root(id)?;
    let moved = |path: RelPath| path.rebase(&RelPath::root(), &root).unwrap_or(path);
    let entry = |entry: Entry| Entry { path: moved(entry.path.clone()), ..entry };
    Ok(changes
        .changes
        .into_iter()
        .map(|change| match change {
            Change::Rename { from, to } => Change::Rename { from: moved(from), to: moved(to) },
            Change::Delete { path } => Change::Delete { path: moved(path) },
            Change::Put(one) => Change::Put(entry(one)),
            Change::Meta(one) => Change::Meta(entry(one)),
        })
        .collect())
}

impl Hive {
    pub(super) fn remember(&self, set: &SetName, state: State) {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).insert(set.to_string(), state);
    }

    /// What was read when the run was armed, unless that is long ago.
    pub(super) fn recall(&self, set: &SetName) -> Option<State> {
        let state = self.armed.lock().unwrap_or_else(PoisonError::into_inner).remove(&set.to_string());
        state.filter(|state| state.read.elapsed() < ARMED_FOR)
    }

    /// Keeps a capture's metadata in the store, durably.
    pub(super) async fn keep(&self, set: &SetName, point: PointId, mut metadata: Metadata, trees: Vec<Tree>) -> Result<(), Trouble> {
        take_out(&mut metadata, set);
        let origin = self.origin(set, &metadata, trees);
        let (depot, set) = (self.depot.clone(), set.to_string());
        blocking(move || {
            let mut captured = Captured::new();
            let mut note = |entry: Entry| drop(captured.insert(entry.path.clone(), Seen { entry, inode: 0, changed_ns: 0 }));
            {
                let _all = depot.objects.keep_all();
                note(directory(RelPath::root()));
                note(directory(tree_root("x")?.parent().unwrap_or_default()));
                for (path, content) in paper::write(&origin, &metadata)? {
                    let (digest, bytes) = depot.objects.put(&mut &content[..])?;
                    let mut above = path.parent();
                    while let Some(place) = above {
                        above = place.parent();
                        note(directory(place));
                    }
                    note(Entry { path, node: Node::File { bytes, digest: Some(digest) }, meta: labels(0o600) });
                }
                depot.keep_capture(&set, point, &captured)?;
            }
            depot.settle(&set, point)
        })
        .await
    }

    /// The entries of a captured or sealed point that are metadata, and the origin among them.
    async fn kept(&self, set: &SetName, point: PointId) -> Result<(Manifest, Origin), Trouble> {
        let (depot, name) = (self.depot.clone(), set.to_string());
        blocking(move || {
            let own = |path: &RelPath| path.is_root() || path.as_str() == DATA || path.as_str().starts_with(METADATA);
            let entries = depot.base(&name, point)?.into_values().map(|seen| seen.entry).filter(|entry| own(&entry.path));
            let manifest = Manifest::from_entries(entries);
            let origin = manifest.entries.values().find(|entry| entry.path.as_str() == ORIGIN);
            let Some(Entry { node: Node::File { digest: Some(digest), .. }, .. }) = origin else {
                return Err(Trouble::new(
                    TroubleKind::Corrupt,
                    depot.object(&name),
                    format!("point {point} does not say where it comes from"),
                ));
            };
            let content = depot.objects.open(digest)?;
            let origin = serde_json::from_reader(content)
                .map_err(|e| Trouble::new(TroubleKind::Corrupt, depot.object(&name), format!("point {point} is damaged: {e}")))?;
            Ok((manifest, origin))
        })
        .await
    }

    /// A point's metadata and trees, as they were captured here.
    pub(super) async fn as_captured(&self, set: &SetName, point: PointId) -> Result<(Metadata, Vec<Tree>), Trouble> {
        let (manifest, origin) = self.kept(set, point).await?;
        let metadata = self.written(&manifest).await?.1;
        Ok((metadata, origin.trees))
    }

    /// Where a captured or sealed point comes from.
    pub(super) async fn origin_of(&self, set: &SetName, point: PointId) -> Result<Origin, Trouble> {
        Ok(self.kept(set, point).await?.1)
    }

    /// Where a capture's trees are in the snapshots.
    async fn cuts(&self, set: &SetName, point: PointId) -> Result<Arc<Cuts>, Trouble> {
        let key = (set.to_string(), point);
        if let Some(known) = self.cuts.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let hdfs = self.hdfs_of(set);
        let mut cuts = Cuts::new();
        for tree in self.kept(set, point).await?.1.trees {
            let cut = self.held_cut(set, &hdfs, &tree, point).await?;
            cuts.insert(tree.id.clone(), (tree, cut));
        }
        let cuts = Arc::new(cuts);
        let mut known = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, cuts.clone());
        Ok(cuts)
    }

    async fn held_cut(&self, set: &SetName, hdfs: &Hdfs, tree: &Tree, point: PointId) -> Result<Cut, Trouble> {
        hdfs.find_cut(&tree.path, point).await?.ok_or_else(|| {
            let reason = format!("the snapshot of {} for point {point} is no longer held", tree.path);
            self.refused(set, &reason).next("make a full copy")
        })
    }

    pub(super) async fn changes_of(&self, set: &SetName, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        let name = set.to_string();
        if self.depot.capture(&name, point)?.is_none() {
            let reason = format!("it is not captured for point {point}");
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), reason).next("start a new run"));
        }
        let hdfs = self.hdfs_of(set);
        let (now, now_cuts) = (self.kept(set, point).await?.0, self.cuts(set, point).await?);
        let (before, old_trees) = match base {
            None => (Manifest::default(), Vec::new()),
            Some(base) => self.kept(set, base).await.map(|(before, origin)| (before, origin.trees))?,
        };
        let mut changes = plan::diff(&before, &now).changes;
        let mut known = BTreeSet::new();
        for tree in &old_trees {
            match (now_cuts.get(&tree.id), base) {
                (Some((_, cut)), Some(base)) => {
                    let old = self.held_cut(set, &hdfs, tree, base).await?;
                    changes.extend(told_in(&tree.id, hdfs.changed(&old, cut).await?)?);
                    known.insert(&tree.id);
                }
                // Its captures may have gone for a place above it.
                _ => changes.push(Change::Delete { path: tree_root(&tree.id)? }),
            }
        }
        for (id, (_, cut)) in now_cuts.iter().filter(|(id, _)| !known.contains(id)) {
            changes.extend(told_in(id, hdfs.all_of(cut).await?)?);
        }
        Ok(ChangeSet { changes })
    }

    pub(super) async fn read_entry(&self, set: &SetName, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        let Some((id, path)) = in_tree(&entry.path) else {
            let (depot, name, entry) = (self.depot.clone(), set.to_string(), entry.clone());
            return blocking(move || depot.read_object(&name, point, &entry, piece)).await;
        };
        let cuts = self.cuts(set, point).await?;
        let (_, cut) = cuts.get(&id).ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, format!("{}/{}", self.object(set), entry.path), format!("point {point} has no such tree"))
        })?;
        self.hdfs_of(set).read_cut(cut, &Entry { path, ..entry.clone() }, piece).await
    }

    /// Points of ours: the metadata is here, and so are the snapshots of all its trees, or one of the two was left over.
    pub(super) async fn held_points(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        let depot = self.depot.clone();
        let (sets, kept) = blocking(move || Ok((depot.sets()?, depot.snapshots()?))).await?;
        let cut: BTreeSet<(String, PointId)> = self.hdfs.tagged_cuts().await?;
        let mut own = Vec::new();
        for one in kept {
            let is_cut = cut.contains(&(self.tag(&one.path), one.point));
            if is_cut || self.kept(&self.set(&one.path)?, one.point).await.is_ok_and(|(_, origin)| origin.trees.is_empty()) {
                own.push(one);
            }
        }
        for path in sets {
            let tag = self.tag(&path);
            for (_, point) in cut.iter().filter(|(known, _)| *known == tag) {
                let one = OwnSnapshot { component: self.name.clone(), path: path.clone(), point: *point };
                if !own.contains(&one) {
                    own.push(one);
                }
            }
        }
        Ok(own)
    }

    pub(super) async fn release_point(&self, set: &SetName, point: PointId) -> Result<(), Trouble> {
        let name = set.to_string();
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner).remove(&(name.clone(), point));
        let hdfs = self.hdfs_of(set);
        let orphans = self.orphans(set, point).await?;
        hdfs.uncut(point).await?;
        hdfs.drop_staging(&name, point).await?;
        self.drop_orphans(set, orphans).await?;
        let depot = self.depot.clone();
        blocking(move || depot.release(&name, point)).await
    }
}
