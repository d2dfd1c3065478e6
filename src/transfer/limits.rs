//! Time limits of a transfer, and the watch that nothing hangs.
//!
//! Silence is what tells a hung peer: bytes of pieces move, or a long answer beats (see [`super::beat`]). Nothing else is timed.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::domain::{Trouble, TroubleKind};

/// How long a transfer waits before it gives up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No byte moved and nothing beat for so long: that attempt has failed.
    pub idle: Duration,
    /// The longest answer, however faithfully it beats: computing changes, folding a plan.
    pub answer: Duration,
    /// No piece was finished for so long, over all attempts: the transfer has failed. Whoever ordered it may order it again.
    pub give_up: Duration,
    /// The first pause before another attempt; doubles up to `longest_pause`.
    pub first_pause: Duration,
    /// The longest.
    pub longest_pause: Duration,
}

impl Default for Limits {
    /// A peer that is gone or hangs is told in half a minute. The engine orders a failed transfer again, within its own patience.
    fn default() -> Self {
        Limits {
            idle: Duration::from_secs(20),
            answer: Duration::from_secs(2 * 3600),
            give_up: Duration::from_secs(20),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(3),
        }
    }
}

impl Limits {
    /// Between two signs of life of whoever works long on an answer.
    pub fn beat(&self) -> Duration {
        self.idle / 4
    }
}

/// Remembers when bytes moved last.
#[derive(Debug)]
pub struct Meter {
    began: Instant,
    /// Milliseconds after `began`.
    moved_ms: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Meter { began: Instant::now(), moved_ms: AtomicU64::new(0) }
    }
}

impl Meter {
    /// So many bytes moved.
    pub fn add(&self, bytes: usize) {
        if bytes > 0 {
            self.moved_ms.store(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// When a byte moved last; at first, when the meter was made.
    pub fn last_moved(&self) -> Instant {
        self.began + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed))
    }

    /// Runs `work` until it ends, or until no byte moved for `idle`.
    pub async fn watch<T>(&self, idle: Duration, object: &str, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let begun = Instant::now();
        tokio::pin!(work);
        loop {
            let moved = self.last_moved().max(begun);
            tokio::select! {
                result = &mut work => return result,
                () = tokio::time::sleep_until((moved + idle).into()) => {
                    if self.last_moved() <= moved {
                        return Err(silent(object, idle));
                    }
                }
            }
        }
    }

    /// A question to the other end: it may take long, and never be silent for long.
    pub async fn ask<T>(&self, limits: &Limits, object: &str, question: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let late = |_| {
            let reason = format!("the other agent has not answered for {} s", limits.answer.as_secs_f32());
            Trouble::new(TroubleKind::Unreachable, object, reason).next("look at that agent's log and at its component")
        };
        tokio::time::timeout(limits.answer, self.watch(limits.idle, object, question)).await.map_err(late)?
    }
}

/// Nothing came for too long.
pub fn silent(object: &str, idle: Duration) -> Trouble {
    Trouble::new(TroubleKind::Unreachable, object, format!("nothing came for {} s", idle.as_secs_f32()))
        .next("look at the other agent (it may hang), at the network between the two and at both components")
}
