//! What this HDFS, as a target, says of a data set before its first byte.
//!
//! ```text
//! the NameNode's settings at /conf, snapshot roots, quotas, zones, room → Facts ┐
//! the plan, where there is one                                         → Need  ┴→ obstacles: pure
//! ```

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::config::parse_settings;
use super::error::HdfsError;
use super::listing::full;
use super::need::{Most, Need};
use super::obstacles::HdfsObstacle as O;
use super::quota::{Amount, Usage, short, upwards};
use super::roots::{Known, is_inside};
use super::status::status_if_there;
use super::webhdfs::Operation;
use super::{HOME, Hdfs};
use crate::components::admission::{Admission, Occasion};
use crate::domain::admission::Obstacle;
use crate::domain::{RelPath, Trouble};

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
struct Nested {
    root: String,
    is_above: bool,
    /// How many; `None`: it was not told.
    snapshots: Option<u64>,
    /// All of them are ours, or it is marked as ours.
    ours: bool,
}

/// What the cluster told.
#[derive(Debug, Clone, Default)]
struct Facts {
    /// The NameNode's; empty where it does not tell them, which forbids nothing.
    settings: BTreeMap<String, String>,
    nested: Vec<Nested>,
    /// The target's and of every directory above it, the root's last; and of our own home.
    quotas: Vec<(String, Usage)>,
    /// What of the plan is staged already.
    staged: Amount,
    /// The erasure-coding policy of new files in our home.
    home_policy: Option<String>,
    /// The same at the target.
    target_policy: Option<String>,
    /// Places in an encryption zone.
    encrypted: Vec<String>,
    free_bytes: Option<u64>,
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

/// The decision: everything that stands in the way of a target at `set`, and what is good to know.
fn obstacles(set: &str, facts: &Facts, need: Option<&Need>, is_policy: bool) -> Vec<O> {
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
        found.extend(room(set, facts, need));
    }
    found
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
    if need.striped > 0 {
        found.push(O::FilesUnstriped { path: set.to_owned(), files: need.striped, copies: facts.copies() });
    }
    found
}

/// Quotas at every level, and the cluster's room. What is staged already counts in the root's quota and in our home's.
fn room(set: &str, facts: &Facts, need: &Need) -> Vec<O> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let all = Amount { names: signed(need.names), bytes: signed(need.space(facts.copies())) };
    let left = Amount { names: (all.names - facts.staged.names).max(0), bytes: (all.bytes - facts.staged.bytes).max(0) };
    let too_small = facts.quotas.iter().filter_map(|(directory, usage)| {
        let is_target = directory != "/" && (set == directory || set.starts_with(&format!("{directory}/")));
        Some(O::of_quota(directory, short(usage, if is_target { all } else { left })?))
    });
    let mut found: Vec<O> = too_small.collect();
    let needed = left.bytes.unsigned_abs();
    found.extend(facts.free_bytes.filter(|free| *free < needed).map(|free| O::RoomTooSmall { free, needed }));
    found
}

impl Hdfs {
    /// Looks before the first byte of a data set that is to be at `set`.
    pub(super) async fn look_before(&self, set: &str, occasion: Occasion<'_>) -> Result<Vec<O>, Trouble> {
        self.check_set(set)?;
        let is_policy = matches!(occasion, Occasion::Policy);
        if !is_policy {
            self.keep_home_whole().await?;
        }
        let (need, staged) = match occasion {
            Occasion::Plan { point, changes, after } => (Some(Need::of(changes, after)), self.staged(set, point).await?),
            Occasion::Policy | Occasion::Run => (None, Amount::default()),
        };
        let facts = Facts { staged, ..self.facts(set).await? };
        Ok(obstacles(set, &facts, need.as_ref(), is_policy))
    }

