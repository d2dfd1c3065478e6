//! What a target would refuse after the commit is told before a byte is staged.

use understudy::components::Component;
use understudy::components::admission::Occasion;
use understudy::components::hdfs::{Hdfs, Limits};
use understudy::domain::backup::plan::fold;
use understudy::domain::{ChangeSet, Manifest};

use super::support::{Cluster, assert_same, clusters_to_break, fresh, point, run};

const OP: (&str, &str) = ("op", "MKDIRS");

/// The codes of what a target says; the refusals alone, or all.
async fn told(to: &Hdfs, target: &str, plan: Option<&ChangeSet>, refusals: bool) -> Vec<String> {
    let obstacles = match plan {
        None => to.admission().expect("it can tell").obstacles(target, Occasion::Run).await,
        Some(changes) => {
            let after = fold(&Manifest::default(), changes).expect("it fits");
            to.admission().expect("it can tell").obstacles(target, Occasion::Plan { point: point(), changes, after: &after }).await
        }
    };
    let said = obstacles.expect("asked");
    let notes = said.notes.into_iter().filter(|_| !refusals).map(|note| note.code);
    said.refusals.iter().map(|trouble| trouble.code().to_owned()).chain(notes).collect()
}

/// What a first run of a directory would bring.
async fn plan(from: &Hdfs, source: &str) -> ChangeSet {
    let id = point();
    from.arm(source).await.expect("armed");
    from.capture(source, id).await.expect("captured");
    let changes = from.changes(source, id, None).await.expect("changes");
    from.release(source, id).await.expect("released");
    changes
}

async fn snapshots(cluster: &Cluster, path: &str, allowed: bool) {
    cluster.put(path, &[("op", if allowed { "ALLOWSNAPSHOT" } else { "DISALLOWSNAPSHOT" })]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_quotas_and_policies_of_a_target_are_told_before_a_byte_is_staged() {
    let Some((primary, secondary, _alone)) = clusters_to_break("admission").await else { return };
    let (from, to) = (primary.component(Limits::default()), secondary.component(Limits::default()));
    let (source, above, target) = ("/it/admission", "/it-admission", "/it-admission/set");
    fresh(&primary, source).await;
    fresh(&secondary, target).await;
    primary.put(&format!("{source}/a"), &[OP]).await;
    primary.write(vec![(format!("{source}/a/file"), vec![1; 5_000]), (format!("{source}/b"), vec![2; 10])]).await;
    let changes = plan(&from, source).await;
    secondary.put(above, &[OP]).await;
    let refused = async |plan: Option<&ChangeSet>| told(&to, target, plan, true).await;
    assert_eq!(refused(Some(&changes)).await, [""; 0]);

    // Snapshot roots above and below that are not ours.
    snapshots(&secondary, above, true).await;
    assert_eq!(refused(None).await, ["snapshot-root-nested"]);
    snapshots(&secondary, above, false).await;
    let below = format!("{target}/theirs");
    secondary.put(&below, &[OP]).await;
    snapshots(&secondary, &below, true).await;
    assert_eq!(refused(None).await, ["snapshot-root-nested"]);
    snapshots(&secondary, &below, false).await;
    secondary.delete(target).await;

    // Quotas, of names and of space.
    let quota = async |path: &str, names: &str, space: &str| {
        secondary.put(path, &[("op", "SETQUOTA"), ("namespacequota", names), ("storagespacequota", space)]).await;
    };
    quota(above, "3", "-1").await;
    assert_eq!(refused(Some(&changes)).await, ["quota-of-names"]);
    quota(above, "-1", "5009").await;
    assert_eq!(refused(Some(&changes)).await, ["quota-of-space"]);
    quota(above, "-1", "5010").await;
    assert_eq!(refused(Some(&changes)).await, [""; 0]);
    quota(above, "-1", "-1").await;

    // A policy at the root is everybody's; what we stage is kept as copies all the same, and so is what arrives.
    secondary.put("/", &[("op", "ENABLEECPOLICY"), ("ecpolicy", "XOR-2-1-1024k")]).await;
    secondary.put("/", &[("op", "SETECPOLICY"), ("ecpolicy", "XOR-2-1-1024k")]).await;
    let said = told(&to, target, Some(&changes), false).await;
    let ran = run(&from, source, &to, target, None, false).await;
    let arrived = secondary.tree(target).await;
    secondary.call("POST", "/", &[("op", "UNSETECPOLICY")]).await;
    assert_eq!(said, ["target-striped"]);
    assert_eq!(ran.copied().len(), 2);
    assert_same(&primary.tree(source).await, &arrived);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_name_node_is_set_to_is_told_before_a_byte_is_staged() {
    let Some((primary, secondary, _alone)) = clusters_to_break("settings").await else { return };
    if std::env::var("HADOOP_LAB_SET").is_err() {
        println!("settings: skipped: HADOOP_LAB_SET is not set, so no NameNode can be given other settings");
        return;
    }
    let (from, to) = (primary.component(Limits::default()), secondary.component(Limits::default()));
    let (source, target) = ("/it/settings", "/it-settings/set");
    fresh(&primary, source).await;
    fresh(&secondary, target).await;
    primary.write(vec![(format!("{source}/{}", "n".repeat(100)), vec![1; 10])]).await;
    let changes = async |label: &[(&str, &str)]| {
        primary.put(&format!("{source}/{}", "n".repeat(100)), label).await;
        plan(&from, source).await
    };
    let plain = plan(&from, source).await;
    let attribute = changes(&[("op", "SETXATTR"), ("xattr.name", "user.a"), ("xattr.value", "0x00"), ("flag", "CREATE")]).await;
    let acl = changes(&[("op", "SETACL"), ("aclspec", "user::rw-,user:bo:r--,group::r--,mask::r--,other::---")]).await;
    assert_eq!(told(&to, target, Some(&acl), false).await, [""; 0]);
    let settings = [
        "dfs.namenode.acls.enabled=false",
        "dfs.namenode.snapshot.deletion.ordered=true",
        "dfs.namenode.snapshot.trashroot.enabled=true",
        "dfs.namenode.fs-limits.max-component-length=99",
        "dfs.namenode.fs-limits.min-block-size=16777216",
    ];
    secondary.with_settings(&settings).await;
    let found = [
        told(&to, target, None, false).await,
        told(&to, target, Some(&plain), true).await,
        told(&to, target, Some(&attribute), true).await,
        told(&to, target, Some(&acl), true).await,
    ];
    secondary.with_settings(&[]).await;
    let always = ["snapshots-ordered", "name-too-long", "block-too-small"];
    assert_eq!(found[0], ["snapshots-ordered"]);
    assert_eq!(found[1], always);
    assert_eq!(found[2], always, "attributes are on");
    assert_eq!(found[3], ["snapshots-ordered", "acls-off", "name-too-long", "block-too-small"]);
    run(&from, source, &to, target, None, false).await;
    assert_same(&primary.tree(source).await, &secondary.tree(target).await);
}
