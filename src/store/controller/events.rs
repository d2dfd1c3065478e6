//! The events of runs and of identities: append-only, folded at every start.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

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
            let mut runs: Vec<(RunId, Vec<backup::Event>)> = Vec::new();
            let rows = query.query_map([ended], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            for row in rows {
                let (run, body) = row?;
                let run: RunId = run
                    .parse()
                    .map_err(|e: uuid::Error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e)))?;
                let event = from_json(&body)?;
                match runs.last_mut() {
                    Some((last, events)) if *last == run => events.push(event),
                    _ => runs.push((run, vec![event])),
                }
            }
            Ok(runs)
        })
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

/// See [`Store::append_with_policies`].
pub(super) fn append(c: &Connection, pair: &PairName, seq: usize, event: &switchover::Event) -> rusqlite::Result<usize> {
    c.execute("INSERT INTO pair_event(pair, seq, body) VALUES(?1, ?2, ?3)", params![pair.as_str(), number(seq), to_json(event)?])
}

fn number(seq: usize) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
