//! The agent's HTTPS server: who asks, what they may ask, how much and how long.
//!
//! ```text
//! TLS (key proven), a place ([`serve`](crate::protocol::serve)) ─ role, from memory ─ body limit ─ handler ─ ledger, views, manager
//! ```
//! Every refusal is a `Trouble` with the status of its kind, and changes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::spawn_blocking;

use super::attempts::Attempts;
use super::enrolment::{self, Judged};
use super::jobs::Site;
use super::known::{Memory, Who};
use super::manager::Manager;
use super::seen::Seen;
use super::status::{self, Facts};
use super::views::Views;
use crate::components::Component;
use crate::domain::admission::{Admitted, AskedAs, Said};
use crate::domain::{ComponentName, DataSetName, InstructionId, Note, RunId, Trouble, TroubleKind};
use crate::protocol::http::Refusal;
use crate::protocol::serve::Caller;
use crate::protocol::tls::OwnKey;
use crate::protocol::{AgentStatus, Answer, CatalogueItem, ClockReply, EnrolReply, EnrolRequest, Instruction, MAX_BODY_BYTES, Records};
use crate::store::agent::{NewController, is_cut_off, needs_code, not_enrolled};
use crate::transfer::{self, PeerOf};
use crate::users;

/// How long a request may take, long polls and catalogues included.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long the peer's requests about user data may take: permissions of large trees are read.
const USERS_LIMIT: Duration = Duration::from_secs(60);
/// The largest list of user data that a peer may send.
const MAX_USERS_BYTES: usize = 32 << 20;
/// The largest request to enrol: it comes from somebody whom nobody knows.
const MAX_ENROL_BYTES: usize = 4 << 10;
/// The longest long poll.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// What the handlers share.
pub struct App {
    /// The site.
    pub site: Arc<Site>,
    /// The jobs.
    pub manager: Arc<Manager>,
    /// What was seen last.
    pub views: Arc<Views>,
    /// Our key.
    pub own: Arc<OwnKey>,
    /// What never changes.
    pub facts: Facts,
    /// Whom we know, and what applications are told.
    pub memory: Arc<Memory>,
    /// Wrong proofs of a code.
    pub attempts: Mutex<Attempts>,
    /// When controllers last asked for anything.
    pub seen: Arc<Seen>,
}

type Shared = State<Arc<App>>;
type Told<T> = Result<Json<T>, Refusal>;

/// All endpoints.
pub fn router(app: Arc<App>) -> Router {
    let role = |allowed| middleware::from_fn_with_state((app.clone(), allowed), check_role);
    // What an enrolled key that commands nothing sends, the guard judges: it may ask how its leaving ended, and no more.
    let enrolled =
        Router::new().route("/v1/instructions", post(instruct)).route("/v1/instructions/{id}", get(answer)).layer(role(Allowed::Enrolled));
    let controller = Router::new()
        .route("/v1/catalogue", get(catalogue))
        .route("/v1/look", get(look))
        .route("/v1/run-notes", get(run_notes))
        .route("/v1/check", get(check))
        .route("/v1/admission", get(admission))
        .route("/v1/notes", get(notes))
        .route("/v1/records", get(records))
        .layer(role(Allowed::Controller));
    let both = Router::new().route("/v1/status", get(tell_status)).route("/v1/clock", get(clock)).layer(role(Allowed::Both));
    let small = Router::new()
        .route("/v1/enrol", post(enrol).layer(DefaultBodyLimit::max(MAX_ENROL_BYTES)))
        .merge(enrolled)
        .merge(controller)
        .merge(both)
        .layer(middleware::from_fn_with_state(REQUEST_LIMIT, limit_time))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app.clone());
    let users = users::router(app.site.clone())
        .route_layer(middleware::from_fn(check_pair))
        .layer(middleware::from_fn_with_state(USERS_LIMIT, limit_time))
        .layer(DefaultBodyLimit::max(MAX_USERS_BYTES));
    // Streams have their own limits.
    let peer = transfer::router(app.site.clone()).merge(users).layer(role(Allowed::Peer));
    small.merge(peer).fallback(async || Refusal(Trouble::new(TroubleKind::NotFound, "request", "there is no such endpoint")))
}

/// Who may use an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// Every enrolled key.
    Enrolled,
    /// A key that commands a pair, or may join one.
    Controller,
    Peer,
    Both,
}

/// The key of an enrolled controller that asks.
#[derive(Clone)]
struct ControllerKey(String);

