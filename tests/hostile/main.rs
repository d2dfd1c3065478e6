//! A secondary's real agent, and a peer that lies: it has the pair's pinned key and sends by hand what no agent of ours would. What it sends
//! is data: it is refused by name, nothing is executed, nothing outside the pair's data sets is reached, and the next honest run seals.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used)]

mod peer;
mod victim;

use peer::{Lie, directory, file};
use understudy::domain::user_data::{UserData, UserDataAction, UserDataChange, UserDataKey, UserDataKind};
use understudy::domain::{Metadata, TroubleKind};
use understudy::protocol::{AdjustUsersOrder, Order};
use victim::Victim;

/// A table as it is captured, with the given schema.
fn table(schema: &str) -> Lie {
    Lie::of(
        "tables:orders",
        vec![directory(""), file("schema.sql", schema), directory("rows"), file("rows/8000000000000000.jsonl", "[1,1,\"tea\"]\n")],
    )
}

const ORDERS: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT);\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_a_program_is_refused_before_the_commit_and_never_executed() {
    let victim = Victim::start("").await;
    let before = victim.seal(&table(ORDERS)).await.unwrap();
    let (made, ledger) = (victim.at("owned"), victim.at("state/ledger.db"));
    for attack in [
        format!("{ORDERS}COMMIT; ATTACH '{}' AS x; CREATE TABLE x.keys (k); BEGIN IMMEDIATE;", made.display()),
        format!("{ORDERS}ATTACH '{}' AS l; DELETE FROM l.points;", ledger.display()),
        format!("{ORDERS}VACUUM INTO '{}';", made.display()),
        format!("{ORDERS}CREATE TABLE accounts (a);"),
        format!("{ORDERS}CREATE TRIGGER understudy_fence_delete_orders BEFORE DELETE ON orders WHEN 0 BEGIN SELECT 1; END;"),
        format!("{ORDERS}PRAGMA writable_schema = ON;"),
    ] {
        let refused = victim.seal(&table(&attack)).await.expect_err(&attack);
        assert_eq!(refused.kind, TroubleKind::Refused, "{attack}: {refused}");
        assert!(refused.object.contains("tables:orders") && refused.reason.contains("statement"), "{attack}: {refused}");
        assert!(!made.exists(), "{attack}");
        assert_eq!(victim.newest_sealed().await, Some(before), "{attack}");
        assert_eq!(victim.orders(), ["tea"], "{attack}");
    }
    assert_ne!(victim.seal(&table(ORDERS)).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_no_table_is_refused_before_a_byte_moves() {
    let victim = Victim::start("").await;
    for (path, content) in
        [("rows/+800000000000000.jsonl", "[1,1,\"x\"]\n"), ("evil.jsonl", "[1]\n"), ("sequence", "123456789012345678901")]
    {
        let mut lie = table(ORDERS);
        lie.content.push(file(path, content));
        let refused = victim.seal(&lie).await.expect_err(path);
        assert_eq!((refused.kind, refused.reason.contains(path)), (TroubleKind::Refused, true), "{refused}");
    }
    // Known only by its content: the table counts nothing up.
    let mut lie = table(ORDERS);
    lie.content.push(file("sequence", "7"));
    let refused = victim.seal(&lie).await.expect_err("no AUTOINCREMENT");
    assert!(refused.reason.contains("AUTOINCREMENT"), "{refused}");
    victim.seal(&table(ORDERS)).await.unwrap();
}

fn tree(attack: Option<(&str, Metadata)>) -> Lie {
    let mut content = vec![directory(""), directory("bin"), file("bin/honest", "one")];
    // A directory's setgid and sticky bits travel as before.
    content[1].entry.meta.mode = 0o3775;
    if let Some((path, meta)) = attack {
        let mut evil = file(path, "two");
        evil.entry.meta = meta;
        content.push(evil);
    }
    Lie::of("files:tools", content)
}

#[tokio::test(flavor = "multi_thread")]
async fn privileges_are_refused_by_name_before_a_byte_moves() {
    let victim = Victim::start("").await;
    let plain = || file("x", "").entry.meta;
    let with = |name: &str| Metadata { xattrs: [(name.to_owned(), "01000002".to_owned())].into(), ..plain() };
    for (attack, said, word) in [
        (Metadata { mode: 0o4755, ..plain() }, "mode 4755", "setid"),
        (Metadata { mode: 0o2755, ..plain() }, "mode 2755", "setid"),
        (Metadata { owner: "root".into(), ..plain() }, "superuser", "root-owner"),
        (Metadata { owner: "0".into(), ..plain() }, "superuser", "root-owner"),
        (with("security.capability"), "security.capability", "security-attributes"),
        (with("trusted.overlay.opaque"), "trusted.overlay.opaque", "security-attributes"),
        (with("system.posix_acl_access"), "system.posix_acl_access", "security-attributes"),
    ] {
        let refused = victim.seal(&tree(Some(("bin/evil", attack)))).await.expect_err(said);
        assert_eq!(refused.kind, TroubleKind::Refused, "{refused}");
        assert!(
            refused.object.contains("files:tools") && refused.reason.contains("bin/evil") && refused.reason.contains(said),
            "{refused}"
        );
        assert!(refused.next_step.contains(word) && refused.next_step.contains("agent.toml"), "{refused}");
        assert!(!victim.at("root/tools/bin").exists() && victim.staged("files") == 0, "a byte moved: {refused}");
    }
    assert_eq!(victim.newest_sealed().await, None);
    victim.seal(&tree(None)).await.unwrap();
    assert_eq!(std::fs::read_to_string(victim.at("root/tools/bin/honest")).unwrap(), "one");
    assert_eq!(victim.mode("root/tools/bin") & 0o7000, 0o3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agent_toml_allows_comes_along() {
    let victim = Victim::start("allow = [\"setid\"]").await;
    let meta = Metadata { mode: 0o4755, ..file("x", "").entry.meta };
    victim.seal(&tree(Some(("bin/tool", meta.clone())))).await.unwrap();
    assert_eq!(victim.mode("root/tools/bin/tool") & 0o7777, 0o4755);
    let root = Metadata { owner: "0".into(), ..meta };
    assert!(victim.seal(&tree(Some(("bin/tool", root)))).await.expect_err("not allowed").next_step.contains("root-owner"));
}

fn change(component: &str, object: &str, principal: &str, value: &str) -> UserDataChange {
    UserDataChange {
        key: UserDataKey {
            component: component.parse().unwrap(),
            kind: UserDataKind::Permission,
            object: object.into(),
            principal: principal.into(),
        },
        action: UserDataAction::Change,
        primary: Some(value.into()),
        secondary: None,
        last_applied: None,
        drifted: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_of_user_data_outside_the_pairs_data_sets_refuses_the_whole_request_whoever_asks() {
    let victim = Victim::start("").await;
    victim.store_policies("[\"files:tools\"]").await;
    victim.seal(&tree(None)).await.unwrap();
    let before = victim.mode("root/tools/bin");
    // In its place, but of an application that no policy names; and a file of the tree.
    victim.sql("CREATE TABLE app_grants (principal, object, rights)");
    for (forbidden, said) in [
        (change("files", "other", "mode", "0777"), "no data set"),
        (change("files", "tools/../other", "mode", "0777"), "no data set"),
        (change("files", "", "owner", "nobody"), "no data set"),
        (change("tables", "orders", "user:mallory", "write"), "no policy"),
        (change("files", "tools/bin/honest", "mode", "4755"), "4755"),
        (change("files", "tools/bin", "owner", "root"), "superuser"),
        (change("files", "tools/bin", "mode", "77777"), "no mode"),
    ] {
        let allowed = change("files", "tools/bin", "mode", "0700");
        let changes = vec![allowed, forbidden.clone()];
        let by_peer = victim.adjust_as_peer(changes.clone()).await.expect_err(said);
        let order = AdjustUsersOrder { changes, primary: UserData::default() };
        let by_controller = victim.done(Order::AdjustUsers(order)).await.expect_err(said);
        for refused in [by_peer, by_controller] {
            assert_eq!(refused.kind, TroubleKind::Refused, "{forbidden:?}: {refused}");
            assert!(refused.reason.contains(said), "{forbidden:?}: {refused}");
        }
        assert_eq!(victim.mode("root/tools/bin"), before, "nothing of the request was carried out: {forbidden:?}");
    }
    assert_eq!(victim.count("SELECT count(*) FROM app_grants"), 0);
    victim.adjust_as_peer(vec![change("files", "tools/bin", "mode", "0750")]).await.unwrap();
    assert_ne!(victim.mode("root/tools/bin"), before);
}
