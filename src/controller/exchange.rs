//! What the engine says to agents about identities and what it makes of their answers: pure.
//!
//! ```text
//! pair state + effect → letter (who, id, epoch, order)          trouble → is there a way back?
//! an agent's term → meeting                                     claims told → highest epoch, contention, confirmation
//! ```
//! The engine's tasks only carry letters. `tests/model` carries the same ones in every order, and loses them.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::domain::switchover::machine::{Decision, Effect, Event, PairPhase, PairState, Reversal, next};
use crate::domain::{
    Claim, ClusterName, DecisionId, Digest, Epoch, Identity, InstructionId, RecoveryPoint, ServiceName, Term, Trouble, TroubleKind,
};
use crate::protocol::{DemoteOrder, Order, PairRecord, PromoteOrder, ReverseOrder};

/// An instruction to be given, without the term of who gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The cluster whose agent gets it.
    pub to: ClusterName,
    /// Drawn with the decision: sent again it is the same instruction.
    pub id: InstructionId,
    /// The epoch it is given under.
    pub epoch: Epoch,
    /// What to do.
    pub order: Order,
}

/// What an effect of the identity machine means as an instruction; `None`: it asks no agent for anything.
pub fn letter(state: &PairState, effect: &Effect) -> Option<Letter> {
    match effect {
        Effect::Demote(decision) if matches!(state.phase, PairPhase::Fencing { .. }) => {
            let order = Order::Demote(DemoteOrder { decision: (**decision).clone(), fence_only: true });
            Some(Letter { to: decision.from.clone(), id: decision.demote, epoch: before(decision), order })
        }
        Effect::Demote(decision) => {
            let order = Order::Demote(DemoteOrder { decision: (**decision).clone(), fence_only: false });
            Some(Letter { to: decision.from.clone(), id: demote_id(decision), epoch: decision.epoch, order })
        }
        Effect::Unfence(decision) => {
            let order = Order::Unfence(DemoteOrder { decision: (**decision).clone(), fence_only: true });
            Some(Letter { to: decision.from.clone(), id: decision.unfence, epoch: before(decision), order })
        }
        Effect::Promote(decision) => {
            let order = Order::Promote(PromoteOrder { decision: (**decision).clone() });
            Some(Letter { to: decision.to.clone(), id: decision.promote, epoch: decision.epoch, order })
        }
        // It proves that nothing was written there before it takes the claim.
        Effect::StandBack(decision) => {
            let order = Order::Demote(DemoteOrder { decision: (**decision).clone(), fence_only: false });
            Some(Letter { to: decision.from.clone(), id: decision.demote, epoch: decision.epoch, order })
        }
        Effect::Reverse(decision, reversal) => {
            let order = Order::Reverse(ReverseOrder { reversal: (**reversal).clone() });
            Some(Letter { to: decision.from.clone(), id: reversal.id, epoch: state.epoch, order })
        }
        Effect::WatchFinalRuns(_) | Effect::BringUp(_) | Effect::BeginReversal(_) => None,
    }
}

/// The epoch that holds until the decision's promotion.
fn before(decision: &Decision) -> Epoch {
    Epoch(decision.epoch.0.saturating_sub(1))
}

/// A planned switchover used the decision's own id for the fence before; the same id with another body would be refused. Its final runs
/// changed the decision's points as well, committing a held promotion its instruction, and a controller that adopts may be told the one
/// version or the other: each has its id.
fn demote_id(decision: &Decision) -> InstructionId {
    let points = decision.points.iter().map(|(service, point)| format!("{service} {point}\n"));
    let text: String = points.chain([decision.promote.to_string()]).collect();
    let mut low = [0; 4];
    low.copy_from_slice(&Digest::of_bytes(text.as_bytes()).0[..4]);
    InstructionId(Uuid::from_u128(decision.demote.0.as_u128() ^ u128::from(u32::from_be_bytes(low) | 1)))
}

