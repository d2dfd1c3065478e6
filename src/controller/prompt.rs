//! The fault prompt and the steps of an identity change, in words: pure.

use crate::domain::switchover::machine::{Decision, Event, PairPhase};
use crate::domain::{ClusterName, PointId, Trouble};

use super::command::{AdjustOutcome, FenceLine, ReversalOutcome, StepReport};
use super::model::{Model, PairModel};
use super::snapshot::{FaultPrompt, ResumeView};
use super::{alone, fences};

/// The prompt, while a person has to decide or has to know why there is nothing to decide.
pub(super) fn fault(model: &Model, pair: &PairModel) -> Option<FaultPrompt> {
    let found = &pair.diagnosis;
    if found.held.is_some() {
        return None;
    }
    let since = match &pair.state.phase {
        PairPhase::AwaitingDecision { since } => *since,
        phase if phase.may_be_lost() => phase.lost()?,
        PairPhase::Suspect { .. } if !found.verdict.offers_button() && !found.observed.is_empty() => found.known_since?,
        _ => return None,
    };
    let survivor = pair.state.other().clone();
    let survivor_answers = pair.answers(&survivor);
    let refused = if !survivor_answers {
        format!("the agent of {survivor} does not answer: it cannot take over")
    } else if !found.verdict.offers_button() {
        found.words.clone()
    } else if resume(model, pair).iter().all(|r| r.point.is_none() && !r.live) {
        format!("{survivor} holds no sealed recovery point: nothing could be resumed there")
    } else {
        String::new()
    };
    Some(FaultPrompt {
        faulty: pair.state.serving().clone(),
        since,
        observed: found.observed.clone(),
        cause: found.verdict,
        verdict: found.words.clone(),
        resume: resume(model, pair),
        users: users(pair),
        will: plan(false, false, pair),
        unproven: unproven(model, pair),
        can_adjust: refused.is_empty(),
        refused,
        survivor,
        live: alone::is_lost(pair),
        promoting: matches!(pair.state.phase, PairPhase::Promoting { .. }),
    })
}

/// The fences of the primary that nobody could read back.
pub(super) fn unproven(model: &Model, pair: &PairModel) -> Vec<FenceLine> {
    fences::lines(model, pair, pair.state.serving()).into_iter().filter(|fence| !fence.proven).collect()
}

/// What each service would resume from at the secondary.
fn resume(model: &Model, pair: &PairModel) -> Vec<ResumeView> {
    if let Some(lone) = alone::lost(model, pair) {
        return alone::resume(model, pair, &lone);
    }
    model
        .services_of(&pair.paired.name)
        .map(|service| {
            let points = model.points.get(&service.name).map(Vec::as_slice).unwrap_or_default();
            let point = points.iter().find(|p| p.to == pair.state.secondary && p.captured.grade != crate::domain::Grade::Invalid).cloned();
            let lost_secs = point.as_ref().and_then(|point| lost_secs(pair, point.captured.first));
            ResumeView { service: service.name.clone(), lost_secs, live: false, point }
        })
        .collect()
}

/// Seconds of writes from then until the primary's last sign of life; `None` where it never gave one.
pub(super) fn lost_secs(pair: &PairModel, since: chrono::DateTime<chrono::Utc>) -> Option<u64> {
    let last_sign = pair.watch_of(pair.state.serving())?.last_seen?;
    Some((last_sign - since).num_seconds().max(0).unsigned_abs())
}

pub(super) fn users(pair: &PairModel) -> String {
    match (&pair.users, &pair.users_trouble) {
        (Some(users), _) if users.differences.is_empty() => format!("in sync as of {}", users.at.format("%Y-%m-%d %H:%M:%S UTC")),
        (Some(users), _) => {
            format!("{} differences open as of {}", users.differences.len(), users.at.format("%Y-%m-%d %H:%M:%S UTC"))
        }
        (None, Some(trouble)) => format!("unknown: {trouble}"),
        (None, None) => "never synced".to_owned(),
    }
}

