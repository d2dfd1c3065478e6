//! Freeze and thaw hooks: a command on this host, without a shell, or an HTTP POST from here.

use std::process::Stdio;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::domain::{Hook, PointId, ServiceName, Trouble, TroubleKind};

/// What is kept of a command's output, for the trouble it may end in.
const MAX_OUTPUT_BYTES: usize = 4 << 10;

/// What a hook is told: as `UNDERSTUDY_…` variables, or as the POST's JSON body.
#[derive(Debug, Clone, Serialize)]
pub struct HookCall {
    /// `freeze` or `thaw`.
    pub event: &'static str,
    /// The service.
    pub service: ServiceName,
    /// The point being captured.
    pub point: PointId,
    /// Freeze: the service must go on by itself after so many seconds, should we die meanwhile.
    pub limit_secs: u32,
}

/// Runs a hook; its end within the limit with exit status 0, or a 2xx answer, is success.
pub async fn call(hook: &Hook, call: &HookCall) -> Result<(), Trouble> {
    let limit = Duration::from_secs(u64::from(hook.limit_secs.max(1)));
    let object = format!("{} hook of {}", call.event, call.service);
    let late = || Trouble::new(TroubleKind::Unreachable, &object, format!("it did not end within {} s", limit.as_secs()));
    let work = async {
        match (&hook.command, &hook.url) {
            (Some(command), None) => run_command(command, call, &object).await,
            (None, Some(url)) => post(url, call, limit, &object).await,
            _ => Err(Trouble::new(TroubleKind::Invalid, &object, "it must have a command or a URL, and not both")),
        }
    };
    tokio::time::timeout(limit, work).await.map_err(|_| late())?
}

async fn run_command(command: &[String], call: &HookCall, object: &str) -> Result<(), Trouble> {
    let failed =
        |reason: String| Trouble::new(TroubleKind::Failed, object, reason).next("run the command by hand on the primary agent's host");
    let [program, arguments @ ..] = command else {
        return Err(Trouble::new(TroubleKind::Invalid, object, "its command is empty"));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env("UNDERSTUDY_EVENT", call.event)
        .env("UNDERSTUDY_SERVICE", call.service.as_str())
        .env("UNDERSTUDY_POINT", call.point.to_string())
        .env("UNDERSTUDY_LIMIT_SECS", call.limit_secs.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("{program} cannot be started: {e}")))?;
    let said = async {
        match child.stderr.take() {
            Some(stderr) => first_of(stderr).await,
            None => String::new(),
        }
    };
    let said = said.await;
    let status = child.wait().await.map_err(|e| failed(format!("{program}: {e}")))?;
    if status.success() { Ok(()) } else { Err(failed(format!("{program} ended with {status}: {}", said.trim()))) }
}

/// The first of what a command says; the rest is read too, so that it never waits for us.
pub(super) async fn first_of(mut output: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut portion = [0; 1024];
    while let Ok(read @ 1..) = output.read(&mut portion).await {
        kept.extend_from_slice(&portion[..read.min(MAX_OUTPUT_BYTES - kept.len())]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

async fn post(url: &str, call: &HookCall, limit: Duration, object: &str) -> Result<(), Trouble> {
    let failed = |e: reqwest::Error| Trouble::new(TroubleKind::Unreachable, object, e.without_url()).next("look at the hook's server");
    let client = reqwest::Client::builder().no_proxy().timeout(limit).build().map_err(failed)?;
    let response = client.post(url).json(call).send().await.map_err(failed)?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(Trouble::new(TroubleKind::Failed, object, format!("it answered {status}"))) }
}
