//! What every component promises. A component takes part by giving a [`World`]: two clusters with one data set each.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use understudy::components::Component;
use understudy::domain::{Change, DrillId, TroubleKind};

use super::ferry::{Journal, Staged, finish, point, run, stage};

/// Which cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Source,
    Target,
}

/// Two clusters, and what an administrator and an application do there besides us.
#[async_trait]
pub trait World: Send + Sync {
    /// The component of one side, opened afresh: nothing that was only in memory is left.
    fn open(&self, side: Side) -> Arc<dyn Component>;
    /// The data set's path, the same on both sides. At the source it exists and is empty, at the target it does not exist.
    fn set(&self) -> String;
    /// Writes an item (a file, a row), replacing what has that name.
    async fn write(&self, side: Side, name: &str, content: &str);
    /// Writes one as an ordinary application; fails at a fenced data set.
    async fn write_as_application(&self, side: Side, name: &str, content: &str) -> Result<(), String>;
    /// Removes an item.
    async fn remove(&self, side: Side, name: &str);
    /// Gives an item another name.
    async fn rename(&self, side: Side, from: &str, to: &str);
    /// Changes an item's metadata only; false where items have none.
    async fn relabel(&self, side: Side, name: &str) -> bool;
    /// Everything in the data set with all its metadata, by name, less what a fence may change.
    async fn live(&self, side: Side) -> BTreeMap<String, String>;
    /// The same with all that a fence may change.
    async fn exact(&self, side: Side) -> BTreeMap<String, String>;
    /// Everything beside the data set that must stay as it is.
    async fn outside(&self, side: Side) -> BTreeMap<String, String>;
    /// What we keep for ourselves at one side, apart from what holds no data.
    async fn kept(&self, side: Side) -> Vec<String>;
    /// Everything in a drill's place of the data set, as [`live`](World::live) tells it.
    async fn in_drill(&self, place: &str) -> BTreeMap<String, String>;
    /// Writes an item there.
    async fn write_in_drill(&self, place: &str, name: &str, content: &str);
    /// A place beside the data set that is not there yet.
    fn place(&self, side: Side, name: &str) -> String;
    /// Everything in a place where a data set was restored, as [`live`](World::live) tells it.
    async fn restored(&self, side: Side, place: &str) -> BTreeMap<String, String>;
    /// Writes an item there, as its owner.
    async fn write_restored(&self, side: Side, place: &str, name: &str, content: &str);
    /// Names of data sets that lead out of the component, apart from those that no component takes.
    async fn ways_out(&self, side: Side) -> Vec<String>;
}

/// Items enough that most of them are apart from each other wherever a component keeps things in portions.
pub(super) async fn fill(world: &dyn World) {
    for (name, content) in [("a", "one"), ("b", "two"), ("c", ""), ("d", "four"), ("e", "five 発票 '\"%"), ("f", "six")] {
        world.write(Side::Source, name, content).await;
    }
}

pub(super) async fn change(world: &dyn World) -> bool {
    world.write(Side::Source, "a", "eno").await;
    world.remove(Side::Source, "b").await;
    world.rename(Side::Source, "d", "g").await;
    world.write(Side::Source, "h", "new").await;
    world.relabel(Side::Source, "f").await
}

pub(super) async fn same(world: &dyn World) {
    assert_eq!(world.live(Side::Target).await, world.live(Side::Source).await);
}

pub async fn a_first_run_makes_the_target_equal_to_the_source(world: &dyn World) {
    fill(world).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let staged = run(source.as_ref(), &target, &world.set(), None).await;
    same(world).await;
    assert!(staged.changes.changes.iter().all(|change| matches!(change, Change::Put(_))));
    let drift = target.drift(&world.set(), Some((staged.point, &staged.manifest))).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");
}

