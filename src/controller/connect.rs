//! How the engine reaches agents: over HTTPS with pinned keys, or (in tests) simulated ones.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::Trouble;
use crate::protocol::enrol::EnrolCode;
use crate::protocol::host;
use crate::protocol::tls::OwnKey;
use crate::protocol::{AgentApi, AgentClient, CertificateStatus, ConnectSpec, enrol};
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
    /// Our own certificate; `None`: connections carry none.
    fn certificate(&self) -> Option<CertificateStatus> {
        None
    }
    /// Renews our certificate for the same key when that is due; whether it did. Connections from then on show the new one. Waits for the disk.
    fn renew(&self, _now: DateTime<Utc>) -> Result<bool, Trouble> {
        Ok(false)
    }
}

/// Over HTTPS, with our own key for life.
pub(super) struct HttpsConnector {
    own: Arc<OwnKey>,
}

impl HttpsConnector {
    /// Loads our key from the state directory, or makes it.
    pub fn open(state: &Path, now: DateTime<Utc>) -> Result<HttpsConnector, Trouble> {
        Ok(HttpsConnector { own: OwnKey::load_or_create(state, &host::label(), now)? })
    }
}

#[async_trait]
impl Connector for HttpsConnector {
    fn connect(&self, agent: &Enrolled) -> Result<Arc<dyn AgentApi>, Trouble> {
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

    fn certificate(&self) -> Option<CertificateStatus> {
        Some(self.own.certificate())
    }

    fn renew(&self, now: DateTime<Utc>) -> Result<bool, Trouble> {
        self.own.renew_if_due(now)
    }
}
