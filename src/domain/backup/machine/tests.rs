//! What a run promises, whatever happens to it.

mod stuck;

use std::sync::LazyLock;

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::{DataSetName, Grade, RunOutcome, TroubleKind};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn id<T>(make: impl Fn(uuid::Uuid) -> T, number: u128) -> T {
    make(uuid::Uuid::from_u128(number))
}

/// Read once: thousands of histories begin with it.
static SPEC: LazyLock<RunSpec> = LazyLock::new(read_spec);

fn spec() -> RunSpec {
    SPEC.clone()
}

fn read_spec() -> RunSpec {
    let service =
        toml::from_str("name = \"orders\"\npair = \"sz-gy\"\ndata_sets = [\"files:invoices\", \"tables:orders\"]").expect("a policy");
    let step = |number| id(InstructionId, number);
    RunSpec {
        run: id(RunId, 1),
        point: id(PointId, 2),
        service,
        moment: at(0),
        epoch: Epoch(4),
        from: "shenzhen".parse().expect("a good name"),
        to: "guiyang".parse().expect("a good name"),
        ids: StepIds {
            arm_primary: step(10),
            arm_secondary: step(11),
            capture: step(12),
            transfer: step(13),
            verify: step(14),
            commit: step(15),
            abort_primary: step(16),
            abort_secondary: step(17),
        },
        started_by: StartedBy::Person,
    }
}

fn trouble(kind: TroubleKind) -> Trouble {
    Trouble::new(kind, "agent guiyang", "something happened")
}

fn started() -> Event {
    Event::Started { spec: Box::new(spec()), at: at(0) }
}

fn captured(sets: usize, clock_stepped: bool) -> Event {
    let set = CapturedSet { window: Window { lo: at(1), hi: at(2) }, server_time: None, open_files: vec!["x".into()], event_id: Some(7) };
    Event::Captured { at: at(3), report: CaptureReport { sets: vec![set; sets], frozen: false, clock_stepped } }
}

fn transferred(sets: usize) -> Event {
    let name: DataSetName = "files:invoices".parse().expect("a data set");
    let set = PointDataSet {
        name: name.clone(),
        to: name,
        window: Window { lo: at(1), hi: at(2) },
        server_time: None,
        open_files: Vec::new(),
        event_id: None,
        files: 3,
        bytes: 30,
        copied_files: 2,
        copied_bytes: 20,
        renamed: 1,
        deleted: 0,
        manifest: None,
    };
    Event::Transferred { at: at(10), sets: vec![set; sets] }
}

fn sealed(point: u128) -> Event {
    let spec = spec();
    let point = RecoveryPoint {
        id: id(PointId, point),
        run: spec.run,
        service: spec.service.name,
        pair: spec.service.pair,
        epoch: spec.epoch,
        from: spec.from,
        to: spec.to,
        moment: spec.moment,
        captured: CapturedSpan { first: at(1), last: at(2), skew_ms: 1000, grade: Grade::Bounded },
        data_sets: Vec::new(),
        base: None,
        timings_ms: Timings { commit: Some(5), apply: Some(6), seal: Some(7), ..Timings::default() },
        sealed_at: Some(at(20)),
        notes: Vec::new(),
    };
    Event::Sealed { at: at(21), point: Box::new(point) }
}

fn failed(step: Step, kind: TroubleKind) -> Event {
    Event::StepFailed { at: at(30), step, trouble: trouble(kind) }
}

fn cancel() -> Event {
    Event::CancelRequested { at: at(30), by: "ana".into() }
}

fn gone() -> Event {
    Event::PointGone { at: at(30), trouble: trouble(TroubleKind::NotFound) }
}

fn stuck(seconds: i64, work: Work, kind: TroubleKind) -> Event {
    Event::Stuck { at: at(seconds), work, trouble: trouble(kind) }
}

