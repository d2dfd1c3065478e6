//! The commit window of a promotion: a person looks at the services, then commits it, or takes it back while nothing was written.
//!
//! ```text
//! promoted, held ─┬─ commit ───────────────→ services open → active alone
//! active alone ───┴─ take back → the new primary proves that nothing was written there, and stands back → the old one goes on
//! ```
//! Taking back needs both agents. What it does not find proven leaves everything as it was.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::switchover::machine::{Decision, Event, PairPhase};
use crate::domain::{DecisionId, InstructionId, Trouble, TroubleKind};

use super::command::{AdjustOutcome, AdjustReport, Refused, StepReport};
use super::engine::Engine;
use super::model::{Model, PairModel};
use super::reverse::Ask;
use super::snapshot::{Level, WindowView};
use super::{Reply, adjust, admissible, catch_up, executed, identity, pairing, watch, withheld};

/// Opens the services of a held promotion.
pub(super) async fn commit(engine: &Arc<Engine>, ask: Ask) -> Result<Reply, Trouble> {
    let event = |engine: &Engine, pair: &PairModel| -> Result<Event, Refused> {
        may_commit(pair)?;
        typed(&ask, pair, pair.state.primary.as_str())?;
        Ok(Event::PromotionCommitted { at: engine.now(), by: ask.by.clone(), promote: engine.fresh() })
    };
    carry_out(engine, &ask, "to commit the promotion", event, |model, pair| {
        let committed = pair.trail.iter().rposition(|e| matches!(e, Event::PromotionCommitted { .. }))?;
        let over = pair.trail[committed..].iter().any(|e| matches!(e, Event::Promoted { .. }));
        over.then(|| adjust::promotion(model, pair)).flatten()
    })
    .await
}

/// Takes a promotion back.
pub(super) async fn take_back(engine: &Arc<Engine>, ask: Ask) -> Result<Reply, Trouble> {
    let event = |engine: &Engine, pair: &PairModel| -> Result<Event, Refused> {
        let made_by = admissible::may_take_back(pair)?;
        typed(&ask, pair, pair.state.secondary.as_str())?;
        Ok(take_back_event(&|| engine.id(), engine.now(), pair, made_by, &ask.by))
    };
    carry_out(engine, &ask, "to take the promotion back", event, |model, pair| {
        let Some(Event::TakeBackBegan { decision }) = pair.trail.first() else { return None };
        let failed = pair.trail.iter().find_map(|e| if let Event::TakeBackFailed { trouble } = e { Some(trouble.clone()) } else { None });
        let not_up = executed::not_up(&pair.trail);
        let outcome = if failed.is_some() { AdjustOutcome::Aborted } else { AdjustOutcome::TakenBack };
        (not_up.is_some() || failed.is_some()).then(|| {
            let services = not_up.map(|failed| adjust::resumed(model, pair, decision, failed)).unwrap_or_default();
            let steps = executed::take_back_steps(decision, &pair.trail, adjust::any_up(&services), failed.as_ref());
            AdjustReport { services, ..report(pair, outcome, steps, failed) }
        })
    })
    .await
}

/// The event that begins to take a promotion back.
pub(super) fn take_back_event(draw: &dyn Fn() -> Uuid, at: DateTime<Utc>, pair: &PairModel, made_by: &Decision, by: &str) -> Event {
    let decision = Decision {
        id: DecisionId(draw()),
        epoch: pair.epoch().next(),
        by: by.to_owned(),
        at,
        to: pair.state.secondary.clone(),
        from: pair.state.primary.clone(),
        planned: false,
        // What the old primary holds must not be on its way back to them.
        points: made_by.points.clone(),
        shown: vec![format!("{} stands back if nothing was written there since its promotion", pair.state.primary)],
        promote: InstructionId(draw()),
        demote: InstructionId(draw()),
        unfence: InstructionId(draw()),
        hold: false,
        take_back: true,
        live: Some(at),
        declared: None,
    };
    Event::TakeBackBegan { decision: Box::new(decision) }
}

