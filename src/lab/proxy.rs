//! The engine handle that a console holds while the lab may replace the engine behind it (a reset begins with a new one).
//!
//! Commands pass through and are noted where the lab measures people: when the identity was adjusted.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::controller::fn_waker::Waker;
use crate::controller::{Asked, Command, EngineHandle, Reply, Snapshot};
use crate::domain::{Trouble, TroubleKind};

/// Commands waiting for the engine.
const QUEUE: usize = 32;

/// The lab's side of the handle.
pub struct Proxy {
    engine: watch::Sender<Option<EngineHandle>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    waker: Waker,
    decided: Arc<Mutex<Option<DateTime<Utc>>>>,
    behind: Option<DropGuard>,
    _stop: DropGuard,
}

impl Proxy {
    /// A handle with no engine behind it yet, and the side that puts one there. `waker` is called with every snapshot.
    pub fn new(waker: Waker) -> (Proxy, EngineHandle) {
        let (commands, asked) = mpsc::channel(QUEUE);
        let (snapshots, shown) = watch::channel(Arc::new(nothing_yet()));
        let engine = watch::Sender::new(None);
        let decided = Arc::new(Mutex::new(None));
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(pass_on(asked, engine.subscribe(), decided.clone())));
        let proxy = Proxy { engine, snapshots, waker, decided, behind: None, _stop: stop.drop_guard() };
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

    /// When somebody last asked to adjust an identity.
    pub fn decided_at(&self) -> Option<DateTime<Utc>> {
        *self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass_on(
    mut asked: mpsc::Receiver<Asked>,
    engine: watch::Receiver<Option<EngineHandle>>,
    decided: Arc<Mutex<Option<DateTime<Utc>>>>,
) {
    while let Some((command, reply)) = asked.recv().await {
        if matches!(command, Command::AdjustIdentity { .. }) {
            *decided.lock().unwrap_or_else(PoisonError::into_inner) = Some(Utc::now());
        }
        let engine = engine.borrow().clone();
        // Apart, so that a long command holds nobody up; the engine's own queue bounds them.
        tokio::spawn(async move {
            let answer = match engine {
                Some(engine) => engine.ask(command).await,
                None => Reply::Refused(
                    Trouble::new(TroubleKind::Refused, "training lab", "its sites are not running yet").next("wait until the lab is ready"),
                ),
            };
            // Whoever asked may not wait any more.
            drop(reply.send(answer));
        });
    }
}

fn nothing_yet() -> Snapshot {
    Snapshot { generation: 0, at: Utc::now(), ready: false, pairs: vec![], runs: vec![], points: vec![], activity: vec![] }
}
