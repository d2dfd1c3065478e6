//! Results in words and as JSON.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::controller::command::{
    AdjustReport, Check, Kept, KeptCopied, Leftovers, ReversalOutcome, ReversalReport, Runbook, ServiceEnding, StepReport,
};
use crate::controller::snapshot::{CertificateView, ClusterView, HeldFault, PairView, ServiceView};
use crate::domain::page::Page;
use crate::domain::{ClusterName, RecoveryPoint, RunOutcome, RunReport, Trouble, TroubleKind};
use crate::protocol::Leftover;
use crate::terminal;

/// Prints one JSON document and a line end.
pub(super) fn json(value: &impl Serialize) -> Result<(), Trouble> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Trouble::new(TroubleKind::Failed, "output", e))?;
    terminal::json(&text)
}

/// Prints a line.
pub(super) fn line(text: &str) -> Result<(), Trouble> {
    terminal::line(text)
}

/// One run in one line.
pub(super) fn run_line(run: &RunReport) -> String {
    let outcome = match run.outcome {
        Some(RunOutcome::Sealed) => "sealed",
        Some(RunOutcome::Cancelled) => "cancelled",
        Some(RunOutcome::Failed) => "failed",
        Some(RunOutcome::Abandoned) => "abandoned",
        None if run.stuck.is_some() => "stuck",
        None => "running",
    };
    let captured = run.captured.map_or(String::new(), |c| format!("  skew {} ms, {}", c.skew_ms, word(&c.grade)));
    let copied: u64 = run.data_sets.iter().map(|s| s.copied_bytes).sum();
    let trouble = run.error.as_ref().or(run.stuck.as_ref().map(|stuck| &stuck.trouble));
    let error = trouble.map_or(String::new(), |e| format!("  {e}"));
    let given_up =
        run.abandoned.as_ref().map_or(String::new(), |by| format!("  by {} at {}", by.by, by.at.format("%Y-%m-%d %H:%M:%S UTC")));
    format!(
        "{}  {:9}  {}  {}{captured}  {copied} bytes copied  run {}{error}{given_up}",
        run.moment.format("%Y-%m-%d %H:%M:%S UTC"),
        outcome,
        run.service,
        run.recovery_point,
        run.run
    )
}

/// A value's name as JSON writes it.
pub(super) fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A pair, its clusters and services with their newest of these points.
pub(super) fn pair_lines(pair: &PairView, points: &[RecoveryPoint]) -> Vec<String> {
    let active = pair.active.as_ref().map_or("unknown".to_owned(), ToString::to_string);
    let mut lines = vec![format!("pair {}  epoch {}  active {active}  {}", pair.name, pair.epoch, pair.phase)];
    if !pair.conflict.is_empty() {
        lines.push(format!("  CONFLICT: {}", pair.conflict));
    }
    if !pair.left.is_empty() {
        lines.push(format!("  LEFT HALF DONE: {}", pair.left));
    }
    if !pair.behind.is_empty() {
        lines.push(format!("  BEHIND: {}", pair.behind));
    }
    lines.extend(pair.maintenance.iter().map(|maintenance| format!("  MAINTENANCE: {maintenance}")));
    lines.extend(pair.held_fault.iter().map(held_line));
    lines.extend(pair.clusters.iter().map(cluster_line));
    lines.extend(pair.clusters.iter().filter(|cluster| cluster.agent_answers).filter_map(|cluster| {
        let line = certificate_line(&format!("the agent of {}", cluster.name), cluster.certificate.as_ref()?)?;
        Some(format!("  {line}"))
    }));
    lines.push(format!("  clocks: {}", pair.clock.words));
    for service in &pair.services {
        lines.push(service_line(service, points));
        lines.extend(service.stuck.iter().map(|stuck| format!("    STUCK: run {}: {}; {}", stuck.run, stuck.stuck.trouble, stuck.way_out)));
    }
    if let Some(fault) = &pair.fault {
        lines.push(format!("  FAULT: {}", fault.verdict));
        lines.extend(fault.observed.iter().map(|o| format!("    {}: {}", o.who, o.saw)));
        if fault.can_adjust {
            lines
                .push(format!("    decide: understudy adjust-identity {} --to {} --confirm {}", pair.name, fault.survivor, fault.survivor));
        } else {
            lines.push(format!("    nothing to decide: {}", fault.refused));
        }
    }
    lines
}

/// A certificate that is not renewed as it should be; `None`: it is.
pub(super) fn certificate_line(whose: &str, view: &CertificateView) -> Option<String> {
    let until = view.valid_until.format("%Y-%m-%d");
    let why = match &view.renewal_failure {
        Some(failure) => format!("the renewal has failed since {}: {}", failure.since.format("%Y-%m-%d %H:%M:%S UTC"), failure.trouble),
        None if view.ends_soon => "it should have been renewed long before: look at the clock and the disk of that host".to_owned(),
        None => return None,
    };
    Some(format!("CERTIFICATE of {whose}, valid until {until}: {why}"))
}

