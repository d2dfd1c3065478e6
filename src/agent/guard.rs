//! The guard: may this instruction, from this controller, change anything here now? Pure; the ledger asks it inside one transaction.
//!
//! ```text
//! key → commands the pair? → term → repeat? → member? → places → epoch → conflict → confirmed? → identity
//! ```
//! A refusal changes nothing. Invariants 1, 2, 3, 8 and 15 live here.

use std::collections::BTreeSet;

use crate::domain::switchover::machine::Decision;
use crate::domain::{
    Claim, ClusterName, ComponentName, DataSet, DecisionId, Digest, Epoch, Identity, PairName, Term, Trouble, TroubleKind,
};
use crate::protocol::{Instruction, JoinOrder, Order};
use crate::store::agent::{Admission, AdmissionFacts, PairFacts, Standing, needs_code, not_enrolled};

/// Who judges, and who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Our cluster.
    pub here: &'a ClusterName,
    /// The key that the caller's certificate proved.
    pub caller: &'a str,
    /// Digest of the instruction's body, from [`body_digest`].
    pub digest: Digest,
    /// Our components whose paths are parted by dots instead of slashes.
    pub dotted: &'a BTreeSet<ComponentName>,
}

/// What an id stands for: the instruction without its term, so that a controller that started again may send it again.
pub fn body_digest(instruction: &Instruction) -> Result<Digest, Trouble> {
    let body = (&instruction.id, &instruction.pair, instruction.epoch, &instruction.order);
    let text = serde_json::to_vec(&body).map_err(|e| Trouble::new(TroubleKind::Invalid, "instruction", e))?;
    Ok(Digest::of_bytes(&text))
}

/// The claim that a join makes.
pub fn founding_claim(pair: &PairName, epoch: Epoch, here: &ClusterName, join: &JoinOrder) -> Claim {
    let primary = if join.identity == Identity::Primary { here } else { &join.peer.cluster };
    Claim { identity: join.identity, epoch, decision: DecisionId::founding(pair, epoch, primary) }
}

/// Judges one instruction on the ledger's facts.
pub fn judge(instruction: &Instruction, asked: Asked<'_>, facts: &AdmissionFacts) -> Result<Admission, Trouble> {
    let pair = &instruction.pair;
    if !facts.caller.enrolled {
        return Err(not_enrolled(format!("pair {pair}")));
    }
    if let Some(member) = &facts.pair
        && !member.controllers.contains(asked.caller)
    {
        return Err(refused(pair, "another controller commands this pair here")
            .next("to take over, run `understudy-agent adopt` on the agent's host and enrol with its code"));
    }
    if instruction.term < facts.term {
        return Err(Trouble::new(
            TroubleKind::Outdated,
            format!("controller of {pair}"),
            format!("a controller that started later is in charge: term {} is over, {} is known", instruction.term, facts.term),
        )
        .next("close this controller, or start it again to take over"));
    }
    if facts.pair.is_some() && instruction.term > facts.term.reach() {
        return Ok(Admission::Rise(facts.term.reach()));
    }
    if let Some(seen) = &facts.seen {
        if seen.digest != asked.digest {
            return Err(Trouble::new(
                TroubleKind::Invalid,
                format!("instruction {}", instruction.id),
                "its id was used before for another instruction",
            ));
        }
        if !seen.state.may_run_again() {
            return Ok(Admission::Repeat(seen.state.clone()));
        }
    }
    match (&instruction.order, &facts.pair) {
        (Order::Join(join), member) => may_join(instruction, join, asked.here, facts.caller, member.as_ref()),
        (order, Some(member)) => leaves_others_alone(order, asked, facts).and(may_do(instruction, order, asked.here, member)),
        (_, None) => Err(Trouble::new(TroubleKind::NotFound, pair, "this agent is no member of the pair").next("pair the clusters first")),
    }
}

