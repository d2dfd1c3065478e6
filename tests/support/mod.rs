//! What the tests of components share.

pub mod contract;
pub mod drills;
pub mod ferry;
pub mod hbase_world;
pub mod hdfs_world;
pub mod hive_judge;
pub mod hive_world;
pub mod identities;
pub mod rows;
