//! Invariant 1: two decisions of one epoch. Routes and agents refuse, the data plane is left alone, a person is told and decides.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::stand::processes::{Agent, Controller, paired};
use crate::stand::trees::make;
use crate::stand::{Dir, http, provider, until};

pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Whether a route's health check passes, and whom the route names.
async fn asked(agent: &Agent) -> Option<(bool, Value)> {
    let get = |what: &str| http(Duration::from_secs(2)).get(format!("http://{}/v1/{what}/p/orders", agent.route)).send();
    let active = get("active").await.ok()?.status() == 200;
    Some((active, serde_json::from_str(&get("route").await.ok()?.text().await.ok()?).ok()?))
}

fn can_write(agent: &Agent) -> bool {
    std::fs::write(agent.dir.join("files/docs/written by an application"), "x").is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_controllers_that_decide_apart_make_everything_stand_still_until_a_person_decides() {
    provider();
    let dir = Dir::new();
    let (mut east, mut west, one) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    one.done(&["run", "orders"]);
    // Two worlds: west's host is a virtual machine that goes back to its last image, and there are two controllers of the same pair.
    let (state, image, later) = (west.dir.join("state"), dir.path().join("image"), dir.path().join("later"));
    west.kill();
    copy(&state, &image);
    west.start();
    let other = Controller::new(dir.path(), "other");
    copy(&one.state, &other.state);

    east.kill();
    assert_eq!(one.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west"])["outcome"], "promoted");
    west.kill();
    std::fs::rename(&state, &later).unwrap();
    std::fs::rename(&image, &state).unwrap();
    west.start();
    east.start();
    let limit = Duration::from_secs(30);
    // It starts twice: a start takes a higher term than every one it met, as for any controller that was restored.
    other.done(&["status"]);
    assert_eq!(other.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"])["outcome"], "promoted");
    until("east's secondary identity", limit, || async {
        (other.done(&["status"]).pointer("/pairs/0/clusters/1/identity")? == "secondary").then_some(())
    })
    .await;

    // West comes back from the first world: primary of epoch 2 by one decision, while east is secondary of epoch 2 by the other.
    west.kill();
    std::fs::rename(&state, dir.path().join("second world")).unwrap();
    std::fs::rename(&later, &state).unwrap();
    let alerts = dir.path().join("alerts");
    std::fs::write(other.state.join("engine.toml"), format!("[alert]\ncommand = [\"sh\", \"-c\", \"cat >> '{}'\"]\n", alerts.display()))
        .unwrap();
    west.start();
    let engine = other.engine(&[]);
    for agent in [&east, &west] {
        until("a route that leads nowhere", limit, || async {
            let (active, route) = asked(agent).await?;
            (!active && route["active"].is_null() && route["reason"].as_str()?.contains("two decisions")).then_some(())
        })
        .await;
    }
    let status = until("the conflict's words", limit, || async {
        let status = other.done(&["status"]);
        let told = status.pointer("/pairs/0/conflict")?.as_str()?.to_owned();
        (!told.is_empty()).then_some((status, told))
    })
    .await;
    let (status, told) = status;
    assert!(told.contains("east") && told.contains("west") && told.contains("epoch 2") && told.contains("adjust-identity"), "{told}");
    assert_eq!(status.pointer("/pairs/0/active"), Some(&Value::Null), "nobody is said to be active");
    until("the alert", limit, || async { std::fs::read_to_string(&alerts).ok().filter(|text| text.contains("two different decisions")) })
        .await;
    for command in [&["run", "orders"][..], &["adjust-identity", "p", "--to", "east", "--confirm", "east", "--planned"]] {
        let said = other.say(command);
        assert_eq!(said.code(), 3, "{command:?}: {}", said.stderr);
    }
    assert!(can_write(&west) && !can_write(&east), "the data plane is left as it was: west serves, east is fenced");

    let report = other.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west"]);
    assert_eq!((&report["outcome"], &report["epoch"], &report["primary"]), (&"promoted".into(), &3.into(), &"west".into()), "{report:#}");
    until("one active cluster", limit, || async {
        let (at_east, at_west) = (asked(&east).await?, asked(&west).await?);
        let claim = &at_east.1["claim"];
        (at_west.0 && !at_east.0 && claim["identity"] == "secondary" && claim["epoch"] == 3).then_some(())
    })
    .await;
    assert!(can_write(&west) && !can_write(&east));
    until("the end of the conflict", limit, || async { (other.done(&["status"]).pointer("/pairs/0/conflict")? == "").then_some(()) }).await;
    engine.kill();
}
