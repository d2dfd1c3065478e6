//! How good a recovery point's one moment is: windows in, span and grade out.

use super::backup::machine::CaptureReport;
use super::{CapturedSpan, Grade};

/// R = the earliest `lo`, S = the latest `hi`, skew = S − R; `None` when nothing was captured.
///
/// `expected` is how many data sets the service has. Per-component captures are graded by the same measure: it is their skew that tells.
pub fn span(report: &CaptureReport, expected: usize, skew_limit_ms: u64) -> Option<CapturedSpan> {
    let first = report.sets.iter().map(|set| set.window.lo).min()?;
    let last = report.sets.iter().map(|set| set.window.hi).max()?;
    let skew = last - first;
    let whole_ms = skew.num_milliseconds();
    let rounded_up = whole_ms + i64::from(skew.subsec_nanos() % 1_000_000 > 0);
    let backwards = report.sets.iter().any(|set| set.window.lo > set.window.hi);
    let skew_ms = u64::try_from(rounded_up).unwrap_or(0);
    let grade = if report.clock_stepped || backwards || report.sets.len() != expected {
        Grade::Invalid
    } else if report.frozen {
        Grade::Quiesced
    } else if skew_ms <= skew_limit_ms {
        Grade::Bounded
    } else {
        Grade::Wide
    };
    Some(CapturedSpan { first, last, skew_ms, grade })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Window, backup::machine::CapturedSet};

    fn report(windows_us: &[(i64, i64)], frozen: bool, clock_stepped: bool) -> CaptureReport {
        let at = |us| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(us);
        let set = |&(lo, hi): &(i64, i64)| CapturedSet {
            window: Window { lo: at(lo), hi: at(hi) },
            server_time: None,
            open_files: Vec::new(),
            event_id: None,
        };
        CaptureReport { sets: windows_us.iter().map(set).collect(), frozen, clock_stepped }
    }

    fn grade(report: &CaptureReport, expected: usize, limit: u64) -> Grade {
        span(report, expected, limit).expect("something was captured").grade
    }

    #[test]
    fn skew_is_rounded_up_and_compared_with_the_limit() {
        let two = report(&[(1_000_000, 1_002_000), (1_001_000, 1_005_001)], false, false);
        assert_eq!(span(&two, 2, 6).map(|span| span.skew_ms), Some(6));
        assert_eq!(grade(&two, 2, 6), Grade::Bounded);
        assert_eq!(grade(&two, 2, 5), Grade::Wide);
    }

    #[test]
    fn only_writers_held_throughout_make_a_point_quiesced() {
        assert_eq!(grade(&report(&[(0, 9_000_000)], true, false), 1, 5), Grade::Quiesced);
        assert_eq!(grade(&report(&[(0, 1)], true, true), 1, 5), Grade::Invalid, "the clock stepped");
        assert_eq!(grade(&report(&[(0, 1)], true, false), 2, 5), Grade::Invalid, "a data set is missing");
        assert_eq!(grade(&report(&[(1, 0)], true, false), 1, 5), Grade::Invalid, "a window ends before it begins");
        assert_eq!(span(&report(&[], true, false), 0, 5), None);
    }

    proptest! {
        #[test]
        fn the_span_contains_every_window(windows in proptest::collection::vec((0i64..10_000_000, 0i64..10_000_000), 1..8), limit in 0u64..10_000) {
            let windows: Vec<_> = windows.into_iter().map(|(lo, length)| (lo, lo + length)).collect();
            let report = report(&windows, false, false);
            let span = span(&report, windows.len(), limit).expect("something was captured");
            for set in &report.sets {
                prop_assert!(span.first <= set.window.lo && set.window.hi <= span.last);
            }
            let skew_us = (span.last - span.first).num_microseconds().expect("small");
            prop_assert!(i64::try_from(span.skew_ms).expect("small") * 1000 >= skew_us, "never better than true");
            prop_assert_eq!(span.grade == Grade::Bounded, span.skew_ms <= limit);
        }
    }
}
