//! A manifest as text for the ledger: one entry a line, in path order, so that equal manifests have equal texts and digests.

use crate::domain::{Digest, Entry, Manifest, Trouble, TroubleKind};

/// The text of a manifest.
pub fn to_text(manifest: &Manifest) -> Result<Vec<u8>, Trouble> {
    let mut text = Vec::new();
    for entry in manifest.entries.values() {
        serde_json::to_writer(&mut text, entry).map_err(|e| Trouble::new(TroubleKind::Failed, "manifest", e))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// The manifest of a text that `to_text` made; `digest` is that of the text.
pub fn from_text(text: &[u8]) -> Result<(Manifest, Digest), Trouble> {
    let mut manifest = Manifest::default();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let entry: Entry = serde_json::from_slice(line).map_err(|e| Trouble::new(TroubleKind::Corrupt, "manifest", e))?;
        manifest.entries.insert(entry.path.clone(), entry);
    }
    Ok((manifest, Digest::of_bytes(text)))
}
