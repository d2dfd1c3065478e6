//! `understudy maintenance`: nobody is prompted or alerted of a fault for a while.

use std::time::Duration;

use crate::controller::command::MaintenanceReport;
use crate::controller::{Command, Reply};
use crate::domain::maintenance::MaintenanceRequest;
use crate::domain::{PairName, Trouble, TroubleKind};

use super::adjust::person;
use super::session::{Session, unexpected};
use super::{DONE, output};

/// What a person asks for.
pub(super) fn request(length: Duration, reason: String, pause_runs: bool) -> MaintenanceRequest {
    MaintenanceRequest { secs: length.as_secs(), reason, pause_runs, by: person() }
}

/// Begins, prolongs or ends it, or tells what there is.
pub(super) async fn maintenance(
    session: &Session,
    pair: PairName,
    asked: Option<MaintenanceRequest>,
    end: bool,
    json: bool,
) -> Result<u8, Trouble> {
    let command = match (asked, end) {
        (Some(request), _) => Some(Command::BeginMaintenance { pair: pair.clone(), request }),
        (None, true) => Some(Command::EndMaintenance { pair: pair.clone(), by: person() }),
        (None, false) => None,
    };
    let report = match command {
        None => present(session, pair)?,
        Some(command) => match session.ask(command).await? {
            Reply::Maintenance(report) => report,
            other => return Err(unexpected(&other)),
        },
    };
    if json {
        output::json(&report)?;
    } else {
        let words = report.maintenance.as_ref().map_or("not in maintenance".to_owned(), ToString::to_string);
        output::line(&format!("pair {}: {words}", report.pair))?;
    }
    Ok(DONE)
}

fn present(session: &Session, pair: PairName) -> Result<MaintenanceReport, Trouble> {
    let snapshot = session.handle.snapshot();
    let Some(view) = snapshot.pairs.iter().find(|view| view.name == pair) else {
        return Err(Trouble::new(TroubleKind::NotFound, format!("pair {pair}"), "there is no such pair").next("see `understudy status`"));
    };
    Ok(MaintenanceReport { maintenance: view.maintenance.clone(), pair })
}
