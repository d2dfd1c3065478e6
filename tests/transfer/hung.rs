//! Hung is not dead, and slow is not hung: silence ends a transfer in time, and nothing else does.

use std::time::{Duration, Instant};

use understudy::domain::*;

use crate::Stage;
use crate::relay::Fault;
use crate::watched::Fuse;
use crate::world::Run;

/// A stage whose peers are given up after a second of silence.
fn impatient(copy: CopyMode) -> Stage {
    let mut stage = Stage::new(copy);
    let limits = &mut stage.world.limits;
    (limits.idle, limits.give_up) = (Duration::from_secs(1), Duration::from_secs(1));
    stage
}

#[test]
fn a_peer_that_hangs_at_the_plan_or_among_the_pieces_is_told_in_time_either_way() {
    for copy in [CopyMode::Push, CopyMode::Pull] {
        for after in [200, 3_000, 20_000] {
            let stage = impatient(copy);
            let life = stage.world.start(&Fuse::endless(), Fault::Silence { after });
            let begun = Instant::now();
            let trouble = life.drive(&stage.world.service, &mut Run::new()).expect_err("a peer that hangs");
            assert_eq!(trouble.kind, TroubleKind::Unreachable, "{copy:?} after {after}: {trouble}");
            assert!(trouble.reason.contains("nothing came for 1 s"), "{copy:?} after {after}: {trouble}");
            assert!(begun.elapsed() < Duration::from_secs(8), "{copy:?} after {after}: only after {:?}", begun.elapsed());
            life.kill();
            // It comes back, and the next run is right.
            stage.run(Fault::None);
            stage.assert_identical();
        }
    }
}

#[test]
fn a_peer_that_compares_for_longer_than_a_silence_may_last_and_says_so_is_waited_for() {
    for copy in [CopyMode::Push, CopyMode::Pull] {
        let stage = impatient(copy);
        for memory in stage.from.iter().chain(&stage.to) {
            let mut disk = memory.disk();
            (disk.tells_digests, disk.slow) = (true, Duration::from_secs(3));
        }
        let begun = Instant::now();
        stage.run(Fault::None);
        assert!(begun.elapsed() > Duration::from_secs(3), "{copy:?}: it was not slow");
        stage.assert_identical();
    }
}
