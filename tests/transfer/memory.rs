//! A component in memory: fast enough to crash at every step. What it holds survives the "process", as a cluster does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::Utc;
use futures_util::{StreamExt, stream};
use understudy::components::{ByteStream, Capture, Component, PhaseJournal, Slot};
use understudy::domain::backup::plan::{ApplyPlan, diff};
use understudy::domain::user_data::{UserDataChange, UserDataKey};
use understudy::domain::*;
use understudy::protocol::{CatalogueItem, OwnSnapshot};

pub type Tree = BTreeMap<RelPath, (Entry, Vec<u8>)>;

#[derive(Default)]
pub struct Disk {
    pub live: BTreeMap<String, Tree>,
    pub snapshots: BTreeMap<(String, PointId), Tree>,
    pub staged: BTreeMap<(String, PointId, u32, u32), Vec<u8>>,
    pub fenced: BTreeSet<String>,
    pub records: BTreeMap<(String, PointId), String>,
    /// Whether files tell their digest before they are read.
    pub tells_digests: bool,
    /// Why a plan could not be brought into place here.
    pub inadmissible: Option<String>,
    /// How long it takes to list changes, and to tell whether content is held.
    pub slow: Duration,
    /// The call that finds the disk full.
    pub full_at: Option<&'static str>,
}

#[derive(Clone)]
pub struct Memory {
    name: ComponentName,
    pub disk: Arc<Mutex<Disk>>,
}

impl Memory {
    pub fn new(name: &str) -> Memory {
        Memory { name: name.parse().expect("a name"), disk: Arc::default() }
    }

    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("a disk")
    }

    async fn be_slow(&self) {
        let slow = self.disk().slow;
        tokio::time::sleep(slow).await;
    }

    fn room_for(&self, call: &'static str, set: &str) -> Result<(), Trouble> {
        if self.disk().full_at == Some(call) { Err(Trouble::new(TroubleKind::Exhausted, set, "the disk is full")) } else { Ok(()) }
    }

    /// Writes a file into a live set, making its directories.
    pub fn write(&self, set: &str, path: &str, content: &[u8]) {
        let mut disk = self.disk();
        let tree = disk.live.entry(set.into()).or_default();
        let path = RelPath::new(path).expect("a path");
        let mut above = path.parent();
        while let Some(parent) = above {
            tree.entry(parent.clone()).or_insert((entry(parent.clone(), Node::Directory), Vec::new()));
            above = parent.parent();
        }
        let node = Node::File { bytes: content.len() as u64, digest: Some(Digest::of_bytes(content)) };
        tree.insert(path.clone(), (entry(path, node), content.to_vec()));
    }

    pub fn remove(&self, set: &str, path: &str) {
        let gone = RelPath::new(path).expect("a path");
        self.disk().live.entry(set.into()).or_default().retain(|path, _| !path.is_under(&gone));
    }

    pub fn live(&self, set: &str) -> Tree {
        self.disk().live.get(set).cloned().unwrap_or_default()
    }
}

fn entry(path: RelPath, node: Node) -> Entry {
    Entry { path, node, meta: Metadata { mode: 0o750, owner: "ana".into(), group: "retail".into(), ..Metadata::default() } }
}

fn manifest(tree: &Tree) -> Manifest {
    Manifest::from_entries(tree.values().map(|(entry, _)| entry.clone()))
}

fn bytes(content: Vec<u8>) -> ByteStream {
    let portions: Vec<_> = content.chunks(10_000).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    Box::pin(stream::iter(portions))
}

fn missing(what: impl std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::NotFound, what, "it is not there")
}

