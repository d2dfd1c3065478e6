//! What a plan will ask of a target: the largest of everything that an HDFS limits, each with the entry it is about. Pure.

use std::collections::BTreeMap;

use super::status::{FENCE_XATTR, ROOT_XATTRS, TrueRights};
use crate::domain::{Change, ChangeSet, Entry, Manifest, Metadata, Node, PIECE_BYTES, RelPath, piece_count};

/// An entry and how much of something it has.
pub type Most = Option<(RelPath, u64)>;

/// The largest demands of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Need {
    /// The first entry with an ACL, and how many there are.
    pub acl: Most,
    /// The first ACL entry whose name WebHDFS takes only where it is told to.
    pub odd_acl: Option<(RelPath, String)>,
    /// The most attributes of one entry, our own among them.
    pub attributes: Most,
    /// The largest attribute: name and value in bytes.
    pub attribute_bytes: Most,
    /// The longest name, in bytes.
    pub name: Most,
    /// The longest path below the target's root, in UTF-16 units, as HDFS counts.
    pub path: Most,
    /// The deepest one, in names.
    pub depth: Most,
    /// The fullest directory.
    pub children: Most,
    /// Renames: so many wait in one directory in the middle of an apply.
    pub parked: u64,
    /// Pieces, all staged in one directory.
    pub pieces: u64,
    /// The smallest block.
    pub smallest_block: Most,
    /// The most blocks of one piece.
    pub blocks: Most,
    /// The fewest copies asked for.
    pub fewest_copies: Most,
    /// The most.
    pub most_copies: Most,
    /// New entries.
    pub names: u64,
    /// New bytes by the number of copies; `None`: the target's own number.
    pub bytes: BTreeMap<Option<u16>, u64>,
    /// Files that are striped at the source: those of the data set, whether this plan brings them or an earlier one did.
    pub striped: u64,
    /// The first symbolic link, and how many there are.
    pub link: Most,
}

impl Need {
    /// Of a plan, and of what it makes of the base.
    pub fn of(changes: &ChangeSet, after: &Manifest) -> Need {
        let mut need = Need::default();
        for change in &changes.changes {
            match change {
                Change::Rename { .. } => need.parked += 1,
                Change::Delete { .. } => {}
                Change::Meta(entry) => need.labels(entry),
                Change::Put(entry) => {
                    need.names += 1;
                    need.labels(entry);
                    if entry.is_file() {
                        need.content(entry);
                    }
                }
            }
        }
        // What is renamed waits in a directory of our own on its way.
        need.names += u64::from(need.parked > 0);
        let mut children: BTreeMap<RelPath, u64> = BTreeMap::new();
        for (path, entry) in &after.entries {
            need.striped += u64::from(entry.is_file() && entry.meta.replication.is_none());
            if matches!(entry.node, Node::Link { .. }) {
                need.link.get_or_insert((path.clone(), 0)).1 += 1;
            }
            raise(&mut need.name, path, path.name().len());
            raise(&mut need.path, path, path.as_str().encode_utf16().count());
            raise(&mut need.depth, path, path.depth());
            if let Some(parent) = path.parent() {
                *children.entry(parent).or_default() += 1;
            }
        }
        need.children = children.into_iter().max_by_key(|(_, count)| *count);
        need
    }

    /// Bytes with all copies, where `copies` is the target's own number.
    pub fn space(&self, copies: u64) -> u64 {
        self.bytes.iter().map(|(asked, bytes)| bytes.saturating_mul(asked.map_or(copies, u64::from))).fold(0, u64::saturating_add)
    }

    fn labels(&mut self, entry: &Entry) {
        let Entry { path, meta, .. } = entry;
        if !meta.acl.is_empty() {
            self.acl.get_or_insert((path.clone(), 0)).1 += 1;
        }
        if self.odd_acl.is_none() {
            self.odd_acl = meta.acl.iter().find(|entry| is_odd(entry)).map(|entry| (path.clone(), entry.clone()));
        }
        let own = if path.is_root() { ROOT_XATTRS.len() } else { 0 };
        raise(&mut self.attributes, path, meta.xattrs.len() + own);
        for (name, hex) in &meta.xattrs {
            raise(&mut self.attribute_bytes, path, name.split_once('.').map_or(name.len(), |(_, name)| name.len()) + hex.len() / 2);
        }
        if path.is_root() {
            raise(&mut self.attribute_bytes, path, FENCE_XATTR.len() + fence_bytes(meta));
        }
    }

    fn content(&mut self, entry: &Entry) {
        let (path, meta) = (&entry.path, &entry.meta);
        self.pieces += u64::from(piece_count(entry.bytes()));
        *self.bytes.entry(meta.replication).or_default() += entry.bytes();
        if let Some(block) = meta.block_bytes.filter(|block| *block > 0) {
            lower(&mut self.smallest_block, path, block);
            raise(&mut self.blocks, path, usize::try_from(entry.bytes().min(PIECE_BYTES).div_ceil(block)).unwrap_or(usize::MAX));
        }
        match meta.replication {
            Some(copies) if copies > 0 => {
                lower(&mut self.fewest_copies, path, u64::from(copies));
                raise(&mut self.most_copies, path, usize::from(copies));
            }
            Some(_) | None => {}
        }
    }
}

/// Whether the name in an ACL entry has anything but letters, digits, dots, underscores and hyphens.
fn is_odd(entry: &str) -> bool {
    let bare = entry.strip_prefix("default:").unwrap_or(entry);
    let name = bare.split_once(':').and_then(|(_, rest)| rest.rsplit_once(':')).map_or(bare, |(name, _)| name);
    !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// What the root's true rights take as an attribute.
fn fence_bytes(meta: &Metadata) -> usize {
    serde_json::to_vec(&TrueRights::of(meta)).map_or(0, |bytes| bytes.len())
}

fn raise(most: &mut Most, path: &RelPath, count: usize) {
    let count = count as u64;
    if count > 0 && most.as_ref().is_none_or(|(_, known)| count > *known) {
        *most = Some((path.clone(), count));
    }
}

fn lower(least: &mut Most, path: &RelPath, count: u64) {
    if least.as_ref().is_none_or(|(_, known)| count < *known) {
        *least = Some((path.clone(), count));
    }
}
