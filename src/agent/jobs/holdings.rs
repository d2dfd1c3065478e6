//! Holdings: what leaving a pair would remove here, counted by the rules that leaving itself goes by. Changes nothing.

use std::collections::BTreeMap;

use super::membership::{Belongings, to_unfence};
use super::{Job, leftovers};
use crate::domain::Trouble;
use crate::protocol::{Holdings, Outcome, PointHeld};

/// Looks and counts.
pub async fn run(job: &Job) -> Result<Outcome, Trouble> {
    let (ledger, pair) = (&job.site.ledger, &job.pair);
    let facts = ledger.member(pair)?;
    let mut held = Holdings {
        kept: ledger.kept(pair)?,
        staging: ledger.all_staging()?.iter().filter(|row| row.armed.pair == *pair).count() as u64,
        drills: ledger.drills()?.iter().filter(|row| row.pair == *pair).count() as u64,
        fenced: to_unfence(job, &facts)?.len() as u64,
        ..Holdings::default()
    };
    let points = ledger.points_of_pair(pair)?.into_iter().map(|row| row.record);
    held.points = points.map(|point| PointHeld { point: point.id, service: point.service, moment: point.moment }).collect();
    let ours = Belongings::of(&job.site, pair)?;
    let mut snapshots = BTreeMap::new();
    for snapshot in leftovers::listed(&job.site, &mut held.failed).await.into_iter().filter(|snapshot| ours.hold(snapshot)) {
        *snapshots.entry(snapshot.component).or_default() += 1;
    }
    held.snapshots = snapshots;
    Ok(Outcome::Holdings(held))
}
