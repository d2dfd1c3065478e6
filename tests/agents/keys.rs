//! Invariant 15 at real agents: a key that was cut off can do nothing, at once; a key that commands no pair needs a fresh code; one pair
//! touches nothing of another.

use std::process::Command;

use chrono::TimeDelta;
use understudy::domain::{Identity, PairName, Service, Term, TroubleKind};
use understudy::protocol::{AgentApi, DemoteOrder, Instruction, JoinOrder, Order, Outcome, StorePoliciesOrder, enrol};
use understudy::store::agent::{CodePurpose, Ledger};

use crate::agents::{Console, TestAgent, decision, pair, pair_up, policy};

fn other_pair() -> PairName {
    "q".parse().unwrap()
}

fn of_other(console: &Console, term: Term, order: Order) -> Instruction {
    Instruction { pair: other_pair(), term, ..console.instruction(1, order) }
}

fn join(peer: &TestAgent, identity: Identity) -> Order {
    Order::Join(JoinOrder { identity, peer: peer.as_peer() })
}

fn policies(sets: &str) -> Order {
    let service: Service = toml::from_str(&format!("name = \"shop\"\npair = \"q\"\ndata_sets = [{sets}]\n")).unwrap();
    Order::StorePolicies(StorePoliciesOrder { services: vec![service] })
}

fn ledger(agent: &TestAgent) -> Ledger {
    Ledger::open(&agent.state().join("ledger.db")).unwrap()
}

async fn adopt(agent: &TestAgent) -> Console {
    let newcomer = Console::new();
    enrol(&agent.address(), &agent.code(CodePurpose::Adopt), newcomer.key.clone()).await.unwrap();
    newcomer
}

/// S1. What a lost console's key could do after an adoption: join a pair of its own, and by it read, capture and fence everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_another_one_adopted_away_is_cut_off() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let lost = pair_up(&east, &west).await;
    lost.store_policies(&[&east, &west]).await;
    let newcomer = adopt(&east).await;

    let client = lost.client(&east);
    let cut_off = [
        client.status().await.unwrap_err(),
        client.catalogue("tables", "").await.unwrap_err(),
        client.records().await.unwrap_err(),
        client.instruct(&of_other(&lost, Term(1 << 40), join(&west, Identity::Primary))).await.unwrap_err(),
        client.instruct(&lost.instruction(1, Order::Leave)).await.unwrap_err(),
    ];
    for trouble in cut_off {
        assert!(trouble.kind == TroubleKind::Outdated && trouble.next_step.contains("adopt"), "{trouble}");
    }
    let keys: Vec<_> = ledger(&east).controllers().unwrap().into_iter().map(|record| record.key).collect();
    assert_eq!(keys, [newcomer.key.fingerprint()]);
    assert_eq!(newcomer.client(&east).records().await.unwrap().pairs.len(), 1, "the new one has everything");
    assert!(lost.client(&west).status().await.is_ok(), "west was not adopted");
}

/// S1. By the program itself, beside the serving agent, on a connection that is open.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_can_do_nothing_at_once_also_on_an_open_connection() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    let client = console.client(&east);
    client.status().await.unwrap();
    let config = east.config_file();
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_understudy-agent")).args(words).arg("--config").arg(&config).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let key = console.key.fingerprint();
    let (status, listed) = run(&["controllers"]);
    for said in [key, "name       console", "commands   p", "from 127.0.0.1"] {
        assert!(status == 0 && listed.contains(said), "{said:?} is not in: {listed}");
    }
    assert_eq!(run(&["revoke", "0000000000"]).0, 1, "nobody has it");
    assert_eq!(run(&["revoke", &key[..4]]).0, 2, "too short");
    client.status().await.expect("nothing was revoked");

    let (status, said) = run(&["revoke", &key[..12]]);
    assert!(status == 0 && said.contains(key) && said.contains("pair p is commanded by nobody"), "{said}");
    let trouble = client.status().await.unwrap_err();
    assert!(trouble.kind == TroubleKind::Outdated && trouble.reason.contains("revoked"), "{trouble}");
    assert_eq!(client.instruct(&console.instruction(1, Order::Leave)).await.unwrap_err().kind, TroubleKind::Outdated);
    assert!(run(&["controllers"]).1.contains("cut off"));
    assert_eq!(adopt(&east).await.client(&east).records().await.unwrap().pairs.len(), 1, "the data stays, for whoever takes over");
}

