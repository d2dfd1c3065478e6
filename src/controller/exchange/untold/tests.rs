//! What a cluster that only gave way goes on from, and above what.

use super::*;
use crate::controller::exchange::{self, next_epoch};
use crate::controller::identity::fold;
use crate::domain::switchover::machine::{PairPhase, PairState, apply, next};
use crate::domain::{Claim, DecisionId, Identity, PairName};
use crate::protocol::PeerSpec;

fn cluster(name: &str) -> ClusterName {
    name.parse().expect("a name")
}

fn record(epoch: u64, decisions: Vec<Decision>) -> PairRecord {
    let pair: PairName = "p".parse().expect("a name");
    let peer =
        PeerSpec { cluster: cluster("west"), address: String::new(), key: String::new(), route: String::new(), components: Vec::new() };
    let claim = Claim { identity: Identity::Secondary, epoch: Epoch(epoch), decision: DecisionId(Uuid::from_u128(77)) };
    PairRecord { pair, claim, peer, services: Vec::new(), points: Vec::new(), user_data: None, decisions, kept: Vec::new() }
}

fn told(epoch: u64, from: &str, to: &str) -> Decision {
    let points = BTreeMap::from([("orders".parse().expect("a name"), PointId(Uuid::from_u128(9)))]);
    let decision = unknown(&record(epoch, Vec::new()), cluster("east"), points, DateTime::UNIX_EPOCH);
    Decision { from: cluster(from), to: cluster(to), ..decision }
}

fn after(held: Held, epoch: u64) -> PairState {
    let record = record(epoch, Vec::new());
    assert!(exchange::is_untold(&cluster("east"), &record, std::iter::empty()));
    fold(&record.pair, &history(&cluster("east"), &record, held, "ana", DateTime::UNIX_EPOCH)).expect("a legal history")
}

fn decides(state: &PairState, epoch: Epoch, live: bool) -> Result<PairState, impl std::fmt::Debug> {
    let live = live.then_some(DateTime::UNIX_EPOCH);
    let decision = Decision { epoch, live, ..told(epoch.0, "west", "east") };
    apply(Some(state), &Event::Decided { decision: Box::new(decision) })
}

#[test]
fn a_cluster_that_was_primary_goes_on_from_its_live_data_and_one_that_stood_by_from_its_points() {
    let of = |decisions, fenced| held(&cluster("east"), &record(5, decisions), fenced);
    assert_eq!(of(Vec::new(), true), Some(Held::Live(BTreeMap::new())), "it founded the pair");
    assert_eq!(of(Vec::new(), false), None, "it stood by from the beginning, and nothing was ever sealed there");
    let (to, from) = (told(3, "west", "east"), told(4, "east", "west"));
    assert_eq!(of(vec![to.clone()], false), Some(Held::Live(to.points.clone())));
    assert_eq!(of(vec![to, from.clone()], false), Some(Held::Live(from.points)), "fenced since, and never made the target");
}

#[test]
fn nothing_is_asked_of_anybody_before_a_person_decides_above_all_that_the_lost_one_may_hold() {
    for (held, live) in [(Held::Live(BTreeMap::new()), true), (Held::Points, false)] {
        let state = after(held, 2);
        assert!(next(&state).is_empty() && exchange::may_rebuild(&state, None), "the other one may be found after all");
        assert_eq!((&state.primary, &state.secondary, state.epoch), (&cluster("west"), &cluster("east"), Epoch(2)));
        assert_eq!((state.phase.lost().is_some(), matches!(state.phase, PairPhase::AwaitingDecision { .. })), (live, !live));
        let epoch = next_epoch(&state, &[], None);
        assert_eq!(epoch, Epoch(2 + UNHEARD + 1));
        assert!(Epoch(2).can_become(epoch), "the lost one believes it when it comes back");
        for unheard in [3, 4, 2 + UNHEARD] {
            assert!(decides(&state, Epoch(unheard), live).is_err(), "{unheard} may be the lost one's");
        }
        let decided = decides(&state, epoch, live).expect("a person decides");
        assert!(matches!(&decided.phase, PairPhase::Promoting { decision, .. } if decision.to == cluster("east")));
    }
}
