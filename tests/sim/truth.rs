//! What is true, whoever knows it: rows that were acknowledged, what recovery points captured, who decided. No party reads it; the
//! promises are checked against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use understudy::domain::switchover::machine::Decision;
use understudy::domain::*;

use crate::site::Rows;
use crate::together;
use crate::world::{State, cluster, index, pair, policy};

#[derive(Default)]
pub struct Truth {
    /// Rows drawn so far.
    pub rows: u64,
    /// Rows that the application was told are safe at a cluster, since that cluster began to serve.
    pub acknowledged: [BTreeSet<u64>; 2],
    /// What each point captured.
    pub captured: BTreeMap<PointId, Arc<Rows>>,
    /// When, in seconds.
    pub captured_at: BTreeMap<PointId, f64>,
    /// The newest point sealed at each cluster, until one seals after it or that cluster serves.
    pub newest_sealed: [Option<PointId>; 2],
    /// Every point that was ever sealed.
    pub sealed: BTreeSet<PointId>,
    /// Who commanded an identity change: a name of its own for each command.
    pub commanded: BTreeSet<String>,
    /// Clusters and terms as last seen, for what may only rise.
    seen: [Option<(Claim, Term)>; 2],
    /// Since when (seconds) each cluster has not been able to serve.
    pub dead_since: [Option<f64>; 2],
    pub promotions: u64,
    /// Promotions that waited for a person's look, that were taken back, and from live data after the other was lost alone.
    pub holds: u64,
    pub taken_back: u64,
    pub went_on: u64,
    pub reversals: u64,
    pub points_sealed: u64,
    /// What the engine says of a run that ended badly: nothing is left of its point.
    pub dropped: BTreeSet<PointId>,
    pub lost_rows: u64,
}

impl Truth {
    /// These rows; as the very set that was captured for the point where they are equal, so that holding the two against each other
    /// again costs nothing.
    pub fn shared(&self, point: PointId, rows: Rows) -> Arc<Rows> {
        self.captured.get(&point).filter(|captured| ***captured == rows).cloned().unwrap_or_else(|| Arc::new(rows))
    }
}

/// Everything that can be seen from outside after a step of anybody.
pub fn check(s: &mut State) {
    if let Some(why) = together::broken(&s.sites[0].agent, &s.sites[1].agent) {
        s.breaks(format_args!("invariants 1, 9: {why}"));
    }
    for i in 0..2 {
        claims_only_rise(s, i);
        data_is_what_was_sealed(s, i);
        acknowledged_rows_are_there(s, i);
        let agent = &s.sites[i].agent;
        let silent = agent.facts.confirmed || agent.says().is_none_or(|said| said.active.is_none());
        let by = agent.decisions.iter().find(|known| known.id == agent.facts.claim.decision);
        let serves = agent.says().is_some_and(|said| said.active.as_ref() == Some(cluster(i)));
        let early = serves && by.is_some_and(|decision| agent.is_held(decision));
        s.promise(!early, || format!("{} serves before a person has committed its promotion", cluster(i)));
        s.promise(silent, || format!("invariant 3: {} names the active cluster though nobody confirmed it", cluster(i)));
    }
    let ghost = s.truth.dropped.iter().find(|point| s.sites.iter().any(|site| site.holds_any_of(**point))).copied();
    s.promise(ghost.is_none(), || format!("invariant 7: {} is held though its run was told as dropped", ghost.unwrap()));
}

/// Invariants 1, 2 and 6.
fn claims_only_rise(s: &mut State, i: usize) {
    let (claim, term) = (s.sites[i].agent.facts.claim, s.sites[i].agent.term);
    if let Some((old, old_term)) = s.truth.seen[i].replace((claim, term)) {
        if old == claim && old_term == term {
            return;
        }
        s.promise(claim.epoch >= old.epoch && term >= old_term, || {
            format!("invariant 2: {} went back from epoch {}, term {old_term} to epoch {}, term {term}", cluster(i), old.epoch, claim.epoch)
        });
        s.promise(claim == old || claim.epoch > old.epoch, || format!("invariant 1: {} changed its claim within an epoch", cluster(i)));
    }
    let founding = claim.decision == DecisionId::founding(pair(), Epoch(1), cluster(0));
    let known = s.sites.iter().flat_map(|site| &site.agent.decisions).find(|d| d.id == claim.decision);
    let by_person = known.is_some_and(|decision| s.truth.commanded.contains(&decision.by));
    s.promise(founding || by_person, || format!("invariant 6: {} follows a decision that nobody took", cluster(i)));
}

