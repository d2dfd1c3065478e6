//! How long a capture may take: by the policy, and never so long that a server which is gone for good is waited for.
//!
//! ```text
//! freeze hook's limit ─┬→ limit of the capture → a data set that is not captured by then → the run fails, and names it
//! none ────────────────┘
//! ```

use std::time::Duration;

use crate::domain::{DataSetName, Hook, Trouble, TroubleKind};
use crate::protocol::CAPTURE_LATE;

/// Without a hook that may hold the writers for longer. Arming has flushed and closed what takes long.
const LIMIT: Duration = Duration::from_secs(60);
/// How long one data set's release may take; what hangs is released when the service is armed next.
pub const RELEASE_LIMIT: Duration = Duration::from_secs(15);

/// The time limit of a capture. An owner whose hook may hold the writers for longer has said that their captures take longer.
pub fn limit(hook: Option<&Hook>) -> Duration {
    hook.map_or(LIMIT, |hook| LIMIT.max(Duration::from_secs(u64::from(hook.limit_secs))))
}

/// A data set's capture, for as long as it may take.
pub async fn within<T>(limit: Duration, set: &DataSetName, capture: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    let late = Late { data_set: set.clone(), limit_secs: limit.as_secs() };
    tokio::time::timeout(limit, capture).await.unwrap_or_else(|_| Err(late.trouble()))
}

/// A data set was not captured in time.
#[derive(Debug)]
pub struct Late {
    /// Which.
    pub data_set: DataSetName,
    /// The limit.
    pub limit_secs: u64,
}

impl Late {
    /// In words.
    pub fn trouble(&self) -> Trouble {
        let reason =
            format!("it was not captured within {} s: a server of its component does not answer, or is very slow", self.limit_secs);
        let facts = serde_json::json!({ "code": CAPTURE_LATE, "data_set": self.data_set, "limit_secs": self.limit_secs });
        Trouble::new(TroubleKind::Failed, &self.data_set, reason)
            .next(
                "see that all servers of that component are up; if a capture needs longer, raise `limit_secs` of the service's freeze hook",
            )
            .coded(&facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hook(limit_secs: u32) -> Hook {
        Hook { command: None, url: None, limit_secs }
    }

    proptest! {
        #[test]
        fn a_capture_may_take_as_long_as_its_writers_may_be_held_and_a_minute_in_any_case(limit_secs in any::<u32>()) {
            let limit = limit(Some(&hook(limit_secs)));
            prop_assert!(limit >= LIMIT && limit >= Duration::from_secs(limit_secs.into()));
            prop_assert!(limit == LIMIT || limit == Duration::from_secs(limit_secs.into()), "and not a second longer");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_gone_for_good_is_told_within_a_minute_and_a_half() {
        let set: DataSetName = "hbase:orders".parse().expect("a name");
        let begun = tokio::time::Instant::now();
        let gone = within(limit(None), &set, std::future::pending::<Result<(), Trouble>>()).await.expect_err("it never answers");
        assert_eq!((gone.code(), begun.elapsed()), (CAPTURE_LATE, LIMIT));
        assert_eq!(within(limit(None), &set, async { Ok(7) }).await, Ok(7));
        assert!(limit(None) + RELEASE_LIMIT <= Duration::from_secs(90) && limit(Some(&hook(10))) == limit(None));
        let trouble = Late { data_set: "hbase:orders".parse().expect("a name"), limit_secs: 60 }.trouble();
        assert_eq!((trouble.code(), trouble.object.as_str()), (CAPTURE_LATE, "hbase:orders"));
    }
}
