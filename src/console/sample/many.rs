//! The sample with as many services as a real estate has, most of them without a recovery point yet, and with names in other scripts.

use super::{faulty, name, runbook, snapshot};
use crate::controller::Snapshot;
use crate::controller::command::{Check, Going, Removal, Runbook, ServiceGoing, Verb};
use crate::controller::snapshot::{PairView, ResumeView, ServiceState, ServiceView};
use crate::domain::{DataSet, DataSetName};

/// So many services.
pub const MANY: usize = 202;
/// Lines of a runbook: enough to scroll, and cheap enough to draw in a test.
const LINES: usize = 64;

/// Names that people give to directories and tables, one for each of many scripts.
pub const SCRIPTS: [&str; 12] = [
    "files:发票",
    "tables:订单明细",
    "files:請求書カタログ",
    "files:주문내역",
    "files:فواتير",
    "files:חשבוניות",
    "files:चालान",
    "files:ใบแจ้งหนี้",
    "files:τιμολόγια",
    "files:Счета",
    "files:հաշիվներ",
    "files:📦-box",
];

fn fill(pair: &mut PairView) {
    let like = pair.services[1].clone();
    for number in pair.services.len()..MANY {
        let mut service = like.clone();
        service.name = name(&format!("svc-{number:03}"));
        service.policy.name = service.name.clone();
        (service.state, service.last_point, service.rpo_secs) = (ServiceState::NeverProtected, None, None);
        pair.services.push(service);
    }
}

/// The healthy pair with 202 services; only the first four have recovery points.
pub fn many() -> Snapshot {
    let mut snapshot = snapshot();
    fill(&mut snapshot.pairs[0]);
    snapshot
}

/// The same with the primary faulty.
pub fn many_faulty() -> Snapshot {
    let mut snapshot = faulty();
    let pair = &mut snapshot.pairs[0];
    fill(pair);
    let without = |service: &ServiceView| ResumeView { service: service.name.clone(), point: None, live: false, lost_secs: None };
    let more: Vec<ResumeView> = pair.services.iter().skip(4).map(without).collect();
    pair.fault.iter_mut().for_each(|fault| fault.resume.extend(more.clone()));
    snapshot
}

/// A runbook with far more lines than a window has, as an engine of an earlier version gives it.
pub fn many_lines(verb: Verb) -> Runbook {
    let mut runbook = runbook(verb);
    let line = |number: usize| Check::warning(format!("Recovery point of svc-{number:03}"), "guiyang holds none", "run a backup first");
    runbook.checks.extend((4..LINES).map(line));
    runbook
}

/// What would go with the pair: a line for each of them.
pub fn many_going() -> Going {
    let mut going = super::going(&Removal::Pair);
    let service =
        |number: usize| ServiceGoing { service: name(&format!("svc-{number:03}")), points: 2, oldest: None, newest: Some(super::now()) };
    going.services.extend((4..MANY).map(service));
    going
}

/// The healthy pair with data sets named in many scripts.
pub fn scripts() -> Snapshot {
    let mut snapshot = snapshot();
    let sets = SCRIPTS.map(|text| {
        let name: DataSetName = name(text);
        DataSet { from: name.clone(), to: name }
    });
    for point in &mut snapshot.points {
        for (set, other) in point.data_sets.iter_mut().zip(&sets) {
            (set.name, set.to) = (other.from.clone(), other.to.clone());
        }
    }
    let service = &mut snapshot.pairs[0].services[0];
    service.policy.owner = "陈伟 · Владимир".to_owned();
    service.policy.data_sets = sets.into();
    let like = snapshot.runs[0].report.data_sets[0].clone();
    snapshot.runs[0].report.data_sets = service
        .policy
        .data_sets
        .iter()
        .map(|set| crate::domain::PointDataSet { name: set.from.clone(), to: set.to.clone(), ..like.clone() })
        .collect();
    snapshot
}
