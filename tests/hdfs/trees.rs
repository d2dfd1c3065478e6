//! Whole trees: identical after a run, identical again after the next, which copies only what changed.

use std::time::{Duration, Instant};

use understudy::components::Component;
use understudy::components::hdfs::Limits;
use understudy::domain::{Change, RelPath};

use super::support::{Cluster, assert_same, clusters, fresh, point, run};

const AWKWARD: &[&str] = &[
    "two words",
    "it's \"quoted\"",
    "100%",
    "%41",
    "%2F",
    "a+b",
    "a&b=c",
    "#1",
    "why?",
    "semi;x=1",
    "back\\slash",
    "[1]",
    "{x}",
    "*",
    "発票 2026",
    "😀",
    "\u{e9}",
    "e\u{301}",
    " lead",
    "trail ",
    "tab\there",
    "new\nline",
    "a,b",
    "~",
    "$HOME",
    "a@b",
    "`ls`",
    "<>|^",
];

/// Bytes that nobody would guess, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A tree with everything that must survive; returns its data set.
async fn grow(cluster: &Cluster, set: &str) {
    cluster.delete(set).await;
    cluster.put(&format!("{set}/empty directory"), &[("op", "MKDIRS")]).await;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (index, name) in AWKWARD.iter().enumerate() {
        files.push((format!("{set}/names/{name}"), noise(index as u64, index * 37)));
        files.push((format!("{set}/dir {name}/inside {name}"), noise(index as u64, 11)));
    }
    for index in 0..120u64 {
        files.push((format!("{set}/many/{:02}/file-{index:04}", index % 7), noise(index, (index * 211 % 9_000) as usize)));
    }
    for (name, length) in [("zero", 0), ("one", 1), ("piece", 64 << 20), ("piece and one", (64 << 20) + 1), ("big", 200 << 20)] {
        files.push((format!("{set}/sizes/{name}"), noise(length as u64, length)));
    }
    cluster.write(files).await;
    let put = async |path: &str, query: &[(&str, &str)]| cluster.put(&format!("{set}{path}"), query).await;
    put("/names/two words", &[("op", "SETPERMISSION"), ("permission", "1600")]).await;
    put("/many", &[("op", "SETPERMISSION"), ("permission", "1777")]).await;
    put("/many/01/file-0001", &[("op", "SETOWNER"), ("owner", "ana"), ("group", "retail")]).await;
    put("/names/発票 2026", &[("op", "SETACL"), ("aclspec", "user::rw-,user:bo:r--,group::---,mask::r--,other::---")]).await;
    put("/many/02", &[("op", "SETACL"), ("aclspec", "user::rwx,group::r-x,other::---,default:user:bo:rwx,default:group:aud:r-x")]).await;
    put("/many/02/under an acl", &[("op", "MKDIRS")]).await;
    put("/names/100%", &[("op", "SETXATTR"), ("xattr.name", "user.ключ"), ("xattr.value", "0x00ff10"), ("flag", "CREATE")]).await;
    put("/many", &[("op", "SETXATTR"), ("xattr.name", "user.empty"), ("flag", "CREATE")]).await;
    put("/sizes/one", &[("op", "SETREPLICATION"), ("replication", "2")]).await;
    put("/sizes", &[("op", "SETTIMES"), ("modificationtime", "1000000001234"), ("accesstime", "-1")]).await;
    put("/sizes/zero", &[("op", "SETTIMES"), ("modificationtime", "1000000005678"), ("accesstime", "1000000000000")]).await;
    put("", &[("op", "SETOWNER"), ("owner", "shop"), ("group", "retail")]).await;
    put("", &[("op", "SETPERMISSION"), ("permission", "1775")]).await;
}

/// Everything that may happen between two runs.
async fn change(cluster: &Cluster, set: &str) {
    let at = |path: &str| format!("{set}/{path}");
    cluster.put(&at("moved"), &[("op", "MKDIRS")]).await;
    cluster.rename(&at("many/03"), &at("moved/03")).await;
    cluster.rename(&at("moved/03/file-0003"), &at("moved/03/renamed inside")).await;
    cluster.rename(&at("names/a+b"), &at("t")).await;
    cluster.rename(&at("names/#1"), &at("names/a+b")).await;
    cluster.rename(&at("t"), &at("names/#1")).await;
    cluster.rename(&at("sizes/big"), &at("moved/big 😀")).await;
    cluster.delete(&at("many/04")).await;
    cluster.delete(&at("names/😀")).await;
    cluster.put(&at("names/😀"), &[("op", "MKDIRS")]).await;
    cluster.rename(&at("many/05/file-0005"), &at("names/😀/saved")).await;
    cluster.delete(&at("many/05")).await;
    cluster
        .write(vec![(at("many/06/file-0006"), noise(99, 1266)), (at("moved/03/new"), noise(98, 5)), (at("brand/new/file"), noise(97, 70))])
        .await;
    cluster.append(&at("many/00/file-0007"), noise(96, 3)).await;
    // The same length, the same inode, other bytes.
    let (same, length) = (at("many/00/file-0014"), "2954");
    cluster.call("POST", &same, &[("op", "TRUNCATE"), ("newlength", "2953")]).await;
    until_closed(cluster, &same, 2953).await;
    cluster.append(&same, vec![7]).await;
    assert_eq!(length, "2954");
    cluster.put(&at("many/00/file-0021"), &[("op", "SETPERMISSION"), ("permission", "640")]).await;
    cluster.put(&at("many/00/file-0028"), &[("op", "SETTIMES"), ("modificationtime", "1200000000000"), ("accesstime", "-1")]).await;
    cluster.put(&at("names/発票 2026"), &[("op", "REMOVEACL")]).await;
    cluster.put(&at("names/100%"), &[("op", "REMOVEXATTR"), ("xattr.name", "user.ключ")]).await;
    cluster.put(&at("names/%41"), &[("op", "SETXATTR"), ("xattr.name", "user.a"), ("xattr.value", "0x01"), ("flag", "CREATE")]).await;
    cluster.put(&at("empty directory"), &[("op", "SETOWNER"), ("owner", "ana"), ("group", "ana")]).await;
}

