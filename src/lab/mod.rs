//! The training lab: two real sites on this machine, an application at work, faults when you say so.
//!
//! Each site is a child process of this same binary that runs the real agent on real HTTPS with a directory tree (files)
//! and a SQLite database (tables). Nothing elsewhere knows that it is a lab.

pub mod checks;
pub mod desk;
pub mod relays;
pub mod seed;
pub mod site;
pub mod sites;
pub mod view;
pub mod workload;

pub use view::{LabCommand, LabHandle, LabSnapshot};
