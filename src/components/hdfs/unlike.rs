//! Where an entry in HDFS is not what the manifest says. Pure: what a listing shows on one side, or all that can be asked, and the
//! manifest's entry on the other.

use std::collections::BTreeSet;

use serde::Serialize;

use super::error::HdfsError;
use super::status::FileStatus;
use crate::domain::{Entry, Metadata, Node, RelPath, Trouble, TroubleKind};

/// The first thing that is not as it should be. The code is a promise; the words are made here and may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", tag = "code")]
#[expect(clippy::enum_variant_names, reason = "each name is a code, which stands alone")]
pub enum Unlike {
    /// It is not there.
    EntryMissing,
    /// It is there, and the point does not have it.
    EntryStrange,
    /// It is of another sort.
    EntryKind,
    /// It has another length.
    EntryLength {
        /// In bytes.
        is: u64,
        /// In bytes.
        want: u64,
    },
    /// It has another mode.
    EntryMode {
        /// In octal.
        is: String,
        /// In octal.
        want: String,
    },
    /// It belongs to another owner or group.
    EntryOwner {
        /// `owner:group`.
        is: String,
        /// `owner:group`.
        want: String,
    },
    /// It has another ACL, in either scope.
    EntryAcl {
        /// As HDFS tells it.
        is: Vec<String>,
        /// As the point has it.
        want: Vec<String>,
    },
    /// A listing shows an ACL where the point has none, or none where the point has one.
    EntryAclShown {
        /// Whether there is one.
        is: bool,
    },
    /// It has other extended attributes.
    EntryAttributes {
        /// The names of those that differ.
        names: Vec<String>,
    },
    /// It was modified at another time.
    EntryTime {
        /// Nanoseconds since 1970 UTC.
        is: i64,
        /// Nanoseconds since 1970 UTC.
        want: i64,
    },
    /// It is to be kept in another number of copies.
    EntryReplication {
        /// Copies.
        is: u16,
        /// Copies.
        want: u16,
    },
    /// It has another block size.
    EntryBlockSize {
        /// In bytes.
        is: u64,
        /// In bytes.
        want: u64,
    },
}

impl Unlike {
    /// Whether it is the entry's metadata alone, which can be set again.
    pub fn is_metadata(&self) -> bool {
        !matches!(self, Unlike::EntryMissing | Unlike::EntryStrange | Unlike::EntryKind | Unlike::EntryLength { .. })
    }

    /// The trouble it is after an apply.
    pub fn about(&self, object: impl std::fmt::Display) -> Trouble {
        Trouble::new(TroubleKind::Corrupt, object, format!("after the apply {}", self.words()))
            .next("run a full copy of the data set")
            .coded(self)
    }

    fn words(&self) -> String {
        match self {
            Unlike::EntryMissing => "it is missing".into(),
            Unlike::EntryStrange => "it is there though the point does not have it".into(),
            Unlike::EntryKind => "it is a file instead of a directory, or a directory instead of a file".into(),
            Unlike::EntryLength { is, want } => format!("it has {is} bytes instead of {want}"),
            Unlike::EntryMode { is, want } => format!("its mode is {is} instead of {want}"),
            Unlike::EntryOwner { is, want } => format!("its owner and group are {is} instead of {want}"),
            Unlike::EntryAcl { is, want } => format!("its ACL is [{}] instead of [{}]", is.join(","), want.join(",")),
            Unlike::EntryAclShown { is: true } => "it has an ACL that the point does not have".into(),
            Unlike::EntryAclShown { is: false } => "it has not the ACL that the point has".into(),
            Unlike::EntryAttributes { names } => format!("its extended attributes differ: {}", names.join(", ")),
            Unlike::EntryTime { is, want } => format!("it was modified at {is} ns instead of {want} ns"),
            Unlike::EntryReplication { is, want } => format!("it is kept in {is} copies instead of {want}"),
            Unlike::EntryBlockSize { is, want } => format!("its block size is {is} bytes instead of {want}"),
        }
    }
}

/// Compares all that the manifest says of an entry's metadata; the time of the last access aside, which reading changes.
pub fn unlike(is: &Metadata, want: &Metadata) -> Option<Unlike> {
    let scopes = |meta: &Metadata| meta.acl.iter().cloned().collect::<BTreeSet<String>>();
    if scopes(is) != scopes(want) {
        return Some(Unlike::EntryAcl { is: is.acl.clone(), want: want.acl.clone() });
    }
    let names: BTreeSet<&String> = is.xattrs.keys().chain(want.xattrs.keys()).collect();
    let names: Vec<String> = names.into_iter().filter(|name| is.xattrs.get(*name) != want.xattrs.get(*name)).cloned().collect();
    if !names.is_empty() {
        return Some(Unlike::EntryAttributes { names });
    }
    labels(is, want)
}