pub async fn a_later_run_copies_only_what_changed(world: &dyn World) {
    fill(world).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let first = run(source.as_ref(), &target, &world.set(), None).await;
    let again = run(source.as_ref(), &target, &world.set(), Some((first.point, &first.manifest))).await;
    assert!(again.changes.changes.is_empty(), "nothing changed: {:?}", again.changes);
    change(world).await;
    let second = run(source.as_ref(), &target, &world.set(), Some((again.point, &again.manifest))).await;
    same(world).await;
    assert!(!second.copied.is_empty() && second.copied.len() < first.copied.len(), "first {:?}, then {:?}", first.copied, second.copied);
}

pub async fn nothing_beside_the_data_set_is_touched(world: &dyn World) {
    fill(world).await;
    let before = [world.outside(Side::Source).await, world.outside(Side::Target).await];
    assert!(before.iter().all(|outside| !outside.is_empty()), "a world without an outside proves nothing");
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let first = run(source.as_ref(), &target, &world.set(), None).await;
    change(world).await;
    let second = run(source.as_ref(), &target, &world.set(), Some((first.point, &first.manifest))).await;
    target.restore(&world.set(), first.point, &first.manifest).await.expect("restored");
    target.unfence(&world.set(), None).await.expect("unfenced");
    for point in [first.point, second.point] {
        source.release(&world.set(), point).await.expect("released");
        target.release(&world.set(), point).await.expect("released");
    }
    assert_eq!([world.outside(Side::Source).await, world.outside(Side::Target).await], before);
}

pub async fn what_somebody_else_changed_at_the_target_is_told(world: &dyn World) {
    fill(world).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let staged = run(source.as_ref(), &target, &world.set(), None).await;
    target.make_live(&world.set(), staged.point, &staged.manifest).await.expect("made");
    target.unfence(&world.set(), None).await.expect("unfenced");
    world.write(Side::Target, "stray", "x").await;
    world.remove(Side::Target, "a").await;
    target.fence(&world.set()).await.expect("fenced");
    let drift = target.drift(&world.set(), Some((staged.point, &staged.manifest))).await.expect("compared");
    assert!(!drift.is_empty() && drift.len() <= 20, "{drift:?}");
}

pub async fn a_fenced_target_keeps_writers_out_and_a_promoted_one_lets_them_in(world: &dyn World) {
    fill(world).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let staged = run(source.as_ref(), &target, &world.set(), None).await;
    let (fenced, evidence) = target.fenced(&world.set()).await.expect("looked");
    assert!(fenced && !evidence.is_empty(), "{evidence}");
    assert!(world.write_as_application(Side::Target, "stray", "x").await.is_err(), "a writer got past the fence: {evidence}");
    for _ in 0..2 {
        target.make_live(&world.set(), staged.point, &staged.manifest).await.expect("made");
    }
    let drift = target.drift(&world.set(), Some((staged.point, &staged.manifest))).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");
    let (fenced, evidence) = target.fenced(&world.set()).await.expect("looked");
    assert!(fenced && !evidence.is_empty(), "{evidence}");
    let refused = world.write_as_application(Side::Target, "stray", "x").await;
    assert!(refused.is_err(), "a writer got past the fence: {evidence}");
    target.fence(&world.set()).await.expect("fencing again is well");
    let root = staged.manifest.entries.values().find(|entry| entry.path.is_root());
    target.unfence(&world.set(), root).await.expect("unfenced");
    assert!(!target.fenced(&world.set()).await.expect("looked").0);
    assert_eq!(world.exact(Side::Target).await, world.exact(Side::Source).await);
    world.write_as_application(Side::Target, "order", "x").await.expect("a promoted target takes orders");
}

pub async fn a_fenced_source_is_captured_as_it_truly_is(world: &dyn World) {
    fill(world).await;
    let before = world.exact(Side::Source).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    source.fence(&world.set()).await.expect("fenced");
    let staged = run(source.as_ref(), &target, &world.set(), None).await;
    target.make_live(&world.set(), staged.point, &staged.manifest).await.expect("made");
    source.unfence(&world.set(), None).await.expect("unfenced");
    assert_eq!(world.exact(Side::Source).await, before, "a fence that is lifted leaves nothing");
    target.unfence(&world.set(), None).await.expect("unfenced");
    assert_eq!(world.exact(Side::Target).await, before, "nor does it travel");
}

