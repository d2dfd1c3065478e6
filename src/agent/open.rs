//! From the configuration to the components themselves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::config::{AgentConfig, ComponentConfig};
use crate::components::Component;
use crate::components::files::Files;
use crate::components::hdfs::{Hdfs, HdfsConfig, Limits};
use crate::components::tables::Tables;
use crate::domain::{ComponentName, Trouble};

/// Opens all components; their own stores lie under `state/components`. Nothing is connected yet: a component that is down does not
/// keep its agent down.
pub fn components(config: &AgentConfig) -> Result<BTreeMap<ComponentName, Arc<dyn Component>>, Trouble> {
    let store = config.state.join("components");
    config.components.iter().map(|component| Ok((component.name()?, open(component, &store)?))).collect()
}

fn open(config: &ComponentConfig, store: &Path) -> Result<Arc<dyn Component>, Trouble> {
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
    })
}
