//! The secondary's side: the trees by HDFS's own apply, then the metadata, until the metastore equals the manifest.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;

use super::Hive;
use super::dump::Depth;
use super::model::{FENCE, MARK, Metadata};
use super::names::SetName;
use super::notes::{HiveNote, HiveRefusal};
use super::paper::{self, METADATA, ORIGIN};
use super::places::{Tree, database_path, is_inside};
use super::plan::steps;
use super::rewrite::{Origin, Rewrite, Target};
use super::roots::Roots;
use super::source::{in_tree, tree_root};
use super::told::drops_here;
use crate::components::depot::blocking;
use crate::components::hdfs::meet;
use crate::components::{ByteStream, PhaseJournal, Slot};
use crate::domain::backup::plan::{ApplyPlan, Attach, Detach};
use crate::domain::{Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind};

/// Lines of a drift report.
const DRIFT_LINES: usize = 20;
/// Phases of one tree's apply.
const TREE_PHASES: u32 = 4;
/// The longest text that says where a data set comes from.
pub const ORIGIN_BYTES: usize = 16 << 20;

/// A recovery point as it is to be here.
pub struct Wanted {
    /// The metadata, all names and places this cluster's.
    pub metadata: Metadata,
    /// The trees, in the order of their ids: the manifest's root of each, and the place here.
    pub trees: Vec<(RelPath, String)>,
}

/// One tree's part of the whole journal.
struct Part<'a> {
    whole: &'a dyn PhaseJournal,
    before: u32,
}

impl PhaseJournal for Part<'_> {
    fn done(&self) -> Result<u32, Trouble> {
        Ok(self.whole.done()?.saturating_sub(self.before))
    }

    fn advance(&self, count: u32) -> Result<(), Trouble> {
        self.whole.advance(self.before + count)
    }
}

/// A tree's part of a manifest, as a manifest of its own.
pub fn manifest_in(manifest: &Manifest, root: &RelPath) -> Manifest {
    Manifest::from_entries(manifest.entries.values().filter_map(|entry| entry_in(entry, root)))
}

fn entry_in(entry: &Entry, root: &RelPath) -> Option<Entry> {
    Some(Entry { path: entry.path.rebase(root, &RelPath::root())?, ..entry.clone() })
}

/// A tree's part of a plan. The tree's own deletion is left out: it comes again at once, and what is old in it goes then.
fn plan_in(plan: &ApplyPlan, root: &RelPath) -> ApplyPlan {
    let inside = |path: &RelPath| path.rebase(root, &RelPath::root());
    let detach = plan.detach.iter().filter_map(|step| match step {
        Detach::Park { from, slot } => Some(Detach::Park { from: inside(from)?, slot: *slot }),
        Detach::Delete { path } => Some(Detach::Delete { path: inside(path).filter(|path| !path.is_root())? }),
    });
    let attach = plan.attach.iter().filter_map(|step| match step {
        Attach::Directory(entry) => Some(Attach::Directory(entry_in(entry, root)?)),
        Attach::Unpark { slot, to } => Some(Attach::Unpark { slot: *slot, to: inside(to)? }),
    });
    ApplyPlan {
        detach: detach.collect(),
        attach: attach.collect(),
        place: plan.place.iter().filter_map(|(file, entry)| Some((*file, entry_in(entry, root)?))).collect(),
        metadata: plan.metadata.iter().filter_map(|entry| entry_in(entry, root)).collect(),
    }
}

fn is_metadata(path: &RelPath) -> bool {
    path.as_str().starts_with(METADATA) && in_tree(path).is_none()
}

impl Hive {
    /// What we put on what is ours.
    pub(super) fn marks(&self, set: &SetName) -> BTreeMap<String, String> {
        let fence = "a secondary of Understudy: closed until it is promoted".to_owned();
        BTreeMap::from([(MARK.to_owned(), set.to_string()), (FENCE.to_owned(), fence)])
    }

    pub(super) fn rewrite(&self, set: &SetName, origin: &Origin) -> Result<Rewrite, Trouble> {
        let target = Target { set: set.clone(), fs: self.fs.clone(), warehouse: self.warehouse.clone() };
        Rewrite::new(origin, &target).map_err(|reason| {
            Trouble::new(TroubleKind::Invalid, self.object(set), reason).next("name a fitting target: { from = …, to = … }")
        })
    }

