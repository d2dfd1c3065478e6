//! An engine that shows the sample and answers what a screen asks while it is drawn; it does nothing.

use std::sync::Arc;

use poll_promise::Promise;
use tokio::sync::{mpsc, watch};

use super::{agent_found, catalogue, now, pair_checks};
use crate::console::{ConsoleSpec, StartEngine};
use crate::controller::command::{Check, CheckState, ServiceCheck};
use crate::controller::{Asked, Command, EngineHandle, Reply, Snapshot};

/// A console on a snapshot, in Shanghai, at the sample's now.
pub fn spec(snapshot: Snapshot) -> ConsoleSpec {
    let start: StartEngine = Box::new(move || Promise::from_ready(Ok(engine(snapshot))));
    let mut spec = ConsoleSpec::new(start, "/var/lib/understudy".into());
    spec.zone = crate::console::words::Zone::Named(chrono_tz::Asia::Shanghai);
    spec.clock = Arc::new(now);
    spec.sample = true;
    #[cfg(feature = "lab")]
    {
        spec.start_lab = Some(Box::new(|| Promise::from_ready(Ok((lab_handle(), engine(lab_engine()))))));
    }
    spec
}

fn engine(snapshot: Snapshot) -> EngineHandle {
    let (commands, mut asked) = mpsc::channel::<Asked>(64);
    let (news, snapshots) = watch::channel(Arc::new(snapshot));
    std::thread::spawn(move || {
        while let Some((command, reply)) = asked.blocking_recv() {
            // A console that was closed meanwhile does not want the reply any more.
            drop(reply.send(answer(&command)));
        }
        drop(news);
    });
    EngineHandle::new(commands, snapshots)
}

fn answer(command: &Command) -> Reply {
    match command {
        Command::TestAgent { address, .. } => Reply::Agent(agent_found(address.starts_with("10.4"))),
        Command::CheckPair(_) => Reply::PairChecks(pair_checks()),
        Command::Catalogue { component, path, .. } => Reply::Catalogue(catalogue(component.as_ref().map(|name| name.as_str()), path)),
        Command::CheckService(service) => Reply::ServiceChecked(ServiceCheck {
            in_words: format!(
                "Every 15 minutes, the {} data sets of {} are captured on shenzhen at that one moment, pushed to guiyang by the built-in engine, \
                 verified, and sealed together as one recovery point. A point with more than 5 s of skew is kept but flagged. \
                 You are told when {} falls more than 15 minutes behind.",
                service.data_sets.len(),
                service.name,
                service.name
            ),
            next_moments: (1..=5).map(|step| super::time("2026-11-21T06:00:00Z") + chrono::Duration::minutes(15 * step)).collect(),
            checks: vec![Check {
                name: "Space on guiyang".to_owned(),
                state: CheckState::Ok,
                evidence: "8.2 TiB of 61 TiB free".to_owned(),
                fix: String::new(),
                facts: None,
            }],
        }),
        Command::WouldGo { removal, .. } => Reply::WouldGo(super::going(removal)),
        Command::Leftovers { .. } => Reply::Leftovers(super::leftovers()),
        Command::Runbook { verb, .. } => Reply::Runbook(super::runbook(*verb)),
        Command::CheckDrill { .. } => Reply::DrillChecked(super::drill_checks()),
        _ => Reply::Done,
    }
}

#[cfg(feature = "lab")]
fn lab_engine() -> Snapshot {
    let mut snapshot = super::snapshot();
    let pair = &mut snapshot.pairs[0];
    pair.name = super::name("lab");
    pair.clusters[0].name = super::name("east");
    pair.clusters[1].name = super::name("west");
    snapshot
}

#[cfg(feature = "lab")]
fn lab_handle() -> crate::lab::LabHandle {
    let (commands, mut asked) = mpsc::channel(8);
    let (news, snapshots) = watch::channel(Arc::new(super::lab()));
    std::thread::spawn(move || {
        while asked.blocking_recv().is_some() {}
        drop(news);
    });
    crate::lab::LabHandle::new(commands, snapshots, tokio_util::sync::CancellationToken::new().drop_guard())
}
