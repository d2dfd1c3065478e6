//! Going back to an older recovery point, chosen by a person.

use std::time::Duration;

use crate::stand::processes::{Agent, paired};
use crate::stand::trees::{assert_same, listing, make};
use crate::stand::{Dir, until};

const LIMIT: Duration = Duration::from_secs(60);

fn write(agent: &Agent, name: &str, text: &str) {
    std::fs::write(agent.dir.join("files/docs").join(name), text).expect("it takes writes");
}

#[tokio::test]
async fn a_person_goes_back_to_an_older_point_and_the_lost_cluster_stands_by_from_it() {
    let dir = Dir::new();
    let (mut east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 20);
    write(&east, "linked", "two names");
    std::fs::hard_link(east.dir.join("files/docs/linked"), east.dir.join("files/docs/linked too")).expect("linked");
    let point = |run: serde_json::Value| run["recovery_point"].as_str().expect("a point").to_owned();
    let good = point(controller.done(&["run", "orders"]));
    let before = listing(&east.dir.join("files/docs"));
    let points = controller.done(&["points", "orders"]);
    let note = &points[0]["notes"][0];
    assert_eq!(
        (&note["code"], &note["facts"]["entries"]),
        (&"hard-links".into(), &2.into()),
        "a point says what is not as it was: {points:#}"
    );
    write(&east, "damaged", "by a bad program");
    let bad = point(controller.done(&["run", "orders"]));
    let adjust = |point: &str, more: &[&str]| {
        let chosen = format!("orders={point}");
        controller.say(&[&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--point", &chosen], more].concat())
    };
    assert_eq!(adjust(&good, &["--planned"]).code(), 2, "a planned switchover has final runs");
    east.kill();
    let unknown = adjust("01900000-0000-7000-8000-000000000000", &[]);
    assert!(unknown.code() == 3 && unknown.stderr.contains("understudy points orders"), "{}", unknown.stderr);
    assert_eq!(controller.done(&["status"])["pairs"][0]["epoch"], 1, "nothing was decided");

    let report = adjust(&good, &[]).json;
    assert_eq!((&report["outcome"], &report["services"][0]["recovery_point"]), (&"promoted".into(), &good.as_str().into()), "{report:#}");
    assert_same(&before, &listing(&west.dir.join("files/docs")));
    write(&west, "after", "written at west");

    east.start();
    until("the old primary's fence", LIMIT, || async {
        let status = controller.done(&["status"]);
        let clusters = status["pairs"][0]["clusters"].as_array().expect("clusters");
        let old = clusters.iter().find(|cluster| cluster["name"] == "east").expect("it is there");
        (old["identity"] == "secondary" && old["fenced"] == true).then_some(())
    })
    .await;
    let turned = controller.done(&["reverse-replication", "p", "--confirm", "east"]);
    assert_eq!((&turned["outcome"], &turned["services"][0]["recovery_point"]), (&"reversed".into(), &good.as_str().into()), "{turned:#}");
    assert!(turned["services"][0]["kept"].is_string(), "what came after the chosen point is kept: {turned:#}");
    assert_eq!(controller.done(&["status"])["pairs"][0]["services"][0]["state"], "untried");
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    assert_same(&listing(&west.dir.join("files/docs")), &listing(&east.dir.join("files/docs")));
    // The run's retention leaves it where a cluster does not answer just then: the next one, or a person's, drops it.
    until("the point that was not chosen is offered no more", LIMIT, || async {
        controller.say(&["prune", "orders"]);
        let points = controller.done(&["points", "orders"]);
        let held: Vec<&str> = points.as_array().expect("points").iter().filter_map(|point| point["recovery_point"].as_str()).collect();
        assert!(!held.is_empty());
        (!held.contains(&bad.as_str())).then_some(())
    })
    .await;
    assert_eq!(controller.done(&["status"])["pairs"][0]["services"][0]["state"], "protected");
}
