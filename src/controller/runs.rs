//! Backup runs: one executor a run, the same at run time and at recovery.
//!
//! `fold(events)` → [`machine::next`] → effect → event appended → loop. Whoever wants a run cancelled asks its executor, so that a
//! cancel and the commit can never both happen.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{mpsc, oneshot};

use crate::domain::backup::machine::{self, Effect, Event, Phase, RunState, StartedBy, Step};
use crate::domain::shown::shown_text;
use crate::domain::unfinished::{self, Work};
use crate::domain::{RunId, RunReport, ServiceName, Trouble, TroubleKind};

use super::alerts::AlertKind;
use super::command::Refusal;
use super::engine::{Engine, lock};
use super::model::{RUN_LOG, RunModel};
use super::snapshot::{ActivityLine, Level};
use super::{abandon, retention, run_spec, steps, users};

/// A person's moment may be over by this much when it is read: it was typed before.
const LATE: TimeDelta = TimeDelta::seconds(60);

/// What a person wants of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Dropped before its commit.
    Cancel,
    /// Given up after it.
    Abandon,
}

/// A person's wish, and where the answer goes.
pub(super) struct PersonAsks {
    /// What.
    pub wish: Wish,
    /// Who.
    pub by: String,
    /// Done, or why not.
    pub reply: oneshot::Sender<Result<(), Trouble>>,
}

/// Starts a run: its first event is stored before this returns.
pub(super) async fn start(
    engine: &Arc<Engine>,
    service: &ServiceName,
    at: Option<DateTime<Utc>>,
    started_by: StartedBy,
) -> Result<RunId, Trouble> {
    engine.check_in_command()?;
    // Two starts at one instant: the second must see the first.
    let _one_at_a_time = engine.starting.lock().await;
    let now = engine.now();
    if let Some(moment) = at.filter(|at| started_by == StartedBy::Person && *at < now - LATE) {
        return Err(Refusal::MomentPast { moment }.trouble(format!("service {service}")));
    }
    let spec = engine.read(|m| {
        let policy = m.services.get(service).ok_or_else(|| unknown_service(m.services.keys(), service))?;
        let pair = m.pairs.get(&policy.pair).ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, format!("pair {}", policy.pair), "it is not paired").next("pair its clusters first")
        })?;
        if let Some(running) = m.active_run(service) {
            return Err(refuse_second(service, &running.state));
        }
        run_spec::check_pair(pair, started_by)?;
        Ok(run_spec::make(engine, m, policy.clone(), pair, at.unwrap_or(now), started_by))
    })?;
    let (run, event) = (spec.run, Event::Started { spec: Box::new(spec), at: now });
    let state = machine::apply(None, &event).map_err(|e| illegal(run, &e))?;
    let name = service.clone();
    engine.store(move |s| s.append_run_event(run, &name, 0, &event, false)).await?;
    engine.change(|m| m.runs.insert(run, RunModel::new(state.clone())));
    log(engine, run, Level::Info, format!("started for {}", state.spec.moment.format("%Y-%m-%d %H:%M:%S%.3f UTC")));
    resume(engine, state, 1);
    Ok(run)
}

/// A service has one run at a time.
fn refuse_second(service: &ServiceName, running: &RunState) -> Trouble {
    let run = running.spec.run;
    let refused = |reason: String| Trouble::new(TroubleKind::Refused, format!("service {service}"), reason);
    match &running.stuck {
        None => refused(format!("its run {run} is still under way")).next("wait for it, or cancel it"),
        Some(stuck) => refused(format!("its run {run} is still under way, and is stuck: {}", stuck.trouble))
            .next(unfinished::way_out(run, service, stuck.work)),
    }
}

pub(super) fn unknown_service<'a>(known: impl Iterator<Item = &'a ServiceName>, service: &ServiceName) -> Trouble {
    let known: Vec<_> = known.map(ServiceName::as_str).collect();
    Trouble::new(TroubleKind::NotFound, format!("service {service}"), "there is no such service").next(if known.is_empty() {
        "create a policy first".to_owned()
    } else {
        format!("there are: {}", known.join(", "))
    })
}

fn illegal(run: RunId, error: &machine::IllegalEvent) -> Trouble {
    Trouble::new(TroubleKind::Corrupt, format!("run {run}"), error)
        .next("this is a bug or a damaged store: keep the state directory and report it")
}

