//! What crosses the wire, version 1: plain data that refuses unknown fields, and the one trait of an agent.
//!
//! ```text
//! POST /v1/enrol                 anyone with the code     EnrolRequest → EnrolReply
//! POST /v1/instructions          controller               Instruction → Answer   (returns at once; a repeat returns the same)
//! GET  /v1/instructions/{id}     controller               → Answer               (?wait_ms= up to 20,000)
//! GET  /v1/status                controller, peer         → AgentStatus          (?certificate=true&unfinished=true&restores=true: with each)
//! GET  /v1/clock                 controller, peer         → ClockReply
//! GET  /v1/catalogue             controller               → Vec<CatalogueItem>   (?component=&path=)
//! GET  /v1/look                  controller               → Said, or why not     (?component=&path=&as=source, target or neighbour)
//! GET  /v1/run-notes             controller               → Vec<Note>            (?run=: what this agent said in a run)
//! GET  /v1/check, /v1/notes, /v1/admission                → parts of a look, for consoles of an earlier version
//! GET  /v1/records               controller               → Records              (what adopt rebuilds from)
//! GET  /v1/captures/…            peer (pull)              see transfer
//! PUT  /v1/staging/…             peer (push)              see transfer
//! ```
//! Errors are a [`Trouble`](crate::domain::Trouble) with a status of its kind. The plain-HTTP route is in [`route`].

mod answer;
mod api;
mod certificate;
mod client;
mod copied;
mod drill;
pub mod enrol;
mod holdings;
pub mod host;
pub mod http;
mod instruction;
mod leftovers;
mod restore;
mod reversal;
pub mod route;
pub mod serve;
mod status;
pub mod tls;
mod unfinished;

/// The version of everything in this room.
pub const PROTOCOL_VERSION: u32 = 1;

pub use self::enrol::{EnrolReply, EnrolRequest};
pub use answer::{Answer, AnswerState, Outcome};
pub use api::AgentApi;
pub use certificate::{CertificateStatus, RENEWAL_LOOK_EVERY, RenewalFailure, RenewalPace};
pub use client::{AgentClient, ConnectSpec, enrol, learn_key};
pub use copied::{CopiedKept, CopyKeptOrder, CopyRefusal, beside};
pub use drill::{DrillEnded, DrillOrder, EndDrillOrder};
pub use holdings::{Holdings, PointHeld};
pub use instruction::{
    AbortOrder, AdjustUsersOrder, ArmOrder, ArmReport, CAPTURE_LATE, CaptureOrder, CommitOrder, DemoteOrder, Instruction, JoinOrder,
    LeaveReport, MAX_BODY_BYTES, Order, PeerSpec, Progress, PromoteOrder, PromoteReport, PruneOrder, SetCounts, StorePoliciesOrder,
    SyncUsersOrder, TransferOrder, TransferReport, UsersReport, VerifyOrder, VerifyReport,
};
pub use leftovers::{Leftover, LeftoversOrder, LeftoversReport};
pub use restore::{EndRestoreOrder, RestoreOrder, Restored, UnfinishedRestore};
pub use reversal::{HeldPoint, KeptWrites, ReverseOrder, ReverseReport, ServiceReversed};
pub use status::{AgentStatus, CatalogueItem, ClockReply, OwnSnapshot, PairRecord, PairStatus, PeerView, Records, ServiceStatus};
pub use unfinished::{AbandonOrder, AbandonReport, UnfinishedPoint};
