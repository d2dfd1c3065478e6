//! The cache of sealed points, brought in line with the agent that holds them.

use crate::domain::{ClusterName, PairName, PointId, Trouble};
use crate::protocol::PairRecord;

use super::engine::Engine;
use super::instruct::within;

/// Reads an agent's records and makes the cache say what they say about the points it holds. What it tells of the pair.
pub(super) async fn refresh(engine: &Engine, pair: &PairName, cluster: &ClusterName) -> Result<Option<PairRecord>, Trouble> {
    let agent = engine.agent(pair, cluster)?;
    let records = within(engine.limits.call, &agent, engine.link(&agent)?.records()).await?;
    let record = records.pairs.into_iter().find(|record| &record.pair == pair);
    let points = record.iter().flat_map(|record| record.points.clone());
    let held: Vec<_> = points.filter(|point| point.sealed_at.is_some() && &point.to == cluster).collect();
    let gone: Vec<PointId> = engine.read(|m| {
        let cached = m.services_of(pair).filter_map(|s| m.points.get(&s.name)).flatten();
        cached.filter(|p| &p.to == cluster && !held.iter().any(|h| h.id == p.id)).map(|p| p.id).collect()
    });
    let (stored, removed) = (held.clone(), gone.clone());
    engine
        .store(move |s| {
            stored.iter().try_for_each(|point| s.save_point(point))?;
            s.remove_points(&removed)
        })
        .await?;
    engine.change(|m| {
        for points in m.points.values_mut() {
            points.retain(|p| !gone.contains(&p.id));
        }
        held.into_iter().for_each(|point| m.add_point(point));
    });
    Ok(record)
}