/// A truncated file's last block is recovered in the background.
async fn until_closed(cluster: &Cluster, path: &str, length: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let fsck = cluster.webhdfs.replace("/webhdfs/v1", "/fsck");
        let page = reqwest::get(format!("{fsck}?ugi={}&openforwrite=1&path={path}", cluster.user)).await.expect("fsck");
        if !page.text().await.expect("text").contains("OPENFORWRITE: ") {
            return;
        }
        assert!(Instant::now() < deadline, "{path} with {length} bytes is still being truncated");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_arrives_identical_and_a_second_run_copies_only_what_changed() {
    let Some((primary, secondary, _undisturbed)) = clusters("trees").await else { return };
    let (from, to) = (primary.component(Limits::default()), secondary.component(Limits::default()));
    let (source, target) = ("/it/trees", "/standby/it trees");
    fresh(&primary, source).await;
    fresh(&secondary, target).await;
    grow(&primary, source).await;

    let first = run(&from, source, &to, target, None, true).await;
    assert_same(&primary.tree(source).await, &secondary.tree(target).await);
    assert!(first.copied().len() > 180);
    let root = &first.manifest.entries[&RelPath::root()];
    assert_eq!((root.meta.mode, root.meta.owner.as_str()), (0o1775, "shop"), "the manifest has the root's true rights");

    change(&primary, source).await;
    let second = run(&from, source, &to, target, Some(&first), true).await;
    assert_same(&primary.tree(source).await, &secondary.tree(target).await);
    let mut copied = second.copied();
    copied.sort_unstable();
    let expected = ["brand/new/file", "many/00/file-0007", "many/00/file-0014", "many/06/file-0006", "moved/03/new", "names/😀/saved"];
    assert_eq!(copied, expected, "only what changed is copied");
    let renames = second.changes.changes.iter().filter(|change| matches!(change, Change::Rename { .. })).count();
    assert_eq!(renames, 5, "renames travel as renames");

    // Somebody writes to the standby all the same: it is told, and a restore brings the point back.
    secondary.append(&format!("{target}/many/00/file-0000"), vec![1]).await;
    secondary.rename(&format!("{target}/moved/03"), &format!("{target}/many/33")).await;
    secondary.delete(&format!("{target}/sizes/one")).await;
    secondary.put(&format!("{target}/names/100%"), &[("op", "SETPERMISSION"), ("permission", "777")]).await;
    let drift = to.drift(target, Some((second.point, &second.manifest))).await.expect("told");
    let drift = drift.join("\n");
    for part in ["file-0000 has other content", "moved/03 was moved", "sizes/one is gone", "names/100% has other metadata"] {
        assert!(drift.contains(part), "{part:?} is missing in\n{drift}");
    }
    to.restore(target, second.point, &second.manifest).await.expect("restored");
    assert_same(&primary.tree(source).await, &secondary.tree(target).await);

    // An older point comes back as well, and the fence is lifted with the root's true rights.
    to.restore(target, first.point, &first.manifest).await.expect("restored");
    from.release(source, second.point).await.expect("released");
    assert_same(&primary.tree(&format!("{source}/.snapshot/understudy-{}", first.point)).await, &secondary.tree(target).await);
    to.unfence(target, Some(root)).await.expect("unfenced");
    let status: serde_json::Value = serde_json::from_slice(&secondary.call("GET", target, &[("op", "GETFILESTATUS")]).await).expect("JSON");
    assert_eq!((&status["FileStatus"]["permission"], &status["FileStatus"]["owner"]), (&"1775".into(), &"shop".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_difference_comes_page_by_page() {
    let Some((primary, _, _undisturbed)) = clusters("pages").await else { return };
    let hdfs = primary.component(Limits::default());
    let set = "/it/pages";
    fresh(&primary, set).await;
    let directories = |range: std::ops::Range<u32>| range.map(|n| format!("{set}/d{}/x{n}", n % 3)).collect::<Vec<_>>();
    make(&primary, directories(0..1_500)).await;
    hdfs.arm(set).await.expect("armed");
    let (one, two) = (point(), point());
    hdfs.capture(set, one).await.expect("captured");
    make(&primary, directories(1_500..3_000)).await;
    primary.rename(&format!("{set}/d1"), &format!("{set}/moved")).await;
    hdfs.capture(set, two).await.expect("captured");
    let changes = hdfs.changes(set, two, Some(one)).await.expect("changes").changes;
    let put = changes.iter().filter(|change| matches!(change, Change::Put(_))).count();
    assert_eq!(put, 1_500, "every page was read");
    assert!(changes.iter().any(|change| matches!(change, Change::Put(entry) if entry.path.as_str() == "moved/x1501")));
}

async fn make(cluster: &Cluster, paths: Vec<String>) {
    use futures_util::StreamExt;
    futures_util::stream::iter(paths).for_each_concurrent(24, async |path| cluster.put(&path, &[("op", "MKDIRS")]).await).await;
}