    /// The trees' places here. Two of them in one another cannot be kept apart.
    pub(super) fn placed(&self, set: &SetName, origin: &Origin) -> Result<Vec<(RelPath, String)>, Trouble> {
        let rewrite = self.rewrite(set, origin)?;
        let trees: Vec<(RelPath, String)> =
            origin.trees.iter().map(|Tree { id, path }| Ok((tree_root(id)?, rewrite.path(path)))).collect::<Result<_, Trouble>>()?;
        for (at, (_, one)) in trees.iter().enumerate() {
            self.hdfs.check_set(one)?;
            if let Some((_, other)) =
                trees.iter().enumerate().find(|(n, (_, other))| *n != at && is_inside(other, one)).map(|(_, tree)| tree)
            {
                let reason = format!("its data would be at {one} and, inside it, at {other}");
                return Err(Trouble::new(TroubleKind::Refused, self.object(set), reason).next("choose another target"));
            }
        }
        Ok(trees)
    }

    /// What the files of a manifest's metadata say.
    pub(super) async fn written(&self, manifest: &Manifest) -> Result<(Origin, Metadata), Trouble> {
        let files: BTreeMap<RelPath, Digest> = manifest
            .entries
            .values()
            .filter(|entry| is_metadata(&entry.path))
            .filter_map(
                |entry| if let Node::File { digest: Some(digest), .. } = entry.node { Some((entry.path.clone(), digest)) } else { None },
            )
            .collect();
        let objects = self.depot.objects.clone();
        blocking(move || {
            paper::read(files.keys(), |path| {
                let mut content = Vec::new();
                let digest = files.get(path).copied().unwrap_or(Digest([0; 32]));
                std::io::Read::read_to_end(&mut objects.open(&digest)?, &mut content)
                    .map_err(|e| Trouble::new(TroubleKind::Failed, path, format!("it cannot be read: {e}")))?;
                // What was damaged on the disk must not become a metastore.
                if Digest::of_bytes(&content) != digest {
                    return Err(Trouble::new(TroubleKind::Corrupt, path, "its content is not what was sealed").next("run a full copy"));
                }
                Ok(content)
            })
        })
        .await
    }

    /// What a manifest's metadata says, as it is to be here.
    pub(super) async fn wanted(&self, set: &SetName, manifest: &Manifest) -> Result<Wanted, Trouble> {
        let (origin, metadata) = self.written(manifest).await?;
        let mut metadata = self.rewrite(set, &origin)?.metadata(&metadata);
        metadata.marks = self.marks(set);
        Ok(Wanted { metadata, trees: self.placed(set, &origin)? })
    }

    /// Stages one piece. Where the data set comes from is looked at on its way: a place here that is somebody else's is refused before
    /// anything is committed.
    pub(super) async fn stage_piece(
        &self,
        set: &SetName,
        point: PointId,
        slot: Slot,
        entry: &Entry,
        mut bytes: ByteStream,
    ) -> Result<Digest, Trouble> {
        let name = set.to_string();
        if in_tree(&entry.path).is_some() {
            return self.hdfs_of(set).stage_tagged(point, slot, entry, bytes).await;
        }
        if entry.path.as_str() == ORIGIN {
            let mut content = Vec::new();
            while let Some(chunk) = bytes.next().await {
                content.extend_from_slice(&chunk?);
                if content.len() > ORIGIN_BYTES {
                    return Err(Trouble::new(TroubleKind::Exhausted, self.object(set), "it has too many locations"));
                }
            }
            self.check_places(set, &content).await?;
            self.admit_places(set, point, &content).await?;
            let content = bytes::Bytes::from(content);
            return self.depot.stage(&name, point, slot, entry, Box::pin(futures_util::stream::iter([Ok(content)]))).await;
        }
        self.depot.stage(&name, point, slot, entry, bytes).await
    }

    /// Where the newest sealed point before this one has its data here, or the newest of all: what is there was held against the point when
    /// the run was armed.
    pub(super) async fn sealed_places(&self, set: &SetName, before: Option<PointId>) -> Result<BTreeSet<String>, Trouble> {
        let (depot, name) = (self.depot.clone(), set.to_string());
        match blocking(move || depot.newest_sealed_before(&name, before)).await? {
            None => Ok(BTreeSet::new()),
            Some((_, manifest)) => Ok(self.wanted(set, &manifest).await?.trees.into_iter().map(|(_, place)| place).collect()),
        }
    }

