//! Apache Hive: the metastore's metadata and the tables' data, captured at one moment. Data sets are `DATABASE` or `DATABASE.TABLE`.
//!
//! The metadata is read over Thrift as the metastore's own structs, held whole, and becomes files of the manifest (see `paper`);
//! the data is HDFS's business: snapshots, differences, apply and seal are those of [`super::hdfs`], a tree each (see `places`).
//! Captured and sealed metadata lies in the component's store, the data's snapshots in HDFS, named after point and data set.
//!
//! What a data set consists of and what becomes of each part is a table, [`PARTS`]; refusals and notes have codes (see `notes`).

mod admission;
mod beside;
mod capture;
mod constraints;
mod content;
mod describe;
mod dump;
mod execute;
mod fence;
mod handlers;
mod metastore;
mod model;
mod names;
mod notes;
mod orphans;
mod paper;
mod passed;
mod places;
mod plan;
pub mod probe;
mod reads;
mod refusals;
mod rehearse;
mod rewrite;
mod roots;
mod source;
mod space;
mod survey;
mod target;
mod thrift;
mod told;
mod vacate;
mod views;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

pub use content::PARTS;
pub use metastore::Limits as MetastoreLimits;
pub use notes::{HiveNote, HiveRefusal, Owner, SnapshotsAt, Unmakeable};
pub use reads::Format;

use super::admission::Admission;
use super::depot::{Depot, blocking};
use super::hdfs::{Hdfs, HdfsConfig, HdfsPrivilege};
use super::restores::Restores;
use super::{ByteStream, Capture, Component, PhaseJournal, Slot};
use crate::domain::admission::Said;
use crate::domain::backup::plan::ApplyPlan;
use crate::domain::user_data::{UserDataChange, UserDataKey};
use crate::domain::{
    ChangeSet, ComponentInfo, ComponentKind, ComponentName, Digest, DrillId, Entry, Manifest, Note, PastFence, PointId, ProbeReport,
    Trouble, TroubleKind,
};
use crate::protocol::{CatalogueItem, OwnSnapshot};
use admission::Needs;
use capture::State;
use metastore::Metastore;
use names::SetName;
use places::path_in;
use source::Cuts;

/// One Hive component as it is configured.
#[derive(Debug, Clone)]
pub struct HiveConfig {
    /// Its name in data sets.
    pub name: ComponentName,
    /// `thrift://host:port` of every metastore; they are tried in turn.
    pub metastore: Vec<String>,
    /// The warehouse directory, `hdfs://authority/path`.
    pub warehouse: String,
    /// The directory below which its store lies.
    pub store: PathBuf,
    /// Time limits of calls to the metastore.
    pub limits: MetastoreLimits,
    /// How the warehouse's file system is reached; its `fs` is the warehouse's.
    pub hdfs: HdfsConfig,
}

/// `hdfs://authority` and path of a directory; `None` when it is none.
pub fn split_warehouse(warehouse: &str) -> Option<(String, String)> {
    let rest = warehouse.strip_prefix("hdfs://")?;
    let at = rest.find('/')?;
    let fs = format!("hdfs://{}", &rest[..at]);
    let path = path_in(&rest[at..], &fs).filter(|path| path != "/")?;
    (at > 0).then_some((fs, path))
}

/// A metastore and the file system of its warehouse, beside their agent.
pub struct Hive {
    name: ComponentName,
    metastore: Metastore,
    hdfs: Hdfs,
    fs: String,
    warehouse: String,
    depot: Depot,
    /// What was read when runs were armed, by data set; after a restart it is read again.
    armed: Mutex<HashMap<String, State>>,
    /// Where the trees of captures are; found again when forgotten.
    cuts: Mutex<HashMap<(String, PointId), Arc<Cuts>>>,
    /// What plans ask of trees whose places are not known yet.
    awaited: Mutex<HashMap<(String, PointId), Needs>>,
}

impl Hive {
    /// Connects nothing yet; fails when the configuration is no such thing.
    pub fn new(config: &HiveConfig) -> Result<Hive, Trouble> {
        let object = format!("component {}", config.name);
        let invalid = |reason: String| Trouble::new(TroubleKind::Invalid, &object, reason);
        let (fs, warehouse) = split_warehouse(&config.warehouse).ok_or_else(|| {
            invalid(format!("{:?} is no hdfs:// directory", config.warehouse)).next("give warehouse = \"hdfs://HOST:PORT/PATH\"")
        })?;
        let metastore = Metastore::new(&config.metastore, &config.hdfs.user, config.limits)
            .map_err(|reason| invalid(reason).next("give metastore = \"thrift://HOST:9083\""))?;
        let hdfs = HdfsConfig { name: config.name.clone(), fs: Some(fs.clone()), ..config.hdfs.clone() };
        Ok(Hive {
            name: config.name.clone(),
            metastore,
            hdfs: Hdfs::new(&hdfs)?,
            fs,
            warehouse,
            depot: Depot::new(config.name.clone(), &config.store),
            armed: Mutex::default(),
            cuts: Mutex::default(),
            awaited: Mutex::default(),
        })
    }

    /// The same, letting these privileges in with the data's files. None unless told.
    #[must_use]
    pub fn allowing(self, allowed: BTreeSet<HdfsPrivilege>) -> Hive {
        Hive { hdfs: self.hdfs.allowing(allowed), ..self }
    }

    fn set(&self, path: &str) -> Result<SetName, Trouble> {
        SetName::parse(path).map_err(|reason| {
            Trouble::new(TroubleKind::Refused, self.depot.object(path), reason).next("write for example hive:sales or hive:sales.orders")
        })
    }

