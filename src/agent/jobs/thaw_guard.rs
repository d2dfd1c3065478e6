//! The thaw that does not depend on the agent: a process of its own, started before the writers are held, that lets them go at the
//! limit whatever became of the agent.
//!
//! ```text
//! agent:  note the freeze in the ledger → guard: "ready" → freeze hook … captures … thaw hook → forget the freeze → close the guard's input
//! guard:  input closed, freeze forgotten → ends · limit reached, freeze still in the ledger → thaw hook → forget the freeze
//! ```
//! The ledger says whether there is anything left to thaw, so that a guard never thaws what an agent that started again, or a later
//! freeze, took over. (A service manager that kills the whole group kills the guard too: then the agent's next start thaws.)

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::freeze;
use crate::domain::{PointId, Service, Trouble, TroubleKind};
use crate::store::agent::Ledger;

/// What a guard says when it has read the freeze.
const READY: &str = "ready";
/// How long it may take until then.
const READY_LIMIT: Duration = Duration::from_secs(5);
/// How long its end is waited for.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How a guard is started: a program that ends in [`thaw_after`], and its arguments before the point.
#[derive(Debug, Clone)]
pub struct ThawGuard {
    /// The program.
    pub program: PathBuf,
    /// Its arguments; the point's id follows.
    pub arguments: Vec<OsString>,
}

/// A guard at work.
pub(super) struct Guarding {
    child: Child,
    input: Option<ChildStdin>,
}

impl ThawGuard {
    /// Starts one for a freeze that is in the ledger; returns when it has read it.
    pub(super) async fn start(&self, point: PointId) -> Result<Guarding, Trouble> {
        let failed = |reason: String| {
            Trouble::new(TroubleKind::Failed, "thaw guard", format!("it cannot be started, so nothing is frozen: {reason}"))
                .next("see the agent's log")
        };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(point.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What ends the agent by its group must not end its guard.
            .process_group(0)
            .spawn()
            .map_err(|e| failed(e.to_string()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| failed("it has no output".into()))?;
        let said = tokio::time::timeout(READY_LIMIT, BufReader::new(output).lines().next_line()).await;
        match said {
            Ok(Ok(Some(line))) if line == READY => Ok(Guarding { child, input }),
            Ok(_) => Err(failed("it ended at once".into())),
            Err(_) => Err(failed("it does not get ready".into())),
        }
    }
}

impl Guarding {
    /// Lets it go after the thaw: it looks into the ledger once more and ends.
    pub async fn end(mut self) {
        drop(self.input.take());
        if tokio::time::timeout(END_LIMIT, self.child.wait()).await.is_err() {
            tracing::warn!("a thaw guard has not ended yet; it ends at its limit");
        }
    }
}

/// The guard's whole life, in its own process: waits for the freeze's end, and thaws at the limit what nobody has thawed.
pub async fn thaw_after(ledger: &Path, point: PointId) -> Result<(), Trouble> {
    let ledger = Ledger::open(ledger)?;
    let Some(service) = frozen(&ledger, point)? else { return Ok(()) };
    let limit = service.freeze.as_ref().map_or(1, |hook| hook.limit_secs.max(1));
    let until = Instant::now() + Duration::from_secs(u64::from(limit));
    let trouble = |e: std::io::Error| Trouble::new(TroubleKind::Failed, "thaw guard", e);
    let mut output = std::io::stdout();
    writeln!(output, "{READY}").and_then(|()| output.flush()).map_err(trouble)?;
    if tokio::time::timeout_at(until, input_closed().map_err(trouble)?).await.is_ok() {
        if frozen(&ledger, point)?.is_none() {
            return Ok(());
        }
        // The agent is gone. Its freeze hook may still be at work: only at the limit is it certain to be over.
        tracing::warn!(service = %service.name, "the agent ended with the writers held; they are let go at the limit");
        tokio::time::sleep_until(until).await;
    }
    if frozen(&ledger, point)?.is_some() {
        tracing::warn!(service = %service.name, %point, "the freeze reached its limit, thawing");
        freeze::thaw(&ledger, &service, point).await?;
    }
    Ok(())
}

/// Comes when the agent has closed our input, or is gone. Read on a thread of its own, which ends with this process.
fn input_closed() -> std::io::Result<oneshot::Receiver<()>> {
    let (closed, told) = oneshot::channel();
    std::thread::Builder::new().name("input".into()).spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).for_each(drop);
        // Nobody waits for it any more once the limit is reached.
        closed.send(()).ok();
    })?;
    Ok(told)
}

/// The service whose freeze for a point nobody is known to have lifted.
fn frozen(ledger: &Ledger, point: PointId) -> Result<Option<Service>, Trouble> {
    Ok(ledger.freezes()?.into_iter().find(|(of, _)| *of == point).map(|(_, service)| service))
}
