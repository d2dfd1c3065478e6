//! What HDFS says about one file or directory, and the [`Entry`] of a manifest it becomes.
//!
//! Our own extended attributes (`user.understudy.…`) are never part of a data set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::HdfsError;
use super::webhdfs::{Operation, WebHdfs};
use crate::domain::{Entry, Metadata, Node, RelPath};

/// Prefix of the attributes that are ours.
pub const OWN_XATTRS: &str = "user.understudy.";
/// On the root of a data set we keep as a secondary.
pub const MARK_XATTR: &str = "user.understudy.set";
/// On a fenced root: its true mode, owner, group and ACL, as JSON ([`TrueRights`]).
pub const FENCE_XATTR: &str = "user.understudy.fence";

/// On a directory that we allowed snapshots on for what lies in it.
pub const SNAPSHOTS_XATTR: &str = "user.understudy.snapshots";
/// On a fenced root: whether files may still be open that were opened before the fence. Absent where an earlier version set the fence.
pub const LEASES_XATTR: &str = "user.understudy.leases";
/// All of ours on the root of a target, in the order in which they go when it becomes its users' own.
pub const ROOT_XATTRS: [&str; 3] = [MARK_XATTR, LEASES_XATTR, FENCE_XATTR];

/// A file status of WebHDFS.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileStatus {
    /// Name inside the directory listed; empty when it was asked for itself.
    pub path_suffix: String,
    /// FILE, DIRECTORY or SYMLINK.
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// Length in bytes.
    pub length: u64,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// Octal digits, sticky bit included.
    pub permission: String,
    /// Milliseconds since 1970 UTC.
    pub modification_time: i64,
    /// Likewise; 0 for directories.
    pub access_time: i64,
    /// 0 for directories.
    pub replication: u16,
    /// Bytes; 0 for directories.
    pub block_size: u64,
    /// Inode number.
    pub file_id: u64,
    /// It has an ACL.
    #[serde(default)]
    pub acl_bit: bool,
    /// It lies in an encryption zone.
    #[serde(default)]
    pub enc_bit: bool,
    /// Of a file that is striped, and of a directory whose new files will be: the name of its erasure-coding policy.
    #[serde(default)]
    pub ec_policy: Option<String>,
    /// The number of its storage policy; 0: none of its own.
    #[serde(default)]
    pub storage_policy: u8,
    /// Target of a symbolic link.
    #[serde(default)]
    pub symlink: Option<String>,
}

/// The sort of a file status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FileKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

impl FileStatus {
    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// The policy by which it is striped, or by which new files in it will be.
    pub fn striping(&self) -> Option<&str> {
        self.ec_policy.as_deref().filter(|policy| !policy.is_empty() && *policy != "REPLICATION")
    }

    /// Permission bits.
    pub fn mode(&self) -> Result<u32, HdfsError> {
        u32::from_str_radix(&self.permission, 8).map_err(|_| HdfsError::Answer(format!("permission {:?}", self.permission)))
    }

    /// The entry at `path`, without ACL and attributes.
    pub fn entry(&self, path: RelPath) -> Result<Entry, HdfsError> {
        let file = self.kind == FileKind::File;
        let node = match self.kind {
            FileKind::Directory => Node::Directory,
            FileKind::File => Node::File { bytes: self.length, digest: None },
            FileKind::Symlink => Node::Link { target: self.symlink.clone().unwrap_or_default() },
        };
        let meta = Metadata {
            mode: self.mode()?,
            owner: self.owner.clone(),
            group: self.group.clone(),
            modified_ns: self.modification_time.saturating_mul(1_000_000),
            accessed_ns: (file && self.access_time > 0).then(|| self.access_time.saturating_mul(1_000_000)),
            acl: Vec::new(),
            xattrs: BTreeMap::new(),
            // A striped file says 1 and is safe by its parity. Its copy is not striped, and takes the target's own number.
            replication: (file && self.striping().is_none()).then_some(self.replication),
            block_bytes: file.then_some(self.block_size),
        };
        Ok(Entry { path, node, meta })
    }
}

/// Mode, owner, group and ACL of a root as its users know them while a fence hides them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueRights {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: String,
    /// Group.
    pub group: String,
    /// ACL entries.
    #[serde(default)]
    pub acl: Vec<String>,
}

impl TrueRights {
    /// Those that metadata says.
    pub fn of(meta: &Metadata) -> TrueRights {
        TrueRights { mode: meta.mode, owner: meta.owner.clone(), group: meta.group.clone(), acl: meta.acl.clone() }
    }

    /// Puts them in place of what metadata says.
    pub fn put_into(self, meta: &mut Metadata) {
        (meta.mode, meta.owner, meta.group, meta.acl) = (self.mode, self.owner, self.group, self.acl);
    }

