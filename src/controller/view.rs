//! From what the engine knows to what is shown: pure.

use chrono::{DateTime, Utc};

use crate::domain::backup::machine::{Phase, RunState};
use crate::domain::switchover::machine::{Event, PairPhase};
use crate::domain::unfinished::{self, Stuck};
use crate::domain::{Health, Identity, PointId, RunId, Service};

use super::model::{AgentWatch, DrillModel, Model, PairModel, RunModel};
use super::snapshot::{ClusterView, DrillView, PairView, RunView, ServiceState, ServiceView, Snapshot, StuckView, UsersView};
use super::{WatchMode, abandon, admissible, catch_up, certificates, prompt, window};

/// Points shown a service.
const POINTS: usize = 500;
/// Missed moments shown a service.
const MISSED: usize = 20;
/// Parts of the last day in the RPO history.
const HISTORY: i64 = 96;

/// The snapshot of a model at an instant.
pub(super) fn snapshot(model: &Model, now: DateTime<Utc>) -> Snapshot {
    Snapshot {
        generation: model.generation,
        at: now,
        ready: model.ready,
        observing: model.mode == WatchMode::Observe,
        ousted: model.ousted.is_some() || !model.cut_off.is_empty(),
        certificate: model.certificate.as_ref().map(|own| certificates::view(own, now)),
        pairs: model.pairs.values().map(|pair| pair_view(model, pair, now)).collect(),
        runs: model.runs.values().rev().map(run_view).collect(),
        points: model.points.values().flat_map(|points| points.iter().take(POINTS)).cloned().collect(),
        drills: model.drills.values().rev().map(drill_view).collect(),
        activity: model.activity.iter().cloned().collect(),
    }
}

fn drill_view(drill: &DrillModel) -> DrillView {
    DrillView { report: drill.state.report(), doing: drill.doing.clone() }
}

fn pair_view(model: &Model, pair: &PairModel, now: DateTime<Utc>) -> PairView {
    let mut clusters: Vec<ClusterView> = (0..2).map(|i| cluster_view(pair, i)).collect();
    clusters.sort_by_key(|c| c.name != pair.state.primary);
    let users = pair.users.as_ref();
    PairView {
        name: pair.paired.name.clone(),
        epoch: pair.epoch(),
        active: active(pair),
        clusters,
        services: model.services_of(&pair.paired.name).map(|service| service_view(model, pair, service, now)).collect(),
        fault: prompt::fault(model, pair),
        phase: phase_words(pair),
        clock: pair.clock.clone(),
        users: UsersView {
            at: users.map(|u| u.at),
            differences: users.map(|u| u.differences.clone()).unwrap_or_default(),
            counts: users.map(|u| u.counts).unwrap_or_default(),
            trouble: pair.users_trouble.clone(),
        },
        controller_isolated: pair.isolated,
        maintenance: pair.maintenance.clone().filter(|maintenance| maintenance.is_on(now)),
        held_fault: pair.held_fault.clone(),
        conflict: pair.diagnosis.conflict.clone(),
        behind: behind(pair),
        left: catch_up::left(pair),
        window: window::view(pair),
        reversible: reversible(pair),
    }
}

/// The cluster that may be made to stand by now.
pub(super) fn reversible(pair: &PairModel) -> Option<crate::domain::ClusterName> {
    admissible::may_reverse(pair).is_ok().then(|| pair.state.secondary.clone())
}

/// Another console has decided, and this one was not there: it would only fail to back up, and never say why.
fn behind(pair: &PairModel) -> String {
    let told = pair.epoch();
    if pair.is_suspended() || pair.is_contended() || told <= pair.state.epoch {
        return String::new();
    }
    format!(
        "the agents follow a decision of epoch {told} that this console does not know (it knows of epoch {}): run `understudy-agent adopt` on \
         the host of each agent and `understudy adopt` here, or go on at the console that decided",
        pair.state.epoch
    )
}

/// The cluster with the primary identity by the highest claim told; unknown while no agent has told one, or two decisions contend.
pub(super) fn active(pair: &PairModel) -> Option<crate::domain::ClusterName> {
    if !pair.diagnosis.conflict.is_empty() {
        return None;
    }
    let newest = pair.claims().map(|(_, claim)| claim.epoch).max()?;
    if newest < pair.state.epoch {
        // Whoever answers knows less than we do: what we know stands.
        return Some(pair.state.primary.clone());
    }
    let at_newest: Vec<_> = pair.claims().filter(|(_, claim)| claim.epoch == newest).collect();
    match at_newest.iter().find(|(_, claim)| claim.identity == Identity::Primary) {
        Some((cluster, _)) => Some((*cluster).clone()),
        None => {
            // Only the secondary answers: the other one holds the primary identity of that epoch.
            let (secondary, _) = at_newest.first()?;
            pair.paired.agents.iter().map(|a| &a.enrolled.cluster).find(|c| c != secondary).cloned()
        }
    }
}

