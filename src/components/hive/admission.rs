//! What the target's HDFS says of a Hive data set's trees before its first byte: every tree is asked as HDFS asks for a directory of its own.
//!
//! ```text
//! policy, run → where the newest point lies, or the first would
//! plan        → the trees of the plan, where the content of `origin.json` is known here: their need, added up quota by quota
//! origin.json arrives, and once more right before the commit → the same for every tree
//! ```
//! Where a tree comes from and goes is told by `origin.json` alone, which is among the first pieces of a plan.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::PoisonError;

use async_trait::async_trait;
use futures_util::StreamExt;

use super::Hive;
use super::dump::Depth;
use super::names::SetName;
use super::paper::{DATA, ORIGIN};
use super::rewrite::Origin;
use super::source::in_tree;
use super::target::{ORIGIN_BYTES, manifest_in};
use crate::components::Slot;
use crate::components::admission::{Admission, Occasion, Time};
use crate::components::depot::blocking;
use crate::components::hdfs::{Kept, Need, Place};
use crate::domain::admission::Said;
use crate::domain::{Change, ChangeSet, Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind};

/// Plans whose places are not known yet.
const AWAITED: usize = 16;

/// What a plan asks of each tree, by the tree's id.
pub type Needs = BTreeMap<String, Need>;

fn needs(changes: &ChangeSet, after: &Manifest) -> Needs {
    let trees = after.entries.keys().filter_map(in_tree).filter(|(_, path)| path.is_root()).map(|(id, _)| id);
    trees
        .filter_map(|id| {
            let root = RelPath::new(format!("{DATA}/{id}")).ok()?;
            let changes = ChangeSet { changes: changes.changes.iter().filter_map(|change| change_in(change, &root)).collect() };
            let need = Need::of(&changes, &manifest_in(after, &root));
            Some((id, need))
        })
        .collect()
}

fn change_in(change: &Change, root: &RelPath) -> Option<Change> {
    let inside = |path: &RelPath| path.rebase(root, &RelPath::root());
    let entry = |entry: &Entry| Some(Entry { path: inside(&entry.path)?, ..entry.clone() });
    Some(match change {
        Change::Put(one) => Change::Put(entry(one)?),
        Change::Meta(one) => Change::Meta(entry(one)?),
        Change::Rename { from, to } => Change::Rename { from: inside(from)?, to: inside(to)? },
        Change::Delete { path } => Change::Delete { path: inside(path)? },
    })
}

impl Hive {
    /// What the target's HDFS says of the trees of an origin, with what a plan asks of each.
    async fn look_at_trees(&self, set: &SetName, origin: &Origin, needs: &Needs, point: PointId) -> Result<Said, Trouble> {
        let places = self.placed(set, origin)?.into_iter().filter_map(|(root, path)| {
            let (id, _) = in_tree(&root)?;
            Some(Place { path, need: needs.get(&id).cloned() })
        });
        let places: Vec<Place> = places.collect();
        self.hdfs_of(set).look_at(&set.to_string(), &places, Kept::Tree, Time::Plan(point)).await
    }

    /// Before there is a plan: where the newest sealed point lies, else where a first one of this name would.
    async fn look_at_expected(&self, set: &SetName, time: Time) -> Result<Said, Trouble> {
        let mut paths = self.sealed_places(set, None).await?;
        if paths.is_empty() {
            paths.insert(set.usual_place(&self.warehouse));
        }
        let places: Vec<Place> = paths.into_iter().map(|path| Place { path, need: None }).collect();
        self.hdfs_of(set).look_at(&set.to_string(), &places, Kept::Tree, time).await
    }

