//! The live table: held against a point, made of it for a promotion, brought back to it. A live table is read-only from its first
//! moment, since the snapshot's own descriptor says so.

use std::collections::{BTreeMap, BTreeSet};

use super::client::State;
use super::fence::{is_fenced, true_schema};
use super::files::{HFile, meaning};
use super::manifest::{data_of, hfiles, schema_of, sort_schema};
use super::names::Table;
use super::rpc::RpcError;
use super::{Hbase, coprocessors};
use crate::components::hdfs::error::HdfsError;
use crate::components::hdfs::listing::list;
use crate::domain::{Manifest, PointId, Trouble, TroubleKind};

/// Lines of a drift report.
const DRIFT_LINES: usize = 20;
/// Where live regions are, below HBase's root.
const LIVE: [&str; 2] = ["data", "mobdir/data"];

/// What a table is made of: by region and family, its HFiles, and whether each counts whole or half.
type Parts = BTreeMap<(String, String), BTreeSet<(HFile, bool)>>;

impl Hbase {
    pub(super) async fn drift_of(&self, set: &str, table: &Table, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let live = self.client.schema(table).await.map_err(about)?;
        let Some((point, manifest)) = expected else {
            return match live {
                None => Ok(Vec::new()),
                Some(_) => Err(Trouble::new(TroubleKind::Refused, self.object(set), "a live table of that name is here and is not ours")
                    .next("choose another target, or move that table away (a snapshot, a clone under another name, a deletion)")),
            };
        };
        if !self.says_the_same(set, table, point, manifest).await? {
            return Ok(vec![format!("its sealed snapshot of point {point} is gone or altered")]);
        }
        let missing = self.missing(&hfiles(manifest)).await.map_err(|error| error.about(self.object(set)))?;
        let mut lines: Vec<String> = missing.into_values().take(DRIFT_LINES).collect();
        if live.is_some() {
            lines.extend(self.live_drift(set, table, manifest).await?);
        }
        lines.truncate(DRIFT_LINES);
        Ok(lines)
    }

