//! The end of a run, which only the secondary knows: commit, apply and seal; why that stands still; and taking the point back.
//!
//! ```text
//! commit order ─ sealed ──────────────────────────────→ Sealed
//!      └ failed ─ what does the secondary say of the point? ─┬─ stuck → Stuck, and it is only asked from then on: it tries by itself
//!                                                            ├─ sealed since, or gone → Sealed, PointGone
//!                                                            └─ not committed, or being worked on → the order again
//! ```

use tokio::time::Instant;

use super::{Run, unexpected};
use crate::controller::instruct::Errand;
use crate::controller::points;
use crate::domain::backup::machine::{Event, Phase, RunSpec, will_not_commit};
use crate::domain::unfinished::{Stuck, Work};
use crate::domain::{Trouble, TroubleKind};
use crate::protocol::{AbandonOrder, CommitOrder, Order, Outcome, UnfinishedPoint};

/// A trouble that only differs in its words is stored again after so long, so that a run's events stay few.
const SAME_TROUBLE_SECS: i64 = 60;

/// What the secondary says of a run's point.
enum Said {
    /// This agent's version does not tell.
    Nothing,
    /// It is neither committed and unsealed, nor being taken back.
    NotUnfinished,
    /// It is.
    Unfinished(Box<UnfinishedPoint>),
}

