//! What a component without snapshots of its own keeps in its store directory: content, captures, sealed points, staging.
//!
//! ```text
//! objects/ab/cdef…                        content (see `objects`)
//! sets/HASH/name                          the data set's name
//! sets/HASH/armed.jsonl                   what was seen when a run was armed
//! sets/HASH/captured/POINT.jsonl          what a capture holds; the next one need not read what did not change
//! sets/HASH/sealed/POINT.jsonl            what a sealed point holds
//! sets/HASH/…/POINT.contents              the digests that it names (see `contents`); made again when it is missing
//! sets/HASH/staging/POINT/FILE            staged content, by number in the change set
//! sets/HASH/records/POINT.json            the commit's record
//! sets/HASH/fence.json                    what the fence covers
//! ```
//! Content is collected when no captured or sealed point names it.

mod contents;
mod rehearsals;
mod staging;
mod stream;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::ByteStream;
use super::objects::{Objects, io_trouble, list, make_dir, remove_file, sync_dir, write_durably};
use crate::domain::{ComponentName, Digest, Entry, Manifest, Node, PointId, RelPath, Trouble, TroubleKind, piece_range};
use crate::protocol::OwnSnapshot;

pub use stream::{Portions, blocking, limited, read_file};

/// What was seen when a run was armed.
const ARMED: &str = "armed.jsonl";

/// An entry with what tells, at the next capture, that the file was not touched since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The entry.
    pub entry: Entry,
    /// Its inode; 0 where there is none.
    #[serde(default)]
    pub inode: u64,
    /// Its change time in nanoseconds; 0: it had only just changed when it was read, so that a later change may look the same.
    #[serde(default)]
    pub changed_ns: i64,
}

/// Whether a place that need not exist yet lies in a directory, or is it; links on the way to either are followed.
pub fn lies_in(place: &Path, dir: &Path) -> bool {
    let real = |path: &Path| {
        path.ancestors().find_map(|above| {
            let known = above.canonicalize().ok()?;
            Some(path.strip_prefix(above).map_or(known.clone(), |rest| known.join(rest)))
        })
    };
    match (real(place), real(dir)) {
        (Some(place), Some(dir)) => place.starts_with(dir),
        _ => true,
    }
}

/// One captured data set, by path.
pub type Captured = BTreeMap<RelPath, Seen>;

/// A component's store directory. Clones are the same one.
#[derive(Clone)]
pub struct Depot {
    /// The content.
    pub objects: Objects,
    component: ComponentName,
    root: Arc<PathBuf>,
    locks: Arc<Mutex<HashMap<String, Arc<Mutex<()>>>>>,
}

impl Depot {
    /// The store of `component` below `store`.
    pub fn new(component: ComponentName, store: &Path) -> Depot {
        let root = store.join(component.as_str());
        Depot { objects: Objects::new(root.clone()), component, root: Arc::new(root), locks: Arc::default() }
    }

    /// Whether a place lies in the store.
    pub fn has_place(&self, place: &Path) -> bool {
        lies_in(place, &self.root)
    }

    /// What a person sees of a data set: `files:invoices`.
    pub fn object(&self, set: &str) -> String {
        format!("{}:{set}", self.component)
    }

