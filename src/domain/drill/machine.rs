//! The drill's machine: `apply` folds events, `next` decides the effect. Used at run time and at recovery alike.
//!
//! ```text
//! running ─ reported, failed or stopped → cleaning ─ the listing shows nothing → ended ─ a person signs off
//!                                            └ something is left: cleaned again ┘
//! ```
//! Whatever becomes of the bringing up, its space is cleaned; a drill has ended only when a listing showed that nothing is left.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::check::{CheckEnd, DrillCheck, DrillPlace};
use super::report::{DrillOutcome, DrillRan, SignOff};
use crate::domain::{ClusterName, DrillId, Epoch, InstructionId, PairName, PointId, ServiceName, Trouble};

/// What a drill is to do; fixed when a person pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillSpec {
    /// It.
    pub drill: DrillId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// The recovery point that is brought up.
    pub point: PointId,
    /// When that was captured: every write acknowledged before is in it.
    pub captured_at: DateTime<Utc>,
    /// The cluster that brings it up.
    pub cluster: ClusterName,
    /// The pair's epoch then.
    pub epoch: Epoch,
    /// The instruction that starts it, drawn once so that it is the same after a crash.
    pub instruction: InstructionId,
    /// The owner's checks.
    pub checks: Vec<DrillCheck>,
    /// The RTO promised, in minutes.
    pub rto_target_minutes: Option<u32>,
    /// Who pressed.
    pub by: String,
}

/// What happened to a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum Event {
    /// A person pressed; the clock starts.
    Pressed {
        /// When.
        at: DateTime<Utc>,
        /// What is to be done.
        spec: Box<DrillSpec>,
    },
    /// It was brought up, and the checks were made.
    Reported {
        /// When we heard of it.
        at: DateTime<Utc>,
        /// What came of it.
        ran: Box<DrillRan>,
    },
    /// It could not be brought up.
    Failed {
        /// When.
        at: DateTime<Utc>,
        /// Why.
        trouble: Trouble,
    },
    /// A person stopped it.
    Stopped {
        /// When.
        at: DateTime<Utc>,
        /// Who.
        by: String,
    },
    /// Its space was removed as far as that went, then listed.
    Cleaned {
        /// When.
        at: DateTime<Utc>,
        /// What was removed.
        removed: Vec<String>,
        /// What the listing still showed; empty is clean.
        left: Vec<String>,
    },
    /// A person has looked at it.
    SignedOff {
        /// Who, when, and what they have to say.
        sign_off: SignOff,
    },
}

impl Event {
    fn name(&self) -> &'static str {
        match self {
            Event::Pressed { .. } => "pressed",
            Event::Reported { .. } => "reported",
            Event::Failed { .. } => "failed",
            Event::Stopped { .. } => "stopped",
            Event::Cleaned { .. } => "cleaned",
            Event::SignedOff { .. } => "signed off",
        }
    }
}

/// Where a drill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Being brought up and checked.
    Running,
    /// Its space is being removed.
    Cleaning,
    /// Over, and clean.
    Ended,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Bring the point up in the drill's space and make the checks.
    BringUp,
    /// Remove the space and list what is left of it.
    CleanUp,
}

/// A drill, folded from its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillState {
    /// What it is to do.
    pub spec: DrillSpec,
    /// Where it is.
    pub phase: Phase,
    /// When a person pressed.
    pub pressed_at: DateTime<Utc>,
    /// When what was brought up had been checked, whatever the checks said.
    pub checked_at: Option<DateTime<Utc>>,
    /// What came of it.
    pub ran: Option<DrillRan>,
    /// Why it could not be brought up.
    pub trouble: Option<Trouble>,
    /// Who stopped it.
    pub stopped_by: Option<String>,
    /// What was removed.
    pub removed: Vec<String>,
    /// What the last listing showed.
    pub left: Vec<String>,
    /// When it was clean.
    pub ended_at: Option<DateTime<Utc>>,
    /// The sign-off.
    pub signed: Option<SignOff>,
}

