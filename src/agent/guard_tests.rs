//! The guard's promises, over all orders and many facts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::user_data::UserData;
use crate::domain::{CopyMode, InstructionId, PointId, RunId, Service, ServiceName, Term};
use crate::protocol::{
    AbortOrder, AdjustUsersOrder, ArmOrder, DemoteOrder, LeftoversOrder, Outcome, PeerSpec, PromoteOrder, PruneOrder, StorePoliciesOrder,
    SyncUsersOrder, TransferOrder, VerifyOrder,
};
use crate::store::agent::{Elsewhere, FenceState, InstructionRecord, InstructionState};

const CALLER: &str = "controller";

fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(7, n)
}

fn cluster(name: &str) -> ClusterName {
    name.parse().expect("a name")
}

fn peer() -> PeerSpec {
    PeerSpec { cluster: cluster("west"), address: "w:1".into(), key: "w".into(), route: "w:2".into(), components: vec![] }
}

fn decision(epoch: u64, n: u64, to: &str, from: &str) -> Decision {
    Decision {
        id: DecisionId(id(n)),
        epoch: Epoch(epoch),
        by: "ana".into(),
        at: Utc::now(),
        to: cluster(to),
        from: cluster(from),
        planned: false,
        points: BTreeMap::new(),
        shown: vec![],
        promote: InstructionId(id(100)),
        demote: InstructionId(id(101)),
        unfence: InstructionId(id(102)),
        hold: false,
        take_back: false,
        live: None,
        declared: None,
    }
}

/// The plain orders: all that is done within an epoch.
fn plain_orders() -> Vec<Order> {
    let service: ServiceName = "orders".parse().expect("a name");
    let (run, point) = (RunId(id(1)), PointId(id(2)));
    let transfer = TransferOrder { run, point, service: service.clone(), data_sets: vec![], base: None, copy: CopyMode::Push };
    vec![
        Order::StorePolicies(StorePoliciesOrder { services: vec![] }),
        Order::Arm(ArmOrder { run, service: service.clone(), data_sets: vec![] }),
        Order::Push(transfer.clone()),
        Order::Pull(transfer),
        Order::Verify(VerifyOrder { run, point, service: service.clone() }),
        Order::Abort(AbortOrder { run, point, service: service.clone(), data_sets: vec![] }),
        Order::Prune(PruneOrder { service, data_sets: vec![], points: vec![] }),
        Order::SyncUsers(SyncUsersOrder { dry_run: false }),
        Order::ReadUsers,
        Order::Leftovers(LeftoversOrder { wanted: vec![], before: chrono::DateTime::UNIX_EPOCH, remove: true, unknown: false }),
        Order::AdjustUsers(AdjustUsersOrder { changes: vec![], primary: UserData::default() }),
        Order::Unfence(DemoteOrder { decision: decision(5, 3, "west", "east"), fence_only: true }),
    ]
}

fn instruction(term: u64, epoch: u64, order: Order) -> Instruction {
    Instruction { id: InstructionId(id(9)), pair: "p".parse().expect("a name"), term: Term(term), epoch: Epoch(epoch), order }
}

fn facts(term: u64, epoch: u64, identity: Identity, confirmed: bool) -> AdmissionFacts {
    let pair = PairFacts {
        pair: "p".parse().expect("a name"),
        claim: Claim { identity, epoch: Epoch(epoch), decision: DecisionId(id(50)) },
        confirmed,
        conflict: None,
        fence: FenceState::default(),
        peer: peer(),
        active: BTreeMap::new(),
        controllers: BTreeSet::from([CALLER.to_owned()]),
    };
    AdmissionFacts { caller: Standing::IN_COMMAND, term: Term(term), pair: Some(pair), seen: None, elsewhere: Vec::new(), own: Vec::new() }
}

fn ask(instruction: &Instruction, facts: &AdmissionFacts) -> Result<Admission, Trouble> {
    let digest = body_digest(instruction).expect("a digest");
    judge(instruction, Asked { here: &cluster("east"), caller: CALLER, digest, dotted: &BTreeSet::new() }, facts)
}

