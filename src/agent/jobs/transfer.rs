//! The first and the second instruction: push the snapshots' data to the secondary, or replicate it from the primary.

use futures_util::future::try_join_all;

use super::{Job, roles};
use crate::domain::{CopyMode, Identity, Trouble, TroubleKind};
use crate::protocol::{Outcome, TransferOrder, TransferReport};
use crate::transfer::{Copying, Far, Limits, pull, push};

/// Carries the order out: all data sets at once, within one budget of bytes on their way.
pub async fn run(job: &Job, order: TransferOrder) -> Result<Outcome, Trouble> {
    run_within(job, order, Limits::default()).await
}

/// The same with other time limits.
pub async fn run_within(job: &Job, order: TransferOrder, limits: Limits) -> Result<Outcome, Trouble> {
    roles::require(
        job,
        match order.copy {
            CopyMode::Push => Identity::Primary,
            CopyMode::Pull => Identity::Secondary,
        },
    )?;
    let copying = Copying::new(order.run, order.point, order.base, roles::peer(job)?, limits, job.cancel.clone());
    let doing = &match order.copy {
        CopyMode::Push => format!("pushing to {}", copying.remote.cluster),
        CopyMode::Pull => format!("pulling from {}", copying.remote.cluster),
    };
    job.progress.send_modify(|progress| {
        progress.doing.clone_from(doing);
        progress.done_bytes = vec![0; order.data_sets.len()];
        progress.total_bytes = vec![0; order.data_sets.len()];
    });
    let gate = job.site.gates.of(order.point);
    let copies = order.data_sets.iter().enumerate().map(|(i, set)| {
        let told = move |far| {
            job.progress.send_modify(|progress| match far {
                Far::Comparing(secs) => progress.doing = format!("{doing}: comparing {} for {secs} s", set.from),
                Far::Bytes { done, total } => {
                    progress.doing.clone_from(doing);
                    if let (Some(was_done), Some(was_total)) = (progress.done_bytes.get_mut(i), progress.total_bytes.get_mut(i)) {
                        (*was_done, *was_total) = (done, total);
                    }
                }
            });
        };
        let (site, copying) = (&*job.site, &copying);
        async move {
            match order.copy {
                CopyMode::Push => push(site, copying, set, told).await,
                CopyMode::Pull => pull(site, copying, set, told).await,
            }
        }
    });
    let sets = tokio::select! {
        sets = try_join_all(copies) => sets?,
        () = gate.closed.cancelled() => return Err(Trouble::new(TroubleKind::Cancelled, format!("run {}", order.run), "it was dropped")),
    };
    Ok(Outcome::Transferred(TransferReport { sets }))
}