/// Folds stored events; damage is named.
pub(super) fn fold(run: RunId, events: &[Event]) -> Result<RunState, Trouble> {
    let mut state: Option<RunState> = None;
    for event in events {
        state = Some(machine::apply(state.as_ref(), event).map_err(|e| illegal(run, &e))?);
    }
    state.ok_or_else(|| Trouble::new(TroubleKind::Corrupt, format!("run {run}"), "it has no events"))
}

/// A run as the store has it; `None`: there never was one of this id.
pub(super) async fn stored(engine: &Engine, run: RunId) -> Result<Option<RunState>, Trouble> {
    let events = engine.store(move |s| s.events_of_run(run)).await?;
    if events.is_empty() { Ok(None) } else { fold(run, &events).map(Some) }
}

/// The reports of runs, newest first: a page of all that there ever were.
pub(super) async fn page(
    engine: &Engine,
    service: Option<&ServiceName>,
    before: Option<RunId>,
    limit: u32,
) -> Result<Vec<RunReport>, Trouble> {
    let service = service.cloned();
    let found = engine.store(move |s| s.run_page(service.as_ref(), before, limit)).await?;
    found.into_iter().map(|(run, events)| fold(run, &events).map(|state| state.report())).collect()
}

/// Drives a run on from where its events end.
pub(super) fn resume(engine: &Arc<Engine>, state: RunState, events: usize) {
    let (ask, asks) = mpsc::channel(4);
    let run = state.spec.run;
    lock(&engine.asks).insert(run, ask);
    let task = Executor { engine: engine.clone(), state, events, asks };
    engine.spawn(task.drive());
}

/// Asks a run's executor to drop it.
pub(super) async fn cancel(engine: &Arc<Engine>, run: RunId, by: &str) -> Result<(), Trouble> {
    let ask = lock(&engine.asks).get(&run).cloned();
    let Some(ask) = ask else {
        let ended = engine.read(|m| m.runs.get(&run).map(|r| r.state.phase));
        return Err(match ended {
            Some(phase) => refuse_cancel(run, phase),
            None => Trouble::new(TroubleKind::NotFound, format!("run {run}"), "there is no such run").next("see `understudy runs`"),
        });
    };
    let (reply, answer) = oneshot::channel();
    let gone = || Trouble::new(TroubleKind::Refused, format!("run {run}"), "it has just ended");
    ask.send(PersonAsks { wish: Wish::Cancel, by: by.to_owned(), reply }).await.map_err(|_| gone())?;
    answer.await.unwrap_or_else(|_| Err(gone()))
}

fn refuse_cancel(run: RunId, phase: Phase) -> Trouble {
    let (reason, next) = match phase {
        Phase::Abandon => ("it is being abandoned already", ""),
        phase if phase.is_committing() => {
            ("it is being committed: the secondary finishes it alone", "wait for it to be sealed; if it is stuck, abandon it")
        }
        Phase::Abort => ("it is being dropped already", ""),
        _ => ("it has ended", ""),
    };
    Trouble::new(TroubleKind::Refused, format!("run {run}"), reason).next(next)
}

/// Adds a line to a run's log.
pub(super) fn log(engine: &Engine, run: RunId, level: Level, text: String) {
    engine.change(|m| {
        if let Some(model) = m.runs.get_mut(&run) {
            let about = model.state.spec.service.name.to_string();
            model.log.push_back(ActivityLine { at: engine.now(), level, text: shown_text(text), about });
            while model.log.len() > RUN_LOG {
                model.log.pop_front();
            }
        }
    });
}

struct Executor {
    engine: Arc<Engine>,
    state: RunState,
    events: usize,
    asks: mpsc::Receiver<PersonAsks>,
}

