//! What one run's screen shows.

use super::ways;
use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::overview::data::{copy_word, run_chip};
use crate::console::screens::runs::data::started;
use crate::console::theme::Tone;
use crate::console::words::{self, Zone};
use crate::controller::snapshot::{PairView, RunView};
use crate::domain::Trouble;
use crate::domain::backup::machine::Phase;

/// A step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCard {
    /// Its name with its sign.
    pub name: Said,
    /// What it did or does.
    pub about: String,
    /// How far it is, from 0 to 1.
    pub share: f32,
    /// Its tone.
    pub tone: Tone,
}

/// A bar of the skew picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The data set.
    pub name: String,
    /// From the moment, in milliseconds.
    pub from_ms: f32,
    /// Likewise.
    pub to_ms: f32,
}

/// The skew picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Skew {
    /// The moment.
    pub moment: String,
    /// Data set by data set.
    pub bars: Vec<Bar>,
    /// The right end, in milliseconds.
    pub end_ms: f32,
    /// Marks of the axis: milliseconds and words.
    pub axis: Vec<(f32, String)>,
}

/// A data set of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct SetRow {
    /// Its name.
    pub name: String,
    /// What changed since the last point.
    pub change: String,
    /// What was copied of what is to be.
    pub copied: String,
    /// How far, from 0 to 1.
    pub share: f32,
    /// How it is.
    pub state: Said,
}

/// The whole screen.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetail {
    /// Its title.
    pub title: String,
    /// Where it is.
    pub chip: Said,
    /// What it is.
    pub about: String,
    /// Why it failed.
    pub trouble: Option<Trouble>,
    /// Step by step.
    pub steps: Vec<StepCard>,
    /// When the data sets were frozen; `None` before.
    pub skew: Option<Skew>,
    /// On whose clock.
    pub clock: String,
    /// Data set by data set.
    pub sets: Vec<SetRow>,
    /// Time and text.
    pub log: Vec<Said>,
    /// Whether it can be cancelled.
    pub can_cancel: bool,
    /// Why not, while it runs.
    pub cancel_words: &'static str,
    /// Whether its committed point can be given up.
    pub can_abandon: bool,
    /// What a person can do about a stuck one; empty otherwise.
    pub way_out: String,
    /// Who gave it up, and what became of it; empty otherwise.
    pub given_up: String,
}

/// A run's screen.
pub fn detail(scene: &Scene<'_>, pair: &PairView, run: &RunView) -> RunDetail {
    let report = &run.report;
    let policy = pair.services.iter().find(|service| service.name == report.service).map(|service| &service.policy);
    let zone = scene.zone;
    let copy = policy.map_or("push", |policy| copy_word(policy.copy));
    let later = report.captured.as_ref().and_then(|captured| words::captured_later(report.moment, captured));
    let later = later.map_or(String::new(), |later| format!(", captured {later}"));
    RunDetail {
        title: format!("{} · moment {}{later}", report.service, zone.moment(report.moment, scene.now)),
        chip: run_chip(run),
        about: format!(
            "Run {} · {copy} · built-in engine · started by {} · epoch {}",
            words::short_word(&run.run.to_string()),
            started(run.started_by),
            report.epoch
        ),
        trouble: report.error.clone().or(report.stuck.as_ref().map(|stuck| stuck.trouble.clone())),
        steps: steps(run, zone),
        skew: skew(run, zone),
        clock: report.from.to_string(),
        sets: sets(scene, run),
        log: run.log.iter().map(|line| Said::muted(format!("{} {}", zone.clock_ms(line.at), line.text)).mono()).collect(),
        can_cancel: run.can_cancel,
        cancel_words: match (report.outcome, &report.stuck, run.phase) {
            (None, None, Phase::Commit | Phase::Finish) => "Committed: it finishes by itself and can no longer be cancelled.",
            _ => "",
        },
        can_abandon: run.can_abandon && report.stuck.is_some(),
        way_out: report.stuck.as_ref().map_or(String::new(), |stuck| ways::out(stuck, zone)),
        given_up: report.abandoned.as_ref().map_or(String::new(), |given_up| ways::given_up(given_up, report.outcome.is_some(), zone)),
    }
}

