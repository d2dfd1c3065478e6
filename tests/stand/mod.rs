//! What the end-to-end tests share: waiting for a condition with a bound, and plain-HTTP calls.
#![allow(dead_code, reason = "each test program uses its own part")]

#[cfg(feature = "lab")]
pub mod cables;
pub mod disk;
#[cfg(feature = "agent")]
pub mod hdfs;
pub mod processes;
pub mod trees;
pub mod web;

use std::future::Future;
use std::time::{Duration, Instant};

/// Installs the crypto provider, as both programs do first thing.
pub fn provider() {
    // A second test of the same process finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Waits until `seen` gives something; fails the test with `what` after `limit`.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, limit: Duration, mut seen: impl FnMut() -> F) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = seen().await {
            return seen;
        }
        assert!(Instant::now() < end, "waited {} s in vain for {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A plain HTTP client whose requests may take `limit`.
pub fn http(limit: Duration) -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(limit).build().expect("a client without TLS")
}

/// Whether a process runs (a zombie does not).
pub fn runs(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

/// The processes whose parent is `pid`.
pub fn children(pid: i32) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|child| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1).and_then(|parent| parent.parse::<i32>().ok()) == Some(pid)
    })
    .collect()
}

/// A temporary folder in which fences may stand when it goes.
pub struct Dir(std::path::PathBuf);

impl Dir {
    /// A new one.
    pub fn new() -> Dir {
        Dir(tempfile::Builder::new().prefix("understudy-e2e-").tempdir().expect("a temporary folder").keep())
    }

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // A folder that stays behind is a nuisance, not a failure of what is tested.
        #[cfg(feature = "lab")]
        drop(understudy::lab::folder::remove_fenced(&self.0));
    }
}
