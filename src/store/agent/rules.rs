//! How an agent's knowledge of a pair may change: pure. The ledger reads the facts, asks here, and writes what it is told, in one
//! transaction; `tests/model` asks here as well, in every order.
//!
//! Invariants 1 and 2: a claim only rises, and one epoch has one decision.

use super::{Admission, AdmissionFacts, FenceState, InstructionRecord, InstructionState, PairFacts};
use crate::domain::switchover::machine::Decision;
use crate::domain::{Claim, DataSetName, Digest, Epoch, Identity, PairName, PointId, ServiceName, Term, Trouble, TroubleKind};
use crate::protocol::Instruction;

impl PairFacts {
    /// Takes a claim of a higher epoch, or the same again. It counts as confirmed, a conflict is over, and whoever is not primary has
    /// no active services. A lower claim, or another one of the same epoch, is `Outdated`.
    pub fn take(&self, claim: Claim) -> Result<PairFacts, Trouble> {
        if claim.epoch < self.claim.epoch || (claim.epoch == self.claim.epoch && claim != self.claim) {
            let reason = format!("epoch {} does not rise above what this agent holds", claim.epoch);
            return Err(Trouble::new(TroubleKind::Outdated, &self.pair, reason));
        }
        let mut new = PairFacts { claim, confirmed: true, conflict: None, ..self.clone() };
        if claim.identity != Identity::Primary {
            new.active.clear();
        }
        Ok(new)
    }

    /// Takes the secondary identity together with the intention to fence these data sets, so that neither a crash nor another change
    /// of identity comes between the two.
    pub fn stand_back(&self, claim: Claim, sets: &[DataSetName]) -> Result<PairFacts, Trouble> {
        let claim = Claim { identity: Identity::Secondary, ..claim };
        let mut new = self.take(claim)?;
        // What was read back before does not count: a promotion under way may be lifting it.
        new.fence = FenceState::of(sets);
        Ok(new)
    }

    /// Likewise before the other side has taken the primary identity by that decision: a promotion is taken back. Until somebody
    /// confirms that it has, applications are told of nobody.
    pub fn stand_back_first(&self, claim: Claim, sets: &[DataSetName]) -> Result<PairFacts, Trouble> {
        Ok(PairFacts { confirmed: false, ..self.stand_back(claim, sets)? })
    }

    /// Whether this side still stands back by that very claim: then, and only then, a fence for it may go up.
    pub fn stands_back_by(&self, claim: Claim) -> bool {
        self.claim == claim && claim.identity == Identity::Secondary
    }

    /// A promotion of this epoch is over and only these data sets stay fenced; unless this side has stood back since, whose fence stays.
    pub fn settle_fence(&self, epoch: Epoch, sets: &[DataSetName]) -> PairFacts {
        if self.claim.identity != Identity::Primary || self.claim.epoch != epoch {
            return self.clone();
        }
        self.keep_fenced(sets)
    }

    /// Only these data sets stay fenced.
    pub fn keep_fenced(&self, sets: &[DataSetName]) -> PairFacts {
        let fence = if sets.is_empty() { FenceState::default() } else { FenceState::of(sets) };
        PairFacts { fence, ..self.clone() }
    }

    /// The fence was read back when it was as in `compared`; of one that changed since that says nothing.
    pub fn fence_seen(&self, compared: &PairFacts, held: bool, evidence: &[String]) -> PairFacts {
        if self.claim != compared.claim || self.fence != compared.fence {
            return self.clone();
        }
        let fence = FenceState { held, evidence: evidence.to_vec(), ..self.fence.clone() };
        PairFacts { fence, ..self.clone() }
    }

    /// Whether a promotion of this epoch is over, however often it is asked for again: a planned switchover away from it has put its fence
    /// on. A controller on an old state may still think that a service is to be brought up.
    pub fn is_past(&self, epoch: Epoch) -> bool {
        self.claim.epoch == epoch && self.fence.wanted && self.fence.planned == Some(epoch)
    }

    /// Whether this primary was broken off when it fenced itself to prove that nothing was written here: nobody may ever ask for that
    /// again, so what was open is opened. Not before somebody has said that it still is primary.
    pub fn opens_again(&self) -> bool {
        self.claim.identity == Identity::Primary && self.confirmed && self.conflict.is_none() && self.fence.proving
    }

    /// The other agent, the controller or a person confirmed the claim.
    pub fn confirm(&self) -> PairFacts {
        PairFacts { confirmed: true, ..self.clone() }
    }

    /// The other agent confirmed the claim that it was compared with; of one that came since it has not heard.
    pub fn confirm_compared(&self, compared: Claim) -> PairFacts {
        if self.claim == compared { self.confirm() } else { self.clone() }
    }

    /// Two decisions of one epoch were seen when our claim was `compared`; a decision that came since ends it before it begins.
    pub fn contend(&self, compared: Claim, why: &str) -> PairFacts {
        let conflict = if self.claim == compared { Some(why.to_owned()) } else { self.conflict.clone() };
        PairFacts { conflict, ..self.clone() }
    }

    /// Applications may use the service here from now on. Refused unless this side is primary at exactly this epoch.
    pub fn activate(&self, epoch: Epoch, service: &ServiceName, point: Option<PointId>) -> Result<PairFacts, Trouble> {
        if self.claim.identity != Identity::Primary || self.claim.epoch != epoch {
            return Err(Trouble::new(TroubleKind::Refused, service, "this cluster is no longer primary of that epoch"));
        }
        let mut new = self.clone();
        new.active.insert(service.clone(), point);
        Ok(new)
    }
}

