//! What must be whole is whole: states, figures, times and names in any script, in small windows and with 202 services.

use std::collections::BTreeMap;

use egui::accesskit::Role;
use egui::{Modifiers, pos2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use understudy::console::words::Zone;
use understudy::console::{Screen, sample};

use super::bench::{Bench, bench, window};
use super::dialogs::SMALL;

const SCREENS: [Screen; 6] = [Screen::Overview, Screen::Clusters, Screen::Services, Screen::Points, Screen::Runs, Screen::Drills];

/// The least width of each text shown.
fn widths(bench: &Bench) -> BTreeMap<String, f32> {
    let mut all: BTreeMap<String, f32> = BTreeMap::new();
    for node in bench.harness.query_all_by_role(Role::Label) {
        let label = node.accesskit_node().label().or_else(|| node.value()).unwrap_or_default();
        let width = node.rect().width();
        all.entry(label).and_modify(|least| *least = least.min(width)).or_insert(width);
    }
    all
}

/// A state has a sign before its word or is a known word; a figure has a unit behind it.
fn must_be_whole(label: &str) -> bool {
    let signed = label.chars().count() < 24 && label.starts_with(['●', '▲', '✖', '○', '✓']);
    let figure = label.starts_with(|c: char| c.is_ascii_digit()) && label.chars().count() < 20;
    let unit =
        ["B", "KiB", "MiB", "GiB", "TiB", "s", "ms", "min", "h", "target", "CST"].iter().any(|unit| label.ends_with(&format!(" {unit}")));
    let word = ["Sealed", "bounded", "quiesced", "Arming", "Cancelled"].contains(&label) || label.starts_with("Transferring");
    signed || word || (figure && unit) || label.starts_with("today ")
}

#[test]
fn no_table_cuts_a_state_a_time_or_a_figure() {
    let mut snapshot = sample::many();
    let long = "a-service-whose-name-is-as-long-as-sixty-four-characters-allow-0";
    snapshot.pairs[0].services[0].name = long.parse().expect("a name");
    snapshot.pairs[0].services[0].policy.name = long.parse().expect("a name");
    snapshot.pairs[0].services[0].policy.owner = format!("{long}@{long}");
    snapshot.pairs[0].clusters[0].probes[1].evidence = format!("/srv/retail/{long}/{long}: slow");
    let mut seen = 0;
    for size in SMALL {
        let mut wide = bench(snapshot.clone());
        wide.resize((3600.0, 1600.0), size.1);
        let mut small = bench(snapshot.clone());
        small.resize(size.0, size.1);
        for screen in SCREENS {
            for bench in [&mut wide, &mut small] {
                bench.harness.get_by_role_and_label(Role::Tab, screen.title()).click_accesskit();
                bench.steps();
                bench.steps();
            }
            let room = widths(&wide);
            for (label, width) in widths(&small).into_iter().filter(|(label, _)| must_be_whole(label)) {
                let Some(whole) = room.get(&label) else { continue };
                assert!(width >= whole - 0.6, "{label:?} is cut on {screen:?} at {size:?}: {width} of {whole}");
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen} texts were compared");
}

#[test]
fn a_small_picture_of_the_last_day_stays_in_its_column() {
    for width in [1024.0, 1440.0, 1900.0] {
        let mut bench = bench(sample::snapshot());
        bench.resize((width, 700.0), 1.0);
        let next = bench.harness.query_all_by_label("14:15:00 CST").map(|node| node.rect().left()).fold(f32::MAX, f32::min);
        for spark in bench.harness.query_all_by_role(Role::Image) {
            let label = spark.accesskit_node().label().unwrap_or_default();
            assert!(!label.starts_with("RPO of") || spark.rect().right() <= next, "{label} reaches into the next column at {width}");
        }
    }
}

#[test]
fn names_in_any_script_are_drawn() {
    // The test's window refuses to draw a letter that no face has.
    let mut bench = bench(sample::scripts());
    for screen in SCREENS {
        bench.go(screen);
    }
    bench.go(Screen::Points);
    assert!(bench.sees("发票") && bench.sees("订单明细"));
    bench.go(Screen::Runs);
    bench.harness.get_all_by_role(Role::Row).next().expect("a run").click();
    bench.steps();
    let font = egui::FontId::proportional(13.0);
    for name in sample::SCRIPTS {
        for letter in name.chars() {
            assert!(bench.harness.ctx.fonts_mut(|fonts| fonts.has_glyph(&font, letter)), "{letter:?} of {name} has no glyph");
        }
    }
}

#[test]
fn the_points_of_one_of_202_services_are_in_reach() {
    let mut bench = bench(sample::many());
    bench.resize((1024.0, 700.0), 1.0);
    bench.go(Screen::Points);
    let timeline = bench.harness.get_by_role_and_label(Role::Image, "Timeline of recovery points").rect();
    assert!(timeline.height() < 320.0, "{timeline:?}");
    assert!(bench.sees("Not drawn: 197 more services."));
    bench.wheel(timeline.center(), Modifiers::NONE, 3.0);
    let after = bench.harness.get_by_role_and_label(Role::Image, "Timeline of recovery points").rect();
    assert!(after.top() < timeline.top() - 20.0, "the wheel scrolls the page: {after:?}");
    assert!(bench.sees("Last 24 hours") || !bench.sees("Chosen by hand"));
    let span = |bench: &Bench| bench.harness.query_by_role_and_label(Role::ComboBox, "Span: Last 24 hours").is_some();
    assert!(span(&bench), "it does not zoom");
    bench.wheel(pos2(after.center().x, after.bottom() - 60.0), Modifiers::COMMAND, 3.0);
    assert!(!span(&bench), "with Ctrl it does");
}

#[test]
fn a_screen_has_its_times_in_one_zone_and_names_it() {
    let snapshot = sample::snapshot();
    assert_eq!(snapshot.pairs[0].services[0].policy.timezone, Some(chrono_tz::Asia::Shanghai));
    let mut spec = sample::spec(snapshot);
    spec.zone = Zone::Named(chrono_tz::Europe::Berlin);
    let mut harness = window(spec);
    for screen in SCREENS {
        harness.get_by_role_and_label(Role::Tab, screen.title()).click();
        harness.run_steps(4);
        let sees = |words: &str| harness.query_all_by_label_contains(words).next().is_some();
        assert!(sees("times in Europe/Berlin (UTC+01:00)"), "{screen:?}");
        assert!(!sees(" CST") && !sees("today 14:"), "{screen:?} shows another zone's times");
    }
    harness.get_by_role_and_label(Role::Tab, "Overview").click();
    harness.run_steps(3);
    assert!(harness.query_all_by_label_contains("07:00:00.000 CET").next().is_some());
}

#[test]
fn with_202_services_what_is_not_listed_is_counted() {
    let bench = bench(sample::many());
    assert!(bench.sees("198 services without a recovery point"), "the worst first");
    assert!(bench.sees("more: see the services"));
}
