//! What is left to do: wanted = plan − verified inventory − content already held. Pure, so that resuming is recomputing.

use std::collections::{BTreeMap, BTreeSet};

use crate::components::Slot;
use crate::domain::{Change, ChangeSet, Digest, Entry, Manifest, Node, RelPath, Trouble, TroubleKind, piece_count, piece_range};
use crate::protocol::SetCounts;

/// Bytes that may be on their way at once, for [`weight`].
pub const BUDGET_BYTES: u32 = 64 << 20;
/// The most pieces on their way at once: closing a small HDFS file takes half a second, so small files need many.
pub const MAX_AT_ONCE: u32 = 96;
/// The fewest that large pieces leave room for.
const LARGE_AT_ONCE: u32 = 4;

/// What of a plan is in staging already, with the digests of what was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Pieces staged.
    pub pieces: BTreeMap<Slot, Digest>,
    /// Files whose content the component holds for good: not sent, not staged.
    pub held: BTreeSet<u32>,
}

/// The files of a plan whose bytes are to be copied, by file number.
pub fn files(changes: &ChangeSet) -> impl Iterator<Item = (u32, &Entry)> {
    changes.changes.iter().zip(0u32..).filter_map(|(change, file)| match change {
        Change::Put(entry) if entry.is_file() => Some((file, entry)),
        _ => None,
    })
}

/// The file a slot belongs to, and the length of its piece in bytes; `None` when the plan has no such piece.
pub fn piece_of(changes: &ChangeSet, slot: Slot) -> Option<(&Entry, u64)> {
    match changes.changes.get(usize::try_from(slot.file).ok()?)? {
        Change::Put(entry) if entry.is_file() && slot.piece < piece_count(entry.bytes()) => {
            Some((entry, piece_range(entry.bytes(), slot.piece).1))
        }
        _ => None,
    }
}

/// Every piece of every file that is not held, in plan order, with its length in bytes.
pub fn pieces<'a>(changes: &'a ChangeSet, inventory: &'a Inventory) -> impl Iterator<Item = (Slot, &'a Entry, u64)> {
    files(changes).filter(|(file, _)| !inventory.held.contains(file)).flat_map(|(file, entry)| {
        (0..piece_count(entry.bytes())).map(move |piece| (Slot { file, piece }, entry, piece_range(entry.bytes(), piece).1))
    })
}

/// The pieces still to be brought.
pub fn wanted(changes: &ChangeSet, inventory: &Inventory) -> Vec<Slot> {
    pieces(changes, inventory).map(|(slot, ..)| slot).filter(|slot| !inventory.pieces.contains_key(slot)).collect()
}

/// The share of [`BUDGET_BYTES`] that a piece takes while on its way: many small ones at once, a few large ones.
pub fn weight(bytes: u64) -> u32 {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    bytes.clamp(BUDGET_BYTES / MAX_AT_ONCE, BUDGET_BYTES / LARGE_AT_ONCE)
}

/// The plan with every file's digest, as its staged pieces give it. A piece that is missing, or a digest that is not the one the
/// source told, is named.
pub fn with_digests(changes: &ChangeSet, inventory: &Inventory) -> Result<ChangeSet, Trouble> {
    let mut all = changes.clone();
    for (change, file) in all.changes.iter_mut().zip(0u32..) {
        let Change::Put(Entry { path, node: Node::File { bytes, digest }, .. }) = change else { continue };
        if inventory.held.contains(&file) {
            if digest.is_none() {
                return Err(Trouble::new(TroubleKind::Corrupt, &*path, "counted as held though its digest is not known"));
            }
            continue;
        }
        let staged: Option<Vec<Digest>> =
            (0..piece_count(*bytes)).map(|piece| inventory.pieces.get(&Slot { file, piece }).copied()).collect();
        let Some(staged) = staged else {
            return Err(Trouble::new(TroubleKind::Refused, &*path, "not all of it is in staging").next("transfer first"));
        };
        let staged = Digest::of_pieces(&staged);
        if digest.is_some_and(|told| told != staged) {
            return Err(Trouble::new(TroubleKind::Corrupt, &*path, "what is in staging is not what the source captured"));
        }
        *digest = Some(staged);
    }
    Ok(all)
}

/// A full copy told as changes against what is live: what the copy does not have goes, and what changed its sort goes first.
/// File numbers stay.
pub fn against_live(live: &Manifest, full: &ChangeSet) -> ChangeSet {
    let new: BTreeMap<&RelPath, &Entry> =
        full.changes.iter().filter_map(|change| if let Change::Put(entry) = change { Some((&entry.path, entry)) } else { None }).collect();
    let goes =
        |entry: &Entry| new.get(&entry.path).is_none_or(|put| std::mem::discriminant(&put.node) != std::mem::discriminant(&entry.node));
    let mut gone: BTreeSet<&RelPath> = BTreeSet::new();
    let mut changes = full.changes.clone();
    for entry in live.entries.values() {
        if entry.path.is_root() || !goes(entry) {
            continue;
        }
        // Parents come before their children in order, so only the top of a subtree that goes is told.
        let mut above = entry.path.parent();
        while let Some(parent) = above.take_if(|parent| !gone.contains(parent)) {
            above = parent.parent();
        }
        if above.is_none() {
            gone.insert(&entry.path);
            changes.push(Change::Delete { path: entry.path.clone() });
        }
    }
    ChangeSet { changes }
}

