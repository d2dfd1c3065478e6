//! What the engine makes of what agents hold.

use super::*;
use crate::controller::identity::fold;
use crate::domain::{DecisionId, PairName, PointId};
use crate::protocol::PeerSpec;
use crate::store::agent::rules::captured_under_fence;

fn cluster(name: &str) -> ClusterName {
    name.parse().expect("a name")
}

fn orders() -> ServiceName {
    "orders".parse().expect("a name")
}

fn pair() -> PairName {
    "p".parse().expect("a name")
}

fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(2, n)
}

fn decision(number: u64, planned: bool) -> Decision {
    Decision {
        id: DecisionId(id(number << 8)),
        epoch: Epoch(2),
        by: "ana".into(),
        at: chrono::DateTime::UNIX_EPOCH,
        to: cluster("west"),
        from: cluster("east"),
        planned,
        points: BTreeMap::from([(orders(), PointId(Uuid::from_u64_pair(3, number)))]),
        shown: Vec::new(),
        promote: InstructionId(id((number << 8) + 2)),
        demote: InstructionId(id((number << 8) + 4)),
        unfence: InstructionId(id((number << 8) + 6)),
        hold: false,
        take_back: false,
        live: None,
        declared: None,
    }
}

fn claim(identity: Identity, epoch: u64, number: u64) -> Claim {
    Claim { identity, epoch: Epoch(epoch), decision: DecisionId(id(number << 8)) }
}

/// What an agent tells of a pair whose other cluster is `peer`.
fn record(claim: Claim, peer: &str, decisions: Vec<Decision>) -> PairRecord {
    let peer =
        PeerSpec { cluster: cluster(peer), address: String::new(), key: String::new(), route: String::new(), components: Vec::new() };
    PairRecord { pair: pair(), claim, peer, services: Vec::new(), points: Vec::new(), user_data: None, decisions, kept: Vec::new() }
}

fn state(events: &[Event]) -> PairState {
    let paired = Event::Paired { primary: cluster("east"), secondary: cluster("west"), epoch: Epoch(1) };
    let events: Vec<Event> = std::iter::once(paired).chain(events.iter().cloned()).collect();
    fold(&pair(), &events).expect("a legal history")
}

fn decided(decision: &Decision) -> Event {
    Event::Decided { decision: Box::new(decision.clone()) }
}

/// The old primary keeps the decision as it was when it was fenced, the new one as it was promoted by.
#[test]
fn a_demotion_by_another_version_of_a_planned_decision_is_another_instruction() {
    let fenced_by = decision(1, true);
    let promoted_by = Decision { points: decision(2, true).points, ..fenced_by.clone() };
    assert_ne!(demote_id(&fenced_by), demote_id(&promoted_by));
    assert_eq!(demote_id(&promoted_by), demote_id(&promoted_by.clone()));
    assert_ne!(demote_id(&fenced_by), fenced_by.demote, "the fence before has that one");
}

#[test]
fn two_controllers_that_start_on_copies_of_one_state_take_different_terms() {
    let known = Term(7);
    let taken = |chance| meet(true, known, known, chance);
    assert_eq!((taken(0), meet(true, Term(8), known, 5)), (Meeting::Take(Term(8)), Meeting::InCommand));
    let (Meeting::Take(one), Meeting::Take(other)) = (taken(41), taken(42)) else { panic!("a higher one is taken") };
    assert!(known < one && one < other && meet(false, one, other, 0) == Meeting::Ousted, "agents obey one of them");
}

#[test]
fn an_epoch_that_another_controller_made_is_followed_while_nothing_is_under_way_here() {
    let (east, west) = (cluster("east"), cluster("west"));
    let told = [(&east, claim(Identity::Secondary, 2, 1)), (&west, claim(Identity::Primary, 2, 1))];
    let founding = [(&east, claim(Identity::Primary, 1, 0)), (&west, claim(Identity::Secondary, 1, 0))];
    let contending = [(&east, claim(Identity::Primary, 2, 3)), (&west, claim(Identity::Primary, 2, 1))];
    let rests = state(&[]);
    assert_eq!((overtaken_by(&rests, None, &told), overtaken_by(&rests, None, &told[1..])), (Some(Epoch(2)), Some(Epoch(2))));
    assert_eq!((overtaken_by(&rests, None, &founding), overtaken_by(&rests, None, &[])), (None, None));
    assert_eq!(overtaken_by(&rests, None, &contending), None, "a person says which of them is right");
    let changing = state(&[decided(&decision(5, true))]);
    assert_eq!(overtaken_by(&changing, None, &told), None, "what this controller does comes first");
    let refused = Trouble::new(TroubleKind::Refused, "pair p", "another decision has already made epoch 2");
    assert_eq!(overtaken_by(&changing, Some(&refused), &told), Some(Epoch(2)), "and it is refused for good");
}

