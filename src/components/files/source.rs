//! The files component as a source: arm, capture, changes.

use std::time::Instant;

use super::fence::Fence;
use super::meta::Names;
use super::tree::Tree;
use super::{Inner, walk};
use crate::components::{Capture, diff};
use crate::domain::{ChangeSet, Manifest, Note, PointId, RelPath, Trouble, TroubleKind};

impl Inner {
    /// The live tree; missing is told.
    pub(super) fn tree(&self, path: &RelPath, set: &str) -> Result<Tree, Trouble> {
        Tree::open(&self.root, path)?.ok_or_else(|| {
            let reason = format!("there is no directory {}", self.root.join(path.as_str()).display());
            Trouble::new(TroubleKind::NotFound, self.depot.object(set), reason).next("choose another data set, or make the directory")
        })
    }

    /// Refuses by name what cannot be captured, and reads everything that did not change since the capture before.
    pub(super) fn arm(&self, path: &RelPath, set: &str) -> Result<Vec<Note>, Trouble> {
        let tree = self.tree(path, set)?;
        // What is read now need not be read while the writers may be frozen.
        let before = self.depot.newest_capture(set)?;
        let _all = self.depot.objects.keep_all();
        let (seen, _) = walk::capture(&tree, &self.depot.objects, &before, &Names::load())?;
        self.depot.keep_armed(set, &seen)?;
        self.notes(path, set)
    }

    pub(super) fn capture(&self, path: &RelPath, set: &str, point: PointId) -> Result<Capture, Trouble> {
        let tree = self.tree(path, set)?;
        if self.depot.capture(set, point)?.is_some() {
            return Err(Trouble::new(TroubleKind::Refused, self.depot.object(set), format!("point {point} was captured before"))
                .next("a second capture would be of another moment: start a new run"));
        }
        let before = self.depot.newest_capture(set)?;
        let (names, fence) = (Names::load(), Fence::load(&self.depot, set)?);
        let _all = self.depot.objects.keep_all();
        let lo = Instant::now();
        let (mut captured, mut open_files) = walk::capture(&tree, &self.depot.objects, &before, &names)?;
        let hi = Instant::now();
        if let Some(fence) = fence {
            captured.values_mut().for_each(|seen| fence.reveal(&mut seen.entry));
        }
        self.depot.keep_capture(set, point, &captured)?;
        self.depot.drop_armed(set)?;
        open_files.extend(walk::open_for_writing(&tree.place));
        Ok(Capture { lo, hi, server_time: None, open_files, event_id: None })
    }

    pub(super) fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        let now = self.depot.capture(set, point)?.ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, self.depot.object(set), format!("point {point} is not captured here"))
                .next("start a new run")
        })?;
        self.depot.settle(set, point)?;
        match base {
            None => Ok(diff::everything(&now)),
            Some(base) => Ok(diff::changes(&self.depot.base(set, base)?, &now)),
        }
    }

    /// What is live, with the true metadata of what is fenced.
    pub(super) fn live(&self, tree: &Tree, set: &str, look: walk::Look, names: &Names) -> Result<Manifest, Trouble> {
        let mut live = walk::survey(tree, look, names)?;
        if let Some(fence) = Fence::load(&self.depot, set)? {
            live.entries.values_mut().for_each(|entry| fence.reveal(entry));
        }
        Ok(live)
    }
}
