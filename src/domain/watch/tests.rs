//! What the diagnosis promises: nobody is called faulty on one word against another, and nothing old is believed.

use proptest::prelude::*;

use super::*;
use crate::domain::ProbeNote;

const ENOUGH: Thresholds = Thresholds { failures: 3, fault_after: TimeDelta::seconds(20), stale_after: TimeDelta::seconds(15) };

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn ago(seconds: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(seconds)
}

fn name(text: &str) -> ClusterName {
    text.parse().expect("a good name")
}

/// An agent in a test: owns what a [`Sight`] borrows.
#[derive(Debug, Clone)]
struct Agent {
    cluster: ClusterName,
    looked: i64,
    silence: Option<Silence>,
    silent: Streak,
    sick: Streak,
    told: i64,
    /// Its clock is off by so many seconds.
    clock_off: i64,
    probes: Vec<ProbeReport>,
    peer_seen: Option<i64>,
    peer_failures: u32,
    peer_probes: Vec<ProbeReport>,
}

impl Agent {
    fn well(cluster: &str) -> Agent {
        Agent {
            cluster: name(cluster),
            looked: 1,
            silence: None,
            silent: Streak::default(),
            sick: Streak::default(),
            told: 1,
            clock_off: 0,
            probes: vec![probe("hdfs", Health::Healthy, 2)],
            peer_seen: Some(2),
            peer_failures: 0,
            peer_probes: vec![probe("hdfs", Health::Healthy, 2)],
        }
    }

    fn silent(cluster: &str, how: Silence) -> Agent {
        let silent = Streak { times: 10, since: Some(ago(30)) };
        Agent { silence: Some(how), silent, told: 31, ..Agent::well(cluster) }
    }

    fn not_seeing(self, health: Health) -> Agent {
        Agent { peer_seen: Some(40), peer_failures: 9, peer_probes: vec![probe("hdfs", health, 2)], ..self }
    }

