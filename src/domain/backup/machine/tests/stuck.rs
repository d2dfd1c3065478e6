//! A committed point that cannot be sealed, and one that a person gives up.

use super::*;

#[test]
fn a_stuck_run_says_since_when_and_why_and_may_be_sealed_all_the_same() {
    let mut events = good_run()[..6].to_vec();
    events.extend([stuck(20, Work::Seal, TroubleKind::Refused), stuck(90, Work::Seal, TroubleKind::Exhausted)]);
    let report = fold_all(&events).report();
    let known = report.stuck.expect("it is stuck");
    assert_eq!((known.since, known.told_at, known.trouble.kind), (at(20), at(90), TroubleKind::Exhausted));
    assert_eq!(report.outcome, None, "it may still be sealed");
    events.push(sealed(2));
    let state = fold_all(&events);
    assert_eq!((state.phase, state.report().stuck), (Phase::Sealed, None));
    assert!(phase_after(&good_run()[..5], stuck(20, Work::Seal, TroubleKind::Refused)).is_err(), "whether it is committed is not known");
}

#[test]
fn a_point_that_is_given_up_ends_abandoned_with_who_and_when() {
    let mut events = good_run()[..6].to_vec();
    events.extend([stuck(20, Work::Seal, TroubleKind::Refused), given_up(), failed(Step::Abandon, TroubleKind::Unreachable), taken_back()]);
    assert_eq!(fold_all(&events).phase, Phase::Abort, "what the primary captured for it goes as well");
    events.push(dropped());
    let state = fold_all(&events);
    assert_eq!((state.phase, state.leftovers.len()), (Phase::Abandoned, 2));
    let report = state.report();
    let told = report.abandoned.expect("a person gave it up");
    assert_eq!((told.by.as_str(), told.at, told.back_to), ("ana", at(40), Some(id(PointId, 1))));
    assert_eq!((report.outcome, report.error, report.stuck), (Some(RunOutcome::Abandoned), None, None));
}

#[test]
fn a_point_is_given_up_after_its_commit_only_and_a_seal_that_was_faster_stands() {
    let events = good_run();
    for length in (1..=5).chain([7]) {
        assert!(phase_after(&events[..length], given_up()).is_err(), "after {length} events");
    }
    let mut faster = events[..6].to_vec();
    faster.extend([given_up(), sealed(2)]);
    let report = fold_all(&faster).report();
    assert_eq!((report.outcome, report.abandoned), (Some(RunOutcome::Sealed), None));
    let mut gone_meanwhile = events[..6].to_vec();
    gone_meanwhile.extend([given_up(), gone(), dropped()]);
    assert_eq!(fold_all(&gone_meanwhile).phase, Phase::Abandoned, "it is gone, as was wanted");
}
