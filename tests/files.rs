//! What only the files component promises; what all components promise is in `tests/contract.rs`.
#![cfg(feature = "agent")]

#[allow(unused)]
mod support;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use support::ferry::{Journal, finish, run, stage};
use understudy::components::Component;
use understudy::components::files::{Files, make_removable};
use understudy::domain::admission::Said;
use understudy::domain::backup::plan::fold;
use understudy::domain::user_data::{UserData, compare};
use understudy::domain::{Change, ChangeSet, Manifest, PointId, RelPath, TroubleKind};

const SET: &str = "invoices";
const AWKWARD: &[&str] =
    &["two words", "it's \"quoted\"", "100%", "%41", "-rf", "new\nline", "発票", "😀", "e\u{301}", "back\\slash", "*", " "];

struct Two {
    dir: tempfile::TempDir,
    source: Files,
    target: Arc<dyn Component>,
}

impl Two {
    fn new() -> Two {
        let dir = tempfile::tempdir().expect("a folder");
        let open = |side: &str| {
            fs::create_dir_all(dir.path().join(side)).expect("made");
            let store = dir.path().join(format!("{side} store"));
            Files::new("files".parse().expect("a name"), dir.path().join(side), store).expect("opened").allowing(support::as_root())
        };
        let (source, target) = (open("source"), open("target"));
        fs::create_dir(dir.path().join("source").join(SET)).expect("made");
        Two { source, target: Arc::new(target), dir }
    }

    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join("source").join(SET).join(path)
    }

    fn there(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join("target").join(SET).join(path)
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        make_removable(self.dir.path()).expect("removable");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn awkward_names_empty_things_links_attributes_and_long_files_arrive() {
    let two = Two::new();
    for name in AWKWARD {
        fs::create_dir(two.at(name)).expect("made");
        fs::write(two.at(name).join(name), name).expect("written");
    }
    symlink("../../../etc/passwd", two.at("out")).expect("linked");
    fs::write(two.at("long"), vec![9; (64 << 20) + 5]).expect("written");
    let with_attribute = fs::File::open(two.at("long")).expect("opened");
    let supported = rustix::fs::fsetxattr(&with_attribute, "user.origin", b"\x00\xff", rustix::fs::XattrFlags::empty()).is_ok();
    let staged = run(&two.source, &two.target, SET, None).await;
    two.target.unfence(SET, None).await.expect("unfenced");
    for name in AWKWARD {
        assert_eq!(fs::read_to_string(two.there(name).join(name)).expect("there"), *name);
    }
    assert_eq!(fs::read_link(two.there("out")).expect("a link"), Path::new("../../../etc/passwd"));
    assert!(fs::read(two.there("long")).expect("there") == vec![9; (64 << 20) + 5]);
    if supported {
        let mut value = [0; 8];
        let file = fs::File::open(two.there("long")).expect("opened");
        let length = rustix::fs::fgetxattr(&file, "user.origin", &mut value[..]).expect("the attribute");
        assert_eq!(&value[..length], b"\x00\xff");
    }
    assert_eq!(two.target.drift(SET, Some((staged.point, &staged.manifest))).await.expect("compared"), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_directory_is_one_rename_and_copies_nothing() {
    let two = Two::new();
    fs::create_dir_all(two.at("2025/q1")).expect("made");
    for name in ["a", "b", "c"] {
        fs::write(two.at("2025/q1").join(name), name).expect("written");
    }
    let first = run(&two.source, &two.target, SET, None).await;
    fs::rename(two.at("2025"), two.at("archive")).expect("moved");
    fs::rename(two.at("archive/q1/a"), two.at("top")).expect("moved");
    let second = run(&two.source, &two.target, SET, Some((first.point, &first.manifest))).await;
    let renames = second.changes.changes.iter().filter(|change| matches!(change, Change::Rename { .. })).count();
    assert_eq!((renames, second.copied.len()), (2, 0), "{:?}", second.changes);
    assert_eq!(fs::read_to_string(two.there("top")).expect("there"), "a");
    assert_eq!(fs::read_to_string(two.there("archive/q1/b")).expect("there"), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_same_length_and_time_is_seen() {
    let two = Two::new();
    fs::write(two.at("a"), "one").expect("written");
    let first = run(&two.source, &two.target, SET, None).await;
    let time = fs::metadata(two.at("a")).expect("there").modified().expect("a time");
    fs::write(two.at("a"), "two").expect("written");
    fs::File::options().write(true).open(two.at("a")).and_then(|file| file.set_modified(time)).expect("set");
    run(&two.source, &two.target, SET, Some((first.point, &first.manifest))).await;
    assert_eq!(fs::read_to_string(two.there("a")).expect("there"), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_kept_is_refused_by_name() {
    let two = Two::new();
    let socket = UnixListener::bind(two.at("agent.sock")).expect("bound");
    let trouble = two.source.arm(SET).await.expect_err("a socket");
    assert!(trouble.kind == TroubleKind::Refused && trouble.object.ends_with("agent.sock"), "{trouble}");
    drop(socket);
    fs::remove_file(two.at("agent.sock")).expect("removed");
    fs::write(two.at(OsStr::from_bytes(b"caf\xe9")), "x").expect("written");
    let trouble = two.source.arm(SET).await.expect_err("no Unicode");
    assert!(trouble.kind == TroubleKind::Refused && trouble.object.contains("caf"), "{trouble}");
    two.source.fence(SET).await.expect("an odd name keeps no fence away");
    assert!(two.source.fenced(SET).await.expect("looked").0);
}

/// Whoever makes a policy is told at once, and every run says the same.
#[tokio::test(flavor = "multi_thread")]
async fn hard_links_acls_and_attributes_that_stay_behind_are_named() {
    let two = Two::new();
    fs::write(two.at("one name"), "x").expect("written");
    fs::hard_link(two.at("one name"), two.at("another")).expect("linked");
    let acl = std::process::Command::new("setfacl").args(["-m", "u:daemon:r"]).arg(two.at("one name")).status();
    let has_acl = acl.is_ok_and(|status| status.success());
    let said = two.source.survey(SET).await.expect("looked");
    let codes: Vec<&str> = said.notes.iter().map(|note| note.code.as_str()).collect();
    let wanted = ["acls", "hard-links"];
    assert_eq!(codes, wanted[usize::from(!has_acl)..], "{:?}", said.notes);
    assert_eq!(said.notes.last().and_then(|note| note.facts.as_ref()).map(|facts| facts["entries"].clone()), Some(2.into()));
    assert_eq!(two.source.arm(SET).await.expect("armed"), said.notes);
    let socket = UnixListener::bind(two.at("agent.sock")).expect("bound");
    assert_eq!(two.source.survey(SET).await.expect_err("a socket").code(), "special-file");
    drop(socket);
    assert_eq!(two.source.survey("not/there yet").await.expect("nothing is said"), Said::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_put_into_the_target_never_leads_an_apply_out() {
    let two = Two::new();
    fs::create_dir(two.at("d")).expect("made");
    fs::write(two.at("d/old"), "old").expect("written");
    let first = run(&two.source, &two.target, SET, None).await;
    fs::write(two.at("d/new"), "new").expect("written");
    fs::remove_file(two.at("d/old")).expect("removed");
    let staged = stage(&two.source, &two.target, SET, Some((first.point, &first.manifest))).await;
    make_removable(&two.there("")).expect("removable");
    let outside = two.dir.path().join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("old"), "precious").expect("written");
    fs::remove_dir_all(two.there("d")).expect("removed");
    symlink(&outside, two.there("d")).expect("linked");
    let applied = two.target.apply(SET, staged.point, &staged.plan, &staged.manifest, &Journal::sound()).await;
    assert!(applied.is_err());
    assert_eq!(fs::read_to_string(outside.join("old")).expect("there"), "precious");
    assert_eq!(fs::read_dir(&outside).expect("listed").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_damaged_in_the_store_never_goes_live() {
    let two = Two::new();
    fs::write(two.at("a"), "content").expect("written");
    let staged = run(&two.source, &two.target, SET, None).await;
    let digest = understudy::domain::Digest::of_bytes(b"content").to_string();
    let object = two.dir.path().join("target store/files/objects").join(&digest[..2]).join(&digest[2..]);
    fs::write(&object, "CONTENT").expect("damaged");
    make_removable(&two.there("")).expect("removable");
    fs::write(two.there("a"), "else").expect("written");
    let trouble = two.target.restore(SET, staged.point, &staged.manifest).await.expect_err("damaged");
    assert_eq!(trouble.kind, TroubleKind::Corrupt, "{trouble}");
    assert_eq!(fs::read_to_string(two.there("a")).expect("there"), "else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_taken_away_at_the_primary_goes_at_the_fenced_secondary_and_stays_away() {
    let two = Two::new();
    fs::create_dir_all(two.at("shared/deep")).expect("made");
    for dir in ["shared", "shared/deep"] {
        fs::set_permissions(two.at(dir), fs::Permissions::from_mode(0o777)).expect("set");
    }
    let staged = run(&two.source, &two.target, SET, None).await;
    fs::set_permissions(two.at("shared"), fs::Permissions::from_mode(0o750)).expect("set");
    fs::remove_dir(two.at("shared/deep")).expect("removed");
    let mut manifest: Manifest = staged.manifest.clone();
    for round in 0..2 {
        let sealed = BTreeMap::from([(SET.to_owned(), manifest.clone())]);
        let read = async |files: &dyn Component, sealed: &BTreeMap<String, Manifest>| UserData {
            read_at: Utc::now(),
            items: files.read_users(&[SET.to_owned()], sealed).await.expect("read"),
        };
        let primary = read(&two.source, &BTreeMap::new()).await;
        let changes = compare(&primary, &read(two.target.as_ref(), &sealed).await, None);
        assert!(round == 1 || !changes.is_empty());
        for change in &changes {
            for (set, entry) in two.target.adjust_user(change).await.expect("adjusted") {
                assert_eq!(set, SET);
                manifest.entries.insert(entry.path.clone(), entry);
            }
        }
    }
    let told = |path: &str| manifest.entries[&RelPath::new(path).expect("a path")].meta.mode;
    assert_eq!((told("shared"), told("shared/deep")), (0o750, 0o700));
    assert_eq!(two.target.drift(SET, Some((staged.point, &manifest))).await.expect("compared"), [] as [String; 0]);
    assert!(two.target.fenced(SET).await.expect("looked").0);
    two.target.unfence(SET, None).await.expect("unfenced");
    let mode = |path: &str| fs::metadata(two.there(path)).expect("there").mode() & 0o7777;
    assert_eq!((mode("shared"), mode("shared/deep")), (0o750, 0o700));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_tells_directories_with_their_size() {
    let two = Two::new();
    fs::create_dir(two.at("2026")).expect("made");
    fs::write(two.at("2026/a"), "12345").expect("written");
    let top = two.source.catalogue("").await.expect("listed");
    assert_eq!(top.iter().map(|item| (item.path.as_str(), item.bytes, item.files)).collect::<Vec<_>>(), [(SET, Some(5), Some(1))]);
    assert_eq!(two.source.catalogue(SET).await.expect("listed")[0].path, "invoices/2026");
    assert!(two.source.catalogue("../..").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_open_for_writing_is_named() {
    let two = Two::new();
    fs::write(two.at("closed"), "x").expect("written");
    let open = fs::File::create(two.at("open")).expect("opened");
    let capture = two.source.capture(SET, support::ferry::point()).await.expect("captured");
    drop(open);
    assert_eq!(capture.open_files, ["open"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_store_inside_the_data_is_refused() {
    let two = Two::new();
    let inside = Files::new("files".parse().expect("a name"), two.at(""), two.at("store"));
    assert!(inside.is_err());
    let staged = stage(&two.source, &two.target, SET, None).await;
    finish(&two.target, SET, &staged).await;
}

#[tokio::test]
async fn owners_that_the_secondary_does_not_know_are_refused_by_name() {
    let two = Two::new();
    fs::write(two.at("one"), "1").expect("written");
    let point = PointId(uuid::Uuid::now_v7());
    two.source.capture(SET, point).await.expect("captured");
    let mut changes = two.source.changes(SET, point, None).await.expect("changes");
    let after = |changes: &ChangeSet| fold(&Manifest::default(), changes).expect("they fit");
    two.target.admit(SET, &changes, &after(&changes)).await.expect("owners of this very host");
    for change in &mut changes.changes {
        if let Change::Put(entry) = change {
            (entry.meta.owner, entry.meta.group) = ("no-such-ana".into(), "no-such-retail".into());
        }
    }
    let refused = two.target.admit(SET, &changes, &after(&changes)).await.expect_err("unknown owners");
    assert_eq!(refused.kind, TroubleKind::Refused);
    assert!(refused.reason.contains("user no-such-ana") && refused.reason.contains("group no-such-retail"), "{refused}");
}
