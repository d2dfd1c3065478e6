//! The schema, by version; a step once released is never edited.

use rusqlite::Connection;

/// Each element brings the schema from its index to the next version.
const STEPS: &[&str] = &[
    "
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE enrolled(address TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE pair(name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE pair_event(pair TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(pair, seq)) WITHOUT ROWID;
    CREATE TABLE policy(service TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL,
        current INTEGER NOT NULL, PRIMARY KEY(service, version)) WITHOUT ROWID;
    CREATE TABLE run(id TEXT PRIMARY KEY, service TEXT NOT NULL, ended INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX run_by_end ON run(ended, id);
    CREATE TABLE run_event(run TEXT NOT NULL REFERENCES run(id), seq INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY(run, seq)) WITHOUT ROWID;
    CREATE TABLE point(id TEXT PRIMARY KEY, service TEXT NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX point_by_service ON point(service, id);
    CREATE TABLE moment(service TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY(service, at)) WITHOUT ROWID;
    CREATE TABLE activity(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);
    CREATE TABLE users(pair TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    CREATE TRIGGER run_event_stays BEFORE UPDATE ON run_event BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
    CREATE TRIGGER pair_event_stays BEFORE UPDATE ON pair_event BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
",
    "
    CREATE TABLE drill(id TEXT PRIMARY KEY, service TEXT NOT NULL, ended INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX drill_by_end ON drill(ended, id);
    CREATE TABLE drill_event(drill TEXT NOT NULL REFERENCES drill(id), seq INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY(drill, seq)) WITHOUT ROWID;
    CREATE TRIGGER drill_event_stays BEFORE UPDATE ON drill_event BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
",
    "
    CREATE TABLE maintenance(pair TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
",
    "
    CREATE INDEX run_by_service ON run(service, id);
",
];

/// Brings the schema up to date, one transaction a step. A newer schema than ours is left alone.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), String> {
    let fail = |e: rusqlite::Error| format!("cannot bring the store up to date: {e}");
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    if STEPS.len() < found as usize {
        return Err(format!("its schema is version {found}, and this program knows versions up to {}", STEPS.len()));
    }
    for (version, step) in (1_u32..).zip(STEPS).skip(found as usize) {
        let transaction = connection.transaction().map_err(fail)?;
        transaction.execute_batch(step).map_err(fail)?;
        transaction.pragma_update(None, "user_version", version).map_err(fail)?;
        transaction.commit().map_err(fail)?;
    }
    Ok(())
}
