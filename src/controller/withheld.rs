//! What keeps a fault from being prompted: a maintenance of the pair, or an engine that only observes. Pure.
//!
//! A hold changes nothing of what is seen and shown. It withholds the prompt and the alert, and with them the decision after a fault.

use chrono::{DateTime, Utc};

use crate::domain::maintenance::Maintenance;
use crate::domain::watch::Diagnosis;
use crate::domain::{ClusterName, Trouble, TroubleKind};

use super::WatchMode;
use super::model::PairModel;

/// Why nobody is prompted just now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// `mode = "observe"`.
    Observing,
    /// A person said so.
    Maintenance(Maintenance),
}

/// What holds a pair's faults back. An engine that only observes does so in a maintenance as well.
pub(super) fn of(pair: &PairModel, mode: WatchMode, now: DateTime<Utc>) -> Option<Why> {
    match mode {
        WatchMode::Observe => Some(Why::Observing),
        WatchMode::Prompt => pair.maintenance.clone().filter(|maintenance| maintenance.is_on(now)).map(Why::Maintenance),
    }
}

impl Why {
    /// What the activity says when a fault begins that is held back.
    pub fn begins(&self, found: &Diagnosis) -> String {
        let evidence = found.evidence.iter().map(|line| format!("{}: {}", line.who, line.saw)).collect::<Vec<_>>().join("; ");
        match self {
            Why::Observing => format!("would have prompted: {} ({evidence})", found.words),
            Why::Maintenance(maintenance) => format!("held back ({maintenance}): {} ({evidence})", found.words),
        }
    }

    /// What it says when such a fault is over.
    pub fn ends(&self, cluster: &ClusterName, since: DateTime<Utc>, now: DateTime<Utc>) -> String {
        let lasted = (now - since).num_seconds();
        match self {
            Why::Observing => format!("the prompt would have gone: {cluster} is well again, after {lasted} s"),
            Why::Maintenance(_) => format!("what was held back is over: {cluster} is well again, after {lasted} s"),
        }
    }
}

/// Refuses every change of identities, planned or not, while the engine only observes.
pub(super) fn check_changes(pair: &PairModel) -> Result<(), Trouble> {
    match &pair.diagnosis.held {
        Some(Why::Observing) => {
            let reason = "this engine only observes (mode = \"observe\" in engine.toml): no identity is changed from here, planned or not";
            Err(Trouble::new(TroubleKind::Refused, format!("pair {}", pair.paired.name), reason)
                .next("set mode = \"prompt\" under [watch] in engine.toml, start the engine again, and decide then"))
        }
        Some(Why::Maintenance(_)) | None => Ok(()),
    }
}

/// Refuses a decision after a fault during a maintenance, which is there because the cluster was expected to look faulty.
pub(super) fn check_decides(pair: &PairModel) -> Result<(), Trouble> {
    match &pair.diagnosis.held {
        Some(Why::Maintenance(maintenance)) => {
            let name = &pair.paired.name;
            Err(Trouble::new(TroubleKind::Refused, format!("pair {name}"), format!("{maintenance}: a fault is expected"))
                .next(format!("if it is no part of it, end it and decide then: understudy maintenance {name} --end")))
        }
        Some(Why::Observing) | None => Ok(()),
    }
}
