//! The lab's folder, and how to remove one in which fences may stand.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::IFlags;

use crate::domain::{Trouble, TroubleKind};

/// How often, and at what distance, removing is tried: an engine that has just stopped may still be closing its files.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);
/// What a temporary folder's name begins with; the owner's process id, its start and something random follow.
const PREFIX: &str = "understudy-lab-";

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
            let place = std::env::temp_dir();
            sweep(&place);
            let me = std::process::id();
            let prefix = format!("{PREFIX}{me}-{}-", started(me).unwrap_or_default());
            let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(place);
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
        remove_patiently(dir.keep()).await;
    }

    /// Removes what a lab that was reset has left, behind the back of the next one. A kept folder keeps that too.
    pub fn remove_old(&self, old: PathBuf) {
        if matches!(self, Folder::Temporary(_)) {
            tokio::spawn(remove_patiently(old));
        }
    }
}

async fn remove_patiently(path: PathBuf) {
    for _ in 0..ATTEMPTS {
        let tree = path.clone();
        match tokio::task::spawn_blocking(move || remove_fenced(&tree)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::debug!(%error, folder = %path.display(), "the lab's folder is still in use"),
            Err(error) => tracing::debug!(%error, folder = %path.display(), "removing the lab's folder was broken off"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!(folder = %path.display(), "the lab's temporary folder could not be removed");
}

/// Removes what labs that were killed left behind: their folders name a process that is gone. A folder that cannot be removed stays.
fn sweep(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let ours = || entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == rustix::process::geteuid().as_raw());
        let Some((pid, start)) = entry.file_name().to_str().and_then(owner) else { continue };
        if started(pid) == Some(start) || !ours() {
            continue;
        }
        match remove_fenced(&entry.path()) {
            Ok(()) => tracing::info!(folder = %entry.path().display(), "removed what a killed lab had left behind"),
            Err(error) => tracing::debug!(%error, folder = %entry.path().display(), "a killed lab's folder stays"),
        }
    }
}

/// The process that a temporary lab folder belongs to, and when it started, by the folder's name.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix(PREFIX)?.splitn(3, '-');
    let owner = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().map(|_| owner)
}

/// When a process started, in the kernel's ticks since boot: its number may be another's by now. `None`: there is no such process.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, in brackets; the start is the 20th field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folders_of_labs_that_are_gone_are_swept() {
        let place = tempfile::tempdir().expect("a directory");
        let me = std::process::id();
        let start = started(me).expect("this process runs");
        let make = |name: String| {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.join("east/files")).expect("made");
            path
        };
        let alive = make(format!("{PREFIX}{me}-{start}-abc"));
        let gone = make(format!("{PREFIX}{me}-{}-abc", start + 1));
        let others = [make(format!("{PREFIX}x7Gh2k")), make("understudy-window-1-1-abc".into()), make(format!("{PREFIX}1-1"))];
        sweep(place.path());
        assert!(alive.exists() && !gone.exists(), "a process that only has the same number is another one");
        assert!(others.iter().all(|other| other.exists()), "what does not name its owner is left alone");
    }
}
