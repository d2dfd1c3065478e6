//! Reverse replication at a simulated old primary: kept, back at the common point, adopted. Each is a step of its own.

use std::sync::Arc;

use understudy::domain::switchover::machine::Reversal;
use understudy::domain::*;
use understudy::protocol::*;

use super::Job;
use crate::site::{Point, Rows};
use crate::world::{cluster, policy};

impl Job {
    pub(super) async fn reverse(&self, reversal: &Reversal) -> Result<Outcome, Trouble> {
        let name = policy().name.clone();
        let Some(point) = reversal.points.get(&name).copied() else { return Ok(reversed(None)) };
        let epoch = self.world.with(|s| {
            let site = &s.sites[self.i];
            self.require(site, Identity::Secondary).map(|()| site.agent.facts.claim.epoch)
        })?;
        let adopted = self.world.with(|s| s.sites[self.i].points.get(&point).filter(|row| row.record.epoch == epoch).cloned());
        if let Some(row) = adopted {
            let kept = self.world.with(|s| s.sites[self.i].kept.get(&point).map(|(id, _)| *id));
            return Ok(reversed(Some((row.record, kept))));
        }
        let own =
            self.world.with(|s| s.sites[self.i].points.get(&point).filter(|row| row.sealed && row.record.to == *cluster(self.i)).cloned());
        let common = match own {
            Some(row) => Point { record: RecoveryPoint { epoch, ..row.record.clone() }, ..row },
            None => self.common(point, epoch).await?,
        };
        self.touch(|s, i| {
            s.sites[i].agent.data_fenced = true;
            Ok(())
        })
        .await?;
        let written = self.world.with(|s| {
            let site = &s.sites[self.i];
            // What an earlier attempt kept counts while it is going back; later it may be another time's.
            site.live != common.rows && (site.applied.is_some() || !site.kept.contains_key(&point))
        });
        if written {
            let id = reversal.keep.get(&name).copied().ok_or_else(|| self.refused("no id is given to keep under"))?;
            self.touch(|s, i| {
                let live = s.sites[i].live.clone();
                s.sites[i].kept.insert(point, (id, live));
                Ok(())
            })
            .await?;
        }
        self.write(|s, i| {
            s.sites[i].applied = None;
            Ok(())
        })
        .await?;
        self.touch(|s, i| {
            let kept = s.sites[i].kept.get(&point).map(|(_, rows)| rows.clone()).unwrap_or_default();
            let gone: Rows = s.sites[i].live.difference(&common.rows).copied().collect();
            let discarded = gone.difference(&kept).next().copied();
            s.promise(discarded.is_none(), || format!("invariant 12: {} goes back and discards row {}", cluster(i), discarded.unwrap()));
            s.truth.acknowledged[i].retain(|row| !gone.contains(row));
            s.sites[i].live = common.rows.clone();
            s.note(format_args!("{} is back at {point}; {} rows were kept", cluster(i), gone.len()));
            Ok(())
        })
        .await?;
        self.write(|s, i| {
            let site = &mut s.sites[i];
            site.captures.remove(&point);
            site.points.insert(point, common.clone());
            site.applied = Some(point);
            s.truth.newest_sealed[i] = Some(point);
            s.truth.reversals += 1;
            let kept = s.sites[i].kept.get(&point).map(|(id, _)| *id);
            Ok(reversed(Some((common.record.clone(), kept))))
        })
        .await
    }

    /// The peer's sealed point, seen from here; held here as well, or there is nothing to go back to.
    async fn common(&self, point: PointId, epoch: Epoch) -> Result<Point, Trouble> {
        self.pass(20, 400).await;
        self.world.with(|s| {
            let (here, peer) = (&s.sites[self.i], &s.sites[1 - self.i]);
            if s.net.agents.cut || !peer.is_up() || peer.hung {
                return Err(Trouble::new(TroubleKind::Unreachable, format!("agent {}", cluster(1 - self.i)), "it does not answer"));
            }
            let held = here.captures.get(&point).is_some_and(|capture| capture.report.is_some()) || here.points.contains_key(&point);
            let sealed = peer.points.get(&point).filter(|row| row.sealed && held);
            let sealed = sealed.ok_or_else(|| self.refused("the common point is not held any more"))?;
            let rows = Arc::clone(&sealed.rows);
            Ok(Point { record: sealed.record.reversed(epoch), change: Default::default(), rows, sealed: true })
        })
    }
}

fn reversed(turned: Option<(RecoveryPoint, Option<PointId>)>) -> Outcome {
    let service = |(point, kept): (RecoveryPoint, Option<PointId>)| {
        let kept = kept.map(|id| KeptWrites {
            id,
            service: point.service.clone(),
            after: point.id,
            at: chrono::DateTime::UNIX_EPOCH,
            changed: Default::default(),
        });
        (point.service.clone(), ServiceReversed { point, kept })
    };
    Outcome::Reversed(ReverseReport { services: turned.into_iter().map(service).collect() })
}
