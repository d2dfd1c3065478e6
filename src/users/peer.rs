//! What the primary's agent asks of the secondary's, for the fourth instruction.
//!
//! ```text
//! GET  /v1/peer/users/{pair}          → PeerUsers     the secondary's side, and what was last applied there
//! POST /v1/peer/users/{pair}/adjust   PeerAdjust → Adjusted
//! ```
//! Only the pair's pinned peer gets here; the secondary adjusts only while it has the secondary identity.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Adjusted, Side};
use crate::agent::jobs::{PeerLink, Site};
use crate::domain::user_data::{UserData, UserDataChange};
use crate::domain::{Epoch, Identity, PairName, Trouble, TroubleKind};
use crate::protocol::http::{Refusal, call_failed, read_answer};

/// The other agent reads or adjusts all its components within this, or the sync has failed.
const LIMIT: Duration = Duration::from_secs(60);

/// The secondary's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerUsers {
    /// As it is there now.
    pub now: UserData,
    /// As it was last applied there.
    pub last_applied: Option<UserData>,
}

/// The primary's wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PeerAdjust {
    epoch: Epoch,
    changes: Vec<UserDataChange>,
    primary: UserData,
}

/// The endpoints, to be mounted under peer authentication.
pub fn router(site: Arc<Site>) -> Router {
    Router::new().route("/v1/peer/users/{pair}", get(tell)).route("/v1/peer/users/{pair}/adjust", post(take)).with_state(site)
}

async fn tell(State(site): State<Arc<Site>>, Path(pair): Path<PairName>) -> Result<Json<PeerUsers>, Refusal> {
    let last_applied = site.ledger.applied_users(&pair)?;
    Ok(Json(PeerUsers { now: super::read(&site, &pair, Side::Secondary).await?, last_applied }))
}

async fn take(State(site): State<Arc<Site>>, Path(pair): Path<PairName>, Json(wish): Json<PeerAdjust>) -> Result<Json<Adjusted>, Refusal> {
    let claim = site.ledger.member(&pair)?.claim;
    if claim.identity != Identity::Secondary || claim.epoch != wish.epoch {
        let reason = format!("this cluster has the {} identity at epoch {}; user data flows to a secondary", claim.identity, claim.epoch);
        return Err(Trouble::new(TroubleKind::Refused, format!("pair {pair}"), reason).into());
    }
    Ok(Json(super::adjust(&site, &pair, &wish.changes, &wish.primary).await?))
}

/// Asks the secondary for its side.
pub async fn ask_peer(peer: &PeerLink, pair: &PairName) -> Result<PeerUsers, Trouble> {
    reply(peer, peer.http.get(format!("{}/v1/peer/users/{pair}", peer.base))).await
}

/// Has the secondary carry changes out.
pub async fn have_peer_adjust(
    peer: &PeerLink,
    pair: &PairName,
    epoch: Epoch,
    changes: Vec<UserDataChange>,
    primary: UserData,
) -> Result<Adjusted, Trouble> {
    let wish = PeerAdjust { epoch, changes, primary };
    reply(peer, peer.http.post(format!("{}/v1/peer/users/{pair}/adjust", peer.base)).json(&wish)).await
}

async fn reply<T: DeserializeOwned>(peer: &PeerLink, request: reqwest::RequestBuilder) -> Result<T, Trouble> {
    let object = format!("agent {}", peer.cluster);
    let response = request.timeout(LIMIT).send().await.map_err(|e| call_failed(&object, &e))?;
    read_answer(&object, response).await
}
