//! Everything durable passes here, and the only SQL: SQLite for the controller and for an agent.
//!
//! Synchronous; callers on an async runtime go through `spawn_blocking` where a call may take long.

#[cfg(feature = "agent")]
pub mod agent;
pub mod controller;
