//! Files open for writing, which WebHDFS cannot list: the NameNode's own check of a tree (`/fsck`) names them.

use std::collections::BTreeSet;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Hdfs;
use super::data::timed;
use super::error::HdfsError;
use super::listing::AT_ONCE;
use super::webhdfs::WebHdfs;
use crate::components::pool::Pool;
use crate::domain::Trouble;

/// How long the NameNode and the DataNodes may take to close a file whose writer is cut off, and how often that is asked.
const CLOSING: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(500));
/// Open files whose writers are cut off at once when a fence comes down.
const LEASES: usize = 1_000;
/// How often open files are looked for and closed before that is given up.
const ROUNDS: usize = 5;

impl WebHdfs {
    /// Files below `path` that are open for writing now.
    pub async fn open_for_write(&self, path: &str, limit: Duration) -> Result<Vec<String>, HdfsError> {
        let path = utf8_percent_encode(path, NON_ALPHANUMERIC);
        let user = utf8_percent_encode(self.user(), NON_ALPHANUMERIC);
        let text = self.page(&format!("/fsck?ugi={user}&user.name={user}&openforwrite=1&path={path}"), limit).await?;
        open_files_in(&text).map_err(HdfsError::Answer)
    }
}

impl Hdfs {
    /// Takes the lease of every open file's writer away and asks again, until no file is open. Returns how many were. New ones come
    /// only from superusers once the root is closed, so that a few rounds are enough.
    pub(super) async fn cut_off_writers(&self, set: &str) -> Result<usize, Trouble> {
        let mut closed = BTreeSet::new();
        for _ in 0..ROUNDS {
            let asked = self.web.open_for_write(set, self.web.limits().heavy).await;
            let open = asked.map_err(|error| error.about(self.object(set)))?;
            if open.is_empty() {
                return Ok(closed.len());
            }
            if open.len() > LEASES {
                return Err(self.refused(set, &format!("{} files are open for writing", open.len())).next("stop the writers first"));
            }
            let mut pool = Pool::new(AT_ONCE);
            for file in &open {
                pool.add(async move {
                    match self.recover_lease(file).await {
                        // Its writer closed or deleted it meanwhile.
                        Err(error) if error.is_missing() => Ok(()),
                        recovered => recovered.map_err(|error| error.about(self.object(file))),
                    }
                })
                .await?;
            }
            pool.finish().await?;
            closed.extend(open);
        }
        let reason = format!("files in it are opened for writing again and again: {}", closed.last().map_or("", String::as_str));
        Err(self.refused(set, &reason).next("stop the superuser's program that writes there"))
    }

    /// Takes the lease of a file's writer away and waits until the file is closed.
    async fn recover_lease(&self, path: &str) -> Result<(), HdfsError> {
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

/// The open files in the text of `/fsck?openforwrite=1`, or why it tells none.
///
/// Each is told as `/a/b 12 bytes, …, OPENFORWRITE: `, one directly after the other on one line; a block that lacks replicas gets lines of
/// its own in between. A name cannot have a colon in HDFS, so what stands after the last one before a file, and after the end of that line,
/// is the path. The check tells its own failure at the end of a page that is otherwise like an empty one.
/// (`NamenodeFsck.collectFileSummary` of Hadoop 3.4; `DFSUtilClient.isValidName`.)
fn open_files_in(text: &str) -> Result<Vec<String>, String> {
    let last = text.trim_end().lines().last().unwrap_or_default();
    if !(last.starts_with("The filesystem under path ") && (last.ends_with("is HEALTHY") || last.ends_with("is CORRUPT"))) {
        let why = text.lines().find(|line| line.contains("denied") || line.contains("xception")).unwrap_or(last);
        return Err(format!("the check for open files did not end: {why}"));
    }
    let mut told: Vec<&str> = text.split("OPENFORWRITE: ").collect();
    told.pop();
    let path = |before: &str| {
        let (head, _) = before.rsplit_once(" bytes, ")?;
        let (head, length) = head.rsplit_once(' ')?;
        length.parse::<u64>().ok()?;
        let own = head.rsplit_once(':').map_or(Some(head), |(_, after)| after.split_once('\n').map(|(_, path)| path))?;
        let path = own.trim_start_matches(['\n', '.']);
        path.starts_with('/').then(|| path.to_owned())
    };
    let paths: Option<BTreeSet<String>> = told.into_iter().map(path).collect();
    Ok(paths.ok_or("the check for open files is not understood")?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page as the NameNode writes it.
    fn page(body: &str) -> String {
        format!(
            "FSCK started by root (auth:SIMPLE) from /127.0.0.1 for path /d at Sat Nov 28 10:00:00 UTC 2026\n\n{body}\n\
             Status: HEALTHY\n Number of data-nodes:\t1\nFSCK ended at Sat in 1 milliseconds\n\n\nThe filesystem under path '/d' is HEALTHY"
        )
    }

    #[test]
    fn every_open_file_is_found_though_they_stand_on_one_line() {
        let file = |path: &str| format!("{path} 12 bytes, replicated: replication=1, 1 block(s), OPENFORWRITE: ");
        let short = "/d/b\n: Under replicated BP-1-127.0.0.1-1:blk_1_1. Target Replicas is 3 but found 1 live replica(s).\n"
            .replacen("\n:", ": ", 1);
        let text = page(&format!("{}{}\n{short}{}{}", file("/d/open file"), file("/d/b"), file("/d/1 bytes, c"), file("/d/two\nlines")));
        assert_eq!(open_files_in(&text).expect("told"), ["/d/1 bytes, c", "/d/b", "/d/open file", "/d/two\nlines"]);
        // As earlier versions of Hadoop write it, and with nothing open.
        assert_eq!(open_files_in(&page("/d/a 0 bytes, 0 block(s), OPENFORWRITE: ")).expect("told"), ["/d/a"]);
        assert!(open_files_in(&page("/d/OPENFORWRITE 3 bytes, 1 block(s):  OK")).expect("told").is_empty());
    }

    #[test]
    fn a_check_that_failed_is_not_taken_for_one_that_found_nothing() {
        for bad in [
            "FSCK started by bo\nFSCK ended at Sat\nAccess denied for user bo.\n\n\nFsck on path '/d' FAILED",
            "FSCK started by root\n\n\nPath '/d' does not exist",
            "FSCK started by root\n/d/a 1 bytes, 1 block(s), OPENFORWRITE: ",
            "",
        ] {
            open_files_in(bad).expect_err(bad);
        }
        open_files_in(&page("nonsense OPENFORWRITE: ")).expect_err("not understood");
    }
}
