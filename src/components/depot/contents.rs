//! Which content a kept manifest names, beside it and in a form that is read in no time: a collection looks at every kept point, and
//! would otherwise read all their manifests each time.
//!
//! `POINT.jsonl` (the truth) → `POINT.contents`: 32 bytes a digest, then the hash of them all and of the manifest's length. One that is
//! missing, cut or of another manifest is made again.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::read_lines;
use crate::components::objects::{io_trouble, remove_file};
use crate::domain::{Digest, Entry, Node, Trouble};

/// A manifest's line, of a capture or of a sealed point.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Seen { entry: Entry },
    Entry(Entry),
}

/// The digests that a manifest names.
pub fn of(manifest: &Path) -> Result<Vec<Digest>, Trouble> {
    let length = match fs::metadata(manifest) {
        Ok(found) => found.len(),
        // Released meanwhile.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(io_trouble(manifest, "look at", &e)),
    };
    let beside = beside(manifest);
    if let Some(digests) = fs::read(&beside).ok().and_then(|bytes| decode(&bytes, length)) {
        return Ok(digests);
    }
    let lines = read_lines::<Line>(manifest)?.unwrap_or_default();
    let named: BTreeSet<Digest> = lines.iter().filter_map(|line| named_by(line.entry())).collect();
    let named: Vec<Digest> = named.into_iter().collect();
    // It saves time and nothing else: a disk that is full must not keep content from being collected.
    if let Err(error) = fs::write(&beside, encode(&named, length)) {
        tracing::debug!(%error, path = %beside.display(), "the list of contents is not kept");
    }
    Ok(named)
}

/// The content that an entry names.
pub fn named_by(entry: &Entry) -> Option<Digest> {
    match entry.node {
        Node::File { digest, .. } => digest,
        _ => None,
    }
}

/// Forgets what was kept of a manifest that changes or goes.
pub fn forget(manifest: &Path) -> Result<(), Trouble> {
    remove_file(&beside(manifest)).map(drop)
}

fn beside(manifest: &Path) -> PathBuf {
    manifest.with_extension("contents")
}

fn seal(digests: &[u8], length: u64) -> [u8; 32] {
    *blake3::Hasher::new().update(digests).update(&length.to_le_bytes()).finalize().as_bytes()
}

fn encode(digests: &[Digest], length: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = digests.iter().flat_map(|digest| digest.0).collect();
    let seal = seal(&bytes, length);
    bytes.extend(seal);
    bytes
}

fn decode(bytes: &[u8], length: u64) -> Option<Vec<Digest>> {
    let (digests, told) = bytes.split_last_chunk::<32>()?;
    let (chunks, rest) = digests.as_chunks::<32>();
    (rest.is_empty() && seal(digests, length) == *told).then(|| chunks.iter().map(|digest| Digest(*digest)).collect())
}

impl Line {
    fn entry(&self) -> &Entry {
        match self {
            Line::Seen { entry } | Line::Entry(entry) => entry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Metadata, RelPath};

    #[test]
    fn what_is_kept_beside_a_manifest_is_believed_only_while_it_is_whole_and_of_that_manifest() {
        let dir = tempfile::tempdir().expect("a directory");
        let manifest = dir.path().join("p.jsonl");
        let write = |contents: &[&[u8]]| {
            let line = |content: &&[u8]| {
                let node = Node::File { bytes: content.len() as u64, digest: Some(Digest::of_bytes(content)) };
                let entry = Entry { path: RelPath::new("a").expect("a path"), node, meta: Metadata::default() };
                serde_json::to_string(&entry).expect("JSON") + "\n"
            };
            fs::write(&manifest, contents.iter().map(line).collect::<String>()).expect("written");
        };
        write(&[b"one"]);
        assert_eq!(of(&manifest), Ok(vec![Digest::of_bytes(b"one")]));
        let kept = fs::read(beside(&manifest)).expect("kept");
        // Read from beside it: the manifest itself is not looked into.
        fs::write(&manifest, vec![b'x'; fs::read(&manifest).expect("there").len()]).expect("written");
        assert_eq!(of(&manifest), Ok(vec![Digest::of_bytes(b"one")]));
        write(&[b"two", b"three"]);
        assert_eq!(of(&manifest).map(|all| all.len()), Ok(2), "another manifest");
        write(&[b"one"]);
        fs::write(beside(&manifest), &kept[..40]).expect("cut");
        assert_eq!(of(&manifest), Ok(vec![Digest::of_bytes(b"one")]), "cut");
        forget(&manifest).expect("forgotten");
        assert!(!beside(&manifest).exists());
    }
}
