//! The console clicked through by label, without a window.
#![cfg(feature = "console")]

mod bench;
mod decisions;
mod dialogs;
mod engine;
mod finding;
mod frames;
mod identity;
mod maintenance;
mod policy;
mod removal;
mod restore;
mod whole;

use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use understudy::console::{Screen, sample};
use understudy::controller::{Command, Reply};

use bench::bench;

#[test]
fn every_screen_can_be_reached_and_shows_what_it_is_for() {
    let mut bench = bench(sample::snapshot());
    assert!(bench.sees("PRIMARY identity") && bench.sees("118 MiB/s") && bench.sees("risk-features is 7 min behind"));
    for (screen, words) in [
        (Screen::Clusters, "fenced: nobody else writes"),
        (Screen::Services, "*/15 * * * * (Asia/Shanghai)"),
        (Screen::Points, "orders · today 14:00:00.000"),
        (Screen::Runs, "today 14:07:00.000"),
        (Screen::Users, "/data/orders · user:mallory"),
        (Screen::Drills, "Start a drill of orders"),
        (Screen::Activity, "the engine started with term 12"),
        (Screen::Settings, "/var/lib/understudy"),
        (Screen::Overview, "Needs attention"),
    ] {
        bench.go(screen);
        assert!(bench.sees(words), "{screen:?} does not show {words:?}");
    }
}

#[test]
fn a_drill_is_started_after_its_lines_followed_stopped_and_signed_off() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Drills);
    assert!(bench.sees("within the target of 10 min") && bench.sees("nothing of this drill"));
    assert!(!bench.enabled("Start the drill"), "not before every line is known");
    let mut asked = bench.commands();
    let (command, reply) = asked.pop().expect("the lines are asked for");
    assert!(asked.is_empty() && matches!(command, Command::CheckDrill { .. }), "{command:?}");
    reply.send(Reply::DrillChecked(sample::drill_checks())).expect("the console listens");
    bench.steps();
    assert!(bench.sees("skew 84 ms"));
    bench.click("Start the drill");
    let (command, reply) = bench.commands().pop().expect("asked");
    assert!(matches!(&command, Command::Drill { service, point: None, .. } if service.as_str() == "orders"), "{command:?}");
    let mut snapshot = sample::snapshot();
    let mut running = snapshot.drills[0].clone();
    running.report.phase = understudy::domain::drill::machine::Phase::Running;
    running.report.drill = understudy::domain::DrillId(uuid::Uuid::from_u128(5));
    reply.send(Reply::DrillStarted(running.report.drill)).expect("the console listens");
    snapshot.drills.insert(0, running);
    bench.news.send_replace(Arc::new(snapshot));
    bench.steps();
    bench.click("Stop the drill");
    assert!(bench.commands().iter().any(|(command, _)| matches!(command, Command::StopDrill { .. })));
    bench.news.send_replace(Arc::new(sample::snapshot()));
    bench.steps();
    assert!(!bench.enabled("Sign off"), "a sign-off says something");
    bench.harness.get_by_role_and_label(Role::TextInput, "Remark").focus();
    bench.steps();
    bench.harness.get_by_role_and_label(Role::TextInput, "Remark").type_text("all there");
    bench.steps();
    bench.click("Sign off");
    let signed =
        bench.commands().into_iter().any(|(command, _)| matches!(command, Command::SignOffDrill { remark, .. } if remark == "all there"));
    assert!(signed);
}

#[test]
fn nothing_paired_offers_three_ways_to_begin() {
    let mut bench = bench(sample::empty());
    assert!(bench.sees("Welcome. Nothing is protected yet."));
    assert!(bench.sees("Open a plan…"));
    bench.click("Pair clusters…");
    assert_eq!(bench.harness.state().screen(), Screen::Pairing);
    assert!(!bench.enabled("Pair"), "nothing can be paired before both agents answered");
}

#[test]
fn the_palette_opens_by_keys_and_runs_what_is_found() {
    let mut bench = bench(sample::snapshot());
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    bench.steps();
    bench.harness.get_by_role_and_label(Role::TextInput, "Search commands").type_text("back up billing");
    bench.steps();
    bench.harness.key_press(Key::Enter);
    bench.steps();
    let asked = bench.commands();
    assert!(matches!(&asked[0].0, Command::Run { service, at: None } if service.as_str() == "billing"));
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    bench.steps();
    bench.harness.key_press(Key::Escape);
    bench.steps();
    assert!(bench.harness.query_by_role_and_label(Role::TextInput, "Search commands").is_none());
}

#[test]
fn a_run_is_cancelled_only_after_a_plain_question() {
    let mut bench = bench(sample::snapshot());
    bench.click("Open run");
    bench.go(Screen::Runs);
    bench.harness.get_all_by_role(Role::Row).next().expect("a run").click();
    bench.steps();
    assert_eq!(bench.harness.state().screen(), Screen::Run);
    bench.click("Cancel…");
    assert!(bench.sees("What it copied is dropped on both sides") && bench.commands().is_empty());
    bench.click("Cancel the run");
    assert!(matches!(bench.commands()[0].0, Command::CancelRun { .. }));
}