/// Commit, apply, seal. Returns as soon as the record that counts is known to be written, and then once more with the seal.
pub(super) async fn commit(run: &Run<'_>) -> Result<Event, Trouble> {
    if run.state.stuck.is_some() {
        return watch_stuck(run).await;
    }
    let (limits, mut backoff) = (run.engine.limits, run.engine.limits.backoff);
    let began = Instant::now();
    loop {
        // What the secondary fails in after its commit it tries again by itself, and says why.
        let trouble = match order_commit(run).await {
            Ok(event) => return Ok(event),
            Err(trouble) => trouble,
        };
        match said(run).await.unwrap_or(Said::Nothing) {
            Said::Unfinished(_) if run.state.phase == Phase::Commit => return Ok(Event::Committed { at: run.engine.now() }),
            Said::Unfinished(point) => {
                if let Some(event) = stuck(run, &point) {
                    return Ok(event);
                }
            }
            Said::NotUnfinished | Said::Nothing => {}
        }
        if will_not_commit(&trouble) {
            return how_it_ended(run, trouble).await;
        }
        if trouble.kind != TroubleKind::Failed || began.elapsed() + backoff > limits.patience {
            return Err(trouble);
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(limits.backoff_most);
    }
}

async fn order_commit(run: &Run<'_>) -> Result<Event, Trouble> {
    let spec = &run.state.spec;
    let order = Order::Commit(CommitOrder { point: run.point()?, service: spec.service.clone() });
    let agent = run.agent(&spec.to)?;
    let errand = Errand {
        id: spec.ids.commit,
        pair: &spec.service.pair,
        epoch: spec.epoch,
        agent: &agent,
        order,
        patience: Some(run.engine.limits.patience),
    };
    let written = tokio::sync::Notify::new();
    let following = run.engine.carry_out_until(
        errand,
        |progress| {
            if progress.committed {
                written.notify_one();
            }
            run.show(progress);
        },
        |trouble| trouble.kind == TroubleKind::Failed,
    );
    tokio::select! {
        biased;
        outcome = following => match outcome? {
            Outcome::Sealed(point) => Ok(Event::Sealed { at: run.engine.now(), point }),
            other => Err(unexpected(&agent, &other)),
        },
        () = written.notified(), if run.state.phase == Phase::Commit => Ok(Event::Committed { at: run.engine.now() }),
    }
}

/// What the secondary tells of the run's point, if it answers.
async fn said(run: &Run<'_>) -> Result<Said, Trouble> {
    let spec = &run.state.spec;
    let status = run.engine.look(&run.agent(&spec.to)?).await?;
    let Some(unfinished) = status.unfinished else { return Ok(Said::Nothing) };
    Ok(unfinished.into_iter().find(|told| told.point == spec.point).map_or(Said::NotUnfinished, |told| Said::Unfinished(Box::new(told))))
}

/// The event that says that it is stuck; none when it is not, or that is known.
fn stuck(run: &Run<'_>, told: &UnfinishedPoint) -> Option<Event> {
    let (trouble, at) = (told.stuck()?.clone().at(&run.state.spec.to), run.engine.now());
    let is_known = |known: &Stuck| {
        let same = known.work == told.work && known.trouble.kind == trouble.kind && known.trouble.object == trouble.object;
        let lately = (at - known.told_at).num_seconds() < SAME_TROUBLE_SECS;
        known.work == told.work && (known.trouble == trouble || same && lately)
    };
    let is_known = run.state.stuck.as_ref().is_some_and(is_known);
    (!is_known).then_some(Event::Stuck { at, work: told.work, trouble })
}

/// It is stuck: the secondary goes on by itself, and is asked how far it is.
async fn watch_stuck(run: &Run<'_>) -> Result<Event, Trouble> {
    loop {
        match said(run).await {
            Ok(Said::Unfinished(point)) => {
                if let Some(event) = stuck(run, &point) {
                    return Ok(event);
                }
            }
            Ok(Said::NotUnfinished) => return how_it_ended(run, undecided(&run.state.spec)).await,
            // An older version in its place: it has to be told.
            Ok(Said::Nothing) => return order_commit(run).await,
            Err(_) => run.engine.check_in_command()?,
        }
        tokio::time::sleep(run.engine.limits.backoff_most).await;
    }
}

/// The order was refused for good, which may come from after a commit whose answer was lost: what the secondary holds tells.
async fn how_it_ended(run: &Run<'_>, refused: Trouble) -> Result<Event, Trouble> {
    let (spec, at, phase) = (&run.state.spec, run.engine.now(), run.state.phase);
    let Some(record) = points::refresh(run.engine, &spec.service.pair, &spec.to).await? else { return Err(refused) };
    match record.points.into_iter().find(|point| point.id == spec.point) {
        Some(point) if point.sealed_at.is_some() => Ok(Event::Sealed { at, point: Box::new(point) }),
        Some(_) if phase == Phase::Commit => Ok(Event::Committed { at }),
        None if matches!(phase, Phase::Finish | Phase::Abandon) => Ok(Event::PointGone { at, trouble: gone(spec) }),
        _ => Err(refused),
    }
}

/// Has the secondary take the point back. That it could be sealed after all, or that it is gone, ends it as well.
pub(super) async fn abandon(run: &Run<'_>) -> Result<Event, Trouble> {
    let trouble = match order_abandon(run).await {
        Ok(event) => return Ok(event),
        Err(trouble) => trouble,
    };
    match said(run).await {
        Ok(Said::Unfinished(point)) => stuck(run, &point).filter(|_| point.work == Work::Abandon).ok_or(trouble),
        // An agent that was stopped meanwhile took it back at its start: asked again, it says how that ended.
        Ok(Said::NotUnfinished) => match order_abandon(run).await {
            Ok(event) => Ok(event),
            Err(trouble) if will_not_commit(&trouble) => how_it_ended(run, trouble).await,
            // One whose identity nobody has confirmed yet, say: it is asked until it answers, and only it knows what is live now.
            Err(trouble) => Err(trouble),
        },
        Ok(Said::Nothing) | Err(_) => Err(trouble),
    }
}

async fn order_abandon(run: &Run<'_>) -> Result<Event, Trouble> {
    let spec = &run.state.spec;
    let asked = run.state.abandoned.as_ref().ok_or_else(|| undecided(spec))?;
    let agent = run.agent(&spec.to)?;
    let order = Order::Abandon(AbandonOrder {
        run: spec.run,
        point: spec.point,
        service: spec.service.name.clone(),
        by: asked.told.by.clone(),
        at: asked.told.at,
    });
    let patience = Some(run.engine.limits.patience);
    let errand = Errand { id: asked.id, pair: &spec.service.pair, epoch: spec.epoch, agent: &agent, order, patience };
    match run.engine.carry_out_until(errand, |progress| run.show(progress), |trouble| trouble.kind == TroubleKind::Failed).await? {
        Outcome::Abandoned(report) => Ok(Event::Abandoned { at: run.engine.now(), back_to: report.back_to, leftovers: report.leftovers }),
        other => Err(unexpected(&agent, &other)),
    }
}

fn undecided(spec: &RunSpec) -> Trouble {
    let reason = format!("{} does not say yet how it ends", spec.to);
    Trouble::new(TroubleKind::Failed, format!("point {}", spec.point), reason)
}

fn gone(spec: &RunSpec) -> Trouble {
    let reason = format!("it was committed at {}, which does not hold it any more: it was dropped before its seal was told here", spec.to);
    Trouble::new(TroubleKind::NotFound, format!("point {}", spec.point), reason)
        .next("retention of another controller, or a person, did that; the newest recovery point is in `understudy status`")
}
