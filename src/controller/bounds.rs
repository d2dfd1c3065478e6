//! What of the past stays in memory: the newest ended runs and drills. The store keeps them all.
//!
//! What is dropped first is what ended first: the largest service's run begins with the others and ends last.

use std::collections::BTreeSet;

use crate::domain::switchover::machine::PairPhase;
use crate::domain::{DrillId, RunId};

use super::model::{DrillModel, Model, RunModel};

/// Ended runs kept in memory.
pub(super) const ENDED_RUNS: usize = 200;
/// Ended drills kept in memory.
pub(super) const ENDED_DRILLS: usize = 200;

impl Model {
    /// Drops those ended runs beyond the bound that ended first, and none that somebody waits for: a switchover for its final runs, and
    /// whoever follows a run for what comes after its end.
    pub fn trim_runs(&mut self) {
        let final_runs = self.pairs.values().filter_map(|pair| match &pair.state.phase {
            PairPhase::FinalRuns { waiting, .. } => Some(waiting.values().copied()),
            _ => None,
        });
        let waited: BTreeSet<RunId> = final_runs.flatten().collect();
        let over = |(id, run): &(&RunId, &RunModel)| run.settled && run.has_ended() && !waited.contains(id);
        let mut ended: Vec<_> = self.runs.iter().filter(over).map(|(id, run)| (run.state.phase_since, *id)).collect();
        ended.sort_unstable();
        for (_, run) in ended.iter().rev().skip(ENDED_RUNS) {
            self.runs.remove(run);
        }
    }

    /// Drops those ended drills beyond the bound that ended first.
    pub fn trim_drills(&mut self) {
        let over = |(_, drill): &(&DrillId, &DrillModel)| !drill.state.is_under_way();
        let mut ended: Vec<_> = self.drills.iter().filter(over).map(|(id, drill)| (drill.state.ended_at, *id)).collect();
        ended.sort_unstable();
        for (_, drill) in ended.iter().rev().skip(ENDED_DRILLS) {
            self.drills.remove(drill);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, TimeDelta, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::controller::model::PairModel;
    use crate::domain::backup::machine::{self, Event, RunSpec, RunState, StartedBy, StepIds};
    use crate::domain::switchover::machine as identity;
    use crate::domain::{ClusterName, DecisionId, Epoch, InstructionId, PointId, Service};
    use crate::store::controller::{Enrolled, PairedAgent, PairedClusters};

    fn at(second: u128) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(second).expect("small"))
    }

    fn cluster(name: &str) -> ClusterName {
        name.parse().expect("a name")
    }

    /// The n-th run to begin, ended at this second.
    fn run(number: u128, ended: u128) -> RunState {
        let id = || InstructionId(Uuid::from_u128(number));
        let service: Service =
            toml::from_str(&format!("name = 's{number}'\npair = 'p'\ndata_sets = ['files:s{number}']")).expect("a policy");
        let spec = RunSpec {
            run: RunId(Uuid::from_u128(number)),
            point: PointId(Uuid::from_u128(number)),
            service,
            moment: at(0),
            epoch: Epoch(1),
            from: cluster("east"),
            to: cluster("west"),
            ids: StepIds {
                arm_primary: id(),
                arm_secondary: id(),
                capture: id(),
                transfer: id(),
                verify: id(),
                commit: id(),
                abort_primary: id(),
                abort_secondary: id(),
            },
            started_by: StartedBy::Switchover,
        };
        let events = [
            Event::Started { spec: Box::new(spec), at: at(0) },
            Event::CancelRequested { at: at(1), by: "ana".into() },
            Event::Dropped { at: at(ended), leftovers: Vec::new() },
        ];
        let fold = |state: Option<RunState>, event| machine::apply(state.as_ref(), event).map(Some);
        events.iter().try_fold(None, fold).expect("a legal history").expect("its first event")
    }

    /// The first to begin ends last.
    fn model(count: u128) -> Model {
        let mut model = Model::default();
        for number in 0..count {
            let state = run(number, if number == 0 { count + 10 } else { number + 2 });
            model.runs.insert(state.spec.run, RunModel::new(state));
        }
        model
    }

    fn waits_for(model: &mut Model, runs: impl Iterator<Item = u128>) {
        let number = |n: u128| Uuid::from_u128(n);
        let decision = identity::Decision {
            id: DecisionId(number(1)),
            epoch: Epoch(2),
            by: "ana".into(),
            at: at(0),
            to: cluster("west"),
            from: cluster("east"),
            planned: true,
            points: BTreeMap::new(),
            shown: Vec::new(),
            promote: InstructionId(number(2)),
            demote: InstructionId(number(3)),
            unfence: InstructionId(number(4)),
            hold: false,
            take_back: false,
            live: None,
            declared: None,
        };
        let final_runs = runs.map(|n| (format!("s{n}").parse().expect("a name"), RunId(number(n)))).collect();
        let events = [
            identity::Event::Paired { primary: cluster("east"), secondary: cluster("west"), epoch: Epoch(1) },
            identity::Event::Decided { decision: Box::new(decision) },
            identity::Event::Fenced { at: at(0), final_runs },
        ];
        let fold = |state: Option<identity::PairState>, event| identity::apply(state.as_ref(), event).map(Some);
        let state = events.iter().try_fold(None, fold).expect("a legal history").expect("its first event");
        let agent = |name: &str| PairedAgent {
            enrolled: Enrolled { address: name.into(), key: name.into(), cluster: cluster(name), site: String::new() },
            components: Vec::new(),
        };
        let paired = PairedClusters { name: "p".parse().expect("a name"), agents: [agent("east"), agent("west")], paired_at: at(0) };
        model.pairs.insert(paired.name.clone(), PairModel::new(paired, state, &events));
    }

    #[test]
    fn what_ended_first_goes_first_and_never_what_a_switchover_waits_for() {
        let mut all = model(250);
        all.trim_runs();
        let left: Vec<u128> = all.runs.keys().map(|run| run.0.as_u128()).collect();
        assert_eq!(left, [0].into_iter().chain(51..250).collect::<Vec<_>>(), "the one that began first has only just ended");
        let mut waiting = model(250);
        waits_for(&mut waiting, 0..30);
        waiting.trim_runs();
        let left: Vec<u128> = waiting.runs.keys().map(|run| run.0.as_u128()).collect();
        assert!((0..30).all(|run| left.contains(&run)) && left.len() == 230, "{left:?}");
        let followed = RunId(Uuid::from_u128(40));
        let mut unsettled = model(250);
        if let Some(run) = unsettled.runs.get_mut(&followed) {
            run.settled = false;
        }
        unsettled.trim_runs();
        assert!(unsettled.runs.contains_key(&followed), "somebody follows it still");
    }
}
