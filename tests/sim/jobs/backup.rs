//! Jobs of a backup run. Changes are told against a base, so that a wrong base shows in the rows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use understudy::domain::backup::machine::{CaptureReport, CapturedSet};
use understudy::domain::*;
use understudy::protocol::*;
use understudy::store::agent::rules;

use super::Job;
use crate::site::{Captured, Point, Rows, Staged};
use crate::world::{State, cluster, index};

/// A moment further ahead than this is a mistake.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(5);

impl Job {
    pub(super) async fn arm(&self, order: &ArmOrder) -> Result<Outcome, Trouble> {
        let dropped = self.world.with(|s| s.sites[self.i].dropped.contains(&order.run));
        if dropped {
            return Err(self.refused("its run was dropped"));
        }
        let primary = self.world.with(|s| s.sites[self.i].agent.facts.claim.identity == Identity::Primary);
        if primary { self.arm_source(order).await } else { self.arm_target(order).await }
    }

    async fn arm_source(&self, order: &ArmOrder) -> Result<Outcome, Trouble> {
        self.touch(|s, i| {
            let site = &mut s.sites[i];
            let halves = |capture: &Captured| capture.run != order.run && capture.report.is_none();
            let dropped: Vec<_> = site.captures.values().filter(|capture| halves(capture)).map(|capture| capture.run).collect();
            site.dropped.extend(dropped);
            site.captures.retain(|_, capture| !halves(capture));
            let captured = site.captures.iter().filter(|(_, c)| c.run != order.run).map(|(point, _)| *point);
            let held_points = captured.chain(site.points.values().filter(|p| p.sealed).map(|p| p.record.id)).collect();
            Ok(Outcome::Armed(ArmReport { last_point: None, held_points, drift: Vec::new(), warnings: Vec::new() }))
        })
        .await
    }

    async fn arm_target(&self, order: &ArmOrder) -> Result<Outcome, Trouble> {
        let unsealed = self.world.with(|s| {
            let claim = s.sites[self.i].agent.facts.claim;
            s.sites[self.i].points.values().find(|p| !p.sealed).map(|p| (p.record.id, p.record.epoch == claim.epoch))
        });
        match unsealed {
            Some((point, true)) => drop(self.finish(point).await?),
            Some((point, false)) => drop(self.write(|s, i| Ok(s.sites[i].points.remove(&point))).await?),
            None => {}
        }
        self.write(|s, i| {
            let site = &mut s.sites[i];
            let old = site.staging.values().filter(|staged| staged.run != order.run).map(|staged| staged.run);
            site.dropped.extend(old.collect::<Vec<_>>());
            site.staging.retain(|_, staged| staged.run == order.run);
            Ok(())
        })
        .await?;
        let report = self
            .touch(|s, i| {
                let site = &mut s.sites[i];
                site.agent.data_fenced = true;
                let last = site.newest();
                let drift = last.is_some_and(|last| last.rows != site.live) || (last.is_none() && !site.live.is_empty());
                let drift = if drift { vec!["files:orders is not what the last point left".to_owned()] } else { Vec::new() };
                Ok(ArmReport { last_point: last.map(|last| last.record.id), held_points: Vec::new(), drift, warnings: Vec::new() })
            })
            .await?;
        self.write(|s, i| {
            s.sites[i].armed.insert(order.run);
            Ok(())
        })
        .await?;
        Ok(Outcome::Armed(report))
    }

    pub(super) async fn capture(&self, order: &CaptureOrder) -> Result<Outcome, Trouble> {
        let (known, now) = self.world.with(|s| {
            let known = self.require(&s.sites[self.i], Identity::Primary).map(|()| s.sites[self.i].captures.get(&order.point).cloned());
            (known, s.wall(self.i))
        });
        match known? {
            Some(Captured { report: Some(report), .. }) => return Ok(Outcome::Captured(report)),
            Some(Captured { report: None, .. }) => {
                self.write(|s, i| Ok(s.sites[i].captures.remove(&order.point))).await?;
                return Err(self.refused("its capture was cut short; the halves are dropped"));
            }
            None => {}
        }
        if self.world.with(|s| s.sites[self.i].dropped.contains(&order.run)) {
            return Err(self.refused("its run was dropped"));
        }
        if order.moment - now > MAX_AHEAD {
            return Err(Trouble::new(TroubleKind::Refused, format!("moment {}", order.moment), "it is far ahead of this agent's clock"));
        }
        let row = Captured { run: order.run, rows: Arc::default(), report: None };
        self.write(|s, i| {
            if s.sites[i].dropped.contains(&order.run) {
                return Err(self.refused("its run was dropped"));
            }
            Ok(s.sites[i].captures.insert(order.point, row))
        })
        .await?;
        let taken = self.take(order).await;
        self.write(|s, i| match taken {
            Ok(report) => {
                s.sites[i].captures.get_mut(&order.point).ok_or_else(|| self.refused("its run was dropped"))?.report = Some(report.clone());
                Ok(Outcome::Captured(report))
            }
            Err(trouble) => {
                s.sites[i].captures.remove(&order.point);
                Err(trouble)
            }
        })
        .await
    }

