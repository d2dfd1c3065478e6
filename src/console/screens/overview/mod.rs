//! Both clusters, what flows between them, and every service.

pub mod data;
pub mod ui;
