//! From staging into HBase. The HFile cleaner is the adversary: it deletes every file in the archive that no snapshot refers to,
//! removes directories that it finds empty, and a master that starts wipes `.hbase-snapshot/.tmp`.
//!
//! ```text
//! namespace → snapshot shown as complete (one rename: from now on the cleaner keeps its files) → HFiles moved in → every reference checked
//! ```
//! No live table is made: the secondary holds snapshots, and a promotion makes the table (see `restore`). A live table that a
//! promotion which was given up left behind, fenced, is brought along. HFiles that the new point does not need stay as long
//! as an older point's snapshot refers to them, and then HBase cleans them away itself.

use prost::Message;

use super::manifest::{data_of, hfile_at, hfiles, is_disabled};
use super::names::Table;
use super::store::OF_A_DISABLED_TABLE;
use super::{Hbase, coprocessors};
use crate::components::hdfs::changes::same_bytes;
use crate::components::hdfs::data::{staged, staging};
use crate::components::hdfs::error::HdfsError;
use crate::components::hdfs::listing::AT_ONCE;
use crate::components::hdfs::status::status_if_there;
use crate::components::hdfs::webhdfs::Operation;
use crate::components::pool::Pool;
use crate::components::{PhaseJournal, Slot};
use crate::domain::backup::plan::ApplyPlan;
use crate::domain::{Entry, Manifest, PointId, Trouble, TroubleKind};

/// Tries of one rename whose directory the cleaner takes away.
const TRIES: usize = 20;

impl Hbase {
    pub(super) async fn apply_plan(
        &self,
        set: &str,
        point: PointId,
        plan: &ApplyPlan,
        manifest: &Manifest,
        journal: &dyn PhaseJournal,
    ) -> Result<(), Trouble> {
        let table = self.table(set)?;
        self.check_names(set, &table, manifest)?;
        coprocessors::check(manifest, &self.allowed, &self.object(set))?;
        let done = journal.done()?;
        if done < 1 {
            self.client.make_namespace(&table.namespace).await.map_err(|error| error.about(self.object(set)))?;
            self.show(set, &table, point, manifest).await?;
            journal.advance(1)?;
        }
        if done < 2 {
            self.place_all(set, point, &plan.place).await?;
            journal.advance(2)?;
        }
        if done < 3 {
            self.check_complete(set, manifest).await?;
            journal.advance(3)?;
        }
        if done < 4 {
            self.bring_along(set, &table, point, manifest).await?;
            journal.advance(4)?;
        }
        Ok(())
    }

    /// A snapshot can only be restored under its own table's name.
    pub(super) fn check_names(&self, set: &str, table: &Table, manifest: &Manifest) -> Result<(), Trouble> {
        let schema = super::manifest::schema_of(manifest).map_err(|reason| self.corrupt(set, &reason))?;
        match schema.table_name.as_ref().and_then(Table::of_wire) {
            Some(own) if own == *table => Ok(()),
            own => {
                let own = own.map(|own| own.set()).unwrap_or_default();
                Err(Trouble::new(TroubleKind::Refused, self.object(set), format!("it is table {own} at the primary; HBase keeps names"))
                    .next("name the same table at both clusters"))
            }
        }
    }

    /// Makes the snapshot appear, complete, in one rename; well when it is there.
    pub(super) async fn show(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        if self.is_shown(set, point, manifest).await? {
            return Ok(());
        }
        let owner = self.owner().await?;
        let shown = self.snapshot_directory(set, point);
        let built = format!("{}/snapshot", staging(set, point));
        let data = data_of(manifest).map_err(|reason| self.corrupt(set, &reason))?;
        let mut description = self.description(set, table, point);
        description.creation_time = Some(millis_of(point));
        description.owner = Some(self.user.clone());
        if is_disabled(manifest) {
            description.kind = Some(OF_A_DISABLED_TABLE);
        }
        let files = [(".snapshotinfo", description.encode_to_vec()), ("data.manifest", data.encode_to_vec())];
        for (name, bytes) in files {
            let path = format!("{built}/{name}");
            self.hdfs.write_bytes(&path, bytes).await?;
            self.hand_over(&path, "644", &owner).await.map_err(about)?;
        }
        self.hand_over(&built, "755", &owner).await.map_err(about)?;
        self.make_directory(".hbase-snapshot", &owner).await.map_err(about)?;
        // What is there and says something else is a half of a broken attempt: the rename below is what makes it count.
        self.hdfs.web.boolean(Operation::delete("DELETE", &shown).with("recursive", "true")).await.map_err(about)?;
        self.hdfs.rename(&built, &shown, false).await.map_err(about)
    }

