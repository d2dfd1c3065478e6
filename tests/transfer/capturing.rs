//! Captures: the moment, the windows, and the writers that are held and let go whatever happens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use understudy::agent::jobs::capture;
use understudy::domain::backup::machine::CaptureReport;
use understudy::domain::*;
use understudy::protocol::{CaptureOrder, Outcome};

use crate::Stage;
use crate::relay::Fault;
use crate::watched::Fuse;
use crate::world::{Life, Run};

/// Hooks that leave a file each.
fn with_hooks(service: &Service, dir: &Path, limit_secs: u32) -> (Service, PathBuf, PathBuf) {
    let (frozen, thawed) = (dir.join("frozen"), dir.join("thawed"));
    let hook = |file: &Path| Hook { command: Some(vec!["touch".into(), file.display().to_string()]), url: None, limit_secs };
    let service = Service { freeze: Some(hook(&frozen)), thaw: Some(hook(&thawed)), ..service.clone() };
    (service, frozen, thawed)
}

async fn capture_now(life: &Life, service: &Service, run: &Run, ahead_ms: i64) -> Result<CaptureReport, Trouble> {
    let moment = Utc::now() + TimeDelta::milliseconds(ahead_ms);
    let order = CaptureOrder { run: run.run, point: run.point, service: service.clone(), moment };
    match capture::run(&life.primary.job(), order).await? {
        Outcome::Captured(report) => Ok(report),
        other => panic!("no capture report: {other:?}"),
    }
}

/// Waits for a condition, at most ten seconds.
async fn until(what: &str, met: impl Fn() -> bool) {
    let waited = async {
        while !met() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.unwrap_or_else(|_| panic!("{what}: not within 10 s"));
}

#[test]
fn all_is_captured_at_the_moment_with_the_writers_held_and_a_repeat_tells_the_same() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let (service, frozen, thawed) = with_hooks(&stage.world.service, stage.world.dir.path(), 10);
    let run = Run::new();
    life.runtime.block_on(async {
        let moment = Utc::now() + TimeDelta::milliseconds(600);
        let report = capture_now(&life, &service, &run, 600).await.expect("captured");
        assert!(report.frozen && !report.clock_stepped);
        assert!(frozen.exists() && thawed.exists());
        for set in &report.sets {
            assert!(set.window.lo <= set.window.hi);
            assert!(set.window.lo >= moment - TimeDelta::milliseconds(5), "captured before the moment");
            assert!(set.window.hi <= moment + TimeDelta::seconds(5));
        }
        assert_eq!(capture_now(&life, &service, &run, 0).await.as_ref(), Ok(&report));
        assert_eq!(life.primary.site.ledger.freezes().map(|left| left.len()), Ok(0));
    });
    life.kill();
}

#[test]
fn a_capture_that_fails_thaws_and_releases_the_others() {
    let stage = Stage::new(CopyMode::Push);
    stage.from[1].disk().live.clear();
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let (service, _, thawed) = with_hooks(&stage.world.service, stage.world.dir.path(), 10);
    let run = Run::new();
    life.runtime.block_on(async {
        let trouble = capture_now(&life, &service, &run, 0).await.expect_err("one data set is missing");
        assert_eq!(trouble.kind, TroubleKind::NotFound);
        assert!(thawed.exists());
    });
    stage.assert_nothing_of(&run, &life);
    life.kill();
}

#[test]
fn writers_are_let_go_at_the_limit_when_a_capture_hangs() {
    let stage = Stage::new(CopyMode::Push);
    let fuse = Fuse::of(1);
    let life = stage.world.start(&fuse, Fault::None);
    let (service, _, thawed) = with_hooks(&stage.world.service, stage.world.dir.path(), 1);
    life.runtime.block_on(async {
        let run = Run::new();
        tokio::select! {
            _ = capture_now(&life, &service, &run, 0) => panic!("it hangs"),
            () = until("thawed by the watchdog", || thawed.exists()) => {}
        }
    });
    life.kill();
}

#[test]
fn writers_left_frozen_by_a_crash_are_let_go_at_the_next_start() {
    let stage = Stage::new(CopyMode::Push);
    let fuse = Fuse::of(1);
    let life = stage.world.start(&fuse, Fault::None);
    let (service, frozen, thawed) = with_hooks(&stage.world.service, stage.world.dir.path(), 60);
    life.runtime.block_on(async {
        let run = Run::new();
        tokio::select! {
            _ = capture_now(&life, &service, &run, 0) => panic!("it hangs"),
            () = fuse.burnt.notified() => {}
        }
    });
    life.kill();
    assert!(frozen.exists() && !thawed.exists());
    stage.world.start(&Fuse::endless(), Fault::None).kill();
    assert!(thawed.exists());
}

#[test]
fn a_hook_that_fails_leaves_a_point_that_was_not_frozen() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let (mut service, _, thawed) = with_hooks(&stage.world.service, stage.world.dir.path(), 5);
    service.freeze = Some(Hook { command: Some(vec!["false".into()]), url: None, limit_secs: 5 });
    life.runtime.block_on(async {
        let report = capture_now(&life, &service, &Run::new(), 0).await.expect("captured all the same");
        assert!(!report.frozen);
        assert!(thawed.exists(), "half a freeze is thawed too");
    });
    life.kill();
}

#[test]
fn as_older_systems_do_each_component_has_its_own_time() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let service = Service { consistency: Consistency::PerComponent, ..stage.world.service.clone() };
    life.runtime.block_on(async {
        let report = capture_now(&life, &service, &Run::new(), 0).await.expect("captured");
        assert!(report.sets[1].window.lo - report.sets[0].window.hi >= TimeDelta::seconds(2));
    });
    life.kill();
}

#[test]
fn a_cancelled_run_stops_waiting_for_its_moment() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let run = Run::new();
    life.runtime.block_on(async {
        let waiting = capture_now(&life, &stage.world.service, &run, 240_000);
        let dropping = async {
            until("noted", || life.primary.site.ledger.capture(run.point).is_ok_and(|row| row.is_some())).await;
            life.abort(&stage.world.service, &run).await
        };
        let (captured, dropped) = tokio::join!(waiting, dropping);
        assert_eq!(captured.expect_err("cancelled").kind, TroubleKind::Cancelled);
        assert_eq!(dropped, Ok(Vec::new()));
    });
    stage.assert_nothing_of(&run, &life);
    life.kill();
}

#[test]
fn an_instruction_for_a_moment_long_past_captures_nothing() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let run = Run::new();
    let eight_days = -8 * 24 * 3600 * 1000;
    let refused = life.runtime.block_on(capture_now(&life, &stage.world.service, &run, eight_days)).expect_err("refused");
    assert_eq!(refused.kind, TroubleKind::Refused, "{refused}");
    stage.assert_nothing_of(&run, &life);
    life.kill();
}
