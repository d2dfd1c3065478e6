//! Taking a promotion back: this cluster, primary since that promotion, proves that nothing was written here and stands back.
//!
//! ```text
//! fence all, read back → live data is what each point holds? ─┬─ yes: the secondary identity, durable → fenced as any secondary
//!                                                            └─ no: what was open is opened again, and the words say what was written
//! ```
//! Before the claim nothing has changed that is not undone; after it nothing can fail. The other cluster then goes on from what it holds.

use std::collections::{BTreeMap, BTreeSet};

use super::bring_up::{committed_manifests, prove};
use super::{Job, fence};
use crate::domain::switchover::machine::Decision;
use crate::domain::{Claim, DataSetName, Identity, PointId, RecoveryPoint, ServiceName, Trouble, TroubleKind};
use crate::protocol::Outcome;
use crate::store::agent::{FenceState, PairFacts};

/// Stands back for the decision, or refuses with what was written.
pub async fn stand_back(job: &Job, decision: &Decision) -> Result<Outcome, Trouble> {
    let (site, pair) = (&job.site, &job.pair);
    let facts = site.ledger.member(pair)?;
    let claim = Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id };
    let open: BTreeSet<ServiceName> = facts.active.keys().cloned().collect();
    let points = brought_up(job, &facts)?;
    // With those of services that could not be brought up.
    let own = points.values().flat_map(|point| &point.data_sets).map(|set| &set.to);
    let sets: Vec<DataSetName> = own.chain(&facts.fence.sets).cloned().collect::<BTreeSet<_>>().into_iter().collect();
    job.tell("fencing");
    let evidence = fence::put_on(site, pair, &sets).await?;
    if facts.claim != claim {
        for (service, point) in &points {
            job.tell(format!("{service}: proving that nothing was written here"));
            if let Err(trouble) = unwritten(job, point).await {
                open_again(job, &sets, &open, &points).await?;
                return Err(trouble);
            }
        }
        tracing::info!(%pair, "nothing was written here since the promotion");
        // Another decision may have come since this one was let in.
        if let Err(trouble) = site.ledger.stand_back_first(pair, claim, &sets, decision, site.clock.now()) {
            open_again(job, &sets, &open, &points).await?;
            return Err(trouble);
        }
        tracing::warn!(%pair, epoch = %decision.epoch, by = %decision.by, "promotion taken back: secondary identity taken");
    }
    site.ledger.set_fence(pair, &FenceState { wanted: true, sets, held: true, evidence: evidence.clone() })?;
    Ok(Outcome::Fenced(evidence))
}

/// The points of the services that the promotion has brought up; of those that it could not, nothing is open.
fn brought_up(job: &Job, facts: &PairFacts) -> Result<BTreeMap<ServiceName, RecoveryPoint>, Trouble> {
    let ledger = &job.site.ledger;
    let made_by = ledger.decisions(&job.pair)?.into_iter().find(|known| known.id == facts.claim.decision);
    let decided = made_by.map(|decision| decision.points).unwrap_or_default();
    let mut points = BTreeMap::new();
    for service in ledger.policies(&job.pair)? {
        let point: Option<PointId> = facts.active.get(&service.name).copied().flatten().or_else(|| decided.get(&service.name).copied());
        if let Some(row) = point.map(|point| ledger.point(point)).transpose()?.flatten()
            && ledger.applied_point(&job.pair, &service.name)? == Some(row.record.id)
        {
            points.insert(service.name, row.record);
        } else if facts.active.contains_key(&service.name) {
            return Err(refused(&service.name, "it does not run here from a recovery point: what it holds is the newest there is".into()));
        }
    }
    Ok(points)
}

/// Whether the live data is still what the point holds. The fence is up, so that it stays so.
async fn unwritten(job: &Job, point: &RecoveryPoint) -> Result<(), Trouble> {
    let manifests = committed_manifests(&job.site, point).await?;
    prove(&job.site, point, &manifests).await.map_err(|trouble| match trouble.kind {
        TroubleKind::Corrupt => refused(&point.service, format!("it was written to since the promotion: {}", trouble.reason)),
        _ => trouble,
    })
}

fn refused(service: &ServiceName, reason: String) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("service {service}"), reason)
        .next("keep the promotion; to go back and lose nothing, reverse the replication and switch over as planned")
}

/// Lifts the fence of what was open; what was closed stays closed.
async fn open_again(
    job: &Job,
    fenced: &[DataSetName],
    open: &BTreeSet<ServiceName>,
    points: &BTreeMap<ServiceName, RecoveryPoint>,
) -> Result<(), Trouble> {
    let (site, mut opened) = (&job.site, Vec::new());
    for (_, point) in points.iter().filter(|(service, _)| open.contains(*service)) {
        for set in &point.data_sets {
            opened.push((set.to.clone(), fence::root_in(site, point.id, &set.to)?));
        }
    }
    let closed: Vec<_> = fenced.iter().filter(|set| opened.iter().all(|(open, _)| open != *set)).cloned().collect();
    if let Some(why) = fence::lift(site, &opened).await.into_iter().next() {
        let reason = format!("nothing was taken back, and a fence could not be lifted again: {why}");
        return Err(Trouble::new(TroubleKind::Failed, format!("pair {}", job.pair), reason));
    }
    site.ledger.set_fence(&job.pair, &FenceState { wanted: !closed.is_empty(), sets: closed, ..FenceState::default() })
}
