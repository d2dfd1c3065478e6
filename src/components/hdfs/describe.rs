//! What an HDFS is: version, room, rights that are missing; and its directories, to pick data sets from.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::Value;

use super::error::HdfsError;
use super::listing::{AT_ONCE, list};
use super::webhdfs::Operation;
use super::{HOME, Hdfs};
use crate::domain::{ComponentInfo, ComponentKind, Trouble, TroubleKind};
use crate::protocol::CatalogueItem;

/// Directories of one place that are summed up; counting is work for the NameNode.
const SUMMED_UP: usize = 50;
/// How long summing up one directory may take before its numbers are left out.
const SUM_LIMIT: Duration = Duration::from_secs(3);
/// Entries of one place that are shown.
const SHOWN: usize = 1_000;

impl Hdfs {
    pub(in crate::components) async fn info(&self) -> Result<ComponentInfo, Trouble> {
        let about = |error: HdfsError| error.about(self.object(""));
        if self.kerberos {
            // Named from its configuration: nobody need be asked, and nobody would answer us.
            return Ok(ComponentInfo {
                address: self.fs.clone(),
                probe_addresses: self.web.addresses().to_vec(),
                described: true,
                kerberos: true,
                ..ComponentInfo::undescribed(self.name.clone(), ComponentKind::Hdfs)
            });
        }
        let page = self.web.page("/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", self.web.limits().call).await;
        let kerberos = match &page {
            Err(HdfsError::Kerberos) => true,
            _ => self.setting("hadoop.security.authentication").await.is_some_and(|value| value == "kerberos"),
        };
        let bean = match page {
            Err(HdfsError::Kerberos) => Value::Null,
            page => serde_json::from_str::<Value>(&page.map_err(about)?).unwrap_or_default()["beans"][0].clone(),
        };
        Ok(ComponentInfo {
            name: self.name.clone(),
            kind: ComponentKind::Hdfs,
            version: bean["SoftwareVersion"].as_str().unwrap_or_default().to_owned(),
            address: self.fs.clone(),
            probe_addresses: self.web.addresses().to_vec(),
            free_bytes: bean["Free"].as_u64(),
            storage: self.storage(),
            copies: self.copies().await,
            used_bytes: bean["Used"].as_u64(),
            described: true,
            kerberos,
            missing_rights: if kerberos { Vec::new() } else { self.missing_rights().await },
        })
    }

    /// Its file system, spelled one way: port 8020 is what HDFS takes where none is named.
    fn storage(&self) -> String {
        let fs = self.fs.trim_end_matches('/');
        fs.strip_suffix(":8020").unwrap_or(fs).to_ascii_lowercase()
    }

    /// A place of ours in it, with its file system.
    pub(in crate::components) fn place(&self, path: &str) -> String {
        format!("{}{path}", self.storage())
    }

    /// Replicas of a file unless its writer says otherwise. Where the NameNode does not tell it is HDFS's own default.
    async fn copies(&self) -> u32 {
        self.setting("dfs.replication").await.and_then(|count| count.parse().ok()).unwrap_or(3).max(1)
    }

    /// Tries the right that nothing here works without: making a directory snapshottable takes a superuser.
    async fn missing_rights(&self) -> Vec<String> {
        let check = format!("{HOME}/rights-check");
        let tried = async {
            self.web.run(Operation::put("MKDIRS", &check).with("permission", "700")).await?;
            self.web.run(Operation::put("SETPERMISSION", HOME).with("permission", "700")).await?;
            self.web.run(Operation::put("ALLOWSNAPSHOT", &check)).await?;
            self.web.run(Operation::put("DISALLOWSNAPSHOT", &check)).await?;
            self.web.boolean(Operation::delete("DELETE", &check)).await
        };
        match tried.await {
            Err(error) if error.is("AccessControlException") => {
                vec![format!("user {} is no HDFS superuser: it may not allow snapshots, nor set owners ({error})", self.web.user())]
            }
            // Safe mode or a dead NameNode is no missing right; the probe tells those.
            _ => Vec::new(),
        }
    }

    pub(super) async fn inside(&self, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        let place = if path.is_empty() { "/" } else { path };
        let found = list(&self.web, place).await.map_err(|error| error.about(self.object(place)))?;
        if found.len() == 1 && found[0].path_suffix.is_empty() {
            return Err(Trouble::new(TroubleKind::Invalid, self.object(place), "it is a file, and only directories can be data sets"));
        }
        let directories = found.into_iter().filter(|status| status.is_directory()).take(SHOWN);
        let paths = directories.map(|status| (format!("{}/{}", place.trim_end_matches('/'), status.path_suffix), status.path_suffix));
        let paths = paths.filter(|(path, _)| path != HOME).enumerate();
        Ok(stream::iter(paths).map(|(index, (path, label))| self.item(index < SUMMED_UP, path, label)).buffered(AT_ONCE).collect().await)
    }

    async fn item(&self, sum: bool, path: String, label: String) -> CatalogueItem {
        let summary: Option<Value> = if sum {
            let asked = self.web.json::<Value>(Operation::get("GETCONTENTSUMMARY", &path));
            // Without the numbers the directory can be picked all the same.
            tokio::time::timeout(SUM_LIMIT, asked).await.ok().and_then(Result::ok)
        } else {
            None
        };
        let number = |name: &str, of_snapshots: &str| {
            let summary = &summary.as_ref()?["ContentSummary"];
            Some(summary[name].as_u64()?.saturating_sub(summary[of_snapshots].as_u64().unwrap_or(0)))
        };
        CatalogueItem {
            component: self.name.clone(),
            bytes: number("length", "snapshotLength"),
            files: number("fileCount", "snapshotFileCount"),
            path,
            label,
            selectable: true,
            expandable: true,
        }
    }
}
