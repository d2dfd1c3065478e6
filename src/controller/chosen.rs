//! Recovery points that a person chooses in place of the newest ones. Pure.
//!
//! ```text
//! newest point of each service + what was asked for → the points of the decision | a refusal that names the service and the point
//! ```

use std::collections::BTreeMap;

use crate::domain::{ClusterName, Grade, PairName, PointId, ServiceName, Trouble, TroubleKind};

use super::model::Model;

/// The points of a decision: the newest ones, but for the services that a person chose another for.
pub(super) fn choose(
    model: &Model,
    pair: &PairName,
    survivor: &ClusterName,
    newest: BTreeMap<ServiceName, PointId>,
    asked: &BTreeMap<ServiceName, PointId>,
) -> Result<BTreeMap<ServiceName, PointId>, Trouble> {
    let mut points = newest;
    for (service, point) in asked {
        let refuse = |reason: String| {
            Trouble::new(TroubleKind::Refused, format!("point {point}"), reason).next(format!("see `understudy points {service}`"))
        };
        if !model.services_of(pair).any(|known| known.name == *service) {
            return Err(Trouble::new(TroubleKind::NotFound, format!("service {service}"), format!("pair {pair} has no such service"))
                .next("see `understudy status`"));
        }
        let held = model.points.get(service).and_then(|points| points.iter().find(|held| held.id == *point));
        let held = held.filter(|held| held.to == *survivor && held.sealed_at.is_some());
        let held = held.ok_or_else(|| refuse(format!("{survivor} holds no such sealed point of service {service}")))?;
        if held.captured.grade == Grade::Invalid {
            return Err(refuse("its captures are not of one moment".to_owned()));
        }
        points.insert(service.clone(), *point);
    }
    Ok(points)
}

/// What a person chose, for the record of their decision: seconds of writes that the chosen point is behind the newest one.
pub(super) fn words(model: &Model, newest: &BTreeMap<ServiceName, PointId>, asked: &BTreeMap<ServiceName, PointId>) -> Vec<String> {
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
