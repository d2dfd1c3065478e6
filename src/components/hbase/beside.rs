//! A table of a point beside the live one: the snapshot cloned under a name that a person chose, its fence lifted, and held against the point.
//!
//! HBase makes a clone whole or not at all, and refuses one where a table is. A clone bears our fence until it is held against the point, so
//! that a half-made one is known: a sealed snapshot brings the fence along, and on a captured one's it is put at once. Between that clone and
//! its fence a table that is exactly what the point holds is ours as well.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::fence::{fenced_schema, is_fenced, true_schema};
use super::files::HFile;
use super::live::{says, state_of};
use super::manifest::{hfiles, schema_of};
use super::names::Table;
use super::parts::{parts_of, strangers};
use super::rehearse::drill_of;
use super::rpc::RpcError;
use super::{Hbase, coprocessors};
use crate::components::restores::{Clearing, Restores, Restoring};
use crate::domain::restore::{RestoreProof, RestoreRefusal};
use crate::domain::{ComponentKind, Manifest, PointId, Trouble, TroubleKind};

/// What a place has to be.
const WANTED: &str = "a table that does not exist yet, with its namespace, for example shop:orders-old";

#[async_trait]
impl Restores for Hbase {
    fn place(&self, set: &str, only: Option<&str>, place: &str) -> Result<String, Trouble> {
        let object = self.object(set);
        if only.is_some() {
            return Err(RestoreRefusal::NoParts { kind: ComponentKind::Hbase }.trouble(object));
        }
        let invalid = || RestoreRefusal::PlaceInvalid { place: place.to_owned(), wanted: WANTED.to_owned() }.trouble(&object);
        let table = Table::of_set(place).map_err(|_| invalid())?;
        if drill_of(&table.namespace).is_some() {
            return Err(RestoreRefusal::PlaceIsOurs { place: place.to_owned(), ours: "a drill's".into() }.trouble(object));
        }
        Ok(table.set())
    }

    async fn free(&self, place: &str) -> Result<(), Trouble> {
        self.refuse_there(&self.table(place)?).await
    }

    async fn bring(&self, what: Restoring<'_>) -> Result<RestoreProof, Trouble> {
        let (set, table, place) = (what.set, self.table(what.set)?, self.table(what.place)?);
        let about = |error: RpcError| error.about(self.object(set));
        if !self.says_the_same(set, &table, what.point, what.manifest).await? {
            let reason = format!("its snapshot of point {} is not here", what.point);
            return Err(Trouble::new(TroubleKind::NotFound, self.object(set), reason)
                .next("choose another recovery point, or the other cluster with --at"));
        }
        coprocessors::check(what.manifest, &self.allowed, &self.object(set))?;
        self.check_complete(set, what.manifest).await?;
        if what.journal.done()? == 0 {
            self.refuse_there(&place).await?;
            // From here on a table of that name may be ours.
            what.journal.advance(1)?;
        }
        let there = self.client.schema(&place).await.map_err(about)?;
        if there.is_none() {
            match self.client.restore(self.description(set, &place, what.point)).await {
                Err(error) if error.is("TableExistsException") => return Err(self.exists(&place)),
                made => made.map_err(about)?,
            }
        }
        if what.journal.done()? < 2 {
            let strange = there.is_some_and(|schema| !is_fenced(&schema));
            if strange && !self.is_bare_clone(set, &table, &place, what.point).await? {
                return Err(self.exists(&place));
            }
            self.fence_clone(&place).await.map_err(about)?;
            // From here on one without the fence is whole.
            what.journal.advance(2)?;
        }
        self.bring_to(&place, state_of(what.manifest)).await.map_err(about)?;
        match self.unlike(set, &table, &place, what.manifest).await? {
            None => {}
            // Somebody else may have made a table of that name just before we did.
            Some(reason) => {
                tracing::warn!(place = what.place, reason, "the table there is not what was restored");
                return Err(self.exists(&place));
            }
        }
        self.unfence_set(set, &place, None).await?;
        Ok(RestoreProof {
            place: place.set(),
            files: what.manifest.files(),
            bytes: what.manifest.bytes(),
            digest: what.manifest.digest(),
            notes: Vec::new(),
        })
    }

