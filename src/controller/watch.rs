//! The primary client and the secondary client: each looks at its cluster, again and again, within a time limit.
//!
//! What a look brings is put into the model; what both looks amount to is decided in [`diagnose`](super::diagnose) and fed to the
//! identity machine, which alone knows when the fault prompt is due.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::watch::Silence;
use crate::domain::{Health, PairName, Trouble, TroubleKind};
use crate::protocol::AgentStatus;
use crate::store::controller::Enrolled;

use super::alerts::AlertKind;
use super::diagnose::Beside;
use super::engine::{Engine, lock};
use super::model::AgentWatch;
use super::snapshot::Level;
use super::{catch_up, clock, diagnose, exchange, identity, maintenance, pairing, points, policies, services};

/// Watches one agent of a pair until the pair's tasks are stopped.
pub(super) async fn watch(engine: Arc<Engine>, pair: PairName, index: usize) {
    // What the agent holds is read once: only a controller that ousts this one changes it without our knowing.
    let (mut points_known, mut fence_known) = (false, false);
    loop {
        let begun = tokio::time::Instant::now();
        let Some(agent) = engine.read(|m| m.pairs.get(&pair).map(|p| p.paired.agents[index].enrolled.clone())) else { return };
        let answered = look(&engine, &pair, index, &agent).await;
        weigh(&engine, &pair).await;
        if answered && may_confirm(&engine, &pair, index) {
            // The policies at the present epoch are our word that this identity is the right one.
            if let Err(trouble) = services::tell_agent(&engine, &pair, &agent).await {
                tracing::debug!(%pair, %trouble, "an agent that has just started could not be confirmed");
            }
        }
        if answered {
            catch_up::follow(&engine, &pair);
        }
        let rests = engine.read(|m| m.pairs.get(&pair).is_some_and(|p| exchange::rests(&p.state)));
        if answered && (!points_known || (!fence_known && rests)) {
            match points::refresh(&engine, &pair, &agent.cluster).await {
                Ok(record) => {
                    if !points_known {
                        policies::note(&engine, &pair, &agent, record.as_ref()).await;
                    }
                    points_known = true;
                    fence_known = rests && catch_up::lift_left_fence(&engine, &pair, &agent.cluster, record.as_ref()).await;
                }
                Err(trouble) => tracing::debug!(%pair, %trouble, "the agent's points could not be read yet"),
            }
        }
        tokio::time::sleep_until(begun + engine.settings.interval).await;
    }
}

/// Looks at both agents of a pair at once.
pub(super) async fn look_at_both(engine: &Arc<Engine>, pair: &PairName) {
    let Some(agents) = engine.read(|m| m.pairs.get(pair).map(|p| p.paired.agents.clone())) else { return };
    tokio::join!(look(engine, pair, 0, &agents[0].enrolled), look(engine, pair, 1, &agents[1].enrolled));
    weigh(engine, pair).await;
}

/// One look: status and clock. True when it answered.
async fn look(engine: &Arc<Engine>, pair: &PairName, index: usize, agent: &Enrolled) -> bool {
    let (status, sample) = tokio::join!(engine.look(agent), clock::sample(engine, agent));
    let answered = status.is_ok();
    engine.change(|m| {
        if let Some(pair) = m.pairs.get_mut(pair) {
            note(&mut pair.watch[index], status, engine.now());
            if let Ok(sample) = sample {
                pair.watch[index].clock.add(sample);
            }
            pair.clock = clock::view(pair, engine.monotonic_ns());
            pair.isolated = pairing::isolated(pair);
        }
        m.ready = m.pairs.values().all(|p| p.watch.iter().all(|w| w.looked.is_some()));
    });
    answered
}

fn note(watch: &mut AgentWatch, status: Result<AgentStatus, Trouble>, now: DateTime<Utc>) {
    watch.looked = Some(now);
    watch.silent.note(status.is_err(), now);
    match status {
        Ok(status) => {
            watch.sick.note(status.probes.iter().any(|p| p.health == Health::Faulty), now);
            watch.last_seen = Some(now);
            watch.status = Some(status);
            (watch.trouble, watch.silence) = (None, None);
        }
        Err(trouble) => {
            watch.silence = Some(silence(&trouble));
            watch.trouble = Some(trouble);
        }
    }
}

