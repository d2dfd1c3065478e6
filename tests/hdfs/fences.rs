//! Fences, rights, refusals, open files.

use std::collections::BTreeMap;

use understudy::components::Component;
use understudy::components::hdfs::Limits;
use understudy::domain::user_data::{UserDataAction, UserDataChange};
use understudy::domain::{Change, RelPath, TroubleKind};

use super::support::{clusters, fresh, point, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_protected_is_refused_by_name() {
    let Some((primary, secondary, _undisturbed)) = clusters("refusals").await else { return };
    let (from, to) = (primary.component(Limits::default()), secondary.component(Limits::default()));
    fresh(&primary, "/it/outer").await;
    primary.put("/it/outer/inner", &[("op", "MKDIRS")]).await;
    from.arm("/it/outer").await.expect("armed");
    let nested = from.arm("/it/outer/inner").await.expect_err("nested");
    assert!(nested.kind == TroubleKind::Refused && nested.reason.contains("/it/outer"), "{nested}");
    assert_eq!(from.arm("/it/nothing here").await.expect_err("absent").kind, TroubleKind::NotFound);
    assert_eq!(from.arm("/").await.expect_err("the root").kind, TroubleKind::Refused);

    let id = point();
    from.capture("/it/outer", id).await.expect("captured");
    assert_eq!(from.capture("/it/outer", id).await.expect_err("a second cut").kind, TroubleKind::Refused);
    let gone = from.changes("/it/outer", id, Some(point())).await.expect_err("no base");
    assert!(gone.kind == TroubleKind::Refused && gone.next_step.contains("full copy"), "{gone}");
    from.release("/it/outer", id).await.expect("released");
    from.release("/it/outer", id).await.expect("released again");
    from.release("/it/never was", id).await.expect("nothing to release");

    fresh(&secondary, "/standby/foreign").await;
    secondary.write(vec![("/standby/foreign/theirs".into(), vec![1])]).await;
    let foreign = to.drift("/standby/foreign", None).await.expect_err("not ours");
    assert!(foreign.kind == TroubleKind::Refused && foreign.reason.contains("theirs"), "{foreign}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_keeps_ordinary_users_out_and_gives_back_what_was() {
    let Some((primary, _, _undisturbed)) = clusters("fence").await else { return };
    let hdfs = primary.component(Limits::default());
    let set = "/it/fence";
    fresh(&primary, set).await;
    primary.put(&format!("{set}/inside"), &[("op", "MKDIRS"), ("permission", "777")]).await;
    primary.put(set, &[("op", "SETACL"), ("aclspec", "user::rwx,user:bo:rwx,group::r-x,mask::rwx,other::---")]).await;
    primary.put(set, &[("op", "SETOWNER"), ("owner", "shop"), ("group", "retail")]).await;
    let rights = async || primary.call("GET", set, &[("op", "GETACLSTATUS")]).await;
    let before = rights().await;
    assert!(!hdfs.fenced(set).await.expect("told").0);
    hdfs.fence(set).await.expect("fenced");
    hdfs.fence(set).await.expect("fenced again");
    assert!(hdfs.fenced(set).await.expect("told").0);
    for user in ["bo", "shop"] {
        let write = [("op", "MKDIRS")];
        assert_eq!(primary.try_call(user, "PUT", &format!("{set}/inside/by {user}"), &write).await.0, 403, "{user} got in");
    }
    let id = point();
    hdfs.arm(set).await.expect("armed");
    hdfs.capture(set, id).await.expect("captured");
    let changes = hdfs.changes(set, id, None).await.expect("changes").changes;
    let Change::Put(root) = &changes[0] else { panic!("the root comes first: {changes:?}") };
    assert_eq!((root.meta.owner.as_str(), root.meta.acl.len()), ("shop", 2), "the fence is not the data's own");
    hdfs.unfence(set, None).await.expect("unfenced");
    hdfs.unfence(set, None).await.expect("unfenced again");
    assert_eq!(before, rights().await);
    assert!(!hdfs.fenced(set).await.expect("told").0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_files_are_named() {
    let Some((primary, _, _undisturbed)) = clusters("open files").await else { return };
    let hdfs = primary.component(Limits::default());
    let set = "/it/open";
    fresh(&primary, set).await;
    primary.put(set, &[("op", "MKDIRS")]).await;
    hdfs.arm(set).await.expect("armed");
    let client = hdfs_native::ClientBuilder::new().with_url(&primary.fs).with_user(&primary.user).build().expect("a client");
    // Two in one directory stand on one line of the NameNode's check.
    let mut writers = Vec::new();
    for name in ["first", "still open"] {
        let mut writer = client.create(&format!("{set}/{name}"), hdfs_native::WriteOptions::default()).await.expect("created");
        writer.write_bytes(vec![1; 1000].into()).await.expect("written");
        writer.hsync().await.expect("synced");
        writers.push(writer);
    }
    let id = point();
    let capture = hdfs.capture(set, id).await.expect("captured");
    assert_eq!(capture.open_files, [format!("{set}/first"), format!("{set}/still open")]);
    // The fence takes the lease of every writer away.
    let evidence = hdfs.fence(set).await.expect("fenced");
    assert!(evidence.contains("2 files that were open"), "{evidence}");
    for mut writer in writers {
        writer.write_bytes(vec![2; 10].into()).await.ok();
        writer.close().await.expect_err("the writer is cut off");
    }
    hdfs.unfence(set, None).await.expect("unfenced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_right_disappears_from_a_fenced_standby() {
    let Some((primary, secondary, _undisturbed)) = clusters("rights").await else { return };
    let (from, to) = (primary.component(Limits::default()), secondary.component(Limits::default()));
    let set = "/it/rights";
    fresh(&primary, set).await;
    fresh(&secondary, set).await;
    primary.put(&format!("{set}/inside"), &[("op", "MKDIRS")]).await;
    for path in [set.to_owned(), format!("{set}/inside")] {
        primary.put(&path, &[("op", "SETACL"), ("aclspec", "user::rwx,user:bo:rwx,user:ana:r-x,group::r-x,mask::rwx,other::---")]).await;
    }
    let ran = run(&from, set, &to, set, None, false).await;
    let sets = [set.to_owned()];
    let live = from.read_users(&sets, &BTreeMap::new()).await.expect("read");
    let sealed = to.read_users(&sets, &BTreeMap::from([(set.to_owned(), ran.manifest.clone())])).await.expect("read");
    assert_eq!(live, sealed, "the standby tells the true rights, not the fence's");

    let mut manifest = ran.manifest.clone();
    for object in [set.to_owned(), format!("{set}/inside")] {
        let key = live.keys().find(|key| key.object == object && key.principal == "user:bo").expect("bo's right").clone();
        let change = UserDataChange {
            key,
            action: UserDataAction::Remove,
            primary: None,
            secondary: Some("rwx".into()),
            last_applied: Some("rwx".into()),
            drifted: false,
        };
        for (of, entry) in to.adjust_user(&change).await.expect("adjusted") {
            assert_eq!(of, set);
            manifest.entries.insert(entry.path.clone(), entry);
        }
    }
    assert!(to.fenced(set).await.expect("told").0, "the fence stays");
    assert_eq!(to.drift(set, Some((ran.point, &manifest))).await.expect("told"), Vec::<String>::new(), "what we adjusted is no drift");
    assert_eq!(to.drift(set, Some((ran.point, &ran.manifest))).await.expect("told").len(), 2, "and against the older rights it is");
    to.restore(set, ran.point, &manifest).await.expect("restored");
    to.unfence(set, manifest.entries.get(&RelPath::root())).await.expect("unfenced");
    let acl = |body: Vec<u8>| String::from_utf8(body).expect("text");
    for path in [set.to_owned(), format!("{set}/inside")] {
        let entries = acl(secondary.call("GET", &path, &[("op", "GETACLSTATUS")]).await);
        assert!(!entries.contains("user:bo") && entries.contains("user:ana"), "{path}: {entries}");
    }
}
