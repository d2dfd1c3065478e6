//! The writing end: keeps the plan, tells what is wanted, stages pieces and notes them once what was written is what was sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{mpsc, oneshot};

use super::gate::Gate;
use super::limits::Meter;
use super::plan::{self, Inventory};
use super::stream::unframed;
use super::{DataPlane, blocking, changes};
use crate::components::admission::{self, Occasion};
use crate::components::{Component, Slot};
use crate::domain::backup::plan::fold;
use crate::domain::{ChangeSet, DataSetName, Digest, Entry, Manifest, Node, PointId, RunId, Trouble, TroubleKind};
use crate::protocol::SetCounts;
use crate::store::agent::{ArmedRow, Ledger, PieceRow, PlanRow, dropped};

/// How many questions "do you hold this content" are under way at once.
const HOLDS_AT_ONCE: usize = 32;
/// The most pieces noted in one transaction of the ledger.
const NOTES_AT_ONCE: usize = 256;

/// One data set's staging of a point.
pub struct Sink {
    component: Arc<dyn Component>,
    ledger: Arc<Ledger>,
    gate: Arc<Gate>,
    point: PointId,
    set: DataSetName,
    base: Option<PointId>,
    /// The plan.
    pub changes: Arc<ChangeSet>,
    notes: mpsc::Sender<Note>,
}

type Note = (PieceRow, oneshot::Sender<Result<(), Trouble>>);

impl Sink {
    /// Opens staging of a data set for a run this agent was armed for, and keeps the plan. The same plan again keeps what is
    /// staged; another one starts over.
    pub async fn open(
        plane: &dyn DataPlane,
        run: RunId,
        point: PointId,
        set: &DataSetName,
        base: Option<PointId>,
        changes: ChangeSet,
    ) -> Result<Sink, Trouble> {
        let gate = plane.gates().of(point);
        let alone = gate.lock.write().await;
        let ledger = plane.ledger();
        let armed = admit(ledger, run, point, set)?;
        check_base(ledger, &armed, base, set)?;
        let component = plane.component_of(set)?;
        let (store, name) = (ledger.clone(), set.clone());
        let (changes, after) = blocking(move || {
            let after = fold(&load_base(&store, base, &name)?, &changes)?;
            Ok((changes, after))
        })
        .await?;
        let occasion = Occasion::Plan { point, changes: &changes, after: &after };
        let said = admission::admit(component.as_ref(), &set.path, occasion).await?;
        for note in &said {
            tracing::warn!(%set, %point, "{note}");
        }
        drop(after);
        let (store, name) = (ledger.clone(), set.clone());
        let (changes, known) = blocking(move || {
            let body = changes::to_text(&changes)?;
            store.note_said(&armed.pair, &armed.service, armed.run, &format!("plan {name}"), &said)?;
            store.open_staging(point, &armed)?;
            let plan = PlanRow { base, body };
            let known = store.plan(point, &name)?;
            Ok((changes, known.map_or(Known::Nothing(plan.clone()), |known| if known == plan { Known::Same } else { Known::Other(plan) })))
        })
        .await?;
        match known {
            Known::Same => {}
            Known::Nothing(plan) => keep(ledger, point, set, plan).await?,
            Known::Other(plan) => {
                component.discard(&set.path, point).await?;
                keep(ledger, point, set, plan).await?;
            }
        }
        let sink = Sink::new(component, ledger.clone(), gate.clone(), point, set.clone(), base, Arc::new(changes));
        // Asking for every file may take long: pieces of the point's other data sets go on meanwhile.
        let _shared = alone.downgrade();
        sink.note_held().await?;
        Ok(sink)
    }

    /// Opens staging whose plan was stored before.
    pub async fn reopen(plane: &dyn DataPlane, point: PointId, set: &DataSetName) -> Result<Sink, Trouble> {
        let (ledger, name) = (plane.ledger().clone(), set.clone());
        let (base, changes) = blocking(move || {
            let row = ledger.plan(point, &name)?;
            let row = row.ok_or_else(|| Trouble::new(TroubleKind::NotFound, &name, format!("no plan of point {point} is known here")))?;
            Ok((row.base, changes::from_text(&row.body, &name.to_string())?))
        })
        .await?;
        let component = plane.component_of(set)?;
        Ok(Sink::new(component, plane.ledger().clone(), plane.gates().of(point), point, set.clone(), base, Arc::new(changes)))
    }

    fn new(
        component: Arc<dyn Component>,
        ledger: Arc<Ledger>,
        gate: Arc<Gate>,
        point: PointId,
        set: DataSetName,
        base: Option<PointId>,
        changes: Arc<ChangeSet>,
    ) -> Sink {
        let notes = note_keeper(ledger.clone(), point, set.clone());
        Sink { component, ledger, gate, point, set, base, changes, notes }
    }

