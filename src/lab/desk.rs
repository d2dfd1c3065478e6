//! The application's half at a site: an order desk that writes an order row (tables) and its invoice file (files), durably, and
//! reads both back.
//!
//! ```text
//! POST /orders        Order → 200 when row and invoice are durable, 503 with the reason when not
//! GET  /orders/{id}   200 when row and invoice are there and agree, 404 when both are missing, 409 when they differ
//! ```
//! It runs in the site's process, so that it loses power, hangs and finds the disk full together with the site. It is an
//! ordinary user of the site's data: it respects a fence like one.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// Orders kept: the order that many ids ago is archived (row and invoice go) when a new one comes, so that a lab can run for hours.
pub const KEPT_ORDERS: u64 = 20_000;
/// Orders waiting for the writer.
const QUEUE: usize = 64;
/// Orders made durable together.
const BATCH: usize = 32;
/// How long anything of the lab waits for the database. The desk holds it most of the time on a busy machine, and SQLite is not fair.
pub(super) const BUSY: Duration = Duration::from_secs(60);

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Its id, drawn by the application; only rises.
    pub id: u64,
    /// Who ordered.
    pub customer: String,
    /// The sum.
    pub cents: u64,
}

/// Where a site keeps the application's data.
#[derive(Debug, Clone)]
pub struct DataPlace {
    /// The root of the `files` component; invoices are in its folder `invoices`.
    pub files: PathBuf,
    /// The database of the `tables` component.
    pub database: PathBuf,
}

impl DataPlace {
    /// Below a site's folder.
    pub fn of_site(site: &Path) -> DataPlace {
        DataPlace { files: site.join("files"), database: site.join("orders.db") }
    }

    /// The folder of the invoices.
    pub fn invoices(&self) -> PathBuf {
        self.files.join("invoices")
    }

    /// One order's invoice.
    pub fn invoice(&self, id: u64) -> PathBuf {
        self.invoices().join(format!("{id}.json"))
    }
}

type Job = (Order, oneshot::Sender<Result<(), String>>);

#[derive(Clone)]
struct Desk {
    place: DataPlace,
    orders: mpsc::Sender<Job>,
}

/// The desk's routes; `place` must exist. A writing thread of its own ends with the router.
pub fn router(place: DataPlace) -> std::io::Result<Router> {
    let (orders, waiting) = mpsc::channel(QUEUE);
    let writer = place.clone();
    std::thread::Builder::new().name("order-desk".into()).spawn(move || write_all(&writer, waiting))?;
    Ok(Router::new().route("/orders", post(take)).route("/orders/{id}", get(look_up)).with_state(Desk { place, orders }))
}

async fn take(State(desk): State<Desk>, Json(order): Json<Order>) -> (StatusCode, String) {
    let (done, answer) = oneshot::channel();
    if desk.orders.try_send((order, done)).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the desk is busy".into());
    }
    match answer.await {
        Ok(Ok(())) => (StatusCode::OK, String::new()),
        Ok(Err(reason)) => (StatusCode::SERVICE_UNAVAILABLE, reason),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the desk has closed".into()),
    }
}

