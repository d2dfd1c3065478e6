//! Leftovers: the snapshots of ours on this cluster that nobody counts on, listed with their owner and removed when a person says so.

use std::collections::{BTreeMap, BTreeSet};

use super::{Job, Site, capture};
use crate::domain::leftovers::{Search, Trace, owner};
use crate::domain::{PairName, PointId, ServiceName, Trouble};
use crate::protocol::{Leftover, LeftoversOrder, LeftoversReport, Outcome, OwnSnapshot};

/// A data set's component and path here, and the pair and service that it belongs to.
type Places = BTreeMap<(String, String), (PairName, ServiceName)>;

/// At most so many are told at once; what is removed makes room for the others.
const MOST: usize = 5_000;

/// Looks, and removes what it was told to.
pub async fn run(job: &Job, order: LeftoversOrder) -> Result<Outcome, Trouble> {
    let mut report = LeftoversReport { found: Vec::new(), removed: 0, failed: Vec::new() };
    let wanted: BTreeSet<PointId> = order.wanted.iter().copied().collect();
    let search = Search { pair: &job.pair, wanted: &wanted, before: order.before };
    let places = places(&job.site)?;
    for snapshot in listed(&job.site, &mut report.failed).await {
        let place = places.get(&(snapshot.component.to_string(), snapshot.path.clone()));
        let Some(owner) = owner(&search, snapshot.point, &trace(&job.site, snapshot.point)?, place) else { continue };
        if report.found.len() == MOST {
            report.failed.push(format!("there are more than {MOST}; the others are told once these are removed"));
            break;
        }
        let made_at = snapshot.point.made_at();
        report.found.push(Leftover { snapshot, service: owner.service, made_here: owner.made_here, made_at });
    }
    if order.remove {
        remove(&job.site, order.unknown, &mut report).await?;
    }
    Ok(Outcome::Leftovers(report))
}

/// Every snapshot of ours on this cluster; what could not be listed is told in `failed`.
pub(super) async fn listed(site: &Site, failed: &mut Vec<String>) -> Vec<OwnSnapshot> {
    let mut all = Vec::new();
    for (name, component) in &site.components {
        match component.snapshots().await {
            Ok(snapshots) => all.extend(snapshots),
            Err(trouble) => failed.push(format!("snapshots in {name} could not be listed: {trouble}")),
        }
    }
    all
}

/// Removes one, or says in words why not. One of a component that is gone is not ours to remove any more.
pub(super) async fn release(site: &Site, snapshot: &OwnSnapshot) -> Result<(), String> {
    let OwnSnapshot { component: name, path, point, .. } = snapshot;
    let Some(component) = site.components.get(name) else { return Ok(()) };
    component.release(path, *point).await.map_err(|trouble| format!("snapshot {point} of {name}:{path}: {trouble}"))
}

/// The data sets of all pairs as they are called here, with their services.
fn places(site: &Site) -> Result<Places, Trouble> {
    let mut places = Places::new();
    for facts in site.ledger.pairs()? {
        for service in site.ledger.policies(&facts.pair)? {
            for set in service.data_sets.iter().flat_map(|set| [&set.from, &set.to]) {
                places.insert((set.component.to_string(), set.path.clone()), (facts.pair.clone(), service.name.clone()));
            }
        }
    }
    Ok(places)
}

fn trace(site: &Site, point: PointId) -> Result<Trace, Trouble> {
    Ok(if site.ledger.point(point)?.is_some() {
        Trace::Point
    } else if let Some(row) = site.ledger.capture(point)? {
        if row.kept().is_some() { Trace::Kept } else { Trace::Captured(row.pair, row.service) }
    } else if site.ledger.is_dropped(point)? {
        Trace::Dropped
    } else {
        Trace::Nothing
    })
}

/// Point by point: what the ledger knows goes with its row.
async fn remove(site: &Site, unknown: bool, report: &mut LeftoversReport) -> Result<(), Trouble> {
    let mut by_point: BTreeMap<PointId, Vec<&OwnSnapshot>> = BTreeMap::new();
    for leftover in report.found.iter().filter(|leftover| leftover.goes(unknown)) {
        by_point.entry(leftover.snapshot.point).or_default().push(&leftover.snapshot);
    }
    for (point, snapshots) in by_point {
        let gate = site.gates.of(point);
        let alone = gate.lock.write().await;
        let mut left = Vec::new();
        for snapshot in &snapshots {
            match release(site, snapshot).await {
                Ok(()) => report.removed += 1,
                Err(why) => left.push(why),
            }
        }
        if left.is_empty()
            && let Some(row) = site.ledger.capture(point)?
        {
            left.extend(capture::release(site, &row).await?);
        }
        report.failed.extend(left);
        drop(alone);
        site.gates.forget(point);
    }
    Ok(())
}
