//! `understudy lab`: a scenario of the training lab without a window.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::folder::Folder;
use super::scenario::{self, LabOutcome, LabReport};
use super::stage::{Stage, this_program};
use crate::controller::fn_waker::Waker;
use crate::domain::{Consistency, Trouble, TroubleKind};
use crate::terminal;

/// Options of `understudy lab`.
#[derive(Debug, Clone, Args)]
pub struct LabArgs {
    /// The scripted exercise.
    #[arg(long, value_enum, default_value_t = ScenarioArg::SiteLoss)]
    pub scenario: ScenarioArg,
    /// Capture the whole service at one moment, or each component at its own time as older systems do.
    #[arg(long, value_enum, default_value_t = ConsistencyArg::Service)]
    pub consistency: ConsistencyArg,
    /// Write the report there, as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print the report on standard output, as one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Use this folder (new or empty) and keep it; otherwise a temporary one that goes afterwards.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// A scenario, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScenarioArg {
    /// The primary site goes dark.
    SiteLoss,
}

/// How data sets are captured, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConsistencyArg {
    /// All at one moment.
    Service,
    /// Each component at its own time.
    PerComponent,
}

/// Runs it; the exit status says whether every check held (0), one did not or the lab failed (1), or the folder is no good (2).
pub async fn cli(args: LabArgs) -> ExitCode {
    let report = match run(&args).await {
        Ok(report) => report,
        Err(trouble) => {
            terminal::aside(format_args!("understudy lab: {trouble}"));
            return ExitCode::from(if trouble.kind == TroubleKind::Invalid { 2 } else { 1 });
        }
    };
    for check in &report.checks {
        terminal::aside(format_args!("{} {}: {}", if check.held == Some(true) { "held  " } else { "BROKEN" }, check.name, check.detail));
    }
    ExitCode::from(u8::from(report.outcome != LabOutcome::Held))
}

async fn run(args: &LabArgs) -> Result<LabReport, Trouble> {
    let folder = Folder::choose(args.dir.clone())?;
    let told = play(args, folder.path()).await;
    folder.remove().await;
    let report = told?;
    let text = serde_json::to_string_pretty(&report).map_err(|e| Trouble::new(TroubleKind::Failed, "report", e))?;
    if let Some(file) = &args.report {
        std::fs::write(file, format!("{text}\n")).map_err(|e| Trouble::new(TroubleKind::Failed, file.display(), e))?;
    }
    if args.json {
        terminal::json(&text)?;
    }
    Ok(report)
}

async fn play(args: &LabArgs, root: &Path) -> Result<LabReport, Trouble> {
    let mut stage = Stage::build(&root.join("lab"), &this_program()?, Waker::default()).await?;
    let consistency = match args.consistency {
        ConsistencyArg::Service => Consistency::Service,
        ConsistencyArg::PerComponent => Consistency::PerComponent,
    };
    let say = |doing: &str| terminal::aside(format_args!("lab: {doing}"));
    let told = tokio::select! {
        told = scenario::site_loss(&mut stage, consistency, &say) => told,
        _ = tokio::signal::ctrl_c() => Err(Trouble::new(TroubleKind::Cancelled, "training lab", "interrupted")),
    };
    for site in [&mut stage.east, &mut stage.west] {
        site.power_off().await?;
    }
    told
}
