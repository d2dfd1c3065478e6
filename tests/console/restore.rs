//! A data set restored from a point's detail, and an older point chosen in the fault prompt.

use std::sync::Arc;

use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use understudy::console::{Screen, sample};
use understudy::controller::command::{RestoreEvidence, RestoreReport};
use understudy::controller::{Command, Reply};
use understudy::domain::restore::{ComparedWith, RestoreEnding, RestoreRefusal};
use understudy::domain::{Digest, PointId, RestoreId};

use super::bench::{Bench, bench};

fn row(bench: &mut Bench, words: &str) {
    let all: Vec<_> = bench.harness.query_all_by_role(Role::Row).collect();
    // What lies behind a prompt has rows of the same name.
    let row = all.iter().rfind(|row| row.accesskit_node().label().is_some_and(|label| label.contains(words)));
    row.unwrap_or_else(|| panic!("no row {words}")).click_accesskit();
    drop(all);
    bench.steps();
}

#[test]
fn a_data_set_is_restored_from_a_points_detail_with_a_place_and_what_came_of_it_is_shown() {
    let mut bench = bench(sample::snapshot());
    bench.go(Screen::Points);
    bench.reach("Restore a data set…");
    assert!(bench.sees("What will happen") && bench.sees("a place that exists, or lies in a data set, is refused"));
    assert!(!bench.enabled("Restore it"), "it needs a place");
    bench.write("Only this directory in it (optional)", "2026");
    bench.write("To", "/data/orders-old");
    bench.click("Restore it");
    let (command, reply) = bench.commands().pop().expect("asked");
    let Command::Restore { point, data_set, only, place, at, .. } = command else { panic!("{command:?}") };
    assert_eq!((only.as_deref(), place.as_str(), at.as_deref()), (Some("2026"), "/data/orders-old", Some("guiyang")));
    assert!(bench.sees("Restoring…") && !bench.enabled("Restore it"), "one at a time");
    let mut report = RestoreReport {
        ending: RestoreEnding::Refused,
        restore: None,
        point,
        service: Some("orders".parse().expect("a name")),
        data_set,
        only,
        cluster: Some("guiyang".parse().expect("a name")),
        place,
        proof: None,
        error: Some(RestoreRefusal::PlaceExists { place: "/data/orders-old".into() }.trouble("hdfs:/data/orders")),
    };
    reply.send(Reply::Restored(report.clone())).expect("the console listens");
    bench.steps();
    assert!(bench.sees("Refused, nothing was made") && bench.sees("/data/orders-old exists already"));

    bench.write("To", "/data/orders-then");
    bench.click("Restore it");
    let (_, reply) = bench.commands().pop().expect("asked");
    (report.ending, report.error, report.restore) = (RestoreEnding::Restored, None, Some(RestoreId(uuid::Uuid::nil())));
    report.proof = Some(RestoreEvidence {
        place: "hdfs://gy/data/orders-then".into(),
        compared_with: ComparedWith::Manifest,
        files: 12,
        bytes: 3_456,
        digest: Digest::of_bytes(b"x"),
        notes: Vec::new(),
    });
    reply.send(Reply::Restored(report)).expect("the console listens");
    bench.steps();
    assert!(bench.sees("✓ Restored") && bench.sees("hdfs://gy/data/orders-then") && bench.sees("compared with the point's manifest"));
    bench.click("Close");
    assert!(!bench.sees("What will happen"));
}

#[test]
fn an_older_point_is_chosen_in_the_prompt_with_its_loss_and_stays_chosen_when_a_newer_one_is_sealed() {
    let mut bench = bench(sample::faulty());
    assert!(bench.sees("Click a service to resume it from an older recovery point."));
    row(&mut bench, "orders");
    assert!(bench.sees("Resume orders from") && bench.sees("the newest") && bench.sees("2 newer points"));
    row(&mut bench, "2 newer points");
    assert!(bench.sees("(chosen)"), "the table of the decision says it");
    let mut snapshot = sample::faulty();
    let newest = snapshot
        .points
        .iter()
        .filter(|point| point.service.as_str() == "orders")
        .max_by_key(|point| point.captured.first)
        .expect("one")
        .clone();
    let mut later = newest.clone();
    later.id = PointId(uuid::Uuid::max());
    snapshot.points.insert(0, later.clone());
    let fault = snapshot.pairs[0].fault.as_mut().expect("a fault");
    fault.resume.iter_mut().filter(|line| line.service.as_str() == "orders").for_each(|line| line.point = Some(later.clone()));
    bench.news.send_replace(Arc::new(snapshot));
    bench.steps();
    assert!(bench.sees("(chosen)"), "it is fixed");
    bench.declare("its power is off");
    bench.confirm("guiyang");
    bench.click("Adjust identity: make guiyang primary");
    let (command, _) = bench.commands().pop().expect("asked");
    let Command::AdjustIdentity { points, .. } = command else { panic!("{command:?}") };
    let chosen: Vec<(&str, PointId)> = points.iter().map(|(service, point)| (service.as_str(), *point)).collect();
    assert_eq!(chosen.len(), 1, "the others take their newest");
    assert!(chosen[0].0 == "orders" && ![newest.id, later.id].contains(&chosen[0].1), "{chosen:?}");
}
