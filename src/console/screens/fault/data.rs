//! What the fault prompt shows, and what it may send.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::choice::{Choice, Chosen, choices, lost_secs, point_of, totals};
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::theme::Tone;
use crate::console::words;
use crate::controller::Command;
use crate::controller::command::{AdjustOutcome, AdjustReport, FenceLine};
use crate::controller::snapshot::{FaultPrompt, PairView, ResumeView};
use crate::domain::watch::Verdict;
use crate::domain::{ClusterName, DataSet, Health, PairName, ServiceName, Trouble};

/// What a person has done with the prompt of one pair.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Form {
    /// What was typed to confirm.
    pub typed: String,
    /// How they know that nobody writes at the faulty cluster.
    pub declared: String,
    /// Hold the services closed for a look.
    pub hold: bool,
    /// Points chosen in place of the newest ones.
    pub points: Chosen,
    /// The service whose points are listed.
    pub listed: Option<ServiceName>,
    /// The fault that was put aside with *Keep waiting*: its pair and since when it is.
    pub waiting: Option<(PairName, DateTime<Utc>)>,
    /// An identity change that was asked for.
    pub change: Option<Change>,
}

/// An identity change that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its pair.
    pub pair: PairName,
    /// The new primary.
    pub to: ClusterName,
    /// What kind of change.
    pub kind: ChangeKind,
    /// How it ended; `None` while it goes on.
    pub ended: Option<Result<AdjustReport, Trouble>>,
}

/// What an identity change does, for its words while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Another cluster becomes primary.
    Promotes,
    /// A held promotion is committed.
    Commits,
    /// A promotion is taken back.
    TakesBack,
}

/// The words of the choice to look first.
pub const HOLD: &str = "Hold the services closed: I look at the data first, then commit or take back";

impl Form {
    /// The pair whose prompt is to be shown, if any.
    pub fn prompts<'a>(&self, scene: &Scene<'a>) -> Option<(&'a PairView, &'a FaultPrompt)> {
        let chosen = scene.pair.into_iter().chain(&scene.snapshot.pairs);
        let mut faulty = chosen.filter_map(|pair| pair.fault.as_ref().map(|fault| (pair, fault)));
        faulty.find(|(pair, fault)| self.waiting.as_ref() != Some(&(pair.name.clone(), fault.since)))
    }

    /// What is still missing before the button may be pressed.
    pub fn missing(&self, fault: &FaultPrompt) -> Vec<String> {
        let unsaid = !fault.unproven.is_empty() && self.declared.trim().is_empty();
        let untyped = self.typed != fault.survivor.as_str();
        let said = unsaid.then(|| format!("say how you know that nobody writes at {}", fault.faulty));
        said.into_iter().chain(untyped.then(|| format!("type {} exactly", fault.survivor))).collect()
    }

    /// What was chosen for the services of this prompt.
    fn points_of(&self, fault: &FaultPrompt) -> Chosen {
        let known = |service: &ServiceName| fault.resume.iter().any(|line| line.service == *service);
        self.points.iter().filter(|(service, _)| known(service)).map(|(service, point)| (service.clone(), *point)).collect()
    }

    /// The command, when all is given: the exact name, a word for fences that are not proven, and a prompt that allows it.
    pub fn command(&self, pair: &PairView, fault: &FaultPrompt, generation: u64, by: &str) -> Option<Command> {
        let declared = self.declared.trim();
        (fault.can_adjust && self.missing(fault).is_empty()).then(|| Command::AdjustIdentity {
            pair: pair.name.clone(),
            to: fault.survivor.clone(),
            confirm: self.typed.clone(),
            planned: false,
            hold: self.hold && !fault.live,
            declared: (!declared.is_empty()).then(|| declared.to_owned()),
            // One that was chosen is sent though it may be gone since: the engine says so, and takes no other.
            points: if fault.live { Chosen::new() } else { self.points_of(fault) },
            generation: Some(generation),
            by: by.to_owned(),
        })
    }
}

/// The prompt's texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// Its sign and tone.
    pub sign: &'static str,
    /// Bad where a cluster is faulty.
    pub tone: Tone,
    /// What is wrong, and no more than is known.
    pub title: String,
    /// Since when.
    pub since: String,
    /// Who saw what.
    pub observed: Vec<(String, Said)>,
    /// What that amounts to.
    pub verdict: String,
    /// Of all services: how many would come up, from points how old.
    pub totals: Vec<Said>,
    /// Service, recovery point, its grade, data lost; the worst first.
    pub resume: Vec<[Said; 4]>,
    /// The services of these lines.
    pub services: Vec<ServiceName>,
    /// The points of the service that is listed.
    pub choices: Vec<Choice>,
    /// User data.
    pub users: String,
    /// What is not proven of the faulty cluster's fences; empty where all are, or where there is nothing to decide.
    pub unproven: Vec<Said>,
    /// What the person should know first.
    pub advice: &'static str,
    /// The steps, numbered; none where there is nothing to decide.
    pub will: Vec<String>,
    /// Why the button is off; empty otherwise.
    pub refused: String,
    /// The button; `None` where there is nothing to decide.
    pub button: Option<String>,
}

