//! Gates: who may touch a point's staging at the same time.
//!
//! Staging a piece takes a point's gate shared; verifying, committing, finishing and dropping take it alone. Dropping
//! closes it first, so that pieces on their way stop instead of being waited for. Gates live in memory only: what must
//! hold across a restart is in the ledger.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::domain::PointId;

/// One point's gate.
#[derive(Default)]
pub struct Gate {
    /// Shared while a piece is staged, alone while the point's state changes.
    pub lock: RwLock<()>,
    /// Cancelled when the point is dropped.
    pub closed: CancellationToken,
}

/// The gates of all points (or drills) being worked on.
pub struct Gates<K = PointId> {
    open: Mutex<HashMap<K, Arc<Gate>>>,
}

impl<K> Default for Gates<K> {
    fn default() -> Self {
        Gates { open: Mutex::default() }
    }
}

impl<K: Eq + Hash> Gates<K> {
    /// The gate of a point.
    pub fn of(&self, point: K) -> Arc<Gate> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).entry(point).or_default().clone()
    }

    /// Forgets a point that is sealed or dropped; whoever holds its gate keeps it.
    pub fn forget(&self, point: K) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&point);
    }
}
