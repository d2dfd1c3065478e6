//! The HTTPS client of an agent, and the enrolment that comes before it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, RequestBuilder};
use rustls::AlertDescription;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::domain::admission::{Admitted, AskedAs, Said};
use crate::domain::{InstructionId, Note, RunId, Trouble, TroubleKind};

use super::enrol::{self, EnrolCode, ProofOf};
use super::http::{CONNECT_LIMIT, alert_told, broke, call_failed, http_client, is_unexplained, read_answer, said_by_alert};
use super::tls::{self, OwnKey, Pins};
use super::{AgentApi, AgentStatus, Answer, CatalogueItem, ClockReply, EnrolReply, EnrolRequest, Instruction, Records};

/// How long an ordinary call may take, and a long poll beyond its wait.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How long a catalogue or all records may take.
const LONG_CALL_LIMIT: Duration = Duration::from_secs(30);
/// How long may be spent on learning why a connection ended.
const ALERT_LIMIT: Duration = Duration::from_secs(1);
/// The longest long poll.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// How to reach an agent: its address and its pinned key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectSpec {
    /// `host:port`.
    pub address: String,
    /// SHA-256 of the SubjectPublicKeyInfo it must show, hex.
    pub key: String,
}

/// An agent over HTTPS with keys pinned both ways. Clones share their connections.
#[derive(Clone)]
pub struct AgentClient {
    object: String,
    base: String,
    http: reqwest::Client,
    spec: ConnectSpec,
    own: Arc<OwnKey>,
}

impl AgentClient {
    /// A client that shows `own` and accepts only `spec.key`. Does not connect yet.
    pub fn new(spec: &ConnectSpec, own: Arc<OwnKey>) -> Result<AgentClient, Trouble> {
        check_address(&spec.address)?;
        let http = http_client(own.clone(), Pins::new([spec.key.clone()]))?;
        let (object, base) = (format!("agent {}", spec.address), format!("https://{}", spec.address));
        Ok(AgentClient { object, base, http, spec: spec.clone(), own })
    }

    /// `https://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The HTTP client, for streams beside the [`AgentApi`].
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder, limit: Duration) -> Result<T, Trouble> {
        match request.timeout(limit).send().await {
            Ok(response) => read_answer(&self.object, response).await,
            Err(e) => Err(self.failed(&e).await),
        }
    }

    /// A server checks our certificate when the handshake is over for us, and HTTP/2 is already writing when the alert comes: it notices
    /// a broken pipe and no reason. So a connection that ends without a reason is asked once more, and only listened to.
    async fn failed(&self, error: &reqwest::Error) -> Trouble {
        if is_unexplained(error)
            && let Ok(Some(alert)) = tokio::time::timeout(ALERT_LIMIT, self.alert()).await
        {
            return said_by_alert(&self.object, alert);
        }
        call_failed(&self.object, error)
    }

    /// The TLS alert that a fresh connection gets; `None`: none.
    async fn alert(&self) -> Option<AlertDescription> {
        let name = ServerName::try_from(check_address(&self.spec.address).ok()?.to_owned()).ok()?;
        let config = tls::client_config(self.own.clone(), Some(Pins::new([self.spec.key.clone()]))).ok()?;
        let stream = TcpStream::connect(&self.spec.address).await.ok()?;
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        alert_told(&stream.read_u8().await.err()?)
    }
}

impl fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentClient").field("base", &self.base).finish_non_exhaustive()
    }
}

#[async_trait]
impl AgentApi for AgentClient {
    async fn instruct(&self, instruction: &Instruction) -> Result<Answer, Trouble> {
        self.ask(self.request(Method::POST, "/v1/instructions").json(instruction), CALL_LIMIT).await
    }
    async fn answer(&self, id: InstructionId, wait: Duration) -> Result<Answer, Trouble> {
        let wait = wait.min(MAX_WAIT);
        let request = self.request(Method::GET, &format!("/v1/instructions/{id}"));
        self.ask(request.query(&[("wait_ms", wait.as_millis().to_string())]), wait + CALL_LIMIT).await
    }
    async fn status(&self) -> Result<AgentStatus, Trouble> {
        let asked = [("certificate", true), ("unfinished", true), ("restores", true)];
        self.ask(self.request(Method::GET, "/v1/status").query(&asked), CALL_LIMIT).await
    }
    async fn clock(&self) -> Result<ClockReply, Trouble> {
        self.ask(self.request(Method::GET, "/v1/clock"), CALL_LIMIT).await
    }
    async fn catalogue(&self, component: &str, path: &str) -> Result<Vec<CatalogueItem>, Trouble> {
        let request = self.request(Method::GET, "/v1/catalogue").query(&[("component", component), ("path", path)]);
        self.ask(request, LONG_CALL_LIMIT).await
    }
    async fn look(&self, component: &str, path: &str, asked_as: AskedAs) -> Result<Said, Trouble> {
        let about = [("component", component), ("path", path), ("as", asked_as.word())];
        match self.ask(self.request(Method::GET, "/v1/look").query(&about), LONG_CALL_LIMIT).await {
            Err(trouble) if is_of_an_earlier(&trouble) => self.look_in_parts(component, path, asked_as).await,
            said => said,
        }
    }
    async fn run_notes(&self, run: RunId) -> Result<Vec<Note>, Trouble> {
        let request = self.request(Method::GET, "/v1/run-notes").query(&[("run", run.to_string())]);
        nothing_from_an_earlier(self.ask(request, CALL_LIMIT).await)
    }
    async fn records(&self) -> Result<Records, Trouble> {
        self.ask(self.request(Method::GET, "/v1/records"), LONG_CALL_LIMIT).await
    }
}

