//! The fence of a directory tree: its root belongs to the agent's user and nobody may write; every directory below is read-only,
//! and, where the agent is the superuser and the file system knows it, immutable.
//!
//! The true modes are remembered in the store before the first is changed, so that a crash anywhere loses none.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, IFlags, Mode, OFlags, Stat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::meta::{Fail, Names, of_stat, own};
use super::tree::{self, Tree};
use super::walk::{Visit, walk_what_can_be};
use crate::components::depot::Depot;
use crate::components::objects::{io_trouble, remove_file, write_durably};
use crate::domain::{Entry, Manifest, Metadata, Node, RelPath, Trouble, TroubleKind};

/// The fenced root's mode: its owner looks, nobody writes.
const CLOSED: u32 = 0o500;
/// The root's mode while the agent itself works in it.
const WORKING: u32 = 0o700;
/// Everybody's right to write.
const WRITE: u32 = 0o222;

/// What the directories of a fenced data set truly are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The root's true metadata.
    pub root: Metadata,
    /// The true modes of the directories below.
    pub modes: BTreeMap<RelPath, u32>,
}

impl Fence {
    /// The fence of a data set, if it was set.
    pub fn load(depot: &Depot, set: &str) -> Result<Option<Fence>, Trouble> {
        let path = depot.fence_file(set)?;
        match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io_trouble(&path, "read", &e)),
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|e| Trouble::new(TroubleKind::Corrupt, path.display(), e)),
        }
    }

    /// Remembers it, durably.
    pub fn save(&self, depot: &Depot, set: &str) -> Result<(), Trouble> {
        let text = serde_json::to_vec(self).map_err(|e| Trouble::new(TroubleKind::Failed, depot.object(set), e))?;
        write_durably(&depot.fence_file(set)?, &text)
    }

    /// The fence for a tree that is what a manifest says.
    pub fn of_manifest(manifest: &Manifest) -> Option<Fence> {
        let root = manifest.entries.get(&RelPath::root())?.meta.clone();
        let below = manifest.entries.values().filter(|entry| entry.node == Node::Directory && !entry.path.is_root());
        Some(Fence { root, modes: below.map(|entry| (entry.path.clone(), entry.meta.mode)).collect() })
    }

    /// Puts the true metadata into what was read from a fenced tree.
    pub fn reveal(&self, entry: &mut Entry) {
        if entry.path.is_root() {
            let meta = &mut entry.meta;
            (meta.mode, meta.owner, meta.group) = (self.root.mode, self.root.owner.clone(), self.root.group.clone());
        } else if let (Node::Directory, Some(mode)) = (&entry.node, self.modes.get(&entry.path))
            && entry.meta.mode == mode & !WRITE
        {
            entry.meta.mode = *mode;
        }
    }
}

/// Sets the fence; what is already fenced keeps what is remembered of it.
pub fn set(tree: &Tree, depot: &Depot, name: &str, names: &Names) -> Result<String, Trouble> {
    let known = Fence::load(depot, name)?;
    let mut fence = Fence { root: Metadata::default(), modes: BTreeMap::new() };
    walk_what_can_be(tree, &mut |visit| {
        if visit.path.is_root() {
            fence.root = of_stat(&visit.stat, names);
        } else if tree::sort(&visit.stat) == FileType::Directory {
            fence.modes.insert(visit.path, visit.stat.st_mode & 0o7777);
        }
        Ok(())
    })?;
    if let Some(known) = known {
        fence.root = known.root;
        fence.modes.extend(known.modes);
    }
    fence.save(depot, name)?;
    close(tree)?;
    let (holds, evidence) = read_back(tree)?;
    if holds {
        Ok(evidence)
    } else {
        Err(Trouble::new(TroubleKind::Failed, depot.object(name), format!("the fence does not hold: {evidence}")))
    }
}

/// Takes the rights away.
pub fn close(tree: &Tree) -> Result<(), Trouble> {
    let me = rustix::process::geteuid();
    each_directory(tree, &mut |fd, visit| {
        let mode = if visit.path.is_root() { CLOSED } else { visit.stat.st_mode & 0o7777 & !WRITE };
        let own = visit.path.is_root() && visit.stat.st_uid != me.as_raw();
        if mode == visit.stat.st_mode & 0o7777 && !own && (!me.is_root() || is_immutable(fd)) {
            return Ok(());
        }
        mark(fd, false);
        if own {
            rustix::fs::fchown(fd, Some(me), None).map_err(|e| tree.failed(&visit.path, "take over", e))?;
        }
        rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(|e| tree.failed(&visit.path, "close", e))?;
        if me.is_root() {
            mark(fd, true);
        }
        Ok(())
    })
}

