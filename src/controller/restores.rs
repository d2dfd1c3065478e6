//! Restoring one data set of a sealed point beside the live data, at either cluster.
//!
//! ```text
//! point and data set known → which cluster → its agent can → one half-made there goes on under its id → order, followed to its end → ending
//! ```
//! Nothing of it is stored here: the agent's ledger knows it, and tells with its status what is not whole.

use crate::domain::restore::{RestoreEnding, RestoreRefusal};
use crate::domain::{ClusterName, DataSetName, PairName, PointId, RecoveryPoint, RestoreId, Trouble, TroubleKind};
use crate::protocol::{EndRestoreOrder, Order, Outcome, RestoreOrder, Restored, UnfinishedRestore};
use crate::store::controller::Enrolled;

use super::command::{RestoreEvidence, RestoreReport};
use super::engine::Engine;
use super::instruct::{Errand, unexpected};
use super::model::Model;
use super::snapshot::Level;

/// What a person asks for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub point: PointId,
    pub data_set: DataSetName,
    pub only: Option<String>,
    pub place: String,
    /// A cluster's name, `primary` or `secondary`; `None`: the cluster that sealed the point.
    pub at: Option<String>,
    pub by: String,
}

/// What is to be read, and where.
struct Source {
    point: RecoveryPoint,
    cluster: ClusterName,
    /// The data set's name there.
    data_set: DataSetName,
}

/// Restores it; returns when it ended. What goes wrong is in the report.
pub(super) async fn restore(engine: &Engine, ask: &Ask) -> Result<RestoreReport, Trouble> {
    engine.check_in_command()?;
    let mut report = RestoreReport {
        ending: RestoreEnding::Refused,
        restore: None,
        point: ask.point,
        service: None,
        data_set: ask.data_set.clone(),
        only: ask.only.clone(),
        cluster: None,
        place: ask.place.clone(),
        proof: None,
        error: None,
    };
    match carry_out(engine, ask, &mut report).await {
        Ok(Restored { compared_with, proof }) => {
            report.ending = RestoreEnding::Restored;
            let (place, files, bytes, digest) = (proof.place, proof.files, proof.bytes, proof.digest);
            report.proof = Some(RestoreEvidence { place, compared_with, files, bytes, digest, notes: proof.notes });
        }
        Err(trouble) => {
            report.ending = ending(engine, &report, &trouble).await;
            report.error = Some(trouble);
        }
    }
    if let Some(service) = &report.service {
        let level = if report.ending == RestoreEnding::Restored { Level::Info } else { Level::Warning };
        let why = report.error.as_ref().map_or(String::new(), |why| format!(": {why}"));
        let told = report.lines().into_iter().next().unwrap_or_default();
        engine.note(level, service.as_str(), format!("{told}, asked for by {}{why}", ask.by)).await;
    }
    Ok(report)
}

async fn carry_out(engine: &Engine, ask: &Ask, report: &mut RestoreReport) -> Result<Restored, Trouble> {
    let source = engine.read(|m| source(m, ask))?;
    (report.service, report.cluster) = (Some(source.point.service.clone()), Some(source.cluster.clone()));
    report.data_set = source.data_set.clone();
    let pair = &source.point.pair;
    let agent = engine.agent(pair, &source.cluster)?;
    let unfinished = told(engine, &agent).await?;
    let same = |one: &UnfinishedRestore| {
        one.point == ask.point && one.data_set == source.data_set && one.only == ask.only && same_place(&one.place, &ask.place)
    };
    let restore = unfinished.iter().find(|one| same(one)).map_or_else(|| RestoreId(engine.id()), |one| one.restore);
    report.restore = Some(restore);
    let order = RestoreOrder {
        restore,
        service: source.point.service.clone(),
        point: ask.point,
        data_set: source.data_set,
        only: ask.only.clone(),
        place: ask.place.clone(),
        by: ask.by.clone(),
    };
    match order_of(engine, pair, &agent, Order::Restore(order)).await? {
        Outcome::Restored(restored) => Ok(restored),
        other => Err(unexpected(&agent, &other)),
    }
}

/// Whether a place, as a component spells it, is the one that a person names. Where that is not certain the agent tells: another id for a
/// place that is taken is refused.
fn same_place(spelled: &str, asked: &str) -> bool {
    spelled.trim_matches('/').eq_ignore_ascii_case(asked.trim_matches('/'))
}

/// The restores that are not whole at an agent; refused when its version cannot restore.
async fn told(engine: &Engine, agent: &Enrolled) -> Result<Vec<UnfinishedRestore>, Trouble> {
    let told = engine.look(agent).await?.restores;
    told.ok_or_else(|| RestoreRefusal::AgentTooOld { cluster: agent.cluster.clone() }.trouble(format!("agent {}", agent.cluster)))
}

async fn order_of(engine: &Engine, pair: &PairName, agent: &Enrolled, order: Order) -> Result<Outcome, Trouble> {
    // Under the epoch that this agent told last: an old primary may not have heard of the newest.
    let claimed =
        engine.read(|m| m.pairs.get(pair)?.claims().find(|(claimant, _)| **claimant == agent.cluster).map(|(_, claim)| claim.epoch));
    let epoch = claimed.unwrap_or_else(|| engine.epoch(pair));
    let errand = Errand { id: engine.fresh(), pair, epoch, agent, order, patience: Some(engine.limits.patience) };
    engine.carry_out(errand, |_| ()).await
}

