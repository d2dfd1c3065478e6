//! What the console draws: one immutable picture of the engine's state.
//!
//! What is shown is never better than what is true: what is not known is `None` or *unknown*, with when it was last known.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::backup::machine::{Phase, StartedBy};
use crate::domain::drill::report::DrillReport;
use crate::domain::maintenance::Maintenance;
use crate::domain::unfinished::Stuck;
use crate::domain::user_data::UserDataChange;
use crate::domain::watch::Verdict;
use crate::domain::{
    ClusterName, ComponentInfo, Epoch, Health, Identity, PairName, PointId, ProbeReport, RecoveryPoint, RunId, RunReport, Service,
    ServiceName, Trouble,
};
use crate::protocol::{Progress, RenewalFailure};

use super::command::FenceLine;

/// The engine's state at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Rises with every change of a fact that a decision may rest on (identity, health, points), not with progress.
    pub generation: u64,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// False until the engine has read its store and asked the agents once.
    pub ready: bool,
    /// It only observes: no fault is prompted, no identity changed.
    #[serde(default)]
    pub observing: bool,
    /// Another controller commands the agents now: nothing is changed from here.
    #[serde(default)]
    pub ousted: bool,
    /// The engine's own certificate; `None`: it has none.
    #[serde(default)]
    pub certificate: Option<CertificateView>,
    /// The pairs.
    pub pairs: Vec<PairView>,
    /// Runs under way, and the newest ended ones (at most 200), newest first.
    pub runs: Vec<RunView>,
    /// Sealed points, newest first (at most 500 a service).
    pub points: Vec<RecoveryPoint>,
    /// Drills under way, and the newest ended ones (at most 200), newest first.
    #[serde(default)]
    pub drills: Vec<DrillView>,
    /// What happened, newest first (at most 500).
    pub activity: Vec<ActivityLine>,
}

/// A drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillView {
    /// All of it that is known.
    pub report: DrillReport,
    /// What is being done, in words; empty when nothing is.
    pub doing: String,
}

/// A pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairView {
    /// Its name.
    pub name: PairName,
    /// Highest epoch known.
    pub epoch: Epoch,
    /// The active cluster; `None`: unknown or in conflict.
    pub active: Option<ClusterName>,
    /// First the one with the primary identity, then the other.
    pub clusters: Vec<ClusterView>,
    /// Its services.
    pub services: Vec<ServiceView>,
    /// Shown while the primary is faulty and a person has to decide.
    pub fault: Option<FaultPrompt>,
    /// The identity machine's phase, in words for people ("replicating", "promoting guiyang", "active alone since …").
    pub phase: String,
    /// Offsets of the agents' clocks, and whether captures may rest on them.
    pub clock: ClockView,
    /// User data.
    pub users: UsersView,
    /// The control device shares no host with the primary.
    pub controller_isolated: Option<bool>,
    /// A person expects its clusters to look faulty: nobody is prompted.
    #[serde(default)]
    pub maintenance: Option<Maintenance>,
    /// A fault that stands and of which nobody is prompted.
    #[serde(default)]
    pub held_fault: Option<HeldFault>,
    /// Two decisions of one epoch: what a person has to do. Empty otherwise.
    #[serde(default)]
    pub conflict: String,
    /// The agents follow a decision that this console does not know: what to do, in words; empty otherwise.
    #[serde(default)]
    pub behind: String,
    /// A fence that another controller put on for a planned switchover and left, and that cannot be lifted yet: what to do, in words; empty
    /// otherwise.
    #[serde(default)]
    pub left: String,
    /// The old primary, fenced, that a person may make the target of the new one now.
    #[serde(default)]
    pub reversible: Option<ClusterName>,
    /// The commit window, while a promotion can be committed or taken back.
    #[serde(default)]
    pub window: Option<WindowView>,
}

/// One cluster of a pair, as its client sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Its name.
    pub name: ClusterName,
    /// Its site.
    pub site: String,
    /// Its agent's `host:port`.
    pub agent: String,
    /// The identity its agent last told; `Unknown` when it is not reachable or not confirmed.
    pub identity: Identity,
    /// The epoch it last told.
    pub epoch: Option<Epoch>,
    /// Whether it is fenced, as far as known.
    pub fenced: Option<bool>,
    /// Health after debouncing.
    pub health: Health,
    /// Why.
    pub evidence: Vec<String>,
    /// When its agent last answered the engine.
    pub last_seen: Option<DateTime<Utc>>,
    /// Whether the agent answers now (a cluster may serve while its agent is down).
    pub agent_answers: bool,
    /// Its components.
    pub components: Vec<ComponentInfo>,
    /// The newest probe of each.
    pub probes: Vec<ProbeReport>,
    /// When its agent's certificate ends.
    pub certificate_until: Option<DateTime<Utc>>,
    /// That certificate, as the agent last told of it; `None`: it never has.
    #[serde(default)]
    pub certificate: Option<CertificateView>,
    /// Its key's fingerprint.
    pub key: String,
}

