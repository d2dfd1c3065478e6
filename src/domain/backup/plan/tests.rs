//! What plans promise: on a model of a live tree, a plan leads to what `fold` says, also over crashes.

use super::*;

fn path(text: &str) -> RelPath {
    RelPath::new(text).expect("a good path")
}

fn dir(text: &str) -> Entry {
    Entry { path: path(text), node: Node::Directory, meta: Default::default() }
}

fn file(text: &str, bytes: u64) -> Entry {
    Entry {
        path: path(text),
        node: Node::File { bytes, digest: Some(crate::domain::Digest::of_bytes(&bytes.to_be_bytes())) },
        meta: Default::default(),
    }
}

fn rename(from: &str, to: &str) -> Change {
    Change::Rename { from: path(from), to: path(to) }
}

#[test]
fn a_swap_of_two_directories_is_two_renames() {
    let base = Manifest::from_entries([dir(""), dir("a"), file("a/x", 1), dir("b"), file("b/y", 2)]);
    let changes = ChangeSet { changes: vec![rename("a", "b"), rename("b", "a")] };
    let new = fold(&base, &changes).expect("a swap fits");
    assert_eq!(new, Manifest::from_entries([dir(""), dir("b"), file("b/x", 1), dir("a"), file("a/y", 2)]));
}
