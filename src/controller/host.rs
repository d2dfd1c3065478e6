//! The machine under the engine: its wall clock, fresh ids, and the threads that may wait for the disk.
//!
//! Nothing else in the engine differs from one start to the next (`tests/tidy.rs` keeps it so): timers are tokio's, and where two things
//! may come at one instant, `select!` is `biased` and says by its order which of them counts first. So a host that answers from a seed,
//! on tokio's paused clock, makes a whole engine repeat itself: `tests/sim`.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::domain::{InstructionId, Trouble, TroubleKind};

use super::engine::Engine;

/// Something that waits for the disk.
pub type DiskWork = Box<dyn FnOnce() + Send>;

/// What the engine asks of the machine that it runs on.
pub trait Host: Send + Sync {
    /// The wall clock. It may be stepped, also backwards.
    fn now(&self) -> DateTime<Utc>;
    /// A fresh UUIDv7: later ones of one host sort after earlier ones.
    fn id(&self) -> Uuid;
    /// Any number: on another host, or at another time, another one.
    fn chance(&self) -> u64;
    /// Does the work where waiting for the disk hurts nobody. An error: it was not begun, or broke off.
    fn disk(&self, work: DiskWork) -> BoxFuture<'static, Result<(), Trouble>>;
}

/// The machine that we really run on.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealHost;

impl Host for RealHost {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn chance(&self) -> u64 {
        Uuid::now_v7().as_u64_pair().1
    }

    fn disk(&self, work: DiskWork) -> BoxFuture<'static, Result<(), Trouble>> {
        Box::pin(async move { tokio::task::spawn_blocking(work).await.map_err(broke_off) })
    }
}

fn broke_off(reason: impl std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Failed, "engine's store", reason)
}

/// Does work that waits for the disk, and brings back what came of it.
pub(super) async fn on_disk<T: Send + 'static>(
    host: &dyn Host,
    work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    let (tell, told) = oneshot::channel();
    // Whoever waited may be gone; the work is done all the same.
    host.disk(Box::new(move || drop(tell.send(work())))).await?;
    told.await.unwrap_or_else(|e| Err(broke_off(e)))
}

impl Engine {
    /// The wall clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.host.now()
    }

    /// A fresh id.
    pub fn id(&self) -> Uuid {
        self.host.id()
    }

    /// A fresh instruction id.
    pub fn fresh(&self) -> InstructionId {
        InstructionId(self.id())
    }
}