    /// A clone that bears our fence is half-made. One that is open is whole, and left to whoever owns it; before its fence was put on it is known
    /// by being what the point holds, and what is not is somebody else's.
    async fn clear(&self, what: Clearing<'_>) -> Result<(), Trouble> {
        let (table, place) = (self.table(what.set)?, self.table(what.place)?);
        let about = |error: RpcError| error.about(self.object(&place.set()));
        let Some(schema) = self.client.schema(&place).await.map_err(about)?.filter(|_| what.phases > 0) else { return Ok(()) };
        let ours = is_fenced(&schema) || (what.phases == 1 && self.is_bare_clone(what.set, &table, &place, what.point).await?);
        if ours {
            return self.drop_table(&place).await.map_err(about);
        }
        tracing::warn!(place = what.place, "a table of that name stays: it is whole, or somebody else's");
        Ok(())
    }
}

impl Hbase {
    fn exists(&self, place: &Table) -> Trouble {
        RestoreRefusal::PlaceExists { place: place.set() }.trouble(self.object(&place.set()))
    }

    async fn refuse_there(&self, place: &Table) -> Result<(), Trouble> {
        let about = |error: RpcError| error.about(self.object(&place.set()));
        if self.client.schema(place).await.map_err(about)?.is_some() {
            return Err(self.exists(place));
        }
        if !self.client.namespaces().await.map_err(about)?.contains(&place.namespace) {
            let parent = format!("namespace {}", place.namespace);
            return Err(RestoreRefusal::NoParent { place: place.set(), parent }.trouble(self.object(&place.set())));
        }
        Ok(())
    }

    /// Our fence on a clone that has none, as a captured snapshot's has none.
    async fn fence_clone(&self, place: &Table) -> Result<(), RpcError> {
        match self.client.schema(place).await? {
            Some(schema) if !is_fenced(&schema) => self.client.modify(place, fenced_schema(&schema)).await,
            _ => Ok(()),
        }
    }

    /// Whether a table is exactly what a point's snapshot holds, and nothing was written to it since that a file shows.
    async fn is_bare_clone(&self, set: &str, table: &Table, place: &Table, point: PointId) -> Result<bool, Trouble> {
        let Some(manifest) = self.manifest_at(set, table, point).await? else { return Ok(false) };
        if self.unlike(set, table, place, &manifest).await?.is_some() {
            return Ok(false);
        }
        let parts = parts_of(&manifest, table).map_err(|reason| self.corrupt(set, &reason))?;
        let live = self.live_files(place).await.map_err(|error| error.about(self.object(set)))?;
        Ok(strangers(&parts, &live).is_empty())
    }

    /// Where a clone is not what the point holds: in its descriptor, or in the HFiles that its store files lead to.
    async fn unlike(&self, set: &str, table: &Table, place: &Table, manifest: &Manifest) -> Result<Option<String>, Trouble> {
        let corrupt = |reason: String| self.corrupt(set, &reason);
        let schema = self.client.schema(place).await.map_err(|error| error.about(self.object(set)))?.unwrap_or_default();
        let mut told = schema_of(manifest).map_err(corrupt)?;
        told.table_name = schema.table_name.clone();
        if !says(&true_schema(&schema), &told) {
            return Ok(Some("it has another descriptor".into()));
        }
        let parts = parts_of(manifest, table).map_err(corrupt)?;
        let live = self.live_files(place).await.map_err(|error| error.about(self.object(set)))?;
        let found: BTreeSet<HFile> = live.iter().filter_map(|file| file.meant.clone()).map(|(hfile, _)| hfile).collect();
        let gone = hfiles(manifest).into_keys().filter(|hfile| !found.contains(hfile)).count();
        let new = strangers(&parts, &live).len();
        // Region servers may put the store files of an open table together at once; then there are new ones in place of those that are gone.
        Ok((gone > 0 && new == 0).then(|| format!("{gone} of its files are missing")))
    }
}
