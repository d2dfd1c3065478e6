//! A way out after the commit: a committed point that its secondary cannot seal says why at once, seals by itself once the cause is gone, also
//! without an engine, and can be given up. The obstacle is one that nothing looks for before the commit: an index of another table in the
//! secondary's database has the name of the table.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, Said, paired};
use crate::stand::trees::{assert_same, change, listing, make};

/// A first report may come this late on a busy machine; before, each try took 38 s and none was told.
const AT_ONCE: Duration = Duration::from_secs(25);
const PATIENCE: Duration = Duration::from_secs(60);

fn sql(agent: &Agent, text: &str) {
    let db = Connection::open(agent.dir.join("orders.db")).unwrap();
    db.busy_timeout(PATIENCE).unwrap();
    db.execute_batch(text).unwrap();
}

/// From now on the table cannot be made at the secondary.
fn obstruct(west: &Agent) {
    sql(west, "CREATE TABLE IF NOT EXISTS other (x); CREATE INDEX orders ON other (x)");
}

fn rows(dir: &Path) -> Option<Vec<(i64, String)>> {
    let db = Connection::open_with_flags(dir.join("orders.db"), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = db.prepare("SELECT id, what FROM orders ORDER BY id").ok()?;
    Some(rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect())
}

/// A run that is committed and cannot be sealed: what it says.
fn stuck(controller: &Controller, object: &str) -> Value {
    let begun = Instant::now();
    let said = controller.say(&["run", "orders"]);
    assert_eq!(said.code(), 1, "{}", said.stderr);
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
    let told = &said.json["stuck"];
    assert_eq!(
        (&told["work"], &told["trouble"]["kind"], &said.json["outcome"]),
        (&"seal".into(), &"refused".into(), &Value::Null),
        "{said:?}"
    );
    assert!(told["trouble"]["object"].as_str().unwrap().contains(object) && said.stderr.contains("understudy abandon"), "{said:?}");
    said.json
}

fn refused(said: &Said) {
    assert_eq!(said.code(), 3, "{}", said.stderr);
    assert!(said.trouble().1.contains("abandon"), "{}", said.stderr);
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never came: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn sealed(agent: &Agent) -> i64 {
    agent.ledger().query_row("SELECT count(*) FROM points WHERE sealed = 1", [], |row| row.get(0)).unwrap()
}

/// Sets or takes the immutable flag of a file that the next point writes anew. False where there is no such flag, or no right to set it.
fn keep_as_it_is(west: &Agent, flag: &str) -> bool {
    let file = west.dir.join("files/docs/per%cent/file 2 %41 ö.bin");
    std::process::Command::new("chattr").arg(flag).arg(file).status().is_ok_and(|status| status.success())
}

/// Gives the run up while its secondary's agent is killed; what the run ended as.
fn abandon(controller: &Controller, west: &mut Agent, run: &Value) -> Value {
    let run = run["run"].as_str().unwrap();
    for wrong in [&["abandon", run][..], &["abandon", run, "--confirm", "west"][..]] {
        let said = controller.say(wrong);
        assert_eq!(said.code(), 3, "{}", said.stderr);
        assert!(said.trouble().1.contains(&format!("understudy abandon {run} --confirm orders")), "{}", said.stderr);
    }
    let since = west.log().len();
    let (mut process, _) = controller.begin(&["abandon", run, "--confirm", "orders"]);
    west.tells(since, "given up");
    west.kill();
    west.start();
    assert_eq!(process.wait().unwrap().code(), Some(0));
    let runs = controller.done(&["runs", "orders"]);
    let ended = runs.as_array().unwrap().iter().find(|report| report["run"] == run).unwrap().clone();
    assert_eq!(ended["outcome"], "abandoned", "{ended:#}");
    assert!(ended["abandoned"]["by"].as_str().is_some_and(|by| !by.is_empty()) && ended["abandoned"]["at"].is_string(), "{ended:#}");
    ended
}

#[test]
fn a_committed_point_that_cannot_be_sealed_says_why_seals_once_it_can_and_can_be_given_up() {
    let dir = Dir::new();
    let (east, mut west, controller) = paired(dir.path(), "[\"files:docs\", \"tables:orders\"]", "");
    let docs = |agent: &Agent| listing(&agent.dir.join("files/docs"));
    make(&east.dir.join("files/docs"), 20);
    sql(&east, "CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (1, 'first')");

    // The first point of all: what stands still is shown, and nothing else may be begun.
    obstruct(&west);
    let first = stuck(&controller, "tables:orders");
    let shown = &controller.done(&["status"])["pairs"][0]["services"][0];
    assert_eq!((&shown["state"], &shown["stuck"]["run"]), (&"stuck".into(), &first["run"]), "{shown:#}");
    assert_eq!(controller.done(&["runs", "orders"])[0]["stuck"]["trouble"], first["stuck"]["trouble"]);
    refused(&controller.say(&["cancel", first["run"].as_str().unwrap()]));
    refused(&controller.say(&["unpair", "p", "--confirm", "p"]));
    refused(&controller.say(&["run", "orders"]));

    // Given up, its target is as it was before: empty, absent, and nobody's.
    let ended = abandon(&controller, &mut west, &first);
    assert_eq!(ended["abandoned"]["back_to"], Value::Null);
    assert_eq!((docs(&west).len(), rows(&west.dir)), (0, None), "what it brought is gone");
    std::fs::write(west.dir.join("files/docs/by somebody"), "x").expect("it is not fenced");
    std::fs::remove_file(west.dir.join("files/docs/by somebody")).unwrap();
    assert_eq!(controller.done(&["points", "orders"]), Value::Array(Vec::new()));

    // The cause goes while no engine runs: it seals by itself.
    stuck(&controller, "tables:orders");
    sql(&west, "DROP INDEX orders");
    until("it is sealed by the agent alone", || sealed(&west) == 1);
    assert_same(&docs(&east), &docs(&west));
    assert_eq!(rows(&east.dir), rows(&west.dir));
    let before = (docs(&west), rows(&west.dir));

    // A later point that is given up leaves the one before it, live and offered, while the obstacle is still there.
    if keep_as_it_is(&west, "+i") {
        let end = Instant::now() + PATIENCE;
        let first = loop {
            // An engine that starts hears first how the run before ended.
            let told = controller.done(&["runs", "orders"])[0].clone();
            if told["outcome"] == "sealed" {
                break told["recovery_point"].clone();
            }
            assert!(Instant::now() < end, "{told:#}");
        };
        // Only now: with that end came the user data, and rights on what is gone at the primary would go.
        change(&east.dir.join("files/docs"), 0);
        sql(&east, "INSERT INTO orders VALUES (2, 'second')");
        let second = stuck(&controller, "files/docs");
        let ended = abandon(&controller, &mut west, &second);
        let points = controller.done(&["points", "orders"]);
        assert_eq!((points.as_array().unwrap().len(), &points[0]["recovery_point"]), (1, &first), "{points:#}");
        assert_eq!(ended["abandoned"]["back_to"], first, "{ended:#}\n{}", west.log());
        assert_same(&before.0, &docs(&west));
        assert_eq!(before.1, rows(&west.dir));
        assert!(keep_as_it_is(&west, "-i"));
    } else {
        println!("a later point was not given up: this file system has no immutable flag");
    }

    // And then all goes on.
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    assert_same(&docs(&east), &docs(&west));
    assert_eq!(rows(&east.dir), rows(&west.dir));
    let gone = controller.done(&["unpair", "p", "--confirm", "p"]);
    assert_eq!(gone["leftovers"], Value::Array(Vec::new()), "{gone:#}");
}
