//! A content-addressed store in a directory: `objects/ab/cdef…`, named by BLAKE3 digest.
//!
//! ```text
//! bytes → ObjectWriter (hashed while written, a temporary file) → objects/ab/cdef…     flush(): durable
//! ```
//! An object never changes once it has its name, so that putting it again costs nothing and a broken-off put leaves only a
//! temporary file. Objects that no kept manifest names are collected (see `depot`); a [`pin`](Objects::pin) holds one meanwhile.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use crate::domain::{Digest, PIECE_BYTES, Trouble, TroubleKind};

/// An object this small is held in memory until its digest is known, so that one that is there already costs no write.
const SMALL_BYTES: usize = 1 << 20;
/// With more files than this waiting, the whole file system is synced at once instead of file by file.
const SYNC_EACH: usize = 64;
/// A pin holds an unreferenced object for so long: longer than any run.
const PIN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// Which file or folder an I/O error was about.
pub fn io_trouble(path: &Path, doing: &str, error: &io::Error) -> Trouble {
    use io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, StorageFull};
    let kind = match error.kind() {
        StorageFull | QuotaExceeded => TroubleKind::Exhausted,
        PermissionDenied => TroubleKind::Refused,
        NotFound => TroubleKind::NotFound,
        _ => TroubleKind::Failed,
    };
    let trouble = Trouble::new(kind, path.display(), format!("cannot {doing}: {error}"));
    match kind {
        TroubleKind::Exhausted => trouble.next("free space there, then try again"),
        TroubleKind::Refused => trouble.next("give the agent's user the right to do so"),
        _ => trouble,
    }
}

/// Makes what happened in a directory (names that came and went) survive a power cut.
pub fn sync_dir(path: &Path) -> Result<(), Trouble> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| io_trouble(path, "sync", &e))
}

/// Makes files and their directories survive a power cut: one by one when few, by file system when many.
pub fn sync_files(files: &BTreeSet<PathBuf>) -> Result<(), Trouble> {
    let Some(first) = files.first() else { return Ok(()) };
    let dirs: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    if files.len() + dirs.len() > SYNC_EACH {
        let place = first.parent().unwrap_or(first);
        let dir = File::open(place).map_err(|e| io_trouble(place, "open", &e))?;
        return rustix::fs::syncfs(dir).map_err(|e| io_trouble(place, "sync the file system", &e.into()));
    }
    for file in files {
        match File::open(file).and_then(|opened| opened.sync_all()) {
            // Collected or moved into place meanwhile: then it needs no syncing under this name.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            synced => synced.map_err(|e| io_trouble(file, "sync", &e))?,
        }
    }
    dirs.into_iter().filter(|dir| dir.exists()).try_for_each(sync_dir)
}

/// Makes a directory and what leads there, for the agent's user alone.
pub fn make_dir(path: &Path) -> Result<(), Trouble> {
    if path.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|e| io_trouble(path, "make the folder", &e))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|e| io_trouble(path, "close the folder to others", &e))
}

/// Replaces a small file as a whole, durably.
pub fn write_durably(path: &Path, content: &[u8]) -> Result<(), Trouble> {
    let dir = path.parent().unwrap_or(path);
    make_dir(dir)?;
    let mut draft = tempfile::NamedTempFile::new_in(dir).map_err(|e| io_trouble(dir, "write", &e))?;
    draft.write_all(content).and_then(|()| draft.as_file().sync_all()).map_err(|e| io_trouble(path, "write", &e))?;
    draft.persist(path).map_err(|e| io_trouble(path, "rename into place", &e.error))?;
    sync_dir(dir)
}

/// Removes a file; well when there is none.
pub fn remove_file(path: &Path) -> Result<bool, Trouble> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(io_trouble(path, "remove", &e)),
    }
}

/// The store. Clones are the same store.
#[derive(Clone)]
pub struct Objects {
    root: Arc<PathBuf>,
    /// Put and not yet flushed.
    fresh: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// The file system was asked for a clone and has none.
    clones_refused: Arc<AtomicBool>,
    /// Read: somebody puts objects that no manifest names yet. Write: collecting.
    collecting: Arc<RwLock<()>>,
}

impl Objects {
    /// The store below `root`; made when first written to.
    pub fn new(root: PathBuf) -> Objects {
        Objects { root: Arc::new(root), fresh: Arc::default(), clones_refused: Arc::default(), collecting: Arc::default() }
    }