/// S1. Enrolled once and in no pair: what its code allows is over after a quarter of an hour, and with its first pair.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_commands_no_pair_may_do_nothing_without_a_fresh_code() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = Console::enrolled(&east).await;
    console.client(&east).status().await.expect("it may look before it pairs");
    east.clock.step(TimeDelta::minutes(16));
    for (trouble, kind) in [
        (console.client(&east).status().await.unwrap_err(), TroubleKind::NotFound),
        (console.client(&east).catalogue("tables", "").await.unwrap_err(), TroubleKind::NotFound),
        (console.client(&east).instruct(&console.instruction(1, join(&west, Identity::Primary))).await.unwrap_err(), TroubleKind::Refused),
    ] {
        assert!(trouble.kind == kind && trouble.next_step.contains("enrol"), "{trouble}");
    }
    console.enrol(&east).await;
    console.done(&east, console.instruction(1, join(&west, Identity::Primary))).await.unwrap();
    console.done(&east, console.instruction(1, Order::Leave)).await.unwrap();
    let again = console.client(&east).instruct(&console.instruction(1, join(&west, Identity::Primary))).await.unwrap_err();
    assert_eq!(again.kind, TroubleKind::Refused, "its code was for one pair: {again}");
}

/// S10. A second console, honest or not, over the same data: it is refused, and its leaving touches nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_pair_touches_nothing_of_the_first() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    console.store_policies(&[&east, &west]).await;
    let order = DemoteOrder { decision: decision(2, "west", "east"), fence_only: true };
    console.done(&east, console.instruction(1, Order::Demote(order))).await.unwrap();
    let fenced = async || console.client(&east).status().await.unwrap().pairs.iter().any(|p| p.pair == pair() && p.fenced);
    assert!(fenced().await);

    let second = Console::enrolled(&east).await;
    second.done(&east, of_other(&second, Term(1), join(&west, Identity::Primary))).await.unwrap();
    let refused = second.done(&east, of_other(&second, Term(1), policies("\"tables:orders\""))).await.unwrap_err();
    assert!(refused.kind == TroubleKind::Refused && refused.reason.contains("pair p holds"), "{refused}");
    east.make_table("bills");
    second.done(&east, of_other(&second, Term(1), policies("\"tables:bills\""))).await.unwrap();
    // As an earlier version let it in, with a fence of its own.
    ledger(&east).store_policies(&other_pair(), &[Service { pair: other_pair(), ..policy() }]).unwrap();
    ledger(&east).keep_fenced(&other_pair(), &[policy().data_sets[0].from.clone()]).unwrap();
    let Outcome::Left(_) = second.done(&east, of_other(&second, Term(1), Order::Leave)).await.unwrap() else { panic!("not left") };
    assert!(fenced().await);
    assert!(east.write_order().is_err(), "the first pair's fence stands");
}

/// S5. The pair's own console is followed step by step; another pair's console changes nothing; an adoption finds a higher term.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_uses_the_terms_up() {
    let (east, west) = (TestAgent::start("east").await, TestAgent::start("west").await);
    let console = pair_up(&east, &west).await;
    let second = Console::enrolled(&east).await;
    let top = second.done(&east, of_other(&second, Term::MAX, join(&west, Identity::Primary))).await.unwrap_err();
    assert_eq!(top.kind, TroubleKind::Refused, "{top}");
    second.done(&east, of_other(&second, Term::FIRST, join(&west, Identity::Primary))).await.unwrap();
    console.store_policies(&[&east]).await;

    let word = |term| Instruction { term, ..console.instruction(1, Order::StorePolicies(StorePoliciesOrder { services: vec![policy()] })) };
    let far = console.client(&east).instruct(&word(Term::MAX)).await.unwrap_err();
    assert!(far.is_worth_retrying(), "{far}");
    let known = console.client(&east).status().await.unwrap().term;
    assert_eq!(known, Term(1 + Term::RISE), "one step, and no more");
    console.done(&east, word(known.reach())).await.expect("within one step");

    let body = serde_json::to_string(&word(Term(1))).unwrap().replace("\"term\":1,", &format!("\"term\":{},", u64::MAX));
    let client = console.client(&east);
    let sent = client.http().post(format!("{}/v1/instructions", client.base())).body(body).send().await.unwrap();
    assert_eq!(sent.status().as_u16(), 400, "no term wraps");
    assert_eq!(adopt(&east).await.client(&east).records().await.unwrap().pairs.len(), 2);
}
