//! Who is told and who is held still: the alert hook, the freeze and thaw hooks, and the health checks of every route.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::stand::processes::{Agent, Controller, faked_time, own_address, paired};
use crate::stand::trees::make;
use crate::stand::web::Web;
use crate::stand::{Dir, http, provider, until};

/// An alert hook that appends to a file, and one that posts to `web`.
fn alert_to(controller: &Controller, file: &Path, web: &Web) {
    let command = format!("[\"sh\", \"-c\", \"cat >> '{0}'; echo >> '{0}'\"]", file.display());
    std::fs::create_dir_all(&controller.state).unwrap();
    std::fs::write(controller.state.join("engine.toml"), format!("[alert]\ncommand = {command}\nurl = \"{}\"\n", web.url("alert")))
        .unwrap();
}

/// The alerts of a kind: as the command heard them, as the webhook did.
fn alerts(file: &Path, web: &Web, kind: &str) -> [Vec<Value>; 2] {
    let heard = std::fs::read_to_string(file).unwrap_or_default();
    let heard: Vec<Value> = heard.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let posted = web.posted("alert").into_iter().map(|(_, _, body)| body).collect();
    [heard, posted].map(|all: Vec<Value>| all.into_iter().filter(|alert| alert["alert"] == kind).collect())
}

async fn status_of(url: String) -> Option<u16> {
    Some(http(Duration::from_secs(2)).get(url).send().await.ok()?.status().as_u16())
}

