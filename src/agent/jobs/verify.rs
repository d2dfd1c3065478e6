//! Reading back: every staged byte from the storage itself, hashed again; what the components refuse of it; and the targets once more,
//! that nobody wrote there.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::{Job, arm, roles};
use crate::components::{Component, Slot};
use crate::domain::{ChangeSet, DataSetName, Digest, Entry, Identity, Node, PointId, Trouble, TroubleKind};
use crate::protocol::{Outcome, VerifyOrder, VerifyReport};
use crate::store::agent::StagingRow;
use crate::transfer::plan::{self, BUDGET_BYTES, Inventory, MAX_AT_ONCE};
use crate::transfer::{Limits, blocking, changes, load_inventory, silent};

/// Carries the order out. A piece that does not stand is forgotten, so that another transfer brings it again.
pub async fn run(job: &Job, order: VerifyOrder) -> Result<Outcome, Trouble> {
    roles::require(job, Identity::Secondary)?;
    let gate = job.site.gates.of(order.point);
    let _alone = gate.lock.write().await;
    let staging = staging_of(job, order.point)?;
    if staging.armed.run != order.run || staging.armed.service != order.service {
        return Err(Trouble::new(TroubleKind::Refused, format!("point {}", order.point), "it is of another run or service"));
    }
    let sets = roles::names_at_target(&staging.armed.data_sets);
    job.progress.send_modify(|progress| {
        progress.doing = "reading back".into();
        (progress.done_bytes, progress.total_bytes) = (vec![0; sets.len()], vec![0; sets.len()]);
    });
    let mut report = VerifyReport { files: 0, bytes: 0 };
    for (i, set) in sets.iter().enumerate() {
        let read = tokio::select! {
            read = read_back(job, order.point, set, i) => read?,
            () = job.cancel.cancelled() => return Err(cancelled(&order)),
            () = gate.closed.cancelled() => return Err(cancelled(&order)),
        };
        report.files += read.files;
        report.bytes += read.bytes;
    }
    check_targets(job, &staging, &sets).await?;
    job.site.ledger.note_verified(order.point, true)?;
    Ok(Outcome::Verified(report))
}

/// The staging of a point, which must not be dropped or committed.
pub(super) fn staging_of(job: &Job, point: PointId) -> Result<StagingRow, Trouble> {
    let refused = |reason: &str| Trouble::new(TroubleKind::Refused, format!("point {point}"), reason);
    if job.site.ledger.point(point)?.is_some() {
        return Err(refused("it is committed already"));
    }
    job.site.ledger.staging(point)?.ok_or_else(|| refused("nothing of it is staged here").next("transfer first"))
}

fn cancelled(order: &VerifyOrder) -> Trouble {
    Trouble::new(TroubleKind::Cancelled, format!("run {}", order.run), "it was cancelled")
}

/// The plan and the inventory of a data set in staging.
pub(super) async fn plan_of(job: &Job, point: PointId, set: &DataSetName) -> Result<(ChangeSet, Inventory), Trouble> {
    let (ledger, set) = (job.site.ledger.clone(), set.clone());
    blocking(move || {
        let row = ledger.plan(point, &set)?;
        let row = row.ok_or_else(|| Trouble::new(TroubleKind::Refused, &set, "nothing of it was transferred").next("transfer first"))?;
        Ok((changes::from_text(&row.body, &set.to_string())?, load_inventory(&ledger, point, &set)?))
    })
    .await
}

