//! Changes of identity, each by a person's decision: promotion, demotion, and taking a planned demotion's fence back.
//!
//! The claim is durable before any effect (invariant 2): a promotion that is cut short anywhere is carried on with by the
//! same decision, and a demoted cluster has closed its route before its fence goes up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Job, Site, bring_up, commit, drop as dropping, fence, reverse, take_back};
use crate::domain::switchover::machine::Decision;
use crate::domain::{Claim, DataSetName, Entry, Identity, PairName, PointId, Service, Trouble, TroubleKind};
use crate::protocol::{DemoteOrder, Outcome, PromoteOrder, PromoteReport};
use crate::store::agent::{FenceState, InstructionState, rules};

/// How long a promotion waits for work on a committed point that is under way.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Takes the primary identity and brings each service to its point. A service that cannot be brought up stays closed and does not hold
/// the others; sent again with the same decision, only those are tried again. While a person is to look at them first, all stay closed;
/// once they have committed the promotion, the decision comes without its hold.
pub async fn promote(job: &Job, order: PromoteOrder) -> Result<Outcome, Trouble> {
    let site = &job.site;
    let decision = rules::as_first_told(&site.ledger.decisions(&job.pair)?, order.decision);
    let claim = Claim { identity: Identity::Primary, epoch: decision.epoch, decision: decision.id };
    site.ledger.set_claim(&job.pair, claim, Some(&decision), site.clock.now())?;
    tracing::warn!(pair = %job.pair, epoch = %decision.epoch, by = %decision.by, "primary identity taken");
    take_back::open_left(site, &job.pair).await?;
    if let Err(trouble) = commit::resume(site).await {
        // Told service by service below, where it matters.
        tracing::error!(%trouble, "a committed point could not be finished");
    }
    let mut report = PromoteReport { epoch: decision.epoch, services: BTreeMap::new(), failed: BTreeMap::new() };
    // An order from before the commit that comes late closes nothing any more.
    let committed = site.ledger.decisions(&job.pair)?.iter().any(|known| known.id == decision.id && !known.hold);
    let hold = decision.hold && !committed;
    let facts = site.ledger.member(&job.pair)?;
    if facts.is_past(decision.epoch) {
        report.services = facts.active.into_iter().filter_map(|(service, point)| Some((service, point?))).collect();
        return Ok(Outcome::Promoted(report));
    }
    let active = facts.active;
    for service in site.ledger.policies(&job.pair)? {
        job.tell(format!("bringing up {}", service.name));
        // Where it goes on from its own data, the fence of a planned switchover may still stand; once it was opened by this decision it
        // is as open as it can be, whatever ails its component now.
        let is_open = decision.live.is_none() || site.ledger.opened(&job.pair, &service.name)? == Some(decision.id);
        if let Some(point) = active.get(&service.name).filter(|_| is_open) {
            // It was in use here before; its data is the newest there is.
            point.or_else(|| decision.points.get(&service.name).copied()).map(|point| report.services.insert(service.name, point));
            continue;
        }
        let started = match drop_unsealed(job, &decision, &service).await {
            Err(trouble) => Err(trouble),
            Ok(()) if decision.live.is_some() => reopen(job, &decision, &service).await.map(|()| None),
            Ok(()) => start_service(job, &decision, &service, hold).await.map(Some),
        };
        match started {
            Ok(point) => drop(point.map(|point| report.services.insert(service.name, point))),
            Err(trouble) => {
                tracing::error!(service = %service.name, %trouble, "service not brought up");
                report.failed.insert(service.name, trouble);
            }
        }
    }
    keep_fence_of(job, &report, &decision, hold)?;
    Ok(Outcome::Promoted(report))
}

/// What was committed and not sealed before this promotion never will be: it goes off the list, so that its run ends, and its snapshots are
/// released when its service is armed next. Work on it that is under way is waited for: it must not go on beside the promotion.
async fn drop_unsealed(job: &Job, decision: &Decision, service: &Service) -> Result<(), Trouble> {
    let site = &job.site;
    for row in site.ledger.points_of(&job.pair, &service.name)?.into_iter().filter(|row| !row.sealed) {
        let point = row.record.id;
        if decision.points.get(&service.name) == Some(&point) {
            continue;
        }
        let gate = site.gates.of(point);
        let busy = || Trouble::new(TroubleKind::Unreachable, format!("point {point}"), "its apply has not stopped yet");
        let alone = tokio::time::timeout(STOP_LIMIT, gate.lock.write()).await.map_err(|_| busy())?;
        // It may just have been sealed: then it stays, as a point that nobody decided for.
        if site.ledger.point(point)?.is_some_and(|row| !row.sealed) {
            tracing::warn!(%point, "committed and never sealed: dropped by the promotion");
            site.ledger.retire_point(&dropping::leftover_of(&row.record))?;
        }
        site.tries.over(point);
        drop(alone);
        site.gates.forget(point);
    }
    Ok(())
}