    /// The pieces still to be brought.
    pub async fn wanted(&self) -> Result<Vec<Slot>, Trouble> {
        self.check_open()?;
        let (ledger, point, set, changes) = (self.ledger.clone(), self.point, self.set.clone(), self.changes.clone());
        blocking(move || Ok(plan::wanted(&changes, &load_inventory(&ledger, point, &set)?))).await
    }

    /// Takes one piece: stages it, compares what was written with what was sent, and notes it. A piece that is there already is
    /// left as it is. `incoming` is framed.
    pub async fn stage<S>(&self, slot: Slot, incoming: S, idle: Duration, meter: Arc<Meter>) -> Result<(), Trouble>
    where
        S: Stream<Item = Result<Bytes, Trouble>> + Send + Unpin + 'static,
    {
        let _shared = self.gate.lock.read().await;
        self.check_open()?;
        let (entry, bytes) = plan::piece_of(&self.changes, slot).ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, &self.set, format!("its plan has no piece {} of file {}", slot.piece, slot.file))
        })?;
        if self.ledger.piece(self.point, &self.set, slot.file, slot.piece)?.is_some() {
            return Ok(());
        }
        let object = format!("{}/{}", self.set, entry.path);
        let metered = incoming.inspect(move |portion| meter.add(portion.as_ref().map_or(0, Bytes::len)));
        let (content, seal) = unframed(metered, bytes, object.clone(), idle);
        let written = tokio::select! {
            written = self.component.stage(&self.set.path, self.point, slot, entry, content) => written?,
            () = self.gate.closed.cancelled() => return Err(dropped(self.point)),
        };
        let sent = seal.get().ok_or_else(|| Trouble::new(TroubleKind::Failed, &object, "the component did not take all of its bytes"))?;
        check_written(&object, entry, written, sent.digest)?;
        self.note(PieceRow { file: slot.file, piece: slot.piece, digest: written }).await
    }

    /// Whether everything is here, and what was moved.
    pub async fn done(&self) -> Result<SetCounts, Trouble> {
        self.check_open()?;
        let (ledger, point, set, base, changes) = (self.ledger.clone(), self.point, self.set.clone(), self.base, self.changes.clone());
        blocking(move || {
            let inventory = load_inventory(&ledger, point, &set)?;
            let complete = plan::with_digests(&changes, &inventory)?;
            let manifest = fold(&load_base(&ledger, base, &set)?, &complete)?;
            Ok(plan::counts(&manifest, &complete, &inventory))
        })
        .await
    }

    /// Staging may have been dropped, or be committed, since this was opened.
    fn check_open(&self) -> Result<(), Trouble> {
        if self.ledger.is_dropped(self.point)? || self.ledger.staging(self.point)?.is_none() {
            return Err(dropped(self.point));
        }
        refuse_committed(&self.ledger, self.point)
    }

    /// Asks the component which files' content it holds for good already.
    async fn note_held(&self) -> Result<(), Trouble> {
        let told = plan::files(&self.changes).filter_map(|(file, entry)| match entry.node {
            Node::File { digest: Some(digest), .. } => Some((file, digest)),
            _ => None,
        });
        let told: Vec<(u32, Digest)> = told.collect();
        if told.is_empty() {
            return Ok(());
        }
        let answers = stream::iter(told).map(|(file, digest)| async move { self.component.holds(&digest).await.map(|held| (file, held)) });
        let mut answers = answers.buffer_unordered(HOLDS_AT_ONCE);
        let mut held = Vec::new();
        while let Some(answer) = answers.next().await {
            if let (file, true) = answer? {
                held.push(file);
            }
        }
        let (ledger, point, set) = (self.ledger.clone(), self.point, self.set.clone());
        blocking(move || ledger.note_held(point, &set, &held)).await
    }

    async fn note(&self, row: PieceRow) -> Result<(), Trouble> {
        let (reply, noted) = oneshot::channel();
        let gone = || Trouble::new(TroubleKind::Failed, &self.set, "the agent is stopping");
        self.notes.send((row, reply)).await.map_err(|_| gone())?;
        noted.await.map_err(|_| gone())?
    }
}

enum Known {
    Same,
    Nothing(PlanRow),
    Other(PlanRow),
}

/// Notes pieces as they come, as many in one transaction as came while the last one was written: one fsync a piece would
/// be the bottleneck of many small files.
fn note_keeper(ledger: Arc<Ledger>, point: PointId, set: DataSetName) -> mpsc::Sender<Note> {
    let (notes, mut incoming) = mpsc::channel::<Note>(NOTES_AT_ONCE);
    tokio::spawn(async move {
        let mut batch = Vec::with_capacity(NOTES_AT_ONCE);
        while incoming.recv_many(&mut batch, NOTES_AT_ONCE).await > 0 {
            let (rows, replies): (Vec<PieceRow>, Vec<_>) = batch.drain(..).unzip();
            let (ledger, set) = (ledger.clone(), set.clone());
            let result = blocking(move || ledger.note_pieces(point, &set, &rows)).await;
            for reply in replies {
                // Nobody waits for it any more: the piece is noted all the same.
                reply.send(result.clone()).ok();
            }
        }
    });
    notes
}

