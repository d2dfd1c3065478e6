//! From the model to the domain's diagnosis and back: what the looks at both clusters amount to. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::watch::{Diagnosis, PeerSight, Sight, Thresholds, Told, diagnose};

use super::WatchSettings;
use super::exchange::contended;
use super::model::{Findings, PairModel};
use super::snapshot::Observation;

/// Weighs everything that is known of a pair.
pub(super) fn findings(pair: &PairModel, settings: WatchSettings, now: DateTime<Utc>) -> Findings {
    let sights = [sight(pair, 0), sight(pair, 1)];
    let enough = thresholds(settings);
    let found = [diagnose(&sights[0], &sights[1], &enough, now), diagnose(&sights[1], &sights[0], &enough, now)];
    let primary = &found[pair.index(&pair.state.primary).unwrap_or(0)];
    Findings {
        observed: primary.evidence.iter().map(|e| Observation { who: e.who.clone(), saw: e.saw.clone(), health: e.health }).collect(),
        verdict: primary.verdict,
        words: primary.words.clone(),
        wrong_since: primary.since,
        conflict: conflict(pair),
        clusters: found.each_ref().map(|d| Some((d.verdict.health(), lines(d)))),
    }
}

fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    diagnosis.evidence.iter().map(|e| format!("{}: {}", e.who, e.saw)).collect()
}

fn thresholds(settings: WatchSettings) -> Thresholds {
    let delta = |d: std::time::Duration| TimeDelta::from_std(d).unwrap_or(TimeDelta::MAX);
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
