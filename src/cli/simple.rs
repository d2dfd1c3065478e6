//! Subcommands that are one question and one answer, and the engine alone.

use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::controller::command::{AgentRequest, CopyKept, PruneEnding, StatusReport};
use crate::controller::{Command as Ask, Reply};
use crate::domain::{Plan, RecoveryPoint, RunReport, Trouble, TroubleKind};
use crate::terminal;

use super::adjust::person;
use super::args::Command;
use super::session::{Session, own_engine, unexpected};
use super::{DONE, FAILED, output, removal};

/// Asks and prints.
pub(super) async fn ask(session: &Session, command: Command, json: bool) -> Result<u8, Trouble> {
    match command {
        Command::Apply { plan, dry_run } => apply(session, &plan, dry_run, json).await,
        Command::ExportPlan { out } => export(session, out, json).await,
        Command::Status => status(session, json),
        Command::Points { service } => match session.ask(Ask::Points { service }).await? {
            Reply::Points(points) => runs(&points.iter().map(RecoveryPoint::report).collect::<Vec<_>>(), json),
            other => Err(unexpected(&other)),
        },
        Command::Runs { service, limit, before } => match session.ask(Ask::Runs { service, limit, before }).await? {
            Reply::Runs(reports) => runs(&reports, json),
            other => Err(unexpected(&other)),
        },
        Command::Prune { service, dry_run } => match session.ask(Ask::Prune { service, dry_run, by: person() }).await? {
            Reply::Pruned(report) => {
                say(json, &report, &report.lines())?;
                Ok(if report.ending == PruneEnding::Partly { FAILED } else { DONE })
            }
            other => Err(unexpected(&other)),
        },
        Command::Cancel { run } => {
            session.ask(Ask::CancelRun { run }).await?;
            say(json, &serde_json::json!({ "run": run, "cancelled": true }), &[format!("run {run} is being dropped")])
        }
        Command::StopDrill { drill } => {
            session.ask(Ask::StopDrill { drill, by: person() }).await?;
            say(
                json,
                &serde_json::json!({ "drill": drill, "stopped": true }),
                &[format!("drill {drill} is stopped; its space is being removed")],
            )
        }
        Command::SyncUsers { pair, dry_run, by_controller } => {
            sync_users(session, Ask::SyncUsers { pair, dry_run, by_controller }, json).await
        }
        Command::Unpair { pair, confirm } => removal::unpair(session, pair, confirm, json).await,
        Command::Leftovers { pair, remove, unknown, confirm } => {
            removal::leftovers(session, pair, removal::Leftover { remove, unknown, confirm }, json).await
        }
        Command::Kept { pair, copy_to: Some(to), id, .. } => removal::copy_kept(session, pair, CopyKept { id, to }, json).await,
        Command::Kept { pair, remove, confirm, .. } => removal::kept(session, pair, remove, confirm, json).await,
        Command::Adopt { agent, code } => match session.ask(Ask::Adopt(AgentRequest { address: agent, code: Some(code) })).await? {
            Reply::Changes(lines) => say(json, &serde_json::json!({ "adopted": lines }), &lines),
            other => Err(unexpected(&other)),
        },
        // The others are handled before a session is opened.
        _ => Err(Trouble::new(TroubleKind::Invalid, "understudy", "this subcommand asks no engine")),
    }
}

/// Prints an answer as JSON or line by line.
pub(super) fn say(json: bool, value: &impl serde::Serialize, lines: &[String]) -> Result<u8, Trouble> {
    if json {
        output::json(value)?;
    } else {
        lines.iter().try_for_each(|line| output::line(line))?;
    }
    Ok(DONE)
}

fn runs(reports: &[RunReport], json: bool) -> Result<u8, Trouble> {
    if json {
        output::json(&reports)?;
    } else {
        reports.iter().try_for_each(|report| output::line(&output::run_line(report)))?;
    }
    Ok(DONE)
}

fn status(session: &Session, json: bool) -> Result<u8, Trouble> {
    let snapshot = session.handle.snapshot();
    let report = StatusReport {
        observing: snapshot.observing,
        ousted: snapshot.ousted,
        certificate: snapshot.certificate.clone(),
        pairs: snapshot.pairs.clone(),
    };
    if json {
        output::json(&report)?;
    } else if report.pairs.is_empty() {
        output::line("no pairs yet")?;
    } else {
        let whole = [(report.ousted, output::OUSTED), (report.observing, output::OBSERVING)];
        whole.iter().filter(|(holds, _)| *holds).try_for_each(|(_, words)| output::line(words))?;
        report
            .certificate
            .iter()
            .filter_map(|own| output::certificate_line("this console", own))
            .try_for_each(|line| output::line(&line))?;
        report.pairs.iter().flat_map(|pair| output::pair_lines(pair, &snapshot.points)).try_for_each(|line| output::line(&line))?;
    }
    Ok(DONE)
}

