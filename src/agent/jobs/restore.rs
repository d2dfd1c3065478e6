//! Restores beside the live data: a data set of a point that is sealed or captured here, brought up in a place that a person chose.
//!
//! ```text
//! point held here? → manifest → place: of nobody, not there → ledger row → made aside, compared → into place → row says "over"
//!                                                               └ not whole: told with the status, goes on when asked again, removed by
//!                                                                 `end-restore`: row says "ending" → what is aside goes → "gone"
//! ```
//! No lock of a backup run is taken: replication goes on meanwhile. Retention keeps the point while the row stands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::commit::committed_manifest;
use super::drill::beating;
use super::{Job, Site, fence, reverse};
use crate::components::PhaseJournal;
use crate::components::restores::{Clearing, Restores, Restoring};
use crate::domain::admission::nested;
use crate::domain::restore::{ComparedWith, RestoreRefusal, beside};
use crate::domain::{Change, ComponentKind, DataSetName, Manifest, PairName, PointId, RestoreId, Trouble, TroubleKind};
use crate::protocol::{EndRestoreOrder, Outcome, RestoreOrder, Restored, UnfinishedRestore};
use crate::store::agent::{CaptureState, Ledger, PairFacts, RestoreBegun, RestoreRow};
use crate::transfer::blocking;

/// How long a removal waits for what is at work to stop; it is asked again when that was not enough.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Brings it up, or tells that it is.
pub async fn run(job: &Job, order: RestoreOrder) -> Result<Outcome, Trouble> {
    let site = &job.site;
    let component = site.component(&order.data_set)?.clone();
    let restores = component.restores().ok_or_else(|| cannot(&order.data_set, component.kind()))?;
    let place = restores.place(&order.data_set.path, order.only.as_deref(), &order.place)?;
    let row = RestoreRow {
        restore: order.restore,
        pair: job.pair.clone(),
        service: order.service,
        point: order.point,
        data_set: order.data_set,
        only: order.only,
        place,
        by: order.by,
    };
    let gate = site.restores.of(row.restore);
    let _alone = gate.lock.write().await;
    let is_known = site.ledger.knows_restore(row.restore)?;
    if let Some(told) = begin(site, &row, is_known).await? {
        return Ok(Outcome::Restored(told));
    }
    let (manifest, compared_with) = manifest(job, &row).await?;
    if !is_known {
        free(site, restores, &row, component.kind()).await?;
        if let Some(told) = begin(site, &row, true).await? {
            return Ok(Outcome::Restored(told));
        }
    }
    tracing::warn!(restore = %row.restore, set = %row.data_set, point = %row.point, place = row.place, by = row.by, "restoring beside the live data");
    let journal = Journal { ledger: site.ledger.clone(), restore: row.restore };
    let what = Restoring {
        restore: row.restore,
        set: &row.data_set.path,
        only: row.only.as_deref(),
        point: row.point,
        manifest: &manifest,
        place: &row.place,
        journal: &journal,
    };
    let done = beating(job, "restoring", restores.bring(what)).await;
    match done {
        Ok(proof) => {
            let told = Restored { compared_with, proof };
            site.ledger.end_restore(row.restore, &told)?;
            site.restores.forget(row.restore);
            tracing::info!(restore = %row.restore, place = row.place, "restored: it is its owner's now");
            Ok(Outcome::Restored(told))
        }
        // The same order goes on once that has passed.
        Err(trouble) if trouble.is_worth_retrying() => Err(trouble),
        Err(trouble) => {
            let left = remove(site, restores, &row).await;
            Err(match left {
                Ok(()) => trouble,
                Err(left) => Trouble { reason: format!("{}; what is half-made of it is not removed: {left}", trouble.reason), ..trouble },
            })
        }
    }
}

/// Notes it, or tells that it is whole already. Nothing of a new one is noted before its place is known to be free.
async fn begin(site: &Site, row: &RestoreRow, may: bool) -> Result<Option<Restored>, Trouble> {
    if !may {
        return Ok(None);
    }
    let _no_point_goes = site.letting_go.lock().await;
    Ok(match site.ledger.begin_restore(row, &site.cluster, site.clock.now())? {
        RestoreBegun::GoesOn => None,
        RestoreBegun::Over(told) => Some(told),
    })
}

fn cannot(set: &DataSetName, kind: ComponentKind) -> Trouble {
    Trouble::new(TroubleKind::Refused, set, format!("data sets of {kind} cannot be restored beside the live data by this version"))
        .next("look at the point in a drill")
}

