//! What the identity machine promises: a person decides, epochs rise, one primary an epoch.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::TroubleKind;

mod window;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn cluster(text: &str) -> ClusterName {
    text.parse().expect("a good name")
}

fn service(text: &str) -> ServiceName {
    text.parse().expect("a good name")
}

fn trouble() -> Trouble {
    Trouble::new(TroubleKind::Unreachable, "agent east", "no answer within 5 s")
}

fn decision(epoch: u64, from: &str, to: &str, planned: bool) -> Decision {
    let number = |offset: u64| uuid::Uuid::from_u64_pair(epoch, offset);
    Decision {
        id: DecisionId(number(0)),
        epoch: Epoch(epoch),
        by: "ana".into(),
        at: at(0),
        to: cluster(to),
        from: cluster(from),
        planned,
        points: BTreeMap::from([(service("orders"), PointId(number(9)))]),
        shown: vec!["the NameNode refuses connections".into()],
        promote: InstructionId(number(1)),
        demote: InstructionId(number(2)),
        unfence: InstructionId(number(3)),
        hold: false,
        take_back: false,
        live: None,
        declared: None,
    }
}

fn paired() -> Event {
    Event::Paired { primary: cluster("east"), secondary: cluster("west"), epoch: Epoch(1) }
}

fn decided(epoch: u64, from: &str, to: &str, planned: bool) -> Event {
    Event::Decided { decision: Box::new(decision(epoch, from, to, planned)) }
}

/// Of a planned switchover that another controller began.
fn fence_left(epoch: u64, from: &str, to: &str) -> Event {
    Event::FenceLeft { decision: Box::new(decision(epoch, from, to, true)), trouble: trouble() }
}

fn fenced(services: &[&str]) -> Event {
    let run = |name: &&str| (service(name), RunId(uuid::Uuid::from_u128(7)));
    Event::Fenced { at: at(2), final_runs: services.iter().map(run).collect() }
}

fn held(epoch: u64, planned: bool) -> Event {
    Event::Decided { decision: Box::new(Decision { hold: true, ..decision(epoch, "east", "west", planned) }) }
}

fn committed() -> Event {
    Event::PromotionCommitted { at: at(6), by: "bob".into(), promote: InstructionId(uuid::Uuid::from_u128(60)) }
}

fn take_back(epoch: u64, from: &str, to: &str) -> Event {
    Event::TakeBackBegan {
        decision: Box::new(Decision { take_back: true, live: Some(at(6)), points: BTreeMap::new(), ..decision(epoch, from, to, false) }),
    }
}

fn goes_on(epoch: u64, from: &str, to: &str) -> Event {
    Event::Decided { decision: Box::new(Decision { live: Some(at(5)), ..decision(epoch, from, to, false) }) }
}

fn run_sealed(name: &str) -> Event {
    Event::FinalRunSealed { service: service(name), point: PointId(uuid::Uuid::from_u128(77)) }
}

fn promoted() -> Event {
    Event::Promoted { at: at(5), failed: BTreeMap::new(), instead: BTreeMap::new() }
}

fn reversal_began() -> Event {
    let number = |offset: u64| uuid::Uuid::from_u64_pair(50, offset);
    let points = BTreeMap::from([(service("orders"), PointId(number(1)))]);
    let keep = BTreeMap::from([(service("orders"), PointId(number(2)))]);
    Event::ReversalBegan { reversal: Box::new(Reversal { id: InstructionId(number(3)), by: "ana".into(), at: at(7), points, keep }) }
}

fn reversed() -> Event {
    Event::Reversed { at: at(8), kept: BTreeMap::new() }
}

fn fold_all(events: &[Event]) -> PairState {
    let folded = events.iter().try_fold(None, |state: Option<PairState>, event| apply(state.as_ref(), event).map(Some));
    folded.expect("a legal history").expect("at least its pairing")
}

fn after(events: &[Event], last: Event) -> Result<PairState, IllegalEvent> {
    apply(Some(&fold_all(events)), &last)
}

