//! What an HDFS says before the first byte of a data set: each thing with its object, its limit and value, the setting, and what to do.
//! The codes are promises; the words are made here and may change.

use serde::Serialize;

use super::quota::Short;
use crate::domain::{Note, Trouble, TroubleKind};

/// One obstacle, or a note. Paths are whole paths at the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "snake_case", tag = "code")]
pub(super) enum HdfsObstacle {
    /// ACLs are switched off, and entries of the plan have some.
    AclsOff { path: String, entries: u64, setting: &'static str },
    /// An ACL names somebody whose name WebHDFS does not take.
    AclNameUnfit { path: String, entry: String, setting: &'static str },
    /// Attributes are switched off, and a target's root needs ours.
    AttributesOff { setting: &'static str },
    /// An entry would have too many attributes.
    AttributesTooMany { path: String, attributes: u64, limit: u64, setting: &'static str },
    /// An attribute is too large.
    AttributeTooLarge { path: String, bytes: u64, limit: u64, setting: &'static str },
    /// Permissions are not checked: no fence can hold.
    PermissionsOff { setting: &'static str },
    /// Access times are not kept. A note.
    AccessTimesOff { setting: &'static str },
    /// A directory above or below has snapshots of its own.
    SnapshotRootNested { path: String, root: String, is_above: bool, snapshots: Option<u64>, ours: bool },
    /// Nothing may be moved into a directory with snapshots.
    SnapshotsOrdered { settings: [&'static str; 2] },
    /// A dropped snapshot frees nothing before all older ones are dropped. A note.
    SnapshotsKeptInOrder { setting: &'static str },
    /// A name is too long.
    NameTooLong { path: String, bytes: u64, limit: u64, setting: &'static str },
    /// A path is too long.
    PathTooLong { path: String, characters: u64, limit: u64 },
    /// A path has too many names.
    PathTooDeep { path: String, names: u64, limit: u64 },
    /// A directory would hold too much.
    DirectoryTooFull { path: String, entries: u64, limit: u64, setting: &'static str },
    /// Blocks are smaller than allowed.
    BlockTooSmall { path: String, bytes: u64, limit: u64, setting: &'static str },
    /// A file has too many blocks.
    BlocksTooMany { path: String, blocks: u64, limit: u64, setting: &'static str },
    /// Fewer copies than allowed.
    CopiesTooFew { path: String, copies: u64, limit: u64, setting: &'static str },
    /// More copies than allowed.
    CopiesTooMany { path: String, copies: u64, limit: u64, setting: &'static str },
    /// A quota of names is too small.
    QuotaOfNames { path: String, left: i64, needed: i64 },
    /// A quota of space is too small.
    QuotaOfSpace { path: String, left: i64, needed: i64 },
    /// A quota of one storage type is too small.
    QuotaOfStorage { path: String, storage: String, left: i64, needed: i64 },
    /// The cluster has too little room.
    RoomTooSmall { free: u64, needed: u64 },
    /// New files of ours would be striped.
    StagingStriped { path: String, policy: String },
    /// The target's new files are striped; what we bring is not. A note.
    TargetStriped { path: String, policy: String },
    /// Files are striped at the source; they arrive as copies. A note.
    FilesUnstriped { path: String, files: u64, copies: u64 },
    /// Files cannot be moved into an encryption zone, or out of one.
    EncryptionZone { path: String },
    /// HDFS makes no symbolic links.
    SymbolicLinks { path: String, links: u64 },
}

use HdfsObstacle as O;

impl HdfsObstacle {
    pub(super) fn of_quota(directory: &str, short: Short) -> HdfsObstacle {
        let path = directory.to_owned();
        match short {
            Short::Names { left, needed } => O::QuotaOfNames { path, left, needed },
            Short::Bytes { left, needed } => O::QuotaOfSpace { path, left, needed },
            Short::BytesOnType { storage, left, needed } => O::QuotaOfStorage { path, storage, left, needed },
        }
    }

    /// Whether it forbids a run.
    pub(super) fn refuses(&self) -> bool {
        !matches!(self, O::AccessTimesOff { .. } | O::SnapshotsKeptInOrder { .. } | O::TargetStriped { .. } | O::FilesUnstriped { .. })
    }

    /// As it is told, as a note or a refusal; `object` names a path to a person.
    pub(super) fn told(&self, object: impl Fn(&str) -> String) -> Result<Note, Trouble> {
        if self.refuses() { Err(self.trouble(object)) } else { Ok(Note::new(self, object(self.path()), self.reason(), self.next())) }
    }

    /// The trouble it is.
    pub(super) fn trouble(&self, object: impl Fn(&str) -> String) -> Trouble {
        let kind = match self {
            O::QuotaOfNames { .. } | O::QuotaOfSpace { .. } | O::QuotaOfStorage { .. } | O::RoomTooSmall { .. } => TroubleKind::Exhausted,
            _ => TroubleKind::Refused,
        };
        Trouble::new(kind, object(self.path()), self.reason()).next(self.next()).coded(self)
    }

    fn path(&self) -> &str {
        match self {
            O::AclsOff { path, .. }
            | O::AclNameUnfit { path, .. }
            | O::AttributesTooMany { path, .. }
            | O::AttributeTooLarge { path, .. }
            | O::SnapshotRootNested { path, .. }
            | O::NameTooLong { path, .. }
            | O::PathTooLong { path, .. }
            | O::PathTooDeep { path, .. }
            | O::DirectoryTooFull { path, .. }
            | O::BlockTooSmall { path, .. }
            | O::BlocksTooMany { path, .. }
            | O::CopiesTooFew { path, .. }
            | O::CopiesTooMany { path, .. }
            | O::QuotaOfNames { path, .. }
            | O::QuotaOfSpace { path, .. }
            | O::QuotaOfStorage { path, .. }
            | O::StagingStriped { path, .. }
            | O::TargetStriped { path, .. }
            | O::FilesUnstriped { path, .. }
            | O::EncryptionZone { path }
            | O::SymbolicLinks { path, .. } => path,
            O::AttributesOff { .. }
            | O::PermissionsOff { .. }
            | O::AccessTimesOff { .. }
            | O::SnapshotsOrdered { .. }
            | O::SnapshotsKeptInOrder { .. }
            | O::RoomTooSmall { .. } => "",
        }
    }

    fn reason(&self) -> String {
        match self {
            O::AclsOff { entries, .. } => {
                format!("it has an ACL, as {entries} entries of the data set have, and ACLs are switched off here")
            }
            O::AclNameUnfit { entry, .. } => format!("its ACL has the entry {entry:?}, and WebHDFS takes no such name here"),
            O::AttributesOff { .. } => "extended attributes are switched off here, and a target is marked and fenced by them".into(),
            O::AttributesTooMany { attributes, limit, .. } => {
                format!("it would have {attributes} extended attributes (ours on a root among them), and {limit} are allowed here")
            }
            O::AttributeTooLarge { bytes, limit, .. } => {
                format!("an extended attribute would have {bytes} bytes with its name, and {limit} are allowed here")
            }
            O::PermissionsOff { .. } => "permissions are not checked here, so that no fence can keep anybody out".into(),
            O::AccessTimesOff { .. } => "times of the last access are not kept here".into(),
            O::SnapshotRootNested { root, is_above, snapshots, ours, .. } => {
                let place = if *is_above { "above" } else { "below" };
                let held = match (snapshots, ours) {
                    (Some(0), true) => "; it was a target of Understudy and has no snapshots".to_owned(),
                    (Some(0), false) => "; it has none just now".to_owned(),
                    (Some(count), true) => format!("; it has {count}, all of Understudy"),
                    (Some(count), false) => format!("; it has {count}, not all of Understudy"),
                    (None, _) => String::new(),
                };
                format!("{root}, {place} the target, may have snapshots of its own, and HDFS does not nest them{held}")
            }
            O::SnapshotsOrdered { .. } => {
                "snapshots are deleted in order and have trash roots of their own here: HDFS then moves nothing into a directory that has \
                 snapshots, and a recovery point is moved into its place"
                    .into()
            }
            O::SnapshotsKeptInOrder { .. } => {
                "snapshots are deleted in order here: a recovery point that is dropped frees no space before all older ones are dropped"
                    .into()
            }
            O::NameTooLong { bytes, limit, .. } => format!("its name has {bytes} bytes, and {limit} are allowed here"),
            O::PathTooLong { characters, limit, .. } => format!("its path has {characters} characters here, and HDFS takes {limit}"),
            O::PathTooDeep { names, limit, .. } => format!("it would be {names} names deep here, and HDFS takes {limit}"),
            O::DirectoryTooFull { entries, limit, .. } => format!("it would hold {entries} entries, and {limit} are allowed here"),
            O::BlockTooSmall { bytes, limit, .. } => format!("its block size is {bytes} bytes, and at least {limit} are asked here"),
            O::BlocksTooMany { blocks, limit, .. } => {
                format!("a portion of 64 MiB of it has {blocks} blocks, and {limit} are allowed here")
            }
            O::CopiesTooFew { copies, limit, .. } => format!("it is kept in {copies} copies, and at least {limit} are asked here"),
            O::CopiesTooMany { copies, limit, .. } => format!("it is kept in {copies} copies, and at most {limit} are allowed here"),
            O::QuotaOfNames { left, needed, .. } => format!("its name quota leaves {left} names, and {needed} are needed"),
            O::QuotaOfSpace { left, needed, .. } => format!("its space quota leaves {left} bytes, and {needed} are needed"),
            O::QuotaOfStorage { storage, left, needed, .. } => {
                format!("its space quota for {storage} leaves {left} bytes, and {needed} are needed")
            }
            O::RoomTooSmall { free, needed } => format!("{free} bytes are free here, and {needed} are needed with all copies"),
            O::StagingStriped { policy, .. } => {
                format!("it has the erasure-coding policy {policy}, and what is staged there could not be made durable piece by piece")
            }
            O::TargetStriped { policy, .. } => {
                format!("it has the erasure-coding policy {policy}; files that a run brings are kept as copies all the same")
            }
            O::FilesUnstriped { files, copies, .. } => {
                format!("{files} files are erasure-coded at the primary; here they are kept in {copies} copies each, without their policy")
            }
            O::SymbolicLinks { links, .. } => {
                format!("it is a symbolic link, as {links} entries of the data set are, and HDFS has them switched off")
            }
            O::EncryptionZone { .. } => "it lies in an encryption zone, into which and out of which staged files cannot be moved".into(),
        }
    }

    fn next(&self) -> String {
        let raise = |setting: &str| format!("raise {setting} at the secondary, or change the entry at the primary");
        match self {
            O::AclsOff { setting, .. } => format!("set {setting} to true at the secondary and restart its NameNode"),
            O::AclNameUnfit { setting, .. } => {
                format!("let {setting} at the secondary allow the name and restart its NameNode, or change the entry at the primary")
            }
            O::AttributesOff { setting } | O::PermissionsOff { setting } => {
                format!("set {setting} to true at the secondary and restart its NameNode")
            }
            O::AccessTimesOff { setting } => format!("nothing needs to be done; {setting} above 0 keeps them"),
            O::SnapshotRootNested { root, snapshots, ours, .. } => match (snapshots, ours) {
                (Some(0), _) => format!("if nobody needs it, run `hdfs dfsadmin -disallowSnapshot {root}` there, or choose another target"),
                (_, true) => {
                    format!("see `understudy leftovers`; once its snapshots are gone, run `hdfs dfsadmin -disallowSnapshot {root}` there")
                }
                _ => "choose another target, or have its owner delete the snapshots and disallow them there".into(),
            },
            O::SnapshotsOrdered { settings: [ordered, trash] } => {
                format!("set {ordered} or {trash} to false at the secondary and restart its NameNode")
            }
            O::SnapshotsKeptInOrder { .. } => "plan space for it".into(),
            O::NameTooLong { setting, .. } | O::AttributesTooMany { setting, .. } | O::AttributeTooLarge { setting, .. } => raise(setting),
            O::DirectoryTooFull { setting, .. } | O::BlocksTooMany { setting, .. } | O::CopiesTooMany { setting, .. } => raise(setting),
            O::PathTooLong { .. } | O::PathTooDeep { .. } => "choose a shorter target, or shorten the path at the primary".into(),
            O::BlockTooSmall { setting, .. } | O::CopiesTooFew { setting, .. } => {
                format!("lower {setting} at the secondary, or write the file anew at the primary")
            }
            O::QuotaOfNames { .. } | O::QuotaOfSpace { .. } | O::QuotaOfStorage { .. } => {
                "raise the quota of the directory at the secondary, or free space there, and run again".into()
            }
            O::RoomTooSmall { .. } => "free space or add DataNodes at the secondary, and run again".into(),
            O::StagingStriped { path, .. } => format!("run `hdfs ec -setPolicy -path {path} -replicate` at the secondary"),
            O::TargetStriped { .. } | O::FilesUnstriped { .. } => "plan space for the copies".into(),
            O::SymbolicLinks { .. } => "remove the link at the primary, or put the file in its place".into(),
            O::EncryptionZone { .. } => "choose a target outside every encryption zone".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_code_its_object_and_its_data() {
        let quota = O::of_quota("/standby", Short::Bytes { left: 1, needed: 2 });
        let told = quota.told(|path| format!("hdfs:{path}")).expect_err("it refuses");
        assert_eq!((told.code(), told.object.as_str()), ("quota-of-space", "hdfs:/standby"));
        assert_eq!(told.facts.as_ref().map(|facts| facts["needed"].clone()), Some(2.into()));
        assert_eq!(told.kind, TroubleKind::Exhausted);
        let note = O::FilesUnstriped { path: "/d".into(), files: 2, copies: 3 }.told(str::to_owned).expect("a note");
        assert_eq!((note.code.as_str(), note.object.as_str()), ("files-unstriped", "/d"));
    }
}
