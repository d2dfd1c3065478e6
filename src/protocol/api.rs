//! The one trait of an agent, implemented by the HTTPS client and by simulated agents.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::admission::Admitted;
use crate::domain::{InstructionId, Trouble};

use super::{AgentStatus, Answer, CatalogueItem, ClockReply, Instruction, Note, Records};

/// An agent as the controller sees it. Every call returns within its time limit, as `Unreachable` at the latest.
#[async_trait]
pub trait AgentApi: Send + Sync {
    /// Gives an instruction; returns at once with where it is. Sent again it starts nothing new.
    async fn instruct(&self, instruction: &Instruction) -> Result<Answer, Trouble>;
    /// Where an instruction is; returns early when it ends, after `wait` (at most 20 s) at the latest. `NotFound` when it never arrived.
    async fn answer(&self, id: InstructionId, wait: Duration) -> Result<Answer, Trouble>;
    /// Its status.
    async fn status(&self) -> Result<AgentStatus, Trouble>;
    /// A clock sample.
    async fn clock(&self) -> Result<ClockReply, Trouble>;
    /// What is inside a place of a component; the empty path is the component itself.
    async fn catalogue(&self, component: &str, path: &str) -> Result<Vec<CatalogueItem>, Trouble>;
    /// Refuses by name a data set that its component could never capture.
    async fn check(&self, _component: &str, _path: &str) -> Result<(), Trouble> {
        Ok(())
    }
    /// What it says of a data set of a policy, as the target or as the source: what stands in the way, and where its files are.
    async fn admission(&self, _component: &str, _path: &str, _as_target: bool) -> Result<Admitted, Trouble> {
        Ok(Admitted::default())
    }
    /// What the owner of a data set should know. An agent of an earlier version knows no such question: `NotFound`.
    async fn notes(&self, _component: &str, _path: &str) -> Result<Vec<Note>, Trouble> {
        Ok(Vec::new())
    }
    /// Everything durable that it knows.
    async fn records(&self) -> Result<Records, Trouble>;
}