/// A cross only where the cluster itself is known to be faulty.
fn fault_sign(fault: &FaultPrompt) -> (&'static str, Tone) {
    if fault.cause == Verdict::Faulty { ("✖", Tone::Bad) } else { ("▲", Tone::Warn) }
}

/// The prompt of a fault.
pub fn prompt(scene: &Scene<'_>, pair: &PairView, fault: &FaultPrompt, form: &Form) -> Prompt {
    // One that answers again keeps the button's place, without the button's use: nothing jumps under the person's hand.
    let decidable = words::fault_can_be_decided(fault) || fault.cause == Verdict::Healthy;
    let lasted = u64::try_from((scene.now - fault.since).num_seconds()).unwrap_or(0);
    Prompt {
        sign: fault_sign(fault).0,
        tone: fault_sign(fault).1,
        title: words::fault_title(fault),
        advice: words::fault_advice(fault),
        since: format!("since {} · {}", scene.zone.clock(fault.since), words::duration(lasted)),
        observed: fault.observed.iter().map(|line| (line.who.clone(), saw(line.health, &line.saw))).collect(),
        verdict: fault.verdict.clone(),
        totals: totals(scene, fault, &form.points),
        resume: worst_first(fault).into_iter().map(|line| resume(scene, pair, fault, line, &form.points)).collect(),
        services: worst_first(fault).into_iter().map(|line| line.service.clone()).collect(),
        choices: listed(fault, form).map(|line| choices(scene, fault, line)).unwrap_or_default(),
        users: format!("Users, permissions and tenants: {}", fault.users),
        unproven: if decidable { unproven(fault) } else { Vec::new() },
        will: if decidable {
            fault.will.iter().enumerate().map(|(place, step)| format!("{}   {step}", place + 1)).collect()
        } else {
            Vec::new()
        },
        refused: if fault.can_adjust || !decidable { String::new() } else { fault.refused.clone() },
        button: decidable.then(|| format!("Adjust identity: make {} primary", fault.survivor)),
    }
}

/// Data sets named in a line before the rest is only counted.
const FENCES: usize = 4;

/// One line for each reason, with the data sets that it is about.
fn unproven(fault: &FaultPrompt) -> Vec<Said> {
    let mut by_evidence: BTreeMap<&str, Vec<&FenceLine>> = BTreeMap::new();
    fault.unproven.iter().for_each(|fence| by_evidence.entry(&fence.evidence).or_default().push(fence));
    let line = |(evidence, fences): (&str, Vec<&FenceLine>)| {
        let named: Vec<String> = fences.iter().take(FENCES).map(|fence| fence.data_set.to_string()).collect();
        let more = fences.len().saturating_sub(FENCES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Said::warn(format!("▲ No fence is proven at {}: {evidence} ({}{more})", fault.faulty, named.join(", ")))
    };
    by_evidence.into_iter().map(line).collect()
}

/// The line of the service whose points are listed.
fn listed<'a>(fault: &'a FaultPrompt, form: &Form) -> Option<&'a ResumeView> {
    fault.resume.iter().find(|line| Some(&line.service) == form.listed.as_ref() && line.point.is_some() && !fault.live)
}

/// Without a point first, then by what is lost.
fn worst_first(fault: &FaultPrompt) -> Vec<&ResumeView> {
    let mut lines: Vec<&ResumeView> = fault.resume.iter().collect();
    let has = |line: &ResumeView| line.point.is_some() || line.live;
    lines.sort_by_key(|line| (has(line), std::cmp::Reverse(line.lost_secs)));
    lines
}

fn saw(health: Health, text: &str) -> Said {
    words::health(health, text)
}

