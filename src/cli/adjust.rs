//! `understudy adjust-identity`: a person's decision from the command line.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::controller::command::{AdjustOutcome, ReversalOutcome, Verb};
use crate::controller::snapshot::Snapshot;
use crate::controller::{Command, Reply};
use crate::domain::{ClusterName, Health, PairName, PointId, ServiceName, Trouble, TroubleKind};
use crate::terminal::aside;

use super::output::write;
use super::session::{Session, unexpected};
use super::{DONE, FAILED, REFUSED, fail, output};

/// What is asked for.
pub(super) struct Ask {
    pub pair: PairName,
    pub to: ClusterName,
    pub confirm: String,
    pub planned: bool,
    pub hold: bool,
    /// How they know that nobody writes at the old primary.
    pub declare: Option<String>,
    /// Points chosen in place of the newest ones.
    pub points: BTreeMap<ServiceName, PointId>,
    /// Where the report goes as well.
    pub report: Option<PathBuf>,
    pub json: bool,
}

/// What a verb would do now: 0 when it may be begun.
pub(super) async fn runbook(session: &Session, pair: PairName, verb: Verb, json: bool) -> Result<u8, Trouble> {
    match verb {
        Verb::Adjust => wait_for_evidence(session, &pair).await,
        Verb::Planned | Verb::Reverse | Verb::TakeBack => wait_until_seen(session, &pair).await,
    }
    let runbook = match session.ask(Command::Runbook { pair, verb }).await? {
        Reply::Runbook(runbook) => runbook,
        other => return Err(unexpected(&other)),
    };
    if json {
        output::json(&runbook)?;
    } else {
        output::runbook_lines(&runbook).iter().try_for_each(|line| output::line(line))?;
    }
    Ok(if runbook.ready { DONE } else { REFUSED })
}

/// Asks the engine and reports step by step.
pub(super) async fn adjust(session: &Session, ask: Ask) -> Result<u8, Trouble> {
    let Ask { pair, to, confirm, planned, hold, declare, points, report: file, json } = ask;
    if !planned {
        wait_for_evidence(session, &pair).await;
    }
    let declared = if planned { None } else { Some(declare.unwrap_or_else(|| declared_by_name(&confirm))) };
    let command = Command::AdjustIdentity { pair, to, confirm, planned, hold, declared, points, generation: None, by: person() };
    told(session.ask(command).await?, file, json)
}

/// What the typed name stands for where `--declare` says nothing more; kept with the decision.
fn declared_by_name(confirm: &str) -> String {
    aside(format_args!("by --confirm {confirm} you declare that nobody writes at the other cluster; --declare TEXT keeps how you know"));
    format!("typed --confirm {confirm}, and did not say how they know")
}

/// Commits a promotion, or takes it back.
pub(super) async fn window(
    session: &Session,
    command: impl FnOnce(PairName) -> Command,
    pair: PairName,
    file: Option<PathBuf>,
    json: bool,
) -> Result<u8, Trouble> {
    wait_until_seen(session, &pair).await;
    told(session.ask(command(pair)).await?, file, json)
}

/// How an identity change ended, step by step, there and in the file.
fn told(reply: Reply, file: Option<PathBuf>, json: bool) -> Result<u8, Trouble> {
    let report = match reply {
        Reply::Adjusted(report) => report,
        other => return Err(unexpected(&other)),
    };
    write(file.as_deref(), &report, || report.page())?;
    if json {
        output::json(&report)?;
    } else {
        output::adjust_lines(&report).iter().try_for_each(|line| output::line(line))?;
    }
    if let Some(trouble) = &report.error {
        fail(trouble);
    }
    let not_up: Vec<_> = report.not_up().collect();
    if !not_up.is_empty() {
        let names: Vec<_> = not_up.iter().map(|service| service.name.as_str()).collect();
        let reason = format!("not up at {}: {}", report.primary, names.join(", "));
        let again = format!("understudy adjust-identity {} --to {1} --confirm {1}", report.pair, report.primary);
        let next = format!("mend what each says above; then `{again}` tries them again");
        fail(&Trouble::new(TroubleKind::Failed, format!("pair {}", report.pair), reason).next(next));
    }
    Ok(match report.outcome {
        AdjustOutcome::Promoted | AdjustOutcome::TakenBack if not_up.is_empty() => DONE,
        AdjustOutcome::Promoted | AdjustOutcome::TakenBack | AdjustOutcome::Aborted => FAILED,
        AdjustOutcome::Refused => REFUSED,
    })
}

