//! A primary that is lost while it is alone, or either cluster in the middle of a switchover: the other one goes on from what it holds itself,
//! nothing of either is lost for good, and what is kept is kept each time anew.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::conflict::copy;
use crate::route::active_at;
use crate::stand::processes::{Agent, Controller, paired};
use crate::stand::trees::{assert_same, listing, make};
use crate::stand::{Dir, provider, until};

const LIMIT: Duration = Duration::from_secs(60);

fn sealed(dir: &Dir) -> (Agent, Agent, Controller) {
    provider();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 20);
    seals(&controller);
    (east, west, controller)
}

fn seals(controller: &Controller) {
    let run = controller.done(&["run", "orders"]);
    assert_eq!(run["outcome"], "sealed", "{run:#}");
}

fn write(agent: &Agent, name: &str) -> std::io::Result<()> {
    std::fs::write(agent.dir.join("files/docs").join(name), name)
}

fn holds(agent: &Agent, name: &str) -> bool {
    agent.dir.join("files/docs").join(name).exists()
}

/// Waits until a person is asked to decide.
async fn prompted(controller: &Controller) {
    until("the prompt", LIMIT, || async {
        let status = controller.say(&["status"]).json;
        (status.pointer("/pairs/0/fault/can_adjust") == Some(&true.into())).then_some(())
    })
    .await;
}

/// Waits until a cluster that came back is fenced, and may be made to stand by.
async fn fenced(name: &str, controller: &Controller) {
    until("the fence of what came back", LIMIT, || async {
        (controller.say(&["status"]).json.pointer("/pairs/0/reversible") == Some(&name.into())).then_some(())
    })
    .await;
}

/// The primary is lost; a person, prompted, makes the other one primary.
async fn lost(primary: &mut Agent, to: &str, controller: &Controller) -> Value {
    primary.kill();
    prompted(controller).await;
    let report = controller.done(&["adjust-identity", "p", "--to", to, "--confirm", to]);
    assert_eq!((&report["outcome"], &report["primary"]), (&"promoted".into(), &to.into()), "{report:#}");
    report
}

