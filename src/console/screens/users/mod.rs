//! Users, groups, permissions and tenants: what differs, and what will be done.

pub mod data;
pub mod ui;
