//! A drill's space on HDFS: `/understudy/drills/DRILL/COMPONENT/PATH`, copied out of the sealed snapshot, every file held against its
//! digest on the way. An ordinary tree: it is not fenced, takes no snapshots and shares no block with the data set. Trees that another
//! component keeps here come into a space of that component's.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use hdfs_native::WriteOptions;

use super::error::HdfsError;
use super::listing::{AT_ONCE, full, list};
use super::webhdfs::Operation;
use super::{Cut, HOME, Hdfs};
use crate::components::ByteStream;
use crate::components::objects::Digester;
use crate::components::pool::Pool;
use crate::domain::{DrillId, Entry, Manifest, Node, PointId, Trouble, TroubleKind};

/// Files copied at once.
const COPIED_AT_ONCE: usize = 32;

/// Where the drills are.
fn drills() -> String {
    format!("{HOME}/drills")
}

impl Hdfs {
    /// Where a drill has what is of this component.
    pub(in crate::components) fn space(&self, drill: DrillId) -> String {
        format!("{}/{drill}/{}", drills(), self.name)
    }

    pub(super) async fn rehearse_set(&self, set: &str, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        let cut = self.sealed_cut(set, point).await?;
        let place = format!("{}{set}", self.space(drill));
        self.copy_out(&cut.path, &place, manifest).await?;
        Ok(format!("{}{place}", self.fs.trim_end_matches('/')))
    }

    /// A tree as it was at a point, in a drill's space.
    pub(in crate::components) async fn copy_cut(&self, cut: &Cut, place: &str, manifest: &Manifest) -> Result<(), Trouble> {
        self.copy_out(&cut.path, place, manifest).await
    }

    /// Copies what a snapshot holds of a manifest; what is in the place already goes.
    pub(super) async fn copy_out(&self, from: &str, place: &str, manifest: &Manifest) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(place));
        self.check_privileges(place, manifest.entries.values())?;
        self.remove(place).await.map_err(about)?;
        // Parents come before what is in them, and every directory is ours alone until all of it is there.
        for entry in manifest.entries.values().filter(|entry| entry.node == Node::Directory) {
            let make = Operation::put("MKDIRS", &full(place, &entry.path)).with("permission", "700");
            self.web.run(make).await.map_err(about)?;
        }
        let mut pool = Pool::new(COPIED_AT_ONCE);
        for entry in manifest.entries.values().filter(|entry| entry.node != Node::Directory) {
            pool.add(self.rehearse_one(from, place, entry)).await?;
        }
        pool.finish().await?;
        let mut pool = Pool::new(AT_ONCE);
        for entry in manifest.entries.values() {
            pool.add(self.give_metadata(place, entry)).await?;
        }
        pool.finish().await
    }

    async fn rehearse_one(&self, from: &str, place: &str, entry: &Entry) -> Result<(), Trouble> {
        let to = full(place, &entry.path);
        let object = self.object(&to);
        let digest = match &entry.node {
            Node::Link { target } => {
                let make = Operation::put("CREATESYMLINK", &to).with("destination", target).with("createParent", "true");
                return self.web.run(make).await.map_err(|error| error.about(&object));
            }
            Node::File { digest, .. } => *digest,
            Node::Directory => return Ok(()),
        };
        let mut options = WriteOptions::default();
        if let Some(replication) = entry.meta.replication.filter(|count| *count > 0) {
            options = options.replication(u32::from(replication));
        }
        if let Some(block) = entry.meta.block_bytes.filter(|bytes| *bytes > 0) {
            options = options.block_size(block);
        }
        let read = Arc::new(Mutex::new(Digester::default()));
        let reading = read.clone();
        let bytes = self.read_range(object.clone(), &full(from, &entry.path), 0, entry.bytes()).await?;
        let bytes: ByteStream = Box::pin(bytes.inspect(move |portion| {
            if let Ok(portion) = portion {
                reading.lock().unwrap_or_else(PoisonError::into_inner).update(portion);
            }
        }));
        self.write_file(&to, options, bytes).await?;
        let read = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
        if digest.is_some_and(|digest| read.finish() != (digest, entry.bytes())) {
            let reason = "its content in the sealed snapshot is not what was sealed";
            return Err(Trouble::new(TroubleKind::Corrupt, object, reason).next("choose another recovery point"));
        }
        Ok(())
    }

    /// Removes the space of a drill, and the directories above it that are empty then.
    pub(in crate::components) async fn clear_space(&self, drill: DrillId) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(&self.space(drill)));
        self.remove(&self.space(drill)).await.map_err(about)?;
        for above in [format!("{}/{drill}", drills()), drills()] {
            let empty = match list(&self.web, &above).await {
                Ok(left) => left.is_empty(),
                Err(error) if error.is_missing() => false,
                Err(error) => return Err(about(error)),
            };
            if empty {
                // Another component or drill may begin there at this moment: HDFS then refuses, which is as well.
                match self.web.boolean(Operation::delete("DELETE", &above)).await {
                    Err(error) if !error.is_remote() => return Err(about(error)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The drills that have a space of this component.
    pub(in crate::components) async fn spaces(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        let about = |error: HdfsError| error.about(self.object(&drills()));
        let names = |listed: Result<Vec<super::status::FileStatus>, HdfsError>| match listed {
            Ok(found) => Ok(found.into_iter().map(|status| status.path_suffix).collect::<Vec<_>>()),
            Err(error) if error.is_missing() => Ok(Vec::new()),
            Err(error) => Err(about(error)),
        };
        let mut spaces = Vec::new();
        for name in names(list(&self.web, &drills()).await)? {
            let Ok(drill) = name.parse::<DrillId>() else { continue };
            if names(list(&self.web, &format!("{}/{name}", drills())).await)?.iter().any(|own| own == self.name.as_str()) {
                spaces.push((drill, self.space(drill)));
            }
        }
        Ok(spaces)
    }

    pub(in crate::components) async fn remove(&self, path: &str) -> Result<(), HdfsError> {
        self.web.boolean(Operation::delete("DELETE", path).with("recursive", "true").heavy()).await.map(drop)
    }
}
