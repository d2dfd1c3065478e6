//! Invariant 7 where a pair ends: `kill -9` of either agent and of the engine while a cluster leaves. What is killed is started again.

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, paired, re_plan_with_codes};
use crate::stand::trees::make;

struct Stand {
    east: Agent,
    west: Agent,
    controller: Controller,
    dir: Dir,
}

fn sealed() -> Stand {
    let dir = Dir::new();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 20);
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    Stand { east, west, controller, dir }
}

#[test]
fn any_of_the_three_killed_while_a_cluster_leaves() {
    for (victim, told) in
        [("west", "order=\"leave\""), ("west", " left "), ("east", "order=\"leave\""), ("east", " left "), ("engine", " left ")]
    {
        let mut stand = sealed();
        let seen_at = if victim == "west" { &stand.west } else { &stand.east };
        let since = seen_at.log().len();
        let (mut unpair, _) = stand.controller.begin(&["unpair", "p", "--confirm", "p"]);
        seen_at.tells(since, told);
        match victim {
            "west" => {
                stand.west.kill();
                stand.west.start();
            }
            "east" => {
                stand.east.kill();
                stand.east.start();
            }
            _ => unpair.kill().unwrap(),
        }
        let ended = unpair.wait().unwrap().code();
        if victim == "engine" && stand.controller.done(&["status"])["pairs"].as_array().unwrap().len() == 1 {
            let again = stand.controller.done(&["unpair", "p", "--confirm", "p"]);
            assert_eq!(again["leftovers"], Value::Array(Vec::new()), "an agent that had left already leaves nothing: {again:#}");
        } else if ended == Some(1) {
            // It said what it left behind: the two are paired once more, and unpaired.
            stand.controller.apply(&re_plan_with_codes(&stand.east, &stand.west, "[\"files:docs\"]", ""));
            stand.controller.done(&["unpair", "p", "--confirm", "p"]);
        }
        for agent in [&stand.east, &stand.west] {
            std::fs::write(agent.dir.join("files/docs/free"), "no fence stays").unwrap();
        }
        assert_eq!(stand.controller.done(&["status"])["pairs"], Value::Array(Vec::new()), "{victim} killed at {told}");
        // A new pair of the two is as good as the first, the data at the secondary aside.
        std::fs::remove_dir_all(stand.west.dir.join("files/docs")).unwrap();
        stand.controller.apply(&re_plan_with_codes(&stand.east, &stand.west, "[\"files:docs\"]", ""));
        assert_eq!(stand.controller.done(&["run", "orders"])["outcome"], "sealed", "{}", stand.dir.path().display());
    }
}
