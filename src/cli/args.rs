//! The arguments, as a person types them.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::{Parser, Subcommand, ValueEnum};

use crate::controller::command::Verb;
use crate::domain::maintenance::parse_length;
use crate::domain::{ClusterName, DataSetName, DrillId, PairName, PointId, RunId, ServiceName};

/// Keeps a second cluster ready to take a service over, all of it as it was at one moment.
#[derive(Debug, Parser)]
#[command(name = "understudy", version)]
pub(super) struct Args {
    /// The engine's state directory.
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Open the console on the training lab.
    #[arg(long)]
    pub lab: bool,
    /// Without one: the console.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do without a window.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Bring in a plan: pairs, services, policies. Applied again it changes nothing.
    Apply {
        /// The plan.
        plan: PathBuf,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the plan that would bring this state about.
    ExportPlan {
        /// There instead of standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// How pairs, clusters and services are.
    Status,
    /// The sealed recovery points of a service, newest first.
    Points {
        /// Which service.
        service: ServiceName,
    },
    /// The runs, newest first.
    Runs {
        /// Of one service only.
        service: Option<ServiceName>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only those that began before this run: the last one of a page leads to the next page.
        #[arg(long, value_name = "RUN")]
        before: Option<RunId>,
    },
    /// Drop the recovery points that a service's policy no longer keeps, at both clusters. The newest one always stays.
    Prune {
        /// Which service.
        service: ServiceName,
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
    },
    /// One backup run; ends when the run does.
    Run {
        /// Which service.
        service: ServiceName,
        /// At this moment, for example 2026-11-21T14:00:00+08:00; otherwise now.
        #[arg(long, value_parser = parse_moment)]
        at: Option<DateTime<Utc>>,
    },
    /// Drop a run that is not committed yet.
    Cancel {
        /// Which run.
        run: RunId,
    },
    /// Give up a committed point that its secondary cannot seal: the live data there goes back to the last sealed point, or is emptied where
    /// there is none.
    Abandon {
        /// Which run's.
        run: RunId,
        /// The name of the service. Without it nothing is given up.
        #[arg(long, value_name = "SERVICE")]
        confirm: Option<String>,
    },
    /// Give a cluster the primary identity: after a fault, or planned.
    AdjustIdentity {
        /// The pair.
        pair: PairName,
        /// The cluster that becomes primary.
        #[arg(long)]
        to: ClusterName,
        /// Its name once more.
        #[arg(long)]
        confirm: String,
        /// Both clusters are well: fence, final run, promote, reverse the replication.
        #[arg(long)]
        planned: bool,
        /// Bring the services up and keep them closed: look at them, then `commit-promotion` or `take-back`.
        #[arg(long)]
        hold: bool,
        /// After a fault: how you know that nobody writes at the old primary, whose fence cannot be read back. Kept in the record.
        #[arg(long, value_name = "TEXT", conflicts_with = "planned")]
        declare: Option<String>,
        /// After a fault: resume this service from an older sealed point (see `points SERVICE`). May be given for several services.
        #[arg(long = "point", value_name = "SERVICE=ID", value_parser = chosen_point, conflicts_with = "planned")]
        points: Vec<(ServiceName, PointId)>,
        /// Write the report there too: JSON, or Markdown or HTML by the file's ending (.md, .html).
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Open the services of a promotion made with --hold to applications.
    CommitPromotion {
        /// The pair.
        pair: PairName,
        /// The name of the new primary.
        #[arg(long)]
        confirm: String,
        /// Write the report there too: JSON, or Markdown or HTML by the file's ending (.md, .html).
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Take a promotion back while nothing was written at the new primary: the old one goes on from what it holds.
    TakeBack {
        /// The pair.
        pair: PairName,
        /// The name of the old primary.
        #[arg(long)]
        confirm: String,
        /// Write the report there too: JSON, or Markdown or HTML by the file's ending (.md, .html).
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// What an identity change would do now, line by line, and whether it may be begun; begins nothing.
    Runbook {
        /// The pair.
        pair: PairName,
        /// Which one. The fourth, the test, is `understudy drill`.
        verb: VerbName,
    },
    /// Make the old primary, fenced, the target of the new one: it keeps what it had written, and only differences are copied.
    ReverseReplication {
        /// The pair.
        pair: PairName,
        /// The name of the cluster that is to stand by.
        #[arg(long)]
        confirm: String,
        /// Write the report there too: JSON, or Markdown or HTML by the file's ending (.md, .html).
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Say that a pair's clusters will look faulty for a while: nobody is prompted or alerted meanwhile. Without --for or --end: what there is.
    Maintenance {
        /// The pair.
        pair: PairName,
        /// How long from now, at most 7d: 90m, 2h, 1d, 1h30m. Prolongs or shortens one that goes on.
        #[arg(long = "for", value_name = "DURATION", value_parser = parse_length, requires = "reason")]
        length: Option<Duration>,
        /// Why, for those who look at the pair meanwhile.
        #[arg(long, requires = "length")]
        reason: Option<String>,
        /// Leave out the moments of schedules meanwhile; they count as missed.
        #[arg(long, requires = "length")]
        pause_runs: bool,
        /// End it now: a fault that stands is prompted at once.
        #[arg(long, conflicts_with = "length")]
        end: bool,
    },
    /// Compare users, permissions and tenants, and bring them over.
    SyncUsers {
        /// The pair.
        pair: PairName,
        /// Only compare.
        #[arg(long)]
        dry_run: bool,
        /// The controller reads both sides and adjusts the secondary, instead of instructing the primary.
        #[arg(long)]
        by_controller: bool,
    },
    /// List the snapshots of ours on both clusters that no recovery point and no run counts on.
    Leftovers {
        /// The pair.
        pair: PairName,
        /// Remove them.
        #[arg(long)]
        remove: bool,
        /// Remove also those of the pair's data sets that its agents did not make; another installation may count on them.
        #[arg(long, requires = "remove")]
        unknown: bool,
        /// The name of the pair, to remove unknown ones. Without it nothing is removed, and what would go is shown.
        #[arg(long, value_name = "PAIR", requires = "unknown")]
        confirm: Option<String>,
    },
    /// Bring a recovery point up beside production, make the owner's checks on it, clean up; ends when nothing is left.
    Drill {
        /// Which service.
        service: ServiceName,
        /// This recovery point; otherwise the newest.
        #[arg(long, value_name = "ID")]
        point: Option<PointId>,
        /// Write the report there too: JSON, or Markdown or HTML by the file's ending (.md, .html).
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// The drills, newest first.
    Drills {
        /// Of one service only.
        service: Option<ServiceName>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Stop a drill that is being brought up or checked; its space is removed.
    StopDrill {
        /// Which drill.
        drill: DrillId,
    },
    /// Say that you have looked at a drill that has ended.
    SignOff {
        /// Which drill.
        drill: DrillId,
        /// What you have to say.
        #[arg(long)]
        remark: String,
    },
    /// Bring one data set of a sealed recovery point up beside the live data, for good: compared with the point, open, and its owner's.
    Restore {
        /// Which recovery point (see `points SERVICE`).
        point: PointId,
        /// Which of its data sets, for example hdfs:/data/orders.
        data_set: DataSetName,
        /// Where to, in the data set's component: a directory, a table or (hive) a database that does not exist yet.
        #[arg(long, value_name = "PLACE")]
        to: String,
        /// Only this directory of it or, of a hive database, this table.
        #[arg(long, value_name = "PATH")]
        only: Option<String>,
        /// At this cluster: `primary`, `secondary` or its name. Otherwise at the one that sealed the point.
        #[arg(long, value_name = "CLUSTER")]
        at: Option<String>,
    },
    /// List what an old primary had written after the common points, kept there before it became the target.
    Kept {
        /// The pair.
        pair: PairName,
        /// Remove this one for good.
        #[arg(long, value_name = "ID")]
        remove: Option<PointId>,
        /// The name of the pair, to remove one. Without it nothing is removed, and what would go is shown.
        #[arg(long, value_name = "PAIR", requires = "remove")]
        confirm: Option<String>,
        /// Copy what is kept of files and tables, whole, into this directory of the host of the agent that keeps it: an absolute path to a
        /// directory that does not exist yet or is empty. It is there once it is complete. Nothing live and nothing kept changes.
        #[arg(long, value_name = "DIR", conflicts_with = "remove")]
        copy_to: Option<PathBuf>,
        /// Copy this one; not needed where only one is kept.
        #[arg(long, value_name = "ID", requires = "copy_to")]
        id: Option<PointId>,
    },
    /// Dissolve a pair: what we made goes, on both sides, recovery points included. Shows first what goes.
    Unpair {
        /// The pair.
        pair: PairName,
        /// Its name once more. Without it nothing is removed, and what would go is shown.
        #[arg(long, value_name = "PAIR")]
        confirm: Option<String>,
    },
    /// Take over what an agent holds, into an empty state directory.
    Adopt {
        /// `host:port` of the agent.
        agent: String,
        /// What `understudy-agent adopt` printed.
        code: String,
    },
    /// The controller alone, for unattended schedules; the console attaches to it.
    Engine {
        /// Serve the route over plain HTTP there, `host:port`.
        #[arg(long)]
        route: Option<String>,
    },
    /// The training lab without a window.
    #[cfg(feature = "lab")]
    Lab(crate::lab::LabArgs),
    /// A site of the training lab.
    #[cfg(feature = "lab")]
    #[command(hide = true)]
    LabSite(crate::lab::site::SiteArgs),
    /// Save a picture of every screen, drawn with sample data.
    #[cfg(feature = "console")]
    #[command(hide = true)]
    Screenshots {
        /// The folder for them.
        out: PathBuf,
    },
}

/// A verb as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum VerbName {
    /// Planned switchover.
    Planned,
    /// After a fault.
    Adjust,
    /// The old primary stands by.
    Reverse,
    /// A promotion is taken back.
    TakeBack,
}

impl From<VerbName> for Verb {
    fn from(name: VerbName) -> Verb {
        match name {
            VerbName::Planned => Verb::Planned,
            VerbName::Adjust => Verb::Adjust,
            VerbName::Reverse => Verb::Reverse,
            VerbName::TakeBack => Verb::TakeBack,
        }
    }
}

fn parse_moment(text: &str) -> Result<DateTime<Utc>, String> {
    let read = DateTime::parse_from_rfc3339(text);
    read.map(|m| m.with_timezone(&Utc)).map_err(|e| format!("{e}; write for example 2026-11-21T14:00:00+08:00"))
}

/// `SERVICE=ID` of `adjust-identity --point`.
fn chosen_point(text: &str) -> Result<(ServiceName, PointId), String> {
    let (service, point) = text.split_once('=').ok_or("write SERVICE=ID, for example shop=019a…")?;
    let service = service.parse().map_err(|why| format!("{service:?} is no service's name: {why}"))?;
    let point = point.parse().map_err(|why| format!("{point:?} is no recovery point's id: {why}"))?;
    Ok((service, point))
}
