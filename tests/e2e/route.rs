//! R10: applications reach the secondary without anybody's help, once it has the primary identity: when the primary is dead, and
//! when it is alive with the secondary identity.

use std::time::Duration;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, plan};
use crate::stand::trees::{assert_same, exact, make};
use crate::stand::{http, provider, until};
use serde_json::Value;

/// Whether an agent says that applications may use the service at its cluster.
pub async fn active_at(agent: &Agent) -> bool {
    let url = format!("http://{}/v1/active/p/orders", agent.route);
    http(Duration::from_secs(2)).get(url).send().await.is_ok_and(|reply| reply.status() == 200)
}

async fn told_by(agent: &Agent) -> Option<Value> {
    let url = format!("http://{}/v1/route/p/orders", agent.route);
    let text = http(Duration::from_secs(2)).get(url).send().await.ok()?.text().await.ok()?;
    serde_json::from_str(&text).ok()
}

fn sealed(root: &std::path::Path) -> (Agent, Agent, Controller) {
    let (mut east, mut west) = (Agent::local(root, "east"), Agent::local(root, "west"));
    make(&east.dir.join("files/docs"), 20);
    east.start();
    west.start();
    let controller = Controller::new(root, "controller");
    controller.apply(&plan(&east, &west, "[\"files:docs\"]"));
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    (east, west, controller)
}

#[tokio::test]
async fn the_primary_dead() {
    provider();
    let dir = Dir::new();
    let (mut east, west, controller) = sealed(dir.path());
    assert!(active_at(&east).await && !active_at(&west).await);
    let before = exact(&east.dir.join("files/docs"));
    east.kill();
    assert!(!active_at(&west).await, "nothing switches by itself");

    let report = controller.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west"]);
    assert_eq!((&report["outcome"], &report["primary"]), (&Value::from("promoted"), &Value::from("west")), "{report}");
    until("west's route", Duration::from_secs(10), || async { active_at(&west).await.then_some(()) }).await;
    // It serves the last recovery point, and the fence is gone.
    assert_same(&exact(&west.dir.join("files/docs")), &before);

    // The old primary comes back: it hears of the higher epoch, and is never active again by itself.
    east.start();
    until("east's secondary identity", Duration::from_secs(30), || async {
        let told = told_by(&east).await?;
        assert!(!active_at(&east).await, "two active clusters");
        (told["claim"]["identity"] == "secondary" && told["claim"]["epoch"] == report["epoch"]).then_some(())
    })
    .await;
    assert!(active_at(&west).await);
}

#[tokio::test]
async fn the_primary_alive_with_the_secondary_identity() {
    provider();
    let dir = Dir::new();
    let (east, west, controller) = sealed(dir.path());
    let report = controller.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"]);
    assert_eq!(report["outcome"], "promoted", "{report}");
    until("the switch", Duration::from_secs(10), || async { (active_at(&west).await && !active_at(&east).await).then_some(()) }).await;
    until("east's secondary identity", Duration::from_secs(30), || async {
        (told_by(&east).await?["claim"]["identity"] == "secondary").then_some(())
    })
    .await;
    let status = controller.done(&["status"]);
    assert_eq!(status.pointer("/pairs/0/active"), Some(&Value::from("west")), "{status}");
}

#[test]
fn a_wrong_confirmation_changes_nothing() {
    let dir = Dir::new();
    let (_east, _west, controller) = sealed(dir.path());
    let said = controller.say(&["adjust-identity", "p", "--to", "west", "--confirm", "east"]);
    assert_eq!(said.code(), 3, "{}", said.stderr);
    assert_eq!(controller.done(&["status"]).pointer("/pairs/0/active"), Some(&Value::from("east")));
}
