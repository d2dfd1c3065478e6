//! A committed point that is not sealed yet: why its secondary cannot finish it, when it is tried again, and how a person gives it up.
//!
//! ```text
//! committed ─ applied, sealed ─────────────────────────→ sealed
//!     └ a try fails ─ tried again, ever more seldom ─┘
//!     └ abandoned by a person: the live data goes back → never offered, and gone
//! ```

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{PointId, Trouble};

/// The first wait before something committed is tried again; doubled up to [`RETRY_MOST`].
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// The longest wait between two tries.
const RETRY_MOST: Duration = Duration::from_secs(60);
/// Tries that may fail in ways that pass by themselves before it counts as stuck.
const TRIES_UNTOLD: u32 = 3;

/// What is to be finished with a committed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Bring it into place and seal it.
    Seal,
    /// Bring the live data back, because a person gave the point up.
    Abandon,
}

/// A committed point whose secondary cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// With what.
    pub work: Work,
    /// Since when this controller knows.
    pub since: DateTime<Utc>,
    /// When the secondary told it last, as far as it was kept.
    pub told_at: DateTime<Utc>,
    /// Why, as the secondary told it last.
    pub trouble: Trouble,
}

/// A committed point that a person gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandonment {
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The sealed point that the live data is back at; `None`: not known yet, or there is none and the target is empty.
    pub back_to: Option<PointId>,
}

/// Whether a point that failed so often, the last time for this, counts as stuck: a refusal at once, what may pass by itself not before it
/// was tried some times.
pub fn is_stuck(trouble: &Trouble, tries: u32) -> bool {
    !trouble.is_worth_retrying() || tries >= TRIES_UNTOLD
}

/// How long after the n-th failed try the next one is due.
pub fn retry_after(tries: u32) -> Duration {
    let doublings = tries.saturating_sub(1).min(8);
    (RETRY_FIRST * 2u32.saturating_pow(doublings)).min(RETRY_MOST)
}

/// What a person can do about a stuck run, in words that follow the trouble's own.
pub fn way_out(run: impl std::fmt::Display, service: impl std::fmt::Display, work: Work) -> String {
    match work {
        Work::Seal => format!(
            "remove the cause: the secondary tries again by itself, at least once a minute; or give the point up: understudy abandon {run} \
             --confirm {service}"
        ),
        Work::Abandon => "remove the cause: the secondary tries again by itself, at least once a minute".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::TroubleKind;

    proptest! {
        #[test]
        fn tries_come_ever_more_seldom_and_never_stop(tries in 1u32..100_000) {
            let (now, next) = (retry_after(tries), retry_after(tries + 1));
            prop_assert!(now <= next && now >= RETRY_FIRST && next <= RETRY_MOST);
        }
    }

    #[test]
    fn a_refusal_counts_at_once_and_what_may_pass_does_not() {
        for kind in [TroubleKind::Refused, TroubleKind::Invalid, TroubleKind::Corrupt, TroubleKind::NotFound, TroubleKind::Exhausted] {
            assert!(is_stuck(&Trouble::new(kind, "x", "y"), 1), "{kind:?}");
        }
        for kind in [TroubleKind::Failed, TroubleKind::Unreachable] {
            let trouble = Trouble::new(kind, "x", "y");
            assert!(!is_stuck(&trouble, TRIES_UNTOLD - 1) && is_stuck(&trouble, TRIES_UNTOLD), "{kind:?}");
        }
    }
}
