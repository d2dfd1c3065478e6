//! What an HBase data set consists of and what becomes of each part: one table, and the notes that name what is not carried. Pure.
//!
//! ```text
//! descriptor, state, namespace, quotas, rights → notes (codes with data) → policy check · every run's log
//! ```

use serde::{Deserialize, Serialize};

use super::coprocessors::in_jars;
use super::manifest::sort_schema;
use super::names::Table;
use super::rpc::RpcError;
use super::rpc::snapshot::{FamilySchema, TableSchema};
use super::{Hbase, client::State};
use crate::domain::Trouble;
use crate::protocol::Note;

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, and the seal or the promotion compares it.
    Carried,
    /// A table that has it is refused by name before a byte is staged.
    Refused,
    /// It arrives, and something about it is said under this code.
    CarriedAndNamed(&'static str),
    /// It stays behind; said under this code in the policy and in every run.
    Named(&'static str),
    /// It stays behind, and is not looked for.
    NotRead,
}

/// One part of an HBase data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub what: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// How, or why not.
    pub how: &'static str,
}

/// Everything that an HBase data set consists of.
pub const PARTS: &[Part] = &[
    Part { what: "cells, every version, deletions too", fate: Fate::Carried, how: "as HFiles of a flush snapshot" },
    Part { what: "MOB cells", fate: Fate::Carried, how: "as HFiles of the table's MOB region" },
    Part { what: "regions and their boundaries", fate: Fate::Carried, how: "as the snapshot's regions" },
    Part { what: "the descriptor: attributes, settings, column families", fate: Fate::Carried, how: "whole, in the snapshot" },
    Part { what: "a disabled table", fate: Fate::CarriedAndNamed("table-disabled"), how: "it stays disabled" },
    Part {
        what: "the store file tracker (DEFAULT, FILE)",
        fate: Fate::Carried,
        how: "as the descriptor names it; a live table with another one is made anew",
    },
    Part { what: "coprocessors on the servers' class path", fate: Fate::Carried, how: "by class; the secondary needs the class" },
    Part { what: "coprocessors in a jar", fate: Fate::Refused, how: "unless the secondary's agent.toml allows coprocessor-jars" },
    Part { what: "the jar of a coprocessor", fate: Fate::Named("coprocessor-jar"), how: "it is a file outside the table" },
    Part {
        what: "replication scopes",
        fate: Fate::CarriedAndNamed("replication-scope"),
        how: "in the descriptor; the replication peers are the cluster's",
    },
    Part { what: "encrypted column families", fate: Fate::CarriedAndNamed("encrypted-family"), how: "the master key is the cluster's" },
    Part { what: "the namespace", fate: Fate::Carried, how: "made where it is missing" },
    Part { what: "properties of the namespace", fate: Fate::Named("namespace-properties"), how: "they are shared with other tables" },
    Part { what: "quotas of the table and of the namespace", fate: Fate::Named("quotas"), how: "they are the cluster's" },
    Part { what: "rights of HBase", fate: Fate::Named("rights"), how: "they are the cluster's" },
    Part { what: "the owners' own snapshots, their lifetimes", fate: Fate::NotRead, how: "a snapshot can be copied by ExportSnapshot" },
    Part { what: "visibility labels", fate: Fate::NotRead, how: "cells keep the numbers of their labels, which are the cluster's" },
];

/// Something to know of a table before it matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum HbaseNote {
    /// It loads a coprocessor from a jar, which stays where it is.
    CoprocessorJar {
        /// The class.
        class: String,
        /// The jar's address.
        jar: String,
    },
    /// Families whose edits go to the cluster's replication peers.
    ReplicationScope {
        /// Their names.
        families: Vec<String>,
    },
    /// Families whose HFiles are encrypted.
    EncryptedFamily {
        /// Their names.
        families: Vec<String>,
    },
    /// Its namespace has properties.
    NamespaceProperties {
        /// The namespace.
        namespace: String,
        /// Their names.
        names: Vec<String>,
    },
    /// It, or its namespace, has quotas.
    Quotas {
        /// What has them.
        of: Vec<String>,
    },
    /// Rights were granted on it, or on its namespace.
    Rights {
        /// What they are on.
        of: Vec<String>,
    },
    /// It is disabled.
    TableDisabled,
    /// Somebody enables or disables it.
    TableChanging,
}

