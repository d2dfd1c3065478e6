//! Reverse replication: the old primary stands by, keeps what it had written, and only differences are copied back.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use understudy::components::files::make_removable;
use understudy::protocol::CopyRefusal;

use crate::stand::processes::{Agent, Controller, Said, paired};
use crate::stand::trees::{Listing, assert_same, listing, make};
use crate::stand::{Dir, until};

const LIMIT: Duration = Duration::from_secs(60);

fn backed_up(dir: &Dir) -> (Agent, Agent, Controller) {
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\"]", "");
    make(&east.dir.join("files/docs"), 40);
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    (east, west, controller)
}

fn switch(controller: &Controller, to: &str) -> Value {
    let report = controller.done(&["adjust-identity", "p", "--to", to, "--confirm", to, "--planned"]);
    assert_eq!(report["outcome"], "promoted", "{report:#}");
    let steps = report["steps"].as_array().expect("steps");
    assert!(steps.iter().all(|step| step["state"] == "done"), "every step of a planned switchover is done: {report:#}");
    report
}

fn write(agent: &Agent, name: &str, text: &str) -> std::io::Result<()> {
    std::fs::write(agent.dir.join("files/docs").join(name), text)
}

#[test]
fn a_planned_switchover_goes_there_and_back_and_copies_only_what_changed() {
    let dir = Dir::new();
    let (east, west, controller) = backed_up(&dir);
    let runbook = controller.done(&["runbook", "p", "planned"]);
    assert_eq!((&runbook["ready"], &runbook["confirm"]), (&true.into(), &"west".into()), "{runbook:#}");
    for line in ["Agent of east", "Agent of west", "No run under way", "One clock source", "Recovery point of orders"] {
        let checks = runbook["checks"].as_array().expect("lines");
        assert!(checks.iter().any(|check| check["name"] == line && check["state"] == "ok"), "{line}: {runbook:#}");
    }
    let steps = runbook["steps"].as_array().expect("steps");
    assert!(
        steps.iter().all(|step| !step["who"].as_str().unwrap().is_empty() && !step["guard"].as_str().unwrap().is_empty()),
        "{runbook:#}"
    );
    for (round, (from, to)) in [(&east, &west), (&west, &east), (&east, &west)].into_iter().enumerate() {
        let name = if round % 2 == 0 { "west" } else { "east" };
        write(from, "before", &format!("written before switchover {round}")).expect("the primary takes writes");
        switch(&controller, name);
        assert!(write(from, "late", "too late").is_err(), "the old primary is fenced");
        write(to, "after", &format!("written after switchover {round}")).expect("the new primary takes writes");
        let run = controller.done(&["run", "orders"]);
        assert_eq!(run["outcome"], "sealed", "{run:#}");
        assert_eq!(run["data_sets"][0]["copied_files"], 1, "one file was written since both were equal: {run:#}");
        assert_same(&listing(&from.dir.join("files/docs")), &listing(&to.dir.join("files/docs")));
    }
    let status = controller.done(&["status"]);
    assert_eq!((&status["pairs"][0]["active"], &status["pairs"][0]["epoch"]), (&"west".into(), &4.into()), "{status:#}");
}

fn sql(database: &Path, statements: &str) {
    rusqlite::Connection::open(database).and_then(|db| db.execute_batch(statements)).expect("carried out");
}

