//! Dropping: what a run made that never committed, and points that retention no longer keeps.

use std::time::Duration;

use super::{Job, Site, capture, restore, roles};
use crate::domain::{Identity, PointId, RecoveryPoint, Trouble, TroubleKind};
use crate::protocol::{AbortOrder, Outcome, PruneOrder};
use crate::store::agent::{CaptureRow, CaptureState, StagingRow};

/// How long an abort waits for what is under way to stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Drops a run: releases its captures, discards its staging, and lets nothing more of it in. Refused once committed.
pub async fn abort(job: &Job, order: AbortOrder) -> Result<Outcome, Trouble> {
    let ledger = &job.site.ledger;
    refuse_committed(job, order.point)?;
    let gate = job.site.gates.of(order.point);
    gate.closed.cancel();
    let stuck = || Trouble::new(TroubleKind::Unreachable, format!("run {}", order.run), "a step of it did not stop in time");
    let alone = tokio::time::timeout(STOP_LIMIT, gate.lock.write()).await.map_err(|_| stuck())?;
    // A commit may have been faster.
    refuse_committed(job, order.point)?;
    ledger.note_dropped(order.run, order.point)?;
    let mut leftovers = Vec::new();
    if let Some(row) = ledger.capture(order.point)? {
        leftovers.extend(capture::release(&job.site, &row).await?);
    }
    if let Some(row) = ledger.staging(order.point)? {
        leftovers.extend(discard_all(&job.site, &row).await?);
    }
    drop(alone);
    job.site.gates.forget(order.point);
    Ok(Outcome::Dropped(leftovers))
}

fn refuse_committed(job: &Job, point: PointId) -> Result<(), Trouble> {
    if job.site.ledger.point(point)?.is_none() {
        return Ok(());
    }
    Err(Trouble::new(TroubleKind::Refused, format!("point {point}"), "committed: the secondary finishes alone")
        .next("wait until it is sealed; retention or a person may drop it later"))
}

/// Drops the staging of an earlier run that never committed.
pub(super) async fn discard(site: &Site, row: &StagingRow) -> Result<Vec<String>, Trouble> {
    let gate = site.gates.of(row.point);
    gate.closed.cancel();
    let alone = gate.lock.write().await;
    site.ledger.note_dropped(row.armed.run, row.point)?;
    let leftovers = discard_all(site, row).await?;
    drop(alone);
    site.gates.forget(row.point);
    Ok(leftovers)
}

/// Discards staging everywhere; what cannot be is told in words, and tried again when the service is armed next.
pub(super) async fn discard_all(site: &Site, row: &StagingRow) -> Result<Vec<String>, Trouble> {
    let mut leftovers = Vec::new();
    for set in roles::names_at_target(&row.armed.data_sets) {
        let discarded = match site.component(&set) {
            Ok(component) => component.discard(&set.path, row.point).await,
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = discarded {
            leftovers.push(format!("staging {} of {set}: {trouble}", row.point));
        }
    }
    if leftovers.is_empty() {
        site.ledger.forget_staging(row.point)?;
    }
    Ok(leftovers)
}

/// Retention: drops points and their snapshots. Kept whatever is asked: at the source the newest capture, which the next
/// difference needs; at the target the newest sealed point, the one that is live, one that a drill has brought up or a restore
/// reads, and one that is not sealed yet.
pub async fn prune(job: &Job, order: PruneOrder) -> Result<Outcome, Trouble> {
    let ledger = &job.site.ledger;
    // No restore begins to read a point while it goes.
    let _none_begins = job.site.letting_go.lock().await;
    let mut leftovers = Vec::new();
    let captures = ledger.captures_of(&job.pair, &order.service)?;
    let is_source = roles::identity(job)? == Identity::Primary;
    let newest = captures.iter().rev().find(|row| is_source && matches!(row.state, CaptureState::Done(_))).map(|row| row.point);
    for row in captures.iter().filter(|row| order.points.contains(&row.point) && Some(row.point) != newest) {
        if let Some(reader) = restore::reader_of(&job.site, row.point)? {
            leftovers.push(format!("capture {}: kept, restore {} to {} reads it", row.point, reader.restore, reader.place));
            continue;
        }
        leftovers.extend(capture::release(&job.site, row).await?);
    }
    let points = ledger.points_of(&job.pair, &order.service)?;
    let newest = points.iter().rev().find(|row| row.sealed).map(|row| row.record.id);
    let live = ledger.applied_point(&job.pair, &order.service)?;
    let drilled: Vec<PointId> = ledger.drills()?.into_iter().filter_map(|row| row.point).collect();
    for row in points.iter().filter(|row| row.sealed && order.points.contains(&row.record.id)) {
        let id = row.record.id;
        let needed =
            [(Some(id) == newest, "it is the newest"), (Some(id) == live, "it is live"), (drilled.contains(&id), "a drill has it")];
        if let Some((_, why)) = needed.iter().find(|(needed, _)| *needed) {
            // Whoever asked has to list it on. What a source holds of the other direction nobody resumes from.
            if !is_source {
                leftovers.push(format!("point {id}: kept, {why}"));
            }
            continue;
        }
        if let Some(reader) = restore::reader_of(&job.site, id)? {
            leftovers.push(format!("point {id}: kept, restore {} to {} reads it", reader.restore, reader.place));
            continue;
        }
        if ledger.any_held()? {
            // A run under way may count on content that only this point keeps.
            leftovers.push(format!("point {}: kept for now, a run under way may use its content", row.record.id));
            continue;
        }
        leftovers.extend(retire(&job.site, &row.record).await?);
    }
    Ok(Outcome::Dropped(leftovers))
}

/// A point's snapshots, as what is to be released once it is off the list.
pub(super) fn leftover_of(record: &RecoveryPoint) -> CaptureRow {
    CaptureRow {
        point: record.id,
        run: record.run,
        pair: record.pair.clone(),
        service: record.service.clone(),
        data_sets: record.data_sets.iter().map(|set| set.to.clone()).collect(),
        state: CaptureState::Leftover,
    }
}

/// Takes a point off the list first, so that a half-removed one is never offered; its snapshots are then leftovers to be released.
pub(super) async fn retire(site: &Site, record: &RecoveryPoint) -> Result<Vec<String>, Trouble> {
    let row = leftover_of(record);
    let staging = site.ledger.staging(record.id)?;
    site.ledger.retire_point(&row)?;
    if let Some(staging) = staging {
        discard_all(site, &staging).await?;
    }
    capture::release(site, &row).await
}
