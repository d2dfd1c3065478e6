//! What the runs screen shows.

use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::overview::data::run_chip;
use crate::console::words;
use crate::controller::snapshot::RunView;
use crate::domain::backup::machine::StartedBy;

/// One run's line.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its service.
    pub service: String,
    /// Its moment.
    pub moment: String,
    /// Why it was started.
    pub started: &'static str,
    /// How long it took, or takes.
    pub took: String,
    /// What was copied.
    pub copied: String,
    /// How far apart.
    pub skew: Said,
    /// Where it is.
    pub state: Said,
    /// Why it failed; empty otherwise.
    pub why: String,
}

/// Why a run was started.
pub fn started(by: StartedBy) -> &'static str {
    match by {
        StartedBy::Schedule => "schedule",
        StartedBy::Person => "a person",
        StartedBy::Switchover => "a switchover",
        StartedBy::Lab => "the training lab",
    }
}

/// Its moment, and by how much later it captured.
fn moment(scene: &Scene<'_>, run: &RunView) -> String {
    let later = run.report.captured.as_ref().and_then(|captured| words::captured_later(run.report.moment, captured));
    format!("{}{}", scene.zone.day_moment(run.report.moment, scene.now), later.map_or(String::new(), |later| format!(" {later}")))
}

/// A run's line.
pub fn row(scene: &Scene<'_>, run: &RunView) -> RunRow {
    let end = if run.report.outcome.is_some() { run.phase_since } else { scene.now };
    let secs = u64::try_from((end - run.started_at).num_seconds()).unwrap_or(0);
    RunRow {
        service: run.report.service.to_string(),
        moment: moment(scene, run),
        started: started(run.started_by),
        took: words::duration(secs),
        copied: words::bytes(run.report.data_sets.iter().map(|set| set.copied_bytes).sum()),
        skew: run.report.captured.map_or(Said::muted("—"), |captured| Said::plain(words::millis(captured.skew_ms))),
        state: run_chip(run),
        why: run
            .report
            .error
            .as_ref()
            .or(run.report.stuck.as_ref().map(|stuck| &stuck.trouble))
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}
