//! Runbooks before they are begun, and a reversal's end, for people. Pure.

use crate::console::said::Said;
use crate::controller::command::{Check, ReversalReport, Runbook, RunbookStep, ServiceTurned};

use chrono::{DateTime, Utc};

use super::{Zone, check_sign, duration, short_word};

/// Service by service: from where changes are copied, and what is kept.
pub fn reversed(report: &ReversalReport) -> Vec<String> {
    let line = |service: &ServiceTurned| {
        let from = match &service.recovery_point {
            Some(point) => format!("only what changed since recovery point {} is copied", short_word(&point.to_string())),
            None => "everything is copied once".to_owned(),
        };
        let kept = match &service.kept {
            Some(id) => format!("; what {} had written after it is kept as {id}", report.secondary),
            None => format!("; {} had written nothing after it", report.secondary),
        };
        format!("{}: {from}{kept}", service.name)
    };
    report.services.iter().map(line).collect()
}

/// Pre-flight lines: sign, line, and what was seen with what to do about it. Times in it are read in that zone.
pub fn check_rows(checks: &[Check], zone: Zone, now: DateTime<Utc>) -> Vec<[Said; 3]> {
    let row = |check: &Check| {
        let evidence = if check.fix.is_empty() { check.evidence.clone() } else { format!("{} · {}", check.evidence, check.fix) };
        [check_sign(check.state), Said::plain(zone.reword(&check.name, now)), Said::muted(zone.reword(&evidence, now))]
    };
    checks.iter().map(row).collect()
}

/// Its number, the step, and who takes it with how long it took before.
pub fn runbook_steps(runbook: &Runbook) -> Vec<[Said; 3]> {
    let step = |(number, step): (usize, &RunbookStep)| {
        let takes = step.planned_secs.map_or(String::new(), |secs| format!(" · about {}", duration(secs)));
        [Said::muted(format!("{}.", number + 1)), Said::plain(&step.step), Said::muted(format!("{}{takes}", step.who))]
    };
    runbook.steps.iter().enumerate().map(step).collect()
}
