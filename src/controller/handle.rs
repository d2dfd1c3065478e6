//! How a console, a socket or a command line speaks to a running engine. Cheap to clone; never blocks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::domain::{Trouble, TroubleKind};

use super::{Command, Reply, Snapshot};

/// A command on its way to the engine, with where its reply goes.
pub type Asked = (Command, oneshot::Sender<Reply>);

/// A running engine: in this process, or in another one behind its local socket.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    commands: mpsc::Sender<Asked>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// It runs in another process.
    attached: bool,
}

impl EngineHandle {
    /// From the two ends that an engine in this process serves.
    pub fn new(commands: mpsc::Sender<Asked>, snapshots: watch::Receiver<Arc<Snapshot>>) -> EngineHandle {
        EngineHandle { commands, snapshots, attached: false }
    }

    /// The same for an engine in another process.
    #[must_use]
    pub fn attached(self) -> EngineHandle {
        EngineHandle { attached: true, ..self }
    }

    /// Whether the engine runs in another process: it goes on when this one ends.
    pub fn is_attached(&self) -> bool {
        self.attached
    }

    /// The newest snapshot; costs an `Arc` clone.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Wakes with every new snapshot (at most 10 a second for progress).
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Asks and waits for the reply.
    pub async fn ask(&self, command: Command) -> Reply {
        let (reply, answer) = oneshot::channel();
        if self.commands.send((command, reply)).await.is_err() {
            return Reply::Refused(stopped());
        }
        answer.await.unwrap_or_else(|_| Reply::Refused(stopped()))
    }

    /// Lets go of the engine and, when this was the last handle to one in this process, waits until it has stopped (for `limit` at most).
    pub async fn stop(self, limit: Duration) {
        let EngineHandle { commands, mut snapshots, .. } = self;
        drop(commands);
        let ended = async { while snapshots.changed().await.is_ok() {} };
        // What it was doing goes on at its next start, however it ended.
        drop(tokio::time::timeout(limit, ended).await);
    }

    /// Asks without waiting, for a frame: the reply can be polled. A full queue is a refusal, not a wait.
    pub fn ask_later(&self, command: Command) -> oneshot::Receiver<Reply> {
        let (reply, answer) = oneshot::channel();
        if let Err(error) = self.commands.try_send((command, reply)) {
            let (refusal, (_, reply)) = match error {
                mpsc::error::TrySendError::Full(asked) => (
                    Trouble::new(TroubleKind::Exhausted, "engine", "it is busy: too many commands are waiting")
                        .next("try again in a moment"),
                    asked,
                ),
                mpsc::error::TrySendError::Closed(asked) => (stopped(), asked),
            };
            // A dropped receiver means that nobody waits for the refusal any more.
            drop(reply.send(Reply::Refused(refusal)));
        }
        answer
    }
}

fn stopped() -> Trouble {
    Trouble::new(TroubleKind::Unreachable, "engine", "it has stopped").next("start the console again")
}