pub async fn a_crash_at_any_step_of_an_apply_ends_as_no_crash(world: &dyn World) {
    fill(world).await;
    let set = world.set();
    let mut last = run(world.open(Side::Source).as_ref(), &world.open(Side::Target), &set, None).await;
    let mut crashes = 0;
    for step in 0..40_u32 {
        let (break_after, forgets) = (step / 2 + 1, step % 2 == 0);
        for (name, content) in [("a", "1"), ("b", "2"), ("d", "3"), ("g", "4"), ("h", "5")] {
            world.write(Side::Source, name, &format!("{content} before {step}")).await;
        }
        let target = world.open(Side::Target);
        last = run(world.open(Side::Source).as_ref(), &target, &set, Some((last.point, &last.manifest))).await;
        change(world).await;
        let staged = stage(world.open(Side::Source).as_ref(), &target, &set, Some((last.point, &last.manifest))).await;
        let journal = Journal::breaking(break_after, forgets);
        let broken = target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal).await;
        drop(target);
        let target = world.open(Side::Target);
        crashes += u32::from(broken.is_err());
        if broken.is_err() {
            assert!(target.fenced(&set).await.expect("looked").0, "fenced also in the middle of an apply");
            target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal.restarted()).await.expect("goes on after a restart");
        }
        target.seal(&set, staged.point, &staged.manifest).await.expect("sealed");
        target.seal(&set, staged.point, &staged.manifest).await.expect("sealing again is well");
        same(world).await;
        assert!(target.fenced(&set).await.expect("looked").0, "fenced also after a crash");
        if broken.is_ok() {
            // There is no such phase any more: every one was broken off, before and after it was noted.
            assert!(crashes >= 2, "no step ever crashed");
            return;
        }
        last = staged;
    }
    panic!("an apply without an end");
}

/// Given up after the commit, in the middle of the apply or right before the seal; each time asked twice, as after a crash.
pub async fn what_a_given_up_point_brought_is_taken_back_and_the_next_run_seals(world: &dyn World) {
    fill(world).await;
    let set = world.set();
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let (outside, kept) = (world.outside(Side::Target).await, world.kept(Side::Target).await);
    let give_up = async |staged: &Staged, (journal, breaks): (Journal, bool), last: Option<&Staged>| {
        target.keep_record(&set, staged.point, "{}").await.expect("recorded");
        let applied = target.apply(&set, staged.point, &staged.plan, &staged.manifest, &journal).await;
        assert_eq!(applied.is_err(), breaks, "{applied:?}");
        let again = world.open(Side::Target);
        for _ in 0..2 {
            let last = last.map(|last| (last.point, &last.manifest));
            again.take_back(&set, staged.point, &staged.manifest, last).await.expect("taken back");
        }
        again.discard(&set, staged.point).await.expect("discarded");
        again.release(&set, staged.point).await.expect("released");
        source.release(&set, staged.point).await.expect("released");
    };
    for journal in [(Journal::breaking(1, true), true), (Journal::sound(), false)] {
        target.fence(&set).await.expect("fenced");
        assert!(target.drift(&set, None).await.expect("looked").is_empty(), "nothing of ours or anybody's is there");
        let staged = stage(source.as_ref(), &target, &set, None).await;
        give_up(&staged, journal, None).await;
        assert_eq!(world.outside(Side::Target).await, outside);
        assert_eq!(world.kept(Side::Target).await, kept, "nothing of the point is left");
    }
    let first = run(source.as_ref(), &target, &set, None).await;
    same(world).await;
    let sealed = world.exact(Side::Target).await;
    change(world).await;
    for journal in [(Journal::breaking(1, true), true), (Journal::sound(), false)] {
        let staged = stage(source.as_ref(), &target, &set, Some((first.point, &first.manifest))).await;
        give_up(&staged, journal, Some(&first)).await;
        assert_eq!(world.exact(Side::Target).await, sealed, "back at the last sealed point");
        assert!(target.fenced(&set).await.expect("looked").0, "and closed");
    }
    run(source.as_ref(), &target, &set, Some((first.point, &first.manifest))).await;
    same(world).await;
}

