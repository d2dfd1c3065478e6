//! What every component promises of a restore beside the live data.

use understudy::components::restores::{Clearing, Restoring};
use understudy::domain::restore::RestoreProof;
use understudy::domain::{RestoreId, Trouble};

use super::contract::{Side, World, change, fill};
use super::ferry::{Journal, Staged, run};

fn fresh() -> RestoreId {
    RestoreId(uuid::Uuid::now_v7())
}

struct Asked<'a> {
    world: &'a dyn World,
    side: Side,
    point: &'a Staged,
    restore: RestoreId,
    place: String,
}

impl Asked<'_> {
    /// With a component that was opened afresh, as after a crash.
    async fn bring(&self, journal: &Journal) -> Result<RestoreProof, Trouble> {
        let (component, set) = (self.world.open(self.side), self.world.set());
        let restores = component.restores().expect("it can restore");
        let place = restores.place(&set, None, &self.place).expect("a place");
        let (point, manifest) = (self.point.point, &self.point.manifest);
        restores.bring(Restoring { restore: self.restore, set: &set, only: None, point, manifest, place: &place, journal }).await
    }

    async fn clear(&self, phases: u32) {
        let component = self.world.open(self.side);
        let restores = component.restores().expect("it can restore");
        let set = self.world.set();
        let place = restores.place(&set, None, &self.place).expect("a place");
        let (restore, point) = (self.restore, self.point.point);
        restores.clear(Clearing { restore, set: &set, point, place: &place, phases }).await.expect("cleared");
    }

    async fn free(&self) -> Result<(), Trouble> {
        let component = self.world.open(self.side);
        let restores = component.restores().expect("it can restore");
        restores.free(&restores.place(&self.world.set(), None, &self.place).expect("a place")).await
    }
}

pub async fn a_sealed_data_set_is_restored_beside_the_live_one_equal_and_open(world: &dyn World) {
    fill(world).await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    let first = run(source.as_ref(), &target, &set, None).await;
    let then = world.live(Side::Source).await;
    change(world).await;
    let second = run(source.as_ref(), &target, &set, Some((first.point, &first.manifest))).await;
    let now = world.live(Side::Target).await;
    let asked = Asked { world, side: Side::Target, point: &first, restore: fresh(), place: world.place(Side::Target, "then") };
    asked.free().await.expect("nothing is there");
    let proof = asked.bring(&Journal::sound()).await.expect("restored");
    assert_eq!((proof.files, proof.digest), (first.manifest.files(), first.manifest.digest()));
    assert_eq!(world.restored(Side::Target, &asked.place).await, then, "an older point, as it was");
    world.write_restored(Side::Target, &asked.place, "a", "scribbled").await;
    let scribbled = world.restored(Side::Target, &asked.place).await;
    assert_ne!(scribbled, then, "its owner may write to it");
    assert_eq!(world.live(Side::Target).await, now, "the live data set does not notice");
    assert!(target.fenced(&set).await.expect("looked").0);
    let drift = target.drift(&set, Some((second.point, &second.manifest))).await.expect("compared");
    assert!(drift.is_empty(), "{drift:?}");

    // What is there is refused and not touched, and no removal of what is half-made reaches what is whole.
    let other = Asked { restore: fresh(), place: asked.place.clone(), ..asked };
    assert_eq!(other.free().await.expect_err("it exists").code(), "place-exists");
    assert_eq!(other.bring(&Journal::sound()).await.expect_err("it exists").code(), "place-exists");
    other.clear(0).await;
    assert_eq!(world.restored(Side::Target, &asked.place).await, scribbled);
    // It needs its point no more.
    target.release(&set, first.point).await.expect("released");
    assert_eq!(world.restored(Side::Target, &asked.place).await, scribbled);

    // The source holds its own capture of the point.
    let there = Asked { side: Side::Source, point: &second, restore: fresh(), place: world.place(Side::Source, "there"), ..asked };
    let live = world.live(Side::Source).await;
    there.bring(&Journal::sound()).await.expect("restored");
    assert_eq!([world.restored(Side::Source, &there.place).await, world.live(Side::Source).await], [live.clone(), live]);
}

pub async fn a_restore_that_is_broken_off_goes_on_or_leaves_nothing(world: &dyn World) {
    fill(world).await;
    let (source, target, set) = (world.open(Side::Source), world.open(Side::Target), world.set());
    let point = run(source.as_ref(), &target, &set, None).await;
    let then = world.live(Side::Source).await;
    for (name, forgets) in [("one", true), ("two", false)] {
        let before = (world.kept(Side::Target).await, world.outside(Side::Target).await.into_keys().collect::<Vec<_>>());
        let asked = Asked { world, side: Side::Target, point: &point, restore: fresh(), place: world.place(Side::Target, name) };
        let journal = Journal::breaking(1, forgets);
        asked.bring(&journal).await.expect_err("the power is gone");
        asked.free().await.expect("nothing half-made is in the place");
        asked.clear(journal.restarted().phases()).await;
        let after = (world.kept(Side::Target).await, world.outside(Side::Target).await.into_keys().collect::<Vec<_>>());
        assert_eq!(after, before, "what was half-made is gone");

        let asked = Asked { restore: fresh(), ..asked };
        let journal = Journal::breaking(1, forgets);
        asked.bring(&journal).await.expect_err("the power is gone");
        let journal = journal.restarted();
        asked.bring(&journal).await.expect("it goes on");
        assert_eq!(world.restored(Side::Target, &asked.place).await, then);
        // Once more: the agent died before it had noted the end.
        asked.bring(&journal).await.expect("it is there already");
        assert_eq!(world.restored(Side::Target, &asked.place).await, then);
    }
}
