//! Drills: what there is, and what comes.

pub mod data;
pub mod ui;
