//! One driver a pair: folds events, carries out what the identity machine wants next, and goes on after a restart by itself.
//!
//! Every effect carries the ids of the person's decision, so that it may be repeated. Only `adjust` (a person's command) appends
//! a decision; only what agents answered is appended after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::backup::machine::{Phase, StartedBy};
use crate::domain::switchover::machine::{self, Decision, Effect, Event, PairPhase, PairState};
use crate::domain::{ClusterName, PairName, PointId, RunId, Service, ServiceName, Trouble, TroubleKind};
use crate::protocol::{Order, Outcome, PromoteOrder, PromoteReport};

use super::diagnose::News;
use super::engine::{Engine, lock};
use super::exchange::{self, Letter, WayBack};
use super::instruct::{Errand, unexpected};
use super::snapshot::Level;
use super::{reverse, runs};

/// Between two attempts at an effect that did not succeed yet.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two attempts to bring up what a promotion could not.
const BRING_UP_AGAIN: Duration = Duration::from_secs(20);

/// Folds a pair's stored events; damage is named.
pub(super) fn fold(pair: &PairName, events: &[Event]) -> Result<PairState, Trouble> {
    let mut state: Option<PairState> = None;
    for event in events {
        state = Some(machine::apply(state.as_ref(), event).map_err(|e| illegal(pair, &e))?);
    }
    state.ok_or_else(|| {
        Trouble::new(TroubleKind::Corrupt, format!("pair {pair}"), "it has no events").next("adopt its agents into a new state directory")
    })
}

pub(super) fn illegal(pair: &PairName, error: &machine::IllegalEvent) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("pair {pair}"), error)
}

/// Appends an event to a pair: durable first, then seen. One at a time a pair, by the sequence number in the store.
pub(super) async fn append(engine: &Arc<Engine>, pair: &PairName, event: Event) -> Result<PairState, Trouble> {
    let _in_order = engine.appending.lock().await;
    let unknown = || Trouble::new(TroubleKind::NotFound, format!("pair {pair}"), "it is not paired any more");
    let (state, seq) = engine.read(|m| m.pairs.get(pair).map(|p| (p.state.clone(), p.events))).ok_or_else(unknown)?;
    let next = machine::apply(Some(&state), &event).map_err(|e| illegal(pair, &e))?;
    // The policies turn round together with the event, or not at all.
    let turned: Vec<Service> = match event {
        Event::Reversed { .. } => engine.read(|m| reverse::turned(m, pair)),
        _ => Vec::new(),
    };
    let (name, stored, policies) = (pair.clone(), event.clone(), turned.clone());
    let now = engine.now();
    engine.store(move |s| s.append_with_policies(&name, seq, &stored, &policies, now)).await?;
    engine.change(|m| {
        m.services.extend(turned.into_iter().map(|service| (service.name.clone(), service)));
        if let Some(pair) = m.pairs.get_mut(pair) {
            pair.state = next.clone();
            pair.follow(&event);
            pair.held_by = None;
        }
        // Final runs are waited for no longer.
        m.trim_runs();
    });
    tell(engine, pair, &state, &event).await;
    engine.wake_driver(pair);
    Ok(next)
}

