//! Where a data set's files are, so that no other component's data set has the same ones; and what a DROP would leave at the secondary.

use async_trait::async_trait;

use super::Hive;
use super::dump::Depth;
use crate::components::admission::{Admission, Occasion};
use crate::domain::admission::Obstacle;
use crate::domain::{Trouble, TroubleKind};

#[async_trait]
impl Admission for Hive {
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble> {
        let set = self.set(set)?;
        let live = self.metastore.dump(&self.object(&set), &set, Depth::Places).await?;
        Ok(self.live_places(&set, &live)?.iter().map(|path| self.hdfs.place(path)).collect())
    }

    /// Notes only: what refuses is met where the point says its places, before anything is committed.
    async fn obstacles(&self, set: &str, occasion: Occasion<'_>) -> Result<Vec<Obstacle>, Trouble> {
        // When the plan is there it was said a moment ago.
        if matches!(occasion, Occasion::Plan { .. }) {
            return Ok(Vec::new());
        }
        let set = self.set(set)?;
        let told = self.drops_here(&set).await?;
        let trouble = |note: &_| note_trouble(note, &self.object(&set));
        Ok(told.iter().map(|note| Obstacle { refuses: false, trouble: trouble(note) }).collect())
    }
}

fn note_trouble(note: &super::HiveNote, object: &str) -> Trouble {
    Trouble::new(TroubleKind::Refused, object, note.words()).next(note.next_step()).coded(note)
}
