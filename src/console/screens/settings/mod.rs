//! Settings, and what this program is.

pub mod data;
pub mod ui;
