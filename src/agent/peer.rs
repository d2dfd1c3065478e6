//! The watch of the other side: its agent's status and clock, its components as far as they can be probed from here, and what its
//! claim means for ours.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::jobs::{Site, identity};
use super::links::Links;
use super::views::Views;
use crate::components::{hbase, hdfs, hive};
use crate::domain::clock::Sample;
use crate::domain::{Claim, ComponentInfo, ComponentKind, Epoch, Identity, ProbeReport, Trouble, TroubleKind};
use crate::protocol::{AgentApi, AgentClient, AgentStatus, PeerSpec, PeerView};
use crate::store::agent::PairFacts;

/// Between two looks at the other side.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long its agent may take to tell its status.
const STATUS_LIMIT: Duration = Duration::from_secs(3);
/// How long one of its components may take to be probed.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// What the other side's claim means for ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lesson {
    /// Nothing.
    Nothing,
    /// It agrees with ours: ours is confirmed.
    Confirms,
    /// It is primary of a higher epoch: we give way.
    GiveWay(Claim),
    /// Two decisions made one epoch: nothing is done until a person decides.
    Conflict(String),
    /// Its epoch is further above ours than persons can have decided. It changes nothing.
    Incredible(Epoch),
}

/// Only evidence of a primary of a higher epoch changes us; a lower one says to a primary that it is the newer (there are but two of us).
/// To a secondary it does not: the other side may still have to be told that it is primary again, once a promotion was taken back.
pub fn learn(ours: &Claim, theirs: &Claim) -> Lesson {
    use std::cmp::Ordering;
    if !ours.epoch.can_become(theirs.epoch) {
        return Lesson::Incredible(theirs.epoch);
    }
    match theirs.epoch.cmp(&ours.epoch) {
        Ordering::Less if ours.identity == Identity::Primary => Lesson::Confirms,
        Ordering::Less => Lesson::Nothing,
        Ordering::Greater if theirs.identity == Identity::Primary => Lesson::GiveWay(*theirs),
        // It has stepped back for a decision that we are still to be told.
        Ordering::Greater => Lesson::Nothing,
        Ordering::Equal if theirs.decision != ours.decision => {
            Lesson::Conflict(format!("two decisions made epoch {}: {} here, {} there", ours.epoch, ours.decision, theirs.decision))
        }
        Ordering::Equal if theirs.identity == ours.identity => {
            Lesson::Conflict(format!("both clusters say that they are {} of epoch {}", ours.identity, ours.epoch))
        }
        Ordering::Equal => Lesson::Confirms,
    }
}

