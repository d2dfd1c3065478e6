//! What a target's settings, quotas and neighbours forbid, and what they do not.

use super::*;
use crate::domain::{Change, ChangeSet, Entry, Manifest, Metadata, Node};

fn facts(settings: &[(&str, &str)]) -> Facts {
    Facts { settings: settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(), ..Facts::default() }
}

/// A root and one file with these labels.
fn need(bytes: u64, label: impl Fn(&mut Metadata)) -> Need {
    let path = |text: &str| RelPath::new(text).expect("a path");
    let entry = |text: &str, node: Node, meta: Metadata| Entry { path: path(text), node, meta };
    let mut meta = Metadata { mode: 0o640, replication: Some(2), block_bytes: Some(1 << 20), ..Metadata::default() };
    label(&mut meta);
    let entries = [entry("", Node::Directory, Metadata::default()), entry("a/f", Node::File { bytes, digest: None }, meta)];
    let changes = ChangeSet { changes: entries.iter().cloned().map(Change::Put).collect() };
    Need::of(&changes, &Manifest::from_entries(entries))
}

fn obstacles(set: &str, facts: &Facts, need: Option<&Need>, is_policy: bool) -> Vec<O> {
    let mut found = obstacles_at(set, facts, need, is_policy);
    found.extend(need.map(|need| room(&[(set, need)], facts)).unwrap_or_default());
    found
}

fn codes(facts: &Facts, need: Option<&Need>) -> Vec<String> {
    obstacles("/t", facts, need, false).iter().map(|found| found.trouble(str::to_owned).code().to_owned()).collect()
}

#[test]
fn what_is_switched_off_is_refused_only_where_it_is_needed() {
    let off = facts(&[("dfs.namenode.acls.enabled", "false")]);
    assert_eq!(codes(&off, Some(&need(1, |_| ()))), [""; 0]);
    assert_eq!(codes(&off, Some(&need(1, |meta| meta.acl = vec!["user:ana:r--".into()]))), ["acls-off"]);
    assert_eq!(
        codes(&facts(&[("dfs.namenode.acls.enabled", "true")]), Some(&need(1, |meta| meta.acl = vec!["user:ana:r--".into()]))),
        [""; 0]
    );
    assert_eq!(codes(&facts(&[("dfs.namenode.xattrs.enabled", "false")]), None), ["attributes-off"], "a target needs ours");
    assert_eq!(codes(&facts(&[("dfs.permissions.enabled", "False")]), None), ["permissions-off"]);
    assert_eq!(codes(&Facts::default(), Some(&need(1, |meta| meta.acl = vec!["user:ana:r--".into()]))), [""; 0], "unknown forbids nothing");
}

#[test]
fn a_name_that_webhdfs_does_not_take_is_told_where_it_takes_the_usual_ones_only() {
    let usual = facts(&[("dfs.webhdfs.acl.provider.permission.pattern", ACL_PATTERN)]);
    let with = |entry: &str| need(1, |meta| meta.acl = vec![entry.into()]);
    for good in ["user:ana:r--", "default:group::r-x", "group:a.b_c-1:rwx"] {
        assert_eq!(codes(&usual, Some(&with(good))), [""; 0], "{good}");
    }
    for odd in ["group:domain users:r-x", "default:user:零售:rwx"] {
        assert_eq!(codes(&usual, Some(&with(odd))), ["acl-name-unfit"], "{odd}");
    }
    assert_eq!(codes(&facts(&[("dfs.webhdfs.acl.provider.permission.pattern", "^.*$")]), Some(&with("group:domain users:r-x"))), [""; 0]);
}

#[test]
fn deletion_in_order_alone_is_a_note_and_with_trash_roots_a_refusal() {
    let ordered = ("dfs.namenode.snapshot.deletion.ordered", "true");
    let trash = ("dfs.namenode.snapshot.trashroot.enabled", "true");
    assert_eq!(codes(&facts(&[ordered]), None), ["snapshots-kept-in-order"]);
    assert_eq!(codes(&facts(&[trash]), None), [""; 0]);
    assert_eq!(codes(&facts(&[ordered, trash]), None), ["snapshots-ordered"]);
}

