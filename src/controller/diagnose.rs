//! What the looks at both clusters amount to: a faulty cluster is told from a silent agent and from a console that is cut off. Pure.

use chrono::{DateTime, Utc};

use crate::domain::{Health, Identity};
use crate::protocol::PeerView;

use super::WatchSettings;
use super::model::{AgentWatch, Findings, PairModel};
use super::prompt::health_of;
use super::snapshot::Observation;

/// What is true of one cluster.
struct Verdict {
    health: Health,
    evidence: Vec<String>,
    /// What it is, for a person.
    words: String,
    since: Option<DateTime<Utc>>,
}

/// Weighs everything that is known of a pair.
pub(super) fn findings(pair: &PairModel, settings: WatchSettings, now: DateTime<Utc>) -> Findings {
    let verdicts = [0, 1].map(|index| verdict(pair, index, settings, now));
    let primary = pair.index(&pair.state.primary).unwrap_or(0);
    let adjustable = verdicts[primary].health == Health::Faulty;
    Findings {
        observed: observations(pair, primary),
        verdict: verdicts[primary].words.clone(),
        adjustable,
        wrong_since: verdicts[primary].since,
        conflict: conflict(pair),
        clusters: verdicts.map(|v| Some((v.health, v.evidence))),
    }
}

fn verdict(pair: &PairModel, index: usize, settings: WatchSettings, now: DateTime<Utc>) -> Verdict {
    let (mine, other) = (&pair.watch[index], &pair.watch[1 - index]);
    let name = &pair.paired.agents[index].enrolled.cluster;
    let other_name = &pair.paired.agents[1 - index].enrolled.cluster;
    let peer = peer_view(pair, 1 - index);
    if mine.trouble.is_none() {
        return answering(mine, name.as_str(), settings, now);
    }
    let since = mine.silent_since;
    let silent = format!(
        "the agent of {name} does not answer the controller{}",
        mine.last_seen.map_or(String::new(), |at| format!(", last seen {}", at.format("%H:%M:%S UTC")))
    );
    let told = |health, words: String, more: Vec<String>| {
        let evidence = std::iter::once(silent.clone()).chain(more).collect();
        Verdict { health, evidence, words, since }
    };
    let long = has_lasted(mine.failures, since, settings, now);
    let Some(peer) = peer.filter(|_| other.trouble.is_none()) else {
        let words = format!("neither agent answers: the controller itself may be cut off, so nothing is known of {name}");
        return told(Health::Unknown, words, vec![format!("the agent of {other_name} does not answer either")]);
    };
    if peer.agent_failures == 0 && peer.agent_seen.is_some() {
        let words = format!("only the controller cannot reach {name}: {other_name} still sees its agent");
        return told(Health::Unknown, words, vec![format!("{other_name} sees the agent of {name}")]);
    }
    let probes: Vec<String> = peer.probes.iter().map(|p| format!("{other_name} probed {}: {}", p.component, p.evidence)).collect();
    if peer.probes.iter().any(|p| p.health == Health::Healthy) {
        let words = format!(
            "agent down: the agent of {name} is silent, but its components answer {other_name}. Applications go on; start the agent again"
        );
        return told(Health::Unknown, words, probes);
    }
    let second = format!("{other_name} cannot reach the agent of {name} either");
    let more = std::iter::once(second).chain(probes).collect();
    if long {
        told(Health::Faulty, format!("{name} is faulty: nobody reaches it, neither the controller nor {other_name}"), more)
    } else {
        told(Health::Suspect, format!("{name} may be faulty: nobody reaches it just now"), more)
    }
}

