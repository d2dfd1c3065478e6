//! What a drill promises, whatever happens to it.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::TroubleKind;
use crate::domain::drill::check::CheckResult;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn check(name: &str) -> DrillCheck {
    toml::from_str(&format!("name = '{name}'\ncommand = ['true']")).expect("a check")
}

fn spec() -> DrillSpec {
    DrillSpec {
        drill: DrillId(uuid::Uuid::from_u128(1)),
        pair: "sz-gy".parse().expect("a name"),
        service: "orders".parse().expect("a name"),
        point: PointId(uuid::Uuid::from_u128(2)),
        captured_at: at(-100),
        cluster: "guiyang".parse().expect("a name"),
        epoch: Epoch(3),
        instruction: InstructionId(uuid::Uuid::from_u128(4)),
        checks: vec![check("first"), check("second")],
        rto_target_minutes: Some(1),
        by: "ana".into(),
    }
}

fn pressed() -> DrillState {
    apply(None, &Event::Pressed { at: at(0), spec: Box::new(spec()) }).expect("a drill")
}

fn ran(states: &[CheckEnd]) -> Box<DrillRan> {
    let result = |(name, state): (&str, &CheckEnd)| CheckResult { name: name.into(), state: *state, evidence: String::new(), took_ms: 1 };
    Box::new(DrillRan { places: Vec::new(), checks: ["first", "second"].into_iter().zip(states).map(result).collect(), bring_up_ms: 1 })
}

fn any_event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![Just(CheckEnd::Passed), Just(CheckEnd::Failed), Just(CheckEnd::NotExecuted)];
    let place = prop_oneof![Just("a".to_owned()), Just("b".to_owned())];
    let when = 0..600_i64;
    prop_oneof![
        when.clone().prop_map(|s| Event::Pressed { at: at(s), spec: Box::new(spec()) }),
        (when.clone(), proptest::collection::vec(end, 0..3)).prop_map(|(s, states)| Event::Reported { at: at(s), ran: ran(&states) }),
        when.clone().prop_map(|s| Event::Failed { at: at(s), trouble: Trouble::new(TroubleKind::Failed, "x", "y") }),
        when.clone().prop_map(|s| Event::Stopped { at: at(s), by: "ana".into() }),
        (when.clone(), proptest::collection::vec(place.clone(), 0..3), proptest::collection::vec(place, 0..2))
            .prop_map(|(s, removed, left)| Event::Cleaned { at: at(s), removed, left }),
        when.prop_map(|s| Event::SignedOff { sign_off: SignOff { at: at(s), by: "bo".into(), remark: "seen".into() } }),
    ]
}

/// All states that a history of events leads through; what does not fit changes nothing.
fn history(events: &[Event]) -> Vec<DrillState> {
    let mut all = vec![pressed()];
    for event in events {
        if let Ok(state) = apply(all.last(), event) {
            all.push(state);
        }
    }
    all
}

proptest! {
    #[test]
    fn a_drill_has_ended_only_when_a_listing_showed_nothing(events in proptest::collection::vec(any_event(), 0..12)) {
        let states = history(&events);
        for state in &states {
            prop_assert_eq!(state.is_under_way(), next(state).is_some());
            let report = state.report();
            prop_assert_eq!(report.clean, state.phase == Phase::Ended);
            if report.clean {
                prop_assert!(state.left.is_empty() && state.ended_at.is_some());
            }
        }
    }

    #[test]
    fn it_passes_only_when_every_check_of_the_policy_held(events in proptest::collection::vec(any_event(), 0..12)) {
        for state in history(&events) {
            let held = state.ran.as_ref().is_some_and(|ran| ran.checks.len() == 2 && ran.checks.iter().all(|c| c.state == CheckEnd::Passed));
            let passed = state.outcome() == Some(DrillOutcome::Passed);
            prop_assert_eq!(passed, held && state.trouble.is_none() && state.stopped_by.is_none());
            // An RTO is shown by what passed, and by nothing else.
            prop_assert_eq!(state.rto_ms().is_some(), passed);
        }
    }

    #[test]
    fn nothing_is_brought_up_once_cleaning_has_begun(events in proptest::collection::vec(any_event(), 0..12)) {
        let mut began = false;
        for state in history(&events) {
            began |= next(&state) == Some(Effect::CleanUp);
            prop_assert!(!(began && next(&state) == Some(Effect::BringUp)));
        }
    }

    #[test]
    fn it_is_signed_off_once_and_only_after_its_end(events in proptest::collection::vec(any_event(), 0..16)) {
        let states = history(&events);
        for pair in states.windows(2) {
            if pair[0].signed.is_some() {
                prop_assert_eq!(&pair[0].signed, &pair[1].signed);
            }
            prop_assert!(pair[1].signed.is_none() || pair[1].phase == Phase::Ended);
        }
    }

    #[test]
    fn recovery_folds_to_the_same_drill(events in proptest::collection::vec(any_event(), 0..12)) {
        let states = history(&events);
        let mut stored: Vec<Event> = vec![Event::Pressed { at: at(0), spec: Box::new(spec()) }];
        let mut last = pressed();
        for event in &events {
            if let Ok(state) = apply(Some(&last), event) {
                last = state;
                let text = serde_json::to_string(event).expect("JSON");
                stored.push(serde_json::from_str(&text).expect("the same"));
            }
        }
        let mut folded = None;
        for event in &stored {
            folded = Some(apply(folded.as_ref(), event).expect("what was stored fits"));
        }
        prop_assert_eq!(folded.as_ref(), states.last());
    }
}

#[test]
fn the_rto_runs_from_the_press_until_the_last_check_had_passed() {
    let reported = Event::Reported { at: at(59), ran: ran(&[CheckEnd::Passed, CheckEnd::Passed]) };
    let state = apply(Some(&pressed()), &reported).expect("it fits");
    let report = state.report();
    assert_eq!((report.rto_ms, report.within_target), (Some(59_000), Some(true)));
    let late = Event::Reported { at: at(61), ran: ran(&[CheckEnd::Passed, CheckEnd::Passed]) };
    let report = apply(Some(&pressed()), &late).expect("it fits").report();
    assert_eq!((report.outcome, report.within_target), (Some(DrillOutcome::Passed), Some(false)));
}

#[test]
fn a_report_tells_every_step_and_keeps_markup_out_of_its_page() {
    let mut evil = spec();
    evil.by = "<script>|".into();
    let state = apply(None, &Event::Pressed { at: at(0), spec: Box::new(evil) }).expect("a drill");
    let failed = Event::Failed { at: at(1), trouble: Trouble::new(TroubleKind::Failed, "files:a", "no <b>space</b>") };
    let report = apply(Some(&state), &failed).expect("it fits").report();
    let (markdown, html) = (report.page().to_markdown(), report.page().to_html());
    for text in [&markdown, &html] {
        for step in ["bring up", "checks", "clean up", "sign off", "not executed", "first", "second"] {
            assert!(text.contains(step), "{step} is missing in {text}");
        }
        assert!(!text.contains("<script>") && !text.contains("<b>"), "{text}");
    }
    assert!(markdown.contains("script&gt;\\|"), "{markdown}");
}
