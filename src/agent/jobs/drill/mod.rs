//! Drills at the secondary: a sealed point brought up in a space of its own, the owner's checks made on it, the space removed and listed.
//!
//! ```text
//! drill      ledger row → each data set into the drill's space (components side by side) → checks, one after the other
//! end-drill  row says "ending" → whatever is at work stops → space removed in every component → listed → row says "over"
//! ```
//! No lock of a backup run is taken: replication goes on meanwhile. Retention keeps the point while the row stands.

mod checks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::commit::committed_manifest;
use super::gate::Gate;
use super::{Job, Site, bring_up};
use crate::domain::drill::check::DrillPlace;
use crate::domain::drill::report::DrillRan;
use crate::domain::{ComponentName, DataSetName, DrillId, Manifest, PairName, RecoveryPoint, Trouble, TroubleKind};
use crate::protocol::{DrillEnded, DrillOrder, EndDrillOrder, Outcome};
use crate::store::agent::DrillRow;
use crate::transfer::blocking;

/// How long an end waits for what is at work to stop; it is asked again when that was not enough.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(2);

/// Brings the point up and makes the checks. A check that does not hold is told in the report, not as a trouble.
pub async fn start(job: &Job, order: DrillOrder) -> Result<Outcome, Trouble> {
    let site = &job.site;
    let row = site.ledger.point(order.point)?;
    let absent = || Trouble::new(TroubleKind::NotFound, format!("point {}", order.point), "this agent holds no such recovery point");
    let row = row.ok_or_else(absent)?;
    bring_up::check(site, &order.service, &row.record)?;
    if !row.sealed {
        return Err(Trouble::new(TroubleKind::Refused, format!("point {}", order.point), "it is not sealed yet").next("wait until it is"));
    }
    let gate = site.drills.of(order.drill);
    let _alone = gate.lock.write().await;
    let point = Some(order.point);
    site.ledger.begin_drill(&DrillRow { drill: order.drill, pair: job.pair.clone(), service: order.service.clone(), point })?;
    let began = Instant::now();
    let places = bring_up_all(job, &gate, order.drill, &row.record).await?;
    let bring_up_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(drill = %order.drill, "brought up beside production");
    let results = checks::make(job, &gate, &order, &places).await?;
    Ok(Outcome::Drilled(DrillRan { places, checks: results, bring_up_ms }))
}

/// Every data set in its place, in the record's order. What one component fails in is told once all of them have stopped: none may
/// still be writing when the space is removed.
async fn bring_up_all(job: &Job, gate: &Gate, drill: DrillId, record: &RecoveryPoint) -> Result<Vec<DrillPlace>, Trouble> {
    let mut by_component: BTreeMap<&ComponentName, Vec<(DataSetName, Manifest)>> = BTreeMap::new();
    for set in &record.data_sets {
        let (ledger, point, name) = (job.site.ledger.clone(), record.clone(), set.to.clone());
        let manifest = blocking(move || committed_manifest(&ledger, &point, &name)).await?;
        by_component.entry(&set.to.component).or_default().push((set.to.clone(), manifest));
    }
    let one = |sets: Vec<(DataSetName, Manifest)>| async move {
        let mut places = Vec::new();
        for (set, manifest) in sets {
            refuse_stopped(job, gate, drill)?;
            let place = job.site.component(&set)?.rehearse(&set.path, record.id, &manifest, drill).await?;
            places.push(DrillPlace { data_set: set, place });
        }
        Ok(places)
    };
    let all = join_all(by_component.into_values().map(one));
    let done: Vec<Result<Vec<DrillPlace>, Trouble>> = beating(job, "bringing up", all).await;
    let mut places = done.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    places.sort_by_key(|place| record.data_sets.iter().position(|set| set.to == place.data_set));
    Ok(places)
}

/// Shows that work which takes long is alive; the components bound it themselves.
pub(super) async fn beating<T>(job: &Job, doing: &str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    tokio::pin!(work);
    loop {
        job.tell(format!("{doing}, {} s", began.elapsed().as_secs()));
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

fn refuse_stopped(job: &Job, gate: &Gate, drill: DrillId) -> Result<(), Trouble> {
    if job.cancel.is_cancelled() || gate.closed.is_cancelled() {
        return Err(Trouble::new(TroubleKind::Cancelled, format!("drill {drill}"), "it was ended"));
    }
    Ok(())
}

/// Removes the space and proves by listing that nothing of it is left.
pub async fn end(job: &Job, order: EndDrillOrder) -> Result<Outcome, Trouble> {
    job.site.ledger.note_drill_ending(order.drill, &job.pair, &order.service)?;
    Ok(Outcome::DrillEnded(clear(&job.site, order.drill).await?))
}

async fn clear(site: &Arc<Site>, drill: DrillId) -> Result<DrillEnded, Trouble> {
    let gate = site.drills.of(drill);
    gate.closed.cancel();
    let stuck = || Trouble::new(TroubleKind::Unreachable, format!("drill {drill}"), "a step of it has not stopped yet");
    let alone = tokio::time::timeout(STOP_LIMIT, gate.lock.write()).await.map_err(|_| stuck())?;
    let mut ended = DrillEnded { removed: listed(site, drill).await?, left: Vec::new() };
    for (name, component) in &site.components {
        if let Err(trouble) = component.clear_rehearsal(drill).await {
            ended.left.push(format!("{name}: {trouble}"));
        }
    }
    ended.left.extend(listed(site, drill).await?);
    tracing::info!(%drill, left = ended.left.len(), "space of the drill removed and listed");
    if ended.left.is_empty() {
        site.ledger.note_drill_over(drill)?;
        drop(alone);
        site.drills.forget(drill);
    }
    Ok(ended)
}

/// What every component has of a drill.
async fn listed(site: &Site, drill: DrillId) -> Result<Vec<String>, Trouble> {
    let mut found = Vec::new();
    for (name, component) in &site.components {
        let spaces = component.rehearsals().await?;
        found.extend(spaces.into_iter().filter(|(of, _)| *of == drill).map(|(_, place)| format!("{name}: {place}")));
    }
    Ok(found)
}

/// Removes every drill of a pair that is left; tells what could not be.
pub async fn clear_pair(site: &Arc<Site>, pair: &PairName) -> Result<Vec<String>, Trouble> {
    let mut left = Vec::new();
    for row in site.ledger.drills()?.into_iter().filter(|row| row.pair == *pair) {
        site.ledger.note_drill_ending(row.drill, pair, &row.service)?;
        match clear(site, row.drill).await {
            Ok(ended) => left.extend(ended.left.into_iter().map(|what| format!("drill {}: {what}", row.drill))),
            Err(trouble) => left.push(format!("drill {}: {trouble}", row.drill)),
        }
    }
    Ok(left)
}

/// Says at an agent's start which drills a stop interrupted. Their controller goes on with them or removes them.
pub fn tell_unfinished(site: &Site) -> Result<(), Trouble> {
    for row in site.ledger.drills()? {
        tracing::warn!(drill = %row.drill, service = %row.service, "a drill was under way when this agent stopped; its space is kept until it is ended");
    }
    Ok(())
}
