//! The policy form clicked through: what is typed is not lost unasked, and what is wrong is said in plain words.

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use understudy::console::{Screen, sample};
use understudy::controller::command::{Check, ServiceCheck};
use understudy::controller::{Command, Reply};
use understudy::domain::schedule::Schedule;

use super::bench::{Bench, bench};

fn check(bench: &mut Bench, checks: Vec<Check>) {
    let mut moments = vec!["2026-11-21T06:15:00Z", "2026-11-21T06:30:00Z", "2026-11-21T18:00:00Z"];
    for (command, reply) in bench.commands() {
        if let Command::CheckService(_) = command {
            let next_moments = moments.drain(..).map(|at| at.parse().expect("a time")).collect();
            let check = ServiceCheck { in_words: "Every hour at minute 61, …".to_owned(), next_moments, checks: checks.clone() };
            reply.send(Reply::ServiceChecked(check)).expect("the console waits for it");
        }
    }
    bench.steps();
}

fn edit(bench: &mut Bench) {
    bench.go(Screen::Services);
    bench.reach("Edit the policy…");
    bench.steps();
}

#[test]
fn changes_that_are_not_saved_are_not_dropped_unasked() {
    let mut bench = bench(sample::snapshot());
    edit(&mut bench);
    bench.harness.get_by_role_and_label(Role::Tab, "Runs").click();
    bench.steps();
    assert_eq!(bench.harness.state().screen(), Screen::Runs, "nothing was changed");
    edit(&mut bench);
    bench.write("Owner", "ana");
    bench.harness.get_by_role_and_label(Role::Tab, "Runs").click();
    bench.steps();
    assert!(bench.sees("Leave the policy unsaved?") && bench.harness.state().screen() == Screen::Policy);
    bench.click("Go on editing");
    assert_eq!(bench.harness.get_by_role_and_label(Role::TextInput, "Owner").value().as_deref(), Some("ana"));
    bench.harness.get_by_role_and_label(Role::Tab, "Runs").click();
    bench.steps();
    bench.click("Drop the changes");
    assert_eq!(bench.harness.state().screen(), Screen::Runs);
}

#[test]
fn a_policy_that_cannot_be_saved_is_not_told_as_if_it_were_well() {
    let mut bench = bench(sample::snapshot());
    edit(&mut bench);
    let refused = Schedule::parse("61 * * * *", chrono_tz::UTC).expect_err("there is no minute 61").reason;
    assert!(refused.contains("it takes 0 to 59") && !refused.contains("Component error"), "{refused}");
    check(&mut bench, vec![Check::failed("Schedule", &refused, "write minute, hour, day")]);
    assert!(bench.sees("This policy cannot be saved.") && !bench.sees("Every hour at minute 61"));
    assert!(bench.sees("it takes 0 to 59"), "all of it, not its first words");
}

#[test]
fn next_moments_have_a_day_and_a_zone_and_a_dry_run_moves_no_button() {
    let mut bench = bench(sample::snapshot());
    edit(&mut bench);
    check(&mut bench, Vec::new());
    assert!(bench.sees("Next moments: Sat 21 Nov 14:15 · 14:30 · Sun 22 Nov 02:00, in Asia/Shanghai (UTC+08:00)"));
    let save = |bench: &Bench| bench.harness.get_by_role_and_label(Role::Button, "Save policy").rect();
    let before = save(&bench);
    bench.reach("Dry run");
    check(&mut bench, Vec::new());
    assert!(bench.sees("Dry run: nothing stands in its way"));
    assert_eq!(save(&bench), before);
}

#[test]
fn a_long_directory_stays_in_its_card() {
    let mut bench = bench(sample::snapshot());
    edit(&mut bench);
    let long = format!("/data/{}", "a-directory-with-a-long-name/".repeat(6));
    for _ in 0..4 {
        for (command, reply) in bench.commands() {
            let Command::Catalogue { component, .. } = command else { continue };
            let item = |path: &str, selectable| understudy::protocol::CatalogueItem {
                component: "hdfs".parse().expect("a name"),
                label: if path.is_empty() { "hdfs".to_owned() } else { path.to_owned() },
                path: path.to_owned(),
                selectable,
                expandable: !selectable,
                bytes: None,
                files: None,
            };
            let inside = if component.is_none() { item("", false) } else { item(&long, true) };
            reply.send(Reply::Catalogue(vec![inside])).expect("the console waits for it");
        }
        bench.steps();
    }
    let right = bench.harness.get_by_role_and_label(Role::CheckBox, &long).rect().right();
    let other = bench.harness.get_by_label("2   Moment").rect().left();
    assert!(right < other, "{right} reaches under the card at {other}");
}
