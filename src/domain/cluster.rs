//! Clusters: identity, health, and what a client of one saw.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ClusterName, ComponentName, DecisionId, Digest, Epoch, PairName};

/// What a cluster is for its pair, according to its own agent's durable record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// Applications use it.
    Primary,
    /// It stands by, fenced.
    Secondary,
    /// Not told, or not confirmed since its agent started.
    Unknown,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Identity::Primary => "primary",
            Identity::Secondary => "secondary",
            Identity::Unknown => "unknown",
        })
    }
}

/// An agent's durable claim: who it is for a pair, by which decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The identity it holds.
    pub identity: Identity,
    /// The epoch of the decision.
    pub epoch: Epoch,
    /// The decision; two decisions of one epoch are a conflict that only a person resolves.
    pub decision: DecisionId,
}

impl DecisionId {
    /// The decision that founds a pair: both agents derive the same one, and a pairing the other way round would be another.
    pub fn founding(pair: &PairName, epoch: Epoch, primary: &ClusterName) -> DecisionId {
        let text = format!("founding decision\n{pair}\n{epoch}\n{primary}");
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&Digest::of_bytes(text.as_bytes()).0[..16]);
        DecisionId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// How a cluster or component is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers and reports no failure.
    Healthy,
    /// Signs of trouble, not yet enough to call it faulty.
    Suspect,
    /// Evidence, long enough and from enough places, that it cannot serve.
    Faulty,
    /// Nobody can tell.
    Unknown,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Health::Healthy => "healthy",
            Health::Suspect => "suspect",
            Health::Faulty => "faulty",
            Health::Unknown => "unknown",
        })
    }
}

/// The sort of a component; decides capture, transfer and fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    /// A directory tree.
    Files,
    /// A SQLite database; its tables are its data sets.
    Tables,
    /// Apache HDFS.
    Hdfs,
    /// Apache Hive; its databases and tables are its data sets.
    Hive,
    /// Apache HBase; its tables are its data sets.
    Hbase,
}

impl fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ComponentKind::Files => "files",
            ComponentKind::Tables => "tables",
            ComponentKind::Hdfs => "hdfs",
            ComponentKind::Hive => "hive",
            ComponentKind::Hbase => "hbase",
        })
    }
}

/// What one probe of one component found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The component probed.
    pub component: ComponentName,
    /// When the answer (or the time limit) came.
    pub at: DateTime<Utc>,
    /// What it says.
    pub health: Health,
    /// The evidence in words, for example "NameNode refuses connections" or "safe mode is on".
    pub evidence: String,
    /// How long the probe took, in milliseconds.
    pub took_ms: u64,
    /// What else was found, and is no fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<ProbeNote>,
}

/// What a probe found beside how the component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeNote {
    /// The component answers what it is for, and its monitoring pages are not where they are said to be. Whoever else asks there finds
    /// nobody, and that says nothing of the component.
    MonitoringAddressWrong,
}

/// What a component is, as its own cluster's agent describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentInfo {
    /// Its name in data sets.
    pub name: ComponentName,
    /// Its sort.
    pub kind: ComponentKind,
    /// The server's version as it tells it; empty where there is none.
    pub version: String,
    /// Where it is, for people: a path or a URL.
    pub address: String,
    /// Where the *other* agent can probe it itself (NameNode HTTP addresses); empty when only its own agent can.
    #[serde(default)]
    pub probe_addresses: Vec<String>,
    /// Bytes free for new data; `None` when it cannot tell.
    pub free_bytes: Option<u64>,
    /// The file system that those are free in, where several components may share it (`hdfs://authority`); empty where it is its own.
    #[serde(default)]
    pub storage: String,
    /// How often that file system keeps a byte, which `free_bytes` does not know of; 1 where it is not told.
    #[serde(default = "once")]
    pub copies: u32,
    /// Bytes in use; `None` when it cannot tell.
    pub used_bytes: Option<u64>,
    /// Whether the component itself told what stands here; false: it has not answered yet, and only its name and kind are known.
    #[serde(default)]
    pub described: bool,
    /// Whether the component asks for Kerberos, which this version refuses by name.
    #[serde(default)]
    pub kerberos: bool,
    /// What the agent may not do here though it needs to, in words; empty when all rights are there.
    #[serde(default)]
    pub missing_rights: Vec<String>,
}

fn once() -> u32 {
    1
}

impl ComponentInfo {
    /// One of which only name and kind are known.
    pub fn undescribed(name: ComponentName, kind: ComponentKind) -> ComponentInfo {
        ComponentInfo {
            name,
            kind,
            version: String::new(),
            address: String::new(),
            probe_addresses: Vec::new(),
            free_bytes: None,
            storage: String::new(),
            copies: once(),
            used_bytes: None,
            described: false,
            kerberos: false,
            missing_rights: Vec::new(),
        }
    }
}
