//! What another controller did while this one was away, found in what the agents hold: identities that it changed are followed, and a
//! fence that it put on for a planned switchover and left is lifted. Nothing is decided here: persons did, and whoever commands cleans up.
//!
//! ```text
//! claims above our epoch → rebuilt from what the agents hold, as by an adoption
//! the primary keeps a planned decision that nobody carries on → its promotion made impossible → its fence lifted
//!                                       the secondary is lost, and cannot agree → a person may decide that the primary goes on
//! ```

use std::sync::Arc;
use std::time::Duration;

use crate::domain::switchover::machine::{Decision, Event, PairState};
use crate::domain::{ClusterName, PairName, Trouble, TroubleKind};
use crate::protocol::{AnswerState, Order, PairRecord, PruneOrder};

use super::engine::Engine;
use super::instruct::{Errand, within};
use super::model::PairModel;
use super::snapshot::Level;
use super::{adopt, exchange, identity};

/// The epoch by which another controller has changed a pair's identities, when we only have to follow.
pub(super) fn overtaken_by(pair: &PairModel) -> Option<crate::domain::Epoch> {
    exchange::overtaken_by(&pair.state, pair.held_by.as_ref(), &pair.claims().collect::<Vec<_>>())
}

/// Refuses while another controller's change of identities is still to be followed.
pub(super) fn check_followed(pair: &PairModel) -> Result<(), Trouble> {
    let Some(epoch) = overtaken_by(pair) else { return Ok(()) };
    let reason = format!("another controller changed its identities: epoch {epoch} there, {} here", pair.state.epoch);
    Err(Trouble::new(TroubleKind::Refused, format!("pair {}", pair.paired.name), reason)
        .next("wait a moment: this controller follows them"))
}

/// Follows identities that another controller changed, as soon as no run is under way here. A task of its own: the pair's are replaced.
pub(super) fn follow(engine: &Arc<Engine>, pair: &PairName) {
    if engine.check_in_command().is_err() || engine.read(|m| m.pairs.get(pair).and_then(overtaken_by)).is_none() {
        return;
    }
    let (engine_of_task, name) = (engine.clone(), pair.clone());
    engine.spawn(async move {
        let engine = engine_of_task;
        let Ok(_one_at_a_time) = engine.configuring.try_lock() else { return };
        let behind = engine.read(|m| m.pairs.get(&name).and_then(|p| Some((overtaken_by(p)?, p.paired.agents.clone()))));
        let Some((epoch, agents)) = behind else { return };
        match adopt::take_over(&engine, &agents.map(|agent| agent.enrolled)).await {
            Ok(_) => {
                let text = format!("another controller changed the identities (epoch {epoch}): this one follows what the agents hold");
                engine.note(Level::Warning, name.as_str(), text).await;
            }
            Err(trouble) => tracing::debug!(pair = %name, %trouble, "what another controller changed is not followed yet"),
        }
    });
}

/// Lifts a fence that another controller put on at the primary and left. True when there is none; otherwise it is looked for again.
pub(super) async fn lift_left_fence(engine: &Arc<Engine>, pair: &PairName, cluster: &ClusterName, record: Option<&PairRecord>) -> bool {
    let Some(state) = engine.read(|m| m.pairs.get(pair).map(|p| p.state.clone())) else { return true };
    let Some(record) = record.filter(|_| *cluster == state.primary) else { return true };
    for decision in exchange::begun_elsewhere(&state, record) {
        match lift_one(engine, pair, &state, &decision).await {
            Ok(true) => {}
            Ok(false) => return false,
            Err(trouble) => {
                // It waits for somebody's help, who has to hear of it.
                let before = engine.change(|m| {
                    let pair = m.pairs.get_mut(pair)?;
                    pair.left = Some(Box::new(decision));
                    pair.held_by.replace(trouble.clone())
                });
                if before.as_ref() != Some(&trouble) {
                    engine.note(Level::Warning, pair.as_str(), trouble.to_string()).await;
                }
                return false;
            }
        }
    }
    engine.change(|m| {
        if let Some(pair) = m.pairs.get_mut(pair) {
            pair.left = None;
        }
    });
    true
}

/// What is told of a fence that another controller left, as long as it stands; empty otherwise.
pub(super) fn left(pair: &PairModel) -> String {
    let Some(Decision { from, to, by, .. }) = pair.left.as_deref() else { return String::new() };
    let name = &pair.paired.name;
    format!(
        "{by} began a planned switchover to {to} at a console that did not end it: {from} is fenced until {to} answers and agrees that it is \
         given up. If {to} is lost, decide that {from} goes on: understudy adjust-identity {name} --to {from} --confirm {from}"
    )
}

/// True when it was lifted before; otherwise that begins here.
async fn lift_one(engine: &Arc<Engine>, pair: &PairName, state: &PairState, decision: &Decision) -> Result<bool, Trouble> {
    let lifted = engine.check_in_command().is_ok() && is_lifted(engine, pair, decision).await?;
    if !lifted {
        give_up(engine, pair, state, decision).await.map_err(|trouble| waits(decision, &trouble))?;
        let (by, to) = (&decision.by, &decision.to);
        let reason = format!("{by} wanted {to} to be primary, at a controller that did not end it and commands nothing any more");
        let trouble = Trouble::new(TroubleKind::Cancelled, format!("planned switchover of {pair}"), reason).next("begin it again here");
        identity::append(engine, pair, Event::FenceLeft { decision: Box::new(decision.clone()), trouble }).await?;
    }
    Ok(lifted)
}

async fn is_lifted(engine: &Engine, pair: &PairName, decision: &Decision) -> Result<bool, Trouble> {
    let agent = engine.agent(pair, &decision.from)?;
    match within(engine.limits.call, &agent, engine.link(&agent)?.answer(decision.unfence, Duration::ZERO)).await {
        Ok(answer) => Ok(matches!(answer.state, AnswerState::Done(_))),
        Err(trouble) if trouble.kind == TroubleKind::NotFound => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// The survivor first: once the promotion's id stands for something else there, the promotion is refused however late it comes, also by a
/// controller that wakes up with a later term and goes on with what it had begun. Only then may the old primary serve again.
async fn give_up(engine: &Arc<Engine>, pair: &PairName, state: &PairState, decision: &Decision) -> Result<(), Trouble> {
    let survivor = engine.agent(pair, &decision.to)?;
    if let Some(service) = decision.points.keys().next().cloned() {
        // It drops nothing, and is the same however often it is sent.
        let order = Order::Prune(PruneOrder { service, data_sets: Vec::new(), points: Vec::new() });
        let patience = Some(engine.limits.abort_patience);
        engine.carry_out(Errand { id: decision.promote, pair, epoch: state.epoch, agent: &survivor, order, patience }, |_| ()).await?;
    }
    let told = engine.look(&survivor).await?;
    let claims = told.pairs.iter().filter(|told| told.pair == *pair).map(|told| told.claim);
    match exchange::has_not_taken(decision, claims) {
        true => Ok(()),
        false => Err(Trouble::new(TroubleKind::Refused, format!("agent {}", decision.to), "it holds the new epoch")),
    }
}

fn waits(decision: &Decision, trouble: &Trouble) -> Trouble {
    let Decision { from, to, by, .. } = decision;
    let reason = format!("{by} began a planned switchover at another controller; it is undone as soon as {to} agrees: {trouble}");
    Trouble::new(trouble.kind, format!("fence of {from}"), reason)
}
