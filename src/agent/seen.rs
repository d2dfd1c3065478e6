//! When each controller last asked for anything: noted in memory at every request, written to the ledger now and then, so that
//! `understudy-agent controllers` can list it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::jobs::Site;

/// Between two writes.
const WRITE_EVERY: Duration = Duration::from_secs(30);

/// What was noted since the last write. Only enrolled keys get here, so it is as small as their list.
#[derive(Default)]
pub struct Seen(Mutex<HashMap<String, DateTime<Utc>>>);

impl Seen {
    /// Notes that the controller with this key asked for something.
    pub fn note(&self, key: &str, at: DateTime<Utc>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match noted.get_mut(key) {
            Some(last) => *last = at,
            None => {
                noted.insert(key.to_owned(), at);
            }
        }
    }

    fn take(&self) -> Vec<(String, DateTime<Utc>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}

/// Writes what was noted until `stop`, and once more then.
pub async fn keep(site: Arc<Site>, seen: Arc<Seen>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(WRITE_EVERY) => {}
            () = stop.cancelled() => {}
        }
        let noted = seen.take();
        if noted.is_empty() {
            continue;
        }
        let ledger = site.ledger.clone();
        match tokio::task::spawn_blocking(move || ledger.note_seen(&noted)).await {
            Ok(Ok(())) => {}
            Ok(Err(trouble)) => tracing::warn!(%trouble, "when controllers were last seen cannot be written"),
            Err(error) => tracing::warn!(%error, "when controllers were last seen was not written"),
        }
    }
}