impl Executor {
    async fn drive(mut self) {
        let run = self.state.spec.run;
        let mut told = None;
        while let Some(Effect::Do(step)) = machine::next(&self.state, self.engine.now()).first().copied() {
            let (event, asker) = self.one(step).await;
            let appended = match event {
                Ok(event) => self.append(event).await,
                Err(trouble) => Err(trouble),
            };
            // Who asked for a cancel hears of it when it is durable, or that it is not.
            drop(asker.map(|reply| reply.send(appended.clone())));
            if let Err(trouble) = appended {
                // Without its event nothing may follow: tried again from the same state, every effect being idempotent.
                if told.as_ref() != Some(&trouble) {
                    log(&self.engine, run, Level::Fault, trouble.to_string());
                    let about = self.state.spec.service.name.as_str();
                    self.engine.note(Level::Fault, about, format!("run {run} cannot go on: {trouble}")).await;
                    told = Some(trouble);
                }
                tokio::time::sleep(self.engine.limits.backoff_most).await;
            }
        }
        lock(&self.engine.asks).remove(&run);
        self.ended().await;
    }

    /// One step, or what a person wants that comes first.
    async fn one(&mut self, step: Step) -> (Result<Event, Trouble>, Option<oneshot::Sender<Result<(), Trouble>>>) {
        let performing = steps::perform(&self.engine, &self.state, step);
        tokio::pin!(performing);
        loop {
            tokio::select! {
                // What a person wants counts before what goes by itself.
                biased;
                Some(ask) = self.asks.recv() => {
                    match wished(&self.engine, &self.state, &ask) {
                        Ok(event) => return (Ok(event), Some(ask.reply)),
                        Err(trouble) => drop(ask.reply.send(Err(trouble))),
                    }
                }
                event = &mut performing => return (event, None),
            }
        }
    }

    /// Stores an event, folds it, shows it.
    async fn append(&mut self, event: Event) -> Result<(), Trouble> {
        let run = self.state.spec.run;
        let next = machine::apply(Some(&self.state), &event).map_err(|e| illegal(run, &e))?;
        if next == self.state {
            // A commit that failed without saying how it ended: it is asked again, and the store is not filled with that.
            let (level, text) = words(&event);
            log(&self.engine, run, level, text);
            tokio::time::sleep(self.engine.limits.backoff_most).await;
            return Ok(());
        }
        let ended = next.phase.is_end();
        let newly_stuck = next.stuck.is_some() && self.state.stuck.is_none();
        let (service, seq, stored) = (next.spec.service.name.clone(), self.events, event.clone());
        self.engine.store(move |s| s.append_run_event(run, &service, seq, &stored, ended)).await?;
        self.events += 1;
        self.state = next;
        let state = self.state.clone();
        self.engine.change(|m| {
            if let Some(model) = m.runs.get_mut(&run) {
                let same_step = model.state.phase == state.phase;
                model.state = state;
                if !same_step {
                    model.progress = None;
                    model.seen.clear();
                }
            }
        });
        let (level, text) = words(&event);
        log(&self.engine, run, level, text);
        if let Some(stuck) = self.state.stuck.as_ref().filter(|_| newly_stuck) {
            let service = &self.state.spec.service.name;
            let way_out = unfinished::way_out(run, service, stuck.work);
            self.engine.alert(AlertKind::Stuck, service.as_str(), &format!("run {run} is stuck: {}; {way_out}", stuck.trouble)).await;
        }
        Ok(())
    }

    /// What follows the end: the point shown, retention, user data, a line of activity.
    async fn ended(&self) {
        let (engine, state) = (&self.engine, &self.state);
        let service = &state.spec.service;
        let about = service.name.to_string();
        match (state.phase, &state.point) {
            (Phase::Sealed, Some(point)) => {
                let stored = (**point).clone();
                if let Err(trouble) = engine.store(move |s| s.save_point(&stored)).await {
                    engine.note(Level::Warning, &about, format!("the sealed point could not be cached: {trouble}")).await;
                }
                engine.change(|m| m.add_point((**point).clone()));
                let text = format!("recovery point sealed, skew {} ms", point.captured.skew_ms);
                engine.note(Level::Info, &about, text).await;
                if state.spec.started_by != StartedBy::Switchover {
                    users::after_run(engine, state).await;
                    retention::apply(engine, service).await;
                }
            }
            (Phase::Abandoned, _) => engine.note(Level::Warning, &about, abandoned_words(state)).await,
            (Phase::Cancelled, _) => engine.note(Level::Info, &about, "run cancelled; nothing of it is left").await,
            _ => {
                let why = state.trouble.as_ref().map(ToString::to_string).unwrap_or_default();
                engine.note(Level::Warning, &about, format!("run failed: {why}")).await;
                if state.trouble.as_ref().is_some_and(|trouble| trouble.kind == TroubleKind::Exhausted) {
                    // Nothing of it is staged any more that could keep older content.
                    retention::apply(engine, service).await;
                }
            }
        }
        engine.change(|m| {
            if let Some(model) = m.runs.get_mut(&state.spec.run) {
                model.settled = true;
            }
            m.trim_runs();
        });
        engine.wake_driver(&service.pair);
    }
}