/// Checked against what both agents say now, recorded, and waited for.
async fn carry_out(
    engine: &Arc<Engine>,
    ask: &Ask,
    wanted: &str,
    event: impl Fn(&Engine, &PairModel) -> Result<Event, Refused>,
    ended: impl Fn(&Model, &PairModel) -> Option<AdjustReport>,
) -> Result<Reply, Trouble> {
    let decided = async {
        engine.check_in_command()?;
        engine.check_seen(&ask.pair, ask.generation)?;
        watch::look_at_both(engine, &ask.pair).await;
        let event = engine.read(|m| {
            let pair = m.pairs.get(&ask.pair).ok_or_else(|| pairing::unknown_pair(&ask.pair))?;
            withheld::check_changes(pair)?;
            event(engine, pair)
        })?;
        identity::append(engine, &ask.pair, event).await.map_err(Refused::from)
    };
    if let Err(refused) = decided.await {
        let trouble = refused.trouble();
        engine.note(Level::Warning, ask.pair.as_str(), format!("{} asked {wanted}; refused: {trouble}", ask.by)).await;
        let code = refused.refusal();
        let report =
            engine.read(|m| m.pairs.get(&ask.pair).map(|pair| report(pair, AdjustOutcome::Refused, Vec::new(), Some(trouble.clone()))));
        let report = report.map(|report| AdjustReport { refusal: code, ..report });
        return report.map(Reply::Adjusted).ok_or(trouble);
    }
    let wait = engine.until(|m| m.pairs.get(&ask.pair).and_then(|pair| ended(m, pair)));
    let limit = engine.limits.decision;
    let late = || {
        let reason = format!("it is recorded and still being carried out after {} s", limit.as_secs());
        Trouble::new(TroubleKind::Unreachable, format!("pair {}", ask.pair), reason)
            .next("see `understudy status`; it goes on as long as an engine runs")
    };
    tokio::time::timeout(limit, wait).await.map(Reply::Adjusted).map_err(|_| late())
}

fn typed(ask: &Ask, pair: &PairModel, name: &str) -> Result<(), Trouble> {
    if ask.confirm == name {
        return Ok(());
    }
    let reason = format!("{:?} was typed, and not the name of the cluster that applications will use", ask.confirm);
    Err(refused(pair, reason).next(format!("type {name}")))
}

fn refused(pair: &PairModel, reason: String) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("pair {}", pair.paired.name), reason)
}

fn undisputed(pair: &PairModel) -> Result<(), Trouble> {
    catch_up::check_followed(pair)?;
    match pair.is_contended() {
        true => Err(refused(pair, pair.diagnosis.conflict.clone()).next("decide which cluster is primary")),
        false => Ok(()),
    }
}

/// Whether a held promotion may be committed now.
pub(super) fn may_commit(pair: &PairModel) -> Result<(), Trouble> {
    undisputed(pair)?;
    if !matches!(pair.state.phase, PairPhase::ActiveAlone { held: true, .. }) {
        return Err(refused(pair, format!("the pair is {}: no promotion waits to be committed", pair.state.phase.name()))
            .next("see `understudy status`"));
    }
    pair.check_answers(&pair.state.primary)
}

/// Whether the promotion may be taken back now, as far as the engine knows; what was written the new primary finds out itself.
/// The decision that it was made by.
pub(super) fn may_take_back(pair: &PairModel) -> Result<&Decision, Trouble> {
    undisputed(pair)?;
    let decision = match &pair.state.phase {
        PairPhase::ActiveAlone { unreversed: Some(why), .. } => {
            let reason = format!("{} may be on its way back to the common points already ({why})", pair.state.secondary);
            return Err(refused(pair, reason).next("reverse the replication; once it is, a planned switchover leads back"));
        }
        PairPhase::ActiveAlone { decision, .. } if decision.live.is_none() => decision,
        phase => {
            return Err(refused(pair, format!("the pair is {}: there is no promotion to take back", phase.name()))
                .next("once the replication is reversed, a planned switchover leads back"));
        }
    };
    pair.check_answers(&pair.state.primary)?;
    pair.check_answers(&pair.state.secondary)?;
    Ok(decision)
}

/// What the console shows of it.
pub(super) fn view(pair: &PairModel) -> Option<WindowView> {
    let PairPhase::ActiveAlone { held, kept_back, decision, .. } = &pair.state.phase else { return None };
    let may = admissible::may_take_back(pair);
    decision.live.is_none().then(|| WindowView {
        held: *held,
        primary: pair.state.primary.clone(),
        back_to: pair.state.secondary.clone(),
        refused: may.err().map(|refused| refused.trouble().reason).unwrap_or_default(),
        kept_back: kept_back.clone(),
    })
}

fn report(pair: &PairModel, outcome: AdjustOutcome, steps: Vec<StepReport>, error: Option<Trouble>) -> AdjustReport {
    AdjustReport {
        pair: pair.paired.name.clone(),
        epoch: pair.epoch(),
        primary: pair.state.primary.clone(),
        services: Vec::new(),
        outcome,
        steps,
        held: matches!(pair.state.phase, PairPhase::ActiveAlone { held: true, .. }),
        fences: Vec::new(),
        declared: None,
        error,
        refusal: None,
    }
}
