//! A primary that is lost while it is alone, or while it is still being promoted: the other cluster, fenced, holds no newer recovery point of
//! its data and goes on from what is live there. Pure.
//!
//! ```text
//! active alone or promoting, lost → what each service goes on from, and what is lost → (a person) decision with `live` → as after any fault
//! ```
//! What the lost primary wrote is not gone: once it is back, reversing the replication keeps it there under snapshots of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::switchover::machine::{Decision, PairPhase};
use crate::domain::{ClusterName, PointId, ServiceName};

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

/// Whether the pair's primary was lost while it was alone, or still being promoted.
pub(super) fn is_lost(pair: &PairModel) -> bool {
    pair.state.phase.lost().is_some() && pair.state.phase.is_unprotected()
}

/// The pair's primary, if it was lost so.
pub(super) fn lost<'a>(model: &Model, pair: &'a PairModel) -> Option<Lone<'a>> {
    let lost = pair.state.phase.lost()?;
    let phase = match &pair.state.phase {
        PairPhase::TakingBack { before, .. } => before,
        phase => phase,
    };
    match phase {
        PairPhase::ActiveAlone { decision, since, held, .. } => Some(Lone { decision, since: if *held { lost } else { *since } }),
        // It may have been up already, and only nobody was told. By then a promotion taken back has all that it took since the point that
        // the other one was brought up from.
        PairPhase::Promoting { decision, .. } => {
            let point = decision.points.iter().filter_map(|(service, id)| model.points.get(service)?.iter().find(|point| point.id == *id));
            let captured = point.map(|point| point.captured.first).min().filter(|_| decision.take_back);
            Some(Lone { decision, since: captured.unwrap_or(decision.at) })
        }
        _ => None,
    }
}

/// What `to` goes on from where it is not from recovery points: since when it lacks what the other took, and the newest points that both
/// have. So it is when the other was lost alone, and when it cannot be asked whether it follows a switchover that a controller has left.
pub(super) fn goes_on(model: &Model, pair: &PairModel, to: &ClusterName) -> Option<(BTreeMap<ServiceName, PointId>, DateTime<Utc>)> {
    let left = pair.left_from(to).map(|left| (left.points.clone(), left.at));
    left.or_else(|| lost(model, pair).map(|lone| (lone.decision.points.clone(), lone.since)))
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
    let (lost, survivor) = (pair.state.serving(), pair.state.other());
    let (until, at) = match lone.decision.take_back {
        true => ("its recovery point", lone.since),
        false => ("the change", lone.decision.at),
    };
    format!(
        "{survivor} goes on from what it holds itself, up to {until} of {}; what {lost} took alone since is not there, and is kept at {lost}",
        at.format("%Y-%m-%d %H:%M:%S UTC")
    )
}
