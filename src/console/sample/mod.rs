//! Sample data for pictures and tests: two clusters, four services, a day of points. Every figure is invented; the footer says so.

mod drills;
mod engine;
#[cfg(feature = "lab")]
mod lab;
mod leftovers;
mod many;
mod pair;
mod points;

pub use drills::{drill_checks, drills};
pub use engine::spec;
#[cfg(feature = "lab")]
pub use lab::lab;
pub use leftovers::{going, leftovers};
pub use many::{MANY, SCRIPTS, many, many_faulty, many_going, many_lines, scripts};
pub use pair::{agent_found, catalogue, fault, pair_checks, reversal, runbook, users};
pub use points::{points, runs};

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use crate::controller::Snapshot;
use crate::controller::snapshot::{ActivityLine, HeldFault, Level, ServiceState, ServiceView, StuckView, WindowView};
use crate::domain::backup::machine::Phase;
use crate::domain::maintenance::Maintenance;
use crate::domain::unfinished::{self, Stuck, Work};
use crate::domain::{CopyMode, DataSet, DataSetName, Hook, Keep, Service, Trouble, TroubleKind};

/// The sample's now: 21 November 2026, 14:07:32 in Shanghai.
pub fn now() -> DateTime<Utc> {
    time("2026-11-21T06:07:32Z")
}

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).map_or(DateTime::UNIX_EPOCH, |at| at.to_utc())
}

/// A name that is known to be well formed.
fn name<T: FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Display,
{
    match text.parse() {
        Ok(name) => name,
        Err(error) => unreachable!("the sample's own name {text}: {error}"),
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0199_aa00_0000_7000_8000_0000_0000_0000 + number)
}

/// A healthy pair with four services, one of them behind its target, one being run.
pub fn snapshot() -> Snapshot {
    Snapshot {
        generation: 71,
        at: now(),
        ready: true,
        observing: false,
        ousted: false,
        certificate: Some(pair::certificate("2026-11-09T03:20:00Z")),
        pairs: vec![pair::pair()],
        runs: runs(),
        points: points(),
        drills: drills(),
        activity: activity(),
    }
}

/// The same with nothing paired.
pub fn empty() -> Snapshot {
    Snapshot {
        generation: 1,
        at: now(),
        ready: true,
        observing: false,
        ousted: false,
        certificate: Some(pair::certificate("2026-11-21T06:01:00Z")),
        pairs: Vec::new(),
        runs: Vec::new(),
        points: Vec::new(),
        drills: Vec::new(),
        activity: Vec::new(),
    }
}

/// The same with the primary faulty.
pub fn faulty() -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.generation = 84;
    snapshot.pairs[0] = fault();
    snapshot.pairs[0].services[0].state = ServiceState::Protected;
    snapshot.runs.retain(|run| run.report.outcome.is_some());
    snapshot
}

/// The same with the primary lost while it ran alone.
pub fn lost() -> Snapshot {
    let mut snapshot = faulty();
    snapshot.pairs[0] = pair::lost();
    snapshot.pairs[0].services.iter_mut().for_each(|service| service.state = ServiceState::Unprotected);
    snapshot
}

/// The same with guiyang lost while a planned switchover promoted it.
pub fn lost_promoting() -> Snapshot {
    let mut snapshot = lost();
    snapshot.pairs[0] = pair::lost_promoting();
    snapshot
}

/// A planned switchover that another console left half done.
pub fn left() -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.pairs[0] = pair::left();
    snapshot
}

/// Guiyang promoted after the fault and held: applications wait until a person has looked.
pub fn held() -> Snapshot {
    let mut snapshot = faulty();
    let pair = &mut snapshot.pairs[0];
    pair.fault = None;
    pair.epoch = crate::domain::Epoch(5);
    pair.active = Some(name("guiyang"));
    pair.clusters.swap(0, 1);
    pair.clusters[0].identity = crate::domain::Identity::Primary;
    pair.clusters[0].epoch = Some(crate::domain::Epoch(5));
    pair.phase = "guiyang is primary, held for a look, since 2026-11-21 06:08:30 UTC; shenzhen is fenced as soon as it answers".to_owned();
    pair.window = Some(WindowView {
        held: true,
        primary: name("guiyang"),
        back_to: name("shenzhen"),
        refused: "the agent of shenzhen does not answer".to_owned(),
        kept_back: None,
    });
    snapshot
}

/// Another controller commands the agents.
pub fn ousted() -> Snapshot {
    Snapshot { ousted: true, ..snapshot() }
}

/// The primary faulty in a maintenance: nobody is prompted.
pub fn maintained() -> Snapshot {
    let mut snapshot = faulty();
    let pair = &mut snapshot.pairs[0];
    let fault = pair.fault.take();
    pair.held_fault = fault.map(|fault| HeldFault {
        since: fault.since,
        words: "shenzhen is faulty, as two independent views agree: its agent is silent, and guiyang reports hdfs: NameNode refuses \
                connections"
            .to_owned(),
    });
    pair.maintenance = Some(Maintenance {
        since: time("2026-11-21T06:00:00Z"),
        until: time("2026-11-21T08:00:00Z"),
        reason: "firmware of rack 4".to_owned(),
        by: "ana".to_owned(),
        pause_runs: true,
    });
    pair.phase = "shenzhen is suspect since 2026-11-21 06:05:43 UTC".to_owned();
    // The first moments after the pause; that of the night is later anyway.
    let after = time("2026-11-21T08:00:00Z");
    pair.services.iter_mut().for_each(|service| service.next_moment = service.next_moment.max(Some(after)));
    snapshot
}

