//! Drills: one executor a drill, the same at run time and at recovery.
//!
//! `fold(events)` → [`machine::next`] → effect → event appended → loop, until a listing at the secondary showed that nothing is left.
//! Neither a stop nor a sign-off waits for the executor: events are appended one at a time, and one that does not fit is refused.

pub(super) mod preflight;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::drill::machine::{self, DrillState, Effect, Event};
use crate::domain::drill::report::{DrillOutcome, DrillReport, SignOff};
use crate::domain::{DrillId, PointId, ServiceName, Trouble, TroubleKind};
use crate::protocol::{DrillOrder, EndDrillOrder, Order, Outcome};

use super::command::{CheckState, DrillChecks};
use super::engine::{Engine, lock};
use super::instruct::{Errand, unexpected};
use super::model::DrillModel;
use super::snapshot::Level;

/// The longest remark kept, in characters.
const REMARK: usize = 2_000;
/// The longest list given at once.
const DRILLS: u32 = 1_000;

/// The pre-flight lines of a drill; nothing is begun.
pub(super) fn check(engine: &Engine, service: &ServiceName, point: Option<PointId>) -> Result<DrillChecks, Trouble> {
    engine.read(|m| preflight::check(m, service, point)).map(|(checks, _)| checks)
}

/// Starts a drill: the clock runs from here. Its first event is stored before this returns.
pub(super) async fn start(engine: &Arc<Engine>, service: &ServiceName, point: Option<PointId>, by: &str) -> Result<DrillId, Trouble> {
    let at = engine.now();
    engine.check_in_command()?;
    // Two starts at one instant: the second must see the first.
    let _one_at_a_time = engine.starting.lock().await;
    let (checks, ready) = engine.read(|m| preflight::check(m, service, point))?;
    let failed: Vec<_> = checks.checks.iter().filter(|check| check.state == CheckState::Failed).collect();
    if let Some(first) = failed.first() {
        let reasons: Vec<String> = failed.iter().map(|check| format!("{}: {}", check.name, check.evidence)).collect();
        return Err(Trouble::new(TroubleKind::Refused, format!("drill of {service}"), reasons.join("; ")).next(&first.fix));
    }
    let ready = ready.ok_or_else(|| Trouble::new(TroubleKind::Refused, format!("drill of {service}"), "it has no recovery point"))?;
    let spec = ready.spec(DrillId(engine.id()), engine.fresh(), by);
    let drill = spec.drill;
    let event = Event::Pressed { at, spec: Box::new(spec) };
    let state = machine::apply(None, &event).map_err(|e| illegal(drill, &e))?;
    let name = service.clone();
    engine.store(move |s| s.append_drill_event(drill, &name, 0, &event, false)).await?;
    engine.change(|m| m.drills.insert(drill, DrillModel { state, events: 1, doing: String::new() }));
    engine.note(Level::Info, service.as_str(), format!("drill {drill} started by {by}")).await;
    resume(engine, drill);
    Ok(drill)
}

fn illegal(drill: DrillId, error: &machine::IllegalEvent) -> Trouble {
    Trouble::new(TroubleKind::Corrupt, format!("drill {drill}"), error)
        .next("this is a bug or a damaged store: keep the state directory and report it")
}

/// Folds stored events; damage is named.
pub(super) fn fold(drill: DrillId, events: &[Event]) -> Result<DrillState, Trouble> {
    let mut state: Option<DrillState> = None;
    for event in events {
        state = Some(machine::apply(state.as_ref(), event).map_err(|e| illegal(drill, &e))?);
    }
    state.ok_or_else(|| Trouble::new(TroubleKind::Corrupt, format!("drill {drill}"), "it has no events"))
}

/// Drives a drill on from where its events end.
pub(super) fn resume(engine: &Arc<Engine>, drill: DrillId) {
    let stop = CancellationToken::new();
    lock(&engine.drill_stops).insert(drill, stop.clone());
    engine.spawn(drive(engine.clone(), drill, stop));
}

