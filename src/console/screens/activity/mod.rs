//! What happened, newest first.

pub mod data;
pub mod ui;
