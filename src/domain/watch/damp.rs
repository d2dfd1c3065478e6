//! Damping: a cluster that is well and unwell by turns is *unstable*, told once; what is wrong stays shown until the cluster has settled.
//!
//! ```text
//! looks:    ✓ ✖ ✓ ✖ ✓ ✖ ✓ ✓ ✓ ✓ …          ✓ ✓ ✖ ✖ ✖ ✖ ✖ ✖ ✓ ✓ ✓ ✓
//! is said:    suspect  unstable …… settled       suspect  faulty …… settled
//! ```
//! Damping only ever withholds good news: it proves no fault, because a fault needs looks that fail in a row.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Diagnosis, Evidence, Verdict};
use crate::domain::{ClusterName, Health};

/// Bouts remembered of one cluster, whatever the window is.
const REMEMBERED: usize = 100;

/// When a cluster counts as unstable, and when as settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damping {
    /// Well for so long without a break before what was wrong is over.
    pub settle: TimeDelta,
    /// So many times unwell …
    pub times: u32,
    /// … within so long make it unstable.
    pub window: TimeDelta,
}

/// What one look adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It is well.
    Well,
    /// It is not, by what was seen of itself.
    Unwell,
    /// Nothing is seen of it: that says more about us than about it.
    Unseen,
}

impl From<Verdict> for Sign {
    fn from(verdict: Verdict) -> Sign {
        match verdict {
            Verdict::Healthy => Sign::Well,
            Verdict::Suspect | Verdict::Faulty | Verdict::AgentDown => Sign::Unwell,
            Verdict::ConsoleCutOff | Verdict::Unknown => Sign::Unseen,
        }
    }
}

/// How steady a cluster was lately.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steadiness {
    /// When each bout began that is within the window, the oldest first.
    bouts: VecDeque<DateTime<Utc>>,
    /// There were too many, and there is more than one of them still: it does not come and go with the oldest.
    unstable: bool,
    /// The newest look found it unwell, or nothing was seen since one that did.
    unwell: bool,
    /// Since when every look found it well.
    well_since: Option<DateTime<Utc>>,
    /// Since when something is wrong that a person should know of: it lasted, or came again and again. Until it has settled.
    known_since: Option<DateTime<Utc>>,
}

impl Steadiness {
    /// Adds a look. `lasting`: what it found has gone on for long enough to be no blip.
    pub fn note(&mut self, found: &Diagnosis, now: DateTime<Utc>, damping: &Damping) {
        match Sign::from(found.verdict) {
            Sign::Well => {
                self.unwell = false;
                // A clock that was set back begins anew: nobody has been well for a negative time.
                self.well_since = Some(self.well_since.map_or(now, |since| since.min(now)));
            }
            Sign::Unwell => {
                if !self.unwell {
                    self.bouts.push_back(now);
                }
                (self.unwell, self.well_since) = (true, None);
            }
            Sign::Unseen => self.well_since = None,
        }
        // What a clock that was set back makes a thing of the future is forgotten.
        self.bouts.retain(|at| *at <= now && now - *at <= damping.window);
        if self.bouts.len() > REMEMBERED {
            self.bouts.pop_front();
        }
        let times = u32::try_from(self.bouts.len()).unwrap_or(u32::MAX);
        self.unstable = times >= damping.times.max(2) || (self.unstable && times > 1);
        if self.has_settled(now, damping) {
            self.known_since = None;
        } else if self.unstable {
            self.known_since = self.known_since.or(self.bouts.front().copied());
        } else if found.lasting {
            self.known_since = self.known_since.or(found.since).or(Some(now));
        }
    }

    /// Unwell too often within the window.
    pub fn is_unstable(&self) -> bool {
        self.unstable
    }

    /// Well without a break for long enough, and not unstable.
    pub fn has_settled(&self, now: DateTime<Utc>, damping: &Damping) -> bool {
        self.well_since.is_some_and(|since| now - since >= damping.settle) && !self.unstable
    }

    /// Since when a person should know that something is wrong.
    pub fn known_since(&self) -> Option<DateTime<Utc>> {
        self.known_since
    }

    /// The diagnosis with what the looks before add: an unstable cluster is not called healthy, however it looks just now.
    pub fn damp(&self, found: Diagnosis, cluster: &ClusterName, now: DateTime<Utc>, damping: &Damping) -> Diagnosis {
        let (true, Some(first)) = (self.unstable, self.bouts.front()) else {
            return Diagnosis { words: self.with_settling(found.verdict, found.words, now, damping), ..found };
        };
        let often = format!(
            "{cluster} is unstable: {} times unwell in {} since {}",
            self.bouts.len(),
            length(damping.window),
            super::weigh::clock(*first)
        );
        let line = Evidence { who: "this console".to_owned(), saw: often.clone(), health: Health::Suspect };
        let evidence = found.evidence.into_iter().chain([line]).collect();
        let (verdict, words) = match found.verdict {
            Verdict::Healthy | Verdict::Suspect => (Verdict::Suspect, format!("{often}; now: {}", found.words)),
            proven => (proven, format!("{}; {often}", found.words)),
        };
        Diagnosis { verdict, words, evidence, since: found.since.or(Some(*first)), ..found }
    }

    fn with_settling(&self, verdict: Verdict, words: String, now: DateTime<Utc>, damping: &Damping) -> String {
        match (verdict, self.well_since, self.known_since) {
            (Verdict::Healthy, Some(since), Some(_)) => {
                let left = (damping.settle - (now - since)).max(TimeDelta::seconds(1));
                format!("{words} again since {}; this closes when it stays so for {}", super::weigh::clock(since), length(left))
            }
            _ => words,
        }
    }
}

/// `10 min`, `45 s`.
fn length(span: TimeDelta) -> String {
    match span.num_seconds() {
        secs if secs >= 120 && secs % 60 == 0 => format!("{} min", secs / 60),
        secs => format!("{secs} s"),
    }
}

#[cfg(test)]
mod tests;
