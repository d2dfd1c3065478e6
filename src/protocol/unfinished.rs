//! Committed points that an agent has not sealed: told with its status, and the order to take one back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::unfinished::{Work, is_stuck};
use crate::domain::{PairName, PointId, RunId, ServiceName, Trouble};

/// A committed point that is not sealed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedPoint {
    /// The pair.
    pub pair: PairName,
    /// The service.
    pub service: ServiceName,
    /// Its run.
    pub run: RunId,
    /// It.
    pub point: PointId,
    /// What is to be done with it.
    pub work: Work,
    /// Tries that failed since this agent started.
    #[serde(default)]
    pub tries: u32,
    /// Why the last one did.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// When it is tried again by itself.
    #[serde(default)]
    pub next_try: Option<DateTime<Utc>>,
}

impl UnfinishedPoint {
    /// Why it is stuck; `None`: it is being worked on, or what failed may pass by itself.
    pub fn stuck(&self) -> Option<&Trouble> {
        self.trouble.as_ref().filter(|trouble| is_stuck(trouble, self.tries))
    }
}

/// Take a committed point back that cannot be sealed, because a person gave it up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbandonOrder {
    /// Its run.
    pub run: RunId,
    /// The point.
    pub point: PointId,
    /// The service.
    pub service: ServiceName,
    /// Who gave it up.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A point that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbandonReport {
    /// Who gave it up first.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The sealed point that the live data is back at; `None`: there is none, or not all of it is back.
    pub back_to: Option<PointId>,
    /// What could not be brought back or removed, in words.
    pub leftovers: Vec<String>,
}
