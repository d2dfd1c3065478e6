//! The commit window: held, committed, taken back.

use super::*;

#[test]
fn a_held_promotion_waits_for_a_person_who_commits_it_or_takes_it_back() {
    for planned_one in [false, true] {
        let mut events = if planned_one { vec![paired()] } else { faulty() };
        events.push(held(2, planned_one));
        events.extend(planned_one.then(|| fenced(&[])));
        events.extend([promoted(), Event::OldPrimaryFenced { at: at(6) }]);
        let state = fold_all(&events);
        assert!(next(&state).is_empty() && state.primary == cluster("west"), "it waits, also after a planned switchover");
        after(&events, reversal_began()).expect_err("not before it is committed");
        let open = after(&events, committed()).expect("a person may commit");
        assert!(matches!(next(&open).as_slice(), [Effect::Promote(decision)] if !decision.hold));
        assert!(apply(Some(&open), &Event::PlannedFailed { trouble: trouble() }).is_err(), "it is promoted: nothing is undone any more");
        let open = apply(Some(&open), &promoted()).expect("open");
        assert_eq!((open.phase.name(), open.epoch), ("active alone", Epoch(2)));
        assert!(apply(Some(&open), &committed()).is_err(), "once");
    }
}

#[test]
fn a_promotion_taken_back_leaves_the_pair_as_it_was_or_goes_on() {
    let mut events = faulty();
    events.extend([decided(2, "east", "west", false), promoted(), Event::OldPrimaryFenced { at: at(6) }]);
    let before = fold_all(&events);
    for (epoch, from, to) in [(2, "west", "east"), (3, "east", "west")] {
        after(&events, take_back(epoch, from, to)).expect_err("a new epoch, from the new primary to the old one");
    }
    events.push(take_back(3, "west", "east"));
    assert!(matches!(next(&fold_all(&events)).as_slice(), [Effect::StandBack(decision)] if decision.from == cluster("west")));
    assert_eq!(fold_all(&events).epoch, Epoch(2), "until it stands back the old epoch holds");
    let failed = after(&events, Event::TakeBackFailed { trouble: trouble() }).expect("it may fail");
    assert_eq!((next(&failed), failed.primary.clone(), failed.epoch), (next(&before), before.primary, before.epoch));
    let broken = BTreeMap::from([(service("orders"), trouble())]);
    events.push(Event::StoodBack { at: at(7) });
    let half = after(&events, Event::Promoted { at: at(8), failed: broken }).expect("a service may not open at once");
    assert!(matches!(next(&half).as_slice(), [Effect::BringUp(_)]), "it is asked for again");
    let opened = apply(Some(&half), &promoted()).expect("mended");
    events.push(promoted());
    let state = fold_all(&events);
    assert_eq!(state.phase, PairPhase::Replicating);
    assert_eq!((state.primary.clone(), state.secondary.clone(), state.epoch), (cluster("east"), cluster("west"), Epoch(3)));
    assert_eq!(opened, state);
}
