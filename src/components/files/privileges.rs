//! Privileges that metadata of another cluster would give on this host: setuid and setgid files, things of root's, and attributes that
//! are not a user's (`security.capability` makes a program root's equal). Each is refused by name unless agent.toml allows it. Pure.
//!
//! A directory's setgid and sticky bits are no privilege: they travel as ever.

use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;

use super::meta::{Names, unhex};
use super::notes::FilesRefusal;
use crate::domain::{Entry, Node, Trouble, TroubleKind};

/// Setuid and setgid.
pub const SETID: u32 = 0o6000;
/// The only attributes that anybody who may write a file may set.
pub const USER_ATTRIBUTES: &str = "user.";
/// Objects told by name.
const TOLD: usize = 4;

/// What agent.toml may let in from the other cluster: `allow = ["setid", "root-owner", "security-attributes"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// Files with the setuid or the setgid bit.
    Setid,
    /// Files, directories and links of the user with number 0.
    RootOwner,
    /// Attributes whose names do not begin with `user.`.
    SecurityAttributes,
}

impl Privilege {
    /// The word in agent.toml.
    pub fn word(self) -> &'static str {
        match self {
            Privilege::Setid => "setid",
            Privilege::RootOwner => "root-owner",
            Privilege::SecurityAttributes => "security-attributes",
        }
    }
}

/// Those that are let in.
pub type Allowed = BTreeSet<Privilege>;

/// The privileges that an entry would give and that are not allowed, each in words.
fn refused(entry: &Entry, is_superuser: bool, allowed: &Allowed) -> Vec<(Privilege, String)> {
    let (meta, mut found) = (&entry.meta, Vec::new());
    if entry.is_file() && meta.mode & SETID != 0 {
        found.push((Privilege::Setid, format!("has mode {:04o}", meta.mode)));
    }
    if is_superuser {
        found.push((Privilege::RootOwner, format!("belongs to {:?}, the superuser of this host", meta.owner)));
    }
    if !matches!(entry.node, Node::Link { .. }) {
        let foreign = meta.xattrs.keys().filter(|name| !name.starts_with(USER_ATTRIBUTES));
        found.extend(foreign.map(|name| (Privilege::SecurityAttributes, format!("has the attribute {name:?}"))));
    }
    found.retain(|(privilege, _)| !allowed.contains(privilege));
    found
}

/// Refuses entries that would give privileges, before anything is changed. The component's data set is `object`.
pub fn check<'a>(entries: impl Iterator<Item = &'a Entry>, names: &Names, allowed: &Allowed, object: &str) -> Result<(), Trouble> {
    let (mut told, mut count, mut words) = (Vec::new(), 0_u64, BTreeSet::new());
    // Millions of entries have a few owners.
    let mut owners: HashMap<&str, bool> = HashMap::new();
    for entry in entries {
        let is_superuser = *owners.entry(&entry.meta.owner).or_insert_with_key(|owner| names.is_superuser(owner));
        for (privilege, what) in refused(entry, is_superuser, allowed) {
            words.insert(privilege);
            count += 1;
            if told.len() < TOLD {
                told.push(format!("{} {what}", shown(entry)));
            }
        }
        if let Some(name) = unfit(entry) {
            let reason = format!("{} has an attribute {name:?} that no capture makes", shown(entry));
            return Err(Trouble::new(TroubleKind::Refused, object, reason).next("look at the primary's agent; run again"));
        }
    }
    if count == 0 {
        return Ok(());
    }
    let more = if count > told.len() as u64 { format!("; and {} more", count - told.len() as u64) } else { String::new() };
    let refused = FilesRefusal::Privileges { entries: count }.trouble(object);
    Err(Trouble { reason: format!("{}{more}", told.join("; ")), next_step: remedy(&words), ..refused })
}

/// What a person does about it: takes it away at the source, or lets it in here.
fn remedy(words: &BTreeSet<Privilege>) -> String {
    let list: Vec<_> = words.iter().map(|privilege| format!("{:?}", privilege.word())).collect();
    format!(
        "take that away at the primary, or let it in: on this host (the target's), add {} to `allow` of this component in agent.toml and start the agent again",
        list.join(", ")
    )
}