    fn object(&self, set: &SetName) -> String {
        self.depot.object(&set.to_string())
    }

    fn refused(&self, set: &SetName, reason: &str) -> Trouble {
        Trouble::new(TroubleKind::Refused, self.object(set), reason)
    }

    /// The warehouse's file system for one data set.
    fn hdfs_of(&self, set: &SetName) -> Hdfs {
        self.hdfs.tagged(&self.tag(&set.to_string()))
    }

    fn tag(&self, set: &str) -> String {
        Digest::of_bytes(format!("{}:{set}", self.name).as_bytes()).to_string()[..16].to_owned()
    }
}

#[async_trait]
impl Component for Hive {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn kind(&self) -> ComponentKind {
        ComponentKind::Hive
    }

    async fn describe(&self) -> Result<ComponentInfo, Trouble> {
        self.info().await
    }

    async fn probe(&self) -> ProbeReport {
        self.look().await
    }

    async fn catalogue(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        self.inside(path).await
    }

    async fn survey(&self, set: &str) -> Result<Said, Trouble> {
        self.survey_set(&self.set(set)?).await
    }

    async fn arm(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        self.arm_set(&self.set(set)?).await
    }

    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        self.capture_set(&self.set(set)?, point).await
    }

    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        self.changes_of(&self.set(set)?, point, base).await
    }

    async fn read(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        self.read_entry(&self.set(set)?, point, entry, piece).await
    }

    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.release_point(&self.set(set)?, point).await
    }

    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        self.held_points().await
    }

    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        self.drift_of(&self.set(set)?, expected).await
    }

    async fn admit(&self, set: &str, _changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
        self.hdfs.check_privileges(&self.set(set)?.to_string(), after.entries.values())
    }

    fn admission(&self) -> Option<&dyn Admission> {
        Some(self)
    }

    async fn examine(&self, set: &str, point: PointId, changes: &ChangeSet) -> Result<(), Trouble> {
        self.examine_places(&self.set(set)?, point, changes).await
    }

    /// Of metadata; HDFS keeps files by name, not by content.
    async fn holds(&self, digest: &Digest) -> Result<bool, Trouble> {
        let (depot, digest) = (self.depot.clone(), *digest);
        blocking(move || depot.objects.pin(&digest)).await
    }

    async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        self.stage_piece(&self.set(set)?, point, slot, entry, bytes).await
    }

    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble> {
        let set = self.set(set)?;
        if source::in_tree(&entry.path).is_some() {
            return self.hdfs_of(&set).read_staged_piece(&set.to_string(), point, slot, entry).await;
        }
        self.depot.read_staged(&set.to_string(), point, slot, entry).await
    }

    async fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let (depot, set) = (self.depot.clone(), self.set(set)?.to_string());
        blocking(move || depot.sync_staging(&set, point)).await
    }

    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        let (depot, set, record) = (self.depot.clone(), self.set(set)?.to_string(), record.to_owned());
        blocking(move || depot.keep_record(&set, point, &record)).await
    }

    async fn apply(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        self.apply_point(&self.set(set)?, point, plan, manifest, journal).await
    }

    async fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.seal_point(&self.set(set)?, point, manifest).await
    }

    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.discard_point(&self.set(set)?, point).await
    }

    async fn restore(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.restore_point(&self.set(set)?, point, manifest).await
    }

    async fn take_back(&self, set: &str, point: PointId, manifest: &Manifest, last: Option<(PointId, &Manifest)>) -> Result<(), Trouble> {
        let set = self.set(set)?;
        match last {
            Some((last, sealed)) => self.restore_point(&set, last, sealed).await,
            None => self.vacate_point(&set, point, manifest).await,
        }
    }

    async fn fence(&self, set: &str) -> Result<String, Trouble> {
        self.fence_set(&self.set(set)?).await
    }

    /// The true rights of every tree are kept beside its fence; the manifest's root is no directory of the cluster's.
    async fn unfence(&self, set: &str, _root: Option<&Entry>) -> Result<(), Trouble> {
        self.unfence_set(&self.set(set)?).await
    }

    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble> {
        self.read_fence(&self.set(set)?).await
    }

    async fn past_fence(&self, set: &str, point: PointId) -> Result<Vec<PastFence>, Trouble> {
        self.passed_since(&self.set(set)?, point).await
    }

    async fn rehearse(&self, set: &str, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        self.rehearse_set(&self.set(set)?, point, manifest, drill).await
    }

    async fn clear_rehearsal(&self, drill: DrillId) -> Result<(), Trouble> {
        self.clear_space(drill).await
    }

    async fn rehearsals(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        self.spaces().await
    }

    fn restores(&self) -> Option<&dyn Restores> {
        Some(self)
    }

    /// None: Hive's roles and grants are not compared by this version.
    async fn read_users(&self, _sets: &[String], _sealed: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        Ok(BTreeMap::new())
    }

    async fn adjust_user(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        let reason = "Hive's roles and grants are not carried over by this version";
        Err(Trouble::new(TroubleKind::Refused, self.depot.object(&change.key.object), reason)
            .next("grant or revoke it at the secondary by hand"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warehouse_is_a_directory_in_hdfs() {
        let parts = |text| split_warehouse(text);
        assert_eq!(parts("hdfs://nn:8020/warehouse/"), Some(("hdfs://nn:8020".into(), "/warehouse".into())));
        assert_eq!(parts("hdfs://bank/user/hive"), Some(("hdfs://bank".into(), "/user/hive".into())));
        for bad in ["hdfs://nn:8020", "hdfs://nn:8020/", "hdfs:///warehouse", "s3a://x/y", "/warehouse"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }
}
