//! Drills: a recovery point brought up beside production, tried out, removed.

use serde::{Deserialize, Serialize};

use crate::domain::drill::check::DrillCheck;
use crate::domain::{DrillId, PointId, ServiceName};

/// Bring a sealed point up in the drill's own space and make the checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillOrder {
    /// Names the space.
    pub drill: DrillId,
    /// The service.
    pub service: ServiceName,
    /// Its recovery point.
    pub point: PointId,
    /// The owner's checks, made in this order.
    pub checks: Vec<DrillCheck>,
}

/// Remove the space of a drill, under way or not, and list what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndDrillOrder {
    /// Which.
    pub drill: DrillId,
    /// Its service.
    pub service: ServiceName,
}

/// What removing a drill's space did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillEnded {
    /// The places that were there.
    pub removed: Vec<String>,
    /// What a listing afterwards still showed, and what could not be removed, in words; empty is clean.
    pub left: Vec<String>,
}
