//! `understudy drill`: starts a drill, stays until its space is clean, and writes the report.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::controller::snapshot::{DrillView, Snapshot};
use crate::controller::{Command, Limits, Reply};
use crate::domain::drill::machine::Phase;
use crate::domain::drill::report::{DrillOutcome, DrillReport, StepEnd};
use crate::domain::drill::words::{check_word, step_word};
use crate::domain::{DrillId, PointId, ServiceName, Trouble, TroubleKind};
use crate::terminal::{self, aside};

use super::adjust::person;
use super::session::{Session, unexpected};
use super::{DONE, FAILED, output};

/// What is asked for.
pub(super) struct Ask {
    /// Which service.
    pub service: ServiceName,
    /// Which recovery point; the newest unless given.
    pub point: Option<PointId>,
    /// Where the report goes as well.
    pub report: Option<PathBuf>,
    /// Print it as JSON.
    pub json: bool,
}

/// Drills a service once: 0 when all checks held and nothing is left, else 1.
pub(super) async fn drill(session: &Session, ask: Ask) -> Result<u8, Trouble> {
    let command = Command::CheckDrill { service: ask.service.clone(), point: ask.point };
    match session.ask(command).await? {
        Reply::DrillChecked(found) => found.checks.iter().for_each(|check| aside(output::check_line(check))),
        other => return Err(unexpected(&other)),
    }
    let drill = match session.ask(Command::Drill { service: ask.service, point: ask.point, by: person() }).await? {
        Reply::DrillStarted(drill) => drill,
        other => return Err(unexpected(&other)),
    };
    aside(format_args!("drill {drill}"));
    let report = follow(session, drill).await?;
    output::write(ask.report.as_deref(), &report, || report.page())?;
    print(&report, ask.json)?;
    if !report.clean {
        let what = "its space at the secondary is not proven clean yet; the engine goes on cleaning";
        let trouble = Trouble::new(TroubleKind::Failed, format!("drill {drill}"), what);
        return Err(trouble.next("see that the secondary's agent runs; then `understudy drills` tells"));
    }
    Ok(if report.outcome == Some(DrillOutcome::Passed) { DONE } else { FAILED })
}

/// The history, newest first.
pub(super) async fn list(session: &Session, service: Option<ServiceName>, limit: u32, json: bool) -> Result<u8, Trouble> {
    let drills = match session.ask(Command::Drills { service, limit }).await? {
        Reply::Drills(drills) => drills,
        other => return Err(unexpected(&other)),
    };
    if json {
        output::json(&drills)?;
    } else {
        drills.iter().try_for_each(|report| output::line(&line(report)))?;
    }
    Ok(DONE)
}

/// A person's word that a drill was looked at.
pub(super) async fn sign_off(session: &Session, drill: DrillId, remark: String, json: bool) -> Result<u8, Trouble> {
    match session.ask(Command::SignOffDrill { drill, by: person(), remark }).await? {
        Reply::Drills(reports) => reports.iter().try_for_each(|report| print(report, json)).map(|()| DONE),
        other => Err(unexpected(&other)),
    }
}

fn line(report: &DrillReport) -> String {
    let at = report.pressed_at.format("%Y-%m-%d %H:%M:%S UTC");
    let signed = report.signed.as_ref().map_or("not signed off".to_owned(), |signed| format!("signed off by {}", signed.by));
    format!("{at}  {}  {}  {}, {signed}", report.drill, report.service, report.in_words())
}

fn print(report: &DrillReport, json: bool) -> Result<(), Trouble> {
    if json {
        return output::json(report);
    }
    output::line(&line(report))?;
    for step in &report.steps {
        output::line(&format!("  {:9}  {:12}  {}", step.step, step_word(step.state), step.detail))?;
    }
    report.checks.iter().try_for_each(|check| output::line(&format!("  {}: {}; {}", check.name, check_word(check.state), check.evidence)))
}

/// Follows a drill until it is clean, or its secondary has been silent for too long while it is cleaned. Ctrl-C stops it.
async fn follow(session: &Session, drill: DrillId) -> Result<DrillReport, Trouble> {
    let mut snapshots = session.handle.snapshots();
    let (mut told, mut silent_since): (String, Option<Instant>) = (String::new(), None);
    loop {
        let newest = snapshots.borrow_and_update().clone();
        if let Some(view) = newest.drills.iter().find(|view| view.report.drill == drill) {
            let now = words(view);
            if now != told {
                aside(&now);
                told = now;
            }
            if view.report.phase == Phase::Ended {
                return Ok(view.report.clone());
            }
            if answers(&newest, view) {
                silent_since = None;
            } else if silent_since.get_or_insert_with(Instant::now).elapsed() > Limits::default().dead_agent() {
                return Ok(view.report.clone());
            }
        }
        tokio::select! {
            changed = snapshots.changed() => changed.map_err(|_| Trouble::new(TroubleKind::Unreachable, "engine", "it has stopped")
                .next("start it again: the drill goes on, or its space is removed"))?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.map_err(|e| Trouble::new(TroubleKind::Failed, "signals", e))?;
                aside("stopping; its space is removed");
                if let Err(trouble) = session.ask(Command::StopDrill { drill, by: person() }).await {
                    terminal::trouble("understudy", &trouble);
                }
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

fn answers(snapshot: &Snapshot, view: &DrillView) -> bool {
    let clusters = snapshot.pairs.iter().flat_map(|pair| &pair.clusters);
    clusters.into_iter().any(|cluster| cluster.name == view.report.cluster && cluster.agent_answers)
}

fn words(view: &DrillView) -> String {
    let under_way = view.report.steps.iter().find(|step| matches!(step.state, StepEnd::UnderWay | StepEnd::Failed));
    let step = under_way.map_or("cleaned", |step| step.step.as_str());
    if view.doing.is_empty() { step.to_owned() } else { format!("{step}: {}", view.doing) }
}