#[test]
fn every_limit_is_held_at_its_edge() {
    let at = |setting: &str, limit: &str, need: &Need| codes(&facts(&[(setting, limit)]), Some(need));
    let labelled = need(100, |meta| drop(meta.xattrs.insert("user.abc".into(), "0011".into())));
    assert_eq!(at("dfs.namenode.fs-limits.max-xattrs-per-inode", "3", &labelled), [""; 0], "ours on the root are three");
    for limit in ["2", "1"] {
        assert_eq!(at("dfs.namenode.fs-limits.max-xattrs-per-inode", limit, &labelled), ["attributes-too-many"]);
    }
    assert_eq!(at("dfs.namenode.fs-limits.max-xattr-size", "16384", &labelled), [""; 0]);
    assert_eq!(at("dfs.namenode.fs-limits.max-xattr-size", "4", &labelled), ["attribute-too-large"]);
    let plain = need(100 << 20, |_| ());
    assert_eq!(at("dfs.namenode.fs-limits.max-component-length", "64", &plain), [""; 0]);
    assert_eq!(at("dfs.namenode.fs-limits.max-component-length", "63", &plain), ["name-too-long"], "names of our own");
    assert_eq!(at("dfs.namenode.fs-limits.max-component-length", "0", &plain), [""; 0], "0 is no limit");
    assert_eq!(at("dfs.namenode.fs-limits.max-directory-items", "1", &plain), ["directory-too-full"], "two pieces in staging");
    assert_eq!(at("dfs.namenode.fs-limits.min-block-size", "1m", &plain), [""; 0]);
    assert_eq!(at("dfs.namenode.fs-limits.min-block-size", "1048577", &plain), ["block-too-small"]);
    assert_eq!(at("dfs.namenode.fs-limits.max-blocks-per-file", "64", &plain), [""; 0], "a piece has 64 MiB");
    assert_eq!(at("dfs.namenode.fs-limits.max-blocks-per-file", "63", &plain), ["blocks-too-many"]);
    assert_eq!(at("dfs.namenode.replication.min", "3", &plain), ["copies-too-few"]);
    assert_eq!(at("dfs.replication.max", "1", &plain), ["copies-too-many"]);
}

#[test]
fn a_long_path_counts_from_the_root_of_the_target() {
    let limits = |units: usize, names: usize| {
        let path = format!("{}{}", "d/".repeat(names - 1), "x".repeat(units - 2 * (names - 1)));
        let mut need = need(1, |_| ());
        need.path = Some((RelPath::new(path.clone()).expect("a path"), units as u64));
        need.depth = Some((RelPath::new(path).expect("a path"), names as u64));
        codes(&Facts::default(), Some(&need))
    };
    assert_eq!(limits(7_997, 999), [""; 0], "/t/ and 7,997 more are 8,000");
    assert_eq!(limits(7_998, 999), ["path-too-long"]);
    assert_eq!(limits(7_997, 1_000), ["path-too-deep"]);
}

