//! Getting ready for a run: the slow part of a capture at the source, the proof of the targets at the target.

use std::collections::BTreeSet;

use super::{Job, capture, commit, drop, roles};
use crate::components::admission::{self, Occasion};
use crate::domain::{DataSet, DataSetName, Identity, Note, PointId, RecoveryPoint, RunId, ServiceName, Trouble, TroubleKind};
use crate::protocol::{ArmOrder, ArmReport, Outcome};
use crate::store::agent::{ArmedRow, CaptureState};
use crate::transfer::{blocking, load_manifest};

/// Carries the order out, according to this agent's identity.
pub async fn run(job: &Job, order: ArmOrder) -> Result<Outcome, Trouble> {
    if order.data_sets.is_empty() {
        return Err(Trouble::new(TroubleKind::Invalid, format!("service {}", order.service), "it has no data sets"));
    }
    if job.site.ledger.is_run_dropped(order.run)? {
        return Err(Trouble::new(TroubleKind::Refused, format!("run {}", order.run), "it was dropped").next("start a new run"));
    }
    let report = match roles::identity(job)? {
        Identity::Primary => source(job, &order).await?,
        Identity::Secondary => target(job, &order).await?,
        Identity::Unknown => {
            let reason = "its identity is not confirmed since it started";
            return Err(Trouble::new(TroubleKind::Refused, format!("agent {}", job.site.cluster), reason));
        }
    };
    Ok(Outcome::Armed(report))
}

async fn source(job: &Job, order: &ArmOrder) -> Result<ArmReport, Trouble> {
    let mut notes = Vec::new();
    let from: Vec<&DataSetName> = order.data_sets.iter().map(|set| &set.from).collect();
    admission::apart(&job.site.components, &from).await?;
    for set in &order.data_sets {
        notes.extend(job.site.component(&set.from)?.arm(&set.from.path).await?);
    }
    let mut warnings = said(job, order, &notes)?;
    warnings.extend(sweep(job, order).await?);
    let held_points = held_points(job, &order.service, &from).await?.into_iter().filter(|held| held.run != order.run);
    let held_points = held_points.map(|held| held.point).collect();
    Ok(ArmReport { last_point: None, held_points, drift: Vec::new(), warnings })
}

/// Keeps what was said for the run's point; in words.
fn said(job: &Job, order: &ArmOrder, notes: &[Note]) -> Result<Vec<String>, Trouble> {
    job.site.ledger.note_said(&job.pair, &order.service, order.run, "arm", notes)?;
    Ok(notes.iter().map(Note::to_string).collect())
}

/// Releases what earlier runs of the service could not: this service has no two runs at once.
async fn sweep(job: &Job, order: &ArmOrder) -> Result<Vec<String>, Trouble> {
    let mut leftovers = Vec::new();
    for row in job.site.ledger.captures_of(&job.pair, &order.service)? {
        if row.run != order.run && !matches!(row.state, CaptureState::Done(_) | CaptureState::Kept(_)) {
            // Asked for again, however late, it is not taken at another moment.
            job.site.ledger.note_dropped(row.run, row.point)?;
            leftovers.extend(capture::release(&job.site, &row).await?);
        }
    }
    Ok(leftovers)
}

/// A point that this cluster holds of a service.
pub(super) struct Held {
    pub point: PointId,
    pub run: RunId,
}

/// Points of the service that are captured or sealed here with all of these data sets, and whose snapshots the components still have.
pub(super) async fn held_points(job: &Job, service: &ServiceName, names: &[&DataSetName]) -> Result<Vec<Held>, Trouble> {
    let mut there: BTreeSet<(DataSetName, PointId)> = BTreeSet::new();
    for (name, component) in &job.site.components {
        if names.iter().any(|set| set.component == *name) {
            let own = component.snapshots().await?;
            there.extend(own.into_iter().map(|own| (DataSetName { component: own.component, path: own.path }, own.point)));
        }
    }
    let ledger = &job.site.ledger;
    let captured = ledger.captures_of(&job.pair, service)?.into_iter().filter(|row| matches!(row.state, CaptureState::Done(_)));
    let captured = captured.map(|row| (Held { point: row.point, run: row.run }, row.data_sets));
    // After a promotion the new primary's captures are told against what it sealed as a secondary.
    let sealed = ledger.points_of(&job.pair, service)?.into_iter().map(|row| row.record);
    let sealed = sealed.filter(|record| record.sealed_at.is_some() && record.to == job.site.cluster);
    let sealed = sealed.map(|record| {
        let sets = record.data_sets.iter().map(|set| set.to.clone()).collect::<Vec<_>>();
        (Held { point: record.id, run: record.run }, sets)
    });
    let whole =
        |held: &Held, sets: &[DataSetName]| names.iter().all(|set| sets.contains(set) && there.contains(&((*set).clone(), held.point)));
    Ok(captured.chain(sealed).filter(|(held, sets)| whole(held, sets)).map(|(held, _)| held).collect())
}

