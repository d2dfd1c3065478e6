//! Walking a data set: what is there, and (for a capture) its content into the store.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::meta::{self, Names};
use super::notes::FilesRefusal;
use super::tree::{self, Tree, WORKPLACE};
use crate::components::depot::{Captured, Seen};
use crate::components::objects::{Objects, hash};
use crate::domain::{Entry, Manifest, Metadata, Node, RelPath, Trouble, TroubleKind};

/// Directories nest no deeper: each level of a walk holds one descriptor.
const MAX_DEPTH: usize = 256;
/// A file that changes while it is read is read so often.
const READ_TRIES: u32 = 3;
/// A file changed so shortly before it was read may change again without another time stamp.
const SETTLED: Duration = Duration::from_secs(2);

/// One entry of a walk. A directory comes before what is in it.
pub struct Visit<'a> {
    /// Where it is in the data set.
    pub path: RelPath,
    /// The directory that holds it.
    pub dir: &'a OwnedFd,
    /// Its name there; `.` for the root.
    pub name: &'a str,
    /// Its numbers.
    pub stat: Stat,
}

/// What is done about a name that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Odd {
    Refuse,
    LeaveOut,
}

/// Visits everything, the root first. What goes meanwhile is left out; a name that cannot be kept is refused.
pub fn walk(tree: &Tree, visit: &mut dyn FnMut(Visit<'_>) -> Result<(), Trouble>) -> Result<(), Trouble> {
    from_root(tree, Odd::Refuse, visit)
}

/// The same, but leaves out what cannot be kept: an odd name must not keep a fence from being set.
pub fn walk_what_can_be(tree: &Tree, visit: &mut dyn FnMut(Visit<'_>) -> Result<(), Trouble>) -> Result<(), Trouble> {
    from_root(tree, Odd::LeaveOut, visit)
}

fn from_root(tree: &Tree, odd: Odd, visit: &mut dyn FnMut(Visit<'_>) -> Result<(), Trouble>) -> Result<(), Trouble> {
    let stat = rustix::fs::fstat(tree.fd()).map_err(|e| tree.failed(&RelPath::root(), "look at", e))?;
    visit(Visit { path: RelPath::root(), dir: tree.fd(), name: ".", stat })?;
    below(tree, tree.fd(), &RelPath::root(), odd, visit)
}

fn below(
    tree: &Tree,
    dir: &OwnedFd,
    path: &RelPath,
    odd: Odd,
    visit: &mut dyn FnMut(Visit<'_>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let place = tree.place.join(path.as_str());
    if path.depth() >= MAX_DEPTH {
        let trouble = FilesRefusal::NestsTooDeep { limit: MAX_DEPTH }.trouble(place.display());
        return if odd == Odd::LeaveOut { Ok(()) } else { Err(trouble) };
    }
    for found in tree::list(dir, &place)? {
        let name = match child_name(path, &place, found.name) {
            Ok(Some(name)) => name,
            Ok(None) => continue,
            Err(_) if odd == Odd::LeaveOut => continue,
            Err(trouble) => return Err(trouble),
        };
        let child = path.join(&name).map_err(|e| Trouble::new(TroubleKind::Refused, place.join(&name).display(), e))?;
        let is_dir = tree::sort(&found.stat) == FileType::Directory;
        visit(Visit { path: child.clone(), dir, name: &name, stat: found.stat })?;
        if is_dir {
            match tree::enter(dir, &name) {
                Ok(fd) => below(tree, &fd, &child, odd, visit)?,
                // Gone or replaced since it was listed.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(e) => return Err(tree.failed(&child, "open", e)),
            }
        }
    }
    Ok(())
}

/// A name as it can be kept; `None`: it is our own.
fn child_name(path: &RelPath, place: &std::path::Path, name: Result<String, String>) -> Result<Option<String>, Trouble> {
    let name = name.map_err(|shown| tree::not_unicode(&place.join(shown)))?;
    if path.is_root() && name.starts_with(WORKPLACE) {
        return Ok(None);
    }
    path.join(&name).map_err(|e| Trouble::new(TroubleKind::Refused, place.join(&name).display(), e).next("rename it"))?;
    Ok(Some(name))
}

/// Refuses what has no content that could be copied.
pub fn refuse_special(tree: &Tree, visit: &Visit<'_>) -> Result<(), Trouble> {
    let sort = match tree::sort(&visit.stat) {
        FileType::Directory | FileType::RegularFile | FileType::Symlink => return Ok(()),
        FileType::Socket => "a socket",
        FileType::Fifo => "a named pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "a special file",
    };
    Err(FilesRefusal::SpecialFile { sort: sort.to_owned() }.trouble(tree.place.join(visit.path.as_str()).display()))
}

/// The whole tree into the store. Also returns the files that kept changing while they were read.
pub fn capture(tree: &Tree, objects: &Objects, before: &Captured, names: &Names) -> Result<(Captured, Vec<String>), Trouble> {
    let known: HashMap<u64, &Seen> = before.values().filter(|seen| seen.changed_ns != 0).map(|seen| (seen.inode, seen)).collect();
    let (mut captured, mut changing) = (Captured::new(), Vec::new());
    walk(tree, &mut |visit| {
        refuse_special(tree, &visit)?;
        let known = known.get(&visit.stat.st_ino).copied();
        if let Some((seen, settled)) = see(tree, &visit, objects, known, names)? {
            if !settled {
                changing.push(format!("changing: {}", visit.path));
            }
            captured.insert(visit.path, seen);
        }
        Ok(())
    })?;
    Ok((captured, changing))
}

/// One entry with its content kept; `None` when it went. The flag is false when it kept changing.
fn see(tree: &Tree, visit: &Visit<'_>, objects: &Objects, known: Option<&Seen>, names: &Names) -> Result<Option<(Seen, bool)>, Trouble> {
    let failed = |doing, e| tree.failed(&visit.path, doing, e);
    let entry = |node, meta| Entry { path: visit.path.clone(), node, meta };
    let inode = visit.stat.st_ino;
    match tree::sort(&visit.stat) {
        FileType::Symlink => {
            let Some(target) = read_link(tree, visit)? else { return Ok(None) };
            let meta = meta::of_stat(&visit.stat, names);
            Ok(Some((Seen { entry: entry(Node::Link { target }, meta), inode, changed_ns: 0 }, true)))
        }
        FileType::Directory => {
            let fd = match tree::enter(visit.dir, visit.name) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
                fd => fd.map_err(|e| failed("open", e))?,
            };
            let xattrs = meta::xattrs(&fd).map_err(|e| failed("read the attributes of", e))?;
            let meta = Metadata { xattrs, ..meta::of_stat(&visit.stat, names) };
            Ok(Some((Seen { entry: entry(Node::Directory, meta), inode, changed_ns: 0 }, true)))
        }
        _ => {
            if let Some(seen) = known.and_then(|known| unchanged(known, visit, objects, names)) {
                return Ok(Some((seen, true)));
            }
            read_whole(tree, visit, objects, names)
        }
    }
}

/// The former capture's knowledge of a file that nobody touched since.
fn unchanged(known: &Seen, visit: &Visit<'_>, objects: &Objects, names: &Names) -> Option<Seen> {
    let Node::File { bytes, digest: Some(digest) } = known.entry.node else { return None };
    let same = u64::try_from(visit.stat.st_size) == Ok(bytes)
        && known.entry.meta.modified_ns == tree::modified_ns(&visit.stat)
        && known.changed_ns == tree::changed_ns(&visit.stat);
    if !same || !objects.holds(&digest, Some(bytes)) {
        return None;
    }
    let meta = Metadata { xattrs: known.entry.meta.xattrs.clone(), ..meta::of_stat(&visit.stat, names) };
    Some(Seen { entry: Entry { path: visit.path.clone(), node: known.entry.node.clone(), meta }, ..known.clone() })
}

fn read_whole(tree: &Tree, visit: &Visit<'_>, objects: &Objects, names: &Names) -> Result<Option<(Seen, bool)>, Trouble> {
    let failed = |doing, e| tree.failed(&visit.path, doing, e);
    let mut tries = 0;
    loop {
        tries += 1;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(visit.dir, visit.name, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            file => file.map_err(|e| failed("read", e))?,
        };
        let now = SystemTime::now();
        let first = rustix::fs::fstat(&file).map_err(|e| failed("look at", e))?;
        if tree::sort(&first) != FileType::RegularFile {
            return Ok(None);
        }
        let xattrs = meta::xattrs(&file).map_err(|e| failed("read the attributes of", e))?;
        let file = File::from(file);
        let (digest, bytes) = objects.put_file(&file)?;
        let last = rustix::fs::fstat(&file).map_err(|e| failed("look at", e))?;
        let same = u64::try_from(last.st_size) == Ok(bytes) && tree::changed_ns(&first) == tree::changed_ns(&last);
        if same || tries == READ_TRIES {
            let meta = Metadata { xattrs, ..meta::of_stat(&last, names) };
            let entry = Entry { path: visit.path.clone(), node: Node::File { bytes, digest: Some(digest) }, meta };
            let changed_ns = if same && is_settled(now, tree::changed_ns(&last)) { tree::changed_ns(&last) } else { 0 };
            return Ok(Some((Seen { entry, inode: last.st_ino, changed_ns }, same)));
        }
    }
}

fn is_settled(now: SystemTime, changed_ns: i64) -> bool {
    let latest = now.checked_sub(SETTLED).and_then(|then| then.duration_since(SystemTime::UNIX_EPOCH).ok());
    latest.is_some_and(|latest| i128::from(changed_ns) < i128::try_from(latest.as_nanos()).unwrap_or(i128::MAX))
}

fn read_link(tree: &Tree, visit: &Visit<'_>) -> Result<Option<String>, Trouble> {
    match rustix::fs::readlinkat(visit.dir, visit.name, Vec::new()) {
        Err(Errno::NOENT | Errno::INVAL) => Ok(None),
        target => {
            let target = target.map_err(|e| tree.failed(&visit.path, "read the link", e))?;
            target.into_string().map(Some).map_err(|_| tree::not_unicode(&tree.place.join(visit.path.as_str())))
        }
    }
}

/// How closely a live tree is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Numbers only: files have no digest.
    Numbers,
    /// Every file is read.
    Content,
}

/// The live tree, nothing kept.
pub fn survey(tree: &Tree, look: Look, names: &Names) -> Result<Manifest, Trouble> {
    let mut entries = BTreeMap::new();
    walk(tree, &mut |visit| {
        let meta = meta::of_stat(&visit.stat, names);
        let node = match tree::sort(&visit.stat) {
            FileType::Directory => Node::Directory,
            FileType::Symlink => match read_link(tree, &visit)? {
                Some(target) => Node::Link { target },
                None => return Ok(()),
            },
            FileType::RegularFile => {
                let digest = if look == Look::Content { Some(read_digest(tree, &visit)?) } else { None };
                Node::File { bytes: u64::try_from(visit.stat.st_size).unwrap_or(0), digest }
            }
            _ => Node::Link { target: "a special file".into() },
        };
        entries.insert(visit.path.clone(), Entry { path: visit.path, node, meta });
        Ok(())
    })?;
    Ok(Manifest { entries })
}

fn read_digest(tree: &Tree, visit: &Visit<'_>) -> Result<crate::domain::Digest, Trouble> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(visit.dir, visit.name, flags, Mode::empty()).map_err(|e| tree.failed(&visit.path, "read", e))?;
    Ok(hash(&mut File::from(file))?.0)
}

/// The most open files named.
const OPEN_FILES: usize = 100;

/// Files below `place` that some process of this host has open for writing, as far as it may be seen.
pub fn open_for_writing(place: &std::path::Path) -> Vec<String> {
    let Ok(place) = place.canonicalize() else { return Vec::new() };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter(|process| process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    let mut open = std::collections::BTreeSet::new();
    for process in processes {
        // Of processes that end meanwhile, or that we may not look into, nothing can be told.
        for fd in std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(target) = std::fs::read_link(fd.path()) else { continue };
            let Ok(below) = target.strip_prefix(&place) else { continue };
            let info = std::fs::read_to_string(process.path().join("fdinfo").join(fd.file_name())).unwrap_or_default();
            let flags = info.lines().find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
            if flags.is_some_and(|flags| flags & 0o3 != 0) && open.len() < OPEN_FILES {
                open.insert(below.to_string_lossy().into_owned());
            }
        }
    }
    open.into_iter().collect()
}
