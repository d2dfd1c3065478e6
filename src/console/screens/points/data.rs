//! What the recovery points screen shows.

use chrono::{DateTime, Duration, Utc};

use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::screens::drills::data as drills;
use crate::console::screens::overview::data::skew;
use crate::console::theme::Tone;
use crate::console::words::{self, Zone};
use crate::controller::snapshot::{PairView, ServiceState, ServiceView};
use crate::domain::{Keep, PointId, RecoveryPoint, RunOutcome, ServiceName};

/// What is chosen on the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The service whose points are listed; `None`: the first.
    pub service: Option<ServiceName>,
    /// The point shown closely; `None`: the newest.
    pub point: Option<PointId>,
    /// How many hours the timeline spans.
    pub hours: f64,
    /// How many hours its right end lies before now.
    pub back: f64,
}

impl Default for State {
    fn default() -> State {
        State { service: None, point: None, hours: 24.0, back: 0.0 }
    }
}

/// A mark of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// From 0, the left end, to 1.
    pub at: f32,
    /// What became of that moment.
    pub tone: Tone,
    /// Its point, if it was sealed.
    pub point: Option<PointId>,
    /// What is read on hover.
    pub words: String,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeRow {
    /// The service.
    pub service: String,
    /// Its marks.
    pub marks: Vec<Mark>,
}

/// The timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// The chosen service, then a few others.
    pub rows: Vec<TimeRow>,
    /// Services that have no line here.
    pub more: usize,
    /// The axis: place from 0 to 1, and what it says.
    pub axis: Vec<(f32, String)>,
}

/// The points of a service, newest first.
pub fn points_of<'a>(scene: &Scene<'a>, service: &ServiceName) -> Vec<&'a RecoveryPoint> {
    scene.snapshot.points.iter().filter(|point| point.service == *service && point.sealed_at.is_some()).collect()
}

/// The service whose points are listed.
pub fn service<'a>(pair: &'a PairView, state: &State) -> Option<&'a ServiceName> {
    let chosen = pair.services.iter().find(|service| Some(&service.name) == state.service.as_ref());
    chosen.or(pair.services.first()).map(|service| &service.name)
}

/// Lines of the timeline: with more, the points below it would be out of reach.
const LINES: usize = 5;

/// The chosen service, then those that need a look, then the others.
fn shown<'a>(pair: &'a PairView, state: &State) -> Vec<&'a ServiceView> {
    let chosen = service(pair, state);
    let mut all: Vec<&ServiceView> = pair.services.iter().collect();
    if all.len() > LINES {
        let well = |service: &ServiceView| matches!(service.state, ServiceState::Protected | ServiceState::Running);
        all.sort_by_key(|service| (Some(&service.name) != chosen, well(service)));
        all.truncate(LINES);
    }
    all
}

/// The timeline over `state.hours`.
pub fn timeline(scene: &Scene<'_>, pair: &PairView, state: &State) -> Timeline {
    let span = Duration::seconds((state.hours * 3_600.0) as i64);
    let right = scene.now - Duration::seconds((state.back * 3_600.0) as i64);
    let left = right - span;
    let place = |at: DateTime<Utc>| (at - left).num_milliseconds() as f32 / span.num_milliseconds().max(1) as f32;
    let inside = |at: &f32| (0.0..=1.0).contains(at);
    let row = |service: &ServiceView| {
        let sealed = points_of(scene, &service.name).into_iter().map(|point| Mark {
            at: place(point.captured.first),
            tone: words::grade(point.captured.grade).tone,
            point: Some(point.id),
            words: format!(
                "{} · {} · skew {}",
                moment(scene.zone, point, scene.now),
                words::grade(point.captured.grade).text,
                skew(point).text
            ),
        });
        let failed =
            scene.snapshot.runs.iter().filter(|run| run.report.service == service.name && run.report.outcome == Some(RunOutcome::Failed));
        let failed = failed.map(|run| Mark {
            at: place(run.report.moment),
            tone: Tone::Bad,
            point: None,
            words: format!("{} · failed: nothing sealed", scene.zone.day_moment(run.report.moment, scene.now)),
        });
        TimeRow { service: service.name.to_string(), marks: sealed.chain(failed).filter(|mark| inside(&mark.at)).collect() }
    };
    let rows: Vec<TimeRow> = shown(pair, state).into_iter().map(row).collect();
    Timeline { more: pair.services.len() - rows.len(), rows, axis: axis(scene.zone, left, right, scene.now) }
}

