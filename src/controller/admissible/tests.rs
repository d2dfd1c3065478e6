//! The runbook, what is offered and the command agree, whatever a pair has been through; and what is admitted the machine folds.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::controller::command::CheckState;
use crate::controller::runbook::runbook;
use crate::controller::{prompt, view};
use crate::domain::switchover::machine::{PairState, Reversal};
use crate::domain::watch::Verdict;
use crate::domain::{
    CapturedSpan, Claim, Epoch, Grade, Identity, InstructionId, PointId, RecoveryPoint, RunId, Service, ServiceName, Timings,
};
use crate::protocol::{AgentStatus, PairStatus, PeerView};
use crate::store::controller::{Enrolled, PairedAgent, PairedClusters};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn cluster(name: &str) -> ClusterName {
    name.parse().expect("a name")
}

fn orders() -> ServiceName {
    "orders".parse().expect("a name")
}

/// Everything that is not the machine's state: what the agents said, and what is held.
#[derive(Debug, Clone)]
struct Seen {
    answers: [bool; 2],
    faulty: bool,
    contended: bool,
    /// An agent knows of an epoch that is so much higher.
    ahead: u64,
    clock: bool,
    point: bool,
}

fn seen() -> impl Strategy<Value = Seen> {
    let often = || prop::bool::weighted(0.85);
    (often(), often(), any::<bool>(), prop::bool::weighted(0.1), prop::sample::select(vec![0, 0, 0, 0, 1]), often(), often()).prop_map(
        |(one, other, faulty, contended, ahead, clock, point)| Seen { answers: [one, other], faulty, contended, ahead, clock, point },
    )
}

/// What may happen to a pair, legal or not.
fn event(kind: u8, epoch: u64, turn: bool, flag: bool) -> Event {
    let (from, to) = if turn { ("west", "east") } else { ("east", "west") };
    let number = |n: u64| Uuid::from_u64_pair(epoch, n);
    let decision = |planned: bool, live: Option<DateTime<Utc>>, take_back: bool| {
        Box::new(Decision {
            id: crate::domain::DecisionId(number(0)),
            epoch: Epoch(epoch),
            by: "ana".into(),
            at: at(0),
            to: cluster(to),
            from: cluster(from),
            planned,
            points: BTreeMap::from([(orders(), PointId(number(9)))]),
            shown: Vec::new(),
            promote: InstructionId(number(1)),
            demote: InstructionId(number(2)),
            unfence: InstructionId(number(3)),
            hold: flag && !take_back && live.is_none(),
            take_back,
            live,
            declared: None,
        })
    };
    let trouble = || Trouble::new(TroubleKind::Unreachable, "agent", "no answer");
    match kind {
        0 => Event::Suspected { at: at(1) },
        1 | 2 => Event::FaultDeclared { at: at(2) },
        3 => Event::Recovered { at: at(3) },
        4 | 5 => Event::Decided { decision: decision(flag, None, false) },
        6 => Event::Decided { decision: decision(false, Some(at(1)), false) },
        7 => Event::TakeBackBegan { decision: decision(false, Some(at(1)), true) },
        8 => Event::StoodBack { at: at(4) },
        9 => Event::TakeBackFailed { trouble: trouble() },
        10 => Event::Fenced { at: at(4), final_runs: BTreeMap::new() },
        11 => Event::PlannedFailed { trouble: trouble() },
        12 => Event::Unfenced { at: at(4) },
        13 | 14 => Event::Promoted { at: at(5), failed: BTreeMap::new(), instead: BTreeMap::new() },
        15 => Event::Promoted { at: at(5), failed: BTreeMap::from([(orders(), trouble())]), instead: BTreeMap::new() },
        16 | 17 => Event::OldPrimaryFenced { at: at(6) },
        18 => Event::PromotionCommitted { at: at(6), by: "bob".into(), promote: InstructionId(number(7)) },
        19 => {
            let reversal =
                Reversal { id: InstructionId(number(8)), by: "ana".into(), at: at(7), points: BTreeMap::new(), keep: BTreeMap::new() };
            Event::ReversalBegan { reversal: Box::new(reversal) }
        }
        20 => Event::ReversalFailed { trouble: trouble() },
        _ => Event::Reversed { at: at(8), kept: BTreeMap::new() },
    }
}

fn history() -> impl Strategy<Value = Vec<Event>> {
    let one = (0u8..22, 2u64..8, any::<bool>(), any::<bool>()).prop_map(|(kind, epoch, turn, flag)| event(kind, epoch, turn, flag));
    prop::collection::vec(one, 0..40)
}

fn policy() -> Service {
    toml::from_str("name = 'orders'\npair = 'p'\ndata_sets = ['files:docs']").expect("a policy")
}

fn point(from: &ClusterName, to: &ClusterName) -> RecoveryPoint {
    RecoveryPoint {
        id: PointId(Uuid::from_u128(3)),
        run: RunId(Uuid::from_u128(4)),
        service: orders(),
        pair: "p".parse().expect("a name"),
        epoch: Epoch(1),
        from: from.clone(),
        to: to.clone(),
        moment: at(0),
        captured: CapturedSpan { first: at(0), last: at(0), skew_ms: 0, grade: Grade::Bounded },
        data_sets: Vec::new(),
        base: None,
        timings_ms: Timings::default(),
        sealed_at: Some(at(1)),
        notes: Vec::new(),
    }
}

