//! Where a data set's files are, so that no other component's data set has the same ones.

use async_trait::async_trait;

use super::Hive;
use super::dump::Depth;
use crate::components::admission::Admission;
use crate::domain::Trouble;

#[async_trait]
impl Admission for Hive {
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble> {
        let set = self.set(set)?;
        let live = self.metastore.dump(&self.object(&set), &set, Depth::Places).await?;
        Ok(self.live_places(&set, &live)?.iter().map(|path| self.hdfs.place(path)).collect())
    }
}
