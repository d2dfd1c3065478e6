//! User data of HDFS: owners, groups, modes and ACLs of the directories of data sets.
//!
//! Each is one item: on directory `/data/orders`, principal `owner`, `group`, `mode`, or an ACL entry's own name
//! (`user:ana`, `default:group:`), value the rights. The root of a fenced data set tells, and is told, its true rights.

use std::collections::BTreeMap;

use super::Hdfs;
use super::error::HdfsError;
use super::listing::full;
use super::metadata::{set_xattr, steps};
use super::status::{FENCE_XATTR, MARK_XATTR, TrueRights, complete, hex_of, look};
use crate::domain::user_data::{UserDataAction, UserDataChange, UserDataKey, UserDataKind};
use crate::domain::{Entry, Manifest, Metadata, RelPath, Trouble, TroubleKind};

/// Directories told for all data sets together.
const DIRECTORIES: usize = 10_000;

impl Hdfs {
    pub(super) async fn rights_of(
        &self,
        sets: &[String],
        sealed: &BTreeMap<String, Manifest>,
    ) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        let mut items = BTreeMap::new();
        let mut room = DIRECTORIES;
        for set in sets {
            let entries = match sealed.get(set) {
                Some(manifest) => {
                    manifest.entries.values().filter(|entry| entry.node == crate::domain::Node::Directory).take(room).cloned().collect()
                }
                None => self.directories(set, room).await.map_err(|error| error.about(self.object(set)))?,
            };
            room -= entries.len();
            for entry in entries {
                self.items_of(&full(set, &entry.path), &entry.meta, &mut items);
            }
        }
        Ok(items)
    }

    /// The directories of a live data set, breadth first, at most `room`.
    async fn directories(&self, set: &str, room: usize) -> Result<Vec<Entry>, HdfsError> {
        let mut found: Vec<Entry> = Vec::new();
        let mut waiting = std::collections::VecDeque::from([RelPath::root()]);
        while let Some(path) = waiting.pop_front() {
            if found.len() == room {
                break;
            }
            let place = full(set, &path);
            let status = super::status::status(&self.web, &place).await?;
            if !status.is_directory() {
                continue;
            }
            for inside in super::listing::list(&self.web, &place).await? {
                if inside.is_directory() && found.len() + waiting.len() < room {
                    waiting.push_back(path.join(&inside.path_suffix).map_err(|e| HdfsError::Answer(e.to_string()))?);
                }
            }
            found.push(complete(&self.web, &place, path, status).await?.entry);
        }
        Ok(found)
    }

    fn items_of(&self, object: &str, meta: &Metadata, items: &mut BTreeMap<UserDataKey, String>) {
        let mut add = |principal: &str, value: String| {
            let key = UserDataKey {
                component: self.name.clone(),
                kind: UserDataKind::Permission,
                object: object.to_owned(),
                principal: principal.to_owned(),
            };
            items.insert(key, value);
        };
        add("owner", meta.owner.clone());
        add("group", meta.group.clone());
        add("mode", format!("{:04o}", meta.mode));
        for entry in &meta.acl {
            if let Some((principal, rights)) = entry.rsplit_once(':') {
                add(principal, rights.to_owned());
            }
        }
    }

    pub(super) async fn adjust_rights(&self, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        let object = &change.key.object;
        let about = |error: HdfsError| error.about(self.object(object));
        if change.key.kind != UserDataKind::Permission {
            return Err(Trouble::new(
                TroubleKind::Invalid,
                self.object(object),
                "HDFS keeps permissions only, no users, groups or tenants",
            ));
        }
        let found = match look(&self.web, object, RelPath::root()).await {
            Err(error) if error.is_missing() && change.action == UserDataAction::Remove => return Ok(Vec::new()),
            found => found.map_err(about)?,
        };
        let mut goal = found.entry.meta.clone();
        let value = if change.action == UserDataAction::Remove { None } else { change.primary.as_deref() };
        adjusted(&mut goal, &change.key.principal, value)
            .map_err(|reason| Trouble::new(TroubleKind::Invalid, self.object(object), reason))?;
        if found.own.contains_key(FENCE_XATTR) {
            let rights = serde_json::to_vec(&TrueRights::of(&goal)).map_err(|e| self.refused(object, &e.to_string()))?;
            self.web.run(set_xattr(object, FENCE_XATTR, &hex_of(&rights), true)).await.map_err(about)?;
        } else {
            for step in steps(object, &found.entry.meta, &goal) {
                self.web.run(step).await.map_err(about)?;
            }
        }
        let Some((set, path)) = self.set_around(object).await.map_err(about)? else { return Ok(Vec::new()) };
        // Read again: an ACL's mask and the mode's group bits are one thing to HDFS.
        let entry = look(&self.web, object, path).await.map_err(about)?.entry;
        Ok(vec![(set, entry)])
    }

    /// The data set of ours that a directory is in, and its path there.
    async fn set_around(&self, object: &str) -> Result<Option<(String, RelPath)>, HdfsError> {
        let mut place = object.trim_end_matches('/');
        while !place.is_empty() {
            if look(&self.web, place, RelPath::root()).await?.own.contains_key(MARK_XATTR) {
                let rest = object[place.len()..].trim_matches('/');
                return RelPath::new(rest).map(|path| Some((place.to_owned(), path))).map_err(|e| HdfsError::Answer(e.to_string()));
            }
            place = place.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        Ok(None)
    }
}

