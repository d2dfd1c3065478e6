//! The scheduler: starts runs at their moments. A moment missed or overlapped is recorded and never made up for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::backup::machine::StartedBy;
use crate::domain::maintenance::Maintenance;
use crate::domain::schedule::{Look, Timing, Why};
use crate::domain::{Service, ServiceName};
use crate::store::controller::{MomentRecord, MomentState};

use super::alerts::AlertKind;
use super::engine::Engine;
use super::runs;
use super::snapshot::Level;

/// Between two looks at the schedules.
const TICK: Duration = Duration::from_millis(500);
/// A moment older than this when it is seen was missed.
const GRACE: TimeDelta = TimeDelta::seconds(20);
/// Missed moments kept in memory a service.
const MISSED: usize = 20;

/// What the scheduler remembers of a service between two looks.
struct Seen {
    /// The policy it looked with; another one starts over.
    policy: Service,
    /// Everything up to here was dealt with.
    until: DateTime<Utc>,
}

/// Starts what is due, again and again.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut seen = BTreeMap::new();
    let mut behind = BTreeMap::new();
    loop {
        let now = engine.now();
        let services: Vec<Service> = engine.read(|m| m.services.values().cloned().collect());
        for service in &services {
            if engine.check_in_command().is_ok() {
                look(&engine, service, now, &mut seen).await;
                watch_rpo(&engine, service, now, &mut behind).await;
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

/// The next moments of a service, by its schedule or its one moment; none for a schedule that cannot be read.
pub(super) fn next_moments(service: &Service, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    Timing::of(service).map(|timing| timing.upcoming(now).take(count).collect()).unwrap_or_default()
}

/// Starts the run that is due, and records what passed without one.
async fn look(engine: &Arc<Engine>, service: &Service, now: DateTime<Utc>, seen: &mut BTreeMap<ServiceName, Seen>) {
    let Some(timing) = engine.read(|m| m.timing(&service.name).cloned()) else { return };
    let after = match seen.get(&service.name) {
        Some(known) if &known.policy == service => known.until,
        _ => {
            let name = service.name.clone();
            match engine.store(move |s| s.schedule_known_until(&name)).await {
                Ok(until) => until.unwrap_or(now),
                Err(trouble) => return tracing::warn!(service = %service.name, %trouble, "the schedule's past could not be read"),
            }
        }
    };
    let lead = TimeDelta::from_std(engine.limits.lead).unwrap_or_default();
    let busy_since = engine.read(|m| m.active_run(&service.name).map(|r| r.state.started_at.min(r.state.spec.moment)));
    let due = timing.due(Look { after, now, lead, grace: GRACE, busy_since });
    let mut told = Vec::new();
    for passed in due.passed {
        let state = if passed.why == Why::Overlapped { MomentState::Overlapped } else { MomentState::Missed };
        if record(engine, service, passed.at, state, passed.why.words()).await {
            told.push((passed.at, passed.why.words()));
        }
    }
    tell_missed(engine, &service.name, &told).await;
    if let Some(moment) = due.run {
        match pause(engine, service, moment, now) {
            Some(why) => leave_out(engine, service, moment, &why).await,
            None => begin(engine, service, moment).await,
        }
    }
    seen.insert(service.name.clone(), Seen { policy: service.clone(), until: due.until });
}

/// Starts the run of a moment, or records why not. After a crash between the two the run is there, and is not started again.
async fn begin(engine: &Arc<Engine>, service: &Service, at: DateTime<Utc>) {
    let begun = engine.read(|m| m.runs.values().any(|r| r.state.spec.service.name == service.name && r.state.spec.moment == at));
    let started = if begun { Ok(()) } else { runs::start(engine, &service.name, Some(at), StartedBy::Schedule).await.map(drop) };
    match started {
        Ok(()) => drop(record(engine, service, at, MomentState::Started, "").await),
        Err(trouble) => {
            let reason = trouble.to_string();
            if record(engine, service, at, MomentState::Missed, &reason).await {
                tell_missed(engine, &service.name, &[(at, &reason)]).await;
            }
        }
    }
}

/// The maintenance that leaves this moment out.
fn pause(engine: &Engine, service: &Service, moment: DateTime<Utc>, now: DateTime<Utc>) -> Option<Maintenance> {
    let maintenance = engine.read(|m| m.pairs.get(&service.pair)?.maintenance.clone());
    maintenance.filter(|maintenance| maintenance.leaves_out(moment, now))
}

/// A moment that a person wanted left out is missed like any other, and no news.
async fn leave_out(engine: &Arc<Engine>, service: &Service, at: DateTime<Utc>, maintenance: &Maintenance) {
    let reason = format!("left out: {maintenance}");
    if record(engine, service, at, MomentState::Missed, &reason).await {
        show_missed(engine, &service.name, &[(at, &reason)]);
        engine.note(Level::Info, service.name.as_str(), format!("moment {}: {reason}", at.format("%Y-%m-%d %H:%M:%S UTC"))).await;
    }
}

/// Records what became of a moment; true when nothing was known of it before.
async fn record(engine: &Arc<Engine>, service: &Service, at: DateTime<Utc>, state: MomentState, reason: &str) -> bool {
    let record = MomentRecord { service: service.name.clone(), at, state, reason: reason.to_owned() };
    match engine.store(move |s| s.note_moment(&record)).await {
        Ok(new) => new,
        Err(trouble) => {
            tracing::warn!(service = %service.name, %trouble, "a moment could not be recorded");
            false
        }
    }
}

/// Shows moments that passed, oldest first, each by itself; the alert is one, also after a night without an engine.
async fn tell_missed(engine: &Arc<Engine>, service: &ServiceName, passed: &[(DateTime<Utc>, &str)]) {
    let (Some((first, _)), Some((last, reason))) = (passed.first(), passed.last()) else { return };
    show_missed(engine, service, passed);
    let at = |moment: &DateTime<Utc>| moment.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let text = match passed.len() {
        1 => format!("moment {}: {reason}", at(last)),
        count => format!("{count} moments from {} to {}: {reason}", at(first), at(last)),
    };
    engine.alert(AlertKind::MissedMoment, service.as_str(), &text).await;
}

fn show_missed(engine: &Engine, service: &ServiceName, passed: &[(DateTime<Utc>, &str)]) {
    engine.change(|m| {
        let missed = m.missed.entry(service.clone()).or_default();
        passed.iter().for_each(|(at, reason)| missed.insert(0, (*at, (*reason).to_owned())));
        missed.truncate(MISSED);
    });
}

/// Whether a service was behind its target at the last look.
struct Behind {
    late: bool,
    /// Of one that was never backed up: since when there is a policy.
    since: Option<DateTime<Utc>>,
}

/// When a service's policy came in force, in whatever version.
async fn first_saved(engine: &Arc<Engine>, service: &Service) -> Option<DateTime<Utc>> {
    let name = service.name.clone();
    match engine.store(move |s| s.in_force_since(&name)).await {
        Ok(since) => since,
        Err(trouble) => {
            tracing::warn!(service = %service.name, %trouble, "when its policy was saved could not be read");
            None
        }
    }
}

/// Alerts once whenever a service falls behind its target.
async fn watch_rpo(engine: &Arc<Engine>, service: &Service, now: DateTime<Utc>, behind: &mut BTreeMap<ServiceName, Behind>) {
    let Some(target) = service.rpo_target_minutes else { return };
    if pause(engine, service, now, now).is_some() {
        // Shown as it is; told when the pause is over and it is behind still.
        return;
    }
    let point = engine.read(|m| m.newest_point(&service.name).map(|p| p.captured.first));
    let known = behind.get(&service.name).and_then(|known| known.since);
    // Without a recovery point it is behind since there is a policy.
    let since = match (point, known) {
        (Some(first), _) => first,
        (None, Some(since)) => since,
        (None, None) => match first_saved(engine, service).await {
            Some(since) => since,
            None => return,
        },
    };
    let late = now - since > TimeDelta::minutes(i64::from(target));
    let before = behind.insert(service.name.clone(), Behind { late, since: Some(since).filter(|_| point.is_none()) });
    if late && !before.is_some_and(|before| before.late) {
        let since = since.format("%Y-%m-%d %H:%M:%S UTC");
        let text = match point {
            Some(_) => format!("it is more than {target} min behind: the newest recovery point is of {since}"),
            None => {
                format!("it was never backed up: it has no recovery point, more than {target} min after its policy came in force ({since})")
            }
        };
        engine.alert(AlertKind::RpoMissed, service.name.as_str(), &text).await;
    }
}
