//! From the configuration to the components themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::{AgentConfig, ComponentConfig};
use crate::components::Component;
use crate::components::files::Files;
use crate::components::hbase::{Hbase, HbaseConfig, RpcLimits, split_root};
use crate::components::hdfs::{Hdfs, HdfsConfig, Limits};
use crate::components::hive::{Hive, HiveConfig, MetastoreLimits, split_warehouse};
use crate::components::tables::Tables;
use crate::domain::{ComponentName, Trouble, TroubleKind};

/// Opens all components; their own stores lie under `state/components`. Nothing is connected yet: a component that is down does not
/// keep its agent down.
pub fn components(config: &AgentConfig) -> Result<BTreeMap<ComponentName, Arc<dyn Component>>, Trouble> {
    let store = config.state.join("components");
    config.components.iter().map(|component| Ok((component.name()?, open(component, &config.components, &store)?))).collect()
}

fn open(config: &ComponentConfig, all: &[ComponentConfig], store: &Path) -> Result<Arc<dyn Component>, Trouble> {
    let name = config.name()?;
    Ok(match config {
        ComponentConfig::Files { root, .. } => Arc::new(Files::new(name, root, store)?),
        ComponentConfig::Tables { database, .. } => Arc::new(Tables::new(name, database.clone(), store.to_owned())),
        ComponentConfig::Hdfs { fs, conf, webhdfs, user, .. } => Arc::new(Hdfs::new(&HdfsConfig {
            name,
            fs: fs.clone(),
            conf: conf.clone(),
            webhdfs: webhdfs.to_vec(),
            user: user.clone(),
            limits: Limits::default(),
        })?),
        ComponentConfig::Hive { metastore, warehouse, conf, webhdfs, user, .. } => {
            let under = hdfs_under(split_warehouse(warehouse).map(|(fs, _)| fs).as_deref(), all);
            let (webhdfs, conf) = match &under {
                Some(under) if webhdfs.to_vec().is_empty() && conf.is_none() => (under.webhdfs.clone(), under.conf.clone()),
                _ => (webhdfs.to_vec(), conf.clone()),
            };
            let user = user.clone().or(under.map(|under| under.user)).ok_or_else(|| {
                Trouble::new(
                    TroubleKind::Invalid,
                    format!("component {name}"),
                    "it names no `user`, and no hdfs component has its file system",
                )
                .next("give user = \"hdfs\", a superuser of HDFS")
            })?;
            let hdfs = HdfsConfig { name: name.clone(), fs: None, conf, webhdfs, user, limits: Limits::default() };
            let limits = MetastoreLimits::default();
            let (metastore, store) = (metastore.to_vec(), store.to_owned());
            Arc::new(Hive::new(&HiveConfig { name, metastore, warehouse: warehouse.clone(), store, limits, hdfs })?)
        }
        ComponentConfig::Hbase { master, root, web, conf, webhdfs, user, .. } => {
            let under = hdfs_under(split_root(root).map(|(fs, _)| fs).as_deref(), all);
            let (webhdfs, conf) = match &under {
                Some(under) if webhdfs.to_vec().is_empty() && conf.is_none() => (under.webhdfs.clone(), under.conf.clone()),
                _ => (webhdfs.to_vec(), conf.clone()),
            };
            let user = user.clone().or(under.map(|under| under.user)).ok_or_else(|| {
                Trouble::new(
                    TroubleKind::Invalid,
                    format!("component {name}"),
                    "it names no `user`, and no hdfs component has its file system",
                )
                .next("give user = \"hbase\", a superuser of HBase and of HDFS")
            })?;
            let (masters, web) = (master.to_vec(), web.to_vec());
            let limits = RpcLimits::default();
            Arc::new(Hbase::new(&HbaseConfig { name, masters, web, root: root.clone(), conf, webhdfs, user, limits })?)
        }
    })
}

/// How a file system is reached, if one of the hdfs components is it.
struct Under {
    conf: Option<PathBuf>,
    webhdfs: Vec<String>,
    user: String,
}

fn hdfs_under(wanted: Option<&str>, all: &[ComponentConfig]) -> Option<Under> {
    all.iter().find_map(|component| match component {
        ComponentConfig::Hdfs { fs: Some(fs), conf, webhdfs, user, .. } if Some(fs.trim_end_matches('/')) == wanted => {
            Some(Under { conf: conf.clone(), webhdfs: webhdfs.to_vec(), user: user.clone() })
        }
        _ => None,
    })
}