/// The event that a person's wish is, or why it cannot be had now.
fn wished(engine: &Engine, state: &RunState, ask: &PersonAsks) -> Result<Event, Trouble> {
    let (run, phase, at, by) = (state.spec.run, state.phase, engine.now(), ask.by.clone());
    match ask.wish {
        Wish::Cancel if phase.can_cancel() => Ok(Event::CancelRequested { at, by }),
        Wish::Cancel => Err(refuse_cancel(run, phase)),
        Wish::Abandon if phase.can_abandon() => Ok(Event::AbandonRequested { at, by, id: engine.fresh() }),
        Wish::Abandon => Err(abandon::refuse(run, phase)),
    }
}

fn abandoned_words(state: &RunState) -> String {
    let by = state.abandoned.as_ref().map_or("a person", |abandoned| abandoned.told.by.as_str());
    let back = match state.abandoned.as_ref().and_then(|abandoned| abandoned.told.back_to) {
        Some(point) => format!("the live data is back at point {point}"),
        None if state.leftovers.is_empty() => "what it brought is gone".to_owned(),
        None => String::new(),
    };
    let left = if state.leftovers.is_empty() { String::new() } else { format!("left behind: {}", state.leftovers.join("; ")) };
    let told: Vec<&str> = [back.as_str(), left.as_str()].into_iter().filter(|text| !text.is_empty()).collect();
    format!("run abandoned by {by}: {}", told.join("; "))
}

fn words(event: &Event) -> (Level, String) {
    match event {
        Event::Started { .. } => (Level::Info, "started".into()),
        Event::Armed { base: Some(base), .. } => (Level::Info, format!("both agents are ready; changes since point {base}")),
        Event::Armed { base: None, .. } => (Level::Info, "both agents are ready; everything is copied".into()),
        Event::Captured { report, .. } => (Level::Info, format!("{} data sets captured", report.sets.len())),
        Event::Transferred { sets, .. } => {
            let (files, bytes) = sets.iter().fold((0, 0), |(f, b), s| (f + s.copied_files, b + s.copied_bytes));
            (Level::Info, format!("{files} files, {bytes} bytes copied"))
        }
        Event::Verified { .. } => (Level::Info, "every staged byte was read back and is right".into()),
        Event::Committed { .. } => (Level::Info, "committed: the secondary finishes alone from here".into()),
        Event::Sealed { point, .. } => (Level::Info, format!("sealed as {}", point.id)),
        Event::PointGone { trouble, .. } => (Level::Warning, trouble.to_string()),
        Event::Stuck { trouble, work: Work::Seal, .. } => {
            (Level::Fault, format!("stuck: {trouble}; the secondary tries again by itself, at least once a minute"))
        }
        Event::Stuck { trouble, work: Work::Abandon, .. } => (Level::Fault, format!("not taken back yet: {trouble}")),
        Event::AbandonRequested { by, .. } => (Level::Warning, format!("{by} gave it up: the secondary takes it back")),
        Event::Abandoned { back_to: Some(point), .. } => (Level::Info, format!("taken back: the live data is back at point {point}")),
        Event::Abandoned { leftovers, .. } if leftovers.is_empty() => (Level::Info, "taken back: what it brought is gone".into()),
        Event::Abandoned { leftovers, .. } => (Level::Warning, format!("taken back; left behind: {}", leftovers.join("; "))),
        Event::CancelRequested { by, .. } => (Level::Info, format!("{by} cancelled it")),
        Event::StepFailed { step, trouble, .. } => (Level::Fault, format!("step {step:?} failed: {trouble}")),
        Event::Dropped { leftovers, .. } if leftovers.is_empty() => (Level::Info, "dropped; nothing of it is left".into()),
        Event::Dropped { leftovers, .. } => (Level::Warning, format!("dropped; left behind: {}", leftovers.join("; "))),
    }
}