/// An attribute that could not be given: without a name of its own, or with a value that is no bytes.
fn unfit(entry: &Entry) -> Option<&str> {
    entry
        .meta
        .xattrs
        .iter()
        .find(|(name, value)| name.is_empty() || *name == USER_ATTRIBUTES || unhex(value).is_none())
        .map(|(name, _)| name.as_str())
}

fn shown(entry: &Entry) -> String {
    if entry.path.is_root() { "the root directory".into() } else { format!("{:?}", entry.path.as_str()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Metadata, RelPath};

    fn entry(node: Node, mode: u32, owner: &str, attributes: &[&str]) -> Entry {
        let xattrs: BTreeMap<String, String> = attributes.iter().map(|name| ((*name).to_owned(), "00".to_owned())).collect();
        let meta = Metadata { mode, owner: owner.into(), group: "0".into(), xattrs, ..Metadata::default() };
        Entry { path: RelPath::new("bin/su").expect("a path"), node, meta }
    }

    fn file() -> Node {
        Node::File { bytes: 1, digest: None }
    }

    fn all() -> Allowed {
        Allowed::from([Privilege::Setid, Privilege::RootOwner, Privilege::SecurityAttributes])
    }

    proptest! {
        #[test]
        fn no_file_gets_setuid_or_setgid_and_directories_keep_all_their_bits(mode in 0_u32..=0o7777) {
            let of = |node| check([entry(node, mode, "4000000000", &[])].iter(), &Names::default(), &Allowed::new(), "files:x");
            prop_assert_eq!(of(file()).is_err(), mode & 0o6000 != 0);
            prop_assert!(of(Node::Directory).is_ok());
            let link = Node::Link { target: "x".into() };
            prop_assert!(of(link).is_ok());
        }

        #[test]
        fn only_attributes_of_users_are_let_in(name in "(user|security|trusted|system|[a-z]{1,9})?[.]?[a-z.]{0,9}") {
            let given = entry(file(), 0o644, "4000000000", &[name.as_str()]);
            let refused = check([given.clone()].iter(), &Names::default(), &Allowed::new(), "files:x");
            prop_assert_eq!(refused.is_ok(), name.starts_with("user.") && name.len() > 5, "{:?}", refused);
            prop_assert!(["", "user."].contains(&name.as_str()) || check([given].iter(), &Names::default(), &all(), "files:x").is_ok());
        }
    }

    #[test]
    fn whoever_has_number_0_is_the_superuser_however_it_is_written() {
        let names = Names::load();
        for owner in ["root", "0", "00", "+0"] {
            for node in [file(), Node::Directory, Node::Link { target: "x".into() }] {
                let refused = check([entry(node, 0o644, owner, &[])].iter(), &names, &Allowed::new(), "files:x").expect_err(owner);
                assert!(refused.reason.contains("superuser") && refused.next_step.contains("\"root-owner\""), "{refused}");
            }
        }
        check([entry(file(), 0o644, "0", &[])].iter(), &names, &Allowed::from([Privilege::RootOwner]), "files:x").expect("allowed");
    }

    #[test]
    fn a_refusal_names_the_objects_the_setting_and_the_next_step() {
        let many: Vec<Entry> = (0..6).map(|_| entry(file(), 0o4755, "0", &["security.capability"])).collect();
        let refused = check(many.iter(), &Names::default(), &Allowed::new(), "files:tools").expect_err("refused");
        assert_eq!((refused.kind, refused.object.as_str()), (TroubleKind::Refused, "files:tools"));
        for said in ["\"bin/su\" has mode 4755", "\"security.capability\"", "and 14 more"] {
            assert!(refused.reason.contains(said), "{said}: {refused}");
        }
        assert!(
            refused.next_step.contains("\"setid\", \"root-owner\", \"security-attributes\"") && refused.next_step.contains("agent.toml")
        );
        let broken =
            Entry { meta: Metadata { xattrs: BTreeMap::from([("user.a".into(), "0".into())]), ..many[0].meta.clone() }, ..many[0].clone() };
        assert!(check([broken].iter(), &Names::default(), &all(), "files:x").expect_err("refused").reason.contains("no capture"));
    }
}