async fn read_back(job: &Job, point: PointId, set: &DataSetName, number: usize) -> Result<VerifyReport, Trouble> {
    let component = job.site.component(set)?;
    let (changes, inventory) = plan_of(job, point, set).await?;
    plan::with_digests(&changes, &inventory)?;
    check_held(component, set, &changes, &inventory).await?;
    // Owned, so that the futures of the stream below borrow nothing that a spawned task could not name.
    let pieces: Vec<(Slot, Entry, u64)> =
        plan::pieces(&changes, &inventory).map(|(slot, entry, bytes)| (slot, entry.clone(), bytes)).collect();
    let total: u64 = pieces.iter().map(|(.., bytes)| bytes).sum();
    tell(job, number, 0, total);
    let budget = Arc::new(Semaphore::new(BUDGET_BYTES as usize));
    let reading = stream::iter(pieces).map(|(slot, entry, bytes)| {
        let (budget, noted) = (budget.clone(), inventory.pieces.get(&slot).copied());
        async move {
            // The semaphore is never closed; a share is given back when the piece is over.
            let _share = budget.acquire_many(plan::weight(bytes)).await;
            let read = hash_piece(component, set, point, slot, &entry, bytes).await?;
            if Some(read) == noted {
                return Ok(bytes);
            }
            job.site.ledger.forget_piece(point, set, slot.file, slot.piece)?;
            let reason = format!("read back it hashes to {read}, written it was {}", noted.map_or("nothing".into(), |d| d.to_string()));
            Err(Trouble::new(TroubleKind::Corrupt, format!("{set}/{}", entry.path), reason)
                .next("look at the storage of the secondary; transfer again"))
        }
    });
    let mut reading = reading.buffer_unordered(MAX_AT_ONCE as usize);
    let mut done = 0;
    while let Some(bytes) = reading.next().await {
        done += bytes?;
        tell(job, number, done, total);
    }
    component.examine(&set.path, point, &changes).await?;
    let files = plan::files(&changes).filter(|(file, _)| !inventory.held.contains(file)).count() as u64;
    Ok(VerifyReport { files, bytes: done })
}

async fn hash_piece(
    component: &Arc<dyn Component>,
    set: &DataSetName,
    point: PointId,
    slot: Slot,
    entry: &Entry,
    bytes: u64,
) -> Result<Digest, Trouble> {
    let object = format!("{set}/{}", entry.path);
    let idle = Limits::default().idle;
    let mut content = component.read_staged(&set.path, point, slot, entry).await?;
    let mut hasher = blake3::Hasher::new();
    let mut read = 0;
    while let Some(portion) = tokio::time::timeout(idle, content.next()).await.map_err(|_| silent(&object, idle))? {
        let portion = portion?;
        read += portion.len() as u64;
        hasher.update(&portion);
    }
    if read != bytes {
        let reason = format!("read back, piece {} has {read} bytes instead of {bytes}", slot.piece);
        return Err(Trouble::new(TroubleKind::Corrupt, object, reason).next("look at the storage of the secondary; transfer again"));
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// Content that was not sent because it was held must still be held.
async fn check_held(component: &Arc<dyn Component>, set: &DataSetName, changes: &ChangeSet, inventory: &Inventory) -> Result<(), Trouble> {
    for (_, entry) in plan::files(changes).filter(|(file, _)| inventory.held.contains(file)) {
        let Node::File { digest: Some(digest), .. } = entry.node else { continue };
        if !component.holds(&digest).await? {
            let object = format!("{set}/{}", entry.path);
            return Err(Trouble::new(TroubleKind::Corrupt, object, "its content was held here and is gone").next("run again"));
        }
    }
    Ok(())
}

async fn check_targets(job: &Job, staging: &StagingRow, sets: &[DataSetName]) -> Result<(), Trouble> {
    let last = job.site.ledger.newest_sealed(&job.pair, &staging.armed.service)?;
    for set in sets {
        let Some((point, manifest)) = arm::expected(job, set, last.as_ref()).await? else { continue };
        let drift = job.site.component(set)?.drift(&set.path, Some((point, &manifest))).await?;
        if !drift.is_empty() {
            let reason = format!("it is no longer what the last point left: {}", drift.join("; "));
            return Err(Trouble::new(TroubleKind::Refused, set, reason).next("find out who writes to the secondary"));
        }
    }
    Ok(())
}

fn tell(job: &Job, number: usize, done: u64, total: u64) {
    job.progress.send_modify(|progress| {
        if let (Some(was_done), Some(was_total)) = (progress.done_bytes.get_mut(number), progress.total_bytes.get_mut(number)) {
            (*was_done, *was_total) = (done, total);
        }
    });
}
