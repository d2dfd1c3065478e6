//! The agent beside a cluster: the only program that touches it.
//!
//! HTTPS server → instruction ledger (epoch, term, id checked; durable) → jobs → components.

mod attempts;
mod check;
pub mod clearance;
pub mod clock;
pub mod config;
mod enrolment;
pub mod guard;
pub mod jobs;
mod known;
mod links;
mod local;
mod manager;
mod open;
pub mod peer;
mod route;
mod seen;
mod serve;
mod server;
pub mod serving;
mod status;
pub mod unfinished;
mod views;

pub use check::{CheckLine, check};
pub use enrolment::{CODE_MINUTES, issue_code, ledger_path};
pub use serve::{RunningAgent, serve, serve_guarded};
