//! What differs between two snapshots of ours: asks the cluster what [`super::diff`] wants to know.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;

use super::Hdfs;
use super::diff::{Difference, Modified, Moves, content_is_open, decide, replaced, within};
use super::error::HdfsError;
use super::listing::{AT_ONCE, full, walk, walk_whole};
use super::roots::Cut;
use super::status::{FileStatus, look, status_if_there};
use super::webhdfs::{Operation, WebHdfs};
use crate::domain::{Change, ChangeSet, Entry, PointId, RelPath, Trouble, TroubleKind};

/// Pages of a difference report: 1,000 lines each, so ten million at most.
const PAGES: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListingAnswer {
    snapshot_diff_report_listing: Listing,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    #[serde(default)]
    modify_list: Vec<Line>,
    #[serde(default)]
    create_list: Vec<Line>,
    #[serde(default)]
    delete_list: Vec<Line>,
    #[serde(default)]
    last_path: String,
    last_index: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    file_id: u64,
    #[serde(default)]
    source_path: String,
    #[serde(default)]
    target_path: Option<String>,
}

impl Hdfs {
    pub(super) async fn changes_of(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        let Some(new) = self.find_cut(set, point).await? else {
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), format!("its snapshot of point {point} is not here")));
        };
        let Some(base) = base else { return self.all_of(&new).await };
        let Some(old) = self.find_cut(set, base).await? else {
            return Err(self.refused(set, &format!("its snapshot of the base point {base} is no longer held")).next("make a full copy"));
        };
        self.changed(&old, &new).await
    }

    /// Everything in a tree as it was then, parents first.
    pub(in crate::components) async fn all_of(&self, cut: &Cut) -> Result<ChangeSet, Trouble> {
        let found = walk_whole(&self.web, &cut.path, &RelPath::root(), &BTreeSet::new()).await;
        let found = found.map_err(|error| error.about(self.object(&cut.path)))?;
        Ok(ChangeSet { changes: found.into_iter().map(|found| Change::Put(found.entry)).collect() })
    }

    /// What changed in a tree from one point to a later one.
    pub(in crate::components) async fn changed(&self, old: &Cut, new: &Cut) -> Result<ChangeSet, Trouble> {
        let about = |error: HdfsError| error.about(self.object(&new.path));
        let moves = self.moves(old, Some(new)).await.map_err(about)?;
        self.changes_between(&moves, &old.path, &new.path).await.map_err(about)
    }

    /// From what happened between two snapshots of a tree, at these paths, to its changes.
    pub(super) async fn changes_between(&self, moves: &Moves, old_root: &str, new_root: &str) -> Result<ChangeSet, HdfsError> {
        let questions = moves.questions();
        let modified = self.modified(old_root, new_root, questions.modified).await?;
        let mut created: Vec<Entry> = Vec::new();
        for start in &questions.created {
            let found = walk_whole(&self.web, new_root, start, &questions.arrived).await?;
            created.extend(found.into_iter().map(|found| found.entry));
        }
        Ok(decide(moves, modified, created))
    }

    /// What happened in a tree between a snapshot and a later one, or the live tree.
    pub(super) async fn moves(&self, old: &Cut, new: Option<&Cut>) -> Result<Moves, HdfsError> {
        let new_path = new.map_or(&old.tree, |cut| &cut.path);
        let (before, after) = futures_util::try_join!(prints(&self.web, &old.path), prints(&self.web, new_path))?;
        let roots = [&before, &after].map(|all| all.first().map(|(_, inode, _)| *inode));
        let Some(report) = self.report_between(old, new, roots).await? else {
            let all = replaced(before.iter().map(|(path, ..)| path), after.iter().map(|(path, ..)| path));
            return Ok(Moves::new(all));
        };
        let mut moves = Moves::new(report);
        moves.hear(before, after);
        Ok(moves)
    }

    /// HDFS's report of a tree. Below the snapshots' directory HDFS tells it of the tree alone, whatever else happened in that directory, as
    /// long as the live tree is the same inode; otherwise it is cut out of the whole report. `None` where it cannot be cut, because the tree
    /// itself was moved or made anew. `was` and `is` are the inodes of the tree then and now.
    pub(super) async fn report_between(
        &self,
        old: &Cut,
        new: Option<&Cut>,
        [was, is]: [Option<u64>; 2],
    ) -> Result<Option<Vec<Difference>>, HdfsError> {
        let name = new.map_or("", |cut| &cut.name);
        if new.is_some_and(|new| (&new.root, &new.inner) != (&old.root, &old.inner)) {
            return Ok(None);
        }
        if old.inner.is_root() {
            return report(&self.web, &old.root, &old.name, name).await.map(Some);
        }
        if was != is {
            return Ok(None);
        }
        let live = match new {
            None => is,
            Some(_) => status_if_there(&self.web, &old.tree).await?.map(|status| status.file_id),
        };
        if live == is {
            match report(&self.web, &old.tree, &old.name, name).await {
                // Switched off (`dfs.namenode.snapshotdiff.allow.snap-root-descendant`), or the tree was moved at this moment.
                Err(error) if error.is("SnapshotException") || error.is_missing() => {}
                told => return told.map(Some),
            }
        }
        Ok(within(report(&self.web, &old.root, &old.name, name).await?, &old.inner))
    }

    async fn modified(&self, old_root: &str, new_root: &str, pairs: Vec<(RelPath, RelPath)>) -> Result<Vec<Modified>, HdfsError> {
        stream::iter(pairs)
            .map(|(old, new)| async move {
                let (old_path, new_path) = (full(old_root, &old), full(new_root, &new));
                let before = look(&self.web, &old_path, old).await?.entry;
                let after = look(&self.web, &new_path, new).await?.entry;
                let same_content = !content_is_open(&before, &after) || same_bytes(&self.web, &old_path, &new_path).await?;
                Ok(Modified { before, after, same_content })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }
}

/// What a listing shows of an entry and what a change may move.
type Print = (u64, i64, u16, u64);

/// An entry's path, inode and print.
type Printed = (RelPath, u64, Print);

/// Every entry below a root, with its print, the root first.
async fn prints(hdfs: &WebHdfs, root: &str) -> Result<Vec<Printed>, HdfsError> {
    let statuses = walk(hdfs, root, &RelPath::root(), &BTreeSet::new()).await?;
    let rights = |status: &FileStatus| {
        let mut hasher = std::hash::DefaultHasher::new();
        (&status.permission, &status.owner, &status.group, status.acl_bit).hash(&mut hasher);
        hasher.finish()
    };
    let print = |status: &FileStatus| (status.length, status.modification_time, status.replication, rights(status));
    Ok(statuses.into_iter().map(|(path, status)| (path, status.file_id, print(&status))).collect())
}

/// Whether two files have one checksum; when the cluster cannot tell, they count as different and are copied.
pub async fn same_bytes(hdfs: &WebHdfs, one: &str, other: &str) -> Result<bool, HdfsError> {
    let checksum = |path: &str| hdfs.json::<serde_json::Value>(Operation::get("GETFILECHECKSUM", path).heavy());
    match (checksum(one).await, checksum(other).await) {
        (Ok(one), Ok(other)) => Ok(one == other && one["FileChecksum"]["bytes"].is_string()),
        (Err(error), _) | (_, Err(error)) if !error.is_remote() => Err(error),
        _ => Ok(false),
    }
}

/// The report from snapshot `old` to snapshot `new` (empty: the live tree), page by page.
async fn report(hdfs: &WebHdfs, set: &str, old: &str, new: &str) -> Result<Vec<Difference>, HdfsError> {
    let (mut path, mut index) = (String::new(), -1);
    let (mut modified, mut created, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAGES {
        let operation = Operation::get("GETSNAPSHOTDIFFLISTING", set)
            .with("oldsnapshotname", old)
            .with("snapshotname", new)
            .with("snapshotdiffstartpath", &path)
            .with("snapshotdiffindex", index.to_string())
            .heavy();
        let page = hdfs.json::<ListingAnswer>(operation).await?.snapshot_diff_report_listing;
        modified.extend(page.modify_list);
        created.extend(page.create_list);
        deleted.extend(page.delete_list);
        if page.last_path.is_empty() && page.last_index == -1 {
            return differences(&modified, &created, &deleted);
        }
        (path, index) = (page.last_path, page.last_index);
    }
    Err(HdfsError::Answer("the snapshot difference has no end".into()))
}

/// Joins the three lists: a deletion with a target is a rename, and the creation of the same inode is its other half.
fn differences(modified: &[Line], created: &[Line], deleted: &[Line]) -> Result<Vec<Difference>, HdfsError> {
    let path = |text: &str| RelPath::new(text).map_err(|e| HdfsError::Answer(e.to_string()));
    let moved: BTreeSet<u64> = deleted.iter().filter(|line| line.target_path.is_some()).map(|line| line.file_id).collect();
    let mut all = Vec::new();
    for line in modified {
        all.push(Difference::Modified(path(&line.source_path)?));
    }
    for line in created.iter().filter(|line| !moved.contains(&line.file_id)) {
        all.push(Difference::Created(path(&line.source_path)?));
    }
    for line in deleted {
        all.push(match &line.target_path {
            Some(target) => Difference::Renamed { from: path(&line.source_path)?, to: path(target)? },
            None => Difference::Deleted(path(&line.source_path)?),
        });
    }
    Ok(all)
}
