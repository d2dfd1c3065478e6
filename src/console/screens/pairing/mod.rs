//! Pair two clusters: addresses, codes, what the agents told, checks.

pub mod data;
pub mod ui;
