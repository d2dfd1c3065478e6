//! What a first point brought that was never sealed, taken away again: the directory is empty then, open, and not ours.

use super::Hdfs;
use super::error::HdfsError;
use super::listing::list;
use super::status::{MARK_XATTR, look, status_if_there};
use super::webhdfs::Operation;
use crate::domain::{PointId, RelPath, Trouble};

impl Hdfs {
    /// Empties a directory of ours, and opens it. One without our mark holds nothing of ours: only our fence comes off. The mark goes last,
    /// so that a crash leaves what is still to be removed in a directory that is known to be ours.
    pub(in crate::components) async fn vacate_set(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        if status_if_there(&self.web, set).await.map_err(about)?.is_none() {
            return Ok(());
        }
        self.release_snapshot(set, point).await?;
        if look(&self.web, set, RelPath::root()).await.map_err(about)?.own.contains_key(MARK_XATTR) {
            for found in list(&self.web, set).await.map_err(about)? {
                let path = format!("{}/{}", set.trim_end_matches('/'), found.path_suffix);
                self.web.boolean(Operation::delete("DELETE", &path).with("recursive", "true").heavy()).await.map_err(about)?;
            }
            // It stays allowed where it holds snapshots of somebody else's.
            self.give_up(set).await?;
        }
        self.unfence_set(set, None).await
    }
}
