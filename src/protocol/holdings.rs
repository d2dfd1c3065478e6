//! Holdings: what of ours lies on a cluster for a pair, told before a person lets the pair go.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::KeptWrites;
use crate::domain::{ComponentName, PointId, ServiceName};

/// What a cluster would remove if it left the pair now. Nothing is removed by telling it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holdings {
    /// The recovery points in its ledger.
    pub points: Vec<PointHeld>,
    /// Snapshots of ours, by component.
    pub snapshots: BTreeMap<ComponentName, u64>,
    /// What it wrote after the common points and keeps: their snapshots are among those above.
    pub kept: Vec<KeptWrites>,
    /// Stagings of runs that were not committed.
    pub staging: u64,
    /// Drills whose space is not removed yet.
    pub drills: u64,
    /// Data sets whose fence is lifted.
    pub fenced: u64,
    /// What could not be listed, in words: there may be more than is told.
    pub failed: Vec<String>,
}

/// A recovery point, by what a person knows it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointHeld {
    /// It.
    pub point: PointId,
    /// Its service.
    pub service: ServiceName,
    /// Its moment.
    pub moment: DateTime<Utc>,
}
