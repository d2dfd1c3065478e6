//! How long things may take: every wait of the engine is bounded by one of these.

use std::time::Duration;

/// The engine's time limits. Tests use shorter ones.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One call to an agent.
    pub call: Duration,
    /// One long poll for an answer.
    pub poll: Duration,
    /// How long a step of a run may go on failing before it has failed.
    pub patience: Duration,
    /// How long dropping a failed run may go on failing before what is left is listed.
    pub abort_patience: Duration,
    /// First wait between two attempts; doubled up to `backoff_most`.
    pub backoff: Duration,
    /// The longest wait between two attempts.
    pub backoff_most: Duration,
    /// A step that shows no progress for so long has failed.
    pub stall: Duration,
    /// A run's arming begins so long before its moment.
    pub lead: Duration,
    /// A run's point has its id before the run is noted, never by as much as this.
    pub noted: Duration,
    /// How long a person's command to change identities waits for its end; the change itself goes on.
    pub decision: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            call: Duration::from_secs(5),
            poll: Duration::from_millis(400),
            patience: Duration::from_secs(40),
            abort_patience: Duration::from_secs(8),
            backoff: Duration::from_millis(250),
            backoff_most: Duration::from_secs(5),
            stall: Duration::from_secs(600),
            lead: Duration::from_secs(30),
            noted: Duration::from_secs(60),
            decision: Duration::from_secs(1800),
        }
    }
}

impl Limits {
    /// A run whose agent is dead has failed after at most this long: its patience, the last call of it, the same for the drop.
    pub fn dead_agent(&self) -> Duration {
        self.patience + self.call + self.abort_patience + self.call + self.backoff_most * 2
    }
}
