//! Instructions to an agent, and its answers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::switchover::machine::Decision;
use crate::domain::user_data::{UserData, UserDataChange};
use crate::domain::{
    ClusterName, ComponentInfo, CopyMode, DataSet, Epoch, Identity, InstructionId, PairName, PointId, RecoveryPoint, RunId, Service,
    ServiceName, Term, Timings, Trouble,
};

use super::{AbandonOrder, CopyKeptOrder, DrillOrder, EndDrillOrder, EndRestoreOrder, LeftoversOrder, RestoreOrder, ReverseOrder};

/// The largest body of an instruction; a larger one is refused unread.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// The code of a capture that took longer than its policy allows.
pub const CAPTURE_LATE: &str = "capture-late";

/// One instruction. The same id with the same body has the effect of one; with another body it is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instruction {
    /// Its id.
    pub id: InstructionId,
    /// The pair it is about.
    pub pair: PairName,
    /// The controller's term; an older one than the agent knows changes nothing.
    pub term: Term,
    /// The pair's epoch as the controller knows it; an older one than the agent knows changes nothing.
    pub epoch: Epoch,
    /// What to do.
    pub order: Order,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do", content = "with")]
#[expect(clippy::large_enum_variant, reason = "an agent holds a handful of orders at a time")]
pub enum Order {
    /// Become a member of a pair.
    Join(JoinOrder),
    /// Leave it: remove our snapshots, tell which could not be removed.
    Leave,
    /// Tell what leaving would remove; removes nothing.
    Holdings,
    /// Keep the pair's policies (for a later controller).
    StorePolicies(StorePoliciesOrder),
    /// Get ready for a run.
    Arm(ArmOrder),
    /// Third instruction: capture all data sets at the moment.
    Capture(CaptureOrder),
    /// First instruction (to the primary): send the snapshots' data to the peer.
    Push(TransferOrder),
    /// Second instruction (to the secondary): replicate it from the peer.
    Pull(TransferOrder),
    /// Read back every staged byte.
    Verify(VerifyOrder),
    /// Commit, then apply and seal, whatever becomes of the controller.
    Commit(CommitOrder),
    /// Take back a committed point that cannot be sealed (secondary).
    Abandon(AbandonOrder),
    /// Drop what a run made.
    Abort(AbortOrder),
    /// Retention: drop these points and their snapshots.
    Prune(PruneOrder),
    /// Fourth instruction (to the primary): sync user data to the peer.
    SyncUsers(SyncUsersOrder),
    /// Read this side's user data.
    ReadUsers,
    /// Adjust this side's user data.
    AdjustUsers(AdjustUsersOrder),
    /// Take the primary identity at a new epoch and bring every service to its point.
    Promote(PromoteOrder),
    /// Take the secondary identity (or, planned, only the fence) and read the fence back.
    Demote(DemoteOrder),
    /// Lift the fence of a planned switchover that failed before its promotion.
    Unfence(DemoteOrder),
    /// (To the old primary) become the target of the other direction.
    Reverse(ReverseOrder),
    /// List the snapshots of ours that nobody counts on, and perhaps remove them.
    Leftovers(LeftoversOrder),
    /// Bring a sealed point up beside production and make the owner's checks (secondary).
    Drill(DrillOrder),
    /// Remove the space of a drill.
    EndDrill(EndDrillOrder),
    /// Bring a data set of a point up beside the live data, for good.
    Restore(RestoreOrder),
    /// Remove what is half-made of a restore.
    EndRestore(EndRestoreOrder),
    /// Copy kept writes into a directory of the agent's host.
    CopyKept(CopyKeptOrder),
}

impl Order {
    /// Its name on the wire, for logs and lists.
    pub fn name(&self) -> &'static str {
        match self {
            Order::Join(_) => "join",
            Order::Leave => "leave",
            Order::Holdings => "holdings",
            Order::StorePolicies(_) => "store-policies",
            Order::Arm(_) => "arm",
            Order::Capture(_) => "capture",
            Order::Push(_) => "push",
            Order::Pull(_) => "pull",
            Order::Verify(_) => "verify",
            Order::Commit(_) => "commit",
            Order::Abandon(_) => "abandon",
            Order::Abort(_) => "abort",
            Order::Prune(_) => "prune",
            Order::SyncUsers(_) => "sync-users",
            Order::ReadUsers => "read-users",
            Order::AdjustUsers(_) => "adjust-users",
            Order::Promote(_) => "promote",
            Order::Demote(_) => "demote",
            Order::Unfence(_) => "unfence",
            Order::Reverse(_) => "reverse",
            Order::Leftovers(_) => "leftovers",
            Order::Drill(_) => "drill",
            Order::EndDrill(_) => "end-drill",
            Order::Restore(_) => "restore",
            Order::EndRestore(_) => "end-restore",
            Order::CopyKept(_) => "copy-kept",
        }
    }
}

/// The peer, as pairing tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSpec {
    /// Its name.
    pub cluster: ClusterName,
    /// `host:port` of its HTTPS.
    pub address: String,
    /// Its pinned key: SHA-256 of the SubjectPublicKeyInfo, hex.
    pub key: String,
    /// Its route's `host:port`.
    pub route: String,
    /// Its components, so that it can be probed from here.
    pub components: Vec<ComponentInfo>,
}

