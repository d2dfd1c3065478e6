//! What schedules promise, above all twice a year.

use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<FixedOffset>>().expect("a moment").with_timezone(&Utc)
}

fn schedule(text: &str, zone: Tz) -> Schedule {
    Schedule::parse(text, zone).expect("a good schedule")
}

fn moments(text: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
    let timing = Timing::Repeat(Box::new(schedule(text, zone)));
    let local = |moment: DateTime<Utc>| moment.with_timezone(&zone).format("%d %H:%M %Z").to_string();
    timing.upcoming(at(after)).take(count).map(local).collect()
}

#[test]
fn the_hour_that_spring_skips_has_no_moments() {
    let berlin = moments("*/30 * * * *", Tz::Europe__Berlin, "2026-03-29T01:15:00+01:00", 3);
    assert_eq!(berlin, ["29 01:30 CET", "29 03:00 CEST", "29 03:30 CEST"]);
    let new_york = moments("*/30 * * * *", Tz::America__New_York, "2026-03-08T01:15:00-05:00", 3);
    assert_eq!(new_york, ["08 01:30 EST", "08 03:00 EDT", "08 03:30 EDT"]);
}

#[test]
fn a_named_time_in_the_hour_that_spring_skips_runs_at_its_end() {
    let berlin = moments("30 2 * * *", Tz::Europe__Berlin, "2026-03-28T03:00:00+01:00", 2);
    assert_eq!(berlin, ["29 03:00 CEST", "30 02:30 CEST"]);
    let new_york = moments("*/15 2 * * *", Tz::America__New_York, "2026-03-07T03:00:00-05:00", 2);
    assert_eq!(new_york, ["08 03:00 EDT", "09 02:00 EDT"], "four skipped moments are one");
}

#[test]
fn the_hour_that_autumn_repeats_has_its_moments_twice() {
    let berlin = moments("*/30 * * * *", Tz::Europe__Berlin, "2026-10-25T01:45:00+02:00", 6);
    assert_eq!(berlin, ["25 02:00 CEST", "25 02:30 CEST", "25 02:00 CET", "25 02:30 CET", "25 03:00 CET", "25 03:30 CET"]);
    let new_york = moments("0 * * * *", Tz::America__New_York, "2026-11-01T00:30:00-04:00", 3);
    assert_eq!(new_york, ["01 01:00 EDT", "01 01:00 EST", "01 02:00 EST"]);
}

#[test]
fn a_named_time_in_the_hour_that_autumn_repeats_runs_once() {
    let berlin = moments("30 2 * * *", Tz::Europe__Berlin, "2026-10-24T12:00:00+02:00", 2);
    assert_eq!(berlin, ["25 02:30 CEST", "26 02:30 CET"]);
    let new_york = moments("30 1 * * *", Tz::America__New_York, "2026-10-31T12:00:00-04:00", 2);
    assert_eq!(new_york, ["01 01:30 EDT", "02 01:30 EST"]);
}

#[test]
fn a_search_that_begins_in_the_repeated_hour_never_goes_back() {
    let after = "2026-10-25T02:10:00+01:00";
    assert_eq!(moments("*/15 * * * *", Tz::Europe__Berlin, after, 1), ["25 02:15 CET"]);
}

#[test]
fn a_schedule_that_cannot_be_read_is_refused_with_its_place() {
    for (text, place) in [
        ("*/15 * * *", "4 fields instead of 5"),
        ("0 */15 * * * *", "6 fields instead of 5"),
        ("@daily", "1 fields instead of 5"),
        ("0 25 * * *", "field 2 (hour)"),
        ("0 0 * * nope", "field 5 (day of the week)"),
        ("61 0 * * *", "field 1 (minute)"),
    ] {
        let trouble = Schedule::parse(text, Tz::UTC).expect_err(text);
        assert!(trouble.reason.contains(place), "{text}: {trouble}");
    }
}

#[test]
fn a_date_that_never_comes_is_never_due() {
    assert_eq!(schedule("0 0 30 2 *", Tz::Europe__Berlin).next_after(at("2026-01-01T00:00:00Z")), None);
    let leap = schedule("0 12 29 2 *", Tz::Europe__Berlin).next_after(at("2026-01-01T00:00:00Z"));
    assert_eq!(leap, Some(at("2028-02-29T12:00:00+01:00")));
}

fn look(after: &str, now: &str, busy_since: Option<&str>) -> Look {
    Look { after: at(after), now: at(now), lead: TimeDelta::seconds(30), grace: TimeDelta::seconds(20), busy_since: busy_since.map(at) }
}

fn quarter_hours() -> Timing {
    Timing::Repeat(Box::new(schedule("*/15 * * * *", Tz::UTC)))
}

