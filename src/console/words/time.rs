//! Moments in a zone, with the zone's name.

use std::fmt::Display;
use std::path::Path;

use chrono::{DateTime, Datelike, FixedOffset, Local, NaiveDate, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

/// Where times are read: a named zone, or an offset when the desktop tells no name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Zone {
    /// An IANA zone.
    Named(Tz),
    /// Only an offset.
    Offset(FixedOffset),
}

impl Zone {
    /// The desktop's.
    pub fn local() -> Zone {
        let named = std::env::var("TZ").ok().and_then(|name| name.trim_start_matches(':').parse().ok());
        named.or_else(|| zone_of_link(Path::new("/etc/localtime"))).map_or_else(|| Zone::Offset(Local::now().offset().fix()), Zone::Named)
    }

    fn format(&self, at: DateTime<Utc>, pattern: &str) -> String {
        fn shown<D: Display>(text: D) -> String {
            text.to_string()
        }
        match self {
            Zone::Named(zone) => shown(at.with_timezone(zone).format(pattern)),
            Zone::Offset(offset) => shown(at.with_timezone(offset).format(&pattern.replace("%Z", "UTC%:z"))),
        }
    }

    fn date(&self, at: DateTime<Utc>) -> NaiveDate {
        match self {
            Zone::Named(zone) => at.with_timezone(zone).date_naive(),
            Zone::Offset(offset) => at.with_timezone(offset).date_naive(),
        }
    }

    /// The instant of a wall-clock time here; `None` where the clock skips it.
    pub fn instant(&self, wall: NaiveDateTime) -> Option<DateTime<FixedOffset>> {
        match self {
            Zone::Named(zone) => zone.from_local_datetime(&wall).earliest().map(|at| at.fixed_offset()),
            Zone::Offset(offset) => offset.from_local_datetime(&wall).earliest(),
        }
    }

    /// `14:07:32`.
    pub fn clock(&self, at: DateTime<Utc>) -> String {
        self.format(at, "%H:%M:%S")
    }

    /// `14:07`.
    pub fn minute(&self, at: DateTime<Utc>) -> String {
        self.format(at, "%H:%M")
    }

    /// `14:00:00.000`.
    pub fn clock_ms(&self, at: DateTime<Utc>) -> String {
        self.format(at, "%H:%M:%S%.3f")
    }

    /// `14:00:00.000 CST`, with the day before it when that is not today: `20 Nov 14:00:00.000 CST`, and the year when that is another.
    pub fn moment(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        let today = self.date(at) == self.date(now);
        let day = if today { String::new() } else { format!("{} ", self.date_words(at, now)) };
        format!("{day}{}", self.format(at, "%H:%M:%S%.3f %Z"))
    }

    /// `20 Nov`, with the year when it is not this one.
    fn date_words(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        let this_year = self.date(at).year() == self.date(now).year();
        self.format(at, if this_year { "%-d %b" } else { "%-d %b %Y" })
    }

    /// `14:00:00 CST`, with the day before it when that is not today.
    pub fn moment_second(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        format!("{} {}", self.brief_seconds(at, now), self.name(at))
    }

    /// `14:00:12`, with the day before it when that is not today.
    pub fn brief(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        let today = self.date(at) == self.date(now);
        if today { self.clock(at) } else { format!("{} {}", self.date_words(at, now), self.minute(at)) }
    }

    /// Words that name moments in UTC, as the engine's do, with those moments read here: what is on one screen is in one zone.
    pub fn reword(&self, text: &str, now: DateTime<Utc>) -> String {
        const STAMP: &str = "2026-11-21 06:00:00 UTC";
        let mut said = String::with_capacity(text.len());
        let mut left = text;
        while let Some(place) = left.find(" UTC") {
            let end = place + " UTC".len();
            let begin = (end.checked_sub(STAMP.len())).filter(|begin| left.is_char_boundary(*begin));
            let at = begin.and_then(|begin| NaiveDateTime::parse_from_str(&left[begin..place], "%Y-%m-%d %H:%M:%S").ok());
            match (begin, at) {
                (Some(begin), Some(at)) => {
                    said.push_str(&left[..begin]);
                    said.push_str(&self.moment_second(at.and_utc(), now));
                }
                _ => said.push_str(&left[..end]),
            }
            left = &left[end..];
        }
        said.push_str(left);
        said
    }

    fn brief_seconds(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        let today = self.date(at) == self.date(now);
        if today { self.clock(at) } else { format!("{} {}", self.date_words(at, now), self.clock(at)) }
    }

    /// `today 14:00:00.000`, `yesterday …`, `18 Nov …`.
    pub fn day_moment(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        format!("{} {}", self.day(at, now), self.clock_ms(at))
    }

    /// `today 14:00:12`, `yesterday …`, `18 Nov …`.
    pub fn day_clock(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        format!("{} {}", self.day(at, now), self.clock(at))
    }

    /// `today`, `yesterday`, `18 Nov`.
    pub fn day(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        match (self.date(now) - self.date(at)).num_days() {
            0 => "today".to_owned(),
            1 => "yesterday".to_owned(),
            _ => self.date_words(at, now),
        }
    }

