//! Connections to the peers: one HTTP client a peer, kept as long as its address and key stay the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::agent::jobs::PeerLink;
use crate::domain::Trouble;
use crate::protocol::tls::OwnKey;
use crate::protocol::{AgentClient, ConnectSpec, PeerSpec};

/// More than any agent has; the cache starts over beyond it.
const MAX_LINKS: usize = 64;

/// Makes and keeps the clients.
pub struct Links {
    own: Arc<OwnKey>,
    kept: Mutex<HashMap<(String, String), AgentClient>>,
}

impl Links {
    /// None yet; all show `own`.
    pub fn new(own: Arc<OwnKey>) -> Links {
        Links { own, kept: Mutex::default() }
    }

    /// The client of a peer.
    pub fn client(&self, peer: &PeerSpec) -> Result<AgentClient, Trouble> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let id = (peer.address.clone(), peer.key.clone());
        if let Some(client) = kept.get(&id) {
            return Ok(client.clone());
        }
        if kept.len() >= MAX_LINKS {
            kept.clear();
        }
        let client = AgentClient::new(&ConnectSpec { address: peer.address.clone(), key: peer.key.clone() }, self.own.clone())?;
        kept.insert(id, client.clone());
        Ok(client)
    }

    /// The data plane of a peer.
    pub fn link(&self, peer: &PeerSpec) -> Result<PeerLink, Trouble> {
        let client = self.client(peer)?;
        Ok(PeerLink { cluster: peer.cluster.clone(), base: client.base().to_owned(), http: client.http().clone() })
    }
}
