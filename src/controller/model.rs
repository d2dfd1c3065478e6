//! What the engine knows at this instant: facts that its tasks write and snapshots are made from.
//!
//! Guarded by one short lock; nothing waits while it is held. The generation is derived: it rises exactly when something changes
//! that a person's decision may rest on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::backup::machine::RunState;
use crate::domain::clock::ClockTrack;
use crate::domain::drill::machine::DrillState;
use crate::domain::maintenance::Maintenance;
use crate::domain::schedule::Timing;
use crate::domain::switchover::machine::{Decision, Event, PairPhase, PairState};
use crate::domain::watch::{Silence, Steadiness, Streak, Verdict};
use crate::domain::{
    ClusterName, ComponentName, DrillId, Epoch, Health, PairName, RecoveryPoint, RunId, Service, ServiceName, Term, Trouble, TroubleKind,
};
use crate::protocol::{AgentStatus, CertificateStatus, Progress};
use crate::store::controller::{PairedAgent, PairedClusters, UsersRecord};

use super::snapshot::{ActivityLine, ClockView, HeldFault, Observation};
use super::withheld::Why;

/// Activity kept in memory.
pub(super) const ACTIVITY: usize = 500;
/// Log lines kept a run.
pub(super) const RUN_LOG: usize = 200;

/// Everything the engine knows.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// See the module's head.
    pub generation: u64,
    facts: u64,
    /// The store was read and every agent was asked once.
    pub ready: bool,
    /// The pairs.
    pub pairs: BTreeMap<PairName, PairModel>,
    /// The policies in force.
    pub services: BTreeMap<ServiceName, Service>,
    /// Their schedules as read, each with the policy it was read from: many look at them, many times a second.
    timings: BTreeMap<ServiceName, (Service, Arc<Timing>)>,
    /// Runs under way and the newest ended ones.
    pub runs: BTreeMap<RunId, RunModel>,
    /// Drills under way and the newest ended ones.
    pub drills: BTreeMap<DrillId, DrillModel>,
    /// Sealed points, newest first.
    pub points: BTreeMap<ServiceName, Vec<RecoveryPoint>>,
    /// Missed and overlapped moments, newest first.
    pub missed: BTreeMap<ServiceName, Vec<(DateTime<Utc>, String)>>,
    /// What happened, newest first.
    pub activity: VecDeque<ActivityLine>,
    /// What becomes of faults.
    pub mode: super::WatchMode,
    /// A controller with a higher term commands the agents now.
    pub ousted: Option<Term>,
    /// Our own certificate.
    pub certificate: Option<CertificateStatus>,
    /// The agents that cut our key off, by their keys.
    pub cut_off: BTreeSet<String>,
    /// The last term that this console had before its start.
    pub before: Term,
    /// The agents that another console commanded since then, by their keys.
    pub elsewhere: BTreeSet<String>,
}

/// One pair.
#[derive(Debug)]
pub(super) struct PairModel {
    /// The agents.
    pub paired: PairedClusters,
    /// The identity machine's state.
    pub state: PairState,
    /// How many events it was folded from.
    pub events: usize,
    /// What each agent's client sees, in the order of `paired.agents`.
    pub watch: [AgentWatch; 2],
    /// The clocks.
    pub clock: ClockView,
    /// User data as last compared.
    pub users: Option<UsersRecord>,
    /// The last sync's trouble.
    pub users_trouble: Option<Trouble>,
    /// What the looks at both amount to.
    pub diagnosis: Findings,
    /// What holds the identity change under way just now.
    pub held_by: Option<Trouble>,
    /// A planned switchover that another controller began and left: its fence stands until the cluster that was to be promoted agrees.
    pub left: Option<Box<Decision>>,
    /// The newest decision and what followed it.
    pub trail: Vec<Event>,
    /// We share no host with the primary.
    pub isolated: Option<bool>,
    /// A person expects its clusters to look faulty.
    pub maintenance: Option<Maintenance>,
    /// The fault that is held back just now.
    pub held_fault: Option<HeldFault>,
    /// The policies that agents hold which another console commanded, in the order of `paired.agents`.
    pub told_policies: [Option<Vec<Service>>; 2],
    /// A person has changed the policies here since the start: what agents held before counts no more.
    pub policies_decided: bool,
    /// When the new primary was last asked again for services that it could not bring up.
    pub brought_up: Option<tokio::time::Instant>,
}

/// What the looks at both clusters amount to.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    /// Health by cluster, in the order of `paired.agents`, with the evidence.
    pub clusters: [Option<(Health, Vec<String>)>; 2],
    /// What was observed at the primary, and by whom.
    pub observed: Vec<Observation>,
    /// What that amounts to.
    pub verdict: Verdict,
    /// It in words.
    pub words: String,
    /// Since when something is wrong with the primary or with what we see of it that a person should know of.
    pub known_since: Option<DateTime<Utc>>,
    /// Why nobody is prompted of it just now.
    pub held: Option<Why>,
    /// Two decisions of one epoch, in words; empty otherwise.
    pub conflict: String,
}