    /// Keeps what a plan asks of each tree until its places are known.
    fn await_places(&self, set: &SetName, point: PointId, needs: Needs) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if awaited.len() >= AWAITED {
            awaited.clear();
        }
        awaited.insert((set.to_string(), point), needs);
    }

    /// Its places are known now. After a restart what is asked of them is not; that is looked at once more before the commit.
    pub(super) async fn admit_places(&self, set: &SetName, point: PointId, origin: &[u8]) -> Result<(), Trouble> {
        let origin = self.read_origin(set, origin)?;
        let needs = self.awaited.lock().unwrap_or_else(PoisonError::into_inner).remove(&(set.to_string(), point)).unwrap_or_default();
        self.look_at_trees(set, &origin, &needs, point).await?.settle().map(drop)
    }

    fn read_origin(&self, set: &SetName, content: &[u8]) -> Result<Origin, Trouble> {
        serde_json::from_slice(content).map_err(|e| {
            Trouble::new(TroubleKind::Corrupt, self.object(set), format!("the primary does not say where its data comes from: {e}"))
        })
    }

    /// Where a plan's data comes from, if that is known here: its content is held, or staged already.
    async fn planned_origin(
        &self,
        set: &SetName,
        point: PointId,
        changes: &ChangeSet,
        after: &Manifest,
    ) -> Result<Option<Origin>, Trouble> {
        let Some(entry) = RelPath::new(ORIGIN).ok().and_then(|path| after.entries.get(&path)) else { return Ok(None) };
        let Node::File { bytes, digest: Some(digest) } = entry.node else { return Ok(None) };
        if bytes > ORIGIN_BYTES as u64 {
            return Err(Trouble::new(TroubleKind::Exhausted, self.object(set), "it has too many locations"));
        }
        let objects = self.depot.objects.clone();
        let held = blocking(move || {
            if !objects.holds(&digest, Some(bytes)) {
                return Ok(None);
            }
            let mut content = Vec::new();
            objects.open(&digest)?.read_to_end(&mut content).map_err(|e| Trouble::new(TroubleKind::Failed, ORIGIN, e))?;
            Ok(Some(content))
        });
        let content = match held.await? {
            Some(content) => content,
            None => match self.staged_origin(set, point, changes).await? {
                Some(content) => content,
                None => return Ok(None),
            },
        };
        if Digest::of_bytes(&content) != digest {
            return Ok(None);
        }
        self.read_origin(set, &content).map(Some)
    }

    async fn staged_origin(&self, set: &SetName, point: PointId, changes: &ChangeSet) -> Result<Option<Vec<u8>>, Trouble> {
        let put = changes.changes.iter().zip(0_u32..).find_map(|(change, file)| match change {
            Change::Put(entry) if entry.is_file() && entry.path.as_str() == ORIGIN => Some((file, entry)),
            _ => None,
        });
        let Some((file, entry)) = put else { return Ok(None) };
        let mut bytes = match self.depot.read_staged(&set.to_string(), point, Slot { file, piece: 0 }, entry).await {
            Err(trouble) if trouble.kind == TroubleKind::NotFound => return Ok(None),
            bytes => bytes?,
        };
        let mut content = Vec::new();
        while let Some(portion) = bytes.next().await {
            content.extend_from_slice(&portion?);
        }
        Ok(Some(content))
    }

    /// Everything is staged: whatever a tree's place could refuse is met now, and not after the commit.
    pub(super) async fn examine_places(&self, set: &SetName, point: PointId, changes: &ChangeSet) -> Result<(), Trouble> {
        let brought = changes.changes.iter().filter_map(|change| match change {
            Change::Put(entry) => Some(entry.clone()),
            _ => None,
        });
        let after = Manifest::from_entries(brought);
        let Some(origin) = self.planned_origin(set, point, changes, &after).await? else { return Ok(()) };
        self.look_at_trees(set, &origin, &needs(changes, &after), point).await?.settle().map(drop)
    }
}

#[async_trait]
impl Admission for Hive {
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble> {
        let set = self.set(set)?;
        let live = self.metastore.dump(&self.object(&set), &set, Depth::Places).await?;
        Ok(self.live_places(&set, &live)?.iter().map(|path| self.hdfs.place(path)).collect())
    }

    async fn obstacles(&self, set: &str, occasion: Occasion<'_>) -> Result<Said, Trouble> {
        let set = self.set(set)?;
        let Occasion::Plan { point, changes, after } = occasion else {
            let mut said = self.look_at_expected(&set, occasion.time()).await?;
            // When the plan is there it was said a moment ago.
            said.notes.extend(self.drops_here(&set).await?.iter().map(|note| note.told(&self.object(&set))));
            return Ok(said);
        };
        let needs = needs(changes, after);
        match self.planned_origin(&set, point, changes, after).await? {
            Some(origin) => self.look_at_trees(&set, &origin, &needs, point).await,
            // A first point, or other trees than before: their places are known when the first pieces are.
            None => {
                self.await_places(&set, point, needs);
                Ok(Said::default())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Metadata;

    #[test]
    fn each_tree_asks_for_what_comes_into_it() {
        let entry = |path: &str, node: Node| Entry {
            path: RelPath::new(path).expect("a path"),
            node,
            meta: Metadata { replication: Some(1), ..Metadata::default() },
        };
        let file = |path: &str, bytes| entry(path, Node::File { bytes, digest: None });
        let all = [
            entry("data", Node::Directory),
            entry("data/a", Node::Directory),
            file("data/a/f", 10),
            entry("data/b", Node::Directory),
            file("data/b/g", 3),
            file("data/b/h", 4),
            file("metadata/origin.json", 99),
        ];
        let mut changes: Vec<Change> = all.iter().cloned().map(Change::Put).collect();
        let path = |text: &str| RelPath::new(text).expect("a path");
        changes.push(Change::Rename { from: path("data/b/h"), to: path("data/b/i") });
        let needs = needs(&ChangeSet { changes }, &Manifest::from_entries(all));
        let told: Vec<(&str, u64, u64, u64)> =
            needs.iter().map(|(id, need)| (id.as_str(), need.names, need.space(3), need.parked)).collect();
        assert_eq!(told, [("a", 2, 10, 0), ("b", 4, 7, 1)]);
    }
}
