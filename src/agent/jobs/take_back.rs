//! Taking a promotion back: this cluster, primary since that promotion, proves that nothing was written here and stands back.
//!
//! ```text
//! fence all, read back → live data is what each point holds? ─┬─ yes: the secondary identity, durable → fenced as any secondary
//!                                                            └─ no: what was open is opened again, and the words say what was written
//! broken off before the claim, by whatever → the watch of the fence opens it again
//! ```
//! Before the claim nothing has changed that is not undone, here and by itself: a console that is lost for good leaves no fence behind.
//! After it nothing can fail, and the other cluster goes on from what it holds.

use std::collections::{BTreeMap, BTreeSet};

use super::bring_up::{committed_manifests, prove};
use super::{Job, Site, fence};
use crate::domain::switchover::machine::Decision;
use crate::domain::{Claim, DataSetName, Identity, PairName, PointId, RecoveryPoint, ServiceName, Trouble, TroubleKind};
use crate::protocol::Outcome;
use crate::store::agent::{FenceState, PairFacts};

/// Stands back for the decision, or refuses with what was written.
pub async fn stand_back(job: &Job, decision: &Decision) -> Result<Outcome, Trouble> {
    let (site, pair) = (&job.site, &job.pair);
    let facts = site.ledger.member(pair)?;
    let claim = Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id };
    if facts.claim == claim {
        // Broken off behind the claim.
        return fence::put_on(site, pair, FenceState::of(&facts.fence.sets)).await.map(Outcome::Fenced);
    }
    match prove_and_stand_back(job, &facts, claim, decision).await {
        Ok(evidence) => Ok(Outcome::Fenced(evidence)),
        Err(mut trouble) => {
            if let Err(why) = open_left(site, pair).await {
                trouble.reason =
                    format!("{}; what it had fenced for that could not be opened again yet, which is tried on: {why}", trouble.reason);
            }
            Err(trouble)
        }
    }
}

async fn prove_and_stand_back(job: &Job, facts: &PairFacts, claim: Claim, decision: &Decision) -> Result<Vec<String>, Trouble> {
    let (site, pair) = (&job.site, &job.pair);
    let points = brought_up(site, facts)?;
    // With those of services that could not be brought up.
    let own = points.values().flat_map(|point| &point.data_sets).map(|set| &set.to);
    let sets: Vec<DataSetName> = own.chain(&facts.fence.sets).cloned().collect::<BTreeSet<_>>().into_iter().collect();
    job.tell("fencing");
    let evidence = fence::put_on(site, pair, FenceState { proving: true, ..FenceState::of(&sets) }).await?;
    tracing::info!(%pair, "fenced: what is live is held against its points");
    for (service, point) in &points {
        job.tell(format!("{service}: proving that nothing was written here"));
        unwritten(site, point).await?;
    }
    tracing::info!(%pair, "nothing was written here since the promotion");
    // Another decision may have come since this one was let in.
    site.ledger.stand_back_first(pair, claim, &sets, decision, site.clock.now())?;
    tracing::warn!(%pair, epoch = %decision.epoch, by = %decision.by, "promotion taken back: secondary identity taken");
    site.ledger.set_fence(pair, &FenceState { held: true, evidence: evidence.clone(), ..FenceState::of(&sets) })?;
    Ok(evidence)
}

/// The points of the services that the promotion has brought up; of those that it could not, nothing is open.
fn brought_up(site: &Site, facts: &PairFacts) -> Result<BTreeMap<ServiceName, RecoveryPoint>, Trouble> {
    let (ledger, pair) = (&site.ledger, &facts.pair);
    let made_by = ledger.decisions(pair)?.into_iter().find(|known| known.id == facts.claim.decision);
    let decided = made_by.map(|decision| decision.points).unwrap_or_default();
    let mut points = BTreeMap::new();
    for service in ledger.policies(pair)? {
        let point: Option<PointId> = facts.active.get(&service.name).copied().flatten().or_else(|| decided.get(&service.name).copied());
        if let Some(row) = point.map(|point| ledger.point(point)).transpose()?.flatten()
            && ledger.applied_point(pair, &service.name)? == Some(row.record.id)
        {
            points.insert(service.name, row.record);
        } else if facts.active.contains_key(&service.name) {
            return Err(refused(&service.name, "it does not run here from a recovery point: what it holds is the newest there is".into()));
        }
    }
    Ok(points)
}

/// Whether the live data is still what the point holds. The fence is up, so that it stays so.
async fn unwritten(site: &Site, point: &RecoveryPoint) -> Result<(), Trouble> {
    let manifests = committed_manifests(site, point).await?;
    prove(site, point, &manifests).await.map_err(|trouble| match trouble.kind {
        TroubleKind::Corrupt => refused(&point.service, format!("it was written to since the promotion: {}", trouble.reason)),
        _ => trouble,
    })
}

fn refused(service: &ServiceName, reason: String) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("service {service}"), reason)
        .next("keep the promotion; to go back and lose nothing, reverse the replication and switch over as planned")
}

/// Opens again what was open before a proof that came to nothing: it was refused, or broken off and nobody asks for it any more. What was
/// closed stays closed. The caller holds the site's `identity`; a fence that is not of a proof stays as it is.
pub async fn open_left(site: &Site, pair: &PairName) -> Result<(), Trouble> {
    let facts = site.ledger.member(pair)?;
    if !facts.opens_again() {
        return Ok(());
    }
    let mut opened = Vec::new();
    for (_, point) in brought_up(site, &facts)?.iter().filter(|(service, _)| facts.active.contains_key(*service)) {
        for set in &point.data_sets {
            opened.push((set.to.clone(), fence::root_in(site, point.id, &set.to)?));
        }
    }
    if let Some(why) = fence::lift(site, &opened).await.into_iter().next() {
        return Err(Trouble::new(TroubleKind::Failed, format!("pair {pair}"), format!("a fence could not be lifted again: {why}")));
    }
    let closed: Vec<_> = facts.fence.sets.iter().filter(|set| opened.iter().all(|(open, _)| open != *set)).cloned().collect();
    tracing::warn!(%pair, "it stays primary: what was fenced to prove that nothing was written here is open again");
    site.ledger.keep_fenced(pair, &closed)
}
