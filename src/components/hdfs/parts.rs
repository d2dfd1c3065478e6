//! What an HDFS data set consists of, and what becomes of each part.

use crate::components::parts::{Fate, Part, part};

/// Everything that a directory of HDFS consists of.
pub const PARTS: &[Part] = &[
    part("files and their content", Fate::Carried, "every byte, read out of a snapshot, hashed at both ends"),
    part("directories, empty ones too", Fate::Carried, "with their metadata"),
    part("modes with the sticky bit, owners, groups", Fate::Carried, "by name"),
    part("ACLs, of the access scope", Fate::Carried, "compared at the seal for every entry that a run touched"),
    part("ACLs, of the default scope", Fate::Carried, "likewise; a scope that is gone at the primary goes at the secondary"),
    part(
        "ACLs, where the secondary has them switched off",
        Fate::Refused("acls-off"),
        "dfs.namenode.acls.enabled is false there, and an entry has an ACL",
    ),
    part(
        "ACLs with names that WebHDFS does not take",
        Fate::Refused("acl-name-unfit"),
        "the secondary's dfs.webhdfs.acl.provider.permission.pattern is to allow them",
    ),
    part("times of the last change", Fate::Carried, "to the millisecond"),
    part("times of the last access", Fate::Carried, "of files, when the file itself is copied"),
    part(
        "times of the last access, where the secondary keeps none",
        Fate::Named("access-times-off"),
        "dfs.namenode.accesstime.precision is 0 there",
    ),
    part("extended attributes `user.…`", Fate::Carried, "as they are"),
    part(
        "extended attributes `trusted.…` and `security.…`",
        Fate::Refused("foreign-attributes"),
        "unless the secondary's agent.toml allows security-attributes; then they are carried",
    ),
    part("extended attributes `system.…` and `raw.…`", Fate::LeftOut, "HDFS keeps its own business in them and shows them to nobody"),
    part("extended attributes, more than the secondary takes", Fate::Refused("attributes-too-many"), "ours on the root count"),
    part("an extended attribute that is too large there", Fate::Refused("attribute-too-large"), "dfs.namenode.fs-limits.max-xattr-size"),
    part("numbers of copies (replication)", Fate::Carried, "as each file has it"),
    part("fewer copies than the secondary asks", Fate::Refused("copies-too-few"), "dfs.namenode.replication.min"),
    part("more copies than the secondary allows", Fate::Refused("copies-too-many"), "dfs.replication.max"),
    part("block sizes", Fate::Carried, "as each file has it"),
    part("blocks smaller than the secondary asks", Fate::Refused("block-too-small"), "dfs.namenode.fs-limits.min-block-size"),
    part("more blocks than the secondary allows", Fate::Refused("blocks-too-many"), "dfs.namenode.fs-limits.max-blocks-per-file"),
    part("erasure-coded files", Fate::CarriedAndNamed("files-unstriped"), "as plain files, in the secondary's own number of copies"),
    part("erasure-coding policies of directories", Fate::Named("erasure-coding-policies"), "set them at the secondary"),
    part(
        "an erasure-coding policy at the target",
        Fate::CarriedAndNamed("target-striped"),
        "it stays; what a run brings is kept as copies",
    ),
    part("storage policies", Fate::Named("storage-policies"), "set them at the secondary"),
    part("files of an encryption zone", Fate::CarriedAndNamed("encrypted-source"), "as their readers see them: in clear at the secondary"),
    part("a target in an encryption zone", Fate::Refused("encryption-zone"), "HDFS moves no staged file into one"),
    part("quotas of the data set's directory", Fate::Named("quotas"), "set them at the secondary"),
    part("quotas of directories below it", Fate::LeftOut, "HDFS tells them of one directory at a time only"),
    part(
        "deleting or renaming the data set's directory itself",
        Fate::CarriedAndNamed("root-stays"),
        "HDFS refuses it while a recovery point is held; everything in the directory can be deleted and renamed",
    ),
    part(
        "a directory above that is snapshotted for other data sets",
        Fate::CarriedAndNamed("snapshots-wider"),
        "its snapshots serve this data set as well; what is deleted there keeps its space meanwhile",
    ),
    part(
        "moves into and out of the directory, where HDFS refuses them",
        Fate::CarriedAndNamed("moves-refused"),
        "dfs.namenode.snapshot.deletion.ordered and dfs.namenode.snapshot.trashroot.enabled are both true at the primary",
    ),
    part("the owner's own snapshots", Fate::Named("own-snapshots"), "they stay at the primary"),
    part("symbolic links", Fate::Refused("symbolic-links"), "HDFS has them switched off since version 2.3, and makes none"),
    part(
        "files open for writing",
        Fate::Carried,
        "as long as they were at the snapshot; the point names them (`open_files`), and a fence takes their leases",
    ),
    part(
        "files open for writing, where a snapshot does not fix their length",
        Fate::CarriedAndNamed("open-files-grow"),
        "dfs.namenode.snapshot.capture.openfiles is not true at the primary",
    ),
    part("names longer than the secondary takes", Fate::Refused("name-too-long"), "dfs.namenode.fs-limits.max-component-length"),
    part("paths longer than HDFS takes", Fate::Refused("path-too-long"), "the target's own path counts"),
    part("paths of more names than HDFS takes", Fate::Refused("path-too-deep"), "the target's own path counts"),
    part("directories fuller than the secondary takes", Fate::Refused("directory-too-full"), "dfs.namenode.fs-limits.max-directory-items"),
    part("cache directives, numbers of inodes", Fate::LeftOut, "they belong to the cluster"),
];
