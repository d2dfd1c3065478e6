//! The agent's ledger: who it is, whom it obeys, what it was told and did, what it holds.

use std::sync::Mutex;

use rusqlite::Connection;

/// The ledger of one agent. `synchronous=FULL`: what a method has stored survives a power cut when it returns.
pub struct Ledger {
    /// One connection; every method is short.
    pub(crate) connection: Mutex<Connection>,
}