fn may_join(
    instruction: &Instruction,
    join: &JoinOrder,
    here: &ClusterName,
    caller: Standing,
    member: Option<&PairFacts>,
) -> Result<Admission, Trouble> {
    let pair = &instruction.pair;
    if join.identity == Identity::Unknown {
        return Err(Trouble::new(TroubleKind::Invalid, pair, "a member is primary or secondary"));
    }
    if join.peer.cluster == *here {
        return Err(Trouble::new(TroubleKind::Invalid, pair, format!("both clusters are called {here}"))
            .next("give each agent its own `name` in agent.toml"));
    }
    let Some(member) = member else {
        if !caller.may_look() {
            return Err(needs_code(TroubleKind::Refused, format!("pair {pair}")));
        }
        if instruction.term > Term::FIRST {
            let reason = format!("its term {} is above {}, the highest with which a pair begins", instruction.term, Term::FIRST);
            return Err(refused(pair, reason).next("pair from a console with a state directory of its own"));
        }
        return Ok(Admission::Start { confirm: false });
    };
    let claim = founding_claim(pair, instruction.epoch, here, join);
    let same = claim == member.claim || (claim.identity == member.claim.identity && claim.epoch > member.claim.epoch);
    if instruction.epoch < member.claim.epoch {
        return Err(outdated(pair, instruction.epoch, member.claim.epoch));
    }
    if !same || join.peer.cluster != member.peer.cluster {
        return Err(refused(
            pair,
            format!(
                "this agent is already a member, as {} at epoch {}, with {}",
                member.claim.identity, member.claim.epoch, member.peer.cluster
            ),
        )
        .next("leave the pair first"));
    }
    Ok(Admission::Start { confirm: true })
}

/// No pair touches what another one holds. What this pair's policies name already was admitted before.
fn leaves_others_alone(order: &Order, asked: Asked<'_>, facts: &AdmissionFacts) -> Result<(), Trouble> {
    let sets: Vec<&DataSet> = match order {
        Order::StorePolicies(order) => order.services.iter().flat_map(|service| &service.data_sets).collect(),
        Order::Arm(order) => order.data_sets.iter().collect(),
        Order::Capture(order) => order.service.data_sets.iter().collect(),
        Order::Push(order) | Order::Pull(order) => order.data_sets.iter().collect(),
        Order::Abort(order) => order.data_sets.iter().collect(),
        Order::Prune(order) => order.data_sets.iter().collect(),
        _ => Vec::new(),
    };
    let new = sets.into_iter().flat_map(|set| [&set.from, &set.to]).filter(|set| !facts.own.contains(set));
    for set in new {
        let held = facts.elsewhere.iter().find_map(|other| Some((&other.pair, other.holding(set, asked.dotted)?)));
        if let Some((other, theirs)) = held {
            return Err(Trouble::new(TroubleKind::Refused, set, format!("pair {other} holds {theirs} on {}", asked.here))
                .next("a place belongs to one pair only: name another place, or remove that one from the other pair first"));
        }
    }
    Ok(())
}

fn may_do(instruction: &Instruction, order: &Order, here: &ClusterName, member: &PairFacts) -> Result<Admission, Trouble> {
    let pair = &member.pair;
    let start = Ok(Admission::Start { confirm: false });
    match order {
        Order::Promote(promote) => {
            may_follow(&promote.decision, instruction, member)?;
            if promote.decision.to == *here { start } else { Err(not_for(pair, &promote.decision.to, here)) }
        }
        Order::Demote(demote) => {
            if demote.decision.from != *here {
                return Err(not_for(pair, &demote.decision.from, here));
            }
            may_follow(&demote.decision, instruction, member)?;
            if demote.fence_only { needs(member, Identity::Primary, order).and(start) } else { start }
        }
        Order::Leave | Order::Holdings if instruction.epoch >= member.claim.epoch => start,
        _ => {
            at_our_epoch(instruction, member)?;
            if let Some(conflict) = &member.conflict {
                return Err(refused(pair, conflict).next("decide which cluster is primary; that makes a new epoch"));
            }
            // What only tells the agent something is the controller's word that this epoch is the present one.
            if matches!(order, Order::StorePolicies(_) | Order::Arm(_)) {
                return Ok(Admission::Start { confirm: true });
            }
            if !member.confirmed {
                return Err(Trouble::new(
                    TroubleKind::Failed,
                    pair,
                    format!("the agent of {here} has started and nobody has confirmed its identity yet"),
                )
                .next("it goes on once its peer or the controller confirms it; or run `understudy-agent confirm` on its host"));
            }
            identity_needed(order).map_or(Ok(()), |identity| needs(member, identity, order))?;
            start
        }
    }
}

