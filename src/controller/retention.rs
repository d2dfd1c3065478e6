//! Retention after each seal: which points go is decided in `domain::retention`; both agents drop them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::retention::{Kept, to_drop};
use crate::domain::{PointId, Service, Trouble};
use crate::protocol::{Order, Outcome, PruneOrder};

use super::engine::Engine;
use super::instruct::Errand;
use super::model::Model;
use super::snapshot::Level;

/// Drops what the policy no longer keeps. Its trouble is noted; the next seal tries again.
pub(super) async fn after_run(engine: &Engine, service: &Service) {
    let points = engine.read(|m| due(m, service, engine.now()));
    if points.is_empty() {
        return;
    }
    let (level, text) = match prune(engine, service, &points).await {
        Ok(leftovers) if leftovers.is_empty() => (Level::Info, format!("retention dropped {} recovery points", points.len())),
        Ok(leftovers) => (Level::Warning, format!("retention left behind: {}", leftovers.join("; "))),
        Err(trouble) => (Level::Warning, format!("retention could not be carried out and is tried again after the next run: {trouble}")),
    };
    engine.note(level, service.name.as_str(), text).await;
}

/// The points to drop now. None while the pair is suspended: the common point of both clusters must stay.
fn due(model: &Model, service: &Service, now: DateTime<Utc>) -> Vec<PointId> {
    let Some(pair) = model.pairs.get(&service.pair) else { return Vec::new() };
    if pair.is_suspended() {
        return Vec::new();
    }
    let held = model.points.get(&service.name).map(Vec::as_slice).unwrap_or_default();
    let kept: Vec<Kept> = held.iter().filter(|p| p.to == pair.state.secondary).map(|p| Kept { point: p.id, moment: p.moment }).collect();
    let needed = model.runs.values().filter(|r| !r.has_ended()).filter_map(|r| r.state.base);
    let drilled = model.drills.values().filter(|d| d.state.is_under_way()).map(|d| d.state.spec.point);
    let needed: BTreeSet<PointId> = needed.chain(drilled).collect();
    let mut drop = to_drop(&kept, service.keep, service.timezone.unwrap_or(chrono_tz::Tz::UTC), now, &needed);
    // Of the other direction, from before the replication was reversed: the present secondary can resume from none of them.
    drop.extend(held.iter().filter(|p| p.to == pair.state.primary && !needed.contains(&p.id)).map(|p| p.id));
    drop
}

/// The primary first: while one of the two still holds a point it stays listed, and the next prune asks both again.
async fn prune(engine: &Engine, service: &Service, points: &[PointId]) -> Result<Vec<String>, Trouble> {
    let clusters = engine.read(|m| m.pairs.get(&service.pair).map(|p| [p.state.primary.clone(), p.state.secondary.clone()]));
    let mut leftovers = Vec::new();
    for cluster in clusters.into_iter().flatten() {
        let agent = engine.agent(&service.pair, &cluster)?;
        let order =
            Order::Prune(PruneOrder { service: service.name.clone(), data_sets: service.data_sets.clone(), points: points.to_vec() });
        let epoch = engine.epoch(&service.pair);
        let patience = Some(engine.limits.abort_patience);
        let errand = Errand { id: engine.fresh(), pair: &service.pair, epoch, agent: &agent, order, patience };
        if let Outcome::Dropped(left) = engine.carry_out(errand, |_| ()).await? {
            leftovers.extend(left);
        }
    }
    let gone = points.to_vec();
    engine.store(move |s| s.remove_points(&gone)).await?;
    engine.change(|m| {
        if let Some(held) = m.points.get_mut(&service.name) {
            held.retain(|p| !points.contains(&p.id));
        }
    });
    Ok(leftovers)
}