/// The event by which an effect that failed is given up.
pub fn given_up(effect: &Effect, trouble: &Trouble) -> Event {
    match effect {
        Effect::Reverse(..) => Event::ReversalFailed { trouble: trouble.clone() },
        Effect::StandBack(_) => Event::TakeBackFailed { trouble: trouble.clone() },
        _ => Event::PlannedFailed { trouble: trouble.clone() },
    }
}

/// Whether an effect that failed undoes its planned switchover, or ends an attempt to reverse the replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// No: it is tried until it succeeds.
    None,
    /// Yes.
    Now,
    /// Only if the cluster that was asked says now that it has not taken the new epoch: [`has_not_taken`].
    IfNotTaken,
}

/// Before the promotion of a planned switchover a failure undoes it. Once asked to promote, the survivor may have made the new epoch
/// durable: then only its refusal by a rule, and its own word, lead back.
pub fn way_back(state: &PairState, effect: &Effect, trouble: &Trouble) -> WayBack {
    match effect {
        Effect::Demote(_) if matches!(state.phase, PairPhase::Fencing { .. }) => WayBack::Now,
        Effect::WatchFinalRuns(_) => WayBack::Now,
        Effect::Promote(decision) if decision.planned && is_for_good(trouble) => WayBack::IfNotTaken,
        Effect::StandBack(_) if is_for_good(trouble) => WayBack::IfNotTaken,
        // The new primary stays alone until somebody tries again; what is done at the old one is done again from where it is.
        Effect::Reverse(..) => WayBack::Now,
        Effect::Demote(_)
        | Effect::Promote(_)
        | Effect::Unfence(_)
        | Effect::BringUp(_)
        | Effect::BeginReversal(_)
        | Effect::StandBack(_) => WayBack::None,
    }
}

/// A rule forbids it: asked again, the same is refused again.
pub fn is_for_good(trouble: &Trouble) -> bool {
    matches!(trouble.kind, TroubleKind::Refused | TroubleKind::Outdated | TroubleKind::NotFound | TroubleKind::Invalid)
}

/// Whether a cluster that tells these claims in the pair knows of no epoch as high as the decision's.
pub fn has_not_taken(decision: &Decision, mut claims: impl Iterator<Item = Claim>) -> bool {
    claims.all(|claim| claim.epoch < decision.epoch)
}

/// Has the old primary look once more, now that the final runs are sealed: is its fence up, and did nothing come past it since it was captured?
/// `None` where that is not asked: it does not answer or is primary no more, or the new one has taken the epoch or does not answer. Then
/// what was read back stands.
pub fn last_look(decision: &Decision, id: InstructionId, from: Option<Claim>, to: Option<Claim>) -> Option<Letter> {
    let before_it = |claim: Option<Claim>| claim.is_some_and(|claim| claim.epoch < decision.epoch);
    let is_primary = from.is_some_and(|claim| claim.identity == Identity::Primary);
    let order = Order::Demote(DemoteOrder { decision: decision.clone(), fence_only: true });
    let letter = Letter { to: decision.from.clone(), id, epoch: before(decision), order };
    (decision.planned && is_primary && before_it(from) && before_it(to)).then_some(letter)
}

/// Whether a planned promotion must not begin: the old primary says that it is open, and the new one that it has not taken the new epoch.
/// Another controller may have given the switchover up. Each is `None` where it does not answer: then what was read back stands.
pub fn is_open(decision: &Decision, from: Option<(Claim, bool)>, to: Option<Claim>) -> bool {
    let open = from.is_some_and(|(claim, fenced)| claim.identity == Identity::Primary && claim.epoch < decision.epoch && !fenced);
    decision.planned && open && to.is_some_and(|claim| claim.epoch < decision.epoch)
}

/// What an agent's term means for ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// Ours is as high.
    InCommand,
    /// We take this one, above all it knows.
    Take(Term),
    /// A controller that started later commands it.
    Ousted,
}

