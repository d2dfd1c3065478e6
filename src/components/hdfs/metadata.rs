//! From the metadata an entry has to the metadata it should have: the fewest operations, in an order that ends right, and a second look
//! that it did.
//!
//! An ACL has two scopes. SETACL replaces those that it names and keeps the other one, and a directory that is made below one with a
//! default ACL has both at once: so the scopes are decided apart (see [`rights`]).

use super::Hdfs;
use super::error::HdfsError;
use super::listing::full;
use super::status::{Found, look};
use super::unlike::unlike;
use super::webhdfs::Operation;
use crate::domain::{Entry, Metadata, Node, Trouble};

/// What a NameNode says that keeps no access times.
const NO_ACCESS_TIMES: &str = "Access time for hdfs is not configured";

/// One step from the mode and ACL that there are to those that there should be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rights {
    /// Both scopes away; the group's own rights come back into the mode.
    RemoveAcl,
    /// The default scope away.
    RemoveDefaultAcl,
    /// These entries; a scope that is not named stays.
    SetAcl(String),
    /// The mode; beside named entries its group bits are the mask.
    SetMode(u32),
}

impl Rights {
    fn operation(self, path: &str) -> Operation {
        match self {
            Rights::RemoveAcl => Operation::put("REMOVEACL", path),
            Rights::RemoveDefaultAcl => Operation::put("REMOVEDEFAULTACL", path),
            Rights::SetAcl(spec) => Operation::put("SETACL", path).with("aclspec", spec),
            Rights::SetMode(mode) => Operation::put("SETPERMISSION", path).with("permission", format!("{mode:o}")),
        }
    }
}

/// The steps to `want`'s mode and ACL, in both scopes.
fn rights(live: &Metadata, want: &Metadata) -> Vec<Rights> {
    let has_default = |meta: &Metadata| meta.acl.iter().any(|entry| entry.starts_with("default:"));
    let mut steps = Vec::new();
    let other_acl = live.acl != want.acl;
    if other_acl && want.acl.is_empty() {
        steps.push(Rights::RemoveAcl);
    } else if other_acl {
        // The access scope is always named.
        if has_default(live) && !has_default(want) {
            steps.push(Rights::RemoveDefaultAcl);
        }
        steps.push(Rights::SetAcl(acl_spec(want)));
    }
    if other_acl || live.mode != want.mode {
        steps.push(Rights::SetMode(want.mode));
    }
    steps
}

/// The operations that lead from `live` to `want` at `path`. Times come last, since nothing after them may move them.
pub(super) fn steps(path: &str, live: &Metadata, want: &Metadata) -> Vec<Operation> {
    let mut steps = Vec::new();
    if let Some(count) = want.replication.filter(|count| live.replication.is_some_and(|now| now != *count && *count > 0)) {
        steps.push(Operation::put("SETREPLICATION", path).with("replication", count.to_string()));
    }
    if live.owner != want.owner || live.group != want.group {
        steps.push(Operation::put("SETOWNER", path).with("owner", &want.owner).with("group", &want.group));
    }
    steps.extend(rights(live, want).into_iter().map(|step| step.operation(path)));
    for name in live.xattrs.keys().filter(|name| !want.xattrs.contains_key(*name)) {
        steps.push(Operation::put("REMOVEXATTR", path).with("xattr.name", name));
    }
    for (name, value) in want.xattrs.iter().filter(|(name, value)| live.xattrs.get(*name) != Some(value)) {
        steps.push(set_xattr(path, name, value, live.xattrs.contains_key(name)));
    }
    let accessed = want.accessed_ns.filter(|_| live.accessed_ns != want.accessed_ns);
    if accessed.is_some() || live.modified_ns != want.modified_ns {
        steps.push(set_times(path, want.modified_ns, accessed));
    }
    steps
}

/// Sets both times; `None` leaves the time of the last access.
fn set_times(path: &str, modified_ns: i64, accessed_ns: Option<i64>) -> Operation {
    let millis = |ns: i64| ns.div_euclid(1_000_000).to_string();
    let accessed = accessed_ns.map_or("-1".to_owned(), millis);
    Operation::put("SETTIMES", path).with("modificationtime", millis(modified_ns)).with("accesstime", accessed)
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
    pub(super) async fn give_metadata(&self, root: &str, want: &Entry) -> Result<(), Trouble> {
        self.bring_metadata(root, want, false).await
    }

    /// Gives what is at `want`'s path in the live tree `want`'s metadata. A fenced root keeps its mode, owner and ACL.
    pub(super) async fn set_metadata(&self, set: &str, want: &Entry) -> Result<(), Trouble> {
        self.bring_metadata(set, want, want.path.is_root()).await
    }

    /// Gives an entry the metadata that is wanted, its rights aside where it keeps them. Whatever was changed is read again: what is still
    /// not as it should be is named.
    async fn bring_metadata(&self, root: &str, want: &Entry, keeps_rights: bool) -> Result<(), Trouble> {
        if matches!(want.node, Node::Link { .. }) {
            return Ok(());
        }
        let path = full(root, &want.path);
        let live = self.live_metadata(&path, want).await?;
        let mut goal = want.meta.clone();
        if keeps_rights {
            (goal.mode, goal.owner, goal.group, goal.acl) = (live.mode, live.owner.clone(), live.group.clone(), live.acl.clone());
        }
        let steps = steps(&path, &live, &goal);
        if steps.is_empty() {
            return Ok(());
        }
        for step in steps {
            self.take(step, &path, &goal).await.map_err(|error| error.about(self.object(&path)))?;
        }
        match unlike(&self.live_metadata(&path, want).await?, &goal) {
            None => Ok(()),
            Some(unlike) => Err(unlike.about(self.object(&path))),
        }
    }

    async fn live_metadata(&self, path: &str, entry: &Entry) -> Result<Metadata, Trouble> {
        let found = look(&self.web, path, entry.path.clone()).await;
        found.and_then(|found| found.live_meta()).map_err(|error| error.about(self.object(path)))
    }

    /// Takes one step. A NameNode that keeps no access times may refuse to set one: the modification time is set all the same.
    async fn take(&self, step: Operation, path: &str, goal: &Metadata) -> Result<(), HdfsError> {
        match self.web.run(step).await {
            Err(HdfsError::Remote { message, .. }) if message.contains(NO_ACCESS_TIMES) => {
                self.web.run(set_times(path, goal.modified_ns, None)).await
            }
            done => done,
        }
    }
}

#[cfg(test)]
mod tests;