/// Asks the engine to reverse the replication, and reports step by step.
pub(super) async fn reverse(session: &Session, pair: PairName, confirm: String, file: Option<PathBuf>, json: bool) -> Result<u8, Trouble> {
    wait_until_seen(session, &pair).await;
    let command = Command::ReverseReplication { pair, confirm, generation: None, by: person() };
    let report = match session.ask(command).await? {
        Reply::Reversed(report) => report,
        other => return Err(unexpected(&other)),
    };
    write(file.as_deref(), &report, || report.page())?;
    if json {
        output::json(&report)?;
    } else {
        output::reversal_lines(&report).iter().try_for_each(|line| output::line(line))?;
    }
    if let Some(trouble) = &report.error {
        fail(trouble);
    }
    Ok(match report.outcome {
        ReversalOutcome::Reversed => DONE,
        ReversalOutcome::Failed => FAILED,
        ReversalOutcome::Refused => REFUSED,
    })
}

/// An engine that was just started has to hear from the old primary that it is fenced. Whatever is known at the limit decides.
async fn wait_until_seen(session: &Session, pair: &PairName) {
    let seen = |snapshot: &Snapshot| {
        let view = snapshot.pairs.iter().find(|p| &p.name == pair);
        snapshot.ready && view.is_none_or(|view| view.clusters.iter().all(|cluster| cluster.agent_answers))
    };
    let mut snapshots = session.handle.snapshots();
    let settled = snapshots.wait_for(|snapshot| seen(snapshot));
    drop(tokio::time::timeout((session.watch.interval + session.watch.time_limit) * 2, settled).await);
}

/// An engine that was just started has to watch for a while before silence counts as a fault; a healthy primary is known at once.
async fn wait_for_evidence(session: &Session, pair: &PairName) {
    let settings = session.watch;
    let limit = settings.fault_after + (settings.interval + settings.time_limit) * (settings.failures + 1);
    let mut snapshots = session.handle.snapshots();
    if !is_settled(&session.handle.snapshot(), pair) {
        aside(format_args!("watching the primary, for up to {} s, before its silence counts as a fault", limit.as_secs()));
    }
    let settled = snapshots.wait_for(|snapshot| is_settled(snapshot, pair));
    // Whatever is known then decides; the engine says why when that is not enough.
    drop(tokio::time::timeout(limit + Duration::from_secs(1), settled).await);
}

/// The primary is healthy, or a person may decide, or there is no such pair or nothing left to wait for.
fn is_settled(snapshot: &Snapshot, pair: &PairName) -> bool {
    let Some(view) = snapshot.pairs.iter().find(|p| &p.name == pair) else { return true };
    let decidable = view.fault.as_ref().is_some_and(|f| f.can_adjust);
    let healthy = view.clusters.first().is_some_and(|primary| primary.health == Health::Healthy);
    // It will be refused, and no evidence changes that.
    let held = snapshot.observing || view.maintenance.is_some();
    snapshot.ready && (decidable || healthy || held || !view.conflict.is_empty())
}

/// Who decides, as the host knows them.
pub(super) fn person() -> String {
    let name = ["USER", "LOGNAME"].iter().find_map(|key| std::env::var(key).ok()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("user {}", rustix::process::getuid().as_raw()))
}
