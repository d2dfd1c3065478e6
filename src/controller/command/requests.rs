//! How the agents of a pair to be are named.

use serde::{Deserialize, Serialize};

use crate::domain::PairName;

/// The two agents of a pair to be, and its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairRequest {
    /// The pair's name.
    pub name: PairName,
    /// `host:port` and code of the agent beside the primary.
    pub primary: AgentRequest,
    /// Likewise of the secondary.
    pub secondary: AgentRequest,
}

/// How to reach one agent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentRequest {
    /// `host:port`.
    pub address: String,
    /// The enrolment code, until enrolled. A secret.
    pub code: Option<String>,
}

impl std::fmt::Debug for AgentRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentRequest").field("address", &self.address).finish_non_exhaustive()
    }
}
