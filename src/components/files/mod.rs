//! The files component: a directory tree; each directory below its root can be a data set.
//!
//! ```text
//! source: live tree ── walk ──> content into the store, manifest kept ──> changes, pieces
//! target: pieces ──> staging ──> objects ──> live tree (fenced), manifest kept as the sealed point
//! ```
//! A capture is a walk: its window is the whole walk. What did not change since the capture before is not read again.

mod apply;
mod beside;
mod catalogue;
mod copy_out;
mod drift;
mod fence;
mod meta;
mod notes;
mod privileges;
mod rehearse;
mod source;
mod target;
mod tree;
mod users;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::Utc;

use super::depot::{Depot, blocking, lies_in, limited};
use super::restores::Restores;
use super::{ByteStream, Capture, Component, PhaseJournal, Slot};
use crate::domain::admission::Said;
use crate::domain::backup::plan::ApplyPlan;
use crate::domain::user_data::{UserDataChange, UserDataKey};
use crate::domain::{
    ChangeSet, ComponentInfo, ComponentKind, ComponentName, Digest, DrillId, Entry, Health, Manifest, Note, PointId, ProbeReport, RelPath,
    Trouble, TroubleKind,
};
use crate::protocol::{CatalogueItem, OwnSnapshot};

pub use fence::make_removable;
pub use notes::{FilesNote, FilesRefusal, PARTS};
pub use privileges::{Allowed, Privilege};

/// Short looks at the tree.
const LOOK: Duration = Duration::from_secs(30);
/// What walks a whole tree.
const WALK: Duration = Duration::from_secs(3600);

/// A directory tree as a component.
#[derive(Clone)]
pub struct Files {
    inner: Arc<Inner>,
}

/// What the blocking threads work with.
struct Inner {
    name: ComponentName,
    root: PathBuf,
    depot: Depot,
    /// Privileges that may come from the other cluster.
    allowed: Allowed,
}

impl Files {
    /// The tree below `root`; what we keep ourselves goes below `store`, which must not lie in `root`.
    pub fn new(name: ComponentName, root: impl Into<PathBuf>, store: impl Into<PathBuf>) -> Result<Files, Trouble> {
        let (root, store) = (root.into(), store.into());
        if store.starts_with(&root) {
            return Err(Trouble::new(
                TroubleKind::Invalid,
                format!("component {name}"),
                format!("its store {} lies in its root", store.display()),
            )
            .next("keep the agent's state outside the data"));
        }
        let depot = Depot::new(name.clone(), &store);
        Ok(Files { inner: Arc::new(Inner { name, root, depot, allowed: Allowed::new() }) })
    }

    /// The same, letting these privileges in from the other cluster. None unless told.
    #[must_use]
    pub fn allowing(self, allowed: impl IntoIterator<Item = Privilege>) -> Files {
        let (name, root, depot) = (self.inner.name.clone(), self.inner.root.clone(), self.inner.depot.clone());
        Files { inner: Arc::new(Inner { name, root, depot, allowed: allowed.into_iter().collect() }) }
    }

    /// Runs work on a data set on a blocking thread, one at a time for each data set.
    async fn on<T: Send + 'static>(
        &self,
        set: &str,
        limit: Duration,
        work: impl FnOnce(&Inner, &RelPath, &str) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (inner, set) = (self.inner.clone(), set.to_owned());
        let object = inner.depot.object(&set);
        let work = blocking(move || {
            let path = inner.data_set(&set)?;
            let lock = inner.depot.lock(&set);
            let _alone: MutexGuard<'_, ()> = lock.lock().unwrap_or_else(PoisonError::into_inner);
            work(&inner, &path, &set)
        });
        limited(limit, &object, work).await
    }
}

