//! HBase's own protocol, as far as it is needed here, without a JVM and without ZooKeeper: one connection, one call at a time.
//!
//! ```text
//! preamble (HBas 0 80) → ConnectionHeader → [length, RequestHeader, parameter] → [length, ResponseHeader, answer] …
//! ```
//! Numbers and layouts are those of HBase 2.6's `RPC.proto` and its kin; only the fields used are written down, and cell blocks
//! are never asked for, so that cells come as plain messages.

mod error;
pub mod messages;
pub mod rows;
pub mod snapshot;
mod wire;

pub use error::RpcError;
pub use wire::{Connection, RpcLimits};
