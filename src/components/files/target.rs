//! The files component as a target: apply, seal, discard, restore, and the fence around them.

use std::collections::BTreeSet;

use super::apply::{Apply, plan_restore};
use super::fence::{self, Fence};
use super::meta::Names;
use super::tree::Tree;
use super::walk::Look;
use super::{Inner, drift, privileges};
use crate::components::PhaseJournal;
use crate::components::depot::{Captured, Seen};
use crate::domain::backup::plan::ApplyPlan;
use crate::domain::{Change, ChangeSet, Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind};

/// Unknown owners that are told by name.
const UNKNOWN_TOLD: usize = 8;

/// For work that is repeated from its beginning.
pub(super) struct NoJournal;

impl PhaseJournal for NoJournal {
    fn done(&self) -> Result<u32, Trouble> {
        Ok(0)
    }

    fn advance(&self, _: u32) -> Result<(), Trouble> {
        Ok(())
    }
}

impl Inner {
    pub(super) fn apply(
        &self,
        path: &RelPath,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        let names = Names::load();
        self.check_privileges(set, manifest, &names)?;
        // Named first, so that the content stays whatever is collected meanwhile.
        self.depot.keep_sealed(set, point, manifest)?;
        self.depot.take_staged(set, point, &plan.place)?;
        let tree = Tree::make(&self.root, path, 0o700)?;
        let fence = self.must(set, Fence::of_manifest(manifest))?;
        fence::lift(&tree, Fence::load(&self.depot, set)?.as_ref())?;
        let apply = Apply { tree: &tree, objects: &self.depot.objects, point, names: &names, allowed: &self.allowed, manifest };
        let applied = apply.run(plan, journal);
        // Also after a failure nobody else may write; what is true is the new manifest from the first step on.
        let closed = fence.save(&self.depot, set).and_then(|()| fence::close(&tree));
        applied.and(closed)
    }

