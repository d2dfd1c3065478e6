//! The fault prompt, in words: pure. Whether a person may decide is the same question as of the command itself ([`admissible`]).

use crate::domain::switchover::machine::PairPhase;

use super::command::{FenceLine, Verb};
use super::executed::Turn;
use super::model::{Model, PairModel};
use super::snapshot::{FaultPrompt, ResumeView};
use super::{admissible, alone, fences};

/// The prompt, while a person has to decide or has to know why there is nothing to decide.
pub(super) fn fault(model: &Model, pair: &PairModel) -> Option<FaultPrompt> {
    let found = &pair.diagnosis;
    if found.held.is_some() {
        return None;
    }
    let since = match &pair.state.phase {
        PairPhase::AwaitingDecision { since } => *since,
        phase if phase.may_be_lost() => phase.lost()?,
        PairPhase::Suspect { .. } if !found.verdict.offers_button() && !found.observed.is_empty() => found.known_since?,
        _ => return None,
    };
    let survivor = pair.state.other().clone();
    let refused = admissible::of_verb(model, pair, Verb::Adjust).err().map(|refused| refused.trouble().reason).unwrap_or_default();
    let turn = Turn { from: pair.state.serving().clone(), to: survivor.clone(), planned: false, hold: false, live: alone::is_lost(pair) };
    Some(FaultPrompt {
        faulty: pair.state.serving().clone(),
        since,
        observed: found.observed.clone(),
        cause: found.verdict,
        verdict: found.words.clone(),
        resume: resume(model, pair),
        users: users(pair),
        will: turn.plan().iter().map(ToString::to_string).collect(),
        unproven: unproven(model, pair),
        can_adjust: refused.is_empty(),
        refused,
        survivor,
        live: alone::is_lost(pair),
        promoting: matches!(pair.state.phase, PairPhase::Promoting { .. }),
    })
}

/// The fences of the primary that nobody could read back.
pub(super) fn unproven(model: &Model, pair: &PairModel) -> Vec<FenceLine> {
    fences::lines(model, pair, pair.state.serving()).into_iter().filter(|fence| !fence.proven).collect()
}

/// What each service would resume from at the secondary.
fn resume(model: &Model, pair: &PairModel) -> Vec<ResumeView> {
    if let Some(lone) = alone::lost(model, pair) {
        return alone::resume(model, pair, &lone);
    }
    model
        .services_of(&pair.paired.name)
        .map(|service| {
            let points = model.points.get(&service.name).map(Vec::as_slice).unwrap_or_default();
            let point = points.iter().find(|p| p.to == pair.state.secondary && p.captured.grade != crate::domain::Grade::Invalid).cloned();
            let lost_secs = point.as_ref().and_then(|point| lost_secs(pair, point.captured.first));
            ResumeView { service: service.name.clone(), lost_secs, live: false, point }
        })
        .collect()
}

/// Seconds of writes from then until the primary's last sign of life; `None` where it never gave one.
pub(super) fn lost_secs(pair: &PairModel, since: chrono::DateTime<chrono::Utc>) -> Option<u64> {
    let last_sign = pair.watch_of(pair.state.serving())?.last_seen?;
    Some((last_sign - since).num_seconds().max(0).unsigned_abs())
}

pub(super) fn users(pair: &PairModel) -> String {
    match (&pair.users, &pair.users_trouble) {
        (Some(users), _) if users.differences.is_empty() => format!("in sync as of {}", users.at.format("%Y-%m-%d %H:%M:%S UTC")),
        (Some(users), _) => {
            format!("{} differences open as of {}", users.differences.len(), users.at.format("%Y-%m-%d %H:%M:%S UTC"))
        }
        (None, Some(trouble)) => format!("unknown: {trouble}"),
        (None, None) => "never synced".to_owned(),
    }
}

/// Everything a person was shown, for the record of their decision.
pub(super) fn shown(model: &Model, pair: &PairModel) -> Vec<String> {
    let mut lines = vec![pair.diagnosis.words.clone()];
    lines.extend(pair.diagnosis.observed.iter().map(|o| format!("{}: {}", o.who, o.saw)));
    lines.extend(alone::lost(model, pair).map(|lone| alone::words(pair, &lone)));
    lines.extend(resume(model, pair).iter().map(|r| match (&r.point, r.lost_secs) {
        (None, Some(lost)) if r.live => format!("{} goes on from what is live, without {lost} s of writes", r.service),
        (None, None) if r.live => format!("{} goes on from what is live; how much is lost is not known", r.service),
        (Some(point), Some(lost)) => format!("{} resumes from {} and loses {lost} s of writes", r.service, point.id),
        (Some(point), None) => format!("{} resumes from {}; how much is lost is not known", r.service, point.id),
        (None, _) => format!("{} has no recovery point and will not come up", r.service),
    }));
    lines.push(format!("user data: {}", users(pair)));
    lines.retain(|line| !line.is_empty());
    lines
}
