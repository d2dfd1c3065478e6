//! The engine handle that a console holds while the lab may replace the engine behind it (a reset begins with a new one).
//!
//! Commands pass through and are noted where the lab measures people: when the identity was adjusted.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::controller::command::{AdjustOutcome, AdjustReport};
use crate::controller::fn_waker::Waker;
use crate::controller::{Asked, EngineHandle, Reply, Snapshot};
use crate::domain::{Trouble, TroubleKind};

/// Commands waiting for the engine.
const QUEUE: usize = 32;

/// When an identity was last adjusted, and what the engine reported.
type Adjusted = Arc<Mutex<Option<(DateTime<Utc>, AdjustReport)>>>;

/// The lab's side of the handle.
pub struct Proxy {
    engine: watch::Sender<Option<EngineHandle>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    waker: Waker,
    adjusted: Adjusted,
    behind: Option<DropGuard>,
    _stop: DropGuard,
}

impl Proxy {
    /// A handle with no engine behind it yet, and the side that puts one there. `waker` is called with every snapshot.
    pub fn new(waker: Waker) -> (Proxy, EngineHandle) {
        let (commands, asked) = mpsc::channel(QUEUE);
        let (snapshots, shown) = watch::channel(Arc::new(nothing_yet()));
        let engine = watch::Sender::new(None);
        let adjusted = Adjusted::default();
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(pass_on(asked, engine.subscribe(), adjusted.clone())));
        let proxy = Proxy { engine, snapshots, waker, adjusted, behind: None, _stop: stop.drop_guard() };
        (proxy, EngineHandle::new(commands, shown))
    }

    /// Puts an engine behind the handle, in the place of the one before.
    pub fn connect(&mut self, engine: EngineHandle) {
        let stop = CancellationToken::new();
        let (shown, waker, mut snapshots) = (self.snapshots.clone(), self.waker.clone(), engine.snapshots());
        self.engine.send_replace(Some(engine));
        self.behind = Some(stop.clone().drop_guard());
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                let newest = snapshots.borrow_and_update().clone();
                shown.send_replace(newest);
                waker.wake();
                if snapshots.changed().await.is_err() {
                    return;
                }
            }
        }));
    }

    /// Takes the engine away: commands are refused, the picture is empty.
    pub fn disconnect(&mut self) {
        self.behind = None;
        self.engine.send_replace(None);
        self.snapshots.send_replace(Arc::new(nothing_yet()));
        self.waker.wake();
    }

    /// When somebody last asked for an identity change that was then carried out, and its report.
    pub fn adjusted(&self) -> Option<(DateTime<Utc>, AdjustReport)> {
        self.adjusted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass_on(mut asked: mpsc::Receiver<Asked>, engine: watch::Receiver<Option<EngineHandle>>, adjusted: Adjusted) {
    while let Some((command, reply)) = asked.recv().await {
        let (at, engine, adjusted) = (Utc::now(), engine.borrow().clone(), adjusted.clone());
        // Apart, so that a long command holds nobody up; the engine's own queue bounds them.
        tokio::spawn(async move {
            let answer = match engine {
                Some(engine) => engine.ask(command).await,
                None => Reply::Refused(
                    Trouble::new(TroubleKind::Refused, "training lab", "its sites are not running yet").next("wait until the lab is ready"),
                ),
            };
            if let Reply::Adjusted(report) = &answer
                && report.outcome == AdjustOutcome::Promoted
            {
                *adjusted.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, report.clone()));
            }
            // Whoever asked may not wait any more.
            drop(reply.send(answer));
        });
    }
}

fn nothing_yet() -> Snapshot {
    Snapshot {
        generation: 0,
        at: Utc::now(),
        ready: false,
        observing: false,
        ousted: false,
        certificate: None,
        pairs: vec![],
        runs: vec![],
        points: vec![],
        drills: vec![],
        activity: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Command;

    /// An engine that refuses everything, and shows one generation.
    fn engine(generation: u64) -> EngineHandle {
        let (commands, mut asked) = mpsc::channel::<Asked>(4);
        let (shown, snapshots) = watch::channel(Arc::new(Snapshot { generation, ready: true, ..nothing_yet() }));
        tokio::spawn(async move {
            while let Some((_, reply)) = asked.recv().await {
                drop(reply.send(Reply::Done));
            }
            drop(shown);
        });
        EngineHandle::new(commands, snapshots)
    }

    #[tokio::test]
    async fn one_handle_outlives_the_engines_behind_it() {
        let (mut proxy, handle) = Proxy::new(Waker::default());
        assert!(matches!(handle.ask(Command::Snapshot).await, Reply::Refused(_)), "no engine yet");
        for generation in [1, 2] {
            proxy.connect(engine(generation));
            let mut shown = handle.snapshots();
            shown.wait_for(|snapshot| snapshot.generation == generation).await.unwrap();
            assert_eq!(handle.ask(Command::Snapshot).await, Reply::Done);
        }
        proxy.disconnect();
        assert!(!handle.snapshot().ready, "what is gone is not shown");
        assert!(matches!(handle.ask(Command::Snapshot).await, Reply::Refused(_)));
    }
}
