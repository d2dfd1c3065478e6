//! From the configuration to the components themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::{AgentConfig, ComponentConfig, OneOrMany};
use crate::components::Component;
use crate::components::files::Files;
use crate::components::hbase::{Hbase, HbaseConfig, RpcLimits, split_root};
use crate::components::hdfs::{Hdfs, HdfsConfig, HdfsPrivilege, Limits};
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
        ComponentConfig::Files { root, allow, .. } => Arc::new(Files::new(name, root, store)?.allowing(allow.iter().copied())),
        ComponentConfig::Tables { database, .. } => Arc::new(Tables::new(name, database.clone(), store.to_owned())),
        ComponentConfig::Hdfs { fs, conf, webhdfs, user, allow, .. } => {
            let (fs, conf, webhdfs, user) = (fs.clone(), conf.clone(), webhdfs.to_vec(), user.clone());
            Arc::new(Hdfs::new(&HdfsConfig { name, fs, conf, webhdfs, user, limits: Limits::default() })?.allowing(allow.clone()))
        }
        ComponentConfig::Hive { metastore, warehouse, conf, webhdfs, user, .. } => {
            let fs = split_warehouse(warehouse).map(|(fs, _)| fs);
            let allow = allowed_under(fs.as_deref(), all);
            let Under { conf, webhdfs, user } = under(&name, fs, (conf, webhdfs, user), all)?;
            let hdfs = HdfsConfig { name: name.clone(), fs: None, conf, webhdfs, user, limits: Limits::default() };
            let limits = MetastoreLimits::default();
            let (metastore, store) = (metastore.to_vec(), store.to_owned());
            Arc::new(Hive::new(&HiveConfig { name, metastore, warehouse: warehouse.clone(), store, limits, hdfs })?.allowing(allow))
        }
        ComponentConfig::Hbase { master, root, web, conf, webhdfs, user, allow, .. } => {
            let fs = split_root(root).map(|(fs, _)| fs);
            let Under { conf, webhdfs, user } = under(&name, fs, (conf, webhdfs, user), all)?;
            let (masters, web) = (master.to_vec(), web.to_vec());
            let limits = RpcLimits::default();
            let config = HbaseConfig { name, masters, web, root: root.clone(), conf, webhdfs, user, limits };
            Arc::new(Hbase::new(&config)?.allowing(allow.clone()))
        }
    })
}

/// How a file system is reached.
struct Under {
    conf: Option<PathBuf>,
    webhdfs: Vec<String>,
    user: String,
}

/// Privileges that the hdfs component of a file system lets in: a component that lives on it lets in the same.
fn allowed_under(fs: Option<&str>, all: &[ComponentConfig]) -> BTreeSet<HdfsPrivilege> {
    let known = all.iter().find_map(|component| match component {
        ComponentConfig::Hdfs { fs: Some(known), allow, .. } if Some(known.trim_end_matches('/')) == fs => Some(allow.clone()),
        _ => None,
    });
    known.unwrap_or_default()
}

/// As a component that lives on it says, or else as the hdfs component of that file system has it.
fn under(
    name: &ComponentName,
    fs: Option<String>,
    (conf, webhdfs, user): (&Option<PathBuf>, &OneOrMany, &Option<String>),
    all: &[ComponentConfig],
) -> Result<Under, Trouble> {
    let known = all.iter().find_map(|component| match component {
        ComponentConfig::Hdfs { fs: Some(known), conf, webhdfs, user, .. } if Some(known.trim_end_matches('/')) == fs.as_deref() => {
            Some((conf, webhdfs, user))
        }
        _ => None,
    });
    let user = user.as_ref().or(known.map(|(_, _, user)| user)).cloned().ok_or_else(|| {
        let reason = "it names no `user`, and no hdfs component has its file system";
        Trouble::new(TroubleKind::Invalid, format!("component {name}"), reason)
            .next("give user = \"…\", a superuser of HDFS and of the component")
    })?;
    let told = webhdfs.to_vec();
    Ok(match known {
        Some((conf_there, webhdfs, _)) if told.is_empty() && conf.is_none() => {
            Under { conf: conf_there.clone(), webhdfs: webhdfs.to_vec(), user }
        }
        _ => Under { conf: conf.clone(), webhdfs: told, user },
    })
}
