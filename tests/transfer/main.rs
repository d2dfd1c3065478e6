//! The data plane of a run between two agents: real HTTP on loopback, real ledgers, crashes at every step.
#![cfg(feature = "agent")]

mod capturing;
mod hung;
mod memory;
mod real;
mod relay;
mod room;
mod watched;
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use memory::Memory;
use relay::{Fault, MARK};
use understudy::agent::jobs::{bring_up, capture, commit, drop as dropping, verify};
use understudy::components::Component;
use understudy::domain::*;
use understudy::protocol::*;
use understudy::transfer::Sink;
use watched::Fuse;
use world::{Life, Run, World};

fn service(copy: CopyMode) -> Service {
    let text = format!(
        "{{\"name\":\"orders\",\"pair\":\"sz-gy\",\"data_sets\":[\"books:ledger\",\"bills:invoices\"],\"copy\":\"{}\"}}",
        match copy {
            CopyMode::Push => "push",
            CopyMode::Pull => "pull",
        }
    );
    serde_json::from_str(&text).expect("a service")
}

/// Two components at each site, with some content at the primary.
struct Stage {
    world: World,
    from: [Memory; 2],
    to: [Memory; 2],
}

const SETS: [&str; 2] = ["ledger", "invoices"];

impl Stage {
    fn new(copy: CopyMode) -> Stage {
        let site = || [Memory::new("books"), Memory::new("bills")];
        let (from, to) = (site(), site());
        for i in 0..6 {
            from[0].write("ledger", &format!("day {i}/rows"), format!("row {i}\n").repeat(700 * i).as_bytes());
            from[1].write("invoices", &format!("2026/発票 {i} 100%.txt"), format!("invoice {i}").as_bytes());
        }
        from[1].write("invoices", "empty", b"");
        let all = |site: &[Memory; 2]| site.iter().map(|one| Arc::new(one.clone()) as Arc<dyn Component>).collect();
        Stage { world: World::new(service(copy), all(&from), all(&to)), from, to }
    }

    fn change(&self) {
        self.from[0].write("ledger", "day 1/rows", &b"row 1, corrected\n".repeat(900));
        self.from[1].remove("invoices", "2026/発票 3 100%.txt");
        self.from[1].write("invoices", "2026/new", b"a new one");
    }

    fn run(&self, fault: Fault) -> (Life, Run) {
        let life = self.world.start(&Fuse::endless(), fault);
        let mut run = Run::new();
        life.drive(&self.world.service, &mut run).expect("a sealed point");
        (life, run)
    }

    /// The secondary has exactly what the primary has, fenced, and nothing is left of the making.
    fn assert_identical(&self) {
        for (i, set) in SETS.iter().enumerate() {
            assert_eq!(self.to[i].live(set), self.from[i].live(set), "{set}");
            assert!(self.to[i].disk().fenced.contains(*set), "{set} is not fenced");
            assert!(self.to[i].disk().staged.is_empty(), "{set} left staging");
        }
    }

    /// Nothing of a dropped run is left, on the clusters and in the ledgers.
    fn assert_nothing_of(&self, run: &Run, life: &Life) {
        for memory in self.from.iter().chain(&self.to) {
            let disk = memory.disk();
            assert!(disk.snapshots.keys().all(|(_, point)| *point != run.point), "a snapshot is left");
            assert!(disk.staged.is_empty(), "staging is left");
        }
        for agent in [&life.primary, &life.secondary] {
            assert_eq!(agent.site.ledger.capture(run.point), Ok(None));
            assert_eq!(agent.site.ledger.staging(run.point), Ok(None));
            assert_eq!(agent.site.ledger.point(run.point), Ok(None));
            for set in &self.world.service.data_sets {
                assert_eq!(agent.site.ledger.plan(run.point, &set.from), Ok(None));
            }
        }
    }
}

