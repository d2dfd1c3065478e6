//! Modes, owners, times and extended attributes: read from an entry, and given to one.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;

use super::privileges::{self, Allowed};
use super::tree::{self, Tree};
use crate::domain::{Entry, Metadata, Node, RelPath, Trouble, TroubleKind};

/// Users and groups of this host by number and by name, from `/etc/passwd` and `/etc/group`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    users: Vec<(u32, String)>,
    groups: Vec<(u32, String)>,
}

impl Names {
    /// Reads them. A host without such files has numbers only.
    pub fn load() -> Names {
        Names { users: read("/etc/passwd"), groups: read("/etc/group") }
    }

    /// A user's name, or the number where there is none.
    pub fn user(&self, uid: u32) -> String {
        name_of(&self.users, uid)
    }

    /// A group's name, or the number where there is none.
    pub fn group(&self, gid: u32) -> String {
        name_of(&self.groups, gid)
    }

    /// The owners and groups of entries that this host does not know, as `user ana`, `group retail`; each once.
    pub fn unknown<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> BTreeSet<String> {
        let mut unknown = BTreeSet::new();
        for meta in entries.map(|entry| &entry.meta) {
            for (known, kind, name) in [(&self.users, "user", &meta.owner), (&self.groups, "group", &meta.group)] {
                if Names::number(known, kind, name).is_err() {
                    unknown.insert(format!("{kind} {name}"));
                }
            }
        }
        unknown
    }

    /// Whether an owner, by name or number, is the user with number 0 here.
    pub fn is_superuser(&self, owner: &str) -> bool {
        Names::number(&self.users, "user", owner).is_ok_and(|number| number == 0)
    }

    fn number(known: &[(u32, String)], kind: &str, name: &str) -> Result<u32, Trouble> {
        let found = known.iter().find(|(_, other)| other == name).map(|(id, _)| *id);
        // The highest number means "leave it as it is" to the kernel.
        found.or_else(|| name.parse().ok()).filter(|id| *id != u32::MAX).ok_or_else(|| {
            Trouble::new(TroubleKind::Failed, format!("{kind} {name}"), "files belong to it and this host does not know it")
                .next(format!("create the {kind} {name} on this host; it is tried again by itself"))
        })
    }
}

fn read(path: &str) -> Vec<(u32, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        })
        .map(|(name, id)| (id, name))
        .collect()
}

fn name_of(known: &[(u32, String)], id: u32) -> String {
    known.iter().find(|(other, _)| *other == id).map_or_else(|| id.to_string(), |(_, name)| name.clone())
}

/// Metadata from an entry's numbers, without its extended attributes.
pub fn of_stat(stat: &Stat, names: &Names) -> Metadata {
    Metadata {
        mode: stat.st_mode & 0o7777,
        owner: names.user(stat.st_uid),
        group: names.group(stat.st_gid),
        modified_ns: tree::modified_ns(stat),
        ..Metadata::default()
    }
}