    /// Whether the point's snapshot is here and says exactly what the manifest says.
    pub(super) async fn is_shown(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<bool, Trouble> {
        let shown = self.snapshot_directory(set, point);
        let data = data_of(manifest).map_err(|reason| self.corrupt(set, &reason))?.encode_to_vec();
        let about = |error: HdfsError| error.about(self.object(set));
        let described = status_if_there(&self.hdfs.web, &format!("{shown}/.snapshotinfo")).await.map_err(about)?;
        let found = self.read_whole(&format!("{shown}/data.manifest"), data.len() as u64).await;
        Ok(described.is_some() && found.is_ok_and(|found| found.as_deref() == Some(&data)))
    }

    async fn place_all(&self, set: &str, point: PointId, files: &[(u32, Entry)]) -> Result<(), Trouble> {
        let owner = self.owner().await?;
        let mut pool = Pool::new(AT_ONCE);
        for (file, entry) in files {
            pool.add(self.place_one(set, point, *file, entry, &owner)).await?;
        }
        pool.finish().await
    }

    async fn place_one(&self, set: &str, point: PointId, file: u32, entry: &Entry, owner: &(String, String)) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(set));
        let hfile = hfile_at(&entry.path).ok_or_else(|| self.corrupt(set, &format!("{} is no HFile's path", entry.path)))?;
        let directory = format!("archive/data/{}", hfile.directory);
        let to = self.below(&format!("archive/data/{}", hfile.path()));
        let from = staged(set, point, Slot { file, piece: 0 });
        for _ in 0..TRIES {
            match self.hdfs.join_pieces(set, point, file, entry).await {
                Ok(()) => {}
                // Only a rename takes a staged file away: it was placed before a crash.
                Err(error) if error.is_missing() => return self.is_placed(set, entry).await,
                Err(error) => return Err(about(error)),
            }
            let there = status_if_there(&self.hdfs.web, &to).await.map_err(about)?;
            if there.is_some_and(|status| status.length == entry.bytes()) && same_bytes(&self.hdfs.web, &from, &to).await.map_err(about)? {
                return Ok(());
            }
            self.hand_over(&from, "644", owner).await.map_err(about)?;
            self.make_directory(&directory, owner).await.map_err(about)?;
            match self.hdfs.rename(&from, &to, true).await {
                // The cleaner found the directory empty a moment ago.
                Err(error) if error.is_missing() => {}
                renamed => return renamed.map_err(about),
            }
        }
        Err(Trouble::new(TroubleKind::Failed, self.object(set), format!("HBase's cleaner took {directory} away {TRIES} times"))
            .next("give hbase.master.cleaner.interval a longer time"))
    }

    async fn is_placed(&self, set: &str, entry: &Entry) -> Result<(), Trouble> {
        let hfile = hfile_at(&entry.path).ok_or_else(|| self.corrupt(set, "a path is no HFile's"))?;
        match self.find(&hfile).await.map_err(|error| error.about(self.object(set)))? {
            Some((_, length)) if length == entry.bytes() => Ok(()),
            _ => Err(self.corrupt(set, &format!("the staged content of {} is gone and it is not in place", hfile.path()))),
        }
    }

    /// Every HFile that the point refers to is here in its full length.
    pub(super) async fn check_complete(&self, set: &str, manifest: &Manifest) -> Result<(), Trouble> {
        let missing = self.missing(&hfiles(manifest)).await.map_err(|error| error.about(self.object(set)))?;
        match missing.values().next() {
            None => Ok(()),
            Some(first) => Err(self
                .corrupt(set, &format!("{} of its HFiles are missing here: {first}", missing.len()))
                .next("run a full copy of the service")),
        }
    }

    pub(super) fn corrupt(&self, set: &str, reason: &str) -> Trouble {
        Trouble::new(TroubleKind::Corrupt, self.object(set), reason)
    }
}

/// When a point's id was drawn, in milliseconds since 1970.
fn millis_of(point: PointId) -> i64 {
    let (secs, nanos) = point.0.get_timestamp().map_or((0, 0), |drawn| drawn.to_unix());
    i64::try_from(secs * 1000 + u64::from(nanos) / 1_000_000).unwrap_or(0)
}
