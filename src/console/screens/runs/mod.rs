//! The runs, newest first.

pub mod data;
pub mod ui;
