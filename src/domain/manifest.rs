//! What a data set holds at one moment: entries, their metadata, and the changes from one manifest to the next.
//!
//! A source tells changes against a base recovery point; the target folds them into the base's manifest to get the new one.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{RelPath, Trouble, TroubleKind};

/// The unit of transfer and of digesting: 64 MiB. Part of format version 1, never changed.
pub const PIECE_BYTES: u64 = 64 << 20;

/// A BLAKE3 hash, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a file from those of its pieces: of a file of one piece it is the piece's own, that is
    /// BLAKE3 of the content; of a longer one, BLAKE3 of the pieces' 32-byte digests one after the other.
    /// An empty file has one empty piece.
    pub fn of_pieces(pieces: &[Digest]) -> Digest {
        match pieces {
            [one] => *one,
            many => {
                let mut hasher = blake3::Hasher::new();
                for piece in many {
                    hasher.update(&piece.0);
                }
                Digest(*hasher.finalize().as_bytes())
            }
        }
    }

    /// BLAKE3 of bytes in memory.
    pub fn of_bytes(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }
}

/// How many pieces a file of `bytes` has; at least one.
pub fn piece_count(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(PIECE_BYTES).max(1)).unwrap_or(u32::MAX)
}

/// Offset and length in bytes of piece `number` of a file of `bytes`.
pub fn piece_range(bytes: u64, number: u32) -> (u64, u64) {
    let offset = u64::from(number) * PIECE_BYTES;
    (offset, bytes.saturating_sub(offset).min(PIECE_BYTES))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl TryFrom<String> for Digest {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        blake3::Hash::from_hex(&text).map(|hash| Digest(*hash.as_bytes())).map_err(|e| format!("{text:?} is no digest: {e}"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum Node {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Its length.
        bytes: u64,
        /// Its digest, once every piece was hashed (see [`Digest::of_pieces`]).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
    },
    /// A symbolic link, kept as a link and never followed.
    Link {
        /// Its text.
        target: String,
    },
}

/// What is preserved beside the content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Permission bits with sticky, setuid and setgid: at most `0o7777`.
    pub mode: u32,
    /// Owner by name (by number where no name is known).
    pub owner: String,
    /// Group by name (by number where no name is known).
    pub group: String,
    /// Modification time, nanoseconds since 1970 UTC (whole milliseconds for HDFS).
    pub modified_ns: i64,
    /// Access time, likewise, where the component keeps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessed_ns: Option<i64>,
    /// HDFS ACL entries in `setfacl` form (`user:ana:r-x`, `default:group::r--`), sorted; empty without an ACL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acl: Vec<String>,
    /// Extended attributes: `user.name` → value in hex.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, String>,
    /// HDFS replication of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<u16>,
    /// HDFS block size of a file, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_bytes: Option<u64>,
}

/// One file, directory or link of a data set. The root itself is an entry with the empty path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is.
    pub path: RelPath,
    /// What it is.
    pub node: Node,
    /// Its metadata.
    pub meta: Metadata,
}

impl Entry {
    /// Length of a file; 0 for anything else.
    pub fn bytes(&self) -> u64 {
        if let Node::File { bytes, .. } = self.node { bytes } else { 0 }
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.node, Node::File { .. })
    }
}

/// One difference from the base recovery point. Paths of `Rename.from` and `Delete` are the base's; of all others, the new moment's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "change")]
pub enum Change {
    /// A file or a whole subtree moved; what changed below it is told apart.
    Rename {
        /// Where it was.
        from: RelPath,
        /// Where it is now.
        to: RelPath,
    },
    /// A file or a whole subtree went.
    Delete {
        /// Where it was.
        path: RelPath,
    },
    /// New, or with other content: a file's bytes are to be copied.
    Put(Entry),
    /// Same content, other metadata.
    Meta(Entry),
}

/// All changes of one data set from its base to a point.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangeSet {
    /// The changes, in no particular order; the index of a `Put` is its file number in transfer and staging.
    pub changes: Vec<Change>,
}