/// Become a member of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinOrder {
    /// Its first identity here; an agent that knows a higher epoch refuses.
    pub identity: Identity,
    /// The other agent.
    pub peer: PeerSpec,
}

/// The pair's policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorePoliciesOrder {
    /// All services of the pair; one that is missing here is forgotten.
    pub services: Vec<Service>,
}

/// Get ready for a run. At the secondary: prove that the targets are what the last point left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmOrder {
    /// The run.
    pub run: RunId,
    /// The service.
    pub service: ServiceName,
    /// Its data sets.
    pub data_sets: Vec<DataSet>,
}

/// What an agent found when arming.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmReport {
    /// Secondary: the newest sealed point of the service, if any.
    pub last_point: Option<PointId>,
    /// Primary: the points whose snapshots it still holds for this service, oldest first.
    pub held_points: Vec<PointId>,
    /// Secondary: where the live tree is not what the last point left, in words, a bounded list; empty is well.
    pub drift: Vec<String>,
    /// What a person should know, in words (open-file setting off, little space, …).
    pub warnings: Vec<String>,
}

/// Capture all data sets at the moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptureOrder {
    /// The run.
    pub run: RunId,
    /// The point; names the snapshots.
    pub point: PointId,
    /// The policy: data sets, freeze hook, consistency.
    pub service: Service,
    /// When, by the agent's own clock; a moment already past is *now*.
    pub moment: DateTime<Utc>,
}

/// Move the snapshots' data into the secondary's staging.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferOrder {
    /// The run.
    pub run: RunId,
    /// The point.
    pub point: PointId,
    /// The service.
    pub service: ServiceName,
    /// Its data sets.
    pub data_sets: Vec<DataSet>,
    /// Tell changes against this point; `None` copies everything.
    pub base: Option<PointId>,
    /// Who moves the bytes.
    pub copy: CopyMode,
}

/// What was moved: counts by data set; window and open files are the controller's to add.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferReport {
    /// In the service's order.
    pub sets: Vec<SetCounts>,
}

/// Counts of one data set's transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCounts {
    /// Files in the point.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files copied.
    pub copied_files: u64,
    /// Bytes copied.
    pub copied_bytes: u64,
    /// Renames carried over as renames.
    pub renamed: u64,
    /// Files and subtrees deleted.
    pub deleted: u64,
}

/// Read back every staged byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyOrder {
    /// The run.
    pub run: RunId,
    /// The point.
    pub point: PointId,
    /// The service.
    pub service: ServiceName,
}

/// What verifying read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyReport {
    /// Staged files read back and found right.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Commit, apply, seal. The point as the controller knows it, without `sealed_at` and the manifests' digests, which the agent adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitOrder {
    /// The point to be.
    pub point: RecoveryPoint,
    /// The policy it was made under, kept with it.
    pub service: Service,
}

/// Drop what a run made; refused after its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortOrder {
    /// The run.
    pub run: RunId,
    /// Its point.
    pub point: PointId,
    /// The service.
    pub service: ServiceName,
    /// Its data sets.
    pub data_sets: Vec<DataSet>,
}

/// Retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PruneOrder {
    /// The service.
    pub service: ServiceName,
    /// Its data sets.
    pub data_sets: Vec<DataSet>,
    /// The points to drop; the agent keeps the newest sealed one whatever is asked.
    pub points: Vec<PointId>,
}

/// Sync user data to the peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncUsersOrder {
    /// Only compare.
    pub dry_run: bool,
}

/// What syncing user data found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsersReport {
    /// This side's data, when it was asked to read.
    pub read: Option<UserData>,
    /// What we applied last (secondary only).
    pub last_applied: Option<UserData>,
    /// The differences, removals first.
    pub changes: Vec<UserDataChange>,
    /// Applied (or would be).
    pub applied: u64,
    /// What could not be, in words.
    pub failed: Vec<String>,
}

/// Adjust this side's user data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdjustUsersOrder {
    /// What to do, in this order.
    pub changes: Vec<UserDataChange>,
    /// The primary's user data they bring about; becomes the last applied.
    pub primary: UserData,
}

/// Take the primary identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoteOrder {
    /// The person's decision; its epoch is made durable before any effect.
    pub decision: Decision,
}

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoteReport {
    /// The epoch now held.
    pub epoch: Epoch,
    /// Services brought up, with the point they resumed from.
    pub services: BTreeMap<ServiceName, PointId>,
    /// Services that could not be, with the reason; their route stays closed.
    pub failed: BTreeMap<ServiceName, Trouble>,
}

/// Fence, and take the secondary identity when `decision.planned` is false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoteOrder {
    /// The decision it follows.
    pub decision: Decision,
    /// Fence only: keep the primary identity and the old epoch until the final run is sealed (planned switchover).
    pub fence_only: bool,
}

/// What leaving a pair left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveReport {
    /// Snapshots removed.
    pub removed: u64,
    /// What could not be removed, in words.
    pub leftovers: Vec<String>,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What it is doing, in words.
    pub doing: String,
    /// Bytes done, by data set (one element for steps without data sets).
    pub done_bytes: Vec<u64>,
    /// Bytes to do, likewise; 0 while unknown.
    pub total_bytes: Vec<u64>,
    /// Timings known so far (commit, apply, seal).
    pub timings_ms: Timings,
    /// The commit record was written: no way back.
    pub committed: bool,
}
