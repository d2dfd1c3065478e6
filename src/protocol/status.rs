//! What an agent tells about itself, and what a controller rebuilds from.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::switchover::machine::Decision;
use crate::domain::user_data::UserData;
use crate::domain::{
    Claim, ClusterName, ComponentInfo, ComponentName, PairName, PointId, ProbeReport, RecoveryPoint, Service, ServiceName, Term,
};

use super::{CertificateStatus, KeptWrites, PeerSpec, UnfinishedPoint, UnfinishedRestore};

/// An agent's status: identity + health, with evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentStatus {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its site.
    pub site: String,
    /// Its version.
    pub version: String,
    /// Protocol version.
    pub protocol: u32,
    /// This host's machine id and addresses, to tell whether a controller shares them.
    pub host: Vec<String>,
    /// Highest term seen.
    pub term: Term,
    /// Its own clock when it answered.
    pub now: DateTime<Utc>,
    /// The clock's source as the host tells it (`chronyc` reference id); empty when it cannot tell.
    pub clock_source: String,
    /// When its certificate ends.
    pub certificate_until: DateTime<Utc>,
    /// All of it, and how its renewal goes. Only for who asks for it (`?certificate=true`): an older reader refuses fields that it does
    /// not know. `None`: this agent's version does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// Its components.
    pub components: Vec<ComponentInfo>,
    /// Its own probes of them, the newest of each.
    pub probes: Vec<ProbeReport>,
    /// `host:port` under which the *other* agent reaches it, where that is not the controller's way (another network, the training
    /// lab's relays); empty: the same. Pairing puts it into [`PeerSpec::address`].
    #[serde(default)]
    pub peer_address: String,
    /// `host:port` of its route, for its peer and for applications; empty: it serves none. Pairing puts it into [`PeerSpec::route`].
    #[serde(default)]
    pub route_address: String,
    /// Its pairs.
    pub pairs: Vec<PairStatus>,
    /// The committed points that it has not sealed yet. Only for who asks for it (`?unfinished=true`), as above. `None`: this agent's
    /// version does not tell, and cannot take one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Vec<UnfinishedPoint>>,
    /// The restores that were begun here and are not whole. Only for who asks for it (`?restores=true`), as above. `None`: this agent's
    /// version does not tell, and cannot restore beside the live data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<Vec<UnfinishedRestore>>,
}

impl AgentStatus {
    /// Its certificate, as far as its version tells.
    pub fn certificate(&self) -> CertificateStatus {
        let valid_until = self.certificate_until;
        self.certificate.clone().unwrap_or(CertificateStatus { issued_at: None, valid_until, renewal_failure: None })
    }
}

/// An agent's part in one pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairStatus {
    /// The pair.
    pub pair: PairName,
    /// Its durable claim.
    pub claim: Claim,
    /// False from its start until the peer, the controller or a person confirmed the claim.
    pub confirmed: bool,
    /// Whether its data plane is fenced (read back).
    pub fenced: bool,
    /// What the fence's read-back said, data set by data set.
    pub fence_evidence: Vec<String>,
    /// What it sees of the other side.
    pub peer: PeerView,
    /// Its services.
    pub services: Vec<ServiceStatus>,
}

/// What one agent sees of the other side: the second vantage point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerView {
    /// The other cluster.
    pub cluster: ClusterName,
    /// Its agent's `host:port`.
    pub address: String,
    /// When its agent last answered us.
    pub agent_seen: Option<DateTime<Utc>>,
    /// Probes of its agent since it last answered: how many in a row failed.
    pub agent_failures: u32,
    /// The claim it last told.
    pub claim: Option<Claim>,
    /// Our own probes of its components, where they can be probed from here.
    pub probes: Vec<ProbeReport>,
    /// Offset of its clock against ours, and the bound, in milliseconds.
    pub clock_offset_ms: Option<(f64, f64)>,
}

/// One service at one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceStatus {
    /// The service.
    pub service: ServiceName,
    /// The newest sealed point here.
    pub last_point: Option<PointId>,
    /// Whether applications may use it here (identity primary, promotion complete).
    pub active: bool,
}

/// A clock sample. The asker notes when it sent and received: four times give the offset (see `domain::clock`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockReply {
    /// Nanoseconds since 1970 when the request arrived, by the agent's clock.
    pub received_ns: i64,
    /// Nanoseconds since 1970 when the reply left.
    pub sent_ns: i64,
}

/// One line of the catalogue to pick data sets from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueItem {
    /// The component.
    pub component: ComponentName,
    /// The path to ask for what is inside, and the data set's path.
    pub path: String,
    /// What is shown.
    pub label: String,
    /// Whether it can be a data set.
    pub selectable: bool,
    /// Whether something may be inside.
    pub expandable: bool,
    /// Its bytes, where that is cheap to know.
    pub bytes: Option<u64>,
    /// Its files or rows, likewise.
    pub files: Option<u64>,
}

/// A snapshot or capture of ours on a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnSnapshot {
    /// The component.
    pub component: ComponentName,
    /// The data set's path.
    pub path: String,
    /// The point it belongs to.
    pub point: PointId,
}

/// Everything a new controller needs from one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// The agent's cluster.
    pub cluster: ClusterName,
    /// Its pairs.
    pub pairs: Vec<PairRecord>,
}

/// One pair as an agent's ledger holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairRecord {
    /// The pair.
    pub pair: PairName,
    /// This agent's claim.
    pub claim: Claim,
    /// The other agent.
    pub peer: PeerSpec,
    /// The policies.
    pub services: Vec<Service>,
    /// Sealed (and committed) points held here.
    pub points: Vec<RecoveryPoint>,
    /// The user data applied last.
    pub user_data: Option<UserData>,
    /// Decisions of persons carried out here.
    pub decisions: Vec<Decision>,
    /// What this cluster wrote while it was no longer meant to be primary, kept for its owners.
    #[serde(default)]
    pub kept: Vec<KeptWrites>,
}