    /// Waits for the moment by the site's own wall clock, then cuts.
    async fn take(&self, order: &CaptureOrder) -> Result<CaptureReport, Trouble> {
        loop {
            let left = self.world.with(|s| order.moment - s.wall(self.i));
            let Ok(left) = left.to_std() else { break };
            if self.cancel.is_cancelled() {
                return Err(Trouble::new(TroubleKind::Cancelled, "capture", "the run was cancelled before its moment"));
            }
            tokio::time::sleep(left.clamp(Duration::from_millis(1), Duration::from_secs(2))).await;
        }
        let before = self.world.with(|s| s.clock_off[self.i]);
        self.touch(|s, i| {
            let (now, stepped) = (s.wall(i), s.clock_off[i] != before);
            let rows = s.sites[i].live.clone();
            let capture = s.sites[i].captures.get_mut(&order.point).ok_or_else(|| self.refused("its run was dropped"))?;
            capture.rows = rows.clone();
            let again = s.truth.captured.insert(order.point, rows).is_some();
            s.truth.captured_at.insert(order.point, s.elapsed());
            s.promise(!again, || format!("invariant 8: {} was captured twice", order.point));
            let window = Window { lo: now, hi: now + TimeDelta::milliseconds(2) };
            let set = CapturedSet { window, server_time: None, open_files: Vec::new(), event_id: None };
            Ok(CaptureReport { sets: vec![set; order.service.data_sets.len()], frozen: false, clock_stepped: stepped })
        })
        .await
    }

    pub(super) async fn transfer(&self, order: &TransferOrder) -> Result<Outcome, Trouble> {
        let primary = self.world.with(|s| s.sites[self.i].agent.facts.claim.identity == Identity::Primary);
        let (from, to) = if primary { (self.i, 1 - self.i) } else { (1 - self.i, self.i) };
        let pieces = self.world.with(|s| s.rng.below(6) + 1);
        for piece in 1..=pieces {
            self.pass(50, 1500).await;
            if self.cancel.is_cancelled() {
                return Err(Trouble::new(TroubleKind::Cancelled, "transfer", "the run was cancelled"));
            }
            self.world.with(|s| {
                if let Some(job) = s.sites[self.i].under_way.get_mut(&self.id) {
                    (job.progress.done_bytes, job.progress.total_bytes) = (vec![piece], vec![pieces]);
                }
                let peer = &s.sites[1 - self.i];
                if s.net.agents.cut || !peer.is_up() || peer.hung {
                    return Err(Trouble::new(TroubleKind::Unreachable, format!("agent {}", cluster(1 - self.i)), "the transfer broke off"));
                }
                let down = (0..2).find(|i| !s.sites[*i].cluster_up);
                down.map_or(Ok(()), |i| Err(Trouble::new(TroubleKind::Failed, format!("files of {}", cluster(i)), "connection refused")))
            })?;
        }
        self.touch(|s, _| {
            let source = &s.sites[from].captures;
            let capture = source.get(&order.point).filter(|c| c.report.is_some()).ok_or_else(|| self.refused("it is not captured"))?;
            let base = match order.base {
                None => Arc::default(),
                Some(base) => {
                    let sealed = s.sites[from].points.get(&base).filter(|p| p.sealed).map(|p| p.rows.clone());
                    let held = source.get(&base).map(|capture| capture.rows.clone()).or(sealed);
                    held.ok_or_else(|| self.refused("the base is not held any more"))?
                }
            };
            let change = (&*capture.rows - &*base, &*base - &*capture.rows);
            let count = (change.0.len() as u64, capture.rows.len() as u64);
            let target = &mut s.sites[to];
            let open =
                target.armed.contains(&order.run) && !target.dropped.contains(&order.run) && !target.points.contains_key(&order.point);
            if !open || target.disk_full {
                return Err(self.refused("nothing of that run is let in"));
            }
            target.staging.insert(order.point, Staged { run: order.run, base: order.base, change: Some(change), verified: false });
            let counts = SetCounts { files: count.1, bytes: count.1, copied_files: count.0, copied_bytes: count.0, ..SetCounts::default() };
            Ok(Outcome::Transferred(TransferReport { sets: vec![counts; order.data_sets.len()] }))
        })
        .await
    }

