//! The engine's own route over plain HTTP: what it knows of the agents' claims, for applications that can reach it.
//!
//! It goes by the same accept loop as the agents' routes. It repeats what agents told, says nothing while no agent that counts was heard lately, and is never a health check for one cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::domain::{PairName, ServiceName, Trouble, TroubleKind};
use crate::protocol::route::RouteReply;
use crate::protocol::serve;

use super::engine::Engine;
use super::model::PairModel;
use super::view;

/// Binds the route's listener.
pub(super) async fn bind(address: &str) -> Result<TcpListener, Trouble> {
    TcpListener::bind(address).await.map_err(|e| {
        Trouble::new(TroubleKind::Failed, format!("route {address}"), format!("it cannot listen there: {e}"))
            .next("choose another address for the route")
    })
}

/// Serves the route.
pub(super) async fn serve(engine: Arc<Engine>, listener: TcpListener) {
    let router =
        Router::new().route("/v1/route/{pair}/{service}", get(answer)).route("/v1/active/{pair}/{service}", get(answer)).with_state(engine);
    // The engine ends its tasks itself.
    serve::plain(listener, router, CancellationToken::new()).await;
}

async fn answer(State(engine): State<Arc<Engine>>, Path((pair, service)): Path<(String, String)>) -> Response {
    let (Ok(pair), Ok(service)) = (pair.parse::<PairName>(), service.parse::<ServiceName>()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let reply = engine.read(|m| {
        let known = m.services.get(&service).is_some_and(|s| s.pair == pair);
        m.pairs.get(&pair).filter(|_| known).and_then(|p| reply(p, &service))
    });
    match reply {
        Some(reply) if reply.active.is_some() => Json(reply).into_response(),
        Some(reply) => (StatusCode::SERVICE_UNAVAILABLE, Json(reply)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the agent with the newest claim says, if its cluster serves the service and answered the last look.
fn reply(pair: &PairModel, service: &ServiceName) -> Option<RouteReply> {
    let (cluster, claim) = pair.claims().max_by_key(|(_, claim)| claim.epoch)?;
    let active = view::active(pair);
    let serving = active.as_ref().filter(|active| {
        let watch = pair.watch_of(active).filter(|w| w.trouble.is_none());
        let mine = watch.and_then(|w| w.status.as_ref()).and_then(|s| s.pairs.iter().find(|p| p.pair == pair.paired.name));
        mine.is_some_and(|p| p.services.iter().any(|s| &s.service == service && s.active))
    });
    let components: BTreeMap<String, String> = serving
        .and_then(|active| pair.watch_of(active))
        .and_then(|w| w.status.as_ref())
        .map(|s| s.components.iter().map(|c| (c.name.to_string(), c.address.clone())).collect())
        .unwrap_or_default();
    let reason = match (&active, serving) {
        (_, Some(_)) => String::new(),
        (Some(active), None) => format!("{active} does not say that it serves {service}"),
        (None, None) if !pair.diagnosis.conflict.is_empty() => pair.diagnosis.conflict.clone(),
        (None, None) => "no agent has told its identity".to_owned(),
    };
    Some(RouteReply {
        pair: pair.paired.name.clone(),
        service: service.clone(),
        says: cluster.clone(),
        claim,
        active: serving.cloned(),
        components,
        reason,
    })
}
