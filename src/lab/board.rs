//! What the lab shows, kept by its loop and drawn together with the application's numbers a few times a second.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::stage::Stage;
use super::view::{LabCheck, LabSnapshot, LabStep, Scenario, SiteView, WorkloadView};
use super::workload::Workload;
use crate::controller::EngineHandle;
use crate::controller::fn_waker::Waker;
use crate::domain::Consistency;

/// Between two pictures.
const INTERVAL: Duration = Duration::from_millis(250);

/// What the loop knows. Cheap to clone: all clones are one board.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Shown>>);

/// The board's content.
#[derive(Default)]
pub struct Shown {
    /// What the lab is doing, in words.
    pub doing: String,
    /// Whether commands are accepted.
    pub ready: bool,
    /// The last command's trouble.
    pub trouble: Option<String>,
    /// The exercise under way.
    pub story: Option<Story>,
    /// Commands that would have hurt.
    pub wrong_moves: u32,
    /// What the old way cost, when it was run.
    pub old_way: Option<String>,
    sites: Vec<SiteView>,
    cuts: (bool, bool),
    workload: Option<Arc<Workload>>,
}

/// An exercise and how far the person is.
#[derive(Debug, Clone)]
pub struct Story {
    /// Which.
    pub scenario: Scenario,
    /// How data sets are captured.
    pub consistency: Consistency,
    /// How many of its steps are done.
    pub steps_done: usize,
    /// Its checks, as far as made.
    pub checks: Vec<LabCheck>,
    /// Measured RPO.
    pub rpo_ms: Option<u64>,
    /// Measured RTO.
    pub rto_ms: Option<u64>,
    /// The person's part of it.
    pub deciding_ms: Option<u64>,
    /// The system's part of it after the decision.
    pub switching_ms: Option<u64>,
}

/// The steps of *site loss*.
pub const SITE_LOSS_STEPS: [&str; 7] = [
    "Break something: power off east.",
    "Watch the overview: east turns grey, then red.",
    "Read the prompt. Who saw it? What would be lost?",
    "Decide, type west, adjust the identity.",
    "Check that applications go on.",
    "Bring east back: power it on. What does it say?",
    "Write your report.",
];

impl Story {
    /// At its beginning.
    pub fn new(scenario: Scenario, consistency: Consistency) -> Story {
        Story { scenario, consistency, steps_done: 0, checks: vec![], rpo_ms: None, rto_ms: None, deciding_ms: None, switching_ms: None }
    }
}

impl Board {
    /// The content, to read or to change.
    pub fn shown(&self) -> MutexGuard<'_, Shown> {
        // Nothing panics while it is held; what is in it stays right.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a lab looks like now; `None`: there is none.
    pub fn note(&self, stage: Option<&Stage>) {
        let mut shown = self.shown();
        shown.workload = stage.map(|stage| stage.workload.clone());
        shown.cuts = stage.map(Stage::cuts).unwrap_or_default();
        shown.sites = stage.iter().flat_map(|stage| [&stage.east, &stage.west]).map(super::sites::Site::view).collect();
    }

    /// Says what the lab does, while it takes no commands.
    pub fn busy(&self, doing: &str) {
        let mut shown = self.shown();
        shown.ready = false;
        doing.clone_into(&mut shown.doing);
    }

    /// The picture now; `covered_until` is R of the newest recovery point.
    pub fn snapshot(&self, covered_until: Option<DateTime<Utc>>) -> LabSnapshot {
        let shown = self.shown();
        let story = shown.story.as_ref();
        let steps = story.map_or(&[][..], |_| &SITE_LOSS_STEPS);
        LabSnapshot {
            doing: shown.doing.clone(),
            ready: shown.ready,
            scenario: story.map(|story| story.scenario),
            consistency: story.map(|story| story.consistency).unwrap_or_default(),
            sites: shown.sites.clone(),
            link_cut: shown.cuts.0,
            console_cut: shown.cuts.1,
            workload: shown.workload.as_ref().map_or_else(WorkloadView::default, |workload| workload.view(covered_until)),
            checks: story.map(|story| story.checks.clone()).unwrap_or_default(),
            steps: steps
                .iter()
                .enumerate()
                .map(|(number, text)| LabStep { text: (*text).to_owned(), done: story.is_some_and(|story| number < story.steps_done) })
                .collect(),
            rto_ms: story.and_then(|story| story.rto_ms),
            rpo_ms: story.and_then(|story| story.rpo_ms),
            deciding_ms: story.and_then(|story| story.deciding_ms),
            switching_ms: story.and_then(|story| story.switching_ms),
            wrong_moves: shown.wrong_moves,
            old_way: shown.old_way.clone(),
            trouble: shown.trouble.clone(),
        }
    }

    /// Draws it a few times a second, until nobody looks any more.
    pub async fn publish(self, engine: EngineHandle, to: watch::Sender<Arc<LabSnapshot>>, waker: Waker) {
        let mut ticks = tokio::time::interval(INTERVAL);
        while !to.is_closed() {
            ticks.tick().await;
            let covered = engine.snapshot().points.first().map(|point| point.captured.first);
            let newest = self.snapshot(covered);
            let changed = to.send_if_modified(|last| {
                let changed = **last != newest;
                if changed {
                    *last = Arc::new(newest);
                }
                changed
            });
            if changed {
                waker.wake();
            }
        }
    }
}
