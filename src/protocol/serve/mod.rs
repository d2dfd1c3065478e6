//! Serving strangers and known keys side by side: the one accept loop of all listeners that face a network.
//!
//! ```text
//! accept ─ a place among the silent ─ TLS greeting ─ a place among the greeted ─ key proven ─┬─ known: a place of its own kind, all it needs
//!   │            └── the oldest gives way to a newcomer, at each of these stages ────────────┴─ not known: one answer, small, 5 s in all
//!   └─ out of descriptors: a stranger gives way, a short pause, on it goes
//! ```
//! Invariant 17: a host without a key never keeps one with a key waiting. What a stranger can hold is a place that the next newcomer takes,
//! and no stranger can take or end a place of a known key ([`places`]). Why an unknown key gets an answer and is not cut off: "not enrolled"
//! must be told, or an ousted console takes the agent for dead; and an agent that hears strangers only while a code is out tells that one is.

mod connection;
pub mod descriptors;
mod hall;
pub mod places;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use self::connection::{STRANGER_LIFE, Terms};
use self::hall::{Hall, Place};
use self::places::{Limits, NoPlace};
use super::tls;

/// Places at the HTTPS listener. The silent have many: a place lasts until so many others came, and a greeting must come meanwhile.
pub const SECURE_PLACES: Limits = Limits { silent: 1_024, greeted: 128, guests: 64, known: 512, per_key: 64 };
/// Places at a listener of plain HTTP, where nobody proves a key.
pub const PLAIN_PLACES: Limits = Limits { silent: 1_024, greeted: 0, guests: 0, known: 0, per_key: 0 };
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// Connections that the system completes while the loop is busy.
const BACKLOG: i32 = 4_096;
/// The pause after the system refused a connection for want of room.
const BREATH: Duration = Duration::from_millis(20);
/// Between two words about that in the log.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How long requests under way may take when the program stops.
pub const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Who is at the other end of a connection; on every request of it.
#[derive(Clone)]
pub struct Caller {
    address: SocketAddr,
    key: Option<Arc<str>>,
    name: Arc<str>,
    place: Arc<Place>,
}

impl Caller {
    /// The proven key, SHA-256 of its SubjectPublicKeyInfo in hex.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What its certificate calls it: a label for people that proves nothing.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it calls from.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// It has proven that it may be here: strangers end its connection no more. Its life stays a stranger's.
    pub fn rise(&self) -> Result<(), NoPlace> {
        self.place.know(self.key().unwrap_or_default())
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("address", &self.address).field("key", &self.key).finish_non_exhaustive()
    }
}

/// HTTPS with proven keys, until `stop`; `known` says whether a key is enrolled, or `None` when that cannot be looked up now.
pub async fn secure<K, F>(listener: TcpListener, config: ServerConfig, router: Router, known: K, stop: CancellationToken)
where
    K: Fn(Arc<str>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Option<bool>> + Send + 'static,
{
    let config = Arc::new(config);
    accept(listener, SECURE_PLACES, stop.clone(), move |stream, address, place| {
        let (config, router, known, stop) = (config.clone(), router.clone(), known.clone(), stop.clone());
        async move {
            let Some(Greeted { stream, key, name }) = handshake(stream, config, &place).await else { return };
            let is_known = || {
                let asked = key.clone().map(&known);
                async { if let Some(asked) = asked { asked.await } else { Some(false) } }
            };
            let terms = if is_known().await == Some(true) { Terms::Known } else { Terms::Guest };
            let placed = match (terms, key.as_deref()) {
                (Terms::Known, Some(key)) => place.know(key),
                _ => place.receive(),
            };
            if placed.is_err() {
                return tracing::debug!(%address, ?placed, "a connection gets no place");
            }
            let caller = Caller { address, key: key.clone(), name, place };
            let served = connection::serve(stream, (router, caller), terms, is_known, &stop);
            if terms == Terms::Known {
                served.await;
            } else {
                // What it had to say it has said by then.
                drop(tokio::time::timeout(STRANGER_LIFE, served).await);
            }
        }
    })
    .await;
}

/// Plain HTTP for anybody, a request a connection, until `stop`.
pub async fn plain(listener: TcpListener, router: Router, stop: CancellationToken) {
    accept(listener, PLAIN_PLACES, stop.clone(), move |stream, address, place| {
        let (router, stop) = (router.clone(), stop.clone());
        async move {
            let caller = Caller { address, key: None, name: "".into(), place };
            let served = connection::serve(stream, (router, caller), Terms::Plain, async || Some(true), &stop);
            drop(tokio::time::timeout(STRANGER_LIFE, served).await);
        }
    })
    .await;
}

/// A handshake that ended well.
struct Greeted {
    stream: TlsStream<TcpStream>,
    /// The key that its certificate proved.
    key: Option<Arc<str>>,
    name: Arc<str>,
}

/// A handshake in its time.
async fn handshake(stream: TcpStream, config: Arc<ServerConfig>, place: &Place) -> Option<Greeted> {
    let end = Instant::now() + HANDSHAKE_LIMIT;
    let greeting = timeout_at(end, LazyConfigAcceptor::new(Acceptor::default(), stream)).await.ok()?.ok()?;
    place.greet().ok()?;
    let stream = timeout_at(end, greeting.into_stream(config)).await.ok()?.ok()?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let key = shown.map(|certificate| tls::fingerprint(certificate)).transpose().ok()?.map(Arc::from);
    let name = shown.and_then(|certificate| tls::common_name(certificate)).unwrap_or_default().into();
    Some(Greeted { stream, key, name })
}

/// The loop. It never waits for a connection that it has.
async fn accept<F>(listener: TcpListener, limits: Limits, stop: CancellationToken, serve: impl Fn(TcpStream, SocketAddr, Arc<Place>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    if let Err(error) = rustix::net::listen(&listener, BACKLOG) {
        tracing::warn!(%error, "the queue of new connections stays short");
    }
    let hall = Hall::new(limits);
    let mut tasks = JoinSet::new();
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            // What a connection has to tell is in the log already.
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%address, %error, "a connection ended as it came");
                    continue;
                }
                hall.admit(address.ip(), &mut tasks, |place| serve(stream, address, place));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    tracing::warn!(%error, "a connection cannot be taken; a stranger's gives way");
                    told = Some(Instant::now());
                }
                hall.make_room();
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_LIMIT, ended).await.is_err() {
        tracing::info!(connections = tasks.len(), "connections are cut off, since the program stops");
    }
}

/// Whether an error of accepting is that of the one connection, which is gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
