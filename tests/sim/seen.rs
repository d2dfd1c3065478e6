//! What people see: every snapshot of an engine is held against the truth (invariants 7 and 13), and its news goes into the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use understudy::controller::Snapshot;
use understudy::controller::snapshot::{ActivityLine, ServiceState};
use understudy::domain::*;

use crate::truth;
use crate::world::{State, World, cluster, index};

/// A cluster that cannot serve for so many seconds is not shown as healthy: a look, what it may rest on, and a publication.
const NOTICED_SECS: f64 = 60.0;

#[derive(Default)]
pub struct Seen {
    newest: Option<ActivityLine>,
    phase: String,
    runs: BTreeMap<RunId, String>,
}

impl Seen {
    /// Follows an engine's snapshots until it is dead.
    pub async fn follow(
        mut self,
        world: Arc<World>,
        name: &'static str,
        mut news: watch::Receiver<Arc<Snapshot>>,
        dead: CancellationToken,
    ) {
        loop {
            let changed = tokio::select! { biased; () = dead.cancelled() => return, changed = news.changed() => changed };
            if changed.is_err() {
                return;
            }
            let snapshot = news.borrow_and_update().clone();
            world.with(|s| {
                self.log(s, name, &snapshot);
                honest(s, &snapshot);
                truth::check(s);
            });
        }
    }

    fn log(&mut self, s: &mut State, name: &str, snapshot: &Snapshot) {
        let new: Vec<_> = snapshot.activity.iter().take_while(|line| Some(*line) != self.newest.as_ref()).collect();
        for line in new.iter().rev() {
            s.note(format_args!("{name} says: {}: {}", line.about, line.text));
        }
        self.newest = snapshot.activity.first().cloned();
        let phase = snapshot.pairs.first().map(|pair| pair.phase.clone()).unwrap_or_default();
        if phase != self.phase {
            s.note(format_args!("{name} shows: {phase}"));
            self.phase = phase;
        }
        for run in &snapshot.runs {
            let phase = format!("{:?}", run.phase);
            if self.runs.insert(run.run, phase.clone()) != Some(phase.clone()) {
                s.note(format_args!("{name} shows run {} ({}): {phase}", run.run, run.report.recovery_point));
            }
        }
    }
}

/// What is shown is never better than what is true.
fn honest(s: &mut State, snapshot: &Snapshot) {
    let now = s.elapsed();
    for pair in &snapshot.pairs {
        for shown in &pair.clusters {
            let dead = s.truth.dead_since[index(&shown.name)].is_some_and(|since| now - since > NOTICED_SECS);
            s.promise(!dead || shown.health != Health::Healthy, || {
                format!("invariant 13: {} is dead and shown as healthy: {:?}, last seen {:?}", shown.name, shown.evidence, shown.last_seen)
            });
        }
        for service in &pair.services {
            let Some(point) = service.last_point else { continue };
            let known = s.truth.sealed.contains(&point);
            s.promise(known, || format!("invariant 13: {point} is shown as sealed and never was"));
            let protected = service.state == ServiceState::Protected;
            let shown = s.truth.captured_at.get(&point).copied();
            let newest = s.sites.iter().filter_map(|site| s.truth.captured_at.get(&site.newest()?.record.id)).copied().reduce(f64::max);
            s.promise(!protected || newest >= shown, || format!("invariant 13: protected by {point}, and no cluster holds one as new"));
        }
        if let Some(active) = &pair.active {
            let is_member = (0..2).any(|i| cluster(i) == active);
            s.promise(is_member, || format!("invariant 13: {active} is shown as active"));
        }
    }
    for run in &snapshot.runs {
        let ended_badly = run.report.outcome.is_some_and(|outcome| outcome != RunOutcome::Sealed);
        if ended_badly && run.log.iter().any(|line| line.text.ends_with("nothing of it is left")) {
            s.truth.dropped.insert(run.report.recovery_point);
        }
        if run.report.outcome == Some(RunOutcome::Sealed) {
            let known = s.truth.sealed.contains(&run.report.recovery_point);
            s.promise(known, || format!("invariant 7: run {} is told as sealed and never was", run.run));
        }
    }
}