/// A whole data set at one moment, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Every entry, the root included.
    pub entries: BTreeMap<RelPath, Entry>,
}

impl Manifest {
    /// The manifest of these entries; of two with one path, the later counts.
    pub fn from_entries(entries: impl IntoIterator<Item = Entry>) -> Manifest {
        Manifest { entries: entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect() }
    }

    /// How many regular files it has.
    pub fn files(&self) -> u64 {
        self.entries.values().filter(|entry| entry.is_file()).count() as u64
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.entries.values().map(Entry::bytes).sum()
    }

    /// One JSON line an entry, with its line end, by path: what is stored, sent and hashed.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.entries.values().map(|entry| {
            // An entry is texts, numbers and maps with text keys: JSON has all of them.
            let mut line = serde_json::to_string(entry).unwrap_or_else(|error| unreachable!("entry {}: {error}", entry.path));
            line.push('\n');
            line
        })
    }

    /// All lines together.
    pub fn to_json_lines(&self) -> Vec<u8> {
        self.lines().flat_map(String::into_bytes).collect()
    }

    /// From its lines; `Corrupt` names the first line that is no entry or not in order.
    pub fn from_json_lines(bytes: &[u8]) -> Result<Manifest, Trouble> {
        let mut manifest = Manifest::default();
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty()) {
            let bad = |reason: String| {
                Trouble::new(TroubleKind::Corrupt, "manifest", format!("line {} {reason}", index + 1))
                    .next("the recovery point cannot be used; keep it for a look, and make a new one")
            };
            let entry: Entry = serde_json::from_slice(line).map_err(|error| bad(format!("is no entry: {error}")))?;
            if manifest.entries.last_key_value().is_some_and(|(last, _)| *last >= entry.path) {
                return Err(bad(format!("({}) is out of order", entry.path)));
            }
            manifest.entries.insert(entry.path.clone(), entry);
        }
        Ok(manifest)
    }

    /// BLAKE3 of its lines.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for line in self.lines() {
            hasher.update(line.as_bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let path = |text: &str| RelPath::new(text).expect("a good path");
        let meta = Metadata { mode: 0o1750, owner: "ana".into(), acl: vec!["user:ben:r-x".into()], ..Metadata::default() };
        Manifest::from_entries([
            Entry { path: path(""), node: Node::Directory, meta: meta.clone() },
            Entry {
                path: path("b/発 \"票\"\n%"), node: Node::File { bytes: 7, digest: Some(Digest::of_bytes(b"x")) }, meta: meta.clone()
            },
            Entry { path: path("a"), node: Node::Link { target: "../b".into() }, meta: meta.clone() },
            Entry { path: path("b"), node: Node::Directory, meta },
        ])
    }

    #[test]
    fn lines_lead_back_to_the_same_manifest_and_digest() {
        let manifest = sample();
        let read = Manifest::from_json_lines(&manifest.to_json_lines()).expect("its own lines");
        assert_eq!(read, manifest);
        assert_eq!(read.digest(), manifest.digest());
        assert_eq!(manifest.digest(), Digest::of_bytes(&manifest.to_json_lines()));
        assert_eq!((manifest.files(), manifest.bytes()), (1, 7));
    }

    #[test]
    fn an_altered_manifest_is_refused_or_has_another_digest() {
        let manifest = sample();
        let lines: Vec<String> = manifest.lines().collect();
        let swapped = [lines[1].clone(), lines[0].clone()].concat();
        assert_eq!(Manifest::from_json_lines(swapped.as_bytes()).expect_err("out of order").kind, TroubleKind::Corrupt);
        assert_eq!(Manifest::from_json_lines(b"{\"path\":\"..\"}\n").expect_err("no entry").kind, TroubleKind::Corrupt);
        let mut other = manifest.clone();
        other.entries.remove(&RelPath::root());
        assert_ne!(other.digest(), manifest.digest());
    }
}
