//! What a policy's check is told of a Hive data set at its source, in one look at the metastore: whether it can be captured, what its owner
//! should know, and where its files are.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Hive;
use super::dump::{Depth, whole};
use super::names::SetName;
use super::notes::{HiveNote, HiveRefusal};
use super::places::{Tree, database_path};
use super::thrift::{Session, SessionError};
use super::told::{Scene, policy_notes};
use crate::domain::admission::Said;
use crate::domain::{Note, Trouble};

/// Trees whose directories are looked at.
const TREES_LOOKED_AT: usize = 1_000;
/// Directories that are listed for it in all of them, and in each.
const LISTED: usize = 25_000;
const LISTED_EACH: usize = 500;
/// Trees that are looked at together.
const AT_ONCE: usize = 8;

/// Of so many trees: how many are looked at, and how many directories of each are listed.
fn looks(trees: usize) -> (usize, usize) {
    let looked_at = trees.min(TREES_LOOKED_AT);
    (looked_at, (LISTED / looked_at.max(1)).min(LISTED_EACH))
}

/// Whether a metastore keeps a log of changes, without which no capture is of one moment.
pub fn has_event_log(session: &mut Session) -> Result<bool, SessionError> {
    let names = ["metastore.transactional.event.listeners", "metastore.event.listeners"];
    let listeners = names.map(|name| session.setting(name)).into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    Ok(listeners.contains("DbNotificationListener"))
}

impl Hive {
    pub(super) async fn survey_set(&self, set: &SetName) -> Result<Said, Trouble> {
        let (object, owned) = (self.object(set), set.clone());
        let (logged, live) =
            self.metastore.run(&object, move |session| Ok((has_event_log(session)?, whole(session, &owned, Depth::Policy)?))).await?;
        let trees = self.capturable(set, &live)?;
        if !logged {
            return Err(HiveRefusal::NoEventLog.trouble(object));
        }
        let roots = self.roots_of(set, &trees, database_path(&live, &self.fs).as_deref(), true).await?;
        let scene = Scene { set, fs: &self.fs, trees: &trees, roots: &roots };
        let mut notes: Vec<Note> = policy_notes(&live, &scene).iter().map(|note| note.told(&object)).collect();
        notes.extend(self.notes_of_trees(set, &trees).await?);
        let places = self.live_places(set, &live)?.iter().map(|path| self.hdfs.place(path)).collect();
        Ok(Said { notes, places, ..Said::default() })
    }

    /// What HDFS itself keeps of the trees and what is not carried of it.
    pub(super) async fn notes_of_trees(&self, set: &SetName, trees: &[Tree]) -> Result<Vec<Note>, Trouble> {
        let mut notes = self.hdfs.cluster_notes().await;
        let (looked_at, most) = looks(trees.len());
        let found: Vec<_> = trees.iter().take(looked_at).map(|tree| self.hdfs.tree_notes(&tree.path, most)).collect();
        let found: Vec<Vec<Note>> = stream::iter(found).buffered(AT_ONCE).try_collect().await?;
        notes.extend(found.into_iter().flatten());
        if looked_at < trees.len() {
            notes.push(HiveNote::TreesPartlyLookedAt { looked_at, trees: trees.len() }.told(&self.object(set)));
        }
        Ok(notes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_tree_is_looked_at_up_to_a_thousand_and_the_work_is_bounded(trees in 0_usize..5_000) {
            let (looked_at, most) = looks(trees);
            prop_assert!(looked_at == trees || (looked_at == TREES_LOOKED_AT && looked_at < trees));
            prop_assert!(looked_at * most <= LISTED && (most > 0) && (trees > 50 || most == LISTED_EACH));
        }
    }
}
