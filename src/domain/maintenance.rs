//! Maintenance of a pair: a person says beforehand that its clusters will look faulty, until when and why.
//!
//! It has an end in any case. Nothing is hidden by it: what is seen is shown as ever, only nobody is prompted or alerted.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{PairName, Trouble, TroubleKind};

/// The longest one.
pub const LONGEST: TimeDelta = TimeDelta::days(7);
/// The shortest one.
const SHORTEST: TimeDelta = TimeDelta::minutes(1);
/// The longest reason, in characters.
const REASON: usize = 500;

/// A maintenance under way, as `maintenance --json` and `status --json` tell it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Maintenance {
    /// When it began, or was last prolonged.
    pub since: DateTime<Utc>,
    /// Its end.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// Moments of schedules are not run meanwhile.
    pub pause_runs: bool,
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceRequest {
    /// How long, in seconds from now.
    pub secs: u64,
    /// Why.
    pub reason: String,
    /// Whether moments of schedules are left out meanwhile.
    pub pause_runs: bool,
    /// Who.
    pub by: String,
}

impl Maintenance {
    /// What is asked for, from now on; refused without a reason, a person, or an end within [`LONGEST`].
    pub fn begin(pair: &PairName, asked: &MaintenanceRequest, now: DateTime<Utc>) -> Result<Maintenance, Trouble> {
        let invalid = |reason: &str, next: &str| Trouble::new(TroubleKind::Invalid, format!("maintenance of {pair}"), reason).next(next);
        let length = i64::try_from(asked.secs).ok().and_then(TimeDelta::try_seconds).filter(|length| (SHORTEST..=LONGEST).contains(length));
        let Some(length) = length else {
            return Err(invalid("it may last from 1 minute to 7 days", "give for example --for 2h; it can be prolonged later"));
        };
        let reason = asked.reason.split_whitespace().collect::<Vec<_>>().join(" ");
        if reason.is_empty() {
            return Err(invalid("it has no reason", "say why with --reason, for those who look at the pair meanwhile"));
        }
        if reason.chars().count() > REASON {
            return Err(invalid("its reason is longer than 500 characters", "say it in a sentence"));
        }
        if asked.by.trim().is_empty() {
            return Err(invalid("nobody says so", "say who you are"));
        }
        let (by, pause_runs) = (asked.by.trim().to_owned(), asked.pause_runs);
        Ok(Maintenance { since: now, until: now + length, reason, by, pause_runs })
    }

    /// Whether it goes on. A clock that was set back does not make it longer than the longest one.
    pub fn is_on(&self, now: DateTime<Utc>) -> bool {
        now < self.until && self.until - now <= LONGEST
    }

    /// Whether a scheduled run of this moment is left out.
    pub fn leaves_out(&self, moment: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.pause_runs && self.is_on(now) && moment < self.until
    }
}

impl fmt::Display for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paused = if self.pause_runs { ", scheduled runs paused" } else { "" };
        write!(f, "maintenance until {}: {}, by {}{paused}", self.until.format("%Y-%m-%d %H:%M UTC"), self.reason, self.by)
    }
}

/// A length as a person types it: `90m`, `2h`, `1d`, `1h30m`.
pub fn parse_length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no length of time; write for example 90m, 2h, 1d or 1h30m");
    let (mut secs, mut digits) = (0_u64, String::new());
    for sign in text.trim().chars() {
        let unit = match sign {
            '0'..='9' => {
                digits.push(sign);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let count: u64 = digits.parse().map_err(|_| wrong())?;
        secs = count.checked_mul(unit).and_then(|more| secs.checked_add(more)).ok_or_else(wrong)?;
        digits.clear();
    }
    if secs == 0 || !digits.is_empty() { Err(wrong()) } else { Ok(Duration::from_secs(secs)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn asked(secs: u64) -> MaintenanceRequest {
        MaintenanceRequest { secs, reason: " disks \n changed ".into(), pause_runs: true, by: "ana".into() }
    }

    fn begin(asked: &MaintenanceRequest) -> Result<Maintenance, Trouble> {
        Maintenance::begin(&"sz-gy".parse().expect("a name"), asked, now())
    }

    #[test]
    fn it_has_an_end_a_reason_and_somebody_who_said_so() {
        let told = begin(&asked(7_200)).expect("good");
        assert_eq!(told.to_string(), "maintenance until 2024-10-04 02:00 UTC: disks changed, by ana, scheduled runs paused");
        for wrong in [
            asked(59),
            asked(7 * 86_400 + 1),
            asked(u64::MAX),
            MaintenanceRequest { reason: " \n".into(), ..asked(3_600) },
            MaintenanceRequest { reason: "x".repeat(501), ..asked(3_600) },
            MaintenanceRequest { by: String::new(), ..asked(3_600) },
        ] {
            let trouble = begin(&wrong).expect_err("taken");
            assert!(trouble.kind == TroubleKind::Invalid && !trouble.next_step.is_empty(), "{trouble}");
        }
    }

    #[test]
    fn a_length_is_read_as_people_write_it() {
        for (text, secs) in [("90m", 5_400), ("2h", 7_200), ("1d", 86_400), ("1h30m", 5_400), (" 45s ", 45)] {
            assert_eq!(parse_length(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for wrong in ["", "0m", "2", "h", "2 h", "-1h", "99999999999999999999d", "184467440737095516d", "1w"] {
            assert!(parse_length(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        /// However the clock is set, it is on for no longer than was asked for, and never beyond its longest.
        #[test]
        fn it_ends(secs in 60u64..=7 * 86_400, off in -40_000_000i64..40_000_000) {
            let told = begin(&asked(secs)).expect("good");
            let at = now() + TimeDelta::seconds(off);
            let on = told.is_on(at);
            prop_assert_eq!(on, at < told.until && told.until - at <= LONGEST);
            prop_assert!(!told.is_on(told.until) && told.is_on(now()));
            prop_assert!(on || !told.leaves_out(at, at), "a run is left out only while it is on");
            prop_assert!(!told.leaves_out(told.until, now()), "the first moment after it is run");
        }
    }
}
