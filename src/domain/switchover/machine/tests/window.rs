//! Around a primary that is alone: held, committed, taken back, lost; and until the other stands by.

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
    let half =
        after(&events, Event::Promoted { at: at(8), failed: broken, instead: BTreeMap::new() }).expect("a service may not open at once");
    assert!(matches!(next(&half).as_slice(), [Effect::BringUp(_)]), "it is asked for again");
    let opened = apply(Some(&half), &promoted()).expect("mended");
    events.push(promoted());
    let state = fold_all(&events);
    assert_eq!(state.phase, PairPhase::Replicating);
    assert_eq!((state.primary.clone(), state.secondary.clone(), state.epoch), (cluster("east"), cluster("west"), Epoch(3)));
    assert_eq!(opened, state);
}

#[test]
fn a_primary_lost_while_it_is_alone_leaves_the_other_one_to_go_on_from_what_it_holds() {
    let fault = Event::FaultDeclared { at: at(7) };
    let mut alone = faulty();
    alone.extend([decided(2, "east", "west", false), promoted()]);
    let fenced = [alone.clone(), vec![Event::OldPrimaryFenced { at: at(6) }]].concat();
    let mut look = faulty();
    look.extend([held(2, false), promoted()]);
    let taking_back = [fenced.clone(), vec![take_back(3, "west", "east")]].concat();
    for mut events in [alone, fenced, look, taking_back] {
        let asked = if matches!(fold_all(&events).phase, PairPhase::TakingBack { .. }) { 4 } else { 3 };
        after(&events, goes_on(asked, "west", "east")).expect_err("west is well");
        events.push(fault.clone());
        after(&events, fault.clone()).expect_err("it is declared once");
        after(&events, reversal_began()).expect_err("nobody is there to stand by for");
        after(&events, decided(asked, "west", "east", false)).expect_err("east holds no newer point");
        after(&events, goes_on(asked - 1, "west", "east")).expect_err("west may hold that epoch");
        let well = after(&events, Event::Recovered { at: at(8) }).expect("it may come back");
        assert_eq!(well, fold_all(&events[..events.len() - 1]), "and nothing has changed");
        events.push(goes_on(asked, "west", "east"));
        assert!(matches!(next(&fold_all(&events)).as_slice(), [Effect::Promote(decision)] if decision.live.is_some()));
        events.push(promoted());
        let state = fold_all(&events);
        assert_eq!((state.primary.as_str(), state.secondary.as_str(), state.epoch), ("east", "west", Epoch(asked)));
        assert!(
            matches!(next(&state).as_slice(), [Effect::Demote(decision)] if decision.from == cluster("west")),
            "fenced when it is seen"
        );
        after(&events, take_back(9, "east", "west")).expect_err("there is no point to have been brought up");
        events.extend([Event::OldPrimaryFenced { at: at(9) }, reversal_began(), reversed()]);
        assert_eq!(fold_all(&events).phase, PairPhase::Replicating, "and west stands by");
    }
}

#[test]
fn a_cluster_lost_while_it_is_promoted_leaves_the_other_one_to_go_on_from_what_it_holds() {
    let fault = Event::FaultDeclared { at: at(7) };
    let of_fault = [faulty(), vec![decided(2, "east", "west", false)]].concat();
    let of_look = [faulty(), vec![held(2, false), promoted(), committed()]].concat();
    for mut events in [planned(), of_fault, of_look] {
        let before = fold_all(&events);
        assert_eq!((before.serving().as_str(), before.other().as_str()), ("west", "east"));
        after(&events, goes_on(3, "west", "east")).expect_err("west is well");
        events.push(fault.clone());
        after(&events, fault.clone()).expect_err("it is declared once");
        assert!(promotes(&fold_all(&events)), "it is asked still, should it come back");
        assert_eq!(after(&events, Event::Recovered { at: at(8) }).expect("it may"), before);
        assert_eq!(after(&events, promoted()).expect("it was up").primary, cluster("west"));
        after(&events, decided(3, "west", "east", false)).expect_err("east holds no newer point");
        after(&events, goes_on(2, "west", "east")).expect_err("west may hold that epoch");
        after(&events, goes_on(3, "east", "west")).expect_err("it is the lost one");
        events.push(goes_on(3, "west", "east"));
        let state = fold_all(&events);
        assert_eq!((state.serving().as_str(), state.other().as_str(), state.epoch), ("east", "west", Epoch(3)));
        assert!(
            matches!(next(&state).as_slice(), [Effect::Promote(decision)] if decision.live.is_some() && decision.to == cluster("east"))
        );
        events.extend([fault.clone(), goes_on(4, "east", "west")]);
        assert_eq!(fold_all(&events).serving(), &cluster("west"), "and so on");
        events.truncate(events.len() - 2);
        events.push(promoted());
        let state = fold_all(&events);
        assert_eq!((state.primary.as_str(), state.secondary.as_str()), ("east", "west"));
        assert!(
            matches!(next(&state).as_slice(), [Effect::Demote(decision)] if decision.from == cluster("west")),
            "fenced when it is seen"
        );
    }
}

