//! What a removal would take away: shown before a person types the pair's name, and before anything goes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::{ClusterName, ComponentName, PairName, PointId, ServiceName};
use crate::protocol::KeptWrites;

/// What a person wants removed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", content = "which")]
pub enum Removal {
    /// The pair, with everything of ours on both clusters.
    Pair,
    /// What a cluster wrote after a common point and keeps under this id.
    Kept(PointId),
    /// The leftovers, also those of the pair's data sets that no agent here made.
    Leftovers,
}

/// What would go. As `would_remove` in `--json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// The pair.
    pub pair: PairName,
    /// What was asked for.
    pub removal: Removal,
    /// The services that are protected no longer.
    pub services: Vec<ServiceGoing>,
    /// The clusters, with what goes there.
    pub clusters: Vec<ClusterGoing>,
}

/// A service, and its recovery points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceGoing {
    /// Its name.
    pub service: ServiceName,
    /// How many recovery points go, each counted once.
    pub points: u64,
    /// The moment of the oldest.
    pub oldest: Option<DateTime<Utc>>,
    /// The moment of the newest.
    pub newest: Option<DateTime<Utc>>,
}

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterGoing {
    /// Its name.
    pub cluster: ClusterName,
    /// Why it is not known what it holds; then the numbers say nothing.
    pub unknown: Option<String>,
    /// When it was last seen.
    pub last_seen: Option<DateTime<Utc>>,
    /// Snapshots of ours, by component.
    pub snapshots: BTreeMap<ComponentName, u64>,
    /// How many of them no agent here made: another installation may count on them.
    pub not_made_here: u64,
    /// What it wrote after common points and keeps.
    pub kept: Vec<KeptWrites>,
    /// Stagings.
    pub staging: u64,
    /// Spaces of drills.
    pub drills: u64,
    /// Data sets whose fence is lifted.
    pub fenced: u64,
    /// What could not be listed, in words.
    pub failed: Vec<String>,
}

impl ClusterGoing {
    /// A cluster where nothing goes, as far as is known.
    pub fn nothing(cluster: ClusterName, last_seen: Option<DateTime<Utc>>) -> ClusterGoing {
        ClusterGoing {
            cluster,
            unknown: None,
            last_seen,
            snapshots: BTreeMap::new(),
            not_made_here: 0,
            kept: Vec::new(),
            staging: 0,
            drills: 0,
            fenced: 0,
            failed: Vec::new(),
        }
    }
}

/// How a time is written.
type Time<'a> = &'a dyn Fn(DateTime<Utc>) -> String;

impl Going {
    /// The whole command line that does it.
    pub fn command(&self) -> String {
        let pair = &self.pair;
        match &self.removal {
            Removal::Pair => format!("understudy unpair {pair} --confirm {pair}"),
            Removal::Kept(id) => format!("understudy kept {pair} --remove {id} --confirm {pair}"),
            Removal::Leftovers => format!("understudy leftovers {pair} --remove --unknown --confirm {pair}"),
        }
    }

    /// For a person: what goes, line by line, with times as `time` writes them.
    pub fn lines(&self, time: Time<'_>) -> Vec<String> {
        let mut lines = vec![match &self.removal {
            Removal::Pair => format!("dissolving pair {} removes for good:", self.pair),
            Removal::Kept(id) => format!("removing {id} of pair {} removes for good:", self.pair),
            Removal::Leftovers => format!("removing the leftovers of pair {}, unknown ones too, removes for good:", self.pair),
        }];
        if self.removal == Removal::Pair {
            lines.push(format!("{}, protected no longer", counted(self.services.len() as u64, "service")));
            lines.extend(self.services.iter().map(|service| format!("  service {}: {}", service.service, points(service, time))));
        }
        lines.extend(self.clusters.iter().flat_map(|cluster| cluster.lines(time)));
        lines
    }
}

impl ClusterGoing {
    fn lines(&self, time: Time<'_>) -> Vec<String> {
        let cluster = &self.cluster;
        if let Some(why) = &self.unknown {
            let seen = self.last_seen.map_or("never seen".to_owned(), |at| format!("last seen {}", time(at)));
            return vec![format!("{cluster}: what it holds is not known, {seen}: {why}")];
        }
        let snapshots: u64 = self.snapshots.values().sum();
        let by: Vec<String> = self.snapshots.iter().map(|(component, count)| format!("{component} {count}")).collect();
        let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
        let mut lines = vec![format!("{cluster}: {}{by}", counted(snapshots, "snapshot"))];
        if self.not_made_here > 0 {
            lines.push(format!(
                "{cluster}: {} of these was made by no agent here; another installation may count on it",
                self.not_made_here
            ));
        }
        lines.extend(self.kept.iter().map(|kept| {
            let differences: u64 = kept.changed.values().sum();
            let differences = counted(differences, "difference");
            format!("{cluster}: what it wrote to {} after point {}, kept {}, {differences}", kept.service, kept.after, time(kept.at))
        }));
        let rest = [(self.staging, "staging"), (self.drills, "space of a drill")];
        lines.extend(rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{cluster}: {count} × {what}")));
        if self.fenced > 0 {
            lines.push(format!("{cluster}: the fence of {} is lifted, applications may write there", counted(self.fenced, "data set")));
        }
        lines.extend(self.failed.iter().map(|why| format!("{cluster}: there may be more, {why}")));
        lines
    }
}

fn points(service: &ServiceGoing, time: Time<'_>) -> String {
    match (service.oldest, service.newest) {
        (Some(oldest), Some(newest)) if service.points > 1 => {
            format!("{}, oldest {}, newest {}", counted(service.points, "recovery point"), time(oldest), time(newest))
        }
        (_, Some(newest)) => format!("{}, of {}", counted(service.points, "recovery point"), time(newest)),
        _ => "no recovery point".to_owned(),
    }
}

pub(super) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