/// Looks at all pairs' other sides until `stop`.
pub async fn watch(site: Arc<Site>, links: Arc<Links>, views: Arc<Views>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let ledger = site.ledger.clone();
        let pairs = match spawn_blocking(move || ledger.pairs()).await {
            Ok(Ok(pairs)) => pairs,
            Ok(Err(trouble)) => {
                tracing::error!(%trouble, "pairs cannot be read");
                continue;
            }
            Err(_) => return,
        };
        views.keep_only(pairs.iter().map(|facts| &facts.pair));
        tokio::select! {
            _ = join_all(pairs.iter().map(|facts| look(&site, &links, &views, facts))) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn look(site: &Arc<Site>, links: &Links, views: &Views, facts: &PairFacts) {
    let (status, probes) = tokio::join!(ask(site, links, views, facts), probe(facts));
    let now = site.clock.now();
    views.update_peer(facts, |view| {
        view.probes = probes;
        match &status {
            Ok((status, claim)) => {
                view.agent_seen = Some(now);
                view.agent_failures = 0;
                view.claim = claim.or(view.claim);
                tracing::trace!(peer = %status.cluster, "seen");
            }
            Err(trouble) => {
                view.agent_failures = view.agent_failures.saturating_add(1);
                tracing::debug!(%trouble, failures = view.agent_failures, "the other agent does not answer");
            }
        }
    });
    if let Ok((_, Some(claim))) = status
        && let Err(trouble) = apply_lesson(site, facts, claim)
    {
        tracing::error!(pair = %facts.pair, %trouble, "cannot follow what the other side tells");
    }
}

/// Its status, with its claim in this pair, and a clock sample on the way.
async fn ask(site: &Site, links: &Links, views: &Views, facts: &PairFacts) -> Result<(AgentStatus, Option<Claim>), Trouble> {
    let client = links.client(&facts.peer)?;
    let late = || Trouble::new(TroubleKind::Unreachable, format!("agent {}", facts.peer.address), "it did not answer in time");
    let status = tokio::time::timeout(STATUS_LIMIT, client.status()).await.unwrap_or_else(|_| Err(late()))?;
    if status.cluster != facts.peer.cluster {
        let reason = format!("it calls itself {}, not {}", status.cluster, facts.peer.cluster);
        return Err(Trouble::new(TroubleKind::Refused, format!("agent {}", facts.peer.address), reason));
    }
    if let Ok(Ok(sample)) = tokio::time::timeout(STATUS_LIMIT, sample_clock(site, views, &client)).await {
        views.add_clock_sample(&facts.pair, sample);
    }
    let known = with_addresses(&facts.peer.components, &status.components);
    if known != facts.peer.components {
        site.ledger.set_peer(&facts.pair, &PeerSpec { components: known, ..facts.peer.clone() })?;
    }
    let claim = status.pairs.iter().find(|pair| pair.pair == facts.pair && pair.peer.cluster == site.cluster).map(|pair| pair.claim);
    Ok((status, claim))
}

/// Where its components can be probed may change; space and rights change all the time and are not worth a write. What it does not tell
/// (it cannot while a component is down) is not forgotten: that is just when we need it.
fn with_addresses(known: &[ComponentInfo], told: &[ComponentInfo]) -> Vec<ComponentInfo> {
    let mut merged = known.to_vec();
    for info in told.iter().filter(|info| !info.probe_addresses.is_empty()) {
        match merged.iter_mut().find(|old| old.name == info.name) {
            Some(old) if old.probe_addresses == info.probe_addresses => {}
            Some(old) => *old = info.clone(),
            None => merged.push(info.clone()),
        }
    }
    merged
}

async fn sample_clock(site: &Site, views: &Views, client: &AgentClient) -> Result<Sample, Trouble> {
    let nanos = |at: chrono::DateTime<chrono::Utc>| at.timestamp_nanos_opt().unwrap_or_default();
    let t1 = nanos(site.clock.now());
    let reply = client.clock().await?;
    let t4 = nanos(site.clock.now());
    Ok(Sample { t1, t2: reply.received_ns, t3: reply.sent_ns, t4, taken_ns: views.monotonic_ns() })
}

/// Our own probes of its components: the second vantage point.
async fn probe(facts: &PairFacts) -> Vec<ProbeReport> {
    let reachable = facts.peer.components.iter().filter(|component| !component.probe_addresses.is_empty());
    let probes = reachable.map(|component| async move {
        let (name, addresses) = (&component.name, &component.probe_addresses);
        match component.kind {
            ComponentKind::Hbase => hbase::probe::probe_addresses(name, addresses, PROBE_LIMIT).await,
            ComponentKind::Hive => hive::probe::probe_addresses(name, addresses, PROBE_LIMIT).await,
            _ => hdfs::probe::probe_addresses(name, addresses, PROBE_LIMIT).await,
        }
    });
    join_all(probes).await
}

fn apply_lesson(site: &Arc<Site>, facts: &PairFacts, theirs: Claim) -> Result<(), Trouble> {
    match learn(&facts.claim, &theirs) {
        Lesson::Nothing => Ok(()),
        Lesson::Confirms if facts.confirmed => Ok(()),
        Lesson::Confirms => {
            tracing::info!(pair = %facts.pair, epoch = %facts.claim.epoch, "the other agent confirms our identity");
            site.ledger.confirm_compared(&facts.pair, facts.claim)
        }
        Lesson::GiveWay(claim) => identity::give_way(site, &facts.pair, claim),
        Lesson::Incredible(epoch) => {
            tracing::error!(pair = %facts.pair, told = %epoch, known = %facts.claim.epoch, "the other agent tells an epoch that cannot be; it is not followed");
            Ok(())
        }
        Lesson::Conflict(_) if facts.conflict.is_some() => Ok(()),
        Lesson::Conflict(why) => {
            tracing::error!(pair = %facts.pair, why, "conflict: refusing until a person decides");
            site.ledger.set_conflict(&facts.pair, facts.claim, &why)
        }
    }
}

/// A view of a peer that was not looked at yet.
pub fn unseen(facts: &PairFacts) -> PeerView {
    PeerView {
        cluster: facts.peer.cluster.clone(),
        address: facts.peer.address.clone(),
        agent_seen: None,
        agent_failures: 0,
        claim: None,
        probes: Vec::new(),
        clock_offset_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DecisionId;
    use uuid::Uuid;

    fn claim(identity: Identity, epoch: u64, decision: u64) -> Claim {
        Claim { identity, epoch: Epoch(epoch), decision: DecisionId(Uuid::from_u64_pair(1, decision)) }
    }

    /// Invariants 1 and 3.
    #[test]
    fn only_a_primary_of_a_higher_epoch_makes_us_give_way() {
        use Identity::{Primary, Secondary};
        for ours in [Primary, Secondary] {
            let mine = claim(ours, 5, 5);
            assert_eq!(learn(&mine, &claim(Primary, 6, 6)), Lesson::GiveWay(claim(Primary, 6, 6)));
            assert_eq!(learn(&mine, &claim(Secondary, 6, 6)), Lesson::Nothing);
            for theirs in [Primary, Secondary] {
                let lower = if ours == Primary { Lesson::Confirms } else { Lesson::Nothing };
                assert_eq!(learn(&mine, &claim(theirs, 4, 4)), lower);
                assert!(matches!(learn(&mine, &claim(theirs, 5, 6)), Lesson::Conflict(_)));
            }
            assert!(matches!(learn(&mine, &mine), Lesson::Conflict(_)));
        }
        assert_eq!(learn(&claim(Primary, 5, 5), &claim(Secondary, 5, 5)), Lesson::Confirms);
    }

    #[test]
    fn an_epoch_that_persons_cannot_have_decided_changes_nothing() {
        for identity in [Identity::Primary, Identity::Secondary] {
            let told = claim(Identity::Primary, 6 + Epoch::LEAP, 6);
            assert_eq!(learn(&claim(identity, 5, 5), &told), Lesson::Incredible(told.epoch));
        }
    }
}
