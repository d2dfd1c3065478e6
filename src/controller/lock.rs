//! One engine a state directory: an advisory lock that ends with its process, however that ends.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::domain::{Trouble, TroubleKind};

/// Held while the engine runs.
#[derive(Debug)]
pub(super) struct StateLock {
    file: File,
}

impl StateLock {
    /// Takes the lock, or says who holds it.
    pub fn take(state: &Path) -> Result<StateLock, Trouble> {
        let path = path(state);
        let trouble = |e: std::io::Error| Trouble::new(TroubleKind::Failed, path.display(), e).next("check the state directory's rights");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(trouble)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(state)),
            Err(e) => return Err(trouble(e.into())),
        }
        let mut lock = StateLock { file };
        // For whoever comes next; the lock itself is what counts.
        lock.file.set_len(0).and_then(|()| writeln!(lock.file, "{}", std::process::id())).map_err(trouble)?;
        Ok(lock)
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        // By word: a program that is being started at this instant shares the open file until it runs.
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(%error, "the state directory's lock could not be given back");
        }
    }
}

fn path(state: &Path) -> PathBuf {
    state.join("engine.lock")
}

fn held(state: &Path) -> Trouble {
    let by = std::fs::read_to_string(path(state)).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let who = by.map_or_else(|| "another engine".to_owned(), |pid| format!("another engine (process {pid})"));
    Trouble::new(TroubleKind::Refused, format!("state directory {}", state.display()), format!("{who} holds it"))
        .next("commands go to that engine over its socket; or give another --state")
}

/// Whether an engine holds a state directory now.
pub fn is_held(state: &Path) -> bool {
    let Ok(file) = OpenOptions::new().append(true).open(path(state)) else { return false };
    // The probe's own lock ends with `file`.
    flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
}