impl HbaseNote {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            HbaseNote::CoprocessorJar { .. } => "coprocessor-jar",
            HbaseNote::ReplicationScope { .. } => "replication-scope",
            HbaseNote::EncryptedFamily { .. } => "encrypted-family",
            HbaseNote::NamespaceProperties { .. } => "namespace-properties",
            HbaseNote::Quotas { .. } => "quotas",
            HbaseNote::Rights { .. } => "rights",
            HbaseNote::TableDisabled => "table-disabled",
            HbaseNote::TableChanging => "table-changing",
        }
    }

    /// What is so, and what the person can do.
    fn words(&self) -> (String, String) {
        match self {
            HbaseNote::CoprocessorJar { class, jar } => (
                format!("it loads coprocessor {class} from the jar {jar}, and the jar is not copied"),
                "before a promotion the secondary's servers must be able to read that address when this cluster is gone: put the jar into the \
                 secondary's HDFS and name it without a host (hdfs:///PATH), or put the class on the servers' class path; and let it in \
                 with \"coprocessor-jars\" under `allow` in the secondary's agent.toml"
                    .into(),
            ),
            HbaseNote::ReplicationScope { families } => (
                format!("HBase itself replicates its families {}; after a promotion the secondary's own peers get them", families.join(", ")),
                "see at the secondary which peers there are (list_peers), and that none leads back into the table".into(),
            ),
            HbaseNote::EncryptedFamily { families } => (
                format!("its families {} are encrypted, and the key that opens them is not copied", families.join(", ")),
                "give the secondary's HBase the same master key, and try a drill".into(),
            ),
            HbaseNote::NamespaceProperties { namespace, names } => (
                format!("properties of namespace {namespace} are not copied: {}", names.join(", ")),
                "set at the secondary what is wanted there (alter_namespace)".into(),
            ),
            HbaseNote::Quotas { of } => {
                (format!("quotas are not copied: {}", of.join(", ")), "set at the secondary what is wanted there (set_quota)".into())
            }
            HbaseNote::Rights { of } => {
                (format!("rights of HBase are not copied: on {}", of.join(", ")), "grant at the secondary what is wanted there".into())
            }
            HbaseNote::TableDisabled => ("the table is disabled, and will be disabled wherever it is brought up".into(), String::new()),
            HbaseNote::TableChanging => {
                ("somebody enables or disables the table".into(), "its state in the point is the one at the moment of the capture".into())
            }
        }
    }

    /// As it is told about `object`.
    pub fn about(&self, object: &str) -> Note {
        let (reason, next_step) = self.words();
        Note { object: object.to_owned(), code: self.code().to_owned(), reason, next_step }
    }
}

/// A family's attribute or setting, in the way HBase itself looks it up.
fn of_family<'a>(family: &'a FamilySchema, key: &str) -> Option<&'a [u8]> {
    let told = family.attributes.iter().find(|pair| pair.first == key.as_bytes()).map(|pair| pair.second.as_slice());
    told.or_else(|| family.configuration.iter().find(|pair| pair.name == key).map(|pair| pair.value.as_bytes()))
}

/// What a table's descriptor and state give to know.
pub fn of_schema(schema: &TableSchema, state: State) -> Vec<HbaseNote> {
    let mut sorted = schema.clone();
    sort_schema(&mut sorted);
    let families = |matters: &dyn Fn(&FamilySchema) -> bool| -> Vec<String> {
        let those = sorted.column_families.iter().filter(|family| matters(family));
        those.map(|family| String::from_utf8_lossy(&family.name).into_owned()).collect()
    };
    let mut notes: Vec<HbaseNote> = Vec::new();
    for (class, jar) in in_jars(&sorted) {
        notes.push(HbaseNote::CoprocessorJar { class, jar });
    }
    let replicated = families(&|family| of_family(family, "REPLICATION_SCOPE").is_some_and(|scope| scope != b"0"));
    if !replicated.is_empty() {
        notes.push(HbaseNote::ReplicationScope { families: replicated });
    }
    let encrypted = families(&|family| of_family(family, "ENCRYPTION").is_some_and(|cipher| !cipher.is_empty()));
    if !encrypted.is_empty() {
        notes.push(HbaseNote::EncryptedFamily { families: encrypted });
    }
    match state {
        State::Enabled => {}
        State::Disabled => notes.push(HbaseNote::TableDisabled),
        State::Between => notes.push(HbaseNote::TableChanging),
    }
    notes
}

