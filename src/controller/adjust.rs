//! A person's decision to change identities: checked against what is true now, recorded with what they were shown, reported step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::switchover::machine::{Decision, DecisionOutcome, Event, PairPhase};
use crate::domain::{ClusterName, DecisionId, Grade, PairName, PointId, ServiceName, Trouble, TroubleKind};

use super::command::{AdjustOutcome, AdjustReport, ServiceResumed};
use super::engine::Engine;
use super::model::{Model, PairModel};
use super::snapshot::Level;
use super::{Reply, admissible, alone, chosen, exchange, fences, identity, points, prompt, runs, watch};

/// What a person asks for.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub pair: PairName,
    pub to: ClusterName,
    pub confirm: String,
    pub planned: bool,
    pub hold: bool,
    pub declared: Option<String>,
    /// Points chosen in place of the newest ones.
    pub points: BTreeMap<ServiceName, PointId>,
    pub generation: Option<u64>,
    pub by: String,
}

/// Carries a person's command out and reports when it ended.
pub(super) async fn adjust(engine: &Arc<Engine>, ask: Ask) -> Result<Reply, Trouble> {
    let event = match decide(engine, &ask).await {
        Ok(event) => event,
        Err(trouble) => return refused(engine, &ask, trouble).await,
    };
    let (Event::Decided { decision } | Event::ConflictEnded { decision }) = &event else {
        return Err(Trouble::new(TroubleKind::Failed, format!("pair {}", ask.pair), "no decision was made").next("ask again"));
    };
    let id = decision.id;
    if let Err(trouble) = identity::append(engine, &ask.pair, event.clone()).await {
        return refused(engine, &ask, trouble).await;
    }
    let ended = tokio::time::timeout(engine.limits.decision, ended(engine, &ask.pair, id)).await;
    match ended {
        Ok(report) => Ok(Reply::Adjusted(report)),
        Err(_) => Err(Trouble::new(
            TroubleKind::Unreachable,
            format!("pair {}", ask.pair),
            format!("the decision stands and is still being carried out after {} s", engine.limits.decision.as_secs()),
        )
        .next("see `understudy status`; it goes on as long as an engine runs")),
    }
}

/// Everything that must hold before a decision is taken, in the order in which a person would want to hear of it; the decision itself.
async fn decide(engine: &Arc<Engine>, ask: &Ask) -> Result<Event, Trouble> {
    engine.check_in_command()?;
    let refuse = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {}", ask.pair), reason);
    if ask.confirm != ask.to.as_str() {
        return Err(refuse(format!("{:?} was typed, and not the cluster's name {}", ask.confirm, ask.to))
            .next("type the name of the cluster that is to become primary"));
    }
    engine.check_seen(&ask.pair, ask.generation)?;
    if !engine.read(|m| m.pairs.contains_key(&ask.pair)) {
        return Err(super::pairing::unknown_pair(&ask.pair));
    }
    // Ask both agents now: the highest epoch that anybody reachable knows, and whether the survivor is there at all.
    watch::look_at_both(engine, &ask.pair).await;
    engine.read(|m| m.pairs.get(&ask.pair).map_or(Ok(()), |pair| admissible::check(pair, ask)))?;
    if ask.planned && !ask.points.is_empty() {
        return Err(refuse("a planned switchover resumes from its final runs, and from no older point".to_owned())
            .next("leave the points out, or restore one beside the live data"));
    }
    let (newest, live) = match engine.read(|m| alone::goes_on(m, m.pairs.get(&ask.pair)?, &ask.to)) {
        // Nothing newer was sealed since; once the lost one is back, these are the common points.
        Some((points, since)) => (points, Some(since)),
        None => {
            points::refresh(engine, &ask.pair, &ask.to).await?;
            (engine.read(|m| resume_points(m, &ask.pair, &ask.to)), None)
        }
    };
    if live.is_some() && !ask.points.is_empty() {
        return Err(refuse(format!("{} goes on from what is live, and from no point", ask.to)).next("leave the points out"));
    }
    let points = engine.read(|m| chosen::choose(m, &ask.pair, &ask.to, newest.clone(), &ask.points))?;
    let (contended, holds_it, left) = engine.read(|m| {
        m.pairs
            .get(&ask.pair)
            .map_or((false, false, false), |p| (p.is_contended(), p.claims_primary(&ask.to), p.left_from(&ask.to).is_some()))
    });
    if points.is_empty() && live.is_none() && !(contended && holds_it) {
        return Err(refuse(format!("{} holds no sealed recovery point: nothing could be resumed there", ask.to)).next("run a backup first"));
    }
    let declared = match ask.planned {
        // Its fence is put on and read back before anything else.
        true => None,
        false => engine.read(|m| {
            let pair = m.pairs.get(&ask.pair).ok_or_else(|| super::pairing::unknown_pair(&ask.pair))?;
            fences::declare(&ask.pair, &fences::lines(m, pair, &pair.other_than(&ask.to)), ask.declared.as_deref())
        })?,
    };
    settle_runs(engine, ask).await?;
    let (epoch, from, shown) = engine
        .read(|m| {
            let pair = m.pairs.get(&ask.pair)?;
            let claims: Vec<_> = pair.claims().collect();
            let mut shown = prompt::shown(m, pair);
            shown.extend(chosen::words(m, &newest, &ask.points));
            Some((exchange::next_epoch(&pair.state, &claims, pair.left.as_deref()), pair.other_than(&ask.to), shown))
        })
        .ok_or_else(|| super::pairing::unknown_pair(&ask.pair))?;
    let decision = Box::new(Decision {
        id: DecisionId(engine.id()),
        epoch,
        by: ask.by.clone(),
        at: engine.now(),
        to: ask.to.clone(),
        from,
        planned: ask.planned,
        points,
        shown,
        promote: engine.fresh(),
        demote: engine.fresh(),
        unfence: engine.fresh(),
        hold: ask.hold,
        take_back: false,
        live,
        declared,
    });
    Ok(if contended || left { Event::ConflictEnded { decision } } else { Event::Decided { decision } })
}