async fn check_role(
    State((app, allowed)): State<(Arc<App>, Allowed)>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let object = format!("agent {}", app.site.cluster);
    let key = caller
        .key()
        .ok_or_else(|| Trouble::new(TroubleKind::Refused, &object, "the caller shows no certificate").next("enrol with a code first"))?;
    let role = app.memory.now().await?.who(key, app.site.clock.now());
    role.check(allowed, &object)?;
    if role.standing.enrolled {
        app.seen.note(key, app.site.clock.now());
        request.extensions_mut().insert(ControllerKey(key.to_owned()));
    }
    if let Some(peer) = role.peer {
        request.extensions_mut().insert(peer);
    }
    Ok(next.run(request).await)
}

impl Who {
    /// Whether it may use an endpoint; if not, why.
    fn check(&self, allowed: Allowed, object: &str) -> Result<(), Trouble> {
        let may = match allowed {
            Allowed::Enrolled => self.standing.enrolled,
            Allowed::Controller => self.standing.may_look(),
            Allowed::Peer => self.peer.is_some(),
            Allowed::Both => self.standing.may_look() || self.peer.is_some(),
        };
        if may {
            return Ok(());
        }
        Err(match (&self.former, allowed) {
            (_, Allowed::Peer) => Trouble::new(TroubleKind::Refused, object, "the caller's key is not that of a pair's other agent"),
            (Some(former), _) => is_cut_off(object, former),
            (None, _) if self.standing.enrolled => {
                // Not a refusal: a console that has left its pair is told that there is none.
                needs_code(TroubleKind::NotFound, object)
            }
            (None, _) => not_enrolled(object),
        })
    }
}

/// A peer may speak of the pairs it is the peer in, and of no other.
async fn check_pair(
    Extension(peer): Extension<PeerOf>,
    Path(path): Path<HashMap<String, String>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let pair = path.get("pair").map(String::as_str).unwrap_or_default();
    if !peer.pairs.iter().any(|known| known.as_str() == pair) {
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), format!("{} is not the peer in it", peer.cluster)).into());
    }
    Ok(next.run(request).await)
}

async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> Result<Response, Refusal> {
    let late = || Refusal(Trouble::new(TroubleKind::Unreachable, "request", "it took longer than its time limit"));
    tokio::time::timeout(limit, next.run(request)).await.map_err(|_| late())
}

/// Ledger work off the async threads.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Trouble> + Send + 'static) -> Result<T, Trouble> {
    spawn_blocking(work).await.map_err(|e| Trouble::new(TroubleKind::Failed, "agent", format!("a piece of work ended early: {e}")))?
}

/// A JSON body within its limit; unknown fields are refused by its type.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection: BytesRejection| {
            let reason = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this endpoint takes".to_owned(),
                _ => "the body could not be read".to_owned(),
            };
            Trouble::new(TroubleKind::Invalid, "request", reason)
        })?;
        serde_json::from_slice(&body)
            .map(Body)
            .map_err(|e| Refusal(Trouble::new(TroubleKind::Invalid, "request", format!("the body is not understood: {e}"))))
    }
}

async fn enrol(State(app): Shared, Extension(caller): Extension<Caller>, Body(request): Body<EnrolRequest>) -> Told<EnrolReply> {
    let shown = caller.key().map(str::to_owned).ok_or_else(|| {
        Trouble::new(TroubleKind::Refused, format!("agent {}", app.site.cluster), "the caller shows no certificate to enrol")
    })?;
    let object = format!("agent {}", app.site.cluster);
    let known = app.memory.now().await?;
    let (name, address) = (caller.name().to_owned(), caller.address().ip());
    let from = address.to_string();
    let new = NewController { key: &shown, name: &name, address: &from };
    let judged = Judged { object: &object, own: app.own.fingerprint(), caller: new };
    if !judged.is_right(known.code.as_ref(), app.site.clock.now(), &request)? {
        let now = Duration::from_nanos(u64::try_from(app.views.monotonic_ns()).unwrap_or_default());
        let verdict = app.attempts.lock().unwrap_or_else(PoisonError::into_inner).wrong(now, address);
        if let Some(line) = verdict.line {
            tracing::warn!("wrong enrolment codes were tried: {line}");
        }
        return Err(judged.refusal(verdict.too_many).into());
    }
    // Whoever has the code is no stranger any more, and is not made to give way while the ledger is written.
    caller
        .rise()
        .map_err(|_| Trouble::new(TroubleKind::Unreachable, &object, "other connections took the place of this one").next("try again"))?;
    let reply = off_thread({
        let (app, object, shown, name, from) = (app.clone(), object.clone(), shown.clone(), name.clone(), from.clone());
        move || {
            let new = NewController { key: &shown, name: &name, address: &from };
            let judged = Judged { object: &object, own: app.own.fingerprint(), caller: new };
            enrolment::enrol(&app.site, &app.facts.site, &judged, &request)
        }
    });
    Ok(Json(reply.await?))
}