/// What an old primary had written alone is copied out whole or not at all, and nothing live or kept is another after it.
fn copied_out(root: &Path, east: &Agent, controller: &Controller, kept: &str, before: &Listing) {
    let copy = |to: &Path, more: &[&str]| controller.say(&[&["kept", "p", "--copy-to", to.to_str().expect("a path")], more].concat());
    let says = |said: &Said, refusal: &CopyRefusal| said.stderr.contains(&refusal.trouble("").reason);
    let (live, listed) = (listing(&east.dir.join("files/docs")), controller.done(&["kept", "p"]));
    let full = root.join("full");
    std::fs::create_dir(&full).expect("made");
    std::fs::write(full.join("mine"), "somebody's").expect("written");
    let refusals = [
        (full.clone(), CopyRefusal::PlaceNotEmpty),
        (full.join("mine"), CopyRefusal::PlaceNotADirectory),
        (root.join("no/such"), CopyRefusal::PlaceAboveMissing),
        (PathBuf::from("out"), CopyRefusal::PlaceNotAbsolute),
        (east.dir.join("files/docs/out"), CopyRefusal::PlaceInUse),
        (east.dir.join("files/out"), CopyRefusal::PlaceInUse),
    ];
    for (to, expected) in &refusals {
        let said = copy(to, &[]);
        assert!(said.code() > 1 && says(&said, expected), "{expected:?}: {}", said.stderr);
        assert!(said.trouble().0.contains(&*to.to_string_lossy()), "it names the place: {}", said.stderr);
    }
    assert_eq!(copy(&root.join("out"), &["--id", "01900000-0000-7000-8000-000000000000"]).code(), 2, "nothing is kept so");
    assert_eq!(std::fs::read_dir(&full).expect("listed").count(), 1, "what was there stays alone");

    let out = root.join("out");
    for more in [&[][..], &["--id", kept]] {
        std::fs::create_dir_all(&out).expect("an empty one will do");
        let said = copy(&out, more);
        assert_eq!(said.code(), 0, "{}", said.stderr);
        assert_eq!((&said.json["writes"]["id"], &said.json["to"]), (&kept.into(), &out.to_str().into()), "{:#}", said.json);
        assert_eq!((&said.json["cluster"], &said.json["copied"]), (&"east".into(), &serde_json::json!(["files:docs", "tables:orders"])));
        assert_same(before, &listing(&out.join("files/docs")));
        let db = rusqlite::Connection::open(out.join("tables/data.db")).expect("a database");
        let rows: i64 = db.query_row("SELECT count(*) FROM orders", [], |row| row.get(0)).expect("the table");
        assert_eq!(rows, 2, "the lost row is in it");
        db.execute("INSERT INTO orders VALUES (3, 'mine')", []).expect("it is its owner's, without a fence");
        drop(db);
        assert!(says(&copy(&out, more), &CopyRefusal::PlaceNotEmpty), "a copy is not written over");
        make_removable(&out).expect("removable");
        std::fs::remove_dir_all(&out).expect("removed");
    }
    let beside: Vec<_> =
        std::fs::read_dir(root).expect("listed").flatten().filter(|e| e.file_name().to_string_lossy().starts_with('.')).collect();
    assert!(beside.is_empty(), "nothing half made is left: {beside:?}");
    assert_same(&live, &listing(&east.dir.join("files/docs")));
    assert_eq!(controller.done(&["kept", "p"]), listed, "what is kept is kept on");
}

