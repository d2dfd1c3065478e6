//! `understudy run`: starts a run and stays until it has ended.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::controller::snapshot::{RunView, Snapshot};
use crate::controller::{Command, Limits, Reply};
use crate::domain::backup::machine::Phase;
use crate::domain::unfinished::{self, Stuck, Work};
use crate::domain::{RunId, RunOutcome, RunReport, ServiceName, Trouble, TroubleKind};
use crate::terminal::{self, aside};

use super::adjust::person;
use super::session::{Session, unexpected};
use super::{DONE, FAILED, output, simple};

/// How long a stuck run is followed whose trouble may pass by itself.
const MAY_PASS: Duration = Duration::from_secs(180);

/// Runs a service once. Ends with 1 when an agent stays dead, within [`Limits::dead_agent`] and a little.
pub(super) async fn run(session: &Session, service: ServiceName, at: Option<DateTime<Utc>>, json: bool) -> Result<u8, Trouble> {
    let run = match session.ask(Command::Run { service, at }).await? {
        Reply::Started(run) => run,
        other => return Err(unexpected(&other)),
    };
    aside(format_args!("run {run}"));
    let report = follow(session, run, Work::Seal).await?;
    if json {
        output::json(&report)?;
    } else {
        output::line(&output::run_line(&report))?;
    }
    told(&report);
    Ok(if report.outcome == Some(RunOutcome::Sealed) { DONE } else { FAILED })
}

/// Gives a committed point up, and stays until its secondary has taken it back.
pub(super) async fn abandon(session: &Session, run: RunId, confirm: Option<String>, json: bool) -> Result<u8, Trouble> {
    match session.ask(Command::AbandonRun { run, confirm: confirm.unwrap_or_default(), by: person() }).await? {
        Reply::Done => {}
        other => return Err(unexpected(&other)),
    }
    if !session.handle.snapshot().runs.iter().any(|known| known.run == run) {
        // Of another console's run only the point is taken back.
        return simple::say(
            json,
            &serde_json::json!({ "run": run, "abandoned": true }),
            &[format!("the point of run {run} is taken back")],
        );
    }
    let report = follow(session, run, Work::Abandon).await?;
    if json {
        output::json(&report)?;
    } else {
        output::line(&output::run_line(&report))?;
    }
    told(&report);
    Ok(if report.outcome == Some(RunOutcome::Abandoned) { DONE } else { FAILED })
}

/// Why it failed, or stands still.
fn told(report: &RunReport) {
    if let Some(trouble) = &report.error {
        terminal::trouble("understudy", trouble);
    } else if let (Some(stuck), None) = (&report.stuck, report.outcome) {
        terminal::trouble("understudy", &stuck.trouble);
        aside(format_args!("the run is stuck; {}", unfinished::way_out(report.run, &report.service, stuck.work)));
    }
}

/// Whether this work is not waited for any longer: a refusal stands until somebody removes its cause; what may pass by itself is given some
/// time. A picture from before a person's wish may still tell of the other work.
fn stands_still(report: &RunReport, work: Work, now: DateTime<Utc>) -> bool {
    let passed = |stuck: &Stuck| (now - stuck.since).to_std().is_ok_and(|since| since > MAY_PASS);
    report.stuck.as_ref().is_some_and(|stuck| stuck.work == work && (!stuck.trouble.may_pass() || passed(stuck)))
}

/// Follows a run to its end, telling its phases. Ctrl-C asks for it to be dropped.
async fn follow(session: &Session, run: RunId, work: Work) -> Result<RunReport, Trouble> {
    let mut snapshots = session.handle.snapshots();
    let mut told: Option<Phase> = None;
    let (mut lines, mut shown) = (0, false);
    let mut silent_since: Option<std::time::Instant> = None;
    let mut ended_since: Option<std::time::Instant> = None;
    loop {
        let newest = snapshots.borrow_and_update().clone();
        if let Some(view) = newest.runs.iter().find(|r| r.run == run) {
            shown = true;
            tell(view, &mut told, &mut lines);
            // An engine of our own stops with us: what follows the end must be over first.
            if view.report.outcome.is_some() {
                let since = *ended_since.get_or_insert_with(std::time::Instant::now);
                if view.settled || since.elapsed() > Limits::default().dead_agent() {
                    return Ok(view.report.clone());
                }
            }
            if stands_still(&view.report, work, Utc::now()) {
                return Ok(view.report.clone());
            }
            if newest.ousted && view.phase.is_committing() {
                return Ok(unknown(
                    view,
                    "another controller commands the agents since it began to commit",
                    "see that controller's `understudy runs`",
                ));
            }
            if is_lost(&newest, view) {
                let since = *silent_since.get_or_insert_with(std::time::Instant::now);
                if since.elapsed() > Limits::default().dead_agent() {
                    let reason = format!("the agent of {} stopped answering while it committed", view.report.to);
                    return Ok(unknown(view, &reason, "start an engine when that agent is back: the run then ends, one way or the other"));
                }
            } else {
                silent_since = None;
            }
        }
        if shown && !newest.runs.iter().any(|r| r.run == run) {
            // It ended among so many that it is shown no more.
            return match session.ask(Command::RunReport { run }).await? {
                Reply::Runs(mut reports) if !reports.is_empty() => Ok(reports.remove(0)),
                other => Err(unexpected(&other)),
            };
        }
        tokio::select! {
            changed = snapshots.changed() => changed.map_err(|_| Trouble::new(TroubleKind::Unreachable, "engine", "it has stopped")
                .next("start it again: the run goes on or is dropped cleanly"))?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.map_err(|e| Trouble::new(TroubleKind::Failed, "signals", e))?;
                aside("cancelling");
                if let Err(trouble) = session.ask(Command::CancelRun { run }).await {
                    terminal::trouble("understudy", &trouble);
                }
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// One line for each phase, and what the run's log says beside.
fn tell(view: &RunView, told: &mut Option<Phase>, lines: &mut usize) {
    for line in view.log.iter().skip(*lines) {
        aside(format_args!("  {}", line.text));
    }
    *lines = view.log.len();
    if *told != Some(view.phase) {
        *told = Some(view.phase);
        aside(output::word(&view.phase));
    }
}

/// Being committed at a secondary that does not answer: only that one knows how it ends.
fn is_lost(snapshot: &Snapshot, view: &RunView) -> bool {
    let pair = snapshot.pairs.iter().find(|p| p.name == view.report.pair);
    let answers = pair.and_then(|p| p.clusters.iter().find(|c| c.name == view.report.to)).is_some_and(|c| c.agent_answers);
    view.phase.is_committing() && !answers
}

/// The outcome is not known, and the report says so.
fn unknown(view: &RunView, reason: &str, next: &str) -> RunReport {
    let reason = format!("{reason}: whether the point is sealed is not known yet");
    let trouble = Trouble::new(TroubleKind::Unreachable, format!("run {}", view.run), reason).next(next);
    RunReport { error: Some(trouble), ..view.report.clone() }
}
