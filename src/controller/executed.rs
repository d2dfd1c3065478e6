//! The steps of an identity change with what became of each: made from the decision and from what followed it, and from nothing that may
//! have changed since. Pure.
//!
//! ```text
//! decision (from, to, planned, hold, live) → its steps, with the clusters in them ─┬─ trail: what followed → done | failed | not executed
//!                                                                                  └─ nothing followed     → not executed, each of them
//! ```

use std::collections::BTreeMap;

use crate::domain::switchover::machine::{Decision, Event};
use crate::domain::{ClusterName, PointId, ServiceName, Trouble};

use super::command::{IdentityStep, ReversalOutcome, StepReport};

/// Which way a pair turns, and how.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub from: ClusterName,
    pub to: ClusterName,
    pub planned: bool,
    pub hold: bool,
    /// `to` goes on from what is live there.
    pub live: bool,
}

impl Turn {
    fn of(decision: &Decision) -> Turn {
        let Decision { from, to, planned, hold, live, .. } = decision;
        Turn { from: from.clone(), to: to.clone(), planned: *planned, hold: *hold, live: live.is_some() }
    }

    /// The steps, in order.
    pub fn plan(&self) -> Vec<IdentityStep> {
        let (from, to) = (&self.from, &self.to);
        let mut steps = Vec::new();
        if self.planned {
            steps.extend([IdentityStep::Fence { cluster: from.clone() }, IdentityStep::FinalRuns]);
        }
        steps.extend([IdentityStep::TakeEpoch { cluster: to.clone() }, brings(self.live, from, to)]);
        if self.hold {
            steps.push(IdentityStep::Look { cluster: to.clone() });
        }
        steps.extend([IdentityStep::PointApplications { cluster: to.clone() }, IdentityStep::StepDown { cluster: from.clone() }]);
        if self.planned {
            steps.push(IdentityStep::Reverse { standby: from.clone(), primary: to.clone() });
        }
        steps
    }

    /// Its steps, none of them carried out.
    pub fn not_begun(&self) -> Vec<StepReport> {
        self.plan().into_iter().map(not_executed).collect()
    }
}

fn not_executed(step: IdentityStep) -> StepReport {
    StepReport::new(step, "not executed", "")
}

/// How the services come up.
pub(super) fn brings(live: bool, from: &ClusterName, to: &ClusterName) -> IdentityStep {
    match live {
        true => IdentityStep::GoOn { cluster: to.clone(), without: from.clone() },
        false => IdentityStep::BringUp { cluster: to.clone() },
    }
}

/// What one step came to.
enum Came {
    Done(String),
    Failed(String),
    /// Not carried out, or not yet.
    Open(String),
}

impl Came {
    fn done(done: bool, detail: impl Into<String>) -> Came {
        if done { Came::Done(detail.into()) } else { Came::Open(detail.into()) }
    }
}

/// The services that are not up, by the newest word of the new primary.
pub(super) fn not_up(trail: &[Event]) -> Option<&BTreeMap<ServiceName, Trouble>> {
    trail.iter().rev().find_map(|event| if let Event::Promoted { failed, .. } = event { Some(failed) } else { None })
}

