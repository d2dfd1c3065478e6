//! What is checked before something begins, line by line: agents, pairs, policies.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{ClusterName, ComponentInfo};

/// An agent that answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentFound {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its site.
    pub site: String,
    /// Its key's fingerprint.
    pub key: String,
    /// Round trip in milliseconds.
    pub took_ms: u64,
    /// Its components.
    pub components: Vec<ComponentInfo>,
}

/// Whether a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckState {
    /// It holds.
    Ok,
    /// It holds, with something to know.
    Warning,
    /// It does not: the action is refused.
    Failed,
}

/// One pre-flight line: check, evidence, fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Whether it holds.
    pub state: CheckState,
    /// What was seen.
    pub evidence: String,
    /// What to do about it; empty when it holds.
    pub fix: String,
    /// The same for programs, as in [`Trouble::facts`](crate::domain::Trouble): an object with a `code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<serde_json::Value>>,
}

impl Check {
    /// It holds.
    pub fn ok(name: impl Into<String>, evidence: impl Into<String>) -> Check {
        Check { name: name.into(), state: CheckState::Ok, evidence: evidence.into(), fix: String::new(), facts: None }
    }

    /// It holds, with something to know.
    pub fn warning(name: impl Into<String>, evidence: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { state: CheckState::Warning, fix: fix.into(), ..Check::ok(name, evidence) }
    }

    /// It does not hold.
    pub fn failed(name: impl Into<String>, evidence: impl Into<String>, fix: impl Into<String>) -> Check {
        Check { state: CheckState::Failed, fix: fix.into(), ..Check::ok(name, evidence) }
    }
}

/// Two components matched, or one without a match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComponentMatch {
    /// At the primary.
    pub primary: ComponentInfo,
    /// At the secondary; `None`: nothing there can back it up.
    pub secondary: Option<ComponentInfo>,
    /// Whether they fit, and why not.
    pub check: Check,
}

/// The checks before pairing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairChecks {
    /// The primary.
    pub primary: AgentFound,
    /// The secondary.
    pub secondary: AgentFound,
    /// Component by component.
    pub components: Vec<ComponentMatch>,
    /// The lines.
    pub checks: Vec<Check>,
}

/// A policy checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceCheck {
    /// The policy in words.
    pub in_words: String,
    /// The next moments of its schedule, at most five.
    pub next_moments: Vec<DateTime<Utc>>,
    /// Problems (`Failed`) and remarks (`Warning`); saving is refused while one failed.
    pub checks: Vec<Check>,
}