/// The first time we meet an agent after our start we take a higher term than it knows; a higher one later means that we are ousted.
pub fn meet(first: bool, ours: Term, known: Term, chance: u64) -> Meeting {
    match first {
        true if known >= ours => Meeting::Take(known.after(chance)),
        false if known > ours => Meeting::Ousted,
        _ => Meeting::InCommand,
    }
}

/// At most so many steps are taken to bring an agent up to our term.
const MOST_STEPS: u64 = 4096;

/// How often an instruction is refused by an agent that knows a much lower term than ours, and follows step by step.
pub fn steps_to_follow(ours: Term, known: Term) -> u64 {
    (ours.0.saturating_sub(known.0).saturating_sub(1) / Term::RISE).min(MOST_STEPS)
}

/// The highest epoch that anybody told us, or that we know by ourselves.
pub fn highest(state: &PairState, claims: &[(&ClusterName, Claim)]) -> Epoch {
    claims.iter().map(|(_, claim)| claim.epoch).chain([state.epoch]).max().unwrap_or_default()
}

/// The epoch of the next decision: above every one that a cluster may have been asked to take, also by another controller (`left`).
pub fn next_epoch(state: &PairState, claims: &[(&ClusterName, Claim)], left: Option<&Decision>) -> Epoch {
    let asked = [state.phase.asked(), left.map(|decision| decision.epoch)].into_iter().flatten();
    asked.chain([highest(state, claims)]).max().unwrap_or_default().next()
}

/// The epoch that two decisions, or two primaries, contend for.
pub fn contended(claims: &[(&ClusterName, Claim)]) -> Option<Epoch> {
    let [(_, first), (_, second)] = claims else { return None };
    let both_primary = first.identity == Identity::Primary && second.identity == Identity::Primary;
    (first.epoch == second.epoch && (first.decision != second.decision || both_primary)).then_some(first.epoch)
}

/// An agent that has just started waits for somebody to say that its identity still holds. We do, when it is what our own events say
/// and nobody has told of a higher epoch or of another decision.
pub fn may_confirm(state: &PairState, claims: &[(&ClusterName, Claim)], cluster: &ClusterName, told: Claim) -> bool {
    let expected = if *cluster == state.primary { Identity::Primary } else { Identity::Secondary };
    let epoch = highest(state, claims);
    told.epoch == epoch && state.epoch == epoch && told.identity == expected && contended(claims).is_none()
}

/// Whether a pair may be rebuilt from what its agents hold: not while this controller changes identities, for the fence that it put on
/// would be forgotten. What an agent refuses for good (`held`) never ends by itself: then adopting is the way out.
pub fn may_rebuild(state: &PairState, held: Option<&Trouble>) -> bool {
    let alone = matches!(state.phase, PairPhase::ActiveAlone { .. });
    alone || next(state).is_empty() || held.is_some_and(is_for_good)
}

/// The epoch by which another controller has changed a pair's identities, when all that is left to do here is to follow: nothing is under
/// way, and its agents agree.
pub fn overtaken_by(state: &PairState, held: Option<&Trouble>, claims: &[(&ClusterName, Claim)]) -> Option<Epoch> {
    let newest = highest(state, claims);
    (newest > state.epoch && contended(claims).is_none() && may_rebuild(state, held)).then_some(newest)
}

/// Nothing is decided, nor waits for a decision.
pub fn rests(state: &PairState) -> bool {
    matches!(state.phase, PairPhase::Replicating | PairPhase::Suspect { .. })
}

/// Planned switchovers that `record`, the primary's own, tells of and our events do not: each may have left its fence there. Newest first.
pub fn begun_elsewhere(state: &PairState, record: &PairRecord) -> Vec<Decision> {
    let ours = rests(state) && record.claim.identity == Identity::Primary && record.claim.epoch == state.epoch;
    let turns = |d: &Decision| d.planned && d.epoch == state.epoch.next() && d.from == state.primary && d.to == state.secondary;
    record.decisions.iter().rev().filter(|decision| ours && turns(decision)).cloned().collect()
}

