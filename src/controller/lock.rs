//! One engine a state directory: an advisory lock that ends with its process, however that ends.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::domain::{Trouble, TroubleKind};

/// Held while the engine runs.
#[derive(Debug)]
pub(super) struct StateLock {
    _file: File,
}

impl StateLock {
    /// Takes the lock, or says who cannot.
    pub fn take(state: &Path) -> Result<StateLock, Trouble> {
        let path = state.join("engine.lock");
        let trouble = |e: std::io::Error| Trouble::new(TroubleKind::Failed, path.display(), e).next("check the state directory's rights");
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(trouble)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(StateLock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(held(state)),
            Err(e) => Err(trouble(e.into())),
        }
    }
}

fn held(state: &Path) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("state directory {}", state.display()), "another engine holds it")
        .next("commands go to that engine over its socket; or give another --state")
}

/// Whether an engine holds a state directory now.
pub fn is_held(state: &Path) -> bool {
    let Ok(file) = OpenOptions::new().append(true).open(state.join("engine.lock")) else { return false };
    // The probe's own lock ends with `file`.
    flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
}
