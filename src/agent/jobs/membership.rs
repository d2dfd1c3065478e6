//! Membership of a pair: joining it, keeping its policies, leaving it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Job, Site, drill, drop, fence, leftovers, restore};
use crate::agent::guard;
use crate::domain::{ComponentName, DataSetName, Identity, PairName, PointId, ServiceName, Trouble};
use crate::protocol::{JoinOrder, LeaveReport, Outcome, OwnSnapshot, StorePoliciesOrder};
use crate::store::agent::{Elsewhere, PairFacts};

/// Becomes a member, or renews the membership.
pub async fn join(job: &Job, order: JoinOrder, controller: &str) -> Result<Outcome, Trouble> {
    let claim = guard::founding_claim(&job.pair, job.epoch, &job.site.cluster, &order);
    job.site.ledger.join(&job.pair, claim, &order.peer, controller, job.term)?;
    tracing::info!(pair = %job.pair, identity = %claim.identity, epoch = %claim.epoch, peer = %order.peer.cluster, "joined");
    Ok(Outcome::Done)
}

/// Keeps the policies. A service that is new at the primary may be used here at once; one that a promotion could not bring
/// up stays closed.
pub async fn store_policies(job: &Job, order: StorePoliciesOrder) -> Result<Outcome, Trouble> {
    let ledger = &job.site.ledger;
    let facts = ledger.member(&job.pair)?;
    let known: BTreeSet<ServiceName> = ledger.policies(&job.pair)?.into_iter().map(|service| service.name).collect();
    // Activated first: after a crash in between they are still new, and activating again changes nothing.
    if facts.claim.identity == Identity::Primary {
        for service in order.services.iter().filter(|service| !known.contains(&service.name)) {
            ledger.activate(&job.pair, facts.claim.epoch, &service.name, None)?;
        }
    }
    ledger.store_policies(&job.pair, &order.services)?;
    Ok(Outcome::Done)
}

/// Leaves: lifts our fence, removes our snapshots, tells what could not be removed, forgets the pair. What another pair holds stays.
pub async fn leave(job: &Job) -> Result<Outcome, Trouble> {
    let facts = job.site.ledger.member(&job.pair)?;
    restore::refuse_under_way(&job.site, &job.pair)?;
    let mut report = LeaveReport { removed: 0, leftovers: Vec::new() };
    lift_fence(job, &facts, &mut report).await;
    for row in job.site.ledger.all_staging()?.into_iter().filter(|row| row.armed.pair == job.pair) {
        match drop::discard(&job.site, &row).await {
            Ok(leftovers) => report.leftovers.extend(leftovers),
            Err(trouble) => report.leftovers.push(format!("staging {}: {trouble}", row.point)),
        }
    }
    report.leftovers.extend(drill::clear_pair(&job.site, &job.pair).await?);
    report.leftovers.extend(restore::clear_pair(&job.site, &job.pair).await?);
    let ours = Belongings::of(&job.site, &job.pair)?;
    let all = leftovers::listed(&job.site, &mut report.leftovers).await;
    for snapshot in all.iter().filter(|snapshot| ours.hold(snapshot)) {
        match leftovers::release(&job.site, snapshot).await {
            Ok(()) => report.removed += 1,
            Err(why) => report.leftovers.push(why),
        }
    }
    job.site.ledger.forget_pair(&job.pair)?;
    tracing::info!(pair = %job.pair, removed = report.removed, leftovers = report.leftovers.len(), "left");
    Ok(Outcome::Left(report))
}

/// A data set that nobody backs up any more must not stay fenced by us.
async fn lift_fence(job: &Job, facts: &PairFacts, report: &mut LeaveReport) {
    let sets = to_unfence(job, facts).and_then(|sets| fence::with_true_roots(&job.site, &job.pair, sets));
    let lifted = match sets {
        Ok(sets) => fence::lift(&job.site, &sets).await,
        Err(trouble) => vec![trouble.to_string()],
    };
    report.leftovers.extend(lifted.into_iter().map(|why| format!("fence: {why}")));
}

/// Every data set of this cluster that may stand under the pair's fence, also those that no policy names any more; none that another pair
/// holds.
pub(super) fn to_unfence(job: &Job, facts: &PairFacts) -> Result<Vec<DataSetName>, Trouble> {
    if facts.claim.identity == Identity::Primary && !facts.fence.wanted {
        return Ok(Vec::new());
    }
    let mut sets: BTreeSet<DataSetName> = fence::sets_here(&job.site, facts)?.into_iter().collect();
    for row in job.site.ledger.points_of_pair(&job.pair)?.into_iter().filter(|row| row.record.to == job.site.cluster) {
        sets.extend(row.record.data_sets.into_iter().map(|set| set.to));
    }
    let others = Others::of(&job.site, &job.pair)?;
    Ok(sets.into_iter().filter(|set| !others.share(set)).collect())
}

/// What on this cluster belongs to the agent's other pairs. The guard keeps pairs apart; two that an earlier version let overlap are told
/// apart here.
struct Others {
    pairs: Vec<Elsewhere>,
    dotted: BTreeSet<ComponentName>,
    points: BTreeSet<PointId>,
}

impl Others {
    fn of(site: &Arc<Site>, pair: &PairName) -> Result<Others, Trouble> {
        let mut points = BTreeSet::new();
        for other in site.ledger.pairs()?.into_iter().filter(|other| other.pair != *pair) {
            points.extend(site.ledger.points_of_pair(&other.pair)?.into_iter().map(|row| row.record.id));
        }
        points.extend(site.ledger.all_captures()?.into_iter().filter(|row| row.pair != *pair).map(|row| row.point));
        Ok(Others { pairs: site.ledger.elsewhere(pair)?, dotted: site.dotted(), points })
    }

    fn share(&self, set: &DataSetName) -> bool {
        self.pairs.iter().any(|other| other.holding(set, &self.dotted).is_some())
    }

    fn hold(&self, snapshot: &OwnSnapshot) -> bool {
        self.points.contains(&snapshot.point)
    }
}

/// What on this cluster belongs to a pair.
pub(super) struct Belongings {
    points: BTreeSet<PointId>,
    places: BTreeSet<(String, String)>,
    others: Others,
}

impl Belongings {
    pub(super) fn of(site: &Arc<Site>, pair: &PairName) -> Result<Belongings, Trouble> {
        let rows = site.ledger.points_of_pair(pair)?;
        let captured = site.ledger.all_captures()?.into_iter().filter(|row| row.pair == *pair).map(|row| row.point);
        let points = rows.iter().map(|row| row.record.id).chain(captured).collect();
        let in_points = rows.iter().flat_map(|row| &row.record.data_sets).map(|set| set.to.clone());
        let services = site.ledger.policies(pair)?;
        let in_policies = services.iter().flat_map(|service| &service.data_sets).flat_map(|set| [set.from.clone(), set.to.clone()]);
        let others = Others::of(site, pair)?;
        // A snapshot that no ledger row names is ours by its place, where no other pair has the place.
        let places = in_points.chain(in_policies).filter(|set| !others.share(set));
        let places = places.map(|set| (set.component.to_string(), set.path)).collect();
        Ok(Belongings { points, places, others })
    }

    pub(super) fn hold(&self, snapshot: &OwnSnapshot) -> bool {
        let is_ours =
            self.points.contains(&snapshot.point) || self.places.contains(&(snapshot.component.to_string(), snapshot.path.clone()));
        is_ours && !self.others.hold(snapshot)
    }
}
