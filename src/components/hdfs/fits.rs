//! What a target's settings, quotas and neighbours mean for what a plan will ask of it. Pure.

use std::collections::BTreeMap;

use super::HOME;
use super::listing::full;
use super::need::{Most, Need};
use super::obstacles::HdfsObstacle as O;
use super::quota::{Amount, Usage, short};
use crate::domain::RelPath;

/// What a NameNode takes of a path, in UTF-16 units and in names; no setting changes it.
const PATH_UNITS: u64 = 8_000;
const PATH_NAMES: u64 = 1_000;
/// What WebHDFS takes as an ACL unless it is told otherwise: plain names only.
const ACL_PATTERN: &str = "^(default:)?(user|group|mask|other):[[A-Za-z_][A-Za-z0-9._-]]*:([rwx-]{3})?(,(default:)?(user|group|mask|\
                           other):[[A-Za-z_][A-Za-z0-9._-]]*:([rwx-]{3})?)*$";
/// Nested snapshot roots that are told.
const ROOTS_TOLD: usize = 4;
/// The longest name of our own: a point's parking directory.
const OWN_NAME_BYTES: u64 = 64;

/// A directory above or below a target that has snapshots, or may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nested {
    pub(super) root: String,
    pub(super) is_above: bool,
    /// How many; `None`: it was not told.
    pub(super) snapshots: Option<u64>,
    /// All of them are ours, or it is marked as ours.
    pub(super) ours: bool,
}

/// What the cluster told.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The NameNode's; empty where it does not tell them, which forbids nothing.
    pub(super) settings: BTreeMap<String, String>,
    pub(super) nested: Vec<Nested>,
    /// The target's and of every directory above it, the root's last; and of our own home.
    pub(super) quotas: Vec<(String, Usage)>,
    /// What of the plan is staged already.
    pub(super) staged: Amount,
    /// The erasure-coding policy of new files in our home.
    pub(super) home_policy: Option<String>,
    /// The same at the target.
    pub(super) target_policy: Option<String>,
    /// Places in an encryption zone.
    pub(super) encrypted: Vec<String>,
    pub(super) is_home_encrypted: bool,
    pub(super) free_bytes: Option<u64>,
}

impl Facts {
    fn is(&self, setting: &str, value: &str) -> bool {
        self.settings.get(setting).is_some_and(|told| told.eq_ignore_ascii_case(value))
    }

    /// A number, also with a unit as Hadoop writes them.
    fn number(&self, setting: &str) -> Option<u64> {
        let text = self.settings.get(setting)?.to_ascii_lowercase();
        let shift = match text.chars().last()? {
            'k' => 10,
            'm' => 20,
            'g' => 30,
            't' => 40,
            _ => 0,
        };
        let digits = if shift == 0 { text.as_str() } else { &text[..text.len() - 1] };
        digits.parse::<u64>().ok()?.checked_shl(shift)
    }

    /// Copies of a file that asks for no number.
    fn copies(&self) -> u64 {
        self.number("dfs.replication").unwrap_or(3).max(1)
    }
}

/// What a place is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::components) enum Kept {
    /// A data set's directory: marked, fenced, with snapshots of ours.
    Directory,
    /// The same, of a component that minds snapshot roots itself.
    Tree,
    /// Another program's own directory, into which files are only moved.
    Store,
}

/// A directory at the target, and what a plan brings into it.
#[derive(Debug, Clone)]
pub(in crate::components) struct Place {
    pub(in crate::components) path: String,
    pub(in crate::components) need: Option<Need>,
}

/// The decision: everything that stands in the way of a target at `set`, and what is good to know; its room aside.
pub(super) fn obstacles_at(set: &str, facts: &Facts, need: Option<&Need>, is_policy: bool) -> Vec<O> {
    let mut found = features(facts, is_policy);
    let nested = facts.nested.iter().take(ROOTS_TOLD).cloned();
    found.extend(nested.map(|Nested { root, is_above, snapshots, ours }| {
        let path = set.to_owned();
        O::SnapshotRootNested { path, root, is_above, snapshots, ours }
    }));
    found.extend(facts.encrypted.iter().map(|path| O::EncryptionZone { path: path.clone() }));
    // A run gives our home a policy of its own.
    let home = facts.home_policy.clone().filter(|_| !is_policy);
    found.extend(home.map(|policy| O::StagingStriped { path: HOME.to_owned(), policy }));
    found.extend(facts.target_policy.clone().map(|policy| O::TargetStriped { path: set.to_owned(), policy }));
    if let Some(need) = need {
        found.extend(labels(set, facts, need));
        found.extend(shapes(set, facts, need));
    }
    found
}

