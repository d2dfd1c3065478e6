//! The application's eyes: which cluster is active, asked of both agents over plain HTTP, the highest epoch wins.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::domain::{ClusterName, PairName, ServiceName};
use crate::route::RouteClient;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// Follows the route. Dropped, it stops.
pub struct Follow {
    active: watch::Receiver<Option<ClusterName>>,
    _stop: DropGuard,
}

impl Follow {
    /// Starts to follow, at these route addresses.
    pub fn start(routes: &[SocketAddr], pair: PairName, service: ServiceName) -> Follow {
        let (told, active) = watch::channel(None);
        let stop = CancellationToken::new();
        let client = RouteClient::new(routes.iter().map(ToString::to_string).collect());
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            loop {
                ticks.tick().await;
                told.send_replace(client.active(&pair, &service).await);
            }
        }));
        Follow { active, _stop: stop.drop_guard() }
    }

    /// What it sees.
    pub fn active(&self) -> watch::Receiver<Option<ClusterName>> {
        self.active.clone()
    }
}
