//! The lab's folder, and how to remove one in which fences may stand.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::IFlags;

use crate::domain::{Trouble, TroubleKind};

/// How often, and at what distance, removing is tried: an engine that has just stopped may still be closing its files.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// The lab's folder.
pub enum Folder {
    /// Goes with the lab.
    Temporary(tempfile::TempDir),
    /// Stays.
    Kept(PathBuf),
}

impl Folder {
    /// The given one, which must be new or empty, or a temporary one.
    pub fn choose(dir: Option<PathBuf>) -> Result<Folder, Trouble> {
        let Some(dir) = dir else {
            let made = tempfile::Builder::new().prefix("understudy-lab-").tempdir();
            let failed = |e| Trouble::new(TroubleKind::Failed, "training lab", format!("no temporary folder: {e}"));
            return made.map(Folder::Temporary).map_err(failed);
        };
        let failed = |e: io::Error| Trouble::new(TroubleKind::Failed, dir.display(), e);
        std::fs::create_dir_all(&dir).map_err(failed)?;
        if std::fs::read_dir(&dir).map_err(failed)?.next().is_some() {
            let used = Trouble::new(TroubleKind::Invalid, dir.display(), "the training lab's folder must be new or empty");
            return Err(used.next("name another one, or leave --dir out"));
        }
        let whole = dir.canonicalize().map_err(failed)?;
        Ok(Folder::Kept(whole))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Folder::Temporary(dir) => dir.path(),
            Folder::Kept(dir) => dir,
        }
    }

    /// Removes a temporary one.
    pub async fn remove(self) {
        let Folder::Temporary(dir) = self else { return };
        let path = dir.keep();
        for _ in 0..ATTEMPTS {
            match remove_fenced(&path) {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, folder = %path.display(), "the lab's folder is still in use"),
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::warn!(folder = %path.display(), "the lab's temporary folder could not be removed");
    }
}

/// Removes a tree, also where fences keep even the superuser from it. Well when there is none. Blocking.
pub fn remove_fenced(root: &Path) -> io::Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).or_else(|_| {
            // Immutable: the flag first, then the mode.
            let open = File::open(&folder)?;
            let flags = rustix::fs::ioctl_getflags(&open)?;
            rustix::fs::ioctl_setflags(&open, flags.difference(IFlags::IMMUTABLE))?;
            std::fs::set_permissions(&folder, Permissions::from_mode(0o700))
        })?;
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            // Links are not followed: what they lead to is not ours.
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    std::fs::remove_dir_all(root)
}
