//! A primary that is lost while it is alone: the other cluster, fenced, holds no newer recovery point of its data and goes on from what is
//! live there. Pure.
//!
//! ```text
//! active alone, lost → what each service goes on from, and what is lost → (a person) decision with `live` → as after any other fault
//! ```
//! What the lost primary wrote is not gone: once it is back, reversing the replication keeps it there under snapshots of its own.

use chrono::{DateTime, Utc};

use crate::domain::switchover::machine::{Decision, PairPhase};

use super::model::{Model, PairModel};
use super::prompt;
use super::snapshot::ResumeView;

/// A primary that was lost while it was alone.
pub(super) struct Lone<'a> {
    /// The decision that made it primary; its points are the newest that both clusters have.
    pub decision: &'a Decision,
    /// Since when what it took is its own alone. Held for a look it took nothing: since it was lost.
    pub since: DateTime<Utc>,
}

/// The pair's primary, if it was lost while it was alone.
pub(super) fn lost(pair: &PairModel) -> Option<Lone<'_>> {
    let lost = pair.state.phase.lost()?;
    let phase = match &pair.state.phase {
        PairPhase::TakingBack { before, .. } => before,
        phase => phase,
    };
    let PairPhase::ActiveAlone { decision, since, held, .. } = phase else { return None };
    Some(Lone { decision, since: if *held { lost } else { *since } })
}

/// What each service goes on from: what is live at the survivor.
pub(super) fn resume(model: &Model, pair: &PairModel, lone: &Lone<'_>) -> Vec<ResumeView> {
    let lost_secs = prompt::lost_secs(pair, lone.since);
    model
        .services_of(&pair.paired.name)
        .map(|service| ResumeView { service: service.name.clone(), point: None, live: true, lost_secs })
        .collect()
}

/// What a person is told of it, a line each.
pub(super) fn words(pair: &PairModel, lone: &Lone<'_>) -> String {
    let (lost, survivor) = (&pair.state.primary, &pair.state.secondary);
    format!(
        "{survivor} goes on from what it holds itself, up to the change of {}; what {lost} took alone since is not there, and is kept at {lost}",
        lone.decision.at.format("%Y-%m-%d %H:%M:%S UTC")
    )
}
