//! Reverse replication at the old primary: it becomes the target of the other direction.
//!
//! ```text
//! peer's sealed point and manifests → still held here? → fence, read back → drift ─┬─ none ──────────────────────┐
//!                                                                                 └─ kept under snapshots of its own ┤
//!                          adopted in ONE ledger transaction ← proven ← live data back at the point (rebase) ←───────┘
//! ```
//! Where this cluster was itself promoted from that point, and then lost, the sealed point and its manifests are its own.
//! What was written here after the common point is kept before anything goes back (invariant 12). From then on an ordinary run copies
//! what the new primary has that the common point has not. Every step may be repeated: an adopted service is not touched again.

use std::collections::BTreeMap;

use super::bring_up::committed_manifests;
use super::{Job, arm, capture, roles};
use crate::domain::switchover::machine::Reversal;
use crate::domain::{
    DataSetName, Identity, Manifest, PointDataSet, PointId, RecoveryPoint, RunId, Service, ServiceName, Trouble, TroubleKind,
};
use crate::protocol::{HeldPoint, KeptWrites, Outcome, ReverseOrder, ReverseReport, ServiceReversed};
use crate::store::agent::{CaptureRow, CaptureState, StoredManifest};
use crate::transfer::{Remote, blocking};

/// Carries the order out, service by service. The first that cannot be turned ends it; those before it stay turned.
pub async fn run(job: &Job, order: ReverseOrder) -> Result<Outcome, Trouble> {
    roles::require(job, Identity::Secondary)?;
    let mut services = BTreeMap::new();
    for (service, point) in &order.reversal.points {
        services.insert(service.clone(), turn(job, &order.reversal, service, *point).await?);
    }
    Ok(Outcome::Reversed(ReverseReport { services }))
}

/// A service's common point, seen from here.
struct Common {
    point: RecoveryPoint,
    policy: Service,
    manifests: Vec<(DataSetName, Manifest)>,
    /// It was sealed here, and captured at the peer: this cluster was promoted from it, and stands by again.
    is_own: bool,
}

async fn turn(job: &Job, reversal: &Reversal, service: &ServiceName, point: PointId) -> Result<ServiceReversed, Trouble> {
    let ledger = &job.site.ledger;
    let newest = ledger.newest_sealed(&job.pair, service)?;
    if let Some(newest) = newest.filter(|newest| newest.to == job.site.cluster && newest.epoch == job.epoch) {
        // It is the target already, of this or of a later point.
        return Ok(ServiceReversed { kept: kept_after(job, service, point)?, point: newest });
    }
    job.tell(format!("{service}: asking {} for point {point}", roles::peer(job)?.cluster));
    let common = match own(job, point).await? {
        Some(common) => common,
        None => common_of_peer(job, service, point).await?,
    };
    let sets: Vec<DataSetName> = common.manifests.iter().map(|(set, _)| set.clone()).collect();
    check_held(job, service, point, &sets).await?;
    job.tell(format!("{service}: fencing"));
    for set in &sets {
        job.site.component(set)?.fence(&set.path).await?;
    }
    // What an earlier attempt kept counts while the data is on its way back. Before, it may be of another time that this cluster stood
    // back from the same point, and what was written since would be lost.
    let going_back = ledger.applied_point(&job.pair, service)?.is_none();
    let kept = match kept_after(job, service, point)?.filter(|_| going_back) {
        Some(kept) => Some(kept),
        None if has_drifted(job, &common).await? => Some(keep(job, reversal, service, point, &sets).await?),
        None => None,
    };
    job.tell(format!("{service}: going back to point {point}"));
    ledger.note_applied(&job.pair, service, None)?;
    tracing::info!(%service, %point, "going back to the common point");
    for (set, manifest) in &common.manifests {
        let component = job.site.component(set)?;
        match common.is_own {
            true => component.restore(&set.path, point, manifest).await?,
            false => component.rebase(&set.path, point, manifest).await?,
        }
        component.fence(&set.path).await?;
    }
    if has_drifted(job, &common).await? {
        let reason = "its live data is not what the point holds after going back to it";
        return Err(
            Trouble::new(TroubleKind::Corrupt, format!("service {service}"), reason).next("look at what writes there, then try again")
        );
    }
    let (ledger, adopted) = (ledger.clone(), common.point.clone());
    blocking(move || {
        let manifests: Vec<_> = common.manifests.iter().map(|(set, manifest)| (set.clone(), StoredManifest::of(manifest))).collect();
        ledger.adopt_point(&adopted, &common.policy, &manifests)
    })
    .await?;
    tracing::warn!(%service, %point, kept = kept.is_some(), "this cluster is the target now");
    Ok(ServiceReversed { point: common.point, kept })
}

/// The point, if it was sealed here.
async fn own(job: &Job, point: PointId) -> Result<Option<Common>, Trouble> {
    let row = job.site.ledger.point(point)?.filter(|row| row.sealed && row.record.to == job.site.cluster);
    let Some(row) = row else { return Ok(None) };
    let manifests = committed_manifests(&job.site, &row.record).await?;
    let manifests = row.record.data_sets.iter().map(|set| set.to.clone()).zip(manifests).collect();
    Ok(Some(Common { point: RecoveryPoint { epoch: job.epoch, ..row.record }, policy: row.policy, manifests, is_own: true }))
}

