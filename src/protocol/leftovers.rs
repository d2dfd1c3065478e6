//! Leftovers: snapshots of ours that nobody counts on, asked for and told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::OwnSnapshot;
use crate::domain::{PointId, ServiceName};

/// Which snapshots of ours are leftovers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftoversOrder {
    /// Points that the controller counts on: sealed ones, and those of runs under way.
    pub wanted: Vec<PointId>,
    /// What was begun later is no leftover.
    pub before: DateTime<Utc>,
    /// Remove them.
    pub remove: bool,
    /// Also those of this pair's data sets that the agent does not know to have made.
    pub unknown: bool,
}

/// A snapshot of ours that nobody counts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leftover {
    /// It.
    pub snapshot: OwnSnapshot,
    /// The service it was made for, or whose data set it is of; `None`: of no service here.
    pub service: Option<ServiceName>,
    /// This agent made it; otherwise another one may count on it.
    pub made_here: bool,
    /// When its run began; `None`: its name does not tell.
    pub made_at: Option<DateTime<Utc>>,
}

impl Leftover {
    /// Whether a removal takes it. What is of no service here is not ours to remove, only to show.
    pub fn goes(&self, unknown: bool) -> bool {
        self.made_here || unknown && self.service.is_some()
    }
}

/// The leftovers of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftoversReport {
    /// As they were found, those that were then removed included.
    pub found: Vec<Leftover>,
    /// How many were removed.
    pub removed: u64,
    /// What could not be listed or removed, in words.
    pub failed: Vec<String>,
}