/// An event that cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} does not fit a drill that is {phase:?}")]
pub struct IllegalEvent {
    event: &'static str,
    phase: Option<Phase>,
}

/// Folds one event. The first must be `Pressed` on `None`.
pub fn apply(state: Option<&DrillState>, event: &Event) -> Result<DrillState, IllegalEvent> {
    let illegal = || IllegalEvent { event: event.name(), phase: state.map(|state| state.phase) };
    let Some(state) = state else {
        return match event {
            Event::Pressed { at, spec } => Ok(DrillState::pressed((**spec).clone(), *at)),
            _ => Err(illegal()),
        };
    };
    let mut new = state.clone();
    match (state.phase, event) {
        (Phase::Running, Event::Reported { at, ran }) => {
            new.checked_at = Some(*at);
            new.ran = Some((**ran).clone());
            new.phase = Phase::Cleaning;
        }
        (Phase::Running, Event::Failed { trouble, .. }) => {
            new.trouble = Some(trouble.clone());
            new.phase = Phase::Cleaning;
        }
        (Phase::Running, Event::Stopped { by, .. }) => {
            new.stopped_by = Some(by.clone());
            new.phase = Phase::Cleaning;
        }
        (Phase::Cleaning, Event::Cleaned { at, removed, left }) => {
            let known = |place: &String| state.removed.contains(place);
            new.removed.extend(removed.iter().filter(|place| !known(place)).cloned());
            new.left.clone_from(left);
            if left.is_empty() {
                new.phase = Phase::Ended;
                new.ended_at = Some(*at);
            }
        }
        (Phase::Ended, Event::SignedOff { sign_off }) if state.signed.is_none() => new.signed = Some(sign_off.clone()),
        _ => return Err(illegal()),
    }
    Ok(new)
}

/// What to do now; nothing once it has ended.
pub fn next(state: &DrillState) -> Option<Effect> {
    match state.phase {
        Phase::Running => Some(Effect::BringUp),
        Phase::Cleaning => Some(Effect::CleanUp),
        Phase::Ended => None,
    }
}

impl DrillState {
    fn pressed(spec: DrillSpec, at: DateTime<Utc>) -> DrillState {
        DrillState {
            spec,
            phase: Phase::Running,
            pressed_at: at,
            checked_at: None,
            ran: None,
            trouble: None,
            stopped_by: None,
            removed: Vec::new(),
            left: Vec::new(),
            ended_at: None,
            signed: None,
        }
    }

    /// Whether its space may still hold something.
    pub fn is_under_way(&self) -> bool {
        self.phase != Phase::Ended
    }

    /// How it came out; known before it is clean. Every check of the policy must have passed, by name and in order.
    pub fn outcome(&self) -> Option<DrillOutcome> {
        if self.stopped_by.is_some() {
            return Some(DrillOutcome::Stopped);
        }
        if self.trouble.is_some() {
            return Some(DrillOutcome::Failed);
        }
        let ran = self.ran.as_ref()?;
        let same = ran.checks.len() == self.spec.checks.len();
        let passed =
            ran.checks.iter().zip(&self.spec.checks).all(|(result, asked)| result.name == asked.name && result.state == CheckEnd::Passed);
        Some(if same && passed { DrillOutcome::Passed } else { DrillOutcome::Failed })
    }

    /// Milliseconds from the press until all checks had passed; none where one had not.
    pub fn rto_ms(&self) -> Option<u64> {
        let until = self.checked_at.filter(|_| self.outcome() == Some(DrillOutcome::Passed))?;
        Some((until - self.pressed_at).num_milliseconds().max(0).unsigned_abs())
    }

    /// Where its data sets are, or were.
    pub fn places(&self) -> &[DrillPlace] {
        self.ran.as_ref().map(|ran| ran.places.as_slice()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
