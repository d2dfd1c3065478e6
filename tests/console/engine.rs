//! The engine's own end: lost, found again, and stopped by closing the window that holds it.

use std::sync::{Arc, Mutex};

use egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use poll_promise::Promise;
use understudy::console::{Screen, sample};
use understudy::controller::EngineHandle;

use super::bench::{bench, engine, window};

#[test]
fn an_engine_that_is_lost_is_told_over_every_screen_and_comes_back_by_itself() {
    let (first, _asked, news) = engine(sample::snapshot());
    let next: Arc<Mutex<Option<EngineHandle>>> = Arc::default();
    let mut spec = sample::spec(sample::empty());
    spec.engine = Box::new(move || Promise::from_ready(Ok(first.attached())));
    let there = next.clone();
    spec.attach = Some(Box::new(move || {
        let gone = understudy::domain::Trouble::new(understudy::domain::TroubleKind::Unreachable, "engine", "it is not there");
        Promise::from_ready(there.lock().expect("not poisoned").clone().ok_or(gone))
    }));
    let mut harness = window(spec);
    let sees = |harness: &egui_kittest::Harness<'_, _>, words: &str| harness.query_all_by_label_contains(words).next().is_some();
    assert!(sees(&harness, "a process of its own"), "closing this window stops no backup");
    drop(news);
    harness.run_steps(3);
    assert!(sees(&harness, "The engine is gone. Everything below is as of 14:07:32 CST"));
    assert!(sees(&harness, "No engine: as of 14:07:32") && !sees(&harness, "2 agents connected"), "nothing old is told as news");
    for screen in [Screen::Clusters, Screen::Services, Screen::Points, Screen::Overview] {
        harness.get_by_role_and_label(Role::Tab, screen.title()).click();
        harness.run_steps(3);
        assert!(sees(&harness, "The engine is gone."), "{screen:?}");
        let on: Vec<String> = harness
            .query_all_by_role(Role::Button)
            .filter(|node| !egui_kittest::kittest::NodeT::accesskit_node(node).is_disabled())
            .filter_map(|node| egui_kittest::kittest::NodeT::accesskit_node(&node).label())
            .filter(|label| label != "Search or run a command")
            .collect();
        assert!(on.is_empty(), "{screen:?} can still be pressed: {on:?}");
    }
    let (second, _asked, _news) = engine(sample::snapshot());
    *next.lock().expect("not poisoned") = Some(second.attached());
    for _ in 0..200 {
        harness.run_steps(1);
        if !sees(&harness, "The engine is gone.") {
            break;
        }
    }
    assert!(!sees(&harness, "The engine is gone.") && sees(&harness, "2 agents connected"), "it attaches again by itself");
}

fn close(bench: &mut super::bench::Bench) -> Vec<egui::ViewportCommand> {
    let viewport = bench.harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.push(egui::ViewportEvent::Close);
    bench.harness.run_steps(1);
    let output = bench.harness.output().viewport_output.get(&egui::ViewportId::ROOT).map(|output| output.commands.clone());
    let viewport = bench.harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.clear();
    output.unwrap_or_default()
}

#[test]
fn a_window_that_holds_the_engine_asks_before_it_is_closed_under_a_run() {
    let mut bench = bench(sample::snapshot());
    assert!(bench.sees("in this console, stops with this window"));
    assert!(close(&mut bench).contains(&egui::ViewportCommand::CancelClose));
    bench.steps();
    assert!(bench.sees("Under way: 1 run.") && bench.sees("no backup runs, no schedule is kept and no fault is seen"));
    bench.click("Keep it open");
    assert!(!bench.sees("Under way: 1 run."));
    close(&mut bench);
    bench.steps();
    bench.click("Close and stop");
    assert!(!close(&mut bench).contains(&egui::ViewportCommand::CancelClose), "it was agreed");

    let mut snapshot = sample::snapshot();
    snapshot.runs.retain(|run| run.report.outcome.is_some());
    let mut bench = super::bench::bench(snapshot);
    assert!(!close(&mut bench).contains(&egui::ViewportCommand::CancelClose), "nothing is under way");
}
