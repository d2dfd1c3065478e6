//! What a first point brought that was never sealed, taken away again: metadata with our mark, and the directories that it was to fill.

use super::Hive;
use super::dump::Depth;
use super::model::MARK;
use super::names::SetName;
use crate::domain::{Manifest, PointId, Trouble};

impl Hive {
    /// Metadata first, and without a file of it; then the directories. What has not our mark is left alone.
    pub(super) async fn vacate_point(&self, set: &SetName, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let live = self.metastore.dump(&self.object(set), set, Depth::Places).await?;
        let mut places = match self.wanted(set, manifest).await {
            Ok(wanted) => wanted.trees.into_iter().map(|(_, place)| place).collect(),
            // Its metadata was not brought in: nothing was.
            Err(trouble) => {
                tracing::warn!(%set, %trouble, "what was to be here cannot be read");
                Vec::new()
            }
        };
        if live.marks.contains_key(MARK) {
            places.extend(self.live_places(set, &live)?);
            match &set.table {
                None => self.metastore.drop_databases(&self.object(set), vec![set.database.clone()]).await?,
                Some(table) => self.metastore.drop_table(&self.object(set), &set.database, table).await?,
            }
        }
        places.sort();
        places.dedup();
        let hdfs = self.hdfs_of(set);
        for place in places {
            hdfs.vacate_set(&place, point).await?;
        }
        Ok(())
    }
}
