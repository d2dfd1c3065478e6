//! Drills by the command line, with real agents: passed, failed, refused, stopped, killed in the middle, beside a backup run.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, paired};
use crate::stand::trees::{assert_same, listing, make};

const SETS: &str = "[\"files:docs\", \"tables:orders\"]";

/// Two agents and a service over a tree and a table with `policy`, once sealed.
struct Stand {
    east: Agent,
    west: Agent,
    controller: Controller,
    // Last, so that nothing runs in it any more when it goes.
    dir: Dir,
}

impl Stand {
    fn new(policy: impl Fn(&Path) -> String) -> Stand {
        let dir = Dir::new();
        let (east, west, controller) = paired(dir.path(), SETS, &policy(dir.path()));
        make(&east.dir.join("files/docs"), 20);
        let db = rusqlite::Connection::open(east.dir.join("orders.db")).unwrap();
        db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (1, 'first'), (2, 'second')")
            .unwrap();
        let stand = Stand { east, west, controller, dir };
        stand.controller.done(&["run", "orders"]);
        stand
    }

    /// What is in the spaces of drills at the secondary, as the disk tells.
    fn spaces(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.west.dir.join("state")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.file_name() == "drills" {
                    found.push(entry.path());
                } else if entry.path().is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        found
    }

    /// Something new to back up.
    fn work(&self, round: usize) {
        std::fs::write(self.east.dir.join(format!("files/docs/round {round}")), format!("{round}")).unwrap();
    }

    /// Nothing of any drill is there, and production at the secondary is what it was: another run finds no drift.
    fn is_clean(&self) {
        assert_eq!(self.spaces(), Vec::<PathBuf>::new());
        let open: i64 = self.west.ledger().query_row("SELECT count(*) FROM drills WHERE state <> 'over'", [], |row| row.get(0)).unwrap();
        assert_eq!(open, 0, "the agent knows of a drill that is not over");
        self.work(7);
        self.controller.done(&["run", "orders"]);
        assert_same(&listing(&self.east.dir.join("files/docs")), &listing(&self.west.dir.join("files/docs")));
    }
}

/// A check that says where it is and waits while `hold` is there.
fn held(dir: &Path) -> String {
    std::fs::write(dir.join("hold"), "").unwrap();
    let script = "touch \"$0/came\"; while [ -e \"$0/hold\" ]; do sleep 0.05; done; test -d \"$UNDERSTUDY_PLACE_FILES_DOCS\"";
    format!("rto_target_minutes = 10\nchecks = [{{ name = \"held\", command = [\"/bin/sh\", \"-c\", {script:?}, {dir:?}] }}]")
}

