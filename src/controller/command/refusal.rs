//! Why the engine does not begin something now: a code that stays, with what it is about. Words are made from it here, at the edge.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{ClusterName, RunId, ServiceName, Trouble, TroubleKind};

/// A refusal. (Those that are older than this have words only: `error` of a report.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "code")]
pub enum Refusal {
    /// The cluster that others would stand by for is faulty itself.
    PrimaryFaulty {
        /// That cluster.
        cluster: ClusterName,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// A planned switchover makes the last run itself.
    RunUnderWay {
        /// The run.
        run: RunId,
        /// Of this service.
        service: ServiceName,
    },
    /// Captures cannot rest on the clocks.
    ClocksApart {
        /// What was measured.
        words: String,
    },
    /// Nothing could be resumed.
    NoRecoveryPoint {
        /// The cluster that is to become primary.
        cluster: ClusterName,
    },
    /// The pair is where this cannot follow.
    NotNow {
        /// Where it is.
        phase: String,
    },
    /// A run was asked for at a moment that is over.
    MomentPast {
        /// The moment.
        moment: DateTime<Utc>,
    },
    /// No recovery point is dropped while identities change, or while one cluster runs alone.
    PairSuspended {
        /// Where the pair is.
        phase: String,
    },
}

impl Refusal {
    /// In words, with what to do.
    pub fn trouble(&self, object: impl std::fmt::Display) -> Trouble {
        let (reason, next) = match self {
            Refusal::PrimaryFaulty { cluster, since } => {
                let since = since.format("%Y-%m-%d %H:%M:%S UTC");
                (format!("{cluster} is faulty since {since}"), "wait until it is well, or decide that the other cluster goes on".to_owned())
            }
            Refusal::RunUnderWay { run, service } => {
                (format!("run {run} of {service} is under way"), "wait for its end, or cancel it first".to_owned())
            }
            Refusal::ClocksApart { words } => (
                format!("the final runs need one clock source: {words}"),
                "set up one time source (NTP, chrony) for the controller and both clusters".to_owned(),
            ),
            Refusal::NoRecoveryPoint { cluster } => {
                (format!("{cluster} holds no sealed recovery point: nothing could be resumed there"), "run a backup first".to_owned())
            }
            Refusal::NotNow { phase } => (format!("this cannot be begun while the pair is {phase}"), "see `understudy status`".to_owned()),
            Refusal::MomentPast { moment } => (
                format!("its moment {} is over", moment.format("%Y-%m-%d %H:%M:%S UTC")),
                "give a moment that is still to come, or none: then it runs now".to_owned(),
            ),
            Refusal::PairSuspended { phase } => (
                format!("the pair is {phase}: every recovery point stays until a cluster stands by again"),
                "ask again when the pair replicates".to_owned(),
            ),
        };
        let kind = if matches!(self, Refusal::MomentPast { .. }) { TroubleKind::Invalid } else { TroubleKind::Refused };
        Trouble::new(kind, object, reason).next(next)
    }
}

/// A refusal with a code, or one of the older rules, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::controller) enum Refused {
    /// With a code; about this object.
    Coded(String, Refusal),
    /// In words.
    Words(Trouble),
}

impl Refused {
    /// Its code, where it has one.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Refused::Coded(_, refusal) => Some(refusal.clone()),
            Refused::Words(_) => None,
        }
    }

    /// In words.
    pub fn trouble(&self) -> Trouble {
        match self {
            Refused::Coded(object, refusal) => refusal.trouble(object),
            Refused::Words(trouble) => trouble.clone(),
        }
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Refused {
        Refused::Words(trouble)
    }
}
