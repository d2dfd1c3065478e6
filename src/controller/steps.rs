//! One step of a backup run: which instruction goes to which agent, and which event its end is.

use crate::domain::backup::machine::{Event, RunSpec, RunState, Step};
use crate::domain::{ClusterName, CopyMode, Epoch, InstructionId, Note, PointDataSet, PointId, RecoveryPoint, Trouble, TroubleKind};
use crate::protocol::{
    AbortOrder, ArmOrder, ArmReport, CAPTURE_LATE, CaptureOrder, Order, Outcome, Progress, SetCounts, TransferOrder, VerifyOrder,
};
use crate::store::controller::Enrolled;

use super::engine::Engine;
use super::instruct::{Errand, unexpected, within};
use super::snapshot::Level;
use super::{clock, retention, runs};

mod finish;

/// Samples for the rate shown.
const RATE_SAMPLES: usize = 20;

/// Carries a step out. An `Err` means that no event may be made of it: the step is tried again. Where room lacks, what the policy no
/// longer keeps goes first, and then the step is carried out once more.
pub(super) async fn perform(engine: &Engine, state: &RunState, step: Step) -> Result<Event, Trouble> {
    let done = once(engine, state, step).await;
    let full = |trouble: &Trouble| trouble.kind == TroubleKind::Exhausted && step != Step::Abort;
    match done {
        Ok(Event::StepFailed { trouble, .. }) if full(&trouble) && retention::apply(engine, &state.spec.service).await > 0 => {
            runs::log(engine, state.spec.run, Level::Info, format!("room was made; step {step:?} is tried again"));
            once(engine, state, step).await
        }
        done => done,
    }
}

async fn once(engine: &Engine, state: &RunState, step: Step) -> Result<Event, Trouble> {
    let run = Run { engine, state };
    let done = match step {
        Step::Arm => run.arm().await,
        Step::Capture => run.capture().await,
        Step::Transfer => run.transfer().await,
        Step::Verify => run.verify().await,
        Step::Commit | Step::Abandon => {
            let done = if step == Step::Commit { finish::commit(&run).await } else { finish::abandon(&run).await };
            // From the commit on only the secondary knows how it ends; somebody else commands it now.
            if done.is_err() {
                engine.check_in_command()?;
            }
            done
        }
        Step::Abort => Ok(run.abort().await),
    };
    Ok(done.unwrap_or_else(|trouble| Event::StepFailed { at: engine.now(), step, trouble }))
}

struct Run<'a> {
    engine: &'a Engine,
    state: &'a RunState,
}

