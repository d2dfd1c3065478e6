//! The points that a person may resume a service from after a fault, and what they cost: the newest unless another is chosen, which then
//! stays.

use std::collections::BTreeMap;

use crate::console::said::Said;
use crate::console::screens::Scene;
use crate::console::words;
use crate::controller::snapshot::{FaultPrompt, ResumeView};
use crate::domain::{PointId, RecoveryPoint, ServiceName};

/// The points that were chosen in place of the newest ones.
pub type Chosen = BTreeMap<ServiceName, PointId>;

/// One point that can be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// It.
    pub point: PointId,
    /// Its moment, grade, the data that is lost with it, and what comes after it.
    pub cells: [Said; 4],
}

/// The sealed points of a service at the survivor, newest first.
fn points_of<'a>(scene: &Scene<'a>, fault: &FaultPrompt, service: &ServiceName) -> Vec<&'a RecoveryPoint> {
    let own = |point: &&RecoveryPoint| point.service == *service && point.to == fault.survivor && point.sealed_at.is_some();
    let mut points: Vec<&RecoveryPoint> = scene.snapshot.points.iter().filter(own).collect();
    points.sort_by_key(|point| std::cmp::Reverse((point.captured.first, point.id)));
    points
}

/// The point of a line: the chosen one where it is still held, else the newest.
pub fn point_of<'a>(scene: &Scene<'a>, fault: &FaultPrompt, line: &'a ResumeView, chosen: &Chosen) -> Option<&'a RecoveryPoint> {
    let id = chosen.get(&line.service);
    let held = id.and_then(|id| points_of(scene, fault, &line.service).into_iter().find(|point| point.id == *id));
    held.or(line.point.as_ref())
}

/// Seconds of writes that are lost with a point: those that are lost with the newest, and what lies between the two.
pub fn lost_secs(line: &ResumeView, point: &RecoveryPoint) -> Option<u64> {
    let newest = line.point.as_ref()?;
    let between = (newest.captured.first - point.captured.first).num_seconds();
    Some(line.lost_secs? + u64::try_from(between).unwrap_or(0))
}

/// What a service can be resumed from.
pub fn choices(scene: &Scene<'_>, fault: &FaultPrompt, line: &ResumeView) -> Vec<Choice> {
    let points = points_of(scene, fault, &line.service);
    let cells = |(newer, point): (usize, &&RecoveryPoint)| {
        let lost = lost_secs(line, point).map_or(Said::warn("unknown"), |secs| Said::warn(words::duration(secs)));
        let after = match newer {
            0 => Said::ok("the newest"),
            count => Said::muted(words::plural(count as u64, "newer point")),
        };
        Choice {
            point: point.id,
            cells: [Said::plain(scene.zone.day_moment(point.moment, scene.now)), words::grade(point.captured.grade), lost, after],
        }
    };
    points.iter().enumerate().map(cells).collect()
}

/// What the decision costs in all: a table of 200 services says it to nobody.
pub fn totals(scene: &Scene<'_>, fault: &FaultPrompt, chosen: &Chosen) -> Vec<Said> {
    let all = fault.resume.len() as u64;
    if fault.live || all == 0 {
        return Vec::new();
    }
    let with: Vec<&ResumeView> = fault.resume.iter().filter(|line| line.point.is_some()).collect();
    let without = all - with.len() as u64;
    let up = match without {
        0 if all == 1 => Said::ok("✓ The service has a recovery point"),
        0 => Said::ok(format!("✓ All {} have a recovery point", words::plural(all, "service"))),
        1 if all == 1 => Said::bad("✖ The service has no recovery point: it would not come up"),
        1 => Said::bad(format!("✖ 1 of {} has no recovery point: it would not come up", words::plural(all, "service"))),
        _ => Said::bad(format!("✖ {without} of {} have no recovery point: they would not come up", words::plural(all, "service"))),
    };
    let lost = |line: &ResumeView| lost_secs(line, point_of(scene, fault, line, chosen)?);
    let unknown = with.iter().filter(|line| line.lost_secs.is_none()).count();
    let most = with.iter().filter_map(|line| lost(line).map(|secs| (secs, &line.service))).max();
    let lost = most.map(|(secs, service)| {
        let more = if unknown > 0 { format!("; of {unknown} it is not known") } else { String::new() };
        Said::plain(format!("Data lost: at most {} ({service}){more}", words::duration(secs)))
    });
    std::iter::once(up).chain(lost).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;
    use crate::console::words::Zone;

    #[test]
    fn an_older_point_loses_what_lies_between_and_stays_chosen_when_a_newer_one_is_sealed() {
        let mut snapshot = sample::faulty();
        let fault = snapshot.pairs[0].fault.clone().expect("a fault");
        let line = fault.resume.iter().find(|line| line.service.as_str() == "orders").expect("the service").clone();
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::UTC));
        let all = choices(&scene, &fault, &line);
        assert!(all.len() > 2 && all[0].cells[3].text == "the newest" && all[2].cells[3].text == "2 newer points", "{:?}", all[2]);
        let newest = line.point.clone().expect("a point");
        assert_eq!((all[0].point, lost_secs(&line, &newest)), (newest.id, line.lost_secs));
        let third = points_of(&scene, &fault, &line.service)[2].clone();
        let between = u64::try_from((newest.captured.first - third.captured.first).num_seconds()).expect("older");
        assert_eq!(lost_secs(&line, &third), line.lost_secs.map(|secs| secs + between));
        let chosen = Chosen::from([(line.service.clone(), third.id)]);
        let later = RecoveryPoint { id: PointId(uuid::Uuid::max()), ..newest };
        snapshot.points.insert(0, later.clone());
        let line = ResumeView { point: Some(later), ..line };
        let scene = Scene::of(&snapshot, sample::now(), Zone::Named(chrono_tz::UTC));
        assert_eq!(point_of(&scene, &fault, &line, &chosen).map(|point| point.id), Some(third.id));
        let gone = Chosen::from([(line.service.clone(), PointId(uuid::Uuid::nil()))]);
        assert_eq!(point_of(&scene, &fault, &line, &gone), line.point.as_ref());
    }
}