/// What a transfer reports: `manifest` is the new state, `changes` and `inventory` how it came about.
pub fn counts(manifest: &Manifest, changes: &ChangeSet, inventory: &Inventory) -> SetCounts {
    let mut counts = SetCounts::default();
    for entry in manifest.entries.values().filter(|entry| entry.is_file()) {
        counts.files += 1;
        counts.bytes += entry.bytes();
    }
    for (_, entry) in files(changes).filter(|(file, _)| !inventory.held.contains(file)) {
        counts.copied_files += 1;
        counts.copied_bytes += entry.bytes();
    }
    for change in &changes.changes {
        match change {
            Change::Rename { .. } => counts.renamed += 1,
            Change::Delete { .. } => counts.deleted += 1,
            Change::Put(_) | Change::Meta(_) => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Metadata, PIECE_BYTES};

    fn path(text: &str) -> RelPath {
        RelPath::new(text).expect("a path")
    }

    fn file(text: &str, bytes: u64) -> Entry {
        Entry { path: path(text), node: Node::File { bytes, digest: None }, meta: Metadata::default() }
    }

    fn directory(text: &str) -> Entry {
        Entry { path: path(text), node: Node::Directory, meta: Metadata::default() }
    }

    fn plan_of(lengths: &[u64]) -> ChangeSet {
        let mut changes = vec![Change::Put(directory("")), Change::Delete { path: path("old") }];
        changes.extend(lengths.iter().enumerate().map(|(i, bytes)| Change::Put(file(&format!("f{i}"), *bytes))));
        ChangeSet { changes }
    }

    proptest! {
        #[test]
        fn what_is_wanted_and_what_is_there_make_the_plan(lengths in prop::collection::vec(0..3 * PIECE_BYTES, 0..12), there in any::<u64>()) {
            let changes = plan_of(&lengths);
            let mut inventory = Inventory::default();
            let all = wanted(&changes, &inventory);
            for (i, slot) in all.iter().enumerate() {
                if there >> (i % 64) & 1 == 1 {
                    inventory.pieces.insert(*slot, Digest::of_bytes(&[i as u8]));
                }
            }
            let left = wanted(&changes, &inventory);
            prop_assert_eq!(left.len() + inventory.pieces.len(), all.len());
            prop_assert_eq!(with_digests(&changes, &inventory).is_ok(), left.is_empty());
            prop_assert_eq!(pieces(&changes, &Inventory::default()).map(|(.., bytes)| bytes).sum::<u64>(), lengths.iter().sum::<u64>());
        }

        #[test]
        fn every_piece_fits_the_budget_and_small_ones_go_together(bytes in 0..=PIECE_BYTES) {
            prop_assert!(weight(bytes) <= BUDGET_BYTES / LARGE_AT_ONCE);
            prop_assert!(weight(bytes) >= BUDGET_BYTES / MAX_AT_ONCE);
        }
    }

    #[test]
    fn held_content_is_neither_wanted_nor_counted_as_copied() {
        let mut changes = plan_of(&[5]);
        if let Change::Put(Entry { node: Node::File { digest, .. }, .. }) = &mut changes.changes[2] {
            *digest = Some(Digest::of_bytes(b"hello"));
        }
        let inventory = Inventory { held: BTreeSet::from([2]), ..Inventory::default() };
        assert!(wanted(&changes, &inventory).is_empty());
        assert_eq!(with_digests(&changes, &inventory).expect("complete"), changes);
        assert_eq!(counts(&Manifest::default(), &changes, &inventory), SetCounts { deleted: 1, ..SetCounts::default() });
    }

    #[test]
    fn other_content_than_the_source_told_is_named() {
        let mut changes = plan_of(&[5]);
        if let Change::Put(Entry { node: Node::File { digest, .. }, .. }) = &mut changes.changes[2] {
            *digest = Some(Digest::of_bytes(b"hello"));
        }
        let pieces = BTreeMap::from([(Slot { file: 2, piece: 0 }, Digest::of_bytes(b"jello"))]);
        let trouble = with_digests(&changes, &Inventory { pieces, ..Inventory::default() }).expect_err("refused");
        assert_eq!((trouble.kind, trouble.object.as_str()), (TroubleKind::Corrupt, "f0"));
    }

    #[test]
    fn a_full_copy_over_an_old_state_deletes_what_it_does_not_have() {
        let live = [directory(""), directory("gone"), directory("gone/deep"), file("gone/deep/x", 1), file("kept", 1), file("turned", 1)];
        let live = Manifest { entries: live.into_iter().map(|entry| (entry.path.clone(), entry)).collect() };
        let full = ChangeSet { changes: [directory(""), file("kept", 2), directory("turned")].map(Change::Put).to_vec() };
        let told = against_live(&live, &full);
        assert_eq!(told.changes[..3], full.changes[..]);
        assert_eq!(told.changes[3..], [Change::Delete { path: path("gone") }, Change::Delete { path: path("turned") }]);
    }
}
