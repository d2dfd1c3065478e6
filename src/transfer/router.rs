//! The transfer endpoints for the peer agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Extension, Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures_util::{StreamExt, stream};
use serde::Deserialize;

use super::beat::{Told, answering, beating, line};
use super::changes::{self, ChangesDecoder};
use super::limits::{Limits, silent};
use super::remote::{WantedReply, changes_stream};
use super::stream::Framed;
use super::{DataPlane, Sink, Source};
use crate::components::Slot;
use crate::domain::{ClusterName, DataSetName, PairName, PointId, RunId, Trouble, TroubleKind};
use crate::protocol::HeldPoint;
use crate::protocol::http::Refusal;

/// Plans kept in memory between requests; more are read from the ledger again.
const PLANS_KEPT: usize = 64;
/// What is read of a body that was refused, so that the sender gets the answer rather than a broken connection.
const DRAIN_BYTES: usize = 80 << 20;

/// Who asks: the server puts it on a request once the caller's certificate proved it. The caller is the peer of these pairs.
#[derive(Debug, Clone)]
pub struct PeerOf {
    /// The caller's cluster.
    pub cluster: ClusterName,
    /// The pairs it is the peer in.
    pub pairs: Vec<PairName>,
}

struct Exchange {
    plane: Arc<dyn DataPlane>,
    limits: Limits,
    sources: Kept<Source>,
    sinks: Kept<Sink>,
}

/// The endpoints, to be mounted behind the check that the caller is a peer.
pub fn router(plane: Arc<dyn DataPlane>) -> Router {
    router_within(plane, Limits::default())
}

/// The same with other time limits.
pub fn router_within(plane: Arc<dyn DataPlane>, limits: Limits) -> Router {
    let exchange = Exchange { plane, limits, sources: Kept::default(), sinks: Kept::default() };
    Router::new()
        .route("/v1/captures/{point}/{set}/changes", get(get_changes))
        .route("/v1/captures/{point}/{set}/piece", get(get_piece))
        .route("/v1/points/{point}", get(get_point))
        .route("/v1/points/{point}/{set}/manifest", get(get_manifest))
        .route("/v1/staging/{point}/{set}/changes", put(put_changes))
        .route("/v1/staging/{point}/{set}/wanted", get(get_wanted))
        .route("/v1/staging/{point}/{set}/piece", put(put_piece))
        .route("/v1/staging/{point}/{set}/done", post(done))
        .with_state(Arc::new(exchange))
}

type Place = Path<(PointId, DataSetName)>;
type Caller = Option<Extension<PeerOf>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesQuery {
    base: Option<PointId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanQuery {
    run: RunId,
    base: Option<PointId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PieceQuery {
    file: u32,
    piece: u32,
}

async fn get_changes(
    State(exchange): State<Arc<Exchange>>,
    Path((point, set)): Place,
    Query(query): Query<ChangesQuery>,
    caller: Caller,
) -> Result<Response, Refusal> {
    let pair = exchange.plane.ledger().capture(point)?.map(|row| row.pair);
    check_caller(&caller, pair.as_ref(), point)?;
    let every = exchange.limits.beat();
    let listing = async move {
        match Source::open(&*exchange.plane, point, &set, query.base).await {
            Ok(source) => {
                let source = Arc::new(source);
                exchange.sources.put(point, set, source.clone());
                changes_stream(source.changes.clone(), Arc::default())
            }
            Err(trouble) => stream::iter([line(&Told::<()>::Trouble(trouble))]).boxed(),
        }
    };
    Ok(beating(changes::MEDIA_TYPE, every, listing))
}

async fn get_piece(
    State(exchange): State<Arc<Exchange>>,
    Path((point, set)): Place,
    Query(query): Query<PieceQuery>,
    caller: Caller,
) -> Result<Response, Refusal> {
    let plane = &*exchange.plane;
    let pair = plane.ledger().capture(point)?.map(|row| row.pair);
    check_caller(&caller, pair.as_ref(), point)?;
    let source = match exchange.sources.get(point, &set) {
        Some(source) => source,
        None => {
            let source = Arc::new(Source::reopen(plane, point, &set).await?);
            exchange.sources.put(point, set, source.clone());
            source
        }
    };
    source.check(plane)?;
    let framed = source.piece(Slot { file: query.file, piece: query.piece }, Arc::default()).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(framed)).into_response())
}