#[async_trait]
impl Component for Memory {
    fn name(&self) -> &ComponentName {
        &self.name
    }
    fn kind(&self) -> ComponentKind {
        ComponentKind::Files
    }
    async fn describe(&self) -> Result<ComponentInfo, Trouble> {
        Err(missing("description"))
    }
    async fn probe(&self) -> ProbeReport {
        ProbeReport {
            component: self.name.clone(),
            at: Utc::now(),
            health: Health::Healthy,
            evidence: String::new(),
            took_ms: 0,
            note: None,
        }
    }
    async fn catalogue(&self, _: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        Ok(Vec::new())
    }
    async fn arm(&self, _: &str) -> Result<Vec<Note>, Trouble> {
        Ok(Vec::new())
    }
    async fn capture(&self, set: &str, point: PointId) -> Result<Capture, Trouble> {
        let lo = Instant::now();
        let mut disk = self.disk();
        let tree = disk.live.get(set).cloned().ok_or_else(|| missing(set))?;
        if disk.snapshots.contains_key(&(set.into(), point)) {
            return Err(Trouble::new(TroubleKind::Refused, set, "captured already"));
        }
        disk.snapshots.insert((set.into(), point), tree);
        Ok(Capture { lo, hi: Instant::now(), server_time: None, open_files: Vec::new(), event_id: None })
    }
    async fn changes(&self, set: &str, point: PointId, base: Option<PointId>) -> Result<ChangeSet, Trouble> {
        self.be_slow().await;
        let disk = self.disk();
        let tree = |point: PointId| disk.snapshots.get(&(set.to_string(), point)).map(manifest).ok_or_else(|| missing(set));
        let base = base.map(tree).transpose()?.unwrap_or_default();
        let mut changes = diff(&base, &tree(point)?);
        for change in &mut changes.changes {
            if let Change::Put(Entry { node: Node::File { digest, .. }, .. }) = change
                && !disk.tells_digests
            {
                *digest = None;
            }
        }
        Ok(changes)
    }
    async fn read(&self, set: &str, point: PointId, entry: &Entry, piece: u32) -> Result<ByteStream, Trouble> {
        let disk = self.disk();
        let (_, content) =
            disk.snapshots.get(&(set.to_string(), point)).and_then(|tree| tree.get(&entry.path)).ok_or_else(|| missing(set))?;
        let (from, length) = piece_range(content.len() as u64, piece);
        Ok(bytes(content[from as usize..(from + length) as usize].to_vec()))
    }
    async fn release(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.disk().snapshots.remove(&(set.into(), point));
        Ok(())
    }
    async fn snapshots(&self) -> Result<Vec<OwnSnapshot>, Trouble> {
        let own = |(path, point): &(String, PointId)| OwnSnapshot { component: self.name.clone(), path: path.clone(), point: *point };
        Ok(self.disk().snapshots.keys().map(own).collect())
    }
    async fn drift(&self, set: &str, expected: Option<(PointId, &Manifest)>) -> Result<Vec<String>, Trouble> {
        let live = manifest(&self.live(set));
        match expected {
            None if live.entries.is_empty() => Ok(Vec::new()),
            None => Err(Trouble::new(TroubleKind::Refused, set, "it is not empty and not ours")),
            Some((_, expected)) => Ok(diff(expected, &live).changes.iter().map(|change| format!("{change:?}")).take(20).collect()),
        }
    }
    async fn admit(&self, set: &str, _: &ChangeSet, _: &Manifest) -> Result<(), Trouble> {
        let inadmissible = self.disk().inadmissible.clone();
        inadmissible.map_or(Ok(()), |why| Err(Trouble::new(TroubleKind::Refused, set, why)))
    }
    async fn holds(&self, digest: &Digest) -> Result<bool, Trouble> {
        self.be_slow().await;
        Ok(self.disk().snapshots.values().flat_map(Tree::values).any(|(_, content)| Digest::of_bytes(content) == *digest))
    }
    async fn stage(&self, set: &str, point: PointId, slot: Slot, _: &Entry, mut bytes: ByteStream) -> Result<Digest, Trouble> {
        let mut content = Vec::new();
        while let Some(portion) = bytes.next().await {
            content.extend_from_slice(&portion?);
        }
        let digest = Digest::of_bytes(&content);
        self.disk().staged.insert((set.into(), point, slot.file, slot.piece), content);
        Ok(digest)
    }
    async fn read_staged(&self, set: &str, point: PointId, slot: Slot, _: &Entry) -> Result<ByteStream, Trouble> {
        self.disk().staged.get(&(set.into(), point, slot.file, slot.piece)).cloned().map(bytes).ok_or_else(|| missing(set))
    }
    async fn sync_staging(&self, set: &str, _: PointId) -> Result<(), Trouble> {
        self.room_for("sync_staging", set)
    }
    async fn keep_record(&self, set: &str, point: PointId, record: &str) -> Result<(), Trouble> {
        self.disk().records.insert((set.into(), point), record.into());
        Ok(())
    }
    async fn apply(&self, set: &str, point: PointId, plan: &ApplyPlan, new: &Manifest, journal: &dyn PhaseJournal) -> Result<(), Trouble> {
        if journal.done()? > 0 {
            return Ok(());
        }
        self.room_for("apply", set)?;
        let mut disk = self.disk();
        let mut known: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        for (_, content) in disk.snapshots.values().chain(disk.live.get(set)).flat_map(Tree::values) {
            known.insert(Digest::of_bytes(content), content.clone());
        }
        for (file, placed) in &plan.place {
            let slots = (0..piece_count(placed.bytes())).map(|piece| disk.staged.get(&(set.to_string(), point, *file, piece)));
            if let Some(pieces) = slots.collect::<Option<Vec<_>>>() {
                let content: Vec<u8> = pieces.into_iter().flatten().copied().collect();
                known.insert(Digest::of_bytes(&content), content);
            }
        }
        let mut tree = Tree::new();
        for entry in new.entries.values() {
            let content = match entry.node {
                Node::File { digest: Some(digest), .. } => known.get(&digest).cloned().ok_or_else(|| missing(&entry.path))?,
                _ => Vec::new(),
            };
            tree.insert(entry.path.clone(), (entry.clone(), content));
        }
        disk.live.insert(set.into(), tree);
        journal.advance(1)
    }
    async fn seal(&self, set: &str, point: PointId, _: &Manifest) -> Result<(), Trouble> {
        let tree = self.live(set);
        self.disk().snapshots.insert((set.into(), point), tree);
        self.discard(set, point).await
    }
    async fn discard(&self, set: &str, point: PointId) -> Result<(), Trouble> {
        self.disk().staged.retain(|(name, id, ..), _| (name.as_str(), *id) != (set, point));
        Ok(())
    }
    async fn restore(&self, set: &str, point: PointId, _: &Manifest) -> Result<(), Trouble> {
        let mut disk = self.disk();
        let tree = disk.snapshots.get(&(set.into(), point)).cloned().ok_or_else(|| missing(set))?;
        disk.live.insert(set.into(), tree);
        Ok(())
    }
    async fn fence(&self, set: &str) -> Result<String, Trouble> {
        self.disk().fenced.insert(set.into());
        Ok("a write was refused".into())
    }
    async fn unfence(&self, set: &str, _: Option<&Entry>) -> Result<(), Trouble> {
        self.disk().fenced.remove(set);
        Ok(())
    }
    async fn fenced(&self, set: &str) -> Result<(bool, String), Trouble> {
        Ok((self.disk().fenced.contains(set), String::new()))
    }
    async fn read_users(&self, _: &[String], _: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
        Ok(BTreeMap::new())
    }
    async fn adjust_user(&self, _: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
        Ok(Vec::new())
    }
}
