//! An engine killed at any call to an agent ends, after a restart, in the same state as one that was never killed.

use crate::sim::{PAIR, World};
use crate::stand::{Site, Stand};
use chrono::TimeDelta;
use understudy::controller::Command;
use understudy::domain::{Epoch, Identity, RunOutcome};

/// More calls than any of these operations makes.
const CALLS: usize = 100;

/// Does `work`, killing the engine at the n-th call for every n, restarts it, and lets `check` look at the end.
pub fn killed_at_every_call(begin: impl Fn(&Site), is_over: impl Fn(&Site) -> bool, check: impl Fn(&Site, usize)) {
    for call in 0..CALLS {
        let world = World::new();
        let site = Site::paired(world);
        site.world.faults.freeze_after(call);
        begin(&site);
        let killed = site.wait(|site| site.world.faults.is_frozen() || is_over(site));
        assert!(killed, "call {call}: neither frozen nor over");
        let frozen = site.world.faults.is_frozen();
        let site = site.kill_and_restart();
        assert!(site.wait(&is_over), "call {call}: not over after the restart");
        check(&site, call);
        site.stop();
        if !frozen {
            assert!(call > 3, "it was over before any call counted");
            return;
        }
    }
    panic!("more than {CALLS} calls");
}

#[test]
fn a_run_survives_a_kill_at_every_call() {
    killed_at_every_call(
        |site| site.tell(Command::Run { service: "orders".parse().unwrap(), at: None }),
        |site| site.snapshot().runs.len() == 2 && site.snapshot().runs.iter().all(|r| r.report.outcome.is_some()),
        |site, call| {
            let snapshot = site.snapshot();
            assert_eq!(snapshot.runs[0].report.outcome, Some(RunOutcome::Sealed), "call {call}: {:?}", snapshot.runs[0]);
            assert_eq!(site.world.west().points.len(), 2, "call {call}: one more point, sealed once");
            assert!(site.world.west().staging.is_empty(), "call {call}");
            assert_eq!(site.world.east().captures.len(), 2, "call {call}");
        },
    );
}

#[test]
fn a_planned_switchover_survives_a_kill_at_every_call() {
    // West is primary, and east stands by for it.
    let switched = |site: &Site| {
        let snapshot = site.snapshot();
        snapshot
            .pairs
            .first()
            .is_some_and(|p| p.phase == "replicating" && p.active.as_ref().is_some_and(|active| active.as_str() == "west"))
    };
    killed_at_every_call(
        |site| {
            site.tell(Command::AdjustIdentity {
                pair: PAIR.parse().unwrap(),
                to: "west".parse().unwrap(),
                confirm: "west".into(),
                planned: true,
                hold: false,
                declared: None,
                points: std::collections::BTreeMap::new(),
                generation: None,
                by: "ana".into(),
            });
        },
        // Killed before the decision was stored, nothing has happened: then the pair replicates as before.
        move |site| {
            switched(site) || (!site.world.faults.is_frozen() && site.is_restarted() && site.snapshot().pairs[0].phase == "replicating")
        },
        |site, call| {
            let (east, west) = (site.world.east().claim.unwrap(), site.world.west().claim.unwrap());
            let primaries = [east, west].iter().filter(|c| c.identity == Identity::Primary).count();
            assert_eq!(primaries, 1, "call {call}: {east:?} {west:?}");
            if west.identity == Identity::Primary {
                assert_eq!((east.epoch, west.epoch), (Epoch(2), Epoch(2)), "call {call}");
                assert!(site.world.east().fenced, "call {call}: a target takes no writes");
                assert_eq!(site.world.east().done.iter().filter(|order| **order == "reverse").count(), 1, "call {call}");
            } else {
                assert!(!site.world.east().fenced, "call {call}: nothing was decided, and nothing is fenced");
            }
        },
    );
}

/// Only so that both files use all of the stand.
#[test]
fn a_stand_starts_and_stops() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { Stand::paired().await.stop().await });
}

#[tokio::test]
async fn a_run_whose_moment_lies_hours_ahead_since_the_clock_was_set_back_is_not_waited_for() {
    let mut stand = Stand::paired().await;
    stand.step_clock(TimeDelta::hours(1));
    stand.world.east().held.insert("arm");
    let run = stand.start_run().await;
    stand.halt().await;
    stand.step_clock(TimeDelta::zero());
    stand.start().await;
    let report = stand.ended(run).await;
    let reason = report.error.map(|trouble| trouble.reason).unwrap_or_default();
    assert!(report.outcome == Some(RunOutcome::Failed) && reason.contains("clock was set back"), "{reason}");
}
