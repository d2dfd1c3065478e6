//! Code that a table's descriptor would bring along: a coprocessor with a jar is loaded into every region server that serves the table.
//! One without a jar is a class that the secondary's own servers have, put there by whoever runs them. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::manifest::schema_of;
use super::rpc::snapshot::TableSchema;
use crate::domain::{Manifest, Trouble, TroubleKind};

/// Attributes of a descriptor that name a coprocessor, in any case: `coprocessor$1` → `JAR|CLASS|PRIORITY|ARGUMENTS`.
const COPROCESSOR: &[u8] = b"coprocessor$";
/// Characters of a class or an address that are shown.
const SHOWN: usize = 200;

/// What agent.toml may let in from the other cluster: `allow = ["coprocessor-jars"]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HbasePrivilege {
    /// Tables whose descriptor names a coprocessor in a jar.
    CoprocessorJars,
}

/// The coprocessors of a descriptor that come in a jar: class and address of the jar.
pub fn in_jars(schema: &TableSchema) -> Vec<(String, String)> {
    let is_one = |name: &[u8]| name.get(..COPROCESSOR.len()).is_some_and(|start| start.eq_ignore_ascii_case(COPROCESSOR));
    let told = schema.attributes.iter().map(|pair| (pair.first.as_slice(), pair.second.as_slice()));
    let set = schema.configuration.iter().map(|pair| (pair.name.as_bytes(), pair.value.as_bytes()));
    let values = told.chain(set).filter(|(name, _)| is_one(name)).map(|(_, value)| String::from_utf8_lossy(value).into_owned());
    let parted = values.map(|value| {
        let mut parts = value.split('|').map(|part| part.trim().to_owned());
        let (jar, class) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        (class, jar)
    });
    parted.filter(|(_, jar)| !jar.is_empty()).collect()
}

/// What is refused, for programs.
#[derive(Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
enum Refusal {
    CoprocessorJars { class: String, jar: String },
}

/// Refuses a manifest whose table would load a jar, by name.
pub fn check(manifest: &Manifest, allowed: &BTreeSet<HbasePrivilege>, object: &str) -> Result<(), Trouble> {
    let refused = |reason: String| Trouble::new(TroubleKind::Refused, object, reason);
    let schema = schema_of(manifest).map_err(|reason| refused(reason).next("look at the primary's agent; run again"))?;
    match in_jars(&schema).first() {
        Some((class, jar)) if !allowed.contains(&HbasePrivilege::CoprocessorJars) => Err(refused(format!(
            "its descriptor loads a coprocessor from a jar into the region servers: class {:?} in {:?}",
            class.chars().take(SHOWN).collect::<String>(),
            jar.chars().take(SHOWN).collect::<String>()
        ))
        .next("remove it at the primary, or let it in: on this host (the target's), add \"coprocessor-jars\" to `allow` of the hbase component in agent.toml and start the agent again")
        .coded(&Refusal::CoprocessorJars { class: class.clone(), jar: jar.clone() })),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message;

    use super::*;
    use crate::components::hbase::rpc::snapshot::BytesPair;
    use crate::domain::{Entry, Metadata, Node, RelPath};

    fn with(name: &str, value: &str) -> TableSchema {
        let pair = BytesPair { first: name.into(), second: value.into() };
        TableSchema { attributes: vec![pair], ..TableSchema::default() }
    }

    #[test]
    fn a_coprocessor_in_a_jar_is_seen_and_one_on_the_class_path_is_none() {
        let jar = "hdfs://nn:8020/user/evil.jar|org.evil.Observer|1001|a=b";
        for name in ["coprocessor$1", "Coprocessor$22", "COPROCESSOR$1"] {
            let told = ("org.evil.Observer".to_owned(), "hdfs://nn:8020/user/evil.jar".to_owned());
            assert_eq!(in_jars(&with(name, jar)), [told], "{name}");
            assert!(in_jars(&with(name, "|org.apache.phoenix.coprocessor.ScanRegionObserver|805306366|")).is_empty());
            assert!(in_jars(&with(name, " |org.apache.Observer|1|")).is_empty());
        }
        assert!(in_jars(&with("READONLY", jar)).is_empty());
    }

    #[test]
    fn a_table_that_brings_a_jar_is_refused_unless_agent_toml_allows_it() {
        let manifest = |schema: &TableSchema| {
            let hex: String = schema.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
            let meta = Metadata { xattrs: BTreeMap::from([("hbase.schema".to_owned(), hex)]), ..Metadata::default() };
            Manifest::from_entries([Entry { path: RelPath::root(), node: Node::Directory, meta }])
        };
        let evil = manifest(&with("coprocessor$1", "hdfs:///evil.jar|org.evil.Observer|1|"));
        let refused = check(&evil, &BTreeSet::new(), "hbase:shop:orders").expect_err("refused");
        assert_eq!((refused.kind, refused.object.as_str()), (TroubleKind::Refused, "hbase:shop:orders"));
        assert!(refused.reason.contains("evil.jar") && refused.next_step.contains("\"coprocessor-jars\""), "{refused}");
        check(&evil, &BTreeSet::from([HbasePrivilege::CoprocessorJars]), "hbase:shop:orders").expect("allowed");
        check(&manifest(&with("coprocessor$1", "|org.apache.Observer|1|")), &BTreeSet::new(), "hbase:shop:orders").expect("no jar");
        assert!(check(&Manifest::default(), &BTreeSet::new(), "hbase:shop:orders").is_err(), "without a descriptor it is no table");
    }
}