    pub(super) fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.depot.keep_sealed(set, point, manifest)?;
        self.depot.drop_staging(set, point)?;
        self.depot.objects.unpin(digests(manifest).iter())
    }

    pub(super) fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.depot.drop_staging(set, point)
    }

    pub(super) fn restore(&self, path: &RelPath, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.refuse_missing(set, point, manifest)?;
        let (names, was) = (Names::load(), Fence::load(&self.depot, set)?);
        self.check_privileges(set, manifest, &names)?;
        let tree = Tree::make(&self.root, path, 0o700)?;
        let fence = self.must(set, Fence::of_manifest(manifest))?;
        fence::lift(&tree, was.as_ref())?;
        remove_workplaces(&tree)?;
        let seen = |entry: Entry| (entry.path.clone(), Seen { entry, inode: 0, changed_ns: 0 });
        let live: Captured = self.live(&tree, set, Look::Content, &names)?.entries.into_values().map(seen).collect();
        let apply = Apply { tree: &tree, objects: &self.depot.objects, point, names: &names, allowed: &self.allowed, manifest };
        let restored = apply.run(&plan_restore(&live, manifest), &NoJournal);
        let closed = match was {
            Some(_) => fence.save(&self.depot, set).and_then(|()| fence::close(&tree)),
            None => fence::unset(&tree, &self.depot, set, manifest.entries.get(&RelPath::root()), &names),
        };
        restored.and(closed)
    }

    /// Empties a directory that we fenced for a first point, and opens it. The fence's own record goes last: with it the directory is ours.
    pub(super) fn vacate(&self, path: &RelPath, set: &str) -> Result<(), Trouble> {
        let (Some(tree), Some(fence)) = (Tree::open(&self.root, path)?, Fence::load(&self.depot, set)?) else { return Ok(()) };
        fence::lift(&tree, Some(&fence))?;
        for found in super::tree::list(tree.fd(), &tree.place)? {
            let name = found.name.map_err(|shown| super::tree::not_unicode(&tree.place.join(shown)))?;
            super::tree::remove(tree.fd(), &name, &tree.place.join(&name))?;
        }
        fence::unset(&tree, &self.depot, set, None, &Names::load())
    }

    /// A manifest gives no privilege that agent.toml does not allow: nothing is changed before that is known.
    pub(super) fn check_privileges(&self, set: &str, manifest: &Manifest, names: &Names) -> Result<(), Trouble> {
        privileges::check(manifest.entries.values(), names, &self.allowed, &self.depot.object(set))
    }

    /// Refuses what could not, or must not, be given here: privileges, and owners whom this host does not know.
    pub(super) fn admit(&self, set: &str, changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
        let names = Names::load();
        self.check_privileges(set, after, &names)?;
        let entries = changes.changes.iter().filter_map(|change| match change {
            Change::Put(entry) | Change::Meta(entry) => Some(entry),
            _ => None,
        });
        let unknown = names.unknown(entries);
        if unknown.is_empty() {
            return Ok(());
        }
        let some: Vec<&str> = unknown.iter().take(UNKNOWN_TOLD).map(String::as_str).collect();
        let more = if unknown.len() > some.len() { format!(" and {} more", unknown.len() - some.len()) } else { String::new() };
        let reason = format!("files belong to {}{more}, unknown on this host", some.join(", "));
        Err(Trouble::new(TroubleKind::Refused, self.depot.object(set), reason).next("create them on the secondary's host, then run again"))
    }

    /// All content of a point must be held here.
    pub(super) fn refuse_missing(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        match digests(manifest).into_iter().find(|digest| !self.depot.objects.holds(digest, None)) {
            None => Ok(()),
            Some(digest) => {
                let reason = format!("content {digest} of point {point} is not held here");
                Err(Trouble::new(TroubleKind::NotFound, self.depot.object(set), reason).next("choose another recovery point"))
            }
        }
    }

    pub(super) fn fence(&self, path: &RelPath, set: &str) -> Result<String, Trouble> {
        let is_new = Tree::open(&self.root, path)?.is_none();
        let tree = Tree::make(&self.root, path, 0o755)?;
        let evidence = fence::set(&tree, &self.depot, set, &Names::load())?;
        Ok(if is_new { format!("made empty, for the first backup; {evidence}") } else { evidence })
    }

    pub(super) fn unfence(&self, path: &RelPath, set: &str, root: Option<&Entry>) -> Result<(), Trouble> {
        match Tree::open(&self.root, path)? {
            Some(tree) => fence::unset(&tree, &self.depot, set, root, &Names::load()),
            None => Ok(()),
        }
    }

    pub(super) fn fenced(&self, path: &RelPath, set: &str) -> Result<(bool, String), Trouble> {
        match Tree::open(&self.root, path)? {
            None => Ok((false, format!("there is no directory {} yet", self.root.join(path.as_str()).display()))),
            // An apply may hold the data set for long; whoever asks does not wait for it.
            Some(tree) if self.depot.lock(set).try_lock().is_err() => fence::at_work(&tree),
            Some(_) if Fence::load(&self.depot, set)?.is_none() => Ok((false, "no fence was set".into())),
            Some(tree) => fence::read_back(&tree),
        }
    }

    pub(super) fn drift(&self, path: &RelPath, set: &str, expected: Option<&Manifest>) -> Result<Vec<String>, Trouble> {
        let tree = Tree::open(&self.root, path)?;
        match (tree, expected) {
            (None, None) => Ok(Vec::new()),
            (None, Some(_)) => Ok(vec![format!("the directory {} is gone", self.root.join(path.as_str()).display())]),
            (Some(tree), Some(expected)) => Ok(drift::tell(expected, &self.live(&tree, set, Look::Numbers, &Names::load())?)),
            (Some(tree), None) => match super::tree::list(tree.fd(), &tree.place)?.into_iter().find(|found| !is_ours(found)) {
                None => Ok(Vec::new()),
                Some(found) => {
                    let name = found.name.unwrap_or_else(|shown| shown);
                    let reason = format!("it is not empty and not ours: it holds {name:?}");
                    Err(Trouble::new(TroubleKind::Refused, self.depot.object(set), reason)
                        .next("empty the directory at the secondary, or choose another target"))
                }
            },
        }
    }

    fn must(&self, set: &str, fence: Option<Fence>) -> Result<Fence, Trouble> {
        fence.ok_or_else(|| Trouble::new(TroubleKind::Invalid, self.depot.object(set), "its manifest has no root"))
    }
}

/// Drops what applies that were broken off had parked in a tree: no walk shows it, and nobody else removes it.
fn remove_workplaces(tree: &Tree) -> Result<(), Trouble> {
    for name in super::tree::list(tree.fd(), &tree.place)?.into_iter().filter(is_ours).filter_map(|found| found.name.ok()) {
        super::tree::remove(tree.fd(), &name, &tree.place.join(&name))?;
    }
    Ok(())
}

fn is_ours(found: &super::tree::Found) -> bool {
    found.name.as_ref().is_ok_and(|name| name.starts_with(super::tree::WORKPLACE))
}

fn digests(manifest: &Manifest) -> BTreeSet<Digest> {
    let digest = |entry: &Entry| if let Node::File { digest, .. } = entry.node { digest } else { None };
    manifest.entries.values().filter_map(digest).collect()
}
