//! One instruction, from sending it to its end: retries, long polls, time limits, and what an outdated answer means.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{ClusterName, Epoch, InstructionId, PairName, Trouble, TroubleKind};
use crate::protocol::{AgentApi, AgentStatus, Answer, AnswerState, Instruction, Order, Outcome, Progress};
use crate::store::controller::Enrolled;

use super::engine::Engine;
use super::exchange;

/// An instruction to be carried out by an agent.
pub(super) struct Errand<'a> {
    /// Its id: sent again it is the same instruction.
    pub id: InstructionId,
    /// The pair.
    pub pair: &'a PairName,
    /// The epoch it is given under.
    pub epoch: Epoch,
    /// Who.
    pub agent: &'a Enrolled,
    /// What.
    pub order: Order,
    /// How long it may go on failing in ways worth retrying; `None`: for ever.
    pub patience: Option<Duration>,
}

impl Engine {
    /// The agent of a cluster of a pair.
    pub fn agent(&self, pair: &PairName, cluster: &ClusterName) -> Result<Enrolled, Trouble> {
        self.read(|m| m.pairs.get(pair).and_then(|p| p.agent(cluster)).map(|a| a.enrolled.clone())).ok_or_else(|| {
            Trouble::new(TroubleKind::NotFound, format!("pair {pair}"), format!("cluster {cluster} is not one of it"))
                .next("see `understudy status`")
        })
    }

    /// The highest epoch known of a pair.
    pub fn epoch(&self, pair: &PairName) -> Epoch {
        self.read(|m| m.pairs.get(pair).map(super::model::PairModel::epoch)).unwrap_or_default()
    }

    /// Asks an agent for its status, within the watch's time limit, and takes notice of its term.
    pub async fn look(&self, agent: &Enrolled) -> Result<AgentStatus, Trouble> {
        let link = self.link(agent)?;
        let status = match within(self.settings.time_limit, agent, link.status()).await {
            Err(trouble) if trouble.kind == TroubleKind::Outdated => {
                self.cut_off(agent, &trouble).await;
                return Err(trouble);
            }
            told => told?,
        };
        self.meet(agent, status.term).await?;
        Ok(status)
    }

    /// Carries an instruction out: sends it, follows it, sends it again where that may help.
    pub async fn carry_out(&self, errand: Errand<'_>, progress: impl FnMut(&Progress)) -> Result<Outcome, Trouble> {
        self.carry_out_until(errand, progress, |_| false).await
    }

    /// Likewise; a failure of which `stops` holds is told at once, though sending the instruction again might help.
    pub async fn carry_out_until(
        &self,
        errand: Errand<'_>,
        mut progress: impl FnMut(&Progress),
        stops: impl Fn(&Trouble) -> bool,
    ) -> Result<Outcome, Trouble> {
        let mut failing: Option<Instant> = None;
        let mut backoff = self.limits.backoff;
        let mut best = 0;
        loop {
            let (begun, was_failing) = (Instant::now(), failing.is_some());
            let mut on_progress = |p: &Progress| {
                let done: u64 = p.done_bytes.iter().sum();
                if done > best {
                    best = done;
                    failing = None;
                }
                progress(p);
            };
            let trouble = match self.attempt(&errand, &mut on_progress).await {
                Ok(outcome) => return Ok(outcome),
                Err(trouble) => trouble,
            };
            if trouble.kind == TroubleKind::Outdated {
                // Tells "ousted" from "an older epoch": the agent's term is in its status.
                drop(self.look(errand.agent).await);
                self.check_in_command()?;
            }
            if !trouble.is_worth_retrying() || stops(&trouble) {
                return Err(told_by(errand.agent, trouble));
            }
            // An agent waits for its peer in its own time. A second attempt is not begun that would outlast our patience if it fails like
            // the one before.
            let again = if was_failing && failing.is_some() { begun.elapsed() } else { Duration::ZERO };
            let since = *failing.get_or_insert_with(Instant::now);
            if errand.patience.is_some_and(|patience| since.elapsed() + backoff + again > patience) {
                return Err(gave_up(told_by(errand.agent, trouble), since.elapsed()));
            }
            tracing::debug!(agent = %errand.agent.cluster, %trouble, "an instruction is tried again");
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(self.limits.backoff_most);
        }
    }