#[test]
fn the_first_run_copies_all_and_the_next_only_what_changed_either_way() {
    for copy in [CopyMode::Push, CopyMode::Pull] {
        let stage = Stage::new(copy);
        let (life, first) = stage.run(Fault::None);
        stage.assert_identical();
        let files: u64 = first.counts().iter().map(|counts| counts.copied_files).sum();
        assert_eq!(files, 13, "{copy:?}");
        life.kill();

        stage.change();
        let (life, second) = stage.run(Fault::None);
        stage.assert_identical();
        let [ledger, invoices] = second.counts() else { panic!("two data sets") };
        assert_eq!((ledger.files, ledger.copied_files, ledger.deleted), (6, 1, 0), "{copy:?}");
        assert_eq!((invoices.files, invoices.copied_files, invoices.copied_bytes, invoices.deleted), (7, 1, 9, 1), "{copy:?}");
        let point = second.sealed.expect("a sealed point");
        assert_eq!(point.base, Some(first.point));
        assert!(point.sealed_at.is_some() && point.data_sets.iter().all(|set| set.manifest.is_some()));
        life.kill();
    }
}

#[test]
fn a_connection_cut_anywhere_is_taken_up_again_and_no_piece_goes_twice() {
    for copy in [CopyMode::Push, CopyMode::Pull] {
        for after in [1, 300, 900, 3_000, 12_000, 20_000] {
            let stage = Stage::new(copy);
            let fuse = Fuse::endless();
            let life = stage.world.start(&fuse, Fault::Cut { times: 5, after });
            let mut run = Run::new();
            life.drive(&stage.world.service, &mut run).unwrap_or_else(|trouble| panic!("{copy:?} cut after {after}: {trouble}"));
            stage.assert_identical();
            assert!(life.relay.cuts.load(Ordering::SeqCst) > 0, "nothing was cut after {after}");
            let staged = fuse.staged.lock().expect("a count");
            assert_eq!(staged.len(), 13);
            assert!(staged.values().all(|times| *times == 1), "{copy:?} cut after {after}: {staged:?}");
            drop(staged);
            life.kill();
        }
    }
}

#[test]
fn a_byte_flipped_on_the_way_is_refused_by_name_and_nothing_of_it_counts() {
    for copy in [CopyMode::Push, CopyMode::Pull] {
        let stage = Stage::new(copy);
        stage.from[1].write("invoices", "2026/marked", &[&[7; 500], MARK, &[8; 500]].concat());
        let life = stage.world.start(&Fuse::endless(), Fault::Flip);
        let mut run = Run::new();
        let trouble = life.drive(&stage.world.service, &mut run).expect_err("refused");
        assert_eq!(trouble.kind, TroubleKind::Corrupt, "{trouble}");
        assert!(trouble.object.ends_with("2026/marked"), "{trouble}");
        let verify = VerifyOrder { run: run.run, point: run.point, service: stage.world.service.name.clone() };
        life.runtime.block_on(verify::run(&life.secondary.job(), verify)).expect_err("it cannot be verified");
        assert_eq!(life.runtime.block_on(life.abort(&stage.world.service, &run)), Ok(Vec::new()));
        stage.assert_nothing_of(&run, &life);
        life.kill();
    }
}

#[test]
fn a_crash_at_any_step_ends_like_no_crash_or_in_a_clean_abort() {
    for copy in [CopyMode::Push, CopyMode::Pull] {
        let mut steps = 1;
        loop {
            let stage = Stage::new(copy);
            // A point to build on, so that every sort of step happens.
            let (life, before) = stage.run(Fault::None);
            life.kill();
            stage.change();
            let fuse = Fuse::of(steps);
            let life = stage.world.start(&fuse, Fault::None);
            let mut run = Run::new();
            let ended = life.runtime.block_on(async {
                tokio::select! {
                    result = life.steps(&stage.world.service, &mut run) => Some(result),
                    () = fuse.burnt.notified() => None,
                }
            });
            life.kill();
            let at = fuse.log.lock().expect("a log").last().cloned().unwrap_or_default();
            carry_on(&stage, run, &before, &format!("{copy:?} crash {at} (step {steps})"));
            if ended.is_some() {
                assert!(steps >= 40, "only {steps} steps were seen");
                break;
            }
            steps += 1;
        }
    }
}