    pub(super) async fn verify(&self, order: &VerifyOrder) -> Result<Outcome, Trouble> {
        self.touch(|_, _| Ok(())).await?;
        self.write(|s, i| {
            self.require(&s.sites[i], Identity::Secondary)?;
            let staged = s.sites[i].staging.get_mut(&order.point).ok_or_else(|| self.refused("nothing of it is staged"))?;
            let change = staged.change.as_ref().ok_or_else(|| self.refused("not all of it has arrived"))?;
            let files = change.0.len() as u64;
            staged.verified = true;
            Ok(Outcome::Verified(VerifyReport { files, bytes: files }))
        })
        .await
    }

    pub(super) async fn commit(&self, order: &CommitOrder) -> Result<Outcome, Trouble> {
        let point = order.point.id;
        let gate = self.gate();
        let alone = gate.lock().await;
        if !self.world.with(|s| s.sites[self.i].points.contains_key(&point)) {
            let committed = match self.touch(|_, _| Ok(())).await {
                Ok(()) => self.write(|s, i| self.record_that_counts(s, i, order)).await,
                Err(trouble) => Err(trouble),
            };
            // What will not do later either is a refusal: nothing was committed.
            committed.map_err(|t| if t.is_worth_retrying() { t } else { Trouble { kind: TroubleKind::Refused, ..t } })?;
        }
        drop(alone);
        let sealed = self.finish(point).await;
        sealed.map(|record| Outcome::Sealed(Box::new(record))).map_err(|t| Trouble { kind: TroubleKind::Failed, ..t })
    }

    fn record_that_counts(&self, s: &mut State, i: usize, order: &CommitOrder) -> Result<(), Trouble> {
        let (record, site) = (&order.point, &mut s.sites[i]);
        let staged = site.staging.get(&record.id).ok_or_else(|| self.refused("nothing of it is staged"))?;
        let claim = site.agent.facts.claim;
        if claim.identity != Identity::Secondary || claim.epoch != record.epoch {
            return Err(Trouble::new(TroubleKind::Outdated, format!("point {}", record.id), "identities have changed since its run began"));
        }
        let right = staged.verified && staged.run == record.run && staged.base == record.base && index(&record.to) == i;
        if !right || record.captured.grade == Grade::Invalid {
            return Err(self.refused("it is not what is staged"));
        }
        if site.dropped.contains(&record.run) {
            return Err(Trouble::new(TroubleKind::Cancelled, format!("run {}", record.run), "it was cancelled before its commit"));
        }
        rules::may_commit(record.id, record.base, site.points.keys().next_back().copied())?;
        let base = match record.base {
            None => Rows::default(),
            Some(base) => (*site.points.get(&base).ok_or_else(|| self.refused("the base is not held any more"))?.rows).clone(),
        };
        let change = staged.change.clone().expect("it is verified");
        let rows = s.truth.shared(record.id, changed(&base, &change));
        site.points.insert(record.id, Point { record: RecoveryPoint { sealed_at: None, ..record.clone() }, change, rows, sealed: false });
        Ok(())
    }

