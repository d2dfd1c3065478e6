//! What retention did, or would do, point by point.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::going::counted;
use crate::domain::retention::Fate;
use crate::domain::{PointId, ServiceName};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PruneEnding {
    /// The policy keeps every point, or something needs it.
    NothingToDrop,
    /// `--dry-run`: it would be.
    WouldDrop,
    /// What the policy no longer keeps is gone at both clusters.
    Dropped,
    /// Some of it is still held: asked again, it is tried again.
    Partly,
}

/// One point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedPoint {
    /// Which.
    pub point: PointId,
    /// Its moment.
    pub moment: DateTime<Utc>,
    /// What becomes of it, by the policy.
    pub fate: Fate,
}

/// `prune --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneReport {
    /// The service.
    pub service: ServiceName,
    /// How it ended.
    pub ending: PruneEnding,
    /// Every sealed point that was known when this began, oldest first.
    pub points: Vec<PrunedPoint>,
    /// Those of them that are held still though the policy no longer keeps them.
    pub held: Vec<PointId>,
    /// What could not be removed, in words.
    pub leftovers: Vec<String>,
}

impl PruneReport {
    /// A line each.
    pub fn lines(&self) -> Vec<String> {
        let line = |one: &PrunedPoint| {
            let came = match one.fate {
                Fate::Goes if self.ending == PruneEnding::WouldDrop => "would go",
                Fate::Goes if self.held.contains(&one.point) => "held still",
                Fate::Goes => "dropped",
                Fate::Policy => "stays: the policy keeps it",
                Fate::Newest => "stays: it is the newest",
                Fate::Base => "stays: a run under way needs it",
                Fate::Drill => "stays: a drill has brought it up",
            };
            format!("{}  {}  {came}", one.moment.format("%Y-%m-%d %H:%M:%S UTC"), one.point)
        };
        let goes = self.points.iter().filter(|one| one.fate == Fate::Goes).count() as u64;
        let summary = match self.ending {
            PruneEnding::NothingToDrop => format!("service {}: nothing to drop", self.service),
            PruneEnding::WouldDrop => format!("service {}: {} would go", self.service, counted(goes, "recovery point")),
            PruneEnding::Dropped => format!("service {}: {} dropped", self.service, counted(goes, "recovery point")),
            PruneEnding::Partly => {
                format!("service {}: still held: {} of {}; ask again later", self.service, self.held.len(), counted(goes, "recovery point"))
            }
        };
        let left = self.leftovers.iter().map(|left| format!("left behind: {left}"));
        self.points.iter().map(line).chain([summary]).chain(left).collect()
    }
}
