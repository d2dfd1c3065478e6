//! ACLs in both scopes: what was revoked at the primary is gone at the secondary, however a directory came by it there.

use understudy::components::Component;
use understudy::components::hdfs::Limits;

use super::support::{Cluster, assert_same, clusters, fresh, point, run};

const OP: (&str, &str) = ("op", "MKDIRS");

async fn acl(cluster: &Cluster, path: &str, spec: &str) {
    cluster.put(path, &[("op", "SETACL"), ("aclspec", spec)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_acl_of_either_scope_does_not_survive_at_the_secondary() {
    let Some((primary, secondary, _undisturbed)) = clusters("acls").await else { return };
    let (from, to) = (primary.component(Limits::default()), secondary.component(Limits::default()));
    let (source, target) = ("/it/acls", "/standby-acls/set");
    fresh(&primary, source).await;
    fresh(&secondary, target).await;
    // Whatever is made below this directory of the secondary's own inherits from it.
    secondary.put("/standby-acls", &[OP]).await;
    acl(&secondary, "/standby-acls", "user::rwx,group::r-x,other::---,default:user:mallory:rwx").await;
    let at = |path: &str| format!("{source}/{path}");
    let both = "user::rwx,user:bo:r-x,group::r-x,mask::r-x,other::---,default:user:eve:rwx";
    for name in ["dropped", "access", "default", "kept", "above/inner", "plain"] {
        primary.put(&at(name), &[OP]).await;
    }
    for name in ["dropped", "access", "default", "kept", "above"] {
        acl(&primary, &at(name), both).await;
    }
    primary.write(vec![(at("plain/file"), vec![1; 100]), (at("kept/file"), vec![2; 100])]).await;
    let first = run(&from, source, &to, target, None, true).await;
    let before = secondary.tree(target).await;
    assert_same(&primary.tree(source).await, &before);

    // One scope goes, the other, both; and what is new arrives below a directory with a default ACL of its own.
    primary.put(&at("dropped"), &[("op", "REMOVEDEFAULTACL")]).await;
    acl(&primary, &at("default"), "user::rwx,group::r-x,other::---").await;
    primary.put(&at("access"), &[("op", "REMOVEACL")]).await;
    for name in ["new", "named"] {
        primary.put(&at(name), &[OP]).await;
    }
    acl(&primary, &at("named"), "user::rwx,user:ana:r--,group::r-x,mask::r-x,other::---").await;
    primary.write(vec![(at("named/file"), vec![3; 10])]).await;
    for name in ["new", "named"] {
        primary.rename(&at(name), &at(&format!("above/{name}"))).await;
    }
    primary.rename(&at("plain"), &at("above/plain")).await;
    let second = run(&from, source, &to, target, Some(&first), true).await;
    let (is, sealed) = (primary.tree(source).await, secondary.tree(target).await);
    assert_same(&is, &sealed);
    assert!(is["/dropped"].contains("user:bo") && !is["/dropped"].contains("eve"), "{}", is["/dropped"]);
    assert!(is["/default"].contains("eve") && !is["/default"].contains("user:bo"), "{}", is["/default"]);
    assert!(is["/above/named"].contains("ana") && !is["/above/named"].contains("default"), "{}", is["/above/named"]);

    // What is not as the point has it is not sealed: metadata is set again, anything else is named.
    let elsewhere = |path: &str| format!("{target}/{path}");
    secondary.put(&elsewhere("kept"), &[("op", "REMOVEACL")]).await;
    acl(&secondary, &elsewhere("above/plain/file"), "user::rwx,user:eve:rwx,group::r-x,mask::rwx,other::---").await;
    secondary.put(&elsewhere("kept/file"), &[("op", "SETTIMES"), ("modificationtime", "1000"), ("accesstime", "-1")]).await;
    secondary.put(&elsewhere("above"), &[("op", "SETPERMISSION"), ("permission", "777")]).await;
    to.seal(target, point(), &second.manifest).await.expect("sealed");
    assert_same(&is, &secondary.tree(target).await);
    secondary.write(vec![(elsewhere("stray"), vec![0])]).await;
    assert_eq!(to.seal(target, point(), &second.manifest).await.expect_err("a stray file").code(), "entry-strange");
    secondary.delete(&elsewhere("stray")).await;

    // An older point comes back with the ACLs that it had, and a drill has them as well.
    to.restore(target, first.point, &first.manifest).await.expect("restored");
    assert_same(&before, &secondary.tree(target).await);
    let drill = understudy::domain::DrillId(uuid::Uuid::now_v7());
    let place = to.rehearse(target, second.point, &second.manifest, drill).await.expect("brought up");
    let place = place.strip_prefix(secondary.fs.trim_end_matches('/')).expect("on the secondary");
    let rehearsed = secondary.tree(place).await;
    to.clear_rehearsal(drill).await.expect("cleared");
    assert_same(&is, &rehearsed);
}