fn kind(result: Result<Admission, Trouble>) -> Option<TroubleKind> {
    result.err().map(|trouble| trouble.kind)
}

fn any_order() -> impl Strategy<Value = Order> {
    let mut orders = plain_orders();
    for epoch in 1..8 {
        for (to, from) in [("east", "west"), ("west", "east")] {
            orders.push(Order::Promote(PromoteOrder { decision: decision(epoch, epoch, to, from) }));
            orders.push(Order::Demote(DemoteOrder { decision: decision(epoch, epoch, to, from), fence_only: epoch % 2 == 0 }));
        }
    }
    orders.push(Order::Leave);
    proptest::sample::select(orders)
}

fn any_identity() -> impl Strategy<Value = Identity> {
    proptest::sample::select(vec![Identity::Primary, Identity::Secondary])
}

proptest! {
    /// Invariant 2: an older term never starts anything, whatever the order.
    #[test]
    fn an_older_term_changes_nothing(order in any_order(), term in 0_u64..9, epoch in 0_u64..9, identity in any_identity()) {
        let result = ask(&instruction(term, epoch, order), &facts(term + 1, epoch, identity, true));
        prop_assert_eq!(kind(result), Some(TroubleKind::Outdated));
    }

    /// Invariant 2: what starts is never of an older epoch than ours.
    #[test]
    fn an_older_epoch_changes_nothing(order in any_order(), told in 0_u64..9, ours in 0_u64..9, identity in any_identity()) {
        let epoch_meant = match &order {
            Order::Promote(p) => p.decision.epoch.0,
            Order::Demote(d) => d.decision.epoch.0,
            _ => told,
        };
        let result = ask(&instruction(1, told, order), &facts(1, ours, identity, true));
        if epoch_meant < ours {
            prop_assert!(result.is_err());
        }
    }

    /// An id means one thing for ever, also when what it meant could run again.
    #[test]
    fn the_same_id_with_another_body_is_refused(order in any_order(), done in any::<bool>()) {
        let state = if done { InstructionState::Done(Box::new(Outcome::Done)) } else { InstructionState::Interrupted };
        let mut facts = facts(1, 3, Identity::Primary, true);
        facts.seen = Some(InstructionRecord { digest: Digest::of_bytes(b"another"), state });
        prop_assert_eq!(kind(ask(&instruction(1, 3, order), &facts)), Some(TroubleKind::Invalid));
    }

    /// Invariant 8: what is done is answered again and not done again, at any later term and epoch.
    #[test]
    fn a_repeat_starts_nothing(order in any_order(), later in 0_u64..4) {
        let sent = instruction(1, 3, order);
        let mut facts = facts(1, 3 + later, Identity::Secondary, true);
        let state = InstructionState::Done(Box::new(Outcome::Done));
        facts.seen = Some(InstructionRecord { digest: body_digest(&sent).expect("a digest"), state: state.clone() });
        let again = Instruction { term: Term(1 + later), ..sent };
        prop_assert_eq!(ask(&again, &facts).expect("answered"), Admission::Repeat(state));
    }

    /// What was broken off starts anew when it is sent again, also for want of room: an identity's change is sent until it is done. What
    /// a rule refused stays refused.
    #[test]
    fn what_may_pass_starts_anew_and_a_refusal_is_repeated(order in any_order(), may in any::<bool>()) {
        let sent = instruction(1, 3, order);
        let kinds = match may {
            true => vec![TroubleKind::Unreachable, TroubleKind::Failed, TroubleKind::Exhausted],
            false => vec![TroubleKind::Refused, TroubleKind::Outdated, TroubleKind::NotFound, TroubleKind::Invalid, TroubleKind::Cancelled],
        };
        for kind in kinds {
            let state = InstructionState::Failed(Trouble::new(kind, "agent ledger", "in words"));
            let mut facts = facts(1, 3, Identity::Secondary, true);
            facts.seen = Some(InstructionRecord { digest: body_digest(&sent).expect("a digest"), state: state.clone() });
            let repeated = matches!(ask(&sent, &facts), Ok(Admission::Repeat(_)));
            prop_assert_eq!(repeated, !may, "{:?}", kind);
        }
    }

    /// Invariant 3: before anybody confirmed us, only words that themselves confirm or decide are obeyed.
    #[test]
    fn an_unconfirmed_agent_moves_no_data(order in any_order(), identity in any_identity()) {
        let result = ask(&instruction(1, 3, order.clone()), &facts(1, 3, identity, false));
        let obeyed = matches!(order, Order::StorePolicies(_) | Order::Arm(_) | Order::Promote(_) | Order::Demote(_) | Order::Leave);
        prop_assert!(obeyed || kind(result) == Some(TroubleKind::Failed));
    }

    /// Invariant 1: while two decisions of one epoch stand against each other, only a new decision is obeyed.
    #[test]
    fn a_conflict_stops_everything_but_a_decision(order in any_order(), identity in any_identity()) {
        let mut facts = facts(1, 3, identity, true);
        if let Some(pair) = &mut facts.pair {
            pair.conflict = Some("two decisions made epoch 3".into());
        }
        let decides = matches!(order, Order::Promote(_) | Order::Demote(_) | Order::Leave);
        prop_assert!(ask(&instruction(1, 3, order), &facts).is_err() || decides);
    }

    /// A controller that this pair does not belong to changes nothing.
    #[test]
    fn a_stranger_is_refused(order in any_order()) {
        let mut facts = facts(1, 3, Identity::Primary, true);
        if let Some(pair) = &mut facts.pair {
            pair.controllers = BTreeSet::from(["somebody else".to_owned()]);
        }
        prop_assert_eq!(kind(ask(&instruction(9, 3, order), &facts)), Some(TroubleKind::Refused));
    }

    /// Invariant 15: a key that was cut off starts nothing, whatever the pair still says of it.
    #[test]
    fn a_key_that_is_not_enrolled_starts_nothing(order in any_order(), identity in any_identity(), member in any::<bool>()) {
        let mut facts = facts(1, 3, identity, true);
        facts.caller = Standing::default();
        if !member {
            facts.pair = None;
        }
        prop_assert_eq!(kind(ask(&instruction(9, 3, order), &facts)), Some(TroubleKind::Refused));
    }

    /// No instruction raises the known term by more than one step, and what starts is within it.
    #[test]
    fn terms_rise_step_by_step(order in any_order(), known in 0..=Term::MAX.0, told in 0..=Term::MAX.0) {
        let facts = facts(known, 3, Identity::Primary, true);
        let sent = instruction(told, 3, order);
        if let Ok(admission) = ask(&sent, &facts) {
            let after = facts.admitted(&sent, Digest::of_bytes(b""), &admission).term;
            prop_assert!(after >= facts.term && after.0 - known <= Term::RISE && after <= Term::MAX);
            prop_assert!(matches!(admission, Admission::Rise(_)) || told <= facts.term.reach().0);
        }
    }
}