fn cluster_view(pair: &PairModel, index: usize) -> ClusterView {
    let agent = &pair.paired.agents[index];
    let watch = &pair.watch[index];
    let answers = watch.trouble.is_none() && watch.status.is_some();
    let status = watch.status.as_ref();
    let mine = status.and_then(|s| s.pairs.iter().find(|p| p.pair == pair.paired.name));
    let (health, evidence) = pair.diagnosis.clusters[index].clone().unwrap_or_else(|| unwatched(watch));
    ClusterView {
        name: agent.enrolled.cluster.clone(),
        site: status.map_or_else(|| agent.enrolled.site.clone(), |s| s.site.clone()),
        agent: agent.enrolled.address.clone(),
        identity: mine.filter(|p| answers && p.confirmed).map_or(Identity::Unknown, |p| p.claim.identity),
        epoch: mine.map(|p| p.claim.epoch),
        fenced: mine.filter(|_| answers).map(|p| p.fenced),
        health,
        evidence,
        last_seen: watch.last_seen,
        agent_answers: answers,
        components: status.map_or_else(|| agent.components.clone(), |s| s.components.clone()),
        probes: status.map(|s| s.probes.clone()).unwrap_or_default(),
        certificate_until: status.map(|s| s.certificate_until),
        certificate: certificates::of_agent(watch),
        key: agent.enrolled.key.clone(),
    }
}

fn unwatched(watch: &AgentWatch) -> (Health, Vec<String>) {
    let evidence = match &watch.trouble {
        Some(trouble) => trouble.reason.clone(),
        None => "not asked yet".to_owned(),
    };
    (Health::Unknown, vec![evidence])
}

fn phase_words(pair: &PairModel) -> String {
    match &pair.state.phase {
        PairPhase::Replicating => "replicating".into(),
        PairPhase::Suspect { since } => format!("{} is suspect since {}", pair.state.primary, clock(*since)),
        PairPhase::AwaitingDecision { since } => format!("{} is faulty since {}: waiting for a person", pair.state.primary, clock(*since)),
        PairPhase::Fencing { decision } => format!("planned switchover: fencing {}", decision.from),
        PairPhase::FinalRuns { waiting, .. } => format!("planned switchover: final runs, {} to go", waiting.len()),
        PairPhase::Unfencing { decision, lost: Some(since), .. } => {
            format!("{} is faulty since {}, and its fence still up: waiting for a person", decision.from, clock(*since))
        }
        PairPhase::Unfencing { decision, .. } => format!("planned switchover failed: lifting the fence of {}", decision.from),
        PairPhase::Promoting { decision, lost: Some(since) } => {
            format!("{} is faulty since {}, in the middle of its promotion: waiting for a person", decision.to, clock(*since))
        }
        PairPhase::Promoting { decision, .. } => format!("promoting {}", decision.to),
        phase if let Some(since) = phase.lost() => {
            format!("{} ran alone and is faulty since {}: waiting for a person", pair.state.primary, clock(since))
        }
        PairPhase::ActiveAlone { since, old_primary_fenced, held, unreversed, .. } => format!(
            "{} is {} since {}; {} {}{}",
            pair.state.primary,
            if *held { "primary, held for a look," } else { "active alone" },
            clock(*since),
            pair.state.secondary,
            if *old_primary_fenced { "is fenced" } else { "is fenced as soon as it answers" },
            unreversed.as_ref().map_or(String::new(), |why| format!(", and does not stand by yet ({why}): reverse the replication"))
        ),
        PairPhase::TakingBack { decision, .. } => format!("taking back: {} proves that nothing was written there", decision.from),
        PairPhase::Reversing { decision, .. } => format!("reversing: {} is made the target of {}", decision.from, decision.to),
    }
}

fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn service_view(model: &Model, pair: &PairModel, service: &Service, now: DateTime<Utc>) -> ServiceView {
    let point = model.newest_point(&service.name);
    let rpo_secs = point.map(|p| (now - p.captured.first).num_seconds().max(0).unsigned_abs());
    let stuck = stuck(model, service, now);
    ServiceView {
        name: service.name.clone(),
        state: service_state(model, pair, service, rpo_secs, stuck.is_some()),
        policy: service.clone(),
        last_point: point.map(|p| p.id),
        rpo_secs,
        next_moment: next_moment(model, pair, service, now),
        rpo_history: rpo_history(model, service, now),
        missed: model.missed.get(&service.name).map(|m| m.iter().take(MISSED).cloned().collect()).unwrap_or_default(),
        not_up: match &pair.state.phase {
            PairPhase::ActiveAlone { failed, .. } => failed.get(&service.name).cloned(),
            _ => None,
        },
        unprotected_since: match &pair.state.phase {
            PairPhase::ActiveAlone { since, .. } | PairPhase::Reversing { since, .. } => Some(*since),
            PairPhase::TakingBack { decision, .. } => Some(decision.at),
            _ => None,
        },
        stuck,
    }
}

