//! The lab assembled: two sites, the cables between them, the application, and the controller's engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::follow::Follow;
use super::relays::{Cable, Relay};
use super::seed;
use super::sites::{Site, SitePorts};
use super::workload::Workload;
use crate::controller::command::{AgentRequest, PairRequest};
use crate::controller::fn_waker::Waker;
use crate::controller::{Command, EngineHandle, EngineSpec, Reply, Snapshot, WatchMode, WatchSettings};
use crate::domain::backup::machine::Phase;
use crate::domain::{
    ClusterName, Consistency, CopyMode, Hook, Keep, PairName, RecoveryPoint, RunId, RunReport, Service, ServiceName, Trouble, TroubleKind,
};

/// How long one backup run of the lab may take.
const RUN_LIMIT: Duration = Duration::from_secs(180);
/// The lab's writers thaw by themselves after so many seconds.
const FREEZE_LIMIT_SECS: u32 = 20;

/// The lab watches quickly: its sites are on the same machine and people are waiting.
pub const QUICK_WATCH: WatchSettings = WatchSettings {
    interval: Duration::from_millis(500),
    time_limit: Duration::from_millis(1_500),
    failures: 3,
    fault_after: Duration::from_secs(3),
    settle: Duration::from_secs(5),
    unstable_times: 3,
    unstable_window: Duration::from_secs(120),
    mode: WatchMode::Prompt,
};

/// A lab with everything in it.
pub struct Stage {
    /// The site that begins as the primary.
    pub east: Site,
    /// The site that begins as the secondary.
    pub west: Site,
    /// The application.
    pub workload: Arc<Workload>,
    /// The controller.
    pub engine: EngineHandle,
    console: [Relay; 2],
    link: [Relay; 2],
    link_cut: bool,
    console_cut: bool,
    _follow: Follow,
}

/// The lab's names.
#[derive(Debug, Clone)]
pub struct Names {
    /// `lab`.
    pub pair: PairName,
    /// `orders`.
    pub service: ServiceName,
    /// `east`.
    pub east: ClusterName,
    /// `west`.
    pub west: ClusterName,
}

impl Names {
    /// As in every lab.
    pub fn new() -> Result<Names, Trouble> {
        let bad = |e: crate::domain::BadName| Trouble::new(TroubleKind::Invalid, "training lab", e);
        Ok(Names {
            pair: "lab".parse().map_err(bad)?,
            service: "orders".parse().map_err(bad)?,
            east: "east".parse().map_err(bad)?,
            west: "west".parse().map_err(bad)?,
        })
    }
}

impl Stage {
    /// Builds a lab below `root`, which must be empty, and switches both sites on. `program` is this binary.
    pub async fn build(root: &Path, program: &Path, waker: Waker) -> Result<Stage, Trouble> {
        let names = Names::new()?;
        let ports = [SitePorts::choose()?, SitePorts::choose()?];
        let console = [Relay::start(ports[0].agent).await?, Relay::start(ports[1].agent).await?];
        let link = [Relay::start(ports[0].agent).await?, Relay::start(ports[1].agent).await?];
        let site = |name: &ClusterName, number: usize| {
            let dir = root.join(name.as_str());
            Site::new(name.clone(), dir, ports[number], program.to_owned(), link[number].address())
        };
        let (mut east, mut west) = (site(&names.east, 0)?, site(&names.west, 1)?);
        let places = (east.place(), west.place());
        blocking(move || seed::primary(&places.0).and_then(|()| seed::secondary(&places.1))).await?;
        let (on_east, on_west) = tokio::join!(east.power_on(), west.power_on());
        on_east.and(on_west)?;
        let follow = Follow::start(&ports.map(|ports| ports.route), names.pair.clone(), names.service.clone());
        let desks = BTreeMap::from([(names.east, ports[0].desk), (names.west, ports[1].desk)]);
        let workload = Arc::new(Workload::start(desks, follow.active()).await?);
        let spec = EngineSpec { state: root.join("controller"), watch: QUICK_WATCH, training: true, route: None, waker };
        let engine = crate::controller::start(spec).await?;
        Ok(Stage { east, west, workload, engine, console, link, link_cut: false, console_cut: false, _follow: follow })
    }

    /// A site by its name.
    pub fn site(&mut self, name: &ClusterName) -> Result<&mut Site, Trouble> {
        if *name == self.east.name {
            Ok(&mut self.east)
        } else if *name == self.west.name {
            Ok(&mut self.west)
        } else {
            Err(Trouble::new(TroubleKind::NotFound, format!("site {name}"), "the lab's sites are east and west"))
        }
    }

    /// Cuts the link between the sites, or mends it.
    pub fn cut_link(&mut self, cut: bool) {
        self.link.iter().for_each(|relay| relay.set(if cut { Cable::Cut } else { Cable::Whole }));
        self.link_cut = cut;
    }

    /// Cuts the console off from both sites, in silence as firewalls do it, or mends that.
    pub fn cut_console(&mut self, cut: bool) {
        self.console.iter().for_each(|relay| relay.set(if cut { Cable::Silent } else { Cable::Whole }));
        self.console_cut = cut;
    }

    /// Whether the link is cut, and whether the console is.
    pub fn cuts(&self) -> (bool, bool) {
        (self.link_cut, self.console_cut)
    }

    /// Pairs the sites and enters the service's policy.
    pub async fn pair(&mut self, consistency: Consistency) -> Result<(), Trouble> {
        let names = Names::new()?;
        let mut agents = Vec::with_capacity(2);
        for (number, site) in [&mut self.east, &mut self.west].into_iter().enumerate() {
            let code = Some(site.enrolment_code().await?);
            agents.push(AgentRequest { address: self.console[number].address().to_string(), code });
        }
        let (Some(secondary), Some(primary)) = (agents.pop(), agents.pop()) else {
            return Err(Trouble::new(TroubleKind::Failed, "training lab", "it has not two sites"));
        };
        let policy = self.policy(&names, consistency)?;
        done(self.engine.ask(Command::Pair(PairRequest { name: names.pair, primary, secondary })).await)?;
        done(self.engine.ask(Command::SaveService(Box::new(policy))).await)
    }

