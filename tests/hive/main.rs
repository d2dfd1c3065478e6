//! The hive component on two real metastores: what Apache's own client tells of the secondary is what it told of the primary.
//!
//! Every test is skipped, and says so, unless `tests/hadoop/cluster.py up --with hive` runs and `eval "$(… env)"` was done.
#![cfg(feature = "agent")]

#[allow(unused)]
#[path = "../support/mod.rs"]
mod support;

mod changes;
mod drawn;
mod drills;
mod estates;
mod faults;
mod moments;
mod refusals;
mod restores;
mod roots;
