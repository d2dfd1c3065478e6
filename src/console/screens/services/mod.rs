//! The services and what can be done with them.

pub mod data;
pub mod ui;
