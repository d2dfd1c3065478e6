//! Walks trees: every entry below a path, parents before children, a bounded number of requests at once.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;

use super::error::HdfsError;
use super::status::{FileStatus, Found, complete, status};
use super::webhdfs::{Operation, WebHdfs};
use crate::domain::RelPath;

/// Metadata requests under way at once.
pub const AT_ONCE: usize = 24;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer {
    directory_listing: DirectoryListing,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DirectoryListing {
    partial_listing: PartialListing,
    remaining_entries: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PartialListing {
    file_statuses: Statuses,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statuses {
    file_status: Vec<FileStatus>,
}

/// What a directory holds, page by page.
pub async fn list(hdfs: &WebHdfs, path: &str) -> Result<Vec<FileStatus>, HdfsError> {
    let mut all: Vec<FileStatus> = Vec::new();
    loop {
        let mut operation = Operation::get("LISTSTATUS_BATCH", path);
        if let Some(last) = all.last() {
            operation = operation.with("startAfter", &last.path_suffix);
        }
        let page = hdfs.json::<BatchAnswer>(operation).await?.directory_listing;
        let empty = page.partial_listing.file_statuses.file_status.is_empty();
        all.extend(page.partial_listing.file_statuses.file_status);
        if page.remaining_entries == 0 || empty {
            return Ok(all);
        }
    }
}

/// The path in HDFS of an entry below `root`.
pub fn full(root: &str, path: &RelPath) -> String {
    if path.is_root() { root.to_owned() } else { format!("{}/{path}", root.trim_end_matches('/')) }
}

/// All statuses below and including `start` (relative to `root`), parents first; what is in `skip` is left out with all below it.
pub async fn walk(hdfs: &WebHdfs, root: &str, start: &RelPath, skip: &BTreeSet<RelPath>) -> Result<Vec<(RelPath, FileStatus)>, HdfsError> {
    let first = status(hdfs, &full(root, start)).await?;
    let mut level: Vec<RelPath> = if first.is_directory() { vec![start.clone()] } else { Vec::new() };
    let mut all = vec![(start.clone(), first)];
    while !level.is_empty() {
        let listed: Vec<(RelPath, Vec<FileStatus>)> = stream::iter(level)
            .map(|directory| async {
                let inside = list(hdfs, &full(root, &directory)).await?;
                Ok::<_, HdfsError>((directory, inside))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        level = Vec::new();
        for (directory, inside) in listed {
            for status in inside {
                let path = directory.join(&status.path_suffix).map_err(|e| HdfsError::Answer(e.to_string()))?;
                if skip.contains(&path) {
                    continue;
                }
                if status.is_directory() {
                    level.push(path.clone());
                }
                all.push((path, status));
            }
        }
    }
    Ok(all)
}

/// The same with ACLs and extended attributes.
pub async fn walk_whole(hdfs: &WebHdfs, root: &str, start: &RelPath, skip: &BTreeSet<RelPath>) -> Result<Vec<Found>, HdfsError> {
    let statuses = walk(hdfs, root, start, skip).await?;
    stream::iter(statuses)
        .map(|(path, status)| async move { complete(hdfs, &full(root, &path), path.clone(), status).await })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
