//! The rules by which a cluster's verdict follows from what is seen of it.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Diagnosis, Evidence, PeerSight, Sight, Thresholds, Told, Verdict};
use crate::domain::{Health, ProbeNote, ProbeReport};

/// Weighs what is seen of `subject`; `other` is the other agent of its pair, the second vantage point.
pub fn diagnose(subject: &Sight<'_>, other: &Sight<'_>, enough: &Thresholds, now: DateTime<Utc>) -> Diagnosis {
    let scene = Scene { subject, other, enough, now };
    let (verdict, words) = scene.verdict();
    let since = if verdict == Verdict::Healthy { None } else { subject.silent.since.or(subject.sick.since) };
    let lasting = verdict != Verdict::Healthy && [subject.silent, subject.sick].iter().any(|streak| streak.has_lasted(enough, now));
    Diagnosis { verdict, words, evidence: scene.evidence(), since, lasting }
}

struct Scene<'a> {
    subject: &'a Sight<'a>,
    other: &'a Sight<'a>,
    enough: &'a Thresholds,
    now: DateTime<Utc>,
}

/// What the second vantage point says of the subject.
struct Second<'a> {
    told: Told<'a>,
    sight: PeerSight<'a>,
}

impl<'a> Scene<'a> {
    fn verdict(&self) -> (Verdict, String) {
        let name = self.subject.cluster;
        match self.subject.looked {
            Some(looked) if self.is_fresh(looked) => {}
            Some(looked) => return (Verdict::Unknown, format!("{name} was last looked at {}", clock(looked))),
            None => return (Verdict::Unknown, format!("{name} was not looked at yet")),
        }
        match (self.subject.silence, self.subject.told) {
            (None, Some(told)) if self.is_fresh(told.at) => self.when_it_answers(&told),
            (None, _) => (Verdict::Unknown, format!("nothing new is known of {name}")),
            (Some(_), _) => self.when_it_is_silent(),
        }
    }

    /// Its own agent reports; a faulty component is doubted while the other agent sees that very component well.
    fn when_it_answers(&self, told: &Told<'_>) -> (Verdict, String) {
        let name = self.subject.cluster;
        let other = self.other.cluster;
        let of = |health| told.probes.iter().filter(move |probe| self.health(told, probe) == health).collect::<Vec<_>>();
        let (faulty, suspect, unknown) = (of(Health::Faulty), of(Health::Suspect), of(Health::Unknown));
        if !faulty.is_empty() {
            let doubted = faulty.iter().all(|probe| self.second().is_some_and(|second| self.sees_well(&second, probe)));
            let words = list(&faulty);
            return match (doubted, self.subject.sick.has_lasted(self.enough, self.now)) {
                (true, _) => (Verdict::Suspect, format!("the agent of {name} reports {words}, but {other} sees it well")),
                (false, false) => (Verdict::Suspect, format!("{name} may be faulty: {words}")),
                (false, true) => (Verdict::Faulty, format!("{name} is faulty: {words}")),
            };
        }
        if !suspect.is_empty() {
            return (Verdict::Suspect, format!("{name} shows signs of trouble: {}", list(&suspect)));
        }
        if !unknown.is_empty() || told.probes.is_empty() {
            return (Verdict::Unknown, format!("the agent of {name} answers, but cannot tell how its components are"));
        }
        let noted: Vec<_> = told.probes.iter().filter(|probe| probe.note.is_some()).collect();
        let sign = if noted.is_empty() { String::new() } else { format!("; {}", list(&noted)) };
        (Verdict::Healthy, format!("{name} is healthy: its agent answers and every component is well{sign}"))
    }

    /// The subject's own agent has found that the component's monitoring address is wrong: who else asks there learns nothing of it.
    fn asks_in_vain(&self, probe: &ProbeReport) -> bool {
        let own = self.subject.told.into_iter().flat_map(|told| told.probes);
        own.into_iter().any(|own| own.component == probe.component && own.note == Some(ProbeNote::MonitoringAddressWrong))
    }

    /// The engine hears nothing: the other agent decides what that means.
    fn when_it_is_silent(&self) -> (Verdict, String) {
        let (name, other) = (self.subject.cluster, self.other.cluster);
        let Some(second) = self.second() else {
            return match self.other.silence {
                None if self.other.looked.is_some_and(|looked| self.is_fresh(looked)) => {
                    (Verdict::Unknown, format!("the agent of {name} is silent, and {other} does not look at it yet"))
                }
                _ => (Verdict::ConsoleCutOff, format!("neither agent answers: this console may be cut off, so nothing is known of {name}")),
            };
        };
        let health = |probe: &&ProbeReport| self.health(&second.told, probe);
        let probes: Vec<&ProbeReport> = second.sight.probes.iter().filter(|probe| !self.asks_in_vain(probe)).collect();
        let faulty: Vec<_> = probes.iter().copied().filter(|probe| health(probe) == Health::Faulty).collect();
        let known = probes.iter().any(|probe| health(probe) != Health::Unknown);
        if self.reaches_agent(&second) {
            return if faulty.is_empty() {
                (Verdict::ConsoleCutOff, format!("only this console cannot reach {name}: {other} still sees its agent"))
            } else {
                (Verdict::Suspect, format!("this console cannot reach {name}, and {other} reports {}", list(&faulty)))
            };
        }
        if faulty.is_empty() && known {
            return (
                Verdict::AgentDown,
                format!(
                    "agent down: the agent of {name} is silent, but its components answer {other}; applications go on, start the agent again"
                ),
            );
        }
        if faulty.is_empty() && !probes.is_empty() {
            return (Verdict::Unknown, format!("the agent of {name} is silent, and {other} cannot tell how its components are"));
        }
        let why =
            if faulty.is_empty() { format!("{other} cannot reach its agent either") } else { format!("{other} reports {}", list(&faulty)) };
        if self.subject.silent.has_lasted(self.enough, self.now) && self.has_missed_it_long(&second) {
            (Verdict::Faulty, format!("{name} is faulty, as two independent views agree: its agent is silent, and {why}"))
        } else {
            (Verdict::Suspect, format!("{name} may be faulty: its agent is silent, and {why}"))
        }
    }

