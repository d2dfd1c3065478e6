//! Apache HDFS: snapshots are the captures, their differences the changes, renames the apply, the secondary's own snapshots
//! the sealed points. Metadata goes over WebHDFS, pieces into staging over HDFS's own protocol.
//!
//! Our own files lie under [`HOME`]: `staging/POINT/SET/FILE.PIECE` and `records/SET/POINT.json`. On a data set's root we
//! keep extended attributes under `user.understudy.`, which are never part of the data set.

mod admission;
mod apply;
mod beside;
mod capture;
pub(super) mod changes;
mod config;
pub(super) mod data;
mod describe;
mod diff;
mod drift;
pub(super) mod error;
mod fence;
mod fits;
pub(super) mod listing;
mod metadata;
mod need;
mod notes;
mod obstacles;
mod open_files;
mod parts;
mod passed;
mod privileges;
pub mod probe;
mod quota;
mod rehearse;
mod roots;
mod seal;
pub(super) mod status;
#[cfg(test)]
pub(super) mod tests;
mod tree;
mod unlike;
mod users;
mod vacate;
pub(super) mod webhdfs;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

pub use config::{Addresses, HdfsConfig};
pub use error::HdfsError;
pub use parts::PARTS;
pub use privileges::HdfsPrivilege;

pub(super) use fits::{Kept, Place};
pub(super) use need::Need;
pub(super) use roots::{Cut, Known, is_inside, meet};
pub use webhdfs::{Limits, WebHdfs};

use webhdfs::Operation;

use super::admission::Admission;
use super::restores::Restores;
use super::{ByteStream, Capture, Component, PhaseJournal, Slot};
use crate::domain::admission::Said;
use crate::domain::backup::plan::ApplyPlan;
use crate::domain::user_data::{UserDataChange, UserDataKey};
use crate::domain::{
    ChangeSet, ComponentInfo, ComponentKind, ComponentName, Digest, DrillId, Entry, Manifest, Note, PastFence, PointId, ProbeReport,
    RelPath, Trouble, TroubleKind,
};
use crate::protocol::{CatalogueItem, OwnSnapshot};

/// Where our own files are, beside the data.
pub const HOME: &str = "/understudy";
/// How long a probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// One HDFS, beside its agent.
#[derive(Debug, Clone)]
pub struct Hdfs {
    name: ComponentName,
    fs: String,
    /// The configuration asks for Kerberos, which we do not speak.
    kerberos: bool,
    pub(super) web: WebHdfs,
    rpc: hdfs_native::Client,
    /// Tells a data set's snapshots and staging apart where they cannot be by their path; empty for this component's own.
    tag: String,
    /// Where cuts were found.
    cuts: roots::Cuts,
    /// Privileges that may come from the other cluster.
    allowed: BTreeSet<HdfsPrivilege>,
}

impl Hdfs {
    /// Connects nothing yet; fails when the configuration names no file system.
    pub fn new(config: &HdfsConfig) -> Result<Hdfs, Trouble> {
        let addresses = config.addresses()?;
        let object = format!("component {}", config.name);
        let web = WebHdfs::new(&addresses.webhdfs, &config.user, config.limits).map_err(|error| error.about(&object))?;
        let mut rpc = hdfs_native::ClientBuilder::new().with_url(&addresses.fs).with_user(&config.user);
        if let Some(directory) = &config.conf {
            rpc = rpc.with_config_dir(directory.to_string_lossy());
        }
        let rpc = rpc.build().map_err(|e| Trouble::new(TroubleKind::Invalid, &object, e).next("see `fs` and `conf` in agent.toml"))?;
        let (name, fs, kerberos) = (config.name.clone(), addresses.fs, addresses.kerberos);
        Ok(Hdfs { name, fs, kerberos, web, rpc, tag: String::new(), cuts: roots::Cuts::default(), allowed: BTreeSet::new() })
    }

    /// The same HDFS for a data set of another component, whose snapshots, staging and marks carry its `tag`.
    pub(in crate::components) fn tagged(&self, tag: &str) -> Hdfs {
        Hdfs { tag: tag.to_owned(), ..self.clone() }
    }

    /// What a data set's staging is named after.
    fn key<'a>(&'a self, set: &'a str) -> &'a str {
        if self.tag.is_empty() { set } else { &self.tag }
    }

    /// How a place of ours is called to a person.
    pub(in crate::components) fn object(&self, path: &str) -> String {
        if path.is_empty() { format!("component {}", self.name) } else { format!("{}:{path}", self.name) }
    }

    /// Refuses a data set's path that is not a directory of users' data: relative, leading elsewhere, a snapshot, or our own.
    pub(in crate::components) fn check_set(&self, set: &str) -> Result<(), Trouble> {
        let reason = match set.strip_prefix('/').map(RelPath::new) {
            None => "it does not start with '/'",
            Some(Err(_)) => "its path is not plain",
            Some(Ok(path)) if path.is_root() => "the root of a file system cannot be a data set",
            Some(Ok(path)) if path.as_str().split('/').any(|name| name == ".snapshot" || name == ".reserved") => {
                "it lies in a place that HDFS reserves"
            }
            Some(Ok(path)) if format!("/{path}") == HOME || format!("/{path}").starts_with(&format!("{HOME}/")) => "it holds our own files",
            Some(Ok(_)) => return Ok(()),
        };
        Err(self.refused(set, reason).next("name a directory of your own, for example hdfs:/data/orders"))
    }