    /// From the attribute's value in hex.
    pub fn from_hex(hex: &str) -> Option<TrueRights> {
        serde_json::from_slice(&bytes_of_hex(hex)?).ok()
    }
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Bytes as lower-case hex digits.
pub fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry with everything, our own attributes set apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry; of a fenced root, with its true rights.
    pub entry: Entry,
    /// The status it was made of, the live mode and owner even when fenced.
    pub status: FileStatus,
    /// The ACL it has now, even when fenced.
    pub live_acl: Vec<String>,
    /// Our own attributes, in hex.
    pub own: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StatusAnswer {
    file_status: FileStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AclAnswer {
    acl_status: AclStatus,
}

#[derive(Deserialize)]
struct AclStatus {
    #[serde(default)]
    entries: Vec<String>,
}

#[derive(Deserialize)]
struct XAttrsAnswer {
    #[serde(rename = "XAttrs", default)]
    xattrs: Option<Vec<XAttr>>,
}

#[derive(Deserialize)]
struct XAttr {
    name: String,
    value: Option<String>,
}

/// The status of one path.
pub async fn status(hdfs: &WebHdfs, path: &str) -> Result<FileStatus, HdfsError> {
    Ok(hdfs.json::<StatusAnswer>(Operation::get("GETFILESTATUS", path)).await?.file_status)
}

/// The same, `None` where there is nothing.
pub async fn status_if_there(hdfs: &WebHdfs, path: &str) -> Result<Option<FileStatus>, HdfsError> {
    match status(hdfs, path).await {
        Ok(status) => Ok(Some(status)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Everything about what is at `path`, to be called `name` in the data set.
pub async fn look(hdfs: &WebHdfs, path: &str, name: RelPath) -> Result<Found, HdfsError> {
    let status = status(hdfs, path).await?;
    complete(hdfs, path, name, status).await
}

/// Adds ACL and attributes to a status.
pub async fn complete(hdfs: &WebHdfs, path: &str, name: RelPath, status: FileStatus) -> Result<Found, HdfsError> {
    let mut entry = status.entry(name)?;
    let mut own = BTreeMap::new();
    if status.kind == FileKind::Symlink {
        return Ok(Found { entry, status, live_acl: Vec::new(), own });
    }
    if status.acl_bit {
        entry.meta.acl = hdfs.json::<AclAnswer>(Operation::get("GETACLSTATUS", path)).await?.acl_status.entries;
        entry.meta.acl.sort();
    }
    let attributes: XAttrsAnswer = hdfs.json(Operation::get("GETXATTRS", path).with("encoding", "hex")).await?;
    for XAttr { name, value } in attributes.xattrs.unwrap_or_default() {
        let value = value.unwrap_or_default();
        let hex = value.strip_prefix("0x").unwrap_or(&value).to_ascii_lowercase();
        if name.starts_with(OWN_XATTRS) {
            own.insert(name, hex);
        } else if ["user.", "trusted.", "security."].iter().any(|space| name.starts_with(space)) {
            entry.meta.xattrs.insert(name, hex);
        }
    }
    let live_acl = entry.meta.acl.clone();
    if let Some(rights) = own.get(FENCE_XATTR).and_then(|hex| TrueRights::from_hex(hex)) {
        rights.put_into(&mut entry.meta);
    }
    Ok(Found { entry, status, live_acl, own })
}

/// Whether two metadata say the same, the time of the last access aside, which reading changes. Where one names no number of copies it
/// is of a striped file, and any will do.
pub fn same_metadata(one: &Metadata, other: &Metadata) -> bool {
    let named = one.replication.is_some() && other.replication.is_some();
    let bare = |meta: &Metadata| Metadata { accessed_ns: None, replication: meta.replication.filter(|_| named), ..meta.clone() };
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_an_entry() {
        let json = r#"{"accessTime":1795258249142,"aclBit":true,"blockSize":134217728,"childrenNum":0,"fileId":16452,"group":"g",
            "length":5,"modificationTime":1795258249151,"owner":"o","pathSuffix":"é","permission":"1644","replication":3,"storagePolicy":0,"type":"FILE"}"#;
        let status: FileStatus = serde_json::from_str(json).expect("a status");
        let entry = status.entry(RelPath::new("é").expect("a path")).expect("an entry");
        assert_eq!((entry.bytes(), entry.meta.mode, entry.meta.replication), (5, 0o1644, Some(3)));
        assert_eq!(entry.meta.modified_ns, 1_795_258_249_151_000_000);
        assert!(status.acl_bit && !status.enc_bit);
    }

    #[test]
    fn a_striped_file_asks_for_no_number_of_copies() {
        let json = r#"{"accessTime":0,"blockSize":134217728,"ecPolicy":"RS-6-3-1024k","fileId":1,"group":"g","length":5,
            "modificationTime":1,"owner":"o","pathSuffix":"f","permission":"644","replication":1,"type":"FILE"}"#;
        let status: FileStatus = serde_json::from_str(json).expect("a status");
        let striped = status.entry(RelPath::new("f").expect("a path")).expect("an entry").meta;
        assert_eq!(striped.replication, None, "one copy would be no backup");
        let copied = Metadata { replication: Some(3), ..striped.clone() };
        assert!(same_metadata(&striped, &copied) && same_metadata(&copied, &striped));
        assert!(!same_metadata(&copied, &Metadata { replication: Some(1), ..striped }));
    }

    #[test]
    fn true_rights_survive_the_attribute() {
        let rights = TrueRights { mode: 0o1775, owner: "ana".into(), group: "零售".into(), acl: vec!["user:bo:r-x".into()] };
        let hex = hex_of(&serde_json::to_vec(&rights).expect("json"));
        assert_eq!(TrueRights::from_hex(&hex), Some(rights));
        assert_eq!(TrueRights::from_hex("zz"), None);
    }
}
