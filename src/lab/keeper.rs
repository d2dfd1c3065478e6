//! A thread that starts processes and lives as long as they may.
//!
//! A site's process asks the kernel to be killed with its parent, and for the kernel the parent is the *thread* that started it.
//! A runtime's threads come and go; this one stays.

use std::sync::mpsc;

use tokio::process::{Child, Command};
use tokio::sync::oneshot;

type Start = (Command, oneshot::Sender<std::io::Result<Child>>);

/// The thread. Dropped, it ends, and the processes that it started with it.
#[derive(Debug)]
pub struct Keeper {
    starts: mpsc::Sender<Start>,
}

impl Keeper {
    /// Starts the thread, for processes that belong to the current tokio runtime.
    pub fn new() -> std::io::Result<Keeper> {
        let runtime = tokio::runtime::Handle::current();
        let (starts, asked) = mpsc::channel::<Start>();
        std::thread::Builder::new().name("site-keeper".into()).spawn(move || {
            let _inside = runtime.enter();
            for (mut command, reply) in asked {
                // A child that nobody waits for is killed when it is dropped.
                drop(reply.send(command.spawn()));
            }
        })?;
        Ok(Keeper { starts })
    }

    /// Starts a process.
    pub async fn spawn(&self, command: Command) -> std::io::Result<Child> {
        let (reply, child) = oneshot::channel();
        let gone = || std::io::Error::other("the thread that starts processes has ended");
        self.starts.send((command, reply)).map_err(|_| gone())?;
        child.await.map_err(|_| gone())?
    }
}