/// Invariant 5: what is sealed stays as it was captured, and the newest stays.
fn data_is_what_was_sealed(s: &mut State, i: usize) {
    let site = &s.sites[i];
    let altered = site.points.values().filter(|p| p.sealed).find(|p| s.truth.captured.get(&p.record.id) != Some(&p.rows));
    let altered = altered.map(|p| p.record.id);
    // A cluster that has served holds more than the point it was brought up from, until it is made the target again.
    let is_target = site.agent.facts.claim.identity == Identity::Secondary && s.truth.newest_sealed[i].is_some();
    let applied = site.applied.filter(|_| is_target);
    let live = applied.is_none_or(|point| s.truth.captured.get(&point) == Some(&site.live));
    let lost = s.truth.newest_sealed[i].filter(|point| !site.points.get(point).is_some_and(|p| p.sealed));
    s.promise(altered.is_none(), || format!("invariant 4: {} holds {} with other data than was captured", cluster(i), altered.unwrap()));
    s.promise(live, || format!("invariant 5: live data of {} is not its point {}", cluster(i), applied.unwrap()));
    s.promise(lost.is_none(), || format!("invariant 5: {} lost its newest sealed point {}", cluster(i), lost.unwrap()));
}

/// What the serving cluster told an application is there.
fn acknowledged_rows_are_there(s: &mut State, i: usize) {
    let facts = &s.sites[i].agent.facts;
    if facts.claim.identity != Identity::Primary || !facts.active.contains_key(&policy().name) {
        return;
    }
    let missing = s.truth.acknowledged[i].last().copied().filter(|row| !s.sites[i].live.contains(row));
    s.promise(missing.is_none(), || format!("row {} was acknowledged by {} and is gone", missing.unwrap(), cluster(i)));
}

/// A service is up at a cluster, and waits for a person to look at it.
pub fn held(s: &mut State, i: usize, point: PointId) {
    s.truth.holds += 1;
    s.truth.acknowledged[i].clear();
    s.truth.newest_sealed[i] = None;
    s.note(format_args!("{} is held at {point}", cluster(i)));
}

/// A service goes on at a cluster from what is live there: all that it ever acknowledged since it served from a point.
pub fn went_on(s: &mut State, i: usize, decision: &Decision) {
    let from = index(&decision.from);
    let missing = s.truth.acknowledged[i].difference(&s.sites[i].live).next().copied();
    s.promise(missing.is_none(), || format!("{} goes on without row {} of its own", cluster(i), missing.unwrap()));
    let lost = s.truth.acknowledged[from].difference(&s.sites[i].live).count();
    s.promise(!decision.take_back || lost == 0, || format!("{lost} rows that {} acknowledged were taken back", cluster(from)));
    if decision.take_back {
        s.truth.taken_back += 1;
    } else {
        s.truth.went_on += 1;
    }
    s.truth.promotions += 1;
    s.truth.lost_rows += lost as u64;
    s.truth.newest_sealed[i] = None;
    s.note(format_args!("{} goes on at epoch {} from what it holds; {lost} rows lost", cluster(i), decision.epoch));
}

/// A service has come up at a cluster: invariants 4 and 9, and what a planned switchover promises.
pub fn promoted(s: &mut State, i: usize, decision: &Decision, point: Option<PointId>) {
    let from = index(&decision.from);
    let Some(point) = point else { return };
    let captured = s.truth.captured.get(&point).cloned();
    let row = s.sites[i].points.get(&point);
    let sealed = row.is_some_and(|row| row.sealed && row.record.to == *cluster(i));
    let is_it = captured.as_ref().is_some_and(|rows| *rows == s.sites[i].live);
    s.promise(sealed && is_it, || {
        format!("invariant 4: {} was promoted to {point}, which is not sealed there or not what is live", cluster(i))
    });
    let lost: Vec<u64> = s.truth.acknowledged[from].difference(&s.sites[i].live).copied().collect();
    s.promise(!decision.planned || lost.is_empty(), || {
        format!("a planned switchover to {} lost {} acknowledged rows, first {}", cluster(i), lost.len(), lost[0])
    });
    let age = |point: &PointId| s.truth.captured_at.get(point).copied().unwrap_or_default();
    let newest =
        s.sites[i].points.iter().filter(|(_, p)| p.sealed && p.record.to == *cluster(i)).map(|(id, _)| age(id)).fold(0.0, f64::max);
    let behind = newest - age(&point);
    s.promise(behind <= 0.0, || format!("{} resumes from {point} though it holds one that is {behind:.0} s newer", cluster(i)));
    s.truth.promotions += 1;
    s.truth.lost_rows += lost.len() as u64;
    s.truth.acknowledged[i].clear();
    s.truth.newest_sealed[i] = None;
    s.note(format_args!("{} serves at epoch {} from {point}; {} rows lost", cluster(i), decision.epoch, lost.len()));
}
