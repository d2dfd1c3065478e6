//! A person's decision to change identities: checked against what is true now, recorded with what they were shown, reported step by step.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::switchover::machine::{Decision, DecisionOutcome, Declaration, Event, PairPhase};
use crate::domain::{ClusterName, DecisionId, Grade, InstructionId, PairName, PointId, ServiceName, Trouble, TroubleKind};

use super::admissible::{self, Admitted, Wanted};
use super::command::{AdjustOutcome, AdjustReport, Refusal, Refused, ServiceEnding, ServiceResumed};
use super::engine::Engine;
use super::executed::{self, Turn};
use super::model::{Model, PairModel};
use super::snapshot::Level;
use super::{Reply, alone, chosen, clock, exchange, fences, identity, points, prompt, runs, watch};

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

/// What is kept with a decision.
pub(super) struct Record<'a> {
    pub by: &'a str,
    pub at: DateTime<Utc>,
    pub shown: Vec<String>,
    pub declared: Option<Declaration>,
}

/// Carries a person's command out and reports when it ended.
pub(super) async fn adjust(engine: &Arc<Engine>, ask: Ask) -> Result<Reply, Trouble> {
    let id = match begin(engine, &ask).await {
        Ok(id) => id,
        Err(refusal) => return refused(engine, &ask, &refusal).await,
    };
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

/// Everything that must hold before anything is done; then the decision is made, or what an earlier one left is tried again. The id of
/// that decision.
async fn begin(engine: &Arc<Engine>, ask: &Ask) -> Result<DecisionId, Refused> {
    engine.check_in_command()?;
    let refuse = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {}", ask.pair), reason);
    if ask.confirm != ask.to.as_str() {
        let wrong = refuse(format!("{:?} was typed, and not the cluster's name {}", ask.confirm, ask.to));
        return Err(wrong.next("type the name of the cluster that is to become primary").into());
    }
    engine.check_seen(&ask.pair, ask.generation)?;
    if !engine.read(|m| m.pairs.contains_key(&ask.pair)) {
        return Err(super::pairing::unknown_pair(&ask.pair).into());
    }
    // Ask both agents now: the highest epoch that anybody reachable knows, and whether the survivor is there at all.
    watch::look_at_both(engine, &ask.pair).await;
    if ask.planned {
        clock::measure(engine, &ask.pair).await;
    }
    match may(engine, ask) {
        Ok(Admitted::BringUp) => return again(engine, ask).await,
        // Which points it holds is asked of the survivor itself; it may have more than we know of.
        Ok(Admitted::Decide) | Err(Refused::Coded(_, Refusal::NoRecoveryPoint { .. })) => {
            if engine.read(|m| m.pairs.get(&ask.pair).is_some_and(|pair| alone::goes_on(m, pair, &ask.to).is_none())) {
                points::refresh(engine, &ask.pair, &ask.to).await?;
            }
            may(engine, ask)?;
        }
        Err(refused) => return Err(refused),
    }
    engine.read(|m| chosen::of(m, ask))?;
    let declared = match ask.planned {
        // Its fence is put on and read back before anything else.
        true => None,
        false => engine.read(|m| {
            let pair = m.pairs.get(&ask.pair).ok_or_else(|| super::pairing::unknown_pair(&ask.pair))?;
            fences::declare(&ask.pair, &fences::lines(m, pair, &pair.other_than(&ask.to)), ask.declared.as_deref())
        })?,
    };
    settle_runs(engine, ask).await?;
    // What was waited for may have changed what is true.
    may(engine, ask)?;
    let (points, told) = engine.read(|m| chosen::of(m, ask))?;
    let mut event = engine
        .read(|m| {
            let pair = m.pairs.get(&ask.pair)?;
            let shown = prompt::shown(m, pair).into_iter().chain(told).collect();
            let record = Record { by: &ask.by, at: engine.now(), shown, declared };
            Some(decided(m, pair, ask.wanted(), record, &|| engine.id()))
        })
        .ok_or_else(|| super::pairing::unknown_pair(&ask.pair))?;
    let (Event::Decided { decision } | Event::ConflictEnded { decision }) = &mut event else {
        return Err(Trouble::new(TroubleKind::Failed, format!("pair {}", ask.pair), "no decision was made").next("ask again").into());
    };
    decision.points.extend(points);
    let id = decision.id;
    identity::append(engine, &ask.pair, event).await?;
    Ok(id)
}

fn may(engine: &Engine, ask: &Ask) -> Result<Admitted, Refused> {
    engine.read(|m| match m.pairs.get(&ask.pair) {
        Some(pair) => admissible::may_decide(m, pair, ask.wanted()),
        None => Err(super::pairing::unknown_pair(&ask.pair).into()),
    })
}

impl Ask {
    fn wanted(&self) -> Wanted<'_> {
        Wanted { to: &self.to, planned: self.planned, hold: self.hold }
    }
}

