//! Asks several routes at once and chooses; for applications and the training lab.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Choice, choose};
use crate::domain::{ClusterName, PairName, ServiceName};
use crate::protocol::route::RouteReply;

/// How long one route may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Asks the routes of both agents, and of an engine if there is one.
#[derive(Debug, Clone)]
pub struct RouteClient {
    /// `host:port` each.
    addresses: Vec<String>,
    http: reqwest::Client,
}

impl RouteClient {
    /// A client of these routes, `host:port` each.
    pub fn new(addresses: Vec<String>) -> RouteClient {
        crate::protocol::tls::install_provider();
        let http = reqwest::Client::builder().no_proxy().connect_timeout(ANSWER_LIMIT).redirect(reqwest::redirect::Policy::none());
        // Only an impossible TLS set-up can fail here, and the default client has none.
        RouteClient { addresses, http: http.build().unwrap_or_default() }
    }

    /// Asks all, each with a time limit, and chooses.
    pub async fn ask(&self, pair: &PairName, service: &ServiceName) -> Choice {
        let answers = join_all(self.addresses.iter().map(|address| self.ask_one(address, pair, service))).await;
        choose(&answers.into_iter().flatten().collect::<Vec<_>>())
    }

    /// The active cluster; `None` when it is not known or disputed.
    pub async fn active(&self, pair: &PairName, service: &ServiceName) -> Option<ClusterName> {
        match self.ask(pair, service).await {
            Choice::Active { cluster, .. } => Some(cluster),
            Choice::Conflict(_) | Choice::Unknown(_) => None,
        }
    }

    /// What one says, be it 200 or 503; `None` when it does not answer or is no route of this pair.
    async fn ask_one(&self, address: &str, pair: &PairName, service: &ServiceName) -> Option<RouteReply> {
        let asked = self.http.get(format!("http://{address}/v1/route/{pair}/{service}")).timeout(ANSWER_LIMIT).send().await;
        let mut response = asked.ok()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return None;
            }
            body.extend_from_slice(&chunk);
        }
        let reply: RouteReply = serde_json::from_slice(&body).ok()?;
        (reply.pair == *pair && reply.service == *service).then_some(reply)
    }
}
