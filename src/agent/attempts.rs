//! Wrong proofs of an enrolment code: how many a second are told so in full, and what the log says of them. Pure; a right proof never
//! comes here, so that no number of wrong ones keeps it out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// So many a second.
const PER_SECOND: u32 = 5;
/// Sources that are counted apart; those beyond are counted together.
const SOURCES: usize = 32;
/// Between two lines of the log.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Counts since the last line.
#[derive(Debug, Default)]
pub struct Attempts {
    second: u64,
    in_second: u32,
    told: Option<Duration>,
    sources: BTreeMap<IpAddr, u64>,
    others: u64,
}

/// What follows from one more.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// More came within this second than are answered in full.
    pub too_many: bool,
    /// A line for the log is due: how many came from where since the last one.
    pub line: Option<String>,
}

impl Attempts {
    /// One more wrong proof, `now` by a clock that only rises.
    pub fn wrong(&mut self, now: Duration, from: IpAddr) -> Verdict {
        if now.as_secs() != self.second {
            (self.second, self.in_second) = (now.as_secs(), 0);
        }
        self.in_second = self.in_second.saturating_add(1);
        if self.sources.len() < SOURCES || self.sources.contains_key(&from) {
            *self.sources.entry(from).or_default() += 1;
        } else {
            self.others += 1;
        }
        Verdict { too_many: self.in_second > PER_SECOND, line: self.line(now) }
    }

    fn line(&mut self, now: Duration) -> Option<String> {
        if self.told.is_some_and(|told| now.saturating_sub(told) < TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        let mut words: Vec<String> =
            std::mem::take(&mut self.sources).into_iter().map(|(from, count)| format!("{count} from {from}")).collect();
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            words.push(format!("{others} from elsewhere"));
        }
        Some(words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(number).into()
    }

    #[test]
    fn a_few_a_second_are_told_and_the_next_second_begins_anew() {
        let mut attempts = Attempts::default();
        for second in 0..3 {
            let verdicts = (0..8).map(|n| attempts.wrong(Duration::from_millis(second * 1_000 + n * 100), host(1)).too_many);
            assert_eq!(verdicts.filter(|too_many| !too_many).count(), PER_SECOND as usize);
        }
    }

    #[test]
    fn the_log_gets_a_line_in_ten_seconds_and_memory_stays_small() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.wrong(Duration::ZERO, host(1)).line.as_deref(), Some("1 from 0.0.0.1"));
        for n in 0..10_000 {
            assert_eq!(attempts.wrong(Duration::from_secs(1), host(n)).line, None);
        }
        assert!(attempts.sources.len() <= SOURCES);
        let line = attempts.wrong(Duration::from_secs(11), host(0)).line.expect("due");
        assert!(line.contains("from elsewhere"), "{line}");
    }
}