/// Asks the new primary once more, and now, for what it could not bring up. Its driver may do the same: the first answer counts.
async fn again(engine: &Arc<Engine>, ask: &Ask) -> Result<DecisionId, Refused> {
    let gone = || Trouble::new(TroubleKind::Refused, format!("pair {}", ask.pair), "it has just changed").next("see `understudy status`");
    let state = engine.read(|m| m.pairs.get(&ask.pair).map(|pair| pair.state.clone())).ok_or_else(gone)?;
    let PairPhase::ActiveAlone { decision, failed, .. } = &state.phase else { return Err(gone().into()) };
    let text = format!("{} asks {} once more to bring up what is not up: {} services", ask.by, ask.to, failed.len());
    engine.note(Level::Warning, ask.pair.as_str(), text).await;
    let event = identity::bring_up_now(engine, &ask.pair, &state, decision).await?;
    if let Err(trouble) = identity::append(engine, &ask.pair, event).await {
        // Whatever else it may be, everything is up by now.
        tracing::debug!(pair = %ask.pair, %trouble, "what was asked for again had been answered already");
    }
    Ok(decision.id)
}

/// What `to` would resume from: points, or, since then, what is live there.
pub(super) fn resumes(model: &Model, pair: &PairModel, to: &ClusterName) -> (BTreeMap<ServiceName, PointId>, Option<DateTime<Utc>>) {
    match alone::goes_on(model, pair, to) {
        // Nothing newer was sealed since; once the lost one is back, these are the common points.
        Some((points, since)) => (points, Some(since)),
        None => (resume_points(model, &pair.paired.name, to), None),
    }
}

/// The decision, as it stands by what is known now. Pure but for the ids that are drawn.
pub(super) fn decided(model: &Model, pair: &PairModel, wanted: Wanted<'_>, record: Record<'_>, draw: &dyn Fn() -> Uuid) -> Event {
    let claims: Vec<_> = pair.claims().collect();
    let (points, live) = resumes(model, pair, wanted.to);
    let decision = Box::new(Decision {
        id: DecisionId(draw()),
        epoch: exchange::next_epoch(&pair.state, &claims, pair.left.as_deref()),
        by: record.by.to_owned(),
        at: record.at,
        to: wanted.to.clone(),
        from: pair.other_than(wanted.to),
        planned: wanted.planned,
        points,
        shown: record.shown,
        promote: InstructionId(draw()),
        demote: InstructionId(draw()),
        unfence: InstructionId(draw()),
        hold: wanted.hold,
        take_back: false,
        live,
        declared: record.declared,
    });
    let ends_conflict = pair.is_contended() || pair.left_from(wanted.to).is_some();
    if ends_conflict { Event::ConflictEnded { decision } } else { Event::Decided { decision } }
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
            let steps = decided_by(pair).map(|decision| executed::steps(decision, &pair.trail, false, None)).unwrap_or_default();
            Some((trouble.clone(), steps))
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
            refusal: None,
        });
    }
    promotion(model, pair)
}

fn decided_by(pair: &PairModel) -> Option<&Decision> {
    match pair.trail.first()? {
        Event::Decided { decision } | Event::ConflictEnded { decision } | Event::TakeBackBegan { decision } => Some(decision),
        _ => None,
    }
}

