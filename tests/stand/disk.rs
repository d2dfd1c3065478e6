//! A small disk of its own for one process, filled and emptied while that runs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Enough for a test's data, and filled in an instant.
const MEBIBYTES: u32 = 96;

/// A tmpfs, unmounted when it goes.
pub struct Disk(PathBuf);

impl Disk {
    /// A disk at `folder`, which it makes; in words why there cannot be one (mounting is for root).
    pub fn at(folder: &Path) -> Result<Disk, String> {
        std::fs::create_dir_all(folder).expect("a folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={MEBIBYTES}m,mode=0700"), "understudy-test"]).arg(folder);
        match mount.output() {
            Ok(told) if told.status.success() => Ok(Disk(folder.to_owned())),
            Ok(told) => Err(String::from_utf8_lossy(&told.stderr).trim().to_owned()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Takes the last byte that is free.
    pub fn fill(&self) {
        let mut ballast = std::fs::File::options().create(true).append(true).open(self.ballast()).expect("a file");
        // The big ones first, then the rest; that the last does not fit is what is wanted.
        for bytes in [1 << 20, 4 << 10] {
            while ballast.write_all(&vec![0; bytes]).is_ok() {}
        }
    }

    /// Gives them back. Well when it is not full.
    pub fn empty(&self) {
        if let Err(error) = std::fs::remove_file(self.ballast()) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "the ballast stays: {error}");
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still has a file open there is ending.
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}
