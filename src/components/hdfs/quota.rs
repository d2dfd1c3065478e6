//! Quotas above a target: held against what will come before the first byte, and against what is staged before the commit, for after it
//! there is no way back.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Hdfs;
use super::data::staging;
use super::obstacles::HdfsObstacle;
use super::webhdfs::Operation;
use crate::domain::{PointId, Trouble};

/// A directory's quotas and what counts against them; negative: no quota. Field names as WebHDFS has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    file_and_directory_count: i64,
    quota: i64,
    space_consumed: i64,
    space_quota: i64,
    /// By storage type.
    #[serde(default)]
    type_quota: BTreeMap<String, TypeUsage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct TypeUsage {
    consumed: i64,
    quota: i64,
}

/// Names and bytes, these with all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Amount {
    #[serde(rename = "fileCount")]
    pub(super) names: i64,
    #[serde(rename = "spaceConsumed")]
    pub(super) bytes: i64,
}

/// Which quota of a directory is too small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Short {
    Names { left: i64, needed: i64 },
    Bytes { left: i64, needed: i64 },
    BytesOnType { storage: String, left: i64, needed: i64 },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UsageAnswer {
    quota_usage: Usage,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryAnswer {
    content_summary: Amount,
}

impl Usage {
    /// Its quotas of names and of space; none where it has neither.
    pub(super) fn limits(&self) -> Option<(Option<i64>, Option<i64>)> {
        let set = |quota: i64| (quota >= 0).then_some(quota);
        let limits = (set(self.quota), set(self.space_quota));
        (limits != (None, None)).then_some(limits)
    }
}

impl Hdfs {
    /// Refuses when a quota of the target, or of a directory above it, leaves too little room for what is staged. What is replaced is
    /// not counted as freed: the snapshots keep it. The root's own counts what is staged already.
    pub(super) async fn check_quotas(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.check_quotas_at(set, set, point).await
    }

    /// The same for what is staged for `set` and goes to `place`.
    pub(in crate::components) async fn check_quotas_at(&self, set: &str, place: &str, point: PointId) -> Result<(), Trouble> {
        let staged = self.staged(set, point).await?;
        if staged == Amount::default() {
            return Ok(());
        }
        let directories: Vec<&str> = upwards(place).filter(|directory| *directory != "/").collect();
        for directory in directories {
            if let Some(short) = self.usage(directory).await?.and_then(|usage| short(&usage, staged)) {
                return Err(HdfsObstacle::of_quota(directory, short).trouble(|path| self.object(path)));
            }
        }
        Ok(())
    }

    /// What of a point is staged; nothing where there is no staging.
    pub(super) async fn staged(&self, set: &str, point: PointId) -> Result<Amount, Trouble> {
        let own = staging(self.key(set), point);
        match self.web.json::<SummaryAnswer>(Operation::get("GETCONTENTSUMMARY", &own).heavy()).await {
            Ok(answer) => Ok(answer.content_summary),
            Err(error) if error.is_missing() => Ok(Amount::default()),
            Err(error) => Err(error.about(self.object(&own))),
        }
    }

    /// A directory's quotas; `None` where there is no such directory, or the NameNode is older than the operation: its quotas are met when
    /// they are.
    pub(super) async fn usage(&self, directory: &str) -> Result<Option<Usage>, Trouble> {
        match self.web.json::<UsageAnswer>(Operation::get("GETQUOTAUSAGE", directory)).await {
            Ok(answer) => Ok(Some(answer.quota_usage)),
            Err(error) if error.is_missing() || error.is("IllegalArgumentException") => Ok(None),
            Err(error) => Err(error.about(self.object(directory))),
        }
    }
}

/// A path and every directory above it.
pub(super) fn upwards(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rsplit_once('/') {
        Some(("", "")) | None => None,
        Some(("", _)) => Some("/"),
        Some((above, _)) => Some(above),
    })
}

/// Which quota leaves too little; `None` when all fits. Files of the usual storage policy are on disks.
pub(super) fn short(usage: &Usage, need: Amount) -> Option<Short> {
    let room = |quota: i64, used: i64, needed: i64| {
        let left = quota.saturating_sub(used).max(0);
        (quota >= 0 && left < needed).then_some(left)
    };
    if let Some(left) = room(usage.space_quota, usage.space_consumed, need.bytes) {
        return Some(Short::Bytes { left, needed: need.bytes });
    }
    if let Some((disk, left)) =
        usage.type_quota.get_key_value("DISK").and_then(|(disk, one)| Some((disk, room(one.quota, one.consumed, need.bytes)?)))
    {
        return Some(Short::BytesOnType { storage: disk.clone(), left, needed: need.bytes });
    }
    let left = room(usage.quota, usage.file_and_directory_count, need.names)?;
    Some(Short::Names { left, needed: need.names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_and_no_quota_is_no_limit() {
        let usage = |quota, space_quota| Usage { file_and_directory_count: 5, quota, space_consumed: 100, space_quota, ..Usage::default() };
        let need = Amount { names: 3, bytes: 50 };
        assert_eq!(short(&usage(-1, -1), need), None);
        assert_eq!(short(&usage(8, 150), need), None);
        assert_eq!(short(&usage(8, 149), need), Some(Short::Bytes { left: 49, needed: 50 }));
        assert_eq!(short(&usage(7, 150), need), Some(Short::Names { left: 2, needed: 3 }));
        // Used up more than it allows, as after a lowered quota.
        assert_eq!(short(&usage(-1, 10), need), Some(Short::Bytes { left: 0, needed: 50 }));
    }

    #[test]
    fn a_quota_of_disks_counts_as_well() {
        let json = r#"{"QuotaUsage":{"fileAndDirectoryCount":1,"quota":-1,"spaceConsumed":0,"spaceQuota":-1,
            "typeQuota":{"DISK":{"consumed":30,"quota":60},"SSD":{"consumed":0,"quota":0}}}}"#;
        let usage = serde_json::from_str::<UsageAnswer>(json).expect("an answer").quota_usage;
        assert_eq!(short(&usage, Amount { names: 1, bytes: 30 }), None);
        let short = short(&usage, Amount { names: 1, bytes: 31 });
        assert_eq!(short, Some(Short::BytesOnType { storage: "DISK".into(), left: 30, needed: 31 }));
    }

    #[test]
    fn every_directory_above_is_asked_up_to_the_root() {
        assert_eq!(upwards("/data/orders/2026").collect::<Vec<_>>(), ["/data/orders/2026", "/data/orders", "/data", "/"]);
        assert_eq!(upwards("/").collect::<Vec<_>>(), ["/"]);
    }
}