/// After a crash: the agents start, the engine carries the run on, or drops it and runs again; the end is always the same.
fn carry_on(stage: &Stage, mut run: Run, before: &Run, at: &str) {
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let newest = life.secondary.site.ledger.newest_sealed(&stage.world.service.pair, &stage.world.service.name);
    assert!([before.point, run.point].contains(&newest.expect("a ledger").expect("a point").id), "{at}: the last point was touched");
    if let Err(trouble) = life.drive(&stage.world.service, &mut run) {
        assert_eq!(trouble.kind, TroubleKind::Refused, "{at}: {trouble}");
        assert!(trouble.reason.contains("was released"), "{at}: {trouble}");
        assert_eq!(life.runtime.block_on(life.abort(&stage.world.service, &run)), Ok(Vec::new()), "{at}");
        stage.assert_nothing_of(&run, &life);
        run = Run::new();
        life.drive(&stage.world.service, &mut run).unwrap_or_else(|trouble| panic!("{at}: {trouble}"));
    }
    stage.assert_identical();
    let ledger = &life.secondary.site.ledger;
    let points = ledger.points_of(&stage.world.service.pair, &stage.world.service.name).expect("points");
    assert_eq!(points.iter().map(|row| (row.record.id, row.sealed)).collect::<Vec<_>>(), [(before.point, true), (run.point, true)], "{at}");
    assert_eq!(ledger.all_staging(), Ok(Vec::new()), "{at}");
    life.kill();
}

#[test]
fn an_abort_before_the_commit_leaves_nothing_and_lets_nothing_late_in() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let mut run = Run::new();
    let service = &stage.world.service;
    life.runtime.block_on(async {
        life.until_transferred(service, &mut run).await.expect("transferred");
        assert_eq!(life.abort(service, &run).await, Ok(Vec::new()));
        stage.assert_nothing_of(&run, &life);
        // Delayed and repeated instructions of the dropped run change nothing.
        assert_eq!(life.abort(service, &run).await, Ok(Vec::new()));
        let late = CaptureOrder { run: run.run, point: run.point, service: service.clone(), moment: chrono::Utc::now() };
        assert_eq!(capture::run(&life.primary.job(), late).await.expect_err("refused").kind, TroubleKind::Refused);
        assert_eq!(life.seal(service, &mut run).await.expect_err("refused").kind, TroubleKind::Refused);
    });
    stage.assert_nothing_of(&run, &life);
    life.kill();
}

#[test]
fn what_could_not_be_brought_into_place_is_refused_before_a_byte_is_staged() {
    for copy in [CopyMode::Push, CopyMode::Pull] {
        let stage = Stage::new(copy);
        stage.to[1].disk().inadmissible = Some("files belong to user ana, unknown on this host".into());
        let life = stage.world.start(&Fuse::endless(), Fault::None);
        let mut run = Run::new();
        let trouble = life.drive(&stage.world.service, &mut run).expect_err("refused");
        assert_eq!((trouble.kind, trouble.reason.contains("user ana")), (TroubleKind::Refused, true), "{copy:?}: {trouble}");
        assert!(stage.to[1].disk().staged.is_empty(), "{copy:?}: something was staged");
        assert_eq!(life.runtime.block_on(life.abort(&stage.world.service, &run)), Ok(Vec::new()));
        stage.assert_nothing_of(&run, &life);
        life.kill();
    }
}

#[test]
fn nobody_but_the_peer_of_the_pair_gets_at_its_data() {
    let stage = Stage::new(CopyMode::Push);
    let (life, run) = stage.run(Fault::None);
    life.kill();
    stage.world.strangers.store(true, Ordering::SeqCst);
    stage.change();
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let mut next = Run::new();
    let refused = life.drive(&stage.world.service, &mut next).expect_err("refused");
    assert_eq!(refused.kind, TroubleKind::Refused, "{refused}");
    assert_eq!(life.secondary.site.ledger.staging(next.point), Ok(None));
    assert_ne!(run.point, next.point);
    life.kill();
}

