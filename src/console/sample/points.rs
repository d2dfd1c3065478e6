//! The sample's points and runs: a day of them.

use chrono::{DateTime, Duration, Utc};

use super::{id, name, now, services, time};
use crate::controller::snapshot::{ActivityLine, Level, RunView};
use crate::domain::backup::machine::{Phase, StartedBy};
use crate::domain::{
    CapturedSpan, Digest, Epoch, Grade, PointDataSet, PointId, RecoveryPoint, RunId, RunOutcome, Service, Timings, Trouble, TroubleKind,
    Window,
};
use crate::protocol::Progress;

const GIB: u64 = 1 << 30;

fn at(moment: DateTime<Utc>, ms: i64) -> DateTime<Utc> {
    moment + Duration::milliseconds(ms)
}

fn data_sets(service: &Service, moment: DateTime<Utc>, skew: i64, copied: u64) -> Vec<PointDataSet> {
    const WINDOWS: [(i64, i64); 4] = [(4, 6), (5, 60), (6, 100), (3, 9)];
    let set = |(place, set): (usize, &crate::domain::DataSet)| {
        let (lo, hi) = WINDOWS[place % 4];
        let window = Window { lo: at(moment, skew * lo / 100), hi: at(moment, skew * hi / 100) };
        PointDataSet {
            name: set.from.clone(),
            to: set.to.clone(),
            window,
            server_time: None,
            event_id: None,
            open_files: if place == 0 { vec!["2026/11/21/0931.part".to_owned(), "2026/11/21/0932.part".to_owned()] } else { Vec::new() },
            files: [1_102_331, 214, 390, 211_400][place % 4],
            bytes: [2_458, 1_946, 3_379, 612][place % 4] * GIB,
            copied_files: [1_204, 17, 22, 9][place % 4],
            copied_bytes: copied * [20, 39, 40, 1][place % 4] / 100,
            renamed: [3, 0, 0, 0][place % 4],
            deleted: [12, 0, 1, 0][place % 4],
            manifest: Some(Digest::of_bytes(&[place as u8, 7])),
        }
    };
    service.data_sets.iter().enumerate().map(set).collect()
}

fn timings() -> Timings {
    Timings {
        arm: Some(310),
        capture: Some(871),
        transfer: Some(27_400),
        verify: Some(6_100),
        commit: Some(420),
        apply: Some(1_900),
        seal: Some(380),
    }
}

fn point(number: u128, service: &Service, moment: DateTime<Utc>, skew_ms: u64, grade: Grade) -> RecoveryPoint {
    let skew = i64::try_from(skew_ms).unwrap_or(0);
    RecoveryPoint {
        id: PointId(id(number)),
        run: RunId(id(number + 0x1_0000)),
        service: service.name.clone(),
        pair: service.pair.clone(),
        epoch: Epoch(4),
        from: name("shenzhen"),
        to: name("guiyang"),
        moment,
        captured: CapturedSpan { first: at(moment, skew * 3 / 100), last: at(moment, skew), skew_ms, grade },
        data_sets: data_sets(service, moment, skew, 3_174 << 20),
        base: Some(PointId(id(number + 1))),
        timings_ms: timings(),
        sealed_at: Some(at(moment, 38_000)),
        notes: Vec::new(),
    }
}

