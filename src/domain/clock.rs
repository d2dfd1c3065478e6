//! How far two clocks are apart: an interval that certainly holds the offset, from four times a sample.
//!
//! The asker sends at t1 and receives at t4 by its clock; the other receives at t2 and sends at t3 by its own. Whatever the two
//! paths' delays are, the other clock is ahead by something in `[t3 − t4, t2 − t1]`. Clocks drift, so an old interval is widened.

use serde::{Deserialize, Serialize};

/// How fast two hosts' clocks may drift apart, in parts per million: twice the 100 ppm of a poor crystal.
const DRIFT_PPM: i128 = 200;

/// How many samples are kept.
const SAMPLES: usize = 8;

/// The other clock is ahead of ours by at least `lo_ns` and at most `hi_ns` (negative: behind).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// Lower end, nanoseconds.
    pub lo_ns: i64,
    /// Upper end, nanoseconds.
    pub hi_ns: i64,
}

impl Offset {
    /// The middle, in milliseconds.
    pub fn middle_ms(self) -> f64 {
        (self.lo_ns as f64 + self.hi_ns as f64) / 2e6
    }

    /// Half the width, in milliseconds: the offset is the middle ± this.
    pub fn bound_ms(self) -> f64 {
        (self.hi_ns as f64 - self.lo_ns as f64) / 2e6
    }

    /// What the offset between two other clocks is, when each was compared with ours: `other` as seen from `self`.
    pub fn between(self, other: Offset) -> Offset {
        Offset { lo_ns: other.lo_ns.saturating_sub(self.hi_ns), hi_ns: other.hi_ns.saturating_sub(self.lo_ns) }
    }

    /// The furthest apart the clocks can be, in milliseconds.
    pub fn worst_ms(self) -> f64 {
        self.lo_ns.unsigned_abs().max(self.hi_ns.unsigned_abs()) as f64 / 1e6
    }
}

/// Four times in nanoseconds: t1 and t4 by our clock, t2 and t3 by the other's; `taken_ns` by our *monotonic* clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Sent.
    pub t1: i64,
    /// Received there.
    pub t2: i64,
    /// Sent there.
    pub t3: i64,
    /// Received.
    pub t4: i64,
    /// When, on our monotonic clock.
    pub taken_ns: i64,
}

/// What is known about one other clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClockTrack {
    samples: Vec<Sample>,
}

impl ClockTrack {
    /// Adds a sample. One that contradicts those before (the other clock, or ours, was stepped) replaces them all.
    pub fn add(&mut self, sample: Sample) {
        if sample.t4 < sample.t1 || sample.t3 < sample.t2 {
            return; // A clock was stepped within the sample: it says nothing.
        }
        if intersect(self.samples.iter().chain([&sample]), sample.taken_ns).is_none() {
            self.samples.clear();
        }
        self.samples.push(sample);
        if self.samples.len() > SAMPLES {
            // The one with the widest interval by now tells least.
            let widest = self.samples.iter().enumerate().max_by_key(|(_, s)| width(s, sample.taken_ns)).map(|(index, _)| index);
            if let Some(index) = widest {
                self.samples.remove(index);
            }
        }
    }

    /// The offset as known at `now_ns` (our monotonic clock); `None` before the first sample.
    pub fn offset(&self, now_ns: i64) -> Option<Offset> {
        intersect(self.samples.iter(), now_ns)
    }
}

/// A sample's interval, widened for its age.
fn interval(sample: &Sample, now_ns: i64) -> Offset {
    let age = i128::from(now_ns.saturating_sub(sample.taken_ns).max(0));
    let drift = i64::try_from(age * DRIFT_PPM / 1_000_000).unwrap_or(i64::MAX);
    Offset {
        lo_ns: sample.t3.saturating_sub(sample.t4).saturating_sub(drift),
        hi_ns: sample.t2.saturating_sub(sample.t1).saturating_add(drift),
    }
}

fn width(sample: &Sample, now_ns: i64) -> i64 {
    let offset = interval(sample, now_ns);
    offset.hi_ns.saturating_sub(offset.lo_ns)
}

/// What all samples agree on; `None` without samples, or when they contradict one another.
fn intersect<'a>(samples: impl Iterator<Item = &'a Sample>, now_ns: i64) -> Option<Offset> {
    samples
        .map(|sample| interval(sample, now_ns))
        .reduce(|a, b| Offset { lo_ns: a.lo_ns.max(b.lo_ns), hi_ns: a.hi_ns.min(b.hi_ns) })
        .filter(|offset| offset.lo_ns <= offset.hi_ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn sample(at: i64, offset: i64, there: i64, back: i64) -> Sample {
        Sample { t1: at, t2: at + there + offset, t3: at + there + offset, t4: at + there + back, taken_ns: at + there + back }
    }

    proptest! {
        #[test]
        fn the_true_offset_is_always_inside_however_lopsided_the_paths(offset in -10_000 * SECOND..10_000 * SECOND,
            delays in proptest::collection::vec((0..SECOND, 0..SECOND), 1..20)) {
            let mut track = ClockTrack::default();
            for (n, (there, back)) in (0i64..).zip(delays) {
                track.add(sample(n * 10 * SECOND, offset, there, back));
                let known = track.offset((n + 1) * 10 * SECOND).expect("samples that agree");
                prop_assert!(known.lo_ns <= offset && offset <= known.hi_ns, "{known:?} misses {offset}");
            }
        }

        #[test]
        fn a_drift_within_the_stated_limit_never_falsifies_the_interval(ppm in -190..190i64, delays in proptest::collection::vec(0..SECOND / 10, 2..30)) {
            let mut track = ClockTrack::default();
            for (n, delay) in (0i64..).zip(delays) {
                let at = n * 5 * SECOND;
                let offset = |t: i64| t / 1_000_000 * ppm;
                track.add(sample(at, offset(at), delay, delay / 3));
                let now = at + 2 * delay;
                let known = track.offset(now).expect("samples");
                let slack = SECOND / 1_000;
                prop_assert!(known.lo_ns - slack <= offset(now) && offset(now) <= known.hi_ns + slack);
            }
        }
    }

    #[test]
    fn a_stepped_clock_starts_over_instead_of_averaging_lies() {
        let mut track = ClockTrack::default();
        track.add(sample(0, 0, 1_000_000, 1_000_000));
        track.add(sample(SECOND, 90 * SECOND, 1_000_000, 1_000_000));
        let known = track.offset(SECOND + 2_000_000).expect("the new sample");
        assert!((known.middle_ms() - 90_000.0).abs() < 2.0, "{known:?}");
        assert_eq!(ClockTrack::default().offset(0), None);
    }

    #[test]
    fn the_offset_between_two_others_adds_both_bounds() {
        let (a, b) = (Offset { lo_ns: -1, hi_ns: 3 }, Offset { lo_ns: 10, hi_ns: 12 });
        assert_eq!(a.between(b), Offset { lo_ns: 7, hi_ns: 13 });
    }
}
