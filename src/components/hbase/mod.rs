//! Apache HBase: flush snapshots are the captures, their HFiles the only bytes to copy, the secondary's own snapshots the sealed points.
//!
//! ```text
//! primary: Snapshot (master's RPC) → data.manifest as a manifest → HFiles out of data, archive or mobdir
//! secondary: /understudy/staging → .hbase-snapshot/NAME + archive/data (see `apply`) → live table only for a promotion (see `live`)
//! ```
//! A data set is `NAMESPACE:TABLE` and keeps its name at the other cluster. What it consists of, and what becomes of each part: [`PARTS`].

mod admission;
mod apply;
mod beside;
mod capture;
mod catalogue;
mod client;
mod contents;
mod coprocessors;
mod fence;
mod files;
mod live;
mod manifest;
mod names;
mod notes;
mod parts;
pub mod probe;
mod rehearse;
mod rows;
mod rpc;
mod scan;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::admission::Admission;
use super::hdfs::{Hdfs, HdfsConfig, Limits, data};
use super::restores::Restores;
use super::{ByteStream, Capture, Component, PhaseJournal, Slot};
use crate::domain::admission::Said;
use crate::domain::backup::plan::ApplyPlan;
use crate::domain::user_data::{UserDataChange, UserDataKey};
use crate::domain::{
    ChangeSet, ComponentInfo, ComponentKind, ComponentName, Digest, DrillId, Entry, Health, Manifest, Note, PastFence, PointId,
    ProbeReport, RelPath, Trouble, TroubleKind,
};
use crate::protocol::{CatalogueItem, OwnSnapshot};
pub use contents::PARTS;
pub use coprocessors::HbasePrivilege;
pub use notes::HbaseNote;

use capture::Requested;
use client::Client;
use names::Table;
pub(super) use rehearse::drill_table;
pub use rpc::RpcLimits;

/// How long a probe of the masters' pages may take.
const PAGES_LIMIT: Duration = Duration::from_secs(3);
/// How long the active master's RPC may take, where its pages say nothing good.
const RPC_LIMIT: Duration = Duration::from_millis(2_500);
/// Where a master's web pages are unless told otherwise.
const WEB_PORT: u16 = 16010;

/// One HBase component as it is configured.
#[derive(Debug, Clone)]
pub struct HbaseConfig {
    /// Its name in data sets.
    pub name: ComponentName,
    /// `host:port` of masters, active or standby, or of region servers.
    pub masters: Vec<String>,
    /// `http://host:port` of the masters' web pages. Empty: port 16010 of each master's host.
    pub web: Vec<String>,
    /// HBase's root: `hdfs://host:port/hbase`.
    pub root: String,
    /// A directory with `core-site.xml` and `hdfs-site.xml`.
    pub conf: Option<PathBuf>,
    /// `http://host:port` of every NameNode. Empty: from `conf`, or port 9870 of the root's host.
    pub webhdfs: Vec<String>,
    /// Whom the agent acts as: a superuser of HBase and of its HDFS.
    pub user: String,
    /// Time limits of HBase's own protocol.
    pub limits: RpcLimits,
}

/// The file system and the directory in it of `hdfs://authority/path`.
pub fn split_root(root: &str) -> Option<(String, String)> {
    let (authority, path) = root.strip_prefix("hdfs://")?.split_once('/')?;
    let path = RelPath::new(path.trim_end_matches('/')).ok().filter(|path| !path.is_root())?;
    (!authority.is_empty()).then(|| (format!("hdfs://{authority}"), format!("/{path}")))
}

/// One HBase, beside its agent.
#[derive(Debug)]
pub struct Hbase {
    name: ComponentName,
    client: Arc<Client>,
    /// Snapshots that were asked for and whose request was not answered yet.
    requested: Arc<Requested>,
    web: Vec<String>,
    /// The file system that HBase is on.
    hdfs: Hdfs,
    fs: String,
    /// HBase's directory there, without a '/' at the end.
    root: String,
    user: String,
    /// Privileges that may come from the other cluster.
    allowed: BTreeSet<HbasePrivilege>,
}

