//! The user-data jobs: the fourth instruction, and the two halves of the controller's own way.

use crate::agent::jobs::Job;
use crate::domain::user_data::compare;
use crate::domain::{Identity, Trouble, TroubleKind};
use crate::protocol::{AdjustUsersOrder, Outcome, SyncUsersOrder, UsersReport};
use crate::users::{self, Side};

/// Fourth instruction, at the primary: read, compare with the peer's side, have the peer adjust.
pub async fn sync(job: &Job, order: SyncUsersOrder) -> Result<Outcome, Trouble> {
    let peer = job.peer.as_ref().ok_or_else(|| {
        Trouble::new(TroubleKind::Refused, format!("pair {}", job.pair), "the other agent is not known here")
            .next("pair the clusters again")
    })?;
    let primary = users::read(&job.site, &job.pair, Side::Primary).await?;
    let other = users::ask_peer(peer, &job.pair).await?;
    let changes = compare(&primary, &other.now, other.last_applied.as_ref());
    let adjusted = if order.dry_run {
        users::Adjusted::default()
    } else {
        users::have_peer_adjust(peer, &job.pair, job.epoch, changes.clone(), primary.clone()).await?
    };
    Ok(Outcome::Users(UsersReport {
        read: Some(primary),
        last_applied: other.last_applied,
        changes,
        applied: adjusted.applied,
        failed: adjusted.failed,
    }))
}

/// Reads this side, whichever it is.
pub async fn read(job: &Job) -> Result<Outcome, Trouble> {
    let identity = job.site.ledger.member(&job.pair)?.claim.identity;
    let side = if identity == Identity::Primary { Side::Primary } else { Side::Secondary };
    let read = users::read(&job.site, &job.pair, side).await?;
    let last_applied = job.site.ledger.applied_users(&job.pair)?;
    Ok(Outcome::Users(UsersReport { read: Some(read), last_applied, changes: Vec::new(), applied: 0, failed: Vec::new() }))
}

/// Adjusts this (secondary) side.
pub async fn adjust(job: &Job, order: AdjustUsersOrder) -> Result<Outcome, Trouble> {
    let adjusted = users::adjust(&job.site, &job.pair, &order.changes, &order.primary).await?;
    let last_applied = job.site.ledger.applied_users(&job.pair)?;
    Ok(Outcome::Users(UsersReport { read: None, last_applied, changes: order.changes, applied: adjusted.applied, failed: adjusted.failed }))
}
