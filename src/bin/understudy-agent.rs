//! The agent program: wiring only.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Local, Utc};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use understudy::agent::clock::HostClock;
use understudy::agent::config::AgentConfig;
use understudy::agent::jobs::{ThawGuard, thaw_after};
use understudy::agent::{CODE_MINUTES, check, issue_code, ledger_path, serve_guarded};
use understudy::domain::{PairName, PointId, Trouble, TroubleKind};
use understudy::protocol::tls::{OwnKey, install_provider};
use understudy::store::agent::{CodePurpose, Ledger};
use understudy::terminal;

/// The agent beside a cluster: the only program that touches it.
#[derive(Parser)]
#[command(name = "understudy-agent", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until it is told to stop (SIGTERM or Ctrl-C).
    Serve(ConfigArg),
    /// Prints a single-use code with which a controller enrols here; works while the agent serves.
    Enrol(ConfigArg),
    /// Prints a single-use code with which a new controller takes over the pairs that are here; the former one loses them.
    Adopt(ConfigArg),
    /// Looks at configuration, components, rights and space.
    Check(ConfigArg),
    /// Confirms, as the person on this host, that the identity of this agent in a pair is the right one.
    Confirm {
        /// The pair.
        pair: PairName,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Thaws what is still frozen for a point when its limit is reached; started by the agent itself.
    #[command(hide = true)]
    ThawAfter {
        /// The agent's ledger.
        ledger: PathBuf,
        /// The point.
        point: PointId,
    },
}

#[derive(clap::Args)]
struct ConfigArg {
    /// The agent's configuration.
    #[arg(long, default_value = "agent.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    terminal::log::init("info");
    install_provider();
    let done = match &args.command {
        Command::Serve(arg) => run_serve(arg),
        Command::Enrol(arg) => print_code(arg, CodePurpose::Enrol),
        Command::Adopt(arg) => print_code(arg, CodePurpose::Adopt),
        Command::Check(arg) => run_check(arg),
        Command::Confirm { pair, config } => confirm(config, pair),
        Command::ThawAfter { ledger, point } => run_thaw_after(ledger, *point),
    };
    match done {
        Ok(code) => code,
        Err(trouble) => {
            terminal::aside(format_args!("understudy-agent: {trouble}"));
            ExitCode::from(match trouble.kind {
                TroubleKind::Invalid => 2,
                TroubleKind::Refused | TroubleKind::Outdated => 3,
                _ => 1,
            })
        }
    }
}

fn read(arg: &ConfigArg) -> Result<AgentConfig, Trouble> {
    AgentConfig::read(&arg.config)
}

#[tokio::main]
async fn run_serve(arg: &ConfigArg) -> Result<ExitCode, Trouble> {
    let failed = |e: std::io::Error| Trouble::new(TroubleKind::Failed, "signals", e);
    let mut terminated = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(failed)?;
    let config = read(arg)?;
    let program = std::env::current_exe().map_err(|e| Trouble::new(TroubleKind::Failed, "understudy-agent", e))?;
    let guard = ThawGuard { program, arguments: vec!["thaw-after".into(), ledger_path(&config.state).into()] };
    let agent = serve_guarded(config, Arc::new(HostClock), Some(guard)).await?;
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("stopping");
    agent.stop().await;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main(flavor = "current_thread")]
async fn run_thaw_after(ledger: &Path, point: PointId) -> Result<ExitCode, Trouble> {
    thaw_after(ledger, point).await?;
    Ok(ExitCode::SUCCESS)
}

/// The code alone on the first line of standard output; everything else for people, on standard error.
fn print_code(arg: &ConfigArg, purpose: CodePurpose) -> Result<ExitCode, Trouble> {
    let config = read(arg)?;
    config.prepare_state()?;
    let now = Utc::now();
    let own = OwnKey::load_or_create(&config.state, config.name.as_str(), now)?;
    let (code, expires_at) = issue_code(&config.state, purpose, now)?;
    terminal::line(code.reveal())?;
    let until: DateTime<Local> = expires_at.into();
    terminal::aside(format_args!("single use, valid {CODE_MINUTES} minutes, until {}", until.format("%H:%M:%S")));
    terminal::aside(format_args!("agent {} at {}", config.name, config.listen));
    terminal::aside(format_args!("fingerprint {}", own.fingerprint()));
    if purpose == CodePurpose::Adopt {
        terminal::aside("the controller that enrols with it takes over the pairs of this agent; the former one loses them");
    }
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn run_check(arg: &ConfigArg) -> Result<ExitCode, Trouble> {
    let config = read(arg)?;
    let lines = check(&config).await;
    for line in &lines {
        terminal::line(format_args!("{} {}", if line.well { "ok  " } else { "FAIL" }, line.text))?;
    }
    Ok(if lines.iter().all(|line| line.well) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn confirm(arg: &ConfigArg, pair: &PairName) -> Result<ExitCode, Trouble> {
    let config = read(arg)?;
    let path = ledger_path(&config.state);
    if !path.exists() {
        return Err(Trouble::new(TroubleKind::NotFound, path.display(), "this agent has never served").next("check `state` in agent.toml"));
    }
    let ledger = Ledger::open(&path)?;
    let facts = ledger.member(pair)?;
    if let Some(conflict) = facts.conflict {
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), conflict)
            .next("decide at the controller which cluster is primary; that makes a new epoch"));
    }
    ledger.confirm(pair)?;
    terminal::line(format_args!("{}: confirmed as {} at epoch {}", pair, facts.claim.identity, facts.claim.epoch))?;
    Ok(ExitCode::SUCCESS)
}