    /// The places that a point will have here: free or ours, and in directories that can be snapshotted.
    async fn check_places(&self, set: &SetName, origin: &[u8]) -> Result<(), Trouble> {
        let origin: Origin = serde_json::from_slice(origin).map_err(|e| {
            Trouble::new(TroubleKind::Corrupt, self.object(set), format!("the primary does not say where its data comes from: {e}"))
        })?;
        let hdfs = self.hdfs_of(set);
        let own = self.sealed_places(set, None).await?;
        let database = self.rewrite(set, &origin)?.path(&origin.database);
        let mut places = Vec::new();
        for (_, place) in self.placed(set, &origin)? {
            // What is in a place of ours is ours.
            if !own.iter().any(|own| is_inside(&place, own)) {
                hdfs.first_target_around(&place, &own).await?;
            }
            places.push(Tree::at(&place));
        }
        let roots = self.roots_of(set, &places, Some(&database), false).await?;
        match roots.blocked.into_iter().next() {
            Some((place, root)) => Err(HiveRefusal::SnapshotsInside { place, root }.trouble(self.object(set))),
            None => Ok(()),
        }
    }

    /// Lets go of places that a sealed point has in or around what are trees now. What is new is closed first.
    async fn open_nested(&self, set: &SetName, known: BTreeSet<String>, now: &[(RelPath, String)]) -> Result<(), Trouble> {
        let hdfs = self.hdfs_of(set);
        for old in known.into_iter().filter(|old| now.iter().all(|(_, place)| place != old)) {
            let nested: Vec<&String> = now.iter().map(|(_, place)| place).filter(|place| meet(place, &old)).collect();
            if nested.is_empty() || !hdfs.is_directory(&old).await? {
                continue;
            }
            for place in nested {
                hdfs.fence_set(place).await?;
            }
            hdfs.unfence_set(&old, None).await?;
        }
        Ok(())
    }

    pub(super) async fn apply_point(
        &self,
        set: &SetName,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        let placed: Vec<(u32, Entry)> = plan.place.iter().filter(|(_, entry)| is_metadata(&entry.path)).cloned().collect();
        let (depot, name, named) = (self.depot.clone(), set.to_string(), manifest.clone());
        // Named first, so that the content stays whatever is collected before this succeeds.
        let taken = move || depot.keep_sealed(&name, point, &named).and_then(|()| depot.take_staged(&name, point, &placed));
        blocking(taken).await?;
        let wanted = self.wanted(set, manifest).await?;
        let hdfs = self.hdfs_of(set);
        self.open_nested(set, self.sealed_places(set, Some(point)).await?, &wanted.trees).await?;
        let mut before = 0;
        for (root, place) in &wanted.trees {
            let part = Part { whole: journal, before };
            hdfs.apply_plan(place, point, &plan_in(plan, root), &manifest_in(manifest, root), &part).await?;
            before += TREE_PHASES;
        }
        if journal.done()? <= before {
            self.bring_metadata(set, point, manifest, wanted).await?;
            journal.advance(before + 1)?;
        }
        Ok(())
    }

    /// The metadata, and the trees freed of directories that the metastore made on the way.
    async fn bring_metadata(&self, set: &SetName, point: PointId, manifest: &Manifest, wanted: Wanted) -> Result<(), Trouble> {
        let hdfs = self.hdfs_of(set);
        self.metastore.bring_to(&self.object(set), set, wanted.metadata).await?;
        for (root, place) in &wanted.trees {
            hdfs.tidy(place, point, &manifest_in(manifest, root)).await?;
        }
        Ok(())
    }

    /// Which directories are snapshotted for a point here.
    async fn roots_here(&self, set: &SetName, wanted: &Wanted) -> Result<Roots, Trouble> {
        let places: Vec<Tree> = wanted.trees.iter().map(|(_, place)| Tree::at(place)).collect();
        self.roots_of(set, &places, database_path(&wanted.metadata, &self.fs).as_deref(), false).await
    }

    /// Of the newest sealed point: which tables a DROP would leave files of here.
    pub(super) async fn drops_here(&self, set: &SetName) -> Result<Vec<HiveNote>, Trouble> {
        let (depot, name) = (self.depot.clone(), set.to_string());
        let Some((_, manifest)) = blocking(move || depot.newest_sealed(&name)).await? else { return Ok(Vec::new()) };
        let wanted = self.wanted(set, &manifest).await?;
        let roots = self.roots_here(set, &wanted).await?;
        Ok(drops_here(&wanted.metadata, &self.fs, &roots))
    }

