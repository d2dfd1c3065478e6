//! A drill's report for people.

use super::check::CheckEnd;
use super::report::{DrillOutcome, DrillReport, StepEnd, seconds};
use crate::domain::page::{Page, Table};

impl DrillReport {
    /// How it came out, in a line.
    pub fn in_words(&self) -> String {
        let outcome = match self.outcome {
            None => "under way",
            Some(DrillOutcome::Passed) => "passed",
            Some(DrillOutcome::Failed) => "failed",
            Some(DrillOutcome::Stopped) => "stopped",
        };
        let clean = if self.clean { "clean" } else { "not clean yet" };
        format!("{outcome}, {}, {clean}", self.rto_words())
    }

    /// The RTO shown against the one promised.
    pub fn rto_words(&self) -> String {
        let shown = self.rto_ms.map_or_else(|| "no RTO shown".to_owned(), |ms| format!("RTO {:.1} s", seconds(ms)));
        match (self.rto_target_minutes, self.within_target) {
            (Some(minutes), Some(true)) => format!("{shown} (target {minutes} min: kept)"),
            (Some(minutes), Some(false)) => format!("{shown} (target {minutes} min: missed)"),
            (Some(minutes), None) => format!("{shown} (target {minutes} min)"),
            (None, _) => shown,
        }
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S UTC").to_string();
        vec![
            ("Result", self.in_words()),
            ("Drill", self.drill.to_string()),
            ("Service", format!("{} of pair {}", self.service, self.pair)),
            ("Recovery point", format!("{}, captured {}", self.point, time(self.captured_at))),
            ("Brought up at", self.cluster.to_string()),
            ("Pressed", format!("{} by {}", time(self.pressed_at), self.by)),
            ("Clean", self.ended_at.map_or_else(|| "not yet".to_owned(), time)),
            ("Signed off", self.signed.as_ref().map_or_else(|| "no".to_owned(), |s| format!("{} by {}: {}", time(s.at), s.by, s.remark))),
        ]
    }

    fn tables(&self) -> Vec<Table> {
        let steps = self.steps.iter().map(|s| vec![s.step.clone(), step_word(s.state).to_owned(), s.detail.clone()]);
        let checks = self.checks.iter().map(|c| {
            let took = if c.state == CheckEnd::NotExecuted { String::new() } else { format!("{:.1} s", seconds(c.took_ms)) };
            vec![c.name.clone(), check_word(c.state).to_owned(), took, c.evidence.clone()]
        });
        let places = self.places.iter().map(|p| vec![p.data_set.to_string(), p.place.clone()]);
        let listed = if self.clean { vec!["nothing".to_owned()] } else { self.left.clone() };
        let cleaned = self.removed.iter().map(|place| vec![place.clone(), "removed".to_owned()]);
        let cleaned = cleaned.chain(listed.into_iter().map(|left| vec![left, "in the listing afterwards".to_owned()]));
        vec![
            ("Steps", vec!["Step", "State", "Evidence"], steps.collect()),
            ("Checks", vec!["Check", "State", "Took", "Evidence"], checks.collect()),
            ("Places", vec!["Data set", "Brought up as"], places.collect()),
            ("Cleaning", vec!["Place", ""], cleaned.collect()),
        ]
    }

    /// To read and to print.
    pub fn page(&self) -> Page {
        Page { title: format!("Drill of {}", self.service), facts: self.facts(), tables: self.tables() }
    }
}

/// A step's state for people.
pub fn step_word(state: StepEnd) -> &'static str {
    match state {
        StepEnd::Done => "done",
        StepEnd::Failed => "failed",
        StepEnd::UnderWay => "under way",
        StepEnd::NotExecuted => "not executed",
    }
}

/// A check's state for people.
pub fn check_word(state: CheckEnd) -> &'static str {
    match state {
        CheckEnd::Passed => "held",
        CheckEnd::Failed => "did not hold",
        CheckEnd::NotExecuted => "not executed",
    }
}
