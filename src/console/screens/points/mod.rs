//! Recovery points: a timeline, a list, one of them closely.

pub mod data;
pub mod restore;
pub mod ui;
