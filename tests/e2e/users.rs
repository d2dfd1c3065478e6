//! R7: users, groups, permissions and tenants reach the secondary both ways, and what went at the primary goes at the secondary.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, paired};

const SCHEMA: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY);
    CREATE TABLE app_users (name TEXT PRIMARY KEY);
    CREATE TABLE app_group_members (grp TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (grp, member));
    CREATE TABLE app_grants (principal TEXT NOT NULL, object TEXT NOT NULL, rights TEXT NOT NULL, PRIMARY KEY (principal, object));
    CREATE TABLE app_tenants (name TEXT PRIMARY KEY, quota TEXT NOT NULL);";

fn sql(agent: &Agent, text: &str) {
    let db = rusqlite::Connection::open(agent.dir.join("orders.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    db.execute_batch(text).unwrap();
}

/// Everything in the application's own tables.
fn all(agent: &Agent) -> BTreeSet<String> {
    let db = rusqlite::Connection::open(agent.dir.join("orders.db")).unwrap();
    let text = "SELECT 'user ' || name FROM app_users UNION SELECT 'group ' || grp || ' ' || member FROM app_group_members
        UNION SELECT principal || ' may ' || rights || ' on ' || object FROM app_grants
        UNION SELECT 'tenant ' || name || ' ' || quota FROM app_tenants";
    let Ok(mut query) = db.prepare(text) else { return BTreeSet::new() };
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn sites(dir: &Dir) -> (Agent, Agent, Controller) {
    let (east, west, controller) = paired(dir.path(), "[\"tables:orders\"]", "");
    sql(&east, SCHEMA);
    sql(
        &east,
        "INSERT INTO app_users VALUES ('ana'), ('bo'); INSERT INTO app_group_members VALUES ('retail', 'ana'), ('retail', 'bo');
         INSERT INTO app_grants VALUES ('ana', 'orders', 'read,write'), ('bo', 'orders', 'read');
         INSERT INTO app_tenants VALUES ('north', '10 GiB')",
    );
    (east, west, controller)
}

/// Additions, changes and removals in one round.
const CHANGES: &str = "INSERT INTO app_users VALUES ('cy'); INSERT INTO app_grants VALUES ('cy', 'orders', 'read');
    UPDATE app_grants SET rights = 'read' WHERE principal = 'ana'; UPDATE app_tenants SET quota = '20 GiB';
    DELETE FROM app_grants WHERE principal = 'bo'; DELETE FROM app_group_members WHERE member = 'bo'; DELETE FROM app_users WHERE name = 'bo'";

/// How many changes of each sort an answer lists.
fn counted(told: &Value) -> [usize; 3] {
    let changes = told["changes"].as_array().unwrap();
    ["remove", "change", "add"].map(|action| changes.iter().filter(|change| change["action"] == action).count())
}

fn brought_over(how: &[&str]) {
    let dir = Dir::new();
    let (east, west, controller) = sites(&dir);
    let sync = |more: &[&str]| controller.done(&[&["sync-users", "p"], how, more].concat());
    let dry = sync(&["--dry-run"]);
    assert_eq!((counted(&dry), dry["applied"].as_u64()), ([0, 0, 6], Some(0)), "{dry:#}");
    assert_eq!(all(&west), BTreeSet::new(), "a dry run changes nothing");
    let view = controller.done(&["status"])["pairs"][0]["users"].clone();
    assert_eq!(view["differences"].as_array().unwrap().len(), 6, "and is shown: {view:#}");

    let done = sync(&[]);
    assert_eq!((counted(&done), done["applied"].as_u64()), ([0, 0, 6], Some(6)), "{done:#}");
    assert_eq!(all(&west), all(&east));
    let view = controller.done(&["status"])["pairs"][0]["users"].clone();
    assert_eq!((view["differences"].as_array().unwrap().len(), &view["counts"]), (0, &serde_json::json!([2, 1, 2, 1])), "{view:#}");

    sql(&east, CHANGES);
    // What nobody but us may do: a right given by hand at the secondary, which the primary does not have.
    sql(&west, "INSERT INTO app_grants VALUES ('mallory', 'orders', 'write')");
    let before = all(&west);
    let dry = sync(&["--dry-run"]);
    assert_eq!(counted(&dry), [3, 3, 2], "{dry:#}");
    assert_eq!(all(&west), before, "a dry run changes nothing");
    let changes = dry["changes"].as_array().unwrap();
    let first_other = changes.iter().position(|change| change["action"] != "remove").unwrap();
    assert!(changes[first_other..].iter().all(|change| change["action"] != "remove"), "removals come first: {dry:#}");
    let by_hand = changes.iter().find(|change| change["key"]["principal"] == "mallory").unwrap();
    assert_eq!(by_hand["drifted"], true, "{by_hand:#}");
    sync(&[]);
    assert_eq!(all(&west), all(&east));
    assert_eq!(counted(&sync(&[])), [0, 0, 0], "a second time there is nothing to do");
}

#[test]
fn by_the_fourth_instruction_to_the_primary() {
    brought_over(&[]);
}

#[test]
fn by_the_controller_that_reads_both_and_adjusts_the_secondary() {
    brought_over(&["--by-controller"]);
}

#[test]
fn a_revoked_right_disappears_at_the_secondary_with_the_next_run() {
    let dir = Dir::new();
    let (east, west, controller) = sites(&dir);
    controller.done(&["run", "orders"]);
    assert_eq!(all(&west), all(&east), "brought over with the run");
    sql(&east, CHANGES);
    controller.done(&["run", "orders"]);
    assert_eq!(all(&west), all(&east));
    assert!(!all(&west).iter().any(|item| item.starts_with("bo ")), "{:?}", all(&west));
    let users = controller.done(&["status"])["pairs"][0]["users"].clone();
    assert!(users["at"].is_string() && users["trouble"].is_null(), "{users:#}");
}

#[test]
fn with_the_other_agent_down_nothing_is_half_done_and_it_says_so() {
    let dir = Dir::new();
    let (east, mut west, controller) = sites(&dir);
    controller.done(&["sync-users", "p"]);
    sql(&east, CHANGES);
    west.kill();
    for how in [&["sync-users", "p"][..], &["sync-users", "p", "--by-controller"]] {
        let said = controller.say(how);
        assert_eq!(said.code(), 1, "{}", said.stderr);
        assert!(said.trouble().0.contains("west"), "{}", said.stderr);
    }
    let users = controller.done(&["status"])["pairs"][0]["users"].clone();
    assert!(users["trouble"]["reason"].is_string() || users["at"].is_string(), "{users:#}");
    west.start();
    controller.done(&["sync-users", "p"]);
    assert_eq!(all(&west), all(&east));
}