/// It comes back, is fenced, and stands by; how many changes are kept, by cluster and id.
async fn returns(agent: &mut Agent, name: &str, controller: &Controller) -> BTreeMap<(String, String), u64> {
    agent.start();
    fenced(name, controller).await;
    let report = controller.done(&["reverse-replication", "p", "--confirm", name]);
    assert_eq!(report["outcome"], "reversed", "{report:#}");
    let kept = controller.done(&["kept", "p"]);
    let text = |kept: &Value, key: &str| kept[key].as_str().unwrap().to_owned();
    let kept = kept.as_array().unwrap().iter();
    kept.map(|kept| ((text(kept, "cluster"), text(kept, "id")), kept["changed"]["files:docs"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn the_old_primary_goes_on_from_what_it_holds_and_the_lost_one_keeps_what_it_took() {
    let dir = Dir::new();
    let (mut east, mut west, controller) = sealed(&dir);
    write(&east, "only-east").expect("east takes writes");
    let alerts = dir.path().join("alerts");
    let hook = format!("[alert]\ncommand = [\"sh\", \"-c\", \"cat >>{}\"]\n", alerts.display());
    std::fs::write(controller.state.join("engine.toml"), hook).unwrap();
    let engine = controller.engine(&[]);
    lost(&mut east, "west", &controller).await;
    assert!(!holds(&west, "only-east"));
    write(&west, "only-west").expect("west takes writes");
    east.start();
    fenced("east", &controller).await;
    let early = controller.say(&["adjust-identity", "p", "--to", "east", "--confirm", "east"]);
    assert!(early.code() == 3 && early.stderr.contains("an identity change is under way or done"), "west is well: {}", early.stderr);

    west.kill();
    prompted(&controller).await;
    let status = controller.done(&["status"]);
    let fault = &status["pairs"][0]["fault"];
    assert_eq!((&fault["faulty"], &fault["survivor"], &fault["live"]), (&"west".into(), &"east".into(), &true.into()), "{fault:#}");
    assert_eq!((&fault["resume"][0]["live"], &fault["resume"][0]["point"]), (&true.into(), &Value::Null), "{fault:#}");
    assert!(fault["resume"][0]["lost_secs"].is_u64(), "what is lost is told in time before: {fault:#}");
    let told = std::fs::read_to_string(&alerts).expect("alerts");
    assert!(told.contains("west is faulty, and ran alone"), "{told}");
    let runbook = controller.done(&["runbook", "p", "adjust"]);
    assert!(runbook["ready"] == true && runbook.to_string().contains("as it is there"), "{runbook:#}");
    let held = controller.say(&["adjust-identity", "p", "--to", "east", "--confirm", "east", "--hold"]);
    assert!(held.code() == 3 && held.stderr.contains("there is no recovery point to look at"), "{}", held.stderr);
    let report = controller.done(&["adjust-identity", "p", "--to", "east", "--confirm", "east", "--declare", "west burnt down"]);
    assert_eq!((&report["outcome"], &report["primary"], &report["epoch"]), (&"promoted".into(), &"east".into(), &3.into()), "{report:#}");
    let service = &report["services"][0];
    assert_eq!((&service["live"], &service["recovery_point"]), (&true.into(), &Value::Null), "{report:#}");
    assert!(service["lost_secs"].is_u64() && report["declared"]["words"] == "west burnt down", "{report:#}");
    assert!(active_at(&east).await);
    assert!(holds(&east, "only-east") && !holds(&east, "only-west"), "east is as it was");
    write(&east, "again").expect("east takes writes");

    let kept = returns(&mut west, "west", &controller).await;
    assert!(active_at(&east).await && !active_at(&west).await);
    assert!(write(&west, "late").is_err(), "west is fenced");
    let [(cluster, changed)] = kept.iter().map(|((cluster, _), changed)| (cluster.as_str(), *changed)).collect::<Vec<_>>()[..] else {
        panic!("what west took alone is kept once: {kept:?}")
    };
    assert_eq!((cluster, changed), ("west", 2));
    let run = controller.done(&["run", "orders"]);
    assert_eq!((&run["outcome"], &run["data_sets"][0]["copied_files"]), (&"sealed".into(), &2.into()), "only differences: {run:#}");
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));
    let there = controller.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"]);
    assert_eq!((&there["outcome"], &there["epoch"]), (&"promoted".into(), &4.into()), "and on it goes: {there:#}");
    engine.kill();
}

/// The policies have not turned round: what comes back is fenced by its own names.
#[tokio::test]
async fn a_data_set_with_another_name_at_each_cluster_is_fenced_by_the_right_one() {
    let dir = Dir::new();
    let (mut east, mut west, controller) = paired(dir.path(), "[{ from = \"files:docs\", to = \"files:copy\" }]", "");
    make(&east.dir.join("files/docs"), 5);
    seals(&controller);
    let engine = controller.engine(&[]);
    lost(&mut east, "west", &controller).await;
    let there = west.dir.join("files/copy");
    std::fs::write(there.join("only-west"), "alone").expect("west takes writes");
    east.start();
    fenced("east", &controller).await;
    lost(&mut west, "east", &controller).await;
    write(&east, "again").expect("east takes writes");
    west.start();
    fenced("west", &controller).await;
    assert!(std::fs::write(there.join("late"), "too late").is_err(), "west is fenced");
    let report = controller.done(&["reverse-replication", "p", "--confirm", "west"]);
    assert_eq!(report["outcome"], "reversed", "{report:#}");
    seals(&controller);
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&there));
    engine.kill();
}

/// However far it had come: nobody was told, or it had just opened.
#[tokio::test]
async fn a_new_primary_lost_in_the_middle_of_its_promotion_leaves_the_old_one_to_go_on() {
    for stage in ["order=\"promote\"", "primary identity taken", "service active here"] {
        let dir = Dir::new();
        let (mut east, mut west, controller) = sealed(&dir);
        let engine = controller.engine(&[]);
        let since = west.log().len();
        let (mut switch, _) = controller.begin(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"]);
        west.tells(since, stage);
        let report = lost(&mut west, "east", &controller).await;
        assert_eq!((&report["services"][0]["live"], &report["epoch"]), (&true.into(), &3.into()), "{report:#}");
        drop(switch.wait());
        write(&east, "again").expect("no fence of the switchover is left");
        assert!(active_at(&east).await);
        returns(&mut west, "west", &controller).await;
        assert!(active_at(&east).await && write(&west, "stray").is_err(), "{stage}: whatever it had been told before");
        seals(&controller);
        assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));
        lost(&mut east, "west", &controller).await;
        assert!(holds(&west, "again"), "and on it goes");
        engine.kill();
    }
}

