//! What every component promises of drills.

use understudy::domain::DrillId;

use super::contract::{Side, World, change, fill, same};
use super::ferry::run;

fn drill() -> DrillId {
    DrillId(uuid::Uuid::now_v7())
}

pub async fn a_drill_has_a_copy_of_its_own_and_leaves_nothing(world: &dyn World) {
    fill(world).await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    let first = run(source.as_ref(), &target, &set, None).await;
    let then = world.live(Side::Source).await;
    change(world).await;
    let second = run(source.as_ref(), &target, &set, Some((first.point, &first.manifest))).await;
    let now = world.live(Side::Target).await;
    let before = [world.kept(Side::Target).await, world.outside(Side::Target).await.into_keys().collect()];
    let (own, other) = (drill(), drill());
    let mut place = target.rehearse(&set, first.point, &first.manifest, own).await.expect("brought up");
    assert_eq!(world.in_drill(&place).await, then, "an older point, as it was");
    world.write_in_drill(&place, "a", "scribbled").await;
    world.write_in_drill(&place, "stray", "x").await;
    assert_eq!(world.live(Side::Target).await, now, "the live data set does not notice");
    assert!(target.fenced(&set).await.expect("looked").0);
    let drift = target.drift(&set, Some((second.point, &second.manifest))).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");
    drop(target);
    // After a crash it begins anew, also over what somebody did there.
    let target = world.open(Side::Target);
    place = target.rehearse(&set, first.point, &first.manifest, own).await.expect("brought up again");
    assert_eq!(world.in_drill(&place).await, then, "the sealed point does not notice either");
    assert!(target.rehearsals().await.expect("listed").iter().any(|(found, _)| *found == own));
    target.clear_rehearsal(other).await.expect("there is none");
    assert_eq!(world.in_drill(&place).await, then, "only its own space goes");
    for _ in 0..2 {
        target.clear_rehearsal(own).await.expect("removed");
    }
    let left = target.rehearsals().await.expect("listed");
    assert!(left.iter().all(|(found, _)| *found != own), "{left:?}");
    assert_eq!([world.kept(Side::Target).await, world.outside(Side::Target).await.into_keys().collect()], before);
    assert_eq!(world.live(Side::Target).await, now);
    target.restore(&set, first.point, &first.manifest).await.expect("the point is whole");
    assert_eq!(world.live(Side::Target).await, then);
}

pub async fn replication_goes_on_beside_a_drill(world: &dyn World) {
    fill(world).await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    let first = run(source.as_ref(), &target, &set, None).await;
    let then = world.live(Side::Source).await;
    let own = drill();
    let place = target.rehearse(&set, first.point, &first.manifest, own).await.expect("brought up");
    change(world).await;
    let second = run(source.as_ref(), &target, &set, Some((first.point, &first.manifest))).await;
    same(world).await;
    assert_eq!(world.in_drill(&place).await, then, "the drill keeps its point");
    // Even when its point goes.
    target.release(&set, first.point).await.expect("released");
    assert_eq!(world.in_drill(&place).await, then);
    target.clear_rehearsal(own).await.expect("removed");
    let drift = target.drift(&set, Some((second.point, &second.manifest))).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");
}