    /// Where a point's record lies.
    fn record_path(set: &str, point: PointId) -> String {
        let own = Digest::of_bytes(set.as_bytes()).to_string();
        format!("{HOME}/records/{}/{point}.json", &own[..16])
    }

    /// Drops a point's record; well when there is none.
    pub(super) async fn drop_record(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let path = Self::record_path(set, point);
        self.web.boolean(Operation::delete("DELETE", &path)).await.map(drop).map_err(|error| error.about(self.object(&path)))
    }

    /// Writes the commit's record under a passing name and then gives it its own, so that it is whole or absent.
    pub(super) async fn write_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        let path = Self::record_path(set, point);
        let passing = format!("{path}.new");
        self.write_bytes(&passing, record.as_bytes().to_vec()).await?;
        self.rename(&passing, &path, true).await.map_err(|error| error.about(self.object(&path)))
    }
}

#[async_trait]
impl Component for Hdfs {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn kind(&self) -> ComponentKind {
        ComponentKind::Hdfs
    }

    async fn describe(&self) -> Result<ComponentInfo, Trouble> {
        self.info().await
    }

    async fn probe(&self) -> ProbeReport {
        probe::probe_addresses(&self.name, self.web.addresses(), PROBE_LIMIT).await
    }

    async fn catalogue(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        self.inside(path).await
    }

    async fn survey(&self, set: &str) -> Result<Said, Trouble> {
        self.survey_set(set).await
    }

    async fn arm(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        self.check_set(set)?;
        self.arm_set(set).await
    }

    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        self.check_set(set)?;
        self.capture_set(set, point).await
    }

    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        self.check_set(set)?;
        self.changes_of(set, point, base).await
    }

    async fn read(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        self.check_set(set)?;
        let cut = self.cut_to_read(set, point).await?;
        self.read_cut(&cut, entry, piece).await
    }

    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.release_snapshot(set, point).await?;
        self.drop_record(set, point).await
    }

    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        self.own_snapshots().await
    }

    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        self.check_set(set)?;
        self.drift_of(set, expected).await
    }

    async fn admit(&self, set: &str, _changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.check_privileges(set, after.entries.values())
    }

    fn admission(&self) -> Option<&dyn Admission> {
        Some(self)
    }

    /// Never: HDFS keeps files by name, not by content.
    async fn holds(&self, _digest: &Digest) -> Result<bool, Trouble> {
        Ok(false)
    }

    async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        self.check_set(set)?;
        self.write_piece(&data::staged(self.key(set), point, slot), entry, bytes).await
    }

    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble> {
        self.check_set(set)?;
        self.read_staged_piece(set, point, slot, entry).await
    }

    /// Every piece was hsynced on its DataNodes and closed before `stage` told its digest, and the NameNode logs each
    /// operation durably before it answers: what is left is to ask whether it will fit where it goes.
    async fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.check_quotas(set, point).await
    }

    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.write_record(set, point, record).await
    }

    async fn apply(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.apply_plan(set, point, plan, manifest, journal).await
    }

    async fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.seal_set(set, point, manifest).await
    }

    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.drop_staging(set, point).await
    }

    async fn restore(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.restore_set(set, point, manifest).await
    }

    async fn take_back(&self, set: &str, point: PointId, _manifest: &Manifest, last: Option<(PointId, &Manifest)>) -> Result<(), Trouble> {
        self.check_set(set)?;
        match last {
            Some((last, sealed)) => self.restore_set(set, last, sealed).await,
            None => self.vacate_set(set, point).await,
        }
    }

    async fn fence(&self, set: &str) -> Result<String, Trouble> {
        self.check_set(set)?;
        self.fence_set(set).await
    }

    async fn unfence(&self, set: &str, root: Option<&Entry>) -> Result<(), Trouble> {
        self.check_set(set)?;
        self.unfence_set(set, root).await
    }

    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble> {
        self.check_set(set)?;
        self.read_fence(set).await
    }

    async fn past_fence(&self, set: &str, point: PointId) -> Result<Vec<PastFence>, Trouble> {
        self.passed_since(set, point).await
    }

    async fn rehearse(&self, set: &str, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        self.check_set(set)?;
        self.rehearse_set(set, point, manifest, drill).await
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

    async fn read_users(&self, sets: &[String], sealed: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        self.rights_of(sets, sealed).await
    }

    async fn may_adjust(&self, change: &UserDataChange) -> Result<(), Trouble> {
        users::may_adjust(change).map_err(|reason| Trouble::new(TroubleKind::Refused, self.object(&change.key.object), reason))
    }

    async fn adjust_user(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        self.adjust_rights(change).await
    }
}