async fn tell(engine: &Engine, pair: &PairName, before: &PairState, event: &Event) {
    let (level, text) = match event {
        Event::Paired { primary, secondary, .. } => (Level::Info, format!("paired: {primary} is primary, {secondary} stands by")),
        Event::Suspected { .. } => (Level::Warning, format!("signs of a fault at {}", before.primary)),
        Event::FaultDeclared { .. } => return,
        Event::Recovered { .. } => (Level::Info, format!("{} is well again", before.serving())),
        Event::Decided { decision } => {
            let how = if decision.planned { "planned switchover" } else { "adjust identity" };
            (Level::Warning, format!("{how}: {} decided that {} becomes primary (epoch {})", decision.by, decision.to, decision.epoch))
        }
        Event::ConflictEnded { decision } => {
            let Decision { by, to, from, epoch, .. } = &**decision;
            let text = match decision.live {
                Some(_) => format!("{by} decided that {to} goes on as primary, and not {from} (epoch {epoch})"),
                None => format!("two decisions contended: {by} decided that {to} is primary (epoch {epoch})"),
            };
            (Level::Warning, text)
        }
        Event::Fenced { .. } => (Level::Info, format!("{} is fenced; final runs begin", before.primary)),
        Event::FinalRunSealed { service, point } => (Level::Info, format!("final run of {service} sealed as {point}")),
        Event::PlannedFailed { trouble } => (Level::Fault, format!("planned switchover failed: {trouble}")),
        Event::FenceLeft { trouble, .. } => (Level::Warning, format!("the fence of {} is lifted: {trouble}", before.primary)),
        Event::Unfenced { .. } => (Level::Info, format!("the fence of {} is lifted", before.primary)),
        Event::Promoted { failed, .. } if failed.is_empty() => (Level::Info, "promoted; every service is up".to_owned()),
        Event::Promoted { failed, .. } => {
            let failed: Vec<String> = failed.iter().map(|(service, trouble)| format!("{service} ({trouble})")).collect();
            (Level::Fault, format!("promoted; not up: {}", failed.join(", ")))
        }
        Event::OldPrimaryFenced { .. } => (Level::Info, "the old primary answered and is fenced".to_owned()),
        Event::PromotionCommitted { by, .. } => {
            (Level::Warning, format!("{by} has looked at the data and commits the promotion of {}", before.primary))
        }
        Event::TakeBackBegan { decision } => {
            let text =
                format!("{} takes the promotion of {} back for {} (epoch {})", decision.by, decision.from, decision.to, decision.epoch);
            (Level::Warning, text)
        }
        Event::StoodBack { .. } => (Level::Info, format!("nothing was written at {}; it stands back", before.primary)),
        Event::TakeBackFailed { trouble } => (Level::Fault, format!("the promotion was not taken back: {trouble}")),
        Event::ReversalBegan { reversal } => {
            (Level::Warning, format!("{} wants {} to stand by for {}", reversal.by, before.secondary, before.primary))
        }
        Event::Reversed { kept, .. } if kept.is_empty() => {
            (Level::Info, format!("{} stands by for {}; nothing had been written there since", before.secondary, before.primary))
        }
        Event::Reversed { kept, .. } => {
            let kept: Vec<String> = kept.iter().map(|(service, id)| format!("{service} as {id}")).collect();
            let text =
                format!("{} stands by for {}; what it had written since is kept: {}", before.secondary, before.primary, kept.join(", "));
            (Level::Warning, text)
        }
        Event::ReversalFailed { trouble } => (Level::Fault, format!("{} does not stand by yet: {trouble}", before.secondary)),
    };
    engine.note(level, pair.as_str(), text).await;
}

/// Drives a pair until its tasks are stopped.
pub(super) async fn drive(engine: Arc<Engine>, pair: PairName) {
    let Some(wake) = lock(&engine.drivers).get(&pair).map(|d| d.wake.clone()) else { return };
    loop {
        let Some(state) = engine.read(|m| m.pairs.get(&pair).map(|p| p.state.clone())) else { return };
        let mut waits = machine::next(&state).is_empty();
        for effect in machine::next(&state) {
            // A person's decision does not wait for an answer to what was asked before it.
            let moved_on = engine.until(|m| m.pairs.get(&pair).is_none_or(|p| p.state.phase != state.phase).then_some(()));
            let performed = tokio::select! {
                biased;
                performed = perform(&engine, &pair, &state, &effect) => performed,
                () = moved_on => {
                    waits = false;
                    break;
                }
            };
            match performed {
                Ok(Some(event)) => {
                    // A person may have decided meanwhile: then it is an answer to what is asked no more.
                    let stands = engine.read(|m| m.pairs.get(&pair).is_some_and(|p| p.state.phase == state.phase));
                    if let Err(trouble) = append(&engine, &pair, event).await {
                        if stands {
                            engine.note(Level::Fault, pair.as_str(), trouble.to_string()).await;
                        }
                        waits = stands;
                    }
                }
                Ok(None) => waits = true,
                Err(trouble) => {
                    waits = true;
                    let before = engine.change(|m| m.pairs.get_mut(&pair).and_then(|p| p.held_by.replace(trouble.clone())));
                    let is_news = before.as_ref() != Some(&trouble);
                    failed(&engine, &pair, &state, &effect, trouble, is_news).await;
                }
            }
        }
        if waits {
            tokio::select! { biased; () = wake.notified() => {}, () = tokio::time::sleep(AGAIN) => {} }
        }
    }
}

