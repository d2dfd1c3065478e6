//! One connection: what it may use by who it is, and when it ends.
//!
//! ```text
//! request ─ with its Caller ─ router ─ answer ─┬─ a stranger's: the connection ends
//!                                              └─ a known key's: the next one, until it is idle for long, or known no more
//! ```

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, ServiceExt};

use super::Caller;

/// How long the head of a known key's request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// A silent HTTP/2 connection of a known key is asked this often whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// All that a stranger's connection has, from its first byte (over TLS: from its proven key) to the end of its one answer.
pub(super) const STRANGER_LIFE: Duration = Duration::from_secs(5);
/// How long a known key's connection may be there without a request.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// Between two looks whether a connection is idle, and its key still known.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long an idle or answered connection may take to end in good order.
const FAREWELL: Duration = Duration::from_secs(5);
/// Streams at once of a stranger's HTTP/2 connection.
const STRANGER_STREAMS: u32 = 8;
/// Buffers of a stranger's connection, and its headers in all.
const STRANGER_BYTES: u32 = 16 << 10;

/// What a connection may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terms {
    /// Plain HTTP/1.1, one request.
    Plain,
    /// HTTP/2 or 1.1, one request, few streams.
    Guest,
    /// As much as it needs.
    Known,
}

impl Terms {
    fn builder(self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
        builder.http2().timer(TokioTimer::new()).keep_alive_interval(KEEP_ALIVE).keep_alive_timeout(HEAD_LIMIT);
        if self != Terms::Known {
            builder.http1().header_read_timeout(STRANGER_LIFE).keep_alive(false).max_buf_size(STRANGER_BYTES as usize);
            builder
                .http2()
                .max_concurrent_streams(STRANGER_STREAMS)
                .max_header_list_size(STRANGER_BYTES)
                .initial_stream_window_size(STRANGER_BYTES)
                .initial_connection_window_size(4 * STRANGER_BYTES);
        }
        if self == Terms::Plain { builder.http1_only() } else { builder }
    }
}

/// Serves a connection to its end. `known` is asked again and again whether a known key still is.
pub(super) async fn serve<I, F>(
    io: I,
    (router, caller): (Router, Caller),
    terms: Terms,
    known: impl Fn() -> F + Send,
    stop: &CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Option<bool>> + Send,
{
    let work = Arc::new(Work::default());
    let builder = terms.builder();
    let service = TowerToHyperService::new(Answering { router, caller, work: work.clone() });
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
    let born = Instant::now();
    let over = async {
        match terms {
            Terms::Known => work.over(born, known).await,
            Terms::Plain | Terms::Guest => {
                work.answered.notified().await;
                End::InOrder
            }
        }
    };
    let end = tokio::select! {
        // How it ended is the caller's affair; what it asked has been answered or has not.
        ended = connection.as_mut() => return drop(ended),
        end = over => end,
        () = stop.cancelled() => End::InOrder,
    };
    if end == End::InOrder {
        connection.as_mut().graceful_shutdown();
        // With work under way it ends when that is done; the loop has the last word when the program stops.
        let rest = async {
            drop(connection.await);
        };
        tokio::pin!(rest);
        loop {
            tokio::select! {
                () = &mut rest => return,
                () = tokio::time::sleep(FAREWELL) => if work.is_idle() { return },
            }
        }
    }
}

/// How a connection is ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    InOrder,
    AtOnce,
}

/// What a connection's requests are doing.
#[derive(Debug, Default)]
struct Work {
    under_way: AtomicUsize,
    ended: Mutex<Option<Instant>>,
    any: AtomicBool,
    answered: Notify,
}

impl Work {
    fn begin(self: &Arc<Work>) -> OneRequest {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        OneRequest(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
    }

    /// Returns when the connection has been idle for long, or its key is known no more.
    async fn over<F: Future<Output = Option<bool>>>(&self, born: Instant, known: impl Fn() -> F) -> End {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // A look that fails is no word against the key.
            if known().await == Some(false) {
                return End::AtOnce;
            }
            let since = self.ended.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(born);
            if self.is_idle() && since.elapsed() >= IDLE_LIMIT {
                return End::InOrder;
            }
        }
    }
}

/// A request, until the last byte of its answer is taken.
struct OneRequest(Arc<Work>);

impl Drop for OneRequest {
    fn drop(&mut self) {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        if !self.0.any.swap(true, Ordering::AcqRel) {
            self.0.answered.notify_one();
        }
    }
}

/// The router, told who asks.
#[derive(Clone)]
struct Answering {
    router: Router,
    caller: Caller,
    work: Arc<Work>,
}

impl<B> Service<Request<B>> for Answering
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Counted>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Counted>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let work = self.work.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.caller.clone());
        let answer = self.router.clone().oneshot(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Counted { body, _work: work })) })
    }
}

/// The body of an answer, which counts as work until it is sent.
struct Counted {
    body: Body,
    _work: OneRequest,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
