//! What damping promises: it withholds good news for a while, and never makes or hides a fault.

use proptest::prelude::*;

use super::*;
use crate::domain::watch::{Streak, Thresholds};

const DAMPING: Damping = Damping { settle: TimeDelta::seconds(30), times: 3, window: TimeDelta::seconds(600) };
const ENOUGH: Thresholds = Thresholds { failures: 5, fault_after: TimeDelta::seconds(20), stale_after: TimeDelta::seconds(15) };

fn at(secs: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(secs)
}

fn east() -> ClusterName {
    "east".parse().expect("a good name")
}

fn found(verdict: Verdict) -> Diagnosis {
    let words = match verdict {
        Verdict::Healthy => "east is healthy".to_owned(),
        other => format!("east: {other:?}"),
    };
    Diagnosis { verdict, words, evidence: Vec::new(), since: None, lasting: verdict == Verdict::Faulty }
}

/// One look each, two seconds apart; what the last of them amounts to.
fn looks(verdicts: &[Verdict]) -> (Steadiness, Diagnosis, DateTime<Utc>) {
    let mut steadiness = Steadiness::default();
    for (secs, verdict) in (0..).step_by(2).zip(verdicts) {
        steadiness.note(&found(*verdict), at(secs), &DAMPING);
    }
    let now = at(2 * i64::try_from(verdicts.len()).expect("few") - 2);
    let told = steadiness.damp(found(verdicts[verdicts.len() - 1]), &east(), now, &DAMPING);
    (steadiness, told, now)
}

#[test]
fn one_good_look_does_not_end_a_fault() {
    let mut seen = vec![Verdict::Faulty; 10];
    seen.push(Verdict::Healthy);
    let (steadiness, told, now) = looks(&seen);
    assert!(!steadiness.has_settled(now, &DAMPING) && steadiness.known_since().is_some());
    assert!(told.words.contains("again since") && told.words.contains("stays so for 30 s"), "{}", told.words);
    assert_eq!(told.verdict, Verdict::Healthy, "what is seen now is said, and offers no button");
    seen.extend([Verdict::Healthy; 15]);
    let (steadiness, told, now) = looks(&seen);
    assert!(steadiness.has_settled(now, &DAMPING) && steadiness.known_since().is_none());
    assert_eq!(told, found(Verdict::Healthy));
}

#[test]
fn often_unwell_is_unstable_and_says_how_often_since_when() {
    let flapping = [Verdict::Suspect, Verdict::Healthy].repeat(4);
    let (steadiness, told, _) = looks(&flapping);
    assert!(steadiness.is_unstable());
    assert_eq!(told.verdict, Verdict::Suspect);
    assert_eq!(told.words, "east is unstable: 4 times unwell in 10 min since 00:00:00 UTC; now: east is healthy");
    assert!(told.evidence.iter().any(|line| line.saw.contains("4 times unwell")));
    let (steadiness, ..) = looks(&flapping[..4]);
    assert!(!steadiness.is_unstable(), "twice is bad luck");
}

#[test]
fn unstable_neither_comes_and_goes_with_its_oldest_bout_nor_stays_for_ever() {
    let mut steadiness = Steadiness::default();
    let mut begun = 0;
    // Unwell once every four minutes: three times in ten minutes at one instant, twice at another.
    for secs in (0..3_600).step_by(2) {
        let known = steadiness.is_unstable();
        let verdict = if secs % 240 == 0 { Verdict::Suspect } else { Verdict::Healthy };
        steadiness.note(&found(verdict), at(secs), &DAMPING);
        begun += u32::from(!known && steadiness.is_unstable());
    }
    assert_eq!(begun, 1, "told once");
    for secs in (3_600..4_300).step_by(2) {
        steadiness.note(&found(Verdict::Healthy), at(secs), &DAMPING);
    }
    assert!(!steadiness.is_unstable() && steadiness.has_settled(at(4_300), &DAMPING));
}

#[test]
fn what_is_not_seen_is_no_bout_and_no_good_news() {
    let unseen = [Verdict::ConsoleCutOff, Verdict::Healthy].repeat(9);
    assert!(!looks(&unseen).0.is_unstable(), "this console's own network is not the cluster's");
    let mut seen = vec![Verdict::Faulty];
    seen.extend([Verdict::Unknown; 60]);
    let (steadiness, _, now) = looks(&seen);
    assert!(!steadiness.has_settled(now, &DAMPING) && steadiness.known_since().is_some());
}

fn verdicts() -> impl Strategy<Value = Vec<(Verdict, i64)>> {
    let verdict = prop::sample::select(vec![
        Verdict::Healthy,
        Verdict::Healthy,
        Verdict::Suspect,
        Verdict::Faulty,
        Verdict::AgentDown,
        Verdict::ConsoleCutOff,
        Verdict::Unknown,
    ]);
    proptest::collection::vec((verdict, -5i64..90), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damping_makes_no_fault_and_hides_none(seen in verdicts()) {
        let (mut steadiness, mut now) = (Steadiness::default(), at(0));
        for (verdict, pause) in seen {
            now += TimeDelta::seconds(pause);
            steadiness.note(&found(verdict), now, &DAMPING);
            let told = steadiness.damp(found(verdict), &east(), now, &DAMPING);
            prop_assert_eq!(told.verdict.offers_button(), verdict.offers_button());
            if told.verdict != verdict {
                prop_assert!(verdict == Verdict::Healthy && told.verdict == Verdict::Suspect, "only good news is withheld");
            }
            prop_assert!(steadiness.bouts.len() <= REMEMBERED + 1);
        }
    }

    #[test]
    fn settled_means_well_all_the_while(seen in verdicts()) {
        let (mut steadiness, mut now) = (Steadiness::default(), at(0));
        let mut ill = now;
        for (verdict, pause) in seen {
            now += TimeDelta::seconds(pause.max(0));
            if verdict != Verdict::Healthy {
                ill = now;
            }
            steadiness.note(&found(verdict), now, &DAMPING);
            if steadiness.has_settled(now, &DAMPING) {
                prop_assert!(now - ill >= DAMPING.settle && verdict == Verdict::Healthy);
                prop_assert!(steadiness.known_since().is_none() && !steadiness.is_unstable());
            }
        }
    }

    /// A cluster that is well at least every fourth look is never declared faulty, however long that goes on.
    #[test]
    fn scattered_failures_are_no_fault(bad in proptest::collection::vec(0u32..4, 1..400)) {
        let (mut streak, mut now) = (Streak::default(), at(0));
        for run in bad {
            for failed in (0..run).map(|_| true).chain([false]) {
                now += TimeDelta::seconds(20);
                streak.note(failed, now);
                prop_assert!(!streak.has_lasted(&ENOUGH, now));
            }
        }
    }

    #[test]
    fn one_that_stays_well_settles_within_the_window(seen in verdicts()) {
        let (mut steadiness, mut now) = (Steadiness::default(), at(0));
        for (verdict, pause) in seen {
            now += TimeDelta::seconds(pause.max(0));
            steadiness.note(&found(verdict), now, &DAMPING);
        }
        for _ in 0..=(DAMPING.window + DAMPING.settle).num_seconds() {
            now += TimeDelta::seconds(1);
            steadiness.note(&found(Verdict::Healthy), now, &DAMPING);
        }
        prop_assert!(steadiness.has_settled(now, &DAMPING));
    }
}