async fn instruct(
    State(app): Shared,
    Extension(ControllerKey(key)): Extension<ControllerKey>,
    Body(instruction): Body<Instruction>,
) -> Told<Answer> {
    Ok(Json(app.manager.instruct(instruction, key).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    #[serde(default)]
    wait_ms: u64,
}

async fn answer(State(app): Shared, Path(id): Path<InstructionId>, Query(query): Query<WaitQuery>) -> Told<Answer> {
    Ok(Json(app.manager.answer(id, Duration::from_millis(query.wait_ms).min(MAX_WAIT)).await?))
}

/// What the asker understands beyond the first version of the status. What it may ask for beside that is not known here.
#[derive(Deserialize)]
struct StatusQuery {
    #[serde(default)]
    certificate: bool,
    #[serde(default)]
    unfinished: bool,
    #[serde(default)]
    restores: bool,
}

async fn tell_status(
    State(app): Shared,
    controller: Option<Extension<ControllerKey>>,
    Query(query): Query<StatusQuery>,
) -> Told<AgentStatus> {
    let key = controller.map(|Extension(ControllerKey(key))| key);
    let mut status = off_thread(move || status::status(&app.site, &app.views, &app.own, &app.facts, key.as_deref())).await?;
    status.certificate = status.certificate.filter(|_| query.certificate);
    status.unfinished = status.unfinished.filter(|_| query.unfinished);
    status.restores = status.restores.filter(|_| query.restores);
    Ok(Json(status))
}

async fn clock(State(app): Shared) -> Told<ClockReply> {
    let nanos = || app.site.clock.now().timestamp_nanos_opt().unwrap_or_default();
    Ok(Json(ClockReply { received_ns: nanos(), sent_ns: nanos() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogueQuery {
    component: ComponentName,
    #[serde(default)]
    path: String,
}

/// The component that is asked for.
fn asked_component(app: &App, name: &ComponentName) -> Result<Arc<dyn Component>, Trouble> {
    let component = app.site.components.get(name).cloned();
    component.ok_or_else(|| Trouble::new(TroubleKind::NotFound, name, "this cluster has no such component"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LookQuery {
    component: ComponentName,
    path: String,
    r#as: AskedAs,
}

async fn said(app: &App, component: &ComponentName, path: &str, asked_as: AskedAs) -> Result<Said, Trouble> {
    let path = format!("{component}:{path}").parse::<DataSetName>()?.path;
    crate::components::admission::of_policy(asked_component(app, component)?.as_ref(), &path, asked_as).await
}

async fn look(State(app): Shared, Query(query): Query<LookQuery>) -> Told<Said> {
    Ok(Json(said(&app, &query.component, &query.path, query.r#as).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunQuery {
    run: RunId,
}

async fn run_notes(
    State(app): Shared,
    Extension(ControllerKey(key)): Extension<ControllerKey>,
    Query(query): Query<RunQuery>,
) -> Told<Vec<Note>> {
    Ok(Json(off_thread(move || app.site.ledger.notes_of(query.run, Some(&key))).await?))
}

// ---- parts of a look, for consoles of an earlier version ----

async fn check(State(app): Shared, Query(query): Query<CatalogueQuery>) -> Told<()> {
    said(&app, &query.component, &query.path, AskedAs::Source).await?.settle()?;
    Ok(Json(()))
}

/// Of a source they ask check and notes apart.
async fn admission(State(app): Shared, Query(query): Query<LookQuery>) -> Told<Admitted> {
    let asked_as = if query.r#as == AskedAs::Source { AskedAs::Neighbour } else { query.r#as };
    Ok(Json(said(&app, &query.component, &query.path, asked_as).await?.into()))
}

async fn notes(State(app): Shared, Query(query): Query<CatalogueQuery>) -> Told<Vec<Note>> {
    Ok(Json(said(&app, &query.component, &query.path, AskedAs::Source).await?.notes))
}

async fn catalogue(State(app): Shared, Query(query): Query<CatalogueQuery>) -> Told<Vec<CatalogueItem>> {
    let path = if query.path.is_empty() || query.path == "/" {
        query.path
    } else {
        // The same rules as for a data set: no way out of the component.
        format!("{}:{}", query.component, query.path).parse::<DataSetName>()?.path
    };
    Ok(Json(asked_component(&app, &query.component)?.catalogue(&path).await?))
}

async fn records(State(app): Shared, Extension(ControllerKey(key)): Extension<ControllerKey>) -> Told<Records> {
    Ok(Json(off_thread(move || status::records(&app.site, &key)).await?))
}
