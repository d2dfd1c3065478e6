//! What the sites hold before anything happens: the primary an empty order book and its people, the secondary nothing but the
//! places for them.

use std::path::Path;

use rusqlite::Connection;

use super::desk::{BUSY, DataPlace};
use crate::domain::{DataSetName, DrillCheck, Trouble, TroubleKind};

/// The tables in which the lab's application keeps its users, groups, permissions and tenants.
const PEOPLE_TABLES: &str = "
    CREATE TABLE app_users (name TEXT PRIMARY KEY);
    CREATE TABLE app_group_members (grp TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (grp, member));
    CREATE TABLE app_grants (principal TEXT NOT NULL, object TEXT NOT NULL, rights TEXT NOT NULL, PRIMARY KEY (principal, object));
    CREATE TABLE app_tenants (name TEXT PRIMARY KEY, quota TEXT NOT NULL);";

const PEOPLE: &str = "
    INSERT INTO app_users VALUES ('ana'), ('bo'), ('chen'), ('desk');
    INSERT INTO app_group_members VALUES ('retail', 'ana'), ('retail', 'bo'), ('audit', 'chen');
    INSERT INTO app_grants VALUES ('user:desk', 'orders', 'read,write'), ('group:retail', 'orders', 'read,write'),
                                  ('user:bo', 'orders', 'read'), ('group:audit', 'orders', 'read');
    INSERT INTO app_tenants VALUES ('retail', '70'), ('audit', '30');";

/// The right that a scenario takes away: it must be gone at the secondary, too.
pub const REVOKED: (&str, &str) = ("user:bo", "orders");

/// Makes the site that begins with the primary identity.
pub fn primary(place: &DataPlace) -> Result<(), Trouble> {
    std::fs::create_dir_all(place.invoices()).map_err(|error| failed(&place.files, &error))?;
    create(
        &place.database,
        &format!("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, cents INTEGER NOT NULL);{PEOPLE_TABLES}{PEOPLE}"),
    )
}

/// Makes the site that begins with the secondary identity.
pub fn secondary(place: &DataPlace) -> Result<(), Trouble> {
    std::fs::create_dir_all(&place.files).map_err(|error| failed(&place.files, &error))?;
    create(&place.database, PEOPLE_TABLES)
}

/// Takes [`REVOKED`] away, as an administrator of the application would.
pub fn revoke(place: &DataPlace) -> Result<(), Trouble> {
    open(&place.database)
        .and_then(|db| db.execute("DELETE FROM app_grants WHERE principal = ?1 AND object = ?2", REVOKED))
        .map_err(|error| failed(&place.database, &error))
        .map(|_| ())
}

/// What `principal` may do with `object`; `None`: nothing.
pub fn rights(place: &DataPlace, (principal, object): (&str, &str)) -> Result<Option<String>, Trouble> {
    use rusqlite::OptionalExtension;
    open(&place.database)
        .and_then(|db| {
            db.query_row("SELECT rights FROM app_grants WHERE principal = ?1 AND object = ?2", (principal, object), |row| row.get(0))
                .optional()
        })
        .map_err(|error| failed(&place.database, &error))
}

fn create(database: &Path, tables: &str) -> Result<(), Trouble> {
    open(database)
        .and_then(|db| {
            // Readers and the one writer do not wait for each other, as in any busy application.
            db.pragma_update(None, "journal_mode", "WAL")?;
            db.execute_batch(&format!("BEGIN; {tables} COMMIT;"))
        })
        .map_err(|error| failed(database, &error))
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(database)?;
    db.busy_timeout(BUSY)?;
    Ok(db)
}

fn failed(place: &Path, error: &dyn std::error::Error) -> Trouble {
    Trouble::new(TroubleKind::Failed, place.display(), error)
}

/// What a drill of the lab's service tries out: the tree is there, the database is sound.
pub fn drill_checks(orders: &DataSetName) -> Vec<DrillCheck> {
    let words = ["/bin/sh", "-c", "test -d \"$UNDERSTUDY_PLACE_FILES_INVOICES\""];
    vec![
        DrillCheck { command: Some(words.map(str::to_owned).to_vec()), ..DrillCheck::named("the invoices are there") },
        DrillCheck {
            sql: Some("PRAGMA integrity_check".to_owned()),
            on: Some(orders.clone()),
            expect: Some("ok".to_owned()),
            ..DrillCheck::named("the database of orders is sound")
        },
    ]
}
