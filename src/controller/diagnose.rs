//! From the model to the domain's diagnosis and back: what the looks at both clusters amount to. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::watch::{Damping, Diagnosis, PeerSight, Sight, Thresholds, Told, Verdict, diagnose};

use super::WatchSettings;
use super::exchange::contended;
use super::model::{Findings, PairModel};
use super::snapshot::{HeldFault, Observation};
use super::withheld::{self, Why};

/// What is new since the last time.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The primary is faulty, and a person is to be prompted.
    pub faulty: bool,
    /// Something is not as it should be with the primary, or with what we see of it.
    pub unwell: bool,
    /// The primary has been well for long enough.
    pub settled: bool,
    /// Two decisions contend, in words.
    pub contended: Option<String>,
    /// A cluster has become unstable, in words.
    pub unstable: Vec<String>,
    /// A fault that is held back has begun or ended, in words.
    pub held: Option<String>,
    /// The cluster that stands by has become unwell, or is well again.
    pub beside: Vec<Beside>,
    /// Something at a component that is no fault, in words.
    pub signs: Vec<String>,
}

/// What became of the cluster that stands by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beside {
    /// It is not well. `held`: nobody is alerted of it just now.
    Unwell { words: String, held: bool },
    /// It is well again.
    Well { words: String },
}

/// Weighs everything that is known of a pair.
pub(super) fn weigh(pair: &mut PairModel, settings: WatchSettings, now: DateTime<Utc>) -> News {
    let damping = damping(settings);
    let enough = thresholds(settings);
    let sights = [sight(pair, 0), sight(pair, 1)];
    let found = [diagnose(&sights[0], &sights[1], &enough, now), diagnose(&sights[1], &sights[0], &enough, now)];
    let mut news = News::default();
    let names = pair.paired.agents.each_ref().map(|agent| agent.enrolled.cluster.clone());
    let mut damped = Vec::new();
    for (i, raw) in found.into_iter().enumerate() {
        let steadiness = &mut pair.watch[i].steadiness;
        let known = steadiness.is_unstable();
        steadiness.note(&raw, now, &damping);
        let found = steadiness.damp(raw, &names[i], now, &damping);
        news.unstable.extend((!known && steadiness.is_unstable()).then(|| found.words.clone()));
        damped.push(found);
    }
    let primary = pair.index(pair.state.serving()).unwrap_or(0);
    let (steadiness, found) = (&pair.watch[primary].steadiness, &damped[primary]);
    news.settled = steadiness.has_settled(now, &damping);
    news.unwell = !matches!(found.verdict, Verdict::Healthy | Verdict::Unknown) || found.since.is_some();
    let held = withheld::of(pair, settings.mode, now);
    news.faulty = found.verdict.offers_button() && held.is_none();
    let conflict = conflict(pair);
    news.contended = (!pair.is_contended() && !conflict.is_empty()).then(|| conflict.clone());
    let known_since = steadiness.known_since();
    (pair.held_fault, news.held) = held_fault(pair, held.as_ref(), found, news.settled, now);
    for (i, found) in damped.iter().enumerate() {
        news.beside.extend(beside(pair, i, found, (i != primary).then_some(held.is_some()), now, &damping));
        news.signs.extend(signs(pair, i));
    }
    let found = &damped[primary];
    pair.diagnosis = Findings {
        observed: found.evidence.iter().map(|e| Observation { who: e.who.clone(), saw: e.saw.clone(), health: e.health }).collect(),
        verdict: found.verdict,
        words: found.words.clone(),
        known_since,
        held,
        conflict,
        clusters: [0, 1].map(|i| Some((damped[i].verdict.health(), lines(&damped[i])))),
    };
    news
}

/// What is new of a cluster that stands by. `standing_by`: whether faults are held back; `None`: it does not stand by.
fn beside(
    pair: &mut PairModel,
    index: usize,
    found: &Diagnosis,
    standing_by: Option<bool>,
    now: DateTime<Utc>,
    damping: &Damping,
) -> Option<Beside> {
    let replicates = !pair.is_suspended();
    let cluster = pair.paired.agents[index].enrolled.cluster.clone();
    let watch = &mut pair.watch[index];
    match (watch.told_unwell, standing_by) {
        (None, Some(held))
            if replicates && (found.verdict.offers_button() || (found.lasting && found.verdict != Verdict::ConsoleCutOff)) =>
        {
            watch.told_unwell = Some(found.since.unwrap_or(now));
            Some(Beside::Unwell { words: format!("the secondary is not well: {}", found.words), held })
        }
        (Some(since), _) if watch.steadiness.has_settled(now, damping) => {
            watch.told_unwell = None;
            Some(Beside::Well { words: format!("{cluster} is well again, after {} s", (now - since).num_seconds().max(0)) })
        }
        _ => None,
    }
}

