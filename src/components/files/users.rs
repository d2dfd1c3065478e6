//! User data of files: owner, group and mode of every directory of the data sets, as permissions.

use std::collections::BTreeMap;

use super::fence::Fence;
use super::meta::{self, Names};
use super::privileges::{self, Privilege, SETID};
use super::tree::Tree;
use super::walk::Look;
use super::{Inner, fence};
use crate::domain::user_data::{UserDataAction, UserDataChange, UserDataKey, UserDataKind};
use crate::domain::{Entry, Manifest, Node, RelPath, Trouble, TroubleKind};

/// The most directories told of.
const DIRECTORIES: usize = 10_000;
/// What is left of the rights on a directory that the primary no longer has.
const NOBODY_ELSE: u32 = 0o700;

/// The permissions of the data sets; of sealed ones those that their manifests tell.
pub(super) fn read(inner: &Inner, sets: &[String], sealed: &BTreeMap<String, Manifest>) -> Result<BTreeMap<UserDataKey, String>, Trouble> {
    let (names, mut items, mut count) = (Names::load(), BTreeMap::new(), 0);
    for set in sets {
        let live = match sealed.get(set) {
            Some(manifest) => manifest.clone(),
            None => match Tree::open(&inner.root, &inner.data_set(set)?)? {
                Some(tree) => inner.live(&tree, set, Look::Numbers, &names)?,
                None => continue,
            },
        };
        for entry in live.entries.values().filter(|entry| entry.node == Node::Directory) {
            count += 1;
            if count > DIRECTORIES {
                tracing::warn!(component = %inner.name, "more than {DIRECTORIES} directories: the permissions of the rest travel with the backups only");
                return Ok(items);
            }
            let object = if entry.path.is_root() { set.clone() } else { format!("{set}/{}", entry.path) };
            let told =
                [("owner", entry.meta.owner.clone()), ("group", entry.meta.group.clone()), ("mode", format!("{:04o}", entry.meta.mode))];
            items.extend(told.map(|(principal, value)| (key(inner, &object, principal), value)));
        }
    }
    Ok(items)
}

fn key(inner: &Inner, object: &str, principal: &str) -> UserDataKey {
    UserDataKey {
        component: inner.name.clone(),
        kind: UserDataKind::Permission,
        object: object.to_owned(),
        principal: principal.to_owned(),
    }
}

/// Refuses a change that is none of a directory's permissions, or that would give a privilege. Changes nothing.
pub(super) fn may_adjust(inner: &Inner, change: &UserDataChange) -> Result<(), Trouble> {
    let object = format!("{} of {}", change.key.principal, inner.depot.object(&change.key.object));
    let refused = |reason: String| Trouble::new(TroubleKind::Refused, &object, reason);
    let value = if change.action == UserDataAction::Remove { None } else { change.primary.as_deref() };
    match (change.key.principal.as_str(), value) {
        ("owner", Some(owner)) if !inner.allowed.contains(&Privilege::RootOwner) && Names::load().is_superuser(owner) => {
            Err(refused(format!("{owner:?} is the superuser of this host"))
                .next("add \"root-owner\" to `allow` of this component in agent.toml on this host, and start the agent again"))
        }
        ("mode", Some(text)) => {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            let mode = mode.ok_or_else(|| refused(format!("{text:?} is no mode")))?;
            // Only a directory's: what is no directory, or not known yet, gets no such bits by this way.
            if mode & SETID != 0
                && let Ok((set, path)) = locate(inner, &change.key.object)
                && let Some((_, manifest)) = inner.depot.newest_sealed(&set)?
                && manifest.entries.get(&path).is_some_and(|entry| entry.node != Node::Directory)
            {
                return Err(refused(format!("mode {mode:04o} would make a program run as its owner or group"))
                    .next("user data are the rights of directories; look at the primary's agent"));
            }
            Ok(())
        }
        ("owner" | "group", _) | ("mode", None) => Ok(()),
        _ => Err(refused("there is no such permission of a file".into())),
    }
}

