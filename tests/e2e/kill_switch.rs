//! Invariant 7 beyond the run: `kill -9` of either agent and of the engine while a cluster is fenced, promoted, demoted, or leaves.
//!
//! What is killed is started again; then the pair must be what it would have been, or what it was, and say which.

use std::time::Duration;

use serde_json::Value;

use crate::stand::processes::{Agent, Controller, paired, re_plan};
use crate::stand::trees::{assert_same, exact, make};
use crate::stand::{Dir, until};

const LIMIT: Duration = Duration::from_secs(60);
const SWITCH: [&str; 7] = ["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"];

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

impl Stand {
    fn cluster(&self, status: &Value, name: &str) -> Value {
        let clusters = status["pairs"][0]["clusters"].as_array().unwrap();
        clusters.iter().find(|cluster| cluster["name"] == name).unwrap().clone()
    }

    /// West serves all that east had, and east stands by, fenced, at the same epoch.
    async fn is_switched(&self) {
        let before = exact(&self.east.dir.join("files/docs"));
        until("the switch", LIMIT, || async {
            let status = self.controller.done(&["status"]);
            let (east, west) = (self.cluster(&status, "east"), self.cluster(&status, "west"));
            let roles = west["identity"] == "primary" && east["identity"] == "secondary" && east["fenced"] == true;
            (roles && west["epoch"] == 2 && east["epoch"] == 2 && status["pairs"][0]["active"] == "west").then_some(())
        })
        .await;
        let mut after = exact(&self.west.dir.join("files/docs"));
        // East's own folders carry its fence now.
        after.values_mut().filter(|(mode, ..)| mode & 0o170_000 == 0o040_000).for_each(|(mode, ..)| *mode &= !0o222);
        let mut fenced = before;
        fenced.values_mut().filter(|(mode, ..)| mode & 0o170_000 == 0o040_000).for_each(|(mode, ..)| *mode &= !0o222);
        assert_same(&fenced, &after);
        std::fs::write(self.west.dir.join("files/docs/new"), "west takes writes").unwrap();
        assert!(std::fs::write(self.east.dir.join("files/docs/new"), "and east none").is_err());
    }

    /// East is primary as before, takes writes, and is backed up.
    async fn is_as_before(&self) {
        until("the roles as they were", LIMIT, || async {
            let status = self.controller.done(&["status"]);
            let east = self.cluster(&status, "east");
            (east["identity"] == "primary" && east["epoch"] == 1 && status["pairs"][0]["phase"] == "replicating").then_some(())
        })
        .await;
        std::fs::write(self.east.dir.join("files/docs/new"), "east takes writes").unwrap();
        assert_eq!(self.controller.done(&["run", "orders"])["outcome"], "sealed");
    }
}

#[tokio::test]
async fn the_secondary_killed_while_it_is_promoted() {
    for told in ["primary identity taken", "service active here"] {
        let mut stand = sealed();
        let since = stand.west.log().len();
        let (mut switch, _) = stand.controller.begin(&SWITCH);
        stand.west.tells(since, told);
        stand.west.kill();
        stand.west.start();
        assert_eq!(switch.wait().unwrap().code(), Some(0), "killed at {told}");
        stand.is_switched().await;
    }
}

#[tokio::test]
async fn the_primary_killed_while_it_is_fenced_and_while_it_stands_back() {
    for told in ["order=\"demote\"", "secondary identity taken"] {
        let mut stand = sealed();
        let since = stand.east.log().len();
        let (mut switch, _) = stand.controller.begin(&SWITCH);
        stand.east.tells(since, told);
        stand.east.kill();
        stand.east.start();
        match switch.wait().unwrap().code() {
            Some(0) => stand.is_switched().await,
            Some(1) if told.contains("demote") => stand.is_as_before().await,
            other => panic!("killed at {told}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_engine_killed_while_identities_change() {
    for (at_east, told) in [(true, "order=\"demote\""), (false, "primary identity taken"), (false, "service active here")] {
        let stand = sealed();
        let agent = if at_east { &stand.east } else { &stand.west };
        let since = agent.log().len();
        let (mut switch, _) = stand.controller.begin(&SWITCH);
        agent.tells(since, told);
        switch.kill().unwrap();
        switch.wait().unwrap();
        // A person's decision stands: the next engine carries it out.
        let engine = stand.controller.engine(&[]);
        stand.is_switched().await;
        engine.kill();
    }
}

#[tokio::test]
async fn any_of_the_three_killed_while_a_cluster_leaves() {
    for (victim, told) in
        [("west", "order=\"leave\""), ("west", " left "), ("east", "order=\"leave\""), ("east", " left "), ("engine", " left ")]
    {
        let mut stand = sealed();
        let seen_at = if victim == "west" { &stand.west } else { &stand.east };
        let since = seen_at.log().len();
        let (mut unpair, _) = stand.controller.begin(&["unpair", "p"]);
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
            let again = stand.controller.done(&["unpair", "p"]);
            assert_eq!(again["leftovers"], Value::Array(Vec::new()), "an agent that had left already leaves nothing: {again:#}");
        } else if ended == Some(1) {
            // It said what it left behind: the two are paired once more, and unpaired.
            stand.controller.apply(&re_plan(&stand.east, &stand.west, "[\"files:docs\"]", ""));
            stand.controller.done(&["unpair", "p"]);
        }
        for agent in [&stand.east, &stand.west] {
            std::fs::write(agent.dir.join("files/docs/free"), "no fence stays").unwrap();
        }
        assert_eq!(stand.controller.done(&["status"])["pairs"], Value::Array(Vec::new()), "{victim} killed at {told}");
        // A new pair of the two is as good as the first, the data at the secondary aside.
        std::fs::remove_dir_all(stand.west.dir.join("files/docs")).unwrap();
        stand.controller.apply(&re_plan(&stand.east, &stand.west, "[\"files:docs\"]", ""));
        assert_eq!(stand.controller.done(&["run", "orders"])["outcome"], "sealed", "{}", stand.dir.path().display());
    }
}
