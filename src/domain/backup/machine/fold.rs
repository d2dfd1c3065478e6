//! The rules of a run: an event folded into its state, a state turned into the next effect.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Abandoning, CaptureReport, CapturedSet, Effect, Event, IllegalEvent, Phase, RunSpec, RunState, Step};
use crate::domain::unfinished::{Abandonment, Stuck, Work};
use crate::domain::{
    DataSet, Grade, Note, PointDataSet, PointId, RecoveryPoint, RunOutcome, RunReport, Timings, Trouble, TroubleKind, grade,
};

/// Folds one event. The first must be `Started` on `None`; a cancel at or after `Commit` is illegal (the engine refuses it first).
pub fn apply(state: Option<&RunState>, event: &Event) -> Result<RunState, IllegalEvent> {
    let illegal = || IllegalEvent { event: event.name(), phase: state.map(|state| state.phase) };
    let Some(state) = state else {
        return match event {
            Event::Started { spec, at } => Ok(RunState::started((**spec).clone(), *at)),
            _ => Err(illegal()),
        };
    };
    let mut new = state.clone();
    match (state.phase, event) {
        (Phase::Arm, Event::Armed { at, base, notes }) => {
            new.base = *base;
            Note::gather(&mut new.notes, notes.iter().cloned());
            new.timings.arm = Some(state.elapsed_ms(*at));
            new.enter(Phase::Capture, *at);
        }
        (Phase::Capture, Event::Captured { at, report }) => new.captured(*at, report),
        (Phase::Transfer, Event::Transferred { at, sets }) if sets.len() == state.sets.len() => {
            new.sets = sets.clone();
            new.timings.transfer = Some(state.elapsed_ms(*at));
            new.enter(Phase::Verify, *at);
        }
        (Phase::Verify, Event::Verified { at }) => {
            new.timings.verify = Some(state.elapsed_ms(*at));
            new.enter(Phase::Commit, *at);
        }
        (Phase::Commit, Event::Committed { at }) => new.enter(Phase::Finish, *at),
        (Phase::Commit | Phase::Finish | Phase::Abandon, Event::Sealed { at, point })
            if point.id == state.spec.point && point.run == state.spec.run =>
        {
            new.sealed(*at, point);
        }
        (Phase::Finish, Event::PointGone { at, trouble }) => new.drop_for(*at, trouble),
        // That it is gone is what was wanted, whoever dropped it.
        (Phase::Abandon, Event::PointGone { at, .. }) => new.taken_back(*at, None, &[]),
        (Phase::Finish | Phase::Abandon, Event::Stuck { at, work, trouble }) => new.stuck_at(*at, *work, trouble),
        (Phase::Finish, Event::AbandonRequested { at, by, id }) => {
            new.abandoned = Some(Abandoning { told: Abandonment { by: by.clone(), at: *at, back_to: None }, id: *id });
            new.stuck = None;
            new.enter(Phase::Abandon, *at);
        }
        (Phase::Abandon, Event::Abandoned { at, back_to, leftovers }) => new.taken_back(*at, *back_to, leftovers),
        (Phase::Arm | Phase::Capture | Phase::Transfer | Phase::Verify, Event::CancelRequested { at, by }) => {
            new.cancelled_by = Some(by.clone());
            new.enter(Phase::Abort, *at);
        }
        (phase, Event::StepFailed { at, step, trouble }) if step_of(phase) == Some(*step) => new.failed(*at, trouble),
        (Phase::Abort, Event::Dropped { at, leftovers }) => new.dropped(*at, leftovers.clone()),
        _ => return Err(illegal()),
    }
    Ok(new)
}

/// What to do now; empty when the run has ended. Decides, never acts. The moment is the agent's to wait for, so that no effect depends on `now`.
pub fn next(state: &RunState, _now: DateTime<Utc>) -> Vec<Effect> {
    step_of(state.phase).map(Effect::Do).into_iter().collect()
}