/// The next moment that will be run.
fn next_moment(model: &Model, pair: &PairModel, service: &Service, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let paused = pair.maintenance.as_ref().filter(|maintenance| maintenance.leaves_out(now, now)).map(|maintenance| maintenance.until);
    // The first of them may lie at the very end of the pause, which is run.
    let from = paused.map_or(now, |until| until - chrono::TimeDelta::milliseconds(1));
    if pair.is_suspended() { None } else { model.timing(&service.name).and_then(|timing| timing.next_after(from)) }
}

/// The service's committed point that cannot be finished: of the run under way, or, where this engine knows of none, as the agent told it.
fn stuck(model: &Model, service: &Service, now: DateTime<Utc>) -> Option<StuckView> {
    let view = |run: RunId, point: PointId, stuck: Stuck| {
        let way_out = unfinished::way_out(run, &service.name, stuck.work);
        StuckView { run, point, stuck, way_out }
    };
    if let Some(RunState { spec, stuck, .. }) = model.active_run(&service.name).map(|run| &run.state) {
        return Some(view(spec.run, spec.point, stuck.clone()?));
    }
    let (_, cluster, told) =
        abandon::told_of(model, |told| told.pair == service.pair && told.service == service.name && told.stuck().is_some())?;
    let trouble = told.trouble.clone()?.at(cluster);
    Some(view(told.run, told.point, Stuck { work: told.work, since: now, told_at: now, trouble }))
}

fn service_state(model: &Model, pair: &PairModel, service: &Service, rpo_secs: Option<u64>, stuck: bool) -> ServiceState {
    use PairPhase::{ActiveAlone, Reversing, TakingBack};
    if matches!(pair.state.phase, ActiveAlone { .. } | Reversing { .. } | TakingBack { .. }) {
        return ServiceState::Unprotected;
    }
    if stuck {
        return ServiceState::Stuck;
    }
    if model.active_run(&service.name).is_some() {
        return ServiceState::Running;
    }
    let Some(rpo_secs) = rpo_secs else {
        return if model.ready { ServiceState::NeverProtected } else { ServiceState::Unknown };
    };
    let last = model.runs.values().rev().find(|r| r.state.spec.service.name == service.name);
    if last.is_some_and(|r| r.state.phase == Phase::Failed) {
        return ServiceState::LastRunFailed;
    }
    if untried_since(model, pair, service).is_some() {
        return ServiceState::Untried;
    }
    match service.rpo_target_minutes {
        Some(target) if rpo_secs > u64::from(target) * 60 => ServiceState::BehindTarget,
        _ => ServiceState::Protected,
    }
}

/// Since when the replication runs in this direction without a sealed run. The common point stands at both clusters, but that
/// points can follow it is shown by the first one only.
fn untried_since(model: &Model, pair: &PairModel, service: &Service) -> Option<DateTime<Utc>> {
    let turned = pair.trail.iter().rev().find_map(|event| if let Event::Reversed { at, .. } = event { Some(*at) } else { None })?;
    let sealed = model.newest_point(&service.name)?.sealed_at?;
    (sealed <= turned).then_some(turned)
}

/// At each instant: how far back the newest point sealed by then reached.
fn rpo_history(model: &Model, service: &Service, now: DateTime<Utc>) -> Vec<Option<u64>> {
    let points = model.points.get(&service.name).map(Vec::as_slice).unwrap_or_default();
    let part = chrono::TimeDelta::hours(24) / i32::try_from(HISTORY).unwrap_or(96);
    (0..HISTORY)
        .map(|i| {
            let at = now - part * i32::try_from(HISTORY - 1 - i).unwrap_or_default();
            let newest = points.iter().find(|p| p.sealed_at.is_some_and(|sealed| sealed <= at))?;
            Some((at - newest.captured.first).num_seconds().max(0).unsigned_abs())
        })
        .collect()
}

fn run_view(run: &RunModel) -> RunView {
    let state = &run.state;
    RunView {
        report: state.report(),
        run: state.spec.run,
        phase: state.phase,
        phase_since: state.phase_since,
        started_at: state.started_at,
        started_by: state.spec.started_by,
        progress: run.progress.clone(),
        bytes_per_sec: rate(run),
        settled: run.settled,
        can_cancel: state.phase.can_cancel(),
        can_abandon: state.phase.can_abandon(),
        log: run.log.iter().cloned().collect(),
    }
}

fn rate(run: &RunModel) -> Option<u64> {
    let (first, last) = (run.seen.front()?, run.seen.back()?);
    let millis = (last.0 - first.0).num_milliseconds();
    (millis >= 500).then(|| last.1.saturating_sub(first.1).saturating_mul(1000) / millis.unsigned_abs())
}
