//! Copying kept writes out, on the wire: what an agent is told, what it did, and why it would not.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::KeptWrites;
use crate::domain::{DataSetName, InstructionId, Note, PointId, Trouble, TroubleKind};

/// Copy what is kept into a directory of the agent's host. Nothing live and nothing kept changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyKeptOrder {
    /// Which kept writes.
    pub kept: PointId,
    /// Where: absolute, on the agent's host; absent or empty.
    pub to: PathBuf,
    /// The instruction's own id: an attempt that broke off is told by it from the directories of others.
    pub id: InstructionId,
}

/// What was copied, and what is to be read where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiedKept {
    /// Where it is, on the agent's host.
    pub to: PathBuf,
    /// What was kept.
    pub writes: KeptWrites,
    /// The data sets that are there, each as it was when it was kept, whole.
    pub copied: Vec<DataSetName>,
    /// Those that are not, with the way to read them.
    pub not_copied: Vec<Note>,
}

/// Why nothing is copied out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum CopyRefusal {
    /// The directory is no absolute path with a name.
    PlaceNotAbsolute,
    /// The directory above it is not there, or is none.
    PlaceAboveMissing,
    /// Something else than a directory has its name.
    PlaceNotADirectory,
    /// There is something in it.
    PlaceNotEmpty,
    /// It lies in the data of a component, or in what the agent keeps.
    PlaceInUse,
    /// Nothing is kept under the id.
    NothingKept,
    /// Several are kept, and none is named.
    SeveralKept,
    /// No data set of it can be copied out.
    NothingToCopy,
    /// The agent is of a version that cannot.
    AgentTooOld,
}

impl CopyRefusal {
    /// In words, about this place or thing.
    pub fn trouble(&self, about: impl std::fmt::Display) -> Trouble {
        let kind = match self {
            CopyRefusal::PlaceNotAbsolute => TroubleKind::Invalid,
            CopyRefusal::NothingKept => TroubleKind::NotFound,
            _ => TroubleKind::Refused,
        };
        let (reason, next) = match self {
            CopyRefusal::PlaceNotAbsolute => ("it is not an absolute path with a name", "name a directory of the agent's host, from / on"),
            CopyRefusal::PlaceAboveMissing => {
                ("the directory that would hold it is not on the agent's host", "make that directory there, or name another")
            }
            CopyRefusal::PlaceNotADirectory => ("it exists and is no directory", "name a directory that does not exist yet"),
            CopyRefusal::PlaceNotEmpty => {
                ("it exists on the agent's host and is not empty; nothing was copied", "name a directory that does not exist yet")
            }
            CopyRefusal::PlaceInUse => {
                ("it lies in the data of a component or in what the agent keeps", "name a directory apart from both")
            }
            CopyRefusal::NothingKept => ("nothing is kept under this id", "`understudy kept PAIR` lists what is kept"),
            CopyRefusal::SeveralKept => {
                ("several writes are kept, and none of them is named", "name one with --id; `understudy kept PAIR` lists them")
            }
            CopyRefusal::NothingToCopy => (
                "none of its data sets can be copied out by the agent",
                "read them where they are, with their own tools: snapshots named understudy-ID",
            ),
            CopyRefusal::AgentTooOld => ("its version cannot copy kept writes out", "install this version there, then try again"),
        };
        Trouble::new(kind, about, reason).next(next).coded(self)
    }
}

/// The place beside the directory where a copy is made; it takes the directory's name once it is whole.
pub fn beside(to: &Path, id: InstructionId) -> Option<PathBuf> {
    let name = to.file_name()?.to_str()?;
    let is_plain = to.is_absolute() && !to.components().any(|part| matches!(part, std::path::Component::ParentDir));
    Some(to.parent()?.join(format!(".{name}.understudy-{id}"))).filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_beside_an_absolute_directory_with_a_name_and_nowhere_else() {
        let id = InstructionId(uuid::Uuid::nil());
        let made = beside(Path::new("/srv/out"), id).expect("a place");
        assert_eq!(made.parent(), Some(Path::new("/srv")));
        for bad in ["out", "/", "", "/srv/../etc", "/srv/.."] {
            assert_eq!(beside(Path::new(bad), id), None, "{bad}");
        }
    }

    #[test]
    fn every_refusal_carries_its_code() {
        let trouble = CopyRefusal::PlaceNotEmpty.trouble("/srv/out");
        assert_eq!((trouble.code(), trouble.kind, trouble.object.as_str()), ("place-not-empty", TroubleKind::Refused, "/srv/out"));
        assert!(!trouble.next_step.is_empty());
    }
}