/// Everything a person was shown, for the record of their decision.
pub(super) fn shown(model: &Model, pair: &PairModel) -> Vec<String> {
    let mut lines = vec![pair.diagnosis.words.clone()];
    lines.extend(pair.diagnosis.observed.iter().map(|o| format!("{}: {}", o.who, o.saw)));
    lines.extend(alone::lost(model, pair).map(|lone| alone::words(pair, &lone)));
    lines.extend(resume(model, pair).iter().map(|r| match (&r.point, r.lost_secs) {
        (None, Some(lost)) if r.live => format!("{} goes on from what is live, without {lost} s of writes", r.service),
        (None, None) if r.live => format!("{} goes on from what is live; how much is lost is not known", r.service),
        (Some(point), Some(lost)) => format!("{} resumes from {} and loses {lost} s of writes", r.service, point.id),
        (Some(point), None) => format!("{} resumes from {}; how much is lost is not known", r.service, point.id),
        (None, _) => format!("{} has no recovery point and will not come up", r.service),
    }));
    lines.push(format!("user data: {}", users(pair)));
    lines.retain(|line| !line.is_empty());
    lines
}

/// The steps of an identity change, in order.
fn plan(planned: bool, hold: bool, pair: &PairModel) -> Vec<String> {
    let (from, to, live) = match pair.trail.first() {
        Some(Event::Decided { decision } | Event::ConflictEnded { decision })
            if pair.is_suspended() && pair.state.phase.lost().is_none() =>
        {
            (&decision.from, &decision.to, decision.live.is_some())
        }
        _ => (pair.state.serving(), pair.state.other(), alone::is_lost(pair)),
    };
    let mut steps = Vec::new();
    if planned {
        steps.push(format!("fence {from} and read the fence back"));
        steps.push("run every service a last time".to_owned());
    }
    steps.push(format!("make the next epoch durable at {to}"));
    steps.push(brings(live, from, to));
    if hold {
        steps.push(format!("a person looks at the services at {to} and commits the promotion"));
    }
    steps.push(format!("point applications to {to}"));
    steps.push(format!("{from} takes the secondary identity, fenced, as soon as it answers"));
    if planned {
        steps.push(format!("replication is reversed: {from} stands by for {to}"));
    }
    steps
}

/// How the services come up.
pub(super) fn brings(live: bool, from: &ClusterName, to: &ClusterName) -> String {
    match live {
        true => format!("open every service at {to} as it is there, without what {from} took alone"),
        false => format!("bring every service at {to} to its recovery point"),
    }
}