    fn sight(&self, view: impl FnOnce(&Sight<'_>) -> Diagnosis) -> Diagnosis {
        let off = |report: &ProbeReport| ProbeReport { at: report.at + TimeDelta::seconds(self.clock_off), ..report.clone() };
        let (probes, peer_probes): (Vec<_>, Vec<_>) = (self.probes.iter().map(off).collect(), self.peer_probes.iter().map(off).collect());
        let by_own_clock = |seconds: i64| ago(seconds - self.clock_off);
        let peer = PeerSight { agent_seen: self.peer_seen.map(by_own_clock), agent_failures: self.peer_failures, probes: &peer_probes };
        let told = Told { at: ago(self.told), agent_now: by_own_clock(self.told), probes: &probes, peer: Some(peer) };
        view(&Sight {
            cluster: &self.cluster,
            looked: Some(ago(self.looked)),
            silence: self.silence.as_ref(),
            silent: self.silent,
            sick: self.sick,
            told: Some(told),
        })
    }
}

fn probe(component: &str, health: Health, seconds_ago: i64) -> ProbeReport {
    let evidence = if health == Health::Faulty { "NameNode refuses connections" } else { "answers" };
    let component = component.parse().expect("a good name");
    ProbeReport { component, at: ago(seconds_ago), health, evidence: evidence.into(), took_ms: 3, note: None }
}

fn diagnosis(subject: &Agent, other: &Agent) -> Diagnosis {
    subject.sight(|subject| other.sight(|other| diagnose(subject, other, &ENOUGH, now())))
}

fn verdict(subject: &Agent, other: &Agent) -> Verdict {
    diagnosis(subject, other).verdict
}

#[test]
fn a_silent_agent_whose_components_answer_is_agent_down() {
    let found = diagnosis(&Agent::silent("east", Silence::Refused), &Agent::well("west").not_seeing(Health::Healthy));
    assert_eq!(found.verdict, Verdict::AgentDown, "{found:?}");
    assert!(!found.verdict.offers_button());
}

#[test]
fn a_console_that_is_cut_off_blames_nobody() {
    let silent = Agent::silent("east", Silence::TimedOut);
    assert_eq!(verdict(&silent, &Agent::silent("west", Silence::TimedOut)), Verdict::ConsoleCutOff);
    assert_eq!(verdict(&silent, &Agent::well("west")), Verdict::ConsoleCutOff, "the other agent still sees it");
}

/// Its own agent has found that the monitoring address is wrong: that is no fault, and who asks there is no witness.
#[test]
fn a_wrong_monitoring_address_is_no_evidence_of_a_fault_and_does_not_hide_one() {
    let noted = |agent: Agent| {
        let wrong = ProbeReport { note: Some(ProbeNote::MonitoringAddressWrong), ..probe("hdfs", Health::Healthy, 2) };
        Agent { probes: vec![wrong], ..agent }
    };
    let blind = Agent { peer_probes: vec![probe("hdfs", Health::Faulty, 2)], ..Agent::well("west") };
    let found = diagnosis(&noted(Agent::well("east")), &blind);
    assert_eq!(found.verdict, Verdict::Healthy, "{found:?}");
    assert!(found.evidence.iter().all(|line| line.health != Health::Faulty), "{found:?}");
    let silent = noted(Agent::silent("east", Silence::TimedOut));
    assert_eq!(verdict(&silent, &blind), Verdict::ConsoleCutOff, "the other agent still sees it");
    let lost = verdict(&silent, &Agent::well("west").not_seeing(Health::Faulty));
    assert_eq!(lost, Verdict::Faulty, "both miss its agent, as of a cluster that cannot be probed at all");
}

#[test]
fn two_views_that_agree_make_a_fault() {
    let silent = Agent::silent("east", Silence::TimedOut);
    assert_eq!(verdict(&silent, &Agent::well("west").not_seeing(Health::Faulty)), Verdict::Faulty);
    let mut blind = Agent::well("west").not_seeing(Health::Healthy);
    blind.peer_probes.clear();
    let found = diagnosis(&silent, &blind);
    assert_eq!(found.verdict, Verdict::Faulty, "files and tables are probed by their own agent alone");
    assert!(found.words.contains("two independent views agree"), "{}", found.words);
}

#[test]
fn a_fault_has_to_last_and_to_repeat() {
    let west = Agent::well("west").not_seeing(Health::Faulty);
    for silent in [Streak { times: 2, since: Some(ago(60)) }, Streak { times: 50, since: Some(ago(19)) }] {
        let east = Agent { silent, ..Agent::silent("east", Silence::Refused) };
        assert_eq!(verdict(&east, &west), Verdict::Suspect);
    }
    let east = Agent { probes: vec![probe("hdfs", Health::Faulty, 1)], ..Agent::well("east") };
    assert_eq!(verdict(&east, &west), Verdict::Suspect, "reported for the first time");
    let sick = Streak { times: 3, since: Some(ago(20)) };
    assert_eq!(verdict(&Agent { sick, ..east.clone() }, &west), Verdict::Faulty);
    assert_eq!(verdict(&Agent { sick, ..east }, &Agent::well("west")), Verdict::Suspect, "west sees its NameNode well");
}

#[test]
fn hung_is_told_from_dead() {
    let saw = |how| diagnosis(&Agent::silent("east", how), &Agent::well("west")).evidence[0].saw.clone();
    assert!(saw(Silence::Refused).contains("not running"));
    assert!(saw(Silence::TimedOut).contains("within the time limit"));
    assert!(saw(Silence::TimedOut).contains("last seen"));
}

#[test]
fn clocks_that_are_off_change_no_verdict() {
    for clock_off in [-7200, 7200] {
        let off = |agent: Agent| Agent { clock_off, ..agent };
        assert_eq!(verdict(&off(Agent::well("east")), &Agent::well("west")), Verdict::Healthy);
        let west = off(Agent::well("west").not_seeing(Health::Faulty));
        assert_eq!(verdict(&Agent::silent("east", Silence::Refused), &west), Verdict::Faulty);
        assert_eq!(verdict(&Agent::silent("east", Silence::Refused), &off(Agent::well("west"))), Verdict::ConsoleCutOff);
    }
}

fn health() -> impl Strategy<Value = Health> {
    prop::sample::select(vec![Health::Healthy, Health::Suspect, Health::Faulty, Health::Unknown])
}

fn probes() -> impl Strategy<Value = Vec<ProbeReport>> {
    let one = |component: &'static str| {
        proptest::option::of((health(), 0i64..40)).prop_map(move |found| found.map(|(health, at)| probe(component, health, at)))
    };
    (one("hdfs"), one("files")).prop_map(|(a, b)| a.into_iter().chain(b).collect())
}

