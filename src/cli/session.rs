//! An engine to ask: the one that holds the state directory, or one of our own for as long as the command takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::controller::fn_waker::Waker;
use crate::controller::{Command, EngineHandle, EngineSpec, Reply, WatchSettings, attach, is_held, start};
use crate::domain::{Trouble, TroubleKind};

/// How long an engine of our own may take to have asked every agent once.
const READY_LIMIT: Duration = Duration::from_secs(8);
/// How long it may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// An engine to ask.
pub(super) struct Session {
    /// It.
    pub handle: EngineHandle,
    /// It runs in this process.
    pub own: bool,
}

impl Session {
    /// Attaches to the engine that holds the state directory, or starts one here.
    pub async fn open(state: &Path) -> Result<Session, Trouble> {
        let (handle, own) = open_engine(state, Waker::default(), None).await?;
        let mut snapshots = handle.snapshots();
        // An agent that is dead takes its time limit; whoever asks is told what is known then.
        drop(tokio::time::timeout(READY_LIMIT, snapshots.wait_for(|s| s.ready)).await);
        Ok(Session { handle, own })
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
pub(super) async fn open_engine(state: &Path, waker: Waker, route: Option<String>) -> Result<(EngineHandle, bool), Trouble> {
    if is_held(state) {
        return attach(state).await.map(|handle| (handle, false));
    }
    let spec = EngineSpec { state: state.to_owned(), watch: WatchSettings::default(), training: false, route, waker };
    match start(spec).await {
        Ok(handle) => Ok((handle, true)),
        // Another one took the directory between the look and the start.
        Err(trouble) if is_held(state) => attach(state).await.map(|handle| (handle, false)).map_err(|_| trouble),
        Err(trouble) => Err(trouble),
    }
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