/// What one agent's client saw.
#[derive(Debug, Clone, Default)]
pub(super) struct AgentWatch {
    /// When it last answered.
    pub last_seen: Option<DateTime<Utc>>,
    /// What it answered then.
    pub status: Option<AgentStatus>,
    /// When the newest look ended.
    pub looked: Option<DateTime<Utc>>,
    /// Looks in a row without an answer.
    pub silent: Streak,
    /// Why the last look failed.
    pub trouble: Option<Trouble>,
    /// How it failed.
    pub silence: Option<Silence>,
    /// Looks in a row in which it reported a failed component of its own.
    pub sick: Streak,
    /// How steady its cluster was lately.
    pub steadiness: Steadiness,
    /// Its clock against ours.
    pub clock: ClockTrack,
    /// Since when its cluster, standing by, is not well, as far as that was told.
    pub told_unwell: Option<DateTime<Utc>>,
    /// The components with a sign that is no fault, as far as that was told.
    pub told_signs: BTreeSet<ComponentName>,
}

/// One run.
#[derive(Debug)]
pub(super) struct RunModel {
    /// The machine's state.
    pub state: RunState,
    /// How many events it was folded from when it was loaded.
    pub events: usize,
    /// How far the present step is.
    pub progress: Option<Progress>,
    /// Bytes done at earlier instants of this step, for the rate.
    pub seen: VecDeque<(DateTime<Utc>, u64)>,
    /// Its log, oldest first.
    pub log: VecDeque<ActivityLine>,
    /// What follows its end (user data, retention) is over too.
    pub settled: bool,
}

/// One drill.
#[derive(Debug)]
pub(super) struct DrillModel {
    /// The machine's state.
    pub state: DrillState,
    /// How many events it was folded from.
    pub events: usize,
    /// What is being done, in words.
    pub doing: String,
}

impl PairModel {
    /// A pair as its events tell it; nobody was asked yet.
    pub fn new(paired: PairedClusters, state: PairState, events: &[Event]) -> PairModel {
        let mut pair = PairModel {
            paired,
            state,
            events: 0,
            watch: [AgentWatch::default(), AgentWatch::default()],
            clock: ClockView { offsets: Vec::new(), bound_ms: None, good: false, words: "not measured yet".into() },
            users: None,
            users_trouble: None,
            diagnosis: Findings::default(),
            held_by: None,
            left: None,
            trail: Vec::new(),
            isolated: None,
            maintenance: None,
            held_fault: None,
            told_policies: [None, None],
            policies_decided: false,
            brought_up: None,
        };
        events.iter().for_each(|event| pair.follow(event));
        pair
    }

    /// Takes notice of an event that was appended.
    pub fn follow(&mut self, event: &Event) {
        self.events += 1;
        let is_decision = matches!(event, Event::Decided { .. } | Event::ConflictEnded { .. } | Event::TakeBackBegan { .. });
        if is_decision {
            self.trail.clear();
        }
        if is_decision || matches!(event, Event::FenceLeft { .. }) {
            self.left = None;
        }
        if is_decision || !self.trail.is_empty() {
            self.trail.push(event.clone());
        }
    }

    /// The planned switchover away from this cluster that another controller left.
    pub fn left_from(&self, cluster: &ClusterName) -> Option<&Decision> {
        self.left.as_deref().filter(|left| left.from == *cluster)
    }

    /// Index of a cluster in `paired.agents`.
    pub fn index(&self, cluster: &ClusterName) -> Option<usize> {
        self.paired.agents.iter().position(|a| &a.enrolled.cluster == cluster)
    }

    /// A cluster's agent.
    pub fn agent(&self, cluster: &ClusterName) -> Option<&PairedAgent> {
        self.index(cluster).map(|i| &self.paired.agents[i])
    }

    /// What a cluster's client sees.
    pub fn watch_of(&self, cluster: &ClusterName) -> Option<&AgentWatch> {
        self.index(cluster).map(|i| &self.watch[i])
    }

    /// Whether a cluster's agent answered the last look.
    pub fn answers(&self, cluster: &ClusterName) -> bool {
        self.watch_of(cluster).is_some_and(|watch| watch.trouble.is_none() && watch.status.is_some())
    }

    /// Refuses what needs the agent of a cluster that does not answer.
    pub fn check_answers(&self, cluster: &ClusterName) -> Result<(), Trouble> {
        match self.answers(cluster) {
            true => Ok(()),
            false => {
                let reason = format!("the agent of {cluster} does not answer");
                Err(Trouble::new(TroubleKind::Refused, format!("pair {}", self.paired.name), reason).next("bring that agent back first"))
            }
        }
    }

    /// The highest epoch that anybody told us.
    pub fn epoch(&self) -> Epoch {
        super::exchange::highest(&self.state, &self.claims().collect::<Vec<_>>())
    }

