//! Which recovery points go: everything the policy no longer keeps, and never what something still needs.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Keep, PointId};

/// A sealed point as retention sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// The point.
    pub point: PointId,
    /// Its moment.
    pub moment: DateTime<Utc>,
    /// It is of the direction that is replicated now: the present secondary can resume from it.
    pub forward: bool,
}

/// Who needs a point whatever its policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A run under way tells its changes against it.
    Base,
    /// A drill has brought it up.
    Drill,
}

/// What becomes of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Nothing keeps it.
    Goes,
    /// The policy keeps it.
    Policy,
    /// It is the newest: a failover resumes from it, and the next difference is told against it.
    Newest,
    /// A run under way tells its changes against it.
    Base,
    /// A drill has brought it up.
    Drill,
}

impl From<Need> for Fate {
    fn from(need: Need) -> Fate {
        match need {
            Need::Base => Fate::Base,
            Need::Drill => Fate::Drill,
        }
    }
}

/// What becomes of each point at `now`, oldest first.
///
/// All of the last `all_hours` stay, and the newest of each of the last `daily_days` days in the service's time zone. The newest
/// point always stays, and so does everything in `needed`. Points of the direction from before the pair turned round go as soon as there
/// is one of the present direction; until then they are judged like any other, for they are all there is.
pub fn judge(points: &[Kept], keep: Keep, zone: Tz, now: DateTime<Utc>, needed: &BTreeMap<PointId, Need>) -> Vec<(PointId, Fate)> {
    let mut sorted = points.to_vec();
    sorted.sort_by_key(|kept| (kept.moment, kept.point));
    let turned = sorted.iter().any(|kept| kept.forward);
    let counted: Vec<Kept> = sorted.iter().filter(|kept| kept.forward || !turned).copied().collect();
    let place: BTreeMap<PointId, usize> = counted.iter().enumerate().map(|(index, kept)| (kept.point, index)).collect();
    let day = |moment: DateTime<Utc>| moment.with_timezone(&zone).date_naive();
    let oldest_day = day(now).checked_sub_days(Days::new(u64::from(keep.daily_days)));
    let all_since = now - TimeDelta::hours(i64::from(keep.all_hours));
    let fate = |kept: &Kept| {
        if let Some(need) = needed.get(&kept.point) {
            return Fate::from(*need);
        }
        let Some(&index) = place.get(&kept.point) else { return Fate::Goes };
        if index + 1 == counted.len() {
            return Fate::Newest;
        }
        let newest_of_day = day(counted[index + 1].moment) != day(kept.moment);
        let daily = newest_of_day && oldest_day.is_some_and(|oldest| day(kept.moment) > oldest);
        if kept.moment >= all_since || daily { Fate::Policy } else { Fate::Goes }
    };
    sorted.iter().map(|kept| (kept.point, fate(kept))).collect()
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
            forward: true,
        }
    }

    fn dropped(points: &[Kept], keep: Keep, zone: Tz, now: DateTime<Utc>, needed: &BTreeMap<PointId, Need>) -> Vec<PointId> {
        judge(points, keep, zone, now, needed).into_iter().filter(|(_, fate)| *fate == Fate::Goes).map(|(point, _)| point).collect()
    }

    const NOW: i64 = 400 * 86_400;

    proptest! {
        #[test]
        fn what_is_newest_recent_or_needed_stays(hours in proptest::collection::vec(0..2_000i64, 1..60), needed in 0..60usize, all in 0..48u32, days in 0..40u32) {
            let now = DateTime::from_timestamp(NOW, 0).expect("a time");
            let points: Vec<_> = hours.iter().enumerate().map(|(n, h)| point(n, *h)).collect();
            let needed: BTreeMap<_, _> = points.get(needed).map(|kept| (kept.point, Need::Drill)).into_iter().collect();
            let dropped = super::tests::dropped(&points, Keep { all_hours: all, daily_days: days }, chrono_tz::Asia::Shanghai, now, &needed);
            let newest = points.iter().max_by_key(|kept| (kept.moment, kept.point)).expect("one");
            prop_assert!(!dropped.contains(&newest.point));
            for kept in &points {
                let gone = dropped.contains(&kept.point);
                prop_assert!(!(gone && needed.contains_key(&kept.point)));
                prop_assert!(!(gone && now - kept.moment <= TimeDelta::hours(i64::from(all))));
            }
            let left: Vec<_> = points.into_iter().filter(|kept| !dropped.contains(&kept.point)).collect();
            let again = super::tests::dropped(&left, Keep { all_hours: all, daily_days: days }, chrono_tz::Asia::Shanghai, now, &needed);
            prop_assert!(again.is_empty());
        }

        #[test]
        fn one_point_at_least_always_stays_and_of_the_other_direction_none_once_this_one_has_a_point(
            drawn in proptest::collection::vec((0..2_000i64, any::<bool>()), 1..40),
        ) {
            let now = DateTime::from_timestamp(NOW, 0).expect("a time");
            let points: Vec<_> = drawn.iter().enumerate().map(|(n, (hours, forward))| Kept { forward: *forward, ..point(n, *hours) }).collect();
            let fates = judge(&points, Keep { all_hours: 0, daily_days: 0 }, Tz::UTC, now, &BTreeMap::new());
            let stay: Vec<_> = fates.iter().filter(|(_, fate)| *fate != Fate::Goes).map(|(id, _)| *id).collect();
            prop_assert_eq!(stay.len(), 1);
            let turned = points.iter().any(|kept| kept.forward);
            let kept = points.iter().find(|kept| kept.point == stay[0]).expect("one of them");
            prop_assert_eq!(kept.forward, turned);
        }
    }

    #[test]
    fn of_an_older_day_the_newest_point_stays_by_the_services_own_calendar() {
        // 15:00 and 17:00 UTC are two days in Shanghai, and one in UTC.
        let now = DateTime::from_timestamp(NOW, 0).expect("a time");
        let points = [point(1, 33), point(2, 31), point(3, 0)];
        let gone = |zone| dropped(&points, Keep { all_hours: 1, daily_days: 30 }, zone, now, &BTreeMap::new());
        assert_eq!(gone(Tz::UTC), [points[0].point]);
        assert_eq!(gone(chrono_tz::Asia::Shanghai), [] as [PointId; 0]);
    }
}
