//! The driving end: brings a data set's wanted pieces over, many small ones or a few large ones at once, until none is wanted.
//!
//! A break is no special case: pause, ask what is still wanted, go on. Only time without any finished piece ends it, counted from the
//! last byte that moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::beat::telling;
use super::limits::{Limits, Meter};
use super::plan::{self, BUDGET_BYTES, MAX_AT_ONCE};
use super::{DataPlane, Remote, Sink, Source};
use crate::components::Slot;
use crate::domain::{ChangeSet, DataSet, PointId, RunId, Trouble, TroubleKind};
use crate::protocol::SetCounts;

/// What all data sets of one transfer share.
pub struct Copying {
    /// The run.
    pub run: RunId,
    /// The point.
    pub point: PointId,
    /// Changes are told against it.
    pub base: Option<PointId>,
    /// The other agent.
    pub remote: Remote,
    /// Time limits.
    pub limits: Limits,
    /// Cancelled when the run is.
    pub cancel: CancellationToken,
    /// Bytes on their way, over all data sets.
    budget: Semaphore,
}

impl Copying {
    /// A transfer to or from `remote`.
    pub fn new(run: RunId, point: PointId, base: Option<PointId>, remote: Remote, limits: Limits, cancel: CancellationToken) -> Copying {
        Copying { run, point, base, remote, limits, cancel, budget: Semaphore::new(BUDGET_BYTES as usize) }
    }
}

/// One direction of copying one data set.
#[async_trait]
pub trait Direction: Send + Sync {
    /// Makes both ends know the plan (again, after a break) and tells what is wanted.
    async fn wanted(&self, meter: &Arc<Meter>) -> Result<(Arc<ChangeSet>, Vec<Slot>), Trouble>;
    /// Brings one piece over.
    async fn carry(&self, slot: Slot, meter: &Arc<Meter>) -> Result<(), Trouble>;
    /// Asks the target whether it has everything.
    async fn done(&self, meter: &Arc<Meter>) -> Result<SetCounts, Trouble>;
}

/// How far a data set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Far {
    /// Finding out what is to be copied, for so many seconds now.
    Comparing(u64),
    /// Copying.
    Bytes {
        /// There already.
        done: u64,
        /// In all.
        total: u64,
    },
}

/// Pushes a captured data set to the peer. `told` hears how far it is.
pub async fn push(plane: &dyn DataPlane, copying: &Copying, set: &DataSet, told: impl Fn(Far) + Sync) -> Result<SetCounts, Trouble> {
    // Our own component, with its own time limits: no question to the other end.
    let opening = Source::open(plane, copying.point, &set.from, copying.base);
    let source = telling(copying.limits.beat(), |secs| told(Far::Comparing(secs)), opening).await?;
    copy_set(copying, &Push { copying, set, source, planned: AtomicBool::new(false) }, &set.from.to_string(), told).await
}

/// Replicates a data set captured at the peer. `told` hears how far it is.
pub async fn pull(plane: &dyn DataPlane, copying: &Copying, set: &DataSet, told: impl Fn(Far) + Sync) -> Result<SetCounts, Trouble> {
    copy_set(copying, &Pull { plane, copying, set, sink: OnceCell::new() }, &set.to.to_string(), told).await
}

/// Copies one data set in either direction.
pub async fn copy_set(copying: &Copying, direction: &dyn Direction, object: &str, told: impl Fn(Far) + Sync) -> Result<SetCounts, Trouble> {
    let limits = copying.limits;
    // Since when nothing has succeeded, once something has failed.
    let mut failing: Option<Instant> = None;
    let mut pause = limits.first_pause;
    let mut fewest = usize::MAX;
    let cancelled = || Trouble::new(TroubleKind::Cancelled, object, "the run was cancelled");
    loop {
        let before = fewest;
        let meter = Arc::new(Meter::default());
        let round = one_round(copying, direction, object, &meter, &mut fewest, &told);
        let trouble = tokio::select! {
            result = round => match result {
                Ok(counts) => return Ok(counts),
                Err(trouble) => trouble,
            },
            () = copying.cancel.cancelled() => return Err(cancelled()),
        };
        if fewest < before {
            (failing, pause) = (None, limits.first_pause);
        }
        let since = *failing.get_or_insert(meter.last_moved());
        if trouble.kind != TroubleKind::Unreachable || since.elapsed() >= limits.give_up {
            return Err(trouble);
        }
        tracing::warn!(object, %trouble, "transfer interrupted, goes on shortly");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = copying.cancel.cancelled() => return Err(cancelled()),
        }
        pause = (pause * 2).min(limits.longest_pause);
    }
}