    /// The claims last told, by cluster.
    pub fn claims(&self) -> impl Iterator<Item = (&ClusterName, crate::domain::Claim)> {
        self.paired.agents.iter().zip(&self.watch).filter_map(|(agent, watch)| {
            let pair = watch.status.as_ref()?.pairs.iter().find(|p| p.pair == self.paired.name)?;
            Some((&agent.enrolled.cluster, pair.claim))
        })
    }

    /// Two decisions of one epoch contend.
    pub fn is_contended(&self) -> bool {
        !self.diagnosis.conflict.is_empty()
    }

    /// Whether a cluster says that it is primary.
    pub fn claims_primary(&self, cluster: &ClusterName) -> bool {
        self.claims().any(|(told, claim)| told == cluster && claim.identity == crate::domain::Identity::Primary)
    }

    /// The pair's other cluster.
    pub fn other_than(&self, cluster: &ClusterName) -> ClusterName {
        if *cluster == self.state.primary { self.state.secondary.clone() } else { self.state.primary.clone() }
    }

    /// Schedules, user sync and pruning rest: an identity change is under way, or the new primary is active alone.
    pub fn is_suspended(&self) -> bool {
        !matches!(self.state.phase, PairPhase::Replicating | PairPhase::Suspect { .. } | PairPhase::AwaitingDecision { .. })
    }
}

impl RunModel {
    /// A run in this state.
    pub fn new(state: RunState) -> RunModel {
        let settled = state.phase.is_end();
        RunModel { state, events: 1, progress: None, seen: VecDeque::new(), log: VecDeque::new(), settled }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.state.phase.is_end()
    }
}

impl Model {
    /// The run of a service that is under way.
    pub fn active_run(&self, service: &ServiceName) -> Option<&RunModel> {
        self.runs.values().find(|run| &run.state.spec.service.name == service && !run.has_ended())
    }

    /// A pair's services.
    pub fn services_of<'a>(&'a self, pair: &'a PairName) -> impl Iterator<Item = &'a Service> {
        self.services.values().filter(move |s| &s.pair == pair)
    }

    /// When a service is backed up; `None` for a schedule that cannot be read.
    pub fn timing(&self, service: &ServiceName) -> Option<&Arc<Timing>> {
        self.timings.get(service).map(|(_, timing)| timing)
    }

    /// Reads the schedules of policies that are new or changed.
    fn read_schedules(&mut self) {
        let (services, timings) = (&self.services, &mut self.timings);
        timings.retain(|name, (policy, _)| services.get(name) == Some(policy));
        for (name, policy) in services.iter().filter(|(_, policy)| policy.schedule.is_some() || policy.moment.is_some()) {
            if !timings.contains_key(name)
                && let Ok(timing) = Timing::of(policy)
            {
                timings.insert(name.clone(), (policy.clone(), Arc::new(timing)));
            }
        }
    }

    /// The newest sealed point of a service.
    pub fn newest_point(&self, service: &ServiceName) -> Option<&RecoveryPoint> {
        self.points.get(service).and_then(|points| points.first())
    }

    /// Puts a point in its place; newest first, a known one is replaced.
    pub fn add_point(&mut self, point: RecoveryPoint) {
        let points = self.points.entry(point.service.clone()).or_default();
        match points.binary_search_by(|p| point.id.cmp(&p.id)) {
            Ok(at) => points[at] = point,
            Err(at) => points.insert(at, point),
        }
    }

    /// Adds a line of activity.
    pub fn add_activity(&mut self, line: ActivityLine) {
        self.activity.push_front(line);
        self.activity.truncate(ACTIVITY);
    }

    /// Follows what was changed: reads new schedules, and raises the generation when a fact that a decision may rest on has changed.
    pub fn settle(&mut self) {
        self.read_schedules();
        let facts = self.fact_hash();
        if facts != self.facts {
            self.facts = facts;
            self.generation += 1;
        }
    }

    fn fact_hash(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        (self.ousted.map(|t| t.0), &self.cut_off).hash(&mut hash);
        for (name, pair) in &self.pairs {
            (name, &pair.state.primary, pair.epoch(), pair.state.phase.name()).hash(&mut hash);
            (pair.diagnosis.verdict.offers_button(), &pair.diagnosis.conflict, &pair.diagnosis.held).hash(&mut hash);
            for (watch, found) in pair.watch.iter().zip(&pair.diagnosis.clusters) {
                (watch.trouble.is_none(), found.as_ref().map(|(health, _)| *health)).hash(&mut hash);
            }
            for (cluster, claim) in pair.claims() {
                (cluster, claim.identity, claim.epoch, claim.decision).hash(&mut hash);
            }
        }
        for (service, points) in &self.points {
            (service, points.first().map(|p| p.id)).hash(&mut hash);
        }
        self.services.keys().collect::<Vec<_>>().hash(&mut hash);
        hash.finish()
    }
}