impl Hbase {
    /// Everything to know of a table, asked of the cluster.
    pub(super) async fn notes_of(&self, set: &str, table: &Table, schema: &TableSchema, state: State) -> Result<Vec<Note>, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let mut notes = of_schema(schema, state);
        let names = self.client.namespace_properties(&table.namespace).await.map_err(about)?;
        if !names.is_empty() {
            notes.push(HbaseNote::NamespaceProperties { namespace: table.namespace.clone(), names });
        }
        let system = |name: &str| Table { namespace: "hbase".into(), name: name.into() };
        let (own, all) = (table.text(), table.namespace.clone());
        // Rows as HBase's quotas and its AccessController name them.
        let (limited, all_limited) = (format!("t.{own}"), format!("n.{all}"));
        let of = self.client.rows_there(&system("quota"), &[&limited, &all_limited]).await.map_err(about)?;
        let said = |row: &str, is_namespace: bool| if is_namespace { format!("namespace {all}") } else { format!("table {row}") };
        if !of.is_empty() {
            notes.push(HbaseNote::Quotas { of: of.iter().map(|row| said(&own, *row == all_limited)).collect() });
        }
        let all_granted = format!("@{all}");
        let of = self.client.rows_there(&system("acl"), &[&own, &all_granted]).await.map_err(about)?;
        if !of.is_empty() {
            notes.push(HbaseNote::Rights { of: of.iter().map(|row| said(&own, *row == all_granted)).collect() });
        }
        Ok(notes.iter().map(|note| note.about(&self.object(set))).collect())
    }

    /// The same of a table that is looked up first; nothing of one that is not there.
    pub(super) async fn notes_at(&self, set: &str, table: &Table) -> Result<Vec<Note>, Trouble> {
        let about = |error: RpcError| error.about(self.object(set));
        let Some(schema) = self.client.schema(table).await.map_err(about)? else { return Ok(Vec::new()) };
        let state = self.client.state(table).await.map_err(about)?;
        self.notes_of(set, table, &schema, state).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::hbase::rpc::snapshot::BytesPair;

    fn pair(first: &str, second: &str) -> BytesPair {
        BytesPair { first: first.into(), second: second.into() }
    }

    fn family(name: &str, attributes: &[(&str, &str)]) -> FamilySchema {
        let attributes = attributes.iter().map(|(key, value)| pair(key, value)).collect();
        FamilySchema { name: name.into(), attributes, ..FamilySchema::default() }
    }

    #[test]
    fn a_descriptor_gives_its_notes_by_code_with_their_data() {
        let jar = pair("coprocessor$1", "hdfs://nn:8020/x.jar|org.shop.Observer|1001|a=b");
        let plain = pair("coprocessor$2", "|org.apache.hadoop.hbase.coprocessor.AggregateImplementation|1|");
        let column_families = vec![
            family("z", &[("REPLICATION_SCOPE", "1")]),
            family("f", &[("REPLICATION_SCOPE", "0"), ("ENCRYPTION", "AES")]),
            family("a", &[("REPLICATION_SCOPE", "1")]),
        ];
        let schema = TableSchema { attributes: vec![jar, plain], column_families, ..TableSchema::default() };
        let notes = of_schema(&schema, State::Disabled);
        let wanted = [
            HbaseNote::CoprocessorJar { class: "org.shop.Observer".into(), jar: "hdfs://nn:8020/x.jar".into() },
            HbaseNote::ReplicationScope { families: vec!["a".into(), "z".into()] },
            HbaseNote::EncryptedFamily { families: vec!["f".into()] },
            HbaseNote::TableDisabled,
        ];
        assert_eq!(notes, wanted);
        assert!(of_schema(&TableSchema { column_families: vec![family("f", &[])], ..TableSchema::default() }, State::Enabled).is_empty());
    }

    #[test]
    fn every_code_is_a_promise_and_stands_in_the_table() {
        let (one, list) = (String::new(), Vec::new());
        let all = [
            HbaseNote::CoprocessorJar { class: one.clone(), jar: one.clone() },
            HbaseNote::ReplicationScope { families: list.clone() },
            HbaseNote::EncryptedFamily { families: list.clone() },
            HbaseNote::NamespaceProperties { namespace: one, names: list.clone() },
            HbaseNote::Quotas { of: list.clone() },
            HbaseNote::Rights { of: list },
            HbaseNote::TableDisabled,
            HbaseNote::TableChanging,
        ];
        let named =
            |code: &str| PARTS.iter().any(|part| matches!(part.fate, Fate::Named(known) | Fate::CarriedAndNamed(known) if known == code));
        for note in all {
            assert_eq!(serde_json::to_value(&note).expect("data")["code"], note.code());
            assert!(named(note.code()) || note == HbaseNote::TableChanging, "{note:?} stands for no part");
            assert_eq!(note.about("hbase:shop:orders").code, note.code());
        }
    }
}
