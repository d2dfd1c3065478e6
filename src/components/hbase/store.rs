//! HBase's files on HDFS: found wherever HBase has them just now, read, and made in its name.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;
use prost::Message;

use super::Hbase;
use super::files::{HFile, PLACES};
use super::manifest::{disabled, hfile_at, manifest_of};
use super::names::{Table, snapshot_name};
use super::rpc::snapshot::{DataManifest, SnapshotDescription};
use crate::components::ByteStream;
use crate::components::hdfs::error::HdfsError;
use crate::components::hdfs::listing::{AT_ONCE, list};
use crate::components::hdfs::status::status_if_there;
use crate::components::hdfs::webhdfs::Operation;
use crate::domain::{Entry, Manifest, PointId, Trouble, TroubleKind, piece_range};

/// The longest `data.manifest` that is read, in bytes; HBase's own limit is 64 MiB unless raised.
const MANIFEST_BYTES: u64 = 256 << 20;
/// The longest `.snapshotinfo` that is read, in bytes; it holds the table's rights.
const DESCRIPTION_BYTES: u64 = 16 << 20;
/// The kind that HBase's master itself writes into the snapshot of a table that is disabled, whatever kind was asked for.
pub const OF_A_DISABLED_TABLE: i32 = 0;
/// How often an HFile that was moved away between looking and reading is looked for again.
const LOOKED_FOR: usize = 5;

