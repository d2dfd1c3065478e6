//! A maintenance clicked through: begun by its form, shown on every screen, ended; and a prompt that is about to be withdrawn.

use std::sync::Arc;

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use understudy::console::{Screen, sample};
use understudy::controller::Command;
use understudy::domain::watch::Verdict;

use super::bench::{Bench, bench};

fn write(bench: &mut Bench, label: &str, text: &str) {
    bench.harness.get_by_role_and_label(Role::TextInput, label).focus();
    bench.steps();
    bench.harness.get_by_role_and_label(Role::TextInput, label).type_text(text);
    bench.steps();
}

#[test]
fn a_maintenance_is_begun_with_an_end_and_a_reason_shown_everywhere_and_ended() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Clusters);
    bench.click("Maintenance…");
    assert!(!bench.enabled("Begin the maintenance"));
    write(&mut bench, "For (at most 7d)", "2h");
    assert!(!bench.enabled("Begin the maintenance") && bench.sees("It needs a reason"));
    write(&mut bench, "Reason", "firmware of rack 4");
    bench.click("Begin the maintenance");
    let (command, _) = bench.commands().pop().expect("asked");
    let Command::BeginMaintenance { pair, request } = command else { panic!("{command:?}") };
    assert_eq!((pair.as_str(), request.secs, request.reason.as_str()), ("sz-gy", 7_200, "firmware of rack 4"));

    bench.news.send_replace(Arc::new(sample::maintained()));
    bench.steps();
    for screen in [Screen::Clusters, Screen::Overview, Screen::Activity, Screen::Settings] {
        bench.go(screen);
        assert!(bench.sees("firmware of rack 4, by ana") && bench.sees("shenzhen is faulty"), "{screen:?}");
    }
    assert!(!bench.sees("What was observed"), "nobody is prompted");
    bench.click("Change or end it…");
    bench.click("End it now");
    assert!(matches!(bench.commands().pop(), Some((Command::EndMaintenance { pair, .. }, _)) if pair.as_str() == "sz-gy"));
}

#[test]
fn a_primary_that_answers_again_switches_the_button_off_where_it_stands() {
    let mut bench = bench(sample::faulty());
    bench.declare("its power is off");
    bench.confirm("guiyang");
    assert!(bench.enabled("Adjust identity: make guiyang primary"));
    let mut snapshot = sample::faulty();
    let fault = snapshot.pairs[0].fault.as_mut().expect("a fault");
    (fault.cause, fault.can_adjust) = (Verdict::Healthy, false);
    fault.refused = "shenzhen is healthy again since 14:07:20; this closes when it stays so for 18 s".to_owned();
    bench.news.send_replace(Arc::new(snapshot));
    bench.steps();
    assert!(!bench.enabled("Adjust identity: make guiyang primary"), "in its place, and off");
    assert!(bench.sees("Primary cluster shenzhen answers again") && bench.sees("this closes when it stays so for 18 s"));
}
