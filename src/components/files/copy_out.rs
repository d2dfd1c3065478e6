//! A captured data set as a tree of its own, for its owner: by the same code that brings a live tree back, so that owners, modes, times and
//! attributes are as they were. What this host captured of its own gives no privilege that was not here.

use std::path::Path;

use super::Inner;
use super::apply::{Apply, plan_restore};
use super::meta::Names;
use super::privileges::{Allowed, Privilege};
use super::target::NoJournal;
use super::tree::Tree;
use crate::components::depot::Captured;
use crate::components::objects::make_dir;
use crate::domain::{Manifest, PointId, RelPath, Trouble, TroubleKind};

impl Inner {
    pub(super) fn copy_out(&self, path: &RelPath, set: &str, point: PointId, to: &Path) -> Result<(), Trouble> {
        let captured = self.depot.capture(set, point)?.ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, self.depot.object(set), format!("nothing of {point} is captured here"))
                .next("`understudy kept PAIR` lists what is kept")
        })?;
        let manifest = Manifest { entries: captured.into_iter().map(|(path, seen)| (path, seen.entry)).collect() };
        self.refuse_missing(set, point, &manifest)?;
        make_dir(to)?;
        let tree = Tree::make(to, path, 0o700)?;
        let allowed: Allowed = [Privilege::Setid, Privilege::RootOwner, Privilege::SecurityAttributes].into();
        let names = Names::load();
        let apply = Apply { tree: &tree, objects: &self.depot.objects, point, names: &names, allowed: &allowed, manifest: &manifest };
        apply.run(&plan_restore(&Captured::new(), &manifest), &NoJournal)
    }
}
