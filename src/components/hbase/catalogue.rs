//! What an HBase is (version, room, rights that are missing), and its namespaces and tables, to pick data sets from.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use super::Hbase;
use super::names::Table;
use super::rpc::RpcError;
use crate::components::hdfs::listing::AT_ONCE;
use crate::components::hdfs::webhdfs::Operation;
use crate::domain::{ComponentInfo, ComponentKind, Trouble, TroubleKind};
use crate::protocol::CatalogueItem;

/// Tables of one namespace that are summed up; counting is work for the NameNode.
const SUMMED_UP: usize = 50;
/// How long summing up one table may take before its numbers are left out.
const SUM_LIMIT: Duration = Duration::from_secs(3);
/// Tables of one namespace that are shown.
const SHOWN: usize = 20_000;

impl Hbase {
    pub(super) async fn info(&self) -> Result<ComponentInfo, Trouble> {
        let under = self.hdfs.info().await?;
        let version = match self.client.version().await {
            Ok(version) => version,
            Err(RpcError::Kerberos) => String::new(),
            Err(error) => return Err(error.about(self.object(""))),
        };
        Ok(ComponentInfo {
            name: self.name.clone(),
            kind: ComponentKind::Hbase,
            described: true,
            kerberos: under.kerberos || version.is_empty(),
            version,
            address: format!("{}{}", self.fs, self.root),
            probe_addresses: self.web.clone(),
            free_bytes: under.free_bytes,
            storage: String::new(),
            copies: 1,
            used_bytes: self.sum(&self.root).await.map(|(bytes, _)| bytes),
            missing_rights: under.missing_rights,
        })
    }

    /// Bytes and files below a path, where that is told in time.
    async fn sum(&self, path: &str) -> Option<(u64, u64)> {
        let asked = self.hdfs.web.json::<Value>(Operation::get("GETCONTENTSUMMARY", path));
        let summary = tokio::time::timeout(SUM_LIMIT, asked).await.ok()?.ok()?;
        let number = |name: &str| summary["ContentSummary"][name].as_u64();
        Some((number("length")?, number("fileCount")?))
    }

    pub(super) async fn inside(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        let about = |error: RpcError| error.about(self.object(path));
        if path.is_empty() {
            let mut names = self.client.namespaces().await.map_err(about)?;
            names.sort();
            let of_users = names.into_iter().filter(|name| !Table { namespace: name.clone(), name: String::new() }.is_system());
            return Ok(of_users.map(|name| self.item(name.clone(), name, None, true)).collect());
        }
        if path.contains(':') {
            return Err(Trouble::new(TroubleKind::Invalid, self.object(path), "a table has nothing inside to choose"));
        }
        let mut tables = self.client.tables(path).await.map_err(about)?;
        tables.sort();
        let items = tables.into_iter().take(SHOWN).enumerate().map(|(index, table)| async move {
            let sum = if index < SUMMED_UP { self.sum(&self.below(&format!("data/{}", table.directory()))).await } else { None };
            self.item(table.set(), table.name, sum, false)
        });
        Ok(stream::iter(items).buffered(AT_ONCE).collect().await)
    }

    fn item(&self, path: String, label: String, sum: Option<(u64, u64)>, expandable: bool) -> CatalogueItem {
        let (bytes, files) = sum.unzip();
        CatalogueItem { component: self.name.clone(), path, label, selectable: !expandable, expandable, bytes, files }
    }
}