impl Hbase {
    /// Connects nothing yet; fails when the configuration is not plain.
    pub fn new(config: &HbaseConfig) -> Result<Hbase, Trouble> {
        let invalid = |reason: &str| Trouble::new(TroubleKind::Invalid, format!("component {}", config.name), reason);
        let (fs, root) = split_root(&config.root).ok_or_else(|| {
            invalid("its root is no directory of an HDFS").next("give root = \"hdfs://HOST:PORT/hbase\", as hbase.rootdir says")
        })?;
        if config.masters.is_empty() {
            return Err(invalid("it names no master").next("give master = \"HOST:16000\""));
        }
        let hdfs = Hdfs::new(&HdfsConfig {
            name: config.name.clone(),
            fs: Some(fs.clone()),
            conf: config.conf.clone(),
            webhdfs: config.webhdfs.clone(),
            user: config.user.clone(),
            limits: Limits::default(),
        })?;
        let web_of = |master: &String| format!("http://{}:{WEB_PORT}", master.rsplit_once(':').map_or(master.as_str(), |(host, _)| host));
        let web = if config.web.is_empty() { config.masters.iter().map(web_of).collect() } else { config.web.clone() };
        let client = Arc::new(Client::new(config.masters.clone(), &config.user, config.limits));
        let (name, user) = (config.name.clone(), config.user.clone());
        Ok(Hbase { name, client, requested: Arc::default(), web, hdfs, fs, root, user, allowed: BTreeSet::new() })
    }

    /// The same, letting these privileges in from the other cluster. None unless told.
    #[must_use]
    pub fn allowing(self, allowed: BTreeSet<HbasePrivilege>) -> Hbase {
        Hbase { allowed, ..self }
    }

    /// How a place of ours is called to a person.
    fn object(&self, path: &str) -> String {
        if path.is_empty() { format!("component {}", self.name) } else { format!("{}:{path}", self.name) }
    }

    /// The table of a data set's path, or the refusal of one that is no table of users.
    fn table(&self, set: &str) -> Result<Table, Trouble> {
        Table::of_set(set).map_err(|reason| {
            Trouble::new(TroubleKind::Refused, self.object(set), reason)
                .next("name a table with its namespace, for example hbase:shop:orders")
        })
    }
}

#[async_trait]
impl Component for Hbase {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn kind(&self) -> ComponentKind {
        ComponentKind::Hbase
    }

    async fn describe(&self) -> Result<ComponentInfo, Trouble> {
        self.info().await
    }

    async fn probe(&self) -> ProbeReport {
        let pages = probe::probe_addresses(&self.name, &self.web, PAGES_LIMIT).await;
        if pages.health != Health::Faulty {
            return pages;
        }
        let rpc = tokio::time::timeout(RPC_LIMIT, self.client.servers()).await;
        probe::weighed(pages, rpc.ok().and_then(Result::ok))
    }

    async fn catalogue(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        self.inside(path).await
    }

    async fn survey(&self, set: &str) -> Result<Said, Trouble> {
        let notes = self.notes_at(set, &self.table(set)?).await?;
        Ok(Said { notes, places: self.places(set).await?, ..Said::default() })
    }

