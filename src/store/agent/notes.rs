//! What this agent said of the data sets of a service's run: kept for whoever commands the pair, and for the point that the run makes. A later
//! run of the service takes its place.

use rusqlite::params;

use super::rows::{collect, json};
use super::{Ledger, to_json};
use crate::domain::{Note, PairName, RunId, ServiceName, Trouble};

/// The table of this page. `part`: what was being done when it was said.
pub(super) const SCHEMA: &str = "
    CREATE TABLE notes (
        pair TEXT NOT NULL,
        service TEXT NOT NULL,
        run TEXT NOT NULL,
        part TEXT NOT NULL,
        notes TEXT NOT NULL,
        PRIMARY KEY (pair, service, run, part)
    ) STRICT;
";

impl Ledger {
    /// Keeps what was said in a part of a run; said again it replaces what was said there, and another run's goes.
    pub fn note_said(&self, pair: &PairName, service: &ServiceName, run: RunId, part: &str, notes: &[Note]) -> Result<(), Trouble> {
        self.write(|t| {
            let run = run.to_string();
            t.execute("DELETE FROM notes WHERE pair = ?1 AND service = ?2 AND run <> ?3", params![pair.as_str(), service.as_str(), run])?;
            t.execute(
                "INSERT OR REPLACE INTO notes (pair, service, run, part, notes) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![pair.as_str(), service.as_str(), run, part, to_json(&notes)?],
            )?;
            Ok(())
        })
    }

    /// Everything that was said in a run, each once; of a pair that the controller with this key commands, or of any.
    pub fn notes_of(&self, run: RunId, controller: Option<&str>) -> Result<Vec<Note>, Trouble> {
        let sql = "SELECT notes FROM notes WHERE run = ?1
                   AND (?2 IS NULL OR pair IN (SELECT pair FROM pair_controllers WHERE key = ?2)) ORDER BY part";
        let parts: Vec<Vec<Note>> = self.read(|c| {
            let mut query = c.prepare(sql)?;
            collect(query.query_map(params![run.to_string(), controller], |row| json(row, 0))?)
        })?;
        let mut all = Vec::new();
        Note::gather(&mut all, parts.into_iter().flatten());
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_of_a_run_are_kept_until_the_next_run_of_the_service_says_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let ledger = Ledger::open(&folder.path().join("ledger.db")).expect("a ledger");
        let note = |code: &str| Note::new(&serde_json::json!({ "code": code }), "hdfs:/d", "so it is", "");
        let (pair, service) = ("p".parse().expect("a pair"), "s".parse().expect("a service"));
        let run = |number: u128| RunId(uuid::Uuid::from_u128(number));
        ledger.note_said(&pair, &service, run(1), "arm", &[note("quotas"), note("acls")]).expect("kept");
        ledger.note_said(&pair, &service, run(1), "plan hdfs:/d", &[note("quotas"), note("target-striped")]).expect("kept");
        let codes = |number, key| ledger.notes_of(run(number), key).expect("read").into_iter().map(|note| note.code).collect::<Vec<_>>();
        assert_eq!(codes(1, None), ["quotas", "acls", "target-striped"]);
        assert_eq!(codes(1, Some("a stranger")), [""; 0]);
        ledger.note_said(&pair, &service, run(2), "arm", &[]).expect("kept");
        assert_eq!((codes(1, None), codes(2, None)), (vec![], vec![]));
    }
}
