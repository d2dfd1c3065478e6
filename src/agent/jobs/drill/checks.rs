//! The owner's checks on what a drill brought up: a command on this host without a shell, an HTTP call from here, a query.
//!
//! Each has its time limit and a bounded evidence. One that does not hold does not keep the next from being made.

use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::{beating, refuse_stopped};
use crate::agent::jobs::Job;
use crate::agent::jobs::gate::Gate;
use crate::agent::jobs::hooks::first_of;
use crate::domain::Trouble;
use crate::domain::drill::check::{CheckEnd, CheckResult, DrillCheck, DrillPlace, Kind, variables};
use crate::protocol::DrillOrder;

/// Characters of evidence kept of a check.
const EVIDENCE: usize = 1_000;

/// Makes all of them, in order. An end that was asked for stops them.
pub(super) async fn make(job: &Job, gate: &Gate, order: &DrillOrder, places: &[DrillPlace]) -> Result<Vec<CheckResult>, Trouble> {
    let mut results = Vec::new();
    for check in &order.checks {
        refuse_stopped(job, gate, order.drill)?;
        let doing = format!("check {:?}", check.name);
        let work = beating(job, &doing, one(job, order, places, check));
        tokio::select! {
            result = work => results.push(result),
            () = gate.closed.cancelled() => {}
            () = job.cancel.cancelled() => {}
        }
    }
    refuse_stopped(job, gate, order.drill)?;
    Ok(results)
}

async fn one(job: &Job, order: &DrillOrder, places: &[DrillPlace], check: &DrillCheck) -> CheckResult {
    let began = Instant::now();
    let limit = Duration::from_secs(u64::from(check.limit_secs));
    let found = match check.kind() {
        Ok(Kind::Command { program, arguments }) => command(order, places, program, arguments, limit).await,
        Ok(Kind::Http { url, status }) => http(url, status, limit).await,
        Ok(Kind::Sql { query, on, expect }) => match job.site.component(on) {
            Ok(component) => match component.ask_rehearsal(order.drill, query, limit).await {
                Ok(answer) if answer == expect => Ok(format!("it answered {answer:?}")),
                Ok(answer) => Err(format!("it answered {answer:?} instead of {expect:?}")),
                Err(trouble) => Err(trouble.to_string()),
            },
            Err(trouble) => Err(trouble.to_string()),
        },
        Err(reason) => Err(reason.to_owned()),
    };
    let (state, evidence) = match found {
        Ok(evidence) => (CheckEnd::Passed, evidence),
        Err(evidence) => (CheckEnd::Failed, evidence),
    };
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    CheckResult { name: check.name.clone(), state, evidence: evidence.chars().take(EVIDENCE).collect(), took_ms }
}

async fn command(
    order: &DrillOrder,
    places: &[DrillPlace],
    program: &str,
    arguments: &[String],
    limit: Duration,
) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .envs(variables(places))
        .env("UNDERSTUDY_DRILL", order.drill.to_string())
        .env("UNDERSTUDY_SERVICE", order.service.as_str())
        .env("UNDERSTUDY_POINT", order.point.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("{program} cannot be started: {e}"))?;
    let group = Group(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let said = async {
        let out = async { if let Some(out) = out { first_of(out).await } else { String::new() } };
        let err = async { if let Some(err) = err { first_of(err).await } else { String::new() } };
        let (out, err) = tokio::join!(out, err);
        (child.wait().await, format!("{} {}", out.trim(), err.trim()).trim().to_owned())
    };
    let (status, said) =
        tokio::time::timeout(limit, said).await.map_err(|_| format!("{program} did not end within {} s", limit.as_secs()))?;
    drop(group);
    let words = if said.is_empty() { "it said nothing".to_owned() } else { format!("it said: {said}") };
    match status {
        Ok(status) if status.success() => Ok(format!("{program} ended with status 0; {words}")),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Err(format!("{program} ended with status {code}; {words}")),
            (None, signal) => Err(format!("{program} was ended by signal {}; {words}", signal.unwrap_or_default())),
        },
        Err(e) => Err(format!("{program}: {e}")),
    }
}

/// The processes that a command started: what is left of them goes with it, so that nothing holds the drill's space.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(leader) = leader
            && let Err(error) = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL)
        {
            tracing::debug!(%error, "usually there is nobody left");
        }
    }
}

async fn http(url: &str, wanted: u16, limit: Duration) -> Result<String, String> {
    // Without the URL, which may hold a secret.
    let failed = |e: reqwest::Error| format!("no answer: {}", e.without_url());
    let client =
        reqwest::Client::builder().no_proxy().timeout(limit).redirect(reqwest::redirect::Policy::none()).build().map_err(failed)?;
    let status = client.get(url).send().await.map_err(failed)?.status();
    if status.as_u16() == wanted { Ok(format!("it answered {status}")) } else { Err(format!("it answered {status} instead of {wanted}")) }
}
