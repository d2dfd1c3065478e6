//! `understudy lab`: a scenario of the training lab without a window.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

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
pub async fn cli(_args: LabArgs) -> ExitCode {
    unimplemented!("helper: lab")
}
