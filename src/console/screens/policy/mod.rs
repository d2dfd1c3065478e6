//! One service's policy: data sets, moment, copy, in words.

pub mod data;
pub mod tree;
pub mod ui;