impl Run<'_> {
    async fn arm(&self) -> Result<Event, Trouble> {
        let spec = &self.state.spec;
        let lead = chrono::TimeDelta::from_std(self.engine.limits.lead).unwrap_or_default();
        // A moment far away is waited for before anything is asked of the agents. A cancel ends the wait.
        let due = spec.moment - lead;
        if let Ok(wait) = (due - self.engine.now()).to_std() {
            if due <= self.state.started_at && wait > self.engine.limits.patience {
                return Err(set_back(spec));
            }
            tokio::time::sleep(wait).await;
        }
        self.check_epoch()?;
        // Before anything of this run takes room.
        retention::apply(self.engine, &spec.service).await;
        let order = Order::Arm(ArmOrder { run: spec.run, service: spec.service.name.clone(), data_sets: spec.service.data_sets.clone() });
        let (primary, secondary) = tokio::try_join!(
            self.armed(&spec.from, spec.ids.arm_primary, order.clone()),
            self.armed(&spec.to, spec.ids.arm_secondary, order)
        )?;
        clock::gate(self.engine, &spec.service.pair).await?;
        for warning in primary.warnings.iter().chain(&secondary.warnings) {
            runs::log(self.engine, spec.run, Level::Warning, warning.clone());
        }
        for line in &secondary.drift {
            runs::log(self.engine, spec.run, Level::Warning, format!("the target is not what the last point left: {line}"));
        }
        let notes = self.said_at(&spec.from).await;
        Ok(Event::Armed { at: self.engine.now(), base: base(&primary, &secondary), notes })
    }

    /// What the primary said of the data sets, to be kept with the point; the secondary adds what it said itself. A run needs none of it.
    async fn said_at(&self, cluster: &ClusterName) -> Vec<Note> {
        let asked = async {
            let agent = self.agent(cluster)?;
            within(self.engine.limits.call, &agent, self.engine.link(&agent)?.run_notes(self.state.spec.run)).await
        };
        match asked.await {
            Ok(notes) => notes,
            Err(trouble) => {
                let line = format!("what {cluster} said of the data sets could not be kept for the recovery point: {trouble}");
                runs::log(self.engine, self.state.spec.run, Level::Warning, line);
                Vec::new()
            }
        }
    }

    fn check_epoch(&self) -> Result<(), Trouble> {
        let spec = &self.state.spec;
        let known = self.engine.read(|m| m.pairs.get(&spec.service.pair).map(super::model::PairModel::epoch));
        match known {
            Some(epoch) if epoch == spec.epoch => Ok(()),
            Some(epoch) => Err(Trouble::new(
                TroubleKind::Outdated,
                format!("run {}", spec.run),
                format!("identities have changed since it began (epoch {} then, {epoch} now)", spec.epoch),
            )
            .next("start a new run")),
            None => Err(Trouble::new(TroubleKind::NotFound, format!("pair {}", spec.service.pair), "it is not paired any more")),
        }
    }

    async fn armed(&self, cluster: &ClusterName, id: InstructionId, order: Order) -> Result<ArmReport, Trouble> {
        match self.order(cluster, id, order).await? {
            Outcome::Armed(report) => Ok(report),
            other => Err(self.unexpected(cluster, &other)),
        }
    }

    async fn capture(&self) -> Result<Event, Trouble> {
        let spec = &self.state.spec;
        let order = CaptureOrder { run: spec.run, point: spec.point, service: spec.service.clone(), moment: spec.moment };
        let (pair, agent, patience) = (&spec.service.pair, self.agent(&spec.from)?, Some(self.engine.limits.patience));
        let errand = Errand { id: spec.ids.capture, pair, epoch: spec.epoch, agent: &agent, order: Order::Capture(order), patience };
        // One that took too long has failed for good: asked again, the agent says the same.
        let is_late = |trouble: &Trouble| trouble.code() == CAPTURE_LATE;
        match self.engine.carry_out_until(errand, |progress| self.show(progress), is_late).await? {
            Outcome::Captured(report) if report.sets.len() == spec.service.data_sets.len() => {
                Ok(Event::Captured { at: self.engine.now(), report })
            }
            other => Err(self.unexpected(&spec.from, &other)),
        }
    }

    async fn transfer(&self) -> Result<Event, Trouble> {
        let spec = &self.state.spec;
        let order = TransferOrder {
            run: spec.run,
            point: spec.point,
            service: spec.service.name.clone(),
            data_sets: spec.service.data_sets.clone(),
            base: self.state.base,
            copy: spec.service.copy,
        };
        let (cluster, order) = match spec.service.copy {
            CopyMode::Push => (&spec.from, Order::Push(order)),
            CopyMode::Pull => (&spec.to, Order::Pull(order)),
        };
        match self.order(cluster, spec.ids.transfer, order).await? {
            Outcome::Transferred(report) if report.sets.len() == self.state.sets.len() => {
                let sets = self.state.sets.iter().zip(&report.sets).map(|(set, counts)| counted(set, counts)).collect();
                Ok(Event::Transferred { at: self.engine.now(), sets })
            }
            other => Err(self.unexpected(cluster, &other)),
        }
    }

    async fn verify(&self) -> Result<Event, Trouble> {
        let spec = &self.state.spec;
        let order = VerifyOrder { run: spec.run, point: spec.point, service: spec.service.name.clone() };
        match self.order(&spec.to, spec.ids.verify, Order::Verify(order)).await? {
            Outcome::Verified(_) => Ok(Event::Verified { at: self.engine.now() }),
            other => Err(self.unexpected(&spec.to, &other)),
        }
    }

    fn point(&self) -> Result<RecoveryPoint, Trouble> {
        let (state, spec) = (self.state, &self.state.spec);
        let captured = state
            .captured
            .ok_or_else(|| Trouble::new(TroubleKind::Corrupt, format!("run {}", spec.run), "it comes to its commit without a capture"))?;
        Ok(RecoveryPoint {
            id: spec.point,
            run: spec.run,
            service: spec.service.name.clone(),
            pair: spec.service.pair.clone(),
            epoch: spec.epoch,
            from: spec.from.clone(),
            to: spec.to.clone(),
            moment: spec.moment,
            captured,
            data_sets: state.sets.clone(),
            base: state.base,
            timings_ms: state.timings,
            sealed_at: None,
            notes: state.notes.clone(),
        })
    }

    /// Drops what the run made, at both agents; what could not be dropped is listed, never hidden. The target first: only it knows
    /// whether the point was committed, perhaps by another controller, and then the source's capture is the common point.
    async fn abort(&self) -> Event {
        let spec = &self.state.spec;
        let at_target = self.abort_at(&spec.to, spec.ids.abort_secondary).await;
        let at_source = match &at_target {
            Ok(_) => self.abort_at(&spec.from, spec.ids.abort_primary).await,
            Err(trouble) => {
                let reason = format!("its capture is kept until {} has dropped the run: {}", spec.to, trouble.reason);
                Err(Trouble::new(trouble.kind, format!("point {}", spec.point), reason).next("see `understudy leftovers`"))
            }
        };
        let told = |(cluster, dropped): (&ClusterName, Result<Vec<String>, Trouble>)| match dropped {
            Ok(leftovers) => leftovers,
            Err(trouble) => vec![format!("whatever run {} left at {cluster}: {trouble}", spec.run)],
        };
        let leftovers = [(&spec.to, at_target), (&spec.from, at_source)].into_iter().flat_map(told).collect();
        Event::Dropped { at: self.engine.now(), leftovers }
    }

    async fn abort_at(&self, cluster: &ClusterName, id: InstructionId) -> Result<Vec<String>, Trouble> {
        let spec = &self.state.spec;
        let order = Order::Abort(AbortOrder {
            run: spec.run,
            point: spec.point,
            service: spec.service.name.clone(),
            data_sets: spec.service.data_sets.clone(),
        });
        let patience = Some(self.engine.limits.abort_patience);
        // Under the epoch that this agent told last: what a run left is dropped after an identity change too.
        let told = |m: &super::model::Model| {
            let pair = m.pairs.get(&spec.service.pair)?;
            pair.claims().find(|(claimant, _)| *claimant == cluster).map(|(_, claim)| claim.epoch)
        };
        let epoch = self.engine.read(told).unwrap_or(spec.epoch).max(spec.epoch);
        match self.order_within(cluster, id, order, epoch, patience).await? {
            Outcome::Dropped(leftovers) => Ok(leftovers),
            other => Err(self.unexpected(cluster, &other)),
        }
    }

    async fn order(&self, cluster: &ClusterName, id: InstructionId, order: Order) -> Result<Outcome, Trouble> {
        self.order_within(cluster, id, order, self.state.spec.epoch, Some(self.engine.limits.patience)).await
    }

    async fn order_within(
        &self,
        cluster: &ClusterName,
        id: InstructionId,
        order: Order,
        epoch: Epoch,
        patience: Option<std::time::Duration>,
    ) -> Result<Outcome, Trouble> {
        let agent = self.agent(cluster)?;
        let errand = Errand { id, pair: &self.state.spec.service.pair, epoch, agent: &agent, order, patience };
        self.engine.carry_out(errand, |progress| self.show(progress)).await
    }

    fn agent(&self, cluster: &ClusterName) -> Result<Enrolled, Trouble> {
        self.engine.agent(&self.state.spec.service.pair, cluster)
    }

    fn unexpected(&self, cluster: &ClusterName, outcome: &Outcome) -> Trouble {
        match self.agent(cluster) {
            Ok(agent) => unexpected(&agent, outcome),
            Err(trouble) => trouble,
        }
    }

    fn show(&self, progress: &Progress) {
        let run = self.state.spec.run;
        self.engine.change(|m| {
            if let Some(model) = m.runs.get_mut(&run) {
                model.seen.push_back((self.engine.now(), progress.done_bytes.iter().sum()));
                while model.seen.len() > RATE_SAMPLES {
                    model.seen.pop_front();
                }
                model.progress = Some(progress.clone());
            }
        });
    }
}

/// It was due when it began, and is not any more. Waiting for it could take hours, under a planned switchover's fence too.
fn set_back(spec: &RunSpec) -> Trouble {
    let reason =
        format!("its moment, {}, was at hand when it began, and lies ahead now: this controller's clock was set back", spec.moment);
    Trouble::new(TroubleKind::Refused, format!("run {}", spec.run), reason)
        .next("start it again; keep the controller on a time source (NTP)")
}

/// The newest point of the secondary, if the primary still holds it too and the target is what it left.
fn base(primary: &ArmReport, secondary: &ArmReport) -> Option<PointId> {
    secondary.last_point.filter(|last| primary.held_points.contains(last) && secondary.drift.is_empty())
}

fn counted(set: &PointDataSet, counts: &SetCounts) -> PointDataSet {
    PointDataSet {
        files: counts.files,
        bytes: counts.bytes,
        copied_files: counts.copied_files,
        copied_bytes: counts.copied_bytes,
        renamed: counts.renamed,
        deleted: counts.deleted,
        ..set.clone()
    }
}
