//! Odd estates: data sets drawn with odd settings on both sides, backed up on real clusters, and judged by Apache's own clients.
//!
//! Of every run one of three things must be true: it is sealed and both sides are equal, it was refused before a byte was staged, or what
//! is not equal was named. A seed draws the estate and what becomes of it; `UNDERSTUDY_ESTATES=FROM..TO` says which seeds (a few in CI).
//!
//! ```text
//! seed → estate (steps at either side) → run → more steps → run … → promoted → judged
//! ```
//!
//! Skipped, and says so, unless `eval "$(tests/hadoop/cluster.py env)"` was done.
#![cfg(feature = "agent")]

mod hdfs;
mod judged;
#[path = "../sim/rng.rs"]
#[allow(unused)]
mod rng;
#[allow(unused)]
#[path = "../support/mod.rs"]
mod support;
