//! The training lab: scenarios, faults, the application, your time.

pub mod data;
pub mod ui;
