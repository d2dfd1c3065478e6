//! Nothing is paired yet: three ways to begin.

pub mod data;
pub mod ui;
