//! From an accepted order to the job that carries it out.

use super::{
    Job, abandon, arm, capture, commit, copy_kept, drill, drop, holdings, identity, leftovers, membership, restore, reverse, transfer,
    users, verify,
};
use crate::domain::Trouble;
use crate::protocol::{Order, Outcome};

/// Carries out an order of the controller with the key `caller`. Run again after a crash it has the effect of one run.
pub async fn carry_out(job: &Job, order: Order, caller: &str) -> Result<Outcome, Trouble> {
    match order {
        Order::Join(order) => membership::join(job, order, caller).await,
        Order::Leave => membership::leave(job).await,
        Order::Holdings => holdings::run(job).await,
        Order::StorePolicies(order) => membership::store_policies(job, order).await,
        Order::Arm(order) => arm::run(job, order).await,
        Order::Capture(order) => capture::run(job, order).await,
        Order::Push(order) | Order::Pull(order) => transfer::run(job, order).await,
        Order::Verify(order) => verify::run(job, order).await,
        Order::Commit(order) => commit::run(job, order).await,
        Order::Abandon(order) => abandon::run(job, order).await,
        Order::Abort(order) => drop::abort(job, order).await,
        Order::Prune(order) => drop::prune(job, order).await,
        Order::SyncUsers(order) => users::sync(job, order).await,
        Order::ReadUsers => users::read(job).await,
        Order::AdjustUsers(order) => users::adjust(job, order).await,
        Order::Promote(order) => identity::promote(job, order).await,
        Order::Demote(order) => identity::demote(job, order).await,
        Order::Unfence(order) => identity::unfence(job, order).await,
        Order::Reverse(order) => reverse::run(job, order).await,
        Order::Leftovers(order) => leftovers::run(job, order).await,
        Order::Drill(order) => drill::start(job, order).await,
        Order::EndDrill(order) => drill::end(job, order).await,
        Order::Restore(order) => restore::run(job, order).await,
        Order::EndRestore(order) => restore::end(job, order).await,
        Order::CopyKept(order) => copy_kept::run(job, order).await,
    }
}