/// What could not be brought up, or waits for a person to look at it, stays fenced; the rest no longer is.
fn keep_fence_of(job: &Job, report: &PromoteReport, decision: &Decision, hold: bool) -> Result<(), Trouble> {
    let ledger = &job.site.ledger;
    let active = ledger.member(&job.pair)?.active;
    let services = ledger.policies(&job.pair)?;
    let closed = |service: &&Service| report.failed.contains_key(&service.name) || (hold && !active.contains_key(&service.name));
    // What goes on from its own data was primary before.
    let was = if decision.live.is_some() { Identity::Primary } else { Identity::Secondary };
    let mut sets = Vec::new();
    for service in services.iter().filter(closed) {
        sets.extend(fence::names_here(&job.site, service, was)?);
    }
    ledger.settle_fence(&job.pair, report.epoch, &sets)
}

/// The service goes on from what is live here, as before it lost this cluster: its promotion elsewhere was taken back, or is lost.
async fn reopen(job: &Job, decision: &Decision, service: &Service) -> Result<(), Trouble> {
    let site = &job.site;
    if let Some(point) = decision.points.get(&service.name) {
        make_whole(job, service, *point).await?;
    }
    let sets = fence::with_true_roots(site, &job.pair, fence::names_here(site, service, Identity::Primary)?)?;
    open(job, decision, service, &sets, None).await?;
    tracing::warn!(service = %service.name, "service active here again");
    site.ledger.note_opened(&job.pair, &service.name, decision.id)
}

/// What is live here must be one state: what this cluster had, or, where it was made the target of the other direction, a whole
/// point. Between the two it may have gone back part of the way; what it had is kept.
async fn make_whole(job: &Job, service: &Service, common: PointId) -> Result<(), Trouble> {
    let (site, pair) = (&job.site, &job.pair);
    // Of this or of a later point; while it goes back it is of none.
    if let Some(applied) = site.ledger.applied_point(pair, &service.name)? {
        let Some(row) = site.ledger.point(applied)? else { return Ok(()) };
        for (set, manifest) in row.record.data_sets.iter().zip(&bring_up::committed_manifests(site, &row.record).await?) {
            site.component(&set.to)?.make_live(&set.to.path, applied, manifest).await?;
        }
        return Ok(());
    }
    match reverse::kept_after(job, &service.name, common)? {
        Some(kept) => {
            let reason = format!("its data was going back to point {common} when its direction was being turned, and may be part of each");
            Err(Trouble::new(TroubleKind::Refused, format!("service {}", service.name), reason)
                .next(format!("bring the other cluster back; or restore it by hand from its kept writes {}", kept.id)))
        }
        None => Ok(()),
    }
}

/// Lifts the fence of a service's data sets, and then lets applications use it.
async fn open(
    job: &Job,
    decision: &Decision,
    service: &Service,
    sets: &[(DataSetName, Option<Entry>)],
    point: Option<PointId>,
) -> Result<(), Trouble> {
    if let Some(why) = fence::lift(&job.site, sets).await.into_iter().next() {
        let reason = format!("its fence could not be lifted: {why}");
        return Err(Trouble::new(TroubleKind::Failed, format!("service {}", service.name), reason));
    }
    job.site.ledger.activate(&job.pair, decision.epoch, &service.name, point)
}

async fn start_service(job: &Job, decision: &Decision, service: &Service, hold: bool) -> Result<PointId, Trouble> {
    let site = &job.site;
    let decided = decision.points.get(&service.name).copied().ok_or_else(|| {
        Trouble::new(TroubleKind::Refused, format!("service {}", service.name), "the decision names no recovery point for it")
            .next("it was never sealed here, or was left out; decide again with a point for it")
    })?;
    let newest = site.ledger.newest_sealed(&job.pair, &service.name)?.filter(|newest| newest.to == site.cluster);
    let point = rules::resumes_from(decided, site.ledger.point(decided)?.is_some(), newest.map(|newest| newest.id));
    if point != decided {
        tracing::warn!(service = %service.name, %decided, %point, "the decided point is held no more: a later one is brought up");
    }
    let held = site.ledger.point(point)?;
    if let Some(row) = &held
        && row.record.pair != job.pair
    {
        return Err(Trouble::new(TroubleKind::Refused, format!("point {point}"), format!("it belongs to pair {}", row.record.pair)));
    }
    let record = match held {
        // Broken off after the fence began to come down: what is live may hold more than the point by now, and stays.
        Some(row) if site.ledger.opened(&job.pair, &service.name)? == Some(decision.id) => row.record,
        _ => bring_up::bring_up(site, &service.name, point).await?,
    };
    if hold {
        tracing::warn!(service = %service.name, %point, "service up and held: a person looks at it first");
        return Ok(point);
    }
    site.ledger.note_opened(&job.pair, &service.name, decision.id)?;
    tracing::info!(service = %service.name, %point, "fence coming down");
    let sets = record.data_sets.iter().map(|set| fence::root_in(site, point, &set.to).map(|root| (set.to.clone(), root)));
    let sets = sets.collect::<Result<Vec<_>, _>>()?;
    open(job, decision, service, &sets, Some(point)).await?;
    tracing::warn!(service = %service.name, %point, "service active here");
    Ok(point)
}

