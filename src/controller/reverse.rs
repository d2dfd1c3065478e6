//! Reverse replication: the old primary, fenced, becomes the target of the new one. By a person's command after a fault; a planned
//! switchover comes to it by itself.
//!
//! ```text
//! active alone, old fenced → began (stored) → the old primary keeps what it wrote and goes back → both told the policies, the other way
//! round → reversed (stored with those policies) → replicating
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::switchover::machine::{Decision, Event, PairPhase, Reversal};
use crate::domain::{ClusterName, InstructionId, PairName, PointId, Service, Trouble, TroubleKind};
use crate::protocol::ReverseReport;

use super::admissible::may_reverse;
use super::command::{Refusal, Refused, ReversalOutcome, ReversalReport, ServiceTurned};
use super::engine::Engine;
use super::model::{Model, PairModel};
use super::snapshot::Level;
use super::{Reply, executed, identity, pairing, services, watch};

/// What a person asks for; committing a promotion and taking it back are asked for likewise.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub pair: PairName,
    /// The name of the cluster that has to be typed: here the one that is to stand by.
    pub confirm: String,
    pub generation: Option<u64>,
    pub by: String,
}

/// Carries a person's command out and reports when it ended.
pub(super) async fn reverse(engine: &Arc<Engine>, ask: Ask) -> Result<Reply, Trouble> {
    let reversal = match decide(engine, &ask).await {
        Ok(event) => event,
        Err(refusal) => return refused(engine, &ask, refusal).await,
    };
    let Event::ReversalBegan { reversal: began } = &reversal else {
        return Err(Trouble::new(TroubleKind::Failed, format!("pair {}", ask.pair), "nothing was begun").next("ask again"));
    };
    let id = began.id;
    if let Err(trouble) = identity::append(engine, &ask.pair, reversal).await {
        return refused(engine, &ask, trouble.into()).await;
    }
    match tokio::time::timeout(engine.limits.decision, ended(engine, &ask.pair, id)).await {
        Ok(report) => Ok(Reply::Reversed(report)),
        Err(_) => Err(Trouble::new(
            TroubleKind::Unreachable,
            format!("pair {}", ask.pair),
            format!("the replication is still being reversed after {} s", engine.limits.decision.as_secs()),
        )
        .next("see `understudy status`; it goes on as long as an engine runs")),
    }
}

/// What must hold, asked of both agents now.
async fn decide(engine: &Arc<Engine>, ask: &Ask) -> Result<Event, Refused> {
    engine.check_in_command()?;
    let refuse = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {}", ask.pair), reason);
    engine.check_seen(&ask.pair, ask.generation)?;
    watch::look_at_both(engine, &ask.pair).await;
    engine.read(|m| {
        let pair = m.pairs.get(&ask.pair).ok_or_else(|| pairing::unknown_pair(&ask.pair))?;
        let decision = may_reverse(pair)?;
        if ask.confirm != pair.state.secondary.as_str() {
            return Err(refuse(format!("{:?} was typed, and not the name of the cluster that is to stand by", ask.confirm))
                .next(format!("type {}", pair.state.secondary))
                .into());
        }
        Ok(begin(&|| engine.id(), engine.now(), decision, &ask.by))
    })
}

/// The rules of a reversal; the whole answer is [`may_reverse`]'s.
pub(super) fn admissible(pair: &PairModel) -> Result<&Decision, Refused> {
    let refuse = |reason: String| Trouble::new(TroubleKind::Refused, format!("pair {}", pair.paired.name), reason);
    if pair.is_contended() {
        return Err(refuse(pair.diagnosis.conflict.clone()).next("decide which cluster is primary").into());
    }
    let (primary, secondary) = (&pair.state.primary, &pair.state.secondary);
    let PairPhase::ActiveAlone { decision, old_primary_fenced, failed, held, lost, .. } = &pair.state.phase else {
        return Err(refuse(format!("the pair is {}: {primary} does not run alone", pair.state.phase.name()))
            .next("replication is reversed after an identity change")
            .into());
    };
    if *held {
        return Err(refuse(format!("{primary} is held for a look")).next("commit the promotion, or take it back").into());
    }
    if let Some(since) = *lost {
        let refusal = Refusal::PrimaryFaulty { cluster: primary.clone(), since };
        return Err(Refused::Coded(format!("pair {}", pair.paired.name), refusal));
    }
    if let Some((service, trouble)) = failed.iter().next() {
        return Err(refuse(format!("service {service} is not up at {primary}: {trouble}"))
            .next(format!(
                "its good data may be at the other cluster: bring it up first (understudy adjust-identity {} --to {primary} --confirm \
                 {primary} tries it again), or remove it from the pair",
                pair.paired.name
            ))
            .into());
    }
    for cluster in [primary, secondary] {
        pair.check_answers(cluster)?;
    }
    if !old_primary_fenced {
        return Err(refuse(format!("{secondary} has not said yet that it is fenced"))
            .next("wait a moment; see `understudy status`")
            .into());
    }
    Ok(decision)
}

