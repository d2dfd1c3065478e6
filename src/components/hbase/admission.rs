//! Where HBase's files are, so that no other component's data set has the same ones: every table's are below one root.

use async_trait::async_trait;

use super::Hbase;
use crate::components::admission::Admission;
use crate::domain::Trouble;

#[async_trait]
impl Admission for Hbase {
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble> {
        self.table(set)?;
        Ok(vec![self.hdfs.place(&self.root)])
    }
}