/// Compares what a listing shows of an entry with the manifest. Of a fenced root, whose rights and time are not the point's, the sort alone.
pub fn unlike_listed(listed: &FileStatus, want: &Entry) -> Result<Option<Unlike>, HdfsError> {
    let is = listed.entry(RelPath::root())?;
    if std::mem::discriminant(&is.node) != std::mem::discriminant(&want.node) {
        return Ok(Some(Unlike::EntryKind));
    }
    if is.bytes() != want.bytes() {
        return Ok(Some(Unlike::EntryLength { is: is.bytes(), want: want.bytes() }));
    }
    if want.path.is_root() || matches!(want.node, Node::Link { .. }) {
        return Ok(None);
    }
    if listed.acl_bit == want.meta.acl.is_empty() {
        return Ok(Some(Unlike::EntryAclShown { is: listed.acl_bit }));
    }
    Ok(labels(&is.meta, &want.meta))
}

/// What both a listing and the manifest have.
fn labels(is: &Metadata, want: &Metadata) -> Option<Unlike> {
    let octal = |meta: &Metadata| format!("{:04o}", meta.mode);
    let owner = |meta: &Metadata| format!("{}:{}", meta.owner, meta.group);
    if is.mode != want.mode {
        return Some(Unlike::EntryMode { is: octal(is), want: octal(want) });
    }
    if owner(is) != owner(want) {
        return Some(Unlike::EntryOwner { is: owner(is), want: owner(want) });
    }
    if is.modified_ns != want.modified_ns {
        return Some(Unlike::EntryTime { is: is.modified_ns, want: want.modified_ns });
    }
    // Of a striped file the point names no copies: the target's own number it is.
    match (is.replication, want.replication) {
        (Some(is), Some(want)) if is != want && want > 0 => return Some(Unlike::EntryReplication { is, want }),
        _ => {}
    }
    match (is.block_bytes, want.block_bytes) {
        (Some(is), Some(want)) if is != want && want > 0 => Some(Unlike::EntryBlockSize { is, want }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn meta() -> Metadata {
        Metadata {
            mode: 0o640,
            owner: "o".into(),
            group: "g".into(),
            modified_ns: 5_000_000,
            accessed_ns: Some(1),
            acl: vec!["default:user:eve:rwx".into(), "user:ana:r--".into()],
            xattrs: BTreeMap::from([("user.a".into(), "00".into())]),
            replication: Some(2),
            block_bytes: Some(4_096),
        }
    }

    #[test]
    fn everything_that_a_manifest_says_is_compared_and_the_last_access_is_not() {
        let change = |change: &dyn Fn(&mut Metadata)| {
            let mut is = meta();
            change(&mut is);
            unlike(&is, &meta())
        };
        assert_eq!(change(&|_| ()), None);
        assert_eq!(change(&|is| is.accessed_ns = None), None);
        assert!(matches!(change(&|is| drop(is.acl.remove(0))), Some(Unlike::EntryAcl { .. })), "the default scope");
        assert!(matches!(change(&|is| drop(is.acl.pop())), Some(Unlike::EntryAcl { .. })), "the access scope");
        let other = change(&|is| drop(is.xattrs.insert("user.b".into(), String::new())));
        assert_eq!(other, Some(Unlike::EntryAttributes { names: vec!["user.b".into()] }));
        assert!(matches!(change(&|is| is.mode = 0o660), Some(Unlike::EntryMode { .. })));
        assert!(matches!(change(&|is| is.group = "x".into()), Some(Unlike::EntryOwner { .. })));
        assert!(matches!(change(&|is| is.modified_ns += 1), Some(Unlike::EntryTime { .. })));
        assert!(matches!(change(&|is| is.replication = Some(1)), Some(Unlike::EntryReplication { is: 1, want: 2 })));
        assert!(matches!(change(&|is| is.block_bytes = Some(1)), Some(Unlike::EntryBlockSize { .. })));
    }

    #[test]
    fn a_listing_shows_an_acl_but_not_what_is_in_it() {
        let path = RelPath::new("a").expect("a path");
        let node = Node::File { bytes: 5, digest: None };
        let want = Entry { path: path.clone(), node, meta: meta() };
        let status = |more: &str| -> FileStatus {
            let json = r#"{"accessTime":0,"blockSize":4096,"fileId":1,"group":"g","length":5,"modificationTime":5,"owner":"o",
                "pathSuffix":"a","permission":"640","replication":2,"type":"FILE""#;
            serde_json::from_str(&format!("{json}{more}}}")).expect("a status")
        };
        assert_eq!(unlike_listed(&status(r#","aclBit":true"#), &want), Ok(None));
        assert_eq!(unlike_listed(&status(""), &want), Ok(Some(Unlike::EntryAclShown { is: false })));
        let none = Entry { meta: Metadata { acl: Vec::new(), ..meta() }, ..want.clone() };
        assert_eq!(unlike_listed(&status(r#","aclBit":true"#), &none), Ok(Some(Unlike::EntryAclShown { is: true })));
        let directory = Entry { node: Node::Directory, ..want };
        assert_eq!(unlike_listed(&status(""), &directory), Ok(Some(Unlike::EntryKind)));
    }

    #[test]
    fn the_code_is_in_the_trouble_and_its_data_too() {
        let trouble = Unlike::EntryReplication { is: 1, want: 2 }.about("hdfs:/a");
        let want = trouble.facts.as_ref().and_then(|facts| facts["want"].as_u64());
        assert_eq!((trouble.code(), want), ("entry-replication", Some(2)));
    }
}
