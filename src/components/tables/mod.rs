//! A SQLite database; its tables are its data sets.
//!
//! ```text
//! capture   one read transaction for all tables of a point: they are cut at the very same instant
//! changes   each table dumped from that transaction into the store (`dump`), compared with the base
//! target    a plan's paths, and before the commit its schema, are looked at (`admit`, `schema`)
//! apply     one write transaction a table, fence included (`load`, `fence`)
//! ```
//! The read transaction ends when its last table is dumped or released. After a crash in between it is gone: `changes` says
//! so, and the run fails cleanly instead of showing another moment.

mod admit;
mod beside;
mod cut;
mod db;
mod dump;
mod fence;
mod live;
mod load;
mod notes;
mod rehearse;
mod schema;
mod source;
#[cfg(test)]
mod tests;
mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::Utc;

use super::depot::{Depot, blocking, limited, read_file};
use super::restores::Restores;
use super::{ByteStream, Capture, Component, PhaseJournal, Slot};
use crate::domain::admission::Said;
use crate::domain::backup::plan::{self, ApplyPlan, Detach};
use crate::domain::user_data::{UserDataChange, UserDataKey};
use crate::domain::{
    ChangeSet, ComponentInfo, ComponentKind, ComponentName, Digest, DrillId, Entry, Health, Manifest, Node, Note, PointId, ProbeReport,
    Trouble, TroubleKind, piece_range,
};
use crate::protocol::{CatalogueItem, OwnSnapshot};

use cut::Cuts;
use db::{quoted, sql};
use dump::Shape;
pub use notes::{PARTS, TablesNote, TablesRefusal};
use source::manifest_of;

/// Our triggers start with this.
const FENCE: &str = "understudy_fence_";
/// A look at the database takes no longer than this.
const LOOK: Duration = Duration::from_secs(5);
/// Work on a whole table takes no longer than this.
const WORK: Duration = Duration::from_secs(4 * 3600);
/// How long SQLite waits for another writer.
const BUSY: Duration = Duration::from_secs(10);
/// Lines of drift told.
const DRIFT_LINES: usize = 20;

/// The component. Clones are the same one.
#[derive(Clone)]
pub struct Tables {
    name: ComponentName,
    database: Arc<PathBuf>,
    depot: Depot,
    cuts: Arc<Cuts>,
}

impl Tables {
    /// The tables of the database file `database`, with the component's store below `store`.
    pub fn new(name: ComponentName, database: PathBuf, store: PathBuf) -> Tables {
        let depot = Depot::new(name.clone(), &store);
        Tables { name, database: Arc::new(database), depot, cuts: Arc::default() }
    }

    /// Runs blocking work with the component at hand, and gives up on it after `limit`.
    async fn work<T: Send + 'static>(
        &self,
        limit: Duration,
        set: &str,
        work: impl FnOnce(&Tables, &str) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (this, owned) = (self.clone(), set.to_owned());
        let object = self.depot.object(set);
        let named = object.clone();
        let done = limited(limit, &object, blocking(move || work(&this, &owned))).await;
        // Inside, a trouble names the table; outside people call it by its data set.
        done.map_err(|trouble| if trouble.object == set { Trouble { object: named, ..trouble } } else { trouble })
    }

    fn load(&self, set: &str, work: &load::Work, manifest: &Manifest) -> Result<(), Trouble> {
        self.load_into(&mut self.writer()?, set, work, manifest)
    }
}

#[async_trait]
impl Component for Tables {
    fn name(&self) -> &ComponentName {
        &self.name
    }

    fn kind(&self) -> ComponentKind {
        ComponentKind::Tables
    }

    async fn describe(&self) -> Result<ComponentInfo, Trouble> {
        self.work(LOOK, "", |this, _| Ok(this.info())).await
    }

