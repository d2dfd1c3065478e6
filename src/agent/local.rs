//! What the agent keeps an eye on at home: its components, the fence, its certificate, the host's clock source.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::jobs::{Site, fence, take_back};
use super::views::Views;
use crate::components::Component;
use crate::domain::{ComponentInfo, Health, Identity, ProbeReport, Trouble};
use crate::protocol::tls::OwnKey;
use crate::protocol::{RENEWAL_LOOK_EVERY, RenewalPace};
use crate::store::agent::PairFacts;

/// Between two probes of our own components.
const PROBE_EVERY: Duration = Duration::from_secs(3);
/// How long a probe may take; a component that needs longer hangs.
const PROBE_LIMIT: Duration = Duration::from_secs(6);
/// Between two descriptions (version, space, rights).
const DESCRIBE_EVERY: Duration = Duration::from_secs(30);
/// Between two readings of the fence.
const FENCE_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at clock source and old instructions.
const UPKEEP_EVERY: Duration = Duration::from_secs(600);
/// How long ended instructions are remembered.
const REMEMBER_DAYS: i64 = 90;

/// Runs everything of this module until `stop`.
pub async fn watch(site: Arc<Site>, own: Arc<OwnKey>, views: Arc<Views>, stop: CancellationToken) {
    let probes = join_all(site.components.values().map(|component| watch_component(component.clone(), &views)));
    let work = async { tokio::join!(probes, watch_fence(&site), keep_certificate(&site, &own), upkeep(&site, &views)) };
    tokio::select! {
        _ = work => {}
        () = stop.cancelled() => {}
    }
}

async fn watch_component(component: Arc<dyn Component>, views: &Views) {
    // Known to be there, though it may be down.
    views.set_component(ComponentInfo::undescribed(component.name().clone(), component.kind()));
    let mut described = None;
    loop {
        let started = tokio::time::Instant::now();
        let report = match tokio::time::timeout(PROBE_LIMIT, component.probe()).await {
            Ok(report) => report,
            Err(_) => ProbeReport {
                component: component.name().clone(),
                at: chrono::Utc::now(),
                // As the components themselves say of what does not answer in time; that it lasts is for others to see.
                health: Health::Faulty,
                evidence: format!("hangs: no answer within {} s", PROBE_LIMIT.as_secs()),
                took_ms: u64::try_from(PROBE_LIMIT.as_millis()).unwrap_or(u64::MAX),
                note: None,
            },
        };
        views.set_probe(report);
        if described.is_none_or(|at: tokio::time::Instant| at.elapsed() >= DESCRIBE_EVERY) {
            match tokio::time::timeout(PROBE_LIMIT, component.describe()).await {
                Ok(Ok(info)) => {
                    views.set_component(info);
                    described = Some(tokio::time::Instant::now());
                }
                Ok(Err(trouble)) => tracing::debug!(component = %component.name(), %trouble, "not described"),
                Err(_) => tracing::debug!(component = %component.name(), "hangs when described"),
            }
        }
        tokio::time::sleep_until(started + PROBE_EVERY).await;
    }
}

async fn watch_fence(site: &Site) {
    loop {
        match site.ledger.pairs() {
            Ok(pairs) => drop(join_all(pairs.iter().map(|facts| look_at_fence(site, facts))).await),
            Err(trouble) => tracing::error!(%trouble, "pairs cannot be read"),
        }
        tokio::time::sleep(FENCE_EVERY).await;
    }
}

async fn look_at_fence(site: &Site, facts: &PairFacts) {
    if let Err(trouble) = refresh_fence(site, facts).await {
        tracing::warn!(pair = %facts.pair, %trouble, "the fence is not as it should be");
    }
}

/// Reads the fence back where there should be one. One that a demotion put on and that does not hold is put on again; one that a
/// take-back put on and left is lifted.
async fn refresh_fence(site: &Site, facts: &PairFacts) -> Result<(), Trouble> {
    let secondary = facts.claim.identity == Identity::Secondary;
    if !secondary && !facts.fence.wanted {
        return Ok(());
    }
    if facts.opens_again() {
        // A take-back that is under way ends by itself.
        let Ok(_alone) = site.identity.try_lock() else { return Ok(()) };
        return take_back::open_left(site, &facts.pair).await;
    }
    let sets = fence::sets_here(site, facts)?;
    let (held, evidence) = fence::read_back(site, &sets).await;
    if secondary && facts.fence.wanted && !held {
        // While identities change nobody knows whether it will be wanted; it is looked at again.
        let Ok(_alone) = site.identity.try_lock() else { return Ok(()) };
        if site.ledger.member(&facts.pair)?.fence != facts.fence {
            return Ok(());
        }
        return fence::put_on_behind(site, &facts.pair, &sets, facts.claim).await;
    }
    if held == facts.fence.held && evidence == facts.fence.evidence {
        return Ok(());
    }
    // Only if nobody changed it meanwhile: a promotion lifts it.
    site.ledger.fence_seen(facts, held, &evidence)
}

/// Renews the certificate whenever that is due.
async fn keep_certificate(site: &Site, own: &Arc<OwnKey>) {
    let mut pace = RenewalPace::default();
    loop {
        let now = site.clock.now();
        if pace.is_time(own.certificate().is_due(now), now) {
            renew(own, now).await;
        }
        tokio::time::sleep(RENEWAL_LOOK_EVERY).await;
    }
}

/// A failure is told by the status as well, so that the engine alerts on it.
async fn renew(own: &Arc<OwnKey>, now: DateTime<Utc>) {
    let disk = own.clone();
    let renewed = tokio::task::spawn_blocking(move || disk.renew_if_due(now)).await;
    let until = own.certificate().valid_until;
    match renewed {
        Ok(Ok(true)) => tracing::info!(%until, "certificate renewed for the same key"),
        Ok(Ok(false)) => {}
        Ok(Err(trouble)) => tracing::error!(%trouble, %until, "certificate could not be renewed"),
        Err(trouble) => tracing::error!(%trouble, %until, "the renewal of the certificate broke off"),
    }
}

async fn upkeep(site: &Site, views: &Views) {
    loop {
        let now = site.clock.now();
        if let Err(trouble) = site.ledger.forget_instructions(now - TimeDelta::days(REMEMBER_DAYS)) {
            tracing::warn!(%trouble, "old instructions could not be forgotten");
        }
        views.set_clock_source(clock_source().await);
        tokio::time::sleep(UPKEEP_EVERY).await;
    }
}

/// The reference that the host's clock follows, as chrony tells it; empty when it does not.
async fn clock_source() -> String {
    let ask = Command::new("chronyc").args(["-n", "-c", "tracking"]).kill_on_drop(true).output();
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(output)) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let mut fields = text.trim().split(',');
            let (id, address) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            if id.is_empty() { String::new() } else { format!("chrony {id} {address}").trim_end().to_owned() }
        }
        _ => String::new(),
    }
}
