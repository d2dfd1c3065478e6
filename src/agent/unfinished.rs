//! Committed points that are not sealed: tried again by the agent itself, whether a controller runs or not, and told with its status.
//!
//! ```text
//! ledger: committed, not sealed ─ busy? due? still secondary at its epoch? ─ finish, or take back when it was given up ─ failed: later again
//! ```
//! What failed is remembered in memory only: a start tries at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::jobs::{Site, commit};
use crate::domain::unfinished::{Work, retry_after};
use crate::domain::{PointId, Trouble};
use crate::protocol::{Progress, UnfinishedPoint};
use crate::store::agent::{PairFacts, PointRow};

/// Between two looks at what is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was tried and failed, by point.
#[derive(Default)]
pub struct Tries(Mutex<HashMap<PointId, Try>>);

#[derive(Clone)]
struct Try {
    work: Work,
    count: u32,
    trouble: Trouble,
    due: Instant,
    due_at: DateTime<Utc>,
}

impl Tries {
    fn known(&self) -> MutexGuard<'_, HashMap<PointId, Try>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a try failed.
    pub fn failed(&self, point: PointId, work: Work, trouble: &Trouble, now: DateTime<Utc>) {
        let mut known = self.known();
        let before = known.get(&point).filter(|known| known.work == work).map_or(0, |known| known.count);
        let count = before.saturating_add(1);
        let wait = retry_after(count);
        let due_at = now + TimeDelta::from_std(wait).unwrap_or_default();
        known.insert(point, Try { work, count, trouble: trouble.clone(), due: Instant::now() + wait, due_at });
    }

    /// Forgets a point that is sealed or gone.
    pub fn over(&self, point: PointId) {
        self.known().remove(&point);
    }

    /// How often this work has failed.
    pub fn count(&self, point: PointId, work: Work) -> u32 {
        self.known().get(&point).filter(|known| known.work == work).map_or(0, |known| known.count)
    }

    /// Whether a try is due; one of a point that never failed is.
    fn is_due(&self, point: PointId) -> bool {
        self.known().get(&point).is_none_or(|known| known.due <= Instant::now())
    }

    fn told(&self, row: &PointRow, work: Work) -> UnfinishedPoint {
        let record = &row.record;
        let tried = self.known().get(&record.id).filter(|known| known.work == work).cloned();
        UnfinishedPoint {
            pair: record.pair.clone(),
            service: record.service.clone(),
            run: record.run,
            point: record.id,
            work,
            tries: tried.as_ref().map_or(0, |tried| tried.count),
            next_try: tried.as_ref().map(|tried| tried.due_at),
            trouble: tried.map(|tried| tried.trouble),
        }
    }
}

/// Goes on with whatever is due, one after the other, until `stop`.
pub async fn keep(site: Arc<Site>, stop: CancellationToken) {
    let work = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match site.ledger.unsealed_points() {
                Ok(rows) => go_on(&site, rows).await,
                Err(trouble) => tracing::error!(%trouble, "committed points cannot be read"),
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

async fn go_on(site: &Arc<Site>, rows: Vec<PointRow>) {
    for row in rows.into_iter().filter(|row| site.tries.is_due(row.record.id)) {
        let point = row.record.id;
        if site.gates.of(point).lock.try_write().is_err() {
            continue;
        }
        let went_on = match commit::is_current(site, &row.record) {
            Ok(true) => commit::settle(site, point, &watch::Sender::new(Progress::default())).await,
            Ok(false) => continue,
            Err(trouble) => Err(trouble),
        };
        match went_on {
            Ok(()) => tracing::info!(%point, "finished a committed point"),
            Err(trouble) => tracing::warn!(%point, %trouble, "a committed point cannot be finished yet"),
        }
    }
}

/// What is told of this agent's committed points, of the pairs that this controller commands.
pub fn told(site: &Site, controller: Option<&str>, pairs: &[PairFacts]) -> Result<Vec<UnfinishedPoint>, Trouble> {
    let commands = |pair: &PairFacts| controller.is_some_and(|key| pair.controllers.contains(key));
    let mut told = Vec::new();
    for row in site.ledger.unsealed_points()? {
        if !pairs.iter().any(|pair| pair.pair == row.record.pair && commands(pair)) || !commit::is_current(site, &row.record)? {
            continue;
        }
        let given_up = site.ledger.abandoned(row.record.id)?.is_some();
        told.push(site.tries.told(&row, if given_up { Work::Abandon } else { Work::Seal }));
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TroubleKind;

    #[test]
    fn tries_are_counted_by_work_and_the_next_is_due_later_each_time() {
        let (tries, now) = (Tries::default(), Utc::now());
        let point = PointId(uuid::Uuid::from_u128(1));
        let trouble = Trouble::new(TroubleKind::Refused, "files:docs", "no");
        assert!(tries.is_due(point), "it was never tried");
        for _ in 0..3 {
            tries.failed(point, Work::Seal, &trouble, now);
        }
        assert!(!tries.is_due(point));
        assert_eq!((tries.count(point, Work::Seal), tries.count(point, Work::Abandon)), (3, 0));
        tries.failed(point, Work::Abandon, &trouble, now);
        assert_eq!((tries.count(point, Work::Seal), tries.count(point, Work::Abandon)), (0, 1), "it is another work from now on");
        tries.over(point);
        assert!(tries.is_due(point));
    }
}