    async fn attempt(&self, errand: &Errand<'_>, progress: &mut impl FnMut(&Progress)) -> Result<Outcome, Trouble> {
        self.check_in_command()?;
        if !self.has_met(errand.agent) {
            self.look(errand.agent).await?;
        }
        let link = self.link(errand.agent)?;
        let instruction =
            Instruction { id: errand.id, pair: errand.pair.clone(), term: self.term(), epoch: errand.epoch, order: errand.order.clone() };
        let mut answer = self.send(errand.agent, &link, &instruction).await?;
        let mut last: Option<(Progress, Instant)> = None;
        loop {
            match answer.state {
                AnswerState::Done(outcome) => return Ok(*outcome),
                AnswerState::Failed(trouble) => return Err(trouble),
                AnswerState::Running(now) => {
                    progress(&now);
                    match &last {
                        Some((before, since)) if *before == now => {
                            if since.elapsed() > self.limits.stall {
                                return Err(stalled(errand.agent, since.elapsed()));
                            }
                        }
                        _ => last = Some((now, Instant::now())),
                    }
                }
            }
            answer = self.poll(&link, errand).await?;
        }
    }

    /// Sends it as often as an agent needs that was away for many of our starts: it follows to a much higher term step by step.
    async fn send(&self, agent: &Enrolled, link: &Arc<dyn AgentApi>, instruction: &Instruction) -> Result<Answer, Trouble> {
        for _ in 0..exchange::steps_to_follow(instruction.term, self.term_known_to(agent)) {
            match within(self.limits.call, agent, link.instruct(instruction)).await {
                Err(trouble) if trouble.kind == TroubleKind::Failed => {}
                told => return told,
            }
        }
        within(self.limits.call, agent, link.instruct(instruction)).await
    }

    async fn poll(&self, link: &Arc<dyn AgentApi>, errand: &Errand<'_>) -> Result<Answer, Trouble> {
        within(self.limits.poll + self.limits.call, errand.agent, link.answer(errand.id, self.limits.poll)).await
    }
}

/// A call with a time limit.
pub(super) async fn within<T>(limit: Duration, agent: &Enrolled, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
        Err(Trouble::new(
            TroubleKind::Unreachable,
            format!("agent {} at {}", agent.cluster, agent.address),
            format!("no answer within {} s", limit.as_secs_f32()),
        ))
    })
}

/// An agent names things of its own cluster, and its peer's where the peer told it of them.
fn told_by(agent: &Enrolled, mut trouble: Trouble) -> Trouble {
    if trouble.object == format!("agent {}", agent.address) {
        trouble.object = format!("agent {} at {}", agent.cluster, agent.address);
    }
    trouble.at(&agent.cluster)
}

fn gave_up(mut trouble: Trouble, after: Duration) -> Trouble {
    trouble.reason = format!("{} (given up after {} s)", trouble.reason, after.as_secs());
    if trouble.next_step.is_empty() {
        trouble.next_step = "see that the agents run and can be reached, then try again".into();
    }
    trouble
}

fn stalled(agent: &Enrolled, after: Duration) -> Trouble {
    Trouble::new(
        TroubleKind::Unreachable,
        format!("agent {}", agent.cluster),
        format!("its work showed no progress for {} s", after.as_secs()),
    )
    .next("see the agent's log; a component there may hang")
}

/// An outcome of another kind than the order's: the agent is of another version.
pub(super) fn unexpected(agent: &Enrolled, outcome: &Outcome) -> Trouble {
    Trouble::new(TroubleKind::Invalid, format!("agent {}", agent.cluster), format!("it answered with {outcome:?}"))
        .next("is it another version?")
}