/// Asks what is wanted and brings it over; the first trouble ends the round. `fewest` becomes the number of pieces left.
async fn one_round(
    copying: &Copying,
    direction: &dyn Direction,
    object: &str,
    meter: &Arc<Meter>,
    fewest: &mut usize,
    told: &(impl Fn(Far) + Sync),
) -> Result<SetCounts, Trouble> {
    let limits = copying.limits;
    let (changes, wanted) = telling(limits.beat(), |secs| told(Far::Comparing(secs)), direction.wanted(meter)).await?;
    let length = |slot: Slot| plan::piece_of(&changes, slot).map_or(0, |(_, bytes)| bytes);
    let wanted: Vec<(Slot, u64)> = wanted.into_iter().map(|slot| (slot, length(slot))).collect();
    let total: u64 = plan::files(&changes).map(|(_, entry)| entry.bytes()).sum();
    let mut done = total.saturating_sub(wanted.iter().map(|(_, bytes)| bytes).sum());
    let mut left = wanted.len();
    *fewest = left.min(*fewest);
    told(Far::Bytes { done, total });
    let carried = stream::iter(wanted).map(|(slot, bytes)| async move {
        // The semaphore is never closed; a share is given back when the piece is over.
        let _share = copying.budget.acquire_many(plan::weight(bytes)).await;
        direction.carry(slot, meter).await.map(|()| bytes)
    });
    let mut carried = carried.buffer_unordered(MAX_AT_ONCE as usize);
    while let Some(bytes) = meter.watch(limits.idle, object, async { carried.next().await.transpose() }).await? {
        done += bytes;
        left -= 1;
        *fewest = left.min(*fewest);
        told(Far::Bytes { done, total });
    }
    direction.done(meter).await
}

struct Push<'a> {
    copying: &'a Copying,
    set: &'a DataSet,
    source: Source,
    planned: AtomicBool,
}

#[async_trait]
impl Direction for Push<'_> {
    async fn wanted(&self, meter: &Arc<Meter>) -> Result<(Arc<ChangeSet>, Vec<Slot>), Trouble> {
        let Copying { run, point, base, remote, limits, .. } = self.copying;
        let source = &self.source;
        let wanted = if self.planned.load(Ordering::Relaxed) {
            meter.ask(limits, &remote.name(), remote.wanted(*point, &self.set.to, meter)).await?
        } else {
            let telling = remote.put_changes(*run, *point, &self.set.to, *base, source.changes.clone(), meter.clone());
            meter.ask(limits, &remote.name(), telling).await?
        };
        self.planned.store(true, Ordering::Relaxed);
        Ok((source.changes.clone(), wanted))
    }

    async fn carry(&self, slot: Slot, meter: &Arc<Meter>) -> Result<(), Trouble> {
        let framed = self.source.piece(slot, meter.clone()).await?;
        self.copying.remote.put_piece(self.copying.point, &self.set.to, slot, framed).await
    }

    async fn done(&self, meter: &Arc<Meter>) -> Result<SetCounts, Trouble> {
        let Copying { remote, limits, point, .. } = self.copying;
        meter.ask(limits, &remote.name(), remote.done(*point, &self.set.to, meter)).await
    }
}

struct Pull<'a> {
    plane: &'a dyn DataPlane,
    copying: &'a Copying,
    set: &'a DataSet,
    sink: OnceCell<Sink>,
}

impl Pull<'_> {
    async fn open(&self, meter: &Arc<Meter>) -> Result<Sink, Trouble> {
        let Copying { run, point, base, remote, limits, .. } = self.copying;
        let changes = meter.ask(limits, &remote.name(), remote.changes(*point, &self.set.from, *base, meter)).await?;
        // From here it is our own component again.
        Sink::open(self.plane, *run, *point, &self.set.to, *base, changes).await
    }

    fn sink(&self) -> Result<&Sink, Trouble> {
        self.sink.get().ok_or_else(|| Trouble::new(TroubleKind::Failed, &self.set.to, "it was not opened"))
    }
}

#[async_trait]
impl Direction for Pull<'_> {
    async fn wanted(&self, meter: &Arc<Meter>) -> Result<(Arc<ChangeSet>, Vec<Slot>), Trouble> {
        let sink = self.sink.get_or_try_init(|| self.open(meter)).await?;
        Ok((sink.changes.clone(), sink.wanted().await?))
    }

    async fn carry(&self, slot: Slot, meter: &Arc<Meter>) -> Result<(), Trouble> {
        let framed = self.copying.remote.piece(self.copying.point, &self.set.from, slot).await?;
        self.sink()?.stage(slot, framed, self.copying.limits.idle, meter.clone()).await
    }

    async fn done(&self, _meter: &Arc<Meter>) -> Result<SetCounts, Trouble> {
        self.sink()?.done().await
    }
}