    /// Where an object is, or would be.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.root.join("objects").join(&hex[..2]).join(&hex[2..])
    }

    /// Whether it is held, with `bytes` bytes where that is known.
    pub fn holds(&self, digest: &Digest, bytes: Option<u64>) -> bool {
        fs::metadata(self.path(digest)).is_ok_and(|found| bytes.is_none_or(|bytes| bytes == found.len()))
    }

    /// While this lives nothing is collected.
    pub fn keep_all(&self) -> RwLockReadGuard<'_, ()> {
        self.collecting.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens one for reading.
    pub fn open(&self, digest: &Digest) -> Result<File, Trouble> {
        let path = self.path(digest);
        File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => {
                Trouble::new(TroubleKind::NotFound, format!("content {digest}"), "it is no longer held in the store")
                    .next("run a full copy of the service")
            }
            _ => io_trouble(&path, "open", &e),
        })
    }

    /// A new object, written piece by piece.
    pub fn writer(&self) -> ObjectWriter<'_> {
        ObjectWriter { store: self, buffer: Vec::new(), spilled: None, digester: Digester::default() }
    }

    /// Puts all that `from` gives. Returns its digest and length.
    pub fn put(&self, from: &mut dyn Read) -> Result<(Digest, u64), Trouble> {
        let mut writer = self.writer();
        let mut portion = vec![0; 256 << 10];
        loop {
            match from.read(&mut portion) {
                Ok(0) => return writer.finish(),
                Ok(read) => writer.write_all(&portion[..read])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Trouble::new(TroubleKind::Failed, "content", format!("cannot read: {e}"))),
            }
        }
    }

    /// Puts a file's content: by a clone, which is one instant of it, where the file system can, else by reading.
    pub fn put_file(&self, file: &File) -> Result<(Digest, u64), Trouble> {
        let length = file.metadata().map_err(|e| Trouble::new(TroubleKind::Failed, "content", format!("cannot look at it: {e}")))?.len();
        if length > SMALL_BYTES as u64 && !self.clones_refused.load(Ordering::Relaxed) {
            let clone = self.temporary()?;
            if rustix::fs::ioctl_ficlone(clone.as_file(), file).is_ok() {
                return self.name_clone(clone);
            }
            self.clones_refused.store(true, Ordering::Relaxed);
        }
        self.put(&mut { file })
    }

    fn name_clone(&self, clone: tempfile::NamedTempFile) -> Result<(Digest, u64), Trouble> {
        let (digest, bytes) = hash(&mut clone.as_file())?;
        let path = self.path(&digest);
        if !self.holds(&digest, Some(bytes)) {
            make_dir(path.parent().unwrap_or(&path))?;
            clone.persist(&path).map_err(|e| io_trouble(&path, "rename into place", &e.error))?;
            self.note_fresh(path);
        }
        Ok((digest, bytes))
    }

    /// Takes a file of the same file system over as an object; its digest was verified by the caller.
    pub fn adopt(&self, file: &Path, digest: &Digest) -> Result<(), Trouble> {
        let path = self.path(digest);
        make_dir(path.parent().unwrap_or(&path))?;
        fs::rename(file, &path).map_err(|e| io_trouble(file, "move into the store", &e))?;
        self.note_fresh(path);
        Ok(())
    }

    /// Holds an object though no manifest names it yet; told whether there is one.
    pub fn pin(&self, digest: &Digest) -> Result<bool, Trouble> {
        let _all = self.keep_all();
        if !self.holds(digest, None) {
            return Ok(false);
        }
        let pin = self.root.join("pins").join(digest.to_string());
        make_dir(&self.root.join("pins"))?;
        File::create(&pin).map_err(|e| io_trouble(&pin, "write", &e))?;
        Ok(true)
    }

    /// Lets pinned objects go: manifests name them now, or nobody needs them.
    pub fn unpin<'a>(&self, digests: impl Iterator<Item = &'a Digest>) -> Result<(), Trouble> {
        let pins = self.root.join("pins");
        if !pins.exists() {
            return Ok(());
        }
        digests.map(|digest| pins.join(digest.to_string())).try_for_each(|pin| remove_file(&pin).map(|_| ()))
    }

    /// Makes everything put so far survive a power cut.
    pub fn flush(&self) -> Result<(), Trouble> {
        let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(PoisonError::into_inner));
        let synced = sync_files(&fresh);
        if synced.is_err() {
            self.fresh.lock().unwrap_or_else(PoisonError::into_inner).extend(fresh);
        }
        synced
    }

    /// Removes all objects that are neither in `marked` nor pinned. Returns how many; none, when objects are being put just now:
    /// the next collection finds them.
    pub fn collect(&self, marked: impl FnOnce() -> Result<HashSet<Digest>, Trouble>) -> Result<u64, Trouble> {
        let Ok(_alone) = self.collecting.try_write() else { return Ok(0) };
        let mut marked = marked()?;
        marked.extend(self.pinned()?);
        let mut removed = 0;
        for folder in list(&self.root.join("objects"))? {
            for name in list(&self.root.join("objects").join(&folder))? {
                let path = self.root.join("objects").join(&folder).join(&name);
                let digest = Digest::try_from(format!("{folder}{name}"));
                if !digest.is_ok_and(|digest| marked.contains(&digest)) {
                    removed += u64::from(remove_file(&path)?);
                }
            }
        }
        for name in list(&self.root.join("tmp"))? {
            remove_file(&self.root.join("tmp").join(name))?;
        }
        Ok(removed)
    }

    fn pinned(&self) -> Result<Vec<Digest>, Trouble> {
        let dir = self.root.join("pins");
        let mut pinned = Vec::new();
        for name in list(&dir)? {
            let pin = dir.join(&name);
            let made = fs::metadata(&pin).and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            if SystemTime::now().duration_since(made).is_ok_and(|age| age > PIN_LIFE) {
                remove_file(&pin)?;
            } else if let Ok(digest) = Digest::try_from(name) {
                pinned.push(digest);
            }
        }
        Ok(pinned)
    }

    fn note_fresh(&self, path: PathBuf) {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
    }

    /// A temporary file beside the objects.
    pub fn temporary(&self) -> Result<tempfile::NamedTempFile, Trouble> {
        let dir = self.root.join("tmp");
        make_dir(&dir)?;
        tempfile::NamedTempFile::new_in(&dir).map_err(|e| io_trouble(&dir, "write", &e))
    }
}

