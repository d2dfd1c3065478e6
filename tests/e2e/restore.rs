//! `understudy restore`: one data set of a point beside the live data, by the command line.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::stand::processes::{Agent, Controller, Said, paired};
use crate::stand::trees::{assert_same, listing, make};
use crate::stand::{Dir, until};

const LIMIT: Duration = Duration::from_secs(60);

fn point(run: &Value) -> String {
    run["recovery_point"].as_str().expect("a point").to_owned()
}

fn ask(controller: &Controller, point: &str, set: &str, to: &str, more: &[&str]) -> Said {
    controller.say(&[&["restore", point, set, "--to", to], more].concat())
}

fn rows(agent: &Agent, table: &str) -> Vec<String> {
    let db = rusqlite::Connection::open(agent.dir.join("orders.db")).expect("opened");
    let mut query = db.prepare(&format!("SELECT id || ' ' || what FROM \"{table}\" ORDER BY id")).expect("the table is there");
    let rows = query.query_map([], |row| row.get(0)).expect("asked");
    rows.collect::<Result<_, _>>().expect("rows")
}

#[tokio::test]
async fn a_data_set_of_an_older_point_comes_up_beside_the_live_one_at_either_site_and_nothing_else_is_touched() {
    let dir = Dir::new();
    let (east, west, controller) = paired(dir.path(), "[\"files:docs\", \"tables:orders\"]", "");
    make(&east.dir.join("files/docs"), 20);
    std::fs::create_dir_all(east.dir.join("files/docs/sub/deep")).expect("made");
    std::fs::write(east.dir.join("files/docs/sub/deep/file"), "deep").expect("written");
    let db = rusqlite::Connection::open(east.dir.join("orders.db")).expect("opened");
    let made = "CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO orders VALUES (1, 'one'), (70000, 'two')";
    db.execute_batch(made).expect("made");
    let good = point(&controller.done(&["run", "orders"]));
    let then = listing(&east.dir.join("files/docs"));
    let part = listing(&east.dir.join("files/docs/sub"));
    std::fs::write(east.dir.join("files/docs/damaged"), "by a bad program").expect("written");
    db.execute_batch("DELETE FROM orders").expect("emptied");
    controller.done(&["run", "orders"]);
    let live = [&east, &west].map(|agent| listing(&agent.dir.join("files/docs")));

    let told = ask(&controller, &good, "files:docs", "docs-then", &[]).json;
    assert_eq!([&told["ending"], &told["cluster"], &told["proof"]["compared_with"]], ["restored", "west", "manifest"], "{told:#}");
    assert_same(&then, &listing(&west.dir.join("files/docs-then")));
    let told = ask(&controller, &good, "files:docs", "/docs-there/", &["--at", "primary"]).json;
    assert_eq!([&told["ending"], &told["cluster"]], ["restored", "east"], "{told:#}");
    assert_same(&then, &listing(&east.dir.join("files/docs-there")));
    ask(&controller, &good, "files:docs", "docs-part", &["--only", "sub"]);
    assert_same(&part, &listing(&west.dir.join("files/docs-part")));
    let told = ask(&controller, &good, "tables:orders", "orders_then", &["--at", "west"]).json;
    assert_eq!(told["ending"], "restored", "{told:#}");
    assert_eq!(rows(&west, "orders_then"), ["1 one", "70000 two"]);
    assert_eq!(rows(&west, "orders"), Vec::<String>::new());
    let open = rusqlite::Connection::open(west.dir.join("orders.db")).expect("opened");
    open.execute("INSERT INTO orders_then VALUES (2, 'more')", []).expect("it is its owner's");

    // Each refusal has its code, and nothing is made or touched.
    let kept = listing(&west.dir.join("files/docs-then"));
    for (set, to, more, code) in [
        ("files:docs", "docs-then", &[][..], "place-exists"),
        ("files:docs", "docs/old", &[], "place-in-data-set"),
        ("files:docs", "docs", &[], "place-in-data-set"),
        ("files:docs", "no/where", &[], "no-parent"),
        ("files:docs", "../out", &[], "place-invalid"),
        ("files:docs", "other", &["--only", "nosuch"], "no-such-part"),
        ("files:nosuch", "other", &[], "no-such-data-set"),
        ("tables:orders", "orders_then", &[], "place-exists"),
        ("tables:orders", "ORDERS", &[], "place-in-data-set"),
        ("tables:orders", "understudy_fence_x", &[], "place-is-ours"),
        ("tables:orders", "other", &["--only", "x"], "no-parts"),
    ] {
        let said = ask(&controller, &good, set, to, more);
        assert_eq!([&said.json["ending"], &said.json["error"]["facts"]["code"]], ["refused", code], "{set} to {to}: {}", said.stderr);
        assert!(said.code() == 2 || said.code() == 3, "{}", said.stderr);
        said.trouble();
    }
    let unknown = ask(&controller, "01900000-0000-7000-8000-000000000000", "files:docs", "other", &[]);
    assert_eq!((unknown.code(), &unknown.json["ending"]), (2, &"refused".into()), "{}", unknown.stderr);
    assert_same(&kept, &listing(&west.dir.join("files/docs-then")));
    let now = [&east, &west].map(|agent| listing(&agent.dir.join("files/docs")));
    live.iter().zip(&now).for_each(|(before, after)| assert_same(before, after));

    // What is restored is nobody's leftover, no obstacle to the next run, and stays when the pair goes.
    assert!(
        controller.done(&["leftovers", "p"])["clusters"]
            .as_array()
            .expect("two")
            .iter()
            .all(|one| one["half_made"] == Value::Array(Vec::new()))
    );
    assert_eq!(controller.done(&["run", "orders"])["outcome"], "sealed");
    controller.done(&["unpair", "p", "--confirm", "p"]);
    assert_same(&kept, &listing(&west.dir.join("files/docs-then")));
    assert_eq!(rows(&west, "orders_then"), ["1 one", "2 more", "70000 two"]);
}

