//! Diagnosis: what the engine and both agents see of a cluster, weighed. Looks in, one verdict with its evidence out.
//!
//! ```text
//! engine ── looks at ──> agent of the cluster ── probes ──> its components        first vantage point
//! engine ── asks ──────> the other agent ─────── probes ──> that agent, and the components it can reach    second
//! ```
//! Only a verdict of *faulty* offers the button. One vantage point never outvotes the other when that one says that the cluster is
//! well, and what is old counts as unknown.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{ClusterName, Health, ProbeReport};

mod damp;
mod weigh;

pub use damp::{Damping, Sign, Steadiness};
pub use weigh::diagnose;

/// How much evidence is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Looks in a row that must fail before *suspect* becomes *faulty*.
    pub failures: u32,
    /// And for at least this long.
    pub fault_after: TimeDelta,
    /// What was seen longer ago than this says nothing any more.
    pub stale_after: TimeDelta,
}

/// How often in a row, and since when, something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Streak {
    /// In a row.
    pub times: u32,
    /// Since the first of them; `None` while it is well.
    pub since: Option<DateTime<Utc>>,
}

impl Streak {
    /// Counts one more look.
    pub fn note(&mut self, failed: bool, at: DateTime<Utc>) {
        *self = if failed { Streak { times: self.times.saturating_add(1), since: self.since.or(Some(at)) } } else { Streak::default() };
    }

    /// Often enough and long enough.
    pub fn has_lasted(&self, enough: &Thresholds, now: DateTime<Utc>) -> bool {
        self.times >= enough.failures.max(1) && self.since.is_some_and(|since| now - since >= enough.fault_after)
    }
}

/// How an agent failed to answer. A hung one may come back by itself, a dead one does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Silence {
    /// Its host refuses the connection: the program is not running.
    Refused,
    /// No answer within the time limit: it hangs, its host is off, or the network is cut.
    TimedOut,
    /// Something else, in words.
    Other(String),
}

impl Silence {
    /// As in "the agent of shenzhen …".
    pub fn words(&self) -> String {
        match self {
            Silence::Refused => "refuses the connection: it is not running".to_owned(),
            Silence::TimedOut => "does not answer within the time limit: it hangs, its host is off, or the network is cut".to_owned(),
            Silence::Other(reason) => format!("does not answer: {reason}"),
        }
    }
}

/// What an agent told about itself and the other side when it last answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told<'a> {
    /// When the answer came, by the engine's clock.
    pub at: DateTime<Utc>,
    /// The agent's own clock then, which its probes' times are told in.
    pub agent_now: DateTime<Utc>,
    /// Its own probes of its components, the newest of each.
    pub probes: &'a [ProbeReport],
    /// What it sees of the other side; `None` before it has joined.
    pub peer: Option<PeerSight<'a>>,
}

/// What an agent sees of the other side, by its own clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PeerSight<'a> {
    /// When the other agent last answered it.
    pub agent_seen: Option<DateTime<Utc>>,
    /// How many times in a row it has failed since.
    pub agent_failures: u32,
    /// Its probes of the other side's components, as far as it can reach them.
    pub probes: &'a [ProbeReport],
}

/// One agent as the engine's client sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight<'a> {
    /// Its cluster.
    pub cluster: &'a ClusterName,
    /// When the newest look ended; `None`: not looked yet.
    pub looked: Option<DateTime<Utc>>,
    /// How that look failed; `None`: it answered.
    pub silence: Option<&'a Silence>,
    /// Looks in a row without an answer.
    pub silent: Streak,
    /// Looks in a row in which it reported a component as faulty.
    pub sick: Streak,
    /// What it last told.
    pub told: Option<Told<'a>>,
}

/// What it all amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Its agent answers and every component is well.
    Healthy,
    /// Signs of trouble, not yet enough.
    Suspect,
    /// It cannot serve: a person may decide.
    Faulty,
    /// Only its agent is silent; its components answer. Applications go on, and no identity should change.
    AgentDown,
    /// The engine itself is cut off: from both agents, or from one that the other agent sees well.
    ConsoleCutOff,
    /// Nobody can tell.
    #[default]
    Unknown,
}

impl Verdict {
    /// The health to show.
    pub fn health(self) -> Health {
        match self {
            Verdict::Healthy => Health::Healthy,
            Verdict::Suspect => Health::Suspect,
            Verdict::Faulty => Health::Faulty,
            Verdict::AgentDown | Verdict::ConsoleCutOff | Verdict::Unknown => Health::Unknown,
        }
    }

    /// Whether the fault prompt may offer its button.
    pub fn offers_button(self) -> bool {
        self == Verdict::Faulty
    }
}

/// One line of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Who looked.
    pub who: String,
    /// What they saw.
    pub saw: String,
    /// How bad that is.
    pub health: Health,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The verdict.
    pub verdict: Verdict,
    /// It in words, with what to do where something is.
    pub words: String,
    /// Who saw what.
    pub evidence: Vec<Evidence>,
    /// Since when it is not well, as far as known.
    pub since: Option<DateTime<Utc>>,
    /// That has gone on often and long enough to be no blip.
    pub lasting: bool,
}

#[cfg(test)]
mod tests;