#[test]
fn staging_is_let_in_only_for_the_armed_run_its_data_sets_and_its_lengths() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let service = &stage.world.service;
    life.runtime.block_on(async {
        let mut run = Run::new();
        life.until_transferred(service, &mut run).await.expect("transferred");
        let stranger = Run::new();
        let site = &*life.secondary.site;
        let open = |run: RunId, point: PointId, set: &str| {
            let set: DataSetName = set.parse().expect("a data set");
            async move { Sink::open(site, run, point, &set, None, ChangeSet::default()).await.map(drop).map_err(|trouble| trouble.kind) }
        };
        assert_eq!(open(stranger.run, stranger.point, "books:ledger").await, Err(TroubleKind::Refused), "not armed");
        assert_eq!(open(run.run, run.point, "books:other").await, Err(TroubleKind::Refused), "no data set of the run");
        assert_eq!(open(stranger.run, run.point, "books:ledger").await, Err(TroubleKind::Refused), "the point of another run");
    });
    assert_eq!(life.secondary.site.ledger.all_staging().map(|rows| rows.len()), Ok(1));
    life.kill();
}

#[test]
fn after_the_commit_an_abort_is_refused_and_repeats_return_the_same_point() {
    let stage = Stage::new(CopyMode::Pull);
    let (life, run) = stage.run(Fault::None);
    life.runtime.block_on(async {
        let refused = life.abort(&stage.world.service, &run).await.expect_err("refused");
        assert_eq!(refused.kind, TroubleKind::Refused);
        assert!(refused.reason.contains("committed"), "{refused}");
        let again = commit::run(&life.secondary.job(), life.commit_order(&stage.world.service, &run)).await;
        assert_eq!(again, Ok(Outcome::Sealed(Box::new(run.sealed.clone().expect("sealed")))));
    });
    stage.assert_identical();
    life.kill();
}

#[test]
fn what_was_not_read_back_or_is_partial_is_never_committed() {
    let stage = Stage::new(CopyMode::Push);
    let life = stage.world.start(&Fuse::endless(), Fault::None);
    let service = &stage.world.service;
    let mut run = Run::new();
    life.runtime.block_on(async {
        life.until_transferred(service, &mut run).await.expect("transferred");
        let refused = commit::run(&life.secondary.job(), life.commit_order(service, &run)).await.expect_err("not verified");
        assert!(refused.reason.contains("not read back"), "{refused}");
        // One bit, the length unchanged: only the hash can tell.
        for content in stage.to[1].disk().staged.values_mut().filter(|content| !content.is_empty()).take(1) {
            content[0] ^= 1;
        }
        let order = VerifyOrder { run: run.run, point: run.point, service: service.name.clone() };
        let corrupt = verify::run(&life.secondary.job(), order).await.expect_err("altered on the storage");
        assert_eq!(corrupt.kind, TroubleKind::Corrupt, "{corrupt}");
        let mut partial = life.commit_order(service, &run);
        partial.point.data_sets.pop();
        assert_eq!(commit::run(&life.secondary.job(), partial).await.expect_err("partial").kind, TroubleKind::Refused);
        let mut invalid = life.commit_order(service, &run);
        invalid.point.captured.grade = Grade::Invalid;
        assert_eq!(commit::run(&life.secondary.job(), invalid).await.expect_err("invalid").kind, TroubleKind::Refused);
    });
    assert_eq!(life.secondary.site.ledger.point(run.point), Ok(None));
    life.kill();
}