/// Changes one permission of a directory of a sealed data set. Returns the entry as it is from now on.
pub(super) fn adjust(inner: &Inner, change: &UserDataChange) -> Result<Vec<(String, Entry)>, Trouble> {
    let object = format!("{} of {}", change.key.principal, inner.depot.object(&change.key.object));
    if change.key.kind != UserDataKind::Permission {
        return Err(Trouble::new(TroubleKind::Invalid, object, "files keep no users, groups or tenants"));
    }
    let (set, path) = locate(inner, &change.key.object)?;
    let lock = inner.depot.lock(&set);
    let _alone = lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some((point, mut manifest)) = inner.depot.newest_sealed(&set)? else { return Ok(Vec::new()) };
    // A directory that is new on the primary comes, with its rights, with the next recovery point.
    let Some(entry) = manifest.entries.get_mut(&path) else { return Ok(Vec::new()) };
    if entry.node != Node::Directory {
        return Err(Trouble::new(TroubleKind::Refused, object, "it is no directory: user data are the rights of directories"));
    }
    let wanted = if change.action == UserDataAction::Remove { None } else { change.primary.as_deref() };
    match (change.key.principal.as_str(), wanted) {
        ("mode", Some(text)) => {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            entry.meta.mode = mode.ok_or_else(|| Trouble::new(TroubleKind::Invalid, &object, format!("{text:?} is no mode")))?;
        }
        ("mode", None) => entry.meta.mode &= NOBODY_ELSE,
        ("owner", Some(name)) => entry.meta.owner = name.to_owned(),
        ("group", Some(name)) => entry.meta.group = name.to_owned(),
        // The directory went on the primary; who it belongs to matters no more once the mode shuts the others out.
        ("owner" | "group", None) => {}
        _ => return Err(Trouble::new(TroubleKind::Invalid, &object, "there is no such permission of a file")),
    }
    let entry = entry.clone();
    privileges::check(std::iter::once(&entry), &Names::load(), &inner.allowed, &object)?;
    give_live(inner, &set, &entry)?;
    inner.depot.keep_sealed(&set, point, &manifest)?;
    Ok(vec![(set, entry)])
}

/// Brings the live directory to the entry, under the fence where there is one: its root keeps what the fence needs.
fn give_live(inner: &Inner, set: &str, entry: &Entry) -> Result<(), Trouble> {
    let Some(tree) = Tree::open(&inner.root, &inner.data_set(set)?)? else { return Ok(()) };
    let (names, fence) = (Names::load(), Fence::load(&inner.depot, set)?);
    match fence {
        None if entry.path.is_root() => fence::unset(&tree, &inner.depot, set, Some(entry), &names),
        None => meta::give(&tree, &entry.path, entry, &names, &inner.allowed),
        Some(mut fence) => {
            // Remembered first: a crash in between leaves a fence that is lifted to the new rights.
            if entry.path.is_root() {
                fence.root = entry.meta.clone();
                return fence.save(&inner.depot, set);
            }
            fence.modes.insert(entry.path.clone(), entry.meta.mode);
            fence.save(&inner.depot, set)?;
            fence::give_below(&tree, entry, &names)
        }
    }
}

/// Which data set a permission's object lies in, and where.
fn locate(inner: &Inner, object: &str) -> Result<(String, RelPath), Trouble> {
    let bad = |e: &dyn std::fmt::Display| Trouble::new(TroubleKind::Invalid, inner.depot.object(object), e);
    let sets = inner.depot.sets()?;
    let holder =
        sets.into_iter().filter(|set| object.strip_prefix(set.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    let set = holder.max_by_key(String::len).ok_or_else(|| bad(&"it lies in no data set that is backed up here"))?;
    let path = RelPath::new(object[set.len()..].trim_start_matches('/')).map_err(|e| bad(&e))?;
    Ok((set, path))
}
