//! The route, asked from outside: which cluster applications use, from what the agents (and the engine) say.
//!
//! Follows identities and never changes one. The highest epoch wins; within it only the cluster that is primary can say that a service
//! may be used; two decisions of one epoch lead nowhere.

mod choose;
mod client;

pub use choose::{Choice, choose};
pub use client::RouteClient;