fn faulty() -> Vec<Event> {
    vec![paired(), Event::Suspected { at: at(1) }, Event::FaultDeclared { at: at(2) }]
}

fn planned() -> Vec<Event> {
    vec![paired(), decided(2, "east", "west", true), fenced(&["orders", "bills"]), run_sealed("bills"), run_sealed("orders")]
}

fn any_event() -> impl Strategy<Value = Event> {
    let name = || prop::sample::select(vec!["east", "west"]);
    prop_oneof![
        1 => Just(paired()),
        3 => Just(Event::Suspected { at: at(1) }),
        3 => Just(Event::FaultDeclared { at: at(2) }),
        2 => Just(Event::Recovered { at: at(3) }),
        6 => (0u64..6, name(), name(), any::<bool>()).prop_map(|(epoch, from, to, planned)| decided(epoch, from, to, planned)),
        4 => prop::sample::subsequence(vec!["orders", "bills"], 0..=2).prop_map(|services| fenced(&services)),
        4 => prop::sample::select(vec!["orders", "bills"]).prop_map(run_sealed),
        2 => Just(Event::PlannedFailed { trouble: trouble() }),
        1 => (1u64..6).prop_map(|epoch| fence_left(epoch, "east", "west")),
        2 => Just(Event::Unfenced { at: at(4) }),
        3 => Just(promoted()),
        2 => Just(Event::OldPrimaryFenced { at: at(6) }),
        3 => Just(reversal_began()),
        2 => Just(reversed()),
        1 => Just(Event::ReversalFailed { trouble: trouble() }),
        3 => (2u64..6, any::<bool>()).prop_map(|(epoch, planned)| held(epoch, planned)),
        3 => Just(committed()),
        3 => (2u64..6, name(), name()).prop_map(|(epoch, from, to)| take_back(epoch, from, to)),
        3 => (2u64..6, name(), name()).prop_map(|(epoch, from, to)| goes_on(epoch, from, to)),
        2 => Just(Event::StoodBack { at: at(7) }),
        1 => Just(Event::TakeBackFailed { trouble: trouble() }),
    ]
}

/// Legal steps only: the state before, the event, the state after.
fn steps(events: &[Event]) -> Vec<(PairState, Event, PairState)> {
    let mut state = fold_all(&[paired()]);
    let mut steps = Vec::new();
    for event in events {
        if let Ok(new) = apply(Some(&state), event) {
            steps.push((std::mem::replace(&mut state, new.clone()), event.clone(), new));
        }
    }
    steps
}

