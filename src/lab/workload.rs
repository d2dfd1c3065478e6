//! The application's other half: it takes orders, asks which cluster is active, and goes on there by itself.
//!
//! ```text
//! route (both agents) → active cluster → its order desk ← about 100 orders a second, at most 16 in flight
//! POST /freeze?limit_secs=…   drains what is in flight, holds new orders, thaws by itself after the limit
//! POST /thaw
//! ```
//! An order counts as acknowledged only when the desk has made its row and its invoice durable.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::desk::{KEPT_ORDERS, Order};
use super::view::{WorkloadSecond, WorkloadView};
use crate::domain::{ClusterName, Trouble, TroubleKind};

/// Between two orders: about 100 a second.
const PERIOD: Duration = Duration::from_millis(10);
/// Orders under way at once; more wait.
const IN_FLIGHT: u32 = 16;
/// How long an order may take before the application gives up on it.
const ORDER_LIMIT: Duration = Duration::from_secs(2);
/// The longest freeze, whatever is asked.
const LONGEST_FREEZE: Duration = Duration::from_secs(60);
/// How long draining may take.
const DRAIN_LIMIT: Duration = Duration::from_secs(4);
/// Seconds kept for the picture, and marks in it.
const KEPT_SECONDS: usize = 600;
const KEPT_MARKS: usize = 50;

/// One acknowledged order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Its id.
    pub id: u64,
    /// When the application sent it.
    pub sent: DateTime<Utc>,
    /// When the application knew that it is durable.
    pub at: DateTime<Utc>,
    /// Who served it.
    pub by: ClusterName,
}

/// The running application. Dropped, it stops.
pub struct Workload {
    shared: Arc<Shared>,
    hook: SocketAddr,
    _stop: DropGuard,
}

struct Shared {
    desks: BTreeMap<ClusterName, SocketAddr>,
    active: watch::Receiver<Option<ClusterName>>,
    http: reqwest::Client,
    /// One permit an order under way; the freeze takes them all.
    room: Arc<Semaphore>,
    running: watch::Sender<bool>,
    frozen: Mutex<Option<CancellationToken>>,
    book: Mutex<Book>,
    stop: CancellationToken,
}

/// What the application remembers.
#[derive(Debug, Default)]
struct Book {
    next_id: u64,
    sent: u64,
    written: u64,
    acks: VecDeque<Acknowledged>,
    seconds: VecDeque<WorkloadSecond>,
    marks: VecDeque<(DateTime<Utc>, String)>,
    last_refusal: String,
    read_back: [u64; 2],
}

