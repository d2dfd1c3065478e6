//! Removals for good: what would go is gathered and shown first, and nothing goes before the pair's name was typed.
//!
//! ```text
//! WouldGo → both agents are asked what they hold → going (pure) → Going: to read
//! Unpair · Kept, remove · Leftovers, unknown → confirmed (pure)? ─┬─ no: refused, nothing is done
//!                                                                └─ yes: done, and who said so is noted
//! ```

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::domain::{ClusterName, PairName, PointId, ServiceName, Trouble, TroubleKind};
use crate::protocol::{Holdings, Order, Outcome, PointHeld};

use super::command::{ClusterGoing, Going, Leftovers, Removal, ServiceGoing};
use super::engine::Engine;
use super::instruct::{Errand, unexpected};
use super::{Reply, kept, leftovers, pairing};

/// Whether the person typed the name of the pair, exactly.
pub(super) fn confirmed(pair: &PairName, typed: Option<&str>, next: &str) -> Result<(), Trouble> {
    let refuse = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {pair}"), reason).next(next);
    match typed {
        Some(typed) if typed == pair.as_str() => Ok(()),
        Some(typed) => Err(refuse(format!("{typed:?} was typed, and not the name of the pair; nothing is removed"))),
        None => Err(refuse("the name of the pair was not typed; nothing is removed".to_owned())),
    }
}

/// What a removal would take away now. Removes nothing.
pub(super) async fn look(engine: &Engine, pair: &PairName, removal: Removal) -> Result<Reply, Trouble> {
    let going = match removal {
        Removal::Pair => of_pair(engine, pair).await?,
        Removal::Kept(id) => of_kept(engine, pair, id).await?,
        Removal::Leftovers => of_leftovers(engine, pair).await?,
    };
    Ok(Reply::WouldGo(going))
}

async fn of_pair(engine: &Engine, pair: &PairName) -> Result<Going, Trouble> {
    let agents = pairing::may_unpair(engine, pair)?;
    let [one, other] = agents.each_ref().map(|agent| &agent.enrolled.cluster);
    let (held_one, held_other) = tokio::join!(holdings(engine, pair, one), holdings(engine, pair, other));
    let mut known: BTreeMap<ServiceName, Vec<PointHeld>> = BTreeMap::new();
    let seen = engine.read(|m| {
        for service in m.services_of(pair) {
            let points = m.points.get(&service.name).into_iter().flatten();
            let held = points.map(|p| PointHeld { point: p.id, service: service.name.clone(), moment: p.moment });
            known.insert(service.name.clone(), held.collect());
        }
        agents.each_ref().map(|agent| m.pairs.get(pair)?.watch_of(&agent.enrolled.cluster)?.last_seen)
    });
    let told = [(one.clone(), seen[0], held_one), (other.clone(), seen[1], held_other)];
    Ok(going(pair, known, told))
}

/// What a cluster told of its holdings, and when it was last seen.
type Told = (ClusterName, Option<DateTime<Utc>>, Result<Holdings, Trouble>);

/// What goes with a pair: the services and points that this engine or an agent knows, and what each cluster holds. Pure.
fn going(pair: &PairName, mut known: BTreeMap<ServiceName, Vec<PointHeld>>, told: [Told; 2]) -> Going {
    let clusters = told.map(|(cluster, last_seen, held)| match held {
        Ok(held) => {
            let Holdings { points, snapshots, kept, staging, drills, fenced, failed } = held;
            points.into_iter().for_each(|point| known.entry(point.service.clone()).or_default().push(point));
            ClusterGoing { snapshots, kept, staging, drills, fenced, failed, ..ClusterGoing::nothing(cluster, last_seen) }
        }
        // It has left already: an unpairing before this one was cut short.
        Err(trouble) if trouble.kind == TroubleKind::NotFound => ClusterGoing::nothing(cluster, last_seen),
        Err(trouble) => ClusterGoing { unknown: Some(trouble.to_string()), ..ClusterGoing::nothing(cluster, last_seen) },
    });
    Going { pair: pair.clone(), removal: Removal::Pair, services: known.into_iter().map(service).collect(), clusters: clusters.into() }
}

/// A service with its points, each counted once: both clusters may hold one.
fn service((service, points): (ServiceName, Vec<PointHeld>)) -> ServiceGoing {
    let ids: BTreeSet<PointId> = points.iter().map(|held| held.point).collect();
    let moments = || points.iter().map(|held| held.moment);
    ServiceGoing { service, points: ids.len() as u64, oldest: moments().min(), newest: moments().max() }
}

async fn holdings(engine: &Engine, pair: &PairName, cluster: &ClusterName) -> Result<Holdings, Trouble> {
    let agent = engine.agent(pair, cluster)?;
    // One that does not answer now is told as such; the removal itself is more patient.
    let patience = Some(engine.limits.call);
    let errand = Errand { id: engine.fresh(), pair, epoch: engine.epoch(pair), agent: &agent, order: Order::Holdings, patience };
    match engine.carry_out(errand, |_| ()).await? {
        Outcome::Holdings(held) => Ok(held),
        other => Err(unexpected(&agent, &other)),
    }
}