impl Inner {
    /// A data set's path below the root; the root itself is none.
    fn data_set(&self, set: &str) -> Result<RelPath, Trouble> {
        let bad = |reason: String| Trouble::new(TroubleKind::Refused, self.depot.object(set), reason);
        let path = RelPath::new(set.trim_start_matches('/')).map_err(|e| bad(e.to_string()))?;
        if path.is_root() {
            return Err(bad("the component's whole root cannot be a data set".into()).next("name a directory in it"));
        }
        Ok(path)
    }
}

#[async_trait]
impl Component for Files {
    fn name(&self) -> &ComponentName {
        &self.inner.name
    }

    fn kind(&self) -> ComponentKind {
        ComponentKind::Files
    }

    async fn describe(&self) -> Result<ComponentInfo, Trouble> {
        let inner = self.inner.clone();
        limited(LOOK, self.name().as_str(), blocking(move || catalogue::describe(&inner))).await
    }

    async fn probe(&self) -> ProbeReport {
        let (begun, inner) = (Instant::now(), self.inner.clone());
        let found = limited(Duration::from_secs(5), self.name().as_str(), blocking(move || catalogue::probe(&inner))).await;
        let (health, evidence) = match found {
            Ok(evidence) => (Health::Healthy, evidence),
            Err(trouble) => (Health::Faulty, trouble.to_string()),
        };
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        ProbeReport { component: self.name().clone(), at: Utc::now(), health, evidence, took_ms, note: None }
    }

    async fn catalogue(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        let (inner, path) = (self.inner.clone(), path.to_owned());
        limited(LOOK, self.name().as_str(), blocking(move || catalogue::list(&inner, &path))).await
    }

    async fn survey(&self, set: &str) -> Result<Said, Trouble> {
        let (inner, owned) = (self.inner.clone(), set.to_owned());
        let object = inner.depot.object(set);
        // Not under the data set's lock: a run may have it for long, and nothing is changed.
        let notes = limited(LOOK, &object, blocking(move || inner.notes(&inner.data_set(&owned)?, &owned))).await?;
        Ok(Said { notes, ..Said::default() })
    }