pub async fn discarding_leaves_nothing(world: &dyn World) {
    fill(world).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let before = world.kept(Side::Target).await;
    let staged = stage(source.as_ref(), &target, &world.set(), None).await;
    for _ in 0..2 {
        target.discard(&world.set(), staged.point).await.expect("discarded");
    }
    target.release(&world.set(), staged.point).await.expect("released");
    assert_eq!(world.kept(Side::Target).await, before);
    assert!(world.live(Side::Target).await.is_empty(), "nothing of a dropped run is live");
}

pub async fn releasing_leaves_nothing(world: &dyn World) {
    fill(world).await;
    let source = world.open(Side::Source);
    let before = world.kept(Side::Source).await;
    let point = point();
    source.arm(&world.set()).await.expect("armed");
    source.capture(&world.set(), point).await.expect("captured");
    source.changes(&world.set(), point, None).await.expect("changes");
    assert!(source.snapshots().await.expect("listed").iter().any(|own| own.point == point && own.path == world.set()));
    for _ in 0..2 {
        source.release(&world.set(), point).await.expect("released");
    }
    assert!(source.snapshots().await.expect("listed").iter().all(|own| own.path != world.set()));
    assert_eq!(world.kept(Side::Source).await, before);
    assert!(source.changes(&world.set(), point, None).await.is_err(), "what is released is gone");
}

pub async fn foreign_content_at_a_first_target_is_refused_by_name(world: &dyn World) {
    fill(world).await;
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let staged = run(source.as_ref(), &target, &world.set(), None).await;
    target.make_live(&world.set(), staged.point, &staged.manifest).await.expect("made");
    target.unfence(&world.set(), None).await.expect("unfenced");
    // The agent's memory is lost: what is there may be anybody's.
    target.release(&world.set(), staged.point).await.expect("released");
    let before = world.live(Side::Target).await;
    let trouble = target.drift(&world.set(), None).await.expect_err("foreign content is refused");
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    assert!(trouble.object.contains(&world.set()) && !trouble.next_step.is_empty(), "{trouble}");
    assert_eq!(world.live(Side::Target).await, before);
}

pub async fn paths_that_lead_out_are_refused_and_nothing_changes(world: &dyn World) {
    fill(world).await;
    let mut ways = world.ways_out(Side::Source).await;
    ways.extend(["../out", "a/../../out", "%2e%2e/out", "x/%2E%2e/out", "nul\0byte", ""].map(str::to_owned));
    let before = [world.outside(Side::Source).await, world.live(Side::Source).await];
    let kept = world.kept(Side::Source).await;
    let source = world.open(Side::Source);
    for way in ways {
        assert!(source.arm(&way).await.is_err(), "armed {way:?}");
        assert!(source.capture(&way, point()).await.is_err(), "captured {way:?}");
    }
    assert_eq!([world.outside(Side::Source).await, world.live(Side::Source).await], before);
    assert_eq!(world.kept(Side::Source).await, kept);
}

pub async fn an_older_sealed_point_can_be_brought_back(world: &dyn World) {
    fill(world).await;
    let set = world.set();
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let first = run(source.as_ref(), &target, &set, None).await;
    let then = world.live(Side::Source).await;
    change(world).await;
    let second = run(source.as_ref(), &target, &set, Some((first.point, &first.manifest))).await;
    let now = world.live(Side::Source).await;
    for (point, wanted) in [(&first, &then), (&second, &now), (&first, &then)] {
        for _ in 0..2 {
            target.restore(&set, point.point, &point.manifest).await.expect("restored");
        }
        assert_eq!(&world.live(Side::Target).await, wanted);
        assert!(target.fenced(&set).await.expect("looked").0, "the fence outlives a restore");
    }
}

pub async fn a_second_capture_for_a_point_is_refused(world: &dyn World) {
    fill(world).await;
    let (source, point) = (world.open(Side::Source), point());
    source.arm(&world.set()).await.expect("armed");
    source.capture(&world.set(), point).await.expect("captured");
    let trouble = source.capture(&world.set(), point).await.expect_err("another moment");
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    source.release(&world.set(), point).await.expect("released");
}

