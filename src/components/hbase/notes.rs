//! The notes that name what of an HBase data set is not carried, or will matter (what becomes of each part: `contents`).
//!
//! ```text
//! descriptor, state, namespace, quotas, rights → notes (codes with data) → policy check · every run's log
//! ```

use serde::{Deserialize, Serialize};

use super::coprocessors::in_jars;
use super::manifest::sort_schema;
use super::names::{Table, point_of};
use super::rpc::RpcError;
use super::rpc::snapshot::{FamilySchema, TableSchema};
use super::{Hbase, client::State};
use crate::domain::{Note, Trouble};

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
    /// It has snapshots that are not Understudy's.
    OwnSnapshots {
        /// How many.
        count: usize,
    },
    /// This HBase keeps visibility labels.
    VisibilityLabels,
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
            HbaseNote::OwnSnapshots { .. } => "own-snapshots",
            HbaseNote::VisibilityLabels => "visibility-labels",
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
            HbaseNote::OwnSnapshots { count } => (
                format!("{count} snapshots of the table are not Understudy's, and are not copied"),
                "copy what of them is needed yourself (ExportSnapshot)".into(),
            ),
            HbaseNote::VisibilityLabels => (
                "cells keep the numbers of their visibility labels, and the labels themselves are this cluster's".into(),
                "where the table's cells have labels, define the same labels at the secondary in the same order, and try a drill".into(),
            ),
        }
    }

    /// As it is told about `object`.
    pub fn about(&self, object: &str) -> Note {
        let (reason, next_step) = self.words();
        Note::new(self, object, reason, next_step)
    }
}

/// That it could not be told what stays behind.
pub fn unread(object: &str, why: &Trouble) -> Note {
    #[derive(Serialize)]
    #[serde(tag = "code", rename_all = "kebab-case")]
    enum Told {
        NotesUnread,
    }
    Note::new(&Told::NotesUnread, object, format!("what is not carried of it could not be read: {}", why.reason), &why.next_step)
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
        let own = self.client.snapshots().await.map_err(about)?.into_iter().filter(|one| one.table.as_deref() == Some(&table.text()));
        let count = own.filter(|one| point_of(&one.name, &table.set()).is_none()).count();
        if count > 0 {
            notes.push(HbaseNote::OwnSnapshots { count });
        }
        if self.client.schema(&system("labels")).await.map_err(about)?.is_some() {
            notes.push(HbaseNote::VisibilityLabels);
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::components::hbase::contents::PARTS;
    use crate::components::hbase::rpc::snapshot::BytesPair;
    use crate::components::parts::codes;

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
            HbaseNote::OwnSnapshots { count: 1 },
            HbaseNote::VisibilityLabels,
        ];
        for note in &all {
            assert_eq!(serde_json::to_value(note).expect("data")["code"], note.code());
            assert_eq!(note.about("hbase:shop:orders").code, note.code());
        }
        let mut told: BTreeSet<&str> = all.iter().map(HbaseNote::code).collect();
        told.insert("coprocessor-jars");
        assert_eq!(told, codes(PARTS));
    }
}
