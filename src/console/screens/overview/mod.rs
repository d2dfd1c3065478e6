//! Both clusters, what flows between them, and every service.

mod attention;
pub mod data;
pub mod ui;
