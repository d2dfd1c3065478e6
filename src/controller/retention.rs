//! Retention: which points go is decided in `domain::retention`; both agents drop them.
//!
//! ```text
//! a run begins · a run lacked room · a run sealed · a policy keeps less · `understudy prune` → judged → both agents → still held? listed on
//! ```
//! What an agent holds still stays listed, and the next time asks for it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::retention::{Fate, Kept, Need, judge};
use crate::domain::{PointId, Service, ServiceName, Trouble};
use crate::protocol::{Order, Outcome, PruneOrder};

use super::command::{PruneEnding, PruneReport, PrunedPoint, Refusal};
use super::engine::Engine;
use super::instruct::Errand;
use super::model::Model;
use super::snapshot::Level;
use super::{Reply, catch_up, points, runs};

/// What was dropped, and what was not.
#[derive(Default)]
struct Pruned {
    held: Vec<PointId>,
    leftovers: Vec<String>,
}

/// Drops what the policy no longer keeps. Its trouble is noted; the next run, or a person, tries again. How many points are gone.
pub(super) async fn apply(engine: &Engine, service: &Service) -> usize {
    let due = going(&engine.read(|m| judged(m, engine, service)));
    if due.is_empty() || !engine.read(|m| both_answer(m, service)) {
        return 0;
    }
    let (level, text, gone) = match prune(engine, service, &due).await {
        Ok(Pruned { held, leftovers }) if held.is_empty() && leftovers.is_empty() => {
            (Level::Info, format!("retention dropped {} recovery points", due.len()), due.len())
        }
        Ok(Pruned { held, leftovers }) => {
            (Level::Warning, format!("retention left behind: {}", leftovers.join("; ")), due.len() - held.len())
        }
        Err(trouble) => (Level::Warning, format!("retention could not be carried out and is tried again with the next run: {trouble}"), 0),
    };
    engine.note(level, service.name.as_str(), text).await;
    gone
}

fn going(points: &[PrunedPoint]) -> Vec<PointId> {
    points.iter().filter(|one| one.fate == Fate::Goes).map(|one| one.point).collect()
}

fn both_answer(model: &Model, service: &Service) -> bool {
    let pair = model.pairs.get(&service.pair);
    pair.is_some_and(|pair| pair.paired.agents.iter().all(|agent| pair.answers(&agent.enrolled.cluster)))
}

/// `understudy prune`.
pub(super) async fn by_hand(engine: &Arc<Engine>, name: &ServiceName, dry_run: bool, by: &str) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let service = engine.read(|m| match m.services.get(name) {
        Some(service) => Ok(service.clone()),
        None => Err(runs::unknown_service(m.services.keys(), name)),
    })?;
    engine.read(|m| {
        let Some(pair) = m.pairs.get(&service.pair) else { return Err(super::pairing::unknown_pair(&service.pair)) };
        if pair.is_suspended() || pair.is_contended() {
            let phase = if pair.is_contended() { "contended for by two decisions" } else { pair.state.phase.name() };
            return Err(Refusal::PairSuspended { phase: phase.to_owned() }.trouble(format!("service {name}")));
        }
        catch_up::check_followed(pair)
    })?;
    let points = engine.read(|m| judged(m, engine, &service));
    let due = going(&points);
    let (ending, pruned) = match (due.is_empty(), dry_run) {
        (true, _) => (PruneEnding::NothingToDrop, Pruned::default()),
        (false, true) => (PruneEnding::WouldDrop, Pruned::default()),
        (false, false) => {
            let pruned = prune(engine, &service, &due).await?;
            let text = format!("{by} had retention carried out: {} recovery points dropped", due.len() - pruned.held.len());
            engine.note(Level::Info, name.as_str(), text).await;
            let partly = !pruned.held.is_empty() || !pruned.leftovers.is_empty();
            (if partly { PruneEnding::Partly } else { PruneEnding::Dropped }, pruned)
        }
    };
    Ok(Reply::Pruned(PruneReport { service: name.clone(), ending, points, held: pruned.held, leftovers: pruned.leftovers }))
}

/// What becomes of each point of a service now. Of none while the pair is suspended: the common point of both clusters must stay.
fn judged(model: &Model, engine: &Engine, service: &Service) -> Vec<PrunedPoint> {
    let Some(pair) = model.pairs.get(&service.pair).filter(|pair| !pair.is_suspended() && !pair.is_contended()) else { return Vec::new() };
    let sealed = model.points.get(&service.name).map(Vec::as_slice).unwrap_or_default();
    let kept: Vec<Kept> = sealed.iter().map(|p| Kept { point: p.id, moment: p.moment, forward: p.to == pair.state.secondary }).collect();
    let bases = model.runs.values().filter(|r| !r.has_ended()).filter_map(|r| r.state.base).map(|point| (point, Need::Base));
    let drilled = model.drills.values().filter(|d| d.state.is_under_way()).map(|d| (d.state.spec.point, Need::Drill));
    let needed: BTreeMap<PointId, Need> = bases.chain(drilled).collect();
    let fates = judge(&kept, service.keep, service.timezone.unwrap_or(chrono_tz::Tz::UTC), engine.now(), &needed);
    let moment = |id: PointId| sealed.iter().find(|p| p.id == id).map(|p| p.moment);
    fates.into_iter().filter_map(|(point, fate)| Some(PrunedPoint { point, moment: moment(point)?, fate })).collect()
}

/// The primary first: while one of the two still holds a point it stays listed, and the next prune asks both again.
async fn prune(engine: &Engine, service: &Service, due: &[PointId]) -> Result<Pruned, Trouble> {
    let clusters = engine.read(|m| m.pairs.get(&service.pair).map(|p| [p.state.primary.clone(), p.state.secondary.clone()]));
    let mut leftovers = Vec::new();
    for cluster in clusters.iter().flatten() {
        let agent = engine.agent(&service.pair, cluster)?;
        let order = Order::Prune(PruneOrder { service: service.name.clone(), data_sets: service.data_sets.clone(), points: due.to_vec() });
        let epoch = engine.epoch(&service.pair);
        let patience = Some(engine.limits.abort_patience);
        let errand = Errand { id: engine.fresh(), pair: &service.pair, epoch, agent: &agent, order, patience };
        if let Outcome::Dropped(left) = engine.carry_out(errand, |_| ()).await? {
            leftovers.extend(left);
        }
    }
    let mut held = Vec::new();
    if !leftovers.is_empty() {
        // What is held still tells who holds it.
        if let Some([_, secondary]) = &clusters {
            let record = points::refresh(engine, &service.pair, secondary).await?;
            held.extend(record.into_iter().flat_map(|record| record.points).map(|point| point.id).filter(|id| due.contains(id)));
        }
    }
    let gone: Vec<PointId> = due.iter().copied().filter(|point| !held.contains(point)).collect();
    let removed = gone.clone();
    engine.store(move |s| s.remove_points(&removed)).await?;
    engine.change(|m| {
        if let Some(known) = m.points.get_mut(&service.name) {
            known.retain(|p| !gone.contains(&p.id));
        }
    });
    Ok(Pruned { held, leftovers })
}
