//! Which directory's snapshots hold a tree: the tree's own, or those of a directory above it that several data sets share.
//!
//! HDFS neither deletes nor renames a directory that has snapshots, and nests none of them. So a tree that applications may delete is held by
//! snapshots of a directory above it. Whoever needs another directory for that gives up one of ours that nobody has a snapshot of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Hdfs;
use super::capture::PREFIX;
use super::error::HdfsError;
use super::listing::{full, list};
use super::metadata::set_xattr;
use super::status::{MARK_XATTR, SNAPSHOTS_XATTR, hex_of, look, status_if_there};
use super::webhdfs::Operation;
use crate::domain::{PointId, RelPath, Trouble, TroubleKind};

/// Begins what a snapshot's name says of a tree below the snapshot's directory, where a point's id is not enough.
const BELOW: &str = ".=";
/// What a snapshot's name may have.
const NAME_BYTES: usize = 255;
/// Letters of a path that a snapshot's name keeps as they are.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');
/// Cuts that are remembered for reading from them.
const REMEMBERED: usize = 64;

/// A tree as it was at a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::components) struct Cut {
    /// The directory that the snapshot is of.
    pub(super) root: String,
    /// The tree's live path.
    pub(super) tree: String,
    /// The tree below the root.
    pub(super) inner: RelPath,
    /// The snapshot's name.
    pub(super) name: String,
    /// The tree's path in the snapshot.
    pub(super) path: String,
}

/// Where cuts were found, by tag, tree and point.
pub(super) type Cuts = Arc<Mutex<HashMap<(String, String, PointId), Cut>>>;

/// A directory that may have snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::components) struct Known {
    /// The directory.
    pub(in crate::components) path: String,
    /// How many it has.
    pub(in crate::components) snapshots: usize,
    /// All that it has are this data set's.
    pub(in crate::components) mine: bool,
    /// The points that this data set has there.
    pub(in crate::components) points: Vec<PointId>,
    /// All that it has are of ours, or it has none and is marked as ours.
    pub(in crate::components) ours: bool,
    /// We allowed it for what lies in it.
    pub(in crate::components) shared: bool,
}

impl Known {
    /// Whether it is ours and nobody has a snapshot of it.
    pub(in crate::components) fn is_free(&self) -> bool {
        self.snapshots == 0 && self.ours
    }
}

