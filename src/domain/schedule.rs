//! When backups are due: a cron line in a time zone, one single moment, or on demand. Instants in, moments out.
//!
//! Daylight saving: a schedule whose hour field begins with `*` follows elapsed time (the repeated hour has its moments twice, the
//! skipped hour none). One that names its hours runs once for each named time: in the repeated hour the first time only, and what
//! falls into the skipped hour runs at its end.

use chrono::{DateTime, FixedOffset, MappedLocalTime, Offset, SubsecRound, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::{Service, Trouble, TroubleKind};

/// Moments older than this are not even counted as missed.
const LOOK_BACK: TimeDelta = TimeDelta::days(31);
/// Missed moments told one by one; of more only the newest are.
const TOLD_MOMENTS: usize = 100;
/// Searches within one constant offset before a schedule counts as never due: enough for a leap day that is a Monday.
const SEARCHES: usize = 500;
/// Two changes of a zone's offset are further apart than this.
const OFFSET_STEP: TimeDelta = TimeDelta::hours(6);

/// A field, and the values that it takes.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12 or JAN to DEC"),
    ("day of the week", "0 to 7 or SUN to SAT"),
];

/// A cron line in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
    /// The hour field names its hours, instead of beginning with `*`.
    names_hours: bool,
}

impl Schedule {
    /// Reads a five-field cron line; `Invalid` names the field that cannot be read.
    pub fn parse(text: &str, zone: Tz) -> Result<Schedule, Trouble> {
        let bad = |reason: String| {
            Trouble::new(TroubleKind::Invalid, format!("schedule {text:?}"), reason)
                .next("write minute, hour, day of the month, month and day of the week, for example */15 * * * *")
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(bad(format!("it has {} fields instead of 5", fields.len())));
        }
        let cron = parser.parse(&fields.join(" ")).map_err(|error| {
            // Which field it is: the one that cannot be read alone either.
            let wrong = fields.iter().zip(FIELDS).enumerate().find_map(|(index, (field, (name, values)))| {
                let mut alone = ["*"; FIELDS.len()];
                alone[index] = field;
                // The parser's own words name its own parts.
                parser.parse(&alone.join(" ")).is_err().then(|| {
                    format!(
                        "field {} ({name}) is {field:?}: it takes {values}, * for all, ranges as 1-5, lists as 1,5 and steps as */15",
                        index + 1
                    )
                })
            });
            bad(wrong.unwrap_or_else(|| error.to_string()))
        })?;
        Ok(Schedule { cron, zone, names_hours: !fields[1].starts_with('*') })
    }

    /// The first moment later than `after`; `None` when there will never be one.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut from, mut inclusive) = (after.trunc_subsecs(0), false);
        for _ in 0..SEARCHES {
            let offset = self.offset(from);
            let found = self.cron.find_next_occurrence(&from.with_timezone(&offset), inclusive).ok()?.with_timezone(&Utc);
            match self.first_change(from, found) {
                None if self.is_repeat(found) => (from, inclusive) = (found, false),
                None => return Some(found),
                Some(change) => {
                    let skipped = TimeDelta::seconds(i64::from(self.offset(change).local_minus_utc() - offset.local_minus_utc()));
                    if self.names_hours && found < change + skipped {
                        return Some(change);
                    }
                    (from, inclusive) = (change, true);
                }
            }
        }
        None
    }

    fn offset(&self, at: DateTime<Utc>) -> FixedOffset {
        self.zone.offset_from_utc_datetime(&at.naive_utc()).fix()
    }

    /// The first instant after `from`, up to `until`, at which the zone has another offset than at `from`.
    fn first_change(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let before = self.offset(from);
        let mut same = from;
        let mut other = loop {
            if same >= until {
                return None;
            }
            let step = (same + OFFSET_STEP).min(until);
            if self.offset(step) != before {
                break step;
            }
            same = step;
        };
        while other - same > TimeDelta::seconds(1) {
            let middle = (same + (other - same) / 2).trunc_subsecs(0);
            if self.offset(middle) == before {
                same = middle;
            } else {
                other = middle;
            }
        }
        Some(other)
    }

    /// Whether a schedule that names its hours has had this local time already, before the clocks went back.
    fn is_repeat(&self, at: DateTime<Utc>) -> bool {
        let local = at.with_timezone(&self.zone).naive_local();
        self.names_hours && matches!(self.zone.from_local_datetime(&local), MappedLocalTime::Ambiguous(_, later) if later == at)
    }
}

/// When a service is backed up.
#[derive(Debug, Clone)]
pub enum Timing {
    /// Again and again.
    Repeat(Box<Schedule>),
    /// Once.
    Once(DateTime<Utc>),
    /// When somebody asks.
    OnDemand,
}

