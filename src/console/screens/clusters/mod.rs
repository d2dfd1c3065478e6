//! Both clusters, closely: identity, evidence, components, clocks.

pub mod data;
pub mod ui;