fn given_up() -> Event {
    Event::AbandonRequested { at: at(40), by: "ana".into(), id: id(InstructionId, 18) }
}

fn taken_back() -> Event {
    Event::Abandoned { at: at(41), back_to: Some(id(PointId, 1)), leftovers: vec!["a directory".into()] }
}

fn dropped() -> Event {
    Event::Dropped { at: at(31), leftovers: vec!["a snapshot".into()] }
}

fn good_run() -> Vec<Event> {
    vec![
        started(),
        Event::Armed { at: at(1), base: Some(id(PointId, 1)), notes: Vec::new() },
        captured(2, false),
        transferred(2),
        Event::Verified { at: at(12) },
        Event::Committed { at: at(13) },
        sealed(2),
    ]
}

fn fold_all(events: &[Event]) -> RunState {
    let folded = events.iter().try_fold(None, |state: Option<RunState>, event| apply(state.as_ref(), event).map(Some));
    folded.expect("a legal history").expect("at least its start")
}

fn phase_after(events: &[Event], last: Event) -> Result<Phase, IllegalEvent> {
    apply(Some(&fold_all(events)), &last).map(|state| state.phase)
}

const STEPS: [Step; 7] = [Step::Arm, Step::Capture, Step::Transfer, Step::Verify, Step::Commit, Step::Abandon, Step::Abort];
const KINDS: [TroubleKind; 9] = [
    TroubleKind::Invalid,
    TroubleKind::Refused,
    TroubleKind::Outdated,
    TroubleKind::NotFound,
    TroubleKind::Unreachable,
    TroubleKind::Failed,
    TroubleKind::Exhausted,
    TroubleKind::Corrupt,
    TroubleKind::Cancelled,
];

/// Any event at all, also ones that make no sense.
fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(started()),
        4 => Just(Event::Armed { at: at(1), base: None, notes: Vec::new() }),
        4 => (0usize..4, prop::bool::weighted(0.1)).prop_map(|(sets, stepped)| captured(sets, stepped)),
        4 => Just(captured(2, false)),
        4 => (1usize..4).prop_map(transferred),
        4 => Just(transferred(2)),
        4 => Just(Event::Verified { at: at(12) }),
        2 => Just(Event::Committed { at: at(13) }),
        2 => (2u128..4).prop_map(sealed),
        1 => Just(gone()),
        2 => (0i64..60).prop_map(|secs| stuck(secs, Work::Seal, TroubleKind::Refused)),
        1 => Just(stuck(50, Work::Abandon, TroubleKind::Failed)),
        2 => Just(given_up()),
        2 => Just(taken_back()),
        1 => Just(cancel()),
        4 => (prop::sample::select(STEPS.to_vec()), prop::sample::select(KINDS.to_vec())).prop_map(|(step, kind)| failed(step, kind)),
        1 => Just(dropped()),
    ]
}

