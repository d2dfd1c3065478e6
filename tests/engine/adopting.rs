//! A controller that takes over what agents hold: everything, with their code, and never in the middle of its own work.

use understudy::protocol::{AnswerState, Outcome};

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
    stand.world.west().held.insert("commit");
    let run = stand.start_run().await;
    stand.until("the record is written", |s| s.runs.iter().any(|r| r.phase == Phase::Finish)).await;
    assert!(matches!(stand.ask(adopt()).await, Reply::Changes(_)), "one that is committed may wait for what only adopting tells");
    stand.world.west().held.clear();
    assert_eq!(stand.ended(run).await.outcome, Some(RunOutcome::Sealed));
}

/// Its seal was never told here: another console commands the agents since, and the agent's own note of it was lost with a full disk.
#[tokio::test]
async fn a_run_whose_seal_another_console_saw_ends_when_its_own_console_commands_again() {
    for dropped in [false, true] {
        let mut stand = Stand::paired().await;
        stand.world.west().held.insert("commit");
        let run = stand.start_run().await;
        stand.until("the record is written", |s| s.runs.iter().any(|r| r.phase == Phase::Finish)).await;
        let other = stand.copied_state().await;
        stand.until("it is ousted, and says so", |s| s.ousted).await;
        stand.halt().await;
        stand.world.west().held.clear();
        assert_eq!(other.ended(run).await.outcome, Some(RunOutcome::Sealed));
        other.stop().await;
        stand.world.west().forget("commit");
        stand.world.west().failing.insert("commit", Trouble::new(TroubleKind::Refused, "point", "nothing of it is staged here"));
        if dropped {
            stand.world.west().points.clear();
        }
        stand.start().await;
        let report = stand.ended(run).await;
        let said = report.error.as_ref().is_some_and(|trouble| trouble.reason.contains("does not hold it any more"));
        let wanted = if dropped { RunOutcome::Failed } else { RunOutcome::Sealed };
        assert_eq!((report.outcome, said), (Some(wanted), dropped), "{report:?}");
    }
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

#[tokio::test]
async fn a_console_whose_disk_fills_while_it_adopts_goes_on_watching() {
    let stand = Stand::paired().await;
    stand.run().await;
    let mut refusals = 0;
    for room in (0..12).rev() {
        stand.world.faults.leave_room(room);
        let reply = stand.ask(Command::Adopt(AgentRequest { address: "west:7443".into(), code: Some("code".into()) })).await;
        refusals += usize::from(matches!(reply, Reply::Refused(_)));
    }
    assert!(refusals > 1, "the disk was never full");
    stand.world.faults.leave_room(usize::MAX);
    lose_east(&stand);
    stand.until("the prompt", has_prompt).await;
}

/// Its state is that of before the change: an old copy, or a console that was ousted in time.
#[tokio::test]
async fn a_console_follows_identities_that_another_one_changed() {
    let mut stand = Stand::paired().await;
    stand.run().await;
    let other = stand.copied_state().await;
    assert_eq!(adjusted(other.ask(adjust("west", true, None)).await).outcome, AdjustOutcome::Promoted);
    other.until("west stands alone no more", |s| s.pairs[0].phase == "replicating").await;
    other.stop().await;
    stand.restart().await;
    let follows = |s: &Snapshot| s.pairs[0].clusters.iter().any(|c| c.name.as_str() == "west" && c.identity == Identity::Primary);
    stand.until("the new primary", |s| follows(s) && s.pairs[0].epoch == Epoch(2) && s.ready).await;
    stand.until("it is told", |s| s.activity.iter().any(|line| line.text.contains("another controller changed the identities"))).await;
    assert_eq!(adjusted(stand.ask(adjust("west", true, None)).await).outcome, AdjustOutcome::Refused, "it has it already");
}

#[tokio::test]
async fn a_fence_that_another_console_left_is_lifted_and_its_promotion_can_never_come() {
    let mut stand = Stand::paired().await;
    stand.run().await;
    let other = stand.copied_state().await;
    stand.world.west().held.insert("verify");
    drop(other.handle().ask_later(adjust("west", true, None)));
    other.until("final runs", |s| s.pairs[0].phase.contains("final runs")).await;
    let left = stand.world.east().decisions.last().cloned().unwrap();
    other.stop().await;
    stand.world.west().held.clear();
    assert!(stand.world.east().fenced);
    stand.restart().await;
    stand.until("the fence is lifted", |s| s.activity.iter().any(|line| line.text.contains("the fence of east is lifted"))).await;
    stand.until("it rests", |s| s.pairs[0].phase == "replicating").await;
    assert!(!stand.world.east().fenced);
    let used = stand.world.west().answer(left.promote).unwrap();
    assert!(matches!(&used.state, AnswerState::Done(outcome) if matches!(**outcome, Outcome::Dropped(_))), "{used:?}");
    assert_eq!(stand.run().await.outcome, Some(RunOutcome::Sealed));
}