    /// What comes: `14:15:00 CST` today, `Sun 02:00:00 CST` within a week, else with the date.
    pub fn next(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        match (self.date(at) - self.date(now)).num_days() {
            0 => self.format(at, "%H:%M:%S %Z"),
            1..7 => self.format(at, "%a %H:%M:%S %Z"),
            _ => format!("{} {}", self.date_words(at, now), self.format(at, "%H:%M %Z")),
        }
    }

    /// Several moments to come, with the day where it changes: `Sat 21 Nov 14:15 · 14:30 · Sun 22 Nov 02:00`.
    pub fn moments(&self, all: &[DateTime<Utc>], now: DateTime<Utc>) -> String {
        let mut day = None;
        let word = |at: &DateTime<Utc>| {
            let date = self.date(*at);
            let same = day.replace(date) == Some(date);
            let clock = if at.timestamp() % 60 == 0 { self.minute(*at) } else { self.clock(*at) };
            if same { clock } else { format!("{} {} {clock}", self.format(*at, "%a"), self.date_words(*at, now)) }
        };
        all.iter().map(word).collect::<Vec<_>>().join(" · ")
    }

    /// `22 Nov 14:00`.
    pub fn date_minute(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> String {
        format!("{} {}", self.date_words(at, now), self.minute(at))
    }

    /// `18 Dec 2026`.
    pub fn date_year(&self, at: DateTime<Utc>) -> String {
        self.format(at, "%-d %b %Y")
    }

    /// `Sat 21 Nov 2026 14:07:32 CST`.
    pub fn full(&self, at: DateTime<Utc>) -> String {
        self.format(at, "%a %-d %b %Y %H:%M:%S %Z")
    }

    /// `Asia/Shanghai (UTC+08:00)`: no other zone is called so.
    pub fn named(&self, at: DateTime<Utc>) -> String {
        match self {
            Zone::Named(zone) if *zone == Tz::UTC => "UTC".to_owned(),
            Zone::Named(zone) => format!("{} ({})", zone.name(), at.with_timezone(zone).format("UTC%:z")),
            Zone::Offset(_) => self.name(at),
        }
    }

    /// `CST`.
    pub fn name(&self, at: DateTime<Utc>) -> String {
        self.format(at, "%Z")
    }

    /// What is known of something that does not answer: `last seen 14:05:41`, or `never seen`.
    pub fn last_seen(&self, at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
        match at {
            Some(at) if self.date(at) == self.date(now) => format!("last seen {}", self.clock(at)),
            Some(at) => format!("last seen {} {}", self.date_words(at, now), self.clock(at)),
            None => "never seen".to_owned(),
        }
    }
}

/// `/etc/localtime` is a link into the zone files on every usual Linux.
fn zone_of_link(link: &Path) -> Option<Tz> {
    let target = std::fs::read_link(link).ok()?;
    let text = target.to_str()?;
    text.split_once("zoneinfo/").and_then(|(_, name)| name.trim_start_matches("posix/").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn a_moment_names_its_zone_and_its_day_when_that_is_not_today() {
        let zone = Zone::Named(chrono_tz::Asia::Shanghai);
        let now = at("2026-11-21T06:07:32Z");
        assert_eq!(zone.moment(at("2026-11-21T06:00:00Z"), now), "14:00:00.000 CST");
        assert_eq!(zone.moment(at("2026-11-20T06:00:00Z"), now), "20 Nov 14:00:00.000 CST");
        assert_eq!(zone.day_moment(at("2026-11-20T15:15:00Z"), now), "yesterday 23:15:00.000");
        assert_eq!(zone.next(at("2026-11-21T18:00:00Z"), now), "Sun 02:00:00 CST");
        assert_eq!(zone.moment(at("2020-01-01T00:00:00Z"), now), "1 Jan 2020 08:00:00.000 CST");
        assert_eq!(zone.named(now), "Asia/Shanghai (UTC+08:00)");
        let moments = [at("2026-11-21T06:15:00Z"), at("2026-11-21T06:30:00Z"), at("2026-11-21T18:00:00Z")];
        assert_eq!(zone.moments(&moments, now), "Sat 21 Nov 14:15 · 14:30 · Sun 22 Nov 02:00");
        assert_eq!(zone.full(now), "Sat 21 Nov 2026 14:07:32 CST");
        assert_eq!(zone.last_seen(None, now), "never seen");
        let offset = Zone::Offset(FixedOffset::east_opt(3 * 3600).expect("an offset"));
        assert_eq!(offset.moment(now, now), "09:07:32.000 UTC+03:00");
    }

    #[test]
    fn the_engines_words_are_read_in_the_screens_zone() {
        let zone = Zone::Named(chrono_tz::Asia::Shanghai);
        let now = at("2026-11-21T06:07:32Z");
        let words = "orders: captured 2026-11-21 06:00:00 UTC, and 2026-11-20 06:00:01 UTC; the clock is in UTC, 订 UTC";
        assert_eq!(zone.reword(words, now), "orders: captured 14:00:00 CST, and 20 Nov 14:00:01 CST; the clock is in UTC, 订 UTC");
    }
}