    /// Applies and seals a committed point.
    pub(super) async fn finish(&self, point: PointId) -> Result<RecoveryPoint, Trouble> {
        let gate = self.gate();
        let _alone = gate.lock().await;
        let known = self.world.with(|s| s.sites[self.i].points.get(&point).cloned());
        let known = known.ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("point {point}"), "it is not committed here"))?;
        if known.sealed {
            return Ok(known.record);
        }
        self.world.with(|s| {
            if let Some(job) = s.sites[self.i].under_way.get_mut(&self.id) {
                job.progress.committed = true;
            }
        });
        self.write(|s, i| {
            s.sites[i].applied = None;
            Ok(())
        })
        .await?;
        self.touch(|s, i| {
            // Told against its base or, without one, against what is live.
            let live = if known.record.base.is_some() { changed(&s.sites[i].live, &known.change) } else { (*known.rows).clone() };
            let discarded = s.truth.acknowledged[i].iter().find(|row| s.sites[i].live.contains(row) && !live.contains(row)).copied();
            s.promise(discarded.is_none(), || format!("invariant 12: {} discards row {}", cluster(i), discarded.unwrap()));
            s.sites[i].live = s.truth.shared(point, live);
            s.sites[i].agent.data_fenced = true;
            Ok(())
        })
        .await?;
        self.touch(|_, _| Ok(())).await?;
        self.write(|s, i| {
            let now = s.wall(i);
            let site = &mut s.sites[i];
            let row = site.points.get_mut(&point).ok_or_else(|| self.refused("it is gone"))?;
            (row.sealed, row.record.sealed_at) = (true, Some(now));
            let record = row.record.clone();
            site.applied = Some(point);
            site.staging.remove(&point);
            s.truth.newest_sealed[i] = Some(point);
            s.truth.sealed.insert(point);
            s.truth.points_sealed += 1;
            s.note(format_args!("{} sealed {point}", cluster(i)));
            Ok(record)
        })
        .await
    }

    pub(super) async fn bring_up(&self, point: PointId) -> Result<(), Trouble> {
        let known = self.world.with(|s| s.sites[self.i].points.get(&point).cloned());
        let known = known.ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("point {point}"), "it is not held here"))?;
        if index(&known.record.to) != self.i || known.record.captured.grade == Grade::Invalid {
            return Err(self.refused("that point may not be promoted"));
        }
        if !known.sealed {
            self.finish(point).await?;
        }
        let gate = self.gate();
        let _alone = gate.lock().await;
        if self.world.with(|s| s.sites[self.i].applied != Some(point)) {
            self.write(|s, i| {
                s.sites[i].applied = None;
                Ok(())
            })
            .await?;
            self.touch(|s, i| {
                s.sites[i].live = known.rows.clone();
                Ok(())
            })
            .await?;
            self.write(|s, i| {
                s.sites[i].applied = Some(point);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    pub(super) async fn abort(&self, order: &AbortOrder) -> Result<Outcome, Trouble> {
        let gate = self.gate();
        let _alone = gate.lock().await;
        self.write(|s, i| {
            let site = &mut s.sites[i];
            if site.points.contains_key(&order.point) {
                return Err(self.refused("committed: the secondary finishes alone"));
            }
            site.dropped.insert(order.run);
            if !site.cluster_up {
                return Ok(Outcome::Dropped(vec![format!("whatever {} has of it", cluster(i))]));
            }
            site.captures.remove(&order.point);
            site.staging.remove(&order.point);
            Ok(Outcome::Dropped(Vec::new()))
        })
        .await
    }

    pub(super) async fn prune(&self, order: &PruneOrder) -> Result<Outcome, Trouble> {
        self.touch(|_, _| Ok(())).await?;
        self.write(|s, i| {
            let site = &mut s.sites[i];
            let wanted: BTreeSet<_> = order.points.iter().collect();
            let is_source = site.agent.facts.claim.identity == Identity::Primary;
            let newest = site.captures.iter().rev().find(|(_, c)| is_source && c.report.is_some()).map(|(point, _)| *point);
            site.captures.retain(|point, _| !wanted.contains(point) || Some(*point) == newest);
            let (newest, live) = (site.newest().map(|point| point.record.id), site.applied);
            site.points.retain(|id, p| !p.sealed || !wanted.contains(id) || Some(*id) == newest || Some(*id) == live);
            Ok(Outcome::Dropped(Vec::new()))
        })
        .await
    }

    /// One commit, apply, abort or promotion of the data at a time.
    fn gate(&self) -> Arc<tokio::sync::Mutex<()>> {
        self.world.with(|s| s.sites[self.i].gate.clone())
    }
}

fn changed(rows: &Rows, (added, removed): &(Rows, Rows)) -> Rows {
    rows.difference(removed).chain(added).copied().collect()
}