    async fn arm(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        self.on(set, WALK, |inner, path, set| inner.arm(path, set)).await
    }

    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        self.on(set, WALK, move |inner, path, set| inner.capture(path, set, point)).await
    }

    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        self.on(set, WALK, move |inner, _, set| inner.changes(set, point, base)).await
    }

    async fn read(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        let (inner, set, entry) = (self.inner.clone(), set.to_owned(), entry.clone());
        blocking(move || inner.depot.read_object(&set, point, &entry, piece)).await
    }

    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.on(set, WALK, move |inner, _, set| inner.depot.release(set, point)).await
    }

    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        let inner = self.inner.clone();
        limited(LOOK, self.name().as_str(), blocking(move || inner.depot.snapshots())).await
    }

    async fn copy_out(&self, set: &str, point: PointId, to: &Path) -> Result<(), Trouble> {
        let to = to.to_owned();
        self.on(set, WALK, move |inner, path, set| inner.copy_out(path, set, point, &to)).await
    }

    fn has_place(&self, place: &Path) -> bool {
        lies_in(place, &self.inner.root) || self.inner.depot.has_place(place)
    }

    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        let expected = expected.map(|(_, manifest)| manifest.clone());
        self.on(set, WALK, move |inner, path, set| inner.drift(path, set, expected.as_ref())).await
    }

    async fn admit(&self, set: &str, changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
        // The plan is borrowed and may be long.
        in_place(|| self.inner.admit(set, changes, after))
    }

    async fn holds(&self, digest: &Digest) -> Result<bool, Trouble> {
        let (inner, digest) = (self.inner.clone(), *digest);
        limited(LOOK, self.name().as_str(), blocking(move || inner.depot.objects.pin(&digest))).await
    }

    async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        self.inner.data_set(set)?;
        self.inner.depot.stage(set, point, slot, entry, bytes).await
    }

    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble> {
        self.inner.depot.read_staged(set, point, slot, entry).await
    }

    async fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.on(set, WALK, move |inner, _, set| inner.depot.sync_staging(set, point)).await
    }

    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        let record = record.to_owned();
        self.on(set, LOOK, move |inner, _, set| inner.depot.keep_record(set, point, &record)).await
    }

    async fn apply(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        // The journal is borrowed, so that this one work stays on the caller's thread, which is told so.
        let (inner, set) = (self.inner.clone(), set.to_owned());
        in_place(move || {
            let path = inner.data_set(&set)?;
            let lock = inner.depot.lock(&set);
            let _alone = lock.lock().unwrap_or_else(PoisonError::into_inner);
            inner.apply(&path, &set, point, plan, manifest, journal)
        })
    }

    async fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let manifest = manifest.clone();
        self.on(set, WALK, move |inner, _, set| inner.seal(set, point, &manifest)).await
    }

    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.on(set, WALK, move |inner, _, set| inner.discard(set, point)).await
    }

    async fn restore(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let manifest = manifest.clone();
        self.on(set, WALK, move |inner, path, set| inner.restore(path, set, point, &manifest)).await
    }

    async fn take_back(&self, set: &str, _point: PointId, _manifest: &Manifest, last: Option<(PointId, &Manifest)>) -> Result<(), Trouble> {
        match last {
            Some((last, sealed)) => self.restore(set, last, sealed).await,
            None => self.on(set, WALK, |inner, path, set| inner.vacate(path, set)).await,
        }
    }

    async fn fence(&self, set: &str) -> Result<String, Trouble> {
        self.on(set, WALK, |inner, path, set| inner.fence(path, set)).await
    }

    async fn unfence(&self, set: &str, root: Option<&Entry>) -> Result<(), Trouble> {
        let root = root.cloned();
        self.on(set, WALK, move |inner, path, set| inner.unfence(path, set, root.as_ref())).await
    }

    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble> {
        let (inner, set) = (self.inner.clone(), set.to_owned());
        let object = inner.depot.object(&set);
        limited(LOOK, &object, blocking(move || inner.fenced(&inner.data_set(&set)?, &set))).await
    }

    async fn rehearse(&self, set: &str, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        let (inner, owned, manifest) = (self.inner.clone(), set.to_owned(), manifest.clone());
        let object = inner.depot.object(set);
        // Not under the data set's lock: a backup run goes on meanwhile.
        limited(WALK, &object, blocking(move || inner.rehearse(&inner.data_set(&owned)?, &owned, point, &manifest, drill))).await
    }

    async fn clear_rehearsal(&self, drill: DrillId) -> Result<(), Trouble> {
        let inner = self.inner.clone();
        limited(WALK, self.name().as_str(), blocking(move || inner.clear_rehearsal(drill))).await
    }

    async fn rehearsals(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        let inner = self.inner.clone();
        limited(LOOK, self.name().as_str(), blocking(move || inner.depot.rehearsals())).await
    }

    fn restores(&self) -> Option<&dyn Restores> {
        Some(self)
    }

    async fn read_users(&self, sets: &[String], sealed: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        let (inner, sets, sealed) = (self.inner.clone(), sets.to_vec(), sealed.clone());
        limited(WALK, self.name().as_str(), blocking(move || users::read(&inner, &sets, &sealed))).await
    }

    async fn may_adjust(&self, change: &UserDataChange) -> Result<(), Trouble> {
        let (inner, change) = (self.inner.clone(), change.clone());
        limited(LOOK, self.name().as_str(), blocking(move || users::may_adjust(&inner, &change))).await
    }

    async fn adjust_user(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        let (inner, change) = (self.inner.clone(), change.clone());
        limited(WALK, self.name().as_str(), blocking(move || users::adjust(&inner, &change))).await
    }
}

/// Blocking work that borrows: the runtime moves its other tasks elsewhere, where it has other threads.
fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