/// Whether an obstacle of a place is one for what it is to be.
pub(super) fn matters(kept: Kept, found: &O, facts: &Facts) -> bool {
    let is_of_roots = matches!(found, O::SnapshotRootNested { .. });
    match kept {
        Kept::Directory => true,
        Kept::Tree => !is_of_roots,
        Kept::Store => match found {
            // Only into a directory that has snapshots nothing may be moved.
            O::SnapshotsOrdered { .. } => facts.nested.iter().any(|nested| nested.is_above),
            O::AttributesOff { .. }
            | O::PermissionsOff { .. }
            | O::AccessTimesOff { .. }
            | O::SnapshotsKeptInOrder { .. }
            | O::FilesUnstriped { .. } => false,
            _ => !is_of_roots,
        },
    }
}

/// What is switched off, or on.
fn features(facts: &Facts, is_policy: bool) -> Vec<O> {
    let (ordered, trash) = ("dfs.namenode.snapshot.deletion.ordered", "dfs.namenode.snapshot.trashroot.enabled");
    let off = |setting: &'static str, obstacle: fn(&'static str) -> O| facts.is(setting, "false").then(|| obstacle(setting));
    let mut found = Vec::new();
    found.extend(off("dfs.namenode.xattrs.enabled", |setting| O::AttributesOff { setting }));
    found.extend(off("dfs.permissions.enabled", |setting| O::PermissionsOff { setting }));
    if facts.is(ordered, "true") {
        let both = facts.is(trash, "true");
        found.push(if both { O::SnapshotsOrdered { settings: [ordered, trash] } } else { O::SnapshotsKeptInOrder { setting: ordered } });
    }
    let precision = "dfs.namenode.accesstime.precision";
    if is_policy && facts.number(precision) == Some(0) {
        found.push(O::AccessTimesOff { setting: precision });
    }
    found
}

/// ACLs and attributes.
fn labels(set: &str, facts: &Facts, need: &Need) -> Vec<O> {
    let mut found = Vec::new();
    let acls = "dfs.namenode.acls.enabled";
    if let Some((path, entries)) = need.acl.as_ref().filter(|_| facts.is(acls, "false")) {
        found.push(O::AclsOff { path: full(set, path), entries: *entries, setting: acls });
    }
    // Whoever gave it another pattern did so for such names.
    let pattern = "dfs.webhdfs.acl.provider.permission.pattern";
    let is_usual = facts.settings.get(pattern).is_some_and(|told| told == ACL_PATTERN);
    if let Some((path, entry)) = need.odd_acl.as_ref().filter(|_| is_usual) {
        found.push(O::AclNameUnfit { path: full(set, path), entry: entry.clone(), setting: pattern });
    }
    let many = "dfs.namenode.fs-limits.max-xattrs-per-inode";
    found.extend(above(set, facts, &need.attributes, many).map(|(path, attributes, limit)| {
        let setting = many;
        O::AttributesTooMany { path, attributes, limit, setting }
    }));
    let large = "dfs.namenode.fs-limits.max-xattr-size";
    found.extend(above(set, facts, &need.attribute_bytes, large).map(|(path, bytes, limit)| {
        let setting = large;
        O::AttributeTooLarge { path, bytes, limit, setting }
    }));
    found
}

/// What is more than a setting allows; 0 and no such setting allow all.
fn above(set: &str, facts: &Facts, most: &Most, setting: &str) -> Option<(String, u64, u64)> {
    let limit = facts.number(setting).filter(|limit| *limit > 0)?;
    most.as_ref().filter(|(_, count)| *count > limit).map(|(path, count)| (full(set, path), *count, limit))
}

/// What is less than a setting asks.
fn under(set: &str, facts: &Facts, least: &Most, setting: &str) -> Option<(String, u64, u64)> {
    let limit = facts.number(setting)?;
    least.as_ref().filter(|(_, count)| *count < limit).map(|(path, count)| (full(set, path), *count, limit))
}

