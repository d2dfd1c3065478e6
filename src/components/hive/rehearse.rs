//! A drill's databases: each data set's metadata in a database of the drill's own, its data copied below `/understudy/drills/ID/COMPONENT`.
//!
//! ```text
//! bring up   what is not there or cannot be a drill's is refused → what an earlier attempt left goes → trees copied → metadata → trees tidied
//! remove     databases, without a file → the directory
//! ```
//! No file is ever removed by way of the metastore: a table that somebody made in the drill may lead anywhere.

use super::Hive;
use super::names::{SetName, drill_of};
use super::space::Space;
use super::target::manifest_in;
use crate::domain::{DrillId, Manifest, PointId, Trouble, TroubleKind};

impl Hive {
    pub(super) async fn rehearse_set(&self, set: &SetName, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        let hdfs = self.hdfs_of(set);
        let wanted = self.wanted(set, manifest).await?;
        let places: Vec<String> = wanted.trees.iter().map(|(_, place)| place.clone()).collect();
        let space = Space::new(drill, set, &self.fs, &hdfs.space(drill), places);
        let metadata = space.metadata(&wanted.metadata).map_err(|(object, reason)| {
            self.refused(&object, &reason).next("drill a service without it: name its database's other tables one by one")
        })?;
        let mut cuts = Vec::new();
        for (root, place) in &wanted.trees {
            let cut = hdfs.find_cut(place, point).await?.ok_or_else(|| {
                let reason = format!("its sealed snapshot of {place} for point {point} is not here");
                Trouble::new(TroubleKind::NotFound, self.object(set), reason).next("choose another recovery point")
            })?;
            cuts.push((space.path(place), cut, manifest_in(manifest, root)));
        }
        let object = self.object(&space.set);
        match &space.set.table {
            None => self.metastore.drop_databases(&object, vec![space.set.database.clone()]).await?,
            Some(table) => self.metastore.drop_table(&object, &space.set.database, table).await?,
        }
        for (place, cut, part) in &cuts {
            hdfs.copy_cut(cut, place, part).await?;
        }
        self.metastore.bring_to(&object, &space.set, metadata).await?;
        // A metastore makes directories for locations that had none.
        for (place, _, part) in &cuts {
            hdfs.tidy(place, point, part).await?;
        }
        Ok(space.set.to_string())
    }

    /// Removes a drill's databases and its directory.
    pub(super) async fn clear_space(&self, drill: DrillId) -> Result<(), Trouble> {
        let own = self.drill_databases().await?.into_iter().filter(|(of, _)| *of == drill).map(|(_, name)| name).collect();
        self.metastore.drop_databases(&self.depot.object(&format!("drill {drill}")), own).await?;
        self.hdfs.clear_space(drill).await
    }

    /// The drills that have something here: databases and directories, a line each.
    pub(super) async fn spaces(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        let databases = self.drill_databases().await?;
        let mut all: Vec<_> = databases.into_iter().map(|(drill, name)| (drill, format!("database {name}"))).collect();
        all.extend(self.hdfs.spaces().await?);
        Ok(all)
    }

    async fn drill_databases(&self) -> Result<Vec<(DrillId, String)>, Trouble> {
        let all = self.metastore.run(&self.depot.object(""), |session| session.databases()).await?;
        Ok(all.into_iter().filter_map(|name| Some((drill_of(&name)?, name))).collect())
    }
}