fn streak() -> impl Strategy<Value = Streak> {
    proptest::option::of((1u32..10, 0i64..60))
        .prop_map(|found| found.map_or(Streak::default(), |(times, since)| Streak { times, since: Some(ago(since)) }))
}

fn agent(cluster: &'static str) -> impl Strategy<Value = Agent> {
    let silence = prop::sample::select(vec![None, None, Some(Silence::Refused), Some(Silence::TimedOut)]);
    ((0i64..20, silence, streak(), streak(), 0i64..40), (-100i64..100, probes(), proptest::option::of(0i64..60), 0u32..6, probes()))
        .prop_map(move |((looked, silence, silent, sick, told), (clock_off, probes, peer_seen, peer_failures, peer_probes))| Agent {
            cluster: name(cluster),
            looked,
            silence,
            silent,
            sick,
            told,
            clock_off,
            probes,
            peer_seen,
            peer_failures,
            peer_probes,
        })
}

/// Whether an agent answers the engine just now.
fn answers(agent: &Agent) -> bool {
    agent.silence.is_none() && agent.told <= 15
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nobody_is_faulty_while_the_other_side_sees_it_well(east in agent("east"), mut west in agent("west")) {
        (west.silence, west.looked, west.told) = (None, 1, 1);
        (west.peer_seen, west.peer_failures) = (Some(2), 0);
        west.peer_probes = vec![probe("hdfs", Health::Healthy, 2), probe("files", Health::Healthy, 2)];
        prop_assert_ne!(verdict(&east, &west), Verdict::Faulty);
    }

    #[test]
    fn nobody_is_faulty_while_its_own_agent_says_that_it_is_well(mut east in agent("east"), west in agent("west")) {
        (east.silence, east.looked, east.told) = (None, 1, 1);
        east.probes = vec![probe("hdfs", Health::Healthy, 2), probe("files", Health::Healthy, 2)];
        prop_assert_eq!(verdict(&east, &west), Verdict::Healthy);
    }

    #[test]
    fn healthy_is_said_only_of_what_was_just_seen_healthy(east in agent("east"), west in agent("west")) {
        if verdict(&east, &west) == Verdict::Healthy {
            prop_assert!(answers(&east) && !east.probes.is_empty());
            prop_assert!(east.probes.iter().all(|probe| probe.health == Health::Healthy && probe.at >= ago(15)));
        }
    }

    #[test]
    fn faulty_needs_an_answer_from_somebody_and_time(east in agent("east"), west in agent("west")) {
        let found = diagnosis(&east, &west);
        if found.verdict == Verdict::Faulty {
            prop_assert!(answers(&east) || answers(&west), "nobody answers, so nobody knows");
            let lasted = if east.silence.is_some() { east.silent } else { east.sick };
            prop_assert!(lasted.times >= 3 && lasted.since <= Some(ago(20)));
            prop_assert!(found.evidence.iter().any(|line| line.health == Health::Faulty), "a fault has evidence");
        }
    }

    #[test]
    fn old_evidence_is_no_evidence(mut east in agent("east"), mut west in agent("west")) {
        (east.looked, west.looked) = (16, 16);
        prop_assert_eq!(verdict(&east, &west), Verdict::Unknown);
        (east.looked, east.silence, west.told, west.silence) = (1, Some(Silence::TimedOut), 16, None);
        prop_assert_eq!(verdict(&east, &west).health(), Health::Unknown);
    }
}