impl Hbase {
    /// A path below HBase's root.
    pub(super) fn below(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    /// The directory of a complete snapshot.
    pub(super) fn snapshot_directory(&self, set: &str, point: PointId) -> String {
        self.below(&format!(".hbase-snapshot/{}", snapshot_name(set, point)))
    }

    /// A whole small file; `None` where there is none.
    pub(super) async fn read_whole(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Trouble> {
        let object = self.object(path);
        let Some(status) = status_if_there(&self.hdfs.web, path).await.map_err(|error| error.about(&object))? else { return Ok(None) };
        if status.length > limit {
            return Err(Trouble::new(TroubleKind::Exhausted, object, format!("it has {} bytes, more than {limit}", status.length)));
        }
        let mut bytes = self.hdfs.read_range(object, path, 0, status.length).await?;
        let mut whole = Vec::new();
        while let Some(portion) = bytes.next().await {
            whole.extend_from_slice(&portion?);
        }
        Ok(Some(whole))
    }

    /// A point's snapshot as a manifest; `None` where it is not here.
    pub(super) async fn manifest_at(&self, set: &str, table: &Table, point: PointId) -> Result<Option<Manifest>, Trouble> {
        let path = format!("{}/data.manifest", self.snapshot_directory(set, point));
        let Some(bytes) = self.read_whole(&path, MANIFEST_BYTES).await? else { return Ok(None) };
        let bad = |reason: String| Trouble::new(TroubleKind::Refused, self.object(set), reason).next("leave the table out of the service");
        let data = DataManifest::decode(bytes.as_slice()).map_err(|e| bad(format!("its snapshot cannot be understood: {e}")))?;
        let manifest = manifest_of(&data, table).map_err(bad)?;
        // HBase's own word in the snapshot, so that the state is that of the very cut.
        let was_disabled = self.description_at(set, point).await?.is_some_and(|told| told.kind == Some(OF_A_DISABLED_TABLE));
        Ok(Some(if was_disabled { disabled(manifest) } else { manifest }))
    }

    /// What a point's snapshot says of itself; `None` where it is not here.
    pub(super) async fn description_at(&self, set: &str, point: PointId) -> Result<Option<SnapshotDescription>, Trouble> {
        let path = format!("{}/.snapshotinfo", self.snapshot_directory(set, point));
        let Some(bytes) = self.read_whole(&path, DESCRIPTION_BYTES).await? else { return Ok(None) };
        let bad =
            |e| Trouble::new(TroubleKind::Corrupt, self.object(set), format!("what its snapshot says of itself is not understood: {e}"));
        SnapshotDescription::decode(bytes.as_slice()).map(Some).map_err(bad)
    }

    /// Where an HFile is just now, and its length.
    pub(super) async fn find(&self, file: &HFile) -> Result<Option<(String, u64)>, HdfsError> {
        for place in PLACES {
            let path = self.below(&format!("{place}/{}", file.path()));
            if let Some(status) = status_if_there(&self.hdfs.web, &path).await? {
                return Ok(Some((path, status.length)));
            }
        }
        Ok(None)
    }

    /// Which of these HFiles are not there in their full length, in words.
    pub(super) async fn missing(&self, files: &BTreeMap<HFile, u64>) -> Result<BTreeMap<HFile, String>, HdfsError> {
        let directories: BTreeSet<String> = files.keys().map(|file| file.directory.clone()).collect();
        let mut lengths: BTreeMap<HFile, u64> = BTreeMap::new();
        for place in PLACES {
            let mut listings = stream::iter(directories.clone()).map(|directory| self.lengths_in(place, directory)).buffered(AT_ONCE);
            while let Some(listed) = listings.next().await {
                lengths.extend(listed?);
            }
        }
        let mut missing = BTreeMap::new();
        for (file, bytes) in files {
            let mut length = lengths.get(file).copied();
            if length.is_none() {
                // It may have moved between two listings.
                length = self.find(file).await?.map(|(_, length)| length);
            }
            match length {
                Some(length) if length == *bytes => {}
                Some(length) => drop(missing.insert(file.clone(), format!("{} has {length} bytes instead of {bytes}", file.path()))),
                None => drop(missing.insert(file.clone(), format!("{} is gone", file.path()))),
            }
        }
        Ok(missing)
    }

    /// The lengths of what a family's directory holds in one place.
    async fn lengths_in(&self, place: &str, directory: String) -> Result<Vec<(HFile, u64)>, HdfsError> {
        let found = match list(&self.hdfs.web, &self.below(&format!("{place}/{directory}"))).await {
            Err(error) if error.is_missing() => Vec::new(),
            found => found?,
        };
        let file = |name| HFile { directory: directory.clone(), name };
        Ok(found.into_iter().map(|status| (file(status.path_suffix), status.length)).collect())
    }

    /// The bytes of one piece of an HFile, wherever it is.
    pub(super) async fn read_hfile(&self, set: &str, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        let object = format!("{}, {}", self.object(set), entry.path);
        let trouble = |kind, reason: String| Trouble::new(kind, &object, reason);
        let file = hfile_at(&entry.path).ok_or_else(|| trouble(TroubleKind::Invalid, "it is no HFile".into()))?;
        let (offset, bytes) = piece_range(entry.bytes(), piece);
        for _ in 0..LOOKED_FOR {
            let Some((path, length)) = self.find(&file).await.map_err(|error| error.about(&object))? else { continue };
            if length != entry.bytes() {
                let reason = format!("it has {length} bytes, and the snapshot says {}", entry.bytes());
                return Err(trouble(TroubleKind::Corrupt, reason));
            }
            match self.hdfs.read_range(object.clone(), &path, offset, bytes).await {
                Err(error) if error.kind == TroubleKind::NotFound => {}
                answer => return answer,
            }
        }
        Err(trouble(TroubleKind::NotFound, "it is neither with its table nor in the archive".into()).next("make a new point"))
    }

    /// Whose files below HBase's root are, owner and group.
    pub(super) async fn owner(&self) -> Result<(String, String), Trouble> {
        let about = |error: HdfsError| error.about(self.object(&self.root));
        let root = crate::components::hdfs::status::status(&self.hdfs.web, &self.root).await.map_err(about)?;
        Ok((root.owner, root.group))
    }

    /// Hands something of ours over to HBase.
    pub(super) async fn hand_over(&self, path: &str, mode: &str, owner: &(String, String)) -> Result<(), HdfsError> {
        self.hdfs.web.run(Operation::put("SETPERMISSION", path).with("permission", mode)).await?;
        if owner.0 == self.hdfs.web.user() {
            return Ok(());
        }
        self.hdfs.web.run(Operation::put("SETOWNER", path).with("owner", &owner.0).with("group", &owner.1)).await
    }

    /// Makes a directory below HBase's root in HBase's name, and what leads there.
    pub(super) async fn make_directory(&self, below: &str, owner: &(String, String)) -> Result<(), HdfsError> {
        self.hdfs.web.run(Operation::put("MKDIRS", &self.below(below)).with("permission", "755")).await?;
        if owner.0 == self.hdfs.web.user() {
            return Ok(());
        }
        let mut made = below;
        loop {
            let path = self.below(made);
            let own = status_if_there(&self.hdfs.web, &path).await?;
            if own.is_none_or(|status| status.owner == owner.0) {
                return Ok(());
            }
            self.hand_over(&path, "755", owner).await?;
            match made.rsplit_once('/') {
                Some((above, _)) => made = above,
                None => return Ok(()),
            }
        }
    }
}
