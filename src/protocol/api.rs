//! The one trait of an agent, implemented by the HTTPS client and by simulated agents.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::admission::{AskedAs, Said};
use crate::domain::{InstructionId, Note, RunId, Trouble};

use super::{AgentStatus, Answer, CatalogueItem, ClockReply, Instruction, Records};

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
    /// What it says of a data set of a policy at one look, as the source or as the target: what forbids a run, what is good to know, and where
    /// its files are. A data set that could never be captured is refused by name.
    async fn look(&self, _component: &str, _path: &str, _asked_as: AskedAs) -> Result<Said, Trouble> {
        Ok(Said::default())
    }
    /// What it said in a run, as far as it went. Nothing where its version does not keep that.
    async fn run_notes(&self, _run: RunId) -> Result<Vec<Note>, Trouble> {
        Ok(Vec::new())
    }
    /// Everything durable that it knows.
    async fn records(&self) -> Result<Records, Trouble>;
}
