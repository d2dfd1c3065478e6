//! `understudy restore`: one data set of a point beside the live data; ends when it is there, or when it is known why not.

use crate::controller::{Command, Reply};
use crate::domain::restore::RestoreEnding;
use crate::domain::{DataSetName, PointId, Trouble};
use crate::terminal;

use super::adjust::person;
use super::session::{Session, unexpected};
use super::simple::say;
use super::{DONE, output, status_of};

/// What is asked for.
pub(super) struct Ask {
    /// Which recovery point.
    pub point: PointId,
    /// Which of its data sets.
    pub data_set: DataSetName,
    /// Where to.
    pub place: String,
    /// Only this part.
    pub only: Option<String>,
    /// At which cluster.
    pub at: Option<String>,
}

/// Restores it. With JSON the report goes to standard output whatever the ending is; why it is not restored goes to standard error.
pub(super) async fn restore(session: &Session, ask: Ask, json: bool) -> Result<u8, Trouble> {
    let Ask { point, data_set, place, only, at } = ask;
    let report = match session.ask(Command::Restore { point, data_set, only, place, at, by: person() }).await? {
        Reply::Restored(report) => report,
        other => return Err(unexpected(&other)),
    };
    match &report.error {
        None => say(json, &report, &report.lines()),
        Some(trouble) => {
            if json {
                output::json(&report)?;
            } else if report.ending != RestoreEnding::Refused {
                report.lines().iter().for_each(terminal::aside);
            }
            terminal::trouble("understudy", trouble);
            Ok(status_of(trouble).max(DONE + 1))
        }
    }
}
