//! Which recovery points go: everything the policy no longer keeps, and never what something still needs.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Keep, PointId};

/// A sealed point as retention sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The point.
    pub point: PointId,
    /// Its moment.
    pub moment: DateTime<Utc>,
}

/// The points to drop at `now`, oldest first.
///
/// All of the last `all_hours` stay, and the newest of each of the last `daily_days` days in the service's time zone. The newest
/// point always stays (it is what a failover resumes from and what the next difference is told against), and so does everything
/// in `needed`: the base of a run under way, the point a promotion resumed from.
pub fn to_drop(points: &[Kept], keep: Keep, zone: Tz, now: DateTime<Utc>, needed: &BTreeSet<PointId>) -> Vec<PointId> {
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|kept| (kept.moment, kept.point));
    let day = |moment: DateTime<Utc>| moment.with_timezone(&zone).date_naive();
    let oldest_day = day(now).checked_sub_days(Days::new(u64::from(keep.daily_days)));
    let all_since = now - TimeDelta::hours(i64::from(keep.all_hours));
    let stays = |index: usize, kept: &Kept| {
        let newest_of_day = sorted.get(index + 1).is_none_or(|next| day(next.moment) != day(kept.moment));
        let daily = newest_of_day && oldest_day.is_some_and(|oldest| day(kept.moment) > oldest);
        index + 1 == sorted.len() || kept.moment >= all_since || daily || needed.contains(&kept.point)
    };
    sorted.iter().enumerate().filter(|(index, kept)| !stays(*index, kept)).map(|(_, kept)| kept.point).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn point(number: usize, hours_ago: i64) -> Kept {
        Kept {
            point: PointId(Uuid::from_u128(number as u128)),
            moment: DateTime::UNIX_EPOCH + TimeDelta::days(400) - TimeDelta::hours(hours_ago),
        }
    }

    const NOW: i64 = 400 * 86_400;

    proptest! {
        #[test]
        fn what_is_newest_recent_or_needed_stays(hours in proptest::collection::vec(0..2_000i64, 1..60), needed in 0..60usize, all in 0..48u32, days in 0..40u32) {
            let now = DateTime::from_timestamp(NOW, 0).expect("a time");
            let points: Vec<_> = hours.iter().enumerate().map(|(n, h)| point(n, *h)).collect();
            let needed: BTreeSet<_> = points.get(needed).map(|kept| kept.point).into_iter().collect();
            let dropped = to_drop(&points, Keep { all_hours: all, daily_days: days }, chrono_tz::Asia::Shanghai, now, &needed);
            let newest = points.iter().max_by_key(|kept| (kept.moment, kept.point)).expect("one");
            prop_assert!(!dropped.contains(&newest.point));
            for kept in &points {
                let gone = dropped.contains(&kept.point);
                prop_assert!(!(gone && needed.contains(&kept.point)));
                prop_assert!(!(gone && now - kept.moment <= TimeDelta::hours(i64::from(all))));
            }
            let left: Vec<_> = points.into_iter().filter(|kept| !dropped.contains(&kept.point)).collect();
            let again = to_drop(&left, Keep { all_hours: all, daily_days: days }, chrono_tz::Asia::Shanghai, now, &needed);
            prop_assert!(again.is_empty());
        }
    }

    #[test]
    fn of_an_older_day_the_newest_point_stays_by_the_services_own_calendar() {
        // 15:00 and 17:00 UTC are two days in Shanghai, and one in UTC.
        let now = DateTime::from_timestamp(NOW, 0).expect("a time");
        let points = [point(1, 33), point(2, 31), point(3, 0)];
        let dropped = |zone| to_drop(&points, Keep { all_hours: 1, daily_days: 30 }, zone, now, &BTreeSet::new());
        assert_eq!(dropped(Tz::UTC), [points[0].point]);
        assert_eq!(dropped(chrono_tz::Asia::Shanghai), [] as [PointId; 0]);
    }
}