#[test]
fn quotas_count_at_every_level_and_what_is_staged_counts_once() {
    let usage = |space: i64| -> Usage {
        let text = format!(r#"{{"fileAndDirectoryCount":1,"quota":-1,"spaceConsumed":0,"spaceQuota":{space}}}"#);
        serde_json::from_str(&text).expect("usage")
    };
    let need = need(50, |_| ());
    let with = |directory: &str, space, staged| {
        let quotas = vec![(directory.to_owned(), usage(space))];
        codes(&Facts { quotas, staged: Amount { names: 0, bytes: staged }, ..Facts::default() }, Some(&need))
    };
    for directory in ["/t", "/", HOME] {
        assert_eq!(with(directory, 100, 0), [""; 0], "{directory}");
        assert_eq!(with(directory, 99, 0), ["quota-of-space"], "{directory}: two copies of 50 bytes");
    }
    assert_eq!(with("/", 60, 40), [""; 0], "what is staged is in the root's quota already");
    assert_eq!(with("/t", 60, 40), ["quota-of-space"], "and not in the target's");
    assert_eq!(codes(&Facts { free_bytes: Some(99), ..Facts::default() }, Some(&need)), ["room-too-small"]);
    let path = |text: &str| RelPath::new(text).expect("a path");
    let moved = ChangeSet { changes: vec![Change::Rename { from: path("a"), to: path("b") }] };
    assert_eq!(Need::of(&moved, &Manifest::default()).names, 1, "what is renamed waits in a directory of its own");
}

#[test]
fn zones_policies_and_other_roots_are_named() {
    let policy = Some("XOR-2-1-1024k".to_owned());
    assert_eq!(codes(&Facts { home_policy: policy.clone(), ..Facts::default() }, None), ["staging-striped"]);
    assert_eq!(codes(&Facts { target_policy: policy.clone(), ..Facts::default() }, None), ["target-striped"]);
    assert!(obstacles("/t", &Facts { home_policy: policy, ..Facts::default() }, None, true).is_empty(), "a run puts that right");
    assert_eq!(codes(&Facts { encrypted: vec!["/t".into()], ..Facts::default() }, None), ["encryption-zone"]);
    let nested = vec![Nested { root: "/".into(), is_above: true, snapshots: Some(0), ours: false }];
    assert_eq!(codes(&Facts { nested, ..Facts::default() }, None), ["snapshot-root-nested"]);
    let striped = need(1, |meta| meta.replication = None);
    let told = obstacles("/t", &facts(&[("dfs.replication", "2")]), Some(&striped), false);
    assert_eq!(told, [O::FilesUnstriped { path: "/t".into(), files: 1, copies: 2 }]);
    assert_eq!(striped.space(2), 2);
}

#[test]
fn what_several_places_ask_of_one_quota_is_added_up_and_staging_counts_once() {
    let usage = |space: i64| -> Usage {
        serde_json::from_str(&format!(r#"{{"fileAndDirectoryCount":1,"quota":-1,"spaceConsumed":0,"spaceQuota":{space}}}"#)).expect("usage")
    };
    let one = need(50, |_| ());
    let told = |directory: &str, space: i64, staged: i64| {
        let quotas = vec![(directory.to_owned(), usage(space))];
        let facts = Facts { quotas, staged: Amount { names: 0, bytes: staged }, ..Facts::default() };
        room(&[("/w/a", &one), ("/w/b", &one), ("/wide", &one)], &facts).len()
    };
    assert_eq!((told("/w", 200, 0), told("/w", 199, 0)), (0, 1), "two of the three are below it, two copies of 50 bytes each");
    assert_eq!((told("/w/a", 100, 300), told("/w/a", 99, 300)), (0, 1), "a target's own counts whatever is staged");
    assert_eq!((told(HOME, 300, 0), told(HOME, 299, 0), told(HOME, 1, 299)), (0, 1, 0));
    assert_eq!((told("/", 300, 0), told("/", 299, 0), told("/", 100, 200)), (0, 1, 0));
}

#[test]
fn another_programs_store_is_asked_only_for_what_moving_files_into_it_needs() {
    let settings = [("dfs.namenode.xattrs.enabled", "false"), ("dfs.permissions.enabled", "false")];
    let ordered = [("dfs.namenode.snapshot.deletion.ordered", "true"), ("dfs.namenode.snapshot.trashroot.enabled", "true")];
    let root = |is_above| vec![Nested { root: "/".into(), is_above, snapshots: Some(0), ours: false }];
    let told = |kept, facts: &Facts| -> Vec<String> {
        let found = obstacles_at("/hbase", facts, None, false);
        found.iter().filter(|one| matters(kept, one, facts)).map(|one| one.trouble(str::to_owned).code().to_owned()).collect()
    };
    let off = Facts { nested: root(true), encrypted: vec!["/hbase".into()], ..facts(&settings) };
    assert_eq!(told(Kept::Directory, &off), ["attributes-off", "permissions-off", "snapshot-root-nested", "encryption-zone"]);
    assert_eq!(told(Kept::Tree, &off), ["attributes-off", "permissions-off", "encryption-zone"]);
    assert_eq!(told(Kept::Store, &off), ["encryption-zone"]);
    assert_eq!(told(Kept::Store, &Facts { nested: root(true), ..facts(&ordered) }), ["snapshots-ordered"], "it lies in a snapshot root");
    assert_eq!(told(Kept::Store, &Facts { nested: root(false), ..facts(&ordered) }), [""; 0]);
}

#[test]
fn a_link_is_refused_for_hdfs_makes_none() {
    let path = |text: &str| RelPath::new(text).expect("a path");
    let link = Entry { path: path("a"), node: Node::Link { target: "/x".into() }, meta: Metadata::default() };
    let need = Need::of(&ChangeSet::default(), &Manifest::from_entries([link]));
    assert_eq!(codes(&Facts::default(), Some(&need)), ["symbolic-links"]);
}
