//! The list of leftovers, on real servers: what nobody counts on is shown with its owner and age, and goes when a person says so.

use serde_json::{Value, json};
use understudy::components::Component;
use understudy::domain::PointId;
use uuid::{NoContext, Timestamp, Uuid};

use crate::mixed::Mixed;
use crate::stand::hdfs::Web;

/// A point of yesterday.
fn yesterday() -> PointId {
    let secs = chrono::Utc::now().timestamp() - 86_400;
    PointId(Uuid::new_v7(Timestamp::from_unix(NoContext, secs.try_into().unwrap(), 0)))
}

/// Of what is told: cluster, component, path, point, service, whether the agent made it. Other tests' own things aside.
fn told(mixed: &Mixed, report: &Value) -> Vec<(String, String, String, Value, bool)> {
    let mut told = Vec::new();
    for cluster in report["clusters"].as_array().unwrap() {
        assert_eq!(cluster["failed"], json!([]), "{report:#}");
        for found in cluster["found"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (component, path) = (text(&found["snapshot"]["component"]), text(&found["snapshot"]["path"]));
            if [&mixed.directory, &mixed.table, &mixed.database].contains(&&path) {
                assert!(found["made_at"].is_string(), "an age: {found:#}");
                told.push((
                    text(&cluster["cluster"]),
                    component,
                    text(&found["snapshot"]["point"]),
                    found["service"].clone(),
                    found["made_here"] == true,
                ));
            }
        }
    }
    told.sort_by(|one, other| (&one.0, &one.1, &one.2).cmp(&(&other.0, &other.1, &other.2)));
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leftovers_are_listed_with_owner_and_age_and_removed_and_nothing_else_is() {
    let Some(mixed) = Mixed::sealed().await else { return };
    let list = |more: &[&str]| mixed.controller.done(&[&["leftovers", "p"], more].concat());
    assert_eq!(told(&mixed, &list(&[])), [], "a sealed point's snapshots are no leftovers");

    // A capture that the agent knows it could not release, and two that it never made.
    let (ours, others) = (yesterday(), yesterday());
    let web = |at: &crate::pair::At| Web::new(&at.hdfs.webhdfs, &at.hdfs.user);
    let source = mixed.primary.hbase.component();
    web(&mixed.primary).snapshot(&mixed.directory, &format!("understudy-{ours}")).await;
    source.capture(&mixed.table, ours).await.expect("captured");
    source.capture(&mixed.table, others).await.expect("captured");
    web(&mixed.secondary).snapshot(&mixed.directory, &format!("understudy-{others}")).await;
    let sets = json!([format!("hdfs:{}", mixed.directory), format!("hbase:{}", mixed.table)]).to_string();
    let row = (ours.to_string(), Uuid::now_v7().to_string(), sets);
    let insert =
        "INSERT INTO captures (point, run, pair, service, data_sets, state) VALUES (?1, ?2, 'p', 'orders', ?3, '{\"is\":\"leftover\"}')";
    mixed.primary.agent.ledger().execute(insert, row).unwrap();

    let one = |cluster: &str, component: &str, point: PointId, ours: bool| {
        (cluster.to_owned(), component.to_owned(), point.to_string(), json!("orders"), ours)
    };
    let mut all = vec![
        one("guiyang", "hdfs", others, false),
        one("shenzhen", "hbase", ours, true),
        one("shenzhen", "hbase", others, false),
        one("shenzhen", "hdfs", ours, true),
    ];
    all.sort_by(|one, other| (&one.0, &one.1, &one.2).cmp(&(&other.0, &other.1, &other.2)));
    assert_eq!(told(&mixed, &list(&[])), all);
    let text = mixed.controller.text(&["leftovers", "p"]);
    assert!(text.contains("of service orders") && text.contains("24 h old") && text.contains("--remove"), "{text}");

    assert_eq!(mixed.controller.done(&["leftovers", "p", "--remove"])["clusters"][0]["removed"], 2);
    all.retain(|one| !one.4);
    assert_eq!(told(&mixed, &list(&[])), all, "what this agent did not make stays");
    let shown = mixed.controller.say(&["leftovers", "p", "--remove", "--unknown"]);
    assert_eq!((shown.code(), told(&mixed, &list(&[]))), (3, all.clone()), "not without the name of the pair: {}", shown.stderr);
    list(&["--remove", "--unknown", "--confirm", "p"]);
    assert_eq!(told(&mixed, &list(&[])), []);

    let sealed = mixed.points();
    for at in [&mixed.primary, &mixed.secondary] {
        assert_eq!(at.snapshots(&mixed).await, sealed, "the sealed point's own snapshots stand, and no others");
    }
    mixed.work(1).await;
    mixed.run_is_right().await;
}