fn promotes(state: &PairState) -> bool {
    next(state).iter().any(|effect| matches!(effect, Effect::Promote(_)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn epochs_only_rise_and_each_has_one_primary(events in proptest::collection::vec(any_event(), 0..80)) {
        let mut primaries: BTreeMap<Epoch, ClusterName> = BTreeMap::from([(Epoch(1), cluster("east"))]);
        for (old, event, new) in steps(&events) {
            let undone = matches!(event, Event::PlannedFailed { .. });
            prop_assert!(undone || new.epoch >= old.epoch);
            prop_assert_ne!(&new.primary, &new.secondary);
            for effect in next(&new) {
                if let Effect::Promote(decision) = effect {
                    let first = primaries.entry(decision.epoch).or_insert_with(|| decision.to.clone());
                    prop_assert_eq!(first, &decision.to, "{:?} made two primaries of one epoch", event);
                }
            }
        }
    }

    #[test]
    fn only_a_person_s_decision_ever_leads_to_an_effect(events in proptest::collection::vec(any_event(), 0..80)) {
        for (old, event, new) in steps(&events) {
            // A planned switchover's old primary stands by once the new one is well again.
            let goes_on = matches!(event, Event::Recovered { .. }) && old.phase.lost().is_some();
            if next(&old).is_empty() && !next(&new).is_empty() && !goes_on {
                let asked = matches!(
                    event,
                    Event::Decided { .. } | Event::ReversalBegan { .. } | Event::PromotionCommitted { .. } | Event::TakeBackBegan { .. }
                );
                // What a person decided elsewhere, and nobody carries on, is undone.
                let asked = asked || matches!(&next(&new)[..], [Effect::Unfence(_)] if matches!(event, Event::FenceLeft { .. }));
                prop_assert!(asked, "{event:?} started {:?}", next(&new));
            }
            if new.primary != old.primary {
                prop_assert!(promotes(&old), "the primary changed without a promotion");
            }
        }
    }

    #[test]
    fn once_promoting_there_is_no_way_back_but_a_planned_one_s_refusal(events in proptest::collection::vec(any_event(), 0..80)) {
        for (old, event, new) in steps(&events) {
            if promotes(&old) {
                let refused = matches!((&event, &new.phase), (Event::PlannedFailed { .. }, PairPhase::Unfencing { decision, .. }) if decision.planned);
                let taken_back = matches!(&old.phase, PairPhase::Promoting { decision, .. } if decision.take_back) && new.phase == PairPhase::Replicating;
                // Its loss is declared or ends, or a person turns to the other one because of it.
                let same = matches!(event, Event::FaultDeclared { .. } | Event::Recovered { .. }) && next(&new) == next(&old);
                let turned = matches!(&event, Event::Decided { decision } if decision.live.is_some() && old.phase.lost().is_some());
                prop_assert!(refused || taken_back || same || turned || matches!(new.phase, PairPhase::ActiveAlone { .. }), "{event:?} led from promoting to {}", new.phase.name());
            }
            if matches!(event, Event::Recovered { .. }) {
                prop_assert!(next(&old).is_empty() || old.phase.lost().is_some(), "a decision was already being carried out");
            }
        }
    }

    #[test]
    fn the_old_primary_is_asked_to_fence_until_it_says_so(events in proptest::collection::vec(any_event(), 0..80)) {
        for (_, _, new) in steps(&events) {
            if let PairPhase::ActiveAlone { old_primary_fenced, .. } = &new.phase {
                let asks = next(&new).iter().any(|effect| matches!(effect, Effect::Demote(_)));
                prop_assert_eq!(asks, !*old_primary_fenced);
            }
        }
    }

    #[test]
    fn only_a_cluster_that_said_that_it_is_fenced_is_made_the_target(events in proptest::collection::vec(any_event(), 0..80)) {
        for (old, event, new) in steps(&events) {
            if let PairPhase::Reversing { decision, .. } = &new.phase {
                let fenced = matches!(&old.phase, PairPhase::ActiveAlone { old_primary_fenced: true, held: false, failed, .. } if failed.is_empty());
                prop_assert!(fenced, "{event:?} led from {} to reversing", old.phase.name());
                prop_assert_eq!((&new.primary, &new.secondary), (&decision.to, &decision.from));
            }
            if matches!(event, Event::Reversed { .. } | Event::ReversalFailed { .. }) {
                prop_assert_eq!((&new.primary, &new.secondary, new.epoch), (&old.primary, &old.secondary, old.epoch));
            }
        }
    }

    #[test]
    fn what_is_held_opens_by_a_person_s_word_only(events in proptest::collection::vec(any_event(), 0..80)) {
        for (old, event, new) in steps(&events) {
            if matches!(old.phase, PairPhase::ActiveAlone { held: true, .. }) {
                let opens = next(&new).iter().any(|effect| match effect {
                    Effect::Promote(decision) | Effect::BringUp(decision) => !decision.hold && decision.live.is_none(),
                    _ => false,
                });
                let word = matches!(event, Event::PromotionCommitted { .. } | Event::ConflictEnded { .. });
                prop_assert!(word || !opens, "{event:?} opened what was held");
            }
        }
    }

    #[test]
    fn a_primary_that_is_alone_is_left_only_when_it_is_lost_or_stands_back(events in proptest::collection::vec(any_event(), 0..80)) {
        for (old, event, new) in steps(&events) {
            if old.phase.is_alone() && promotes(&new) {
                let word = matches!(event, Event::PromotionCommitted { .. } | Event::ConflictEnded { .. } | Event::StoodBack { .. });
                let lost = matches!(&event, Event::Decided { decision } if decision.live.is_some() && old.phase.lost().is_some());
                prop_assert!(word || lost, "{event:?} led from {} to promoting {}", old.phase.name(), old.secondary);
            }
        }
    }

    #[test]
    fn a_promotion_is_taken_back_only_once_the_new_primary_stands_back(events in proptest::collection::vec(any_event(), 0..80)) {
        for (old, event, new) in steps(&events) {
            let promotes_back = |state: &PairState| matches!(&state.phase, PairPhase::Promoting { decision, .. } if decision.take_back);
            if promotes_back(&new) && !promotes_back(&old) {
                prop_assert!(matches!((&old.phase, &event), (PairPhase::TakingBack { .. }, Event::StoodBack { .. })), "{event:?}");
            }
        }
    }

    #[test]
    fn events_that_were_stored_fold_to_the_same_state_again(events in proptest::collection::vec(any_event(), 0..80)) {
        let steps = steps(&events);
        let legal: Vec<Event> = std::iter::once(paired()).chain(steps.iter().map(|(_, event, _)| event.clone())).collect();
        let text = serde_json::to_string(&legal).expect("events are plain data");
        let read: Vec<Event> = serde_json::from_str(&text).expect("what was stored can be read");
        prop_assert_eq!(fold_all(&read), fold_all(&legal));
    }
}

#[test]
fn after_a_fault_a_person_s_decision_promotes_and_the_old_primary_is_fenced_when_seen() {
    let mut events = faulty();
    assert!(next(&fold_all(&events)).is_empty(), "nothing happens by itself");
    events.push(decided(2, "east", "west", false));
    assert!(promotes(&fold_all(&events)));
    events.push(promoted());
    let state = fold_all(&events);
    assert_eq!((state.primary.clone(), state.epoch), (cluster("west"), Epoch(2)));
    assert_eq!(state.last_outcome, Some(DecisionOutcome::Promoted));
    assert!(matches!(next(&state).as_slice(), [Effect::Demote(decision)] if decision.from == cluster("east")));
    events.push(Event::OldPrimaryFenced { at: at(9) });
    assert!(next(&fold_all(&events)).is_empty());
}

#[test]
fn a_planned_switchover_fences_runs_and_promotes_with_the_final_points() {
    let events = planned();
    assert!(matches!(next(&fold_all(&events[..2])).as_slice(), [Effect::Demote(_)]));
    assert!(matches!(next(&fold_all(&events[..3])).as_slice(), [Effect::WatchFinalRuns(runs)] if runs.len() == 2));
    assert_eq!(fold_all(&events[..4]).epoch, Epoch(1), "until the promotion the old epoch holds");
    let state = fold_all(&events);
    assert_eq!(state.epoch, Epoch(2));
    let PairPhase::Promoting { decision, .. } = state.phase else { panic!("not promoting") };
    assert_eq!(decision.points.values().collect::<Vec<_>>(), [&PointId(uuid::Uuid::from_u128(77)); 2]);
}

#[test]
fn a_planned_switchover_that_fails_before_its_promotion_lifts_the_fence() {
    // From the fence to the promotion itself, which the secondary may refuse.
    for length in 2..=5 {
        let mut events = planned()[..length].to_vec();
        events.push(Event::PlannedFailed { trouble: trouble() });
        assert!(matches!(next(&fold_all(&events)).as_slice(), [Effect::Unfence(_)]));
        events.push(Event::Unfenced { at: at(9) });
        let state = fold_all(&events);
        assert_eq!((state.phase, state.primary, state.epoch), (PairPhase::Replicating, cluster("east"), Epoch(1)));
        assert_eq!(state.last_outcome, Some(DecisionOutcome::Aborted { trouble: trouble() }));
    }
    let unplanned = [faulty(), vec![decided(2, "east", "west", false)]].concat();
    assert!(after(&unplanned, Event::PlannedFailed { trouble: trouble() }).is_err(), "a lost primary is not gone back to");
}

#[test]
fn a_fence_that_another_controller_left_is_lifted_and_nothing_else_changes() {
    let found = after(&[paired()], fence_left(2, "east", "west")).expect("the pair rests");
    assert!(matches!(next(&found).as_slice(), [Effect::Unfence(decision)] if decision.from == cluster("east")));
    let lifted = apply(Some(&found), &Event::Unfenced { at: at(9) }).expect("it is lifted");
    assert_eq!((lifted.phase, lifted.primary, lifted.epoch), (PairPhase::Replicating, cluster("east"), Epoch(1)));
    assert!(after(&[paired()], fence_left(2, "west", "east")).is_err() && after(&[paired()], fence_left(1, "east", "west")).is_err());
    for under_way in [planned()[..2].to_vec(), planned(), faulty()] {
        assert!(after(&under_way, fence_left(2, "east", "west")).is_err(), "what this controller does comes first");
    }
}

#[test]
fn decisions_that_do_not_fit_are_illegal() {
    let healthy = [paired()];
    assert!(after(&healthy, decided(2, "east", "west", false)).is_err(), "a healthy primary is switched over by plan only");
    for (epoch, from, to) in [(1, "east", "west"), (0, "east", "west"), (2, "west", "east"), (2, "east", "east")] {
        assert!(after(&faulty(), decided(epoch, from, to, false)).is_err(), "epoch {epoch} from {from} to {to}");
    }
    assert!(after(&faulty(), decided(9, "east", "west", false)).is_ok(), "an agent may know of higher epochs than this machine");
    let under_way = [faulty(), vec![decided(2, "east", "west", false)]].concat();
    assert!(after(&under_way, decided(3, "east", "west", false)).is_err(), "one decision at a time");
    assert!(after(&under_way, Event::Recovered { at: at(9) }).is_err(), "recovery cannot follow a decision");
}

#[test]
fn a_fault_that_ends_by_itself_needs_no_decision() {
    let state = after(&faulty(), Event::Recovered { at: at(9) }).expect("it is well again");
    assert_eq!(state.phase, PairPhase::Replicating);
}

#[test]
fn nothing_comes_before_pairing_and_pairing_comes_once() {
    assert!(apply(None, &promoted()).is_err());
    assert!(after(&[paired()], paired()).is_err());
    let alone = Event::Paired { primary: cluster("east"), secondary: cluster("east"), epoch: Epoch(1) };
    assert!(apply(None, &alone).is_err(), "a cluster cannot stand by for itself");
}

#[test]
fn a_person_ends_a_conflict_for_either_cluster_under_an_epoch_above_both() {
    let ended = |epoch, from: &str, to: &str| Event::ConflictEnded { decision: Box::new(decision(epoch, from, to, false)) };
    let mut alone = faulty();
    alone.extend([decided(2, "east", "west", false), promoted()]);
    for history in [vec![paired()], faulty(), alone] {
        for (from, to) in [("east", "west"), ("west", "east")] {
            let state = after(&history, ended(3, from, to)).expect("a person may decide");
            assert_eq!(next(&state), [Effect::Promote(Box::new(decision(3, from, to, false)))]);
            let state = apply(Some(&state), &promoted()).expect("promoted");
            assert_eq!((state.primary.as_str(), state.epoch), (to, Epoch(3)));
            assert_eq!(next(&state), [Effect::Demote(Box::new(decision(3, from, to, false)))]);
        }
        after(&history, ended(1, "east", "west")).expect_err("never under an epoch that is known");
        after(&history, ended(3, "east", "east")).expect_err("two clusters");
        after(&history, ended(3, "east", "mars")).expect_err("of this pair");
    }
    after(&planned()[..2], ended(4, "east", "west")).expect_err("a planned switchover is undone first");
}
