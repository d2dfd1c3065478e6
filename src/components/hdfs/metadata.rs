//! From the metadata an entry has to the metadata it should have: the fewest operations, in an order that ends right.

use super::listing::full;
use super::status::{Found, look};
use super::webhdfs::Operation;
use super::{Hdfs, error::HdfsError};
use crate::domain::{Entry, Metadata, Node};

/// The operations that lead from `live` to `want` at `path`. Times come last, since nothing after them may move them.
pub(super) fn steps(path: &str, live: &Metadata, want: &Metadata) -> Vec<Operation> {
    let mut steps = Vec::new();
    if let Some(count) = want.replication.filter(|count| live.replication.is_some_and(|now| now != *count && *count > 0)) {
        steps.push(Operation::put("SETREPLICATION", path).with("replication", count.to_string()));
    }
    if live.owner != want.owner || live.group != want.group {
        steps.push(Operation::put("SETOWNER", path).with("owner", &want.owner).with("group", &want.group));
    }
    let other_acl = live.acl != want.acl;
    if other_acl && want.acl.is_empty() {
        steps.push(Operation::put("REMOVEACL", path));
    } else if other_acl {
        steps.push(Operation::put("SETACL", path).with("aclspec", acl_spec(want)));
    }
    if other_acl || live.mode != want.mode {
        steps.push(Operation::put("SETPERMISSION", path).with("permission", format!("{:o}", want.mode)));
    }
    for name in live.xattrs.keys().filter(|name| !want.xattrs.contains_key(*name)) {
        steps.push(Operation::put("REMOVEXATTR", path).with("xattr.name", name));
    }
    for (name, value) in want.xattrs.iter().filter(|(name, value)| live.xattrs.get(*name) != Some(value)) {
        steps.push(set_xattr(path, name, value, live.xattrs.contains_key(name)));
    }
    let accessed = want.accessed_ns.filter(|_| live.accessed_ns != want.accessed_ns);
    if accessed.is_some() || live.modified_ns != want.modified_ns {
        let millis = |ns: i64| ns.div_euclid(1_000_000).to_string();
        let accessed = accessed.map_or("-1".to_owned(), millis);
        steps.push(Operation::put("SETTIMES", path).with("modificationtime", millis(want.modified_ns)).with("accesstime", accessed));
    }
    steps
}

/// Sets one attribute, its value in hex.
pub(super) fn set_xattr(path: &str, name: &str, hex: &str, replace: bool) -> Operation {
    let set = Operation::put("SETXATTR", path).with("xattr.name", name).with("flag", if replace { "REPLACE" } else { "CREATE" });
    if hex.is_empty() { set } else { set.with("xattr.value", format!("0x{hex}")) }
}

/// The whole ACL as SETACL wants it. HDFS keeps owner and others, and the mask where there are named entries, in the mode.
fn acl_spec(want: &Metadata) -> String {
    let bits = |shift: u32| rwx(want.mode >> shift);
    let mut spec = vec![format!("user::{}", bits(6)), format!("other::{}", bits(0))];
    let named = want.acl.iter().any(|entry| !entry.starts_with("default:"));
    if named {
        spec.push(format!("mask::{}", bits(3)));
    } else {
        spec.push(format!("group::{}", bits(3)));
    }
    spec.extend(want.acl.iter().cloned());
    spec.join(",")
}

fn rwx(bits: u32) -> String {
    [(4, 'r'), (2, 'w'), (1, 'x')].iter().map(|(bit, letter)| if bits & bit == 0 { '-' } else { *letter }).collect()
}

impl Found {
    /// The metadata it really has now, even when it is fenced.
    pub(super) fn live_meta(&self) -> Result<Metadata, HdfsError> {
        let mut meta = self.entry.meta.clone();
        meta.mode = self.status.mode()?;
        meta.owner.clone_from(&self.status.owner);
        meta.group.clone_from(&self.status.group);
        meta.acl.clone_from(&self.live_acl);
        Ok(meta)
    }
}

impl Hdfs {
    /// Gives what is at `want`'s path below `root` exactly `want`'s metadata, the root's as well: for a tree that no fence covers.
    pub(super) async fn give_metadata(&self, root: &str, want: &Entry) -> Result<(), HdfsError> {
        if matches!(want.node, Node::Link { .. }) {
            return Ok(());
        }
        let path = full(root, &want.path);
        let live = look(&self.web, &path, want.path.clone()).await?.live_meta()?;
        for step in steps(&path, &live, &want.meta) {
            self.web.run(step).await?;
        }
        Ok(())
    }

    /// Gives what is at `want`'s path in the live tree `want`'s metadata. A fenced root keeps its mode, owner and ACL.
    pub(super) async fn set_metadata(&self, set: &str, want: &Entry) -> Result<(), HdfsError> {
        if matches!(want.node, Node::Link { .. }) {
            return Ok(());
        }
        let path = full(set, &want.path);
        let live = look(&self.web, &path, want.path.clone()).await?.live_meta()?;
        let mut goal = want.meta.clone();
        if want.path.is_root() {
            (goal.mode, goal.owner, goal.group, goal.acl) = (live.mode, live.owner.clone(), live.group.clone(), live.acl.clone());
        }
        for step in steps(&path, &live, &goal) {
            self.web.run(step).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(mode: u32, acl: &[&str]) -> Metadata {
        Metadata { mode, owner: "o".into(), group: "g".into(), acl: acl.iter().map(|e| (*e).into()).collect(), ..Metadata::default() }
    }

    #[test]
    fn nothing_to_do_is_no_request() {
        assert!(steps("/a", &meta(0o640, &["user:ana:r--", "group::r--"]), &meta(0o640, &["user:ana:r--", "group::r--"])).is_empty());
    }

    #[test]
    fn an_acl_carries_owner_others_and_the_mask_of_the_mode() {
        assert_eq!(acl_spec(&meta(0o660, &["group::r--", "user:ana:r--"])), "user::rw-,other::---,mask::rw-,group::r--,user:ana:r--");
        assert_eq!(acl_spec(&meta(0o750, &["default:user::rwx"])), "user::rwx,other::---,group::r-x,default:user::rwx");
    }

    #[test]
    fn times_come_last_and_the_mode_after_the_acl() {
        let mut want = meta(0o1750, &[]);
        want.modified_ns = 5_000_000;
        want.xattrs.insert("user.a".into(), "6b".into());
        let all = format!("{:?}", steps("/a", &meta(0o640, &["user:ana:r--"]), &want));
        let at = |name: &str| all.find(name).unwrap_or_else(|| panic!("{name} is missing in {all}"));
        assert!(at("REMOVEACL") < at("SETPERMISSION") && at("SETPERMISSION") < at("SETXATTR") && at("SETXATTR") < at("SETTIMES"));
        assert!(all.contains("permission=1750") && all.contains("modificationtime=5&accesstime=%2D1") || all.contains("accesstime=-1"));
    }
}
