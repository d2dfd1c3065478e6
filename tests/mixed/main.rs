//! A service over HDFS, HBase and Hive at once, with real agents: its servers and agents killed at every stage, and what is left over.
//!
//! Skipped, and says so, unless `tests/hadoop/cluster.py up --with hbase,hive` runs and `eval "$(… env)"` was done. Run with
//! `--test-threads=1`: the servers are killed. `UNDERSTUDY_KILLS=all` kills each at every stage (some 15 minutes) instead of at one.
#![cfg(feature = "agent")]

mod drills;
mod estate;
mod kills;
mod leftovers;
mod mixed;
mod moments;
mod orders;
mod pair;
mod rounds;
mod shop;
#[path = "../stand/mod.rs"]
mod stand;
mod story;
#[allow(unused)]
#[path = "../support/mod.rs"]
mod support;
