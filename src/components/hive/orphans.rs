//! Trees of dropped tables at a secondary: each goes with the last point that has it.
//!
//! ```text
//! a sealed point is released → its trees, less those of every other point here, less what the metastore names
//!                            → ours by mark and fence, and without a snapshot? → removed
//! ```
//! Only what a later point of the same data set has left behind goes: with the last point of all, as when a pair ends, the live data
//! stays. The decision is made before the point is forgotten, so that a release that is repeated makes it again.

use std::collections::BTreeSet;

use super::Hive;
use super::dump::Depth;
use super::names::SetName;
use crate::components::hdfs::meet;
use crate::domain::{PointId, Trouble, TroubleKind};

/// The trees of a point that nothing else needs, if a later point is there that has left them behind.
fn left_behind(own: &BTreeSet<String>, later: &[BTreeSet<String>], others: &[BTreeSet<String>]) -> BTreeSet<String> {
    if later.is_empty() {
        return BTreeSet::new();
    }
    let needed: Vec<&String> = later.iter().chain(others).flatten().collect();
    own.iter().filter(|place| needed.iter().all(|other| !meet(place, other))).cloned().collect()
}

impl Hive {
    /// Where the trees of a point are here: as they were sealed, and as they were captured.
    async fn places_at(&self, set: &SetName, point: PointId) -> Result<BTreeSet<String>, Trouble> {
        let origin = self.origin_of(set, point).await?;
        let mut places: BTreeSet<String> = BTreeSet::new();
        if let Ok(rewrite) = self.rewrite(set, &origin) {
            places.extend(origin.trees.iter().map(|tree| rewrite.path(&tree.path)));
        }
        if !self.depot.is_sealed(&set.to_string(), point) {
            places.extend(origin.trees.into_iter().map(|tree| tree.path));
        }
        Ok(places)
    }

    /// Where any sealed point has its data here: which of them is live nobody knows when one is brought back. A damaged one keeps none from that.
    pub(super) async fn ever_sealed(&self, set: &SetName) -> Result<BTreeSet<String>, Trouble> {
        let (name, mut places) = (set.to_string(), BTreeSet::new());
        for one in self.depot.snapshots()?.into_iter().filter(|one| one.path == name && self.depot.is_sealed(&name, one.point)) {
            match self.places_at(set, one.point).await {
                Ok(more) => places.extend(more),
                Err(trouble) => tracing::warn!(%set, point = %one.point, %trouble, "its trees are not looked at"),
            }
        }
        Ok(places)
    }

    /// What a release of this point leaves without a use.
    pub(super) async fn orphans(&self, set: &SetName, point: PointId) -> Result<BTreeSet<String>, Trouble> {
        match self.weigh(set, point).await {
            // A damaged point has to go as well, and nothing is known of its trees.
            Err(trouble) if matches!(trouble.kind, TroubleKind::Corrupt | TroubleKind::Refused | TroubleKind::NotFound) => {
                tracing::warn!(%set, %point, %trouble, "its trees are not looked at");
                Ok(BTreeSet::new())
            }
            weighed => weighed,
        }
    }

    async fn weigh(&self, set: &SetName, point: PointId) -> Result<BTreeSet<String>, Trouble> {
        let name = set.to_string();
        if !self.depot.is_sealed(&name, point) {
            return Ok(BTreeSet::new());
        }
        let own = self.places_at(set, point).await?;
        let all = self.depot.snapshots()?;
        let is_later = |of: &str, id: PointId| of == name && id > point && self.depot.is_sealed(&name, id);
        // The newest first: nearly always it has all of them, and no other need be read.
        let Some(newest) = all.iter().filter(|one| is_later(&one.path, one.point)).map(|one| one.point).max() else {
            return Ok(BTreeSet::new());
        };
        let later = [self.places_at(set, newest).await?];
        let candidates = left_behind(&own, &later, &[]);
        if candidates.is_empty() {
            return Ok(candidates);
        }
        let mut others = Vec::new();
        for one in all.iter().filter(|one| (one.path.as_str(), one.point) != (name.as_str(), point)) {
            others.push(self.places_at(&self.set(&one.path)?, one.point).await?);
        }
        Ok(left_behind(&candidates, &later, &others))
    }

    /// Removes them where they are ours, closed, without a snapshot, and the metastore names none of them.
    pub(super) async fn drop_orphans(&self, set: &SetName, orphans: BTreeSet<String>) -> Result<(), Trouble> {
        if orphans.is_empty() {
            return Ok(());
        }
        let live = self.metastore.dump(&self.object(set), set, Depth::Places).await?;
        let named = self.live_places(set, &live)?;
        for place in orphans.iter().filter(|place| named.iter().all(|live| !meet(place, live))) {
            let removed = self.hdfs.remove_closed(place).await?;
            tracing::info!(%set, place, removed, "a tree that no recovery point has any more");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::is_inside;
    use super::*;
    use proptest::prelude::*;

    fn places(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(|place| (*place).to_owned()).collect()
    }

    #[test]
    fn only_what_a_later_point_has_left_behind_and_no_other_needs_goes() {
        let own = places(&["/w/s.db", "/ext/gone", "/ext/kept", "/ext/moved"]);
        let later = [places(&["/w/s.db", "/ext/kept"])];
        assert_eq!(left_behind(&own, &later, &[]), places(&["/ext/gone", "/ext/moved"]));
        assert_eq!(left_behind(&own, &later, &[places(&["/ext/moved/inside"])]), places(&["/ext/gone"]));
        assert_eq!(left_behind(&own, &later, &[places(&["/ext"])]), places(&[]));
        assert_eq!(left_behind(&own, &[], &[]), places(&[]), "the last point leaves the live data");
    }

    fn some() -> impl Strategy<Value = BTreeSet<String>> {
        let place = proptest::collection::vec(0..3u8, 1..4).prop_map(|names| names.iter().map(|name| format!("/{name}")).collect());
        proptest::collection::btree_set(place, 0..5)
    }

    proptest! {
        #[test]
        fn nothing_that_a_kept_point_reads_from_goes(own in some(), later in some(), other in some()) {
            for gone in left_behind(&own, std::slice::from_ref(&later), std::slice::from_ref(&other)) {
                prop_assert!(own.contains(&gone));
                for kept in later.iter().chain(&other) {
                    prop_assert!(!is_inside(kept, &gone) && !is_inside(&gone, kept), "{gone} and {kept}");
                }
            }
        }
    }
}