    async fn probe(&self) -> ProbeReport {
        let began = Instant::now();
        let looked = self
            .work(LOOK, "", |this, _| {
                let version = this.reader()?.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0));
                version.map_err(|e| sql(&this.database.display().to_string(), "read it", e))
            })
            .await;
        let (health, evidence) = match looked {
            Ok(_) => (Health::Healthy, "the database answers".to_owned()),
            Err(trouble) => (Health::Faulty, trouble.to_string()),
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        ProbeReport { component: self.name.clone(), at: Utc::now(), health, evidence, took_ms, note: None }
    }

    async fn catalogue(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        if !path.is_empty() {
            return Ok(Vec::new());
        }
        self.work(LOOK, "", |this, _| {
            let object = this.database.display().to_string();
            let failed = |e| sql(&object, "list its tables", e);
            let connection = this.reader()?;
            let mut query = connection
                .prepare("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
                .map_err(failed)?;
            let names = query.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            let item = |name: String| {
                let rows = connection.query_row(&format!("SELECT count(*) FROM main.{}", quoted(&name)), [], |row| row.get::<_, i64>(0));
                CatalogueItem {
                    component: this.name.clone(),
                    label: name.clone(),
                    path: name,
                    selectable: true,
                    expandable: false,
                    bytes: None,
                    files: rows.ok().and_then(|rows| u64::try_from(rows).ok()),
                }
            };
            Ok(names.into_iter().map(item).collect())
        })
        .await
    }

    async fn survey(&self, set: &str) -> Result<Said, Trouble> {
        self.work(LOOK, set, Tables::survey_table).await
    }

    async fn arm(&self, set: &str) -> Result<Vec<Note>, Trouble> {
        self.work(LOOK, set, |this, set| {
            let connection = this.reader()?;
            if Shape::read(&connection, set)?.is_none() {
                return Err(Trouble::new(TroubleKind::NotFound, set, "there is no such table")
                    .next("name a table that exists, or remove it from the service"));
            }
            // What the other cluster would refuse is told before anything moves.
            schema::trial(set, &dump::schema(&connection, set)?)?;
            this.notes_of(&connection, set)
        })
        .await
    }

    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        self.work(LOOK + BUSY, set, move |this, set| {
            if this.depot.capture(set, point)?.is_some() {
                return Err(cut::twice(set, point));
            }
            let (lo, hi) = this.cuts.take(point, set, || this.reader())?;
            Ok(Capture { lo, hi, server_time: None, open_files: Vec::new(), event_id: None })
        })
        .await
    }

    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        self.work(WORK, set, move |this, set| {
            let now = manifest_of(this.captured(set, point)?);
            let base = base.map(|base| this.depot.base(set, base)).transpose()?.map(manifest_of).unwrap_or_default();
            Ok(plan::diff(&base, &now))
        })
        .await
    }

    async fn read(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        let entry = entry.clone();
        self.work(WORK, set, move |this, set| {
            let captured = this.captured(set, point)?;
            let object = format!("{}/{}", this.depot.object(set), entry.path);
            match captured.get(&entry.path).map(|seen| &seen.entry.node) {
                Some(Node::File { bytes, digest: Some(digest) }) => {
                    let (start, length) = piece_range(*bytes, piece);
                    Ok(read_file(this.depot.objects.open(digest)?, start, length, object))
                }
                _ => Err(Trouble::new(TroubleKind::NotFound, object, format!("point {point} has no such part"))),
            }
        })
        .await
    }

    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.cuts.end(point, set);
        self.work(WORK, set, move |this, set| this.depot.release(set, point)).await
    }

    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        self.work(LOOK, "", |this, _| this.depot.snapshots()).await
    }

    async fn copy_out(&self, set: &str, point: PointId, to: &Path) -> Result<(), Trouble> {
        let to = to.to_owned();
        self.work(WORK, set, move |this, set| this.copy_table_out(set, point, &to)).await
    }

    fn has_place(&self, place: &Path) -> bool {
        self.depot.has_place(place)
    }

    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        let expected = expected.map(|(_, manifest)| manifest.clone());
        self.work(WORK, set, move |this, set| match expected {
            Some(manifest) => this.differences(set, &manifest),
            None => this.refuse_foreign(set).map(|()| Vec::new()),
        })
        .await
    }

    async fn admit(&self, set: &str, changes: &ChangeSet, after: &Manifest) -> Result<(), Trouble> {
        admit::check_plan(&self.depot.object(set), changes, after)
    }

    async fn examine(&self, set: &str, point: PointId, changes: &ChangeSet) -> Result<(), Trouble> {
        limited(LOOK + BUSY, &self.depot.object(set), self.examine_staged(set, point, changes)).await
    }

    async fn holds(&self, digest: &Digest) -> Result<bool, Trouble> {
        let digest = *digest;
        self.work(LOOK, "", move |this, _| this.depot.objects.pin(&digest)).await
    }

    async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        self.depot.stage(set, point, slot, entry, bytes).await
    }

    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble> {
        self.depot.read_staged(set, point, slot, entry).await
    }

    async fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.work(WORK, set, move |this, set| this.depot.sync_staging(set, point)).await
    }

    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        let record = record.to_owned();
        self.work(WORK, set, move |this, set| this.depot.keep_record(set, point, &record)).await
    }

    async fn apply(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        // One transaction is one phase.
        if journal.done()? > 0 {
            return Ok(());
        }
        let (plan, manifest) = (plan.clone(), manifest.clone());
        self.work(WORK, set, move |this, set| {
            // Named first, so that the content stays whatever is collected before this succeeds.
            this.depot.keep_sealed(set, point, &manifest)?;
            this.depot.take_staged(set, point, &plan.place)?;
            let gone = plan.detach.iter().map(Detach::path).cloned();
            let changed = gone.chain(plan.place.iter().map(|(_, entry)| entry.path.clone()));
            let exists = this.database.exists() && Shape::read(&this.reader()?, set)?.is_some();
            this.load(set, &load::work(changed, exists), &manifest)
        })
        .await?;
        journal.advance(1)
    }

    async fn seal(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let manifest = manifest.clone();
        self.work(WORK, set, move |this, set| {
            this.depot.keep_sealed(set, point, &manifest)?;
            this.depot.drop_staging(set, point)?;
            let held = manifest.entries.values().filter_map(|entry| match &entry.node {
                Node::File { digest, .. } => digest.as_ref(),
                _ => None,
            });
            this.depot.objects.unpin(held)
        })
        .await
    }

    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.work(WORK, set, move |this, set| this.depot.drop_staging(set, point)).await
    }

    async fn restore(&self, set: &str, _point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let manifest = manifest.clone();
        self.work(WORK, set, move |this, set| this.load(set, &load::Work::Whole, &manifest)).await
    }

    async fn take_back(&self, set: &str, _point: PointId, _manifest: &Manifest, last: Option<(PointId, &Manifest)>) -> Result<(), Trouble> {
        match last {
            Some((last, sealed)) => self.restore(set, last, sealed).await,
            None => {
                self.work(WORK, set, |this, set| if this.database.exists() { fence::vacate(&this.writer()?, set) } else { Ok(()) }).await
            }
        }
    }

    async fn fence(&self, set: &str) -> Result<String, Trouble> {
        self.work(LOOK + BUSY, set, |this, set| {
            if this.database.exists() {
                fence::raise(&this.writer()?, set)?;
            }
            match this.read_fence(set)? {
                (true, evidence) => Ok(evidence),
                (false, evidence) => Err(Trouble::new(TroubleKind::Failed, set, format!("its fence does not hold: {evidence}"))),
            }
        })
        .await
    }

    async fn unfence(&self, set: &str, _root: Option<&Entry>) -> Result<(), Trouble> {
        self.work(LOOK + BUSY, set, |this, set| if this.database.exists() { fence::lower(&this.writer()?, set) } else { Ok(()) }).await
    }

    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble> {
        self.work(LOOK + BUSY, set, |this, set| this.read_fence(set)).await
    }

    async fn rehearse(&self, set: &str, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        let manifest = manifest.clone();
        self.work(WORK, set, move |this, set| this.rehearse_table(set, point, &manifest, drill)).await
    }

    async fn clear_rehearsal(&self, drill: DrillId) -> Result<(), Trouble> {
        self.work(LOOK + BUSY, "", move |this, _| this.depot.clear_rehearsal(drill)).await
    }

    async fn rehearsals(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        self.work(LOOK, "", |this, _| this.depot.rehearsals()).await
    }

    async fn ask_rehearsal(&self, drill: DrillId, query: &str, limit: Duration) -> Result<String, Trouble> {
        self.ask_tables(drill, query.to_owned(), limit).await
    }

    fn restores(&self) -> Option<&dyn Restores> {
        Some(self)
    }

    async fn read_users(&self, _sets: &[String], _sealed: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        self.work(LOOK, "", |this, _| if this.database.exists() { users::read(&this.name, &this.reader()?) } else { Ok(BTreeMap::new()) })
            .await
    }

    async fn adjust_user(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        let change = change.clone();
        self.work(LOOK + BUSY, "", move |this, _| users::adjust(&mut this.writer()?, &change)).await?;
        Ok(Vec::new())
    }
}
