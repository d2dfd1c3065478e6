//! The command line: each subcommand asks the engine, in this process or, where one already holds the state directory, over its socket.
//!
//! Exit status: 0 done, 1 failed, 2 wrong use, 3 refused (with why). Progress goes to standard error, results to standard output.

mod adjust;
mod args;
mod drill;
mod maintenance;
mod output;
mod removal;
mod restore;
mod run;
mod session;
mod simple;
#[cfg(feature = "console")]
mod window;

use std::process::ExitCode;

use clap::Parser;

use crate::controller::Command as Verbs;
use crate::domain::{Trouble, TroubleKind};
use crate::terminal;

use args::{Args, Command};
use session::Session;

/// Done.
const DONE: u8 = 0;
/// It was tried, and failed.
const FAILED: u8 = 1;
/// It was asked for in a way that cannot work.
const WRONG_USE: u8 = 2;
/// A rule forbids it now.
const REFUSED: u8 = 3;

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let args = Args::parse();
    terminal::log::init(if matches!(args.command, Some(Command::Engine { .. })) { "info" } else { "error" });
    crate::protocol::tls::install_provider();
    crate::protocol::serve::descriptors::raise();
    match carry_out(args) {
        Ok(code) => code,
        Err(trouble) => ExitCode::from(fail(&trouble)),
    }
}

fn carry_out(args: Args) -> Result<ExitCode, Trouble> {
    let state = session::state_dir(args.state.clone())?;
    let Some(command) = args.command else {
        return open_console(state, args.lab);
    };
    match command {
        // The lab's sites bring their own runtime.
        #[cfg(feature = "lab")]
        Command::LabSite(site) => Ok(crate::lab::site::main(&site)),
        #[cfg(feature = "console")]
        Command::Screenshots { out } => crate::console::screenshots(&out).map(|()| ExitCode::SUCCESS),
        command => runtime()?.block_on(with_runtime(command, state, args.json)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Trouble> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|e| Trouble::new(TroubleKind::Failed, "understudy", format!("its runtime cannot be started: {e}")))
}

async fn with_runtime(command: Command, state: std::path::PathBuf, json: bool) -> Result<ExitCode, Trouble> {
    match command {
        #[cfg(feature = "lab")]
        Command::Lab(mut lab) => {
            lab.json |= json;
            return Ok(crate::lab::cli(lab).await);
        }
        Command::Engine { route } => return simple::engine(state, route).await.map(ExitCode::from),
        _ => {}
    }
    let session = Session::open(&state).await?;
    let done = ask(command, &session, json).await;
    session.close().await;
    done.map(ExitCode::from)
}

async fn ask(command: Command, session: &Session, json: bool) -> Result<u8, Trouble> {
    match command {
        Command::Run { service, at } => run::run(session, service, at, json).await,
        Command::Abandon { run, confirm } => run::abandon(session, run, confirm, json).await,
        Command::AdjustIdentity { pair, to, confirm, planned, hold, declare, points, report } => {
            let points = points.into_iter().collect();
            adjust::adjust(session, adjust::Ask { pair, to, confirm, planned, hold, declare, points, report, json }).await
        }
        Command::CommitPromotion { pair, confirm, report } => {
            let by = adjust::person();
            adjust::window(session, |pair| Verbs::CommitPromotion { pair, confirm, generation: None, by }, pair, report, json).await
        }
        Command::TakeBack { pair, confirm, report } => {
            let by = adjust::person();
            adjust::window(session, |pair| Verbs::TakeBack { pair, confirm, generation: None, by }, pair, report, json).await
        }
        Command::Runbook { pair, verb } => adjust::runbook(session, pair, verb.into(), json).await,
        Command::Drill { service, point, report } => drill::drill(session, drill::Ask { service, point, report, json }).await,
        Command::Drills { service, limit } => drill::list(session, service, limit, json).await,
        Command::SignOff { drill, remark } => drill::sign_off(session, drill, remark, json).await,
        Command::Maintenance { pair, length, reason, pause_runs, end } => {
            let asked = length.map(|length| maintenance::request(length, reason.unwrap_or_default(), pause_runs));
            maintenance::maintenance(session, pair, asked, end, json).await
        }
        Command::Restore { point, data_set, to, only, at } => {
            restore::restore(session, restore::Ask { point, data_set, place: to, only, at }, json).await
        }
        Command::ReverseReplication { pair, confirm, report } => adjust::reverse(session, pair, confirm, report, json).await,
        other => simple::ask(session, other, json).await,
    }
}

/// Says what failed, on which object, why, and what to do next; the exit status by the sort of trouble.
fn fail(trouble: &Trouble) -> u8 {
    terminal::trouble("understudy", trouble);
    status_of(trouble)
}

fn status_of(trouble: &Trouble) -> u8 {
    match trouble.kind {
        TroubleKind::Invalid | TroubleKind::NotFound => WRONG_USE,
        TroubleKind::Refused | TroubleKind::Outdated => REFUSED,
        _ => FAILED,
    }
}

#[cfg(feature = "console")]
fn open_console(state: std::path::PathBuf, lab: bool) -> Result<ExitCode, Trouble> {
    window::open(state, lab).map(|()| ExitCode::SUCCESS)
}

#[cfg(not(feature = "console"))]
fn open_console(_state: std::path::PathBuf, _lab: bool) -> Result<ExitCode, Trouble> {
    Err(Trouble::new(TroubleKind::Invalid, "understudy", "this build has no window").next("give a subcommand; see `understudy --help`"))
}

#[cfg(test)]
mod tests;
