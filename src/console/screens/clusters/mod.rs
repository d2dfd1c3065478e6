//! Both clusters, closely: identity, evidence, components, clocks.

pub mod data;
pub mod leftovers;
pub mod maintenance;
pub mod ui;