fn wait(what: &str, seen: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !seen() {
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn by_name<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|one| one[key] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

#[test]
fn a_drill_that_passes_is_clocked_signed_off_by_a_person_and_leaves_nothing() {
    let stand = Stand::new(|_| {
        // Whatever the check does in its own place, production does not notice.
        let scribble = "test -d \"$UNDERSTUDY_PLACE_FILES_DOCS\" && echo x > \"$UNDERSTUDY_PLACE_FILES_DOCS/scribble\" && \
                        echo \"$UNDERSTUDY_PLACE_TABLES_ORDERS\"";
        format!(
            "rto_target_minutes = 10\nchecks = [{{ name = \"the tree is there\", command = [\"/bin/sh\", \"-c\", {scribble:?}] }}, \
             {{ name = \"both orders\", sql = \"select count(*) from orders\", on = \"tables:orders\", expect = \"2\" }}]"
        )
    });
    let live = listing(&stand.west.dir.join("files/docs"));
    let page = stand.dir.path().join("drill.html");
    let report = stand.controller.done(&["drill", "orders", "--report", page.to_str().unwrap()]);
    assert_eq!(
        (&report["outcome"], &report["clean"], &report["within_target"]),
        (&"passed".into(), &true.into(), &true.into()),
        "{report:#}"
    );
    assert!(report["rto_ms"].as_u64().unwrap() > 0 && report["error"].is_null());
    let place = by_name(&report["places"], "data_set", "tables:orders")["place"].as_str().unwrap();
    assert!(place.starts_with(stand.west.dir.join("state").to_str().unwrap()), "{place}");
    let told = by_name(&report["checks"], "name", "the tree is there")["evidence"].as_str().unwrap();
    assert!(told.contains(place), "the command knows the places: {told}");
    assert_eq!(report["removed"].as_array().unwrap().len(), 2, "one space a component: {report:#}");
    assert_same(&listing(&stand.west.dir.join("files/docs")), &live);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.starts_with("<!doctype html>") && text.contains("both orders") && text.contains("not executed"), "{text}");
    stand.is_clean();

    let drill = report["drill"].as_str().unwrap();
    let signed = stand.controller.done(&["sign-off", drill, "--remark", "looked at it"]);
    assert_eq!(signed["signed"]["remark"], "looked at it");
    assert_eq!(stand.controller.say(&["sign-off", drill, "--remark", "again"]).code(), 3);
    let history = stand.controller.done(&["drills", "orders"]);
    assert_eq!((history.as_array().unwrap().len(), &history[0]), (1, &signed), "kept over every start of an engine");
}

#[test]
fn a_check_that_does_not_hold_fails_the_drill_with_its_evidence_and_the_others_are_made() {
    let stand = Stand::new(|_| {
        "checks = [{ name = \"three orders\", sql = \"select count(*) from orders\", on = \"tables:orders\", expect = \"3\" }, \
         { name = \"a writing query\", sql = \"delete from orders\", on = \"tables:orders\", expect = \"0\" }, \
         { name = \"too slow\", command = [\"/bin/sleep\", \"60\"], limit_secs = 1 }, \
         { name = \"nobody there\", http = \"http://127.0.0.1:1/\" }, \
         { name = \"says no\", command = [\"/bin/sh\", \"-c\", \"echo no order of today; exit 4\"] }, \
         { name = \"holds\", command = [\"/bin/true\"] }]"
            .into()
    });
    let file = stand.dir.path().join("drill.md");
    let said = stand.controller.say(&["drill", "orders", "--report", file.to_str().unwrap()]);
    assert_eq!(said.code(), 1, "{}", said.stderr);
    assert_eq!((&said.json["outcome"], &said.json["clean"], &said.json["rto_ms"]), (&"failed".into(), &true.into(), &Value::Null));
    for (check, words) in [
        ("three orders", "\"2\" instead of \"3\""),
        ("a writing query", "it would write"),
        ("too slow", "did not end within 1 s"),
        ("nobody there", "no answer"),
        ("says no", "status 4; it said: no order of today"),
    ] {
        let check = by_name(&said.json["checks"], "name", check);
        assert!(check["state"] == "failed" && check["evidence"].as_str().unwrap().contains(words), "{words}: {check}");
    }
    assert_eq!(by_name(&said.json["checks"], "name", "holds")["state"], "passed");
    assert!(std::fs::read_to_string(file).unwrap().contains("| says no | did not hold |"));
    stand.is_clean();
}

#[test]
fn what_cannot_be_drilled_is_refused_with_why_and_nothing_begins() {
    let dir = Dir::new();
    let (east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    let said = controller.say(&["drill", "orders"]);
    assert_eq!(said.code(), 3, "{}", said.stderr);
    let (what, next) = said.trouble();
    assert!(what.contains("none is sealed") && next.contains("run a backup"), "{what} {next}");
    assert_eq!(controller.say(&["drill", "nope"]).code(), 2);
    controller.done(&["run", "orders"]);
    let unknown = "0190a000-0000-7000-8000-000000000000";
    for arguments in [&["drill", "orders", "--point", unknown][..], &["sign-off", unknown, "--remark", "x"], &["stop-drill", unknown]] {
        let said = controller.say(arguments);
        assert_eq!(said.code(), 2, "{arguments:?}: {}", said.stderr);
        said.trouble();
    }
    assert_eq!(controller.done(&["drills"]), Value::Array(Vec::new()));
}

#[test]
fn the_secondary_s_agent_killed_in_the_middle_goes_on_or_leaves_nothing() {
    let mut stand = Stand::new(held);
    let (mut drill, _lines) = stand.controller.begin(&["drill", "orders"]);
    let came = stand.dir.path().join("came");
    wait("the check", || came.exists());
    assert_eq!(stand.spaces().len(), 2, "it is brought up");
    stand.west.kill();
    // What a dead agent's check left running ends as well, and would hold nothing.
    std::fs::remove_file(stand.dir.path().join("hold")).unwrap();
    stand.west.start();
    stand.west.tells(0, "a drill was under way");
    assert_eq!(drill.wait().unwrap().code(), Some(0), "the same instruction goes on");
    stand.is_clean();
}

#[test]
fn an_engine_killed_in_the_middle_takes_its_drill_up_again() {
    let stand = Stand::new(held);
    let (mut drill, _lines) = stand.controller.begin(&["drill", "orders"]);
    wait("the check", || stand.dir.path().join("came").exists());
    drill.kill().unwrap();
    drill.wait().unwrap();
    let _engine = stand.controller.engine(&[]);
    std::fs::remove_file(stand.dir.path().join("hold")).unwrap();
    wait("its end", || stand.controller.done(&["drills"])[0]["clean"] == true);
    assert_eq!(stand.controller.done(&["drills"])[0]["outcome"], "passed");
    stand.is_clean();
}

#[test]
fn backups_go_on_beside_a_drill_and_retention_keeps_its_point() {
    let stand = Stand::new(|dir| format!("keep = {{ all_hours = 0, daily_days = 0 }}\n{}", held(dir)));
    let first = stand.controller.done(&["points", "orders"])[0]["recovery_point"].clone();
    let _engine = stand.controller.engine(&[]);
    let (mut drill, _lines) = stand.controller.begin(&["drill", "orders", "--point", first.as_str().unwrap()]);
    wait("the check", || stand.dir.path().join("came").exists());
    let has = |points: &Value| points.as_array().unwrap().iter().any(|point| point["recovery_point"] == first);
    for round in 1..3 {
        stand.work(round);
        assert_eq!(stand.controller.done(&["run", "orders"])["outcome"], "sealed");
        assert!(has(&stand.controller.done(&["points", "orders"])), "its point stays while it is drilled");
    }
    assert_eq!(stand.controller.say(&["drill", "orders"]).code(), 3, "one drill of a service at a time");
    assert_eq!(stand.controller.say(&["unpair", "p", "--confirm", "p"]).code(), 3, "a pair is not dissolved under a drill");
    std::fs::remove_file(stand.dir.path().join("hold")).unwrap();
    assert_eq!(drill.wait().unwrap().code(), Some(0));
    stand.is_clean();
    wait("retention", || !has(&stand.controller.done(&["points", "orders"])));
}

#[test]
fn a_drill_that_a_person_stops_is_cleaned_at_once() {
    let stand = Stand::new(held);
    let _engine = stand.controller.engine(&[]);
    let (mut drill, _lines) = stand.controller.begin(&["drill", "orders"]);
    wait("the check", || stand.dir.path().join("came").exists());
    let id = stand.controller.done(&["drills"])[0]["drill"].as_str().unwrap().to_owned();
    assert_eq!(stand.controller.say(&["sign-off", &id, "--remark", "too early"]).code(), 3);
    stand.controller.done(&["stop-drill", &id]);
    assert_eq!(drill.wait().unwrap().code(), Some(1));
    assert_eq!(stand.controller.done(&["drills"])[0]["outcome"], "stopped");
    stand.is_clean();
}
