//! What a look at clusters told: leftovers, kept writes, and the pre-flight lines of a drill.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Check;
use crate::controller::snapshot::{CertificateView, PairView};
use crate::domain::maintenance::Maintenance;
use crate::domain::{ClusterName, PairName, PointId, ServiceName};
use crate::protocol::{CopiedKept, KeptWrites, Leftover, LeftoversReport, UnfinishedRestore};

/// `leftovers --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// The pair.
    pub pair: PairName,
    /// The primary as it was when the pair was made, then the other.
    pub clusters: Vec<ClusterLeftovers>,
}

/// The leftovers of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterLeftovers {
    /// The cluster.
    pub cluster: ClusterName,
    /// What its agent told.
    #[serde(flatten)]
    pub report: LeftoversReport,
    /// Restores beside the live data that were begun and are not whole.
    #[serde(default)]
    pub half_made: Vec<UnfinishedRestore>,
}

impl Leftovers {
    /// All that were found, with their cluster.
    pub fn found(&self) -> impl Iterator<Item = (&ClusterName, &Leftover)> {
        self.clusters.iter().flat_map(|cluster| cluster.report.found.iter().map(|found| (&cluster.cluster, found)))
    }

    /// Restores that are half-made, with their cluster.
    pub fn half_made(&self) -> impl Iterator<Item = (&ClusterName, &UnfinishedRestore)> {
        self.clusters.iter().flat_map(|cluster| cluster.half_made.iter().map(|one| (&cluster.cluster, one)))
    }

    /// How many were removed.
    pub fn removed(&self) -> u64 {
        self.clusters.iter().map(|cluster| cluster.report.removed).sum()
    }

    /// What could not be listed or removed.
    pub fn failed(&self) -> impl Iterator<Item = &String> {
        self.clusters.iter().flat_map(|cluster| &cluster.report.failed)
    }
}

/// The pre-flight lines of a drill; it is refused while one failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillChecks {
    /// The service.
    pub service: ServiceName,
    /// Where it would be brought up.
    pub cluster: ClusterName,
    /// The recovery point; `None`: there is none.
    pub point: Option<PointId>,
    /// The lines.
    pub checks: Vec<Check>,
}

/// `maintenance --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceReport {
    /// The pair.
    pub pair: PairName,
    /// Its maintenance; `None`: it is in none.
    pub maintenance: Option<Maintenance>,
}

/// One element of `kept --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The cluster that wrote and keeps it.
    pub cluster: ClusterName,
    /// What it is.
    #[serde(flatten)]
    pub writes: KeptWrites,
}

/// What of the kept writes is to be copied, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyKept {
    /// Which; `None`: the only one.
    pub id: Option<PointId>,
    /// A directory of the host of the agent that keeps them.
    pub to: PathBuf,
}

/// `kept --copy-to --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCopied {
    /// The cluster that keeps it, on whose agent's host the copy is.
    pub cluster: ClusterName,
    /// What was copied.
    #[serde(flatten)]
    pub copied: CopiedKept,
}

/// `status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The engine only observes: no fault is prompted, no identity changed.
    #[serde(default)]
    pub observing: bool,
    /// Another controller commands the agents now: nothing is changed from here.
    #[serde(default)]
    pub ousted: bool,
    /// The engine's own certificate; `null`: it has none.
    #[serde(default)]
    pub certificate: Option<CertificateView>,
    /// The pairs.
    pub pairs: Vec<PairView>,
}
