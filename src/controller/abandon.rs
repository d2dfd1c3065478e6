//! Giving up a committed point that its secondary cannot seal, with the service's name typed.
//!
//! A run of this engine is given up by its own executor, so that a seal and this never both end it. A point whose run this engine does not
//! know (another console's, or one before an adoption) is taken back by the order alone.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::domain::backup::machine::Phase;
use crate::domain::{ClusterName, RunId, ServiceName, Trouble, TroubleKind};
use crate::protocol::{AbandonOrder, Order, Outcome, UnfinishedPoint};

use super::engine::{Engine, lock};
use super::instruct::{Errand, unexpected};
use super::model::{Model, PairModel};
use super::runs::{PersonAsks, Wish};
use super::snapshot::Level;
use super::{Reply, exchange};

/// Gives a run's point up; returns when that is durable, and goes on by itself.
pub(super) async fn abandon(engine: &Arc<Engine>, run: RunId, confirm: &str, by: &str) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let known = engine.read(|m| m.runs.get(&run).map(|r| (r.state.phase, r.state.spec.clone())));
    let Some((phase, spec)) = known else { return elsewhere(engine, run, confirm, by).await };
    match phase {
        Phase::Abandon | Phase::Abandoned => return Ok(Reply::Done),
        phase if !phase.can_abandon() => return Err(refuse(run, phase)),
        _ => {}
    }
    confirmed(run, &spec.service.name, confirm)?;
    engine.read(|m| m.pairs.get(&spec.service.pair).map_or(Ok(()), rests))?;
    let agent = engine.agent(&spec.service.pair, &spec.to)?;
    if engine.look(&agent).await?.unfinished.is_none() {
        return Err(too_old(&spec.to));
    }
    let Some(ask) = lock(&engine.asks).get(&run).cloned() else { return Err(refuse(run, Phase::Sealed)) };
    let (reply, answer) = oneshot::channel();
    let ended = || refuse(run, Phase::Sealed);
    ask.send(PersonAsks { wish: Wish::Abandon, by: by.to_owned(), reply }).await.map_err(|_| ended())?;
    answer.await.unwrap_or_else(|_| Err(ended())).map(|()| Reply::Done)
}

/// Why a run cannot be given up where it is.
pub(super) fn refuse(run: RunId, phase: Phase) -> Trouble {
    let (reason, next) = match phase {
        Phase::Sealed => ("it is sealed", "there is nothing to give up: it is a recovery point like any other"),
        phase if phase.can_cancel() => ("it is not committed yet", "cancel it instead"),
        Phase::Commit => ("it is being committed, and whether it was is not known yet", "ask again in a moment"),
        _ => ("it has ended, or is being dropped already", ""),
    };
    Trouble::new(TroubleKind::Refused, format!("run {run}"), reason).next(next)
}

fn confirmed(run: RunId, service: &ServiceName, typed: &str) -> Result<(), Trouble> {
    if typed == service.as_str() {
        return Ok(());
    }
    let reason = if typed.is_empty() {
        format!("nothing is given up without the name of the service, {service}")
    } else {
        format!("{typed:?} was typed, and not the name of the service, {service}; nothing is given up")
    };
    Err(Trouble::new(TroubleKind::Refused, format!("run {run}"), reason).next(format!("understudy abandon {run} --confirm {service}")))
}

/// While identities change a point is left to the promotion, which drops what was not sealed before it.
fn rests(pair: &PairModel) -> Result<(), Trouble> {
    if exchange::rests(&pair.state) {
        return Ok(());
    }
    let reason = format!("identities are being changed: it is {}", pair.state.phase.name());
    Err(Trouble::new(TroubleKind::Refused, format!("pair {}", pair.paired.name), reason).next("wait for the end of that"))
}

fn too_old(cluster: &ClusterName) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("agent {cluster}"), "its version cannot take a committed point back")
        .next("install this version there, then try again")
}

/// A committed point of a run that this engine does not know, as an agent told it last.
pub(super) fn told_of(m: &Model, holds: impl Fn(&UnfinishedPoint) -> bool) -> Option<(&PairModel, &ClusterName, &UnfinishedPoint)> {
    m.pairs.values().find_map(|pair| {
        pair.paired.agents.iter().zip(&pair.watch).find_map(|(agent, watch)| {
            let told = watch.status.as_ref()?.unfinished.as_ref()?;
            let point = told.iter().find(|point| point.pair == pair.paired.name && holds(point))?;
            Some((pair, &agent.enrolled.cluster, point))
        })
    })
}

async fn elsewhere(engine: &Arc<Engine>, run: RunId, confirm: &str, by: &str) -> Result<Reply, Trouble> {
    let found = engine.read(|m| {
        let (pair, cluster, point) = told_of(m, |point| point.run == run)?;
        Some(rests(pair).map(|()| (cluster.clone(), point.clone())))
    });
    let (cluster, point) = found.unwrap_or_else(|| {
        Err(Trouble::new(TroubleKind::NotFound, format!("run {run}"), "there is no such run, and no agent holds its point unsealed")
            .next("see `understudy runs`"))
    })?;
    confirmed(run, &point.service, confirm)?;
    let agent = engine.agent(&point.pair, &cluster)?;
    let (by, at) = (by.to_owned(), engine.now());
    let order = Order::Abandon(AbandonOrder { run, point: point.point, service: point.service.clone(), by: by.clone(), at });
    let (epoch, patience) = (engine.epoch(&point.pair), Some(engine.limits.patience));
    let errand = Errand { id: engine.fresh(), pair: &point.pair, epoch, agent: &agent, order, patience };
    match engine.carry_out(errand, |_| ()).await? {
        Outcome::Abandoned(report) => {
            let level = if report.leftovers.is_empty() { Level::Info } else { Level::Warning };
            let left = if report.leftovers.is_empty() { String::new() } else { format!("; left behind: {}", report.leftovers.join("; ")) };
            engine.note(level, point.service.as_str(), format!("run {run} was abandoned by {by}{left}")).await;
            Ok(Reply::Done)
        }
        other => Err(unexpected(&agent, &other)),
    }
}
