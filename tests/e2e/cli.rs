//! The command line: exit status 0 done, 1 failed, 2 wrong use, 3 refused (with why); one JSON object; the stable keys.

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::paired;
use crate::stand::trees::make;

/// The keys of a run's report, promised from 0.1 on.
const REPORT: [&str; 9] = ["service", "run", "recovery_point", "moment", "captured", "data_sets", "timings_ms", "outcome", "error"];

#[track_caller]
fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no key {key} in {value:#}");
    }
}

#[test]
fn json_has_the_promised_keys_and_points_and_runs_list_what_run_said() {
    let dir = Dir::new();
    let (east, _west, controller) = paired(dir.path(), "[\"files:docs\", \"tables:orders\"]", "");
    make(&east.dir.join("files/docs"), 10);
    let db = rusqlite::Connection::open(east.dir.join("orders.db")).unwrap();
    db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY); INSERT INTO orders VALUES (1)").unwrap();
    for list in [&["points", "orders"][..], &["runs"], &["runs", "orders"]] {
        assert_eq!(controller.done(list), Value::Array(Vec::new()), "{list:?} before the first run");
    }

    let run = controller.done(&["run", "orders"]);
    has_keys(&run, &REPORT);
    has_keys(&run["captured"], &["first", "last", "skew_ms", "grade"]);
    has_keys(&run["timings_ms"], &["arm", "capture", "transfer", "verify", "commit", "apply", "seal"]);
    let set = ["name", "lo", "hi", "open_files", "files", "bytes", "copied_files", "copied_bytes", "renamed", "deleted"];
    assert_eq!(run["data_sets"].as_array().unwrap().len(), 2);
    run["data_sets"].as_array().unwrap().iter().for_each(|one| has_keys(one, &set));
    assert_eq!((&run["outcome"], &run["error"]), (&Value::from("sealed"), &Value::Null));
    for list in [&["points", "orders"][..], &["runs"]] {
        let listed = controller.done(list);
        for key in REPORT {
            assert_eq!(listed[0][key], run[key], "{list:?}: {key}");
        }
    }

    let status = controller.done(&["status"]);
    let pair = &status["pairs"][0];
    has_keys(pair, &["name", "epoch", "active", "clusters", "services"]);
    for (cluster, identity) in pair["clusters"].as_array().unwrap().iter().zip(["primary", "secondary"]) {
        has_keys(cluster, &["name", "identity", "epoch", "fenced", "health", "evidence", "last_seen"]);
        assert_eq!(cluster["identity"], identity, "{cluster:#}");
    }
    has_keys(&pair["services"][0], &["name", "state", "last_point", "rpo_secs"]);

    let adjusted = controller.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"]);
    has_keys(&adjusted, &["pair", "epoch", "primary", "services", "outcome", "steps"]);
    has_keys(&adjusted["services"][0], &["name", "recovery_point", "lost_secs"]);
    let back = controller.done(&["run", "orders"]);
    assert_eq!(
        (&back["outcome"], &back["data_sets"][0]["copied_files"]),
        (&"sealed".into(), &0.into()),
        "the old primary stands by: {back:#}"
    );
}

#[test]
fn the_exit_status_tells_wrong_use_from_refused_and_every_error_says_what_to_do() {
    let dir = Dir::new();
    let (east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    let before = controller.done(&["export-plan"]);
    let unknown_run = "0190a000-0000-7000-8000-000000000000";
    let cases: [(&[&str], i32, &str); 11] = [
        (&["run", "nope"], 2, "service nope"),
        (&["points", "nope"], 2, "service nope"),
        (&["runs", "nope"], 2, "service nope"),
        (&["cancel", unknown_run], 2, unknown_run),
        (&["sync-users", "nope"], 2, "pair nope"),
        (&["unpair", "nope"], 2, "pair nope"),
        (&["adjust-identity", "nope", "--to", "west", "--confirm", "west"], 2, "pair nope"),
        (&["adjust-identity", "p", "--to", "mars", "--confirm", "mars"], 3, "mars"),
        (&["adjust-identity", "p", "--to", "west", "--confirm", "wset"], 3, "wset"),
        (&["adjust-identity", "p", "--to", "east", "--confirm", "east"], 3, "already"),
        (&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"], 3, "no sealed recovery point"),
    ];
    for (arguments, status, names) in cases {
        let said = controller.say(arguments);
        assert_eq!(said.code(), status, "{arguments:?}: {}", said.stderr);
        let (what, _) = said.trouble();
        assert!(what.contains(names), "{arguments:?} names {names}: {what}");
    }
    // What the arguments' own rules refuse.
    for arguments in [&["run"][..], &["run", "orders", "--at", "tomorrow"], &["frobnicate"], &["run", "or/ders"]] {
        assert_eq!(controller.say(arguments).code(), 2, "{arguments:?}");
    }
    assert_eq!(controller.done(&["export-plan"]), before, "nothing changed");
}

#[cfg(feature = "lab")]
#[test]
fn a_scenario_that_does_not_exist_is_wrong_use() {
    let dir = Dir::new();
    let said = crate::stand::processes::Controller::new(dir.path(), "unused").say(&["lab", "--scenario", "nope"]);
    assert_eq!(said.code(), 2, "{}", said.stderr);
}