impl AdmissionFacts {
    /// What is known once an instruction was judged: the highest term; and, when it starts, that it runs, and the word that confirms.
    pub fn admitted(&self, instruction: &Instruction, digest: Digest, admission: &Admission) -> AdmissionFacts {
        let mut new = AdmissionFacts { term: self.term.max(instruction.term), ..self.clone() };
        if let Admission::Rise(term) = admission {
            new.term = *term;
        }
        if let Admission::Start { confirm } = admission {
            new.seen = Some(InstructionRecord { digest, state: InstructionState::Running });
            if *confirm {
                new.pair = self.pair.as_ref().map(PairFacts::confirm);
            }
        }
        new
    }
}

/// A decision with the points that this cluster was first told to be promoted to. A controller that adopted may have been told of it by the
/// old primary alone, whose version is from before the final runs.
pub fn as_first_told(known: &[Decision], told: Decision) -> Decision {
    match known.iter().find(|known| known.id == told.id) {
        Some(known) => Decision { points: known.points.clone(), ..told },
        None => told,
    }
}

/// The point that a service resumes from: the decided one, or, when a controller on an old state has dropped that one since by its policy,
/// the newest sealed here, which came after it. `held`: the decided one is.
pub fn resumes_from(decided: PointId, held: bool, newest: Option<PointId>) -> PointId {
    newest.filter(|newest| !held && *newest > decided).unwrap_or(decided)
}

/// A point that was told against a base may only follow that very one: `newest` is the newest that this cluster holds of the service,
/// sealed or about to be. With another one in between (two controllers), the changes would be applied to what they were not told against.
/// And as points are ordered by their ids, which begin with the controller's time, none is committed that sorts before the newest.
pub fn may_commit(point: PointId, base: Option<PointId>, newest: Option<PointId>) -> Result<(), Trouble> {
    if let Some(newest) = newest.filter(|newest| *newest > point) {
        let reason = format!("{newest} is held here, and is newer by its name: the clock of a controller is, or was, wrong");
        return Err(Trouble::new(TroubleKind::Refused, format!("point {point}"), reason)
            .next("set the controllers' clocks right; a run that starts later than that point is sealed again"));
    }
    match (base, newest) {
        (Some(base), newest) if newest != Some(base) => {
            let newest = newest.map_or("none is held".to_owned(), |newest| format!("{newest} is the newest"));
            let reason = format!("its changes were told against point {base}, and here {newest}");
            Err(Trouble::new(TroubleKind::Refused, format!("point {point}"), reason).next("start a new run"))
        }
        _ => Ok(()),
    }
}

/// What is answered from the time that a planned switchover's fence is lifted to whoever asks for it again: that it is up is true no more.
pub fn fence_given_up(decision: &Decision) -> Trouble {
    Trouble::new(TroubleKind::Refused, &decision.from, "this planned switchover was given up and its fence is lifted")
        .next("decide again if it is still wanted")
}

/// The term that counts once a controller was adopted: above that of every instruction still on its way.
pub fn term_of_adoption(pair: &PairName, known: Term) -> Result<Term, Trouble> {
    known.next().ok_or_else(|| {
        Trouble::new(TroubleKind::Refused, format!("pair {pair}"), format!("its terms are used up: {known} is the highest"))
            .next("unpair the clusters, and pair them anew under another name")
    })
}

/// A planned switchover's fence does not go up once its lifting was asked for, however late it comes. `unfence`: what the ledger
/// knows of the instruction that lifts it.
pub fn may_still_fence(decision: &Decision, unfence: Option<&InstructionRecord>) -> Result<(), Trouble> {
    match unfence {
        None => Ok(()),
        Some(_) => Err(fence_given_up(decision)),
    }
}

/// The points that a planned switchover's final runs made under its fence: those that its decision names now and did not when the fence
/// was put on. None of a decision that is not known here: then this order is the one that puts the fence on.
pub fn captured_under_fence(known: &[Decision], decision: &Decision) -> Vec<PointId> {
    let Some(first) = known.iter().find(|known| known.id == decision.id) else { return Vec::new() };
    let made = decision.points.iter().filter(|(service, point)| first.points.get(*service) != Some(point));
    made.map(|(_, point)| *point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_resumes_from_the_decided_point_or_a_later_one_when_that_is_gone() {
        let id = |n| PointId(uuid::Uuid::from_u64_pair(1, n));
        assert_eq!(resumes_from(id(5), true, Some(id(9))), id(5));
        assert_eq!(resumes_from(id(5), false, Some(id(9))), id(9));
        assert_eq!([None, Some(id(4))].map(|newest| resumes_from(id(5), false, newest)), [id(5); 2], "and is refused by name there");
    }

    #[test]
    fn changes_are_committed_upon_nothing_but_what_they_were_told_against() {
        let id = |n| PointId(uuid::Uuid::from_u64_pair(1, n));
        assert!(may_commit(id(9), Some(id(1)), Some(id(1))).is_ok());
        for base in [None, Some(id(9))] {
            let refused = may_commit(id(5), base, Some(id(9))).expect_err("it would sort before the newest");
            assert!(refused.reason.contains("clock"), "{refused}");
        }
        assert!(
            may_commit(id(9), None, None).is_ok() && may_commit(id(9), None, Some(id(1))).is_ok(),
            "a full copy replaces what is there"
        );
        for newest in [None, Some(id(2))] {
            let refused = may_commit(id(9), Some(id(1)), newest).expect_err("another controller's run came in between");
            assert!(refused.kind == TroubleKind::Refused && refused.next_step == "start a new run");
        }
    }
}
