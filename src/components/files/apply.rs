//! Bringing a live tree to a new point: detach, attach, place, metadata; each phase may be repeated, and is durable when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::meta::{self, Fail, Names};
use super::privileges::Allowed;
use super::tree::{self, Tree, WORKPLACE, trouble};
use crate::components::PhaseJournal;
use crate::components::depot::Captured;
use crate::components::diff;
use crate::components::objects::{Digester, Objects, sync_files};
use crate::domain::backup::plan::{ApplyPlan, Attach, Detach};
use crate::domain::{Change, Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind};

/// One apply of one data set.
pub struct Apply<'a> {
    /// The live tree, open for us.
    pub tree: &'a Tree,
    /// Where content is.
    pub objects: &'a Objects,
    /// Names the folder we work in.
    pub point: PointId,
    /// This host's users and groups.
    pub names: &'a Names,
    /// Privileges that may be given.
    pub allowed: &'a Allowed,
    /// The new state.
    pub manifest: &'a Manifest,
}

type Phase<'a> = fn(&Apply<'a>, &ApplyPlan) -> Result<(), Trouble>;

impl<'a> Apply<'a> {
    /// All phases that the journal does not tell are over.
    pub fn run(&self, plan: &ApplyPlan, journal: &dyn PhaseJournal) -> Result<(), Trouble> {
        let phases: [Phase<'a>; 4] = [Self::detach, Self::attach, Self::place, Self::metadata];
        let done = journal.done()?;
        for (count, phase) in (1_u32..).zip(phases) {
            if count > done {
                phase(self, plan)?;
                self.sync(plan)?;
                journal.advance(count)?;
            }
        }
        // Its coming and going changed the root's time again.
        tree::remove(self.tree.fd(), &self.workplace_name(), &self.tree.place)?;
        self.give(&RelPath::root())
    }

    fn workplace_name(&self) -> String {
        format!("{WORKPLACE}{}", self.point)
    }

    /// The folder in the data set's root where things are parked and made ready: the same file system as the data set.
    fn workplace(&self) -> Result<OwnedFd, Trouble> {
        let name = self.workplace_name();
        match rustix::fs::mkdirat(self.tree.fd(), &name, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(trouble(&self.tree.place.join(&name), "make the folder", e)),
        }
        tree::enter(self.tree.fd(), &name).map_err(|e| trouble(&self.tree.place.join(&name), "open", e))
    }

    fn detach(&self, plan: &ApplyPlan) -> Result<(), Trouble> {
        let parking = self.workplace()?;
        for step in &plan.detach {
            match step {
                Detach::Park { from, slot } => self.park(&parking, from, *slot)?,
                Detach::Delete { path } => {
                    if self.tree.stat(path)?.is_some() {
                        let (dir, name) = self.tree.holder(path)?;
                        tree::remove(&dir, &name, &self.tree.place.join(path.as_str()))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn park(&self, parking: &OwnedFd, from: &RelPath, slot: u32) -> Result<(), Trouble> {
        let place = format!("p{slot}");
        if rustix::fs::statat(parking, &place, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(());
        }
        if self.tree.stat(from)?.is_none() {
            return Err(self.gone(from));
        }
        let (dir, name) = self.tree.holder(from)?;
        rustix::fs::renameat(&dir, &name, parking, &place).map_err(|e| self.tree.failed(from, "move aside", e))
    }

    fn attach(&self, plan: &ApplyPlan) -> Result<(), Trouble> {
        let parking = self.workplace()?;
        for step in &plan.attach {
            match step {
                Attach::Directory(entry) if entry.path.is_root() => {}
                Attach::Directory(entry) => {
                    let (dir, name) = self.tree.holder(&entry.path)?;
                    match rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o700)) {
                        Ok(()) => {}
                        Err(Errno::EXIST) => {
                            drop(tree::enter(&dir, &name).map_err(|e| self.tree.failed(&entry.path, "open the folder", e))?)
                        }
                        Err(e) => return Err(self.tree.failed(&entry.path, "make the folder", e)),
                    }
                }
                Attach::Unpark { slot, to } => {
                    let place = format!("p{slot}");
                    if rustix::fs::statat(&parking, &place, AtFlags::SYMLINK_NOFOLLOW).is_err() {
                        if self.tree.stat(to)?.is_none() {
                            return Err(self.gone(to));
                        }
                        continue;
                    }
                    let (dir, name) = self.tree.holder(to)?;
                    rustix::fs::renameat(&parking, &place, &dir, &name).map_err(|e| self.tree.failed(to, "move into place", e))?;
                }
            }
        }
        Ok(())
    }

    fn place(&self, plan: &ApplyPlan) -> Result<(), Trouble> {
        let work = self.workplace()?;
        for (_, entry) in &plan.place {
            let failed = |doing, e| self.tree.failed(&entry.path, doing, e);
            tree::remove(&work, "new", &self.tree.place)?;
            match &entry.node {
                Node::File { bytes, digest: Some(digest) } => self.copy(&work, entry, digest, *bytes)?,
                Node::Link { target } => rustix::fs::symlinkat(target.as_str(), &work, "new").map_err(|e| failed("make the link", e))?,
                _ => return Err(Trouble::new(TroubleKind::Invalid, &entry.path, "it is no file or link with a known digest")),
            }
            let stat = rustix::fs::statat(&work, "new", AtFlags::SYMLINK_NOFOLLOW).map_err(|e| failed("look at", e))?;
            meta::give_in(&work, "new", &stat, entry, (self.names, self.allowed), false).map_err(|fail| match fail {
                Fail::Told(trouble) => trouble,
                Fail::Number(doing, e) => failed(doing, e),
            })?;
            let (dir, name) = self.tree.holder(&entry.path)?;
            rustix::fs::renameat(&work, "new", &dir, &name).map_err(|e| failed("put into place", e))?;
        }
        Ok(())
    }

    /// Copies content out of the store, and sees to it that it is what its name says.
    fn copy(&self, work: &OwnedFd, entry: &Entry, digest: &Digest, bytes: u64) -> Result<(), Trouble> {
        let failed = |e: std::io::Error| crate::components::objects::io_trouble(&self.tree.place.join(entry.path.as_str()), "write", &e);
        let mut from = self.objects.open(digest)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let to = rustix::fs::openat(work, "new", flags, Mode::from_raw_mode(0o600)).map_err(|e| failed(e.into()))?;
        let (mut to, mut digester) = (File::from(to), Digester::default());
        let mut portion = vec![0; 256 << 10];
        loop {
            let read = from.read(&mut portion).map_err(failed)?;
            if read == 0 {
                break;
            }
            digester.update(&portion[..read]);
            to.write_all(&portion[..read]).map_err(failed)?;
        }
        if digester.finish() != (*digest, bytes) {
            return Err(Trouble::new(
                TroubleKind::Corrupt,
                format!("content {digest}"),
                format!("the store's copy of {} is damaged", entry.path),
            )
            .next("bring the service back from another recovery point, or run a full copy"));
        }
        Ok(())
    }

    fn metadata(&self, plan: &ApplyPlan) -> Result<(), Trouble> {
        let paths: BTreeSet<RelPath> = plan.metadata.iter().map(|entry| entry.path.clone()).chain(touched_dirs(plan)).collect();
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort_by_key(|path| std::cmp::Reverse(path.depth()));
        paths.iter().try_for_each(|path| self.give(path))
    }

    /// Gives one path what the manifest says of it.
    fn give(&self, path: &RelPath) -> Result<(), Trouble> {
        self.manifest.entries.get(path).map_or(Ok(()), |entry| meta::give(self.tree, path, entry, self.names, self.allowed))
    }

    fn sync(&self, plan: &ApplyPlan) -> Result<(), Trouble> {
        let place = |path: &RelPath| self.tree.place.join(path.as_str());
        let mut paths: BTreeSet<PathBuf> =
            plan.place.iter().filter(|(_, entry)| entry.is_file()).map(|(_, entry)| place(&entry.path)).collect();
        paths.extend(touched_dirs(plan).iter().map(place).filter(|dir| dir.is_dir()));
        sync_files(&paths)
    }

    fn gone(&self, path: &RelPath) -> Trouble {
        Trouble::new(
            TroubleKind::Corrupt,
            self.tree.place.join(path.as_str()).display(),
            "it is gone, though the last recovery point has it",
        )
        .next("run a full copy of the service")
    }
}

/// The directories whose list of names a plan changes.
fn touched_dirs(plan: &ApplyPlan) -> BTreeSet<RelPath> {
    let detached = plan.detach.iter().map(|step| match step {
        Detach::Park { from: path, .. } | Detach::Delete { path } => path,
    });
    let attached = plan.attach.iter().map(|step| match step {
        Attach::Directory(entry) => &entry.path,
        Attach::Unpark { to, .. } => to,
    });
    let placed = plan.place.iter().map(|(_, entry)| &entry.path);
    detached.chain(attached).chain(placed).filter_map(RelPath::parent).chain([RelPath::root()]).collect()
}

/// The plan that brings a live tree, as it was found, to what a manifest says. Pure.
pub fn plan_restore(live: &Captured, manifest: &Manifest) -> ApplyPlan {
    let seen = |entry: &Entry| crate::components::depot::Seen { entry: entry.clone(), inode: 0, changed_ns: 0 };
    let wanted: Captured = manifest.entries.iter().map(|(path, entry)| (path.clone(), seen(entry))).collect();
    let mut plan = ApplyPlan::default();
    for change in diff::changes(live, &wanted).changes {
        match change {
            Change::Delete { path } => plan.detach.push(Detach::Delete { path }),
            Change::Put(entry) if entry.node == Node::Directory => plan.attach.push(Attach::Directory(entry)),
            Change::Put(entry) => plan.place.push((u32::try_from(plan.place.len()).unwrap_or(u32::MAX), entry)),
            Change::Meta(_) | Change::Rename { .. } => {}
        }
    }
    let by_depth: BTreeMap<_, _> = manifest.entries.iter().map(|(path, entry)| ((std::cmp::Reverse(path.depth()), path), entry)).collect();
    plan.metadata = by_depth.into_values().cloned().collect();
    plan
}
