//! What the ledger promises of claims, over a start.

use super::*;
use crate::domain::Identity;
use crate::store::agent::{CodePurpose, NewController};

fn claim(identity: Identity, epoch: u64, decision: u64) -> Claim {
    Claim { identity, epoch: Epoch(epoch), decision: DecisionId(Uuid::from_u64_pair(1, decision)) }
}

fn member() -> (tempfile::TempDir, Ledger, PairName) {
    let dir = tempfile::tempdir().expect("a directory");
    let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("a ledger");
    let pair: PairName = "p".parse().expect("a name");
    let cluster = "west".parse().expect("a name");
    let peer = PeerSpec { cluster, address: "w:1".into(), key: "k".into(), route: "w:2".into(), components: vec![] };
    ledger.begin_start().expect("started");
    let console = NewController { key: "console", name: "", address: "" };
    ledger.issue_code(CodePurpose::Enrol, &[7; 32], Utc::now() + chrono::TimeDelta::minutes(1)).expect("a code");
    ledger.redeem_code(Utc::now(), console, |_| true).expect("enrolled");
    ledger.join(&pair, claim(Identity::Primary, 3, 3), &peer, "console", Term(1)).expect("joined");
    (dir, ledger, pair)
}

/// Invariant 2.
#[test]
fn a_claim_never_goes_back_and_one_epoch_has_one_decision() {
    let (_dir, ledger, pair) = member();
    let now = Utc::now();
    for bad in [claim(Identity::Secondary, 2, 2), claim(Identity::Secondary, 3, 4), claim(Identity::Secondary, 3, 3)] {
        assert_eq!(ledger.set_claim(&pair, bad, None, now).expect_err("refused").kind, TroubleKind::Outdated);
    }
    ledger.set_claim(&pair, claim(Identity::Primary, 3, 3), None, now).expect("the same again");
    ledger.set_claim(&pair, claim(Identity::Secondary, 5, 5), None, now).expect("a later one");
    let peer = ledger.member(&pair).expect("a member").peer;
    ledger.join(&pair, claim(Identity::Primary, 3, 3), &peer, "console", Term(1)).expect("without effect");
    assert_eq!(ledger.member(&pair).expect("a member").claim, claim(Identity::Secondary, 5, 5));
}

/// Invariants 3 and 9.
#[test]
fn a_start_confirms_nothing_and_a_lost_identity_closes_its_services() {
    let (dir, ledger, pair) = member();
    let service: ServiceName = "orders".parse().expect("a name");
    ledger.activate(&pair, Epoch(3), &service, None).expect("active");
    assert_eq!(ledger.activate(&pair, Epoch(2), &service, None).expect_err("refused").kind, TroubleKind::Refused);
    drop(ledger);
    let ledger = Ledger::open(&dir.path().join("ledger.db")).expect("opened again");
    ledger.begin_start().expect("started");
    assert!(!ledger.member(&pair).expect("a member").confirmed);
    ledger.confirm(&pair).expect("confirmed");
    let facts = ledger.member(&pair).expect("a member");
    assert!(facts.confirmed && facts.active.contains_key(&service));
    ledger.set_claim(&pair, claim(Identity::Secondary, 4, 4), None, Utc::now()).expect("a later one");
    assert!(ledger.member(&pair).expect("a member").active.is_empty());
    assert_eq!(ledger.activate(&pair, Epoch(4), &service, None).expect_err("refused").kind, TroubleKind::Refused);
}

fn set(name: &str) -> DataSetName {
    name.parse().expect("a name")
}

/// Invariant 7.
#[test]
fn a_proof_that_was_broken_off_opens_again_once_this_side_is_known_to_be_primary_still() {
    let (_dir, ledger, pair) = member();
    let proving = FenceState { proving: true, ..FenceState::of(&[set("files:docs")]) };
    ledger.set_fence(&pair, &proving).expect("noted");
    let opens = |ledger: &Ledger| ledger.member(&pair).expect("a member").opens_again();
    assert!(opens(&ledger));
    ledger.begin_start().expect("started");
    assert!(!opens(&ledger), "the other cluster may have been promoted meanwhile");
    ledger.confirm(&pair).expect("confirmed");
    assert!(opens(&ledger));
    ledger.set_conflict(&pair, claim(Identity::Primary, 3, 3), "two decisions").expect("noted");
    assert!(!opens(&ledger), "a person decides first");
    let sets = [set("files:docs")];
    ledger.stand_back(&pair, claim(Identity::Secondary, 4, 4), &sets, None, Utc::now()).expect("stands back");
    let facts = ledger.member(&pair).expect("a member");
    assert!(!facts.opens_again() && facts.fence == FenceState::of(&sets), "this fence stays");
}

#[test]
fn what_was_read_of_a_fence_counts_for_that_fence_only() {
    let (_dir, ledger, pair) = member();
    ledger.set_fence(&pair, &FenceState::of(&[set("files:docs")])).expect("noted");
    let seen = ledger.member(&pair).expect("a member");
    let evidence = ["files:docs: closed".to_owned()];
    ledger.fence_seen(&seen, true, &evidence).expect("noted");
    assert!(ledger.member(&pair).expect("a member").fence.held);
    ledger.keep_fenced(&pair, &[]).expect("lifted");
    ledger.fence_seen(&seen, true, &evidence).expect("too late");
    assert_eq!(ledger.member(&pair).expect("a member").fence, FenceState::default(), "lifted it stays");
}

/// A ledger of an earlier release.
#[test]
fn a_fence_that_was_noted_before_proofs_were_is_none_of_a_proof() {
    let old = r#"{"wanted":true,"sets":["files:docs"],"held":true,"evidence":[]}"#;
    let read: FenceState = serde_json::from_str(old).expect("read");
    assert!(read.wanted && !read.proving);
}

/// Invariant 9.
#[test]
fn a_promotion_is_past_once_a_planned_switchover_has_fenced_its_cluster() {
    let (_dir, ledger, pair) = member();
    let is_past = |epoch| ledger.member(&pair).expect("a member").is_past(Epoch(epoch));
    ledger.set_fence(&pair, &FenceState::of(&[set("files:docs")])).expect("noted");
    assert!(!is_past(3), "this fence is of before the promotion");
    ledger.set_fence(&pair, &FenceState { planned: Some(Epoch(3)), ..FenceState::of(&[set("files:docs")]) }).expect("noted");
    assert!(is_past(3), "asked for again it lifts nothing");
    assert!(!is_past(4), "a later decision does");
    ledger.set_fence(&pair, &FenceState::default()).expect("given up");
    assert!(!is_past(3));
}
