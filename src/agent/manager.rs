//! The job manager: one task for each accepted instruction, its result durable before anybody is told.
//!
//! ```text
//! instruction ─ guard + ledger (one transaction) ─ task: carry_out ─ ledger: done | failed | interrupted ─ answer
//! ```
//! Instructions survive the agent; tasks do not. What was running when the agent stopped is *interrupted* and starts again
//! when the controller sends the same instruction again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::clearance;
use super::guard::{self, Asked};
use super::jobs::{Job, Site, dispatch};
use super::links::Links;
use crate::domain::{InstructionId, PairName, RunId, Trouble, TroubleKind};
use crate::protocol::{Answer, AnswerState, Instruction, Order, Progress};
use crate::store::agent::{Admission, InstructionState};

/// Jobs at work at once; more wait.
const MAX_AT_WORK: usize = 32;
/// Jobs waiting or at work; an instruction beyond that is refused.
const MAX_ACCEPTED: usize = 256;
/// How long an abort or a change of identity waits for the jobs it cancels.
const CANCEL_LIMIT: Duration = Duration::from_secs(30);
/// How long a stop waits for jobs.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Attempts to store a result, a second apart.
const STORE_ATTEMPTS: u32 = 10;

/// See the module.
pub struct Manager {
    site: Arc<Site>,
    links: Arc<Links>,
    /// Held while an instruction is judged and entered, so that two copies of it cannot both start.
    entrance: tokio::sync::Mutex<()>,
    under_way: Mutex<HashMap<InstructionId, UnderWay>>,
    at_work: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Clone)]
struct UnderWay {
    pair: PairName,
    run: Option<RunId>,
    cancel: CancellationToken,
    progress: watch::Receiver<Progress>,
    over: CancellationToken,
}