/// What `status` says first of an engine that another one ousted.
pub(super) const OUSTED: &str = "OUSTED: another controller commands the agents; this engine changes nothing until it is started again";

/// What `status` says first of an engine that only observes.
pub(super) const OBSERVING: &str =
    "this engine only observes: no fault is prompted, no identity is changed (mode = \"observe\" in engine.toml)";

fn held_line(fault: &HeldFault) -> String {
    format!("  FAULT since {}, nobody is prompted: {}", fault.since.format("%Y-%m-%d %H:%M:%S UTC"), fault.words)
}

fn cluster_line(cluster: &ClusterView) -> String {
    let fenced = match cluster.fenced {
        Some(true) => "fenced",
        Some(false) => "not fenced",
        None => "fence unknown",
    };
    let seen = match (cluster.agent_answers, cluster.last_seen) {
        (true, _) => String::new(),
        (false, Some(at)) => format!("  last seen {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
        (false, None) => "  never seen".to_owned(),
    };
    format!("  {}  {}  {}  {fenced}{seen}  {}", cluster.name, cluster.identity, cluster.health, cluster.evidence.join("; "))
}

fn service_line(service: &ServiceView, points: &[RecoveryPoint]) -> String {
    let rpo = service.rpo_secs.map_or("no recovery point".to_owned(), |secs| format!("{secs} s behind"));
    let last = points.iter().find(|point| Some(point.id) == service.last_point);
    let last = last.map_or(String::new(), |point| format!("  last point of {}", point.moment.format("%Y-%m-%d %H:%M:%S UTC")));
    let next = service.next_moment.map_or(String::new(), |at| format!("  next {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
    let down = service.not_up.as_ref().map_or(String::new(), |why| format!("  NOT UP: {why}"));
    format!("  service {}  {}  {rpo}{last}{next}{down}", service.name, word(&service.state))
}

/// The leftovers of a pair, with their owner and age.
pub(super) fn leftover_lines(leftovers: &Leftovers, now: DateTime<Utc>) -> Vec<String> {
    let mut lines: Vec<String> = leftovers.found().map(|(cluster, found)| leftover_line(cluster, found, now)).collect();
    lines.extend(leftovers.half_made().map(|(cluster, one)| {
        format!("{cluster}  half-made restore {} of {} to {}, of point {}", one.restore, one.data_set, one.place, one.point)
    }));
    match (lines.len(), leftovers.removed()) {
        (0, _) if leftovers.failed().next().is_none() => lines.push("nothing is left over".to_owned()),
        (0, _) => {}
        (count, 0) => {
            lines.push(format!("{count} left over; remove them with: understudy leftovers {} --remove", leftovers.pair));
            if leftovers.found().any(|(_, found)| !found.made_here) {
                lines.push(format!(
                    "those that this agent did not make stay; `understudy leftovers {} --remove --unknown` shows which could go, where their \
                     data set is of a service here",
                    leftovers.pair
                ));
            }
        }
        (count, removed) => lines.push(format!("{removed} of {count} removed")),
    }
    lines.extend(leftovers.failed().map(|why| format!("failed: {why}")));
    lines
}

fn leftover_line(cluster: &ClusterName, found: &Leftover, now: DateTime<Utc>) -> String {
    let Leftover { snapshot, service, made_here, made_at } = found;
    let owner = match (service, made_here) {
        (Some(service), true) => format!("of service {service}"),
        (Some(service), false) => format!("of a data set of service {service}, not made by this agent"),
        (None, true) => "of a service that is gone".to_owned(),
        (None, false) => "of no service here, not made by this agent".to_owned(),
    };
    let age = made_at.map_or("of unknown age".to_owned(), |at| {
        let hours = (now - at).num_hours();
        let age = if hours < 48 { format!("{hours} h old") } else { format!("{} days old", hours / 24) };
        format!("made {}, {age}", at.format("%Y-%m-%d %H:%M:%S UTC"))
    });
    format!("{cluster}  {}:{}  {}  {owner}  {age}", snapshot.component, snapshot.path, snapshot.point)
}

/// How an identity change ended.
pub(super) fn adjust_lines(report: &AdjustReport) -> Vec<String> {
    let mut lines =
        vec![format!("pair {}: {}; {} is primary at epoch {}", report.pair, word(&report.outcome), report.primary, report.epoch)];
    lines.extend(report.steps.iter().map(step_line));
    for service in &report.services {
        let lost = service.lost_secs.map_or("unknown".to_owned(), |s| format!("{s} s"));
        let came = match (service.ending, service.recovery_point) {
            (ServiceEnding::NotUp, _) => {
                let why = service.error.as_ref().map_or(String::new(), |trouble| format!(": {trouble}"));
                format!("NOT UP{why}")
            }
            (ServiceEnding::WentOn, _) => format!("resumed from what it held, lost {lost}"),
            (ServiceEnding::Resumed, Some(point)) => format!("resumed from {point}, lost {lost}"),
            // It was in use there before.
            (ServiceEnding::Resumed, None) => format!("is up from what was live, lost {lost}"),
        };
        lines.push(format!("  service {} {came}", service.name));
    }
    lines.extend(report.fences.iter().map(|fence| {
        let proven = if fence.proven { "proven" } else { "NOT PROVEN" };
        format!("  fence of {} at {}: {proven} ({})", fence.data_set, fence.cluster, fence.evidence)
    }));
    lines.extend(report.declared.iter().map(|declared| format!("  declared, not proven: {}", declared.words)));
    if report.held {
        lines.push(format!("  held: look at the data at {}, then `understudy commit-promotion` or `understudy take-back`", report.primary));
    }
    lines
}

/// A reversal, step by step.
pub(super) fn reversal_lines(report: &ReversalReport) -> Vec<String> {
    let stands = match report.outcome {
        ReversalOutcome::Reversed => "stands by for",
        ReversalOutcome::Failed | ReversalOutcome::Refused => "does not stand by yet for",
    };
    let mut lines = vec![format!("pair {}: {} {stands} {}", report.pair, report.secondary, report.primary)];
    lines.extend(report.steps.iter().map(step_line));
    for service in &report.services {
        let from = service.recovery_point.map_or("everything is copied".to_owned(), |p| format!("changes are copied from {p} on"));
        let kept = service.kept.map_or(String::new(), |id| format!("; what {} had written after it is kept as {id}", report.secondary));
        lines.push(format!("  service {}: {from}{kept}", service.name));
    }
    lines
}

fn step_line(step: &StepReport) -> String {
    let detail = if step.detail.is_empty() { String::new() } else { format!(" ({})", step.detail) };
    format!("  {:12}  {}{detail}", step.state, step.step)
}

/// What is kept, one line each.
pub(super) fn kept_lines(kept: &[Kept]) -> Vec<String> {
    if kept.is_empty() {
        return vec!["nothing is kept".to_owned()];
    }
    let line = |kept: &Kept| {
        let writes = &kept.writes;
        let changed: Vec<String> = writes.changed.iter().map(|(set, count)| format!("{set} {count} differences")).collect();
        let at = writes.at.format("%Y-%m-%d %H:%M:%S UTC");
        format!(
            "{}  {}  service {}, written after point {}, kept {at}: {}",
            writes.id,
            kept.cluster,
            writes.service,
            writes.after,
            changed.join(", ")
        )
    };
    kept.iter().map(line).collect()
}

/// What was copied out, and what is to be read where it is.
pub(super) fn copied_lines(found: &KeptCopied) -> Vec<String> {
    let copied = &found.copied;
    let mut lines =
        vec![format!("kept writes {} are copied to {} on the host of {}'s agent", copied.writes.id, copied.to.display(), found.cluster)];
    lines.extend(copied.copied.iter().map(|set| format!("  {set}")));
    let not = |note: &crate::domain::Note| format!("  not copied: {}: {} ({})", note.object, note.reason, note.next_step);
    lines.extend(copied.not_copied.iter().map(not));
    lines
}

/// Writes a report where a person wants it: JSON, or Markdown or HTML by the file's ending.
pub(super) fn write(path: Option<&Path>, report: &impl Serialize, page: impl FnOnce() -> Page) -> Result<(), Trouble> {
    let Some(path) = path else { return Ok(()) };
    let failed =
        |e: &dyn std::fmt::Display| Trouble::new(TroubleKind::Failed, path.display(), format!("the report cannot be written: {e}"));
    let text = match path.extension().and_then(|ending| ending.to_str()) {
        Some("md") => page().to_markdown(),
        Some("html" | "htm") => page().to_html(),
        _ => serde_json::to_string_pretty(report).map_err(|e| failed(&e))? + "\n",
    };
    std::fs::write(path, text).map_err(|e| failed(&e))
}

/// A check on one line: its state, what was found, and what to do about it.
pub(super) fn check_line(check: &Check) -> String {
    let fix = if check.fix.is_empty() { String::new() } else { format!(" ({})", check.fix) };
    format!("{:7}  {}: {}{fix}", word(&check.state), check.name, check.evidence)
}

/// A runbook: its lines, its steps, and whether it may be begun.
pub(super) fn runbook_lines(runbook: &Runbook) -> Vec<String> {
    let may = if runbook.ready { "may be begun" } else { "may not be begun" };
    let mut lines = vec![format!("{} of pair {}: {may}; its confirmation is {}", runbook.verb.title(), runbook.pair, runbook.confirm)];
    lines.extend(runbook.checks.iter().map(|check| format!("  {}", check_line(check))));
    lines.extend(runbook.steps.iter().enumerate().map(|(number, step)| {
        let planned = step.planned_secs.map_or(String::new(), |secs| format!(", about {secs} s"));
        format!("  {}. {} [{}{planned}]; when: {}", number + 1, step.step, step.who, step.guard)
    }));
    lines
}
