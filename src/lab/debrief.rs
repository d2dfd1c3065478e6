//! The debrief: what happened in an exercise, as a page to keep.

use chrono::SecondsFormat;

use super::view::{LabCheck, LabSnapshot, Scenario};
use crate::domain::{Consistency, RecoveryPoint};

/// The page, in Markdown.
pub fn text(lab: &LabSnapshot) -> String {
    let mut lines = vec!["# Training lab: debrief".to_owned(), String::new()];
    lines.push(match lab.scenario {
        Some(Scenario::SiteLoss) => format!("Scenario: site loss. {}.", in_words(lab.consistency)),
        None => "No scenario was begun.".into(),
    });
    lines.push(String::new());
    for (name, value) in [
        ("RTO, from the loss until the application went on", lab.rto_ms),
        ("of it, from the prompt to the decision", lab.deciding_ms),
        ("of it, from the decision until the application went on", lab.switching_ms),
        ("RPO, from the recovery point's moment to the loss", lab.rpo_ms),
    ] {
        lines.push(format!("- {name}: {}", value.map_or("not measured".into(), |ms| format!("{ms} ms"))));
    }
    lines.push(format!("- wrong moves: {}", lab.wrong_moves));
    lines.push(format!("- orders: {} sent, {} acknowledged", lab.workload.sent, lab.workload.written));
    lines.extend([String::new(), "## Checks".into(), String::new()]);
    lines.extend(lab.checks.iter().map(|check| {
        let held = check.held.map_or("not made", |held| if held { "held" } else { "BROKEN" });
        format!("- {held}: {} ({})", check.name, check.detail)
    }));
    lines.extend([String::new(), "## Steps".into(), String::new()]);
    lines.extend(lab.steps.iter().map(|step| format!("- [{}] {}", if step.done { 'x' } else { ' ' }, step.text)));
    lines.extend([String::new(), "## Marks".into(), String::new()]);
    lines.extend(lab.workload.marks.iter().map(|(at, text)| format!("- {} {text}", at.to_rfc3339_opts(SecondsFormat::Millis, true))));
    lines.push(String::new());
    lines.join("\n")
}

fn in_words(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Service => "The service was captured at one moment",
        Consistency::PerComponent => "Each component was captured at its own time",
    }
}

/// What it cost to capture the components at their own times.
pub fn old_way(point: &RecoveryPoint, checks: &[LabCheck]) -> String {
    let times: Vec<String> =
        point.data_sets.iter().map(|set| format!("{} captured at {}", set.name, set.window.lo.format("%H:%M:%S%.3f"))).collect();
    let cost = checks.iter().find(|check| check.held == Some(false)).map_or("nothing was lost this time", |check| check.detail.as_str());
    format!("{}: {cost}. That is what one moment for the whole service prevents.", times.join(", "))
}
