//! A pair rebuilt from a cluster alone that gave way to the other one's word and was never told the decision, while that other one is
//! lost for good. Pure.
//!
//! ```text
//! what the cluster holds → its own live data, or recovery points → events up to "lost for good" → the prompt
//!                                       → (a person) a decision above every epoch that the lost one may hold
//! ```
//! The decision that nobody was told is put in its place with its id and its epoch and nothing else. It is never sent to anybody.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::switchover::machine::{Decision, Event};
use crate::domain::{ClusterName, Epoch, InstructionId, PointId, ServiceName};
use crate::protocol::PairRecord;

/// How many decisions the lost cluster may have followed that the other one never heard of. Persons do not decide so often, and an agent
/// believes a much larger step.
const UNHEARD: u64 = 1 << 10;

/// What a cluster can go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It was primary: its own live data, which is newer than every point. With the newest points that both clusters had, where they are
    /// known.
    Live(BTreeMap<ServiceName, PointId>),
    /// It stood by: points that were sealed there.
    Points,
}

/// What a cluster that gave way can go on from. `was_fenced`: its agent tells of a fence, which only a primary that gives way puts on by
/// itself. `None`: nothing.
pub fn held(own: &ClusterName, record: &PairRecord, was_fenced: bool) -> Option<Held> {
    let sealed_here = record.points.iter().filter(|point| point.sealed_at.is_some() && point.to == *own).map(|point| point.epoch).max();
    match record.decisions.iter().max_by_key(|decision| decision.epoch) {
        Some(told) if told.to == *own => Some(Held::Live(told.points.clone())),
        // It was made the target by that decision, or was fenced and never was one since.
        Some(told) if sealed_here.is_some_and(|epoch| epoch >= told.epoch) => Some(Held::Points),
        Some(told) => Some(Held::Live(told.points.clone())),
        None if sealed_here.is_some() => Some(Held::Points),
        None => was_fenced.then(|| Held::Live(BTreeMap::new())),
    }
}

/// The events that lead to where a person decides that this cluster goes on.
pub fn history(own: &ClusterName, record: &PairRecord, held: Held, by: &str, at: DateTime<Utc>) -> Vec<Event> {
    let (own, lost, epoch) = (own.clone(), record.peer.cluster.clone(), record.claim.epoch);
    let mut events = match held {
        Held::Points => vec![Event::Paired { primary: lost, secondary: own, epoch }],
        Held::Live(points) => {
            let decision = Box::new(unknown(record, own.clone(), points, at));
            vec![
                Event::Paired { primary: own, secondary: lost, epoch: Epoch(epoch.0.saturating_sub(1)) },
                Event::FaultDeclared { at },
                Event::Decided { decision },
                Event::Promoted { at, failed: BTreeMap::new(), instead: BTreeMap::new() },
                Event::OldPrimaryFenced { at },
            ]
        }
    };
    events.push(Event::LostForGood { at, by: by.to_owned(), unheard: Epoch(epoch.0.saturating_add(UNHEARD)).min(Epoch::MAX) });
    events
}

/// What stands for the decision that nobody here was told.
fn unknown(record: &PairRecord, own: ClusterName, points: BTreeMap<ServiceName, PointId>, at: DateTime<Utc>) -> Decision {
    let id = |n: u128| InstructionId(Uuid::from_u128(record.claim.decision.0.as_u128() ^ n));
    Decision {
        id: record.claim.decision,
        epoch: record.claim.epoch,
        by: "not known".to_owned(),
        at,
        to: record.peer.cluster.clone(),
        from: own,
        planned: false,
        points,
        shown: Vec::new(),
        promote: id(1),
        demote: id(2),
        unfence: id(3),
        hold: false,
        take_back: false,
        live: None,
        declared: None,
    }
}

#[cfg(test)]
mod tests;