/// Stops a drill that is being brought up or checked: its space is removed at once.
pub(super) async fn stop(engine: &Engine, drill: DrillId, by: &str) -> Result<(), Trouble> {
    state_of(engine, drill)?;
    append(engine, drill, Event::Stopped { at: engine.now(), by: by.to_owned() }).await.map_err(|trouble| match trouble.kind {
        TroubleKind::Corrupt => {
            Trouble::new(TroubleKind::Refused, format!("drill {drill}"), "it is being cleaned up already, or has ended")
        }
        _ => trouble,
    })?;
    if let Some(stop) = lock(&engine.drill_stops).get(&drill) {
        stop.cancel();
    }
    Ok(())
}

/// Notes that a person has looked at a drill that has ended.
pub(super) async fn sign_off(engine: &Engine, drill: DrillId, by: &str, remark: &str) -> Result<DrillReport, Trouble> {
    let state = state_of(engine, drill)?;
    let refused = |reason: &str| Trouble::new(TroubleKind::Refused, format!("drill {drill}"), reason);
    if state.is_under_way() {
        return Err(refused("it has not ended, or is not clean yet").next("wait for its end; see `understudy drills`"));
    }
    if let Some(signed) = &state.signed {
        return Err(refused(&format!("{} has signed it off at {}", signed.by, signed.at.format("%Y-%m-%d %H:%M:%S UTC"))));
    }
    let remark: String = remark.trim().chars().take(REMARK).collect();
    if by.trim().is_empty() || remark.is_empty() {
        let trouble = Trouble::new(TroubleKind::Invalid, format!("drill {drill}"), "a sign-off needs a name and a remark");
        return Err(trouble.next("say what was seen, for example --remark \"orders of the last hour were there\""));
    }
    append(engine, drill, Event::SignedOff { sign_off: SignOff { at: engine.now(), by: by.to_owned(), remark } }).await?;
    engine.note(Level::Info, state.spec.service.as_str(), format!("drill {drill} signed off by {by}")).await;
    Ok(state_of(engine, drill)?.report())
}

/// The drills, newest first.
pub(super) fn reports(engine: &Engine, service: Option<&ServiceName>, limit: u32) -> Vec<DrillReport> {
    let limit = usize::try_from(limit.min(DRILLS)).unwrap_or(usize::MAX);
    engine.read(|m| {
        let mine = m.drills.values().rev().filter(|drill| service.is_none_or(|service| drill.state.spec.service == *service));
        mine.take(limit).map(|drill| drill.state.report()).collect()
    })
}

fn state_of(engine: &Engine, drill: DrillId) -> Result<DrillState, Trouble> {
    engine.read(|m| m.drills.get(&drill).map(|known| known.state.clone())).ok_or_else(|| {
        Trouble::new(TroubleKind::NotFound, format!("drill {drill}"), "there is no such drill").next("see `understudy drills`")
    })
}

/// Stores an event, folds it, shows it. One that changes nothing is not stored; one that does not fit is `Corrupt`.
async fn append(engine: &Engine, drill: DrillId, event: Event) -> Result<(), Trouble> {
    let _one_at_a_time = engine.appending_drill.lock().await;
    let (state, seq) = engine
        .read(|m| m.drills.get(&drill).map(|known| (known.state.clone(), known.events)))
        .ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("drill {drill}"), "there is no such drill"))?;
    let next = machine::apply(Some(&state), &event).map_err(|e| illegal(drill, &e))?;
    if next == state {
        return Ok(());
    }
    let (service, ended) = (next.spec.service.clone(), !next.is_under_way());
    engine.store(move |s| s.append_drill_event(drill, &service, seq, &event, ended)).await?;
    engine.change(|m| {
        if let Some(known) = m.drills.get_mut(&drill) {
            (known.state, known.events) = (next, seq + 1);
            known.doing.clear();
        }
    });
    Ok(())
}

