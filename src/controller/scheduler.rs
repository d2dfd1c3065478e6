//! The scheduler: starts runs at their moments. A moment missed or overlapped is recorded and never made up for.

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

/// Starts what is due, again and again.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut behind: std::collections::BTreeMap<ServiceName, bool> = std::collections::BTreeMap::new();
    loop {
        let now = Utc::now();
        let services: Vec<Service> = engine.read(|m| m.services.values().cloned().collect());
        for service in &services {
            look(&engine, service, now).await;
            watch_rpo(&engine, service, now, &mut behind).await;
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Everything between the last moment known and the lead before the next one.
async fn look(engine: &Arc<Engine>, service: &Service, now: DateTime<Utc>) {
    let name = service.name.clone();
    let Ok(Some(since)) = engine.store(move |s| s.schedule_seen(&name, now)).await else { return };
    let lead = TimeDelta::from_std(engine.limits.lead).unwrap_or_default();
    for moment in moments(service, since, now + lead) {
        let record = become_of(engine, service, moment, now).await;
        let missed = record.state != MomentState::Started;
        let (at, reason) = (record.at, record.reason.clone());
        match engine.store(move |s| s.note_moment(&record)).await {
            Ok(true) if missed => tell_missed(engine, service, at, reason).await,
            Ok(_) => {}
            Err(trouble) => tracing::warn!(service = %service.name, %trouble, "a moment could not be recorded"),
        }
    }
}
