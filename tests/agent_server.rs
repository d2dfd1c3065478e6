//! A real agent on 127.0.0.1 over real TLS: enrolment, what it refuses, what it remembers, how two of them watch each other.

#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used)]

mod agents;
#[path = "agents/keys.rs"]
mod keys;

use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use agents::{Console, StoppedAgent, TestAgent, decision, eventually, pair_up, policy, wait_confirmed};
use chrono::TimeDelta;
use understudy::domain::admission::{AskedAs, Said};
use understudy::domain::switchover::machine::Decision;
use understudy::domain::{Epoch, Identity, InstructionId, Term, TroubleKind};
use understudy::protocol::enrol::{EnrolCode, EnrolRequest};
use understudy::protocol::{
    AgentApi, AnswerState, DemoteOrder, Instruction, MAX_BODY_BYTES, Order, Outcome, PromoteOrder, StorePoliciesOrder, enrol,
};
use understudy::route::Choice;
use understudy::store::agent::CodePurpose;

#[tokio::test(flavor = "multi_thread")]
async fn a_code_enrols_once_and_pins_both_keys() {
    let agent = TestAgent::start("east").await;
    let console = Console::new();
    let code = agent.code(CodePurpose::Enrol);
    let (reply, key) = enrol(&agent.address(), &code, console.key.clone()).await.unwrap();
    assert_eq!((reply.cluster.as_str(), key.as_str()), ("east", agent.fingerprint()));
    assert_eq!(console.client(&agent).status().await.unwrap().cluster.as_str(), "east");
    let again = enrol(&agent.address(), &code, Console::new().key).await.unwrap_err();
    assert_eq!(again.kind, TroubleKind::Refused, "a used code is refused: {again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_expired_code_enrols_nobody() {
    let agent = TestAgent::start("east").await;
    let console = Console::new();
    let code = agent.code(CodePurpose::Enrol);
    agent.clock.step(TimeDelta::minutes(15));
    assert_eq!(enrol(&agent.address(), &code, console.key.clone()).await.unwrap_err().kind, TroubleKind::Refused);

    agent.code(CodePurpose::Enrol);
    let wrong = EnrolCode::draw().unwrap();
    assert_eq!(enrol(&agent.address(), &wrong, console.key.clone()).await.unwrap_err().kind, TroubleKind::Refused);
    assert_eq!(console.client(&agent).status().await.unwrap_err().kind, TroubleKind::Refused, "nobody was enrolled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_wrong_proofs_take_the_code_from_nobody() {
    let agent = TestAgent::start("east").await;
    let code = agent.code(CodePurpose::Adopt);
    let strangers = [Console::new(), Console::new()];
    for n in 0..100 {
        let stranger = &strangers[n % 2];
        let request = EnrolRequest { controller_key: stranger.key.fingerprint().to_owned(), proof: "00".repeat(32) };
        let client = stranger.client(&agent);
        let answer = client.http().post(format!("{}/v1/enrol", client.base())).json(&request).send().await.unwrap();
        assert_eq!(answer.status(), 403);
    }
    let console = Console::new();
    enrol(&agent.address(), &code, console.key.clone()).await.expect("the right code is still good");
    assert!(console.client(&agent).status().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_whether_a_code_is_out() {
    let agent = TestAgent::start("east").await;
    let wrong = async || enrol(&agent.address(), &EnrolCode::draw().unwrap(), Console::new().key).await.unwrap_err();
    let none = wrong().await;
    agent.code(CodePurpose::Enrol);
    assert_eq!(wrong().await, none);
    agent.clock.step(TimeDelta::minutes(15));
    assert_eq!(wrong().await, none);
}

/// Another process writes the ledger of an agent that serves: `understudy-agent` with a word of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_another_process_takes_away_is_refused_from_the_next_request_on() {
    let agent = TestAgent::start("east").await;
    let console = Console::enrolled(&agent).await;
    // One client, whose connection stays open.
    let client = console.client(&agent);
    client.status().await.unwrap();
    let beside = rusqlite::Connection::open(understudy::agent::ledger_path(&agent.state())).unwrap();
    assert_eq!(beside.execute("DELETE FROM controllers WHERE key = ?1", [console.key.fingerprint()]).unwrap(), 1);
    assert_eq!(client.status().await.unwrap_err().kind, TroubleKind::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_heard_for_a_few_bytes_only() {
    let agent = TestAgent::start("east").await;
    let client = Console::new().client(&agent);
    let send = async |bytes: usize| {
        let body = format!("\"{}\"", "x".repeat(bytes));
        client.http().post(format!("{}/v1/enrol", client.base())).body(body).send().await.unwrap().text().await.unwrap()
    };
    assert!(send(4_000).await.contains("not understood"));
    assert!(send(5_000).await.contains("larger"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_stand_between() {
    let agent = TestAgent::start("east").await;
    let console = Console::new();
    let code = agent.code(CodePurpose::Enrol);
    // The one between shows its own key to the console and its own certificate to the agent, and passes the proof on.
    let between = agents::man_in_the_middle(&agent.address()).await;
    let trouble = enrol(&between, &code, console.key.clone()).await.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    assert_eq!(
        console.client(&agent).status().await.unwrap_err().kind,
        TroubleKind::Refused,
        "the console is not enrolled, and neither is it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_key_nothing_is_told() {
    let agent = TestAgent::start("east").await;
    let stranger = Console::new();
    assert_eq!(stranger.client(&agent).status().await.unwrap_err().kind, TroubleKind::Refused);
    let status = agents::get_without_certificate(&agent, "/v1/status").await;
    assert_eq!(status, 403);
    // And a client that has pinned another key hears nothing from this one.
    let wrong = understudy::protocol::ConnectSpec { address: agent.address(), key: "00".repeat(32) };
    let client = understudy::protocol::AgentClient::new(&wrong, stranger.key.clone()).unwrap();
    let trouble = client.status().await.unwrap_err();
    assert!(trouble.kind == TroubleKind::Refused && trouble.reason.contains("another key"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_change_nothing_and_say_why() {
    let agent = TestAgent::start("east").await;
    let console = Console::enrolled(&agent).await;
    let client = console.client(&agent);
    let post = async |body: String| {
        let sent = client.http().post(format!("{}/v1/instructions", client.base())).body(body).send().await.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    };
    let (status, text) = post("{\"id\":1}".into()).await;
    assert!(status == 400 && text.contains("not understood"), "{status} {text}");
    let mut known = serde_json::to_value(console.instruction(1, Order::Leave)).unwrap();
    known["surprise"] = true.into();
    let (status, text) = post(known.to_string()).await;
    assert!(status == 400 && text.contains("surprise"), "{status} {text}");
    let (status, text) = post(format!("\"{}\"", "x".repeat(MAX_BODY_BYTES))).await;
    assert!(status == 400 && text.contains("larger"), "{status} {text}");
    for path in ["..", "a/../b", "%2e%2e", "a\0b", "//etc"] {
        let trouble = client.catalogue("tables", path).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Invalid, "{path:?}: {trouble}");
    }
    assert_eq!(client.answer(InstructionId(uuid::Uuid::now_v7()), Duration::ZERO).await.unwrap_err().kind, TroubleKind::NotFound);
}

/// What one look says, consoles of an earlier version ask for in parts.
#[tokio::test(flavor = "multi_thread")]
async fn one_look_tells_all_of_a_data_set_and_its_parts_are_told_as_an_earlier_version_asks() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    let client = console.client(&east);
    let said = client.look("tables", "orders", AskedAs::Source).await.unwrap();
    let codes: Vec<&str> = said.notes.iter().map(|note| note.code.as_str()).collect();
    assert_eq!((codes, said.refusals.len()), (vec!["writers-wait"], 0));
    assert_eq!(client.look("tables", "orders", AskedAs::Target).await.unwrap(), Said::default());
    let refused = client.look("tables", "sqlite_schema", AskedAs::Source).await.unwrap_err();
    assert_eq!(refused.code(), "not-a-table");
    let part = async |endpoint: &str, path: &str, more: &str| {
        let address = format!("{}/v1/{endpoint}?component=tables&path={path}{more}", client.base());
        let answer = client.http().get(address).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<serde_json::Value>().await.unwrap())
    };
    assert_eq!(part("check", "orders", "").await, (200, serde_json::Value::Null));
    let (status, trouble) = part("check", "sqlite_schema", "").await;
    assert_eq!((status, &trouble["facts"]["code"]), (403, &"not-a-table".into()));
    assert_eq!(part("notes", "orders", "").await.1[0]["code"], "writers-wait");
    for role in ["source", "target"] {
        let nothing = serde_json::json!({ "obstacles": [], "places": [] });
        assert_eq!(part("admission", "orders", &format!("&as={role}")).await, (200, nothing), "{role}");
    }
    assert_eq!(client.run_notes(understudy::domain::RunId(uuid::Uuid::now_v7())).await.unwrap(), [], "of a run that it does not know");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_outdated_and_altered_instructions_change_nothing() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    let client = console.client(&east);
    let store = console.instruction(1, Order::StorePolicies(StorePoliciesOrder { services: vec![policy()] }));
    console.done(&east, store.clone()).await.unwrap();

    let mut altered = store.clone();
    altered.order = Order::StorePolicies(StorePoliciesOrder { services: vec![] });
    assert_eq!(client.instruct(&altered).await.unwrap_err().kind, TroubleKind::Invalid);
    let repeated = understudy::protocol::Instruction { term: Term(9), ..store.clone() };
    assert!(matches!(client.instruct(&repeated).await.unwrap().state, AnswerState::Done(_)), "a new term may ask again");

    let empty = || Order::StorePolicies(StorePoliciesOrder { services: vec![] });
    assert_eq!(client.instruct(&console.instruction(1, empty())).await.unwrap_err().kind, TroubleKind::Outdated, "term 9 was seen");
    let mut old_epoch = console.instruction(0, empty());
    old_epoch.term = Term(9);
    assert_eq!(client.instruct(&old_epoch).await.unwrap_err().kind, TroubleKind::Outdated);
    let records = client.records().await.unwrap();
    assert_eq!(records.pairs[0].services, [policy()], "the policies are still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_see_and_confirm_each_other() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    eventually("both see each other", async || {
        let mut seen = true;
        for agent in [&east, &west] {
            let status = console.client(agent).status().await.unwrap();
            let view = &status.pairs[0].peer;
            seen &= view.claim.is_some()
                && view.agent_failures == 0
                && view.clock_offset_ms.is_some_and(|(offset, bound)| offset.abs() <= bound + 1.0);
        }
        seen
    })
    .await;
    // A start forgets the confirmation, and the other agent gives it again.
    let west = west.restart().await;
    wait_confirmed(&console, &west).await;
    // Alone, nobody confirms it until the controller's word does.
    let west_key = west.stop().await;
    let east = east.restart().await;
    assert!(!console.client(&east).status().await.unwrap().pairs[0].confirmed);
    let read = console.client(&east).instruct(&console.instruction(1, Order::ReadUsers)).await.unwrap_err();
    assert_eq!(read.kind, TroubleKind::Failed, "{read}");
    assert!(matches!(east.route().ask(&agents::pair(), &policy().name).await, Choice::Unknown(_)));
    console.done(&east, console.instruction(1, Order::StorePolicies(StorePoliciesOrder { services: vec![policy()] }))).await.unwrap();
    assert!(console.client(&east).status().await.unwrap().pairs[0].confirmed);
    drop(west_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_dies_and_the_route_follows_the_promoted_secondary() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    console.store_policies(&[&east, &west]).await;
    let route = agents::route_of(&[&east, &west]);
    let (pair, service) = (agents::pair(), policy().name);
    eventually("the route leads to east", async || route.active(&pair, &service).await.is_some_and(|c| c.as_str() == "east")).await;

    let east = east.stop().await;
    let decision = decision(2, "west", "east");
    let promote = console.instruction(2, Order::Promote(PromoteOrder { decision: decision.clone() }));
    let Outcome::Promoted(report) = console.done(&west, promote.clone()).await.unwrap() else { panic!("not promoted") };
    assert_eq!(report.epoch, Epoch(2));
    assert!(report.failed.contains_key(&service), "nothing was ever sealed: it must not be served");
    assert_eq!(route.active(&pair, &service).await, None, "an incomplete promotion leads nowhere");

    // The old primary comes back, learns of the higher epoch from its peer, and gives way by itself.
    let east = east.start().await;
    eventually("east gives way", async || {
        let status = console.client(&east).status().await.unwrap();
        let pair = &status.pairs[0];
        pair.claim.identity == Identity::Secondary && pair.claim.epoch == Epoch(2) && pair.fenced
    })
    .await;
    let status = console.client(&east).status().await.unwrap();
    assert_eq!(status.pairs[0].fence_evidence.len(), 1, "{:?}", status.pairs[0].fence_evidence);
    assert_eq!(route.active(&pair, &service).await, None);

    // Told what it did by itself, it does it once more and changes nothing.
    let demote = console.instruction(2, Order::Demote(DemoteOrder { decision, fence_only: false }));
    assert!(matches!(console.done(&east, demote).await.unwrap(), Outcome::Fenced(_)));
    assert!(matches!(console.client(&west).instruct(&promote).await.unwrap().state, AnswerState::Done(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_decisions_of_one_epoch_are_a_conflict_that_a_new_decision_ends() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    console.store_policies(&[&east, &west]).await;
    // Two decisions, each carried out while the other site is dark.
    let east = east.stop().await;
    let to_west = console.instruction(2, Order::Promote(PromoteOrder { decision: decision(2, "west", "east") }));
    console.done(&west, to_west).await.unwrap();
    let west = west.stop().await;
    let east = east.start().await;
    let to_east = console.instruction(2, Order::Promote(PromoteOrder { decision: decision(2, "east", "west") }));
    console.done(&east, to_east).await.unwrap();
    let west = west.start().await;
    let (pair, service) = (agents::pair(), policy().name);
    let route = agents::route_of(&[&east, &west]);
    eventually("both refuse", async || {
        let confirmed = [console.client(&east).status().await.unwrap(), console.client(&west).status().await.unwrap()];
        confirmed.iter().all(|status| !status.pairs[0].confirmed)
    })
    .await;
    assert!(matches!(route.ask(&pair, &service).await, Choice::Conflict(_)));
    let status = console.client(&east).status().await.unwrap();
    assert!(!status.pairs[0].fenced, "the data plane is left alone");

    let decision = decision(3, "east", "west");
    console.done(&east, console.instruction(3, Order::Promote(PromoteOrder { decision: decision.clone() }))).await.unwrap();
    console.done(&west, console.instruction(3, Order::Demote(DemoteOrder { decision, fence_only: false }))).await.unwrap();
    eventually("the route leads to east again", async || route.active(&pair, &service).await.is_some_and(|c| c.as_str() == "east")).await;
}

/// As a controller does that adopted, and does not know that the service is up.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_goes_on_from_its_own_data_and_is_asked_again_closes_nothing_when_its_component_is_away() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    console.store_policies(&[&east, &west]).await;
    let decision = Decision { live: Some(chrono::Utc::now()), ..decision(2, "east", "west") };
    let promote = || console.instruction(2, Order::Promote(PromoteOrder { decision: decision.clone() }));
    let Outcome::Promoted(first) = console.done(&east, promote()).await.unwrap() else { panic!("not promoted") };
    let Outcome::Promoted(again) = east.without_database(console.done(&east, promote())).await.unwrap() else { panic!("not promoted") };
    assert!(first.failed.is_empty() && again.failed.is_empty(), "{first:?} {again:?}");
    assert!(!console.client(&east).status().await.unwrap().pairs[0].fenced, "no fence is waiting to go up");
    east.write_order().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_fence_closes_the_route_and_is_taken_back() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    console.store_policies(&[&east, &west]).await;
    let route = agents::route_of(&[&east, &west]);
    let (pair, service) = (agents::pair(), policy().name);
    let decision = decision(2, "west", "east");
    let order = |fence_only| DemoteOrder { decision: decision.clone(), fence_only };
    let Outcome::Fenced(evidence) = console.done(&east, console.instruction(1, Order::Demote(order(true)))).await.unwrap() else {
        panic!()
    };
    assert_eq!(evidence.len(), 1);
    assert!(east.write_order().is_err(), "an ordinary writer is kept out");
    assert_eq!(route.active(&pair, &service).await, None);
    console.done(&east, console.instruction(1, Order::Unfence(order(true)))).await.unwrap();
    east.write_order().unwrap();
    assert_eq!(route.active(&pair, &service).await.unwrap().as_str(), "east");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_running_is_interrupted_by_a_start_and_runs_when_sent_again() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    let store = console.instruction(1, Order::StorePolicies(StorePoliciesOrder { services: vec![policy()] }));
    // Killed between accepting it and doing it.
    let east = east.stop().await;
    east.mark_running(&store);
    let east = east.start().await;
    let AnswerState::Failed(trouble) = console.client(&east).answer(store.id, Duration::ZERO).await.unwrap().state else { panic!() };
    assert!(trouble.is_worth_retrying());
    console.done(&east, store).await.unwrap();
    assert_eq!(console.client(&east).records().await.unwrap().pairs[0].services.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_ousts_the_former_controller_and_knows_everything() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    console.store_policies(&[&east, &west]).await;
    let newcomer = Console::enrolled(&east).await;
    let empty = || Order::StorePolicies(StorePoliciesOrder { services: vec![] });
    let refused = newcomer.client(&east).instruct(&newcomer.instruction(1, empty())).await.unwrap_err();
    assert!(refused.next_step.contains("adopt"), "{refused}");
    assert!(newcomer.client(&east).records().await.unwrap().pairs.is_empty());

    enrol(&east.address(), &east.code(CodePurpose::Adopt), newcomer.key.clone()).await.unwrap();
    let records = newcomer.client(&east).records().await.unwrap();
    assert_eq!((records.pairs[0].services.len(), records.pairs[0].claim.epoch), (1, Epoch(1)));
    let known = newcomer.client(&east).status().await.unwrap().term;
    let late = newcomer.client(&east).instruct(&newcomer.instruction(1, empty())).await.unwrap_err();
    assert_eq!(late.kind, TroubleKind::Outdated, "what was sent before the adoption is over: {late}");
    newcomer.done(&east, Instruction { term: Term(known.0 + 1), ..newcomer.instruction(1, empty()) }).await.unwrap();
    assert_eq!(console.client(&east).instruct(&console.instruction(1, empty())).await.unwrap_err().kind, TroubleKind::Outdated);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_forgets_the_pair_and_lifts_the_fence() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    console.store_policies(&[&east, &west]).await;
    let order = DemoteOrder { decision: decision(2, "west", "east"), fence_only: true };
    console.done(&east, console.instruction(1, Order::Demote(order))).await.unwrap();
    let leave = console.instruction(1, Order::Leave);
    let Outcome::Left(report) = console.done(&east, leave.clone()).await.unwrap() else { panic!("not left") };
    assert_eq!(report.leftovers, Vec::<String>::new());
    east.write_order().unwrap();
    // It commands no pair any more, so it sees nothing; how its leaving ended it may ask.
    assert_eq!(console.client(&east).status().await.unwrap_err().kind, TroubleKind::NotFound);
    assert!(matches!(console.client(&east).instruct(&leave).await.unwrap().state, AnswerState::Done(_)), "told again it answers the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_keeps_the_pin() {
    // Issued sixty-one days ago, and still good for twenty-nine.
    let old = StoppedAgent::new("east");
    old.clock.step(TimeDelta::days(-61));
    let (agent, west) = (old.start().await, TestAgent::start("west").await);
    let console = pair_up(&agent, &west).await;
    let before = console.client(&agent).status().await.unwrap().certificate_until;
    agent.clock.step(TimeDelta::days(61));
    let agent = agent.restart().await;
    let after = console.client(&agent).status().await.expect("the pin still fits").certificate_until;
    assert!(after > before + TimeDelta::days(60), "{before} {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_runs_for_a_hundred_days_renews_its_certificate_by_itself() {
    let (agent, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&agent, &west).await;
    let before = console.client(&agent).status().await.unwrap().certificate.expect("it tells");
    agent.clock.step(TimeDelta::days(100));
    eventually("renewed", async || {
        let told = console.client(&agent).status().await.unwrap().certificate.unwrap();
        told.issued_at.unwrap() > before.issued_at.unwrap() + TimeDelta::days(99) && told.renewal_failure.is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_years_off_cut_nobody_off() {
    let (east, west) = (StoppedAgent::new("east"), StoppedAgent::new("west"));
    east.clock.step(TimeDelta::days(-4_000));
    west.clock.step(TimeDelta::days(4_000));
    let (east, west) = (east.start().await, west.start().await);
    let console = pair_up(&east, &west).await;
    for agent in [&east, &west] {
        eventually("it sees the other one", async || {
            let status = console.client(agent).status().await.expect("the pin fits");
            status.pairs[0].peer.agent_seen.is_some() && status.pairs[0].peer.agent_failures == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_renewed_is_told_by_the_status() {
    let agent = StoppedAgent::new("east");
    let file = agent.state().join("certificate.pem");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&file).unwrap();
    let agent = agent.start().await;
    let console = Console::enrolled(&agent).await;
    let told = console.client(&agent).status().await.unwrap().certificate.unwrap();
    let failure = told.renewal_failure.expect("told");
    assert!(failure.trouble.object.ends_with("certificate.pem") && failure.trouble.next_step.contains("make room"), "{failure:?}");
    std::fs::remove_dir(&file).unwrap();
    agent.clock.step(TimeDelta::minutes(11));
    eventually("kept", async || console.client(&agent).status().await.unwrap().certificate.unwrap().renewal_failure.is_none()).await;
    assert!(file.is_file());
}

/// 26a78e0 refuses a status with fields that it does not know.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_reader_is_told_no_more_than_it_understands() {
    let agent = TestAgent::start("east").await;
    let console = Console::enrolled(&agent).await;
    let client = console.client(&agent);
    let ask = async |path: &str| {
        let text = client.http().get(format!("{}{path}", client.base())).send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let older = ask("/v1/status").await;
    assert!(older.get("certificate").is_none() && older.get("certificate_until").is_some(), "{older}");
    let newer = ask("/v1/status?certificate=true&what_a_later_version_asks=1").await;
    assert_eq!(newer["certificate"]["valid_until"], newer["certificate_until"]);
    let read: understudy::protocol::AgentStatus = serde_json::from_value(older).expect("and its own status is read");
    let certificate = read.certificate();
    assert_eq!((certificate.issued_at, certificate.valid_until), (None, read.certificate_until));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agent_a_state_folder() {
    let agent = TestAgent::start("east").await;
    let trouble = agent.start_another().await.expect_err("refused");
    assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stepped_clock_is_seen_by_the_other_agent() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    west.clock.step(TimeDelta::seconds(30));
    eventually("east sees the step", async || {
        let status = console.client(&east).status().await.unwrap();
        status.pairs[0].peer.clock_offset_ms.is_some_and(|(offset, bound)| (offset - 30_000.0).abs() <= bound + 50.0)
    })
    .await;
}