fn answering(watch: &AgentWatch, name: &str, settings: WatchSettings, now: DateTime<Utc>) -> Verdict {
    let Some(status) = &watch.status else {
        return Verdict { health: Health::Unknown, evidence: vec!["not asked yet".into()], words: "not asked yet".into(), since: None };
    };
    let bad: Vec<String> =
        status.probes.iter().filter(|p| p.health != Health::Healthy).map(|p| format!("{}: {}", p.component, p.evidence)).collect();
    let (health, words) = if watch.sick > 0 && has_lasted(watch.sick, watch.sick_since, settings, now) {
        (Health::Faulty, format!("{name} is faulty: its agent reports {}", bad.join("; ")))
    } else if watch.sick > 0 || status.probes.iter().any(|p| p.health == Health::Suspect) {
        (Health::Suspect, format!("{name} shows signs of trouble: {}", bad.join("; ")))
    } else {
        (Health::Healthy, format!("{name} is healthy"))
    };
    let evidence = if bad.is_empty() { vec!["its agent answers, and every component is well".to_owned()] } else { bad };
    Verdict { health, evidence, words, since: watch.sick_since }
}

/// Often enough and long enough.
fn has_lasted(times: u32, since: Option<DateTime<Utc>>, settings: WatchSettings, now: DateTime<Utc>) -> bool {
    let long = since.is_some_and(|since| (now - since).to_std().unwrap_or_default() >= settings.fault_after);
    times >= settings.failures && long
}

/// What the agent at `index` sees of the other side.
fn peer_view(pair: &PairModel, index: usize) -> Option<&PeerView> {
    let status = pair.watch[index].status.as_ref()?;
    status.pairs.iter().find(|p| p.pair == pair.paired.name).map(|p| &p.peer)
}

/// Who sees what of the cluster at `index`.
fn observations(pair: &PairModel, index: usize) -> Vec<Observation> {
    let (mine, other) = (&pair.watch[index], &pair.watch[1 - index]);
    let name = &pair.paired.agents[index].enrolled.cluster;
    let other_name = &pair.paired.agents[1 - index].enrolled.cluster;
    let mut observed = Vec::new();
    let (answers, saw) = match &mine.trouble {
        None => (true, format!("the agent of {name} answers")),
        Some(trouble) => (false, format!("the agent of {name}: {}", trouble.reason)),
    };
    observed.push(Observation { who: "controller".into(), saw, health: health_of(answers) });
    if let Some(status) = mine.status.as_ref().filter(|_| answers) {
        let who = format!("agent of {name}");
        observed.extend(status.probes.iter().map(|p| Observation {
            who: who.clone(),
            saw: format!("{}: {}", p.component, p.evidence),
            health: p.health,
        }));
    }
    let who = format!("agent of {other_name}");
    match (&other.trouble, peer_view(pair, 1 - index)) {
        (Some(trouble), _) => {
            observed.push(Observation { who: "controller".into(), saw: format!("the {who}: {}", trouble.reason), health: Health::Unknown });
        }
        (None, Some(peer)) => {
            let seen = peer.agent_failures == 0 && peer.agent_seen.is_some();
            let saw = if seen { format!("sees the agent of {name}") } else { format!("cannot reach the agent of {name}") };
            observed.push(Observation { who: who.clone(), saw, health: health_of(seen) });
            observed.extend(peer.probes.iter().map(|p| Observation {
                who: who.clone(),
                saw: format!("probed {} at {name}: {}", p.component, p.evidence),
                health: p.health,
            }));
        }
        (None, None) => {}
    }
    observed
}

/// Two decisions of one epoch, or two primaries of one epoch.
fn conflict(pair: &PairModel) -> String {
    let claims: Vec<_> = pair.claims().collect();
    let [(a, first), (b, second)] = claims.as_slice() else { return String::new() };
    let both_primary = first.identity == Identity::Primary && second.identity == Identity::Primary;
    if first.epoch != second.epoch || (first.decision == second.decision && !both_primary) {
        return String::new();
    }
    format!(
        "{a} and {b} hold two different decisions of epoch {}: routes lead nowhere until a person resolves it. Decide which of them is right, and run \
         `understudy-agent adopt` on its host",
        first.epoch
    )
}
