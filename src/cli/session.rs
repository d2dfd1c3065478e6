//! An engine to ask: the one that holds the state directory, or one of our own for as long as the command takes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::controller::fn_waker::Waker;
use crate::controller::{Command, EngineHandle, EngineSpec, Reply, WatchSettings, attach, is_held, start, watch_settings};
use crate::domain::{Trouble, TroubleKind};

/// How long an engine of our own may take to have asked every agent once.
const READY_LIMIT: Duration = Duration::from_secs(8);
/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long an engine that is just beginning or ending is waited for.
const MEET_LIMIT: Duration = Duration::from_secs(5);
/// How long `understudy engine` waits for a short command to let go of the state directory: such a command looks at every agent once.
const TURN_LIMIT: Duration = Duration::from_secs(15);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(100);

/// An engine to ask.
pub(super) struct Session {
    /// It.
    pub handle: EngineHandle,
    /// It runs in this process.
    pub own: bool,
    /// How it watches the clusters.
    pub watch: WatchSettings,
}

impl Session {
    /// Attaches to the engine that holds the state directory, or starts one here.
    pub async fn open(state: &Path) -> Result<Session, Trouble> {
        let (handle, own) = open_engine(state, Waker::default()).await?;
        let mut snapshots = handle.snapshots();
        // An agent that is dead takes its time limit; whoever asks is told what is known then.
        drop(tokio::time::timeout(READY_LIMIT, snapshots.wait_for(|s| s.ready)).await);
        Ok(Session { handle, own, watch: watch_settings(state)? })
    }

    /// Asks; a refusal is an error.
    pub async fn ask(&self, command: Command) -> Result<Reply, Trouble> {
        match self.handle.ask(command).await {
            Reply::Refused(trouble) => Err(trouble),
            reply => Ok(reply),
        }
    }

    /// Lets go; an engine of our own is stopped cleanly.
    pub async fn close(self) {
        if self.own {
            self.handle.stop(STOP_LIMIT).await;
        }
    }
}

/// The engine of a state directory and whether it runs in this process.
pub(super) async fn open_engine(state: &Path, waker: Waker) -> Result<(EngineHandle, bool), Trouble> {
    let end = Instant::now() + MEET_LIMIT;
    loop {
        let tried = if is_held(state) {
            attach(state).await.map(|handle| (handle, false))
        } else {
            start(spec(state, waker.clone(), None)).await.map(|handle| (handle, true))
        };
        match tried {
            // The one that holds it has just begun, and has no socket yet, or is just ending.
            Err(Trouble { kind: TroubleKind::Unreachable | TroubleKind::Refused, .. }) if Instant::now() < end => {
                tokio::time::sleep(AGAIN).await;
            }
            tried => return tried,
        }
    }
}

/// An engine of our own that stays. A short command that holds the state directory is waited for; another engine that stays is not
/// ousted.
pub(super) async fn own_engine(state: &Path, route: Option<String>) -> Result<EngineHandle, Trouble> {
    let end = Instant::now() + TURN_LIMIT;
    let mut waiting = false;
    loop {
        match start(spec(state, Waker::default(), route.clone())).await {
            Err(trouble) if trouble.kind == TroubleKind::Refused && Instant::now() < end => {
                if !waiting {
                    crate::terminal::aside(format_args!("{trouble}; waiting for up to {} s", TURN_LIMIT.as_secs()));
                    waiting = true;
                }
                tokio::time::sleep(AGAIN).await;
            }
            started => return started,
        }
    }
}

fn spec(state: &Path, waker: Waker, route: Option<String>) -> EngineSpec {
    EngineSpec { state: state.to_owned(), watch: WatchSettings::default(), training: false, route, waker }
}

/// The state directory given, or the user's own.
pub(super) fn state_dir(given: Option<PathBuf>) -> Result<PathBuf, Trouble> {
    if let Some(dir) = given {
        return Ok(dir);
    }
    let dirs = directories::ProjectDirs::from("", "", "understudy").ok_or_else(|| {
        Trouble::new(TroubleKind::Invalid, "state directory", "this user has no home directory").next("give one with --state DIR")
    })?;
    Ok(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}

/// A reply of another sort than the command's; a bug, said plainly.
pub(super) fn unexpected(reply: &Reply) -> Trouble {
    Trouble::new(TroubleKind::Failed, "engine", format!("it answered with {reply:?}")).next("is it of another version?")
}
