//! What the tests of components share.

use understudy::components::files::Privilege;

pub mod beside;
pub mod contract;
pub mod draw;
pub mod drills;
pub mod ferry;
pub mod hbase_world;
pub mod hdfs_world;
pub mod hive_judge;
pub mod hive_world;
pub mod identities;
pub mod rows;

/// What agents of root must let in: whatever a test writes then belongs to root.
pub fn as_root() -> Vec<Privilege> {
    if rustix::process::geteuid().is_root() { vec![Privilege::RootOwner] } else { Vec::new() }
}
