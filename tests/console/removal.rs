//! Removals for good clicked through: what goes is shown before the button may be pressed, and the pair's name is typed.

use egui_kittest::kittest::Queryable as _;
use understudy::console::{Screen, sample};
use understudy::controller::command::Removal;
use understudy::controller::{Command, Reply};
use understudy::domain::{Trouble, TroubleKind};

use super::bench::bench;

const FIELD: &str = "Type sz-gy to confirm";

#[test]
fn a_pair_is_dissolved_only_after_what_goes_was_shown_and_its_name_typed() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Clusters);
    bench.click("Dissolve the pair…");
    let (command, reply) = bench.commands().pop().expect("both agents are asked");
    assert!(matches!(&command, Command::WouldGo { removal: Removal::Pair, .. }), "{command:?}");
    bench.write(FIELD, "sz-gy");
    assert!(bench.sees("Asking both agents what they hold") && !bench.enabled("Dissolve the pair"), "nothing goes unseen");
    reply.send(Reply::WouldGo(sample::going(&Removal::Pair))).expect("the console listens");
    bench.steps();
    assert!(bench.sees("2 services with 125 recovery points"), "in sum, however many there are");
    assert!(bench.sees("service orders: 94 recovery points") && bench.sees("guiyang: 284 snapshots (hbase 96, hdfs 188)"));
    for (typed, enabled) in [("sz", false), ("SZ-GY", false), ("guiyang", false), ("sz-gy", true)] {
        bench.write(FIELD, typed);
        assert_eq!(bench.enabled("Dissolve the pair"), enabled, "typed {typed:?}");
        assert!(bench.commands().is_empty());
    }
    bench.click("Dissolve the pair");
    let (command, _) = bench.commands().pop().expect("asked");
    let Command::Unpair { pair, confirm, by } = command else { panic!("{command:?}") };
    assert!(pair.as_str() == "sz-gy" && confirm == "sz-gy" && !by.is_empty());
}

#[test]
fn what_goes_is_not_known_so_nothing_can_be_removed() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Clusters);
    bench.click("Dissolve the pair…");
    let (_, reply) = bench.commands().pop().expect("asked");
    let trouble = Trouble::new(TroubleKind::Refused, "pair sz-gy", "a run is under way").next("wait for its end");
    reply.send(Reply::Refused(trouble)).expect("the console listens");
    bench.steps();
    bench.write(FIELD, "sz-gy");
    assert!(bench.sees("a run is under way") && !bench.enabled("Dissolve the pair"));
}

#[test]
fn leftovers_that_no_agent_here_made_go_by_the_name_of_the_pair_and_the_others_as_before() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Clusters);
    let look = |bench: &mut super::bench::Bench| {
        bench.reach("Look for leftovers");
        let (_, reply) = bench.commands().pop().expect("asked");
        reply.send(Reply::Leftovers(sample::leftovers())).expect("the console listens");
        bench.steps();
    };
    look(&mut bench);
    bench.reach("Remove 1 snapshot");
    let (command, reply) = bench.commands().pop().expect("asked");
    assert!(matches!(&command, Command::Leftovers { remove: true, unknown: false, confirm: None, .. }), "{command:?}");
    reply.send(Reply::Leftovers(sample::leftovers())).expect("the console listens");
    bench.steps();

    look(&mut bench);
    let check = "Remove also what these agents did not make: another installation may count on it";
    bench.tick(check);
    bench.reach("Remove 2 snapshots");
    let (command, reply) = bench.commands().pop().expect("asked");
    assert!(matches!(&command, Command::WouldGo { removal: Removal::Leftovers, .. }), "{command:?}");
    reply.send(Reply::WouldGo(sample::going(&Removal::Leftovers))).expect("the console listens");
    bench.steps();
    assert!(bench.sees("made by no agent here") && !bench.enabled("Remove the leftovers"));
    bench.write(FIELD, "sz-gy");
    bench.click("Remove the leftovers");
    let (command, _) = bench.commands().pop().expect("asked");
    let Command::Leftovers { remove: true, unknown: true, confirm: Some(confirm), .. } = command else { panic!("{command:?}") };
    assert_eq!(confirm, "sz-gy");
}

#[test]
fn a_stuck_run_says_why_and_is_given_up_by_the_typed_name_of_its_service() {
    let snapshot = sample::stuck();
    let run = snapshot.runs[0].run;
    let mut bench = bench(snapshot);
    bench.go(Screen::Services);
    assert!(bench.sees("✖ Stuck"), "the service's state says so");
    bench.go(Screen::Runs);
    assert!(bench.sees("✖ Stuck"));
    bench.harness.get_all_by_role(egui::accesskit::Role::Row).next().expect("a run").click();
    bench.steps();
    assert!(bench.sees("index by_day already exists") && bench.sees("The secondary tries again by itself"));
    bench.click("Abandon…");
    for (typed, enabled) in [("order", false), ("sz-gy", false), ("orders", true)] {
        bench.write("Type orders to confirm", typed);
        assert_eq!(bench.enabled("Abandon the point"), enabled, "typed {typed:?}");
        assert!(bench.commands().is_empty());
    }
    bench.click("Abandon the point");
    let (command, reply) = bench.commands().pop().expect("asked");
    let Command::AbandonRun { run: asked, confirm, by } = command else { panic!("{command:?}") };
    assert!(asked == run && confirm == "orders" && !by.is_empty());
    reply.send(Reply::Done).expect("the console listens");
    bench.steps();
    assert!(bench.sees("The point is given up"));
}
