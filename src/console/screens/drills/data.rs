//! What the drills screen shows: the pre-flight lines of the next one, one closely, and the history.

use crate::console::places::Place;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::words;
use crate::controller::command::{Check, CheckState, DrillChecks};
use crate::controller::snapshot::{DrillView, PairView};
use crate::controller::{Command, Reply};
use crate::domain::drill::check::CheckEnd;
use crate::domain::drill::machine::Phase;
use crate::domain::drill::report::{DrillOutcome, DrillReport, StepEnd};
use crate::domain::drill::words::{check_word, step_word};
use crate::domain::{DrillId, PointId, ServiceName, Trouble, TroubleKind};

/// Recovery points offered.
const OFFERED: usize = 20;

/// What is chosen and typed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// The service; the first unless chosen.
    pub service: Option<ServiceName>,
    /// The recovery point; the newest unless chosen.
    pub point: Option<PointId>,
    /// The drill shown closely; the newest unless chosen.
    pub drill: Option<DrillId>,
    /// What the sign-off says.
    pub remark: String,
    /// For what the lines were asked.
    asked: Option<(ServiceName, Option<PointId>)>,
    /// The lines.
    lines: Option<Result<DrillChecks, Trouble>>,
}

impl State {
    /// The service that the next drill is of.
    pub fn service<'a>(&'a self, pair: &'a PairView) -> Option<&'a ServiceName> {
        let chosen = self.service.as_ref().filter(|name| pair.services.iter().any(|service| service.name == **name));
        chosen.or_else(|| pair.services.first().map(|service| &service.name))
    }

    /// Asks for the lines of what is chosen, once for each choice.
    pub fn look(&mut self, pair: &PairView) -> Option<(Place, Command)> {
        let wanted = (self.service(pair)?.clone(), self.point);
        if self.asked.as_ref() == Some(&wanted) {
            return None;
        }
        let (service, point) = wanted.clone();
        (self.asked, self.lines) = (Some(wanted), None);
        Some((Place::DrillChecks, Command::CheckDrill { service, point }))
    }

    /// The lines are asked for again at the next look.
    pub fn again(&mut self) {
        self.asked = None;
    }

    /// Takes in the lines.
    pub fn receive(&mut self, reply: Reply) {
        self.lines = Some(match reply {
            Reply::DrillChecked(lines) => Ok(lines),
            Reply::Refused(trouble) => Err(trouble),
            other => Err(Trouble::new(TroubleKind::Failed, "engine", format!("it answered something else: {other:?}"))),
        });
    }

    /// The drill of what is chosen, once every line holds.
    pub fn start(&self, pair: &PairView, by: String) -> Option<Command> {
        let service = self.service(pair)?;
        let lines = self.lines.as_ref()?.as_ref().ok().filter(|lines| lines.service == *service)?;
        let holds = lines.checks.iter().all(|check| check.state != CheckState::Failed);
        holds.then(|| Command::Drill { service: service.clone(), point: self.point, by })
    }
}

/// Sign, check, evidence and what to do; one line while they are not known.
pub fn lines(state: &State) -> Vec<[Said; 3]> {
    let one = |check: &Check| {
        let fix = if check.fix.is_empty() { check.evidence.clone() } else { format!("{}: {}", check.evidence, check.fix) };
        [words::check_sign(check.state), Said::plain(&check.name), Said::muted(fix)]
    };
    match &state.lines {
        Some(Ok(found)) => found.checks.iter().map(one).collect(),
        Some(Err(trouble)) => vec![[Said::bad("✖"), Said::bad(trouble.to_string()), Said::plain("")]],
        None => vec![[Said::muted("○"), Said::muted("Looking…"), Said::plain("")]],
    }
}

/// The points that can be chosen, newest first.
pub fn points(scene: &Scene<'_>, pair: &PairView, service: &ServiceName) -> Vec<(PointId, String)> {
    let secondary = pair.clusters.get(1).map(|cluster| &cluster.name);
    let held = scene.snapshot.points.iter().filter(|point| point.service == *service && Some(&point.to) == secondary);
    held.take(OFFERED).map(|point| (point.id, scene.zone.day_clock(point.captured.first, scene.now))).collect()
}

/// The pair's drills, newest first.
pub fn drills<'a>(scene: &Scene<'a>, pair: &PairView) -> Vec<&'a DrillView> {
    scene.snapshot.drills.iter().filter(|view| view.report.pair == pair.name).collect()
}

/// How it came out, as a chip.
pub fn chip(report: &DrillReport) -> Said {
    match (report.phase, report.outcome) {
        (Phase::Running, _) => Said::accent("● under way"),
        (Phase::Cleaning, _) if report.left.is_empty() => Said::accent("● cleaning up"),
        (Phase::Cleaning, _) => Said::bad("✖ not clean"),
        (Phase::Ended, Some(DrillOutcome::Passed)) if report.within_target == Some(false) => Said::warn("▲ passed, too slow"),
        (Phase::Ended, Some(DrillOutcome::Passed)) => Said::ok("✓ passed"),
        (Phase::Ended, Some(DrillOutcome::Failed) | None) => Said::bad("✖ failed"),
        (Phase::Ended, Some(DrillOutcome::Stopped)) => Said::warn("▲ stopped"),
    }
}

/// The RTO shown, and the one promised.
pub fn rto(report: &DrillReport) -> (String, Said) {
    let shown = report.rto_ms.map_or_else(|| "—".to_owned(), words::millis);
    let target = match (report.rto_target_minutes, report.within_target) {
        (Some(minutes), Some(true)) => Said::ok(format!("✓ within the target of {minutes} min")),
        (Some(minutes), Some(false)) => Said::bad(format!("✖ beyond the target of {minutes} min")),
        (Some(minutes), None) => Said::muted(format!("target {minutes} min")),
        (None, _) => Said::muted("no target in the policy"),
    };
    (shown, target)
}

