//! A pair's maintenance: begun, prolonged and ended by a person, or ended by its time. Durable first, then seen.

use std::sync::Arc;

use crate::domain::maintenance::{Maintenance, MaintenanceRequest};
use crate::domain::switchover::machine::PairPhase;
use crate::domain::{PairName, Trouble, TroubleKind};

use super::alerts::AlertKind;
use super::command::MaintenanceReport;
use super::engine::Engine;
use super::snapshot::Level;
use super::{Reply, pairing, watch};

/// Begins a maintenance, or puts another in its place.
pub(super) async fn begin(engine: &Arc<Engine>, pair: &PairName, asked: &MaintenanceRequest) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let _one_at_a_time = engine.configuring.lock().await;
    let before = present(engine, pair)?;
    let maintenance = Maintenance::begin(pair, asked, engine.now())?;
    let (name, kept) = (pair.clone(), maintenance.clone());
    engine.store(move |s| s.keep_maintenance(&name, &kept)).await?;
    set(engine, pair, Some(maintenance.clone()));
    let verb = if before.is_some() { "changed to" } else { "begins:" };
    engine.note(Level::Info, pair.as_str(), format!("maintenance {verb} {maintenance}")).await;
    watch::weigh(engine, pair).await;
    Ok(Reply::Maintenance(MaintenanceReport { pair: pair.clone(), maintenance: Some(maintenance) }))
}

/// Ends it before its time.
pub(super) async fn end(engine: &Arc<Engine>, pair: &PairName, by: &str) -> Result<Reply, Trouble> {
    engine.check_in_command()?;
    let _one_at_a_time = engine.configuring.lock().await;
    if present(engine, pair)?.is_none() {
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), "it is not in maintenance").next("there is nothing to end"));
    }
    let name = pair.clone();
    engine.store(move |s| s.end_maintenance(&name)).await?;
    ended(engine, pair, &format!("maintenance ended by {by}")).await;
    watch::weigh(engine, pair).await;
    Ok(Reply::Maintenance(MaintenanceReport { pair: pair.clone(), maintenance: None }))
}

/// Ends one whose time is over. That holds whether it can be stored or not: a stored one is over by itself.
pub(super) async fn expire(engine: &Arc<Engine>, pair: &PairName) {
    let now = engine.now();
    let over = engine.change(|m| m.pairs.get_mut(pair).and_then(|p| p.maintenance.take_if(|maintenance| !maintenance.is_on(now))));
    let Some(over) = over else { return };
    let name = pair.clone();
    if let Err(trouble) = engine.store(move |s| s.end_maintenance(&name)).await {
        tracing::warn!(%pair, %trouble, "a maintenance that is over could not be forgotten");
    }
    ended(engine, pair, &format!("maintenance is over: its time ended {}", over.until.format("%Y-%m-%d %H:%M UTC"))).await;
}

/// It is over: a fault that was known before it is told once more, any other is declared by the next look.
async fn ended(engine: &Arc<Engine>, pair: &PairName, text: &str) {
    set(engine, pair, None);
    engine.note(Level::Info, pair.as_str(), text).await;
    let stands = engine.read(|m| {
        let pair = m.pairs.get(pair)?;
        let waits = matches!(pair.state.phase, PairPhase::AwaitingDecision { .. }) && pair.diagnosis.verdict.offers_button();
        waits.then(|| format!("{} is faulty still, and nobody has decided: {}", pair.state.primary, pair.diagnosis.words))
    });
    if let Some(stands) = stands {
        engine.alert(AlertKind::Fault, pair.as_str(), &stands).await;
    }
}

/// The maintenance of a pair, if it goes on.
fn present(engine: &Engine, pair: &PairName) -> Result<Option<Maintenance>, Trouble> {
    engine.read(|m| m.pairs.get(pair).map(|p| p.maintenance.clone())).ok_or_else(|| pairing::unknown_pair(pair))
}

fn set(engine: &Engine, pair: &PairName, maintenance: Option<Maintenance>) {
    engine.change(|m| {
        if let Some(pair) = m.pairs.get_mut(pair) {
            pair.maintenance = maintenance;
        }
    });
}