impl AgentClient {
    /// What an agent of an earlier version says, asked as it can be: of the source's check, notes and places, or of the target's admission.
    async fn look_in_parts(&self, component: &str, path: &str, asked_as: AskedAs) -> Result<Said, Trouble> {
        let about = [("component", component), ("path", path)];
        let ask = |endpoint| self.request(Method::GET, endpoint).query(&about);
        let mut notes = Vec::new();
        if asked_as == AskedAs::Source {
            self.ask::<()>(ask("/v1/check"), LONG_CALL_LIMIT).await?;
            notes = nothing_from_an_earlier(self.ask::<Vec<Note>>(ask("/v1/notes"), LONG_CALL_LIMIT).await)?;
        }
        let known = if asked_as == AskedAs::Target { asked_as } else { AskedAs::Source };
        let admission = ask("/v1/admission").query(&[("as", known.word())]);
        let admitted: Admitted = nothing_from_an_earlier(self.ask(admission, LONG_CALL_LIMIT).await)?;
        let mut said = Said::from(admitted);
        said.notes.extend(notes);
        Ok(said)
    }
}

/// Whether an agent has no such endpoint, being of an earlier version.
fn is_of_an_earlier(trouble: &Trouble) -> bool {
    trouble.kind == TroubleKind::NotFound && trouble.object == "request"
}

/// An agent of an earlier version has no such endpoint, and nothing to tell.
fn nothing_from_an_earlier<T: Default>(told: Result<T, Trouble>) -> Result<T, Trouble> {
    match told {
        Err(trouble) if is_of_an_earlier(&trouble) => Ok(T::default()),
        told => told,
    }
}

/// Enrols with an agent by the code its administrator read out: returns what it says of itself and its key, to be pinned.
/// Both ends have then proven the code for the very keys of this connection.
pub async fn enrol(address: &str, code: &EnrolCode, own: Arc<OwnKey>) -> Result<(EnrolReply, String), Trouble> {
    let key = learn_key(address, own.clone()).await?;
    let ours = own.fingerprint().to_owned();
    let code_key = code.key();
    let request = EnrolRequest { proof: enrol::proof(&code_key, ProofOf::Controller, &ours, &key), controller_key: ours.clone() };
    let client = AgentClient::new(&ConnectSpec { address: address.to_owned(), key: key.clone() }, own)?;
    let reply: EnrolReply = client.ask(client.request(Method::POST, "/v1/enrol").json(&request), CALL_LIMIT).await?;
    if !enrol::is_proof(&reply.proof, &code_key, ProofOf::Agent, &key, &ours) {
        return Err(Trouble::new(TroubleKind::Refused, &client.object, "it does not know the code: this is not the agent that issued it")
            .next("somebody may stand between; check the address and issue a new code"));
    }
    Ok((reply, key))
}

/// The key that whoever answers at an address shows; proven to be there, trusted for nothing.
pub async fn learn_key(address: &str, own: Arc<OwnKey>) -> Result<String, Trouble> {
    let object = format!("agent {address}");
    let host = check_address(address)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| Trouble::new(TroubleKind::Invalid, &object, e))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls::client_config(own, None)?));
    let connect = async {
        let stream = TcpStream::connect(address).await.map_err(|e| broke(&e).to_owned())?;
        connector.connect(name, stream).await.map_err(|e| format!("no secure connection: {e}"))
    };
    let unreachable =
        |reason: String| Trouble::new(TroubleKind::Unreachable, &object, reason).next("see that the agent runs, and check the address");
    let stream = tokio::time::timeout(CONNECT_LIMIT + CALL_LIMIT, connect)
        .await
        .map_err(|_| unreachable("it did not answer within the time limit".into()))?
        .map_err(unreachable)?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    certificate.map_or_else(|| Err(Trouble::new(TroubleKind::Refused, &object, "it shows no certificate")), tls::fingerprint)
}

/// The host of `host:port`.
fn check_address(address: &str) -> Result<&str, Trouble> {
    let bad = || {
        Trouble::new(TroubleKind::Invalid, format!("address {address:?}"), "it is not HOST:PORT").next("write for example 10.1.2.3:7443")
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
    let is_host = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
    if !is_host || port.parse::<u16>().is_err() {
        return Err(bad());
    }
    Ok(host.trim_start_matches('[').trim_end_matches(']'))
}
