//! What a directory tree consists of and what becomes of each part; what of one is refused, or is named because it stays behind.
//!
//! ```text
//! live tree ── walk, names of attributes only ──> Seen ──> notes with codes: policy check · every run · the point
//! ```

use std::collections::BTreeSet;
use std::fmt::Display;

use rustix::fs::{FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::Inner;
use super::privileges::USER_ATTRIBUTES;
use super::tree::{self, Tree};
use super::walk::{Visit, refuse_special, walk};
use crate::components::parts::{Fate, Part, part};
use crate::domain::{Note, RelPath, Trouble, TroubleKind};

/// Everything that a data set of files consists of.
pub const PARTS: &[Part] = &[
    part("files and their content", Fate::Carried, "every byte, hashed at both ends; a hole is carried as zeros"),
    part("directories, empty ones too", Fate::Carried, "with their metadata"),
    part("symbolic links", Fate::Carried, "the text of the link as it is, whatever it leads to"),
    part("modes, a directory's setgid and sticky bits", Fate::Carried, "as they are"),
    part("owners and groups", Fate::Carried, "by name; one that the secondary's host does not know is refused before a byte is staged"),
    part("times of the last change", Fate::Carried, "to the nanosecond"),
    part("extended attributes `user.…`", Fate::Carried, "as they are"),
    part("files open for writing", Fate::Carried, "as far as they were read; the point names them (`open_files`)"),
    part("POSIX ACLs, of access and default", Fate::Named("acls"), "set them at the secondary"),
    part("other extended attributes (`security.…`, `trusted.…`)", Fate::Named("other-attributes"), "capabilities, for example"),
    part("hard links", Fate::Named("hard-links"), "each name becomes a file of its own"),
    part("sockets, named pipes, devices", Fate::Refused("special-file"), "they have no content that could be copied"),
    part("names that are not UTF-8", Fate::Refused("name-not-unicode"), "rename them"),
    part("directories that nest deeper than 256", Fate::Refused("nests-too-deep"), "each level of a walk holds one descriptor"),
    part(
        "files with the setuid or setgid bit; what belongs to root",
        Fate::Refused("privileges"),
        "unless the secondary's agent.toml allows setid, root-owner",
    ),
    part("SELinux labels (`security.selinux`)", Fate::LeftOut, "they belong to the host"),
    part("times of the last access, numbers of inodes", Fate::LeftOut, "reading changes the first; the second cannot be given"),
    part("flags of the file system, quotas", Fate::LeftOut, "they belong to the host"),
    part("names in the root that begin with `.understudy-`", Fate::LeftOut, "they are this program's own"),
];

/// Entries whose attributes are looked at.
const LOOKED_AT: u64 = 100_000;
/// Names of attributes that are told.
const TOLD: usize = 8;

/// What of a tree is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum FilesRefusal {
    /// It is no file, directory or link.
    SpecialFile {
        /// What it is.
        sort: String,
    },
    /// Its name is no Unicode text.
    NameNotUnicode,
    /// Directories nest too deep.
    NestsTooDeep {
        /// How deep they may.
        limit: usize,
    },
    /// It would give privileges at the target.
    Privileges {
        /// How many entries.
        entries: u64,
    },
}

impl FilesRefusal {
    /// The refusal, about a place.
    pub fn trouble(&self, object: impl Display) -> Trouble {
        let (reason, next) = match self {
            FilesRefusal::SpecialFile { sort } => (format!("it is {sort}, which cannot be backed up"), "move it out of the data set"),
            FilesRefusal::NameNotUnicode => ("its name is not valid Unicode (UTF-8), which is not supported".to_owned(), "rename it"),
            FilesRefusal::NestsTooDeep { limit } => (format!("directories nest deeper than {limit} here"), "make the paths shorter"),
            FilesRefusal::Privileges { entries } => (format!("{entries} entries would give privileges"), "take that away at the primary"),
        };
        Trouble::new(TroubleKind::Refused, object, reason).next(next).coded(self)
    }
}

/// What of a tree stays behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum FilesNote {
    /// Entries have POSIX ACLs.
    Acls {
        /// How many.
        entries: u64,
        /// The first.
        first: String,
    },
    /// Entries have attributes that are not a user's.
    OtherAttributes {
        /// How many.
        entries: u64,
        /// The first.
        first: String,
        /// Names of the attributes, a bounded list.
        names: BTreeSet<String>,
    },
    /// Files have more than one name.
    HardLinks {
        /// How many names.
        entries: u64,
        /// The first.
        first: String,
    },
    /// Not all was looked at.
    PartlyLookedAt {
        /// How much was.
        entries: u64,
    },
}

impl FilesNote {
    /// As it is told about `object`.
    pub fn about(&self, object: &str) -> Note {
        let (reason, next) = match self {
            FilesNote::Acls { entries, first } => (
                format!("{entries} entries have a POSIX ACL, the first of them {first:?}: ACLs are not copied"),
                "set them at the secondary (getfacl -R, setfacl --restore), after a promotion too",
            ),
            FilesNote::OtherAttributes { entries, first, names } => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let names = names.join(", ");
                (
                    format!("{entries} entries, the first of them {first:?}, have attributes that are not copied: {names}"),
                    "set them at the secondary",
                )
            }
            FilesNote::HardLinks { entries, first } => (
                format!("{entries} names, the first of them {first:?}, are hard links: each is a file of its own at the secondary"),
                "plan space for it",
            ),
            FilesNote::PartlyLookedAt { entries } => {
                (format!("ACLs and attributes were looked for in the first {entries} entries only"), "look for them in the rest yourself")
            }
        };
        Note::new(self, object, reason, next)
    }
}

