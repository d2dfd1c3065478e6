//! Attributes that the other cluster may not set here: those that are no user's, unless agent.toml allows them, and those that are ours.
//!
//! HDFS has no user 0 and knows no setuid: owners are names only, and the bits are not kept.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Hdfs;
use super::status::OWN_XATTRS;
use crate::domain::{Entry, Trouble, TroubleKind};

/// The only attributes that anybody who may write a file may set.
const USER_ATTRIBUTES: &str = "user.";
/// Objects told by name.
const TOLD: usize = 4;

/// What agent.toml may let in from the other cluster: `allow = ["security-attributes"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HdfsPrivilege {
    /// Attributes whose names do not begin with `user.`: `trusted.…`, `security.…`, `system.…`.
    SecurityAttributes,
}

/// What is refused, for programs.
#[derive(Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
enum Refusal {
    ForeignAttributes { attributes: u64 },
}

/// Refuses entries with attributes that are not let in, by name. `object` is the data set.
pub fn check<'a>(entries: impl Iterator<Item = &'a Entry>, allowed: &BTreeSet<HdfsPrivilege>, object: &str) -> Result<(), Trouble> {
    let all = allowed.contains(&HdfsPrivilege::SecurityAttributes);
    let (mut told, mut count, mut ours) = (Vec::new(), 0_u64, false);
    for entry in entries {
        for name in entry.meta.xattrs.keys() {
            let own = name.starts_with(OWN_XATTRS);
            if !own && (all || name.starts_with(USER_ATTRIBUTES)) {
                continue;
            }
            (count, ours) = (count + 1, ours || own);
            if told.len() < TOLD {
                let path = if entry.path.is_root() { "the root directory".into() } else { format!("{:?}", entry.path.as_str()) };
                told.push(format!("{path} has the attribute {name:?}"));
            }
        }
    }
    if count == 0 {
        return Ok(());
    }
    let more = if count > told.len() as u64 { format!("; and {} more", count - told.len() as u64) } else { String::new() };
    let next = match ours {
        true => "these attributes are this program's own and are never captured: look at the primary's agent",
        false => {
            "remove them at the primary, or let them in: on this host (the target's), add \"security-attributes\" to `allow` of the hdfs component in agent.toml and start the agent again"
        }
    };
    let facts = Refusal::ForeignAttributes { attributes: count };
    Err(Trouble::new(TroubleKind::Refused, object, format!("{}{more}", told.join("; "))).next(next).coded(&facts))
}

impl Hdfs {
    /// The same, letting these privileges in from the other cluster. None unless told.
    #[must_use]
    pub fn allowing(self, allowed: BTreeSet<HdfsPrivilege>) -> Hdfs {
        Hdfs { allowed, ..self }
    }

    /// Nothing is changed before it is known that a manifest's attributes are let in.
    pub(in crate::components) fn check_privileges<'a>(&self, set: &str, entries: impl Iterator<Item = &'a Entry>) -> Result<(), Trouble> {
        check(entries, &self.allowed, &self.object(set))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Metadata, Node, RelPath};

    fn entry(attribute: &str) -> Entry {
        let meta = Metadata { xattrs: BTreeMap::from([(attribute.to_owned(), "00".to_owned())]), ..Metadata::default() };
        Entry { path: RelPath::new("a/b").expect("a path"), node: Node::Directory, meta }
    }

    proptest! {
        #[test]
        fn only_attributes_of_users_are_let_in(name in "(user|security|trusted|system|raw|[a-z]{1,9})?[.]?(understudy[.])?[a-z]{0,9}") {
            let ours = name.starts_with("user.understudy.");
            prop_assert_eq!(check([entry(&name)].iter(), &BTreeSet::new(), "hdfs:/x").is_ok(), name.starts_with("user.") && !ours);
            let allowed = BTreeSet::from([HdfsPrivilege::SecurityAttributes]);
            prop_assert_eq!(check([entry(&name)].iter(), &allowed, "hdfs:/x").is_ok(), !ours, "ours are never let in");
        }
    }

    #[test]
    fn a_refusal_names_the_object_the_attribute_and_the_setting() {
        let refused = check([entry("trusted.key")].iter(), &BTreeSet::new(), "hdfs:/data/orders").expect_err("refused");
        assert_eq!((refused.kind, refused.object.as_str()), (TroubleKind::Refused, "hdfs:/data/orders"));
        assert!(refused.reason.contains("\"a/b\" has the attribute \"trusted.key\""), "{refused}");
        assert!(refused.next_step.contains("\"security-attributes\"") && refused.next_step.contains("agent.toml"), "{refused}");
    }
}