/// Every step with what became of it, also those not executed.
pub(super) fn steps(planned: bool, hold: bool, pair: &PairModel, outcome: AdjustOutcome) -> Vec<StepReport> {
    let plan = plan(planned, hold, pair);
    let trail = if outcome == AdjustOutcome::Refused { &[] } else { pair.trail.as_slice() };
    let has = |what: fn(&Event) -> bool| trail.iter().any(what);
    let promoted = has(|e| matches!(e, Event::Promoted { .. }));
    let fenced_old = has(|e| matches!(e, Event::OldPrimaryFenced { .. }));
    let mut done = Vec::new();
    if planned {
        let sealed: Vec<PointId> =
            trail.iter().filter_map(|e| if let Event::FinalRunSealed { point, .. } = e { Some(*point) } else { None }).collect();
        done.push((has(|e| matches!(e, Event::Fenced { .. })), String::new()));
        let all = trail.iter().any(|e| matches!(e, Event::Fenced { final_runs, .. } if final_runs.len() == sealed.len()));
        done.push((all, format!("{} final runs sealed", sealed.len())));
    }
    let committed = trail.iter().position(|e| matches!(e, Event::PromotionCommitted { .. }));
    let opened = match committed {
        Some(at) => trail[at..].iter().any(|e| matches!(e, Event::Promoted { .. })),
        None => promoted && !hold,
    };
    done.extend([(promoted, String::new()), (promoted, String::new())]);
    if hold {
        let who = trail.iter().find_map(|e| if let Event::PromotionCommitted { by, .. } = e { Some(by.clone()) } else { None });
        done.push((committed.is_some(), who.unwrap_or_else(|| "it waits for a person".to_owned())));
    }
    done.extend([(opened, String::new()), (fenced_old, String::new())]);
    if planned {
        done.push((has(|e| matches!(e, Event::Reversed { .. })), String::new()));
    }
    let trouble = trail.iter().find_map(|e| match e {
        Event::PlannedFailed { trouble } | Event::ReversalFailed { trouble } => Some(trouble),
        _ => None,
    });
    let mut failure = trouble.or(pair.held_by.as_ref().filter(|_| outcome != AdjustOutcome::Refused)).map(ToString::to_string);
    let mut reports: Vec<StepReport> = plan
        .into_iter()
        .zip(done)
        .map(|(step, (done, detail))| match (done, failure.take_if(|_| !done)) {
            (true, _) => StepReport { step, state: "done".into(), detail },
            (false, Some(reason)) => StepReport { step, state: "failed".into(), detail: reason },
            (false, None) => StepReport { step, state: "not executed".into(), detail },
        })
        .collect();
    if outcome == AdjustOutcome::Aborted {
        let lifted = has(|e| matches!(e, Event::Unfenced { .. }));
        let state = if lifted { "done" } else { "not executed" };
        reports.push(StepReport { step: format!("lift the fence of {}", pair.state.primary), state: state.into(), detail: String::new() });
    }
    reports
}

/// The steps of taking a promotion back, with what became of each.
pub(super) fn take_back_steps(pair: &PairModel, decision: &Decision, error: Option<&Trouble>) -> Vec<StepReport> {
    let (from, to) = (&decision.from, &decision.to);
    let has = |what: fn(&Event) -> bool| pair.trail.iter().any(what);
    let stood_back = has(|e| matches!(e, Event::StoodBack { .. }));
    let promoted = has(|e| matches!(e, Event::Promoted { .. }));
    let plan = [
        (format!("prove, under a fence, that nothing was written at {from}"), stood_back),
        (format!("{from} takes the secondary identity, at the next epoch"), stood_back),
        (format!("{to} takes the primary identity again, and goes on from what it holds"), promoted),
        (format!("point applications to {to}"), promoted),
    ];
    let mut failure = error.map(ToString::to_string);
    let step = |(step, done): (String, bool)| match failure.take_if(|_| !done) {
        _ if done => StepReport { step, state: "done".into(), detail: String::new() },
        Some(detail) => StepReport { step, state: "failed".into(), detail },
        None => StepReport { step, state: "not executed".into(), detail: String::new() },
    };
    plan.into_iter().map(step).collect()
}

/// The steps of a reversal, with what became of each as far as the engine was told.
pub(super) fn reversal_steps(pair: &PairModel, outcome: ReversalOutcome, error: Option<&Trouble>) -> Vec<StepReport> {
    let (primary, secondary) = (&pair.state.primary, &pair.state.secondary);
    let plan = [
        format!("read back that {secondary} is fenced"),
        format!("keep what {secondary} wrote after the common points"),
        format!("bring {secondary} back to the common points and prove it"),
        "turn the policies round at both clusters".to_owned(),
        format!("backups go on, from {primary} to {secondary}"),
    ];
    let detail = error.map(ToString::to_string).unwrap_or_default();
    let step = |(number, step): (usize, String)| match outcome {
        ReversalOutcome::Reversed => StepReport { step, state: "done".into(), detail: String::new() },
        // Which of its steps failed the old primary tells in words.
        ReversalOutcome::Failed if number == 0 => StepReport { step, state: "failed".into(), detail: detail.clone() },
        ReversalOutcome::Failed | ReversalOutcome::Refused => StepReport { step, state: "not executed".into(), detail: String::new() },
    };
    plan.into_iter().enumerate().map(step).collect()
}