/// The names in a directory; none when it does not exist.
pub fn list(dir: &Path) -> Result<Vec<String>, Trouble> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io_trouble(dir, "list", &e)),
    };
    let name = |entry: io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned()).map_err(|e| io_trouble(dir, "list", &e))
    };
    entries.map(name).collect()
}

/// Digest and length of all that `from` gives.
pub fn hash(from: &mut dyn Read) -> Result<(Digest, u64), Trouble> {
    let mut digester = Digester::default();
    let mut portion = vec![0; 256 << 10];
    loop {
        match from.read(&mut portion) {
            Ok(0) => return Ok(digester.finish()),
            Ok(read) => digester.update(&portion[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Trouble::new(TroubleKind::Failed, "content", format!("cannot read: {e}"))),
        }
    }
}

/// Makes the digest of a file's pieces while its bytes go by.
#[derive(Default)]
pub struct Digester {
    bytes: u64,
    piece: blake3::Hasher,
    pieces: Vec<Digest>,
}

impl Digester {
    /// Appends.
    pub fn update(&mut self, mut portion: &[u8]) {
        while !portion.is_empty() {
            // A piece ends when the next one begins: a file of exactly one piece has one.
            if self.bytes > 0 && self.bytes.is_multiple_of(PIECE_BYTES) {
                self.end_piece();
            }
            let room = PIECE_BYTES - self.bytes % PIECE_BYTES;
            let now = portion.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            self.piece.update(&portion[..now]);
            self.bytes += now as u64;
            portion = &portion[now..];
        }
    }

    /// Digest and length.
    pub fn finish(mut self) -> (Digest, u64) {
        self.end_piece();
        (Digest::of_pieces(&self.pieces), self.bytes)
    }

    fn end_piece(&mut self) {
        self.pieces.push(Digest(*self.piece.finalize().as_bytes()));
        self.piece.reset();
    }
}

/// An object on its way into the store: nothing is seen of it before [`finish`](ObjectWriter::finish).
pub struct ObjectWriter<'a> {
    store: &'a Objects,
    buffer: Vec<u8>,
    spilled: Option<tempfile::NamedTempFile>,
    digester: Digester,
}

impl ObjectWriter<'_> {
    /// Appends.
    pub fn write_all(&mut self, portion: &[u8]) -> Result<(), Trouble> {
        self.keep(portion)?;
        self.digester.update(portion);
        Ok(())
    }

    /// Gives it its name, and returns its digest and length.
    pub fn finish(mut self) -> Result<(Digest, u64), Trouble> {
        let (digest, bytes) = std::mem::take(&mut self.digester).finish();
        if self.store.holds(&digest, Some(bytes)) {
            return Ok((digest, bytes));
        }
        if self.spilled.is_none() {
            self.spill()?;
        }
        let path = self.store.path(&digest);
        make_dir(path.parent().unwrap_or(&path))?;
        if let Some(draft) = self.spilled.take() {
            draft.persist(&path).map_err(|e| io_trouble(&path, "rename into place", &e.error))?;
        }
        self.store.note_fresh(path);
        Ok((digest, bytes))
    }

    fn keep(&mut self, portion: &[u8]) -> Result<(), Trouble> {
        if self.spilled.is_none() && self.buffer.len() + portion.len() <= SMALL_BYTES {
            self.buffer.extend_from_slice(portion);
            return Ok(());
        }
        if self.spilled.is_none() {
            self.spill()?;
        }
        match &mut self.spilled {
            Some(draft) => draft.write_all(portion).map_err(|e| io_trouble(draft.path(), "write", &e)),
            None => Ok(()),
        }
    }

    fn spill(&mut self) -> Result<(), Trouble> {
        let mut draft = self.store.temporary()?;
        draft.write_all(&self.buffer).map_err(|e| io_trouble(draft.path(), "write", &e))?;
        self.buffer = Vec::new();
        self.spilled = Some(draft);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
