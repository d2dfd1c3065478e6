//! A controller that takes over what agents hold: everything, with their code, and never in the middle of its own work.

use super::*;

#[tokio::test]
async fn a_new_console_knows_everything_from_the_secondary_alone() {
    let stand = Stand::paired().await;
    let point = stand.run().await.recovery_point;
    stand.until("policies are stored", |_| !stand.world.west().services.is_empty()).await;
    lose_east(&stand);
    let world = stand.world.clone();
    stand.stop().await;
    let fresh = Stand::empty(world).await;
    let reply = fresh.ask(Command::Adopt(AgentRequest { address: "west:7443".into(), code: Some("code".into()) })).await;
    assert!(matches!(reply, Reply::Changes(_)), "{reply:?}");
    let snapshot = fresh.until("the prompt", has_prompt).await;
    let pair = &snapshot.pairs[0];
    assert_eq!((pair.name.as_str(), pair.epoch, pair.services.len()), (PAIR, Epoch(1), 1));
    assert_eq!(snapshot.points[0].id, point);
    let report = adjusted(fresh.ask(adjust("west", false, None)).await);
    assert_eq!(report.outcome, AdjustOutcome::Promoted, "{report:?}");
}

#[tokio::test]
async fn nothing_is_adopted_under_a_run_that_is_under_way() {
    let stand = Stand::paired().await;
    stand.world.east().held.insert("push");
    let Reply::Started(run) = stand.ask(Command::Run { service: service("orders").name, at: None }).await else { panic!("not started") };
    let adopt = || Command::Adopt(AgentRequest { address: "west:7443".into(), code: Some("code".into()) });
    let trouble = refused(stand.ask(adopt()).await);
    assert!(trouble.kind == TroubleKind::Refused && trouble.reason.contains(&run.to_string()), "{trouble}");
    stand.world.east().held.clear();
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Sealed), "the run goes on as if nothing had been asked");
    assert!(matches!(stand.ask(adopt()).await, Reply::Changes(_)));
}

/// The code, and no acquaintance, makes the pairs there ours: another controller may have adopted them meanwhile.
#[tokio::test]
async fn adopting_an_agent_that_knew_us_uses_its_code() {
    let stand = Stand::paired().await;
    let before = stand.world.west().enrolments;
    let reply = stand.ask(Command::Adopt(AgentRequest { address: "west:7443".into(), code: Some("code".into()) })).await;
    assert!(matches!(reply, Reply::Changes(_)), "{reply:?}");
    assert_eq!(stand.world.west().enrolments, before + 1);
}

#[tokio::test]
async fn nothing_is_adopted_in_the_middle_of_a_planned_switchover() {
    let stand = Stand::paired().await;
    stand.run().await;
    stand.world.west().held.insert("verify");
    let handle = stand.handle().clone();
    let switchover = tokio::spawn(async move { handle.ask(adjust("west", true, None)).await });
    stand.until("final runs", |s| s.pairs[0].phase.contains("final runs")).await;
    let before = stand.world.west().enrolments;
    let adopt = stand.ask(Command::Adopt(AgentRequest { address: "west:7443".into(), code: Some("code".into()) })).await;
    let trouble = refused(adopt);
    assert!(trouble.reason.contains("identity change"), "{trouble}");
    assert_eq!(stand.world.west().enrolments, before, "the code is not used up");
    stand.world.west().held.clear();
    assert_eq!(adjusted(switchover.await.unwrap()).outcome, AdjustOutcome::Promoted, "nobody forgot it");
}