    fn second(&self) -> Option<Second<'a>> {
        let told = self.other.told.filter(|told| self.other.silence.is_none() && self.is_fresh(told.at))?;
        Some(Second { told, sight: told.peer? })
    }

    fn is_fresh(&self, at: DateTime<Utc>) -> bool {
        self.now - at <= self.enough.stale_after
    }

    /// How old a time of the agent's own clock is now; the two clocks need not agree.
    fn age(&self, told: &Told<'_>, at: DateTime<Utc>) -> TimeDelta {
        (told.agent_now - at) + (self.now - told.at)
    }

    /// What a probe says now: nothing when it is old.
    fn health(&self, told: &Told<'_>, probe: &ProbeReport) -> Health {
        if self.age(told, probe.at) > self.enough.stale_after { Health::Unknown } else { probe.health }
    }

    fn sees_well(&self, second: &Second<'_>, reported: &ProbeReport) -> bool {
        let same = |probe: &&ProbeReport| probe.component == reported.component;
        second.sight.probes.iter().find(same).is_some_and(|probe| self.health(&second.told, probe) == Health::Healthy)
    }

    fn reaches_agent(&self, second: &Second<'_>) -> bool {
        let fresh = |seen| self.age(&second.told, seen) <= self.enough.stale_after;
        second.sight.agent_failures == 0 && second.sight.agent_seen.is_some_and(fresh)
    }

    /// The other agent, too, has tried more than once and for long enough.
    fn has_missed_it_long(&self, second: &Second<'_>) -> bool {
        let long = |seen| self.age(&second.told, seen) >= self.enough.fault_after;
        second.sight.agent_failures >= 2 && second.sight.agent_seen.is_none_or(long)
    }

    fn evidence(&self) -> Vec<Evidence> {
        let mut lines = vec![self.look("this console", self.subject)];
        if let Some(told) = self.subject.told.filter(|_| self.subject.silence.is_none()) {
            lines.extend(self.probes(&format!("agent of {}", self.subject.cluster), &told, told.probes));
        }
        let who = format!("agent of {}", self.other.cluster);
        match self.second() {
            None => lines.push(Evidence { health: Health::Unknown, ..self.look("this console", self.other) }),
            Some(second) => {
                let name = self.subject.cluster;
                let (saw, health) = match (self.reaches_agent(&second), second.sight.agent_seen) {
                    (true, _) => (format!("sees the agent of {name}"), Health::Healthy),
                    (false, Some(seen)) => (format!("has not seen the agent of {name} since {}", clock(seen)), Health::Faulty),
                    (false, None) => (format!("has not seen the agent of {name} yet"), Health::Unknown),
                };
                lines.push(Evidence { who: who.clone(), saw, health });
                let (vain, asked): (Vec<_>, Vec<_>) = second.sight.probes.iter().cloned().partition(|probe| self.asks_in_vain(probe));
                lines.extend(self.probes(&who, &second.told, &asked));
                lines.extend(vain.iter().map(|probe| {
                    let saw =
                        format!("{}: asks at a monitoring address that is wrong, and learns nothing ({})", probe.component, probe.evidence);
                    Evidence { who: who.clone(), saw, health: Health::Unknown }
                }));
            }
        }
        lines
    }

    fn look(&self, who: &str, sight: &Sight<'_>) -> Evidence {
        let name = sight.cluster;
        let last_seen = sight.told.map_or("never seen".to_owned(), |told| format!("last seen {}", clock(told.at)));
        let (saw, health) = match (sight.looked, sight.silence) {
            (None, _) => (format!("the agent of {name} was not asked yet"), Health::Unknown),
            (Some(looked), _) if !self.is_fresh(looked) => {
                (format!("the agent of {name} was last asked {}", clock(looked)), Health::Unknown)
            }
            (Some(_), None) => (format!("the agent of {name} answers"), Health::Healthy),
            (Some(_), Some(silence)) => {
                let times = sight.silent.times;
                (format!("the agent of {name} {} ({times} in a row, {last_seen})", silence.words()), Health::Faulty)
            }
        };
        Evidence { who: who.to_owned(), saw, health }
    }

    fn probes(&self, who: &str, told: &Told<'_>, probes: &[ProbeReport]) -> Vec<Evidence> {
        let line = |probe: &ProbeReport| {
            let health = self.health(told, probe);
            let age = if health == probe.health { String::new() } else { format!(", {} s ago", self.age(told, probe.at).num_seconds()) };
            Evidence { who: who.to_owned(), saw: format!("{}: {}{age}", probe.component, probe.evidence), health }
        };
        probes.iter().map(line).collect()
    }
}

fn list(probes: &[&ProbeReport]) -> String {
    let lines: Vec<_> = probes.iter().map(|probe| format!("{}: {}", probe.component, probe.evidence)).collect();
    lines.join("; ")
}

pub(super) fn clock(at: DateTime<Utc>) -> String {
    at.format("%H:%M:%S UTC").to_string()
}