/// The newest point of each service that the survivor may resume from: sealed there, captured at the other cluster, not invalid.
fn resume_points(model: &Model, pair: &PairName, survivor: &ClusterName) -> BTreeMap<ServiceName, PointId> {
    let newest = |service: &ServiceName| {
        let points = model.points.get(service)?;
        points.iter().find(|p| p.sealed_at.is_some() && &p.to == survivor && p.captured.grade != Grade::Invalid)
    };
    model.services_of(pair).filter_map(|s| newest(&s.name).map(|p| (s.name.clone(), p.id))).collect()
}

/// Runs that can still be dropped are dropped; one that is being committed is the survivor's to finish first.
async fn settle_runs(engine: &Arc<Engine>, ask: &Ask) -> Result<(), Trouble> {
    let active: Vec<_> = engine.read(|m| {
        m.runs
            .values()
            .filter(|r| !r.has_ended() && r.state.spec.service.pair == ask.pair)
            .map(|r| (r.state.spec.run, r.state.phase))
            .collect()
    });
    for (run, phase) in active {
        if ask.planned {
            let next = if phase.is_committing() {
                "wait for its end; if it is stuck, abandon it first"
            } else {
                "wait for its end, or cancel it first"
            };
            return Err(Trouble::new(TroubleKind::Refused, format!("run {run}"), "it is under way").next(next));
        }
        if phase.can_cancel() {
            // One that has just moved on is seen below.
            drop(runs::cancel(engine, run, &ask.by).await);
        }
        // One that is stuck waits for nobody: the promotion drops it, and brings up what was sealed before.
        let committing = || engine.read(|m| m.runs.get(&run).is_some_and(|r| r.state.phase.is_committing() && r.state.stuck.is_none()));
        let wait = tokio::time::timeout(engine.limits.patience, async {
            while committing() {
                tokio::time::sleep(engine.limits.backoff).await;
            }
        });
        if wait.await.is_err() {
            return Err(Trouble::new(TroubleKind::Refused, format!("run {run}"), format!("{} is still committing it", ask.to))
                .next("try again when it is sealed"));
        }
    }
    Ok(())
}

