//! A site's own process: the real agent beside the site's data, and the application's order desk.
//!
//! The lab starts it as `understudy lab-site`, speaks to it in lines of JSON ([`Ask`] on its standard input, [`Tell`] on its
//! standard output), and kills, stops and starves it from outside. It dies with the lab.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::desk::{self, DataPlace};
use crate::agent::clock::Clock;
use crate::agent::config::AgentConfig;
use crate::agent::{issue_code, serve};
use crate::domain::{Trouble, TroubleKind};
use crate::store::agent::CodePurpose;

/// SIGXFSZ on Linux: what a write beyond the file size limit raises. Handled, the write fails with EFBIG instead of killing us.
const SIGXFSZ: i32 = 25;

/// `understudy lab-site`: started by the training lab, not by people.
#[derive(Debug, Clone, clap::Args)]
pub struct SiteArgs {
    /// The site's folder; holds `agent.toml`, the agent's state and the data.
    #[arg(long)]
    pub dir: PathBuf,
    /// Where the order desk listens.
    #[arg(long)]
    pub desk: SocketAddr,
    /// The lab's process id; when that process is gone, so is this one.
    #[arg(long)]
    pub parent: i32,
}

/// What the lab asks of a site's process, one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ask {
    /// Make an enrolment code.
    EnrolmentCode,
    /// Set the site's clock off by so many seconds.
    SetClockOff(i64),
}

/// What it tells, one JSON object a line. Not `Debug`: a code is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tell {
    /// The agent serves, and so does the desk.
    Serving,
    /// A single-use enrolment code.
    EnrolmentCode(String),
    /// The clock is stepped.
    Stepped,
    /// It could not be done.
    Trouble(Trouble),
}

/// The host's clock, off by what the lab says.
#[derive(Debug, Default)]
pub struct SteppableClock {
    secs: AtomicI64,
}

impl Clock for SteppableClock {
    fn now(&self) -> DateTime<Utc> {
        let now = Utc::now();
        TimeDelta::try_seconds(self.secs.load(Ordering::Relaxed)).and_then(|step| now.checked_add_signed(step)).unwrap_or(now)
    }
}

/// Runs a site until the lab closes its standard input or dies.
pub fn main(args: &SiteArgs) -> ExitCode {
    if let Err(trouble) = die_with(args.parent).and_then(|()| run(args)) {
        tell(&Tell::Trouble(trouble));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Ties this process to the lab's: also when the lab is killed, no site stays behind.
fn die_with(parent: i32) -> Result<(), Trouble> {
    let trouble = |e: &dyn std::fmt::Display| Trouble::new(TroubleKind::Failed, "lab site", e);
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(|e| trouble(&e))?;
    // It may have died before the line above.
    match rustix::process::getppid() {
        Some(now) if now.as_raw_pid() == parent => Ok(()),
        _ => Err(trouble(&"the lab that started this site is gone")),
    }
}

#[tokio::main(worker_threads = 2)]
async fn run(args: &SiteArgs) -> Result<(), Trouble> {
    let trouble = |e: &dyn std::fmt::Display| Trouble::new(TroubleKind::Failed, "lab site", e);
    let mut full = signal(SignalKind::from_raw(SIGXFSZ)).map_err(|e| trouble(&e))?;
    tokio::spawn(async move { while full.recv().await.is_some() {} });
    let asks = asks().map_err(|e| trouble(&e))?;
    let clock = Arc::new(SteppableClock::default());
    let desk = desk::router(DataPlace::of_site(&args.dir)).map_err(|e| trouble(&e))?;
    let config = AgentConfig::read(&args.dir.join("agent.toml"))?;
    let state = config.state.clone();
    let agent = serve(config, clock.clone()).await?;
    let listener = tokio::net::TcpListener::bind(args.desk).await.map_err(|e| trouble(&format!("order desk at {}: {e}", args.desk)))?;
    tell(&Tell::Serving);
    let ended = tokio::select! {
        ended = axum::serve(listener, desk) => ended.map_err(|e| trouble(&e)),
        () = answer(asks, &clock, &state) => Ok(()),
    };
    agent.stop().await;
    ended
}

/// What the lab asks, read on a thread of its own; ends when the lab closes the line.
fn asks() -> std::io::Result<mpsc::Receiver<String>> {
    let (heard, asks) = mpsc::channel(16);
    std::thread::Builder::new().name("lab-asks".into()).spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if heard.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(asks)
}

/// Answers the lab until it closes the line.
async fn answer(mut asks: mpsc::Receiver<String>, clock: &SteppableClock, state: &Path) {
    while let Some(line) = asks.recv().await {
        tell(&match serde_json::from_str(&line) {
            Ok(Ask::SetClockOff(secs)) => {
                clock.secs.store(secs, Ordering::Relaxed);
                Tell::Stepped
            }
            Ok(Ask::EnrolmentCode) => match issue_code(state, CodePurpose::Enrol, clock.now()) {
                Ok((code, _)) => Tell::EnrolmentCode(code.reveal().to_owned()),
                Err(trouble) => Tell::Trouble(trouble),
            },
            Err(error) => Tell::Trouble(Trouble::new(TroubleKind::Invalid, "lab site", error)),
        });
    }
}

/// One line to the lab. If nobody reads it any more, the process is about to be killed.
fn tell(what: &Tell) {
    use std::io::Write;
    if let Ok(line) = serde_json::to_string(what) {
        let mut out = std::io::stdout().lock();
        drop(writeln!(out, "{line}").and_then(|()| out.flush()));
    }
}