/// The event that begins it; its ids make every repetition the same instruction.
pub(super) fn begin(draw: &dyn Fn() -> Uuid, at: DateTime<Utc>, decision: &Decision, by: &str) -> Event {
    let keep = decision.points.keys().map(|service| (service.clone(), PointId(draw()))).collect();
    let reversal = Reversal { id: InstructionId(draw()), by: by.to_owned(), at, points: decision.points.clone(), keep };
    Event::ReversalBegan { reversal: Box::new(reversal) }
}

/// The old primary is a target: its points are cached as its own, both agents get the policies the other way round, and then it counts.
pub(super) async fn done(engine: &Arc<Engine>, pair: &PairName, report: ReverseReport) -> Result<Event, Trouble> {
    let points: Vec<_> = report.services.values().map(|service| service.point.clone()).collect();
    let stored = points.clone();
    engine.store(move |s| stored.iter().try_for_each(|point| s.save_point(point))).await?;
    engine.change(|m| points.into_iter().for_each(|point| m.add_point(point)));
    services::tell_both(engine, pair, &engine.read(|m| turned(m, pair))).await?;
    let kept = report.services.into_iter().filter_map(|(service, turned)| Some((service, turned.kept?.id))).collect();
    Ok(Event::Reversed { at: engine.now(), kept })
}

/// The pair's policies in the direction of the points that the old primary holds now. Turned again, they stay.
pub(super) fn turned(model: &Model, pair: &PairName) -> Vec<Service> {
    let Some(target) = model.pairs.get(pair).map(|p| &p.state.secondary) else { return Vec::new() };
    let newest = |service: &Service| model.points.get(&service.name)?.iter().find(|point| point.to == *target);
    model.services_of(pair).map(|service| service.towards(newest(service))).collect()
}

/// Waits until it has ended, one way or the other.
async fn ended(engine: &Arc<Engine>, pair: &PairName, id: InstructionId) -> ReversalReport {
    engine.until(|m| m.pairs.get(pair).and_then(|p| outcome(m, p, id))).await
}

/// How the reversal with this id ended, by what followed it.
fn outcome(model: &Model, pair: &PairModel, id: InstructionId) -> Option<ReversalReport> {
    let began = pair.trail.iter().rposition(|e| matches!(e, Event::ReversalBegan { reversal } if reversal.id == id))?;
    let Event::ReversalBegan { reversal } = &pair.trail[began] else { return None };
    // Its clusters are those of the decision that turned the pair round, whatever follows.
    let turned = match pair.trail.first()? {
        Event::Decided { decision } | Event::ConflictEnded { decision } => {
            Sides { primary: decision.to.clone(), secondary: decision.from.clone() }
        }
        // It was to be taken back, and could not: the one that it was to be taken from goes on.
        Event::TakeBackBegan { decision } => Sides { primary: decision.from.clone(), secondary: decision.to.clone() },
        _ => Sides { primary: pair.state.primary.clone(), secondary: pair.state.secondary.clone() },
    };
    match pair.trail.get(began + 1)? {
        Event::Reversed { kept, .. } => Some(report(model, pair, turned, Some((reversal, kept)), ReversalOutcome::Reversed, None)),
        Event::ReversalFailed { trouble } => Some(report(model, pair, turned, None, ReversalOutcome::Failed, Some(trouble.clone()))),
        _ => None,
    }
}

type Turned<'a> = (&'a Reversal, &'a BTreeMap<crate::domain::ServiceName, PointId>);

/// Who stands by for whom, or should.
struct Sides {
    primary: ClusterName,
    secondary: ClusterName,
}

fn report(
    model: &Model,
    pair: &PairModel,
    sides: Sides,
    turned: Option<Turned<'_>>,
    outcome: ReversalOutcome,
    error: Option<Trouble>,
) -> ReversalReport {
    let services = model.services_of(&pair.paired.name).filter_map(|service| {
        let (reversal, kept) = turned?;
        let recovery_point = reversal.points.get(&service.name).copied();
        Some(ServiceTurned { name: service.name.clone(), recovery_point, kept: kept.get(&service.name).copied() })
    });
    ReversalReport {
        pair: pair.paired.name.clone(),
        epoch: pair.epoch(),
        services: services.collect(),
        outcome,
        steps: executed::reversal_steps(&sides.primary, &sides.secondary, outcome, error.as_ref()),
        primary: sides.primary,
        secondary: sides.secondary,
        error,
        refusal: None,
    }
}

/// Not begun: nothing was changed, and the report says so.
async fn refused(engine: &Arc<Engine>, ask: &Ask, refused: Refused) -> Result<Reply, Trouble> {
    let trouble = refused.trouble();
    engine.note(Level::Warning, ask.pair.as_str(), format!("{} asked to reverse the replication; refused: {trouble}", ask.by)).await;
    let told = Some(trouble.clone());
    let report = engine.read(|m| {
        m.pairs.get(&ask.pair).map(|pair| {
            let sides = Sides { primary: pair.state.primary.clone(), secondary: pair.state.secondary.clone() };
            let report = report(m, pair, sides, None, ReversalOutcome::Refused, told);
            ReversalReport { refusal: refused.refusal(), ..report }
        })
    });
    report.map(Reply::Reversed).ok_or(trouble)
}
