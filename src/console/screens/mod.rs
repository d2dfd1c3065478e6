//! The screens. Each is `data` (pure: what is shown, as texts) and `ui` (draws it, returns acts).

pub mod activity;
pub mod clusters;
pub mod drills;
pub mod fault;
#[cfg(feature = "lab")]
pub mod lab;
pub mod overview;
pub mod pairing;
pub mod points;
pub mod policy;
pub mod run;
pub mod runs;
pub mod services;
pub mod settings;
pub mod users;
pub mod welcome;

use chrono::{DateTime, Utc};

use super::lab_seam::LabSnapshot;
use super::words::Zone;
use crate::controller::Snapshot;
use crate::controller::snapshot::PairView;
use crate::domain::{ComponentKind, ComponentName};

/// What a screen draws from.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The engine's state.
    pub snapshot: &'a Snapshot,
    /// The pair chosen in the header.
    pub pair: Option<&'a PairView>,
    /// Now.
    pub now: DateTime<Utc>,
    /// Where times are read.
    pub zone: Zone,
    /// The lab's state, inside the lab.
    pub lab: Option<&'a LabSnapshot>,
    /// A lab can be opened.
    pub lab_there: bool,
    /// The lab is being started.
    pub lab_starting: bool,
    /// The engine is gone: what is shown is old.
    pub lost: bool,
}

impl Scene<'_> {
    /// What a component of the pair is; one may have a name of its own.
    pub fn kind_of(&self, component: &ComponentName) -> Option<ComponentKind> {
        let mut all = self.pair.into_iter().flat_map(|pair| &pair.clusters).flat_map(|cluster| &cluster.components);
        all.find(|info| info.name == *component).map(|info| info.kind)
    }
}

#[cfg(test)]
impl<'a> Scene<'a> {
    /// A scene on a snapshot's first pair, for tests.
    pub fn of(snapshot: &'a Snapshot, now: DateTime<Utc>, zone: Zone) -> Scene<'a> {
        Scene { snapshot, pair: snapshot.pairs.first(), now, zone, lab: None, lab_there: true, lab_starting: false, lost: false }
    }
}