/// A sealed point, for the peer that becomes the target of the other direction.
async fn get_point(State(exchange): State<Arc<Exchange>>, Path(point): Path<PointId>, caller: Caller) -> Result<Json<HeldPoint>, Refusal> {
    let row = exchange.plane.ledger().point(point)?.filter(|row| row.sealed);
    check_caller(&caller, row.as_ref().map(|row| &row.record.pair), point)?;
    let gone = || Trouble::new(TroubleKind::NotFound, format!("point {point}"), "it is not sealed here");
    let row = row.ok_or_else(gone)?;
    Ok(Json(HeldPoint { point: row.record, policy: row.policy }))
}

/// The manifest of one of its data sets, in JSON lines.
async fn get_manifest(State(exchange): State<Arc<Exchange>>, Path((point, set)): Place, caller: Caller) -> Result<Response, Refusal> {
    let ledger = exchange.plane.ledger().clone();
    let pair = ledger.point(point)?.map(|row| row.record.pair);
    check_caller(&caller, pair.as_ref(), point)?;
    let name = set.clone();
    let kept = super::blocking(move || ledger.manifest(point, &name)).await?;
    let kept = kept.ok_or_else(|| Trouble::new(TroubleKind::NotFound, &set, format!("it is no data set of point {point}")))?;
    Ok(([(header::CONTENT_TYPE, changes::MEDIA_TYPE)], kept.body).into_response())
}

async fn put_changes(
    State(exchange): State<Arc<Exchange>>,
    Path((point, set)): Place,
    Query(query): Query<PlanQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let mut body = incoming(request);
    let taken = async {
        let pair = exchange.plane.ledger().armed(query.run)?.map(|row| row.pair);
        check_caller(&caller, pair.as_ref(), point)?;
        let mut decoder = ChangesDecoder::new(&set.to_string());
        let idle = exchange.limits.idle;
        while let Some(portion) = tokio::time::timeout(idle, body.next()).await.map_err(|_| silent(&set.to_string(), idle))? {
            decoder.feed(&portion?)?;
        }
        decoder.end()
    };
    let plan = match taken.await {
        Ok(plan) => plan,
        Err(trouble) => {
            drain(&mut body, exchange.limits.idle).await;
            return Err(Refusal(trouble));
        }
    };
    let every = exchange.limits.beat();
    Ok(answering(every, async move {
        let sink = Arc::new(Sink::open(&*exchange.plane, query.run, point, &set, query.base, plan).await?);
        exchange.sinks.put(point, set, sink.clone());
        wanted_reply(&sink).await
    }))
}

async fn get_wanted(State(exchange): State<Arc<Exchange>>, Path((point, set)): Place, caller: Caller) -> Result<Response, Refusal> {
    exchange.admit(&caller, point)?;
    let every = exchange.limits.beat();
    Ok(answering(every, async move { wanted_reply(&*exchange.sink(point, set).await?).await }))
}

async fn put_piece(
    State(exchange): State<Arc<Exchange>>,
    Path((point, set)): Place,
    Query(query): Query<PieceQuery>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let body = SharedBody::new(incoming(request));
    let taken = async {
        exchange.admit(&caller, point)?;
        let sink = exchange.sink(point, set).await?;
        let slot = Slot { file: query.file, piece: query.piece };
        sink.stage(slot, body.clone().stream(), exchange.limits.idle, Arc::default()).await
    };
    let result = taken.await;
    body.drain(exchange.limits.idle).await;
    result?;
    Ok(StatusCode::NO_CONTENT)
}

