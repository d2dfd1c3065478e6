//! Every touch of a data set's directory tree, through descriptors that cannot leave it: no link is followed, no `..` taken.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::notes::FilesRefusal;
use crate::components::objects::io_trouble;
use crate::domain::{RelPath, Trouble, TroubleKind};

/// How a directory is opened below another: as itself, never through a link.
const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// The name, in a data set's root, of the folder in which an apply works; never captured.
pub const WORKPLACE: &str = ".understudy-";

/// A data set's root, open.
pub struct Tree {
    root: OwnedFd,
    /// Where it is, for people.
    pub place: PathBuf,
}

/// The sort of a directory entry and its numbers.
pub struct Found {
    /// Its name; `None` when it is no Unicode, with the name as well as it can be shown.
    pub name: Result<String, String>,
    /// Its numbers.
    pub stat: Stat,
}

impl Tree {
    /// Opens a data set below a component's root; `None` when it does not exist.
    pub fn open(root: &Path, set: &RelPath) -> Result<Option<Tree>, Trouble> {
        let place = root.join(set.as_str());
        let top = match rustix::fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(|e| trouble(root, "open", e))?,
        };
        match beneath(&top, set) {
            Ok(root) => Ok(Some(Tree { root, place })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR | Errno::XDEV) => Err(outside(&place)),
            Err(e) => Err(trouble(&place, "open", e)),
        }
    }

    /// Opens it, making it (and what leads there) where it does not exist.
    pub fn make(root: &Path, set: &RelPath, mode: u32) -> Result<Tree, Trouble> {
        if let Some(tree) = Tree::open(root, set)? {
            return Ok(tree);
        }
        let mut at = rustix::fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| trouble(root, "open", e))?;
        let mut names = set.as_str().split('/').peekable();
        while let Some(name) = names.next() {
            let mode = if names.peek().is_some() { 0o755 } else { mode };
            match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(mode)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(e) => return Err(trouble(&root.join(set.as_str()), "make the folder", e)),
            }
            at = rustix::fs::openat(&at, name, DIRECTORY, Mode::empty()).map_err(|_| outside(&root.join(set.as_str())))?;
        }
        Ok(Tree { root: at, place: root.join(set.as_str()) })
    }

    /// The root's descriptor.
    pub fn fd(&self) -> &OwnedFd {
        &self.root
    }

    /// A directory of it.
    pub fn dir(&self, path: &RelPath) -> Result<OwnedFd, Trouble> {
        beneath(&self.root, path).map_err(|e| self.failed(path, "open", e))
    }

    /// The directory that holds `path` and the name in it; the root is `.` in itself.
    pub fn holder(&self, path: &RelPath) -> Result<(OwnedFd, String), Trouble> {
        match path.parent() {
            Some(parent) => Ok((self.dir(&parent)?, path.name().to_owned())),
            None => Ok((self.dir(path)?, ".".to_owned())),
        }
    }

    /// What is at a path; `None` when nothing is.
    pub fn stat(&self, path: &RelPath) -> Result<Option<Stat>, Trouble> {
        let parent = path.parent().unwrap_or_default();
        let dir = match beneath(&self.root, &parent) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            dir => dir.map_err(|e| self.failed(&parent, "open", e))?,
        };
        let name = if path.is_root() { "." } else { path.name() };
        match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(self.failed(path, "look at", e)),
        }
    }

    /// A trouble with something in it.
    pub fn failed(&self, path: &RelPath, doing: &str, e: Errno) -> Trouble {
        trouble(&self.place.join(path.as_str()), doing, e)
    }
}

/// A trouble from an error number.
pub fn trouble(path: &Path, doing: &str, e: Errno) -> Trouble {
    io_trouble(path, doing, &e.into())
}

fn outside(place: &Path) -> Trouble {
    Trouble::new(TroubleKind::Refused, place.display(), "it is no directory, or a symbolic link leads there, which is never followed")
        .next("name the directory itself as data set")
}

/// Opens a directory below another. The kernel sees to it that nothing leads out; where it cannot, name by name.
fn beneath(root: &OwnedFd, path: &RelPath) -> Result<OwnedFd, Errno> {
    if path.is_root() {
        return rustix::fs::openat(root, ".", DIRECTORY, Mode::empty());
    }
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path.as_str(), DIRECTORY, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM | Errno::NAMETOOLONG | Errno::AGAIN) => {
            let mut at = rustix::fs::openat(root, ".", DIRECTORY, Mode::empty())?;
            for name in path.as_str().split('/') {
                at = rustix::fs::openat(&at, name, DIRECTORY, Mode::empty())?;
            }
            Ok(at)
        }
        opened => opened,
    }
}

/// What a directory holds, sorted by name; what goes while it is read is left out.
pub fn list(dir: impl AsFd, place: &Path) -> Result<Vec<Found>, Trouble> {
    let mut found = Vec::new();
    let entries = Dir::read_from(&dir).map_err(|e| trouble(place, "list", e))?;
    for entry in entries {
        let entry = entry.map_err(|e| trouble(place, "list", e))?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        match rustix::fs::statat(&dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                found.push(Found { name: name.to_str().map(str::to_owned).ok_or_else(|| name.to_string_lossy().into_owned()), stat })
            }
            Err(Errno::NOENT) => {}
            Err(e) => return Err(trouble(&place.join(name), "look at", e)),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Opens a directory in another.
pub fn enter(dir: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(dir, name, DIRECTORY, Mode::empty())
}

/// The sort of what was found.
pub fn sort(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Modification time in nanoseconds.
#[allow(clippy::unnecessary_cast)] // the field's type differs between platforms
pub fn modified_ns(stat: &Stat) -> i64 {
    (stat.st_mtime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64)
}

/// Change time in nanoseconds.
#[allow(clippy::unnecessary_cast)] // the field's type differs between platforms
pub fn changed_ns(stat: &Stat) -> i64 {
    (stat.st_ctime as i64).saturating_mul(1_000_000_000).saturating_add(stat.st_ctime_nsec as i64)
}

/// Removes a file, or a directory with all that is in it; well when there is nothing.
pub fn remove(dir: &OwnedFd, name: &str, place: &Path) -> Result<(), Trouble> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(trouble(place, "remove", e)),
    }
    let below = match enter(dir, name) {
        Err(Errno::NOENT) => return Ok(()),
        below => below.map_err(|e| trouble(place, "remove", e))?,
    };
    for found in list(&below, place)? {
        let name = found.name.map_err(|shown| not_unicode(&place.join(shown)))?;
        remove(&below, &name, &place.join(&name))?;
    }
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR).map_err(|e| trouble(place, "remove", e))
}

/// A name that is no Unicode text.
pub fn not_unicode(place: &Path) -> Trouble {
    FilesRefusal::NameNotUnicode.trouble(place.display())
}
