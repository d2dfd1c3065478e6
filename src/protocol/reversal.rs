//! Reverse replication on the wire: what the old primary is told, and what it kept and became.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::switchover::machine::Reversal;
use crate::domain::{DataSetName, PointId, RecoveryPoint, Service, ServiceName};

/// Become the target of the other direction: keep what was written here after the common points, go back to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReverseOrder {
    /// What is to be done.
    pub reversal: Reversal,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReverseReport {
    /// Service by service.
    pub services: BTreeMap<ServiceName, ServiceReversed>,
}

/// A sealed point as its holder gives it to the other agent, with the policy that it was made under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldPoint {
    /// The point.
    pub point: RecoveryPoint,
    /// The policy.
    pub policy: Service,
}

/// One service at the old primary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceReversed {
    /// The point that its data sets are at now, with the data sets as they are called in the new direction.
    pub point: RecoveryPoint,
    /// What was written here after that point, kept; `None`: nothing was.
    pub kept: Option<KeptWrites>,
}

/// Writes of a cluster that lost the primary identity, kept under snapshots of their own before its data went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptWrites {
    /// Names their snapshots.
    pub id: PointId,
    /// Whose they are.
    pub service: ServiceName,
    /// The point after which they were written.
    pub after: PointId,
    /// When they were kept.
    pub at: DateTime<Utc>,
    /// How many files, directories or parts differ from that point, by data set.
    pub changed: BTreeMap<DataSetName, u64>,
}
