//! Files open for writing, which WebHDFS cannot list: the NameNode's own check of a tree (`/fsck`) names them.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Hdfs;
use super::data::timed;
use super::error::HdfsError;
use super::webhdfs::WebHdfs;

/// How long the NameNode and the DataNodes may take to close a file whose writer is cut off, and how often that is asked.
const CLOSING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(500));

impl WebHdfs {
    /// Files below `path` that are open for writing now.
    pub async fn open_for_write(&self, path: &str, limit: Duration) -> Result<Vec<String>, HdfsError> {
        let path = utf8_percent_encode(path, NON_ALPHANUMERIC);
        let user = utf8_percent_encode(self.user(), NON_ALPHANUMERIC);
        let text = self.page(&format!("/fsck?ugi={user}&user.name={user}&openforwrite=1&path={path}"), limit).await?;
        if text.contains("Access denied") {
            return Err(HdfsError::Answer(text.lines().find(|line| line.contains("Access denied")).unwrap_or_default().to_owned()));
        }
        Ok(open_files_in(&text))
    }
}

impl Hdfs {
    /// Takes the lease of a file's writer away and waits until the file is closed.
    pub(super) async fn recover_lease(&self, path: &str) -> Result<(), HdfsError> {
        let (limit, pause) = CLOSING;
        let started = tokio::time::Instant::now();
        while !timed(self.web.limits().call, self.rpc.recover_lease(path)).await? {
            if started.elapsed() > limit {
                return Err(HdfsError::Silent(limit));
            }
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }
}

/// The open files in the text of `/fsck?openforwrite=1`: lines like `/a/b 12 bytes, replicated: …, OPENFORWRITE: `.
fn open_files_in(text: &str) -> Vec<String> {
    let path = |line: &str| {
        let head = line.split_once("OPENFORWRITE")?.0;
        let (before, _) = head.split_once(" bytes, ")?;
        let (path, length) = before.rsplit_once(' ')?;
        (path.starts_with('/') && length.parse::<u64>().is_ok()).then(|| path.to_owned())
    };
    let mut files: Vec<String> = text.lines().filter_map(path).collect();
    files.sort();
    files.dedup();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_found_in_the_check() {
        let text = "FSCK started by root (auth:SIMPLE) from /127.0.0.1 for path /d at Sat\n\n\
            /d/open file 12 bytes, replicated: replication=1, 0 block(s), OPENFORWRITE: \n\
            /d/OPENFORWRITE 3 bytes, replicated: replication=1, 1 block(s):  OK\n\
            Status: HEALTHY\n";
        assert_eq!(open_files_in(text), ["/d/open file"]);
    }
}
