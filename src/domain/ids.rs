//! Names and ids: typed, validated once, never mixed up.
//!
//! Ids are UUIDv7 and come in as arguments: the domain never draws one itself.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name {text:?} is not valid: {reason}")]
pub struct BadName {
    /// What was to be named, for example "service".
    pub kind: &'static str,
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// 1 to 64 of letters, digits, `.`, `_`, `-`, starting with a letter or digit: safe in a path, a URL and a snapshot's name.
fn check_name(kind: &'static str, text: &str) -> Result<(), BadName> {
    let reason = if text.is_empty() {
        "it is empty"
    } else if text.len() > 64 {
        "it is longer than 64 characters"
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        "it must start with a letter (a to z, A to Z) or a digit (0 to 9)"
    } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        "only a to z, A to Z, 0 to 9, '.', '_' and '-' are allowed"
    } else {
        return Ok(());
    };
    Err(BadName { kind, text: text.to_owned(), reason })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $type {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                check_name($kind, text).map(|()| Self(text.to_owned()))
            }
        }
        impl TryFrom<String> for $type {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                check_name($kind, &text).map(|()| Self(text))
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// A pair of clusters, one primary and one secondary.
    PairName, "pair"
);
name!(
    /// A cluster, as its agent calls itself.
    ClusterName, "cluster"
);
name!(
    /// A service: the unit that is backed up at one moment and fails over as a whole.
    ServiceName, "service"
);
name!(
    /// A component of a cluster, for example `hdfs`.
    ComponentName, "component"
);

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub Uuid);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $type {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map($type)
            }
        }
    };
}

id!(
    /// One backup run.
    RunId
);
id!(
    /// One recovery point; also names its snapshots and its staging.
    PointId
);
id!(
    /// One instruction to an agent; the same id is the same instruction, however often it arrives.
    InstructionId
);
id!(
    /// One drill: a recovery point brought up beside production and tried out; also names its space.
    DrillId
);
id!(
    /// One restore: a data set of a recovery point brought up beside the live data; also names what is half-made of it.
    RestoreId
);
id!(
    /// One decision of a person to change identities; breaks the tie that an equal epoch would be.
    DecisionId
);

impl PointId {
    /// When its run began, as its id tells; `None` for an id without a time.
    pub fn made_at(self) -> Option<DateTime<Utc>> {
        let (secs, nanos) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(secs).ok()?, nanos)
    }
}

/// Counts the identity decisions of a pair; only rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Epoch(pub u64);

/// How far apart the terms of two starts may lie.
const TERM_STEPS: u64 = 1 << 20;

/// Rises with the starts of controllers; in each pair an agent obeys only the highest it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Term(pub u64);

impl Term {
    /// The highest term that is read from anywhere. It fits SQLite's signed integers, and adding one to it does not wrap.
    pub const MAX: Term = Term(1 << 62);
    /// How far above the term that it knows an agent follows a controller at once. A key that was stolen cannot use the terms up.
    pub const RISE: u64 = 1 << 21;

    /// The highest term under which a pair begins. No stolen key climbs from here to the top, so that an adoption always finds a higher one.
    pub const FIRST: Term = Term(1 << 61);

    /// A term above this one, as far as chance leads. Two controllers that start on copies of one state take different ones, or agents
    /// would obey both.
    pub fn after(self, chance: u64) -> Term {
        Term(self.0.saturating_add(1 + chance % TERM_STEPS)).min(Term::MAX)
    }

    /// The term above this one; `None` at the highest.
    pub fn next(self) -> Option<Term> {
        self.0.checked_add(1).map(Term).filter(|term| *term <= Term::MAX)
    }

    /// The highest term that an agent which knows this one follows at once.
    pub fn reach(self) -> Term {
        Term(self.0.saturating_add(Term::RISE)).min(Term::MAX)
    }
}

impl Epoch {
    /// The highest epoch that is read from anywhere. It fits SQLite's signed integers.
    pub const MAX: Epoch = Epoch(1 << 62);
    /// How far above its own epoch an agent believes its peer. Every epoch is a person's decision: more of them than this were never made.
    pub const LEAP: u64 = 1 << 20;

    /// The epoch after this one. At the highest it stays: agents refuse a second decision of one epoch.
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1)).min(Epoch::MAX)
    }

    /// Whether persons can have decided so often since this epoch.
    pub fn can_become(self, later: Epoch) -> bool {
        later.0 <= self.0.saturating_add(Epoch::LEAP)
    }
}

impl TryFrom<u64> for Term {
    type Error = String;
    fn try_from(number: u64) -> Result<Term, String> {
        Some(Term(number)).filter(|term| *term <= Term::MAX).ok_or_else(|| format!("term {number} is above {}, the highest", Term::MAX))
    }
}

impl From<Term> for u64 {
    fn from(term: Term) -> u64 {
        term.0
    }
}

impl TryFrom<u64> for Epoch {
    type Error = String;
    fn try_from(number: u64) -> Result<Epoch, String> {
        Some(Epoch(number))
            .filter(|epoch| *epoch <= Epoch::MAX)
            .ok_or_else(|| format!("epoch {number} is above {}, the highest", Epoch::MAX))
    }
}

impl From<Epoch> for u64 {
    fn from(epoch: Epoch) -> u64 {
        epoch.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