fn resume(scene: &Scene<'_>, pair: &PairView, fault: &FaultPrompt, line: &ResumeView, chosen: &Chosen) -> [Said; 4] {
    let policy = pair.services.iter().find(|service| service.name == line.service).map(|service| &service.policy);
    let resumed = point_of(scene, fault, line, chosen);
    let point = match resumed {
        Some(point) if line.point.as_ref().is_some_and(|newest| newest.id != point.id) => {
            Said::accent(format!("{} (chosen)", scene.zone.day_moment(point.moment, scene.now)))
        }
        Some(point) => Said::plain(scene.zone.moment(point.moment, scene.now)),
        None if line.live => Said::plain("what it holds itself"),
        None => Said::bad("✖ none"),
    };
    let grade = resumed.map_or(Said::muted("—"), |point| words::grade(point.captured.grade));
    let target = policy.and_then(|policy| policy.rpo_target_minutes).map(|minutes| u64::from(minutes) * 60);
    let lost = match (resumed.map_or(line.lost_secs, |point| lost_secs(line, point)), target) {
        (Some(secs), Some(target)) if secs > target => Said::bad(format!("✖ {}", words::duration(secs))),
        (Some(0), _) => Said::ok("none"),
        (Some(secs), _) => Said::warn(words::duration(secs)),
        (None, _) if line.point.is_none() && !line.live => Said::bad("everything"),
        (None, _) => Said::new("unknown", Tone::Warn),
    };
    [Said::plain(line.service.as_str()), point, grade, lost]
}

/// What a change shows while it goes on and after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Its title.
    pub title: Said,
    /// In a sentence.
    pub words: String,
    /// Service, what it resumed from, data lost or why not.
    pub services: Vec<[Said; 3]>,
    /// Step, how it went, detail.
    pub steps: Vec<[Said; 3]>,
    /// Where the data is, while a person is to look at it: data set, address, and with what.
    pub look: Vec<[Said; 3]>,
    /// It has ended: the dialog can be closed.
    pub over: bool,
}

/// A change's texts.
pub fn outcome(scene: &Scene<'_>, change: &Change) -> Outcome {
    let phase = scene.snapshot.pairs.iter().find(|pair| pair.name == change.pair).map_or("", |pair| pair.phase.as_str());
    let empty = |title, words: String, over| Outcome { title, words, services: Vec::new(), steps: Vec::new(), look: Vec::new(), over };
    match &change.ended {
        None => empty(
            Said::accent(match change.kind {
                ChangeKind::Promotes => format!("Making {} primary…", change.to),
                ChangeKind::Commits => format!("Opening {} to applications…", change.to),
                ChangeKind::TakesBack => format!("Giving {} its identity back…", change.to),
            }),
            format!("Now: {phase}. This goes on even if the console is closed."),
            false,
        ),
        Some(Err(trouble)) => empty(Said::bad("✖ Refused, nothing was changed"), trouble.to_string(), true),
        Some(Ok(report)) => ended(scene, report),
    }
}

fn ended(scene: &Scene<'_>, report: &AdjustReport) -> Outcome {
    let title = match report.outcome {
        AdjustOutcome::Promoted if report.held => {
            Said::warn(format!("▲ {} has the primary identity and is held for a look", report.primary))
        }
        AdjustOutcome::Promoted | AdjustOutcome::TakenBack if report.not_up().next().is_some() => {
            let (count, are) = (report.not_up().count() as u64, if report.not_up().count() == 1 { "is" } else { "are" });
            Said::bad(format!("✖ {} has the primary identity; {} {are} not up", report.primary, words::plural(count, "service")))
        }
        AdjustOutcome::Promoted => Said::ok(format!("✓ {} has the primary identity", report.primary)),
        AdjustOutcome::TakenBack => Said::ok(format!("✓ Taken back: {} has the primary identity again", report.primary)),
        AdjustOutcome::Aborted => Said::warn(format!("▲ Undone: {} goes on", report.primary)),
        AdjustOutcome::Refused => Said::bad("✖ Refused, nothing was changed"),
    };
    let words = match &report.error {
        Some(trouble) => trouble.to_string(),
        None if report.held => format!(
            "Epoch {}. The services of {} are up and closed. Look at the data, then commit the promotion, or take it back, on the clusters screen.",
            report.epoch, report.primary
        ),
        None => format!("Epoch {}. Applications are told to access {}.", report.epoch, report.primary),
    };
    let point = |id| scene.snapshot.points.iter().find(|point| Some(point.id) == id);
    let services = report.services.iter().map(|line| {
        let resumed = match (point(line.recovery_point), line.recovery_point) {
            (Some(point), _) => Said::plain(scene.zone.moment(point.moment, scene.now)),
            (None, Some(id)) => Said::plain(id.to_string()),
            (None, None) if line.live && line.error.is_none() => Said::plain("what it held"),
            (None, None) => Said::bad("✖ not brought up"),
        };
        let last = match (&line.error, line.lost_secs) {
            (Some(trouble), _) => Said::bad(trouble.to_string()),
            (None, Some(secs)) => Said::warn(words::duration(secs)),
            (None, None) => Said::muted("unknown"),
        };
        [Said::plain(line.name.as_str()), resumed, last]
    });
    let steps = report.steps.iter().map(|step| {
        let state = match step.state.as_str() {
            "done" => Said::ok("✓ done"),
            "failed" => Said::bad("✖ failed"),
            other => Said::muted(other),
        };
        [Said::plain(&step.step), state, Said::muted(&step.detail)]
    });
    let look = if report.held && report.outcome == AdjustOutcome::Promoted { places(scene, report) } else { Vec::new() };
    Outcome { title, words, services: services.collect(), steps: steps.collect(), look, over: true }
}