/// The manifest of the data set: of a point sealed here the ledger's, of one captured here that of the cluster that sealed it.
async fn manifest(job: &Job, row: &RestoreRow) -> Result<(Manifest, ComparedWith), Trouble> {
    let (site, object) = (&job.site, &row.data_set);
    let not_held = || RestoreRefusal::NotHeld { cluster: site.cluster.clone(), point: row.point }.trouble(object);
    let sealed = site.ledger.point(row.point)?.filter(|held| held.sealed && held.record.to == site.cluster);
    if let Some(held) = sealed.filter(|held| held.record.service == row.service && held.record.pair == row.pair) {
        if held.record.data_sets.iter().all(|set| set.to != row.data_set) {
            let known = held.record.data_sets.iter().map(|set| set.to.to_string()).collect();
            return Err(RestoreRefusal::NoSuchDataSet { known }.trouble(object));
        }
        let (ledger, record, set) = (site.ledger.clone(), held.record, row.data_set.clone());
        return Ok((blocking(move || committed_manifest(&ledger, &record, &set)).await?, ComparedWith::Manifest));
    }
    let captured = site.ledger.capture(row.point)?.filter(|captured| matches!(captured.state, CaptureState::Done(_)));
    let captured = captured.filter(|captured| captured.pair == row.pair && captured.service == row.service);
    if captured.is_none_or(|captured| !captured.data_sets.contains(object)) || !is_there(site, row).await? {
        return Err(not_held());
    }
    match reverse::manifest_of_peer(job, &row.service, row.point, object).await {
        Ok(manifest) => Ok((manifest, ComparedWith::Manifest)),
        Err(trouble) if trouble.kind == TroubleKind::Unreachable => {
            tracing::warn!(point = %row.point, %trouble, "the manifest cannot be asked for: what the capture itself says counts");
            let all = site.component(object)?.changes(&object.path, row.point, None).await?;
            let entries = all.changes.into_iter().filter_map(|change| if let Change::Put(entry) = change { Some(entry) } else { None });
            Ok((Manifest::from_entries(entries), ComparedWith::OwnCapture))
        }
        Err(trouble) => Err(trouble),
    }
}

/// Whether the component still has the capture.
async fn is_there(site: &Site, row: &RestoreRow) -> Result<bool, Trouble> {
    let own = site.component(&row.data_set)?.snapshots().await?;
    Ok(own.iter().any(|own| own.path == row.data_set.path && own.point == row.point))
}

/// Refuses a place that is there, and one that shares anything with a data set of any pair.
async fn free(site: &Arc<Site>, restores: &dyn Restores, row: &RestoreRow, kind: ComponentKind) -> Result<(), Trouble> {
    let place = DataSetName { component: row.data_set.component.clone(), path: row.place.clone() };
    let held = held(site)?;
    let separator = if site.dotted().contains(&place.component) { '.' } else { '/' };
    let folds = matches!(kind, ComponentKind::Hive | ComponentKind::Tables);
    beside(&place, separator, folds, held.iter().cloned()).map_err(|refusal| refusal.trouble(&row.data_set))?;
    let directories = restores.directories(&row.place).await?;
    if !directories.is_empty() {
        apart(site, (&place, directories), &held).await?;
    }
    restores.free(&row.place).await
}

/// Every data set that a pair has here: of its policies, and of the points that are held.
fn held(site: &Arc<Site>) -> Result<BTreeSet<(PairName, DataSetName)>, Trouble> {
    let mut held = BTreeSet::new();
    for facts in site.ledger.pairs()? {
        let mut sets = facts.fence.sets;
        for service in site.ledger.policies(&facts.pair)? {
            sets.extend(fence::names_here(site, &service, facts.claim.identity)?);
        }
        held.extend(sets.into_iter().map(|set| (facts.pair.clone(), set)));
        let points = site.ledger.points_of_pair(&facts.pair)?.into_iter().filter(|row| row.record.to == site.cluster);
        held.extend(points.flat_map(|row| row.record.data_sets).map(|set| (facts.pair.clone(), set.to)));
    }
    Ok(held)
}

/// Whether data sets of other components have their files in the place's directories, or above.
async fn apart(
    site: &Site,
    (place, directories): (&DataSetName, Vec<String>),
    held: &BTreeSet<(PairName, DataSetName)>,
) -> Result<(), Trouble> {
    for (pair, set) in held.iter().filter(|(_, set)| set.component != place.component) {
        let Some(admission) = site.components.get(&set.component).and_then(|component| component.admission()) else { continue };
        let places = match admission.places(&set.path).await {
            // A data set that is not there yet has no files.
            Err(trouble) if trouble.kind == TroubleKind::NotFound => continue,
            places => places?,
        };
        if !nested(&[(set.clone(), places), (place.clone(), directories.clone())]).is_empty() {
            let refusal = RestoreRefusal::PlaceInDataSet { place: place.to_string(), data_set: set.clone(), pair: pair.clone() };
            return Err(refusal.trouble(place));
        }
    }
    Ok(())
}

