//! What a drill brought, as `drill --json` prints it and the console shows it: every step, also those not executed.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::check::{CheckEnd, CheckResult, DrillPlace};
use super::machine::{DrillState, Phase};
use crate::domain::{ClusterName, DrillId, PairName, PointId, ServiceName, Trouble};

/// What the secondary's agent did: the space and the checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillRan {
    /// Where each data set was brought up.
    pub places: Vec<DrillPlace>,
    /// Check by check, as the policy has them.
    pub checks: Vec<CheckResult>,
    /// Milliseconds until everything was in its place.
    pub bring_up_ms: u64,
}

/// How a drill came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrillOutcome {
    /// Brought up, and every check held.
    Passed,
    /// It could not be brought up, or a check did not hold.
    Failed,
    /// A person stopped it.
    Stopped,
}

/// A person's word that a drill was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOff {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// What they have to say.
    pub remark: String,
}

/// How a step of a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepEnd {
    /// Done.
    Done,
    /// It failed.
    Failed,
    /// Being done.
    UnderWay,
    /// It was not come to, or not yet.
    NotExecuted,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStep {
    /// What.
    pub step: String,
    /// How it ended.
    pub state: StepEnd,
    /// Evidence or reason.
    pub detail: String,
}

/// A drill's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// It.
    pub drill: DrillId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// The cluster that brought it up.
    pub cluster: ClusterName,
    /// The recovery point.
    pub point: PointId,
    /// When that was captured.
    pub captured_at: DateTime<Utc>,
    /// Who pressed.
    pub by: String,
    /// When.
    pub pressed_at: DateTime<Utc>,
    /// Where it is.
    pub phase: Phase,
    /// How it came out; none while it runs.
    pub outcome: Option<DrillOutcome>,
    /// Milliseconds from the press until all checks had passed: the RTO that was shown.
    pub rto_ms: Option<u64>,
    /// The RTO promised, in minutes.
    pub rto_target_minutes: Option<u32>,
    /// Whether it was kept; none where nothing was promised or shown.
    pub within_target: Option<bool>,
    /// Step by step.
    pub steps: Vec<DrillStep>,
    /// Where each data set was brought up.
    pub places: Vec<DrillPlace>,
    /// Check by check.
    pub checks: Vec<CheckResult>,
    /// What was removed from its space.
    pub removed: Vec<String>,
    /// What the last listing still showed.
    pub left: Vec<String>,
    /// A listing showed that nothing is left.
    pub clean: bool,
    /// When it was clean.
    pub ended_at: Option<DateTime<Utc>>,
    /// The sign-off.
    pub signed: Option<SignOff>,
    /// Why it could not be brought up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
}

impl DrillState {
    /// The report as far as it is known.
    pub fn report(&self) -> DrillReport {
        let spec = &self.spec;
        let rto_ms = self.rto_ms();
        let target_ms = spec.rto_target_minutes.map(|minutes| u64::from(minutes) * 60_000);
        let not_executed = || spec.checks.iter().map(CheckResult::not_executed).collect();
        DrillReport {
            drill: spec.drill,
            pair: spec.pair.clone(),
            service: spec.service.clone(),
            cluster: spec.cluster.clone(),
            point: spec.point,
            captured_at: spec.captured_at,
            by: spec.by.clone(),
            pressed_at: self.pressed_at,
            phase: self.phase,
            outcome: self.outcome(),
            rto_ms,
            rto_target_minutes: spec.rto_target_minutes,
            within_target: rto_ms.zip(target_ms).map(|(took, target)| took <= target),
            steps: self.steps(),
            places: self.places().to_vec(),
            checks: self.ran.as_ref().map_or_else(not_executed, |ran| ran.checks.clone()),
            removed: self.removed.clone(),
            left: self.left.clone(),
            clean: self.phase == Phase::Ended,
            ended_at: self.ended_at,
            signed: self.signed.clone(),
            error: self.trouble.clone(),
        }
    }

    fn steps(&self) -> Vec<DrillStep> {
        let step = |step: &str, state, detail: String| DrillStep { step: step.to_owned(), state, detail };
        let (brought, checked) = match (&self.ran, &self.trouble, &self.stopped_by) {
            (Some(ran), _, _) => {
                ((StepEnd::Done, format!("{} data sets in {:.1} s", ran.places.len(), seconds(ran.bring_up_ms))), checks_step(ran))
            }
            (None, Some(trouble), _) => ((StepEnd::Failed, trouble.to_string()), (StepEnd::NotExecuted, String::new())),
            (None, None, Some(by)) => ((StepEnd::NotExecuted, format!("stopped by {by}")), (StepEnd::NotExecuted, String::new())),
            (None, None, None) => ((StepEnd::UnderWay, String::new()), (StepEnd::NotExecuted, String::new())),
        };
        let cleaned = match self.phase {
            Phase::Running => (StepEnd::NotExecuted, String::new()),
            Phase::Cleaning if self.left.is_empty() => (StepEnd::UnderWay, String::new()),
            Phase::Cleaning => (StepEnd::Failed, format!("still there: {}; it is tried again", self.left.join("; "))),
            Phase::Ended => (StepEnd::Done, format!("{} places removed; the listing shows nothing of this drill", self.removed.len())),
        };
        let signed = match &self.signed {
            Some(signed) => (StepEnd::Done, format!("{}: {}", signed.by, signed.remark)),
            None => (StepEnd::NotExecuted, "waits for a person".to_owned()),
        };
        let all = [("bring up", brought), ("checks", checked), ("clean up", cleaned), ("sign off", signed)];
        all.into_iter().map(|(name, (state, detail))| step(name, state, detail)).collect()
    }
}

fn checks_step(ran: &DrillRan) -> (StepEnd, String) {
    let held = ran.checks.iter().filter(|check| check.state == CheckEnd::Passed).count();
    let state = if held == ran.checks.len() { StepEnd::Done } else { StepEnd::Failed };
    let words = if ran.checks.is_empty() { "the policy has none".to_owned() } else { format!("{held} of {} held", ran.checks.len()) };
    (state, words)
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
pub(super) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
