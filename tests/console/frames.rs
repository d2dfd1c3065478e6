//! Frames stay cheap whatever is shown, never wait for the engine, and fit small windows.

use std::sync::Arc;

use egui::accesskit::Role;
use egui::vec2;
use egui_kittest::kittest::Queryable as _;
use poll_promise::Promise;
use understudy::console::{Screen, sample};
use understudy::controller::{Command, Reply};
use understudy::domain::{Trouble, TroubleKind};
use understudy::protocol::CatalogueItem;

use super::bench::{bench, window};

/// Ten thousand lines of a catalogue, of which only those in view are drawn.
#[test]
fn a_large_catalogue_costs_no_more_than_what_is_seen_of_it() {
    let mut bench = bench(sample::snapshot());
    bench.click("New service policy…");
    let item = |path: String| CatalogueItem {
        component: "hdfs".parse().expect("a name"),
        label: path.clone(),
        path,
        selectable: true,
        expandable: false,
        bytes: Some(1 << 30),
        files: Some(7),
    };
    for _ in 0..4 {
        for (command, reply) in bench.commands() {
            let Command::Catalogue { component, .. } = command else { continue };
            let items = match component {
                None => vec![CatalogueItem { selectable: false, expandable: true, path: String::new(), ..item("hdfs".to_owned()) }],
                Some(_) => (0..10_000).map(|number| item(format!("/data/set-{number:05}"))).collect(),
            };
            reply.send(Reply::Catalogue(items)).expect("the console waits for it");
        }
        bench.steps();
    }
    let drawn = bench.harness.query_all_by_role(Role::CheckBox).count();
    assert!(drawn > 5 && drawn < 40, "{drawn} lines of 10 000 were drawn");
    assert!(bench.sees("/data/set-00000") && !bench.sees("/data/set-09999"));
    bench.harness.get_by_label("/data/set-00003").click();
    bench.steps();
    assert!(bench.sees("1 data set in 1 component"));
}

#[test]
fn many_points_cost_no_more_than_what_is_seen_of_them() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Points);
    let drawn = bench.harness.query_all_by_role(Role::Row).count();
    assert!(drawn > 5 && drawn < 30, "{drawn} of 94 rows were drawn");
}

/// An engine that takes commands and never answers: frames go on, and no question is asked twice.
#[test]
fn frames_never_wait_for_the_engine() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Users);
    bench.click("Read both sides again");
    for _ in 0..5 {
        bench.steps();
    }
    assert!(bench.sees("Reading both sides…"));
    assert_eq!(bench.commands().len(), 1);
    let mut newer = sample::snapshot();
    newer.pairs[0].services[1].state = understudy::controller::snapshot::ServiceState::LastRunFailed;
    bench.news.send(Arc::new(newer)).expect("the console watches");
    bench.go(Screen::Overview);
    assert!(bench.sees("Last run failed"), "news are shown while a reply is awaited");
}

#[test]
fn an_engine_that_is_not_there_yet_shows_a_frame_and_one_that_failed_says_why() {
    let (promised, promise) = Promise::new();
    let mut spec = sample::spec(sample::empty());
    spec.engine = Box::new(move || promise);
    let mut harness = window(spec);
    assert!(harness.query_all_by_label_contains("The engine reads its store").next().is_some());
    promised.send(Err(Trouble::new(TroubleKind::Refused, "state directory", "another engine holds it").next("attach to it")));
    harness.run_steps(3);
    assert!(harness.query_all_by_label_contains("another engine holds it").next().is_some());
}

#[test]
fn small_windows_and_long_names_fit() {
    let mut snapshot = sample::snapshot();
    let long = "a-service-whose-name-is-as-long-as-sixty-four-characters-allow-0";
    snapshot.pairs[0].services[0].name = long.parse().expect("a name");
    snapshot.pairs[0].services[0].policy.name = long.parse().expect("a name");
    let mut bench = bench(snapshot);
    bench.harness.set_size(vec2(1100.0, 700.0));
    bench.steps();
    for screen in [Screen::Overview, Screen::Clusters, Screen::Services, Screen::Points, Screen::Runs, Screen::Users] {
        bench.go(screen);
        let wide: Vec<_> = bench
            .harness
            .query_all_by_role(Role::Button)
            .filter(|node| node.rect().right() > 1100.0)
            .map(|node| format!("{node:?}"))
            .collect();
        assert!(wide.is_empty(), "{screen:?}: {wide:?}");
    }
}