/// Whether one of these points was sealed, under the claim's own epoch, at the cluster that is secondary by it: then the old primary
/// stands by already.
pub fn stands_by<'a>(own: &ClusterName, record: &PairRecord, mut points: impl Iterator<Item = &'a RecoveryPoint>) -> bool {
    let secondary = if record.claim.identity == Identity::Primary { &record.peer.cluster } else { own };
    points.any(|point| point.sealed_at.is_some() && point.epoch == record.claim.epoch && point.to == *secondary)
}

/// Whether nobody who answered was told the decision that a claim follows: a cluster that only gave way to its peer's word was not. Without
/// it nobody knows from where to where the pair turned, and whether anything stands by.
pub fn is_untold<'a>(own: &ClusterName, record: &PairRecord, mut decisions: impl Iterator<Item = &'a Decision>) -> bool {
    let Claim { identity, epoch, decision } = record.claim;
    let primary = if identity == Identity::Primary { own } else { &record.peer.cluster };
    decision != DecisionId::founding(&record.pair, epoch, primary) && !decisions.any(|known| known.id == decision)
}

/// The events that lead to the state that an agent of cluster `own` holds, with every decision that agents told of, by who told it. `stands_by`: see
/// [`stands_by`]. `down`: services that the new primary has not brought up, as far as is known.
pub fn history<'a>(
    own: &ClusterName,
    record: &PairRecord,
    decisions: impl Iterator<Item = (&'a ClusterName, &'a Decision)>,
    stands_by: bool,
    down: BTreeMap<ServiceName, Trouble>,
) -> Vec<Event> {
    let Claim { identity, epoch, decision } = record.claim;
    let (own, other) = (own.clone(), record.peer.cluster.clone());
    let (primary, secondary) = match identity {
        Identity::Primary => (own, other),
        Identity::Secondary | Identity::Unknown => (other, own),
    };
    // The old primary keeps it as it was when it was fenced. The new one has the points of the final runs, and knows that a held
    // promotion was committed.
    let known = decisions.filter(|(_, known)| known.id == decision);
    let Some((_, decided)) = known.max_by_key(|(told_by, known)| (**told_by == known.to, !known.hold)) else {
        return vec![Event::Paired { primary, secondary, epoch }];
    };
    // It changed hands by a person's decision: the pair comes back as it is, active alone, with that very decision on record, so
    // that the ids of what is still to do (the old primary's fence) are the same.
    let (at, decision) = (decided.at, Box::new(decided.clone()));
    let mut events = vec![Event::Paired { primary: decided.from.clone(), secondary: decided.to.clone(), epoch: before(decided) }];
    if decided.planned {
        events.push(Event::Decided { decision });
        events.push(Event::Fenced { at, final_runs: BTreeMap::new() });
    } else {
        events.push(Event::FaultDeclared { at });
        events.push(Event::Decided { decision });
    }
    if decided.take_back {
        // Whether the old primary has taken its identity again it says when it is told once more.
        return events;
    }
    // What is not up is asked for again, and nothing is copied over the old primary's data before it is.
    let failed = if stands_by { BTreeMap::new() } else { down };
    events.push(Event::Promoted { at, failed, instead: BTreeMap::new() });
    if stands_by {
        // The policies that agents hold are those of the new direction already.
        let nothing = Reversal { id: decided.unfence, by: decided.by.clone(), at, points: BTreeMap::new(), keep: BTreeMap::new() };
        events.push(Event::OldPrimaryFenced { at });
        events.push(Event::ReversalBegan { reversal: Box::new(nothing) });
        events.push(Event::Reversed { at, kept: BTreeMap::new() });
    }
    events
}

#[cfg(test)]
mod tests;
