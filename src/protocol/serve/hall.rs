//! The places in use: the decisions of [`places`](super::places), carried out on running connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::{AbortHandle, JoinSet};

use super::places::{Id, Limits, NoPlace, Places};

/// The connections of one listener.
#[derive(Debug)]
pub(super) struct Hall(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    places: Places,
    running: HashMap<Id, AbortHandle>,
}

/// A connection's place, given back when the connection ends.
#[derive(Debug)]
pub(super) struct Place {
    id: Id,
    hall: Arc<Hall>,
}

impl Hall {
    pub(super) fn new(limits: Limits) -> Arc<Hall> {
        Arc::new(Hall(Mutex::new(Inner { places: Places::new(limits), running: HashMap::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in and starts what serves it.
    pub(super) fn admit<F>(self: &Arc<Hall>, from: IpAddr, tasks: &mut JoinSet<()>, serve: impl FnOnce(Arc<Place>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Locked until its handle is noted, so that nobody makes it give way before.
        let mut inner = self.lock();
        let (id, out) = inner.places.arrive(from);
        inner.end(out);
        let task = tasks.spawn(serve(Arc::new(Place { id, hall: self.clone() })));
        inner.running.insert(id, task);
    }

    /// Ends a stranger's connection, where the system itself has no room.
    pub(super) fn make_room(&self) {
        let mut inner = self.lock();
        let out = inner.places.make_room();
        inner.end(out);
    }
}

impl Inner {
    fn end(&mut self, out: Option<Id>) {
        if let Some(task) = out.and_then(|id| self.running.remove(&id)) {
            task.abort();
        }
    }
}

impl Place {
    /// See [`Places::greet`].
    pub(super) fn greet(&self) -> Result<(), NoPlace> {
        let mut inner = self.hall.lock();
        let out = inner.places.greet(self.id)?;
        inner.end(out);
        Ok(())
    }

    /// See [`Places::receive`].
    pub(super) fn receive(&self) -> Result<(), NoPlace> {
        let mut inner = self.hall.lock();
        let out = inner.places.receive(self.id)?;
        inner.end(out);
        Ok(())
    }

    /// See [`Places::know`].
    pub(super) fn know(&self, key: &str) -> Result<(), NoPlace> {
        self.hall.lock().places.know(self.id, key)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.hall.lock();
        inner.places.leave(self.id);
        inner.running.remove(&self.id);
    }
}