fn order(phase: Phase) -> usize {
    match phase {
        Phase::Arm => 0,
        Phase::Capture => 1,
        Phase::Transfer => 2,
        Phase::Verify => 3,
        Phase::Commit | Phase::Finish | Phase::Abandon => 4,
        Phase::Sealed => 5,
        Phase::Abort | Phase::Cancelled | Phase::Failed | Phase::Abandoned => 6,
    }
}

fn totals(run: &RunView) -> (u64, u64) {
    let progress = run.progress.as_ref();
    progress.map_or((0, 0), |progress| (progress.done_bytes.iter().sum(), progress.total_bytes.iter().sum()))
}

fn steps(run: &RunView, zone: Zone) -> Vec<StepCard> {
    let timings = &run.report.timings_ms;
    // The last step is three stages: the point is sealed when all of them are over.
    let sealing = [timings.commit, timings.apply, timings.seal];
    let sealed = timings.seal.map(|_| sealing.iter().flatten().sum());
    let took = [timings.arm, timings.capture, timings.transfer, timings.verify, sealed];
    let names = ["Arm", "Capture", "Transfer", "Verify", "Seal"];
    let here = order(run.phase);
    let step = |place: usize| {
        let stopped = here == 6;
        let done = if stopped { took[place].is_some() } else { here > place };
        let (sign, tone) = match (done, here == place) {
            (true, _) => ("✓ ", Tone::Ok),
            (false, true) => ("● ", Tone::Accent),
            (false, false) => ("", Tone::Muted),
        };
        let about = match (done, here == place) {
            (true, _) => done_words(run, place, took[place], zone),
            (false, true) => doing_words(run, place, zone),
            (false, false) if stopped => "not reached".to_owned(),
            (false, false) => coming(place).to_owned(),
        };
        let (copied, total) = totals(run);
        let share = match (done, here == place) {
            (true, _) => 1.0,
            (false, true) if total > 0 => copied as f32 / total as f32,
            _ => 0.0,
        };
        StepCard { name: Said::new(format!("{sign}{}", names[place]), tone).strong(), about, share, tone }
    };
    (0..names.len()).map(step).collect()
}

fn coming(place: usize) -> &'static str {
    ["both agents", "all data sets at the moment", "into staging", "checksums, counts", "commit, publish together"][place]
}

fn done_words(run: &RunView, place: usize, ms: Option<u64>, zone: Zone) -> String {
    let took = ms.map(words::millis);
    let within = took.as_ref().map_or(String::new(), |took| format!(" in {took}"));
    match (place, &run.report.captured) {
        (0, _) => format!("{} · both agents ready{within}", zone.clock(run.started_at)),
        (1, Some(captured)) => {
            format!("{} · skew {}", words::plural(run.report.data_sets.len() as u64, "snapshot"), words::millis(captured.skew_ms))
        }
        (2, _) => format!("{}{within}", words::bytes(run.report.data_sets.iter().map(|set| set.copied_bytes).sum())),
        (4, _) => {
            let sealing = |stage: &&str| ["commit", "apply", "seal"].contains(stage);
            let stages: Vec<_> = words::stages(&run.report.timings_ms).into_iter().filter(|(stage, _)| sealing(stage)).collect();
            took.map_or(String::new(), |took| format!("{took}: {}", words::took(&stages)))
        }
        _ => took.unwrap_or_default(),
    }
}

fn doing_words(run: &RunView, place: usize, zone: Zone) -> String {
    let (done, total) = totals(run);
    match place {
        1 => format!("waiting for {}", zone.clock(run.report.moment)),
        2 | 3 if total > 0 => {
            let rate = run.bytes_per_sec.filter(|rate| *rate > 0);
            let left =
                rate.map(|rate| format!(" · {} · {} left", words::rate(rate), words::duration((total - done.min(total)).div_ceil(rate))));
            format!("{}{}", words::bytes_of(done, total), left.unwrap_or_default())
        }
        _ => run.progress.as_ref().map(|progress| progress.doing.clone()).unwrap_or_else(|| "under way".to_owned()),
    }
}

