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
use understudy::store::agent::{CodePurpose, CutOff, Ledger};
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
    /// Prints a single-use code with which a new controller takes over the pairs that are here; every other one is cut off.
    Adopt(ConfigArg),
    /// Lists the keys of the controllers that this agent obeys, and those that were cut off.
    Controllers(ConfigArg),
    /// Cuts a controller's key off, at once and for good; works while the agent serves.
    Revoke {
        /// The key, or its first 8 digits or more, as `controllers` lists it.
        key: String,
        #[command(flatten)]
        config: ConfigArg,
    },
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
        Command::Controllers(arg) => controllers(arg),
        Command::Revoke { key, config } => revoke(config, key),
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
        terminal::aside("the controller that enrols with it takes over the pairs of this agent; every other one is cut off");
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

/// The ledger of an agent that has served before.
fn ledger(arg: &ConfigArg) -> Result<Ledger, Trouble> {
    let path = ledger_path(&read(arg)?.state);
    if !path.exists() {
        return Err(Trouble::new(TroubleKind::NotFound, path.display(), "this agent has never served").next("check `state` in agent.toml"));
    }
    Ledger::open(&path)
}

fn controllers(arg: &ConfigArg) -> Result<ExitCode, Trouble> {
    let ledger = ledger(arg)?;
    let local = |at: DateTime<Utc>| DateTime::<Local>::from(at).format("%Y-%m-%d %H:%M:%S").to_string();
    let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
    let enrolled = ledger.controllers()?;
    if enrolled.is_empty() {
        terminal::line("no controller is enrolled here")?;
    }
    for record in enrolled {
        let pairs = record.pairs.iter().map(PairName::as_str).collect::<Vec<_>>().join(", ");
        terminal::line(&record.key)?;
        terminal::line(format!("  name       {}", or(&record.name, "unknown")))?;
        terminal::line(format!("  commands   {}", or(&pairs, "no pair")))?;
        terminal::line(format!("  enrolled   {} from {}", local(record.enrolled_at), or(&record.address, "an unknown address")))?;
        terminal::line(format!("  last seen  {}", record.seen_at.map_or("not known".to_owned(), local)))?;
        if let Some(until) = record.may_join_until.filter(|until| *until > Utc::now()) {
            terminal::line(format!("  may pair   until {}", local(until)))?;
        }
    }
    for former in ledger.former_controllers()? {
        let how = match former.why {
            CutOff::Adopted => "another controller took over",
            CutOff::Revoked => "revoked",
        };
        terminal::line(&former.key)?;
        terminal::line(format!("  name       {}", or(&former.name, "unknown")))?;
        terminal::line(format!("  cut off    {}: {how}", local(former.cut_off_at)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke(arg: &ConfigArg, key: &str) -> Result<ExitCode, Trouble> {
    let revoked = ledger(arg)?.revoke(key, Utc::now())?;
    terminal::line(format!("{} is cut off", revoked.key))?;
    for pair in &revoked.orphaned {
        terminal::aside(format!(
            "pair {pair} is commanded by nobody here now: run `understudy-agent adopt` and take over from a console with its code"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn confirm(arg: &ConfigArg, pair: &PairName) -> Result<ExitCode, Trouble> {
    let ledger = ledger(arg)?;
    let facts = ledger.member(pair)?;
    if let Some(conflict) = facts.conflict {
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), conflict)
            .next("decide at the controller which cluster is primary; that makes a new epoch"));
    }
    ledger.confirm(pair)?;
    terminal::line(format_args!("{}: confirmed as {} at epoch {}", pair, facts.claim.identity, facts.claim.epoch))?;
    Ok(ExitCode::SUCCESS)
}
