//! A service and its policy, and the plan file that brings both in. The keys are promises to users.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};

use super::{DataSet, DrillCheck, PairName, RecoveryPoint, ServiceName};

/// A plan: pairs and services, as `understudy apply` reads and the console's export writes it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Pairs of clusters.
    #[serde(default, rename = "pair")]
    pub pairs: Vec<PlannedPair>,
    /// Services with their policies.
    #[serde(default, rename = "service")]
    pub services: Vec<Service>,
}

/// A pair as a plan names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedPair {
    /// Its name.
    pub name: PairName,
    /// The cluster that has, or is to get, the primary identity.
    pub primary: PlannedAgent,
    /// The other one.
    pub secondary: PlannedAgent,
}

/// How to reach an agent for the first time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedAgent {
    /// `host:port` of its HTTPS.
    pub agent: String,
    /// Its enrolment code; only until paired. A secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl std::fmt::Debug for PlannedAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlannedAgent").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// Who moves the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyMode {
    /// The primary sends (first instruction).
    #[default]
    Push,
    /// The secondary replicates from the primary (second instruction).
    Pull,
}

/// Whether the data sets share one moment. `PerComponent` is how older systems do it; the training lab shows what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consistency {
    /// All data sets at one moment.
    #[default]
    Service,
    /// Each component at its own time. Never offered outside the training lab.
    PerComponent,
}

/// How long recovery points stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// Every point of the last so many hours.
    pub all_hours: u32,
    /// The newest point of each day, for so many days.
    pub daily_days: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Keep { all_hours: 24, daily_days: 30 }
    }
}

/// What stills or releases a service's writers: a command on the primary agent's host, or an HTTP POST from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Program and arguments, run without a shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A URL to POST to; any 2xx is success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Freeze: thaw by ourselves after so many seconds whatever happens. Thaw: give up after so many.
    #[serde(default = "default_hook_limit_secs")]
    pub limit_secs: u32,
}

fn default_hook_limit_secs() -> u32 {
    10
}

impl Service {
    /// The policy for the direction in which `point` was made, whichever way round it is now; without a point, the other direction.
    pub fn towards(&self, point: Option<&RecoveryPoint>) -> Service {
        let Some(point) = point else { return self.reversed() };
        // A data set of one name says nothing; one that the point has the other way round says all.
        let against =
            |set: &DataSet| set.from != set.to && point.data_sets.iter().any(|known| known.name == set.to && known.to == set.from);
        if self.data_sets.iter().any(against) { self.reversed() } else { self.clone() }
    }

    /// The policy for the other direction: every data set the other way round.
    pub fn reversed(&self) -> Service {
        let turned = |set: &DataSet| DataSet { from: set.to.clone(), to: set.from.clone() };
        Service { data_sets: self.data_sets.iter().map(turned).collect(), ..self.clone() }
    }
}

/// A service: its data sets and the policy under which they are backed up, all at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// The pair it is backed up in.
    pub pair: PairName,
    /// Who to call.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// All of its data, in all components.
    pub data_sets: Vec<DataSet>,
    /// Five-field cron of the moments; absent: once at `moment`, or on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// One single moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<DateTime<FixedOffset>>,
    /// IANA time zone of `schedule`; UTC unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<chrono_tz::Tz>,
    /// Push or pull.
    #[serde(default)]
    pub copy: CopyMode,
    /// One moment, or (training only) one a component.
    #[serde(default, skip_serializing_if = "is_default")]
    pub consistency: Consistency,
    /// A point with more skew than this is *wide*.
    #[serde(default = "default_skew_limit_ms")]
    pub skew_limit_ms: u64,
    /// The RPO promised, in minutes; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpo_target_minutes: Option<u32>,
    /// The RTO promised, in minutes: a drill is held against it; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_target_minutes: Option<u32>,
    /// What its owner tries out in a drill.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<DrillCheck>,
    /// Retention.
    #[serde(default)]
    pub keep: Keep,
    /// Stills the writers before the captures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Hook>,
    /// Lets them go on after the captures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thaw: Option<Hook>,
    /// Sync users, permissions and tenants with every run.
    #[serde(default = "yes")]
    pub sync_users: bool,
    /// Labels for people, kept and shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

fn default_skew_limit_ms() -> u64 {
    5_000
}

fn yes() -> bool {
    true
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