/// A day of points, newest first.
pub fn points() -> Vec<RecoveryPoint> {
    let mut all = Vec::new();
    // Service, first number, newest moment, minutes apart, how many, usual skew.
    let plans: [(usize, u128, &str, i64, i64, u64); 4] = [
        (0, 100, "2026-11-21T06:00:00Z", 15, 95, 840),
        (1, 200, "2026-11-21T06:00:00Z", 60, 24, 12),
        (2, 300, "2026-11-20T18:00:00Z", 24 * 60, 1, 4),
        (3, 400, "2026-11-21T05:45:00Z", 15, 93, 4_200),
    ];
    let services = services();
    for (service, first, newest, apart, many, skew) in plans {
        for number in 0..many {
            let moment = time(newest) - Duration::minutes(apart * number);
            let wide = (service == 0 && number == 37) || (service == 3 && number < 24 && number % 5 < 2);
            let quiet = service == 0 && number == 2;
            let (skew, grade) = match (wide, quiet) {
                (true, _) => (if service == 3 { 6_200 } else { 7_400 }, Grade::Wide),
                (_, true) => (90, Grade::Quiesced),
                _ => (skew + u64::try_from(number * 37 % 180).unwrap_or(0), Grade::Bounded),
            };
            // The failed run of 23:30 left no point.
            if service == 0 && number == 58 {
                continue;
            }
            let skew = if number == 0 && service == 0 { 840 } else { skew };
            all.push(point(first + number as u128, &services[service].policy, moment, skew, grade));
        }
    }
    all.sort_by_key(|point| std::cmp::Reverse(point.moment));
    all
}

fn transferring() -> RunView {
    let moment = time("2026-11-21T06:07:00Z");
    let mut report = point(90, &services()[0].policy, moment, 840, Grade::Bounded).report();
    report.outcome = None;
    report.timings_ms = Timings { arm: Some(310), capture: Some(871), ..Timings::default() };
    report.sealed_at = None;
    let line = |ms: i64, level, text: &str| ActivityLine { at: at(moment, ms), level, text: text.to_owned(), about: "orders".to_owned() };
    RunView {
        run: report.run,
        report,
        phase: Phase::Transfer,
        phase_since: at(moment, 905),
        started_at: at(moment, -5_000),
        started_by: StartedBy::Person,
        progress: Some(Progress {
            doing: "copying order_items".to_owned(),
            done_bytes: vec![611 << 20, 929 << 20, 405 << 20, 38 << 20],
            total_bytes: vec![611 << 20, 1_238 << 20, 1_251 << 20, 38 << 20],
            timings_ms: Timings::default(),
            committed: false,
        }),
        bytes_per_sec: Some(118 << 20),
        settled: false,
        can_cancel: true,
        can_abandon: false,
        log: vec![
            line(871, Level::Info, "all data sets captured, skew 840 ms"),
            line(872, Level::Info, "third instruction answered by shenzhen: 4 snapshots"),
            line(905, Level::Info, "first instruction accepted: push to guiyang, 3.1 GiB in 1 252 files"),
            line(12_118, Level::Info, "user data in sync: 41 users, 12 groups, 3 tenants, 0 changes"),
        ],
    }
}

/// One run under way, and the newest ended ones.
pub fn runs() -> Vec<RunView> {
    let ended = |point: &RecoveryPoint| RunView {
        report: point.report(),
        run: point.run,
        phase: Phase::Sealed,
        phase_since: at(point.moment, 38_000),
        started_at: at(point.moment, -5_000),
        started_by: StartedBy::Schedule,
        progress: None,
        bytes_per_sec: None,
        settled: true,
        can_cancel: false,
        can_abandon: false,
        log: vec![ActivityLine {
            at: at(point.moment, 38_000),
            level: Level::Info,
            text: "recovery point sealed".to_owned(),
            about: point.service.to_string(),
        }],
    };
    let mut all = vec![transferring()];
    all.extend(points().iter().take(40).map(ended));
    let mut failed = ended(&point(158, &services()[0].policy, time("2026-11-20T15:30:00Z"), 790, Grade::Bounded));
    failed.phase = Phase::Failed;
    failed.report.outcome = Some(RunOutcome::Failed);
    failed.report.sealed_at = None;
    failed.report.error = Some(
        Trouble::new(TroubleKind::Unreachable, "agent guiyang", "it did not answer for 60 s while it verified")
            .next("look at the agent's log; the next run begins at the next moment"),
    );
    all.push(failed);
    all.sort_by_key(|run| std::cmp::Reverse(run.started_at));
    debug_assert!(all.iter().all(|run| run.started_at < now()));
    all
}