/// The names of the attributes of an open file or directory; none where the file system has no such thing.
pub fn attribute_names(fd: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = vec![0_u8; 0];
    loop {
        match rustix::fs::flistxattr_query(fd) {
            Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
            Ok(length) => names.resize(length, 0),
            Err(e) => return Err(e),
        }
        match rustix::fs::flistxattr(fd, &mut names[..]) {
            Ok(length) => {
                names.truncate(length);
                break;
            }
            // It grew meanwhile.
            Err(Errno::RANGE) => {}
            Err(e) => return Err(e),
        }
    }
    let texts = names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    Ok(texts.filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// The `user.` attributes of an open file or directory.
pub fn xattrs(fd: &OwnedFd) -> Result<BTreeMap<String, String>, Errno> {
    let mut found = BTreeMap::new();
    for name in attribute_names(fd)?.into_iter().filter(|name| name.starts_with("user.")) {
        let mut value = vec![0_u8; 64 << 10];
        match rustix::fs::fgetxattr(fd, name.as_str(), &mut value[..]) {
            Ok(length) => found.insert(name, value[..length].iter().map(|byte| format!("{byte:02x}")).collect()),
            Err(Errno::NODATA) => None,
            Err(e) => return Err(e),
        };
    }
    Ok(found)
}

/// Gives metadata to what is at a path. `fenced_root` leaves mode and owner of the root to the fence.
pub fn give(at: &Tree, path: &RelPath, entry: &Entry, names: &Names, allowed: &Allowed) -> Result<(), Trouble> {
    let (dir, name) = at.holder(path)?;
    let stat = rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| at.failed(path, "look at", e))?;
    give_in(&dir, &name, &stat, entry, (names, allowed), path.is_root()).map_err(|fail| match fail {
        Fail::Told(trouble) => trouble,
        Fail::Number(doing, e) => at.failed(path, doing, e),
    })
}

/// Why metadata could not be given.
pub enum Fail {
    /// In words already.
    Told(Trouble),
    /// What was being done, and the error.
    Number(&'static str, Errno),
}

impl From<Trouble> for Fail {
    fn from(trouble: Trouble) -> Fail {
        Fail::Told(trouble)
    }
}

/// Gives metadata to `name` in `dir`: owner first (which clears setuid), then attributes, mode, and times last. Privileges that are not
/// allowed were refused with the plan; here once more, whatever way led to it.
pub fn give_in(
    dir: &OwnedFd,
    name: &str,
    stat: &Stat,
    entry: &Entry,
    (names, allowed): (&Names, &Allowed),
    fenced_root: bool,
) -> Result<(), Fail> {
    privileges::check(std::iter::once(entry), names, allowed, name)?;
    let (meta, is_link) = (&entry.meta, tree::sort(stat) == FileType::Symlink);
    if !fenced_root {
        own(dir, name, stat, meta, names)?;
    }
    if !is_link {
        let kind = if entry.node == Node::Directory { OFlags::DIRECTORY } else { OFlags::NONBLOCK };
        let open = || rustix::fs::openat(dir, name, kind | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
        let fd = match open() {
            Err(Errno::ACCESS) => {
                // Ours, but closed even to us.
                rustix::fs::chmodat(dir, name, Mode::from_raw_mode(0o700), AtFlags::empty())
                    .map_err(|e| Fail::Number("change the mode of", e))?;
                open()
            }
            opened => opened,
        }
        .map_err(|e| Fail::Number("open", e))?;
        give_xattrs(&fd, meta, fenced_root)?;
        // What is right already is not touched: it may be kept from changes by somebody's flag.
        let now = rustix::fs::fstat(&fd).map_err(|e| Fail::Number("look at", e))?;
        if !fenced_root && now.st_mode & 0o7777 != meta.mode {
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(meta.mode)).map_err(|e| Fail::Number("change the mode of", e))?;
        }
    }
    let now = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|e| Fail::Number("look at", e))?;
    if tree::modified_ns(&now) == meta.modified_ns {
        return Ok(());
    }
    rustix::fs::utimensat(dir, name, &times(meta.modified_ns), AtFlags::SYMLINK_NOFOLLOW).map_err(|e| Fail::Number("set the time of", e))
}

/// A modification time as the kernel takes it; the access time stays.
pub fn times(modified_ns: i64) -> Timestamps {
    let modified = Timespec { tv_sec: modified_ns.div_euclid(1_000_000_000), tv_nsec: modified_ns.rem_euclid(1_000_000_000) };
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT }, last_modification: modified }
}

/// Gives owner and group, where they are not so already: only the superuser may.
pub fn own(dir: &OwnedFd, name: &str, stat: &Stat, meta: &Metadata, names: &Names) -> Result<(), Fail> {
    let owner = Names::number(&names.users, "user", &meta.owner)?;
    let group = Names::number(&names.groups, "group", &meta.group)?;
    if (stat.st_uid, stat.st_gid) == (owner, group) {
        return Ok(());
    }
    let (owner, group) = (rustix::fs::Uid::from_raw(owner), rustix::fs::Gid::from_raw(group));
    rustix::fs::chownat(dir, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW).map_err(|e| match e {
        Errno::PERM => Fail::Told(
            Trouble::new(TroubleKind::Failed, name, format!("only the superuser may give it to {}:{}", meta.owner, meta.group))
                .next("run the agent as root; it is tried again by itself"),
        ),
        e => Fail::Number("change the owner of", e),
    })
}

fn give_xattrs(fd: &OwnedFd, meta: &Metadata, fenced_root: bool) -> Result<(), Fail> {
    let now = xattrs(fd).map_err(|e| Fail::Number("read the attributes of", e))?;
    if now == meta.xattrs {
        return Ok(());
    }
    if !fenced_root {
        // Attributes need the right to write, whatever the mode will be.
        rustix::fs::fchmod(fd, Mode::from_raw_mode(meta.mode | 0o600)).map_err(|e| Fail::Number("change the mode of", e))?;
    }
    for name in now.keys().filter(|name| !meta.xattrs.contains_key(*name)) {
        rustix::fs::fremovexattr(fd, name.as_str()).map_err(|e| Fail::Number("remove an attribute of", e))?;
    }
    for (name, value) in meta.xattrs.iter().filter(|(name, value)| now.get(*name) != Some(value)) {
        let value = unhex(value).ok_or_else(|| Trouble::new(TroubleKind::Invalid, name, "the attribute's value is no hex text"))?;
        rustix::fs::fsetxattr(fd, name.as_str(), &value, XattrFlags::empty()).map_err(|e| Fail::Number("set an attribute of", e))?;
    }
    Ok(())
}

/// Bytes from hex digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// Entries' names of a change, for people: what differs between two metadata.
pub fn differences(wanted: &Metadata, found: &Metadata) -> Vec<String> {
    let mut told = Vec::new();
    if wanted.mode != found.mode {
        told.push(format!("mode {:o} instead of {:o}", found.mode, wanted.mode));
    }
    if (&wanted.owner, &wanted.group) != (&found.owner, &found.group) {
        told.push(format!("owner {}:{} instead of {}:{}", found.owner, found.group, wanted.owner, wanted.group));
    }
    told
}