/// Names, paths, directories, blocks, copies.
fn shapes(set: &str, facts: &Facts, need: &Need) -> Vec<O> {
    let mut found = Vec::new();
    let setting = "dfs.namenode.fs-limits.max-component-length";
    let own = Some((RelPath::root(), OWN_NAME_BYTES));
    for name in [&need.name, &own] {
        found.extend(above(set, facts, name, setting).map(|(path, bytes, limit)| O::NameTooLong { path, bytes, limit, setting }));
    }
    let root = (set.encode_utf16().count() + 1, set.split('/').count() - 1);
    found.extend(
        need.path
            .as_ref()
            .map(|(path, units)| (path, units + root.0 as u64))
            .filter(|(_, units)| *units > PATH_UNITS)
            .map(|(path, characters)| O::PathTooLong { path: full(set, path), characters, limit: PATH_UNITS }),
    );
    found.extend(
        need.depth
            .as_ref()
            .map(|(path, names)| (path, names + root.1 as u64))
            .filter(|(_, names)| *names > PATH_NAMES)
            .map(|(path, names)| O::PathTooDeep { path: full(set, path), names, limit: PATH_NAMES }),
    );
    let setting = "dfs.namenode.fs-limits.max-directory-items";
    let parked = Some((RelPath::root(), need.parked));
    for most in [&need.children, &parked] {
        let too_full = above(set, facts, most, setting);
        found.extend(too_full.map(|(path, entries, limit)| O::DirectoryTooFull { path, entries, limit, setting }));
    }
    let staging = above(HOME, facts, &Some((RelPath::root(), need.pieces)), setting);
    found.extend(staging.map(|(path, entries, limit)| O::DirectoryTooFull { path, entries, limit, setting }));
    let setting = "dfs.namenode.fs-limits.min-block-size";
    let small = under(set, facts, &need.smallest_block, setting);
    found.extend(small.map(|(path, bytes, limit)| O::BlockTooSmall { path, bytes, limit, setting }));
    let setting = "dfs.namenode.fs-limits.max-blocks-per-file";
    found.extend(above(set, facts, &need.blocks, setting).map(|(path, blocks, limit)| O::BlocksTooMany { path, blocks, limit, setting }));
    let setting = "dfs.namenode.replication.min";
    let few = under(set, facts, &need.fewest_copies, setting);
    found.extend(few.map(|(path, copies, limit)| O::CopiesTooFew { path, copies, limit, setting }));
    let setting = "dfs.replication.max";
    let many = above(set, facts, &need.most_copies, setting);
    found.extend(many.map(|(path, copies, limit)| O::CopiesTooMany { path, copies, limit, setting }));
    if let Some((path, links)) = &need.link {
        found.push(O::SymbolicLinks { path: full(set, path), links: *links });
    }
    if need.striped > 0 {
        found.push(O::FilesUnstriped { path: set.to_owned(), files: need.striped, copies: facts.copies() });
    }
    found
}

/// Quotas at every level, and the cluster's room, of everything that a plan brings. What is staged already counts in the root's quota and in
/// our home's.
pub(super) fn room(places: &[(&str, &Need)], facts: &Facts) -> Vec<O> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let sum = |chosen: &dyn Fn(&str) -> bool| {
        let chosen = places.iter().filter(|(place, _)| chosen(place));
        chosen.fold(Amount::default(), |sum, (_, need)| Amount {
            names: sum.names.saturating_add(signed(need.names)),
            bytes: sum.bytes.saturating_add(signed(need.space(facts.copies()))),
        })
    };
    let all = sum(&|_| true);
    let left = Amount { names: (all.names - facts.staged.names).max(0), bytes: (all.bytes - facts.staged.bytes).max(0) };
    let too_small = facts.quotas.iter().filter_map(|(directory, usage)| {
        let is_in = |place: &str| directory != "/" && (place == directory || place.starts_with(&format!("{directory}/")));
        let need = if places.iter().any(|(place, _)| is_in(place)) { sum(&is_in) } else { left };
        Some(O::of_quota(directory, short(usage, need)?))
    });
    let mut found: Vec<O> = too_small.collect();
    let needed = left.bytes.unsigned_abs();
    found.extend(facts.free_bytes.filter(|free| *free < needed).map(|free| O::RoomTooSmall { free, needed }));
    found
}

#[cfg(test)]
mod tests;
