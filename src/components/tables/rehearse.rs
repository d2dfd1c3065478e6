//! The tables of a drill: a database of its own, filled from the store, without a fence; the owner's queries are asked of it read-only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::db::{open, writer_of};
use super::source::manifest_of;
use super::{LOOK, Tables, fence, load, sql};
use crate::components::depot::blocking;
use crate::components::objects::make_dir;
use crate::domain::{Digest, DrillId, Manifest, PointId, Trouble, TroubleKind};

/// Characters told of a query's answer.
const TOLD: usize = 1_000;

impl Tables {
    /// Brings a table into a database out of the store.
    pub(super) fn load_into(
        &self,
        to: &mut rusqlite::Connection,
        set: &str,
        work: &load::Work,
        manifest: &Manifest,
    ) -> Result<(), Trouble> {
        let open = |digest: &Digest| Ok(Box::new(self.depot.objects.open(digest)?) as Box<dyn std::io::Read>);
        load::load(to, set, work, manifest, &open)
    }

    fn rehearsal_database(&self, drill: DrillId) -> PathBuf {
        self.depot.rehearsal_dir(drill).join("data.db")
    }

    pub(super) fn rehearse_table(&self, set: &str, point: PointId, manifest: &Manifest, drill: DrillId) -> Result<String, Trouble> {
        if manifest.entries.is_empty() {
            return Err(
                Trouble::new(TroubleKind::Corrupt, set, format!("point {point} has nothing of it")).next("choose another recovery point")
            );
        }
        let database = self.rehearsal_database(drill);
        make_dir(&self.depot.rehearsal_dir(drill))?;
        let mut connection = writer_of(&database)?;
        self.load_into(&mut connection, set, &load::Work::Whole, manifest)?;
        fence::lower(&connection, set)?;
        Ok(database.display().to_string())
    }

    /// A captured table in the database `data.db` of a directory, like that of a drill.
    pub(super) fn copy_table_out(&self, set: &str, point: PointId, to: &Path) -> Result<(), Trouble> {
        let manifest = manifest_of(self.captured(set, point)?);
        make_dir(to)?;
        let mut connection = writer_of(&to.join("data.db"))?;
        self.load_into(&mut connection, set, &load::Work::Whole, &manifest)?;
        fence::lower(&connection, set)?;
        connection.close().map_err(|(_, e)| sql(set, "close its copy", e))
    }

    pub(super) async fn ask_tables(&self, drill: DrillId, query: String, limit: Duration) -> Result<String, Trouble> {
        let this = self.clone();
        let connection =
            blocking(move || open(&this.rehearsal_database(drill), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX))
                .await?;
        let stopper = connection.get_interrupt_handle();
        let object = format!("component {}", self.name);
        let work = tokio::spawn(blocking(move || first_value(&connection, &query)));
        tokio::pin!(work);
        let answer = tokio::select! {
            answer = &mut work => answer,
            () = tokio::time::sleep(limit) => {
                stopper.interrupt();
                // It ends now; its trouble would only say that it was interrupted.
                drop(tokio::time::timeout(LOOK, work).await);
                return Err(Trouble::new(TroubleKind::Failed, object, format!("the query did not end within {} s", limit.as_secs())));
            }
        };
        answer.unwrap_or_else(|e| Err(Trouble::new(TroubleKind::Failed, object, format!("the query broke off: {e}"))))
    }
}

/// The first value of the first row as text; `NULL` is `null`, a blob its length.
fn first_value(connection: &Connection, query: &str) -> Result<String, Trouble> {
    let failed = |e| sql("query", "answer it", e);
    let mut statement = connection.prepare(query).map_err(failed)?;
    if !statement.readonly() {
        return Err(Trouble::new(TroubleKind::Refused, "query", "it would write: a check only reads").next("ask with SELECT"));
    }
    let mut rows = statement.query([]).map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else { return Ok("no row".into()) };
    let text = match row.get_ref(0).map_err(failed)? {
        ValueRef::Null => "null".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("a blob of {} bytes", bytes.len()),
    };
    Ok(text.chars().take(TOLD).collect())
}
