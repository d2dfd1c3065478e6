//! What every component promises where identities change: a source that becomes a target, a promotion that is taken back or lost.

use super::contract::{Side, World, fill, same};
use super::ferry::{point, run};

/// Reverse replication: the new primary wrote on, and so had the old one; that is kept, and undone before the other direction begins.
pub async fn a_source_becomes_a_target_and_only_differences_come_back(world: &dyn World) {
    fill(world).await;
    let set = world.set();
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let first = run(source.as_ref(), &target, &set, None).await;
    let common = Some((first.point, &first.manifest));
    world.write(Side::Source, "lost", "written after the point").await;
    world.remove(Side::Source, "a").await;
    target.make_live(&set, first.point, &first.manifest).await.expect("made");
    let root = first.manifest.entries.values().find(|entry| entry.path.is_root());
    target.unfence(&set, root).await.expect("unfenced");

    let source = world.open(Side::Source);
    source.fence(&set).await.expect("fenced");
    let drift = source.drift(&set, common).await.expect("compared");
    assert!(!drift.is_empty(), "what was written after the point is told");
    let kept = point();
    source.capture(&set, kept).await.expect("kept");
    let written = source.changes(&set, kept, Some(first.point)).await.expect("told");
    assert!(!written.changes.is_empty());
    for _ in 0..2 {
        source.rebase(&set, first.point, &first.manifest).await.expect("back at the point");
        source.fence(&set).await.expect("fenced again");
    }
    let drift = source.drift(&set, common).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");
    assert!(world.write_as_application(Side::Source, "stray", "x").await.is_err(), "a target takes no writes");

    world.write(Side::Target, "b", "changed at the new primary").await;
    world.write(Side::Target, "n", "new").await;
    let back = run(target.as_ref(), &source, &set, common).await;
    same(world).await;
    assert!(!back.copied.is_empty() && back.copied.len() < first.copied.len(), "first {:?}, back {:?}", first.copied, back.copied);
    let held = source.snapshots().await.expect("listed");
    assert!(held.iter().any(|snapshot| snapshot.point == kept), "what was kept is still there: {held:?}");
    source.changes(&set, kept, Some(first.point)).await.expect("and can be told");
    let (out, live) =
        (tempfile::tempdir().expect("a folder"), source.drift(&set, Some((back.point, &back.manifest))).await.expect("compared"));
    match (source.copies_out(), source.copy_out(&set, kept, &out.path().join("kept")).await) {
        (true, copied) => copied.expect("copied out for its owner"),
        (false, copied) => {
            assert!(copied.is_err() && std::fs::read_dir(out.path()).expect("listed").count() == 0, "refused, and nothing made")
        }
    }
    assert_eq!(source.drift(&set, Some((back.point, &back.manifest))).await.expect("compared"), live, "nothing live changed");
}

/// A planned switchover there and back. Nothing was written at the fenced side, so nothing has to be put back there.
pub async fn a_service_goes_there_and_back_and_each_next_run_seals(world: &dyn World) {
    fill(world).await;
    let set = world.set();
    let (mut primary, mut secondary) = (Side::Source, Side::Target);
    let mut sealed = run(world.open(primary).as_ref(), &world.open(secondary), &set, None).await;
    for item in ["there", "back"] {
        let (old, new) = (world.open(primary), world.open(secondary));
        old.fence(&set).await.expect("fenced");
        new.make_live(&set, sealed.point, &sealed.manifest).await.expect("made");
        let root = sealed.manifest.entries.values().find(|entry| entry.path.is_root());
        new.unfence(&set, root).await.expect("open to applications");
        old.rebase(&set, sealed.point, &sealed.manifest).await.expect("a target from now on");
        old.fence(&set).await.expect("fenced again");
        let drift = old.drift(&set, Some((sealed.point, &sealed.manifest))).await.expect("compared");
        assert!(drift.is_empty(), "{drift:?}");
        (primary, secondary) = (secondary, primary);
        world.write(primary, item, "written at the new primary").await;
        sealed = run(new.as_ref(), &old, &set, Some((sealed.point, &sealed.manifest))).await;
        same(world).await;
    }
}

pub async fn a_promotion_is_taken_back_while_nothing_was_written(world: &dyn World) {
    fill(world).await;
    let set = world.set();
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let first = run(source.as_ref(), &target, &set, None).await;
    let common = Some((first.point, &first.manifest));
    let root = first.manifest.entries.values().find(|entry| entry.path.is_root());
    world.write(Side::Source, "newest", "only the old primary has it").await;
    target.make_live(&set, first.point, &first.manifest).await.expect("made");
    target.unfence(&set, root).await.expect("open to applications");
    source.fence(&set).await.expect("the old primary came back and gave way");

    target.fence(&set).await.expect("fenced");
    let drift = target.drift(&set, common).await.expect("compared");
    assert!(drift.is_empty(), "nothing was written: {drift:?}");
    source.unfence(&set, None).await.expect("it goes on from what it holds");
    world.write_as_application(Side::Source, "after", "and takes writes").await.expect("open");
    let second = run(source.as_ref(), &target, &set, common).await;
    same(world).await;
    assert!(second.copied.len() < first.copied.len(), "first {:?}, second {:?}", first.copied, second.copied);

    let root = second.manifest.entries.values().find(|entry| entry.path.is_root());
    target.make_live(&set, second.point, &second.manifest).await.expect("promoted once more");
    target.unfence(&set, root).await.expect("open to applications");
    world.write_as_application(Side::Target, "order", "acknowledged here").await.expect("open");
    target.fence(&set).await.expect("fenced");
    let drift = target.drift(&set, Some((second.point, &second.manifest))).await.expect("compared");
    assert!(!drift.is_empty(), "what was written is told");
}

/// The new primary wrote, was lost, and the old one went on from what it holds: now the new one stands by, from its own sealed point.
pub async fn a_cluster_lost_after_its_promotion_goes_back_to_its_own_point(world: &dyn World) {
    fill(world).await;
    let set = world.set();
    let (source, target) = (world.open(Side::Source), world.open(Side::Target));
    let first = run(source.as_ref(), &target, &set, None).await;
    let common = Some((first.point, &first.manifest));
    world.write(Side::Source, "newest", "only the old primary has it").await;
    let root = first.manifest.entries.values().find(|entry| entry.path.is_root());
    target.make_live(&set, first.point, &first.manifest).await.expect("made");
    target.unfence(&set, root).await.expect("open to applications");
    world.write_as_application(Side::Target, "alone", "only the new primary has it").await.expect("open");

    let target = world.open(Side::Target);
    target.fence(&set).await.expect("it came back and gave way");
    assert!(!target.drift(&set, common).await.expect("compared").is_empty(), "what was written since is told");
    let kept = point();
    target.capture(&set, kept).await.expect("kept");
    assert!(!target.changes(&set, kept, Some(first.point)).await.expect("told").changes.is_empty());
    for _ in 0..2 {
        target.restore(&set, first.point, &first.manifest).await.expect("back at its own point");
        target.fence(&set).await.expect("fenced again");
    }
    let drift = target.drift(&set, common).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");
    assert!(world.write_as_application(Side::Target, "stray", "x").await.is_err(), "a target takes no writes");

    world.write(Side::Source, "b", "changed since").await;
    let second = run(source.as_ref(), &target, &set, common).await;
    same(world).await;
    assert!(second.copied.len() < first.copied.len(), "first {:?}, second {:?}", first.copied, second.copied);
    let held = target.snapshots().await.expect("listed");
    assert!(held.iter().any(|snapshot| snapshot.point == kept), "what was kept is still there: {held:?}");
}
