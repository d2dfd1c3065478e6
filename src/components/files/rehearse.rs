//! A data set of a sealed point as a tree of its own in the drill's space, by the same code that brings a live tree back: every file is
//! copied out of the store and its bytes are held against their digest on the way.

use super::Inner;
use super::apply::{Apply, plan_restore};
use super::fence::make_removable;
use super::meta::Names;
use super::target::NoJournal;
use super::tree::Tree;
use crate::components::depot::Captured;
use crate::components::objects::{io_trouble, make_dir};
use crate::domain::{DrillId, Manifest, PointId, RelPath, Trouble};

impl Inner {
    pub(super) fn rehearse(
        &self,
        path: &RelPath,
        set: &str,
        point: PointId,
        manifest: &Manifest,
        drill: DrillId,
    ) -> Result<String, Trouble> {
        self.refuse_missing(set, point, manifest)?;
        let names = Names::load();
        self.check_privileges(set, manifest, &names)?;
        let space = self.depot.rehearsal_dir(drill);
        make_dir(&space)?;
        let place = space.join(path.as_str());
        make_removable(&place)?;
        match std::fs::remove_dir_all(&place) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io_trouble(&place, "remove", &e)),
            _ => {}
        }
        let tree = Tree::make(&space, path, 0o700)?;
        let apply = Apply { tree: &tree, objects: &self.depot.objects, point, names: &names, allowed: &self.allowed, manifest };
        apply.run(&plan_restore(&Captured::new(), manifest), &NoJournal)?;
        Ok(place.display().to_string())
    }

    pub(super) fn clear_rehearsal(&self, drill: DrillId) -> Result<(), Trouble> {
        make_removable(&self.depot.rehearsal_dir(drill))?;
        self.depot.clear_rehearsal(drill)
    }
}
