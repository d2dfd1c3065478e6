//! The scheduler: starts runs at their moments. A moment missed or overlapped is recorded and never made up for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::backup::machine::StartedBy;
use crate::domain::{Service, ServiceName};
use crate::store::controller::{MomentRecord, MomentState};

use super::alerts::AlertKind;
use super::engine::Engine;
use super::runs;

/// Between two looks at the schedules.
const TICK: Duration = Duration::from_millis(500);
/// A moment older than this when it is seen was missed.
const GRACE: TimeDelta = TimeDelta::seconds(20);
/// Moments are looked for this far back at most; what an engine missed before that is not listed one by one.
const LOOK_BACK: TimeDelta = TimeDelta::hours(24);
/// Missed moments kept in memory a service.
const MISSED: usize = 20;

/// Starts what is due, again and again.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut behind = BTreeMap::new();
    loop {
        let now = Utc::now();
        let services: Vec<Service> = engine.read(|m| m.services.values().cloned().collect());
        for service in &services {
            if engine.check_in_command().is_ok() {
                look(&engine, service, now).await;
                watch_rpo(&engine, service, now, &mut behind).await;
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

/// The next moments of a service, by its schedule or its one moment.
pub(super) fn next_moments(service: &Service, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    let mut moments = Vec::new();
    let mut after = now;
    while moments.len() < count {
        let Some(next) = next_after(service, after) else { break };
        moments.push(next);
        after = next;
    }
    moments
}

/// Every moment that nothing is known of yet, up to the lead before it.
async fn look(engine: &Arc<Engine>, service: &Service, now: DateTime<Utc>) {
    if service.schedule.is_none() && service.moment.is_none() {
        return;
    }
    let name = service.name.clone();
    let Ok(Some(since)) = engine.store(move |s| s.schedule_known_until(&name)).await else { return };
    let until = now + TimeDelta::from_std(engine.limits.lead).unwrap_or_default();
    let mut after = since.max(now - LOOK_BACK);
    while let Some(moment) = next_after(service, after).filter(|m| *m <= until) {
        after = moment;
        let record = become_of(engine, service, moment, now).await;
        let (state, reason) = (record.state, record.reason.clone());
        match engine.store(move |s| s.note_moment(&record)).await {
            Ok(true) if state != MomentState::Started => tell_missed(engine, &service.name, moment, &reason).await,
            Ok(_) => {}
            Err(trouble) => {
                tracing::warn!(service = %service.name, %trouble, "a moment could not be recorded");
                return;
            }
        }
    }
}

/// Starts the run of a moment, or says why not.
async fn become_of(engine: &Arc<Engine>, service: &Service, at: DateTime<Utc>, now: DateTime<Utc>) -> MomentRecord {
    let record = |state, reason: String| MomentRecord { service: service.name.clone(), at, state, reason };
    // A crash between the start of a run and this record: the run is there.
    let begun = engine.read(|m| m.runs.values().any(|r| r.state.spec.service.name == service.name && r.state.spec.moment == at));
    if begun {
        return record(MomentState::Started, String::new());
    }
    if at + GRACE < now {
        return record(MomentState::Missed, "no engine was running at that moment".into());
    }
    if let Some(run) = engine.read(|m| m.active_run(&service.name).map(|r| r.state.spec.run)) {
        return record(MomentState::Overlapped, format!("run {run} was still under way"));
    }
    match runs::start(engine, &service.name, Some(at), StartedBy::Schedule).await {
        Ok(_) => record(MomentState::Started, String::new()),
        Err(trouble) => record(MomentState::Missed, trouble.to_string()),
    }
}

async fn tell_missed(engine: &Arc<Engine>, service: &ServiceName, at: DateTime<Utc>, reason: &str) {
    engine.change(|m| {
        let missed = m.missed.entry(service.clone()).or_default();
        missed.insert(0, (at, reason.to_owned()));
        missed.truncate(MISSED);
    });
    let text = format!("the moment {} was missed: {reason}", at.format("%Y-%m-%d %H:%M:%S UTC"));
    engine.alert(AlertKind::MissedMoment, service.as_str(), &text).await;
}

/// Alerts once whenever a service falls behind its target.
async fn watch_rpo(engine: &Arc<Engine>, service: &Service, now: DateTime<Utc>, behind: &mut BTreeMap<ServiceName, bool>) {
    let Some(target) = service.rpo_target_minutes else { return };
    let Some(first) = engine.read(|m| m.newest_point(&service.name).map(|p| p.captured.first)) else { return };
    let late = now - first > TimeDelta::minutes(i64::from(target));
    if behind.insert(service.name.clone(), late) != Some(late) && late {
        let text =
            format!("it is more than {target} min behind: the newest recovery point is of {}", first.format("%Y-%m-%d %H:%M:%S UTC"));
        engine.alert(AlertKind::RpoMissed, service.name.as_str(), &text).await;
    }
}

/// The first moment of a service after an instant.
fn next_after(service: &Service, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if let Some(moment) = service.moment {
        return Some(moment.with_timezone(&Utc)).filter(|m| *m > after);
    }
    let cron: croner::Cron = service.schedule.as_ref()?.parse().ok()?;
    let zone = service.timezone.unwrap_or(chrono_tz::Tz::UTC);
    cron.find_next_occurrence(&after.with_timezone(&zone), false).ok().map(|m| m.with_timezone(&Utc))
}