fn service(text: &str, sets: &[&str], schedule: &str, rpo_minutes: u32) -> Service {
    let set = |text: &&str| {
        let name: DataSetName = name(text);
        DataSet { from: name.clone(), to: name }
    };
    Service {
        rto_target_minutes: None,
        checks: Vec::new(),
        name: name(text),
        pair: name("sz-gy"),
        owner: "retail-platform".to_owned(),
        data_sets: sets.iter().map(set).collect(),
        schedule: Some(schedule.to_owned()),
        moment: None,
        timezone: Some(chrono_tz::Asia::Shanghai),
        copy: CopyMode::Push,
        consistency: crate::domain::Consistency::Service,
        skew_limit_ms: 5_000,
        rpo_target_minutes: Some(rpo_minutes),
        keep: Keep::default(),
        freeze: None,
        thaw: None,
        sync_users: true,
        labels: BTreeMap::new(),
    }
}

/// The four services.
pub fn services() -> Vec<ServiceView> {
    let mut orders =
        service("orders", &["hdfs:/data/orders/invoices", "tables:orders", "tables:order_items", "files:receipts"], "*/15 * * * *", 15);
    orders.freeze = Some(Hook { command: Some(vec!["/opt/orders/drain".to_owned()]), url: None, limit_secs: 10 });
    let billing = service("billing", &["hdfs:/data/billing", "tables:accounts", "tables:ledger"], "0 * * * *", 60);
    let media = service("media-archive", &["hdfs:/data/media"], "0 2 * * *", 24 * 60);
    let risk = service("risk-features", &["tables:features", "files:models"], "*/15 * * * *", 15);
    let view = |policy: Service, state, rpo_secs, point, next: &str, history: Vec<u64>| ServiceView {
        name: policy.name.clone(),
        state,
        policy,
        last_point: Some(crate::domain::PointId(id(point))),
        rpo_secs: Some(rpo_secs),
        next_moment: Some(time(next)),
        rpo_history: history.into_iter().map(|minutes| Some(minutes * 60)).collect(),
        missed: Vec::new(),
        unprotected_since: None,
        stuck: None,
        not_up: None,
    };
    let even = |top: u64| (0..48).map(|step| top / 3 + step % 4 * top / 12).collect();
    let uneven = (0..48).map(|step| if step > 36 && step % 6 > 2 { 14 + step % 9 } else { 5 + step % 4 }).collect();
    let spiked = (0..48).map(|step| if step == 9 || step == 25 { 13 } else { 4 + step % 3 }).collect();
    let mut all = vec![
        view(orders, ServiceState::Running, 452, 100, "2026-11-21T06:15:00Z", spiked),
        view(billing, ServiceState::Protected, 452, 200, "2026-11-21T07:00:00Z", even(60)),
        view(media, ServiceState::Protected, 43_620, 300, "2026-11-21T18:00:00Z", even(1440)),
        view(risk, ServiceState::BehindTarget, 1_352, 400, "2026-11-21T06:15:00Z", uneven),
    ];
    all[3].missed =
        vec![(time("2026-11-21T06:00:00Z"), "The moment 14:00 was missed: the tables of shenzhen answered too slowly.".to_owned())];
    all
}

/// A service whose newest run is committed and cannot be sealed.
pub fn stuck() -> Snapshot {
    let mut snapshot = snapshot();
    let trouble = Trouble::new(TroubleKind::Refused, "tables:orders at guiyang", "cannot make it anew: index by_day already exists")
        .next("look at what else is in that database");
    let stuck = Stuck { work: Work::Seal, since: now() - Duration::seconds(30), told_at: now(), trouble };
    let run = &mut snapshot.runs[0];
    (run.phase, run.can_cancel, run.can_abandon) = (Phase::Finish, false, true);
    run.report.stuck = Some(stuck.clone());
    let (run, point) = (run.run, run.report.recovery_point);
    let service = &mut snapshot.pairs[0].services[0];
    let way_out = unfinished::way_out(run, &service.name, Work::Seal);
    (service.state, service.stuck) = (ServiceState::Stuck, Some(StuckView { run, point, stuck, way_out }));
    snapshot
}

fn activity() -> Vec<ActivityLine> {
    let line = |secs: i64, level, about: &str, text: &str| ActivityLine {
        at: now() - Duration::seconds(secs),
        level,
        text: text.to_owned(),
        about: about.to_owned(),
    };
    vec![
        line(44, Level::Info, "orders", "orders: transferring 3.1 GiB from shenzhen to guiyang"),
        line(
            452,
            Level::Warning,
            "risk-features",
            "risk-features: the moment 14:00 was missed, the tables of shenzhen answered too slowly",
        ),
        line(431, Level::Info, "billing", "billing: recovery point 14:00:00.000 sealed, skew 12 ms"),
        line(440, Level::Info, "sz-gy", "user data in sync: 41 users, 12 groups, 318 permissions, 3 tenants"),
        line(1_340, Level::Info, "orders", "orders: recovery point 13:45:00.000 sealed, skew 910 ms"),
        line(1_352, Level::Info, "risk-features", "risk-features: recovery point 13:45:00.000 sealed, skew 6.2 s (wide)"),
        line(9_000, Level::Info, "sz-gy", "the certificate of the agent at guiyang was renewed until 19 Feb 2027"),
        line(
            52_000,
            Level::Fault,
            "orders",
            "orders: the run of 23:30 failed: the agent at guiyang did not answer for 60 s; nothing was sealed",
        ),
        line(86_000, Level::Info, "", "the engine started with term 12"),
    ]
}