    async fn facts(&self, set: &str) -> Result<Facts, Trouble> {
        let mut facts = Facts { settings: self.settings().await, nested: self.nested_roots(set).await?, ..Facts::default() };
        let directories: Vec<&str> = upwards(set).chain([HOME]).collect();
        for directory in directories {
            facts.quotas.extend(self.usage(directory).await?.map(|usage| (directory.to_owned(), usage)));
        }
        for (place, is_home) in [(set, false), (HOME, true)] {
            let Some((is_encrypted, policy)) = self.nearest(place).await? else { continue };
            *(if is_home { &mut facts.home_policy } else { &mut facts.target_policy }) = policy;
            facts.encrypted.extend(is_encrypted.then(|| place.to_owned()));
        }
        let bean = self.web.page("/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo", self.web.limits().call).await;
        let bean = bean.ok().and_then(|page| serde_json::from_str::<serde_json::Value>(&page).ok());
        facts.free_bytes = bean.and_then(|bean| bean["beans"][0]["Free"].as_u64());
        Ok(facts)
    }

    /// The NameNode's settings as it runs; none where they cannot be read. All of them: of one that it has not a NameNode says so and closes
    /// the connection without a word, which the next request then meets.
    pub(super) async fn settings(&self) -> BTreeMap<String, String> {
        let page = self.web.page("/conf?format=xml", self.web.limits().call).await.ok();
        page.and_then(|page| parse_settings(&page).ok()).unwrap_or_default()
    }

    /// Of a place, or the nearest directory above it that is there: whether it is in an encryption zone, and the policy of new files.
    async fn nearest(&self, place: &str) -> Result<Option<(bool, Option<String>)>, Trouble> {
        let paths: Vec<&str> = upwards(place).collect();
        for path in paths {
            if let Some(status) = status_if_there(&self.web, path).await.map_err(|error| error.about(self.object(path)))? {
                return Ok(Some((status.enc_bit, status.striping().map(str::to_owned))));
            }
        }
        Ok(None)
    }

    /// Our own files are never striped, whatever policy the root has: a piece is made durable before its digest is told.
    async fn keep_home_whole(&self) -> Result<(), Trouble> {
        let about = |error: HdfsError| error.about(self.object(HOME));
        if self.nearest(HOME).await?.is_none_or(|(_, policy)| policy.is_none()) {
            return Ok(());
        }
        self.web.run(Operation::put("MKDIRS", HOME).with("permission", "700")).await.map_err(about)?;
        match self.web.run(Operation::put("SETECPOLICY", HOME).with("ecpolicy", "REPLICATION")).await {
            // Where it cannot be had the next look tells why nothing can be staged.
            Err(error) if !error.is_remote() => Err(about(error)),
            _ => Ok(()),
        }
    }

    /// Directories above and below that may have snapshots, and are in the way: one above that we allowed for what lies in it is shared, and
    /// one of ours without a snapshot makes way.
    async fn nested_roots(&self, set: &str) -> Result<Vec<Nested>, Trouble> {
        let known = self.known_roots(&[set.to_owned()]).await?.into_iter().filter(|root| root.path != set);
        let nested = known.filter(|root| !(root.is_free() || root.shared && is_inside(set, &root.path)));
        Ok(nested.map(|root| nested_root(set, root)).collect())
    }
}

fn nested_root(set: &str, root: Known) -> Nested {
    Nested { is_above: is_inside(set, &root.path), snapshots: Some(root.snapshots as u64), ours: root.ours, root: root.path }
}

#[async_trait]
impl Admission for Hdfs {
    async fn places(&self, set: &str) -> Result<Vec<String>, Trouble> {
        self.check_set(set)?;
        Ok(vec![self.place(set)])
    }

    async fn obstacles(&self, set: &str, occasion: Occasion<'_>) -> Result<Vec<Obstacle>, Trouble> {
        let found = self.look_before(set, occasion).await?;
        Ok(found.iter().map(|obstacle| obstacle.told(|path| self.object(path))).collect())
    }
}

#[cfg(test)]
mod tests;