/// Refuses what no directory's rights are, before the first change of a request.
pub(super) fn may_adjust(change: &UserDataChange) -> Result<(), String> {
    if change.key.kind != UserDataKind::Permission {
        return Err("HDFS keeps permissions only, no users, groups or tenants".into());
    }
    let value = if change.action == UserDataAction::Remove { None } else { change.primary.as_deref() };
    match (change.key.principal.as_str(), value) {
        // The sticky bit is the only one above the permissions that HDFS knows.
        ("mode", Some(text)) if u32::from_str_radix(text, 8).is_ok_and(|mode| mode <= 0o1777) => Ok(()),
        ("mode", Some(text)) => Err(format!("{text:?} is no mode of a directory")),
        _ => Ok(()),
    }
}

/// Puts one item's value into metadata; `None` takes it away. Owner, group and mode are never taken away, only replaced.
fn adjusted(meta: &mut Metadata, principal: &str, value: Option<&str>) -> Result<(), String> {
    match (principal, value) {
        ("owner" | "group" | "mode", None) => {}
        ("owner", Some(owner)) => meta.owner = owner.to_owned(),
        ("group", Some(group)) => meta.group = group.to_owned(),
        ("mode", Some(mode)) => meta.mode = u32::from_str_radix(mode, 8).map_err(|_| format!("{mode:?} is no mode"))?,
        // HDFS keeps these for as long as their scope has any entry: the primary gave up the whole scope.
        ("group:", None) => {
            if let Some(rights) = meta.acl.iter().find_map(|entry| entry.strip_prefix("group::")) {
                meta.mode = (meta.mode & !0o070) | (bits(rights) << 3);
            }
            meta.acl.retain(|entry| entry.starts_with("default:"));
        }
        ("default:user:" | "default:group:" | "default:other:", None) => meta.acl.retain(|entry| !entry.starts_with("default:")),
        (principal, value) => {
            let prefix = format!("{principal}:");
            meta.acl.retain(|entry| entry.strip_prefix(&prefix).is_none_or(|rights| rights.contains(':')));
            meta.acl.extend(value.map(|rights| format!("{prefix}{rights}")));
            drop_bare_acl(meta);
            meta.acl.sort();
        }
    }
    Ok(())
}

/// What is left of an access ACL without named entries says no more than the mode; with it gone, the group's own rights are the mode's.
fn drop_bare_acl(meta: &mut Metadata) {
    let named = |entry: &String| ["user:", "group:"].iter().any(|kind| entry.strip_prefix(kind).is_some_and(|rest| !rest.starts_with(':')));
    if !meta.acl.iter().any(named) {
        if let Some(rights) = meta.acl.iter().find_map(|entry| entry.strip_prefix("group::")) {
            meta.mode = (meta.mode & !0o070) | (bits(rights) << 3);
        }
        meta.acl.retain(|entry| entry.starts_with("default:"));
    }
}

fn bits(rights: &str) -> u32 {
    [('r', 4), ('w', 2), ('x', 1)].iter().filter(|(letter, _)| rights.contains(*letter)).map(|(_, bit)| bit).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_right_leaves_the_acl() {
        let acl = ["group::r-x", "user:ana:rwx", "user:bo:r-x"].map(str::to_owned).to_vec();
        let mut meta = Metadata { mode: 0o770, acl, ..Metadata::default() };
        adjusted(&mut meta, "user:ana", None).expect("adjusted");
        assert_eq!(meta.acl, ["group::r-x", "user:bo:r-x"]);
        adjusted(&mut meta, "user:bo", None).expect("adjusted");
        assert_eq!((meta.acl.len(), meta.mode), (0, 0o750), "the last named entry takes the mask along");
        adjusted(&mut meta, "mode", Some("1777")).expect("adjusted");
        assert_eq!(meta.mode, 0o1777);
        assert!(adjusted(&mut meta, "mode", Some("9")).is_err());
    }

    #[test]
    fn a_scope_that_the_primary_gave_up_goes_in_whatever_order_its_entries_are_told() {
        let acl = ["default:group::r-x", "default:mask::rwx", "default:other::---", "default:user::rwx", "default:user:eve:rwx"];
        let access = ["group::r-x", "user:ana:rwx"];
        let principals =
            |entries: &[&str]| entries.iter().filter_map(|entry| Some(entry.rsplit_once(':')?.0.to_owned())).collect::<Vec<_>>();
        for (gone, left) in [(acl.as_slice(), access.as_slice()), (&access, &acl)] {
            for turn in 0..gone.len() {
                let mut told = principals(gone);
                told.rotate_left(turn);
                let all = acl.iter().chain(&access).map(|entry| (*entry).to_owned());
                let mut meta = Metadata { mode: 0o770, acl: all.collect(), ..Metadata::default() };
                for principal in told {
                    adjusted(&mut meta, &principal, None).expect("adjusted");
                    let scope = |entry: &String| gone.contains(&entry.as_str());
                    let base = |entry: &String| entry.contains("group::") || entry.contains("user::") || entry.contains("other::");
                    let (some, whole) = (meta.acl.iter().any(scope), meta.acl.iter().filter(|entry| scope(entry)).any(base));
                    assert!(!some || whole, "what HDFS is told in between is an ACL: {meta:?}");
                }
                assert_eq!(meta.acl, left.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>(), "turn {turn}");
            }
        }
    }

    #[test]
    fn only_modes_that_hdfs_knows_are_taken() {
        let ask = |mode: &str| {
            let key = UserDataKey {
                component: "hdfs".parse().expect("a name"),
                kind: UserDataKind::Permission,
                object: "/data".into(),
                principal: "mode".into(),
            };
            let (primary, action) = (Some(mode.to_owned()), UserDataAction::Change);
            may_adjust(&UserDataChange { key, action, primary, secondary: None, last_applied: None, drifted: false })
        };
        for good in ["0755", "1777", "0"] {
            ask(good).expect(good);
        }
        for bad in ["4755", "2770", "6777", "9", "", "-1"] {
            ask(bad).expect_err(bad);
        }
    }
}