/// Fences all data sets and reads that back; unless it is only the fence of a planned switchover, takes the secondary identity first.
pub async fn demote(job: &Job, order: DemoteOrder) -> Result<Outcome, Trouble> {
    let site = &job.site;
    if order.decision.take_back && !order.fence_only {
        return take_back::stand_back(job, &order.decision).await;
    }
    // As they are called while this cluster is still primary.
    let facts = site.ledger.member(&job.pair)?;
    let sets = fence::sets_here(site, &facts)?;
    if order.fence_only {
        rules::may_still_fence(&order.decision, site.ledger.instruction(order.decision.unfence)?.as_ref())?;
        let captured = rules::captured_under_fence(&site.ledger.decisions(&job.pair)?, &order.decision);
        if !captured.is_empty() {
            return fence::prove_unpassed(job, &facts, &captured).await.map(Outcome::Fenced);
        }
        site.ledger.keep_decision(&job.pair, &order.decision, site.clock.now())?;
    } else {
        step_down(&job.site, &job.pair, &order.decision, &sets)?;
    }
    job.tell("fencing");
    let planned = order.fence_only.then_some(facts.claim.epoch);
    fence::put_on(site, &job.pair, FenceState { planned, ..FenceState::of(&sets) }).await.map(Outcome::Fenced)
}

fn step_down(site: &Site, pair: &PairName, decision: &Decision, sets: &[DataSetName]) -> Result<(), Trouble> {
    let claim = Claim { identity: Identity::Secondary, epoch: decision.epoch, decision: decision.id };
    site.ledger.stand_back(pair, claim, sets, Some(decision), site.clock.now())?;
    tracing::warn!(%pair, epoch = %decision.epoch, by = %decision.by, "secondary identity taken");
    Ok(())
}

/// The other cluster holds the primary identity of a higher epoch: this one stands back and fences its data, without being told to.
pub fn give_way(site: &Arc<Site>, pair: &PairName, theirs: Claim) -> Result<(), Trouble> {
    let facts = site.ledger.member(pair)?;
    let was_primary = facts.claim.identity == Identity::Primary;
    let sets = fence::sets_here(site, &facts)?;
    if was_primary {
        site.ledger.stand_back(pair, theirs, &sets, None, site.clock.now())?;
    } else {
        site.ledger.set_claim(pair, Claim { identity: Identity::Secondary, ..theirs }, None, site.clock.now())?;
    }
    tracing::warn!(%pair, epoch = %theirs.epoch, "the other cluster is primary of a higher epoch: secondary identity taken");
    if was_primary {
        // Beside the watch: a component that hangs must not blind it. What fails here is tried again by the look at the fence.
        let (site, pair) = (site.clone(), pair.clone());
        let claim = Claim { identity: Identity::Secondary, ..theirs };
        tokio::spawn(async move {
            let _alone = site.identity.lock().await;
            if let Err(trouble) = fence::put_on_behind(&site, &pair, &sets, claim).await {
                tracing::error!(%pair, %trouble, "the fence is not up yet");
            }
        });
    }
    Ok(())
}

/// Lifts the fence of a planned switchover that failed before its promotion.
pub async fn unfence(job: &Job, order: DemoteOrder) -> Result<Outcome, Trouble> {
    let site = &job.site;
    let facts = site.ledger.member(&job.pair)?;
    if order.decision.from != site.cluster || facts.claim.identity != Identity::Primary {
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {}", job.pair), "only a primary's own fence is lifted this way"));
    }
    // Nobody who asks for the fence again is told that it is up: a controller on an old state would go on with the switchover.
    let given_up = InstructionState::Failed(rules::fence_given_up(&order.decision));
    site.ledger.end_instruction(order.decision.demote, &given_up, site.clock.now())?;
    job.tell("lifting the fence");
    let sets = fence::with_true_roots(site, &job.pair, fence::sets_here(site, &facts)?)?;
    if let Some(why) = fence::lift(site, &sets).await.into_iter().next() {
        return Err(Trouble::new(TroubleKind::Failed, pair_text(&job.pair), format!("the fence could not be lifted: {why}")));
    }
    site.ledger.set_fence(&job.pair, &FenceState::default())?;
    Ok(Outcome::Done)
}

fn pair_text(pair: &PairName) -> String {
    format!("pair {pair}")
}
