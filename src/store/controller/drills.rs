//! The events of drills: append-only, folded at every start, kept as the history of their services.

use rusqlite::params;

use crate::domain::drill::machine::Event;
use crate::domain::{DrillId, ServiceName, Trouble};

use super::{Store, from_json, to_json};

impl Store {
    /// Appends one event of a drill; `seq` is how many it had before, so that two writers cannot both succeed.
    pub fn append_drill_event(&self, drill: DrillId, service: &ServiceName, seq: usize, event: &Event, ended: bool) -> Result<(), Trouble> {
        let seq = i64::try_from(seq).unwrap_or(i64::MAX);
        self.sql(|c| {
            let transaction = c.transaction()?;
            transaction.execute(
                "INSERT INTO drill(id, service, ended) VALUES(?1, ?2, ?3) ON CONFLICT(id) DO UPDATE SET ended = excluded.ended",
                params![drill.to_string(), service.as_str(), ended],
            )?;
            transaction.execute(
                "INSERT INTO drill_event(drill, seq, body) VALUES(?1, ?2, ?3)",
                params![drill.to_string(), seq, to_json(event)?],
            )?;
            transaction.commit()
        })
    }

    /// The events of every drill that has not ended, and of the `ended` newest that have; oldest drill first.
    pub fn drill_events(&self, ended: u32) -> Result<Vec<(DrillId, Vec<Event>)>, Trouble> {
        self.sql(|c| {
            let mut query = c.prepare(
                "SELECT drill, body FROM drill_event WHERE drill IN
                   (SELECT id FROM drill WHERE ended = 0
                    UNION SELECT id FROM (SELECT id FROM drill WHERE ended = 1 ORDER BY id DESC LIMIT ?1))
                 ORDER BY drill, seq",
            )?;
            let mut drills: Vec<(DrillId, Vec<Event>)> = Vec::new();
            let rows = query.query_map([ended], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            for row in rows {
                let (drill, body) = row?;
                let drill: DrillId = drill
                    .parse()
                    .map_err(|e: uuid::Error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(e)))?;
                let event = from_json(&body)?;
                match drills.last_mut() {
                    Some((last, events)) if *last == drill => events.push(event),
                    _ => drills.push((drill, vec![event])),
                }
            }
            Ok(drills)
        })
    }
}
