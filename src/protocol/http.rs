//! What both ends of the wire agree on about HTTP: a trouble's status, a failed call's trouble, bounded bodies.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rustls::AlertDescription;
use serde::de::DeserializeOwned;

use crate::domain::{Trouble, TroubleKind};

use super::tls::{self, OwnKey, Pins};

/// How long a connection may take to come about.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// A connection from which nothing came for so long is asked whether anybody is still there, …
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// … and given up after so long without an answer: the next call then makes a new one.
const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(8);
/// The largest answer that is read into memory.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// The HTTP status that goes with a sort of trouble.
pub fn http_status(kind: TroubleKind) -> u16 {
    match kind {
        TroubleKind::Invalid => 400,
        TroubleKind::Refused => 403,
        TroubleKind::NotFound => 404,
        TroubleKind::Outdated => 409,
        TroubleKind::Corrupt => 422,
        TroubleKind::Cancelled => 410,
        TroubleKind::Failed => 500,
        TroubleKind::Unreachable => 502,
        TroubleKind::Exhausted => 507,
    }
}

/// A trouble as an answer, with the status of its kind.
#[derive(Debug)]
pub struct Refusal(pub Trouble);

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal(trouble)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(http_status(self.0.kind)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

/// An HTTP client that shows our certificate and accepts only pinned keys. It uses no proxy and follows no redirect. Every call needs
/// a time limit of its own: one for all calls would cut off a large piece on its way up a slow line.
pub fn http_client(own: Arc<OwnKey>, pins: Pins) -> Result<reqwest::Client, Trouble> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config(own, Some(pins))?)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_LIMIT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE_LIMIT)
        .pool_idle_timeout(Duration::from_secs(20))
        .tcp_nodelay(true)
        .build()
        .map_err(|e| Trouble::new(TroubleKind::Failed, "HTTP client", chain(&e)))
}

/// Why a call failed, told apart: refused, time limit, TLS, broken.
pub fn call_failed(object: impl fmt::Display, error: &reqwest::Error) -> Trouble {
    if let Some(alert) = alert_told(error) {
        return said_by_alert(object, alert);
    }
    let unreachable = |reason: String| Trouble::new(TroubleKind::Unreachable, &object, reason);
    let tls = causes(error).find_map(|e| inside(e).downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return match tls {
            rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure) => {
                Trouble::new(TroubleKind::Refused, &object, "it shows another key than the pinned one")
                    .next("if the agent was set up anew, pair it again; if not, somebody stands between")
            }
            tls => unreachable(format!("no secure connection: {tls}")),
        };
    }
    if error.is_timeout() {
        return unreachable("it did not answer within the time limit".into());
    }
    // The libraries' and the system's own words are for the log, not for whoever has to decide by this.
    tracing::debug!(%object, error = chain(error), "a call failed");
    unreachable(causes(error).find_map(|e| e.downcast_ref::<io::Error>()).map_or(BROKE, broke).to_owned())
}

/// The TLS alert by which the other side ended the connection.
pub(super) fn alert_told(error: &(dyn Error + 'static)) -> Option<AlertDescription> {
    causes(error).find_map(|e| match inside(e).downcast_ref() {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => None,
    })
}

/// Whether a call failed in a way that says no more than that its connection ended.
pub(super) fn is_unexplained(error: &reqwest::Error) -> bool {
    let explained = error.is_timeout() || causes(error).any(|e| inside(e).is::<rustls::Error>());
    !explained && causes(error).find_map(|e| e.downcast_ref::<io::Error>()).is_none_or(|e| broke(e) == BROKE)
}

/// What the other side says by an alert, and what to do.
pub(super) fn said_by_alert(object: impl fmt::Display, alert: AlertDescription) -> Trouble {
    let (reason, next) = match alert {
        AlertDescription::CertificateExpired => (
            "the other side says that this certificate has expired or is not valid yet".to_owned(),
            "compare the clocks of both hosts; restart this program, which renews its certificate; or install this version on the other \
             side: it checks keys and no dates",
        ),
        AlertDescription::AccessDenied => {
            ("the other side does not know this key".to_owned(), "pair again; if neither side was set up anew, somebody stands between")
        }
        alert => (
            format!("the other side ended the secure connection and gave as the reason: {alert:?}"),
            "install the same version on both sides, and look at the log of the other side",
        ),
    };
    Trouble::new(TroubleKind::Unreachable, object, reason).next(next)
}

/// A connection that ended in a way that says no more than that.
const BROKE: &str = "the connection broke before an answer came: the other end closed it, or something on the way did";

/// What an I/O error of a connection means, in plain words.
pub fn broke(error: &io::Error) -> &'static str {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable, TimedOut};
    match error.kind() {
        ConnectionRefused => "it refuses connections: no agent listens there",
        TimedOut => "it did not answer within the time limit",
        HostUnreachable | NetworkUnreachable => "the network knows no way to that host",
        NetworkDown | AddrNotAvailable => "this host has no network connection that leads there",
        _ if error.to_string().contains("failed to lookup address") => "its host name is not known here",
        _ => BROKE,
    }
}

/// An error, its cause, that one's cause …
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e: &&'a (dyn Error + 'static)| (*e).source())
}

/// What an I/O error was made of, however often it was wrapped: its `source()` skips that.
fn inside<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => inside(inner),
        None => error,
    }
}

/// An error with all its causes, in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The answer of a call: its JSON, or the trouble that the other side told.
pub async fn read_answer<T: DeserializeOwned>(object: impl fmt::Display, response: reqwest::Response) -> Result<T, Trouble> {
    let status = response.status();
    let body = read_bounded(&object, response).await?;
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|e| Trouble::new(TroubleKind::Failed, &object, format!("its answer is not understood: {e}")));
    }
    Err(told_trouble(object, status.as_u16(), &body))
}

/// The trouble in a refusing answer; anything else that came (a proxy's page) is told as a failure with its status.
pub fn told_trouble(object: impl fmt::Display, status: u16, body: &[u8]) -> Trouble {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| Trouble::new(TroubleKind::Failed, object, format!("it answered HTTP {status} without saying why")))
}

async fn read_bounded(object: &impl fmt::Display, mut response: reqwest::Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| call_failed(object, &e))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(Trouble::new(TroubleKind::Failed, object, "its answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What a call to a server that answers each connection in this way is told.
    async fn told(answer: &'static [u8]) -> Trouble {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Read at least a bit, so that closing is no reset on the way.
                drop(stream.read(&mut [0; 64]).await);
                drop(stream.write_all(answer).await);
            }
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let called = async { client.get(format!("http://{address}")).send().await?.bytes().await };
        call_failed("agent x", &called.await.expect_err("it broke"))
    }

    #[tokio::test]
    async fn a_connection_that_broke_is_told_in_plain_words_whenever_it_broke() {
        crate::protocol::tls::install_provider();
        for answer in [&b""[..], b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"] {
            let trouble = told(answer).await;
            assert_eq!((trouble.kind, trouble.reason.as_str()), (TroubleKind::Unreachable, BROKE));
        }
    }

    #[test]
    fn no_error_text_of_the_system_reaches_a_person() {
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::HostUnreachable, io::ErrorKind::Other] {
            assert!(!broke(&io::Error::new(kind, "os error 104")).contains("os error"), "{kind}");
        }
    }
}