impl Workload {
    /// Starts it, paused. `desks` are the order desks by cluster, `active` what the route says.
    pub async fn start(
        desks: BTreeMap<ClusterName, SocketAddr>,
        active: watch::Receiver<Option<ClusterName>>,
    ) -> Result<Workload, Trouble> {
        let trouble = |e: &dyn std::fmt::Display| Trouble::new(TroubleKind::Failed, "lab application", format!("cannot start: {e}"));
        let http = reqwest::Client::builder().no_proxy().timeout(ORDER_LIMIT).build().map_err(|e| trouble(&e))?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.map_err(|e| trouble(&e))?;
        let hook = listener.local_addr().map_err(|e| trouble(&e))?;
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            desks,
            active,
            http,
            room: Arc::new(Semaphore::new(IN_FLIGHT as usize)),
            running: watch::Sender::new(false),
            frozen: Mutex::default(),
            book: Mutex::new(Book { next_id: 1, ..Book::default() }),
            stop: stop.clone(),
        });
        let hooks = Router::new().route("/freeze", post(freeze)).route("/thaw", post(thaw)).with_state(shared.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            if let Err(error) = axum::serve(listener, hooks).await {
                tracing::warn!(%error, "the lab application's hooks have ended");
            }
        }));
        tokio::spawn(stop.clone().run_until_cancelled_owned(take_orders(shared.clone())));
        Ok(Workload { shared, hook, _stop: stop.drop_guard() })
    }

    /// The URL to POST to for a freeze that thaws by itself after so many seconds.
    pub fn freeze_url(&self, limit_secs: u32) -> String {
        format!("http://{}/freeze?limit_secs={limit_secs}", self.hook)
    }

    /// The URL to POST to for a thaw.
    pub fn thaw_url(&self) -> String {
        format!("http://{}/thaw", self.hook)
    }

    /// Lets it take orders, or (false) pauses it; orders under way end first.
    pub fn run(&self, running: bool) {
        self.shared.running.send_replace(running);
    }

    /// Waits until no order is under way (paused, or at most until the orders' time limit).
    pub async fn drained(&self) {
        // The semaphore is never closed; an error would mean that there is nothing to wait for.
        drop(self.shared.room.acquire_many(IN_FLIGHT).await);
    }

    /// A mark in the picture, now.
    pub fn mark(&self, text: impl Into<String>) {
        self.shared.book().mark(text.into());
    }

    /// The acknowledged orders that are remembered: those not archived, oldest first.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.shared.book().acks.iter().cloned().collect()
    }

    /// How many orders the application sent so far; ids up to this were drawn.
    pub fn last_id(&self) -> u64 {
        self.shared.book().next_id - 1
    }

    /// The first order acknowledged by `cluster` after `since`.
    pub fn first_served(&self, cluster: &ClusterName, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.shared.book().acks.iter().find(|ack| &ack.by == cluster && ack.at > since).map(|ack| ack.at)
    }

    /// The last order acknowledged so far.
    pub fn last_served(&self) -> Option<DateTime<Utc>> {
        self.shared.book().acks.back().map(|ack| ack.at)
    }

    /// What the screen shows. `covered_until` is R of the newest recovery point.
    pub fn view(&self, covered_until: Option<DateTime<Utc>>) -> WorkloadView {
        let book = self.shared.book();
        let after_point = book.acks.iter().rev().take_while(|ack| covered_until.is_none_or(|r| ack.at > r)).count();
        WorkloadView {
            sent: book.sent,
            written: book.written,
            after_point: u64::try_from(after_point).unwrap_or(u64::MAX),
            seconds: book.seconds.iter().cloned().collect(),
            marks: book.marks.iter().cloned().collect(),
        }
    }

    /// Why the last order that failed did; empty when none did.
    pub fn last_refusal(&self) -> String {
        self.shared.book().last_refusal.clone()
    }

    /// Reads so many of the newest orders `cluster` acknowledged (or, of `ids`, those) back from it: right and wrong ones.
    pub async fn read_back(&self, cluster: &ClusterName, ids: &[u64]) -> (u64, u64) {
        let (mut right, mut wrong) = (0, 0);
        for id in ids {
            match self.shared.look_up(cluster, *id).await {
                Some(StatusCode::OK) => right += 1,
                _ => wrong += 1,
            }
        }
        (right, wrong)
    }

    /// Sends one order to a cluster's desk whatever the route says, as a client that never asked would. True when it was accepted.
    pub async fn force_order(&self, cluster: &ClusterName) -> Result<bool, Trouble> {
        let desk = self.shared.desks.get(cluster).copied().ok_or_else(|| no_desk(cluster))?;
        let id = self.shared.book().draw();
        Ok(self.shared.send(desk, id).await.is_ok())
    }
}

fn no_desk(cluster: &ClusterName) -> Trouble {
    Trouble::new(TroubleKind::NotFound, cluster, "it has no order desk")
}

impl Book {
    fn draw(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    fn second(&mut self, at: DateTime<Utc>, by: Option<&ClusterName>) {
        let whole = DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at);
        if self.seconds.back().is_none_or(|last| last.at < whole) {
            self.seconds.push_back(WorkloadSecond { at: whole, orders: 0, served_by: None });
            while self.seconds.len() > KEPT_SECONDS {
                self.seconds.pop_front();
            }
        }
        if let (Some(cluster), Some(last)) = (by, self.seconds.back_mut()) {
            last.orders += 1;
            last.served_by = Some(cluster.clone());
        }
    }

    fn acknowledge(&mut self, ack: Acknowledged) {
        self.written += 1;
        self.second(ack.at, Some(&ack.by));
        self.acks.push_back(ack);
        while self.acks.len() as u64 > KEPT_ORDERS {
            self.acks.pop_front();
        }
    }