fn axis(zone: Zone, left: DateTime<Utc>, right: DateTime<Utc>, now: DateTime<Utc>) -> Vec<(f32, String)> {
    const STEPS: i32 = 4;
    let step = (right - left) / STEPS;
    let label = |number: i32| {
        let at = left + step * number;
        let day = zone.day(at, now);
        let words = if number == 0 && day != "today" { format!("{} {day}", zone.minute(at)) } else { zone.minute(at) };
        (number as f32 / STEPS as f32, words)
    };
    (0..=STEPS).map(label).collect()
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct PointRow {
    /// Its moment.
    pub moment: String,
    /// Its grade.
    pub grade: Said,
    /// How far apart.
    pub skew: Said,
    /// Data sets.
    pub parts: String,
    /// All of it.
    pub size: String,
    /// What was copied for it.
    pub copied: String,
    /// How it was verified.
    pub verified: Said,
    /// Until when it stays.
    pub kept: String,
}

/// A point's moment, and by how much later it was captured.
pub(super) fn moment(zone: Zone, point: &RecoveryPoint, now: DateTime<Utc>) -> String {
    let later = words::captured_later(point.moment, &point.captured).map_or(String::new(), |later| format!(" {later}"));
    format!("{}{later}", zone.day_moment(point.moment, now))
}

/// A point's line.
pub fn row(scene: &Scene<'_>, point: &RecoveryPoint, keep: Option<Keep>) -> PointRow {
    let zone = scene.zone;
    let total = |count: fn(&crate::domain::PointDataSet) -> u64| point.data_sets.iter().map(count).sum::<u64>();
    let verified = point.data_sets.iter().filter(|set| set.manifest.is_some()).count();
    PointRow {
        moment: moment(zone, point, scene.now),
        grade: words::grade(point.captured.grade),
        skew: skew(point),
        parts: format!("{} of {}", point.data_sets.len(), point.data_sets.len()),
        size: words::bytes(total(|set| set.bytes)),
        copied: words::bytes(total(|set| set.copied_bytes)),
        verified: if verified == point.data_sets.len() { Said::ok("✓") } else { Said::warn("▲ not told") },
        kept: keep.map_or("—".to_owned(), |keep| zone.date_minute(point.moment + Duration::hours(i64::from(keep.all_hours)), scene.now)),
    }
}

/// A point, closely.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// Its title.
    pub title: String,
    /// Data set, files, size.
    pub sets: Vec<[Said; 3]>,
    /// Files whose last bytes are not certain.
    pub open_files: Vec<String>,
    /// What is written of them.
    pub open_words: String,
    /// What its run said of its data sets, each with its code.
    pub notes: Vec<String>,
    /// Key and value.
    pub facts: Vec<(&'static str, String)>,
}

/// A point's detail.
pub fn detail(scene: &Scene<'_>, point: &RecoveryPoint) -> Detail {
    let zone = scene.zone;
    let set = |set: &crate::domain::PointDataSet| {
        let what = words::unit(scene.kind_of(&set.name.component), set.files);
        [
            Said::plain(words::data_set(&set.name)),
            Said::muted(format!("{} {what}", words::count(set.files))),
            Said::plain(words::bytes(set.bytes)),
        ]
    };
    let open_files: Vec<_> = point
        .data_sets
        .iter()
        .flat_map(|set| set.open_files.iter().map(|file| format!("{} · {file}", words::data_set(&set.name))))
        .collect();
    let open_words = match open_files.len() as u64 {
        0 => "No file was open at the moment.".to_owned(),
        count => format!(
            "{} open at the moment: the last bytes may be missing.",
            if count == 1 { "1 file was".to_owned() } else { format!("{count} files were") }
        ),
    };
    let digest = point
        .data_sets
        .first()
        .and_then(|set| set.manifest)
        .map_or("not told".to_owned(), |digest| format!("b3:{}", words::short_word(&digest.to_string())));
    let sealed = point.sealed_at.map_or("not yet".to_owned(), |at| zone.moment(at, scene.now));
    let captured = format!("{} to {}", zone.clock_ms(point.captured.first), zone.clock_ms(point.captured.last));
    let later = words::captured_later(point.moment, &point.captured);
    Detail {
        title: format!("{} · {}", point.service, moment(zone, point, scene.now)),
        sets: point.data_sets.iter().map(set).collect(),
        open_words,
        open_files,
        notes: point.notes.iter().map(|note| format!("{note} [{}]", note.code)).collect(),
        facts: vec![
            ("Captured", later.map_or(captured.clone(), |later| format!("{captured}, {later} after the moment that was asked for"))),
            ("Sealed", sealed),
            ("Took", words::took(&words::stages(&point.timings_ms))),
            ("From, to", format!("{} → {}", point.from, point.to)),
            ("Manifest", format!("{digest} · epoch {}", point.epoch)),
            ("Drill", drilled(scene, point)),
        ],
    }
}

/// How the newest drill of a point came out, as far as its history is kept.
fn drilled(scene: &Scene<'_>, point: &RecoveryPoint) -> String {
    match scene.snapshot.drills.iter().find(|view| view.report.point == point.id) {
        Some(view) => format!("{}, {}", drills::chip(&view.report).text, scene.zone.day_clock(view.report.pressed_at, scene.now)),
        None => "not tested in a drill yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::console::sample;
    use crate::domain::Grade;

    #[test]
    fn the_timeline_shows_sealed_wide_and_failed_moments_apart() {
        let snapshot = sample::snapshot();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
        let shown = timeline(&scene, &snapshot.pairs[0], &State::default());
        let count = |row: usize, tone: Tone| shown.rows[row].marks.iter().filter(|mark| mark.tone == tone).count();
        assert_eq!((count(0, Tone::Ok), count(0, Tone::Warn), count(0, Tone::Bad)), (93, 1, 1));
        assert_eq!(count(2, Tone::Ok), 1);
        assert_eq!(shown.axis[0].1, "14:07 yesterday");
    }

    #[test]
    fn a_point_reads_as_in_the_mockup() {
        let snapshot = sample::snapshot();
        let zone = Zone::Named(chrono_tz::Asia::Shanghai);
        let scene = Scene::of(&snapshot, sample::now(), zone);
        let orders = "orders".parse().expect("a name");
        let points = points_of(&scene, &orders);
        let first = row(&scene, points[0], Some(Keep::default()));
        assert_eq!(
            (first.moment.as_str(), first.grade.text.as_str(), first.skew.text.as_str()),
            ("today 14:00:00.000", "bounded", "840 ms")
        );
        assert_eq!(
            (first.parts.as_str(), first.size.as_str(), first.copied.as_str(), first.kept.as_str()),
            ("4 of 4", "8.2 TiB", "3.1 GiB", "22 Nov 14:00")
        );
        let close = detail(&scene, points[0]);
        assert_eq!(close.title, "orders · today 14:00:00.000");
        assert_eq!(close.open_words, "2 files were open at the moment: the last bytes may be missing.");
        let facts: std::collections::BTreeMap<_, _> = close.facts.into_iter().collect();
        assert_eq!(facts["Took"], "arm 310 ms, capture 871 ms, transfer 27.4 s, verify 6.1 s, commit 420 ms, apply 1.9 s, seal 380 ms");
        assert_eq!(close.sets[1][1].text, "214 parts", "what a table is kept in, and not its rows");
        let mut by_hand = points[0].clone();
        by_hand.captured.first = by_hand.moment + Duration::milliseconds(6_530);
        assert_eq!(row(&scene, &by_hand, None).moment, "today 14:00:00.000 +6.5 s");
        assert_eq!(detail(&scene, &by_hand).title, "orders · today 14:00:00.000 +6.5 s");
        let wide = points.iter().find(|point| point.captured.grade == Grade::Wide).expect("a wide one");
        assert_eq!(row(&scene, wide, None).skew.text, "▲ 7.4 s");
    }

    #[test]
    fn a_point_tells_how_its_drill_came_out() {
        let mut snapshot = sample::snapshot();
        let point = snapshot.points[0].clone();
        let words = |snapshot: &crate::controller::Snapshot| {
            let scene = Scene::of(snapshot, sample::now(), Zone::Named(chrono_tz::Asia::Shanghai));
            detail(&scene, &point).facts.into_iter().find(|(key, _)| *key == "Drill").map(|(_, value)| value)
        };
        assert_eq!(words(&snapshot).as_deref(), Some("not tested in a drill yet"));
        snapshot.drills[1].report.point = point.id;
        assert_eq!(words(&snapshot).as_deref(), Some("✖ failed, yesterday 11:10:00"));
    }
}