    fn policy(&self, names: &Names, consistency: Consistency) -> Result<Service, Trouble> {
        let hook = |url: String| Hook { command: None, url: Some(url), limit_secs: FREEZE_LIMIT_SECS };
        // Older systems hold no writers while they capture one component after the other.
        let holds = consistency == Consistency::Service;
        let sets =
            ["files:invoices", "tables:orders"].map(|name| name.parse().map(|name: crate::domain::DataSetName| (name.clone(), name)));
        let sets = sets.into_iter().collect::<Result<Vec<_>, Trouble>>()?;
        let checks = sets.last().map(|(_, orders)| seed::drill_checks(orders)).unwrap_or_default();
        Ok(Service {
            name: names.service.clone(),
            pair: names.pair.clone(),
            owner: "training".into(),
            data_sets: sets.into_iter().map(|(from, to)| crate::domain::DataSet { from, to }).collect(),
            schedule: None,
            moment: None,
            timezone: None,
            copy: CopyMode::Push,
            consistency,
            skew_limit_ms: 5_000,
            rpo_target_minutes: Some(5),
            rto_target_minutes: Some(1),
            checks,
            keep: Keep::default(),
            freeze: holds.then(|| hook(self.workload.freeze_url(FREEZE_LIMIT_SECS))),
            thaw: holds.then(|| hook(self.workload.thaw_url())),
            sync_users: true,
            labels: BTreeMap::new(),
        })
    }

    /// One backup run, to its end: the sealed point, or why there is none.
    pub async fn backup(&self) -> Result<RecoveryPoint, Trouble> {
        let service = Names::new()?.service;
        let run = match self.engine.ask(Command::Run { service, at: None }).await {
            Reply::Started(run) => run,
            other => return Err(unexpected("a run", &other)),
        };
        let report = self.until("the run's end", RUN_LIMIT, |snapshot| ended(snapshot, run)).await?;
        if let Some(trouble) = report.error {
            return Err(trouble);
        }
        let sealed = |snapshot: &Snapshot| snapshot.points.iter().find(|point| point.id == report.recovery_point).cloned();
        self.until("the run's recovery point", Duration::from_secs(10), sealed).await
    }

    /// Waits until the engine's picture shows something, at most `limit`.
    pub async fn until<T>(&self, what: &str, limit: Duration, seen: impl Fn(&Snapshot) -> Option<T>) -> Result<T, Trouble> {
        let mut snapshots = self.engine.snapshots();
        let waiting = async {
            loop {
                if let Some(seen) = seen(&snapshots.borrow_and_update().clone()) {
                    return Ok(seen);
                }
                if snapshots.changed().await.is_err() {
                    return Err(Trouble::new(TroubleKind::Unreachable, "engine", "it has stopped"));
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| Err(late(what, limit)))
    }

    /// Waits until the application has had so many more orders acknowledged.
    pub async fn orders(&self, more: u64, limit: Duration) -> Result<(), Trouble> {
        let goal = self.workload.view(None).written + more;
        let waiting = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(50));
            while self.workload.view(None).written < goal {
                ticks.tick().await;
            }
        };
        let why = || late(&format!("{more} more orders"), limit).next(self.workload.last_refusal());
        tokio::time::timeout(limit, waiting).await.map_err(|_| why())
    }

    /// Waits until `cluster` serves the application after `since`; when it first did.
    pub async fn served(&self, cluster: &ClusterName, since: DateTime<Utc>, limit: Duration) -> Result<DateTime<Utc>, Trouble> {
        let waiting = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            loop {
                if let Some(first) = self.workload.first_served(cluster, since) {
                    return first;
                }
                ticks.tick().await;
            }
        };
        let why = || late(&format!("an order at {cluster}"), limit).next(self.workload.last_refusal());
        tokio::time::timeout(limit, waiting).await.map_err(|_| why())
    }
}

/// A run's report, once it has ended.
fn ended(snapshot: &Snapshot, run: RunId) -> Option<RunReport> {
    let view = snapshot.runs.iter().find(|view| view.run == run)?;
    matches!(view.phase, Phase::Sealed | Phase::Cancelled | Phase::Failed | Phase::Abandoned).then(|| view.report.clone())
}

fn late(what: &str, limit: Duration) -> Trouble {
    Trouble::new(TroubleKind::Unreachable, "training lab", format!("waited {} s in vain for {what}", limit.as_secs()))
}

/// Only whether it was done.
fn done(reply: Reply) -> Result<(), Trouble> {
    match reply {
        Reply::Done | Reply::PairChecks(_) | Reply::ServiceChecked(_) => Ok(()),
        other => Err(unexpected("a command", &other)),
    }
}

/// A refusal's own words, or what else came.
pub fn unexpected(to: &str, reply: &Reply) -> Trouble {
    match reply {
        Reply::Refused(trouble) => trouble.clone(),
        other => Trouble::new(TroubleKind::Failed, "engine", format!("to {to} it answered {other:?}")),
    }
}

/// Blocking work, off the runtime.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Trouble> + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Trouble::new(TroubleKind::Failed, "training lab", format!("its work was interrupted: {error}"))))
}

/// Where the lab's binary is: this one.
pub fn this_program() -> Result<PathBuf, Trouble> {
    std::env::current_exe().map_err(|e| Trouble::new(TroubleKind::Failed, "training lab", format!("cannot find its own program: {e}")))
}
