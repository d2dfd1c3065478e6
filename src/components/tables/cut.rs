//! The read transactions that hold captured tables still until they are dumped, one a point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rusqlite::Connection;

use super::dump::Shape;
use super::sql;
use crate::domain::{PointId, Trouble, TroubleKind};

/// More points than this are never held at once: the oldest, which nobody fetched, goes.
const HELD: usize = 8;

/// One point's transaction.
struct Cut {
    connection: Arc<Mutex<Connection>>,
    lo: Instant,
    hi: Instant,
    taken: BTreeSet<String>,
    dumped: BTreeSet<String>,
}

/// All of them, by point (ids are UUIDv7: the oldest first).
#[derive(Default)]
pub struct Cuts {
    held: Mutex<BTreeMap<PointId, Cut>>,
}

/// A second cut of one data set for one point would be another moment.
pub fn twice(set: &str, point: PointId) -> Trouble {
    Trouble::new(TroubleKind::Refused, set, format!("it is captured for point {point} already")).next("start a new run")
}

impl Cuts {
    /// Takes a table into the point's transaction, which the first one opens. Returns when it was pinned.
    pub fn take(
        &self,
        point: PointId,
        set: &str,
        open: impl FnOnce() -> Result<Connection, Trouble>,
    ) -> Result<(Instant, Instant), Trouble> {
        let mut held = self.lock();
        let cut = match held.entry(point) {
            std::collections::btree_map::Entry::Occupied(cut) => cut.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => place.insert(pin(open()?, set)?),
        };
        let exists = Shape::read(&cut.connection.lock().unwrap_or_else(PoisonError::into_inner), set)?.is_some();
        if !exists {
            return Err(Trouble::new(TroubleKind::NotFound, set, "there is no such table").next("name a table that exists"));
        }
        if !cut.taken.insert(set.to_owned()) {
            return Err(twice(set, point));
        }
        let window = (cut.lo, cut.hi);
        while held.len() > HELD {
            if let Some((oldest, _)) = held.pop_first() {
                tracing::warn!(point = %oldest, "a capture that nobody fetched was dropped");
            }
        }
        Ok(window)
    }

    /// The transaction that holds a captured table still.
    pub fn connection(&self, point: PointId, set: &str) -> Option<Arc<Mutex<Connection>>> {
        self.lock().get(&point).filter(|cut| cut.taken.contains(set)).map(|cut| cut.connection.clone())
    }

    /// A table is dumped or released; with the last one the transaction ends.
    pub fn end(&self, point: PointId, set: &str) {
        let mut held = self.lock();
        let Some(cut) = held.get_mut(&point) else { return };
        cut.dumped.insert(set.to_owned());
        if cut.taken.is_subset(&cut.dumped) {
            held.remove(&point);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PointId, Cut>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a read transaction; its first read pins what it sees, somewhere between the two instants.
fn pin(connection: Connection, set: &str) -> Result<Cut, Trouble> {
    let failed = |e| sql(set, "begin its capture", e);
    let lo = Instant::now();
    connection.execute_batch("BEGIN").map_err(failed)?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map_err(failed)?;
    let hi = Instant::now();
    Ok(Cut { connection: Arc::new(Mutex::new(connection)), lo, hi, taken: BTreeSet::new(), dumped: BTreeSet::new() })
}
