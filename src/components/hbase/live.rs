//! The live table: held against a point, made of it for a promotion, brought back to it. A live table is read-only from its first
//! moment, since the snapshot's own descriptor says so.

use std::collections::BTreeSet;

use super::client::State;
use super::fence::{is_fenced, true_schema};
use super::manifest::{hfiles, is_disabled, schema_of, sort_schema};
use super::names::Table;
use super::parts::{parts_in, parts_of};
use super::rpc::RpcError;
use super::rpc::snapshot::TableSchema;
use super::{Hbase, coprocessors};
use crate::domain::{Manifest, PointId, Trouble, TroubleKind};

/// Lines of a drift report.
const DRIFT_LINES: usize = 20;
/// The attribute that says how a table keeps the list of its store files. HBase 2.5 and later write it into a descriptor that has none.
const TRACKER: &str = "hbase.store.file-tracker.impl";
/// The way of a descriptor that names none.
const DEFAULT_TRACKER: &[u8] = b"DEFAULT";

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
    pub(super) async fn says_the_same(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<bool, Trouble> {
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
        let told = schema_of(manifest).map_err(|reason| self.corrupt(set, &reason))?;
        if !says(&true_schema(&schema), &told) {
            lines.push("the live table has another descriptor".to_owned());
        }
        let wanted = parts_of(manifest, table).map_err(|reason| self.corrupt(set, &reason))?;
        let live = self.live_files(table).await.map_err(|error| error.about(self.object(set)))?;
        lines.extend(live.iter().filter(|file| file.meant.is_none()).map(|file| format!("{} has no name of a store file", file.path)));
        let found = parts_in(&live);
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
            Some(schema) => {
                self.client.disable(table).await.map_err(about)?;
                // HBase restores no snapshot over a table that keeps its list of store files in another way. What is live is ours and fenced,
                // and every point of it is a snapshot.
                let told = schema_of(manifest).map_err(|reason| self.corrupt(set, &reason))?;
                if trackers(&schema) != trackers(&told) {
                    self.client.delete(table).await.map_err(about)?;
                }
                self.client.restore(snapshot).await.map_err(about)?;
            }
        }
        let wanted = state_of(manifest);
        self.bring_to(table, wanted).await.map_err(about)?;
        let left = self.live_drift(set, table, manifest).await?;
        let state = self.client.state(table).await.map_err(about)?;
        match left.first() {
            None if state == wanted => Ok(()),
            None => {
                Err(Trouble::new(TroubleKind::Failed, self.object(set), format!("the table was restored and is {state}, not {wanted}"))
                    .next("try again"))
            }
            Some(line) => Err(self.corrupt(set, &format!("after restoring point {point}, {line}"))),
        }
    }

    /// Enables or disables a table that is not so yet.
    pub(super) async fn bring_to(&self, table: &Table, wanted: State) -> Result<(), RpcError> {
        match (self.client.state(table).await?, wanted) {
            (is, wanted) if is == wanted => Ok(()),
            (_, State::Disabled) => self.client.disable(table).await,
            _ => self.client.enable(table).await,
        }
    }

    /// Makes the live table of the newest point, for a promotion. One that is there already is looked at by whoever asked, not changed.
    pub(super) async fn make_set_live(&self, set: &str, table: &Table, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let there = self.client.schema(table).await.map_err(|error| error.about(self.object(set)))?.is_some();
        if there && self.client.state(table).await.map_err(|error| error.about(self.object(set)))? == state_of(manifest) {
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

/// Whether a table is served wherever a point is brought up.
pub fn state_of(manifest: &Manifest) -> State {
    if is_disabled(manifest) { State::Disabled } else { State::Enabled }
}

/// Whether a live table's true descriptor says what a point's says.
pub fn says(own: &TableSchema, told: &TableSchema) -> bool {
    let (mut own, mut told) = (own.clone(), told.clone());
    if told.attributes.iter().all(|pair| pair.first != TRACKER.as_bytes()) {
        own.attributes.retain(|pair| pair.first != TRACKER.as_bytes());
    }
    sort_schema(&mut own);
    sort_schema(&mut told);
    own == told
}

/// How a table and each of its families keep the list of their store files.
fn trackers(schema: &TableSchema) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let mut told = BTreeSet::new();
    let tables = std::iter::once((&[][..], &schema.attributes, &schema.configuration));
    let families = schema.column_families.iter().map(|family| (&family.name[..], &family.attributes, &family.configuration));
    for (name, attributes, configuration) in tables.chain(families) {
        let attributes = attributes.iter().map(|pair| (pair.first.as_slice(), pair.second.as_slice()));
        let settings = configuration.iter().map(|pair| (pair.name.as_bytes(), pair.value.as_bytes()));
        for (_, value) in attributes.chain(settings).filter(|(key, value)| *key == TRACKER.as_bytes() && *value != DEFAULT_TRACKER) {
            told.insert((name.to_vec(), value.to_vec()));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::hbase::rpc::snapshot::BytesPair;

    fn tracked(by: Option<&str>) -> TableSchema {
        let attributes = by.map(|by| BytesPair { first: TRACKER.into(), second: by.into() }).into_iter().collect();
        TableSchema { attributes, ..TableSchema::default() }
    }

    #[test]
    fn a_tracker_that_hbase_wrote_into_an_older_descriptor_is_no_difference_and_another_tracker_is_one() {
        assert!(says(&tracked(Some("DEFAULT")), &tracked(None)));
        assert!(says(&tracked(None), &tracked(None)));
        assert!(!says(&tracked(Some("FILE")), &tracked(Some("DEFAULT"))));
        assert_eq!(trackers(&tracked(Some("DEFAULT"))), trackers(&tracked(None)));
        assert_ne!(trackers(&tracked(Some("FILE"))), trackers(&tracked(None)));
    }
}