/// The step that a phase is about; `None` when the run has ended.
fn step_of(phase: Phase) -> Option<Step> {
    match phase {
        Phase::Arm => Some(Step::Arm),
        Phase::Capture => Some(Step::Capture),
        Phase::Transfer => Some(Step::Transfer),
        Phase::Verify => Some(Step::Verify),
        Phase::Commit | Phase::Finish => Some(Step::Commit),
        Phase::Abandon => Some(Step::Abandon),
        Phase::Abort => Some(Step::Abort),
        Phase::Sealed | Phase::Cancelled | Phase::Failed | Phase::Abandoned => None,
    }
}

/// Whether the secondary said, with this trouble, that the order will not do it: no record is written by it any more.
///
/// Everything else (silence, a failing or full disk, damage) may also come from after the record: then only asking again tells.
pub fn will_not_commit(trouble: &Trouble) -> bool {
    matches!(
        trouble.kind,
        TroubleKind::Invalid | TroubleKind::Refused | TroubleKind::Outdated | TroubleKind::NotFound | TroubleKind::Cancelled
    )
}

impl Phase {
    /// Nothing more will happen.
    pub fn is_end(self) -> bool {
        step_of(self).is_none()
    }

    /// Whether only the secondary can say how it ends: it finishes alone.
    pub fn is_committing(self) -> bool {
        matches!(self, Phase::Commit | Phase::Finish | Phase::Abandon)
    }

    /// Whether a person may give the committed point up.
    pub fn can_abandon(self) -> bool {
        self == Phase::Finish
    }

    /// Whether a person may still have the run dropped.
    pub fn can_cancel(self) -> bool {
        matches!(self, Phase::Arm | Phase::Capture | Phase::Transfer | Phase::Verify)
    }
}

impl Event {
    /// Its name, as it is stored.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Started { .. } => "started",
            Event::Armed { .. } => "armed",
            Event::Captured { .. } => "captured",
            Event::Transferred { .. } => "transferred",
            Event::Verified { .. } => "verified",
            Event::Committed { .. } => "committed",
            Event::Sealed { .. } => "sealed",
            Event::PointGone { .. } => "point-gone",
            Event::Stuck { .. } => "stuck",
            Event::AbandonRequested { .. } => "abandon-requested",
            Event::Abandoned { .. } => "abandoned",
            Event::CancelRequested { .. } => "cancel-requested",
            Event::StepFailed { .. } => "step-failed",
            Event::Dropped { .. } => "dropped",
        }
    }
}

impl RunState {
    fn started(spec: RunSpec, at: DateTime<Utc>) -> RunState {
        RunState {
            spec,
            phase: Phase::Arm,
            base: None,
            captured: None,
            sets: Vec::new(),
            timings: Timings::default(),
            phase_since: at,
            started_at: at,
            trouble: None,
            cancelled_by: None,
            point: None,
            leftovers: Vec::new(),
            stuck: None,
            abandoned: None,
            notes: Vec::new(),
        }
    }

    fn enter(&mut self, phase: Phase, at: DateTime<Utc>) {
        self.phase = phase;
        self.phase_since = at;
    }

    fn elapsed_ms(&self, at: DateTime<Utc>) -> u64 {
        millis(at - self.phase_since)
    }

    /// A capture that is not of one moment is dropped at once: it could never be promoted.
    fn captured(&mut self, at: DateTime<Utc>, report: &CaptureReport) {
        let service = &self.spec.service;
        let span = grade::span(report, service.data_sets.len(), service.skew_limit_ms);
        self.captured = span;
        self.sets = service.data_sets.iter().zip(&report.sets).map(|(set, captured)| uncounted(set, captured)).collect();
        self.timings.capture = Some(match span {
            // The agent waits for a moment to come by its own clock, which the windows are told in too.
            Some(span) if self.spec.moment > self.phase_since => millis(span.last - self.spec.moment),
            _ => self.elapsed_ms(at),
        });
        if span.is_some_and(|span| span.grade != Grade::Invalid) {
            return self.enter(Phase::Transfer, at);
        }
        let reason = if report.clock_stepped {
            "the primary's clock was stepped during the capture, so that nobody can tell how far apart the data sets are"
        } else {
            "not every data set was captured"
        };
        self.trouble = Some(
            Trouble::new(TroubleKind::Failed, format!("service {}", service.name), reason)
                .next("start the run again; the last recovery point is untouched"),
        );
        self.enter(Phase::Abort, at);
    }