/// When, what, how it came out, RTO, sign-off.
pub fn row(scene: &Scene<'_>, view: &DrillView) -> (Said, [Said; 5]) {
    let report = &view.report;
    let (shown, _) = rto(report);
    let target = report.rto_target_minutes.map_or_else(|| "—".to_owned(), |minutes| format!("{minutes} min"));
    let signed = match &report.signed {
        Some(signed) => Said::plain(format!("{}, {}", signed.by, scene.zone.day_clock(signed.at, scene.now))),
        None => Said::muted("—"),
    };
    let cells = [
        Said::plain(scene.zone.day_clock(report.pressed_at, scene.now)),
        Said::plain(report.service.as_str()).strong(),
        Said::plain(scene.zone.day_clock(report.captured_at, scene.now)),
        Said::plain(format!("{shown} / {target}")),
        signed,
    ];
    (chip(report), cells)
}

/// Sign, step, evidence.
pub fn steps(view: &DrillView) -> Vec<[Said; 3]> {
    let one = |step: &crate::domain::drill::report::DrillStep| {
        let (sign, detail) = match step.state {
            StepEnd::Done => (Said::ok("✓"), step.detail.clone()),
            StepEnd::Failed => (Said::bad("✖"), step.detail.clone()),
            StepEnd::UnderWay => {
                (Said::accent("●"), if view.doing.is_empty() { step_word(step.state).to_owned() } else { view.doing.clone() })
            }
            StepEnd::NotExecuted => {
                (Said::muted("○"), if step.detail.is_empty() { "not executed".to_owned() } else { step.detail.clone() })
            }
        };
        [sign, Said::plain(&step.step), Said::muted(detail)]
    };
    view.report.steps.iter().map(one).collect()
}

/// Sign, check, how long, evidence.
pub fn checks(report: &DrillReport) -> Vec<[Said; 4]> {
    let one = |check: &crate::domain::drill::check::CheckResult| {
        let (sign, took) = match check.state {
            CheckEnd::Passed => (Said::ok("✓"), words::millis(check.took_ms)),
            CheckEnd::Failed => (Said::bad("✖"), words::millis(check.took_ms)),
            CheckEnd::NotExecuted => (Said::muted("○"), String::new()),
        };
        let evidence = if check.evidence.is_empty() { check_word(check.state) } else { &check.evidence };
        [sign, Said::plain(&check.name), Said::plain(took), Said::muted(evidence.replace('\n', " "))]
    };
    report.checks.iter().map(one).collect()
}

/// What the listing after the cleaning showed.
pub fn listing(report: &DrillReport) -> Said {
    match report.phase {
        Phase::Running => Said::muted("Its space is removed at the end, and that is proven by a listing."),
        Phase::Cleaning if report.left.is_empty() => Said::muted("Its space is being removed…"),
        Phase::Cleaning => Said::bad(format!("✖ still there, tried again: {}", report.left.join("; "))),
        Phase::Ended => Said::ok(format!(
            "✓ {} removed; a listing of every component shows nothing of this drill",
            words::plural(report.removed.len() as u64, "space")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;

    fn text<const N: usize>(rows: &[[Said; N]]) -> Vec<String> {
        rows.iter().map(|row| row.iter().map(|said| said.text.as_str()).collect::<Vec<_>>().join(" | ")).collect()
    }

    #[test]
    fn a_drill_starts_only_when_every_line_of_what_is_chosen_holds() {
        let snapshot = sample::snapshot();
        let pair = &snapshot.pairs[0];
        let mut state = State::default();
        assert!(matches!(state.look(pair), Some((Place::DrillChecks, Command::CheckDrill { point: None, .. }))));
        assert!(state.look(pair).is_none() && state.start(pair, "ana".into()).is_none(), "asked once, and not answered yet");
        state.receive(Reply::DrillChecked(sample::drill_checks()));
        assert!(matches!(state.start(pair, "ana".into()), Some(Command::Drill { point: None, .. })));
        let mut failed = sample::drill_checks();
        failed.checks[0].state = CheckState::Failed;
        state.receive(Reply::DrillChecked(failed));
        assert!(state.start(pair, "ana".into()).is_none());
        state.service = Some(pair.services[1].name.clone());
        state.receive(Reply::DrillChecked(sample::drill_checks()));
        assert!(state.start(pair, "ana".into()).is_none(), "the lines are of another service");
        assert!(state.look(pair).is_some() && text(&lines(&state)) == ["○ | Looking… | "]);
    }

    #[test]
    fn a_drill_is_told_step_by_step_and_against_its_target() {
        let snapshot = sample::snapshot();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let all = drills(&scene, &snapshot.pairs[0]);
        let words: Vec<_> = all.iter().map(|view| chip(&view.report).text).collect();
        assert_eq!(words, ["✓ passed", "✖ failed", "✓ passed"]);
        assert_eq!(rto(&all[0].report).1.text, "✓ within the target of 10 min");
        assert_eq!(rto(&all[1].report).0, "—", "what failed shows no RTO");
        assert_eq!(text(&steps(all[0])).last().map(String::as_str), Some("○ | sign off | waits for a person"));
        assert!(text(&checks(&all[1].report)).iter().any(|line| line.starts_with("✖") && line.contains("instead of")));
        assert!(listing(&all[0].report).text.contains("nothing of this drill"));
        let (_, cells) = row(&scene, all[2]);
        assert!(cells[4].text.starts_with("ana, "), "{cells:?}");
    }
}