/// A failure undoes a planned switchover, or ends a reversal, where there is a way back; otherwise the effect is tried until it succeeds.
async fn failed(engine: &Arc<Engine>, pair: &PairName, state: &PairState, effect: &Effect, trouble: Trouble, is_news: bool) {
    let undone = match (exchange::way_back(state, effect, &trouble), effect) {
        (WayBack::Now, _) => true,
        (WayBack::IfNotTaken, Effect::Promote(decision)) => holds_no_new_epoch(engine, pair, decision, &decision.to).await,
        (WayBack::IfNotTaken, Effect::StandBack(decision)) => holds_no_new_epoch(engine, pair, decision, &decision.from).await,
        _ => false,
    };
    let event = exchange::given_up(effect, &trouble);
    if undone && machine::apply(Some(state), &event).is_ok() {
        if let Err(trouble) = append(engine, pair, event).await {
            engine.note(Level::Fault, pair.as_str(), trouble.to_string()).await;
        }
    } else if is_news && !trouble.is_worth_retrying() {
        // It waits for somebody's help, who has to hear of it.
        engine.note(Level::Warning, pair.as_str(), format!("{}; it is tried again until it is done: {trouble}", state.phase.name())).await;
    }
}

/// Whether the cluster that was asked says now that it knows of no epoch as high as the decision's. Silence says nothing.
async fn holds_no_new_epoch(engine: &Arc<Engine>, pair: &PairName, decision: &Decision, asked: &ClusterName) -> bool {
    if engine.check_in_command().is_err() {
        return false;
    }
    let Ok(agent) = engine.agent(pair, asked) else { return false };
    match engine.look(&agent).await {
        Ok(status) => {
            let told = status.pairs.iter().filter(|told| told.pair == *pair);
            exchange::has_not_taken(decision, told.map(|told| told.claim))
        }
        Err(_) => false,
    }
}

/// Carries out one effect; the event of its end, or `None` while there is nothing to do but wait.
async fn perform(engine: &Arc<Engine>, pair: &PairName, state: &PairState, effect: &Effect) -> Result<Option<Event>, Trouble> {
    engine.check_in_command()?;
    let Some(letter) = exchange::letter(state, effect) else {
        return match effect {
            Effect::WatchFinalRuns(waiting) => watch_final_runs(engine, waiting).await,
            Effect::BringUp(decision) => bring_up(engine, pair, state, decision).await,
            Effect::BeginReversal(decision) => Ok(Some(reverse::begin(&|| engine.id(), engine.now(), decision, &decision.by))),
            _ => Ok(None),
        };
    };
    let fencing = matches!(state.phase, PairPhase::Fencing { .. });
    if matches!(effect, Effect::Demote(_)) && !fencing && !answers(engine, pair, &letter.to) {
        // The old primary takes the secondary identity as soon as it answers.
        return Ok(None);
    }
    if let Effect::Promote(decision) = effect {
        check_fenced(engine, pair, decision).await?;
    }
    let to = letter.to.clone();
    match (effect, instruct(engine, pair, letter).await?) {
        (Effect::Demote(decision), Outcome::Fenced(evidence)) if fencing => {
            engine.note(Level::Info, pair.as_str(), format!("fence of {to} read back: {}", evidence.join("; "))).await;
            let final_runs = start_final_runs(engine, pair, decision).await?;
            Ok(Some(Event::Fenced { at: engine.now(), final_runs }))
        }
        (Effect::Demote(_), Outcome::Fenced(_) | Outcome::Done) if !fencing => Ok(Some(Event::OldPrimaryFenced { at: engine.now() })),
        (Effect::StandBack(_), Outcome::Fenced(evidence)) => {
            engine.note(Level::Info, pair.as_str(), format!("fence of {to} read back: {}", evidence.join("; "))).await;
            Ok(Some(Event::StoodBack { at: engine.now() }))
        }
        (Effect::Unfence(_), _) => Ok(Some(Event::Unfenced { at: engine.now() })),
        (Effect::Reverse(..), Outcome::Reversed(report)) => reverse::done(engine, pair, report).await.map(Some),
        (Effect::Promote(decision), Outcome::Promoted(report)) => Ok(Some(promoted(engine, decision, report))),
        (_, other) => Err(unexpected(&engine.agent(pair, &to)?, &other)),
    }
}