/// Where a person looks at a held promotion: what each data set is called at the new primary, and where its component is.
fn places(scene: &Scene<'_>, report: &AdjustReport) -> Vec<[Said; 3]> {
    let Some(pair) = scene.snapshot.pairs.iter().find(|pair| pair.name == report.pair) else { return Vec::new() };
    let components = || pair.clusters.iter().filter(|cluster| cluster.name == report.primary).flat_map(|cluster| &cluster.components);
    let line = |set: &DataSet| {
        // A held promotion is not reversed yet: its policies still copy to the new primary.
        let there = &set.to;
        let at = components().find(|info| info.name == there.component).map_or("", |info| info.address.as_str());
        [Said::plain(words::data_set(there)), Said::plain(at).mono(), Said::muted(words::how_to_look(scene.kind_of(&there.component)))]
    };
    pair.services.iter().flat_map(|service| &service.policy.data_sets).map(line).collect()
}

/// What *Diagnostics* lists.
pub fn diagnostics(scene: &Scene<'_>, pair: &PairView) -> Vec<String> {
    let mut lines = vec![format!("pair {}: epoch {}, phase: {}", pair.name, pair.epoch, pair.phase)];
    for cluster in &pair.clusters {
        let epoch = cluster.epoch.map_or("unknown".to_owned(), |epoch| epoch.to_string());
        lines.push(format!("{}: {} identity, epoch {epoch}, {}", cluster.name, cluster.identity, cluster.health));
        lines.push(format!("    agent {}: {}", cluster.agent, scene.zone.last_seen(cluster.last_seen, scene.now)));
        lines.extend(cluster.evidence.iter().map(|line| format!("    {line}")));
        let probes = cluster.probes.iter();
        lines.extend(probes.map(|probe| {
            format!("    {}: {} — {} ({} ms, {})", probe.component, probe.health, probe.evidence, probe.took_ms, scene.zone.clock(probe.at))
        }));
    }
    lines.push(format!("clocks: {}", pair.clock.words));
    let newest = scene.snapshot.activity.iter().take(12);
    lines.extend(newest.map(|line| format!("{} {}", scene.zone.clock(line.at), line.text)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;

    #[test]
    fn a_console_that_is_cut_off_calls_no_cluster_faulty_and_offers_no_button() {
        let mut snapshot = sample::faulty();
        for (cause, title) in [
            (Verdict::ConsoleCutOff, "This console is cut off"),
            (Verdict::AgentDown, "The agent of shenzhen is down"),
            (Verdict::Unknown, "Nothing is known of shenzhen"),
        ] {
            let Some(fault) = &mut snapshot.pairs[0].fault else { panic!("the sample has a fault") };
            (fault.cause, fault.can_adjust) = (cause, false);
            let pair = &snapshot.pairs[0];
            let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::UTC));
            let shown = prompt(&scene, pair, pair.fault.as_ref().expect("a fault"), &Form::default());
            assert_eq!((shown.title.as_str(), shown.button, shown.will.len()), (title, None, 0));
            assert_eq!(shown.tone, Tone::Warn);
        }
    }

    #[test]
    fn a_primary_that_answers_again_takes_the_buttons_use_and_leaves_its_place() {
        let mut snapshot = sample::faulty();
        let Some(fault) = &mut snapshot.pairs[0].fault else { panic!("the sample has a fault") };
        let refused = "shenzhen is healthy again since 14:07:20; this closes when it stays so for 18 s";
        (fault.cause, fault.can_adjust, fault.refused) = (Verdict::Healthy, false, refused.to_owned());
        let pair = &snapshot.pairs[0];
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::UTC));
        let fault = pair.fault.as_ref().expect("a fault");
        let shown = prompt(&scene, pair, fault, &Form::default());
        assert!(shown.button.is_some() && shown.title == "Primary cluster shenzhen answers again" && shown.refused == refused);
        let form = Form { typed: "guiyang".into(), ..Form::default() };
        assert_eq!(form.command(pair, fault, 84, "ana"), None);
    }
}
