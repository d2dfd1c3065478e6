//! Recovery points that a person chooses in place of the newest ones. Pure.
//!
//! ```text
//! what was asked for + what the survivor holds → nothing against it | a refusal that names the service and the point
//! ```

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{ClusterName, Grade, PairName, PointId, ServiceName, Trouble, TroubleKind};

use super::adjust::{self, Ask};
use super::model::Model;
use super::pairing;

/// Why chosen points are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "code")]
#[expect(clippy::enum_variant_names, reason = "each name is a code, which stands alone")]
enum NotTaken {
    /// A planned switchover resumes from its final runs.
    ChosenWhilePlanned,
    /// The cluster goes on from what is live there.
    ChosenWhileLive,
    /// The pair has no such service.
    ChosenServiceUnknown { service: ServiceName },
    /// The survivor holds no such sealed point of it.
    ChosenPointNotHeld { service: ServiceName, point: PointId },
    /// Its captures are not of one moment.
    ChosenPointInvalid { service: ServiceName, point: PointId },
}

impl NotTaken {
    fn trouble(&self, pair: &PairName, survivor: &ClusterName) -> Trouble {
        let refused = |object: String, reason: String| Trouble::new(TroubleKind::Refused, object, reason);
        let trouble = match self {
            NotTaken::ChosenWhilePlanned => {
                refused(format!("pair {pair}"), "a planned switchover resumes from its final runs, and from no older point".to_owned())
                    .next("leave the points out")
            }
            NotTaken::ChosenWhileLive => {
                refused(format!("pair {pair}"), format!("{survivor} goes on from what is live there, and from no point"))
                    .next("leave the points out")
            }
            NotTaken::ChosenServiceUnknown { service } => {
                refused(format!("service {service}"), format!("pair {pair} has no such service")).next("see `understudy status`")
            }
            NotTaken::ChosenPointNotHeld { service, point } => {
                refused(format!("point {point}"), format!("{survivor} holds no such sealed point of service {service}"))
                    .next(format!("see `understudy points {service}`"))
            }
            NotTaken::ChosenPointInvalid { service, point } => {
                refused(format!("point {point}"), "its captures are not of one moment".to_owned())
                    .next(format!("see `understudy points {service}`"))
            }
        };
        trouble.coded(self)
    }
}

/// The points that the person chose, once they are known to be good, and what is kept of that choice in words.
pub(super) fn of(model: &Model, ask: &Ask) -> Result<(BTreeMap<ServiceName, PointId>, Vec<String>), Trouble> {
    let pair = model.pairs.get(&ask.pair).ok_or_else(|| pairing::unknown_pair(&ask.pair))?;
    let (newest, live) = adjust::resumes(model, pair, &ask.to);
    check(model, &ask.pair, &ask.to, &ask.points, ask.planned, live.is_some())?;
    Ok((ask.points.clone(), words(model, &newest, &ask.points)))
}

/// Refuses points that cannot be resumed from.
fn check(
    model: &Model,
    pair: &PairName,
    survivor: &ClusterName,
    asked: &BTreeMap<ServiceName, PointId>,
    planned: bool,
    live: bool,
) -> Result<(), Trouble> {
    asked.iter().try_for_each(|(service, point)| {
        let (service, point) = (service.clone(), *point);
        let not_taken = if planned {
            NotTaken::ChosenWhilePlanned
        } else if live {
            NotTaken::ChosenWhileLive
        } else if !model.services_of(pair).any(|known| known.name == service) {
            NotTaken::ChosenServiceUnknown { service }
        } else {
            let held = model.points.get(&service).and_then(|points| points.iter().find(|held| held.id == point));
            match held.filter(|held| held.to == *survivor && held.sealed_at.is_some()) {
                None => NotTaken::ChosenPointNotHeld { service, point },
                Some(held) if held.captured.grade == Grade::Invalid => NotTaken::ChosenPointInvalid { service, point },
                Some(_) => return Ok(()),
            }
        };
        Err(not_taken.trouble(pair, survivor))
    })
}

/// What a person chose, for the record of their decision: seconds of writes that the chosen point is behind the newest one.
fn words(model: &Model, newest: &BTreeMap<ServiceName, PointId>, asked: &BTreeMap<ServiceName, PointId>) -> Vec<String> {
    let at = |service: &ServiceName, id: &PointId| {
        model.points.get(service).and_then(|points| points.iter().find(|point| point.id == *id)).map(|point| point.captured.first)
    };
    let line = |(service, point): (&ServiceName, &PointId)| {
        let newer = newest.get(service).and_then(|id| at(service, id));
        let behind = at(service, point).zip(newer).map_or(0, |(chosen, newest)| (newest - chosen).num_seconds().max(0));
        format!("{service} was chosen to resume from {point}, {behind} s before its newest point")
    };
    asked.iter().filter(|(service, point)| newest.get(*service) != Some(*point)).map(line).collect()
}