    fn mark(&mut self, text: String) {
        self.marks.push_back((Utc::now(), text));
        while self.marks.len() > KEPT_MARKS {
            self.marks.pop_front();
        }
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing panics while the book is held; what is in it stays right.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, desk: SocketAddr, id: u64) -> Result<(), String> {
        let order = Order { id, customer: format!("customer {}", id % 97), cents: 100 + id % 10_000 };
        let reply = self.http.post(format!("http://{desk}/orders")).json(&order).send().await.map_err(|e| plain(&e))?;
        match reply.status() {
            StatusCode::OK => Ok(()),
            status => Err(reply.text().await.unwrap_or_else(|_| status.to_string())),
        }
    }

    async fn look_up(&self, cluster: &ClusterName, id: u64) -> Option<StatusCode> {
        let desk = self.desks.get(cluster)?;
        self.http.get(format!("http://{desk}/orders/{id}")).send().await.ok().map(|reply| reply.status())
    }

    /// Writes one order, and now and then reads an older one back.
    async fn order(&self, cluster: ClusterName, desk: SocketAddr) {
        let sent = Utc::now();
        let id = {
            let mut book = self.book();
            book.sent += 1;
            book.draw()
        };
        match self.send(desk, id).await {
            Ok(()) => {
                self.book().acknowledge(Acknowledged { id, sent, at: Utc::now(), by: cluster.clone() });
                if id.is_multiple_of(20) {
                    let right = self.look_up(&cluster, id).await == Some(StatusCode::OK);
                    self.book().read_back[usize::from(!right)] += 1;
                }
            }
            Err(reason) => self.book().last_refusal = format!("{cluster}: {reason}"),
        }
    }
}

/// An error's innermost reason: "connection refused" says more than "error sending request".
fn plain(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

async fn take_orders(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut running = shared.running.subscribe();
    while running.wait_for(|running| *running).await.is_ok() {
        ticks.tick().await;
        shared.book().second(Utc::now(), None);
        let active = shared.active.borrow().clone();
        let Some((cluster, desk)) = active.and_then(|cluster| Some((cluster.clone(), *shared.desks.get(&cluster)?))) else { continue };
        // While frozen the permits are with the freeze; seconds without orders still count, so try rather than wait.
        let Ok(permit) = shared.room.clone().try_acquire_owned() else { continue };
        let ordering = shared.clone();
        tokio::spawn(shared.stop.clone().run_until_cancelled_owned(async move {
            ordering.order(cluster, desk).await;
            drop(permit);
        }));
    }
}

#[derive(Debug, Deserialize)]
struct FreezeQuery {
    #[serde(default)]
    limit_secs: Option<u64>,
}

async fn freeze(State(shared): State<Arc<Shared>>, Query(query): Query<FreezeQuery>) -> (StatusCode, Json<&'static str>) {
    let limit = query.limit_secs.map_or(LONGEST_FREEZE, Duration::from_secs).min(LONGEST_FREEZE);
    let thaw = CancellationToken::new();
    let until = Instant::now() + limit;
    let all = shared.room.clone().acquire_many_owned(IN_FLIGHT);
    let Ok(Ok(permits)) = tokio::time::timeout(DRAIN_LIMIT, all).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, Json("orders under way did not end in time, or it is frozen already"));
    };
    // A second freeze could not have got the permits while the first held them.
    *shared.frozen.lock().unwrap_or_else(PoisonError::into_inner) = Some(thaw.clone());
    tokio::spawn(shared.stop.clone().run_until_cancelled_owned(async move {
        if tokio::time::timeout_at(until, thaw.cancelled()).await.is_err() {
            tracing::warn!("the lab application thawed by itself: nobody did within the limit");
        }
        drop(permits);
    }));
    (StatusCode::OK, Json("frozen"))
}

async fn thaw(State(shared): State<Arc<Shared>>) -> Json<&'static str> {
    match shared.frozen.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(held) => {
            held.cancel();
            Json("thawed")
        }
        None => Json("was not frozen"),
    }
}

#[cfg(test)]
mod tests;
