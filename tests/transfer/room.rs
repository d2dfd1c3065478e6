//! A secondary without room, before and after the record that counts.

use super::*;

/// A full disk or a quota: before the record the controller is told that it may drop the run, after it the same order goes on.
#[test]
fn a_commit_that_finds_no_room_is_refused_before_its_record_and_goes_on_after_it() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let service = &stage.world.service;
    for (full_at, kind) in [("sync_staging", TroubleKind::Refused), ("apply", TroubleKind::Failed)] {
        let mut run = Run::new();
        stage.to[0].disk().full_at = Some(full_at);
        let trouble = life.drive(service, &mut run).expect_err("there is no room");
        assert_eq!((trouble.kind, trouble.reason.as_str()), (kind, "the disk is full"), "{full_at}");
        let committed = life.secondary.site.ledger.point(run.point).expect("a ledger").is_some();
        stage.to[0].disk().full_at = None;
        if full_at == "apply" {
            assert!(committed && trouble.is_worth_retrying());
            life.drive(service, &mut run).expect("the same order goes on when there is room");
            stage.assert_identical();
        } else {
            assert!(!committed);
            assert_eq!(life.runtime.block_on(life.abort(service, &run)), Ok(Vec::new()));
            stage.assert_nothing_of(&run, &life);
        }
    }
}
