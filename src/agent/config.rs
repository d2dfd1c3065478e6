//! `agent.toml`: who the agent is, where it listens, where its memory is, which components it stands beside.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::components::files::Privilege;
use crate::components::hbase::HbasePrivilege;
use crate::components::hdfs::HdfsPrivilege;
use crate::domain::{ClusterName, ComponentKind, ComponentName, Trouble, TroubleKind};

/// The route listens this far above the agent's own port unless told otherwise.
const ROUTE_OFFSET: u16 = 1000;

/// The file, as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The cluster's name.
    pub name: ClusterName,
    /// The site, for people.
    pub site: String,
    /// Where the agent listens for the controller and its peer.
    pub listen: SocketAddr,
    /// Where it answers the route over plain HTTP; its own port + 1000 unless given.
    #[serde(default)]
    pub route: Option<SocketAddr>,
    /// `host:port` under which the *other* agent reaches this one, where that is not the controller's way.
    #[serde(default)]
    pub advertise: Option<String>,
    /// `host:port` under which applications reach the route, where that is not `route` itself.
    #[serde(default)]
    pub advertise_route: Option<String>,
    /// Folder of key, ledger and the components' stores; made 0700. Relative to the file's own folder.
    pub state: PathBuf,
    /// The components.
    #[serde(default, rename = "component")]
    pub components: Vec<ComponentConfig>,
}

/// One component. Its `name`, with which data sets begin, is its kind unless given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ComponentConfig {
    /// A directory tree.
    Files {
        /// See above.
        name: Option<ComponentName>,
        /// Its directory; data sets are directories in it.
        root: PathBuf,
        /// Privileges that the other cluster's files may bring to this host: `setid` (files with the setuid or setgid bit), `root-owner`
        /// (what belongs to root there), `security-attributes` (attributes that do not begin with `user.`). None unless given.
        #[serde(default)]
        allow: BTreeSet<Privilege>,
    },
    /// A SQLite database.
    Tables {
        /// See above.
        name: Option<ComponentName>,
        /// Its file.
        database: PathBuf,
    },
    /// Apache HDFS.
    Hdfs {
        /// See above.
        name: Option<ComponentName>,
        /// `hdfs://host:port`; absent: from `conf`.
        fs: Option<String>,
        /// A directory with `core-site.xml` and `hdfs-site.xml`.
        conf: Option<PathBuf>,
        /// `http://host:port` of the NameNode, or a list for high availability.
        #[serde(default)]
        webhdfs: OneOrMany,
        /// Whom the agent acts as; an HDFS superuser.
        user: String,
        /// `security-attributes`: attributes that do not begin with `user.` may come from the other cluster. None unless given.
        #[serde(default)]
        allow: BTreeSet<HdfsPrivilege>,
    },
    /// Apache Hive.
    Hive {
        /// See above.
        name: Option<ComponentName>,
        /// `thrift://host:port` of a metastore, or a list.
        metastore: OneOrMany,
        /// The warehouse directory: `hdfs://host:port/warehouse`.
        warehouse: String,
        /// As for `hdfs`; absent: as the hdfs component of the same file system has it.
        conf: Option<PathBuf>,
        /// Likewise.
        #[serde(default)]
        webhdfs: OneOrMany,
        /// Whom the agent acts as, an HDFS superuser; likewise.
        user: Option<String>,
    },
    /// Apache HBase.
    Hbase {
        /// See above.
        name: Option<ComponentName>,
        /// `host:port` of a master, or a list; a region server will do.
        master: OneOrMany,
        /// `hbase.rootdir`: `hdfs://host:port/hbase`.
        root: String,
        /// `http://host:port` of the masters' web pages; absent: port 16010 of their hosts.
        #[serde(default)]
        web: OneOrMany,
        /// As for `hdfs`; absent: as the hdfs component of the same file system has it.
        conf: Option<PathBuf>,
        /// Likewise.
        #[serde(default)]
        webhdfs: OneOrMany,
        /// Whom the agent acts as, a superuser of HBase and of HDFS; likewise.
        user: Option<String>,
        /// `coprocessor-jars`: tables of the other cluster may bring coprocessors in jars. None unless given.
        #[serde(default)]
        allow: BTreeSet<HbasePrivilege>,
    },
}

