//! `understudy apply`: what is wrong with a plan is told by object, reason and next step, and nothing is changed, also not half of it.

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, Said, paired, plan};
use crate::stand::trees::make;

/// A service in pair `p` with these lines of policy.
fn service(name: &str, lines: &str) -> String {
    format!("[[service]]\nname = \"{name}\"\npair = \"p\"\n{lines}\n")
}

fn apply(controller: &Controller, plan: &str, more: &[&str]) -> Said {
    let file = controller.write_plan(plan);
    controller.say(&[&["apply", file.to_str().unwrap()], more].concat())
}

/// Everything that a plan can change.
fn everything(controller: &Controller) -> Value {
    controller.done(&["export-plan"])
}

#[test]
fn what_is_wrong_with_a_plan_is_told_and_nothing_is_changed() {
    let dir = Dir::new();
    let (east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 1);
    let before = everything(&controller);
    let sets = "data_sets = [\"files:other\"]";
    let cases = [
        ("an unknown key", service("s", &format!("{sets}\nskedule = \"* * * * *\"")), 2, vec!["line 5", "skedule"]),
        ("an unknown key inside", service("s", &format!("{sets}\nkeep = {{ all_ours = 1 }}")), 2, vec!["all_ours"]),
        ("an unknown table", "[[servise]]\nname = \"s\"\n".into(), 2, vec!["servise"]),
        ("a missing key", "[[service]]\nname = \"s\"\n".into(), 2, vec!["pair"]),
        ("no TOML", "pair p with east and west".into(), 2, vec!["line 1"]),
        ("a name that is none", service("a b", sets), 2, vec!["line 2"]),
        ("a data set that is none", service("s", "data_sets = [\"files\"]"), 2, vec!["files"]),
        ("a path that leaves", service("s", "data_sets = [\"files:../etc\"]"), 2, vec![".."]),
        (
            "a time zone",
            service("s", &format!("{sets}\nschedule = \"0 2 * * *\"\ntimezone = \"Mars/Olympus\"")),
            2,
            vec!["Mars/Olympus", "zone"],
        ),
        ("an hour", service("s", &format!("{sets}\nschedule = \"0 25 * * *\"")), 3, vec!["0 25 * * *", "hour"]),
        ("four fields", service("s", &format!("{sets}\nschedule = \"* * * *\"")), 3, vec!["4 fields"]),
        ("never", service("s", &format!("{sets}\nschedule = \"0 0 31 2 *\"")), 3, vec!["never comes"]),
        (
            "a schedule and a moment",
            service("s", &format!("{sets}\nschedule = \"* * * * *\"\nmoment = \"2030-01-01T00:00:00Z\"")),
            3,
            vec!["schedule", "moment"],
        ),
        ("no data sets", service("s", "data_sets = []"), 3, vec!["no data sets"]),
        ("overlapping", service("s", "data_sets = [\"files:a\", \"files:a/b\"]"), 3, vec!["files:a/b", "overlaps files:a of this service"]),
        ("overlapping another service", service("s", "data_sets = [\"files:docs/in\"]"), 3, vec!["files:docs/in", "service orders"]),
        (
            "overlapping at the secondary",
            service("s", "data_sets = [{ from = \"files:x\", to = \"files:docs\" }]"),
            3,
            vec!["files:docs", "at the secondary"],
        ),
        ("no such component", service("s", "data_sets = [\"hbase:orders\"]"), 3, vec!["hbase:orders", "east has no component hbase"]),
        ("kinds that do not fit", service("s", "data_sets = [{ from = \"files:x\", to = \"tables:x\" }]"), 3, vec!["tables"]),
        ("no such pair", service("s", sets).replace("\"p\"", "\"q\""), 3, vec!["pair q", "no such pair"]),
        ("no skew", service("s", &format!("{sets}\nskew_limit_ms = 0")), 3, vec!["skew"]),
        (
            "two hooks in one",
            service("s", &format!("{sets}\nfreeze = {{ command = [\"a\"], url = \"http://b\" }}")),
            3,
            vec!["freeze hook", "URL"],
        ),
        ("the old way", service("s", &format!("{sets}\nconsistency = \"per-component\"")), 3, vec!["moment"]),
    ];
    for (what, text, status, names) in cases {
        for more in [&["--dry-run"][..], &[]] {
            let said = apply(&controller, &text, more);
            assert_eq!(said.code(), status, "{what} {more:?}: {}", said.stderr);
            let (told, next) = said.trouble();
            for name in &names {
                assert!(told.contains(name), "{what}: {name:?} in: {told} ({next})");
            }
        }
    }
    let absent = controller.say(&["apply", "/nowhere/plan.toml"]);
    assert_eq!(absent.code(), 2);
    assert!(absent.trouble().0.contains("/nowhere/plan.toml"));
    assert_eq!(everything(&controller), before, "nothing changed");
}

