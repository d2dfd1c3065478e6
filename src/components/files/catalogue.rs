//! What there is to pick from, and how the tree is doing.

use rustix::fs::{Access, FileType};

use super::Inner;
use super::tree::{self, Tree, trouble};
use crate::domain::{ComponentInfo, ComponentKind, RelPath, Trouble, TroubleKind};
use crate::protocol::CatalogueItem;

/// A directory with more entries than this has no count shown.
const COUNTED_ENTRIES: u64 = 5_000;
/// The most directories listed.
const LISTED: usize = 1_000;

/// What the component is.
pub(super) fn describe(inner: &Inner) -> Result<ComponentInfo, Trouble> {
    let space = rustix::fs::statvfs(&inner.root).map_err(|e| trouble(&inner.root, "look at", e))?;
    let mut missing_rights = Vec::new();
    if rustix::fs::access(&inner.root, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        missing_rights.push(format!("the agent may not read and write {}", inner.root.display()));
    }
    Ok(ComponentInfo {
        name: inner.name.clone(),
        kind: ComponentKind::Files,
        version: String::new(),
        address: inner.root.display().to_string(),
        probe_addresses: Vec::new(),
        free_bytes: Some(space.f_bavail.saturating_mul(space.f_frsize)),
        storage: String::new(),
        copies: 1,
        used_bytes: None,
        described: true,
        kerberos: false,
        missing_rights,
    })
}

/// Whether the tree can be read.
pub(super) fn probe(inner: &Inner) -> Result<String, Trouble> {
    let tree = open(inner, &RelPath::root())?;
    tree::list(tree.fd(), &tree.place)?;
    Ok(format!("{} can be read", inner.root.display()))
}

/// The directories in a place; the empty path is the component's root.
pub(super) fn list(inner: &Inner, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
    let path = RelPath::new(path.trim_matches('/')).map_err(|e| Trouble::new(TroubleKind::Invalid, inner.depot.object(path), e))?;
    let tree = open(inner, &path)?;
    let mut items = Vec::new();
    for found in tree::list(tree.fd(), &tree.place)? {
        // What is no Unicode cannot be a data set.
        let Ok(name) = found.name else { continue };
        let Ok(child) = path.join(&name) else { continue };
        if tree::sort(&found.stat) != FileType::Directory || items.len() >= LISTED {
            continue;
        }
        let counts = Tree::open(&inner.root, &child).ok().flatten().and_then(|tree| count(&tree));
        items.push(CatalogueItem {
            component: inner.name.clone(),
            path: child.to_string(),
            label: name,
            selectable: true,
            expandable: true,
            bytes: counts.map(|(bytes, _)| bytes),
            files: counts.map(|(_, files)| files),
        });
    }
    Ok(items)
}

/// Bytes and files below, where there are not too many.
fn count(tree: &Tree) -> Option<(u64, u64)> {
    let (mut bytes, mut files, mut seen) = (0, 0, 0);
    let counted = super::walk::walk(tree, &mut |visit| {
        seen += 1;
        if seen > COUNTED_ENTRIES {
            return Err(Trouble::new(TroubleKind::Cancelled, tree.place.display(), "too many to count"));
        }
        if tree::sort(&visit.stat) == FileType::RegularFile {
            files += 1;
            bytes += u64::try_from(visit.stat.st_size).unwrap_or(0);
        }
        Ok(())
    });
    counted.is_ok().then_some((bytes, files))
}

fn open(inner: &Inner, path: &RelPath) -> Result<Tree, Trouble> {
    Tree::open(&inner.root, path)?
        .ok_or_else(|| Trouble::new(TroubleKind::NotFound, inner.root.join(path.as_str()).display(), "there is no such directory"))
}