/// Dead, hung, or something else: by what the connection said.
fn silence(trouble: &Trouble) -> Silence {
    let reason = trouble.reason.to_lowercase();
    if reason.contains("refuse") {
        Silence::Refused
    } else if trouble.kind == TroubleKind::Unreachable && ["time", "no answer", "within"].iter().any(|word| reason.contains(word)) {
        Silence::TimedOut
    } else {
        Silence::Other(trouble.reason.clone())
    }
}

/// Whether we are in command and an agent waits for a word of ours that its identity still holds.
fn may_confirm(engine: &Engine, pair: &PairName, index: usize) -> bool {
    engine.check_in_command().is_ok()
        && engine.read(|m| {
            let Some(pair) = m.pairs.get(pair) else { return false };
            let cluster = &pair.paired.agents[index].enrolled.cluster;
            let status = pair.watch[index].status.as_ref();
            let told = status.and_then(|s| s.pairs.iter().find(|p| p.pair == pair.paired.name));
            let claims: Vec<_> = pair.claims().collect();
            told.is_some_and(|p| !p.confirmed && exchange::may_confirm(&pair.state, &claims, cluster, p.claim))
        })
}

/// What both looks amount to, told to the identity machine and to whoever waits for an agent.
pub(super) async fn weigh(engine: &Arc<Engine>, pair: &PairName) {
    maintenance::expire(engine, pair).await;
    let settings = engine.settings;
    let news = engine.change(|m| m.pairs.get_mut(pair).map(|p| diagnose::weigh(p, settings, engine.now())));
    if let Some(news) = news {
        if let Some(conflict) = &news.contended {
            engine.alert(AlertKind::Fault, pair.as_str(), conflict).await;
        }
        for words in &news.unstable {
            tell_unstable(engine, pair, words).await;
        }
        for beside in &news.beside {
            match beside {
                Beside::Unwell { words, held: false } => engine.alert(AlertKind::SecondaryFault, pair.as_str(), words).await,
                Beside::Unwell { words, held: true } => engine.note(Level::Warning, pair.as_str(), format!("held back: {words}")).await,
                Beside::Well { words } => engine.note(Level::Info, pair.as_str(), words).await,
            }
        }
        for sign in &news.signs {
            engine.note(Level::Warning, pair.as_str(), sign).await;
        }
        if let Some(held) = &news.held {
            engine.note(Level::Warning, pair.as_str(), held).await;
        }
        identity::observe(engine, pair, &news).await;
    }
    engine.wake_driver(pair);
}

/// Once, however often it changes; where faults are held back it is only noted.
async fn tell_unstable(engine: &Arc<Engine>, pair: &PairName, words: &str) {
    if engine.read(|m| m.pairs.get(pair).is_some_and(|p| p.diagnosis.held.is_some())) {
        engine.note(Level::Warning, pair.as_str(), format!("held back: {words}")).await;
    } else {
        engine.alert(AlertKind::Unstable, pair.as_str(), words).await;
    }
}

/// Starts a pair's tasks: two clients and the identity driver.
pub(super) fn begin(engine: &Arc<Engine>, pair: &PairName) {
    let driver = super::engine::Driver { wake: Arc::default(), stop: engine.stopper().child_token() };
    if let Some(before) = lock(&engine.drivers).insert(pair.clone(), driver.clone()) {
        before.stop.cancel();
    }
    for index in 0..2 {
        let (stop, task) = (driver.stop.clone(), watch(engine.clone(), pair.clone(), index));
        engine.spawn(async move {
            tokio::select! { biased; () = stop.cancelled() => {}, () = task => {} }
        });
    }
    let (stop, task) = (driver.stop.clone(), identity::drive(engine.clone(), pair.clone()));
    engine.spawn(async move {
        tokio::select! { biased; () = stop.cancelled() => {}, () = task => {} }
    });
}

/// Ends a pair's tasks.
pub(super) fn end(engine: &Engine, pair: &PairName) {
    if let Some(driver) = lock(&engine.drivers).remove(pair) {
        driver.stop.cancel();
    }
}
