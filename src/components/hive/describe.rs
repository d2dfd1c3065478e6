//! What a metastore is, how it is doing, and what is in it to pick data sets from.

use std::time::Duration;

use super::Hive;
use super::model::{Metadata, Table, table};
use super::names::drill_of;
use super::probe::probe_addresses;
use crate::domain::versions::is_untested_hive;
use crate::domain::{ComponentInfo, ComponentKind, ProbeReport, Trouble, TroubleKind};
use crate::protocol::CatalogueItem;

/// How long a probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// Tables of a database whose sizes are told; of more only the names.
const SIZED: usize = 500;

impl Hive {
    pub(super) async fn info(&self) -> Result<ComponentInfo, Trouble> {
        let object = format!("component {}", self.name);
        let version = self.metastore.run(&object, |session| session.version()).await?;
        let mut under = self.hdfs.info().await?;
        if let Err(trouble) = self.metastore.run(&object, |session| session.event_id()).await
            && trouble.kind == TroubleKind::Refused
        {
            under.missing_rights.push(format!("{} ({})", trouble.reason, trouble.next_step));
        }
        let untested = if is_untested_hive(&version) { " (untested: Hive 3.1 is what was tested)" } else { "" };
        Ok(ComponentInfo {
            name: self.name.clone(),
            kind: ComponentKind::Hive,
            version: format!("{version}{untested}"),
            address: self.metastore.address(),
            probe_addresses: self.metastore.addresses(),
            free_bytes: under.free_bytes,
            storage: under.storage,
            copies: under.copies,
            used_bytes: None,
            described: true,
            kerberos: under.kerberos,
            missing_rights: under.missing_rights,
        })
    }

    pub(super) async fn look(&self) -> ProbeReport {
        probe_addresses(&self.name, &self.metastore.addresses(), PROBE_LIMIT).await
    }

    fn item(&self, path: String, label: String, expandable: bool) -> CatalogueItem {
        CatalogueItem { component: self.name.clone(), path, label, selectable: true, expandable, bytes: None, files: None }
    }

    /// Databases, or the tables of one: names first, and sizes where there are not too many.
    pub(super) async fn inside(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        let object = format!("component {}", self.name);
        if path.is_empty() {
            let names = self.metastore.run(&object, |session| session.databases()).await?;
            let theirs = names.into_iter().filter(|name| drill_of(name).is_none());
            return Ok(theirs.map(|name| self.item(name.clone(), name, true)).collect());
        }
        let set = self.set(path)?;
        if set.table.is_some() {
            return Ok(Vec::new());
        }
        let database = set.database.clone();
        let (names, bodies) = self
            .metastore
            .run(&object, move |session| {
                let mut names = session.tables(&database)?;
                names.sort();
                let bodies = if names.len() <= SIZED { session.tables_named(&database, &names)? } else { Vec::new() };
                Ok((names, bodies))
            })
            .await?;
        let mut items: Vec<CatalogueItem> =
            names.into_iter().map(|name| self.item(format!("{}.{name}", set.database), name, false)).collect();
        for body in bodies {
            let Some(name) = body.text(table::NAME).map(str::to_owned) else { continue };
            let found = Table { body, ..Table::default() };
            let Some(item) = items.iter_mut().find(|item| item.label == name) else { continue };
            let number = |parameter: &str| found.parameter(parameter).and_then(|value| value.parse::<u64>().ok());
            (item.bytes, item.files) = (number("totalSize"), number("numRows"));
            let alone = Metadata { tables: [(name.clone(), found)].into(), ..Metadata::default() };
            if let Some(refusal) = super::told::refusal(&alone) {
                (item.selectable, item.label) = (false, format!("{name} ({})", refusal.in_short()));
            }
        }
        Ok(items)
    }
}
