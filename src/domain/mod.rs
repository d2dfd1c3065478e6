//! Vocabulary and decisions. Pure: no files, network, clock or randomness; times and ids come in as arguments.

pub mod admission;
pub mod backup;
pub mod clock;
mod cluster;
mod data_set;
pub mod drill;
mod error;
pub mod grade;
mod ids;
pub mod leftovers;
pub mod maintenance;
mod manifest;
mod note;
pub mod page;
mod past_fence;
mod path;
mod point;
pub mod restore;
pub mod retention;
pub mod schedule;
mod service;
pub mod shown;
pub mod switchover;
pub mod unfinished;
pub mod user_data;
pub mod validate;
pub mod versions;
pub mod watch;

pub use cluster::{Claim, ComponentInfo, ComponentKind, Health, Identity, ProbeNote, ProbeReport};
pub use data_set::{DataSet, DataSetName};
pub use drill::check::DrillCheck;
pub use error::{Trouble, TroubleKind};
pub use ids::{
    BadName, ClusterName, ComponentName, DecisionId, DrillId, Epoch, InstructionId, PairName, PointId, RestoreId, RunId, ServiceName, Term,
};
pub use manifest::{Change, ChangeSet, Digest, Entry, Manifest, Metadata, Node, PIECE_BYTES, piece_count, piece_range};
pub use note::{MOST_NOTES, Note};
pub use past_fence::PastFence;
pub use path::{BadPath, RelPath};
pub use point::{CapturedSpan, Grade, PointDataSet, RecoveryPoint, RunOutcome, RunReport, Timings, Window};
pub use service::{Consistency, CopyMode, Hook, Keep, Plan, PlannedAgent, PlannedPair, Service};