/// One text, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several, or none.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        OneOrMany::Many(Vec::new())
    }
}

impl OneOrMany {
    /// As a list.
    pub fn to_vec(&self) -> Vec<String> {
        match self {
            OneOrMany::One(one) => vec![one.clone()],
            OneOrMany::Many(many) => many.clone(),
        }
    }
}

impl ComponentConfig {
    /// Its sort.
    pub fn kind(&self) -> ComponentKind {
        match self {
            ComponentConfig::Files { .. } => ComponentKind::Files,
            ComponentConfig::Tables { .. } => ComponentKind::Tables,
            ComponentConfig::Hdfs { .. } => ComponentKind::Hdfs,
            ComponentConfig::Hive { .. } => ComponentKind::Hive,
            ComponentConfig::Hbase { .. } => ComponentKind::Hbase,
        }
    }

    /// Its name in data sets.
    pub fn name(&self) -> Result<ComponentName, Trouble> {
        let (ComponentConfig::Files { name, .. }
        | ComponentConfig::Tables { name, .. }
        | ComponentConfig::Hdfs { name, .. }
        | ComponentConfig::Hive { name, .. }
        | ComponentConfig::Hbase { name, .. }) = self;
        match name {
            Some(name) => Ok(name.clone()),
            None => self.kind().to_string().parse().map_err(|e| Trouble::new(TroubleKind::Invalid, "component", e)),
        }
    }
}

impl AgentConfig {
    /// Reads and checks the file; paths become absolute.
    pub fn read(path: &Path) -> Result<AgentConfig, Trouble> {
        let object = path.display();
        let text = fs::read_to_string(path).map_err(|e| Trouble::new(TroubleKind::Invalid, &object, format!("cannot be read: {e}")))?;
        let folder = std::path::absolute(path).ok().and_then(|p| p.parent().map(Path::to_owned)).unwrap_or_default();
        AgentConfig::parse(&text, &folder).map_err(|e| Trouble { object: object.to_string(), ..e })
    }

    /// Reads and checks a text; relative paths are taken from `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<AgentConfig, Trouble> {
        let invalid = |reason: String| Trouble::new(TroubleKind::Invalid, "agent.toml", reason);
        let mut config: AgentConfig = toml::from_str(text).map_err(|e| invalid(e.to_string().trim_end().to_owned()))?;
        config.state = folder.join(&config.state);
        let mut names = BTreeSet::new();
        for component in &mut config.components {
            match component {
                ComponentConfig::Files { root: path, .. }
                | ComponentConfig::Tables { database: path, .. }
                | ComponentConfig::Hdfs { conf: Some(path), .. }
                | ComponentConfig::Hive { conf: Some(path), .. }
                | ComponentConfig::Hbase { conf: Some(path), .. } => *path = folder.join(&*path),
                ComponentConfig::Hdfs { conf: None, fs, .. } if fs.is_none() => {
                    return Err(invalid("an hdfs component names neither `fs` nor `conf`".into()).next("give fs = \"hdfs://HOST:PORT\""));
                }
                ComponentConfig::Hdfs { .. } | ComponentConfig::Hive { .. } | ComponentConfig::Hbase { .. } => {}
            }
            let name = component.name()?;
            if !names.insert(name.clone()) {
                return Err(invalid(format!("two components are called {name}")).next("give one of them another `name`"));
            }
        }
        if config.components.is_empty() {
            return Err(
                invalid("it has no [[component]]".into()).next("an agent stands beside at least one: files, tables, hdfs, hbase or hive")
            );
        }
        Ok(config)
    }

    /// Where the route listens.
    pub fn route_listen(&self) -> Result<SocketAddr, Trouble> {
        if let Some(route) = self.route {
            return Ok(route);
        }
        let port = match self.listen.port() {
            0 => Some(0),
            port => port.checked_add(ROUTE_OFFSET),
        };
        let port = port.ok_or_else(|| {
            Trouble::new(TroubleKind::Invalid, "agent.toml", format!("there is no port {ROUTE_OFFSET} above `listen`"))
                .next("give `route = \"HOST:PORT\"`")
        })?;
        Ok(SocketAddr::new(self.listen.ip(), port))
    }

    /// Makes the state folder, or refuses one that others may read: the agent's key is inside.
    pub fn prepare_state(&self) -> Result<(), Trouble> {
        prepare_state(&self.state)
    }
}

