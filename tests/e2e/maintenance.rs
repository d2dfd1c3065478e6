//! A pair in maintenance, and an engine that only observes, from the command line.

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::paired;
use crate::stand::trees::make;

#[test]
fn a_maintenance_is_begun_shown_prolonged_and_ended_and_wrong_ones_are_refused() {
    let dir = Dir::new();
    let (mut east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    controller.done(&["run", "orders"]);
    assert_eq!(controller.done(&["maintenance", "p"])["maintenance"], Value::Null);
    for (arguments, status, says) in [
        (&["maintenance", "nope"][..], 2, "no such pair"),
        (&["maintenance", "nope", "--for", "2h", "--reason", "disks"], 2, "no such pair"),
        (&["maintenance", "p", "--for", "2h"], 2, "--reason"),
        (&["maintenance", "p", "--for", "soon", "--reason", "disks"], 2, "write for example"),
        (&["maintenance", "p", "--for", "8d", "--reason", "disks"], 2, "7 days"),
        (&["maintenance", "p", "--for", "2h", "--reason", " "], 2, "no reason"),
        (&["maintenance", "p", "--end"], 3, "not in maintenance"),
    ] {
        let said = controller.say(arguments);
        assert_eq!(said.code(), status, "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(says), "{arguments:?}: {}", said.stderr);
    }

    let begun = controller.done(&["maintenance", "p", "--for", "2h", "--reason", "disks are changed"]);
    let told = &begun["maintenance"];
    for key in ["since", "until", "reason", "by", "pause_runs"] {
        assert!(!told[key].is_null(), "no key {key} in {begun:#}");
    }
    assert_eq!((&told["reason"], &told["pause_runs"]), (&"disks are changed".into(), &false.into()));
    let status = controller.done(&["status"]);
    assert_eq!(&status["pairs"][0]["maintenance"], told, "kept from one program to the next");
    let words = controller.text(&["status"]);
    assert!(words.contains("MAINTENANCE: maintenance until ") && words.contains("disks are changed, by "), "{words}");

    // A lost primary is shown as it is, and nobody decides on it.
    east.kill();
    let words = controller.text(&["status"]);
    assert!(words.contains("MAINTENANCE") && words.contains("it is not running") && !words.contains("decide:"), "{words}");
    let began = std::time::Instant::now();
    let said = controller.say(&["adjust-identity", "p", "--to", "west", "--confirm", "west"]);
    assert_eq!(said.code(), 3, "{}", said.stderr);
    assert!(began.elapsed().as_secs() < 15, "evidence that changes nothing is not waited for: {:?}", began.elapsed());
    east.start();

    let longer = controller.done(&["maintenance", "p", "--for", "1d", "--reason", "more disks", "--pause-runs"]);
    assert!(longer["maintenance"]["until"].as_str() > told["until"].as_str() && longer["maintenance"]["pause_runs"] == true);
    assert_eq!(controller.done(&["maintenance", "p", "--end"])["maintenance"], Value::Null);
    assert_eq!(controller.done(&["status"])["pairs"][0]["maintenance"], Value::Null);
}

#[test]
fn an_engine_that_only_observes_backs_up_and_refuses_every_change_of_identities() {
    let dir = Dir::new();
    let (east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    std::fs::write(controller.state.join("engine.toml"), "[watch]\nmode = \"observe\"\n").unwrap();
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    assert_eq!(controller.done(&["status"])["observing"], true);
    assert!(controller.text(&["status"]).starts_with("this engine only observes"));
    for planned in [&["--planned"][..], &[]] {
        let arguments = [&["adjust-identity", "p", "--to", "west", "--confirm", "west"], planned].concat();
        let said = controller.say(&arguments);
        assert_eq!(said.code(), 3, "{}", said.stderr);
        assert!(said.trouble().1.contains("engine.toml") && said.stderr.contains("only observes"), "{}", said.stderr);
    }
    let runbook = controller.say(&["runbook", "p", "planned"]);
    assert_eq!((runbook.code(), &runbook.json["ready"]), (3, &false.into()), "{}", runbook.json);
}