#[tokio::test]
async fn after_a_fault_the_old_primary_keeps_what_it_had_written_and_goes_back_to_the_common_point() {
    let dir = Dir::new();
    let (mut east, west, controller) = paired(dir.path(), "[\"files:docs\", \"tables:orders\"]", "");
    make(&east.dir.join("files/docs"), 40);
    sql(&east.dir.join("orders.db"), "CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (1, 'first')");
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    write(&east, "lost", "acknowledged after the last recovery point").expect("east takes writes");
    sql(&east.dir.join("orders.db"), "INSERT INTO orders VALUES (2, 'lost')");
    let before = listing(&east.dir.join("files/docs"));
    east.kill();
    let said = controller.say(&["runbook", "p", "planned"]);
    assert_eq!(said.code(), 3, "a planned switchover needs both: {}", said.json);
    let file = dir.path().join("report.md");
    let promoted = controller.done(&["adjust-identity", "p", "--to", "west", "--confirm", "west", "--report", file.to_str().unwrap()]);
    assert_eq!(promoted["outcome"], "promoted");
    let printed = std::fs::read_to_string(&file).expect("a report");
    assert!(printed.contains("west is primary at epoch 2") && printed.contains("| not executed |"), "also what was not done: {printed}");
    write(&west, "new", "written at west").expect("west takes writes");
    let refused = controller.say(&["reverse-replication", "p", "--confirm", "east"]);
    assert_eq!(refused.code(), 3, "nothing is reversed while east is away: {}", refused.stderr);
    assert!(refused.stderr.contains("agent of east does not answer"), "{}", refused.stderr);
    let run = controller.say(&["run", "orders"]);
    assert_eq!(run.code(), 3, "west runs alone: {}", run.stderr);

    east.start();
    until("east's fence", LIMIT, || async {
        let status = controller.done(&["status"]);
        let clusters = status["pairs"][0]["clusters"].as_array().expect("clusters").clone();
        clusters.iter().any(|c| c["name"] == "east" && c["fenced"] == true && c["epoch"] == 2).then_some(())
    })
    .await;
    let wrong = controller.say(&["reverse-replication", "p", "--confirm", "west"]);
    assert_eq!(wrong.code(), 3, "the wrong name: {}", wrong.stderr);
    assert!(east.dir.join("files/docs/lost").exists(), "a refusal changes nothing");

    let runbook = controller.done(&["runbook", "p", "reverse"]);
    assert_eq!((&runbook["ready"], &runbook["confirm"]), (&true.into(), &"east".into()), "{runbook:#}");
    let file = dir.path().join("report.html");
    let reversed = controller.done(&["reverse-replication", "p", "--confirm", "east", "--report", file.to_str().unwrap()]);
    let printed = std::fs::read_to_string(&file).expect("a report");
    assert!(printed.starts_with("<!doctype html>") && printed.contains("east stands by for west"), "{printed}");
    assert_eq!((&reversed["outcome"], &reversed["secondary"]), (&"reversed".into(), &"east".into()), "{reversed:#}");
    let kept = reversed["services"][0]["kept"].as_str().expect("what east had written is kept").to_owned();
    assert!(!east.dir.join("files/docs/lost").exists(), "east is back at the common point");
    let listed = controller.done(&["kept", "p"]);
    assert_eq!((&listed[0]["id"], &listed[0]["cluster"]), (&Value::from(kept.as_str()), &"east".into()), "{listed:#}");
    assert_eq!(listed[0]["changed"]["files:docs"], 2, "the file and its folder: {listed:#}");

    let run = controller.done(&["run", "orders"]);
    assert_eq!((&run["outcome"], &run["data_sets"][0]["copied_files"]), (&"sealed".into(), &1.into()), "only differences: {run:#}");
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/docs")));
    copied_out(dir.path(), &east, &controller, &kept, &before);
    switch(&controller, "east");
    write(&east, "again", "east serves").expect("east takes writes again");
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");

    // Kept until a person says otherwise, also beyond leftovers and later runs.
    controller.done(&["leftovers", "p", "--remove"]);
    assert_eq!(controller.done(&["kept", "p"])[0]["id"], kept.as_str());
    let shown = controller.say(&["kept", "p", "--remove", &kept]);
    assert_eq!(shown.code(), 3, "not without the name of the pair: {}", shown.stderr);
    for typed in ["west", &kept] {
        assert_eq!(controller.say(&["kept", "p", "--remove", &kept, "--confirm", typed]).code(), 3);
    }
    assert_eq!(controller.done(&["kept", "p"])[0]["id"], kept.as_str(), "nothing is removed");
    assert!(shown.trouble().1.contains(&format!("kept p --remove {kept} --confirm p")), "{}", shown.stderr);
    controller.done(&["kept", "p", "--remove", &kept, "--confirm", "p"]);
    assert_eq!(controller.done(&["kept", "p"]), Value::Array(Vec::new()));
}

/// The policies turn round with the pair, and a console that takes over finds them so.
#[test]
fn a_data_set_with_another_name_at_each_cluster_goes_there_and_back_also_under_a_new_console() {
    let dir = Dir::new();
    let sets = "[{ from = \"files:docs\", to = \"files:copy\" }]";
    let (east, west, controller) = paired(dir.path(), sets, "");
    make(&east.dir.join("files/docs"), 10);
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    switch(&controller, "west");
    std::fs::write(west.dir.join("files/copy/at west"), "one").expect("west takes writes");
    let run = controller.done(&["run", "orders"]);
    assert_eq!((&run["data_sets"][0]["name"], &run["data_sets"][0]["copied_files"]), (&"files:copy".into(), &1.into()), "{run:#}");
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/copy")));

    let other = Controller::new(dir.path(), "other");
    for agent in [&west, &east] {
        other.done(&["adopt", &agent.listen.to_string(), &agent.adopt()]);
    }
    let status = other.done(&["status"]);
    assert_eq!((&status["pairs"][0]["phase"], &status["pairs"][0]["active"]), (&"replicating".into(), &"west".into()), "{status:#}");
    std::fs::write(west.dir.join("files/copy/again"), "two").expect("west takes writes");
    let run = other.done(&["run", "orders"]);
    assert_eq!((&run["data_sets"][0]["name"], &run["data_sets"][0]["copied_files"]), (&"files:copy".into(), &1.into()), "{run:#}");
    switch(&other, "east");
    std::fs::write(east.dir.join("files/docs/home"), "three").expect("east takes writes");
    let run = other.done(&["run", "orders"]);
    assert_eq!((&run["data_sets"][0]["name"], &run["data_sets"][0]["copied_files"]), (&"files:docs".into(), &1.into()), "{run:#}");
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&west.dir.join("files/copy")));
}