/// Opens the tree for the agent's own work: still nobody else's.
pub fn lift(tree: &Tree, fence: Option<&Fence>) -> Result<(), Trouble> {
    each_directory(tree, &mut |fd, visit| {
        mark(fd, false);
        let now = visit.stat.st_mode & 0o7777;
        let mode = match fence.and_then(|fence| fence.modes.get(&visit.path)) {
            _ if visit.path.is_root() => WORKING,
            Some(mode) => mode | 0o700,
            None => now | 0o700,
        };
        if mode == now {
            Ok(())
        } else {
            rustix::fs::fchmod(fd, Mode::from_raw_mode(mode)).map_err(|e| tree.failed(&visit.path, "open", e))
        }
    })
}

/// Lifts the fence for everybody: the root becomes what `root` says, or what it was.
pub fn unset(tree: &Tree, depot: &Depot, name: &str, root: Option<&Entry>, names: &Names) -> Result<(), Trouble> {
    let fence = Fence::load(depot, name)?;
    if fence.is_some() {
        each_directory(tree, &mut |fd, visit| {
            mark(fd, false);
            let Some(mode) = fence.as_ref().and_then(|fence| fence.modes.get(&visit.path)).filter(|_| !visit.path.is_root()) else {
                return Ok(());
            };
            rustix::fs::fchmod(fd, Mode::from_raw_mode(*mode)).map_err(|e| tree.failed(&visit.path, "open", e))
        })?;
    }
    if let Some(meta) = root.map(|entry| &entry.meta).or(fence.as_ref().map(|fence| &fence.root)) {
        let stat = rustix::fs::fstat(tree.fd()).map_err(|e| tree.failed(&RelPath::root(), "look at", e))?;
        own(tree.fd(), ".", &stat, meta, names).map_err(|fail| match fail {
            Fail::Told(trouble) => trouble,
            Fail::Number(doing, e) => tree.failed(&RelPath::root(), doing, e),
        })?;
        rustix::fs::fchmod(tree.fd(), Mode::from_raw_mode(meta.mode)).map_err(|e| tree.failed(&RelPath::root(), "open", e))?;
    }
    remove_file(&depot.fence_file(name)?).map(|_| ())
}

/// Whether the fence stands, by what the directory says and by trying to write into it.
pub fn read_back(tree: &Tree) -> Result<(bool, String), Trouble> {
    let root = RelPath::root();
    let stat = rustix::fs::fstat(tree.fd()).map_err(|e| tree.failed(&root, "look at", e))?;
    let (mode, me) = (stat.st_mode & 0o7777, rustix::process::geteuid());
    let owner = Names::load().user(stat.st_uid);
    if mode & (WRITE | 0o077) != 0 || stat.st_uid != me.as_raw() {
        return Ok((false, format!("its root directory has mode {mode:o} and belongs to {owner}: users can reach it")));
    }
    let (tried, closed) =
        (write_anyway(tree), format!("its root directory has mode {mode:o} and belongs to {owner}: other users are kept out"));
    Ok(match (tried, me.is_root()) {
        (Err(Errno::PERM), true) if is_immutable(tree.fd()) => (
            true,
            format!(
                "{closed}; directories are immutable, and a file made in it as the superuser was refused (a superuser could still change existing files, or lift the flag)"
            ),
        ),
        (Ok(()), true) => (true, format!("{closed}; its file system takes no immutable flag, so that a superuser bypasses the fence")),
        (Err(e), false) => {
            let own = format!("a file made in it as {owner} was refused ({e}), though programs of that user could lift the mode");
            (true, format!("{closed}; {own}"))
        }
        (Ok(()), false) => (false, format!("{closed}, but a file could be made in it as {owner}")),
        (Err(e), true) => (true, format!("{closed}; a file made in it as the superuser was refused ({e})")),
    })
}