impl Manager {
    /// Nothing under way. `stop` ends all jobs.
    pub fn new(site: Arc<Site>, links: Arc<Links>, stop: CancellationToken) -> Arc<Manager> {
        Arc::new(Manager {
            site,
            links,
            entrance: tokio::sync::Mutex::default(),
            under_way: Mutex::default(),
            at_work: Arc::new(Semaphore::new(MAX_AT_WORK)),
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// Takes an instruction of the controller with this key; starts it if it is new or may run again.
    pub async fn instruct(self: &Arc<Self>, instruction: Instruction, caller: String) -> Result<Answer, Trouble> {
        let id = instruction.id;
        let digest = guard::body_digest(&instruction)?;
        let entrance = self.entrance.lock().await;
        if self.stop.is_cancelled() {
            return Err(Trouble::new(TroubleKind::Unreachable, format!("agent {}", self.site.cluster), "it is stopping"));
        }
        let (running, crowded) = {
            let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            (under_way.contains_key(&id), under_way.len() >= MAX_ACCEPTED)
        };
        let (site, told, key) = (self.site.clone(), instruction.clone(), caller.clone());
        let admission = spawn_blocking(move || {
            site.ledger.admit(&told, &key, digest, site.clock.now(), |facts| {
                let asked = Asked { here: &site.cluster, caller: &key, digest, dotted: &site.dotted() };
                let mut facts = facts.clone();
                if let Some(seen) = &mut facts.seen
                    && seen.state == InstructionState::Running
                    && !running
                {
                    // Its result could not be stored: it is no longer being done.
                    seen.state = InstructionState::Interrupted;
                }
                let admission = guard::judge(&told, asked, &facts)?;
                if crowded && matches!(admission, Admission::Start { .. }) {
                    return Err(Trouble::new(TroubleKind::Failed, format!("agent {}", site.cluster), "too many instructions are waiting"));
                }
                Ok(admission)
            })
        })
        .await
        .map_err(|e| broken(id, &e))??;
        if let Admission::Rise(term) = admission {
            let reason = format!("it knows term {term} now and follows term {} step by step", instruction.term);
            return Err(
                Trouble::new(TroubleKind::Failed, format!("agent {}", self.site.cluster), reason).next("send the same instruction again")
            );
        }
        if matches!(admission, Admission::Start { .. }) {
            tracing::info!(%id, pair = %instruction.pair, order = instruction.order.name(), term = %instruction.term, epoch = %instruction.epoch, "accepted");
            self.start(instruction, caller)?;
        }
        drop(entrance);
        self.answer(id, Duration::ZERO).await
    }

    /// Where an instruction is; waits for its end up to `wait`.
    pub async fn answer(&self, id: InstructionId, wait: Duration) -> Result<Answer, Trouble> {
        if let Some(under_way) = self.find(id) {
            if !wait.is_zero() {
                tokio::select! {
                    () = under_way.over.cancelled() => {}
                    () = self.stop.cancelled() => {}
                    () = tokio::time::sleep(wait) => {}
                }
            }
            if !under_way.over.is_cancelled() {
                let progress = under_way.progress.borrow().clone();
                return Ok(Answer { id, state: AnswerState::Running(progress) });
            }
        }
        let site = self.site.clone();
        let record = spawn_blocking(move || site.ledger.instruction(id)).await.map_err(|e| broken(id, &e))??;
        let record = record.ok_or_else(|| Trouble::new(TroubleKind::NotFound, format!("instruction {id}"), "it never arrived here"))?;
        let state = match record.state {
            InstructionState::Done(outcome) => AnswerState::Done(outcome),
            InstructionState::Failed(trouble) => AnswerState::Failed(trouble),
            InstructionState::Running | InstructionState::Interrupted => AnswerState::Failed(
                Trouble::new(TroubleKind::Failed, format!("agent {}", self.site.cluster), "it stopped while this was being done")
                    .next("the same instruction, sent again, goes on"),
            ),
        };
        Ok(Answer { id, state })
    }

    /// Cancels everything, notes it as interrupted, waits a little. The caller has cancelled `stop`.
    pub async fn stopped(&self) {
        self.tasks.close();
        if tokio::time::timeout(STOP_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("jobs did not stop in time; they are interrupted");
        }
    }

    fn find(&self, id: InstructionId) -> Option<UnderWay> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn start(self: &Arc<Self>, instruction: Instruction, caller: String) -> Result<(), Trouble> {
        let id = instruction.id;
        let peer = match self.site.ledger.pair(&instruction.pair)? {
            Some(facts) => Some(self.links.link(&facts.peer)?),
            None => None,
        };
        let (progress, watched) = watch::channel(Progress::default());
        let under_way = UnderWay {
            pair: instruction.pair.clone(),
            run: clearance::run_of(&instruction.order),
            cancel: self.stop.child_token(),
            progress: watched,
            over: CancellationToken::new(),
        };
        let job = Job {
            site: self.site.clone(),
            pair: instruction.pair.clone(),
            epoch: instruction.epoch,
            term: instruction.term,
            peer,
            progress,
            cancel: under_way.cancel.clone(),
        };
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id, under_way.clone());
        let manager = self.clone();
        self.tasks.spawn(async move {
            let state = manager.run(job, instruction.order, id, caller).await;
            manager.store_end(id, state).await;
            manager.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            under_way.over.cancel();
        });
        Ok(())
    }

    /// Runs one job in a task of its own, so that a panic is a failure and no more.
    async fn run(self: &Arc<Self>, job: Job, order: Order, id: InstructionId, caller: String) -> InstructionState {
        let name = order.name();
        let cancel = job.cancel.clone();
        let manager = self.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            manager.clear_the_way(&order, &job, id).await;
            let _permit = manager.at_work.acquire().await.map_err(|e| broken(id, &e))?;
            let _alone = match clearance::changes_identity(&order) {
                true => Some(job.site.identity.lock().await),
                false => None,
            };
            if job.cancel.is_cancelled() {
                return Err(Trouble::new(TroubleKind::Cancelled, format!("instruction {id}"), "cancelled before it began"));
            }
            dispatch::carry_out(&job, order, &caller).await
        });
        let result = match task.join_next().await {
            Some(Ok(result)) => result,
            Some(Err(e)) => Err(broken(id, &e)),
            None => Err(broken(id, &"it has no task")),
        };
        match result {
            Ok(outcome) => {
                tracing::info!(%id, order = name, "done");
                InstructionState::Done(Box::new(outcome))
            }
            Err(_) if cancel.is_cancelled() && self.stop.is_cancelled() => InstructionState::Interrupted,
            Err(trouble) => {
                tracing::warn!(%id, order = name, %trouble, "failed");
                InstructionState::Failed(trouble)
            }
        }
    }

    /// An abort cancels its run's other jobs; a change of identity the pair's unfinished ones. Commits finish in any case.
    async fn clear_the_way(&self, order: &Order, job: &Job, own: InstructionId) {
        let cancelled: Vec<_> = {
            let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let of_pair = under_way.iter().filter(|(id, other)| **id != own && other.pair == job.pair);
            of_pair
                .filter(|(_, other)| other.run.is_some_and(|run| clearance::cancels(order, run)))
                .map(|(_, other)| other.clone())
                .collect()
        };
        for other in &cancelled {
            other.cancel.cancel();
        }
        for other in cancelled {
            if tokio::time::timeout(CANCEL_LIMIT, other.over.cancelled()).await.is_err() {
                tracing::warn!(pair = %job.pair, "a cancelled job has not stopped in time");
            }
        }
    }

    async fn store_end(&self, id: InstructionId, state: InstructionState) {
        for attempt in 1..=STORE_ATTEMPTS {
            let (site, state) = (self.site.clone(), state.clone());
            let stored = spawn_blocking(move || site.ledger.end_instruction(id, &state, site.clock.now())).await;
            let trouble = match stored {
                Ok(Ok(())) => return,
                Ok(Err(trouble)) => trouble,
                Err(e) => broken(id, &e),
            };
            tracing::error!(%id, attempt, %trouble, "cannot store a result");
            if attempt < STORE_ATTEMPTS && !self.stop.is_cancelled() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

fn broken(id: InstructionId, e: &dyn std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Failed, format!("instruction {id}"), format!("the agent could not carry it out: {e}"))
}