fn skew(run: &RunView, zone: Zone) -> Option<Skew> {
    let captured = run.report.captured?;
    let offset = |at: chrono::DateTime<chrono::Utc>| (at - run.report.moment).num_microseconds().unwrap_or(0) as f32 / 1_000.0;
    let bar = |set: &crate::domain::PointDataSet| Bar {
        name: words::data_set(&set.name),
        from_ms: offset(set.window.lo),
        to_ms: offset(set.window.hi),
    };
    let last = offset(captured.last).max(1.0);
    let step = nice_step(last / 3.0);
    let end_ms = step * (last / step).ceil().max(1.0) + step * 0.4;
    let marks = (1..=6).map(|number| step * number as f32).take_while(|ms| *ms <= end_ms);
    let words = |ms: f32| if step >= 100.0 { format!("+{:.1} s", ms / 1_000.0) } else { format!("+{ms:.0} ms") };
    Some(Skew {
        moment: zone.clock_ms(run.report.moment),
        bars: run.report.data_sets.iter().map(bar).collect(),
        end_ms,
        axis: marks.map(|ms| (ms, words(ms))).collect(),
    })
}

/// 1, 2, 3 or 5 times a power of ten, at least as large.
fn nice_step(least: f32) -> f32 {
    let power = 10f32.powf(least.max(1.0).log10().floor());
    [1.0, 2.0, 3.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// How far a run is with copying; what it does afterwards has figures of its own, which say nothing of this.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copying {
    /// It has not begun, or goes on.
    Under,
    /// All of it is at the secondary.
    Over,
    /// The run ended before that.
    Dropped,
}

fn copying(run: &RunView) -> Copying {
    match order(run.phase) {
        0..=2 => Copying::Under,
        6 if run.report.timings_ms.transfer.is_none() => Copying::Dropped,
        _ => Copying::Over,
    }
}

fn sets(scene: &Scene<'_>, run: &RunView) -> Vec<SetRow> {
    let copying = copying(run);
    let set = |(place, set): (usize, &crate::domain::PointDataSet)| {
        let progress = run.progress.as_ref().filter(|_| copying == Copying::Under);
        let at = |bytes: fn(&crate::protocol::Progress) -> &Vec<u64>| progress.and_then(|progress| bytes(progress).get(place).copied());
        let total = at(|progress| &progress.total_bytes).unwrap_or(set.copied_bytes);
        let copied = if copying == Copying::Over { set.copied_bytes } else { 0 };
        let done = at(|progress| &progress.done_bytes).unwrap_or(copied);
        let finished = copying == Copying::Over || total > 0 && done >= total;
        SetRow {
            name: words::data_set(&set.name),
            change: change(scene, set),
            copied: if total > 0 { words::bytes_of(done, total) } else { "—".to_owned() },
            share: if finished {
                1.0
            } else if total > 0 {
                done as f32 / total as f32
            } else {
                0.0
            },
            state: match copying {
                _ if finished => Said::ok("✓ copied"),
                Copying::Dropped => Said::muted("not copied"),
                _ if done > 0 => Said::accent("copying"),
                _ => Said::muted("waiting"),
            },
        }
    };
    run.report.data_sets.iter().enumerate().map(set).collect()
}

/// `6 parts copied, 3 renamed`.
fn change(scene: &Scene<'_>, set: &crate::domain::PointDataSet) -> String {
    let kind = scene.kind_of(&set.name.component);
    let mut said: Vec<String> = Vec::new();
    let mut add = |count: u64, what: &str| said.extend((count > 0).then(|| format!("{} {what}", words::count(count))));
    add(set.copied_files, &format!("{} copied", words::unit(kind, set.copied_files)));
    add(set.renamed, "renamed");
    add(set.deleted, "deleted");
    if said.is_empty() { "none known yet".to_owned() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn a_run_reads_as_in_the_mockup() {
        let snapshot = sample::snapshot();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let run = snapshot.runs.iter().find(|run| run.report.outcome.is_none()).expect("one under way");
        let shown = detail(&scene, &snapshot.pairs[0], run);
        let steps: Vec<_> = shown.steps.iter().map(|step| format!("{} · {}", step.name.text, step.about)).collect();
        assert_eq!(
            steps,
            [
                "✓ Arm · 14:06:55 · both agents ready in 310 ms",
                "✓ Capture · 4 snapshots · skew 840 ms",
                "● Transfer · 1.9 of 3.1 GiB · 118 MiB/s · 10 s left",
                "Verify · checksums, counts",
                "Seal · commit, publish together",
            ]
        );
        assert_eq!(shown.sets[0].change, "1 204 files copied, 3 renamed, 12 deleted");
        assert_eq!(shown.sets[1].copied, "929 MiB of 1.2 GiB");
        let skew = shown.skew.expect("captured");
        assert_eq!(skew.axis.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>(), ["+0.3 s", "+0.6 s", "+0.9 s"]);
        assert!(skew.bars.iter().all(|bar| bar.from_ms >= 0.0 && bar.to_ms <= skew.end_ms));
    }

    #[test]
    fn a_failed_run_says_why_and_what_was_not_reached() {
        let snapshot = sample::snapshot();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let run = snapshot.runs.iter().find(|run| run.phase == Phase::Failed).expect("a failed one");
        let shown = detail(&scene, &snapshot.pairs[0], run);
        assert_eq!(shown.chip.text, "✖ Failed");
        assert!(shown.trouble.is_some() && !shown.can_cancel);
    }

    #[test]
    fn what_was_copied_stays_copied_while_the_point_is_verified_and_sealed() {
        let mut snapshot = sample::snapshot();
        for phase in [Phase::Verify, Phase::Commit, Phase::Finish] {
            let run = &mut snapshot.runs[0];
            run.phase = phase;
            // The figures are those of the step under way.
            run.progress.as_mut().expect("under way").done_bytes = vec![0; 4];
            let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
            let shown = detail(&scene, &snapshot.pairs[0], &snapshot.runs[0]);
            assert!(shown.sets.iter().all(|set| set.state.text == "✓ copied" && set.share == 1.0), "{phase:?}: {:?}", shown.sets);
            assert!(shown.sets.iter().all(|set| !set.copied.starts_with("0 B of")), "{phase:?}: {:?}", shown.sets);
        }
        let run = &mut snapshot.runs[0];
        (run.phase, run.report.timings_ms.transfer) = (Phase::Failed, None);
        run.report.outcome = Some(crate::domain::RunOutcome::Failed);
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let shown = detail(&scene, &snapshot.pairs[0], &snapshot.runs[0]);
        assert!(
            shown.sets.iter().all(|set| set.state.text == "not copied"),
            "nothing was copied by a run that failed before: {:?}",
            shown.sets
        );
    }

    #[test]
    fn the_last_step_took_as_long_as_its_three_stages() {
        let snapshot = sample::snapshot();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let run = snapshot.runs.iter().find(|run| run.phase == Phase::Sealed).expect("a sealed one");
        let shown = detail(&scene, &snapshot.pairs[0], run);
        assert_eq!(shown.steps[4].about, "2.7 s: commit 420 ms, apply 1.9 s, seal 380 ms");
    }

    #[test]
    fn a_run_that_captured_long_after_its_moment_says_by_how_much() {
        let mut snapshot = sample::snapshot();
        let captured = snapshot.runs[0].report.captured.as_mut().expect("captured");
        captured.first += chrono::TimeDelta::milliseconds(6_500);
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        assert_eq!(detail(&scene, &snapshot.pairs[0], &snapshot.runs[0]).title, "orders · moment 14:07:00.000 CST, captured +6.5 s");
    }
}
