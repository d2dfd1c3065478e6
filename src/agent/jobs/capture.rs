//! The third instruction: capture all data sets of a service at one moment, by this agent alone.
//!
//! ```text
//! note in the ledger → freeze → wait for the moment → fire all captures together → thaw → windows → report into the ledger
//! ```
//! A data set that cannot be captured drops the others; a crash in the middle drops the halves, says so, and never cuts again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::freeze::Freeze;
use super::gate::Gate;
use super::late;
use super::{Job, Site, roles};
use crate::agent::clock::Clock;
use crate::components::Capture;
use crate::domain::backup::machine::{CaptureReport, CapturedSet};
use crate::domain::{Consistency, DataSetName, Identity, Service, Trouble, TroubleKind, Window};
use crate::protocol::{CaptureOrder, Outcome};
use crate::store::agent::{CaptureRow, CaptureState};

/// How long before the moment the writers are held, at most: a hook that is slower delays the captures, never tears them.
const FREEZE_LEAD: Duration = Duration::from_millis(1_000);
/// The moment is awaited by the wall clock in steps of at most this, the last one on the monotonic clock.
const LAST_STEP: Duration = Duration::from_secs(2);
/// Between two components that are captured at times of their own (training only).
const OWN_TIMES_PAUSE: Duration = Duration::from_secs(3);
/// A capture is ordered half a minute before its moment. One that is further ahead than this, by our clock, would come at another
/// moment than was meant: a clock was set, here or at the controller.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);
/// An instruction for a moment further back than this was on its way for too long: that its run was dropped may be forgotten by now
/// (see [`TOMBSTONE_DAYS`](crate::store::agent::TOMBSTONE_DAYS)).
const MAX_BEHIND: TimeDelta = TimeDelta::days(7);
/// Wall and monotonic clock may drift apart by this: 500 ppm, the most that a disciplined clock is slewed, …
const SLEW: f64 = 500e-6;
/// … plus a millisecond, well above what reading two clocks one after the other can miss and below any real step.
const STEP: Duration = Duration::from_millis(1);

/// Carries the order out; repeated it returns the same report.
pub async fn run(job: &Job, order: CaptureOrder) -> Result<Outcome, Trouble> {
    roles::require(job, Identity::Primary)?;
    let ledger = &job.site.ledger;
    let gate = job.site.gates.of(order.point);
    let _alone = gate.lock.write().await;
    if ledger.is_dropped(order.point)? {
        return Err(Trouble::new(TroubleKind::Refused, format!("point {}", order.point), "its run was dropped").next("start a new run"));
    }
    if let Some(known) = ledger.capture(order.point)? {
        return match known.state {
            CaptureState::Done(report) => Ok(Outcome::Captured(report)),
            // What failed the first time is what to tell, and asking again does not mend it.
            CaptureState::Failed(ref first) => {
                release(&job.site, &known).await?;
                Err(Trouble { kind: TroubleKind::Failed, ..first.clone() })
            }
            CaptureState::Kept(_) => {
                let reason = "under this id this cluster keeps what it wrote before it stood back";
                Err(Trouble::new(TroubleKind::Refused, format!("point {}", order.point), reason).next("start a new run"))
            }
            CaptureState::Taking | CaptureState::Leftover => Err(drop_halves(&job.site, &known).await),
        };
    }
    let data_sets: Vec<DataSetName> = order.service.data_sets.iter().map(|set| set.from.clone()).collect();
    check(job, &order, &data_sets)?;
    let mut row = CaptureRow {
        point: order.point,
        run: order.run,
        pair: job.pair.clone(),
        service: order.service.name.clone(),
        data_sets,
        state: CaptureState::Taking,
    };
    ledger.note_capture(&row)?;
    match take(job, &gate, &order, &row.data_sets).await {
        Ok(report) => {
            row.state = CaptureState::Done(report.clone());
            ledger.note_capture(&row)?;
            Ok(Outcome::Captured(report))
        }
        Err(trouble) => {
            row.state = CaptureState::Failed(trouble.clone());
            release(&job.site, &row).await?;
            Err(trouble)
        }
    }
}

fn check(job: &Job, order: &CaptureOrder, data_sets: &[DataSetName]) -> Result<(), Trouble> {
    if data_sets.is_empty() {
        return Err(Trouble::new(TroubleKind::Invalid, format!("service {}", order.service.name), "it has no data sets"));
    }
    near(order.moment, job.site.clock.now())?;
    if job.site.clock.now() - order.moment > MAX_BEHIND {
        return Err(
            Trouble::new(TroubleKind::Refused, format!("moment {}", order.moment), "it is more than a week past").next("start a new run")
        );
    }
    data_sets.iter().try_for_each(|set| job.site.component(set).map(drop))
}