/// What the health checks say: at east, at west, at the engine.
async fn checks(east: &Agent, west: &Agent, engine: &str) -> [Option<u16>; 3] {
    let url = |host: &dyn std::fmt::Display| format!("http://{host}/v1/active/p/orders");
    [status_of(url(&east.route)).await, status_of(url(&west.route)).await, status_of(url(&engine)).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_is_told_by_command_and_webhook_and_health_checks_pass_only_where_the_service_is_active() {
    provider();
    let dir = Dir::new();
    let (mut east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 3);
    let (web, file) = (Web::start().await, dir.path().join("alerts"));
    alert_to(&controller, &file, &web);
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    controller.done(&["sync-users", "p"]);
    let route = own_address().to_string();
    let _engine = controller.engine(&["--route", &route]);
    let limit = Duration::from_secs(60);
    until("east's health checks", limit, || async {
        (checks(&east, &west, &route).await == [Some(200), Some(503), Some(200)]).then_some(())
    })
    .await;
    let unknown = [format!("http://{route}/v1/active/p/nope"), format!("http://{}/v1/active/q/orders", east.route)];
    for url in unknown {
        assert!(matches!(status_of(url.clone()).await, Some(404 | 503)), "{url}");
    }

    east.kill();
    until("no health check of a dead primary", limit, || async {
        (checks(&east, &west, &route).await == [None, Some(503), Some(503)]).then_some(())
    })
    .await;
    let told = until("the alert", limit, || async {
        let told = alerts(&file, &web, "fault");
        (!told.iter().any(Vec::is_empty)).then_some(told)
    })
    .await;
    let shown = || async { Some(controller.done(&["status"])["pairs"][0]["fault"].clone()).filter(|fault| !fault.is_null()) };
    let fault = until("the fault prompt", limit, shown).await;
    assert_eq!((&fault["faulty"], &fault["survivor"], &fault["can_adjust"]), (&"east".into(), &"west".into(), &true.into()), "{fault:#}");
    let users = fault["users"].as_str().unwrap();
    assert!(users.contains("in sync as of 2"), "the age of user data is part of the facts: {users}");
    for told in &told {
        assert_eq!(told.len(), 1, "told once: {told:?}");
        let alert = &told[0];
        assert!(alert["at"].is_string() && alert["about"] == "p", "{alert}");
        let text = alert["text"].as_str().unwrap();
        assert!(text.contains("east is faulty") && text.contains("west"), "what, and what to do: {text}");
    }

    controller.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west"]);
    until("west's health checks", limit, || async { (checks(&east, &west, &route).await == [None, Some(200), Some(200)]).then_some(()) })
        .await;
    east.start();
    until("east's return, fenced", limit, || async {
        let seen = checks(&east, &west, &route).await;
        assert_ne!(seen[0], Some(200), "two active clusters");
        let status = controller.done(&["status"]);
        let clusters = status.pointer("/pairs/0/clusters")?.as_array()?.clone();
        clusters.iter().any(|c| c["name"] == "east" && c["identity"] == "secondary" && c["fenced"] == true).then_some(())
    })
    .await;
    assert_eq!(checks(&east, &west, &route).await, [Some(503), Some(200), Some(200)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_rpo_is_told_once_and_again_only_after_it_was_met() {
    let Some(in_three_minutes) = faked_time("+3m") else {
        eprintln!("skipped: libfaketime is not installed (Debian: apt install faketime); .ci/run installs it");
        return;
    };
    provider();
    let dir = Dir::new();
    let (east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", "rpo_target_minutes = 2");
    make(&east.dir.join("files/docs"), 3);
    let (web, file) = (Web::start().await, dir.path().join("alerts"));
    alert_to(&controller, &file, &web);
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    assert_eq!(controller.done(&["status"])["pairs"][0]["services"][0]["state"], "protected");
    let _engine = controller.engine_in(&[], &in_three_minutes);
    let told = until("the alert", Duration::from_secs(20), || async {
        let told = alerts(&file, &web, "rpo-missed");
        (!told.iter().any(Vec::is_empty)).then_some(told)
    })
    .await;
    assert!(told[0].len() == 1 && told[0][0]["about"] == "orders" && told[0][0]["text"].to_string().contains("2 min"), "{told:?}");
    assert_eq!(controller.done(&["status"])["pairs"][0]["services"][0]["state"], "behind-target");
    assert_eq!(alerts(&file, &web, "rpo-missed")[0].len(), 1, "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_hook_that_fails_is_tried_again_and_then_said_to_fail() {
    provider();
    let dir = Dir::new();
    let (_east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", "schedule = \"* * * * *\"");
    let (web, file) = (Web::start().await, dir.path().join("alerts"));
    alert_to(&controller, &file, &web);
    web.answer(500);
    controller.age_schedules(3_600);
    let engine = controller.engine(&[]);
    engine.tells("the alert hook failed 3 times");
    // Sixty moments are one alert; and whom the command told is not told again because the webhook fails.
    assert_eq!(alerts(&file, &web, "missed-moment"), [1, 3].map(|times| vec![web.posted("alert")[0].2.clone(); times]));
    assert!(web.posted("alert")[0].2["text"].to_string().contains(" moments from "), "{:?}", web.posted("alert")[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_freeze_hook_holds_the_writers_over_the_cut_and_is_thawed_at_once() {
    provider();
    let dir = Dir::new();
    let web = Web::start().await;
    let hooks = |limit: u32| {
        format!("freeze = {{ url = \"{}\", limit_secs = {limit} }}\nthaw = {{ url = \"{}\" }}", web.url("freeze"), web.url("thaw"))
    };
    let (east, _west, controller) = paired(dir.path(), "[\"files:docs\"]", &hooks(10));
    make(&east.dir.join("files/docs"), 3);
    let run = controller.done(&["run", "orders"]);
    assert_eq!(run["captured"]["grade"], "quiesced", "{run:#}");
    let ([freeze], [thaw]) = (&web.posted("freeze")[..], &web.posted("thaw")[..]) else { panic!("one call each") };
    for ((at, _, body), event) in [(freeze, "freeze"), (thaw, "thaw")] {
        assert_eq!((&body["event"], &body["service"], &body["limit_secs"]), (&event.into(), &"orders".into(), &10.into()), "{body}");
        assert_eq!(body["point"], run["recovery_point"], "{at}");
    }
    let [lo, hi] = ["lo", "hi"].map(|end| run["data_sets"][0][end].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    assert!(freeze.0 <= lo && hi <= thaw.0, "held from {} to {}, cut between {lo} and {hi}", freeze.0, thaw.0);

    // A hook that fails leaves a point that is merely bounded, and what it may have frozen is thawed.
    web.answer(500);
    let run = controller.done(&["run", "orders"]);
    assert_eq!((&run["outcome"], &run["captured"]["grade"]), (&"sealed".into(), &"bounded".into()), "{run:#}");
    assert!(web.posted("thaw").len() > 1);
}