async fn look_up(State(desk): State<Desk>, UrlPath(id): UrlPath<u64>) -> (StatusCode, String) {
    let answer = tokio::task::spawn_blocking(move || read_back(&desk.place, id)).await;
    match answer {
        Ok(Ok(Some(true))) => (StatusCode::OK, String::new()),
        Ok(Ok(Some(false))) => (StatusCode::CONFLICT, "the order and its invoice do not agree".into()),
        Ok(Ok(None)) => (StatusCode::NOT_FOUND, "no such order".into()),
        Ok(Err(reason)) => (StatusCode::SERVICE_UNAVAILABLE, reason),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Takes orders in batches until the router is gone.
fn write_all(place: &DataPlace, mut waiting: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(BATCH);
    while waiting.blocking_recv_many(&mut jobs, BATCH) > 0 {
        let orders: Vec<&Order> = jobs.iter().map(|(order, _)| order).collect();
        let outcome = write_batch(place, &orders).map_err(|error| error.to_string());
        for (_, done) in jobs.drain(..) {
            // Whoever asked may have given up; the order stands or falls all the same.
            drop(done.send(outcome.clone()));
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum DeskError {
    #[error("orders: {0}")]
    Tables(#[from] rusqlite::Error),
    #[error("invoices: {0}")]
    Files(#[from] std::io::Error),
    #[error("invoices: {0}")]
    Json(#[from] serde_json::Error),
    #[error("invoices: the folder may not be written to (mode {0:o})")]
    Fenced(u32),
}

/// All of a batch, or nothing: the rows commit last, so that no acknowledged order can lack its invoice.
fn write_batch(place: &DataPlace, orders: &[&Order]) -> Result<(), DeskError> {
    let mut db = Connection::open_with_flags(&place.database, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "synchronous", "FULL")?;
    let rows = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for order in orders {
        rows.execute(
            "INSERT INTO orders (id, customer, cents) VALUES (?1, ?2, ?3)",
            (signed(order.id), &order.customer, signed(order.cents)),
        )?;
        rows.execute("DELETE FROM orders WHERE id <= ?1", [signed(order.id.saturating_sub(KEPT_ORDERS))])?;
    }
    let written = write_invoices(place, orders).and_then(|()| Ok(rows.commit()?));
    for order in orders {
        let gone = if written.is_ok() { order.id.saturating_sub(KEPT_ORDERS) } else { order.id };
        // Archived ones may be gone already, and of a failed batch some were never written.
        drop(std::fs::remove_file(place.invoice(gone)));
    }
    written
}

fn write_invoices(place: &DataPlace, orders: &[&Order]) -> Result<(), DeskError> {
    let folder = place.invoices();
    // The superuser is stopped by no mode; this desk is an ordinary user and looks for itself.
    let mode = std::fs::metadata(&folder)?.permissions().mode();
    if mode & 0o200 == 0 {
        return Err(DeskError::Fenced(mode & 0o7777));
    }
    // Written beside the data set and renamed into it: a half-written invoice is never in it.
    let draft = place.database.with_file_name("invoice.draft");
    for order in orders {
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec(order)?)?;
        file.sync_all()?;
        std::fs::rename(&draft, place.invoice(order.id))?;
    }
    File::open(&folder)?.sync_all()?;
    Ok(())
}

/// `None`: neither row nor invoice; else whether both are there and agree.
fn read_back(place: &DataPlace, id: u64) -> Result<Option<bool>, String> {
    let row = read_row(place, id).map_err(|error| format!("orders: {error}"))?;
    let invoice = match std::fs::read(place.invoice(id)) {
        Ok(text) => Some(serde_json::from_slice::<Order>(&text).map_err(|error| format!("invoice {id}: {error}"))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("invoice {id}: {error}")),
    };
    Ok(if row.is_none() && invoice.is_none() { None } else { Some(row == invoice) })
}

fn read_row(place: &DataPlace, id: u64) -> rusqlite::Result<Option<Order>> {
    let db = Connection::open_with_flags(&place.database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(BUSY)?;
    db.query_row("SELECT customer, cents FROM orders WHERE id = ?1", [signed(id)], |row| {
        let cents: i64 = row.get(1)?;
        Ok(Order { id, customer: row.get(0)?, cents: cents.unsigned_abs() })
    })
    .optional()
}

/// SQLite counts in signed numbers; the lab's never come near the end of them.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::seed;

    fn order(id: u64) -> Order {
        Order { id, customer: "ana".into(), cents: 100 + id }
    }

    #[test]
    fn an_order_is_there_with_its_invoice_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let place = DataPlace::of_site(dir.path());
        seed::primary(&place).unwrap();
        write_batch(&place, &[&order(1), &order(2)]).unwrap();
        assert_eq!(read_back(&place, 2).unwrap(), Some(true));
        // A repeated id fails the whole batch, and the other order's invoice goes again.
        assert!(write_batch(&place, &[&order(3), &order(2)]).is_err());
        assert_eq!(read_back(&place, 3).unwrap(), None);
    }

    #[test]
    fn a_fenced_folder_stops_the_desk_even_when_it_is_root() {
        let dir = tempfile::tempdir().unwrap();
        let place = DataPlace::of_site(dir.path());
        seed::primary(&place).unwrap();
        std::fs::set_permissions(place.invoices(), std::fs::Permissions::from_mode(0o555)).unwrap();
        assert!(matches!(write_batch(&place, &[&order(1)]), Err(DeskError::Fenced(_))));
        assert_eq!(read_back(&place, 1).unwrap(), None);
        std::fs::set_permissions(place.invoices(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn old_orders_are_archived_together_with_their_invoices() {
        let dir = tempfile::tempdir().unwrap();
        let place = DataPlace::of_site(dir.path());
        seed::primary(&place).unwrap();
        write_batch(&place, &[&order(1)]).unwrap();
        write_batch(&place, &[&order(KEPT_ORDERS + 1)]).unwrap();
        assert_eq!(read_back(&place, 1).unwrap(), None);
        assert_eq!(read_back(&place, KEPT_ORDERS + 1).unwrap(), Some(true));
    }
}