/// Which cluster, and which of the point's data sets under which name. Pure.
fn source(m: &Model, ask: &Ask) -> Result<Source, Trouble> {
    let object = format!("point {}", ask.point);
    let point = m.points.values().flatten().find(|point| point.id == ask.point).cloned().ok_or_else(|| {
        Trouble::new(TroubleKind::NotFound, &object, "no sealed recovery point with this id is known")
            .next("see `understudy points SERVICE`")
    })?;
    let cluster = match ask.at.as_deref() {
        None => point.to.clone(),
        Some(at) => {
            let pair = m.pairs.get(&point.pair);
            let named = [&point.from, &point.to].into_iter().find(|cluster| cluster.as_str() == at).cloned();
            let by_role = pair.and_then(|pair| {
                let other = [&point.from, &point.to].into_iter().find(|cluster| **cluster != pair.state.primary);
                match at {
                    "primary" => Some(pair.state.primary.clone()),
                    "secondary" => other.cloned(),
                    _ => None,
                }
            });
            named.or(by_role).ok_or_else(|| {
                Trouble::new(TroubleKind::NotFound, &object, format!("no cluster {at} holds it"))
                    .next(format!("name {} or {} after --at", point.to, point.from))
            })?
        }
    };
    let is_sealed = cluster == point.to;
    let set = point.data_sets.iter().find(|set| if is_sealed { set.to == ask.data_set } else { set.name == ask.data_set });
    let set = set.or_else(|| point.data_sets.iter().find(|set| [&set.name, &set.to].contains(&&ask.data_set)));
    let data_set = match set {
        Some(set) if is_sealed => set.to.clone(),
        Some(set) => set.name.clone(),
        None => {
            let known = point.data_sets.iter().map(|set| set.to.to_string()).collect();
            return Err(RestoreRefusal::NoSuchDataSet { known }.trouble(format!("{} in {object}", ask.data_set)));
        }
    };
    Ok(Source { point, cluster, data_set })
}

/// How a restore that brought a trouble ended, as its agent tells.
async fn ending(engine: &Engine, report: &RestoreReport, trouble: &Trouble) -> RestoreEnding {
    let (Some(restore), Some(cluster)) = (report.restore, &report.cluster) else { return RestoreEnding::Refused };
    let pair = engine.read(|m| m.points.values().flatten().find(|point| point.id == report.point).map(|point| point.pair.clone()));
    let told = match pair.map(|pair| engine.agent(&pair, cluster)) {
        Some(Ok(agent)) => told(engine, &agent).await,
        _ => return RestoreEnding::Refused,
    };
    match told {
        Ok(unfinished) => match unfinished.iter().find(|one| one.restore == restore) {
            Some(one) if one.under_way => RestoreEnding::Unanswered,
            Some(_) => RestoreEnding::HalfMade,
            None => RestoreEnding::Refused,
        },
        Err(_) if trouble.is_worth_retrying() => RestoreEnding::Unanswered,
        Err(_) => RestoreEnding::Refused,
    }
}

/// The restores of a pair that are not whole at a cluster; none where its agent does not answer, or cannot restore.
pub(super) async fn unfinished(engine: &Engine, pair: &PairName, cluster: &ClusterName) -> Vec<UnfinishedRestore> {
    let Ok(agent) = engine.agent(pair, cluster) else { return Vec::new() };
    let told = engine.look(&agent).await.ok().and_then(|status| status.restores).unwrap_or_default();
    told.into_iter().filter(|one| one.pair == *pair).collect()
}

/// Removes what is half-made of one; what could not be removed, in words.
pub(super) async fn remove(engine: &Engine, cluster: &ClusterName, one: &UnfinishedRestore) -> Result<(), String> {
    let removed = async {
        let agent = engine.agent(&one.pair, cluster)?;
        match order_of(engine, &one.pair, &agent, Order::EndRestore(EndRestoreOrder { restore: one.restore })).await? {
            Outcome::RestoreEnded(left) => Ok(left),
            other => Err(unexpected(&agent, &other)),
        }
    };
    match removed.await {
        Ok(left) if left.is_empty() => Ok(()),
        Ok(left) => Err(format!("restore {} to {}: {}", one.restore, one.place, left.join("; "))),
        Err(trouble) => Err(format!("restore {} to {}: {trouble}", one.restore, one.place)),
    }
}

/// Refuses by name to end a pair while a restore of it is under way.
pub(super) async fn refuse_under_way(engine: &Engine, pair: &PairName, clusters: [&ClusterName; 2]) -> Result<(), Trouble> {
    for cluster in clusters {
        if let Some(one) = unfinished(engine, pair, cluster).await.into_iter().find(|one| one.under_way) {
            return Err(RestoreRefusal::RestoreReads { restore: one.restore, place: one.place }
                .trouble(format!("pair {pair}"))
                .at(cluster));
        }
    }
    Ok(())
}