/// The states along a history in which illegal events change nothing.
fn states(events: &[Event]) -> Vec<RunState> {
    let mut states = vec![fold_all(&[started()])];
    for event in events {
        let last = states.last().expect("its start");
        if let Ok(next) = apply(Some(last), event) {
            states.push(next);
        }
    }
    states
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn from_the_commit_there_is_no_way_back_but_the_secondary_s_own_word_and_a_person_s(events in proptest::collection::vec(any_event(), 0..60)) {
        let mut last = fold_all(&[started()]);
        for event in &events {
            let Ok(next) = apply(Some(&last), event) else { continue };
            if last.phase == Phase::Finish {
                let said = matches!(event, Event::PointGone { .. }) && next.phase == Phase::Abort;
                let given_up = matches!(event, Event::AbandonRequested { .. }) && next.phase == Phase::Abandon;
                let goes_on = matches!(next.phase, Phase::Finish | Phase::Sealed);
                prop_assert!(said || given_up || goes_on, "{event:?} led from Finish to {:?}", next.phase);
            }
            if last.phase == Phase::Abandon {
                let said = matches!(event, Event::PointGone { .. } | Event::Abandoned { .. }) && next.phase == Phase::Abort;
                prop_assert!(said || matches!(next.phase, Phase::Abandon | Phase::Sealed), "{event:?} led from Abandon to {:?}", next.phase);
            }
            prop_assert!(next.stuck.is_none() || matches!(next.phase, Phase::Finish | Phase::Abandon), "stuck in {:?}", next.phase);
            prop_assert_eq!(next.phase == Phase::Abandoned, next.report().outcome == Some(RunOutcome::Abandoned));
            if last.phase == Phase::Commit && next.phase == Phase::Abort {
                let said = matches!(event, Event::StepFailed { step: Step::Commit, trouble, .. } if !matches!(
                    trouble.kind,
                    TroubleKind::Unreachable | TroubleKind::Failed | TroubleKind::Exhausted | TroubleKind::Corrupt
                ));
                prop_assert!(said, "{event:?} led from Commit to Abort");
            }
            last = next;
        }
    }

    #[test]
    fn a_run_that_has_not_ended_always_has_one_thing_to_do_and_an_ended_one_none(events in proptest::collection::vec(any_event(), 0..60)) {
        for state in states(&events) {
            prop_assert_eq!(next(&state, at(99)).len(), usize::from(!state.phase.is_end()));
            prop_assert_eq!(state.report().outcome.is_some(), state.phase.is_end());
        }
    }

    #[test]
    fn an_end_is_an_end(events in proptest::collection::vec(any_event(), 0..60), more in any_event()) {
        let states = states(&events);
        let last = states.last().expect("its start");
        if last.phase.is_end() {
            prop_assert!(apply(Some(last), &more).is_err());
        }
    }

    #[test]
    fn only_verified_and_committed_bytes_are_ever_sealed(events in proptest::collection::vec(any_event(), 0..60)) {
        let seen: Vec<Phase> = states(&events).iter().map(|state| state.phase).collect();
        if seen.contains(&Phase::Sealed) {
            for needed in [Phase::Capture, Phase::Transfer, Phase::Verify, Phase::Commit] {
                prop_assert!(seen.contains(&needed), "sealed without {needed:?}: {seen:?}");
            }
        }
    }

    #[test]
    fn events_that_were_stored_fold_to_the_same_state_again(events in proptest::collection::vec(any_event(), 0..60)) {
        let mut legal = vec![started()];
        let mut state = fold_all(&legal);
        for event in events {
            if let Ok(next) = apply(Some(&state), &event) {
                state = next;
                legal.push(event);
            }
        }
        let text = serde_json::to_string(&legal).expect("events are plain data");
        let read: Vec<Event> = serde_json::from_str(&text).expect("what was stored can be read");
        prop_assert_eq!(fold_all(&read), state);
    }
}

#[test]
fn a_good_run_is_sealed_and_its_report_says_how() {
    let events = good_run();
    let wanted = [Phase::Arm, Phase::Capture, Phase::Transfer, Phase::Verify, Phase::Commit, Phase::Finish, Phase::Sealed];
    for (length, phase) in (1..).zip(wanted) {
        assert_eq!(fold_all(&events[..length]).phase, phase);
    }
    let report = fold_all(&events).report();
    assert_eq!((report.outcome, report.sealed_at, report.error), (Some(RunOutcome::Sealed), Some(at(20)), None));
    assert_eq!(report.captured.map(|span| (span.skew_ms, span.grade)), Some((1000, Grade::Bounded)));
    let wanted = Timings {
        arm: Some(1000),
        capture: Some(2000),
        transfer: Some(7000),
        verify: Some(2000),
        commit: Some(5),
        apply: Some(6),
        seal: Some(7),
    };
    assert_eq!(report.timings_ms, wanted);
}

