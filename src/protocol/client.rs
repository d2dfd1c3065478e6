//! The HTTPS client of an agent.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{InstructionId, Trouble};

use super::{AgentApi, AgentStatus, Answer, CatalogueItem, ClockReply, Instruction, Records};

/// How to reach an agent: its address, its pinned key, and our own certificate.
#[derive(Debug, Clone)]
pub struct ConnectSpec {
    /// `host:port`.
    pub address: String,
    /// SHA-256 of the SubjectPublicKeyInfo it must show, hex.
    pub key: String,
}

/// An agent over HTTPS with client certificates.
#[derive(Debug, Clone)]
pub struct AgentClient {
    _spec: ConnectSpec,
}

#[async_trait]
impl AgentApi for AgentClient {
    async fn instruct(&self, _instruction: &Instruction) -> Result<Answer, Trouble> {
        unimplemented!("helper: agent")
    }
    async fn answer(&self, _id: InstructionId, _wait: Duration) -> Result<Answer, Trouble> {
        unimplemented!("helper: agent")
    }
    async fn status(&self) -> Result<AgentStatus, Trouble> {
        unimplemented!("helper: agent")
    }
    async fn clock(&self) -> Result<ClockReply, Trouble> {
        unimplemented!("helper: agent")
    }
    async fn catalogue(&self, _component: &str, _path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        unimplemented!("helper: agent")
    }
    async fn records(&self) -> Result<Records, Trouble> {
        unimplemented!("helper: agent")
    }
}
