//! What the agent saw last, in memory: its own components and probes, and each pair's other side. Status answers from here at once, so
//! that a hung component never makes the agent look hung.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::peer::unseen;
use crate::domain::clock::{ClockTrack, Sample};
use crate::domain::{ComponentInfo, ComponentName, PairName, ProbeReport};
use crate::protocol::PeerView;
use crate::store::agent::PairFacts;

/// See the module.
#[derive(Debug)]
pub struct Views {
    inner: Mutex<Inner>,
    began: Instant,
}

impl Default for Views {
    fn default() -> Self {
        Views { inner: Mutex::default(), began: Instant::now() }
    }
}

#[derive(Debug, Default)]
struct Inner {
    components: BTreeMap<ComponentName, ComponentInfo>,
    probes: BTreeMap<ComponentName, ProbeReport>,
    peers: BTreeMap<PairName, (PeerView, ClockTrack)>,
    clock_source: String,
}

impl Views {
    /// Nanoseconds of the monotonic clock since the agent started.
    pub fn monotonic_ns(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A component described itself.
    pub fn set_component(&self, info: ComponentInfo) {
        self.lock().components.insert(info.name.clone(), info);
    }

    /// A component was probed.
    pub fn set_probe(&self, report: ProbeReport) {
        self.lock().probes.insert(report.component.clone(), report);
    }

    /// The host told its clock's source.
    pub fn set_clock_source(&self, source: String) {
        self.lock().clock_source = source;
    }

    /// All components as last described, their newest probes, and the clock's source.
    pub fn own(&self) -> (Vec<ComponentInfo>, Vec<ProbeReport>, String) {
        let inner = self.lock();
        (inner.components.values().cloned().collect(), inner.probes.values().cloned().collect(), inner.clock_source.clone())
    }

    /// Changes the view of a pair's other side; another peer than before starts anew.
    pub fn update_peer(&self, facts: &PairFacts, change: impl FnOnce(&mut PeerView)) {
        let mut inner = self.lock();
        let (view, _) = inner.peers.entry(facts.pair.clone()).or_insert_with(|| (unseen(facts), ClockTrack::default()));
        if view.cluster != facts.peer.cluster {
            *view = unseen(facts);
        }
        view.address.clone_from(&facts.peer.address);
        change(view);
    }

    /// One more clock sample of a pair's other side.
    pub fn add_clock_sample(&self, pair: &PairName, sample: Sample) {
        if let Some((_, track)) = self.lock().peers.get_mut(pair) {
            track.add(sample);
        }
    }

    /// A pair's other side as last seen.
    pub fn peer(&self, facts: &PairFacts) -> PeerView {
        let now_ns = self.monotonic_ns();
        let inner = self.lock();
        inner.peers.get(&facts.pair).map_or_else(
            || unseen(facts),
            |(view, track)| {
                let offset = track.offset(now_ns).map(|offset| (offset.middle_ms(), offset.bound_ms()));
                PeerView { clock_offset_ms: offset, ..view.clone() }
            },
        )
    }

    /// Forgets pairs that were left.
    pub fn keep_only<'a>(&self, pairs: impl Iterator<Item = &'a PairName>) {
        let pairs: BTreeSet<&PairName> = pairs.collect();
        self.lock().peers.retain(|pair, _| pairs.contains(pair));
    }
}