async fn done(State(exchange): State<Arc<Exchange>>, Path((point, set)): Place, caller: Caller) -> Result<Response, Refusal> {
    exchange.admit(&caller, point)?;
    let every = exchange.limits.beat();
    Ok(answering(every, async move { exchange.sink(point, set).await?.done().await }))
}

impl Exchange {
    /// Only the peer of the pair gets at a point's staging.
    fn admit(&self, caller: &Caller, point: PointId) -> Result<(), Trouble> {
        let pair = self.plane.ledger().staging(point)?.map(|row| row.armed.pair);
        check_caller(caller, pair.as_ref(), point)
    }

    async fn sink(&self, point: PointId, set: DataSetName) -> Result<Arc<Sink>, Trouble> {
        if let Some(sink) = self.sinks.get(point, &set) {
            return Ok(sink);
        }
        let sink = Arc::new(Sink::reopen(&*self.plane, point, &set).await?);
        self.sinks.put(point, set, sink.clone());
        Ok(sink)
    }
}

async fn wanted_reply(sink: &Sink) -> Result<WantedReply, Trouble> {
    let wanted = sink.wanted().await?.into_iter().map(|slot| (slot.file, slot.piece)).collect();
    Ok(WantedReply { wanted })
}

/// The peer of one pair sees nothing of another.
fn check_caller(caller: &Caller, pair: Option<&PairName>, point: PointId) -> Result<(), Trouble> {
    let unknown = |what: &str| Trouble::new(TroubleKind::Refused, format!("point {point}"), what).next("arm the run first");
    let pair = pair.ok_or_else(|| unknown("no instruction told this agent of it"))?;
    match caller {
        Some(Extension(peer)) if !peer.pairs.contains(pair) => {
            Err(unknown("no instruction told this agent of it for a pair of the caller"))
        }
        _ => Ok(()),
    }
}

/// Opened plans, so that a piece need not read its whole plan from the ledger. They hold nothing that the ledger does not.
struct Kept<T>(Mutex<HashMap<(PointId, DataSetName), Arc<T>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::default())
    }
}

impl<T> Kept<T> {
    fn get(&self, point: PointId, set: &DataSetName) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(point, set.clone())).cloned()
    }

    fn put(&self, point: PointId, set: DataSetName, opened: Arc<T>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Ids rise with time: the oldest point's plans are the least likely to be asked for again.
        while kept.len() >= PLANS_KEPT
            && let Some(oldest) = kept.keys().min().cloned()
        {
            kept.remove(&oldest);
        }
        kept.insert((point, set), opened);
    }
}

fn incoming(request: Request) -> Framed {
    let broken = |_| Trouble::new(TroubleKind::Unreachable, "the peer", "the connection broke in the middle of what it sent");
    request.into_body().into_data_stream().map(move |portion| portion.map_err(broken)).boxed()
}

/// A body that can still be read after whoever was given it stopped.
#[derive(Clone)]
struct SharedBody(Arc<tokio::sync::Mutex<Framed>>);

impl SharedBody {
    fn new(body: Framed) -> SharedBody {
        SharedBody(Arc::new(tokio::sync::Mutex::new(body)))
    }

    fn stream(self) -> Framed {
        futures_util::stream::unfold(self, |body| async move {
            let portion = body.0.lock().await.next().await?;
            Some((portion, body))
        })
        .boxed()
    }

    async fn drain(&self, idle: std::time::Duration) {
        drain(&mut *self.0.lock().await, idle).await;
    }
}

/// Reads on, within bounds, so that the sender gets its answer rather than a broken connection.
async fn drain(body: &mut Framed, idle: std::time::Duration) {
    let mut left = DRAIN_BYTES;
    while let Ok(Some(Ok(portion))) = tokio::time::timeout(idle, body.next()).await {
        left = left.saturating_sub(portion.len());
        if left == 0 {
            return;
        }
    }
}