#[test]
fn a_service_is_brought_up_at_any_kept_point_and_never_at_an_altered_one() {
    let stage = Stage::new(CopyMode::Push);
    let (life, first) = stage.run(Fault::None);
    let old: Vec<_> = SETS.iter().zip(&stage.to).map(|(set, memory)| memory.live(set)).collect();
    life.kill();
    stage.change();
    let (life, second) = stage.run(Fault::None);
    let (site, name) = (&life.secondary.site, &stage.world.service.name);
    life.runtime.block_on(async {
        bring_up(site, name, second.point).await.expect("the newest");
        bring_up(site, name, first.point).await.expect("an older one");
        for ((set, memory), old) in SETS.iter().zip(&stage.to).zip(&old) {
            assert_eq!(memory.live(set), *old);
        }
        bring_up(site, name, second.point).await.expect("the newest again");
        stage.assert_identical();

        stage.to[1].write("invoices", "2026/new", b"a forged1");
        let refused = bring_up(site, name, second.point).await.expect_err("altered");
        assert_eq!(refused.kind, TroubleKind::Corrupt, "{refused}");
        assert!(refused.reason.contains("2026/new"), "{refused}");
        let (set, record) = (second.sealed.as_ref().expect("sealed").data_sets[0].to.clone(), second.sealed.as_ref().expect("sealed"));
        let mut forged = site.ledger.manifest(second.point, &set).expect("a ledger").expect("a manifest");
        forged.digest = Manifest::default().digest();
        forged.body.clear();
        site.ledger.amend_manifest(record, &set, &forged).expect("forged");
        let refused = bring_up(site, name, second.point).await.expect_err("a forged manifest");
        assert!(refused.reason.contains("not the one its record names"), "{refused}");
        assert_eq!(
            bring_up(site, &"bills".parse().expect("a name"), first.point).await.expect_err("another service").kind,
            TroubleKind::Refused
        );
    });
    life.kill();
}

#[test]
fn retention_keeps_the_newest_whatever_is_asked() {
    let stage = Stage::new(CopyMode::Push);
    let (life, first) = stage.run(Fault::None);
    life.kill();
    stage.change();
    let (life, second) = stage.run(Fault::None);
    let service = &stage.world.service;
    let order = PruneOrder { service: service.name.clone(), data_sets: service.data_sets.clone(), points: vec![first.point, second.point] };
    life.runtime.block_on(async {
        assert_eq!(dropping::prune(&life.primary.job(), order.clone()).await, Ok(Outcome::Dropped(Vec::new())));
        // What stays is named, so that it stays listed.
        let Ok(Outcome::Dropped(kept)) = dropping::prune(&life.secondary.job(), order.clone()).await else { panic!("not dropped") };
        assert!(kept.len() == 1 && kept[0].starts_with(&format!("point {}", second.point)), "{kept:?}");
    });
    for memory in stage.from.iter().chain(&stage.to) {
        assert!(memory.disk().snapshots.keys().all(|(_, point)| *point == second.point));
    }
    let held = life.secondary.site.ledger.points_of(&service.pair, &service.name).expect("points");
    assert_eq!(held.iter().map(|row| row.record.id).collect::<Vec<_>>(), [second.point]);
    stage.change();
    life.kill();
    let (life, third) = stage.run(Fault::None);
    assert_eq!(third.sealed.expect("sealed").base, Some(second.point));
    stage.assert_identical();
    life.kill();
}

#[test]
fn content_that_is_held_is_not_sent() {
    let stage = Stage::new(CopyMode::Pull);
    for memory in &stage.from {
        memory.disk().tells_digests = true;
    }
    let (life, _) = stage.run(Fault::None);
    life.kill();
    // The same content under other names, and something new.
    stage.from[0].write("ledger", "copy of day 5", format!("row {}\n", 5).repeat(700 * 5).as_bytes());
    stage.from[0].write("ledger", "day 9/rows", b"fresh");
    let (life, second) = stage.run(Fault::None);
    assert_eq!((second.counts()[0].copied_files, second.counts()[0].copied_bytes), (1, 5));
    stage.assert_identical();
    life.kill();
}
