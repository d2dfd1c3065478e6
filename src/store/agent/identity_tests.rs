//! What the ledger promises of claims, over a start.

use super::*;
use crate::domain::Identity;

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
    ledger.join(&pair, claim(Identity::Primary, 3, 3), &peer, "console").expect("joined");
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
    ledger.join(&pair, claim(Identity::Primary, 3, 3), &peer, "console").expect("without effect");
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
