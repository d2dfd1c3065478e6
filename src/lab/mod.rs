//! The training lab: two real sites on this machine, an application at work, faults when you say so.
//!
//! Each site is a child process of this same binary that runs the real agent on real HTTPS with a directory tree (files)
//! and a SQLite database (tables). Nothing elsewhere knows that it is a lab.
//!
//! ```text
//! console ── relay ── east's agent ══ relay ══ west's agent ── relay ── console        [scenario]: the script
//!                      files tables            files tables                            [faults]: power, freeze, cuts, disk, clock
//!                          └──── order desks ◄── workload ◄── route of both agents     [checks]: what must hold afterwards
//! ```

mod board;
pub mod checks;
mod cli;
mod debrief;
pub mod desk;
pub mod folder;
mod follow;
mod keeper;
mod proxy;
pub mod relays;
pub mod scenario;
pub mod seed;
mod serve;
pub mod site;
pub mod sites;
pub mod stage;
pub mod view;
pub mod workload;

use std::path::PathBuf;

pub use cli::{LabArgs, cli};
pub use serve::start;
pub use view::{LabCommand, LabHandle, LabSnapshot};

use crate::controller::fn_waker::Waker;

/// How a lab is started.
#[derive(Debug, Clone, Default)]
pub struct LabOptions {
    /// Its folder, new or empty, and kept; `None`: a temporary one that goes with the lab.
    pub dir: Option<PathBuf>,
    /// The binary with the subcommand `lab-site`; `None`: the running one.
    pub program: Option<PathBuf>,
    /// Called with every new snapshot of the lab or of its engine.
    pub waker: Waker,
    /// Held until the lab's sites have ended and its temporary folder is gone: the other end of the channel then closes.
    pub alive: Option<tokio::sync::mpsc::Sender<()>>,
}
