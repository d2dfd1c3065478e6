//! Snapshots of ours that nobody counts on any more: which of those that lie on a cluster, and whose they were.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{PairName, PointId, ServiceName};

/// What an agent remembers of the point that a snapshot is named after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// A recovery point here, committed or sealed.
    Point,
    /// Captured here, for this pair and service.
    Captured(PairName, ServiceName),
    /// A cluster's own writes, kept for its owners.
    Kept,
    /// Its run was dropped here.
    Dropped,
    /// Nothing: another agent made it, or this one when it had another state directory.
    Nothing,
}

/// For which pair leftovers are looked for, and what does not count as one.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    /// The pair.
    pub pair: &'a PairName,
    /// Points that the controller counts on: sealed ones, and those of runs under way.
    pub wanted: &'a BTreeSet<PointId>,
    /// What was begun later than this may be a run that the controller had not noted yet.
    pub before: DateTime<Utc>,
}

/// Whose a leftover is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The service it was made for, or whose data set it is of; `None`: of no service here.
    pub service: Option<ServiceName>,
    /// This agent made it.
    pub made_here: bool,
}

/// Whether a snapshot is a leftover of the pair, and whose. `place`: the pair and service that the data set belongs to here, if any.
pub fn owner(search: &Search<'_>, point: PointId, trace: &Trace, place: Option<&(PairName, ServiceName)>) -> Option<Owner> {
    if search.wanted.contains(&point) || point.made_at().is_some_and(|at| at >= search.before) {
        return None;
    }
    let of_place = |made_here| match place {
        Some((pair, _)) if pair != search.pair => None,
        place => Some(Owner { service: place.map(|(_, service)| service.clone()), made_here }),
    };
    match trace {
        Trace::Point | Trace::Kept => None,
        Trace::Captured(pair, service) => (pair == search.pair).then(|| Owner { service: Some(service.clone()), made_here: true }),
        Trace::Dropped => of_place(true),
        Trace::Nothing => of_place(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use uuid::{Timestamp, Uuid};

    fn pair(number: u8) -> PairName {
        format!("p{number}").parse().expect("a name")
    }

    fn service(number: u8) -> ServiceName {
        format!("s{number}").parse().expect("a name")
    }

    fn point(secs: u32) -> PointId {
        PointId(Uuid::new_v7(Timestamp::from_unix(uuid::NoContext, u64::from(secs), 0)))
    }

    fn any_trace() -> impl Strategy<Value = Trace> {
        prop_oneof![
            Just(Trace::Point),
            (0..2_u8, 0..3_u8).prop_map(|(of, name)| Trace::Captured(pair(of), service(name))),
            Just(Trace::Dropped),
            Just(Trace::Nothing),
        ]
    }

    fn any_place() -> impl Strategy<Value = Option<(PairName, ServiceName)>> {
        proptest::option::of((0..2_u8, 0..3_u8).prop_map(|(of, name)| (pair(of), service(name))))
    }

    proptest! {
        #[test]
        fn what_somebody_counts_on_or_may_be_a_run_just_begun_is_never_a_leftover(
            secs in 1_000..2_000_u32, before in 1_000..2_000_i64, wanted in any::<bool>(), trace in any_trace(), place in any_place(),
        ) {
            let id = point(secs);
            let wanted: BTreeSet<PointId> = wanted.then_some(id).into_iter().collect();
            let search = Search { pair: &pair(0), wanted: &wanted, before: DateTime::UNIX_EPOCH + TimeDelta::seconds(before) };
            let found = owner(&search, id, &trace, place.as_ref());
            if !wanted.is_empty() || i64::from(secs) >= before || trace == Trace::Point {
                prop_assert_eq!(found, None);
            }
        }

        #[test]
        fn no_pair_is_told_another_pairs_leftovers(trace in any_trace(), place in any_place()) {
            let id = point(1_000);
            let none = BTreeSet::new();
            let before = DateTime::UNIX_EPOCH + TimeDelta::seconds(2_000);
            let told = [0, 1].map(|of| owner(&Search { pair: &pair(of), wanted: &none, before }, id, &trace, place.as_ref()));
            if let [Some(one), Some(other)] = &told {
                // Of no pair at all: both may remove it.
                prop_assert_eq!((&one.service, &other.service), (&None, &None));
            }
            if trace != Trace::Point {
                prop_assert!(told.iter().any(Option::is_some), "one that nobody counts on is told to somebody");
            }
            if trace == Trace::Nothing {
                prop_assert!(told.iter().flatten().all(|owner| !owner.made_here));
            }
        }
    }
}