async fn drive(engine: Arc<Engine>, drill: DrillId, stop: CancellationToken) {
    let mut told = None;
    while let Ok(state) = state_of(&engine, drill) {
        let event = match machine::next(&state) {
            None => break,
            Some(Effect::BringUp) => tokio::select! {
                biased;
                // The stop is an event already: the next turn cleans.
                () = stop.cancelled() => continue,
                event = bring_up(&engine, &state) => Ok(event),
            },
            Some(Effect::CleanUp) => clean_up(&engine, &state).await,
        };
        let appended = match event {
            Ok(event) => append(&engine, drill, event).await,
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = &appended {
            show(&engine, drill, trouble.to_string());
            if told.as_ref() != Some(trouble) {
                engine.note(Level::Fault, state.spec.service.as_str(), format!("drill {drill} cannot go on: {trouble}")).await;
                told = Some(trouble.clone());
            }
        }
        // Not clean yet, or a store that does not take it: tried again for as long as it takes, every effect being idempotent.
        let same = state_of(&engine, drill).is_ok_and(|now| now.phase == state.phase);
        if same {
            tokio::time::sleep(engine.limits.backoff_most).await;
        }
    }
    lock(&engine.drill_stops).remove(&drill);
    if let Ok(state) = state_of(&engine, drill) {
        let level = if state.outcome() == Some(DrillOutcome::Passed) { Level::Info } else { Level::Warning };
        engine.note(level, state.spec.service.as_str(), format!("drill {drill}: {}", state.report().in_words())).await;
    }
    engine.change(super::model::Model::trim_drills);
}

fn show(engine: &Engine, drill: DrillId, doing: String) {
    engine.change(|m| {
        if let Some(known) = m.drills.get_mut(&drill) {
            known.doing = doing;
        }
    });
}

async fn bring_up(engine: &Engine, state: &DrillState) -> Event {
    let spec = &state.spec;
    let order = DrillOrder { drill: spec.drill, service: spec.service.clone(), point: spec.point, checks: spec.checks.clone() };
    let carried = async {
        let agent = engine.agent(&spec.pair, &spec.cluster)?;
        let (order, patience) = (Order::Drill(order), Some(engine.limits.patience));
        let errand = Errand { id: spec.instruction, pair: &spec.pair, epoch: spec.epoch, agent: &agent, order, patience };
        match engine.carry_out(errand, |progress| show(engine, spec.drill, progress.doing.clone())).await? {
            Outcome::Drilled(ran) => Ok(ran),
            other => Err(unexpected(&agent, &other)),
        }
    };
    match carried.await {
        Ok(ran) => Event::Reported { at: engine.now(), ran: Box::new(ran) },
        Err(trouble) => Event::Failed { at: engine.now(), trouble },
    }
}

/// Under the epoch that the agent told last: what a drill left is removed after an identity change too.
async fn clean_up(engine: &Engine, state: &DrillState) -> Result<Event, Trouble> {
    let spec = &state.spec;
    let agent = engine.agent(&spec.pair, &spec.cluster)?;
    let told = engine.read(|m| m.pairs.get(&spec.pair)?.claims().find(|(cluster, _)| **cluster == spec.cluster).map(|(_, c)| c.epoch));
    let epoch = told.unwrap_or_else(|| engine.epoch(&spec.pair));
    let order = Order::EndDrill(EndDrillOrder { drill: spec.drill, service: spec.service.clone() });
    let patience = Some(engine.limits.abort_patience);
    let errand = Errand { id: engine.fresh(), pair: &spec.pair, epoch, agent: &agent, order, patience };
    match engine.carry_out(errand, |progress| show(engine, spec.drill, progress.doing.clone())).await? {
        Outcome::DrillEnded(ended) => Ok(Event::Cleaned { at: engine.now(), removed: ended.removed, left: ended.left }),
        other => Err(unexpected(&agent, &other)),
    }
}
