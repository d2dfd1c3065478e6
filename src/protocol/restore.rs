//! Restores: one data set of a point brought up beside the live data, or what is half-made of it removed.

use serde::{Deserialize, Serialize};

use crate::domain::restore::{ComparedWith, RestoreProof};
use crate::domain::{DataSetName, PairName, PointId, RestoreId, ServiceName};

/// Bring a data set of a point up in a place of its own, at the cluster that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreOrder {
    /// Names it: the same one goes on.
    pub restore: RestoreId,
    /// The service.
    pub service: ServiceName,
    /// Its recovery point.
    pub point: PointId,
    /// The data set, by its name at this cluster.
    pub data_set: DataSetName,
    /// Only this directory or table in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// Where to, in the data set's component.
    pub place: String,
    /// Who asked.
    pub by: String,
}

/// Remove what is half-made of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndRestoreOrder {
    /// Which.
    pub restore: RestoreId,
}

/// A restore that is whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// What it was compared with.
    pub compared_with: ComparedWith,
    /// What was found.
    #[serde(flatten)]
    pub proof: RestoreProof,
}

/// A restore that was begun here and is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedRestore {
    /// It.
    pub restore: RestoreId,
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// The point.
    pub point: PointId,
    /// The data set, by its name here.
    pub data_set: DataSetName,
    /// Only this part of it.
    #[serde(default)]
    pub only: Option<String>,
    /// Where to, as the component spells it.
    pub place: String,
    /// Whether it is being worked on now. Otherwise it is half-made.
    pub under_way: bool,
}
