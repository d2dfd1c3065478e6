//! What of a directory at the source stays behind: looked for when a policy is made and when a run is armed.
//!
//! ```text
//! the root's status, quotas, snapshots · the NameNode's settings · listings below, a bounded number → Traits → notes: pure
//! ```

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Serialize;

use super::Hdfs;
use super::capture::PREFIX;
use super::error::HdfsError;
use super::listing::{AT_ONCE, full, list};
use super::roots::is_inside;
use super::status::{FileStatus, status_if_there};
use crate::domain::admission::Said;
use crate::domain::{Note, RelPath, Trouble};

/// Directories of a data set that are listed for it.
const LISTED: usize = 500;
/// What an inode without a storage policy of its own says, and the usual policy: both mean disks.
const USUAL_POLICIES: [u8; 2] = [0, 7];

/// What stays behind, or will matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub(super) enum HdfsNote {
    /// Entries lie in an encryption zone.
    EncryptedSource { entries: u64, first: String },
    /// Entries have another storage policy than the usual one.
    StoragePolicies { entries: u64, first: String },
    /// Directories have an erasure-coding policy.
    ErasureCodingPolicies { directories: u64, first: String, policy: String },
    /// The root has quotas.
    Quotas { names: Option<i64>, space: Option<i64> },
    /// The root has snapshots of somebody else.
    OwnSnapshots { count: u64 },
    /// A file that is open goes on growing inside a snapshot.
    OpenFilesGrow { setting: &'static str },
    /// Snapshots are on the data set's own directory.
    RootStays { path: String },
    /// They are on a directory above it, which other data sets share.
    SnapshotsWider { path: String, root: String },
    /// Nothing can be moved out of a directory that may have snapshots, nor into it.
    MovesRefused { settings: [&'static str; 2] },
    /// Not every directory was looked at.
    PartlyLookedAt { directories: u64 },
}

impl HdfsNote {
    /// As it is told about `object`.
    pub(super) fn about(&self, object: &str) -> Note {
        let (reason, next) = match self {
            HdfsNote::EncryptedSource { entries, first } => (
                format!("{entries} entries, the first of them {first}, lie in an encryption zone; their copies are not encrypted"),
                "encrypt the secondary's disks, or leave the data set out of the service",
            ),
            HdfsNote::StoragePolicies { entries, first } => (
                format!("{entries} entries, the first of them {first}, have a storage policy; policies are not copied"),
                "set them at the secondary (hdfs storagepolicies -setStoragePolicy)",
            ),
            HdfsNote::ErasureCodingPolicies { directories, first, policy } => (
                format!(
                    "{directories} directories have an erasure-coding policy, the first of them {first} ({policy}); policies are not copied"
                ),
                "set them at the secondary (hdfs ec -setPolicy) if new files are to be erasure-coded after a promotion; plan space for the copies",
            ),
            HdfsNote::Quotas { names, space } => {
                let told = [names.map(|names| format!("{names} names")), space.map(|bytes| format!("{bytes} bytes"))];
                let told: Vec<String> = told.into_iter().flatten().collect();
                (
                    format!("its quotas are not copied: {}", told.join(", ")),
                    "set them at the secondary (hdfs dfsadmin -setQuota, -setSpaceQuota)",
                )
            }
            HdfsNote::OwnSnapshots { count } => (
                format!("{count} snapshots of it are not Understudy's, and are not copied"),
                "copy what of them is needed yourself (hadoop distcp)",
            ),
            HdfsNote::OpenFilesGrow { setting } => (
                format!("{setting} is not true, so a file open for writing goes on growing inside a snapshot"),
                "set it to true at the primary and restart its NameNode",
            ),
            HdfsNote::RootStays { path } => (
                format!(
                    "snapshots are on {path} itself: applications can delete and rename what is in {path}, and not {path} or a directory above \
                     it, while a recovery point is held"
                ),
                "if an application replaces the whole directory, name the directory above it as the data set",
            ),
            HdfsNote::SnapshotsWider { path, root } => (
                format!(
                    "snapshots for {path} are on {root}, as for other data sets there; what is deleted in {root} keeps its space while a \
                     recovery point is held"
                ),
                "plan space for it",
            ),
            HdfsNote::MovesRefused { settings: [ordered, trash] } => (
                format!("{ordered} and {trash} are both true, so HDFS moves nothing out of it or into it while it may have snapshots"),
                "set one of them to false at the primary, if applications move files",
            ),
            HdfsNote::PartlyLookedAt { directories } => (
                format!("encryption zones and policies were looked for in the first {directories} directories only"),
                "look for them in the rest yourself (hdfs crypto -listZones, hdfs ec -getPolicy, hdfs storagepolicies -getStoragePolicy)",
            ),
        };
        Note::new(self, object, reason, next)
    }
}

/// What listings show.
#[derive(Debug, Default)]
struct Traits {
    encrypted: Option<(u64, String)>,
    stored: Option<(u64, String)>,
    coded: Option<(u64, String, String)>,
}

impl Traits {
    fn meet(&mut self, path: &str, status: &FileStatus) {
        if status.enc_bit {
            self.encrypted.get_or_insert_with(|| (0, path.to_owned())).0 += 1;
        }
        if !USUAL_POLICIES.contains(&status.storage_policy) {
            self.stored.get_or_insert_with(|| (0, path.to_owned())).0 += 1;
        }
        if let Some(policy) = status.striping().filter(|_| status.is_directory()) {
            self.coded.get_or_insert_with(|| (0, path.to_owned(), policy.to_owned())).0 += 1;
        }
    }

    fn notes(self) -> Vec<HdfsNote> {
        let mut notes = Vec::new();
        notes.extend(self.encrypted.map(|(entries, first)| HdfsNote::EncryptedSource { entries, first }));
        notes.extend(self.stored.map(|(entries, first)| HdfsNote::StoragePolicies { entries, first }));
        notes.extend(self.coded.map(|(directories, first, policy)| HdfsNote::ErasureCodingPolicies { directories, first, policy }));
        notes
    }
}

impl Hdfs {
    /// What a policy's check is told of a directory at the source.
    pub(super) async fn survey_set(&self, set: &str) -> Result<Said, Trouble> {
        self.check_set(set)?;
        let places = vec![self.place(set)];
        let root = status_if_there(&self.web, set).await.map_err(|error| error.about(self.object(set)))?;
        let notes = match root.filter(FileStatus::is_directory) {
            Some(root) => {
                let mut notes = self.source_notes(set, &root).await?;
                // Where the snapshots are stays the same from run to run: the policy says it once.
                notes.push(self.root_note(set).await.about(&self.object(set)));
                notes
            }
            None => Vec::new(),
        };
        Ok(Said { notes, places, ..Said::default() })
    }

    /// What the owner of a data set should know.
    pub(super) async fn source_notes(&self, set: &str, root: &FileStatus) -> Result<Vec<Note>, Trouble> {
        let mut notes = self.notes_below(set, root, LISTED).await?;
        notes.extend(self.usage(set).await?.and_then(|usage| usage.limits()).map(|(names, space)| HdfsNote::Quotas { names, space }));
        // Where there are none yet there is no such directory.
        let snapshots = match list(&self.web, &format!("{}/.snapshot", set.trim_end_matches('/'))).await {
            Err(error) if error.is_remote() => Vec::new(),
            found => found.map_err(|error| error.about(self.object(set)))?,
        };
        let theirs = snapshots.iter().filter(|one| !one.path_suffix.starts_with(PREFIX)).count() as u64;
        notes.extend((theirs > 0).then_some(HdfsNote::OwnSnapshots { count: theirs }));
        notes.extend(self.settings_notes().await);
        Ok(notes.iter().map(|note| note.about(&self.object(set))).collect())
    }

    /// What holds for every directory of this HDFS.
    pub(in crate::components) async fn cluster_notes(&self) -> Vec<Note> {
        self.settings_notes().await.iter().map(|note| note.about(&self.object(""))).collect()
    }

    async fn settings_notes(&self) -> Vec<HdfsNote> {
        let settings = self.settings().await;
        let is = |name: &str| settings.get(name).is_some_and(|value| value == "true");
        let (setting, pair) = (
            "dfs.namenode.snapshot.capture.openfiles",
            ["dfs.namenode.snapshot.deletion.ordered", "dfs.namenode.snapshot.trashroot.enabled"],
        );
        let grow = (!is(setting)).then_some(HdfsNote::OpenFilesGrow { setting });
        grow.into_iter().chain(pair.into_iter().all(is).then_some(HdfsNote::MovesRefused { settings: pair })).collect()
    }

    /// Where the snapshots are. A NameNode that does not answer forbids no policy.
    async fn root_note(&self, set: &str) -> HdfsNote {
        let known = self.known_roots(&[set.to_owned()]).await.unwrap_or_default();
        let above = known.into_iter().find(|root| root.shared && root.path != set && is_inside(set, &root.path));
        let path = set.to_owned();
        match above {
            Some(above) => HdfsNote::SnapshotsWider { path, root: above.path },
            None => HdfsNote::RootStays { path },
        }
    }

    /// What the root and the listings of so many directories below it show, breadth first.
    pub(in crate::components) async fn tree_notes(&self, tree: &str, most: usize) -> Result<Vec<Note>, Trouble> {
        let root = status_if_there(&self.web, tree).await.map_err(|error| error.about(self.object(tree)))?;
        let Some(root) = root.filter(FileStatus::is_directory) else { return Ok(Vec::new()) };
        Ok(self.notes_below(tree, &root, most).await?.iter().map(|note| note.about(&self.object(tree))).collect())
    }

    async fn notes_below(&self, set: &str, root: &FileStatus, most: usize) -> Result<Vec<HdfsNote>, Trouble> {
        let mut traits = Traits::default();
        traits.meet(set, root);
        let (mut level, mut listed) = (vec![RelPath::root()], 0);
        while !level.is_empty() && listed < most {
            let now: Vec<RelPath> = level.drain(..level.len().min(most - listed)).collect();
            listed += now.len();
            let found: Vec<(RelPath, Vec<FileStatus>)> = stream::iter(now)
                .map(|directory| async move {
                    match list(&self.web, &full(set, &directory)).await {
                        // It went meanwhile.
                        Err(error) if error.is_missing() => Ok((directory, Vec::new())),
                        inside => Ok::<_, HdfsError>((directory, inside?)),
                    }
                })
                .buffered(AT_ONCE)
                .try_collect()
                .await
                .map_err(|error| error.about(self.object(set)))?;
            for (directory, inside) in found {
                for status in inside {
                    // A name that cannot be kept is refused by the capture.
                    let Ok(path) = directory.join(&status.path_suffix) else { continue };
                    traits.meet(&full(set, &path), &status);
                    if status.is_directory() {
                        level.push(path);
                    }
                }
            }
        }
        let mut notes = traits.notes();
        notes.extend((!level.is_empty()).then_some(HdfsNote::PartlyLookedAt { directories: most as u64 }));
        Ok(notes)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::obstacles::HdfsObstacle as O;
    use super::super::parts::PARTS;
    use super::*;
    use crate::components::parts::codes;

    fn status(json: &str) -> FileStatus {
        let usual = r#""accessTime":0,"blockSize":0,"fileId":1,"group":"g","length":0,"modificationTime":1,"owner":"o","pathSuffix":"d",
            "permission":"755","replication":0"#;
        serde_json::from_str(&format!("{{{usual},{json}}}")).expect("a status")
    }

    #[test]
    fn zones_and_policies_are_counted_and_the_first_is_named() {
        let mut traits = Traits::default();
        traits.meet("/d", &status(r#""type":"DIRECTORY","storagePolicy":7"#));
        traits.meet("/d/cold", &status(r#""type":"DIRECTORY","storagePolicy":2"#));
        traits.meet("/d/cold/f", &status(r#""type":"FILE","storagePolicy":2"#));
        traits.meet("/d/ec", &status(r#""type":"DIRECTORY","ecPolicy":"XOR-2-1-1024k","storagePolicy":0"#));
        traits.meet("/d/ec/f", &status(r#""type":"FILE","ecPolicy":"XOR-2-1-1024k","storagePolicy":0"#));
        traits.meet("/d/zone", &status(r#""type":"DIRECTORY","encBit":true"#));
        let wanted = [
            HdfsNote::EncryptedSource { entries: 1, first: "/d/zone".into() },
            HdfsNote::StoragePolicies { entries: 2, first: "/d/cold".into() },
            HdfsNote::ErasureCodingPolicies { directories: 1, first: "/d/ec".into(), policy: "XOR-2-1-1024k".into() },
        ];
        assert_eq!(traits.notes(), wanted);
    }

    #[test]
    fn every_note_and_every_refusal_of_content_stands_in_the_table() {
        let (first, policy, setting) = (String::new(), String::new(), "");
        let notes = [
            HdfsNote::EncryptedSource { entries: 1, first: first.clone() },
            HdfsNote::StoragePolicies { entries: 1, first: first.clone() },
            HdfsNote::ErasureCodingPolicies { directories: 1, first, policy: policy.clone() },
            HdfsNote::Quotas { names: None, space: None },
            HdfsNote::OwnSnapshots { count: 1 },
            HdfsNote::OpenFilesGrow { setting },
            HdfsNote::RootStays { path: String::new() },
            HdfsNote::SnapshotsWider { path: String::new(), root: String::new() },
            HdfsNote::MovesRefused { settings: [setting; 2] },
        ];
        let path = || "/d".to_owned();
        let (entry, limit) = (String::new(), 1);
        let obstacles = [
            O::AclsOff { path: path(), entries: 1, setting },
            O::AclNameUnfit { path: path(), entry, setting },
            O::AccessTimesOff { setting },
            O::AttributesTooMany { path: path(), attributes: 2, limit, setting },
            O::AttributeTooLarge { path: path(), bytes: 2, limit, setting },
            O::CopiesTooFew { path: path(), copies: 1, limit, setting },
            O::CopiesTooMany { path: path(), copies: 1, limit, setting },
            O::BlockTooSmall { path: path(), bytes: 1, limit, setting },
            O::BlocksTooMany { path: path(), blocks: 1, limit, setting },
            O::FilesUnstriped { path: path(), files: 1, copies: 1 },
            O::TargetStriped { path: path(), policy },
            O::EncryptionZone { path: path() },
            O::SymbolicLinks { path: path(), links: 1 },
            O::NameTooLong { path: path(), bytes: 1, limit, setting },
            O::PathTooLong { path: path(), characters: 1, limit },
            O::PathTooDeep { path: path(), names: 1, limit },
            O::DirectoryTooFull { path: path(), entries: 1, limit, setting },
        ];
        let mut told: BTreeSet<String> = notes.iter().map(|note| note.about("hdfs:/d").code).collect();
        told.extend(obstacles.iter().map(|one| one.trouble(str::to_owned).code().to_owned()));
        told.insert("foreign-attributes".into());
        assert_eq!(told, codes(PARTS).into_iter().map(str::to_owned).collect());
        assert_eq!(HdfsNote::PartlyLookedAt { directories: 1 }.about("hdfs:/d").code, "partly-looked-at");
    }
}
