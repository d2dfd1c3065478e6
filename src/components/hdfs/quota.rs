//! Whether what is staged fits under the quotas above its target: asked before the commit, for after it there is no way back.

use serde::Deserialize;

use super::Hdfs;
use super::data::staging;
use super::error::HdfsError;
use super::webhdfs::Operation;
use crate::domain::{PointId, Trouble, TroubleKind};

/// A directory's quotas and what counts against them; negative: no quota. Field names as WebHDFS has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    file_and_directory_count: i64,
    quota: i64,
    space_consumed: i64,
    space_quota: i64,
}

/// What is staged, with all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Staged {
    file_count: i64,
    space_consumed: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UsageAnswer {
    quota_usage: Usage,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryAnswer {
    content_summary: Staged,
}

impl Hdfs {
    /// Refuses when a quota of the target, or of a directory above it, leaves too little room for what is staged. What is replaced is
    /// not counted as freed: the snapshots keep it.
    pub(super) async fn check_quotas(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let own = staging(self.key(set), point);
        let staged = match self.web.json::<SummaryAnswer>(Operation::get("GETCONTENTSUMMARY", &own).heavy()).await {
            Ok(answer) => answer.content_summary,
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) => return Err(error.about(self.object(&own))),
        };
        for directory in upwards(set) {
            let usage = match self.web.json::<UsageAnswer>(Operation::get("GETQUOTAUSAGE", directory)).await {
                Ok(answer) => answer.quota_usage,
                Err(error) if error.is_missing() || is_unknown(&error) => continue,
                Err(error) => return Err(error.about(self.object(directory))),
            };
            if let Some(reason) = short(usage, staged) {
                return Err(Trouble::new(TroubleKind::Exhausted, self.object(directory), reason)
                    .next("raise the quota of the directory at the secondary, or free space there, and run again"));
            }
        }
        Ok(())
    }
}

/// A NameNode older than the operation: its quotas are met when they are.
fn is_unknown(error: &HdfsError) -> bool {
    error.is("IllegalArgumentException")
}

/// A path and every directory above it, without the root.
fn upwards(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('/').map(|(above, _)| above)).take_while(|path| !path.is_empty())
}

/// Why it does not fit; `None` when it does.
fn short(usage: Usage, staged: Staged) -> Option<String> {
    let room = |quota: i64, used: i64| (quota >= 0).then(|| quota.saturating_sub(used).max(0));
    if let Some(room) = room(usage.space_quota, usage.space_consumed).filter(|room| *room < staged.space_consumed) {
        return Some(format!("its space quota leaves {room} bytes, and {} are needed", staged.space_consumed));
    }
    let room = room(usage.quota, usage.file_and_directory_count).filter(|room| *room < staged.file_count)?;
    Some(format!("its name quota leaves {room} names, and {} are needed", staged.file_count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_and_no_quota_is_no_limit() {
        let usage = |quota, space_quota| Usage { file_and_directory_count: 5, quota, space_consumed: 100, space_quota };
        let staged = Staged { file_count: 3, space_consumed: 50 };
        assert_eq!(short(usage(-1, -1), staged), None);
        assert_eq!(short(usage(8, 150), staged), None);
        assert!(short(usage(8, 149), staged).expect("too much").contains("leaves 49 bytes, and 50"));
        assert!(short(usage(7, 150), staged).expect("too many").contains("leaves 2 names, and 3"));
        // Used up more than it allows, as after a lowered quota.
        assert!(short(usage(-1, 10), staged).expect("too much").contains("leaves 0 bytes"));
    }

    #[test]
    fn every_directory_above_is_asked_but_the_root() {
        assert_eq!(upwards("/data/orders/2026").collect::<Vec<_>>(), ["/data/orders/2026", "/data/orders", "/data"]);
    }
}
