//! Relays between the processes of a test, cut and mended by link.

use std::net::SocketAddr;

use understudy::lab::relays::{Cable, Relay};

/// The relays of one link. They carry for as long as this lives.
pub struct Link {
    relays: Vec<Relay>,
    runtime: tokio::runtime::Runtime,
}

impl Default for Link {
    fn default() -> Link {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        Link { relays: Vec::new(), runtime }
    }
}

impl Link {
    /// Where to call `target` by this link.
    pub fn to(&mut self, target: SocketAddr) -> SocketAddr {
        let relay = self.runtime.block_on(Relay::start(target)).expect("a relay");
        self.relays.push(relay);
        self.relays.last().expect("it is there").address()
    }

    /// Cuts or mends all of it.
    pub fn set(&self, cable: Cable) {
        self.relays.iter().for_each(|relay| relay.set(cable));
    }
}
