//! One run: steps, the skew picture, data sets, log.

pub mod data;
pub mod ui;
mod ways;
