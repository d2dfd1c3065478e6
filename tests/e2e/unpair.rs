//! Unpairing removes our snapshots, staging and fences on both sides, and lists what it could not remove.

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, paired, re_plan_with_codes};
use crate::stand::trees::make;

/// Captures, sealed points and staging of ours beside a cluster's data, by their files.
fn ours(agent: &Agent) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![agent.dir.join("state/components"), agent.dir.join("files")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let text = path.to_str().unwrap().to_owned();
            let is_ours = ["/captured/", "/sealed/", "/staging/", "/objects/", ".understudy"].iter().any(|part| text.contains(part));
            if path.is_dir() {
                folders.push(path);
            } else if is_ours {
                found.push(text);
            }
        }
    }
    found
}

fn backed_up(dir: &Dir) -> (Agent, Agent, Controller) {
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\", \"tables:orders\"]", "");
    make(&east.dir.join("files/docs"), 5);
    let db = rusqlite::Connection::open(east.dir.join("orders.db")).unwrap();
    db.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY); INSERT INTO orders VALUES (1)").unwrap();
    for _ in 0..2 {
        controller.done(&["run", "orders"]);
    }
    assert!(!ours(&east).is_empty() && !ours(&west).is_empty());
    (east, west, controller)
}

/// Whether ordinary work goes on in the data sets.
fn can_be_written(agent: &Agent) -> bool {
    let db = rusqlite::Connection::open(agent.dir.join("orders.db")).unwrap();
    let row = db.execute("INSERT INTO orders DEFAULT VALUES", []).is_ok();
    let file = std::fs::write(agent.dir.join("files/docs/by an ordinary user"), "x").is_ok();
    assert_eq!(row, file, "the fence covers all of the service or nothing");
    row
}

/// Without the pair's name nothing is done, and what would go is shown; what.
fn shown_and_kept(agents: &[&Agent], controller: &Controller) -> Value {
    let before: Vec<_> = agents.iter().map(|agent| ours(agent)).collect();
    let shown = controller.say(&["unpair", "p"]);
    assert_eq!(shown.code(), 3, "{}", shown.stderr);
    let going = shown.json["would_remove"].clone();
    assert_eq!((&going["services"][0]["service"], &going["services"][0]["points"]), (&"orders".into(), &2.into()), "{going:#}");
    assert!(going["services"][0]["oldest"].as_str() < going["services"][0]["newest"].as_str(), "{going:#}");
    let [east, west] = [&going["clusters"][0], &going["clusters"][1]];
    assert_eq!((&east["fenced"], &west["fenced"]), (&0.into(), &2.into()), "{going:#}");
    assert_eq!((&west["snapshots"]["files"], &west["snapshots"]["tables"]), (&2.into(), &2.into()), "both points of both data sets");
    assert!(shown.stderr.contains("next: understudy unpair p --confirm p"), "the command to type: {}", shown.stderr);
    for wrong in ["P", "orders", "west"] {
        let refused = controller.say(&["unpair", "p", "--confirm", wrong]);
        assert_eq!(refused.code(), 3, "{wrong}: {}", refused.stderr);
    }
    assert_eq!(agents.iter().map(|agent| ours(agent)).collect::<Vec<_>>(), before, "nothing is removed");
    assert_eq!(controller.done(&["status"])["pairs"].as_array().unwrap().len(), 1);
    going
}

#[test]
fn nothing_of_ours_stays_on_either_side_and_the_data_does() {
    let dir = Dir::new();
    let (east, west, controller) = backed_up(&dir);
    assert!(!can_be_written(&west), "the secondary is fenced");
    let going = shown_and_kept(&[&east, &west], &controller);
    let gone = controller.done(&["unpair", "p", "--confirm", "p"]);
    assert_eq!(gone["leftovers"], Value::Array(Vec::new()), "{gone:#}");
    for what in ["snapshots", "kept", "staging", "drills", "fenced", "unknown"] {
        for cluster in [0, 1] {
            assert_eq!(gone["removed"]["clusters"][cluster][what], going["clusters"][cluster][what], "what was shown is what goes: {what}");
        }
    }
    assert_eq!(gone["removed"]["services"], going["services"]);
    for (agent, told) in [(&east, &going["clusters"][0]), (&west, &going["clusters"][1])] {
        let snapshots: u64 = told["snapshots"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert!(agent.log().contains(&format!("removed={snapshots} leftovers=0")), "{told:#}; {}", agent.log());
        assert_eq!(ours(agent), Vec::<String>::new(), "{}", agent.name);
        assert!(can_be_written(agent) && agent.dir.join("files/docs/a/b/c/deep").exists(), "the data of {} stays and is free", agent.name);
    }
    assert_eq!(controller.done(&["status"])["pairs"], Value::Array(Vec::new()));
    assert_eq!(controller.say(&["run", "orders"]).code(), 2, "there is no such service any more");
}

#[test]
fn with_one_agent_down_what_stays_is_listed_and_can_be_removed_later() {
    let dir = Dir::new();
    let (east, mut west, controller) = backed_up(&dir);
    west.kill();
    let shown = controller.say(&["unpair", "p"]);
    assert_eq!((shown.code(), &shown.json["would_remove"]["services"][0]["points"]), (3, &2.into()), "known here: {}", shown.stderr);
    assert!(shown.json["would_remove"]["clusters"][1]["unknown"].is_string(), "{}", shown.stderr);
    let said = controller.say(&["unpair", "p", "--confirm", "p"]);
    assert_eq!(said.code(), 1, "something could not be removed: {}", said.stderr);
    assert!(said.stderr.contains("west: what it holds is not known, "), "shown before: {}", said.stderr);
    let left = said.json["leftovers"].as_array().unwrap();
    assert!(left.len() == 1 && left[0].as_str().unwrap().contains("west"), "{left:?}");
    assert_eq!(ours(&east), Vec::<String>::new(), "what could be removed is");
    assert!(!ours(&west).is_empty());

    // The way out that a person has: pair the two again, which takes new codes, and unpair with both there.
    west.start();
    controller.apply(&re_plan_with_codes(&east, &west, "[\"files:docs\"]", ""));
    let gone = controller.done(&["unpair", "p", "--confirm", "p"]);
    assert_eq!(gone["leftovers"], Value::Array(Vec::new()), "{gone:#}");
    assert_eq!(ours(&west), Vec::<String>::new());
    assert!(can_be_written(&west));
}