async fn keep(ledger: &Arc<Ledger>, point: PointId, set: &DataSetName, plan: PlanRow) -> Result<(), Trouble> {
    let (ledger, set) = (ledger.clone(), set.clone());
    blocking(move || ledger.keep_plan(point, &set, &plan)).await
}

/// Only a run this agent was armed for, and of it only its own data sets, get in.
fn admit(ledger: &Ledger, run: RunId, point: PointId, set: &DataSetName) -> Result<ArmedRow, Trouble> {
    if ledger.is_dropped(point)? || ledger.is_run_dropped(run)? {
        return Err(dropped(point));
    }
    refuse_committed(ledger, point)?;
    let refused = |reason: &str| Trouble::new(TroubleKind::Refused, format!("staging of {set}"), reason).next("arm the run first");
    let armed = ledger.armed(run)?.ok_or_else(|| refused("this agent was not armed for that run"))?;
    if !armed.data_sets.iter().any(|known| known.to == *set) {
        return Err(refused("it is no data set of the run"));
    }
    if ledger.staging(point)?.is_some_and(|row| row.armed.run != run) {
        return Err(refused("the point belongs to another run"));
    }
    Ok(armed)
}

/// Changes can only be told against what is live here, or against nothing.
fn check_base(ledger: &Ledger, armed: &ArmedRow, base: Option<PointId>, set: &DataSetName) -> Result<(), Trouble> {
    let Some(base) = base else { return Ok(()) };
    if ledger.newest_sealed(&armed.pair, &armed.service)?.map(|point| point.id) == Some(base) {
        return Ok(());
    }
    Err(Trouble::new(TroubleKind::Refused, set, format!("its changes are told against point {base}, which is not the newest sealed here"))
        .next("run again: the base is chosen anew"))
}

fn refuse_committed(ledger: &Ledger, point: PointId) -> Result<(), Trouble> {
    if ledger.point(point)?.is_some() {
        return Err(Trouble::new(TroubleKind::Refused, format!("point {point}"), "it is committed: nothing more is let into it"));
    }
    Ok(())
}

/// What was written must be what was sent, and what the source said it captured.
fn check_written(object: &str, entry: &Entry, written: Digest, sent: Digest) -> Result<(), Trouble> {
    let corrupt =
        |reason: String| Trouble::new(TroubleKind::Corrupt, object, reason).next("run again; look at the target's disk and memory");
    if written != sent {
        return Err(corrupt(format!("what was written hashes to {written}, what was sent to {sent}")));
    }
    if let Node::File { bytes, digest: Some(told) } = entry.node
        && crate::domain::piece_count(bytes) == 1
        && told != sent
    {
        return Err(corrupt(format!("what was sent hashes to {sent}, the captured file to {told}")));
    }
    Ok(())
}

/// What of a plan is staged or held.
pub fn load_inventory(ledger: &Ledger, point: PointId, set: &DataSetName) -> Result<Inventory, Trouble> {
    let pieces = ledger.pieces(point, set)?.into_iter().map(|row| (Slot { file: row.file, piece: row.piece }, row.digest)).collect();
    Ok(Inventory { pieces, held: ledger.held(point, set)?.into_iter().collect() })
}

/// The manifest changes are told against; empty without a base.
pub fn load_base(ledger: &Ledger, base: Option<PointId>, set: &DataSetName) -> Result<Manifest, Trouble> {
    let Some(base) = base else { return Ok(Manifest::default()) };
    load_manifest(ledger, base, set)?.ok_or_else(|| {
        Trouble::new(TroubleKind::Refused, set, format!("point {base} has no manifest of it here")).next("a full copy is needed")
    })
}

/// The manifest of a data set in a point, if it is still what was committed.
pub fn load_manifest(ledger: &Ledger, point: PointId, set: &DataSetName) -> Result<Option<Manifest>, Trouble> {
    let Some(stored) = ledger.manifest(point, set)? else { return Ok(None) };
    let altered = |reason: String| {
        Trouble::new(TroubleKind::Corrupt, set, format!("its manifest in point {point} {reason}")).next("choose another recovery point")
    };
    let manifest = Manifest::from_json_lines(&stored.body).map_err(|e| altered(format!("cannot be read: {e}")))?;
    if manifest.digest() != stored.digest {
        return Err(altered("was altered since it was committed".into()));
    }
    Ok(Some(manifest))
}