/// A planned promotion begins under the fence, which is asked for once more: between its reading and this another controller may have
/// lifted it, and a fence may let some writes pass (HBase's lets bulk loads pass), which no point holds.
async fn check_fenced(engine: &Arc<Engine>, pair: &PairName, decision: &Decision) -> Result<(), Trouble> {
    if !decision.planned {
        return Ok(());
    }
    let told = |cluster: &ClusterName| {
        let agent = engine.agent(pair, cluster);
        async move {
            let status = engine.look(&agent.ok()?).await.ok()?;
            let own = status.pairs.into_iter().find(|told| told.pair == *pair)?;
            Some((own.claim, own.fenced))
        }
    };
    let (from, to) = tokio::join!(told(&decision.from), told(&decision.to));
    let (was, taken) = (from.map(|(claim, _)| claim), to.map(|(claim, _)| claim));
    match exchange::is_open(decision, from, taken) {
        false => match exchange::last_look(decision, engine.fresh(), was, taken) {
            Some(letter) => instruct(engine, pair, letter).await.map(drop),
            None => Ok(()),
        },
        true => Err(Trouble::new(TroubleKind::Refused, format!("cluster {}", decision.from), "its fence is up no more, by its own word")
            .next("another controller has given this switchover up: decide again if it is still wanted")),
    }
}

/// Asks the new primary once more for the services that it could not bring up, every now and then: whatever was in the way may be mended.
async fn bring_up(engine: &Arc<Engine>, pair: &PairName, state: &PairState, decision: &Decision) -> Result<Option<Event>, Trouble> {
    let now = tokio::time::Instant::now();
    let due = engine.change(|m| {
        let tried = &mut m.pairs.get_mut(pair)?.brought_up;
        let due = tried.is_none_or(|tried| now - tried >= BRING_UP_AGAIN);
        due.then(|| *tried = Some(now))
    });
    if due.is_none() || !answers(engine, pair, &decision.to) {
        return Ok(None);
    }
    bring_up_now(engine, pair, state, decision).await.map(Some)
}

/// Asks the new primary once more for the services that it could not bring up.
pub(super) async fn bring_up_now(engine: &Arc<Engine>, pair: &PairName, state: &PairState, decision: &Decision) -> Result<Event, Trouble> {
    let order = Order::Promote(PromoteOrder { decision: decision.clone() });
    // A new instruction: the promotion's own is answered as it was.
    let letter = Letter { to: decision.to.clone(), id: engine.fresh(), epoch: state.epoch, order };
    match instruct(engine, pair, letter).await? {
        Outcome::Promoted(report) => Ok(promoted(engine, decision, report)),
        other => Err(unexpected(&engine.agent(pair, &decision.to)?, &other)),
    }
}

fn promoted(engine: &Engine, decision: &Decision, report: PromoteReport) -> Event {
    let other = |(service, point): &(ServiceName, PointId)| decision.live.is_none() && decision.points.get(service) != Some(point);
    Event::Promoted { at: engine.now(), failed: report.failed, instead: report.services.into_iter().filter(other).collect() }
}

fn answers(engine: &Engine, pair: &PairName, cluster: &ClusterName) -> bool {
    engine.read(|m| m.pairs.get(pair).and_then(|p| p.watch_of(cluster)).is_some_and(|w| w.trouble.is_none()))
}

async fn instruct(engine: &Arc<Engine>, pair: &PairName, letter: Letter) -> Result<Outcome, Trouble> {
    let agent = engine.agent(pair, &letter.to)?;
    let patience = Some(engine.limits.patience);
    let Letter { id, epoch, order, .. } = letter;
    engine.carry_out(Errand { id, pair, epoch, agent: &agent, order, patience }, |_| ()).await
}

