//! Abandoning: a committed point that cannot be sealed is taken back, because a person gave it up.
//!
//! ```text
//! ledger: given up, by whom ─ live data back at the last sealed point, or emptied ─ staging dropped ─ ledger: off the list ─ snapshots released
//!   └ from here on it is never sealed, and a start goes on taking it back
//! ```
//! Every step may be repeated. What keeps failing is named and left at last, so that there is always a way out: the live data is then of no
//! point, and the next run brings it back before it tells anything about it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Job, Site, capture, commit, drop as dropping, roles};
use crate::domain::unfinished::Work;
use crate::domain::{DataSetName, Identity, Manifest, PointId, RecoveryPoint, Trouble, TroubleKind};
use crate::protocol::{AbandonOrder, AbandonReport, Outcome, Progress};
use crate::store::agent::{AbandonedRow, CaptureRow, TakenBack};
use crate::transfer::{blocking, load_manifest};

/// How long it waits for what is under way with the point.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Failures after which what keeps failing is named and left. One that does not answer is waited for.
const TRIES: u32 = 4;

/// Takes the point back. Repeated it finishes what is left, and tells what the first who asked said.
pub async fn run(job: &Job, order: AbandonOrder) -> Result<Outcome, Trouble> {
    roles::require(job, Identity::Secondary)?;
    let AbandonOrder { run, point, service, by, at } = order;
    let row = job.site.ledger.begin_abandon(&AbandonedRow { point, run, pair: job.pair.clone(), service, by, at, over: None })?;
    tracing::warn!(%point, by = row.by, "given up: it is taken back");
    // The same order goes on when that is mended, as with a commit.
    let done = undo(&job.site, point, &job.progress).await.map_err(commit::not_finished)?;
    let TakenBack { back_to, leftovers } = done.over.unwrap_or_default();
    Ok(Outcome::Abandoned(AbandonReport { by: done.by, at: done.at, back_to, leftovers }))
}

/// Takes a point back that was given up; taken back already, it releases what is left of it.
pub(super) async fn undo(site: &Arc<Site>, point: PointId, progress: &watch::Sender<Progress>) -> Result<AbandonedRow, Trouble> {
    let done = take_back(site, point, progress).await;
    match &done {
        Ok(_) => site.tries.over(point),
        Err(trouble) => site.tries.failed(point, Work::Abandon, trouble, site.clock.now()),
    }
    done
}

async fn take_back(site: &Arc<Site>, point: PointId, progress: &watch::Sender<Progress>) -> Result<AbandonedRow, Trouble> {
    let gate = site.gates.of(point);
    let busy = || Trouble::new(TroubleKind::Unreachable, format!("point {point}"), "a step of it has not stopped yet");
    let alone = tokio::time::timeout(STOP_LIMIT, gate.lock.write()).await.map_err(|_| busy())?;
    let absent = |reason: &str| Trouble::new(TroubleKind::NotFound, format!("point {point}"), reason);
    let mut row = site.ledger.abandoned(point)?.ok_or_else(|| absent("nobody gave it up"))?;
    let back = match row.over.take() {
        Some(back) => back,
        None => {
            let held = site.ledger.point(point)?.ok_or_else(|| absent("it is held here no more"))?;
            end(site, &held.record, progress).await?
        }
    };
    let mut leftovers = back.leftovers;
    if let Some(left) = site.ledger.capture(point)? {
        leftovers.extend(release(site, &left).await?);
    }
    drop(alone);
    site.gates.forget(point);
    tracing::warn!(%point, leftovers = leftovers.len(), "taken back");
    Ok(AbandonedRow { over: Some(TakenBack { leftovers, ..back }), ..row })
}

/// Everything up to the point's end in the ledger.
async fn end(site: &Arc<Site>, record: &RecoveryPoint, progress: &watch::Sender<Progress>) -> Result<TakenBack, Trouble> {
    if !commit::is_current(site, record)? {
        return Err(Trouble::new(TroubleKind::Outdated, format!("point {}", record.id), "identities have changed since its run began"));
    }
    let last = site.ledger.newest_sealed(&record.pair, &record.service)?.map(|last| last.id);
    // From here until the end the live data is of no point.
    site.ledger.note_applied(&record.pair, &record.service, None)?;
    let mut leftovers = Vec::new();
    for set in record.data_sets.iter().map(|set| &set.to) {
        progress.send_modify(|progress| progress.doing = format!("bringing {set} back"));
        if let Err(trouble) = put_back(site, record.id, last, set).await {
            let given_up = site.tries.count(record.id, Work::Abandon) >= TRIES && trouble.kind != TroubleKind::Unreachable;
            if trouble.may_pass() && !given_up {
                return Err(trouble);
            }
            tracing::error!(point = %record.id, %set, %trouble, "not brought back");
            leftovers.push(format!("{set} is not brought back: {trouble}"));
        }
    }
    let back_to = last.filter(|_| leftovers.is_empty());
    if let Some(staging) = site.ledger.staging(record.id)? {
        leftovers.extend(dropping::discard_all(site, &staging).await?);
    }
    let back = TakenBack { back_to, leftovers };
    site.ledger.end_abandon(&dropping::leftover_of(record), &back)?;
    Ok(back)
}

/// One data set: back at the last sealed point that has it, else as it was before the first.
async fn put_back(site: &Site, point: PointId, last: Option<PointId>, set: &DataSetName) -> Result<(), Trouble> {
    let manifest = manifest_of(site, point, set).await?.unwrap_or_default();
    let sealed = match last {
        Some(last) => manifest_of(site, last, set).await?.map(|manifest| (last, manifest)),
        None => None,
    };
    let component = site.component(set)?;
    component.take_back(&set.path, point, &manifest, sealed.as_ref().map(|(last, manifest)| (*last, manifest))).await?;
    if sealed.is_some() && !component.fenced(&set.path).await?.0 {
        component.fence(&set.path).await?;
    }
    Ok(())
}

async fn manifest_of(site: &Site, point: PointId, set: &DataSetName) -> Result<Option<Manifest>, Trouble> {
    let (ledger, set) = (site.ledger.clone(), set.clone());
    blocking(move || load_manifest(&ledger, point, &set)).await
}

/// What only this point kept may be counted on by a run under way: it is then released when the service is armed next.
async fn release(site: &Site, left: &CaptureRow) -> Result<Vec<String>, Trouble> {
    if site.ledger.any_held()? {
        return Ok(Vec::new());
    }
    capture::release(site, left).await
}
