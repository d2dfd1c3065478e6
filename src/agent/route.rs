//! The agent's route: plain HTTP, read-only, for applications and load balancers (see [`crate::protocol::route`]). It answers from memory
//! ([`super::known`]), a request a connection.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::server::App;
use super::status;
use crate::domain::{PairName, ServiceName, Trouble, TroubleKind};
use crate::protocol::http::http_status;
use crate::protocol::route::RouteReply;

const REQUEST_LIMIT: Duration = Duration::from_secs(5);

/// The two endpoints.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/route/{pair}/{service}", get(route))
        .route("/v1/active/{pair}/{service}", get(active))
        .layer(middleware::from_fn(limit_time))
        .layer(DefaultBodyLimit::max(1024))
        .with_state(app)
}

async fn limit_time(request: Request, next: Next) -> Response {
    let late = || StatusCode::GATEWAY_TIMEOUT.into_response();
    tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await.unwrap_or_else(|_| late())
}

/// 200 when this agent may say which cluster is active, 503 when it must not.
async fn route(State(app): State<Arc<App>>, Path((pair, service)): Path<(PairName, ServiceName)>) -> Response {
    match ask(app, pair, service).await {
        Ok(reply) => (if reply.active.is_some() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(reply)).into_response(),
        Err(refusal) => refusal,
    }
}

/// 200 only where the active cluster is: a health check.
async fn active(State(app): State<Arc<App>>, Path((pair, service)): Path<(PairName, ServiceName)>) -> Response {
    match ask(app, pair, service).await {
        Ok(reply) => {
            let here = reply.active.as_ref() == Some(&reply.says);
            (if here { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(reply)).into_response()
        }
        Err(refusal) => refusal,
    }
}

async fn ask(app: Arc<App>, pair: PairName, service: ServiceName) -> Result<RouteReply, Response> {
    let trouble = match app.memory.now().await {
        Ok(known) => match known.pair(&pair) {
            Some(of_pair) => return Ok(status::route(&app.site, &app.views, of_pair, &service)),
            None => Trouble::new(TroubleKind::NotFound, format!("pair {pair}"), "this agent is no member of the pair"),
        },
        Err(trouble) => trouble,
    };
    let status = StatusCode::from_u16(http_status(trouble.kind)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Err((status, Json(trouble)).into_response())
}