async fn target(job: &Job, order: &ArmOrder) -> Result<ArmReport, Trouble> {
    let site = &job.site;
    let mut warnings = sweep(job, order).await?;
    // The last point first: nothing is told about a live tree that is on its way.
    for row in site.ledger.points_of(&job.pair, &order.service)?.into_iter().filter(|row| !row.sealed) {
        if commit::is_current(site, &row.record)? {
            commit::settle(site, row.record.id, &job.progress).await?;
        } else {
            warnings.extend(drop::retire(site, &row.record).await?);
        }
    }
    for row in site.ledger.stagings_of(&job.pair, &order.service)? {
        if row.armed.run != order.run && site.ledger.point(row.point)?.is_none() {
            warnings.extend(drop::discard(site, &row).await?);
        }
    }
    warnings.extend(said(job, order, &admitted(job, order).await?)?);
    let last = site.ledger.newest_sealed(&job.pair, &order.service)?;
    if let Some(last) = &last
        && site.ledger.applied_point(&job.pair, &order.service)?.is_none()
    {
        go_back(job, last).await?;
    }
    let drift = prove(job, &order.data_sets, last.as_ref()).await?;
    site.ledger.note_armed(&ArmedRow {
        run: order.run,
        pair: job.pair.clone(),
        service: order.service.clone(),
        data_sets: order.data_sets.clone(),
    })?;
    let last_point = last.filter(|point| order.data_sets.iter().all(|set| covers(point, set))).map(|point| point.id);
    Ok(ArmReport { last_point, held_points: Vec::new(), drift, warnings })
}

/// What this cluster says of the data sets before anything is captured for it.
async fn admitted(job: &Job, order: &ArmOrder) -> Result<Vec<Note>, Trouble> {
    let to: Vec<&DataSetName> = order.data_sets.iter().map(|set| &set.to).collect();
    admission::apart(&job.site.components, &to).await?;
    let mut notes = Vec::new();
    for set in to {
        notes.extend(admission::admit(job.site.component(set)?.as_ref(), &set.path, Occasion::Run).await?);
    }
    Ok(notes)
}

/// What is live is of no point: one that was given up could not be taken back everywhere. That is made good before anything is told about it.
async fn go_back(job: &Job, last: &RecoveryPoint) -> Result<(), Trouble> {
    job.tell(format!("going back to point {}", last.id));
    for set in &last.data_sets {
        let Some((point, manifest)) = expected(job, &set.to, Some(last)).await? else { continue };
        let component = job.site.component(&set.to)?;
        component.take_back(&set.to.path, point, &manifest, Some((point, &manifest))).await?;
    }
    job.site.ledger.note_applied(&last.pair, &last.service, Some(last.id))
}

/// A point is no base for a service that has got other data sets since.
fn covers(point: &RecoveryPoint, set: &DataSet) -> bool {
    point.data_sets.iter().any(|known| known.name == set.from && known.to == set.to)
}

/// Fences the targets and tells where they are not what the last point left. What is not ours is refused before it is touched.
async fn prove(job: &Job, sets: &[DataSet], last: Option<&RecoveryPoint>) -> Result<Vec<String>, Trouble> {
    let mut drift = Vec::new();
    for set in sets {
        let component = job.site.component(&set.to)?;
        let expected = expected(job, &set.to, last).await?;
        match &expected {
            None => {
                drift.extend(component.drift(&set.to.path, None).await?);
                component.fence(&set.to.path).await?;
            }
            Some((point, manifest)) => {
                component.fence(&set.to.path).await?;
                drift.extend(component.drift(&set.to.path, Some((*point, manifest))).await?);
            }
        }
    }
    Ok(drift)
}

/// What the live data set should be: the last sealed point's manifest of it.
pub(super) async fn expected(
    job: &Job,
    set: &DataSetName,
    last: Option<&RecoveryPoint>,
) -> Result<Option<(PointId, crate::domain::Manifest)>, Trouble> {
    let Some(point) = last.map(|last| last.id) else { return Ok(None) };
    let (ledger, set) = (job.site.ledger.clone(), set.clone());
    let manifest = blocking(move || load_manifest(&ledger, point, &set)).await?;
    Ok(manifest.map(|manifest| (point, manifest)))
}
