//! What a program tells of its own certificate: when it was issued, when it ends, and whether it can be renewed. Pure.
//!
//! Written into an agent's status, and by the engine about itself; the same rules say at every place when a renewal is due and when
//! too little time is left.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::Trouble;

/// How long a certificate is valid.
pub(super) const VALID_DAYS: i64 = 90;
/// A certificate begins this long before it is issued, so that a slow clock elsewhere does not refuse it.
pub(super) const VALID_BEFORE: TimeDelta = TimeDelta::days(1);
/// A renewal is due with a third of the time left. With fewer days than these it is certainly overdue.
const OVERDUE_DAYS: i64 = 15;
/// Between two looks at whether a renewal is due, which is asked in memory.
pub const RENEWAL_LOOK_EVERY: Duration = Duration::from_secs(2);
/// Between two attempts to renew.
const TRY_EVERY: TimeDelta = TimeDelta::minutes(10);

/// A certificate as its owner tells of it. A later version may tell more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// When it was issued; `None`: its owner's version does not tell.
    #[serde(default)]
    pub issued_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub valid_until: DateTime<Utc>,
    /// Why it cannot be renewed, or not be kept on the disk; `None`: the last attempt worked.
    #[serde(default)]
    pub renewal_failure: Option<RenewalFailure>,
}

/// A renewal that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalFailure {
    /// Since when; it has been tried again ever since.
    pub since: DateTime<Utc>,
    /// Why the last attempt failed.
    pub trouble: Trouble,
}

impl CertificateStatus {
    /// Whether to issue another: less than a third of the time is left, the clock is before the beginning, or the last attempt failed.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        let left = self.valid_until - now;
        self.renewal_failure.is_some() || left < TimeDelta::days(VALID_DAYS / 3) || left > TimeDelta::days(VALID_DAYS) + VALID_BEFORE
    }

    /// Fewer days are left than an owner that renews it would ever let come.
    pub fn ends_soon(&self, now: DateTime<Utc>) -> bool {
        self.valid_until - now < TimeDelta::days(OVERDUE_DAYS)
    }
}

/// When to try a renewal: as soon as it is due, then every ten minutes until it works. By the wall clock, which goes on while the host
/// sleeps, and may be stepped.
#[derive(Debug, Default)]
pub struct RenewalPace(Option<DateTime<Utc>>);

impl RenewalPace {
    /// Whether to try now; then it counts as tried.
    pub fn is_time(&mut self, due: bool, now: DateTime<Utc>) -> bool {
        let waits = self.0.is_some_and(|tried| (now - tried).abs() < TRY_EVERY);
        if due && !waits {
            self.0 = Some(now);
        }
        due && !waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_tried_at_once_and_every_ten_minutes_whichever_way_the_clock_was_set() {
        let (begun, mut pace) = (Utc::now(), RenewalPace::default());
        let mut at = |due, minutes| pace.is_time(due, begun + TimeDelta::minutes(minutes));
        let tried =
            [(false, 0), (true, 1), (true, 10), (true, 11), (false, 30), (true, -400), (true, -395)].map(|(due, minute)| at(due, minute));
        assert_eq!(tried, [false, true, false, true, false, true, false]);
    }

    #[test]
    fn a_renewal_is_due_long_before_the_end_is_near() {
        let now = Utc::now();
        let with_days = |days| CertificateStatus { issued_at: None, valid_until: now + TimeDelta::days(days), renewal_failure: None };
        let told = |days| (with_days(days).is_due(now), with_days(days).ends_soon(now));
        assert_eq!(
            [90, 31, 29, 16, 14, -400].map(told),
            [(false, false), (false, false), (true, false), (true, false), (true, true), (true, true)]
        );
        assert_eq!(told(92), (true, false), "the clock was set back");
    }
}