pub async fn a_capture_holds_what_was_there_then(world: &dyn World) {
    fill(world).await;
    let then = world.live(Side::Source).await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    let at = point();
    source.arm(&set).await.expect("armed");
    source.capture(&set, at).await.expect("captured");
    change(world).await;
    let before = source.changes(&set, at, None).await.expect("changes");
    let now = run(source.as_ref(), &target, &set, None).await;
    assert_ne!(before.changes, now.changes.changes);
    let later = source.changes(&set, now.point, Some(at)).await.expect("changes");
    assert!(!later.changes.is_empty());
    assert_ne!(world.live(Side::Target).await, then);
}

pub async fn a_base_that_is_no_longer_held_is_told(world: &dyn World) {
    fill(world).await;
    let (source, set) = (world.open(Side::Source), world.set());
    let (gone, now) = (point(), point());
    source.arm(&set).await.expect("armed");
    source.capture(&set, now).await.expect("captured");
    let trouble = source.changes(&set, now, Some(gone)).await.expect_err("no such base");
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    source.release(&set, now).await.expect("released");
}

pub async fn content_that_went_and_came_back_is_held_until_no_point_has_it(world: &dyn World) {
    fill(world).await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    let first = run(source.as_ref(), &target, &set, None).await;
    change(world).await;
    let second = run(source.as_ref(), &target, &set, Some((first.point, &first.manifest))).await;
    target.release(&set, first.point).await.expect("released");
    source.release(&set, first.point).await.expect("released");
    target.restore(&set, second.point, &second.manifest).await.expect("what a kept point names is held");
    same(world).await;
    let third = stage(source.as_ref(), &target, &set, Some((second.point, &second.manifest))).await;
    finish(&target, &set, &third).await;
    same(world).await;
}

/// Makes one test of every promise for one kind of world; `$world` gives `None` where it cannot be had, and then says why.
#[macro_export]
macro_rules! component_contract {
    ($name:ident, $world:expr) => {
        mod $name {
            use super::*;
            $crate::component_contract!(@each contract, $world,
                a_first_run_makes_the_target_equal_to_the_source
                a_later_run_copies_only_what_changed
                nothing_beside_the_data_set_is_touched
                what_somebody_else_changed_at_the_target_is_told
                a_fenced_target_keeps_writers_out_and_a_promoted_one_lets_them_in
                a_fenced_source_is_captured_as_it_truly_is
                a_crash_at_any_step_of_an_apply_ends_as_no_crash
                what_a_given_up_point_brought_is_taken_back_and_the_next_run_seals
                discarding_leaves_nothing
                releasing_leaves_nothing
                foreign_content_at_a_first_target_is_refused_by_name
                paths_that_lead_out_are_refused_and_nothing_changes
                an_older_sealed_point_can_be_brought_back
                a_second_capture_for_a_point_is_refused
                a_capture_holds_what_was_there_then
                a_base_that_is_no_longer_held_is_told
                content_that_went_and_came_back_is_held_until_no_point_has_it
            );
            $crate::component_contract!(@each identities, $world,
                a_source_becomes_a_target_and_only_differences_come_back
                a_service_goes_there_and_back_and_each_next_run_seals
                a_promotion_is_taken_back_while_nothing_was_written
                a_cluster_lost_after_its_promotion_goes_back_to_its_own_point
            );
            $crate::component_contract!(@each drills, $world,
                a_drill_has_a_copy_of_its_own_and_leaves_nothing
                replication_goes_on_beside_a_drill
            );
            $crate::component_contract!(@each beside, $world,
                a_sealed_data_set_is_restored_beside_the_live_one_equal_and_open
                a_restore_that_is_broken_off_goes_on_or_leaves_nothing
            );
        }
    };
    (@each $page:ident, $world:expr, $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                if let Some(world) = $world {
                    support::$page::$promise(&world).await;
                }
            }
        )*
    };
}
