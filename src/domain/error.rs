//! The one error an operator reads: what failed, on which object, why, what to do next, whether trying again helps.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use super::ClusterName;
use super::shown::Escaping;

/// What sort of trouble it is; decides exit status, HTTP status and whether an effect is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// The request itself is wrong; the same request will never work.
    Invalid,
    /// The request is well formed and a rule forbids it now (fence, epoch, identity, state).
    Refused,
    /// An older epoch or controller term than the agent knows.
    Outdated,
    /// The named thing does not exist.
    NotFound,
    /// Nobody answered within the time limit, or the connection broke. Trying again may help.
    Unreachable,
    /// The component answered with a failure. Trying again may help.
    Failed,
    /// Disk, quota or memory is used up.
    Exhausted,
    /// Bytes are not what they should be.
    Corrupt,
    /// The work was cancelled.
    Cancelled,
}

/// A failure in words a tired person can act on; travels on the wire, into reports and onto the screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct Trouble {
    /// Its sort.
    pub kind: TroubleKind,
    /// The object concerned, as the person named it, for example `hdfs:/data/orders` or `agent shenzhen`.
    pub object: String,
    /// What failed and why. No secrets.
    pub reason: String,
    /// What the person can do next; empty when there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next_step: String,
    /// The same for programs, where the trouble has a name that stays: an object with a `code` and what belongs to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<serde_json::Value>>,
}

impl Trouble {
    /// A trouble without a next step.
    pub fn new(kind: TroubleKind, object: impl fmt::Display, reason: impl fmt::Display) -> Trouble {
        Trouble { kind, object: object.to_string(), reason: reason.to_string(), next_step: String::new(), facts: None }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub fn next(mut self, step: impl fmt::Display) -> Trouble {
        self.next_step = step.to_string();
        self
    }

    /// The same, with its name and data for programs: an enum tagged with `code`.
    #[must_use]
    pub fn coded(mut self, facts: &impl Serialize) -> Trouble {
        self.facts = serde_json::to_value(facts).ok().map(Box::new);
        self
    }

    /// The stable name of what it is; empty where it has none.
    pub fn code(&self) -> &str {
        self.facts.as_ref().and_then(|facts| facts["code"].as_str()).unwrap_or_default()
    }

    /// The same, told by a cluster that names things of its own: whoever reads it has two before them. What names a cluster already stays.
    #[must_use]
    pub fn at(mut self, cluster: &ClusterName) -> Trouble {
        let placed = self.object.rsplit_once(" at ").is_some_and(|(_, place)| place.parse::<ClusterName>().is_ok());
        if !placed && !self.object.contains(cluster.as_str()) {
            self.object = format!("{} at {cluster}", self.object);
        }
        self
    }

    /// Whether the same request may succeed later, perhaps once somebody has helped: what is full is emptied. A rule's refusal stays one.
    pub fn may_pass(&self) -> bool {
        self.is_worth_retrying() || self.kind == TroubleKind::Exhausted
    }

    /// Whether the same request may succeed later without anybody's help.
    pub fn is_worth_retrying(&self) -> bool {
        matches!(self.kind, TroubleKind::Unreachable | TroubleKind::Failed)
    }
}

/// One line, whatever names are in it.
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Escaping(f);
        write!(line, "{}: {}", self.object, self.reason)?;
        if !self.next_step.is_empty() {
            write!(line, " ({})", self.next_step)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_trouble_is_one_line_whatever_its_words_are(object in any::<String>(), reason in any::<String>(), next in any::<String>()) {
            let told = Trouble::new(TroubleKind::Failed, object, reason).next(next).to_string();
            prop_assert!(!told.chars().any(crate::domain::shown::misleads), "{told:?}");
        }
    }

    #[test]
    fn a_trouble_without_facts_is_read_and_written_as_an_earlier_version_does() {
        let plain = Trouble::new(TroubleKind::Failed, "hdfs:/a", "full");
        let text = serde_json::to_string(&plain).expect("JSON");
        assert_eq!(text, r#"{"kind":"failed","object":"hdfs:/a","reason":"full"}"#);
        assert_eq!((serde_json::from_str::<Trouble>(&text).expect("read"), plain.code()), (plain.clone(), ""));
        let coded = plain.coded(&serde_json::json!({ "code": "acls-off", "entries": 2 }));
        let read: Trouble = serde_json::from_str(&serde_json::to_string(&coded).expect("JSON")).expect("read");
        assert_eq!((read.code(), &read), ("acls-off", &coded));
    }

    #[test]
    fn a_trouble_says_at_which_cluster_it_is_once_and_keeps_what_its_teller_said() {
        let at =
            |object: &str, cluster: &str| Trouble::new(TroubleKind::Failed, object, "full").at(&cluster.parse().expect("a name")).object;
        assert_eq!(at("agent ledger", "west"), "agent ledger at west");
        assert_eq!(at("agent west", "west"), "agent west", "it names the cluster");
        // West told it to east, and east tells it to the engine.
        assert_eq!(at(&at("agent ledger", "west"), "east"), "agent ledger at west");
        assert_eq!(at("files:look at/this place", "east"), "files:look at/this place at east");
    }
}