async fn apply(session: &Session, path: &PathBuf, dry_run: bool, json: bool) -> Result<u8, Trouble> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Trouble::new(TroubleKind::Invalid, path.display(), format!("the plan cannot be read: {e}"))
            .next("give the path of a plan, a TOML file")
    })?;
    // Without the quoted source lines: they may hold a code.
    let plan: Plan = toml::from_str(&text).map_err(|e| {
        let line = e.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
        Trouble::new(TroubleKind::Invalid, format!("{} line {line}", path.display()), e.message())
            .next("see the README for the plan's keys")
    })?;
    match session.ask(Ask::ApplyPlan { plan, dry_run }).await? {
        Reply::Changes(changes) => {
            let lines = if changes.is_empty() { vec!["nothing to change".to_owned()] } else { changes.clone() };
            say(json, &serde_json::json!({ "changes": changes, "dry_run": dry_run }), &lines)
        }
        other => Err(unexpected(&other)),
    }
}

async fn export(session: &Session, out: Option<PathBuf>, json: bool) -> Result<u8, Trouble> {
    let plan = match session.ask(Ask::ExportPlan).await? {
        Reply::Plan(plan) => plan,
        other => return Err(unexpected(&other)),
    };
    let failed = |e: &dyn std::fmt::Display| Trouble::new(TroubleKind::Failed, "plan", format!("it cannot be written: {e}"));
    let text = toml::to_string_pretty(&plan).map_err(|e| failed(&e))?;
    match out {
        Some(path) => std::fs::write(&path, text).map_err(|e| failed(&e))?,
        None if json => output::json(&plan)?,
        None => {
            // In a literal string TOML has no escapes.
            let safe = terminal::toml_text(text.trim_end());
            if toml::from_str::<Plan>(&safe).ok().as_ref() != Some(&plan) {
                return Err(failed(&"a name in it holds signs that a terminal obeys").next("give a file with --out FILE"));
            }
            terminal::toml(&safe)?;
        }
    }
    Ok(DONE)
}

async fn sync_users(session: &Session, ask: Ask, json: bool) -> Result<u8, Trouble> {
    let (changes, applied, failed, waiting) = match session.ask(ask).await? {
        Reply::Users { changes, applied, failed, waiting } => (changes, applied, failed, waiting),
        other => return Err(unexpected(&other)),
    };
    let mut lines: Vec<String> = changes
        .iter()
        .map(|c| {
            let key = &c.key;
            let value = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
            let drifted = if c.drifted { "  (changed at the secondary by somebody else)" } else { "" };
            format!(
                "{:6}  {} {} {} {}: {} -> {}{drifted}",
                output::word(&c.action),
                key.component,
                output::word(&key.kind),
                key.object,
                key.principal,
                value(&c.secondary),
                value(&c.primary)
            )
        })
        .collect();
    lines.push(format!("{} differences, {applied} applied, {} could not be", changes.len(), failed.len()));
    if waiting > 0 {
        lines.push(format!("{waiting} more lie in data sets without a recovery point: the first one brings them along"));
    }
    lines.extend(failed.iter().map(|f| format!("failed: {f}")));
    say(json, &serde_json::json!({ "changes": changes, "applied": applied, "failed": failed, "waiting": waiting }), &lines)?;
    Ok(if failed.is_empty() { DONE } else { FAILED })
}

/// The controller alone, until it is told to stop.
pub(super) async fn engine(state: PathBuf, route: Option<String>) -> Result<u8, Trouble> {
    let signals = |e: std::io::Error| Trouble::new(TroubleKind::Failed, "signals", e);
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let handle = own_engine(&state, route).await?;
    terminal::aside(format_args!("engine ready, state in {}", state.display()));
    let mut snapshots = handle.snapshots();
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(signals)?,
        () = async { while snapshots.changed().await.is_ok() {} } => {
            return Err(Trouble::new(TroubleKind::Failed, "engine", "it has ended by itself").next("see its log"));
        }
    }
    drop(snapshots);
    handle.stop(Duration::from_secs(10)).await;
    Ok(DONE)
}
