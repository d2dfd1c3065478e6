//! What the training lab's screen shows, and what it can be asked.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;

use crate::domain::{ClusterName, Consistency};

/// A scripted exercise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// The primary site goes dark; a person decides.
    SiteLoss,
}

/// What the lab can be asked. `site` is `east` or `west`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabCommand {
    /// Begin a scenario from a clean lab: pair, policy, first run; then the person takes over.
    Begin(Scenario, Consistency),
    /// Kill a site's process.
    PowerOff(ClusterName),
    /// Start it again.
    PowerOn(ClusterName),
    /// Stop it without killing it (it hangs); `false` lets it go on.
    Freeze(ClusterName, bool),
    /// Cut the link between the sites; `false` mends it.
    CutLink(bool),
    /// Cut the console off from both sites; `false` mends it.
    CutConsole(bool),
    /// Make every further write of a site's agent fail; `false` mends it.
    FillDisk(ClusterName, bool),
    /// Set a site's clock off by so many seconds; 0 sets it right.
    SetClockOff(ClusterName, i64),
    /// Everything back to the start.
    Reset,
    /// Write the debrief.
    ExportDebrief(PathBuf),
}

/// A site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteView {
    /// `east` or `west`.
    pub name: ClusterName,
    /// Its process runs.
    pub up: bool,
    /// Its process is stopped.
    pub frozen: bool,
    /// Its writes fail.
    pub disk_full: bool,
    /// Its clock is off by so many seconds.
    pub clock_step_secs: i64,
}

/// One second of the application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadSecond {
    /// Which.
    pub at: DateTime<Utc>,
    /// Orders acknowledged in it.
    pub orders: u32,
    /// The cluster that served them; `None`: none did.
    pub served_by: Option<ClusterName>,
}

/// The application.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WorkloadView {
    /// Orders sent, whatever became of them.
    pub sent: u64,
    /// Orders acknowledged: row and invoice are durable.
    pub written: u64,
    /// Acknowledged orders that are not in the newest recovery point.
    pub after_point: u64,
    /// The last minutes, oldest first, at most 600.
    pub seconds: Vec<WorkloadSecond>,
    /// Marks in that picture, for example "east lost".
    pub marks: Vec<(DateTime<Utc>, String)>,
}

/// A check of the data or the story, as `lab --report` lists it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabCheck {
    /// What must hold.
    pub name: String,
    /// Whether it does; `None`: not checked yet.
    pub held: Option<bool>,
    /// Counts.
    pub detail: String,
}

/// A step for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabStep {
    /// What to do.
    pub text: String,
    /// Done.
    pub done: bool,
}

/// The lab at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabSnapshot {
    /// What it is doing, in words ("starting the sites", "running").
    pub doing: String,
    /// Whether commands are accepted.
    pub ready: bool,
    /// The scenario under way.
    pub scenario: Option<Scenario>,
    /// How data sets are captured.
    pub consistency: Consistency,
    /// The sites.
    pub sites: Vec<SiteView>,
    /// The link between them is cut.
    pub link_cut: bool,
    /// The console is cut off.
    pub console_cut: bool,
    /// The application.
    pub workload: WorkloadView,
    /// The checks at the surviving site.
    pub checks: Vec<LabCheck>,
    /// What to do.
    pub steps: Vec<LabStep>,
    /// Measured RTO: from the loss until the application went on.
    pub rto_ms: Option<u64>,
    /// Measured RPO: from the point's R to the loss.
    pub rpo_ms: Option<u64>,
    /// Of the RTO, how long the person took from the prompt to the button.
    pub deciding_ms: Option<u64>,
    /// Of the RTO, how long the system took from the button until the application went on.
    pub switching_ms: Option<u64>,
    /// Commands that would have hurt.
    pub wrong_moves: u32,
    /// "The same minute, the old way": the comparison, when it was run.
    pub old_way: Option<String>,
    /// The last command's trouble.
    pub trouble: Option<String>,
}

/// A running lab. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct LabHandle {
    commands: mpsc::Sender<LabCommand>,
    snapshots: watch::Receiver<Arc<LabSnapshot>>,
    /// With the last handle the lab stops whatever it is doing.
    _wanted: Arc<DropGuard>,
}

impl LabHandle {
    /// From the two ends that a lab serves; `wanted` is dropped with the last clone.
    pub fn new(commands: mpsc::Sender<LabCommand>, snapshots: watch::Receiver<Arc<LabSnapshot>>, wanted: DropGuard) -> LabHandle {
        LabHandle { commands, snapshots, _wanted: Arc::new(wanted) }
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<LabSnapshot> {
        self.snapshots.borrow().clone()
    }

    /// Wakes with every new snapshot.
    pub fn snapshots(&self) -> watch::Receiver<Arc<LabSnapshot>> {
        self.snapshots.clone()
    }

    /// Asks; false when the lab is busy or gone.
    pub fn ask(&self, command: LabCommand) -> bool {
        self.commands.try_send(command).is_ok()
    }
}