/// A certificate, which its owner renews by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// When it was issued; `None`: its owner's version does not tell.
    pub issued_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub valid_until: DateTime<Utc>,
    /// Fewer than 15 days are left: it should have been renewed.
    pub ends_soon: bool,
    /// Why it cannot be renewed; `None`: the last attempt worked.
    pub renewal_failure: Option<RenewalFailure>,
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    /// No recovery point yet.
    NeverProtected,
    /// A run is under way.
    Running,
    /// A committed point that its secondary cannot seal.
    Stuck,
    /// Sealed, within its RPO.
    Protected,
    /// Behind its RPO target.
    BehindTarget,
    /// The last run failed, the point before it stands.
    LastRunFailed,
    /// Active alone after a promotion.
    Unprotected,
    /// The replication was turned round, and no run has sealed in the new direction yet.
    Untried,
    /// Nobody can tell now.
    Unknown,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its name.
    pub name: ServiceName,
    /// How it is.
    pub state: ServiceState,
    /// Its policy.
    pub policy: Service,
    /// Its newest sealed point.
    pub last_point: Option<PointId>,
    /// Seconds from that point's R until now; `None` without a point.
    pub rpo_secs: Option<u64>,
    /// Next moment of its schedule; `None`: on demand, or suspended.
    pub next_moment: Option<DateTime<Utc>>,
    /// RPO in seconds over the last 24 h, oldest first, evenly spaced; `None` where unknown.
    pub rpo_history: Vec<Option<u64>>,
    /// Moments that were missed, and why; newest first, at most 20.
    pub missed: Vec<(DateTime<Utc>, String)>,
    /// Unprotected since, after a promotion.
    pub unprotected_since: Option<DateTime<Utc>>,
    /// The committed point that its secondary cannot finish; `None`: there is none.
    #[serde(default)]
    pub stuck: Option<StuckView>,
    /// Why it could not be brought up at the new primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_up: Option<Trouble>,
}

/// A committed point that its secondary cannot finish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StuckView {
    /// Its run.
    pub run: RunId,
    /// It.
    pub point: PointId,
    /// What cannot be done, since when this is known, and why.
    #[serde(flatten)]
    pub stuck: Stuck,
    /// What a person can do, in words.
    pub way_out: String,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// What is known of it.
    pub report: RunReport,
    /// The run.
    pub run: RunId,
    /// Where it is.
    pub phase: Phase,
    /// Since when.
    pub phase_since: DateTime<Utc>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Why it was started.
    pub started_by: StartedBy,
    /// How far the present step is.
    pub progress: Option<Progress>,
    /// Bytes a second over the last seconds.
    pub bytes_per_sec: Option<u64>,
    /// It has ended, and what follows the end (user data, retention) is over too.
    #[serde(default)]
    pub settled: bool,
    /// Whether a cancel is still possible.
    pub can_cancel: bool,
    /// Whether a person may give the committed point up.
    #[serde(default)]
    pub can_abandon: bool,
    /// Its log, oldest first, at most 200 lines.
    pub log: Vec<ActivityLine>,
}

/// The commit window of a promotion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowView {
    /// The services are up and closed: a person looks at them, and commits the promotion or takes it back.
    pub held: bool,
    /// The new primary.
    pub primary: ClusterName,
    /// The old one, which goes on when the promotion is taken back.
    pub back_to: ClusterName,
    /// Why the promotion cannot be taken back now; empty: it may be tried. Whether something was written the new primary tells then.
    pub refused: String,
    /// Why it was not, the last time.
    pub kept_back: Option<Trouble>,
}

/// The fault prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultPrompt {
    /// The cluster concerned: the primary.
    pub faulty: ClusterName,
    /// The one that can take over.
    pub survivor: ClusterName,
    /// What is wrong: the cluster itself, only its agent, or this console's own sight.
    pub cause: Verdict,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What was observed, by whom.
    pub observed: Vec<Observation>,
    /// What the observations amount to.
    pub verdict: String,
    /// What each service would resume from.
    pub resume: Vec<ResumeView>,
    /// When user data was last in sync, in words.
    pub users: String,
    /// What adjusting will do, step by step.
    pub will: Vec<String>,
    /// The fences of the faulty cluster that nobody could read back: a person has to say how they know that nobody writes there.
    #[serde(default)]
    pub unproven: Vec<FenceLine>,
    /// False: only the agent is down, or the survivor cannot be reached; `refused` says why.
    pub can_adjust: bool,
    /// Why not; empty otherwise.
    pub refused: String,
    /// The services would go on from what is live at the survivor: the primary was lost while it was alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// It was lost in the middle of its promotion: that goes on by itself when it comes back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub promoting: bool,
}

/// A fault of which nobody is prompted: in a maintenance, or by an engine that only observes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFault {
    /// Since when.
    pub since: DateTime<Utc>,
    /// What was seen, in words.
    pub words: String,
}

/// One line of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Who looked at what.
    pub who: String,
    /// What they saw.
    pub saw: String,
    /// How bad that is.
    pub health: Health,
}

/// What a service would resume from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeView {
    /// The service.
    pub service: ServiceName,
    /// The point; `None`: it has none and would not come up, or goes on from what is live.
    pub point: Option<RecoveryPoint>,
    /// It goes on from what is live at the survivor, which was primary before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
    /// Seconds of writes lost.
    pub lost_secs: Option<u64>,
}

/// The clocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClockView {
    /// Cluster, offset against the engine's clock and bound, in milliseconds.
    pub offsets: Vec<(ClusterName, f64, f64)>,
    /// The widest uncertainty between the two agents, in milliseconds; `None`: not measured.
    pub bound_ms: Option<f64>,
    /// Whether captures may be scheduled on them.
    pub good: bool,
    /// In words.
    pub words: String,
}

/// User data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsersView {
    /// When both sides were last compared or synced.
    pub at: Option<DateTime<Utc>>,
    /// Differences found then and not applied.
    pub differences: Vec<UserDataChange>,
    /// Counts at the primary: users, groups, permissions, tenants.
    pub counts: [u64; 4],
    /// The last attempt's trouble.
    pub trouble: Option<Trouble>,
}

/// One line of what happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActivityLine {
    /// When.
    pub at: DateTime<Utc>,
    /// How bad.
    pub level: Level,
    /// What, in words.
    pub text: String,
    /// The pair or service it is about; empty for the engine.
    pub about: String,
}

/// How bad a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// To know.
    Info,
    /// To look at.
    Warning,
    /// To act on.
    Fault,
}