/// Another console knows of it only what east tells, and west cannot be asked.
#[tokio::test]
async fn a_switchover_that_lost_its_console_and_its_new_primary_is_ended_by_a_person() {
    let dir = Dir::new();
    let (mut east, mut west, controller) = sealed(&dir);
    let before = Controller::new(dir.path(), "copy");
    copy(&controller.state, &before.state);
    let since = west.log().len();
    let (mut console, _) = controller.begin(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"]);
    west.tells(since, "primary identity taken");
    west.kill();
    console.kill().expect("the console");
    console.wait().expect("it is gone");
    assert!(write(&east, "early").is_err(), "east is fenced");

    let engine = before.engine(&[]);
    let words = until("what was left", LIMIT, || async {
        let status = before.say(&["status"]).json;
        status.pointer("/pairs/0/left").and_then(Value::as_str).filter(|left| !left.is_empty()).map(str::to_owned)
    })
    .await;
    assert!(words.contains("east is fenced until west answers") && words.contains("adjust-identity p --to east --confirm east"), "{words}");
    let held = before.say(&["adjust-identity", "p", "--to", "east", "--confirm", "east", "--hold"]);
    assert!(held.code() == 3 && held.stderr.contains("goes on from what it holds itself"), "{}", held.stderr);
    let report = before.done(&["adjust-identity", "p", "--to", "east", "--confirm", "east", "--declare", "west burnt down"]);
    assert_eq!((&report["outcome"], &report["primary"], &report["epoch"]), (&"promoted".into(), &"east".into(), &3.into()), "{report:#}");
    write(&east, "again").expect("its fence is down");
    assert!(active_at(&east).await);
    assert_eq!(before.done(&["status"])["pairs"][0]["left"], "");
    returns(&mut west, "west", &before).await;
    assert!(active_at(&east).await && write(&west, "stray").is_err(), "west gave its epoch up");
    seals(&before);
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));
    lost(&mut east, "west", &before).await;
    engine.kill();
}

#[tokio::test]
async fn a_primary_lost_in_the_middle_of_a_planned_switchover_is_taken_over_from() {
    let dir = Dir::new();
    let (mut east, west, controller) = sealed(&dir);
    let engine = controller.engine(&[]);
    let since = east.log().len();
    let (mut switch, _) = controller.begin(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--planned"]);
    east.tells(since, "order=\"capture\"");
    let report = lost(&mut east, "west", &controller).await;
    assert_eq!(report["services"][0]["live"], Value::Null, "west goes on from its recovery point: {report:#}");
    drop(switch.wait());
    assert!(active_at(&west).await);
    write(&west, "order").expect("west takes writes");
    returns(&mut east, "east", &controller).await;
    seals(&controller);
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));
    engine.kill();
}

#[tokio::test]
async fn each_time_a_cluster_stands_back_what_it_wrote_since_is_kept() {
    let dir = Dir::new();
    let (mut east, mut west, controller) = sealed(&dir);
    let engine = controller.engine(&[]);
    write(&east, "first").expect("east takes writes");
    lost(&mut east, "west", &controller).await;
    let once = returns(&mut east, "east", &controller).await;
    // The file, and the directory that it is in.
    assert_eq!(once.values().collect::<Vec<_>>(), [&2], "{once:?}");
    // No run in between: all that follows hangs on the same common point.
    lost(&mut west, "east", &controller).await;
    write(&east, "second").expect("east takes writes");
    let still = returns(&mut west, "west", &controller).await;
    assert_eq!(still, once, "west had written nothing");
    lost(&mut east, "west", &controller).await;
    let twice = returns(&mut east, "east", &controller).await;
    let new: Vec<_> = twice.iter().filter(|(id, _)| !once.contains_key(id)).map(|(_, changed)| *changed).collect();
    assert_eq!(new, [2], "kept once more: {twice:?}");
    seals(&controller);
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));
    engine.kill();
}
