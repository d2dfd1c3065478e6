//! A policy is saved with what its owner should know.

use understudy::controller::command::CheckState;
use understudy::controller::{Command, Reply};
use understudy::domain::admission::AskedAs;
use understudy::domain::{RunOutcome, RunReport};

use crate::sim::NOTED;
use crate::stand::{Stand, service};

#[tokio::test]
async fn what_a_component_has_to_say_about_a_data_set_is_a_warning_of_its_policy() {
    let stand = Stand::paired().await;
    let mut policy = service("notable");
    policy.data_sets.truncate(1);
    policy.data_sets[0].from.path = NOTED.into();
    policy.data_sets[0].to.path = NOTED.into();
    let Reply::ServiceChecked(check) = stand.ask(Command::SaveService(Box::new(policy))).await else { panic!("not saved") };
    let told = check.checks.iter().find(|check| check.evidence == "its jar is elsewhere").expect("told");
    assert_eq!((told.state, told.fix.as_str()), (CheckState::Warning, "copy it"));
    let shown = |s: &understudy::controller::snapshot::Snapshot| s.pairs[0].services.iter().any(|s| s.name.as_str() == "notable");
    stand.until("a warning keeps no policy from being saved", shown).await;
    let asked =
        |looks: &[(String, AskedAs)]| looks.iter().filter(|(set, _)| set.ends_with(NOTED)).map(|(_, role)| *role).collect::<Vec<_>>();
    assert_eq!(asked(&stand.world.east().looks), [AskedAs::Source], "each cluster is asked once");
    assert_eq!(asked(&stand.world.west().looks), [AskedAs::Target]);
}

#[tokio::test]
async fn a_recovery_point_keeps_what_its_run_said_and_an_agent_that_keeps_nothing_hinders_no_run() {
    let stand = Stand::paired().await;
    stand.ask(Command::SaveService(Box::new(service("orders")))).await;
    let codes = |report: &RunReport| report.notes.iter().map(|note| note.code.clone()).collect::<Vec<_>>();
    assert_eq!(codes(&stand.run().await), ["not-copied"]);
    let Reply::Points(points) = stand.ask(Command::Points { service: "orders".parse().unwrap() }).await else { panic!("no points") };
    assert_eq!(points[0].notes[0].code, "not-copied");
    stand.world.east().is_old = true;
    let later = stand.run().await;
    assert_eq!((later.outcome, codes(&later)), (Some(RunOutcome::Sealed), vec![]));
}