/// A decision may be followed when it makes a new epoch, or is the very one that made ours.
fn may_follow(decision: &Decision, instruction: &Instruction, member: &PairFacts) -> Result<(), Trouble> {
    let pair = &member.pair;
    if instruction.epoch > decision.epoch {
        return Err(Trouble::new(TroubleKind::Invalid, pair, "the instruction's epoch is later than its decision's"));
    }
    let known = [&decision.to, &decision.from].contains(&&member.peer.cluster);
    if decision.to == decision.from || !known {
        return Err(Trouble::new(TroubleKind::Invalid, pair, "the decision names other clusters than the pair's"));
    }
    match decision.epoch.cmp(&member.claim.epoch) {
        std::cmp::Ordering::Greater => Ok(()),
        std::cmp::Ordering::Equal if decision.id == member.claim.decision => Ok(()),
        std::cmp::Ordering::Equal => Err(refused(pair, format!("another decision has already made epoch {}", decision.epoch))
            .next("look at both clusters, then decide again; that makes a new epoch")),
        std::cmp::Ordering::Less => Err(outdated(pair, decision.epoch, member.claim.epoch)),
    }
}

fn at_our_epoch(instruction: &Instruction, member: &PairFacts) -> Result<(), Trouble> {
    match instruction.epoch.cmp(&member.claim.epoch) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(outdated(&member.pair, instruction.epoch, member.claim.epoch)),
        std::cmp::Ordering::Greater => Err(refused(
            &member.pair,
            format!("this agent is at epoch {} and was not told the decision that made epoch {}", member.claim.epoch, instruction.epoch),
        )
        .next("it must be fenced by that decision first")),
    }
}

/// The identity that an order is for; `None`: either.
fn identity_needed(order: &Order) -> Option<Identity> {
    match order {
        Order::Capture(_) | Order::Push(_) | Order::SyncUsers(_) | Order::Unfence(_) => Some(Identity::Primary),
        Order::Pull(_)
        | Order::Verify(_)
        | Order::Commit(_)
        | Order::Abandon(_)
        | Order::AdjustUsers(_)
        | Order::Drill(_)
        | Order::Reverse(_) => Some(Identity::Secondary),
        Order::Join(_)
        | Order::Leave
        | Order::Holdings
        | Order::StorePolicies(_)
        | Order::Arm(_)
        | Order::Abort(_)
        | Order::Prune(_)
        | Order::ReadUsers
        | Order::Leftovers(_)
        | Order::EndDrill(_)
        | Order::Restore(_)
        | Order::EndRestore(_)
        | Order::CopyKept(_)
        | Order::Promote(_)
        | Order::Demote(_) => None,
    }
}

fn needs(member: &PairFacts, identity: Identity, order: &Order) -> Result<(), Trouble> {
    if member.claim.identity == identity {
        return Ok(());
    }
    let why =
        format!("{} is for the {identity}, and this cluster is {} at epoch {}", order.name(), member.claim.identity, member.claim.epoch);
    Err(refused(&member.pair, why))
}

fn refused(pair: &PairName, reason: impl std::fmt::Display) -> Trouble {
    Trouble::new(TroubleKind::Refused, format!("pair {pair}"), reason)
}

fn outdated(pair: &PairName, told: Epoch, known: Epoch) -> Trouble {
    Trouble::new(TroubleKind::Outdated, format!("pair {pair}"), format!("epoch {told} is over: this agent knows epoch {known}"))
}

fn not_for(pair: &PairName, named: &ClusterName, here: &ClusterName) -> Trouble {
    Trouble::new(TroubleKind::Invalid, format!("pair {pair}"), format!("the decision is for {named}, and this is {here}"))
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