/// What was met on the way.
#[derive(Debug, Default)]
struct Seen {
    entries: u64,
    acls: Option<(u64, String)>,
    others: Option<(u64, String)>,
    names: BTreeSet<String>,
    links: Option<(u64, String)>,
}

fn count(seen: &mut Option<(u64, String)>, path: &RelPath) {
    seen.get_or_insert_with(|| (0, if path.is_root() { "the root directory".into() } else { path.to_string() })).0 += 1;
}

impl Seen {
    fn meet(&mut self, path: &RelPath, is_linked: bool, attributes: &[String]) {
        self.entries += 1;
        if is_linked {
            count(&mut self.links, path);
        }
        if attributes.iter().any(|name| name.starts_with("system.posix_acl_")) {
            count(&mut self.acls, path);
        }
        let foreign = |name: &&String| !name.starts_with(USER_ATTRIBUTES) && !name.starts_with("system.") && *name != "security.selinux";
        let others: Vec<&String> = attributes.iter().filter(foreign).collect();
        if !others.is_empty() {
            count(&mut self.others, path);
            self.names.extend(others.into_iter().cloned());
            while self.names.len() > TOLD {
                self.names.pop_last();
            }
        }
    }

    fn notes(self) -> Vec<FilesNote> {
        let mut notes = Vec::new();
        notes.extend(self.acls.map(|(entries, first)| FilesNote::Acls { entries, first }));
        let names = self.names;
        notes.extend(self.others.map(|(entries, first)| FilesNote::OtherAttributes { entries, first, names }));
        notes.extend(self.links.map(|(entries, first)| FilesNote::HardLinks { entries, first }));
        notes.extend((self.entries > LOOKED_AT).then_some(FilesNote::PartlyLookedAt { entries: LOOKED_AT }));
        notes
    }
}

/// The names of an entry's attributes; none of one that cannot be opened, which the capture tells.
fn attributes(visit: &Visit<'_>) -> Vec<String> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::openat(visit.dir, visit.name, flags, Mode::empty()) else { return Vec::new() };
    super::meta::attribute_names(&fd).unwrap_or_default()
}

impl Inner {
    /// What the owner of a data set should know; nothing of one that is not there. What cannot be captured is refused by name.
    pub(super) fn notes(&self, path: &RelPath, set: &str) -> Result<Vec<Note>, Trouble> {
        let Some(tree) = Tree::open(&self.root, path)? else { return Ok(Vec::new()) };
        let mut seen = Seen::default();
        walk(&tree, &mut |visit| {
            refuse_special(&tree, &visit)?;
            let sort = tree::sort(&visit.stat);
            let is_linked = sort == FileType::RegularFile && visit.stat.st_nlink > 1;
            let named = if sort == FileType::Symlink || seen.entries >= LOOKED_AT { Vec::new() } else { attributes(&visit) };
            seen.meet(&visit.path, is_linked, &named);
            Ok(())
        })?;
        Ok(seen.notes().iter().map(|note| note.about(&self.depot.object(set))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::parts::codes;

    #[test]
    fn what_stays_behind_is_counted_and_the_first_is_named() {
        let mut seen = Seen::default();
        let path = |text: &str| RelPath::new(text).expect("a path");
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        seen.meet(&path("a"), false, &named(&["user.a", "security.selinux"]));
        seen.meet(&path("b"), true, &named(&["system.posix_acl_access", "security.capability"]));
        seen.meet(&path("c"), true, &named(&["system.posix_acl_default"]));
        let wanted = [
            FilesNote::Acls { entries: 2, first: "b".into() },
            FilesNote::OtherAttributes { entries: 1, first: "b".into(), names: ["security.capability".to_owned()].into() },
            FilesNote::HardLinks { entries: 2, first: "b".into() },
        ];
        assert_eq!(seen.notes(), wanted);
    }

    #[test]
    fn every_code_stands_in_the_table() {
        let (first, names) = (String::new(), BTreeSet::new());
        let notes = [
            FilesNote::Acls { entries: 1, first: first.clone() },
            FilesNote::OtherAttributes { entries: 1, first: first.clone(), names },
            FilesNote::HardLinks { entries: 1, first },
        ];
        let refusals = [
            FilesRefusal::SpecialFile { sort: String::new() },
            FilesRefusal::NameNotUnicode,
            FilesRefusal::NestsTooDeep { limit: 1 },
            FilesRefusal::Privileges { entries: 1 },
        ];
        let mut told: BTreeSet<String> = notes.iter().map(|note| note.about("files:x").code).collect();
        told.extend(refusals.iter().map(|refusal| refusal.trouble("x").code().to_owned()));
        assert_eq!(told, codes(PARTS).into_iter().map(str::to_owned).collect());
        assert_eq!(FilesNote::PartlyLookedAt { entries: 1 }.about("files:x").code, "partly-looked-at");
    }
}
