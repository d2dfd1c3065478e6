//! The hbase component on two real HBase clusters whose cleaner leaves nothing unreferenced in the archive for longer than a second.
//!
//! Every test is skipped, and says so, unless `eval "$(tests/hadoop/cluster.py env)"` was done after `up --with hbase`.
#![cfg(feature = "agent")]

mod drawn;
mod estates;
mod faults;
mod shapes;
#[allow(unused)]
#[path = "../support/mod.rs"]
mod support;
mod world;