/// Invariant 15: a code, and nothing else, lets a key that commands nothing join a pair.
#[test]
fn a_key_that_commands_no_pair_joins_one_with_a_fresh_code_only() {
    let join = instruction(1 << 40, 1, Order::Join(JoinOrder { identity: Identity::Primary, peer: peer() }));
    for (standing, joins) in [
        (Standing { enrolled: true, commands: false, may_join: false }, false),
        (Standing { enrolled: true, commands: false, may_join: true }, true),
        (Standing::IN_COMMAND, true),
    ] {
        let facts = AdmissionFacts { caller: standing, pair: None, ..facts(0, 1, Identity::Primary, true) };
        assert_eq!(ask(&join, &facts).is_ok(), joins, "{standing:?}");
    }
}

#[test]
fn a_pair_touches_nothing_that_another_pair_holds() {
    let policy = |sets: &str| -> Order {
        let service = toml::from_str(&format!("name = 'orders'\npair = 'p'\ndata_sets = [{sets}]")).expect("a policy");
        Order::StorePolicies(StorePoliciesOrder { services: vec![service] })
    };
    let mut facts = facts(1, 3, Identity::Primary, true);
    let set = |text: &str| text.parse().expect("a data set");
    facts.elsewhere =
        vec![Elsewhere { pair: "q".parse().expect("a name"), sets: vec![set("files:shop/orders"), set("hive:sales.orders")] }];
    let refused = |sets: &str, facts: &AdmissionFacts| kind(ask(&instruction(1, 3, policy(sets)), facts)) == Some(TroubleKind::Refused);
    for sets in
        ["'files:shop'", "'files:shop/orders'", "'files:shop/orders/2026'", "{ from = 'files:a', to = 'files:shop' }", "'hive:sales'"]
    {
        let dotted = BTreeSet::from(["hive".parse().expect("a name")]);
        let sent = instruction(1, 3, policy(sets));
        let asked = Asked { here: &cluster("east"), caller: CALLER, digest: body_digest(&sent).expect("a digest"), dotted: &dotted };
        let refused = judge(&sent, asked, &facts).expect_err(sets);
        assert!(refused.kind == TroubleKind::Refused && refused.reason.contains("pair q holds"), "{refused}");
    }
    for sets in ["'files:shopping'", "'files:shop/orders2'", "'tables:orders'"] {
        assert!(!refused(sets, &facts), "{sets}");
    }
    // What an earlier version let in goes on.
    facts.own = vec![set("files:shop")];
    assert!(!refused("'files:shop'", &facts));
    let run = RunId(id(1));
    let service: ServiceName = "orders".parse().expect("a name");
    let arm = Order::Arm(ArmOrder {
        run,
        service,
        data_sets: vec![
            toml::from_str::<Service>("name = 'o'\npair = 'p'\ndata_sets = ['files:shop/orders']").expect("a policy").data_sets[0].clone(),
        ],
    });
    assert_eq!(kind(ask(&instruction(1, 3, arm), &facts)), Some(TroubleKind::Refused), "also by an order alone");
}

