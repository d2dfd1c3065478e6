//! What a decision rests on is whole, in sum, and says what is still missing.

use std::sync::Arc;

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use understudy::console::{Screen, sample};
use understudy::controller::command::{AdjustOutcome, AdjustReport};
use understudy::controller::{Command, Reply};
use understudy::domain::Epoch;

use super::bench::bench;
use super::dialogs::SMALL;

const BUTTON: &str = "Adjust identity: make guiyang primary";

#[test]
fn the_fault_prompt_says_what_is_still_missing_beside_its_button() {
    let mut bench = bench(sample::faulty());
    assert!(bench.sees("nobody writes at shenzhen? (required"), "the field says that it is needed");
    assert!(bench.sees("To do: say how you know that nobody writes at shenzhen; type guiyang exactly."));
    bench.confirm("guiyang");
    assert!(!bench.enabled(BUTTON) && bench.sees("To do: say how you know that nobody writes at shenzhen."));
    bench.declare("its power is off");
    assert!(bench.enabled(BUTTON) && bench.sees("All is given") && !bench.sees("To do:"));
    bench.confirm("Guiyang");
    assert!(!bench.enabled(BUTTON) && bench.sees("To do: type guiyang exactly."));
}

#[test]
fn a_fault_of_202_services_is_told_in_sum_and_its_figures_are_whole() {
    for size in SMALL {
        let mut bench = bench(sample::many_faulty());
        bench.resize(size.0, size.1);
        assert!(bench.sees("198 of 202 services have no recovery point: they would not come up"), "{size:?}");
        assert!(bench.sees("Data lost: at most 12 h 5 min (media-archive)"), "{size:?}");
        assert!(bench.in_window(Role::Button, BUTTON) && bench.in_window(Role::Button, "Keep waiting"), "{size:?}");
        assert!(bench.in_window(Role::Label, "Primary cluster shenzhen is faulty"), "{size:?}");
    }
    let width = |size: (f32, f32)| {
        let mut bench = super::bench::bench(sample::many_faulty());
        bench.resize(size, 1.0);
        let of = |label: &str| {
            let all = bench.harness.query_all_by_label(label);
            all.map(|node| node.rect().width()).fold(0.0, f32::max)
        };
        ["everything", "✖ none"].map(of)
    };
    let (narrow, wide) = (width((1024.0, 700.0)), width((2000.0, 1200.0)));
    assert!(wide.iter().all(|width| *width > 20.0), "{wide:?}");
    assert_eq!(narrow, wide, "what decides is never cut");
}

#[test]
fn the_columns_of_the_prompt_stay_where_they_are_while_seconds_pass() {
    let mut bench = bench(sample::faulty());
    let left = |bench: &super::bench::Bench| bench.harness.get_by_label("Data lost").rect().left();
    let mut snapshot = sample::faulty();
    let set = |snapshot: &mut understudy::controller::Snapshot, secs: u64| {
        let fault = snapshot.pairs[0].fault.as_mut().expect("a fault");
        fault.resume.iter_mut().for_each(|line| line.lost_secs = Some(secs));
    };
    set(&mut snapshot, 359);
    bench.news.send_replace(Arc::new(snapshot.clone()));
    bench.steps();
    let before = left(&bench);
    set(&mut snapshot, 360);
    bench.news.send_replace(Arc::new(snapshot));
    bench.steps();
    assert_eq!(left(&bench), before, "5 min 59 s, then 6 min");
}

#[test]
fn a_held_promotion_says_where_to_look_and_leads_to_where_it_is_committed() {
    let mut bench = bench(sample::faulty());
    bench.declare("its power is off");
    bench.confirm("guiyang");
    bench.click(BUTTON);
    let (command, reply) = bench.commands().pop().expect("asked");
    assert!(matches!(command, Command::AdjustIdentity { .. }), "{command:?}");
    let report = AdjustReport {
        pair: "sz-gy".parse().expect("a name"),
        epoch: Epoch(5),
        primary: "guiyang".parse().expect("a name"),
        services: Vec::new(),
        outcome: AdjustOutcome::Promoted,
        steps: Vec::new(),
        held: true,
        fences: Vec::new(),
        declared: None,
        refusal: None,
        error: None,
    };
    bench.news.send_replace(Arc::new(sample::held()));
    reply.send(Reply::Adjusted(report)).expect("the console waits for it");
    bench.steps();
    assert!(bench.sees("Where to look") && bench.sees("HDFS /data/orders/invoices") && bench.sees("hdfs://gy"));
    bench.click("To the clusters: commit or take back…");
    assert_eq!(bench.harness.state().screen(), Screen::Clusters);
    assert!(bench.sees("Commit the promotion…") || bench.enabled("Commit the promotion…"));
    bench.go(Screen::Overview);
    assert!(bench.sees("held for a look: applications wait") && !bench.sees("← applications"), "applications do not go on yet");
}
