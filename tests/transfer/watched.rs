//! A component that is watched, and that can die: the crash is a call that never returns, before or after its effect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;
use understudy::components::{ByteStream, Capture, Component, PhaseJournal, Slot};
use understudy::domain::backup::plan::ApplyPlan;
use understudy::domain::user_data::{UserDataChange, UserDataKey};
use understudy::domain::*;
use understudy::protocol::{CatalogueItem, OwnSnapshot};

/// Burns one step at a time; at the last one everybody who comes along hangs for good.
#[derive(Default)]
pub struct Fuse {
    left: AtomicI64,
    pub burnt: Notify,
    /// How often each piece was staged to the end.
    pub staged: Mutex<BTreeMap<(String, PointId, u32, u32), u32>>,
    /// What every effect was, in order.
    pub log: Mutex<Vec<String>>,
}

impl Fuse {
    pub fn of(steps: i64) -> Arc<Fuse> {
        Arc::new(Fuse { left: AtomicI64::new(steps), ..Fuse::default() })
    }

    /// From now on so many steps are left.
    pub fn burn_after(&self, steps: i64) {
        self.left.store(steps, Ordering::SeqCst);
    }

    pub fn endless() -> Arc<Fuse> {
        Fuse::of(i64::MAX)
    }

    async fn step(&self, what: &str, set: &str) {
        self.log.lock().expect("a log").push(format!("{what} {set}"));
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.burnt.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

pub struct Watched {
    pub inner: Arc<dyn Component>,
    pub fuse: Arc<Fuse>,
}

macro_rules! steps {
    ($self:ident, $name:literal, $set:expr, $call:expr) => {{
        $self.fuse.step(concat!("before ", $name), $set).await;
        let result = $call.await;
        $self.fuse.step(concat!("after ", $name), $set).await;
        result
    }};
}

#[async_trait]
impl Component for Watched {
    fn name(&self) -> &ComponentName {
        self.inner.name()
    }
    fn kind(&self) -> ComponentKind {
        self.inner.kind()
    }
    async fn describe(&self) -> Result<ComponentInfo, Trouble> {
        self.inner.describe().await
    }
    async fn probe(&self) -> ProbeReport {
        self.inner.probe().await
    }
    async fn catalogue(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        self.inner.catalogue(path).await
    }
    async fn arm(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        steps!(self, "arm", set, self.inner.arm(set))
    }
    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        steps!(self, "capture", set, self.inner.capture(set, point))
    }
    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        steps!(self, "changes", set, self.inner.changes(set, point, base))
    }
    async fn read(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        self.inner.read(set, point, entry, piece).await
    }
    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        steps!(self, "release", set, self.inner.release(set, point))
    }
    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        self.inner.snapshots().await
    }
    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        self.inner.drift(set, expected).await
    }
    async fn admit(&self, set: &str, changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
        self.inner.admit(set, changes, after).await
    }
    fn admission(&self) -> Option<&dyn understudy::components::admission::Admission> {
        self.inner.admission()
    }
    async fn examine(&self, set: &str, point: PointId, changes: &ChangeSet) -> Result<(), Trouble> {
        self.inner.examine(set, point, changes).await
    }
    async fn holds(&self, digest: &Digest) -> Result<bool, Trouble> {
        self.inner.holds(digest).await
    }
    async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        let result = steps!(self, "stage", set, self.inner.stage(set, point, slot, entry, bytes));
        if result.is_ok() {
            *self.fuse.staged.lock().expect("a count").entry((set.into(), point, slot.file, slot.piece)).or_default() += 1;
        }
        result
    }
    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble> {
        steps!(self, "read_staged", set, self.inner.read_staged(set, point, slot, entry))
    }
    async fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        steps!(self, "sync_staging", set, self.inner.sync_staging(set, point))
    }
    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        steps!(self, "keep_record", set, self.inner.keep_record(set, point, record))
    }
    async fn apply(&self, set: &str, point: PointId, plan: &ApplyPlan, new: &Manifest, journal: &dyn PhaseJournal) -> Result<(), Trouble> {
        steps!(self, "apply", set, self.inner.apply(set, point, plan, new, journal))
    }
    async fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        steps!(self, "seal", set, self.inner.seal(set, point, manifest))
    }
    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        steps!(self, "discard", set, self.inner.discard(set, point))
    }
    async fn restore(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        steps!(self, "restore", set, self.inner.restore(set, point, manifest))
    }
    async fn take_back(&self, set: &str, point: PointId, new: &Manifest, last: Option<(PointId, &Manifest)>) -> Result<(), Trouble> {
        steps!(self, "take_back", set, self.inner.take_back(set, point, new, last))
    }
    async fn fence(&self, set: &str) -> Result<String, Trouble> {
        steps!(self, "fence", set, self.inner.fence(set))
    }
    async fn unfence(&self, set: &str, root: Option<&Entry>) -> Result<(), Trouble> {
        self.inner.unfence(set, root).await
    }
    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble> {
        self.inner.fenced(set).await
    }
    async fn read_users(&self, sets: &[String], sealed: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        self.inner.read_users(sets, sealed).await
    }
    async fn may_adjust(&self, change: &UserDataChange) -> Result<(), Trouble> {
        self.inner.may_adjust(change).await
    }
    async fn adjust_user(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        self.inner.adjust_user(change).await
    }
}