/// Waits until a decision has ended, one way or the other. What follows a planned promotion (the old primary stands by) is waited for
/// as well, but not for ever: it goes on by itself.
async fn ended(engine: &Arc<Engine>, pair: &PairName, decision: DecisionId) -> AdjustReport {
    let mut promoted = None;
    loop {
        let found = engine.read(|m| m.pairs.get(pair).and_then(|p| Some((outcome(m, p, decision)?, is_over(p)))));
        if let Some((report, over)) = found {
            let since = *promoted.get_or_insert_with(tokio::time::Instant::now);
            if over || since.elapsed() > engine.limits.patience {
                return report;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Whether nothing more follows by itself, as far as the agents that answer are concerned.
fn is_over(pair: &PairModel) -> bool {
    let planned = matches!(pair.trail.first(), Some(Event::Decided { decision }) if decision.planned);
    let old = &pair.state.secondary;
    let waits_for_old = pair.watch_of(old).is_none_or(|w| w.trouble.is_none());
    match &pair.state.phase {
        PairPhase::ActiveAlone { held: true, .. } => true,
        PairPhase::ActiveAlone { failed, unreversed, .. } => !planned || !failed.is_empty() || unreversed.is_some() || !waits_for_old,
        PairPhase::Reversing { .. } => !planned,
        _ => true,
    }
}

fn outcome(model: &Model, pair: &PairModel, id: DecisionId) -> Option<AdjustReport> {
    let later = decided_by(pair).filter(|decision| decision.id != id);
    let overtaken = later.map(|later| {
        let reason = format!("it was given up; {} has decided since that {} becomes primary (epoch {})", later.by, later.to, later.epoch);
        Trouble::new(TroubleKind::Cancelled, format!("pair {}", pair.paired.name), reason).next("see `understudy status`")
    });
    let aborted = match &pair.state.last_outcome {
        Some(DecisionOutcome::Aborted { trouble }) if !pair.is_suspended() => {
            let hold = decided_by(pair).is_some_and(|decision| decision.hold);
            Some((trouble.clone(), prompt::steps(true, hold, pair, AdjustOutcome::Aborted)))
        }
        // What is on record by now are the steps of the later one.
        _ => overtaken.map(|trouble| (trouble, Vec::new())),
    };
    if let Some((trouble, steps)) = aborted {
        return Some(AdjustReport {
            pair: pair.paired.name.clone(),
            epoch: pair.epoch(),
            primary: pair.state.primary.clone(),
            services: Vec::new(),
            outcome: AdjustOutcome::Aborted,
            steps,
            held: false,
            fences: fences::lines(model, pair, &pair.state.primary),
            declared: None,
            error: Some(trouble),
        });
    }
    promotion(model, pair)
}

fn decided_by(pair: &PairModel) -> Option<&Decision> {
    match pair.trail.first()? {
        Event::Decided { decision } | Event::ConflictEnded { decision } => Some(decision),
        _ => None,
    }
}

/// The report of the newest decision, once the new primary has said that it is.
pub(super) fn promotion(model: &Model, pair: &PairModel) -> Option<AdjustReport> {
    let decision = decided_by(pair)?;
    let failed = pair.trail.iter().rev().find_map(|e| if let Event::Promoted { failed, .. } = e { Some(failed) } else { None })?;
    let mut decision = decision.clone();
    for event in &pair.trail {
        if let Event::Promoted { instead, .. } = event {
            decision.resume_from(instead);
        }
        if let Event::FinalRunSealed { service, point } = event {
            decision.points.insert(service.clone(), *point);
        }
    }
    Some(report(model, pair, &decision, failed))
}

fn report(model: &Model, pair: &PairModel, decision: &Decision, failed: &BTreeMap<ServiceName, Trouble>) -> AdjustReport {
    let last_sign = pair.watch_of(&decision.from).and_then(|w| w.last_seen).unwrap_or(decision.at).min(decision.at);
    let services = model
        .services_of(&pair.paired.name)
        .map(|service| {
            let error = failed.get(&service.name).cloned();
            let id = decision.points.get(&service.name).copied().filter(|_| error.is_none() && decision.live.is_none());
            let point = id.and_then(|id| model.points.get(&service.name)?.iter().find(|p| p.id == id));
            let from = decision.live.or_else(|| point.map(|p| p.captured.first)).filter(|_| error.is_none());
            let lost = from.map(|from| (last_sign - from).num_seconds().max(0).unsigned_abs());
            let lost_secs = if decision.planned { point.map(|_| 0) } else { lost };
            ServiceResumed { name: service.name.clone(), recovery_point: id, live: decision.live.is_some(), lost_secs, error }
        })
        .collect();
    AdjustReport {
        pair: pair.paired.name.clone(),
        epoch: decision.epoch,
        primary: decision.to.clone(),
        services,
        outcome: AdjustOutcome::Promoted,
        steps: prompt::steps(decision.planned, decision.hold, pair, AdjustOutcome::Promoted),
        held: matches!(pair.state.phase, PairPhase::ActiveAlone { held: true, .. }),
        fences: fences::lines(model, pair, &decision.from),
        declared: decision.declared.clone(),
        error: None,
    }
}

/// Not begun: nothing was changed, and the report says so step by step.
async fn refused(engine: &Arc<Engine>, ask: &Ask, trouble: Trouble) -> Result<Reply, Trouble> {
    engine.note(Level::Warning, ask.pair.as_str(), format!("{} asked to make {} primary; refused: {trouble}", ask.by, ask.to)).await;
    let report = engine.read(|m| {
        m.pairs.get(&ask.pair).map(|pair| AdjustReport {
            pair: ask.pair.clone(),
            epoch: pair.epoch(),
            primary: pair.state.primary.clone(),
            services: Vec::new(),
            outcome: AdjustOutcome::Refused,
            steps: prompt::steps(ask.planned, ask.hold, pair, AdjustOutcome::Refused),
            held: false,
            fences: Vec::new(),
            declared: None,
            error: Some(trouble.clone()),
        })
    });
    report.map(Reply::Adjusted).ok_or(trouble)
}
