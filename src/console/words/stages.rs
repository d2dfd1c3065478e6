//! A run's stages: one list of their names, for the run, its recovery point and whatever else tells how long they took. Pure.

use chrono::{DateTime, Utc};

use crate::domain::{CapturedSpan, Timings};

use super::millis;

/// Later than this after the moment that was asked for, a capture is told apart from it.
const AT_THE_MOMENT_MS: i64 = 1_000;

/// The stages that are over, in their order, with how long each took.
pub fn stages(timings: &Timings) -> Vec<(&'static str, u64)> {
    let all = [
        ("arm", timings.arm),
        ("capture", timings.capture),
        ("transfer", timings.transfer),
        ("verify", timings.verify),
        ("commit", timings.commit),
        ("apply", timings.apply),
        ("seal", timings.seal),
    ];
    all.into_iter().filter_map(|(stage, ms)| ms.map(|ms| (stage, ms))).collect()
}

/// `arm 310 ms, capture 871 ms, apply 10.0 s`.
pub fn took(stages: &[(&'static str, u64)]) -> String {
    stages.iter().map(|(stage, ms)| format!("{stage} {}", millis(*ms))).collect::<Vec<_>>().join(", ")
}

/// How long after its moment a run captured, where that matters: `+6.5 s`. A run that a person starts is armed after its moment.
pub fn captured_later(moment: DateTime<Utc>, captured: &CapturedSpan) -> Option<String> {
    let late = (captured.first - moment).num_milliseconds();
    (late > AT_THE_MOMENT_MS).then(|| format!("+{}", millis(late.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Grade;
    use chrono::TimeDelta;

    #[test]
    fn every_stage_that_took_time_is_told_by_the_same_name() {
        let timings = Timings { arm: Some(6_500), apply: Some(10_002), seal: Some(413), ..Timings::default() };
        assert_eq!(took(&stages(&timings)), "arm 6.5 s, apply 10.0 s, seal 413 ms");
    }

    #[test]
    fn a_capture_long_after_its_moment_says_so() {
        let moment = DateTime::UNIX_EPOCH;
        let span = |ms| {
            let first = moment + TimeDelta::milliseconds(ms);
            CapturedSpan { first, last: first, skew_ms: 0, grade: Grade::Bounded }
        };
        assert_eq!(captured_later(moment, &span(6_530)).as_deref(), Some("+6.5 s"));
        assert_eq!(captured_later(moment, &span(840)), None);
    }
}
