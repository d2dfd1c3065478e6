//! A WebHDFS client: one request in, one typed answer or [`HdfsError`] out, always within a time limit.
//!
//! NameNodes are tried in turn, beginning with the one that answered last. DataNode redirects are followed here and
//! not by the HTTP client, for two reasons: a dead DataNode is named to the NameNode, which then picks another; and the
//! NameNode's `Location` has its path in Unicode normal form C, which is another file when a name is not in that form.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::LOCATION;
use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::HdfsError;

/// What stays as it is in a query value; RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same in a path, where `/` separates.
const PATH: &AsciiSet = &QUERY.remove(b'/');
/// DataNodes tried for one read.
const DATA_NODES_TRIED: usize = 3;
/// The longest body of a metadata answer that is taken, in bytes.
const ANSWER_BYTES: usize = 256 << 20;

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A TCP connection.
    pub connect: Duration,
    /// A metadata call at one NameNode.
    pub call: Duration,
    /// A call whose work grows with the tree (recursive deletion, difference, checksum).
    pub heavy: Duration,
    /// The longest silence in the middle of a stream.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Limits { connect: secs(5), call: secs(15), heavy: secs(120), idle: secs(30) }
    }
}

/// A client of one HDFS, as one user. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebHdfs {
    http: reqwest::Client,
    addresses: Arc<[String]>,
    /// Index of the NameNode that answered last.
    active: Arc<AtomicUsize>,
    user: String,
    limits: Limits,
}

/// One operation: method, `op`, path and its other parameters.
#[derive(Debug, Clone)]
pub struct Operation {
    method: Method,
    path: String,
    query: String,
    heavy: bool,
}

impl Operation {
    fn new(method: Method, name: &str, path: &str) -> Operation {
        Operation { method, path: path.to_owned(), query: format!("op={name}"), heavy: false }
    }

    /// A reading operation.
    pub fn get(name: &str, path: &str) -> Operation {
        Operation::new(Method::GET, name, path)
    }

    /// A changing one.
    pub fn put(name: &str, path: &str) -> Operation {
        Operation::new(Method::PUT, name, path)
    }

    /// A changing one that WebHDFS wants as POST.
    pub fn post(name: &str, path: &str) -> Operation {
        Operation::new(Method::POST, name, path)
    }

    /// A removing one.
    pub fn delete(name: &str, path: &str) -> Operation {
        Operation::new(Method::DELETE, name, path)
    }

    /// One more parameter; any Unicode.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl AsRef<str>) -> Operation {
        self.query.push('&');
        self.query.push_str(key);
        self.query.push('=');
        self.query.extend(utf8_percent_encode(value.as_ref(), QUERY));
        self
    }

    /// Its work grows with the tree: it gets the longer time limit.
    #[must_use]
    pub fn heavy(mut self) -> Operation {
        self.heavy = true;
        self
    }
}

impl WebHdfs {
    /// A client for the NameNodes at `addresses` (`http://host:port`, with or without `/webhdfs/v1`), acting as `user`.
    pub fn new(addresses: &[String], user: &str, limits: Limits) -> Result<WebHdfs, HdfsError> {
        if addresses.is_empty() {
            return Err(HdfsError::Refused("no NameNode address is configured".into()));
        }
        let addresses = addresses.iter().map(|address| root_of(address)).collect();
        Ok(WebHdfs { http: http_client(limits.connect)?, addresses, active: Arc::new(AtomicUsize::new(0)), user: user.to_owned(), limits })
    }

    /// The same client acting as another user.
    pub fn acting_as(&self, user: &str) -> WebHdfs {
        WebHdfs { user: user.to_owned(), ..self.clone() }
    }

    /// Whom it acts as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Its NameNodes, `http://host:port` each.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Its time limits.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Carries out a metadata operation whose answer does not matter.
    pub async fn run(&self, operation: Operation) -> Result<(), HdfsError> {
        self.answer(&operation).await.map(drop)
    }

    /// Carries out a metadata operation and reads its JSON.
    pub async fn json<T: DeserializeOwned>(&self, operation: Operation) -> Result<T, HdfsError> {
        let text = self.answer(&operation).await?;
        serde_json::from_slice(&text).map_err(|e| HdfsError::Answer(format!("{}: {e}", operation.query)))
    }

    /// Carries out one that answers `{"boolean": …}`.
    pub async fn boolean(&self, operation: Operation) -> Result<bool, HdfsError> {
        let value: Value = self.json(operation).await?;
        Ok(value["boolean"].as_bool().unwrap_or(false))
    }

