//! Where HBase's files are, and what of its HDFS stands in the way of a point: quotas at every level of the archive and of the snapshots,
//! encryption zones, policies, room. HBase minds snapshots and fences itself.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Hbase;
use super::manifest::hfile_at;
use super::names::{Table, snapshot_name};
use crate::components::admission::{Admission, Occasion};
use crate::components::hdfs::{Kept, Need, Place};
use crate::domain::admission::Said;
use crate::domain::{Change, ChangeSet, PointId, RelPath, Trouble};

/// A snapshot is a directory with two files.
const SNAPSHOT_NAMES: u64 = 3;

/// What a plan brings into the archive: HFiles, and at most every directory that they are in. The last of them is the fullest.
fn in_archive(changes: &ChangeSet) -> Need {
    let (mut need, mut directories) = (Need::default(), BTreeSet::new());
    for change in &changes.changes {
        let Change::Put(entry) = change else { continue };
        let Some(file) = hfile_at(&entry.path) else { continue };
        (need.names, need.pieces) = (need.names + 1, need.pieces + u64::from(crate::domain::piece_count(entry.bytes())));
        *need.bytes.entry(None).or_default() += entry.bytes();
        let parts: Vec<&str> = file.directory.split('/').collect();
        directories.extend((1..=parts.len()).map(|count| parts[..count].join("/")));
    }
    need.names += directories.len() as u64;
    need
}

impl Hbase {
    /// The directories that a point of a table is brought into.
    fn places_of(&self, set: &str, table: &Table, plan: Option<(PointId, &ChangeSet)>) -> Vec<Place> {
        let archive = self.below(&format!("archive/data/{}", table.directory()));
        let snapshots = self.below(".hbase-snapshot");
        let brought = plan.map(|(point, changes)| {
            let name = RelPath::new(snapshot_name(set, point)).ok().map(|name| (name.clone(), name.as_str().len() as u64));
            (in_archive(changes), Need { names: SNAPSHOT_NAMES, name, ..Need::default() })
        });
        let (files, snapshot) = brought.unzip();
        vec![Place { path: archive, need: files }, Place { path: snapshots, need: snapshot }]
    }

    /// Refuses when a quota leaves too little room for what is staged, where it goes.
    pub(super) async fn check_room(&self, set: &str, table: &Table, point: PointId) -> Result<(), Trouble> {
        let places = self.places_of(set, table, None);
        self.hdfs.check_quotas_at(set, &places[0].path, point).await
    }
}

#[async_trait]
impl Admission for Hbase {
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble> {
        self.table(set)?;
        Ok(vec![self.hdfs.place(&self.root)])
    }

    async fn obstacles(&self, set: &str, occasion: Occasion<'_>) -> Result<Said, Trouble> {
        let plan = if let Occasion::Plan { point, changes, .. } = occasion { Some((point, changes)) } else { None };
        self.hdfs.look_at(set, &self.places_of(set, &self.table(set)?, plan), Kept::Store, occasion.time()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Entry, Metadata, Node};

    #[test]
    fn a_plan_asks_for_its_hfiles_and_their_directories() {
        let put = |path: &str, bytes: Option<u64>| {
            let node = bytes.map_or(Node::Directory, |bytes| Node::File { bytes, digest: None });
            Change::Put(Entry { path: RelPath::new(path).expect("a path"), node, meta: Metadata::default() })
        };
        let changes = vec![
            put("regions/r", None),
            put("archive/data/shop/orders/r/f", None),
            put("archive/data/shop/orders/r/f/aa", Some(70 << 20)),
            put("archive/data/shop/orders/r/f/bb", Some(5)),
        ];
        let need = in_archive(&ChangeSet { changes });
        assert_eq!((need.names, need.pieces, need.space(2)), (6, 3, 2 * ((70 << 20) + 5)), "two files, four directories");
    }
}