/// The one object of a component's store with this content.
fn object_of(agent: &Agent, content: &str) -> PathBuf {
    let mut folders = vec![agent.dir.join("state")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.parent().and_then(Path::parent).is_some_and(|above| above.ends_with("objects"))
                && std::fs::read_to_string(&path).is_ok_and(|found| found == content)
            {
                return path;
            }
        }
    }
    panic!("no object holds it")
}

#[tokio::test]
async fn while_a_restore_reads_a_point_it_stays_and_the_pair_does_not_go_and_after_a_crash_it_goes_on_or_is_removed() {
    let dir = Dir::new();
    let (east, mut west, controller) = paired(dir.path(), "[\"files:docs\"]", "keep = { all_hours = 0, daily_days = 0 }");
    make(&east.dir.join("files/docs"), 5);
    std::fs::write(east.dir.join("files/docs/slow"), "read slowly").expect("written");
    let engine = controller.engine(&[]);
    let good = point(&controller.done(&["run", "orders"]));
    let then = listing(&east.dir.join("files/docs"));
    // Whoever reads this object waits.
    let object = object_of(&west, "read slowly");
    let aside = object.with_extension("aside");
    std::fs::rename(&object, &aside).expect("moved");
    assert!(Command::new("mkfifo").arg(&object).status().expect("it runs").success());
    let (mut asking, _lines) = controller.begin(&["restore", &good, "files:docs", "--to", "docs-then"]);
    let half = |what: &str| {
        let found = std::fs::read_dir(west.dir.join("files")).expect("listed").flatten();
        found.filter(|entry| entry.file_name().to_string_lossy().contains(what)).count()
    };
    until("the restore", LIMIT, || async { (half("restore-") == 1).then_some(()) }).await;
    // It is in nobody's way but of what would take its point or its pair.
    let refused = controller.say(&["unpair", "p", "--confirm", "p"]);
    assert_eq!(refused.code(), 3, "{}", refused.stderr);
    assert!(refused.trouble().0.contains("docs-then"), "by name: {}", refused.stderr);
    assert_eq!(half("docs-then"), 0, "nothing is in the place before it is whole");
    drop(engine);
    asking.kill().expect("killed");
    asking.wait().expect("ended");
    west.kill();
    west.start();
    std::fs::remove_file(&object).expect("removed");
    std::fs::rename(&aside, &object).expect("moved back");

    // Half-made: the point stays, though the policy keeps one only; a person sees it.
    std::fs::write(east.dir.join("files/docs/more"), "more").expect("written");
    controller.done(&["run", "orders"]);
    let pruned = controller.say(&["prune", "orders"]);
    assert_eq!((pruned.code(), &pruned.json["held"][0]), (1, &Value::from(good.as_str())), "{}", pruned.stderr);
    let listed = controller.done(&["leftovers", "p"]);
    let mine = &listed["clusters"].as_array().expect("two").iter().find(|one| one["cluster"] == "west").expect("it")["half_made"];
    assert_eq!([&mine[0]["place"], &mine[0]["under_way"]], [&Value::from("docs-then"), &Value::from(false)], "{listed:#}");
    let told = ask(&controller, &good, "files:docs", "docs-then", &[]).json;
    assert_eq!([&told["ending"], &told["restore"]], [&Value::from("restored"), &mine[0]["restore"]], "{told:#}");
    assert_same(&then, &listing(&west.dir.join("files/docs-then")));
    assert_eq!(controller.done(&["prune", "orders"])["ending"], "dropped");
    let gone = ask(&controller, &good, "files:docs", "again", &[]);
    assert_eq!((gone.code(), &gone.json["ending"]), (2, &"refused".into()), "{}", gone.stderr);

    // With the cluster that keeps the manifests away, the other one's own capture is what counts.
    west.kill();
    let newest = controller.done(&["points", "orders"])[0]["recovery_point"].as_str().expect("a point").to_owned();
    let told = ask(&controller, &newest, "files:docs", "docs-alone", &["--at", "primary"]).json;
    assert_eq!([&told["ending"], &told["proof"]["compared_with"]], ["restored", "own-capture"], "{told:#}");
    assert_same(&listing(&east.dir.join("files/docs")), &listing(&east.dir.join("files/docs-alone")));
}
