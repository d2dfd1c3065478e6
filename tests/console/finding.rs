//! The palette finds what a person knows by name or by the first letters of an id.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use understudy::console::{Screen, sample};
use understudy::controller::Command;
use understudy::controller::command::Removal;

use super::bench::{Bench, bench};

fn found(bench: &mut Bench, typed: &str) {
    bench.harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    bench.steps();
    bench.harness.get_by_role_and_label(Role::TextInput, "Search commands").type_text(typed);
    bench.steps();
}

fn run(bench: &mut Bench, typed: &str) {
    found(bench, typed);
    bench.harness.key_press(Key::Enter);
    bench.steps();
}

#[test]
fn names_with_hyphens_are_found_as_they_are_written() {
    let mut bench = bench(sample::many());
    run(&mut bench, "back up svc-150");
    let (command, _) = bench.commands().pop().expect("asked");
    assert!(matches!(&command, Command::Run { service, .. } if service.as_str() == "svc-150"), "{command:?}");
}

#[test]
fn runs_points_drills_and_data_sets_are_found_by_id_and_by_name() {
    let snapshot = sample::snapshot();
    let mut bench = bench(snapshot.clone());
    let run_id = snapshot.runs[3].run;
    run(&mut bench, &format!("run {run_id}"));
    assert_eq!(bench.harness.state().screen(), Screen::Run);
    let point = snapshot.points[5].id;
    run(&mut bench, &point.to_string());
    assert_eq!(bench.harness.state().screen(), Screen::Points);
    run(&mut bench, &snapshot.drills[0].report.drill.to_string());
    assert_eq!(bench.harness.state().screen(), Screen::Drills);
    run(&mut bench, "data set /data/orders/invoices");
    assert_eq!(bench.harness.state().screen(), Screen::Policy);
    bench.commands();
    run(&mut bench, "dissolve");
    assert!(matches!(bench.commands().pop(), Some((Command::WouldGo { removal: Removal::Pair, .. }, _))));
}

#[test]
fn what_is_not_there_is_said_so() {
    let mut bench = bench(sample::snapshot());
    found(&mut bench, "nothing-like-it");
    assert!(bench.sees("No match."));
}
