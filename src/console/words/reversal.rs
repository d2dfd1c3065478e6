//! A reversal's end for people.

use crate::controller::command::ReversalReport;

use super::short_word;

/// Service by service: from where changes are copied, and what is kept.
pub fn reversed(report: &ReversalReport) -> Vec<String> {
    let line = |service: &crate::controller::command::ServiceTurned| {
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