/// What is known when moments are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Everything up to here was dealt with before.
    pub after: DateTime<Utc>,
    /// Now.
    pub now: DateTime<Utc>,
    /// A run is started so long before its moment.
    pub lead: TimeDelta,
    /// A moment longer ago than this was missed.
    pub grace: TimeDelta,
    /// Since when a run of the service is under way.
    pub busy_since: Option<DateTime<Utc>>,
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The one moment to run for; never more than one.
    pub run: Option<DateTime<Utc>>,
    /// Moments that pass without a run, oldest first; only the newest hundred.
    pub passed: Vec<Passed>,
    /// Everything up to here is dealt with now: the next `after`.
    pub until: DateTime<Utc>,
}

/// A moment without a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The moment.
    pub at: DateTime<Utc>,
    /// Why.
    pub why: Why,
}

/// Why a moment has no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody looked in time.
    Missed,
    /// The run before it was still under way.
    Overlapped,
}

impl Why {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Why::Missed => "missed: no engine was running then, or a later moment was due as well",
            Why::Overlapped => "overlapped: the run before it was still under way",
        }
    }
}

impl Timing {
    /// From a policy; `Invalid` when its schedule cannot be read, or when it has a single moment too.
    pub fn of(service: &Service) -> Result<Timing, Trouble> {
        match (&service.schedule, service.moment) {
            (Some(_), Some(_)) => {
                Err(Trouble::new(TroubleKind::Invalid, format!("service {}", service.name), "it has a schedule and a single moment")
                    .next("keep one of the two"))
            }
            (Some(text), None) => Ok(Timing::Repeat(Box::new(Schedule::parse(text, service.timezone.unwrap_or(Tz::UTC))?))),
            (None, Some(moment)) => Ok(Timing::Once(moment.with_timezone(&Utc))),
            (None, None) => Ok(Timing::OnDemand),
        }
    }

    /// The first moment later than `after`.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Timing::Repeat(schedule) => schedule.next_after(after),
            Timing::Once(moment) => Some(*moment).filter(|moment| *moment > after),
            Timing::OnDemand => None,
        }
    }

    /// Moments later than `after`, one by one, without end for a schedule.
    pub fn upcoming(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + '_ {
        std::iter::successors(self.next_after(after), |last| self.next_after(*last))
    }

    /// What to run now, and what passes without a run. At most the newest moment is run, never a burst.
    pub fn due(&self, look: Look) -> Due {
        let until = (look.now + look.lead).max(look.after);
        let after = look.after.max(until - LOOK_BACK);
        let mut moments: Vec<_> = self.upcoming(after).take_while(|moment| *moment <= until).collect();
        let newest = moments.last().copied();
        let run = newest.filter(|moment| look.busy_since.is_none() && *moment >= look.now - look.grace);
        moments.truncate(moments.len() - usize::from(run.is_some()));
        let told = moments.len().saturating_sub(TOLD_MOMENTS);
        let passed = moments.drain(told..).map(|at| {
            let overlapped = look.busy_since.is_some_and(|since| at >= since);
            Passed { at, why: if overlapped { Why::Overlapped } else { Why::Missed } }
        });
        Due { run, passed: passed.collect(), until }
    }

    /// The longest time between two moments among the next hundred; `None` unless it repeats.
    pub fn longest_gap(&self, after: DateTime<Utc>) -> Option<TimeDelta> {
        let moments: Vec<_> = self.upcoming(after).take(100).collect();
        moments.windows(2).map(|two| two[1] - two[0]).max()
    }
}

/// A schedule in words, to follow by a comma: "Every 15 minutes", "Every day at 02:30 (Asia/Shanghai)".
pub fn in_words(cron: &str, zone: Tz) -> String {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let number = |text: &str| text.parse::<u32>().ok();
    let every = |text: &str| text.strip_prefix("*/").and_then(number);
    let place = if zone == Tz::UTC { "UTC" } else { zone.name() };
    match fields.as_slice() {
        ["*", "*", "*", "*", "*"] => "Every minute".to_owned(),
        [minutes, "*", "*", "*", "*"] if every(minutes).is_some() => format!("Every {} minutes", every(minutes).unwrap_or_default()),
        ["0", "*", "*", "*", "*"] => "Every hour".to_owned(),
        [minute, "*", "*", "*", "*"] if number(minute).is_some() => format!("Every hour at minute {minute}"),
        [minute, hour, "*", "*", "*"] => match (number(minute), number(hour), every(hour)) {
            (Some(minute), Some(hour), _) => format!("Every day at {hour:02}:{minute:02} ({place})"),
            (Some(minute), None, Some(hours)) => format!("Every {hours} hours at minute {minute} ({place})"),
            _ => format!("On the schedule {cron} ({place})"),
        },
        _ => format!("On the schedule {cron} ({place})"),
    }
}

#[cfg(test)]
mod tests;
