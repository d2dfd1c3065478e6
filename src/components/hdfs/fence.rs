//! Fences: the root closed to everybody but the agent's user, its true rights kept in an attribute, and the fence read back
//! by an ordinary user's failed write. A superuser still gets through, and the evidence says so.

use super::Hdfs;
use super::error::HdfsError;
use super::metadata::{set_xattr, steps};
use super::status::{FENCE_XATTR, Found, LEASES_XATTR, ROOT_XATTRS, TrueRights, hex_of, look, status_if_there};
use super::webhdfs::Operation;
use crate::domain::{Entry, RelPath, Trouble, TroubleKind};

/// The ordinary user that tries to write.
const PROBE_USER: &str = "understudy-probe";
/// A fenced root's mode.
const CLOSED: u32 = 0o700;
/// The values of [`LEASES_XATTR`].
const OPEN: &[u8] = b"open";
const CLOSED_ALL: &[u8] = b"closed";

impl Hdfs {
    pub(in crate::components) async fn fence_set(&self, set: &str) -> Result<String, Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        if status_if_there(&self.web, set).await.map_err(about)?.is_none() {
            self.make_root(set).await.map_err(about)?;
        }
        let root = look(&self.web, set, RelPath::root()).await.map_err(about)?;
        if !root.status.is_directory() {
            return Err(self.refused(set, "it is no directory"));
        }
        let leases = hex_of(CLOSED_ALL);
        let mut cut_off = 0;
        if !root.own.contains_key(FENCE_XATTR) {
            let rights = serde_json::to_vec(&TrueRights::of(&root.entry.meta)).map_err(|e| self.refused(set, &e.to_string()))?;
            self.web.run(set_xattr(set, FENCE_XATTR, &hex_of(&rights), false)).await.map_err(about)?;
        }
        if !self.is_closed(&root) || root.own.get(LEASES_XATTR) != Some(&leases) {
            // Noted before the root is closed: a crash in between must not leave a fence that looks proven.
            let known = root.own.contains_key(LEASES_XATTR);
            self.web.run(set_xattr(set, LEASES_XATTR, &hex_of(OPEN), known)).await.map_err(about)?;
            self.close_root(set, &root).await.map_err(about)?;
            cut_off = self.cut_off_writers(set).await?;
            self.web.run(set_xattr(set, LEASES_XATTR, &leases, true)).await.map_err(about)?;
        }
        let (fenced, evidence) = self.read_fence(set).await?;
        if !fenced {
            return Err(Trouble::new(TroubleKind::Failed, self.object(set), format!("the fence does not hold: {evidence}"))
                .next("see whether dfs.permissions.enabled is true"));
        }
        Ok(if cut_off == 0 { evidence } else { format!("{evidence}; {cut_off} files that were open for writing were closed") })
    }

    /// Makes a root that nobody else may enter; well when it is there. HDFS gives the folders above that it makes along the way
    /// the same mode, which would shut ordinary users out for good, so these are made first, as anybody would make them.
    pub(super) async fn make_root(&self, set: &str) -> Result<(), HdfsError> {
        if let Some((above, _)) = set.trim_end_matches('/').rsplit_once('/').filter(|(above, _)| !above.is_empty()) {
            self.web.run(Operation::put("MKDIRS", above).with("permission", "755")).await?;
        }
        self.web.run(Operation::put("MKDIRS", set).with("permission", "700")).await
    }

    /// Whether the root's live rights are those of a fence.
    pub(super) fn is_closed(&self, root: &Found) -> bool {
        root.status.mode().is_ok_and(|mode| mode == CLOSED) && root.status.owner == self.web.user() && root.live_acl.is_empty()
    }

    /// Takes everybody's rights on the root but the agent's own.
    pub(super) async fn close_root(&self, set: &str, root: &Found) -> Result<(), HdfsError> {
        let live = root.live_meta()?;
        let mut closed = live.clone();
        (closed.mode, closed.owner, closed.acl) = (CLOSED, self.web.user().to_owned(), Vec::new());
        for step in steps(set, &live, &closed) {
            self.web.run(step).await?;
        }
        Ok(())
    }

    pub(in crate::components) async fn read_fence(&self, set: &str) -> Result<(bool, String), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        if status_if_there(&self.web, set).await.map_err(about)?.is_none() {
            return Ok((false, "it does not exist".into()));
        }
        let root = look(&self.web, set, RelPath::root()).await.map_err(about)?;
        let rights = format!("mode {:04o}, owner {}", root.status.mode().map_err(about)?, root.status.owner);
        if !self.is_closed(&root) || !root.own.contains_key(FENCE_XATTR) {
            return Ok((false, format!("not fenced: {rights}")));
        }
        if root.own.get(LEASES_XATTR) == Some(&hex_of(OPEN)) {
            return Ok((false, format!("{rights}; files that were opened before may still be open for writing")));
        }
        let probe = format!("{}/.understudy-fence-check", set.trim_end_matches('/'));
        match self.web.acting_as(PROBE_USER).run(Operation::put("MKDIRS", &probe)).await {
            Err(error) if error.is("AccessControlException") => Ok((
                true,
                format!(
                    "{rights}; a write as {PROBE_USER} was refused; HDFS superusers can still write, and a planned switchover looks for what they wrote"
                ),
            )),
            Err(error) => Err(about(error)),
            Ok(()) => {
                self.web.boolean(Operation::delete("DELETE", &probe).with("recursive", "true")).await.map_err(about)?;
                Ok((false, format!("{rights}, and yet a write as {PROBE_USER} succeeded")))
            }
        }
    }

    pub(in crate::components) async fn unfence_set(&self, set: &str, root: Option<&Entry>) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let found = look(&self.web, set, RelPath::root()).await.map_err(about)?;
        let kept = found.own.get(FENCE_XATTR);
        let rights = match (root, kept) {
            (Some(entry), _) => TrueRights::of(&entry.meta),
            (None, Some(hex)) => TrueRights::from_hex(hex).ok_or_else(|| {
                Trouble::new(TroubleKind::Corrupt, self.object(set), "the rights it had before the fence cannot be read")
                    .next(format!("set them by hand and remove the attribute {FENCE_XATTR}"))
            })?,
            (None, None) => return Ok(()),
        };
        let live = found.live_meta().map_err(about)?;
        let mut goal = live.clone();
        rights.put_into(&mut goal);
        for step in steps(set, &live, &goal) {
            self.web.run(step).await.map_err(about)?;
        }
        // Last, so that a crash before leaves a fence that can still be lifted. With writers let in, what is here may be theirs.
        for name in ROOT_XATTRS.into_iter().filter(|name| found.own.contains_key(*name)) {
            self.web.run(Operation::put("REMOVEXATTR", set).with("xattr.name", name)).await.map_err(about)?;
        }
        Ok(())
    }
}