/// Asks the peer for the point and its manifests; each must be the very one that the point names.
async fn common_of_peer(job: &Job, service: &ServiceName, point: PointId) -> Result<Common, Trouble> {
    let peer = roles::peer(job)?;
    let HeldPoint { point: record, policy } = peer.point(point).await?;
    let here = &job.site.cluster;
    if record.pair != job.pair || record.service != *service || record.from != *here || record.to != peer.cluster {
        let reason = format!("it is of pair {}, service {}, from {} to {}", record.pair, record.service, record.from, record.to);
        return Err(Trouble::new(TroubleKind::Refused, format!("point {point}"), reason).next("begin the reversal again"));
    }
    let mut manifests = Vec::with_capacity(record.data_sets.len());
    for set in &record.data_sets {
        manifests.push((set.name.clone(), manifest(&peer, point, set).await?));
    }
    Ok(Common { point: record.reversed(job.epoch), policy: policy.reversed(), manifests, is_own: false })
}

/// The manifest of one data set, by its name here, of a point that was captured here and sealed at the peer.
pub(super) async fn manifest_of_peer(job: &Job, service: &ServiceName, point: PointId, name: &DataSetName) -> Result<Manifest, Trouble> {
    let peer = roles::peer(job)?;
    let HeldPoint { point: record, .. } = peer.point(point).await?;
    let set = record.data_sets.iter().find(|set| set.name == *name);
    match set.filter(|_| record.pair == job.pair && record.service == *service && record.to == peer.cluster) {
        Some(set) => manifest(&peer, point, set).await,
        None => {
            let reason = format!("point {point} of {} has no such data set", peer.cluster);
            Err(Trouble::new(TroubleKind::NotFound, name, reason).next("choose another recovery point"))
        }
    }
}

/// Read and digested beside the other tasks: it may be long.
async fn manifest(peer: &Remote, point: PointId, part: &PointDataSet) -> Result<Manifest, Trouble> {
    let text = peer.manifest(point, &part.to).await?;
    let (object, named, cluster) = (part.to.to_string(), part.manifest, peer.cluster.clone());
    blocking(move || {
        let manifest = Manifest::from_json_lines(&text).map_err(|trouble| Trouble { object: object.clone(), ..trouble })?;
        if Some(manifest.digest()) == named {
            return Ok(manifest);
        }
        let reason = format!("the manifest that {cluster} tells is not the one that point {point} names");
        Err(Trouble::new(TroubleKind::Corrupt, object, reason).next("choose another point: run a full copy"))
    })
    .await
}

/// Differences can only be told against a point that this cluster holds itself.
async fn check_held(job: &Job, service: &ServiceName, point: PointId, sets: &[DataSetName]) -> Result<(), Trouble> {
    let names: Vec<&DataSetName> = sets.iter().collect();
    if arm::held_points(job, service, &names).await?.iter().any(|held| held.point == point) {
        return Ok(());
    }
    let reason = format!("{} no longer holds its snapshots of the common point {point}", job.site.cluster);
    Err(Trouble::new(TroubleKind::Refused, format!("service {service}"), reason)
        .next("keep what you need of its data there, empty its data sets, and pair the clusters anew: a full copy follows"))
}

/// Whether the live data is anything else than the common point.
async fn has_drifted(job: &Job, common: &Common) -> Result<bool, Trouble> {
    for (set, manifest) in &common.manifests {
        let drift = job.site.component(set)?.drift(&set.path, Some((common.point.id, manifest))).await?;
        if !drift.is_empty() {
            tracing::info!(%set, ?drift, "written after the common point");
            return Ok(true);
        }
    }
    Ok(false)
}

/// What was kept last after a point.
pub(super) fn kept_after(job: &Job, service: &ServiceName, point: PointId) -> Result<Option<KeptWrites>, Trouble> {
    let rows = job.site.ledger.captures_of(&job.pair, service)?;
    Ok(rows.iter().filter_map(CaptureRow::kept).filter(|kept| kept.after == point).max_by_key(|kept| kept.id).cloned())
}

/// Captures all data sets, fenced as they are, and counts what differs from the common point.
async fn keep(job: &Job, reversal: &Reversal, service: &ServiceName, after: PointId, sets: &[DataSetName]) -> Result<KeptWrites, Trouble> {
    let (site, ledger) = (&job.site, &job.site.ledger);
    let id = reversal.keep.get(service).copied().ok_or_else(|| {
        Trouble::new(TroubleKind::Invalid, format!("service {service}"), "no id is given under which its own writes would be kept")
    })?;
    job.tell(format!("{service}: keeping what was written after point {after}"));
    tracing::warn!(%service, %after, kept = %id, "keeping what was written here after the common point");
    if let Some(halves) = ledger.capture(id)? {
        capture::release(site, &halves).await?;
    }
    let mut row = CaptureRow {
        point: id,
        run: RunId(id.0),
        pair: job.pair.clone(),
        service: service.clone(),
        data_sets: sets.to_vec(),
        state: CaptureState::Taking,
    };
    ledger.note_capture(&row)?;
    let mut changed = BTreeMap::new();
    for set in sets {
        let component = site.component(set)?;
        component.capture(&set.path, id).await?;
        // Some components write a capture out only when it is asked for; and a person wants to know how much it is.
        let changes = component.changes(&set.path, id, Some(after)).await?;
        changed.insert(set.clone(), changes.changes.len() as u64);
    }
    let kept = KeptWrites { id, service: service.clone(), after, at: site.clock.now(), changed };
    row.state = CaptureState::Kept(kept.clone());
    ledger.note_capture(&row)?;
    Ok(kept)
}