/// Removes what is half-made of a restore.
pub async fn end(job: &Job, order: EndRestoreOrder) -> Result<Outcome, Trouble> {
    let site = &job.site;
    let object = || format!("restore {}", order.restore);
    let gate = site.restores.of(order.restore);
    let stuck = || Trouble::new(TroubleKind::Unreachable, object(), "it is under way").next("wait for its end");
    let _alone = tokio::time::timeout(STOP_LIMIT, gate.lock.write()).await.map_err(|_| stuck())?;
    if site.ledger.restore(order.restore)?.is_some_and(|row| row.pair != job.pair) {
        return Err(Trouble::new(TroubleKind::Refused, object(), "it is of another pair"));
    }
    let Some(row) = site.ledger.note_restore_ending(order.restore)? else { return Ok(Outcome::RestoreEnded(Vec::new())) };
    let component = site.component(&row.data_set)?.clone();
    let restores = component.restores().ok_or_else(|| cannot(&row.data_set, component.kind()))?;
    let left = remove(site, restores, &row).await.err().map(|trouble| trouble.to_string());
    Ok(Outcome::RestoreEnded(left.into_iter().collect()))
}

async fn remove(site: &Arc<Site>, restores: &dyn Restores, row: &RestoreRow) -> Result<(), Trouble> {
    site.ledger.note_restore_ending(row.restore)?;
    let phases = site.ledger.restore_phases(row.restore)?;
    let what = Clearing { restore: row.restore, set: &row.data_set.path, point: row.point, place: &row.place, phases };
    restores.clear(what).await?;
    site.ledger.note_restore_gone(row.restore)?;
    site.restores.forget(row.restore);
    tracing::info!(restore = %row.restore, "what was half-made of a restore is removed");
    Ok(())
}

/// Refuses by name what would end a pair while a restore of it is under way.
pub fn refuse_under_way(site: &Site, pair: &PairName) -> Result<(), Trouble> {
    let under_way = site.ledger.restores()?.into_iter().find(|row| row.pair == *pair && is_under_way(site, row.restore));
    under_way
        .map_or(Ok(()), |row| Err(RestoreRefusal::RestoreReads { restore: row.restore, place: row.place }.trouble(format!("pair {pair}"))))
}

/// Removes what is half-made of every restore of a pair; tells what could not be.
pub async fn clear_pair(site: &Arc<Site>, pair: &PairName) -> Result<Vec<String>, Trouble> {
    let mut left = Vec::new();
    for row in site.ledger.restores()?.into_iter().filter(|row| row.pair == *pair) {
        let removed = match site.component(&row.data_set) {
            Ok(component) => match component.restores() {
                Some(restores) => remove(site, restores, &row).await,
                None => Ok(()),
            },
            Err(trouble) => Err(trouble),
        };
        left.extend(removed.err().map(|trouble| format!("restore {} to {}: {trouble}", row.restore, row.place)));
    }
    Ok(left)
}

/// The point that a restore reads, if one does.
pub fn reader_of(site: &Site, point: PointId) -> Result<Option<RestoreRow>, Trouble> {
    Ok(site.ledger.restores()?.into_iter().find(|row| row.point == point))
}

fn is_under_way(site: &Site, restore: RestoreId) -> bool {
    site.restores.of(restore).lock.try_read().is_err()
}

/// What is told of this agent's restores that are not whole, of the pairs that this controller commands.
pub fn told(site: &Site, controller: Option<&str>, pairs: &[PairFacts]) -> Result<Vec<UnfinishedRestore>, Trouble> {
    let commanded =
        |pair: &PairName| pairs.iter().any(|facts| facts.pair == *pair && controller.is_some_and(|key| facts.controllers.contains(key)));
    let rows = site.ledger.restores()?.into_iter().filter(|row| commanded(&row.pair));
    Ok(rows
        .map(|row| UnfinishedRestore {
            under_way: is_under_way(site, row.restore),
            restore: row.restore,
            pair: row.pair,
            service: row.service,
            point: row.point,
            data_set: row.data_set,
            only: row.only,
            place: row.place,
        })
        .collect())
}

/// Says at an agent's start which restores a stop interrupted. Whoever asks for one again goes on with it.
pub fn tell_unfinished(site: &Site) -> Result<(), Trouble> {
    for row in site.ledger.restores()? {
        tracing::warn!(restore = %row.restore, set = %row.data_set, place = row.place, "a restore was under way when this agent stopped; it is half-made");
    }
    Ok(())
}

struct Journal {
    ledger: Arc<Ledger>,
    restore: RestoreId,
}

impl PhaseJournal for Journal {
    fn done(&self) -> Result<u32, Trouble> {
        self.ledger.restore_phases(self.restore)
    }

    fn advance(&self, count: u32) -> Result<(), Trouble> {
        self.ledger.advance_restore(self.restore, count)
    }
}