    async fn arm(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        self.arm_set(set, &self.table(set)?).await
    }

    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        self.capture_set(set, &self.table(set)?, point).await
    }

    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        self.changes_of(set, &self.table(set)?, point, base).await
    }

    async fn read(&self, set: &str, _point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        self.table(set)?;
        self.read_hfile(set, entry, piece).await
    }

    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.release_snapshot(set, &self.table(set)?, point).await?;
        self.hdfs.drop_record(set, point).await
    }

    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        self.own_snapshots().await
    }

    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        self.drift_of(set, &self.table(set)?, expected).await
    }

    async fn admit(&self, set: &str, _changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
        self.check_names(set, &self.table(set)?, after)?;
        coprocessors::check(after, &self.allowed, &self.object(set))
    }

    fn admission(&self) -> Option<&dyn Admission> {
        Some(self)
    }

    /// Never: HFiles are known by name, and one that is there is not told as a change.
    async fn holds(&self, _digest: &Digest) -> Result<bool, Trouble> {
        Ok(false)
    }

    async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        self.table(set)?;
        self.hdfs.write_piece(&data::staged(set, point, slot), entry, bytes).await
    }

    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble> {
        self.table(set)?;
        self.hdfs.read_staged_piece(set, point, slot, entry).await
    }

    /// As with HDFS, every piece was durable before its digest was told, and what is left is to ask whether it will fit where it goes.
    async fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.check_room(set, &self.table(set)?, point).await
    }

    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        self.table(set)?;
        self.hdfs.write_record(set, point, record).await
    }

    async fn apply(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        self.apply_plan(set, point, plan, manifest, journal).await
    }

    /// The snapshot is there since the apply: it is checked once more.
    async fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.table(set)?;
        if !self.is_shown(set, point, manifest).await? {
            return Err(self
                .corrupt(set, &format!("its snapshot of point {point} is gone or altered"))
                .next("run a full copy of the service"));
        }
        self.check_complete(set, manifest).await?;
        self.hdfs.drop_staging(set, point).await
    }

    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.table(set)?;
        self.hdfs.drop_staging(set, point).await
    }

    async fn restore(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.restore_set(set, &self.table(set)?, point, manifest).await
    }

    /// The snapshot is all that a point brings here, and goes with it; a live table of ours goes back.
    async fn take_back(&self, set: &str, _point: PointId, _manifest: &Manifest, last: Option<(PointId, &Manifest)>) -> Result<(), Trouble> {
        let table = self.table(set)?;
        match last {
            Some((last, sealed)) => self.bring_along(set, &table, last, sealed).await,
            None => Ok(()),
        }
    }

    async fn make_live(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.make_set_live(set, &self.table(set)?, point, manifest).await
    }

    async fn rebase(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        self.rebase_set(set, &self.table(set)?, point, manifest).await
    }

    async fn fence(&self, set: &str) -> Result<String, Trouble> {
        self.fence_set(set, &self.table(set)?).await
    }

    async fn unfence(&self, set: &str, root: Option<&Entry>) -> Result<(), Trouble> {
        self.unfence_set(set, &self.table(set)?, root).await
    }

    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble> {
        self.read_fence(set, &self.table(set)?).await
    }

    async fn past_fence(&self, set: &str, point: PointId) -> Result<Vec<PastFence>, Trouble> {
        self.passed_since(set, &self.table(set)?, point).await
    }

    async fn rehearse(&self, set: &str, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        self.rehearse_set(set, &self.table(set)?, point, manifest, drill).await
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

    /// None: HBase's namespaces travel with their tables; its quotas and rights are not read yet.
    async fn read_users(&self, _: &[String], _: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        Ok(BTreeMap::new())
    }

    async fn adjust_user(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        Err(Trouble::new(TroubleKind::Invalid, self.object(&change.key.object), "user data of HBase is not adjusted by this version"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_a_directory_of_an_hdfs() {
        let split = |root: &str| split_root(root).map(|(fs, path)| format!("{fs} {path}"));
        assert_eq!(split("hdfs://nn:8020/apps/hbase/"), Some("hdfs://nn:8020 /apps/hbase".into()));
        for root in ["hdfs://nn:8020", "hdfs://nn:8020/", "hdfs:///hbase", "/hbase", "s3://x/hbase", "hdfs://nn/../x"] {
            assert_eq!(split(root), None, "{root}");
        }
    }
}