    /// Held by whoever works on a data set: a release waits for the capture it would undo.
    pub fn lock(&self, set: &str) -> Arc<Mutex<()>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(set.to_owned()).or_default().clone()
    }

    /// The data set's own place.
    fn dir(&self, set: &str) -> PathBuf {
        self.root.join("sets").join(&Digest::of_bytes(set.as_bytes()).to_string()[..32])
    }

    fn place(&self, set: &str) -> Result<PathBuf, Trouble> {
        let dir = self.dir(set);
        if !dir.join("name").exists() {
            write_durably(&dir.join("name"), set.as_bytes())?;
        }
        Ok(dir)
    }

    // ---- captured ----

    /// Keeps a capture; not yet durable (see [`settle`](Depot::settle)).
    pub fn keep_capture(&self, set: &str, point: PointId, captured: &Captured) -> Result<(), Trouble> {
        let dir = self.place(set)?.join("captured");
        make_dir(&dir)?;
        let (draft, path) = (dir.join(format!("{point}.draft")), dir.join(format!("{point}.jsonl")));
        contents::forget(&path)?;
        fs::write(&draft, lines(captured.values())?).map_err(|e| io_trouble(&draft, "write", &e))?;
        fs::rename(&draft, &path).map_err(|e| io_trouble(&path, "rename into place", &e))
    }

    /// Keeps what was seen when a run was armed: the capture that follows need not read it again.
    pub fn keep_armed(&self, set: &str, seen: &Captured) -> Result<(), Trouble> {
        let path = self.place(set)?.join(ARMED);
        fs::write(&path, lines(seen.values())?).map_err(|e| io_trouble(&path, "write", &e))
    }

    /// Forgets it; well when there is none.
    pub fn drop_armed(&self, set: &str) -> Result<(), Trouble> {
        remove_file(&self.dir(set).join(ARMED)).map(|_| ())
    }

    /// What was seen when a run was armed; nothing when that is not whole.
    fn armed(&self, set: &str) -> Option<Captured> {
        let seen = read_lines::<Seen>(&self.dir(set).join(ARMED)).ok().flatten()?;
        Some(seen.into_iter().map(|seen| (seen.entry.path.clone(), seen)).collect())
    }

    /// Makes a capture and its content survive a power cut.
    pub fn settle(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.objects.flush()?;
        let dir = self.dir(set).join("captured");
        let path = dir.join(format!("{point}.jsonl"));
        fs::File::open(&path).and_then(|file| file.sync_all()).map_err(|e| io_trouble(&path, "sync", &e))?;
        sync_dir(&dir)
    }

    /// A capture; `None` when there is none.
    pub fn capture(&self, set: &str, point: PointId) -> Result<Option<Captured>, Trouble> {
        let path = self.dir(set).join("captured").join(format!("{point}.jsonl"));
        let Some(seen) = read_lines::<Seen>(&path)? else { return Ok(None) };
        Ok(Some(seen.into_iter().map(|seen| (seen.entry.path.clone(), seen)).collect()))
    }

    /// What was seen of a data set last: when a run was armed, or by its newest capture.
    pub fn newest_capture(&self, set: &str) -> Result<Captured, Trouble> {
        if let Some(armed) = self.armed(set) {
            return Ok(armed);
        }
        let newest = points(&self.dir(set).join("captured"), ".jsonl")?.into_iter().max();
        Ok(newest.map(|point| self.capture(set, point)).transpose()?.flatten().unwrap_or_default())
    }

    /// One piece of a captured file.
    pub fn read_object(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        let object = format!("{}/{}", self.object(set), entry.path);
        if !self.dir(set).join("captured").join(format!("{point}.jsonl")).exists() {
            return Err(Trouble::new(TroubleKind::NotFound, object, format!("point {point} is not captured here")).next("start a new run"));
        }
        let Node::File { bytes, digest: Some(digest) } = entry.node else {
            return Err(Trouble::new(TroubleKind::Invalid, object, "it is no file of a capture"));
        };
        let (start, length) = piece_range(bytes, piece);
        Ok(read_file(self.objects.open(&digest)?, start, length, object))
    }

    // ---- sealed ----

    /// Keeps a sealed point's manifest, durably.
    pub fn keep_sealed(&self, set: &str, point: PointId, manifest: &Manifest) -> Result<(), Trouble> {
        let path = self.place(set)?.join("sealed").join(format!("{point}.jsonl"));
        contents::forget(&path)?;
        write_durably(&path, &lines(manifest.entries.values())?)
    }

    /// The newest sealed point and its manifest, if any.
    pub fn newest_sealed(&self, set: &str) -> Result<Option<(PointId, Manifest)>, Trouble> {
        self.newest_sealed_before(set, None)
    }

    /// The same of the points before one.
    pub fn newest_sealed_before(&self, set: &str, before: Option<PointId>) -> Result<Option<(PointId, Manifest)>, Trouble> {
        let dir = self.dir(set).join("sealed");
        let earlier = points(&dir, ".jsonl")?.into_iter().filter(|point| before.is_none_or(|before| *point < before));
        let Some(point) = earlier.max() else { return Ok(None) };
        let entries = read_lines::<Entry>(&dir.join(format!("{point}.jsonl")))?.unwrap_or_default();
        let entries = entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect();
        Ok(Some((point, Manifest { entries })))
    }

    /// Whether a point was sealed here.
    pub fn is_sealed(&self, set: &str, point: PointId) -> bool {
        self.dir(set).join("sealed").join(format!("{point}.jsonl")).exists()
    }

    /// A captured or sealed point of a data set, as changes are told against it.
    pub fn base(&self, set: &str, point: PointId) -> Result<Captured, Trouble> {
        if let Some(captured) = self.capture(set, point)? {
            return Ok(captured);
        }
        let path = self.dir(set).join("sealed").join(format!("{point}.jsonl"));
        let sealed = read_lines::<Entry>(&path)?.ok_or_else(|| {
            Trouble::new(TroubleKind::Refused, self.object(set), format!("point {point} is no longer held here")).next("run a full copy")
        })?;
        Ok(sealed.into_iter().map(|entry| (entry.path.clone(), Seen { entry, inode: 0, changed_ns: 0 })).collect())
    }

    // ---- all of them ----

    /// Keeps the commit's record beside the data.
    pub fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        write_durably(&self.place(set)?.join("records").join(format!("{point}.json")), record.as_bytes())
    }

    /// Forgets a captured or sealed point, and collects the content that only it had.
    pub fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        let dir = self.dir(set);
        for place in ["captured", "sealed"] {
            contents::forget(&dir.join(place).join(format!("{point}.jsonl")))?;
        }
        remove_file(&dir.join("captured").join(format!("{point}.jsonl")))?;
        remove_file(&dir.join("captured").join(format!("{point}.draft")))?;
        remove_file(&dir.join("sealed").join(format!("{point}.jsonl")))?;
        remove_file(&dir.join("records").join(format!("{point}.json")))?;
        self.drop_staging(set, point)?;
        self.drop_armed(set)?;
        self.collect()
    }

    /// Removes content that nothing names any more.
    pub fn collect(&self) -> Result<(), Trouble> {
        let removed = self.objects.collect(|| self.named())?;
        tracing::debug!(component = %self.component, removed, "collected content that no point names");
        Ok(())
    }

    /// Every captured and sealed point here.
    pub fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        let mut all = Vec::new();
        for set in self.sets()? {
            let dir = self.dir(&set);
            let mut held: Vec<PointId> = points(&dir.join("captured"), ".jsonl")?;
            held.extend(points(&dir.join("sealed"), ".jsonl")?);
            held.sort();
            held.dedup();
            all.extend(held.into_iter().map(|point| OwnSnapshot { component: self.component.clone(), path: set.clone(), point }));
        }
        Ok(all)
    }

    /// The data sets known here.
    pub fn sets(&self) -> Result<Vec<String>, Trouble> {
        let root = self.root.join("sets");
        let mut sets = Vec::new();
        for folder in list(&root)? {
            let path = root.join(folder).join("name");
            match fs::read_to_string(&path) {
                Ok(name) => sets.push(name),
                // Made just before a crash: nothing was kept in it.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(io_trouble(&path, "read", &e)),
            }
        }
        sets.sort();
        Ok(sets)
    }

    /// Where the fence of a data set is remembered.
    pub fn fence_file(&self, set: &str) -> Result<PathBuf, Trouble> {
        Ok(self.place(set)?.join("fence.json"))
    }

    fn named(&self) -> Result<HashSet<Digest>, Trouble> {
        let mut named = HashSet::new();
        for set in self.sets()? {
            let dir = self.dir(&set);
            named.extend(self.armed(&set).iter().flat_map(BTreeMap::values).filter_map(|seen| contents::named_by(&seen.entry)));
            for place in ["captured", "sealed"] {
                for point in points(&dir.join(place), ".jsonl")? {
                    named.extend(contents::of(&dir.join(place).join(format!("{point}.jsonl")))?);
                }
            }
        }
        Ok(named)
    }
}

fn points(dir: &Path, ending: &str) -> Result<Vec<PointId>, Trouble> {
    Ok(list(dir)?.iter().filter_map(|name| name.strip_suffix(ending)?.parse().ok()).collect())
}

fn lines<'a, T: Serialize + 'a>(items: impl Iterator<Item = &'a T>) -> Result<Vec<u8>, Trouble> {
    let mut text = Vec::new();
    for item in items {
        serde_json::to_writer(&mut text, item).map_err(|e| Trouble::new(TroubleKind::Failed, "manifest", e))?;
        text.push(b'\n');
    }
    Ok(text)
}

fn read_lines<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<Vec<T>>, Trouble> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_trouble(path, "read", &e)),
    };
    let bad = |e| Trouble::new(TroubleKind::Corrupt, path.display(), format!("it is damaged: {e}")).next("run a full copy of the service");
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).map_err(bad)).collect::<Result<_, _>>().map(Some)
}