fn status(state: &PairState, own: &ClusterName, seen: &Seen) -> AgentStatus {
    let is_primary = *own == state.primary;
    let claim = Claim {
        identity: if is_primary || seen.contended { Identity::Primary } else { Identity::Secondary },
        epoch: Epoch(state.epoch.0 + if is_primary { 0 } else { seen.ahead }),
        decision: crate::domain::DecisionId(Uuid::from_u128(state.epoch.0.into())),
    };
    let peer = PeerView {
        cluster: own.clone(),
        address: String::new(),
        agent_seen: None,
        agent_failures: 0,
        claim: None,
        probes: Vec::new(),
        clock_offset_ms: None,
    };
    let pair = PairStatus {
        pair: "p".parse().expect("a name"),
        claim,
        confirmed: true,
        fenced: !is_primary,
        fence_evidence: Vec::new(),
        peer,
        services: Vec::new(),
    };
    AgentStatus {
        cluster: own.clone(),
        site: String::new(),
        version: String::new(),
        protocol: 1,
        host: Vec::new(),
        term: crate::domain::Term(1),
        now: at(9),
        clock_source: String::new(),
        certificate_until: at(9),
        certificate: None,
        components: Vec::new(),
        probes: Vec::new(),
        peer_address: String::new(),
        route_address: String::new(),
        unfinished: None,
        restores: None,
        pairs: vec![pair],
    }
}

fn pair(events: &[Event], seen: &Seen) -> PairModel {
    let paired = Event::Paired { primary: cluster("east"), secondary: cluster("west"), epoch: Epoch(1) };
    let mut state = machine::apply(None, &paired).expect("its first event");
    let mut legal = vec![paired];
    for event in events {
        if let Ok(next) = machine::apply(Some(&state), event) {
            state = next;
            legal.push(event.clone());
        }
    }
    let agent = |name: &str| PairedAgent {
        enrolled: Enrolled { address: format!("{name}:7443"), key: name.into(), cluster: cluster(name), site: String::new() },
        components: Vec::new(),
    };
    let paired = PairedClusters { name: "p".parse().expect("a name"), agents: [agent("east"), agent("west")], paired_at: at(0) };
    let mut pair = PairModel::new(paired, state, &legal);
    for (index, name) in ["east", "west"].iter().enumerate() {
        let watch = &mut pair.watch[index];
        watch.status = Some(status(&pair.state, &cluster(name), seen));
        watch.last_seen = Some(at(9));
        watch.trouble = (!seen.answers[index]).then(|| Trouble::new(TroubleKind::Unreachable, *name, "no answer"));
    }
    pair.clock.good = seen.clock;
    pair.diagnosis.verdict = if seen.faulty { Verdict::Faulty } else { Verdict::Healthy };
    pair.diagnosis.words = "as it was seen".into();
    if seen.contended {
        pair.diagnosis.conflict = "two decisions".into();
    }
    pair
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_runbook_the_offer_and_the_command_agree_and_what_is_admitted_the_machine_folds(events in history(), seen in seen()) {
        let pair = pair(&events, &seen);
        let mut model = Model::default();
        model.services.insert(orders(), policy());
        if seen.point {
            model.add_point(point(pair.state.serving(), pair.state.other()));
        }
        for verb in [Verb::Planned, Verb::Adjust, Verb::Reverse, Verb::TakeBack] {
            let refused = of_verb(&model, &pair, verb).err();
            let shown = runbook(&model, &pair, verb);
            prop_assert_eq!(shown.ready, refused.is_none(), "{:?}: {:?}", verb, shown);
            prop_assert_eq!(&shown.refusal, &refused.as_ref().and_then(Refused::refusal));
            let failed = shown.checks.iter().any(|check| check.state == CheckState::Failed);
            prop_assert_eq!(failed, refused.is_some(), "a line that failed is a refusal: {:?}: {:?}", verb, shown);
            if let Some(refused) = refused {
                let words = refused.trouble().to_string();
                prop_assert!(!words.contains("cannot follow") && !refused.trouble().next_step.is_empty() || words.contains("two decisions"), "{words}");
            }
        }
        // The verbs' own events, as the commands make them.
        let draw = || Uuid::from_u128(1);
        if let Ok(decision) = may_reverse(&pair) {
            prop_assert!(machine::apply(Some(&pair.state), &reverse::begin(&draw, at(20), decision, "ana")).is_ok());
        }
        if let Ok(made_by) = may_take_back(&pair) {
            prop_assert!(machine::apply(Some(&pair.state), &window::take_back_event(&draw, at(20), &pair, made_by, "ana")).is_ok());
        }
        for (name, planned, hold) in [("east", false, false), ("west", false, false), ("east", true, false), ("west", true, true), ("west", false, true)] {
            let to = cluster(name);
            let wanted = Wanted { to: &to, planned, hold };
            if let Ok(Admitted::Decide) = may_decide(&model, &pair, wanted) {
                let record = adjust::Record { by: "ana", at: at(20), shown: Vec::new(), declared: None };
                let event = adjust::decided(&model, &pair, wanted, record, &draw);
                prop_assert!(machine::apply(Some(&pair.state), &event).is_ok(), "{event:?}");
            }
        }
        // What the console shows and offers.
        prop_assert_eq!(view::reversible(&pair).is_some(), of_verb(&model, &pair, Verb::Reverse).is_ok());
        if let Some(prompt) = prompt::fault(&model, &pair) {
            prop_assert_eq!(prompt.can_adjust, of_verb(&model, &pair, Verb::Adjust).is_ok(), "{:?}", prompt);
        }
    }
}
