//! How the engine reaches agents: over HTTPS with pinned keys, or (in tests) simulated ones.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::Utc;

use crate::domain::Trouble;
use crate::protocol::enrol::EnrolCode;
use crate::protocol::host;
use crate::protocol::tls::OwnKey;
use crate::protocol::{AgentApi, AgentClient, ConnectSpec, enrol};
use crate::store::controller::Enrolled;

/// Reaches agents.
#[async_trait]
pub trait Connector: Send + Sync {
    /// An enrolled agent. Cheap: nothing is sent yet.
    fn connect(&self, agent: &Enrolled) -> Result<Arc<dyn AgentApi>, Trouble>;
    /// Exchanges a code for pinned keys, both ways.
    async fn enrol(&self, address: &str, code: &str) -> Result<Enrolled, Trouble>;
    /// Our own key's fingerprint, to be compared by people.
    fn key(&self) -> String;
}

/// Over HTTPS, with our own key for life.
pub(super) struct HttpsConnector {
    own: Arc<OwnKey>,
}

impl HttpsConnector {
    /// Loads our key from the state directory, or makes it.
    pub fn open(state: &Path) -> Result<HttpsConnector, Trouble> {
        Ok(HttpsConnector { own: OwnKey::load_or_create(state, &host::label(), Utc::now())? })
    }
}

#[async_trait]
impl Connector for HttpsConnector {
    fn connect(&self, agent: &Enrolled) -> Result<Arc<dyn AgentApi>, Trouble> {
        // Handshakes take whatever certificate is current, so that renewing here is enough for a console that runs for months.
        self.own.renew_if_due(Utc::now())?;
        let spec = ConnectSpec { address: agent.address.clone(), key: agent.key.clone() };
        Ok(Arc::new(AgentClient::new(&spec, self.own.clone())?))
    }

    async fn enrol(&self, address: &str, code: &str) -> Result<Enrolled, Trouble> {
        let code = EnrolCode::parse(code)?;
        let (reply, key) = enrol(address, &code, self.own.clone()).await?;
        Ok(Enrolled { address: address.to_owned(), key, cluster: reply.cluster, site: reply.site })
    }

    fn key(&self) -> String {
        self.own.fingerprint().to_owned()
    }
}
