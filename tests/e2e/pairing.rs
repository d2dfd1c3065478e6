//! Pairing is refused, with the reason and what to do, while a code does not fit or a check fails; nothing is paired then.

use serde_json::Value;

use crate::stand::Dir;
use crate::stand::processes::{Agent, Controller, Said, faked_time, plan, re_plan};
use crate::stand::trees::make;

fn agents(dir: &Dir) -> (Agent, Agent) {
    let (mut east, mut west) = (Agent::local(dir.path(), "east"), Agent::local(dir.path(), "west"));
    east.start();
    west.start();
    (east, west)
}

fn apply(controller: &Controller, plan: &str) -> Said {
    controller.say(&["apply", controller.write_plan(plan).to_str().unwrap()])
}

#[track_caller]
fn refused(controller: &Controller, plan: &str, status: i32, names: &[&str]) {
    let said = apply(controller, plan);
    assert_eq!(said.code(), status, "{}", said.stderr);
    let (told, next) = said.trouble();
    for name in names {
        assert!(told.contains(name), "{name:?} in: {told} ({next})");
    }
    assert_eq!(controller.done(&["status"])["pairs"], Value::Array(Vec::new()), "nothing is paired");
}

#[test]
fn a_code_counts_once_within_fifteen_minutes_and_only_if_it_is_right() {
    let dir = Dir::new();
    let (east, mut west) = agents(&dir);
    let (first, second) = (Controller::new(dir.path(), "first"), Controller::new(dir.path(), "second"));
    let at_west = west.listen.to_string();
    let sets = "[\"files:docs\"]";
    refused(&first, &re_plan(&east, &west, sets, ""), 3, &["does not know this controller"]);
    let good = plan(&east, &west, sets);
    let code = good.split('"').find(|part| part.len() == 14 && part.as_bytes()[4] == b'-').unwrap().to_owned();
    refused(&first, &good.replace(&code, "no code at all"), 2, &["code"]);
    let wrong: String = code.chars().rev().collect();
    refused(&first, &good.replace(&code, &wrong), 3, &["agent east", "the code is wrong, used or expired"]);
    let nobody = good.replace(&at_west, "127.0.0.1:9");
    refused(&first, &nobody, 1, &["127.0.0.1:9", "refuses connections"]);

    // Both codes are still good, or made the first controller known: it pairs with the plan as it was written.
    let good = plan(&east, &west, sets);
    assert_eq!(apply(&first, &good).code(), 0);
    refused(&second, &good, 3, &["used or expired", "none was issued"]);
    // With new ones the second controller is known, and may not take the pair away all the same.
    let other = plan(&east, &west, sets);
    refused(&second, &other.replace("name = \"p\"", "name = \"q\"").replace("pair = \"p\"", "pair = \"q\""), 3, &["is in pair p"]);
    refused(&second, &other, 3, &["pair p", "another controller commands it"]);

    let Some(later) = faked_time("+16m") else {
        eprintln!("skipped the expired code: libfaketime is not installed (Debian: apt install faketime)");
        return;
    };
    let code = west.enrol();
    west.kill();
    west.start_in(&later);
    let said = Controller::new(dir.path(), "third").say(&["adopt", &at_west, &code]);
    assert_eq!(said.code(), 3, "{}", said.stderr);
    assert!(said.trouble().0.contains("used or expired"), "{}", said.stderr);
}

#[test]
fn clocks_that_do_not_agree_keep_clusters_from_pairing_and_a_service_from_being_captured() {
    let Some(ahead) = faked_time("+35s") else {
        eprintln!("skipped: libfaketime is not installed (Debian: apt install faketime); .ci/run installs it");
        return;
    };
    let dir = Dir::new();
    let (east, mut west) = agents(&dir);
    make(&east.dir.join("files/docs"), 2);
    let controller = Controller::new(dir.path(), "controller");
    west.kill();
    west.start_in(&ahead);
    let good = plan(&east, &west, "[\"files:docs\"]");
    refused(&controller, &good, 3, &["one clock source", "west +3"]);
    let (_, next) = apply(&controller, &good).trouble();
    assert!(next.contains("time source"), "{next}");

    west.kill();
    west.start();
    assert_eq!(apply(&controller, &good).code(), 0, "the codes made the controller known: the same plan works now");
    controller.done(&["run", "orders"]);
    west.kill();
    west.start_in(&ahead);
    let said = controller.say(&["run", "orders"]);
    assert_eq!(said.code(), 1, "{}", said.stderr);
    let (told, next) = said.trouble();
    assert!(told.contains("clocks") && told.contains("west") && next.contains("time source"), "{told} ({next})");
    assert_eq!(controller.done(&["points", "orders"]).as_array().unwrap().len(), 1);
    west.kill();
    west.start();
    controller.done(&["run", "orders"]);
}

#[test]
fn one_agent_for_both_sides_or_no_counterpart_is_refused() {
    let dir = Dir::new();
    let (east, _west) = agents(&dir);
    let controller = Controller::new(dir.path(), "controller");
    let mut tables_only = Agent::with(
        dir.path(),
        "lone",
        &format!("[[component]]\nkind = \"tables\"\nname = \"other\"\ndatabase = {:?}\n", dir.path().join("lone.db")),
    );
    rusqlite::Connection::open(dir.path().join("lone.db")).unwrap().pragma_update(None, "journal_mode", "WAL").unwrap();
    tables_only.start();
    refused(&controller, &plan(&east, &tables_only, "[\"files:docs\"]"), 3, &["files:docs", "lone has no component files"]);
    // Known by now, it needs no code, also not for both sides.
    refused(&controller, &re_plan(&east, &east, "[\"files:docs\"]", ""), 2, &["both agents are east"]);
}

#[tokio::test]
async fn a_cluster_that_asks_for_kerberos_is_refused_by_name() {
    let dir = Dir::new();
    let conf = dir.path().join("conf");
    std::fs::create_dir(&conf).unwrap();
    let settings = |pairs: &[(&str, &str)]| {
        let lines = pairs.iter().map(|(key, value)| format!("<property><name>{key}</name><value>{value}</value></property>"));
        format!("<configuration>{}</configuration>", lines.collect::<String>())
    };
    let core = settings(&[("fs.defaultFS", "hdfs://127.0.0.1:9"), ("hadoop.security.authentication", "kerberos")]);
    std::fs::write(conf.join("core-site.xml"), core).unwrap();
    std::fs::write(conf.join("hdfs-site.xml"), settings(&[])).unwrap();
    let component = format!("[[component]]\nkind = \"hdfs\"\nconf = {conf:?}\nuser = \"hdfs\"\n");
    let (mut east, mut west) = (Agent::with(dir.path(), "east", &component), Agent::with(dir.path(), "west", &component));
    let checked = east.check();
    assert_eq!(checked.code(), 1, "{}", checked.stderr);
    assert!(checked.stderr.contains("FAIL hdfs: asks for Kerberos"), "{}", checked.stderr);
    east.start();
    west.start();
    let controller = Controller::new(dir.path(), "controller");
    let good = plan(&east, &west, "[\"hdfs:/data\"]");
    refused(&controller, &good, 3, &["Kerberos", "east:hdfs", "west:hdfs"]);
    let (_, next) = apply(&controller, &good).trouble();
    assert!(next.contains("Kerberos"), "{next}");
}