#[test]
fn a_run_starts_its_lead_before_the_moment_and_only_once() {
    let first = quarter_hours().due(look("2026-01-01T11:50:00Z", "2026-01-01T11:59:40Z", None));
    assert_eq!((first.run, first.passed.len()), (Some(at("2026-01-01T12:00:00Z")), 0));
    let again = Look { after: first.until, ..look("2026-01-01T11:50:00Z", "2026-01-01T12:00:05Z", None) };
    assert_eq!(quarter_hours().due(again).run, None);
}

#[test]
fn missed_moments_are_recorded_and_never_made_up_for() {
    let due = quarter_hours().due(look("2026-01-01T09:00:00Z", "2026-01-01T12:00:10Z", None));
    assert_eq!(due.run, Some(at("2026-01-01T12:00:00Z")), "the newest is not too late");
    assert_eq!(due.passed.len(), 11);
    let later = quarter_hours().due(look("2026-01-01T09:00:00Z", "2026-01-01T12:05:00Z", None));
    assert_eq!((later.run, later.passed.len()), (None, 12));
    assert!(later.passed.iter().all(|passed| passed.why == Why::Missed));
}

#[test]
fn a_moment_while_a_run_is_under_way_is_recorded_as_overlapped() {
    let due = quarter_hours().due(look("2026-01-01T11:20:00Z", "2026-01-01T12:00:00Z", Some("2026-01-01T11:40:00Z")));
    let whys: Vec<_> = due.passed.iter().map(|passed| passed.why).collect();
    assert_eq!((due.run, whys), (None, vec![Why::Missed, Why::Overlapped, Why::Overlapped]));
}

#[test]
fn one_moment_is_due_once() {
    let once = Timing::Once(at("2026-01-01T12:00:00Z"));
    let due = once.due(look("2026-01-01T11:00:00Z", "2026-01-01T11:59:50Z", None));
    assert_eq!(due.run, Some(at("2026-01-01T12:00:00Z")));
    assert_eq!(once.due(Look { after: due.until, ..look("2026-01-01T11:00:00Z", "2026-01-01T12:00:10Z", None) }).run, None);
}

#[test]
fn schedules_read_like_sentences() {
    assert_eq!(in_words("*/15 * * * *", Tz::Asia__Shanghai), "Every 15 minutes");
    assert_eq!(in_words("30 2 * * *", Tz::Asia__Shanghai), "Every day at 02:30 (Asia/Shanghai)");
    assert_eq!(in_words("0 */6 * * *", Tz::UTC), "Every 6 hours at minute 0 (UTC)");
    assert_eq!(in_words("0 4 1 * *", Tz::UTC), "On the schedule 0 4 1 * * (UTC)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn moments_rise_and_match_the_local_clock(
        start_hours in 0i64..24 * 365 * 2,
        line in prop::sample::select(vec!["*/15 * * * *", "7 */3 * * *", "30 2 * * *", "0,30 1-3 * * *", "5 0 * * 1-5"]),
        zone in prop::sample::select(vec![Tz::Europe__Berlin, Tz::America__New_York, Tz::Asia__Shanghai, Tz::Australia__Lord_Howe, Tz::UTC]),
    ) {
        let schedule = schedule(line, zone);
        let start = at("2026-01-01T00:00:00Z") + TimeDelta::hours(start_hours);
        let mut last = start;
        for _ in 0..40 {
            let next = schedule.next_after(last).expect("it repeats");
            prop_assert!(next > last, "{} does not follow {}", next, last);
            let local = next.with_timezone(&zone);
            let matches = schedule.cron.is_time_matching(&local).expect("a date");
            let at_change = schedule.offset(next) != schedule.offset(next - TimeDelta::seconds(1));
            prop_assert!(matches || (schedule.names_hours && at_change), "{} does not match {}", local, line);
            last = next;
        }
    }

    #[test]
    fn whatever_was_missed_at_most_one_moment_runs(away_minutes in 0i64..3 * 24 * 60, busy in proptest::option::of(0i64..600)) {
        let now = at("2026-06-01T12:00:00Z");
        let look = Look {
            after: now - TimeDelta::minutes(away_minutes),
            now,
            lead: TimeDelta::seconds(30),
            grace: TimeDelta::seconds(20),
            busy_since: busy.map(|minutes| now - TimeDelta::minutes(minutes)),
        };
        let due = quarter_hours().due(look);
        prop_assert!(due.passed.len() <= TOLD_MOMENTS);
        prop_assert!(due.run.is_none() || busy.is_none());
        let again = quarter_hours().due(Look { after: due.until, ..look });
        prop_assert_eq!((again.run, again.passed.len()), (None, 0), "what was dealt with does not come back");
    }
}
