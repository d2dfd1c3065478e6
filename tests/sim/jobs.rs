//! What an accepted instruction does at a simulated site: every durable write and every touch of the data is a step of its own, and
//! between any two of them the agent may die, hang, or find its disk full or its cluster dead.

mod backup;
mod change;
mod reverse;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use understudy::agent::clearance;
use understudy::domain::*;
use understudy::protocol::*;
use understudy::store::agent::InstructionState;

use crate::site::{Site, UnderWay, full};
use crate::truth;
use crate::world::{State, World, cluster};

/// Attempts to store a result, a second apart.
const STORE_ATTEMPTS: u32 = 10;
/// How long an abort or a change of identity waits for the jobs it cancels.
const CANCEL_LIMIT: Duration = Duration::from_secs(30);

/// One job.
struct Job {
    world: Arc<World>,
    i: usize,
    id: InstructionId,
    cancel: CancellationToken,
}

/// Starts the job of an instruction that was admitted.
pub fn start(world: &Arc<World>, i: usize, instruction: Instruction, caller: String) {
    let id = instruction.id;
    let (under_way, stop) = world.with(|s| {
        let site = &mut s.sites[i];
        let tokens = (CancellationToken::new(), CancellationToken::new());
        let under_way =
            UnderWay { run: clearance::run_of(&instruction.order), cancel: tokens.0, over: tokens.1, progress: Progress::default() };
        site.under_way.insert(id, under_way.clone());
        (under_way, site.stop.clone())
    });
    let job = Job { world: world.clone(), i, id, cancel: under_way.cancel.clone() };
    let work = async move {
        let result = job.run(&instruction, &caller).await;
        job.store_end(result, instruction.order.name()).await;
        job.world.with(|s| s.sites[i].under_way.remove(&id));
        under_way.over.cancel();
    };
    tokio::spawn(async move {
        tokio::select! { biased; () = stop.cancelled() => {}, () = work => {} }
    });
}

/// At the start of an agent: what was committed is sealed.
pub async fn resume(world: Arc<World>, i: usize) {
    let job = Job { world, i, id: InstructionId(uuid::Uuid::nil()), cancel: CancellationToken::new() };
    loop {
        let unsealed = job.world.with(|s| {
            let claim = s.sites[i].agent.facts.claim;
            let current = |epoch| claim.identity == Identity::Secondary && claim.epoch == epoch;
            s.sites[i].points.values().find(|p| !p.sealed && current(p.record.epoch)).map(|p| p.record.id)
        });
        let Some(point) = unsealed else { return };
        if job.finish(point).await.is_err() {
            return;
        }
    }
}

impl Job {
    async fn run(&self, instruction: &Instruction, caller: &str) -> Result<Outcome, Trouble> {
        self.clear_the_way(&instruction.order).await;
        let lock = self.world.with(|s| s.sites[self.i].identity.clone());
        let _alone = if clearance::changes_identity(&instruction.order) { Some(lock.lock().await) } else { None };
        if self.cancel.is_cancelled() {
            return Err(Trouble::new(TroubleKind::Cancelled, format!("instruction {}", self.id), "cancelled before it began"));
        }
        self.carry_out(&instruction.order, caller).await
    }

    async fn carry_out(&self, order: &Order, caller: &str) -> Result<Outcome, Trouble> {
        match order {
            Order::Join(_) => self.join(caller).await,
            Order::StorePolicies(policies) => self.store_policies(&policies.services).await,
            Order::Arm(arm) => self.arm(arm).await,
            Order::Capture(capture) => self.capture(capture).await,
            Order::Push(transfer) | Order::Pull(transfer) => self.transfer(transfer).await,
            Order::Verify(verify) => self.verify(verify).await,
            Order::Commit(commit) => self.commit(commit).await,
            Order::Abort(abort) => self.abort(abort).await,
            Order::Prune(prune) => self.prune(prune).await,
            Order::Promote(promote) => self.promote(&promote.decision).await,
            Order::Demote(demote) => self.demote(&demote.decision, demote.fence_only).await,
            Order::Unfence(unfence) => self.unfence(&unfence.decision).await,
            Order::Reverse(reverse) => self.reverse(&reverse.reversal).await,
            Order::SyncUsers(_) | Order::ReadUsers | Order::AdjustUsers(_) => {
                let read = user_data::UserData { read_at: chrono::DateTime::UNIX_EPOCH, items: BTreeMap::new() };
                Ok(Outcome::Users(UsersReport {
                    read: Some(read),
                    last_applied: None,
                    changes: Vec::new(),
                    applied: 0,
                    failed: Vec::new(),
                }))
            }
            other => Err(Trouble::new(TroubleKind::Invalid, other.name(), "it is not simulated")),
        }
    }

    /// An abort cancels its run's other jobs; a change of identity the pair's unfinished ones. Commits finish in any case.
    async fn clear_the_way(&self, order: &Order) {
        let others: Vec<UnderWay> = self.world.with(|s| {
            let others = s.sites[self.i].under_way.iter().filter(|(id, _)| **id != self.id);
            others.filter(|(_, job)| job.run.is_some_and(|run| clearance::cancels(order, run))).map(|(_, job)| job.clone()).collect()
        });
        others.iter().for_each(|job| job.cancel.cancel());
        for job in others {
            drop(tokio::time::timeout(CANCEL_LIMIT, job.over.cancelled()).await);
        }
    }

    async fn store_end(&self, result: Result<Outcome, Trouble>, order: &str) {
        let state = match result {
            Ok(outcome) => InstructionState::Done(Box::new(outcome)),
            Err(trouble) => InstructionState::Failed(trouble),
        };
        for _ in 0..STORE_ATTEMPTS {
            let stored = self.write(|s, i| {
                let line = if let InstructionState::Failed(trouble) = &state { format!("failed: {trouble}") } else { "done".into() };
                s.note(format_args!("{order} ({}) at {}: {line}", self.id, cluster(i)));
                s.sites[i].agent.records.get_mut(&self.id).expect("it was entered").state = state.clone();
                Ok(())
            });
            if stored.await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A while passes, longer while the agent hangs.
    async fn pass(&self, lo_ms: u64, hi_ms: u64) {
        self.world.pause(lo_ms, hi_ms).await;
        while self.world.with(|s| s.sites[self.i].hung) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// One transaction in the agent's ledger.
    async fn write<T>(&self, change: impl FnOnce(&mut State, usize) -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.pass(1, 30).await;
        self.world.with(|s| {
            if s.sites[self.i].disk_full {
                return Err(full(self.i));
            }
            let result = change(s, self.i);
            truth::check(s);
            result
        })
    }

    /// One touch of the cluster's data.
    async fn touch<T>(&self, change: impl FnOnce(&mut State, usize) -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.pass(5, 400).await;
        self.world.with(|s| {
            if !s.sites[self.i].cluster_up {
                return Err(Trouble::new(TroubleKind::Failed, format!("files of {}", cluster(self.i)), "connection refused"));
            }
            let result = change(s, self.i);
            truth::check(s);
            result
        })
    }

    fn refused(&self, reason: impl std::fmt::Display) -> Trouble {
        Trouble::new(TroubleKind::Refused, format!("agent {}", cluster(self.i)), reason)
    }

    fn require(&self, site: &Site, wanted: Identity) -> Result<(), Trouble> {
        let identity = site.agent.facts.claim.identity;
        if identity == wanted { Ok(()) } else { Err(self.refused(format!("it is {identity}"))) }
    }
}
