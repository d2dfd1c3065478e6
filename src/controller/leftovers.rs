//! Leftovers: snapshots of ours on either cluster of a pair that nobody counts on, listed and, when a person says so, removed.

use crate::domain::{ClusterName, PairName, PointId, Trouble, TroubleKind};
use crate::protocol::{LeftoversOrder, LeftoversReport, Order, Outcome, UnfinishedRestore};

use super::command::{ClusterLeftovers, Leftovers};
use super::engine::Engine;
use super::instruct::{Errand, unexpected};
use super::model::Model;
use super::snapshot::Level;
use super::{going, pairing, restores};

/// What a person asks for; by default only to list.
#[derive(Debug, Default)]
pub(super) struct Ask {
    pub remove: bool,
    /// Also those that no agent here made: another installation may count on them, so the pair's name has to be typed.
    pub unknown: bool,
    pub confirm: Option<String>,
    pub by: String,
}

/// Asks both agents; one that does not answer is told as such.
pub(super) async fn look(engine: &Engine, pair: &PairName, ask: &Ask) -> Result<Leftovers, Trouble> {
    engine.check_in_command()?;
    let (remove, unknown) = (ask.remove, ask.unknown);
    let before = engine.now() - engine.limits.noted;
    let (clusters, running, wanted) = engine
        .read(|m| {
            let both = m.pairs.get(pair)?.paired.agents.each_ref().map(|agent| agent.enrolled.cluster.clone());
            let running = m.runs.values().find(|r| !r.has_ended() && r.state.spec.service.pair == *pair).map(|r| r.state.spec.run);
            Some((both, running, wanted(m)))
        })
        .ok_or_else(|| pairing::unknown_pair(pair))?;
    if let Some(run) = running.filter(|_| remove) {
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), format!("run {run} is under way"))
            .next("cancel it or wait for its end; without --remove the leftovers are only listed"));
    }
    if remove && unknown {
        going::confirmed(pair, ask.confirm.as_deref(), &format!("understudy leftovers {pair} --remove --unknown --confirm {pair}"))?;
    }
    let order = LeftoversOrder { wanted, before, remove, unknown };
    let [one, other] = &clusters;
    let (one, other) = tokio::join!(at(engine, pair, one, &order), at(engine, pair, other, &order));
    let found = Leftovers { pair: pair.clone(), clusters: vec![one, other] };
    if remove {
        let (removed, failed) = (found.removed(), found.failed().count());
        let level = if failed == 0 { Level::Info } else { Level::Warning };
        engine
            .note(
                level,
                pair.as_str(),
                format!(
                    "{removed} leftovers removed by {}{}, {failed} things could not be",
                    ask.by,
                    if unknown { ", unknown ones too" } else { "" }
                ),
            )
            .await;
    }
    Ok(found)
}

/// What the controller counts on: every sealed point, and what the runs under way make.
fn wanted(model: &Model) -> Vec<PointId> {
    let sealed = model.points.values().flatten().map(|point| point.id);
    let made = model.runs.values().filter(|run| !run.has_ended()).map(|run| run.state.spec.point);
    sealed.chain(made).collect()
}

async fn at(engine: &Engine, pair: &PairName, cluster: &ClusterName, order: &LeftoversOrder) -> ClusterLeftovers {
    let mut report = told(engine, pair, cluster, order.clone()).await.unwrap_or_else(|trouble| LeftoversReport {
        found: Vec::new(),
        removed: 0,
        failed: vec![format!("{cluster} could not be asked: {trouble}")],
    });
    let half_made = half_made(engine, pair, cluster, order.remove, &mut report).await;
    ClusterLeftovers { cluster: cluster.clone(), report, half_made }
}

/// The restores that are not whole, and not being worked on.
async fn half_made(
    engine: &Engine,
    pair: &PairName,
    cluster: &ClusterName,
    remove: bool,
    report: &mut LeftoversReport,
) -> Vec<UnfinishedRestore> {
    let found: Vec<_> = restores::unfinished(engine, pair, cluster).await.into_iter().filter(|one| !one.under_way).collect();
    for one in found.iter().filter(|_| remove) {
        match restores::remove(engine, cluster, one).await {
            Ok(()) => report.removed += 1,
            Err(why) => report.failed.push(why),
        }
    }
    found
}

async fn told(engine: &Engine, pair: &PairName, cluster: &ClusterName, order: LeftoversOrder) -> Result<LeftoversReport, Trouble> {
    let agent = engine.agent(pair, cluster)?;
    // Under the epoch that this agent told last: an old primary may not have heard of the newest.
    let claimed = engine.read(|m| m.pairs.get(pair)?.claims().find(|(claimant, _)| *claimant == cluster).map(|(_, claim)| claim.epoch));
    let epoch = claimed.unwrap_or_else(|| engine.epoch(pair));
    let patience = Some(engine.limits.abort_patience);
    let errand = Errand { id: engine.fresh(), pair, epoch, agent: &agent, order: Order::Leftovers(order), patience };
    match engine.carry_out(errand, |_| ()).await? {
        Outcome::Leftovers(report) => Ok(report),
        other => Err(unexpected(&agent, &other)),
    }
}
