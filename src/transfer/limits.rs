//! Time limits of a transfer, and the watch that nothing hangs.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::{Trouble, TroubleKind};

/// How long a transfer waits before it gives up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No byte moved for so long: that attempt has failed.
    pub idle: Duration,
    /// What a question to the other end may take in which no bytes need move: computing changes, folding a plan.
    pub question: Duration,
    /// No piece was finished for so long, over all attempts: the transfer has failed.
    pub give_up: Duration,
    /// The first pause before another attempt; doubles up to `longest_pause`.
    pub first_pause: Duration,
    /// The longest.
    pub longest_pause: Duration,
}

impl Default for Limits {
    /// A peer that is gone is told in under a minute, with a hung one's last attempt.
    fn default() -> Self {
        Limits {
            idle: Duration::from_secs(20),
            question: Duration::from_secs(120),
            give_up: Duration::from_secs(30),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(3),
        }
    }
}

/// Counts bytes as they move.
#[derive(Debug, Default)]
pub struct Meter(AtomicU64);

impl Meter {
    /// So many bytes moved.
    pub fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Runs `work` until it ends, or until no byte moved for `idle`.
    pub async fn watch<T>(&self, idle: Duration, object: &str, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        tokio::pin!(work);
        loop {
            let before = self.read();
            tokio::select! {
                result = &mut work => return result,
                () = tokio::time::sleep(idle) => {
                    if self.read() == before {
                        return Err(silent(object, idle));
                    }
                }
            }
        }
    }
}

/// Ends a question that takes too long.
pub async fn within<T>(limit: Duration, object: &str, question: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late =
        |_| Trouble::new(TroubleKind::Unreachable, object, format!("the other agent did not answer within {} s", limit.as_secs_f32()));
    tokio::time::timeout(limit, question).await.map_err(late)?
}

/// Nothing came for too long.
pub fn silent(object: &str, idle: Duration) -> Trouble {
    Trouble::new(TroubleKind::Unreachable, object, format!("no byte moved for {} s", idle.as_secs_f32()))
        .next("look at the network between the agents and at both components")
}