/// Whether a path is another or lies below it.
pub(in crate::components) fn is_inside(path: &str, outer: &str) -> bool {
    outer == "/" || path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether one of two directories is in the other.
pub(in crate::components) fn meet(one: &str, other: &str) -> bool {
    is_inside(one, other) || is_inside(other, one)
}

/// The tree, below a root, that a snapshot's name tells.
pub(super) fn tree_of(root: &str, name: &str) -> Option<(PointId, String)> {
    let own = name.strip_prefix(PREFIX)?;
    let Some((point, below)) = own.split_once(BELOW) else { return Some((own.parse().ok()?, root.to_owned())) };
    let inner = percent_decode_str(below).decode_utf8().ok().and_then(|inner| RelPath::new(inner).ok())?;
    Some((point.parse().ok()?, full(root, &inner)))
}

/// The name of a point's snapshot of `root` that holds `tree`. With a tag, or in another's directory, several data sets have snapshots of one
/// directory for one point. `None` where a name has no room for the tree.
fn named(tag: &str, root: &str, tree: &str, point: PointId) -> Option<String> {
    if !tag.is_empty() {
        return Some(format!("{PREFIX}{point}.{tag}"));
    }
    let inner = tree.strip_prefix(root.trim_end_matches('/'))?.trim_start_matches('/');
    if inner.is_empty() {
        return Some(format!("{PREFIX}{point}"));
    }
    let name = format!("{PREFIX}{point}{BELOW}{}", utf8_percent_encode(inner, ESCAPED));
    (name.len() <= NAME_BYTES).then_some(name)
}

/// Where a tree is in a point's snapshot of `root`; `None` where the snapshot could not be named.
fn cut_at(tag: &str, root: &str, tree: &str, point: PointId) -> Option<Cut> {
    let name = named(tag, root, tree, point)?;
    let inner = RelPath::new(tree.strip_prefix(root.trim_end_matches('/'))?.trim_start_matches('/')).ok()?;
    let path = full(&format!("{}/.snapshot/{name}", root.trim_end_matches('/')), &inner);
    Some(Cut { root: root.to_owned(), tree: tree.to_owned(), inner, name, path })
}

/// A tree and every directory above it, the deepest first, as snapshots of them would hold it.
fn cuts_of(tag: &str, tree: &str, point: PointId) -> Vec<Cut> {
    let above = std::iter::successors(Some(tree), |path| path.rsplit_once('/').map(|(above, _)| above).filter(|above| !above.is_empty()));
    above.chain((tree != "/").then_some("/")).filter_map(|root| cut_at(tag, root, tree, point)).collect()
}

/// Whether a directory above a data set was allowed for what lies in it.
fn is_above(root: &Known, set: &str) -> bool {
    root.shared && root.path != set && is_inside(set, &root.path)
}

impl Hdfs {
    /// The name that a point's snapshots have which are told apart by our tag.
    pub(super) fn tagged_name(&self, point: PointId) -> String {
        format!("{PREFIX}{point}.{}", self.tag)
    }

    /// A tree as it was at a point: in a snapshot of itself or of a directory above. `None` where there is none, or the tree was not there.
    pub(in crate::components) async fn find_cut(&self, tree: &str, point: PointId) -> Result<Option<Cut>, Trouble> {
        let key = (self.tag.clone(), tree.to_owned(), point);
        for cut in cuts_of(&self.tag, tree, point) {
            if status_if_there(&self.web, &cut.path).await.map_err(|error| error.about(self.object(tree)))?.is_some() {
                let mut known = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert(key, cut.clone());
                return Ok(Some(cut));
            }
        }
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        Ok(None)
    }

    /// The same for reading: where it was found before. A snapshot that is gone since fails the reading.
    pub(super) async fn cut_to_read(&self, tree: &str, point: PointId) -> Result<Cut, Trouble> {
        let known = self.cuts.lock().unwrap_or_else(PoisonError::into_inner).get(&(self.tag.clone(), tree.to_owned(), point)).cloned();
        match known {
            Some(cut) => Ok(cut),
            None => self.sealed_cut(tree, point).await,
        }
    }

    /// The same of a point that must be here.
    pub(super) async fn sealed_cut(&self, tree: &str, point: PointId) -> Result<Cut, Trouble> {
        self.find_cut(tree, point).await?.ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, self.object(tree), format!("its snapshot of point {point} is not here"))
                .next("choose another recovery point")
        })
    }

    /// Takes a snapshot. A directory of ours that somebody gave up meanwhile, when it had none, is allowed again.
    pub(super) async fn take_snapshot(&self, root: &str, name: &str) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(root));
        let take = || Operation::put("CREATESNAPSHOT", root).with("snapshotname", name);
        match self.web.run(take()).await {
            Err(error) if error.is("SnapshotException") && !self.snapshottable().await?.iter().any(|known| known == root) => {
                self.allow_snapshots(root).await?;
                self.web.run(take()).await.map_err(about)
            }
            done => done.map_err(about),
        }
    }

    /// Drops a snapshot; well when there is none. A directory that we allowed, and that nobody has a snapshot of any more, is as it was.
    pub(super) async fn drop_snapshot(&self, root: &str, name: &str) -> Result<(), Trouble> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, cut| cut.name != name);
        let path = format!("{}/.snapshot/{name}", root.trim_end_matches('/'));
        let about = |error: HdfsError| error.about(self.object(root));
        match self.web.run(Operation::delete("DELETESNAPSHOT", root).with("snapshotname", name).heavy()).await {
            Ok(()) => {}
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) if error.is("SnapshotException") && status_if_there(&self.web, &path).await.map_err(about)?.is_none() => {
                return Ok(());
            }
            Err(error) => return Err(about(error)),
        }
        let left = self.known_roots(&[root.to_owned()]).await?.into_iter().find(|known| known.path == root);
        if left.is_some_and(|known| known.shared && known.is_free()) { self.give_up(root).await } else { Ok(()) }
    }

    /// Makes a directory snapshottable, marked as one that we allowed unless it was allowed before. The mark comes first: a crash in between
    /// must not leave a directory that nobody gives up.
    pub(in crate::components) async fn allow_shared(&self, root: &str) -> Result<(), Trouble> {
        if !self.snapshottable().await?.iter().any(|known| known == root) {
            match self.web.run(set_xattr(root, SNAPSHOTS_XATTR, &hex_of(b"1"), false)).await {
                // It is there already, or attributes are switched off: then the directory is kept.
                Err(error) if !error.is_remote() => return Err(error.about(self.object(root))),
                _ => {}
            }
        }
        self.allow_snapshots(root).await
    }

    /// Drops a point's snapshot of a data set, of whichever directory it is; well when there is none.
    pub(in crate::components) async fn release_snapshot(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        for cut in cuts_of(&self.tag, set, point) {
            let path = format!("{}/.snapshot/{}", cut.root.trim_end_matches('/'), cut.name);
            if status_if_there(&self.web, &path).await.map_err(|error| error.about(self.object(set)))?.is_some() {
                self.drop_snapshot(&cut.root, &cut.name).await?;
            }
        }
        Ok(())
    }

    /// Takes back that a directory may have snapshots; well when somebody has taken one meanwhile.
    pub(in crate::components) async fn give_up(&self, root: &str) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(root));
        match self.web.run(Operation::put("DISALLOWSNAPSHOT", root)).await {
            Ok(()) => {}
            Err(error) if error.is("SnapshotException") || error.is_missing() => return Ok(()),
            Err(error) => return Err(about(error)),
        }
        tracing::info!(root = %self.object(root), "it need not have snapshots any more");
        match self.web.run(Operation::put("REMOVEXATTR", root).with("xattr.name", SNAPSHOTS_XATTR)).await {
            Err(error) if !error.is_remote() => Err(about(error)),
            _ => Ok(()),
        }
    }

    /// Directories that may have snapshots and are one of these places, above one or below one.
    pub(in crate::components) async fn known_roots(&self, places: &[String]) -> Result<Vec<Known>, Trouble> {
        let mut known = Vec::new();
        for path in self.snapshottable().await?.into_iter().filter(|root| places.iter().any(|place| meet(root, place))) {
            let about = |error: HdfsError| error.about(self.object(&path));
            let names = match list(&self.web, &format!("{}/.snapshot", path.trim_end_matches('/'))).await {
                // Taken away meanwhile.
                Err(error) if error.is_missing() || error.is("SnapshotException") => continue,
                names => names.map_err(about)?,
            };
            let own = match look(&self.web, &path, RelPath::root()).await {
                Err(error) if error.is_missing() => continue,
                found => found.map_err(about)?.own,
            };
            let shared = own.contains_key(SNAPSHOTS_XATTR);
            let all = |test: &dyn Fn(&str) -> bool| names.iter().all(|name| test(&name.path_suffix));
            let tag = format!(".{}", self.tag);
            known.push(Known {
                snapshots: names.len(),
                points: names.iter().filter_map(|name| name.path_suffix.strip_prefix(PREFIX)?.strip_suffix(&tag)?.parse().ok()).collect(),
                mine: !self.tag.is_empty() && all(&|name| name.starts_with(PREFIX) && name.ends_with(&tag)),
                ours: if names.is_empty() { shared || own.contains_key(MARK_XATTR) } else { all(&|name| name.starts_with(PREFIX)) },
                shared,
                path,
            });
        }
        Ok(known)
    }

    /// Where a data set of this component is to be in a point's snapshot: in one of a directory above it that we allowed for what lies in it,
    /// else of its own.
    pub(super) async fn next_cut(&self, set: &str, point: PointId) -> Result<Cut, Trouble> {
        let own = cut_at(&self.tag, set, set, point).ok_or_else(|| self.refused(set, "its path is not plain"))?;
        let known = self.known_roots(&[set.to_owned()]).await?;
        let above = known.iter().find(|root| is_above(root, set));
        Ok(above.and_then(|above| cut_at(&self.tag, &above.path, set, point)).unwrap_or(own))
    }

    /// Makes ready the directory whose snapshots hold a data set of this component. What is in the way, is ours and has no snapshot makes way.
    pub(super) async fn ready_root(&self, set: &str) -> Result<(), Trouble> {
        let known = self.known_roots(&[set.to_owned()]).await?;
        let fits = |above: &&Known| is_above(above, set) && named(&self.tag, &above.path, set, PointId(uuid::Uuid::nil())).is_some();
        if known.iter().any(|root| fits(&root)) {
            return Ok(());
        }
        for root in known.iter().filter(|root| root.path != set && root.is_free()) {
            self.give_up(&root.path).await?;
        }
        self.allow_snapshots(set).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_earlier_versions_snapshot_is_the_directorys_own_and_anothers_is_nobodys() {
        let point = PointId(uuid::Uuid::now_v7());
        assert_eq!(tree_of("/d", &format!("{PREFIX}{point}")), Some((point, "/d".into())));
        for other in [format!("{PREFIX}{point}.0123456789abcdef"), format!("x{point}"), format!("{PREFIX}{point}.=%2E%2E"), PREFIX.into()] {
            assert_eq!(tree_of("/d", &other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_snapshots_name_tells_its_tree(root in "/[a-z]{1,3}", inner in "[a-zA-Z票 %=.:]{1,9}(/[a-zé]{1,9}){0,2}") {
            let point = PointId(uuid::Uuid::now_v7());
            prop_assume!(RelPath::new(&inner).is_ok());
            let tree = format!("{root}/{inner}");
            let cut = cut_at("", &root, &tree, point).expect("short enough");
            prop_assert!(!cut.name.contains(['/', ':']) && cut.name.len() <= NAME_BYTES);
            prop_assert_eq!(tree_of(&root, &cut.name), Some((point, tree.clone())));
            let end = format!("/{inner}");
            prop_assert!(cut.path.ends_with(&end));
            prop_assert!(cuts_of("tag", &tree, point).iter().any(|one| one.root == root && one.inner == cut.inner));
            prop_assert!(named("", &root, &format!("{tree}{}", "x".repeat(NAME_BYTES)), point).is_none(), "too long");
        }
    }
}