    /// A page of the NameNode that is no WebHDFS operation (`/jmx?…`, `/conf`, `/fsck?…`), as text.
    pub async fn page(&self, page: &str, limit: Duration) -> Result<String, HdfsError> {
        let first = self.active.load(Ordering::Relaxed);
        let mut last = HdfsError::Standby;
        for step in 0..self.addresses.len() {
            let url = format!("{}{page}", self.addresses[(first + step) % self.addresses.len()]);
            let fetched = async { body(ok(self.http.get(url).send().await.map_err(broken)?).await?).await };
            match within(limit, fetched).await {
                Ok(bytes) => return String::from_utf8(bytes).map_err(|e| HdfsError::Answer(e.to_string())),
                // Which one of the list is active is known only once it was asked for something.
                Err(error @ (HdfsError::Refused(_) | HdfsError::Standby | HdfsError::Silent(_))) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Opens a file for reading at a DataNode, redirect and dead DataNodes included; the body is not read yet.
    pub async fn open(&self, operation: &Operation) -> Result<Response, HdfsError> {
        let mut dead: Vec<String> = Vec::new();
        loop {
            let mut asked = operation.clone();
            if !dead.is_empty() {
                asked = asked.with("excludedatanodes", dead.join(","));
            }
            let answer = self.ask(&asked).await?;
            if answer.status() != StatusCode::TEMPORARY_REDIRECT {
                return Ok(answer);
            }
            let (url, node) = redirect(&answer, &operation.path)?;
            match within(self.limit(operation), async { self.http.request(asked.method, url).send().await.map_err(broken) }).await {
                Ok(answer) => return ok(answer).await,
                Err(error) if dead.len() + 1 >= DATA_NODES_TRIED => return Err(error),
                Err(_) => dead.push(node),
            }
        }
    }

    async fn answer(&self, operation: &Operation) -> Result<Vec<u8>, HdfsError> {
        let answer = self.open(operation).await?;
        within(self.limit(operation), body(answer)).await
    }

    fn limit(&self, operation: &Operation) -> Duration {
        if operation.heavy { self.limits.heavy } else { self.limits.call }
    }

    /// Asks the NameNodes in turn; every one gets one try, and one that is starting or in standby gives way to the next.
    async fn ask(&self, operation: &Operation) -> Result<Response, HdfsError> {
        let first = self.active.load(Ordering::Relaxed);
        let mut last = HdfsError::Standby;
        for step in 0..self.addresses.len() {
            let at = (first + step) % self.addresses.len();
            match self.ask_one(&self.addresses[at], operation).await {
                Ok(answer) => {
                    self.active.store(at, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error @ (HdfsError::Refused(_) | HdfsError::Standby)) => last = error,
                // A change may have taken effect without an answer: only reading goes on to the next NameNode.
                Err(error @ HdfsError::Silent(_)) if operation.method == Method::GET => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn ask_one(&self, address: &str, operation: &Operation) -> Result<Response, HdfsError> {
        let url = format!(
            "{address}/webhdfs/v1{}?{}&user.name={}",
            utf8_percent_encode(&operation.path, PATH),
            operation.query,
            utf8_percent_encode(&self.user, QUERY)
        );
        let sent = async { ok(self.http.request(operation.method.clone(), url).send().await.map_err(broken)?).await };
        within(self.limit(operation), sent).await
    }
}

/// `http://host:port` of an address that may end in `/webhdfs/v1` or `/`.
fn root_of(address: &str) -> String {
    let bare = address.trim_end_matches('/');
    bare.strip_suffix("/webhdfs/v1").unwrap_or(bare).trim_end_matches('/').to_owned()
}

/// A client for NameNodes and DataNodes: no proxy, no redirects of its own, connections kept a short while.
pub fn http_client(connect: Duration) -> Result<reqwest::Client, HdfsError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Both programs install it first thing; another thread may do so at this very moment, which is as well.
        rustls::crypto::ring::default_provider().install_default().ok();
    }
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(connect)
        .pool_idle_timeout(Duration::from_secs(4))
        .build()
        .map_err(|e| HdfsError::Refused(e.to_string()))
}

/// Runs a call under a time limit.
pub async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, HdfsError>>) -> Result<T, HdfsError> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(HdfsError::Silent(limit)))
}

/// A transport failure, with its innermost cause: reqwest's own text says only that sending failed.
pub fn broken(error: reqwest::Error) -> HdfsError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    HdfsError::Refused(cause.to_string())
}

/// The DataNode's URL with our own spelling of the path, and `host:port` of the node.
fn redirect(answer: &Response, path: &str) -> Result<(String, String), HdfsError> {
    let bad = || HdfsError::Answer("a redirect without a DataNode's address".into());
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(bad)?;
    let url = reqwest::Url::parse(location).map_err(|_| bad())?;
    let host = url.host_str().ok_or_else(bad)?;
    let node = url.port_or_known_default().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let ours = format!("{}://{node}/webhdfs/v1{}?{}", url.scheme(), utf8_percent_encode(path, PATH), url.query().unwrap_or(""));
    Ok((ours, node))
}

/// Passes on success and redirects; turns anything else into its error.
async fn ok(answer: Response) -> Result<Response, HdfsError> {
    let status = answer.status();
    if status.is_success() || status == StatusCode::TEMPORARY_REDIRECT {
        return Ok(answer);
    }
    let negotiate = answer.headers().get_all("www-authenticate").iter().any(|v| v.as_bytes().starts_with(b"Negotiate"));
    if status == StatusCode::UNAUTHORIZED && negotiate {
        return Err(HdfsError::Kerberos);
    }
    let text = body(answer).await?;
    let exception = serde_json::from_slice::<Value>(&text).unwrap_or(Value::Null);
    let field = |name: &str| exception["RemoteException"][name].as_str().unwrap_or_default();
    let name = if field("exception").is_empty() { format!("HTTP {}", status.as_u16()) } else { field("exception").to_owned() };
    if ["StandbyException", "RetriableException"].contains(&name.as_str()) || field("message").contains("state standby") {
        return Err(HdfsError::Standby);
    }
    let message = field("message").lines().next().unwrap_or_default().to_owned();
    Err(HdfsError::Remote { status: status.as_u16(), exception: name, message })
}

/// The whole body of a metadata answer, bounded.
async fn body(mut answer: Response) -> Result<Vec<u8>, HdfsError> {
    let mut whole = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(broken)? {
        if whole.len() + chunk.len() > ANSWER_BYTES {
            return Err(HdfsError::Answer(format!("it is longer than {ANSWER_BYTES} bytes")));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}