/// One last run of every service, under the fence. Those a crash left under way are taken over; one that has ended never is, for it may be
/// an earlier switchover's: with a clock set back since, its start lies after this decision.
async fn start_final_runs(engine: &Arc<Engine>, pair: &PairName, decision: &Decision) -> Result<BTreeMap<ServiceName, RunId>, Trouble> {
    let services: Vec<ServiceName> = engine.read(|m| m.services_of(pair).map(|s| s.name.clone()).collect());
    let mut runs = BTreeMap::new();
    for service in services {
        let begun = engine.read(|m| {
            let mine = m.runs.values().find(|r| {
                let spec = &r.state.spec;
                let ours = spec.from == decision.from && spec.started_by == StartedBy::Switchover && r.state.started_at >= decision.at;
                ours && spec.service.name == service && !r.has_ended()
            });
            mine.map(|r| r.state.spec.run)
        });
        let run = match begun {
            Some(run) => run,
            None => runs::start(engine, &service, None, StartedBy::Switchover).await?,
        };
        runs.insert(service, run);
    }
    Ok(runs)
}

async fn watch_final_runs(engine: &Engine, waiting: &BTreeMap<ServiceName, RunId>) -> Result<Option<Event>, Trouble> {
    for (service, run) in waiting {
        let known = engine.read(|m| m.runs.get(run).map(|r| (r.state.phase, r.state.trouble.clone(), r.state.spec.point)));
        // Among many others, and after a restart, it may be in the store alone.
        let seen = match known {
            Some(seen) => Some(seen),
            None => runs::stored(engine, *run).await?.map(|state| (state.phase, state.trouble, state.spec.point)),
        };
        match seen {
            Some((Phase::Sealed, _, point)) => return Ok(Some(Event::FinalRunSealed { service: service.clone(), point })),
            Some((Phase::Failed | Phase::Cancelled | Phase::Abandoned, trouble, _)) => {
                let reason = trouble.map_or_else(|| "it was cancelled".to_owned(), |t| t.to_string());
                return Err(Trouble::new(TroubleKind::Refused, format!("final run of {service}"), reason));
            }
            Some(_) => {}
            None => return Err(Trouble::new(TroubleKind::Refused, format!("final run of {service}"), format!("run {run} is not known"))),
        }
    }
    Ok(None)
}

/// What the watch found is fed to the machine; what does not fit the present phase is left out.
pub(super) async fn observe(engine: &Arc<Engine>, pair: &PairName, news: &News) {
    let Some(state) = engine.read(|m| m.pairs.get(pair).map(|p| p.state.clone())) else { return };
    let now = engine.now();
    let event = match (&state.phase, news.faulty, news.unwell) {
        (PairPhase::Replicating | PairPhase::Suspect { .. }, true, _) => Event::FaultDeclared { at: now },
        (PairPhase::Replicating, false, true) => Event::Suspected { at: now },
        (PairPhase::Suspect { .. } | PairPhase::AwaitingDecision { .. }, false, _) if news.settled => Event::Recovered { at: now },
        (phase, true, _) if phase.may_be_lost() && phase.lost().is_none() => Event::FaultDeclared { at: now },
        (phase, false, _) if phase.lost().is_some() && news.settled => Event::Recovered { at: now },
        _ => return,
    };
    let declared = matches!(event, Event::FaultDeclared { .. });
    match append(engine, pair, event).await {
        Ok(state) if declared => {
            let alone = match &state.phase {
                PairPhase::Promoting { .. } => ", in the middle of its promotion",
                phase if phase.is_alone() => ", and ran alone",
                _ => "",
            };
            let text = format!("{} is faulty{alone}: open the console and decide whether {} takes over", state.serving(), state.other());
            engine.alert(super::alerts::AlertKind::Fault, pair.as_str(), &text).await;
        }
        Ok(_) => {}
        Err(trouble) => tracing::warn!(%pair, phase = state.phase.name(), %trouble, "an observation was not taken"),
    }
}