/// See [`AgentConfig::prepare_state`].
fn prepare_state(state: &Path) -> Result<(), Trouble> {
    let failed = |e: std::io::Error| Trouble::new(TroubleKind::Failed, state.display(), format!("state folder: {e}"));
    if !state.exists() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(failed)?;
    }
    let found = fs::metadata(state).map_err(failed)?;
    if !found.is_dir() {
        return Err(Trouble::new(TroubleKind::Invalid, state.display(), "`state` names something that is no folder"));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Trouble::new(TroubleKind::Refused, state.display(), format!("others may enter the state folder (mode {mode:o})"))
            .next(format!("chmod 700 {}", state.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "shenzhen"
site = "Shenzhen DC 2"
listen = "127.0.0.1:7443"
state = "agent-state"
[[component]]
kind = "files"
root = "/srv/orders"
[[component]]
kind = "tables"
database = "orders.db"
[[component]]
kind = "hdfs"
fs = "hdfs://127.0.0.1:9820"
webhdfs = "http://127.0.0.1:9870"
user = "hdfs"
[[component]]
kind = "hive"
metastore = "thrift://127.0.0.1:9083"
warehouse = "hdfs://127.0.0.1:9820/warehouse"
[[component]]
kind = "hbase"
master = ["127.0.0.1:16000", "127.0.0.1:16001"]
root = "hdfs://127.0.0.1:9820/hbase"
"#;

    fn parse(text: &str) -> Result<AgentConfig, Trouble> {
        AgentConfig::parse(text, Path::new("/etc/understudy"))
    }

    #[test]
    fn the_documented_file_is_read() {
        let config = parse(GOOD).expect("read");
        assert_eq!(config.state, Path::new("/etc/understudy/agent-state"));
        assert_eq!(config.route_listen().expect("a port").port(), 8443);
        let names: Vec<_> = config.components.iter().map(|c| c.name().expect("a name").to_string()).collect();
        assert_eq!(names, ["files", "tables", "hdfs", "hive", "hbase"]);
        let allowed = parse(&GOOD.replace("root = \"/srv/orders\"", "root = \"/srv/orders\"\nallow = [\"setid\", \"root-owner\"]"));
        let allowed = allowed.expect("read").components.remove(0);
        assert!(matches!(allowed, ComponentConfig::Files { allow, .. } if allow == [Privilege::Setid, Privilege::RootOwner].into()));
        assert!(matches!(&config.components[0], ComponentConfig::Files { allow, .. } if allow.is_empty()));
        assert!(
            matches!(&config.components[1], ComponentConfig::Tables { database, .. } if database == Path::new("/etc/understudy/orders.db"))
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, said) in [
            ("site = ", "sight = ", "sight"),
            ("root = ", "rot = ", "rot"),
            ("kind = \"files\"", "kind = \"flies\"", "flies"),
            ("kind = \"tables\"", "kind = \"tables\"\nname = \"files\"", "two components"),
            ("fs = \"hdfs://127.0.0.1:9820\"", "", "neither"),
            ("127.0.0.1:7443", "nowhere", "listen"),
            ("root = \"/srv/orders\"", "root = \"/srv/orders\"\nallow = [\"setuid\"]", "`setid`, `root-owner`, `security-attributes`"),
            ("user = \"hdfs\"", "user = \"hdfs\"\nallow = [\"setid\"]", "security-attributes"),
        ] {
            let trouble = parse(&GOOD.replace(from, to)).expect_err(said);
            assert!(trouble.to_string().contains(said), "{trouble}");
        }
    }

    #[test]
    fn a_state_folder_that_others_may_enter_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = dir.path().join("a/state");
        prepare_state(&state).expect("made");
        assert_eq!(fs::metadata(&state).expect("there").permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&state, fs::Permissions::from_mode(0o750)).expect("set");
        assert_eq!(prepare_state(&state).expect_err("refused").kind, TroubleKind::Refused);
    }
}
