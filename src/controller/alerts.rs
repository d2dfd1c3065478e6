//! The alert hook: a command or a webhook that is told of a fault, a missed moment, an RPO missed.
//!
//! ```toml
//! # STATE/engine.toml, beside the settings of the watch
//! [alert]
//! command = ["/usr/local/bin/page", "--team", "dr"]    # the alert as JSON on its standard input
//! url = "https://alerts.example/understudy"            # or a POST of the same JSON
//! ```

use std::process::Stdio;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::domain::shown::shown;

use super::engine::Engine;
use super::snapshot::Level;

/// Attempts to deliver one alert.
const ATTEMPTS: u32 = 3;
/// Time limit of one attempt.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);

/// Who is told. A URL may carry a token: it is never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alerts {
    /// A program and its arguments.
    #[serde(default)]
    command: Option<Vec<String>>,
    /// Where to POST.
    #[serde(default)]
    url: Option<String>,
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AlertKind {
    /// The primary is faulty: a person has to decide.
    Fault,
    /// The cluster that stands by is not well: nothing could take over.
    SecondaryFault,
    /// A cluster is well and unwell by turns.
    Unstable,
    /// A moment of a schedule was missed.
    MissedMoment,
    /// A service is further behind than its RPO target.
    RpoMissed,
    /// A certificate is not renewed.
    Certificate,
    /// A committed point cannot be sealed.
    Stuck,
}

/// What is sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Alert {
    /// What it is about.
    pub alert: AlertKind,
    /// When.
    pub at: DateTime<Utc>,
    /// The pair or service.
    pub about: String,
    /// In words.
    pub text: String,
}

impl Alerts {
    async fn by_command(&self, body: &str) -> Result<(), String> {
        match self.command.as_deref() {
            Some([program, arguments @ ..]) => run(program, arguments, body).await,
            Some([]) | None => Ok(()),
        }
    }

    async fn by_webhook(&self, body: &str) -> Result<(), String> {
        let Some(url) = &self.url else { return Ok(()) };
        let client = reqwest::Client::builder().timeout(ATTEMPT_LIMIT).build().map_err(|e| e.without_url().to_string())?;
        let request = client.post(url).header("content-type", "application/json").body(body.to_owned());
        let reply = request.send().await.map_err(|e| e.without_url().to_string())?;
        if reply.status().is_success() { Ok(()) } else { Err(format!("the webhook answered {}", reply.status())) }
    }
}

async fn run(program: &str, arguments: &[String], body: &str) -> Result<(), String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| format!("{program} could not be started: {e}"))?;
    let told = async {
        if let Some(mut input) = child.stdin.take() {
            // A program that does not read its input is told all the same.
            drop(input.write_all(body.as_bytes()).await);
        }
        child.wait().await
    };
    match tokio::time::timeout(ATTEMPT_LIMIT, told).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{program} ended with {status}")),
        Ok(Err(e)) => Err(format!("{program} failed: {e}")),
        Err(_) => Err(format!("{program} did not end within {} s", ATTEMPT_LIMIT.as_secs())),
    }
}

impl Engine {
    /// Notes an alert and delivers it in the background, a few times at most.
    pub async fn alert(self: &std::sync::Arc<Self>, alert: AlertKind, about: &str, text: &str) {
        let level = if matches!(alert, AlertKind::Fault | AlertKind::SecondaryFault) { Level::Fault } else { Level::Warning };
        self.note(level, about, text).await;
        if self.alerts.command.is_none() && self.alerts.url.is_none() {
            return;
        }
        let told = Alert { alert, at: self.now(), about: shown(about).to_string(), text: shown(text).to_string() };
        let engine = self.clone();
        self.spawn(async move { engine.tell(&told).await });
    }

    /// Each way by itself: who was told by the one is not told again because the other failed.
    async fn tell(&self, alert: &Alert) {
        let body = serde_json::to_string(alert).unwrap_or_default();
        tokio::join!(self.attempts(alert, || self.alerts.by_command(&body)), self.attempts(alert, || self.alerts.by_webhook(&body)));
    }

    async fn attempts<F: Future<Output = Result<(), String>>>(&self, alert: &Alert, deliver: impl Fn() -> F) {
        let mut wait = Duration::from_secs(1);
        for attempt in 1..=ATTEMPTS {
            match deliver().await {
                Ok(()) => return,
                Err(reason) if attempt == ATTEMPTS => {
                    let text = format!("the alert hook failed {ATTEMPTS} times: {reason}");
                    self.note(Level::Warning, alert.about.as_str(), text).await;
                }
                Err(_) => tokio::time::sleep(wait).await,
            }
            wait *= 3;
        }
    }
}