async fn of_kept(engine: &Engine, pair: &PairName, id: PointId) -> Result<Going, Trouble> {
    let all = kept::all(engine, pair).await?;
    let one = kept::find(&all, pair, id)?;
    let seen = engine.read(|m| m.pairs.get(pair)?.watch_of(&one.cluster)?.last_seen);
    let cluster = ClusterGoing { kept: vec![one.writes.clone()], ..ClusterGoing::nothing(one.cluster.clone(), seen) };
    Ok(Going { pair: pair.clone(), removal: Removal::Kept(id), services: Vec::new(), clusters: vec![cluster] })
}

async fn of_leftovers(engine: &Engine, pair: &PairName) -> Result<Going, Trouble> {
    let found = leftovers::look(engine, pair, &leftovers::Ask::default()).await?;
    let clusters = found.clusters.iter().map(|cluster| {
        let seen = engine.read(|m| m.pairs.get(pair)?.watch_of(&cluster.cluster)?.last_seen);
        of_cluster(&found, &cluster.cluster, seen)
    });
    Ok(Going { pair: pair.clone(), removal: Removal::Leftovers, services: Vec::new(), clusters: clusters.collect() })
}

fn of_cluster(found: &Leftovers, cluster: &ClusterName, seen: Option<DateTime<Utc>>) -> ClusterGoing {
    let mut going = ClusterGoing::nothing(cluster.clone(), seen);
    for (_, leftover) in found.found().filter(|(at, leftover)| *at == cluster && leftover.goes(true)) {
        *going.snapshots.entry(leftover.snapshot.component.clone()).or_default() += 1;
        going.not_made_here += u64::from(!leftover.made_here);
    }
    going.failed = found.clusters.iter().filter(|at| at.cluster == *cluster).flat_map(|at| at.report.failed.clone()).collect();
    going
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn held(point: u128, service: &str, hour: i64) -> PointHeld {
        let moment = DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hour);
        PointHeld { point: PointId(Uuid::from_u128(point)), service: service.parse().expect("a name"), moment }
    }

    #[test]
    fn only_the_exact_name_of_the_pair_lets_anything_go() {
        let pair: PairName = "sz-gy".parse().expect("a name");
        for typed in [None, Some(""), Some("sz"), Some("SZ-GY"), Some("sz-gy "), Some("orders")] {
            let trouble = confirmed(&pair, typed, "type sz-gy").expect_err("not the name");
            assert!(trouble.kind == TroubleKind::Refused && trouble.next_step == "type sz-gy", "{trouble}");
        }
        assert_eq!(confirmed(&pair, Some("sz-gy"), ""), Ok(()));
    }

    #[test]
    fn a_point_that_both_clusters_hold_is_counted_once_and_a_silent_cluster_says_since_when() {
        let pair: PairName = "p".parse().expect("a name");
        let name = |name: &str| -> ClusterName { name.parse().expect("a name") };
        let east = Holdings { points: vec![held(1, "orders", 1), held(2, "orders", 2)], fenced: 2, ..Holdings::default() };
        let silent = Trouble::new(TroubleKind::Unreachable, "agent west", "no answer");
        let seen = DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(3);
        let known = [held(2, "orders", 2), held(3, "orders", 4)];
        let known = BTreeMap::from([("orders".parse().expect("a name"), known.to_vec()), ("empty".parse().expect("a name"), Vec::new())]);
        let going = going(&pair, known, [(name("east"), None, Ok(east)), (name("west"), Some(seen), Err(silent))]);
        assert_eq!(
            going.lines(&|at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
            [
                "dissolving pair p removes for good:",
                "2 services, protected no longer",
                "  service empty: no recovery point",
                "  service orders: 3 recovery points, oldest 1970-01-01 01:00:00 UTC, newest 1970-01-01 04:00:00 UTC",
                "east: 0 snapshots",
                "east: the fence of 2 data sets is lifted, applications may write there",
                "west: what it holds is not known, last seen 1970-01-01 03:00:00 UTC: agent west: no answer",
            ]
        );
        assert_eq!(going.command(), "understudy unpair p --confirm p");
    }

    #[test]
    fn a_cluster_that_has_left_already_holds_nothing() {
        let left = || Err(Trouble::new(TroubleKind::NotFound, "p", "this agent is no member of the pair"));
        let told = ["east", "west"].map(|name| (name.parse().expect("a name"), None, left()));
        let going = going(&"p".parse().expect("a name"), BTreeMap::new(), told);
        assert!(going.clusters.iter().all(|cluster| *cluster == ClusterGoing::nothing(cluster.cluster.clone(), None)), "{going:?}");
    }
}
