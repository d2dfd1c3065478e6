//! The events of runs and of identities: append-only, folded at every start.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use crate::domain::backup::machine as backup;
use crate::domain::switchover::machine as switchover;
use crate::domain::{PairName, RunId, Service, ServiceName, Trouble};

use super::{Store, from_json, to_json};

impl Store {
    /// Appends one event of a run; `seq` is how many it had before, so that two writers cannot both succeed.
    pub fn append_run_event(
        &self,
        run: RunId,
        service: &ServiceName,
        seq: usize,
        event: &backup::Event,
        ended: bool,
    ) -> Result<(), Trouble> {
        self.sql(|c| {
            let transaction = c.transaction()?;
            transaction.execute(
                "INSERT INTO run(id, service, ended) VALUES(?1, ?2, ?3) ON CONFLICT(id) DO UPDATE SET ended = excluded.ended",
                params![run.to_string(), service.as_str(), ended],
            )?;
            transaction.execute(
                "INSERT INTO run_event(run, seq, body) VALUES(?1, ?2, ?3)",
                params![run.to_string(), number(seq), to_json(event)?],
            )?;
            transaction.commit()
        })
    }

    /// The events of every run that has not ended, and of the `ended` newest that have; oldest run first.
    pub fn run_events(&self, ended: u32) -> Result<Vec<(RunId, Vec<backup::Event>)>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare(
                "SELECT run, body FROM run_event WHERE run IN
                   (SELECT id FROM run WHERE ended = 0
                    UNION SELECT id FROM (SELECT id FROM run WHERE ended = 1 ORDER BY id DESC LIMIT ?1))
                 ORDER BY run, seq",
            )?;
            grouped(query.query_map([ended], columns)?)
        })
    }

    /// The events of one run, oldest first; none for a run that never was.
    pub fn events_of_run(&self, run: RunId) -> Result<Vec<backup::Event>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare("SELECT body FROM run_event WHERE run = ?1 ORDER BY seq")?;
            query.query_map([run.to_string()], |row| row.get::<_, String>(0))?.map(|body| from_json(&body?)).collect()
        })
    }

    /// The events of the `limit` newest runs (of one service) that began before another one; newest run first.
    pub fn run_page(
        &self,
        service: Option<&ServiceName>,
        before: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<(RunId, Vec<backup::Event>)>, Trouble> {
        let before = before.map(|run| run.to_string());
        self.sql(|c| {
            let wanted = match service {
                Some(_) => "service = ?1 AND id < coalesce(?2, 'z')",
                None => "?1 IS NULL AND id < coalesce(?2, 'z')",
            };
            let mut query = c.prepare(&format!(
                "SELECT run, body FROM run_event WHERE run IN (SELECT id FROM run WHERE {wanted} ORDER BY id DESC LIMIT ?3)
                 ORDER BY run DESC, seq"
            ))?;
            grouped(query.query_map(params![service.map(ServiceName::as_str), before, limit], columns)?)
        })
    }

    /// Whether a service ever had a run.
    pub fn had_runs(&self, service: &ServiceName) -> Result<bool, Trouble> {
        self.sql(|c| c.query_row("SELECT EXISTS (SELECT 1 FROM run WHERE service = ?1)", [service.as_str()], |row| row.get(0)))
    }

    /// Appends one event of a pair's identities, together with the policies that change with it.
    pub fn append_with_policies(
        &self,
        pair: &PairName,
        seq: usize,
        event: &switchover::Event,
        policies: &[Service],
        at: DateTime<Utc>,
    ) -> Result<(), Trouble> {
        self.sql(|c| {
            let transaction = c.transaction()?;
            append(&transaction, pair, seq, event)?;
            for service in policies {
                super::pairs::keep_policy(&transaction, service, at)?;
            }
            transaction.commit()
        })
    }

    /// A pair's events, oldest first.
    pub fn pair_events(&self, pair: &PairName) -> Result<Vec<switchover::Event>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare("SELECT body FROM pair_event WHERE pair = ?1 ORDER BY seq")?;
            query.query_map([pair.as_str()], |row| row.get::<_, String>(0))?.map(|body| from_json(&body?)).collect()
        })
    }
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// Events with their run, as they come: those of a run follow each other.
fn grouped(rows: impl Iterator<Item = rusqlite::Result<(String, String)>>) -> rusqlite::Result<Vec<(RunId, Vec<backup::Event>)>> {
    let mut runs: Vec<(RunId, Vec<backup::Event>)> = Vec::new();
    for row in rows {
        let (run, body) = row?;
        let run: RunId =
            run.parse().map_err(|e: uuid::Error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e)))?;
        let event = from_json(&body)?;
        match runs.last_mut() {
            Some((last, events)) if *last == run => events.push(event),
            _ => runs.push((run, vec![event])),
        }
    }
    Ok(runs)
}

/// See [`Store::append_with_policies`].
pub(super) fn append(c: &Connection, pair: &PairName, seq: usize, event: &switchover::Event) -> rusqlite::Result<usize> {
    c.execute("INSERT INTO pair_event(pair, seq, body) VALUES(?1, ?2, ?3)", params![pair.as_str(), number(seq), to_json(event)?])
}

fn number(seq: usize) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
