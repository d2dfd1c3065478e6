//! The agent beside a cluster: the only program that touches it.
//!
//! HTTPS server → instruction ledger (epoch, term, id checked; durable) → jobs → components.

pub mod clock;
pub mod jobs;
