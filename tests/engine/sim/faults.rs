//! What goes wrong between the engine and the agents: the call after which nothing comes back, and a clock that is off.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// None, until a test asks for one.
pub struct Faults {
    calls: AtomicUsize,
    /// From this call on nothing is answered: the moment at which the engine is killed.
    freeze_at: AtomicUsize,
    clock_off_ms: AtomicI64,
    engine_off_secs: AtomicI64,
    /// Writes that the engine's own disk still has room for.
    room: AtomicUsize,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            calls: AtomicUsize::new(0),
            freeze_at: AtomicUsize::new(usize::MAX),
            clock_off_ms: AtomicI64::new(0),
            engine_off_secs: AtomicI64::new(0),
            room: AtomicUsize::new(usize::MAX),
        }
    }
}

impl Faults {
    /// From `call` instructions and answers on, nothing comes back.
    pub fn freeze_after(&self, calls: usize) {
        self.calls.store(0, Ordering::SeqCst);
        self.freeze_at.store(calls, Ordering::SeqCst);
    }

    pub fn thaw(&self) {
        self.freeze_at.store(usize::MAX, Ordering::SeqCst);
    }

    pub fn is_frozen(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.freeze_at.load(Ordering::SeqCst)
    }

    pub fn step_east_clock(&self, millis: i64) {
        self.clock_off_ms.store(millis, Ordering::SeqCst);
    }

    /// Steps the clock of the engine's own host.
    pub fn step_engine_clock(&self, secs: i64) {
        self.engine_off_secs.store(secs, Ordering::SeqCst);
    }

    /// The engine's disk is full after so many uses of it.
    pub fn leave_room(&self, uses: usize) {
        self.room.store(uses, Ordering::SeqCst);
    }

    /// Uses the disk; false when it is full.
    pub fn takes_room(&self) -> bool {
        self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    /// How far the engine's own clock is off.
    pub fn engine_off_secs(&self) -> i64 {
        self.engine_off_secs.load(Ordering::SeqCst)
    }

    /// How far east's clock is off.
    pub fn clock_off_ms(&self) -> i64 {
        self.clock_off_ms.load(Ordering::SeqCst)
    }

    /// Counts a call that matters; from the chosen one on it never returns.
    pub async fn maybe_freeze(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.freeze_at.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}