#[test]
fn a_planned_switchover_that_the_primary_alone_knows_of_was_begun_elsewhere() {
    let (first, second, after_a_fault) = (decision(1, true), decision(2, true), decision(3, false));
    let decisions = vec![first.clone(), after_a_fault, second.clone()];
    let found = |state: &PairState, claim| begun_elsewhere(state, &record(claim, "west", decisions.clone()));
    let primary = claim(Identity::Primary, 1, 0);
    assert_eq!(found(&state(&[]), primary), [second.clone(), first], "the newest first");
    assert!(found(&state(&[decided(&second)]), primary).is_empty(), "it is our own");
    assert!(found(&state(&[]), claim(Identity::Primary, 2, 1)).is_empty(), "it was carried out");
    assert!(found(&state(&[]), claim(Identity::Secondary, 1, 0)).is_empty());
}

#[test]
fn a_planned_promotion_begins_under_the_fence_only() {
    let (open, fenced) = (Some((claim(Identity::Primary, 1, 0), false)), Some((claim(Identity::Primary, 1, 0), true)));
    let (there, taken) = (Some(claim(Identity::Secondary, 1, 0)), Some(claim(Identity::Primary, 2, 1)));
    assert!(is_open(&decision(1, true), open, there));
    for (from, to) in
        [(fenced, there), (None, there), (open, taken), (open, None), (Some((claim(Identity::Secondary, 2, 1), false)), there)]
    {
        assert!(!is_open(&decision(1, true), from, to), "{from:?} {to:?}");
    }
    assert!(!is_open(&decision(1, false), open, there), "a lost primary is not asked");
}

#[test]
fn the_old_primary_looks_once_more_before_it_is_left_and_knows_that_from_the_fence() {
    let by = decision(1, true);
    let (primary, secondary) = (Some(claim(Identity::Primary, 1, 0)), Some(claim(Identity::Secondary, 1, 0)));
    let letter = last_look(&by, InstructionId(id(77)), primary, secondary).expect("asked");
    assert_eq!((letter.to, letter.epoch), (cluster("east"), Epoch(1)), "under the epoch that still holds");
    assert!(matches!(&letter.order, Order::Demote(order) if order.fence_only && order.decision == by));
    let taken = Some(claim(Identity::Primary, 2, 1));
    for (from, to) in [(None, secondary), (primary, None), (primary, taken), (Some(claim(Identity::Secondary, 2, 1)), secondary)] {
        assert_eq!(last_look(&by, InstructionId(id(77)), from, to), None, "{from:?} {to:?}");
    }
    assert_eq!(last_look(&decision(1, false), InstructionId(id(77)), primary, secondary), None, "a lost primary is not asked");

    // At the agent: the order that puts the fence on names the points of before, the last look those of the final runs.
    let fenced_by = Decision { points: decision(5, true).points, ..by.clone() };
    assert!(
        captured_under_fence(&[], &fenced_by).is_empty() && captured_under_fence(std::slice::from_ref(&fenced_by), &fenced_by).is_empty()
    );
    assert_eq!(captured_under_fence(&[fenced_by], &by), [by.points[&orders()]]);
    assert!(captured_under_fence(&[decision(3, true)], &by).is_empty(), "another switchover's");
}

/// A service that is not up at the new primary would be copied over the old primary's good data.
#[test]
fn what_the_new_primary_has_not_brought_up_is_not_forgotten_by_an_adoption() {
    let by = decision(1, false);
    let record = record(claim(Identity::Primary, 2, 1), "east", vec![by.clone()]);
    let trouble = Trouble::new(TroubleKind::Failed, "service orders", "it is not known to be up there");
    let events = |down: &[Trouble]| {
        let down = down.iter().map(|trouble| (orders(), trouble.clone())).collect();
        let mut events = history(&cluster("west"), &record, [(&cluster("west"), &by)].into_iter(), false, down);
        events.push(Event::OldPrimaryFenced { at: by.at });
        fold(&pair(), &events).expect("a legal history")
    };
    assert!(next(&events(&[])).is_empty());
    assert!(matches!(next(&events(&[trouble])).as_slice(), [Effect::BringUp(decision)] if **decision == by));
}

/// The old primary knows a planned decision from before its final runs, and of no commit.
#[test]
fn an_adoption_goes_by_what_the_new_primary_knows_of_its_decision() {
    let final_run = PointId(Uuid::from_u64_pair(9, 9));
    let fenced_by = Decision { hold: true, ..decision(1, true) };
    let promoted_by = Decision { hold: false, points: [(orders(), final_run)].into(), ..fenced_by.clone() };
    let told = [(cluster("east"), fenced_by), (cluster("west"), promoted_by.clone())];
    let record = record(claim(Identity::Primary, 2, 1), "east", Vec::new());
    for order in [[0, 1], [1, 0]] {
        let told = order.into_iter().map(|i| (&told[i].0, &told[i].1));
        let events = history(&cluster("west"), &record, told, false, BTreeMap::new());
        let by = events.iter().find_map(|event| if let Event::Decided { decision } = event { Some(&**decision) } else { None });
        assert_eq!(by, Some(&promoted_by));
    }
}
