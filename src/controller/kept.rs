//! What an old primary had written after the common points, kept under snapshots of its own until a person removes it.

use crate::domain::{ClusterName, PairName, PointId, Trouble, TroubleKind};
use crate::protocol::{CopyKeptOrder, CopyRefusal, Order, Outcome, PruneOrder};

use super::command::{CopyKept, Kept, KeptCopied};
use super::engine::Engine;
use super::instruct::{Errand, unexpected, within};
use super::snapshot::Level;
use super::{Reply, going, pairing};

/// What a person asks for.
#[derive(Debug)]
pub(super) struct Ask {
    pub remove: Option<PointId>,
    /// The name of the pair, as the person typed it, to remove one.
    pub confirm: Option<String>,
    pub by: String,
}

/// Lists what both clusters keep, after removing one if asked to.
pub(super) async fn look(engine: &Engine, pair: &PairName, ask: &Ask) -> Result<Reply, Trouble> {
    let kept = all(engine, pair).await?;
    let Some(id) = ask.remove else { return Ok(Reply::Kept(kept)) };
    engine.check_in_command()?;
    let one = find(&kept, pair, id)?;
    going::confirmed(pair, ask.confirm.as_deref(), &format!("understudy kept {pair} --remove {id} --confirm {pair}"))?;
    let agent = engine.agent(pair, &one.cluster)?;
    let order = Order::Prune(PruneOrder { service: one.writes.service.clone(), data_sets: Vec::new(), points: vec![id] });
    let patience = Some(engine.limits.abort_patience);
    let errand = Errand { id: engine.fresh(), pair, epoch: engine.epoch(pair), agent: &agent, order, patience };
    if let Outcome::Dropped(left) = engine.carry_out(errand, |_| ()).await?
        && !left.is_empty()
    {
        return Err(Trouble::new(TroubleKind::Failed, format!("kept writes {id}"), format!("not removed: {}", left.join("; ")))
            .next("mend that, then remove it again"));
    }
    let removed = format!("what {} kept of {} as {id} is removed by {}", one.cluster, one.writes.service, ask.by);
    engine.note(Level::Warning, pair.as_str(), removed).await;
    Ok(Reply::Kept(all(engine, pair).await?))
}

/// Copies one out into a directory of the host of the agent that keeps it.
pub(super) async fn copy(engine: &Engine, pair: &PairName, ask: &CopyKept, by: &str) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let kept = all(engine, pair).await?;
    let one = match (ask.id, kept.as_slice()) {
        (Some(id), _) => find(&kept, pair, id)?,
        (None, [one]) => one,
        (None, []) => return Err(CopyRefusal::NothingKept.trouble(format!("pair {pair}"))),
        (None, _) => return Err(CopyRefusal::SeveralKept.trouble(format!("pair {pair}"))),
    };
    let agent = engine.agent(pair, &one.cluster)?;
    let id = engine.fresh();
    let order = Order::CopyKept(CopyKeptOrder { kept: one.writes.id, to: ask.to.clone(), id });
    let name = order.name();
    let patience = Some(engine.limits.abort_patience);
    let errand = Errand { id, pair, epoch: engine.epoch(pair), agent: &agent, order, patience };
    let copied = match engine.carry_out(errand, |_| ()).await {
        Ok(Outcome::CopiedKept(copied)) => copied,
        Ok(other) => return Err(unexpected(&agent, &other)),
        Err(trouble) if is_unknown(name, &trouble) => return Err(CopyRefusal::AgentTooOld.trouble(format!("agent {}", one.cluster))),
        Err(trouble) => return Err(trouble),
    };
    let text = format!(
        "what {} kept of {} as {} was copied to {} there by {by}",
        one.cluster,
        one.writes.service,
        one.writes.id,
        copied.to.display()
    );
    engine.note(Level::Info, pair.as_str(), text).await;
    Ok(Reply::KeptCopied(KeptCopied { cluster: one.cluster.clone(), copied }))
}

/// Whether an agent of an earlier version says that it does not know the order of this name.
fn is_unknown(order: &str, trouble: &Trouble) -> bool {
    trouble.kind == TroubleKind::Invalid && trouble.reason.contains(&format!("unknown variant `{order}`"))
}

/// The one with an id.
pub(super) fn find<'a>(kept: &'a [Kept], pair: &PairName, id: PointId) -> Result<&'a Kept, Trouble> {
    kept.iter().find(|kept| kept.writes.id == id).ok_or_else(|| {
        Trouble::new(TroubleKind::NotFound, format!("kept writes {id}"), "no cluster of the pair keeps anything under this id")
            .next(format!("`understudy kept {pair}` lists what is kept"))
    })
}

/// What both clusters of a pair keep, oldest first.
pub(super) async fn all(engine: &Engine, pair: &PairName) -> Result<Vec<Kept>, Trouble> {
    let clusters: Vec<ClusterName> = engine
        .read(|m| m.pairs.get(pair).map(|p| p.paired.agents.iter().map(|a| a.enrolled.cluster.clone()).collect()))
        .ok_or_else(|| pairing::unknown_pair(pair))?;
    let mut all = Vec::new();
    for cluster in clusters {
        let agent = engine.agent(pair, &cluster)?;
        let records = within(engine.limits.call, &agent, engine.link(&agent)?.records()).await?;
        let mine = records.pairs.into_iter().filter(|record| record.pair == *pair).flat_map(|record| record.kept);
        all.extend(mine.map(|writes| Kept { cluster: cluster.clone(), writes }));
    }
    all.sort_by_key(|kept| kept.writes.id);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an agent answers is serde's own text.
    #[test]
    fn an_agent_that_does_not_know_an_order_is_told_from_one_that_refuses_it() {
        let unread = serde_json::from_str::<Order>(r#"{"do":"of-later","with":{}}"#).expect_err("no such order");
        let told = Trouble::new(TroubleKind::Invalid, "request", format!("the body is not understood: {unread}"));
        assert!(is_unknown("of-later", &told) && !is_unknown("copy-kept", &told), "{told}");
    }
}
