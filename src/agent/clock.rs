//! The agent's clocks, handed in so that a training site's clock can be stepped without a branch anywhere.

use std::time::Instant;

use chrono::{DateTime, Utc};

/// Where the agent reads time.
pub trait Clock: Send + Sync {
    /// Wall clock.
    fn now(&self) -> DateTime<Utc>;
    /// Monotonic clock.
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// The host's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