    fn sealed(&mut self, at: DateTime<Utc>, point: &RecoveryPoint) {
        let told = point.timings_ms;
        self.timings = Timings { commit: told.commit, apply: told.apply, seal: told.seal, ..self.timings };
        self.sets = point.data_sets.clone();
        self.point = Some(Box::new(point.clone()));
        // Somebody may have given it up a moment too late.
        (self.stuck, self.abandoned) = (None, None);
        self.enter(Phase::Sealed, at);
    }

    /// It is stuck since it was first told so, whatever the trouble is by now.
    fn stuck_at(&mut self, at: DateTime<Utc>, work: Work, trouble: &Trouble) {
        let since = self.stuck.as_ref().filter(|known| known.work == work).map_or(at, |known| known.since);
        self.stuck = Some(Stuck { work, since, told_at: at, trouble: trouble.clone() });
    }

    fn taken_back(&mut self, at: DateTime<Utc>, back_to: Option<PointId>, leftovers: &[String]) {
        if let Some(abandoned) = &mut self.abandoned {
            abandoned.told.back_to = back_to;
        }
        (self.stuck, self.leftovers) = (None, leftovers.to_vec());
        self.enter(Phase::Abort, at);
    }

    fn failed(&mut self, at: DateTime<Utc>, trouble: &Trouble) {
        match self.phase {
            // No way back: the secondary is asked again until it says how it ended.
            Phase::Finish | Phase::Abandon => {}
            Phase::Commit if !will_not_commit(trouble) => {}
            Phase::Abort => self.dropped(at, vec![trouble.to_string()]),
            _ => self.drop_for(at, trouble),
        }
    }

    fn drop_for(&mut self, at: DateTime<Utc>, trouble: &Trouble) {
        self.stuck = None;
        self.trouble = Some(trouble.clone());
        self.enter(Phase::Abort, at);
    }

    fn dropped(&mut self, at: DateTime<Utc>, leftovers: Vec<String>) {
        self.leftovers.extend(leftovers);
        let end = match (&self.cancelled_by, &self.abandoned) {
            (Some(_), _) => Phase::Cancelled,
            (None, Some(_)) => Phase::Abandoned,
            (None, None) => Phase::Failed,
        };
        self.enter(end, at);
    }

    /// The run as `run --json` prints it.
    pub fn report(&self) -> RunReport {
        let spec = &self.spec;
        RunReport {
            service: spec.service.name.clone(),
            run: spec.run,
            recovery_point: spec.point,
            moment: spec.moment,
            captured: self.captured,
            data_sets: self.sets.clone(),
            timings_ms: self.timings,
            outcome: match self.phase {
                Phase::Sealed => Some(RunOutcome::Sealed),
                Phase::Cancelled => Some(RunOutcome::Cancelled),
                Phase::Failed => Some(RunOutcome::Failed),
                Phase::Abandoned => Some(RunOutcome::Abandoned),
                _ => None,
            },
            error: self.trouble.clone(),
            pair: spec.service.pair.clone(),
            epoch: spec.epoch,
            from: spec.from.clone(),
            to: spec.to.clone(),
            sealed_at: self.point.as_ref().and_then(|point| point.sealed_at),
            stuck: self.stuck.clone(),
            abandoned: self.abandoned.as_ref().map(|abandoned| abandoned.told.clone()),
            notes: self.point.as_ref().map_or(&self.notes, |point| &point.notes).clone(),
        }
    }
}

/// Whole milliseconds; none for a negative span (clocks of two hosts).
fn millis(span: TimeDelta) -> u64 {
    u64::try_from(span.num_milliseconds()).unwrap_or(0)
}

fn uncounted(set: &DataSet, captured: &CapturedSet) -> PointDataSet {
    PointDataSet {
        name: set.from.clone(),
        to: set.to.clone(),
        window: captured.window,
        server_time: captured.server_time,
        open_files: captured.open_files.clone(),
        event_id: captured.event_id,
        files: 0,
        bytes: 0,
        copied_files: 0,
        copied_bytes: 0,
        renamed: 0,
        deleted: 0,
        manifest: None,
    }
}
