//! The route: which cluster applications use. Plain HTTP, read-only, for applications without certificates.
//!
//! ```text
//! GET /v1/route/{pair}/{service}    200 RouteReply from every agent and the engine, 503 RouteReply while it must not say
//! GET /v1/active/{pair}/{service}   200 only at the agent whose cluster is active: a health check for a load balancer
//! ```
//! A client asks both agents and follows the highest epoch; two decisions of one epoch are a conflict and lead nowhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{Claim, ClusterName, PairName, ServiceName};

/// What one agent (or the engine) says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteReply {
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// Who says so.
    pub says: ClusterName,
    /// The claim of the cluster that says so.
    pub claim: Claim,
    /// The active cluster as it knows; `None`: it may not, or cannot, say.
    pub active: Option<ClusterName>,
    /// Where the service's components are at the active cluster, by component name, when that is the one that answers.
    #[serde(default)]
    pub components: BTreeMap<String, String>,
    /// Why it cannot say; empty otherwise.
    #[serde(default)]
    pub reason: String,
}
