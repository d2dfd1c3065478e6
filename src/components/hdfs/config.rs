//! Where an HDFS is: from the agent's own configuration, or from a Hadoop configuration directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::webhdfs::Limits;
use crate::domain::{ComponentName, Trouble, TroubleKind};

/// One HDFS component as it is configured.
#[derive(Debug, Clone)]
pub struct HdfsConfig {
    /// Its name in data sets.
    pub name: ComponentName,
    /// `hdfs://host:port`, or `hdfs://nameservice` with `conf`. Absent: `fs.defaultFS` of `conf`.
    pub fs: Option<String>,
    /// A directory with `core-site.xml` and `hdfs-site.xml`.
    pub conf: Option<PathBuf>,
    /// `http://host:port` of every NameNode. Empty: from `conf`, or port 9870 of `fs`'s host.
    pub webhdfs: Vec<String>,
    /// Whom the agent acts as; an HDFS superuser.
    pub user: String,
    /// Time limits.
    pub limits: Limits,
}

/// The addresses found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// For RPC.
    pub fs: String,
    /// For WebHDFS.
    pub webhdfs: Vec<String>,
    /// The configuration asks for Kerberos.
    pub kerberos: bool,
}

impl HdfsConfig {
    /// Finds the addresses; reads `conf` where it is given.
    pub fn addresses(&self) -> Result<Addresses, Trouble> {
        let settings = match &self.conf {
            Some(directory) => read_settings(directory)?,
            None => BTreeMap::new(),
        };
        addresses(self.fs.as_deref(), &self.webhdfs, &settings).map_err(|reason| {
            Trouble::new(TroubleKind::Invalid, format!("component {}", self.name), reason)
                .next("give `fs` and `webhdfs`, or `conf` with core-site.xml and hdfs-site.xml")
        })
    }
}

/// The decision behind [`HdfsConfig::addresses`].
fn addresses(fs: Option<&str>, webhdfs: &[String], settings: &BTreeMap<String, String>) -> Result<Addresses, String> {
    let fs = fs.map(str::to_owned).or_else(|| settings.get("fs.defaultFS").cloned()).ok_or("it names no file system")?;
    let authority = fs.strip_prefix("hdfs://").ok_or_else(|| format!("{fs:?} is no hdfs:// address"))?.trim_end_matches('/').to_owned();
    let fs = format!("hdfs://{authority}");
    let kerberos = settings.get("hadoop.security.authentication").is_some_and(|asked| asked.eq_ignore_ascii_case("kerberos"));
    if !webhdfs.is_empty() {
        return Ok(Addresses { fs, webhdfs: webhdfs.to_vec(), kerberos });
    }
    let secure = settings.get("dfs.http.policy").is_some_and(|policy| policy == "HTTPS_ONLY");
    let (scheme, key) = if secure { ("https", "dfs.namenode.https-address") } else { ("http", "dfs.namenode.http-address") };
    let nodes = settings.get(&format!("dfs.ha.namenodes.{authority}"));
    let found: Vec<String> = match nodes {
        Some(nodes) => {
            let keys = nodes.split(',').map(|node| format!("{key}.{authority}.{}", node.trim()));
            keys.filter_map(|key| settings.get(&key)).cloned().collect()
        }
        None => vec![default_web(&authority, settings.get(key).map(String::as_str), secure)],
    };
    if found.is_empty() {
        return Err(format!("the name service {authority} has no {key}"));
    }
    Ok(Addresses { fs, webhdfs: found.into_iter().map(|host| format!("{scheme}://{host}")).collect(), kerberos })
}

/// `host:port` of a single NameNode's web server; a wildcard host is the RPC host.
fn default_web(authority: &str, configured: Option<&str>, secure: bool) -> String {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let port = configured.and_then(|address| address.rsplit_once(':')).map_or(if secure { "9871" } else { "9870" }, |(_, port)| port);
    match configured.and_then(|address| address.rsplit_once(':')) {
        Some((name, port)) if name != "0.0.0.0" => format!("{name}:{port}"),
        _ => format!("{host}:{port}"),
    }
}

fn read_settings(directory: &Path) -> Result<BTreeMap<String, String>, Trouble> {
    let mut settings = BTreeMap::new();
    for name in ["core-site.xml", "hdfs-site.xml"] {
        let path = directory.join(name);
        let trouble = |reason: String| Trouble::new(TroubleKind::Invalid, path.display(), reason);
        let text = std::fs::read_to_string(&path).map_err(|e| trouble(format!("it cannot be read: {e}")))?;
        settings.extend(parse_settings(&text).map_err(trouble)?);
    }
    Ok(settings)
}

/// The properties of a Hadoop configuration file.
pub(super) fn parse_settings(text: &str) -> Result<BTreeMap<String, String>, String> {
    let document = roxmltree::Document::parse(text).map_err(|e| format!("it is no XML: {e}"))?;
    let child = |property: &roxmltree::Node<'_, '_>, name: &str| {
        let node = property.children().find(|node| node.has_tag_name(name))?;
        node.text().map(|text| text.trim().to_owned())
    };
    let properties = document.descendants().filter(|node| node.has_tag_name("property"));
    Ok(properties.filter_map(|property| Some((child(&property, "name")?, child(&property, "value")?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_name_service_gives_all_its_name_nodes() {
        let ha = settings(&[
            ("fs.defaultFS", "hdfs://bank/"),
            ("dfs.ha.namenodes.bank", "nn1, nn2"),
            ("dfs.namenode.http-address.bank.nn1", "a:9870"),
            ("dfs.namenode.http-address.bank.nn2", "b:9870"),
        ]);
        let found = addresses(None, &[], &ha).expect("addresses");
        let webhdfs = vec!["http://a:9870".into(), "http://b:9870".into()];
        assert_eq!(found, Addresses { fs: "hdfs://bank".into(), webhdfs, kerberos: false });
    }

    #[test]
    fn a_single_name_node_needs_only_fs() {
        let found = addresses(Some("hdfs://nn.example:8020"), &[], &BTreeMap::new()).expect("addresses");
        assert_eq!(found.webhdfs, ["http://nn.example:9870"]);
        let wildcard = settings(&[("dfs.namenode.http-address", "0.0.0.0:50070")]);
        assert_eq!(addresses(Some("hdfs://nn:8020"), &[], &wildcard).expect("addresses").webhdfs, ["http://nn:50070"]);
        assert!(addresses(Some("s3://x"), &[], &BTreeMap::new()).is_err());
        assert!(addresses(None, &[], &BTreeMap::new()).is_err());
    }

    #[test]
    fn a_configuration_file_is_read() {
        let text = "<?xml version=\"1.0\"?><configuration><!-- c --><property><name>a.b</name><value> 1 </value><final>true</final></property></configuration>";
        assert_eq!(parse_settings(text).expect("settings"), settings(&[("a.b", "1")]));
        assert!(parse_settings("<configuration>").is_err());
    }
}
