//! A table of a point beside the live one: the snapshot cloned under a name that a person chose, its fence lifted, and held against the point.
//!
//! HBase makes a clone whole or not at all, and refuses one where a table is. A clone of a sealed snapshot bears our fence until it is
//! finished, so that a half-made one is known.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::fence::{is_fenced, true_schema};
use super::files::HFile;
use super::live::{says, state_of};
use super::manifest::{hfiles, schema_of};
use super::names::Table;
use super::parts::{parts_of, strangers};
use super::rehearse::drill_of;
use super::rpc::RpcError;
use super::{Hbase, coprocessors};
use crate::components::restores::{Restores, Restoring};
use crate::domain::restore::{RestoreProof, RestoreRefusal};
use crate::domain::{ComponentKind, Manifest, RestoreId, Trouble, TroubleKind};

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
        if self.client.schema(&place).await.map_err(about)?.is_none() {
            match self.client.restore(self.description(set, &place, what.point)).await {
                Err(error) if error.is("TableExistsException") => return Err(self.exists(&place)),
                made => made.map_err(about)?,
            }
        }
        // The sealed descriptor is that of a fenced table, and so may a captured one be.
        self.unfence_set(set, &place, None).await?;
        self.bring_to(&place, state_of(what.manifest)).await.map_err(about)?;
        match self.unlike(set, &table, &place, what.manifest).await? {
            None => {}
            // Somebody else may have made a table of that name just before we did.
            Some(reason) => {
                tracing::warn!(place = what.place, reason, "the table there is not what was restored");
                return Err(self.exists(&place));
            }
        }
        Ok(RestoreProof {
            place: place.set(),
            files: what.manifest.files(),
            bytes: what.manifest.bytes(),
            digest: what.manifest.digest(),
            notes: Vec::new(),
        })
    }

    /// A clone that bears our fence is half-made. One that is open is whole, and left to whoever owns it.
    async fn clear(&self, _restore: RestoreId, place: &str, phases: u32) -> Result<(), Trouble> {
        let place = self.table(place)?;
        let about = |error: RpcError| error.about(self.object(&place.set()));
        match self.client.schema(&place).await.map_err(about)? {
            Some(schema) if phases > 0 && is_fenced(&schema) => self.drop_table(&place).await.map_err(about),
            _ => Ok(()),
        }
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
