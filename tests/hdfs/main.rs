//! The hdfs component on two real HDFS clusters: what is there arrives, what changed is carried over, what breaks is told.
//!
//! Every test is skipped, and says so, unless `eval "$(tests/hadoop/cluster.py env)"` was done.
#![cfg(feature = "agent")]

mod acls;
mod admission;
mod faults;
mod fences;
mod support;
mod trees;