#[test]
fn each_identity_does_its_own_work() {
    for order in plain_orders() {
        let allowed = |identity| ask(&instruction(1, 3, order.clone()), &facts(1, 3, identity, true)).is_ok();
        let both = (allowed(Identity::Primary), allowed(Identity::Secondary));
        let expected = match order {
            Order::Push(_) | Order::SyncUsers(_) | Order::Unfence(_) => (true, false),
            Order::Pull(_) | Order::Verify(_) | Order::AdjustUsers(_) => (false, true),
            _ => (true, true),
        };
        assert_eq!(both, expected, "{}", order.name());
    }
}

#[test]
fn one_epoch_has_one_decision() {
    let promote = |epoch, n| instruction(1, 3, Order::Promote(PromoteOrder { decision: decision(epoch, n, "east", "west") }));
    let facts = facts(1, 3, Identity::Secondary, true);
    assert!(ask(&promote(4, 1), &facts).is_ok());
    assert!(ask(&promote(3, 50), &facts).is_ok(), "the decision that made our epoch may be carried on with");
    assert_eq!(kind(ask(&promote(3, 51), &facts)), Some(TroubleKind::Refused));
}

#[test]
fn a_member_is_not_turned_round_by_joining_again() {
    let join = |identity| Order::Join(JoinOrder { identity, peer: peer() });
    let mut facts = facts(1, 3, Identity::Primary, true);
    assert_eq!(kind(ask(&instruction(1, 4, join(Identity::Secondary)), &facts)), Some(TroubleKind::Refused));
    assert_eq!(kind(ask(&instruction(1, 2, join(Identity::Primary)), &facts)), Some(TroubleKind::Outdated));
    if let Some(pair) = &mut facts.pair {
        pair.claim.decision = DecisionId::founding(&pair.pair, Epoch(3), &cluster("east"));
    }
    assert_eq!(ask(&instruction(1, 3, join(Identity::Primary)), &facts), Ok(Admission::Start { confirm: true }));
    facts.pair = None;
    assert!(ask(&instruction(1, 1, join(Identity::Secondary)), &facts).is_ok());
}