fn names(failed: &BTreeMap<ServiceName, Trouble>) -> String {
    failed.keys().map(ServiceName::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether the services came up, and whether applications were told of it. `any_up`: at least one service is.
fn brought_up(trail: &[Event], any_up: bool, opened: bool) -> [Came; 2] {
    match not_up(trail) {
        None => [Came::Open(String::new()), Came::Open(String::new())],
        Some(failed) if failed.is_empty() => [Came::Done(String::new()), Came::done(opened, "")],
        Some(failed) => {
            let names = names(failed);
            let failed = Came::Failed(format!("not up: {names}"));
            [failed, Came::done(opened && any_up, format!("not for what is not up: {names}"))]
        }
    }
}

/// Every step of a decision with what became of it, also those not carried out. `trail` begins with the decision. `held_by`: what keeps
/// the next step from being carried out just now.
pub(super) fn steps(decision: &Decision, trail: &[Event], any_up: bool, held_by: Option<&Trouble>) -> Vec<StepReport> {
    let has = |what: fn(&Event) -> bool| trail.iter().any(what);
    let promoted = not_up(trail).is_some();
    let mut came = Vec::new();
    if decision.planned {
        let sealed: Vec<PointId> =
            trail.iter().filter_map(|e| if let Event::FinalRunSealed { point, .. } = e { Some(*point) } else { None }).collect();
        came.push(Came::done(has(|e| matches!(e, Event::Fenced { .. })), ""));
        let all = trail.iter().any(|e| matches!(e, Event::Fenced { final_runs, .. } if final_runs.len() == sealed.len()));
        came.push(Came::done(all, format!("{} final runs sealed", sealed.len())));
    }
    let committed = trail.iter().position(|e| matches!(e, Event::PromotionCommitted { .. }));
    let opened = match committed {
        Some(at) => trail[at..].iter().any(|e| matches!(e, Event::Promoted { .. })),
        None => promoted && !decision.hold,
    };
    let [up, pointed] = brought_up(trail, any_up, opened);
    came.extend([Came::done(promoted, ""), up]);
    if decision.hold {
        let who = trail.iter().find_map(|e| if let Event::PromotionCommitted { by, .. } = e { Some(by.clone()) } else { None });
        came.push(Came::done(committed.is_some(), who.unwrap_or_else(|| "it waits for a person".to_owned())));
    }
    came.extend([pointed, Came::done(has(|e| matches!(e, Event::OldPrimaryFenced { .. })), "")]);
    if decision.planned {
        came.push(Came::done(has(|e| matches!(e, Event::Reversed { .. })), ""));
    }
    let trouble = trail.iter().rev().find_map(|e| match e {
        Event::PlannedFailed { trouble } | Event::ReversalFailed { trouble } => Some(trouble),
        _ => None,
    });
    let reversed = has(|e| matches!(e, Event::Reversed { .. }));
    let failure = trouble.filter(|_| !reversed).or(held_by).map(ToString::to_string);
    let mut reports = told(Turn::of(decision).plan(), came, failure);
    if has(|e| matches!(e, Event::PlannedFailed { .. })) {
        let lifted = has(|e| matches!(e, Event::Unfenced { .. }));
        let state = if lifted { "done" } else { "not executed" };
        reports.push(StepReport::new(IdentityStep::LiftFence { cluster: decision.from.clone() }, state, ""));
    }
    reports
}

/// The first step that is open is the one that what failed has kept from being carried out.
fn told(plan: Vec<IdentityStep>, came: Vec<Came>, mut failure: Option<String>) -> Vec<StepReport> {
    plan.into_iter()
        .zip(came)
        .map(|(step, came)| match came {
            Came::Done(detail) => StepReport::new(step, "done", detail),
            Came::Failed(detail) => StepReport::new(step, "failed", detail),
            Came::Open(detail) => match failure.take() {
                Some(reason) => StepReport::new(step, "failed", reason),
                None => StepReport::new(step, "not executed", detail),
            },
        })
        .collect()
}

/// The steps of taking a promotion back, with what became of each.
pub(super) fn take_back_steps(decision: &Decision, trail: &[Event], any_up: bool, error: Option<&Trouble>) -> Vec<StepReport> {
    let (from, to) = (&decision.from, &decision.to);
    let stood_back = trail.iter().any(|e| matches!(e, Event::StoodBack { .. }));
    let [up, pointed] = brought_up(trail, any_up, not_up(trail).is_some());
    let plan = vec![
        IdentityStep::ProveUnwritten { cluster: from.clone() },
        IdentityStep::StandBack { cluster: from.clone() },
        IdentityStep::TakeAgain { cluster: to.clone() },
        IdentityStep::PointApplications { cluster: to.clone() },
    ];
    told(plan, vec![Came::done(stood_back, ""), Came::done(stood_back, ""), up, pointed], error.map(ToString::to_string))
}

/// The steps of a reversal that makes `secondary` the target of `primary`, with what became of each as far as the engine was told.
pub(super) fn reversal_steps(
    primary: &ClusterName,
    secondary: &ClusterName,
    outcome: ReversalOutcome,
    error: Option<&Trouble>,
) -> Vec<StepReport> {
    let cluster = || secondary.clone();
    let plan = [
        IdentityStep::ReadFence { cluster: cluster() },
        IdentityStep::KeepWrites { cluster: cluster() },
        IdentityStep::GoBack { cluster: cluster() },
        IdentityStep::TurnPolicies,
        IdentityStep::BackUp { from: primary.clone(), to: cluster() },
    ];
    let detail = error.map(ToString::to_string).unwrap_or_default();
    let step = |(number, step): (usize, IdentityStep)| match outcome {
        ReversalOutcome::Reversed => StepReport::new(step, "done", ""),
        // Which of its steps failed the old primary tells in words.
        ReversalOutcome::Failed if number == 0 => StepReport::new(step, "failed", detail.clone()),
        ReversalOutcome::Failed | ReversalOutcome::Refused => not_executed(step),
    };
    plan.into_iter().enumerate().map(step).collect()
}