    /// Whether the point's snapshot here holds what the manifest says: as we show it, or, where it was captured, in HBase's own words.
    async fn says_the_same(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<bool, Trouble> {
        if self.is_shown(set, point, manifest).await? {
            return Ok(true);
        }
        let Some(own) = self.manifest_at(set, table, point).await? else { return Ok(false) };
        let said = |manifest: &Manifest| Ok((parts_of(manifest, table)?, hfiles(manifest), schema_of(manifest)?));
        let both = said(&own).and_then(|own| Ok(own == said(manifest)?));
        both.map_err(|reason: String| self.corrupt(set, &reason))
    }

    /// The captured snapshot becomes a sealed one: shown as we show it, fenced, and the live table brought back to it.
    pub(super) async fn rebase_set(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        if !self.says_the_same(set, table, point, manifest).await? {
            return Err(self.corrupt(set, &format!("its snapshot of point {point} is gone, or is not what the other cluster sealed")));
        }
        self.check_complete(set, manifest).await?;
        self.show(set, table, point, manifest).await?;
        self.check_complete(set, manifest).await?;
        self.bring_along(set, table, point, manifest).await?;
        self.hdfs.drop_staging(set, point).await
    }

    /// Where a live table is not what a point holds. A fenced table is read-only and therefore neither flushed nor compacted: its
    /// files are those of the snapshot, or somebody wrote.
    async fn live_drift(&self, set: &str, table: &Table, manifest: &Manifest) -> Result<Vec<String>, Trouble> {
        let schema = self.client.schema(table).await.map_err(|error| error.about(self.object(set)))?.unwrap_or_default();
        let mut lines = Vec::new();
        let (mut own, mut told) = (true_schema(&schema), schema_of(manifest).map_err(|reason| self.corrupt(set, &reason))?);
        sort_schema(&mut own);
        sort_schema(&mut told);
        if own != told {
            lines.push("the live table has another descriptor".to_owned());
        }
        let wanted = parts_of(manifest, table).map_err(|reason| self.corrupt(set, &reason))?;
        let found = self.live_parts(table).await.map_err(|error| error.about(self.object(set)))?;
        let places: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
        let none = BTreeSet::new();
        for place in places {
            let (want, have) = (wanted.get(place).unwrap_or(&none), found.get(place).unwrap_or(&none));
            let (gone, new) = (want.difference(have).count(), have.difference(want).count());
            if gone + new > 0 {
                lines.push(format!("region {} family {}: {new} files are new, {gone} are gone", place.0, place.1));
            }
        }
        Ok(lines)
    }

    /// The store files of the live table, region by region.
    async fn live_parts(&self, table: &Table) -> Result<Parts, HdfsError> {
        let mut parts = Parts::new();
        for place in LIVE {
            let root = self.below(&format!("{place}/{}", table.directory()));
            for region in self.names_in(&root).await? {
                for family in self.names_in(&format!("{root}/{region}")).await?.into_iter().filter(|name| name != "recovered.edits") {
                    let files = self.names_in(&format!("{root}/{region}/{family}")).await?;
                    let meant = files.iter().map(|name| meaning(name, table, &region, &family).map_err(HdfsError::Answer));
                    let meant = meant.collect::<Result<BTreeSet<_>, _>>()?;
                    if !meant.is_empty() {
                        parts.insert((region.clone(), family), meant);
                    }
                }
            }
        }
        Ok(parts)
    }

    /// What a directory holds but for HBase's own notes; nothing where there is none.
    async fn names_in(&self, path: &str) -> Result<Vec<String>, HdfsError> {
        match list(&self.hdfs.web, path).await {
            Ok(found) => {
                Ok(found.into_iter().map(|status| status.path_suffix).filter(|name| !name.starts_with('.') && !name.is_empty()).collect())
            }
            Err(error) if error.is_missing() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Makes the live table be what a point holds, fenced; well when it is so.
    pub(super) async fn restore_set(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        if !self.is_shown(set, point, manifest).await? {
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), format!("its sealed snapshot of point {point} is not here")));
        }
        coprocessors::check(manifest, &self.allowed, &self.object(set))?;
        self.check_complete(set, manifest).await?;
        let snapshot = self.description(set, table, point);
        match self.client.schema(table).await.map_err(about)? {
            None => self.client.restore(snapshot).await.map_err(about)?,
            Some(schema) if !is_fenced(&schema) => {
                return Err(Trouble::new(
                    TroubleKind::Refused,
                    self.object(set),
                    "a live table of that name is here and is not fenced by us",
                )
                .next("fence it, or move it away"));
            }
            Some(_) if self.live_drift(set, table, manifest).await?.is_empty() => {}
            Some(_) => {
                self.client.disable(table).await.map_err(about)?;
                self.client.restore(snapshot).await.map_err(about)?;
            }
        }
        if self.client.state(table).await.map_err(about)? != State::Enabled {
            self.client.enable(table).await.map_err(about)?;
        }
        let left = self.live_drift(set, table, manifest).await?;
        let state = self.client.state(table).await.map_err(about)?;
        match left.first() {
            None if state == State::Enabled => Ok(()),
            None => {
                Err(Trouble::new(TroubleKind::Failed, self.object(set), "the table was restored and is not served yet").next("try again"))
            }
            Some(line) => Err(self.corrupt(set, &format!("after restoring point {point}, {line}"))),
        }
    }

    /// Makes the live table of the newest point, for a promotion. One that is there already is looked at by whoever asked, not changed.
    pub(super) async fn make_set_live(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let there = self.client.schema(table).await.map_err(|error| error.about(self.object(set)))?.is_some();
        if there && self.client.state(table).await.map_err(|error| error.about(self.object(set)))? == State::Enabled {
            return Ok(());
        }
        self.restore_set(set, table, point, manifest).await
    }

    /// After an apply: a live table of ours follows.
    pub(super) async fn bring_along(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        match self.client.schema(table).await.map_err(|error| error.about(self.object(set)))? {
            None => Ok(()),
            Some(_) => self.restore_set(set, table, point, manifest).await,
        }
    }
}

/// What a point's table is made of.
fn parts_of(manifest: &Manifest, table: &Table) -> Result<Parts, String> {
    let mut parts = Parts::new();
    for region in &data_of(manifest)?.region_manifests {
        let name = super::files::encoded_name(&region.region_info)?;
        for family in &region.family_files {
            let family_name = String::from_utf8_lossy(&family.family_name).into_owned();
            let files = family.store_files.iter().map(|file| meaning(&file.name, table, &name, &family_name));
            let files = files.collect::<Result<BTreeSet<_>, _>>()?;
            if !files.is_empty() {
                parts.insert((name.clone(), family_name), files);
            }
        }
    }
    Ok(parts)
}
