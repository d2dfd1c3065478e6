//! Staged content: one file for each file of the change set, its pieces written where they belong, in any order.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Depot, Portions, blocking, read_file};
use crate::components::objects::{io_trouble, list, make_dir, sync_files};
use crate::components::{ByteStream, Slot};
use crate::domain::{Digest, Entry, Node, PointId, Trouble, TroubleKind, piece_count, piece_range};

impl Depot {
    fn staging(&self, set: &str, point: PointId) -> PathBuf {
        self.dir(set).join("staging").join(point.to_string())
    }

    fn staged(&self, set: &str, point: PointId, file: u32) -> PathBuf {
        self.staging(set, point).join(file.to_string())
    }

    /// Writes one piece where it belongs, and returns the digest of what was written.
    pub async fn stage(&self, set: &str, point: PointId, slot: Slot, entry: &Entry, bytes: ByteStream) -> Result<Digest, Trouble> {
        let object = format!("{}/{}", self.object(set), entry.path);
        if !entry.is_file() || slot.piece >= piece_count(entry.bytes()) {
            return Err(Trouble::new(TroubleKind::Invalid, object, format!("it has no piece {} to stage", slot.piece)));
        }
        let (start, length) = piece_range(entry.bytes(), slot.piece);
        let path = self.staged(set, point, slot.file);
        let (depot, owned) = (self.clone(), set.to_owned());
        let file = blocking(move || {
            depot.place(&owned)?;
            make_dir(&depot.staging(&owned, point))?;
            let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
            opened.map(Arc::new).map_err(|e| io_trouble(&path, "write", &e))
        })
        .await?;
        let (mut hasher, mut written) = (blake3::Hasher::new(), 0_u64);
        let mut portions = Portions::new(bytes, object.clone());
        while let Some(portion) = portions.next().await? {
            hasher.update(&portion);
            let at = start + written;
            written += portion.len() as u64;
            if written > length {
                return Err(Trouble::new(TroubleKind::Corrupt, &object, format!("more than the {length} bytes of its piece came")));
            }
            let (file, named) = (file.clone(), object.clone());
            blocking(move || file.write_all_at(&portion, at).map_err(|e| io_trouble(named.as_ref(), "write into staging", &e))).await?;
        }
        if written < length {
            return Err(Trouble::new(TroubleKind::Unreachable, object, format!("only {written} of {length} bytes came")));
        }
        Ok(Digest(*hasher.finalize().as_bytes()))
    }

    /// A staged piece, read back; content that was held before is read from where it is held.
    pub async fn read_staged(&self, set: &str, point: PointId, slot: Slot, entry: &Entry) -> Result<ByteStream, Trouble> {
        let (depot, set, entry) = (self.clone(), set.to_owned(), entry.clone());
        blocking(move || {
            let (start, length) = piece_range(entry.bytes(), slot.piece);
            let path = depot.staged(&set, point, slot.file);
            let object = format!("{}/{}", depot.object(&set), entry.path);
            let file = match (File::open(&path), &entry.node) {
                (Err(e), Node::File { digest: Some(digest), .. }) if e.kind() == std::io::ErrorKind::NotFound => {
                    depot.objects.open(digest)?
                }
                (opened, _) => opened.map_err(|e| io_trouble(&path, "read what was staged", &e))?,
            };
            Ok(read_file(file, start, length, object))
        })
        .await
    }

    /// Makes everything staged survive a power cut.
    pub fn sync_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let dir = self.staging(set, point);
        let files: BTreeSet<PathBuf> = list(&dir)?.into_iter().map(|name| dir.join(name)).collect();
        sync_files(&files)?;
        if dir.exists() {
            for parent in dir.ancestors().skip(1).take_while(|place| place.starts_with(self.root.as_path())) {
                crate::components::objects::sync_dir(parent)?;
            }
        }
        Ok(())
    }

    /// Makes staged content objects, durably; every file in `placed` must be there afterwards. Repeatable.
    pub fn take_staged(&self, set: &str, point: PointId, placed: &[(u32, Entry)]) -> Result<(), Trouble> {
        let _all = self.objects.keep_all();
        for (file, entry) in placed {
            let Node::File { digest, .. } = &entry.node else { continue };
            let object = format!("{}/{}", self.object(set), entry.path);
            let digest = digest.as_ref().ok_or_else(|| Trouble::new(TroubleKind::Invalid, &object, "its digest is not known"))?;
            let staged = self.staged(set, point, *file);
            if staged.exists() && !self.objects.holds(digest, Some(entry.bytes())) {
                self.objects.adopt(&staged, digest)?;
            }
            if !self.objects.holds(digest, Some(entry.bytes())) {
                return Err(Trouble::new(TroubleKind::Corrupt, object, format!("its content {digest} is neither staged nor held"))
                    .next("promote the former recovery point, or run a full copy"));
            }
        }
        self.objects.flush()
    }

    /// Drops what was staged for a point; well when nothing was.
    pub fn drop_staging(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let dir = self.staging(set, point);
        match fs::remove_dir_all(&dir) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io_trouble(&dir, "remove", &e)),
            _ => Ok(()),
        }
    }
}