fn near(moment: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Trouble> {
    let ahead = moment - now;
    if ahead <= MAX_AHEAD {
        return Ok(());
    }
    let reason = format!("it is {} s ahead of this agent's clock: a clock was set", ahead.num_seconds());
    Err(Trouble::new(TroubleKind::Refused, format!("moment {moment}"), reason)
        .next("set the clocks of the agents and of the controller right"))
}

/// Freezes, waits, captures, thaws.
async fn take(job: &Job, gate: &Gate, order: &CaptureOrder, data_sets: &[DataSetName]) -> Result<CaptureReport, Trouble> {
    let service = &order.service;
    // Captured at times of their own there is no moment at which holding the writers would help.
    let hook = service.freeze.as_ref().filter(|_| service.consistency == Consistency::Service);
    let lead = hook.map_or(Duration::ZERO, |hook| FREEZE_LEAD.min(Duration::from_secs(u64::from(hook.limit_secs)) / 4));
    job.tell(format!("waiting for {}", order.moment.format("%H:%M:%S%.3f")));
    wait_until(job, gate, order.moment - TimeDelta::from_std(lead).unwrap_or_default()).await?;
    let freeze = match hook {
        Some(hook) => freeze(&job.site, service, hook, order).await,
        None => None,
    };
    let waited = wait_until(job, gate, order.moment).await;
    job.tell("capturing");
    let before = Reading::take(&*job.site.clock);
    let captured = match waited {
        Ok(()) => capture_all(job, order, data_sets).await,
        Err(trouble) => Err(trouble),
    };
    let after = Reading::take(&*job.site.clock);
    let frozen = match freeze {
        Some(freeze) => freeze.end().await?,
        None => false,
    };
    let sets = captured?.into_iter().map(|capture| captured_set(&before, capture)).collect();
    Ok(CaptureReport { sets, frozen, clock_stepped: before.stepped(&after) })
}

/// A freeze that fails leaves a point that is merely *bounded*, which its grade says; that is better than none.
async fn freeze(site: &Arc<Site>, service: &Service, hook: &crate::domain::Hook, order: &CaptureOrder) -> Option<Freeze> {
    match Freeze::begin(site, service, hook, order.point).await {
        Ok(freeze) => Some(freeze),
        Err(trouble) => {
            tracing::warn!(service = %service.name, %trouble, "capturing without a freeze");
            None
        }
    }
}

/// Fires the captures: all together, or (training only) one component after the other at times of their own.
async fn capture_all(job: &Job, order: &CaptureOrder, data_sets: &[DataSetName]) -> Result<Vec<Capture>, Trouble> {
    let limit = late::limit(order.service.freeze.as_ref());
    let capture = async |set: &DataSetName| {
        let taken = async { job.site.component(set)?.capture(&set.path, order.point).await };
        late::within(limit, set, taken).await
    };
    let results = match order.service.consistency {
        Consistency::Service => join_all(data_sets.iter().map(capture)).await,
        Consistency::PerComponent => {
            let mut results = Vec::new();
            for (i, set) in data_sets.iter().enumerate() {
                if i > 0 && data_sets[i - 1].component != set.component {
                    tokio::time::sleep(OWN_TIMES_PAUSE).await;
                }
                results.push(capture(set).await);
            }
            results
        }
    };
    results.into_iter().collect()
}

/// Waits for a moment of the wall clock. The last stretch runs on the monotonic clock, so that a step of the wall clock there
/// moves nothing. A moment already past is now.
async fn wait_until(job: &Job, gate: &Gate, moment: DateTime<Utc>) -> Result<(), Trouble> {
    let cancelled = || Trouble::new(TroubleKind::Cancelled, "capture", "the run was cancelled before its moment");
    loop {
        let now = job.site.clock.now();
        near(moment, now)?;
        let Ok(left) = (moment - now).to_std() else { return Ok(()) };
        let last = left <= LAST_STEP;
        let step = if last { left } else { (left - LAST_STEP / 2).min(LAST_STEP * 5) };
        tokio::select! {
            () = tokio::time::sleep(step) => {}
            () = job.cancel.cancelled() => return Err(cancelled()),
            () = gate.closed.cancelled() => return Err(cancelled()),
        }
        if last {
            return Ok(());
        }
    }
}

/// Both clocks, read as close together as the host allows.
struct Reading {
    wall: DateTime<Utc>,
    monotonic: Instant,
}

impl Reading {
    fn take(clock: &dyn Clock) -> Reading {
        let one = || {
            let before = clock.monotonic();
            let wall = clock.now();
            let gap = clock.monotonic().saturating_duration_since(before);
            (gap, Reading { wall, monotonic: before + gap / 2 })
        };
        // A preempted reading is told by its gap; the closest of a few is taken.
        let mut best = one();
        for _ in 0..4 {
            let next = one();
            if next.0 < best.0 {
                best = next;
            }
        }
        best.1
    }

    /// An instant in wall-clock time, by this one reading.
    fn wall_of(&self, instant: Instant) -> DateTime<Utc> {
        let ahead = TimeDelta::from_std(instant.saturating_duration_since(self.monotonic)).unwrap_or_default();
        let behind = TimeDelta::from_std(self.monotonic.saturating_duration_since(instant)).unwrap_or_default();
        self.wall + ahead - behind
    }

    /// Whether the wall clock was stepped between two readings.
    fn stepped(&self, later: &Reading) -> bool {
        let elapsed = later.monotonic.saturating_duration_since(self.monotonic);
        let apart = (later.wall - self.wall_of(later.monotonic)).abs().to_std().unwrap_or_default();
        apart > STEP + elapsed.mul_f64(SLEW)
    }
}

fn captured_set(reading: &Reading, capture: Capture) -> CapturedSet {
    let window = Window { lo: reading.wall_of(capture.lo), hi: reading.wall_of(capture.hi) };
    CapturedSet { window, server_time: capture.server_time, open_files: capture.open_files, event_id: capture.event_id }
}

async fn drop_halves(site: &Site, row: &CaptureRow) -> Trouble {
    match release(site, row).await {
        Err(trouble) => trouble,
        Ok(leftovers) => {
            let left = if leftovers.is_empty() { String::new() } else { format!("; not removed: {}", leftovers.join("; ")) };
            let reason = format!("the agent stopped in the middle of the capture; what was captured was released{left}");
            Trouble::new(TroubleKind::Refused, format!("point {}", row.point), reason).next("start a new run")
        }
    }
}

/// Releases a capture everywhere. What cannot be released is told in words, and kept in the ledger to be tried again.
pub(super) async fn release(site: &Site, row: &CaptureRow) -> Result<Vec<String>, Trouble> {
    let releases = row.data_sets.iter().map(|set| async move {
        let released = async { site.component(set)?.release(&set.path, row.point).await };
        let late = || Trouble::new(TroubleKind::Unreachable, set, "its component did not answer within the time limit");
        let released = tokio::time::timeout(late::RELEASE_LIMIT, released).await.unwrap_or_else(|_| Err(late()));
        released.err().map(|trouble| format!("capture {} of {set}: {trouble}", row.point))
    });
    // What hangs holds up nothing beside it.
    let leftovers: Vec<String> = join_all(releases).await.into_iter().flatten().collect();
    if leftovers.is_empty() {
        site.ledger.forget_capture(row.point)?;
    } else {
        let state = match &row.state {
            failed @ CaptureState::Failed(_) => failed.clone(),
            CaptureState::Taking | CaptureState::Done(_) | CaptureState::Leftover | CaptureState::Kept(_) => CaptureState::Leftover,
        };
        site.ledger.note_capture(&CaptureRow { state, ..row.clone() })?;
    }
    Ok(leftovers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A clock whose wall time is stepped by the test.
    struct Stepped(Mutex<TimeDelta>);

    impl Clock for Stepped {
        fn now(&self) -> DateTime<Utc> {
            Utc::now() + *self.0.lock().expect("a lock")
        }
    }

    #[test]
    fn a_moment_far_ahead_is_refused_and_says_which_clocks_to_look_at() {
        let now = Utc::now();
        assert!(near(now - TimeDelta::hours(1), now).is_ok() && near(now + TimeDelta::seconds(30), now).is_ok());
        let trouble = near(now + TimeDelta::hours(1), now).expect_err("a clock was set back");
        assert!(trouble.kind == TroubleKind::Refused && trouble.reason.contains("3600 s ahead") && trouble.next_step.contains("clocks"));
    }

    #[test]
    fn a_stepped_clock_is_told_from_one_that_runs() {
        let clock = Stepped(Mutex::new(TimeDelta::zero()));
        let before = Reading::take(&clock);
        assert!(!before.stepped(&Reading::take(&clock)));
        for step in [TimeDelta::milliseconds(5), TimeDelta::milliseconds(-5), TimeDelta::hours(1)] {
            *clock.0.lock().expect("a lock") = step;
            assert!(before.stepped(&Reading::take(&clock)), "{step}");
        }
    }

    #[test]
    fn windows_keep_the_order_and_distance_of_instants() {
        let reading = Reading::take(&crate::agent::clock::HostClock);
        let (early, late) = (reading.monotonic - Duration::from_millis(3), reading.monotonic + Duration::from_millis(7));
        assert_eq!(reading.wall_of(late) - reading.wall_of(early), TimeDelta::milliseconds(10));
    }
}