/// The report of the newest decision, once the new primary has said that it is.
pub(super) fn promotion(model: &Model, pair: &PairModel) -> Option<AdjustReport> {
    let decision = decided_by(pair)?;
    let failed = executed::not_up(&pair.trail)?;
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

/// Service by service: what it resumed from, and what is not up.
pub(super) fn resumed(
    model: &Model,
    pair: &PairModel,
    decision: &Decision,
    failed: &BTreeMap<ServiceName, Trouble>,
) -> Vec<ServiceResumed> {
    let last_sign = pair.watch_of(&decision.from).and_then(|w| w.last_seen).unwrap_or(decision.at).min(decision.at);
    let one = |name: &ServiceName| {
        let error = failed.get(name).cloned();
        let ending = match (&error, decision.live) {
            (Some(_), _) => ServiceEnding::NotUp,
            (None, Some(_)) => ServiceEnding::WentOn,
            (None, None) => ServiceEnding::Resumed,
        };
        let id = decision.points.get(name).copied().filter(|_| ending == ServiceEnding::Resumed);
        let point = id.and_then(|id| model.points.get(name)?.iter().find(|p| p.id == id));
        let from = decision.live.or_else(|| point.map(|p| p.captured.first)).filter(|_| error.is_none());
        let lost = from.map(|from| (last_sign - from).num_seconds().max(0).unsigned_abs());
        let lost_secs = if decision.planned || decision.take_back { from.map(|_| 0) } else { lost };
        let live = ending == ServiceEnding::WentOn;
        ServiceResumed { name: name.clone(), recovery_point: id, live, lost_secs, ending, error }
    };
    model.services_of(&pair.paired.name).map(|service| one(&service.name)).collect()
}

/// Whether at least one of them is up.
pub(super) fn any_up(services: &[ServiceResumed]) -> bool {
    services.iter().any(|service| service.ending != ServiceEnding::NotUp)
}

fn report(model: &Model, pair: &PairModel, decision: &Decision, failed: &BTreeMap<ServiceName, Trouble>) -> AdjustReport {
    let services = resumed(model, pair, decision, failed);
    let (outcome, steps) = match decision.take_back {
        true => (AdjustOutcome::TakenBack, executed::take_back_steps(decision, &pair.trail, any_up(&services), None)),
        false => (AdjustOutcome::Promoted, executed::steps(decision, &pair.trail, any_up(&services), pair.held_by.as_ref())),
    };
    AdjustReport {
        pair: pair.paired.name.clone(),
        epoch: decision.epoch,
        primary: decision.to.clone(),
        outcome,
        steps,
        services,
        held: matches!(pair.state.phase, PairPhase::ActiveAlone { held: true, .. }),
        fences: fences::lines(model, pair, &decision.from),
        declared: decision.declared.clone(),
        error: None,
        refusal: None,
    }
}

/// Not begun: nothing was changed, and the report says so step by step.
async fn refused(engine: &Arc<Engine>, ask: &Ask, refused: &Refused) -> Result<Reply, Trouble> {
    let trouble = refused.trouble();
    engine.note(Level::Warning, ask.pair.as_str(), format!("{} asked to make {} primary; refused: {trouble}", ask.by, ask.to)).await;
    let report = engine.read(|m| {
        m.pairs.get(&ask.pair).map(|pair| AdjustReport {
            pair: ask.pair.clone(),
            epoch: pair.epoch(),
            primary: pair.state.primary.clone(),
            services: Vec::new(),
            outcome: AdjustOutcome::Refused,
            steps: not_begun(pair, ask),
            held: false,
            fences: Vec::new(),
            declared: None,
            error: Some(trouble.clone()),
            refusal: refused.refusal(),
        })
    });
    report.map(Reply::Adjusted).ok_or(trouble)
}

/// The steps of what was asked for; none where no cluster of the pair was named.
fn not_begun(pair: &PairModel, ask: &Ask) -> Vec<super::command::StepReport> {
    if pair.agent(&ask.to).is_none() {
        return Vec::new();
    }
    let turn =
        Turn { from: pair.other_than(&ask.to), to: ask.to.clone(), planned: ask.planned, hold: ask.hold, live: alone::is_lost(pair) };
    turn.not_begun()
}