    pub(super) async fn seal_point(&self, set: &SetName, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let hdfs = self.hdfs_of(set);
        let wanted = self.wanted(set, manifest).await?;
        let roots = self.roots_here(set, &wanted).await?;
        self.make_way(set, &roots).await?;
        let trees: Vec<(String, Manifest)> = wanted.trees.into_iter().map(|(root, place)| (place, manifest_in(manifest, &root))).collect();
        hdfs.seal_trees(&trees, &roots.of, point).await?;
        hdfs.drop_staging(&set.to_string(), point).await?;
        let (depot, name, manifest) = (self.depot.clone(), set.to_string(), manifest.clone());
        blocking(move || {
            depot.keep_sealed(&name, point, &manifest)?;
            depot.drop_staging(&name, point)?;
            let held = manifest.entries.values().filter(|entry| is_metadata(&entry.path)).filter_map(|entry| match &entry.node {
                Node::File { digest, .. } => digest.as_ref(),
                _ => None,
            });
            depot.objects.unpin(held)
        })
        .await
    }

    pub(super) async fn discard_point(&self, set: &SetName, point: PointId) -> Result<(), Trouble> {
        let name = set.to_string();
        self.hdfs_of(set).drop_staging(&name, point).await?;
        let depot = self.depot.clone();
        blocking(move || depot.drop_staging(&name, point)).await
    }

    pub(super) async fn restore_point(&self, set: &SetName, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let hdfs = self.hdfs_of(set);
        let wanted = self.wanted(set, manifest).await?;
        self.open_nested(set, self.ever_sealed(set).await?, &wanted.trees).await?;
        for (root, place) in &wanted.trees {
            hdfs.restore_set(place, point, &manifest_in(manifest, root)).await?;
        }
        self.bring_metadata(set, point, manifest, wanted).await
    }

    pub(super) async fn drift_of(&self, set: &SetName, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        let hdfs = self.hdfs_of(set);
        let Some((point, manifest)) = expected else {
            let live = self.metastore.dump(&self.object(set), set, Depth::Places).await?;
            self.refuse_foreign(set, &live)?;
            for place in self.live_places(set, &live)? {
                hdfs.first_target(&place).await?;
            }
            return Ok(Vec::new());
        };
        let wanted = self.wanted(set, manifest).await?;
        let mut lines = Vec::new();
        for (root, place) in &wanted.trees {
            let told = hdfs.drift_of(place, Some((point, &manifest_in(manifest, root)))).await?;
            lines.extend(told.into_iter().map(|line| format!("{place}: {line}")));
        }
        let live = self.metastore.dump(&self.object(set), set, Depth::All).await?;
        // Whether it is fenced is told by the fence.
        let metadata = Metadata { marks: live.marks.clone(), ..wanted.metadata };
        lines.extend(steps(&live, &metadata, set.table.is_none()).iter().map(ToString::to_string));
        lines.truncate(DRIFT_LINES);
        Ok(lines)
    }

    /// A first target must be absent or ours.
    fn refuse_foreign(&self, set: &SetName, live: &Metadata) -> Result<(), Trouble> {
        let there = match &set.table {
            None => live.database.is_some(),
            Some(table) => live.tables.contains_key(table),
        };
        if there && !live.marks.contains_key(MARK) {
            let reason = "it is in the metastore already and is not ours";
            return Err(self.refused(set, reason).next("choose another target, or drop it there"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("a good path")
    }

    fn file(at: &str) -> Entry {
        Entry { path: path(at), node: Node::File { bytes: 1, digest: None }, meta: crate::domain::Metadata::default() }
    }

    #[test]
    fn each_tree_gets_its_own_part_of_a_plan() {
        let plan = ApplyPlan {
            detach: vec![
                Detach::Delete { path: path("data/a") },
                Detach::Delete { path: path("data/a/x") },
                Detach::Delete { path: path("data/ab/x") },
                Detach::Park { from: path("data/a/y"), slot: 3 },
            ],
            attach: vec![Attach::Unpark { slot: 3, to: path("data/a/z") }],
            place: vec![(7, file("data/a/f")), (8, file("metadata/database")), (9, file("data/b/f"))],
            metadata: vec![file("data/b/f"), file("data/a/f")],
        };
        let part = plan_in(&plan, &path("data/a"));
        assert_eq!(part.detach, [Detach::Delete { path: path("x") }, Detach::Park { from: path("y"), slot: 3 }]);
        assert_eq!(part.attach, [Attach::Unpark { slot: 3, to: path("z") }]);
        assert_eq!(part.place, [(7, file("f"))]);
        assert_eq!(part.metadata, [file("f")]);
        assert!(is_metadata(&path("metadata/tables/t")) && !is_metadata(&path("data/metadata")) && !is_metadata(&path("data/a/metadata")));
    }
}