#[test]
fn a_seal_seen_before_its_commit_is_a_seal() {
    assert_eq!(phase_after(&good_run()[..5], sealed(2)), Ok(Phase::Sealed));
    assert!(phase_after(&good_run()[..5], sealed(3)).is_err(), "it is another point's");
}

#[test]
fn a_cancel_before_the_commit_ends_in_cancelled_and_later_it_is_refused() {
    let events = good_run();
    for length in 1..=4 {
        let mut cancelled = events[..length].to_vec();
        cancelled.push(cancel());
        assert_eq!(phase_after(&cancelled, dropped()), Ok(Phase::Cancelled));
        assert!(phase_after(&cancelled, cancel()).is_err(), "it is being dropped already");
    }
    for length in 5..=7 {
        assert!(phase_after(&events[..length], cancel()).is_err());
    }
}

#[test]
fn a_failure_before_the_commit_drops_the_run_and_says_why_and_what_is_left() {
    for (length, step) in (1..).zip([Step::Arm, Step::Capture, Step::Transfer, Step::Verify]) {
        let mut events = good_run()[..length].to_vec();
        events.extend([failed(step, TroubleKind::Unreachable), dropped()]);
        let state = fold_all(&events);
        assert_eq!((state.phase, state.leftovers.len()), (Phase::Failed, 1));
        assert_eq!(state.report().error, Some(trouble(TroubleKind::Unreachable)));
        let other = if step == Step::Arm { Step::Verify } else { Step::Arm };
        assert!(phase_after(&good_run()[..length], failed(other, TroubleKind::Failed)).is_err(), "that step is not under way");
    }
}

#[test]
fn at_the_commit_silence_means_asking_again_and_a_refusal_means_dropping() {
    for kind in [TroubleKind::Unreachable, TroubleKind::Failed, TroubleKind::Exhausted, TroubleKind::Corrupt] {
        let mut events = good_run()[..5].to_vec();
        events.push(failed(Step::Commit, kind));
        assert_eq!(fold_all(&events).phase, Phase::Commit);
        assert_eq!(fold_all(&events).trouble, None, "it has not failed");
        assert_eq!(phase_after(&events, sealed(2)), Ok(Phase::Sealed));
    }
    assert_eq!(phase_after(&good_run()[..5], failed(Step::Commit, TroubleKind::Refused)), Ok(Phase::Abort));
    assert_eq!(phase_after(&good_run()[..6], failed(Step::Commit, TroubleKind::Refused)), Ok(Phase::Finish), "it has committed");
}

#[test]
fn a_committed_point_that_is_held_no_more_ends_its_run_in_words() {
    let mut events = good_run()[..6].to_vec();
    events.extend([gone(), dropped()]);
    let state = fold_all(&events);
    assert_eq!((state.phase, state.report().error), (Phase::Failed, Some(trouble(TroubleKind::NotFound))));
    assert!(phase_after(&good_run()[..5], gone()).is_err(), "whether it was committed is not known: a refusal says that it was not");
}

#[test]
fn a_capture_that_is_not_of_one_moment_is_never_transferred() {
    for (sets, stepped) in [(2, true), (1, false), (0, false)] {
        let mut events = good_run()[..2].to_vec();
        events.extend([captured(sets, stepped), dropped()]);
        let report = fold_all(&events).report();
        assert_eq!(report.outcome, Some(RunOutcome::Failed));
        assert!(report.captured.is_none_or(|span| span.grade == Grade::Invalid));
        assert!(report.error.is_some_and(|trouble| !trouble.next_step.is_empty()));
    }
}

#[test]
fn an_abort_that_fails_ends_too_and_lists_what_is_left() {
    let mut events = good_run()[..3].to_vec();
    events.extend([cancel(), failed(Step::Abort, TroubleKind::Unreachable)]);
    let state = fold_all(&events);
    assert_eq!((state.phase, state.leftovers.len()), (Phase::Cancelled, 1));
}