/// The signs that are new at a cluster, by its own agent's word.
fn signs(pair: &mut PairModel, index: usize) -> Vec<String> {
    let cluster = pair.paired.agents[index].enrolled.cluster.clone();
    let watch = &mut pair.watch[index];
    let Some(status) = watch.status.as_ref().filter(|_| watch.trouble.is_none()) else { return Vec::new() };
    let noted: Vec<_> = status.probes.iter().filter(|probe| probe.note.is_some()).collect();
    let new = noted.iter().filter(|probe| !watch.told_signs.contains(&probe.component));
    let lines = new.map(|probe| format!("{cluster}: {}: {}", probe.component, probe.evidence)).collect();
    watch.told_signs = noted.iter().map(|probe| probe.component.clone()).collect();
    lines
}

/// The fault that is held back now, and what is to be said when it has just begun or ended.
fn held_fault(
    pair: &PairModel,
    held: Option<&Why>,
    found: &Diagnosis,
    settled: bool,
    now: DateTime<Utc>,
) -> (Option<HeldFault>, Option<String>) {
    match (held, &pair.held_fault) {
        (Some(hold), None) if found.verdict.offers_button() => {
            let fault = HeldFault { since: found.since.unwrap_or(now), words: found.words.clone() };
            (Some(fault), Some(hold.begins(found)))
        }
        (Some(hold), Some(fault)) if settled => (None, Some(hold.ends(pair.state.serving(), fault.since, now))),
        (Some(_), Some(fault)) => (Some(HeldFault { since: fault.since, words: found.words.clone() }), None),
        // What stands is prompted from now on.
        (_, None) | (None, Some(_)) => (None, None),
    }
}

fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    diagnosis.evidence.iter().map(|e| format!("{}: {}", e.who, e.saw)).collect()
}

fn delta(d: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(d).unwrap_or(TimeDelta::MAX)
}

fn damping(settings: WatchSettings) -> Damping {
    Damping { settle: delta(settings.settle), times: settings.unstable_times, window: delta(settings.unstable_window) }
}

fn thresholds(settings: WatchSettings) -> Thresholds {
    Thresholds {
        failures: settings.failures,
        fault_after: delta(settings.fault_after),
        // A look that hangs takes its whole time limit; two of them, and the pauses between, are no news yet.
        stale_after: delta((settings.interval + settings.time_limit) * 3).max(TimeDelta::seconds(5)),
    }
}

fn sight(pair: &PairModel, index: usize) -> Sight<'_> {
    let watch = &pair.watch[index];
    let told = watch.status.as_ref().zip(watch.last_seen).map(|(status, at)| {
        let mine = status.pairs.iter().find(|p| p.pair == pair.paired.name);
        let peer = mine.map(|p| PeerSight { agent_seen: p.peer.agent_seen, agent_failures: p.peer.agent_failures, probes: &p.peer.probes });
        Told { at, agent_now: status.now, probes: &status.probes, peer }
    });
    Sight {
        cluster: &pair.paired.agents[index].enrolled.cluster,
        looked: watch.looked,
        silence: watch.silence.as_ref(),
        silent: watch.silent,
        sick: watch.sick,
        told,
    }
}

/// Two decisions of one epoch, or two primaries of one epoch.
fn conflict(pair: &PairModel) -> String {
    let claims: Vec<_> = pair.claims().collect();
    let (Some(epoch), [(a, _), (b, _)]) = (contended(&claims), claims.as_slice()) else { return String::new() };
    format!(
        "{a} and {b} hold two different decisions of epoch {}: routes lead nowhere, and nothing is done, until a person says which of them is \
         right: understudy adjust-identity {} --to {a} --confirm {a}, or the same with {b}",
        epoch, pair.paired.name
    )
}