#[test]
fn one_bad_service_keeps_the_whole_plan_out_also_its_new_pair() {
    let dir = Dir::new();
    let (mut east, mut west) = (Agent::local(dir.path(), "east"), Agent::local(dir.path(), "west"));
    east.start();
    west.start();
    let controller = Controller::new(dir.path(), "controller");
    let good = plan(&east, &west, "[\"files:docs\"]");
    for (bad, named) in [
        (service("bad", "data_sets = [\"files:b\"]\nschedule = \"61 * * * *\""), "61 * * * *"),
        (service("bad", "data_sets = [\"files:docs/in\"]"), "files:docs/in"),
        (service("bad", "data_sets = [\"hbase:b\"]"), "hbase:b"),
    ] {
        let said = apply(&controller, &format!("{good}\n{bad}"), &[]);
        assert_eq!(said.code(), 3, "{}", said.stderr);
        assert!(said.trouble().0.contains(named), "{}", said.stderr);
        assert_eq!(controller.done(&["status"])["pairs"], Value::Array(Vec::new()), "not paired for a plan that was refused");
    }
    let said = apply(&controller, &format!("{good}\n{}", service("bad", "data_sets = []")), &["--dry-run"]);
    assert_eq!(said.code(), 3, "a dry run of a plan that would be refused is refused: {}", said.stderr);

    // The codes, entered above, made the agents known: the corrected plan works, and a dry run before it changes nothing.
    let dry = apply(&controller, &good, &["--dry-run"]);
    assert_eq!((dry.code(), &dry.json["dry_run"]), (0, &Value::Bool(true)), "{}", dry.stderr);
    assert_eq!(dry.json["changes"].as_array().unwrap().len(), 2, "{}", dry.json);
    assert_eq!(controller.done(&["status"])["pairs"], Value::Array(Vec::new()), "a dry run pairs nothing");
    assert_eq!(apply(&controller, &good, &[]).json["changes"].as_array().unwrap().len(), 2);
    assert_eq!(apply(&controller, &good, &[]).json["changes"], Value::Array(Vec::new()), "applied again it changes nothing");

    let changed = good.replace("[\"files:docs\"]", "[\"files:docs\"]\ncopy = \"pull\"");
    let dry = apply(&controller, &changed, &["--dry-run"]);
    assert_eq!(dry.json["changes"].as_array().unwrap().len(), 1, "{}", dry.json);
    let policy = || controller.done(&["export-plan"])["service"][0]["copy"].clone();
    assert_eq!(policy(), "push");
    apply(&controller, &changed, &[]);
    assert_eq!(policy(), "pull");
}

#[test]
fn a_target_that_is_not_empty_and_not_ours_is_refused_and_left_alone() {
    let dir = Dir::new();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 1);
    std::fs::create_dir_all(west.dir.join("files/docs")).unwrap();
    std::fs::write(west.dir.join("files/docs/theirs"), "not ours").unwrap();
    let said = controller.say(&["run", "orders"]);
    assert_eq!((said.code(), &said.json["outcome"]), (1, &Value::from("failed")), "{}", said.stderr);
    let (told, next) = said.trouble();
    assert!(told.contains("files:docs") && told.contains("not empty and not ours") && told.contains("theirs"), "{told}");
    assert!(next.contains("west") || next.contains("secondary"), "{next}");
    assert_eq!(std::fs::read(west.dir.join("files/docs/theirs")).unwrap(), b"not ours");
    std::fs::write(west.dir.join("files/docs/more"), "it is not fenced").unwrap();
    assert_eq!(controller.done(&["points", "orders"]), Value::Array(Vec::new()));
}