/// What can be told while the agent itself is at work in the tree.
pub fn at_work(tree: &Tree) -> Result<(bool, String), Trouble> {
    let stat = rustix::fs::fstat(tree.fd()).map_err(|e| tree.failed(&RelPath::root(), "look at", e))?;
    let mode = stat.st_mode & 0o7777;
    let closed = mode & 0o077 == 0 && stat.st_uid == rustix::process::geteuid().as_raw();
    Ok((
        closed,
        format!("the agent is at work in it; its root directory has mode {mode:o} and belongs to {}", Names::load().user(stat.st_uid)),
    ))
}

/// Gives a directory below a fenced root what will be true of it, under the fence.
pub fn give_below(tree: &Tree, entry: &Entry, names: &Names) -> Result<(), Trouble> {
    let failed = |doing, e| tree.failed(&entry.path, doing, e);
    let (holder, name) = tree.holder(&entry.path)?;
    let fd = tree::enter(&holder, &name).map_err(|e| failed("open", e))?;
    mark(&fd, false);
    let stat = rustix::fs::fstat(&fd).map_err(|e| failed("look at", e))?;
    let given = own(&fd, ".", &stat, &entry.meta, names).map_err(|fail| match fail {
        Fail::Told(trouble) => trouble,
        Fail::Number(doing, e) => failed(doing, e),
    });
    let closed = rustix::fs::fchmod(&fd, Mode::from_raw_mode(entry.meta.mode & !WRITE)).map_err(|e| failed("change the mode of", e));
    if rustix::process::geteuid().is_root() {
        mark(&fd, true);
    }
    given.and(closed)
}

fn write_anyway(tree: &Tree) -> Result<(), Errno> {
    let name = format!("{}probe", tree::WORKPLACE);
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let before = rustix::fs::fstat(tree.fd())?;
    drop(rustix::fs::openat(tree.fd(), &name, flags, Mode::from_raw_mode(0o600))?);
    rustix::fs::unlinkat(tree.fd(), &name, AtFlags::empty())?;
    // Trying leaves nothing behind, not even another time.
    rustix::fs::futimens(tree.fd(), &super::meta::times(tree::modified_ns(&before)))
}

fn each_directory(tree: &Tree, act: &mut dyn FnMut(&OwnedFd, &Visit<'_>) -> Result<(), Trouble>) -> Result<(), Trouble> {
    walk_what_can_be(tree, &mut |visit| {
        if tree::sort(&visit.stat) != FileType::Directory {
            return Ok(());
        }
        let fd = match tree::enter(visit.dir, visit.name) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            fd => fd.map_err(|e| tree.failed(&visit.path, "open", e))?,
        };
        act(&fd, &visit)
    })
}

fn is_immutable(fd: &OwnedFd) -> bool {
    rustix::fs::ioctl_getflags(fd).is_ok_and(|flags| flags.contains(IFlags::IMMUTABLE))
}

/// Sets or clears the immutable flag. Best effort: the read-back tells what holds.
fn mark(fd: &OwnedFd, immutable: bool) {
    let Ok(flags) = rustix::fs::ioctl_getflags(fd) else { return };
    if flags.contains(IFlags::IMMUTABLE) == immutable {
        return;
    }
    let mut wanted = flags;
    wanted.set(IFlags::IMMUTABLE, immutable);
    if let Err(error) = rustix::fs::ioctl_setflags(fd, wanted) {
        tracing::debug!(%error, immutable, "the immutable flag was not changed");
    }
}

/// Clears what a fence may have left on a folder and all below, so that it can be removed: for a training lab that starts over.
pub fn make_removable(folder: &Path) -> Result<(), Trouble> {
    let opened = match File::open(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened.map_err(|e| io_trouble(folder, "open", &e))?,
    };
    drop(opened);
    match Tree::open(folder, &RelPath::root())? {
        Some(tree) => each_directory(&tree, &mut |fd, visit: &Visit<'_>| {
            mark(fd, false);
            let stat: &Stat = &visit.stat;
            let mode = Mode::from_raw_mode(stat.st_mode & 0o7777 | WORKING);
            rustix::fs::fchmod(fd, mode).map_err(|e| tree.failed(&visit.path, "open", e))
        }),
        None => Ok(()),
    }
}