#[test]
fn an_old_primary_lost_while_a_promotion_is_taken_back_for_it_leaves_the_one_that_stood_back() {
    let mut events = faulty();
    events.extend([decided(2, "east", "west", false), promoted(), Event::OldPrimaryFenced { at: at(6) }, take_back(3, "west", "east")]);
    events.extend([Event::StoodBack { at: at(7) }, Event::FaultDeclared { at: at(8) }, goes_on(4, "east", "west"), promoted()]);
    let state = fold_all(&events);
    assert_eq!((state.primary.as_str(), state.epoch), ("west", Epoch(4)));
    assert!(matches!(next(&state).as_slice(), [Effect::Demote(decision)] if decision.from == cluster("east")));
}

#[test]
fn a_primary_lost_while_its_fence_is_being_lifted_leaves_the_secondary_to_take_over() {
    let mut events = planned()[..2].to_vec();
    events.push(Event::PlannedFailed { trouble: trouble() });
    after(&events, decided(3, "east", "west", false)).expect_err("east is well");
    events.push(Event::FaultDeclared { at: at(7) });
    assert!(matches!(next(&fold_all(&events)).as_slice(), [Effect::Unfence(_)]), "its fence is still to be lifted, should it come back");
    let well = after(&events, Event::Recovered { at: at(8) }).expect("it may");
    assert_eq!(well, fold_all(&events[..events.len() - 1]));
    after(&events, decided(2, "east", "west", false)).expect_err("the epoch of what was given up");
    after(&events, decided(3, "east", "west", true)).expect_err("there is nobody to switch over from");
    after(&events, Event::Unfenced { at: at(8) }).expect("it came back, and was told");
    let state = after(&events, decided(3, "east", "west", false)).expect("a person may decide");
    assert!(matches!(next(&state).as_slice(), [Effect::Promote(decision)] if decision.to == cluster("west")));
}

#[test]
fn after_a_fault_a_person_reverses_the_replication_and_after_a_planned_switchover_it_goes_on_by_itself() {
    let fenced = Event::OldPrimaryFenced { at: at(6) };
    let mut fault = faulty();
    fault.extend([decided(2, "east", "west", false), promoted()]);
    after(&fault, reversal_began()).expect_err("east may still take writes");
    fault.push(fenced.clone());
    assert!(next(&fold_all(&fault)).is_empty(), "a person looks at what east has first");
    fault.push(reversal_began());
    assert!(matches!(next(&fold_all(&fault)).as_slice(), [Effect::Reverse(..)]));
    let failed = [fault.clone(), vec![Event::ReversalFailed { trouble: trouble() }]].concat();
    assert!(next(&fold_all(&failed)).is_empty(), "it is not tried again and again");
    after(&failed, reversal_began()).expect("a person may try again");
    fault.push(reversed());
    let state = fold_all(&fault);
    assert_eq!((state.phase, state.primary, state.secondary), (PairPhase::Replicating, cluster("west"), cluster("east")));
    after(&fault, decided(3, "west", "east", true)).expect("and back again");

    let mut there = planned();
    there.extend([promoted(), fenced]);
    assert!(matches!(next(&fold_all(&there)).as_slice(), [Effect::BeginReversal(_)]));
    there.extend([reversal_began(), Event::ReversalFailed { trouble: trouble() }]);
    assert!(next(&fold_all(&there)).is_empty(), "once by itself, then by a person");

    let broken = BTreeMap::from([(service("orders"), trouble())]);
    let mut half = planned();
    half.extend([Event::Promoted { at: at(5), failed: broken, instead: BTreeMap::new() }, Event::OldPrimaryFenced { at: at(6) }]);
    assert!(matches!(next(&fold_all(&half)).as_slice(), [Effect::BringUp(_)]), "a service that is not up would be copied over good data");
    after(&half, reversal_began()).expect_err("nor does a person");
    let other = BTreeMap::from([(service("bills"), trouble())]);
    after(&half, Event::Promoted { at: at(7), failed: other, instead: BTreeMap::new() }).expect_err("what is up stays so");
    half.push(promoted());
    assert!(matches!(next(&fold_all(&half)).as_slice(), [Effect::BeginReversal(_)]), "mended, it goes on");
}
