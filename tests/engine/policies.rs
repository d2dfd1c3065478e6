//! A policy is saved with what its owner should know.

use understudy::controller::command::CheckState;
use understudy::controller::{Command, Reply};

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
}
