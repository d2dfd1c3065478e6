//! Which jobs an order sends away before it begins, and which orders want to be alone. Pure; the manager acts on it, and so does the
//! simulated agent of the tests.

use crate::domain::RunId;
use crate::protocol::Order;

/// The run that an abort may cancel; a commit is not among them, it finishes in any case.
pub fn run_of(order: &Order) -> Option<RunId> {
    match order {
        Order::Arm(arm) => Some(arm.run),
        Order::Capture(capture) => Some(capture.run),
        Order::Push(transfer) | Order::Pull(transfer) => Some(transfer.run),
        Order::Verify(verify) => Some(verify.run),
        _ => None,
    }
}

/// Whether a job of its pair that works for `run` is cancelled first: an abort cancels its run's, a change of identity all.
pub fn cancels(order: &Order, run: RunId) -> bool {
    match order {
        Order::Abort(abort) => abort.run == run,
        Order::Promote(_) | Order::Demote(_) | Order::Reverse(_) | Order::Leave => true,
        _ => false,
    }
}

/// Whether it is carried out one at a time on a cluster.
pub fn changes_identity(order: &Order) -> bool {
    matches!(
        order,
        Order::Join(_)
            | Order::Leave
            | Order::StorePolicies(_)
            | Order::Promote(_)
            | Order::Demote(_)
            | Order::Unfence(_)
            | Order::Reverse(_)
    )
}
