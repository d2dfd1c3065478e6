//! What a policy's check is told of a Hive data set at its source, in one look at the metastore: whether it can be captured, what its owner
//! should know, and where its files are.

use super::Hive;
use super::dump::{Depth, whole};
use super::names::SetName;
use super::notes::HiveRefusal;
use super::places::{Tree, database_path};
use super::thrift::{Session, SessionError};
use super::told::{Scene, policy_notes};
use crate::domain::admission::Said;
use crate::domain::{Note, Trouble};

/// Trees whose directories are looked at.
const TREES_LOOKED_AT: usize = 50;

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
        notes.extend(self.notes_of_trees(&trees).await?);
        let places = self.live_places(set, &live)?.iter().map(|path| self.hdfs.place(path)).collect();
        Ok(Said { notes, places, ..Said::default() })
    }

    /// What HDFS itself keeps of the trees and what is not carried of it.
    pub(super) async fn notes_of_trees(&self, trees: &[Tree]) -> Result<Vec<Note>, Trouble> {
        let mut notes = self.hdfs.cluster_notes().await;
        for tree in trees.iter().take(TREES_LOOKED_AT) {
            notes.extend(self.hdfs.tree_notes(&tree.path).await?);
        }
        Ok(notes)
    }
}
