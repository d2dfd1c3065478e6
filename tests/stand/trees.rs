//! Directory trees to back up: awkward ones to begin with, changes to make, and a listing that is equal only when the trees are.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// Path → mode, length, modification time in nanoseconds, BLAKE3 of the content.
pub type Listing = BTreeMap<String, (u32, u64, i128, String)>;

/// Everything below `root`, but for what a fence changes while it stands: who may write to folders.
pub fn listing(root: &Path) -> Listing {
    let mut listing = exact(root);
    listing.values_mut().filter(|(mode, ..)| mode & 0o170_000 == 0o040_000).for_each(|(mode, ..)| *mode &= !0o222);
    listing
}

/// Everything below `root`.
pub fn exact(root: &Path) -> Listing {
    let mut listing = Listing::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = std::fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
            let hash = if meta.is_file() { blake3::hash(&std::fs::read(&path).unwrap()).to_string() } else { String::new() };
            listing.insert(name, (meta.mode(), if meta.is_file() { meta.len() } else { 0 }, changed, hash));
            if meta.is_dir() {
                folders.push(path);
            }
        }
    }
    listing
}

/// Fails with at most five lines where two trees differ.
#[track_caller]
pub fn assert_same(one: &Listing, other: &Listing) {
    let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differing = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
    let lines: Vec<_> = differing.take(5).map(|name| format!("{name}: {:?} / {:?}", one.get(name), other.get(name))).collect();
    assert!(lines.is_empty(), "the trees differ: {lines:#?}");
}

/// A tree of `files` files with awkward names, modes and sizes.
pub fn make(root: &Path, files: usize) {
    let folders = ["plain", "with space", "per%cent", "quo'te\"", "ünïcødé ☃", "empty", "a/b/c"];
    for folder in folders {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for number in 0..files {
        let folder = folders[number % 5];
        let bytes = match number % 7 {
            0 => 0,
            1 => 100_000,
            _ => 100 + number,
        };
        let path = root.join(folder).join(format!("file {number} %41 ö.bin"));
        std::fs::write(&path, content(number, bytes)).unwrap();
        let mode = [0o644, 0o600, 0o640, 0o755][number % 4];
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    std::fs::write(root.join("a/b/c/deep"), "deep").unwrap();
}

/// Changes a tree in every way that a later run must carry over; `round` makes them differ from the ones before.
pub fn change(root: &Path, round: usize) {
    let path = |number: usize| {
        root.join(["plain", "with space", "per%cent", "quo'te\"", "ünïcødé ☃"][number % 5]).join(format!("file {number} %41 ö.bin"))
    };
    // The same length, other bytes.
    std::fs::write(path(2), content(1_000 + round, 102)).unwrap();
    std::fs::write(path(3), content(round, 3_000 + round)).unwrap();
    std::fs::set_permissions(path(4), std::fs::Permissions::from_mode([0o600, 0o644][round % 2])).unwrap();
    std::fs::write(root.join(format!("plain/new {round}")), content(round, 50_000)).unwrap();
    let before = root.join(format!("plain/new {}", round.wrapping_sub(1)));
    if before.exists() {
        std::fs::rename(before, root.join(format!("with space/moved {round}"))).unwrap();
    }
    let (from, to) = if round.is_multiple_of(2) { ("a/b", "a/moved folder") } else { ("a/moved folder", "a/b") };
    std::fs::rename(root.join(from), root.join(to)).unwrap();
    let gone = path(10 + round);
    if gone.exists() {
        std::fs::remove_file(gone).unwrap();
    }
}

fn content(seed: usize, bytes: usize) -> Vec<u8> {
    let mut block = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut block);
    block
}
