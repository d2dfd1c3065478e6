//! Where a live tree is not what a manifest says, in words. Pure.

use super::meta::differences;
use crate::domain::{Entry, Manifest, Node};

/// The most lines told.
const LINES: usize = 20;

/// The differences; a directory's time is left out, for what it would tell is told by what is in it.
pub fn tell(expected: &Manifest, live: &Manifest) -> Vec<String> {
    let gone =
        expected.entries.values().filter(|entry| !live.entries.contains_key(&entry.path)).map(|entry| format!("{} is gone", shown(entry)));
    let other = live.entries.values().filter_map(|found| match expected.entries.get(&found.path) {
        None => Some(format!("{} is not of the last recovery point", shown(found))),
        Some(wanted) => compare(wanted, found),
    });
    let mut lines: Vec<String> = gone.chain(other).take(LINES + 1).collect();
    if lines.len() > LINES {
        lines.truncate(LINES - 1);
        lines.push("and more".into());
    }
    lines
}

fn compare(wanted: &Entry, found: &Entry) -> Option<String> {
    let mut told = Vec::new();
    match (&wanted.node, &found.node) {
        (Node::File { bytes: wanted, .. }, Node::File { bytes: found, .. }) if wanted != found => {
            told.push(format!("{found} bytes instead of {wanted}"))
        }
        (Node::File { .. }, Node::File { .. }) | (Node::Directory, Node::Directory) => {}
        (wanted, found) if wanted != found => told.push("it is something else".to_owned()),
        _ => {}
    }
    if wanted.is_file() && wanted.meta.modified_ns != found.meta.modified_ns {
        told.push("it was written to".into());
    }
    if !matches!(wanted.node, Node::Link { .. }) {
        told.extend(differences(&wanted.meta, &found.meta));
    }
    (!told.is_empty()).then(|| format!("{}: {}", shown(found), told.join(", ")))
}

fn shown(entry: &Entry) -> String {
    if entry.path.is_root() { "the root directory".into() } else { format!("{:?}", entry.path.as_str()) }
}
